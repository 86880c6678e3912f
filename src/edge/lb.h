/* What: `kennel lb`, the layer-4 load balancer behind Services of type LoadBalancer,
 * and what brings node ports to the host.
 *
 * It runs in the VPC's namespace without rights. Its listening sockets are on the host and belong
 * to the supervisor: main.c joins the two by a provider. */
#pragma once

#include "base/err.h"
#include "base/ip.h"

/* A port of the edge. */
struct lb_front {
	struct ip ip;
	int protocol; /* IPPROTO_TCP, _UDP, _SCTP */
	uint16_t port;
};

struct lb_provider {
	/* A bound socket (TCP and SCTP: listening), opened or kept from before; blocking. On
	 * success the caller owns *ret_fd. Failure: ERR_EXISTS with a sentence that names who has
	 * the port; others. */
	int (*listen)(void *arg, const struct lb_front *f, int *ret_fd, struct err *err);
	/* The port is no longer wanted. */
	void (*close)(void *arg, const struct lb_front *f);
	void *arg;
};

/* Options: --kubeconfig F --edge-address RANGE --node-ip A
 * [--node-ip A...] [--name N] [--home H]
 * [--uid U]. Returns the exit status. SIGTERM: accepts no more, lets answers under way finish, at
 * most 4 s. */
int lb_main(int argc, char **argv, const struct lb_provider *p);
