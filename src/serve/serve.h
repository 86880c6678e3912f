/* What: the supervisor as a process, and how commands start, ask and stop it. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"

struct serve_options {
	const char *name, *home;  /* of the instance; home absolute */
	const char *edge_address; /* where load balancers listen */
	const char
		*ip_families; /* IP_FAMILIES_... (base/ip.h); null: as last time, at first IPv4 */
	uint16_t api_port;    /* 0: 6443 or the next free one */
	/* How sockets of pods find the endpoint of a service: "ebpf", "nftables" or, whichever is to be
	 * had, "auto". */
	const char *service_dataplane;
	unsigned nodes; /* 0: as many as it had last time, at first one */
};

/* The role: serve --name N --home H --edge-address A --api-port P --nodes N --service-dataplane D --ip-families L
 * [--ready-fd N]. Returns the exit status. */
int serve_main(int argc, char **argv);

/* Starts it in the background and waits until its sockets listen and the kubeconfig is written. Outcome:
 * 1 when it runs already. Failure: the sentence that it gave; ERR_CONFLICT when it runs with another
 * number of nodes. */
MUST_USE int serve_launch(const struct serve_options *o, struct err *err);
/* Its state as JSON. Failure: ERR_UNAVAILABLE. */
MUST_USE int serve_status(const struct serve_options *o, struct strbuf *out, struct err *err);
/* Stops it, if it runs, and removes what the instance has on the host; purge: the home folder as well. */
MUST_USE int serve_down(const struct serve_options *o, bool purge, struct err *err);
