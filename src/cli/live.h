/* What: packets through a running instance, for commands that hold what they predicted against what happens: asks the
 * node (node/probe-flow.h, on its unix socket, so as root) to connect from inside a pod, and knows which pods there are.
 *
 * Everything here waits for its answer. */
#pragma once

#include "base/map.h"
#include "cli/caller.h"
#include "cli/command.h"
#include "model/model.h"

struct http_client;

enum live_outcome { LIVE_UNKNOWN, LIVE_CONNECTED, LIVE_REFUSED, LIVE_TIMEOUT, LIVE_UNREACHABLE };
const char *live_outcome_text(enum live_outcome o); /* "connected" */
/* Did packets get there (and an answer back)? */
bool live_reached(enum live_outcome o);

struct live_flow {
	struct ip ip; /* given: the destination, at which port */
	uint16_t port;
	enum proto proto;
	enum live_outcome outcome; /* result; LIVE_UNKNOWN: could not be asked */
	double ms;                 /* likewise: how long it took */
	struct slice send;         /* given: what is said once connected; may be empty */
	bool wants;                /* given: what comes back is wanted */
	struct slice received;     /* result: in the asking's arena; may be empty */
};

struct live_ask {             /* flows from one place */
	struct slice ns, pod; /* from inside this pod; pod empty: from the node, or: */
	bool in_vpc;          /* from the router, where the balancer is */
	struct arena *arena;  /* for what comes back; null: nothing is wanted */
	struct live_flow *flows;
	size_t n;
	struct err failed; /* result; code 0: all flows have an outcome */
};

struct live {
	struct caller caller;
	struct map nodes;      /* struct http_client by node, owned */
	char *sockets, *first; /* owned: folder of the nodes' sockets; name of the first node */
	struct doc *pods;      /* share; a PodList */
};
/* A client of every node's own service, in turn; the receiver owns it. Failure: a sentence for the user (not running, not
 * root). */
MUST_USE int live_nodes(struct loop *loop, const struct cli_instance *i,
                        void (*add)(void *arg, struct http_client *node), void *arg,
                        struct err *err);
/* Opens an instance and reads its pods. Failure: a sentence for the user (not running, not root). live_close in any
 * case. */
MUST_USE int live_open(struct live *l, const struct cli_instance *i, struct err *err);
void live_close(struct live *l);
/* Asks all, several places side by side. timeout_ms: for one flow. */
void live_probe(struct live *l, struct live_ask *asks, size_t n, int timeout_ms);

/* The next pod after 'after' (null: the first) that runs, has an address, is not leaving, and: is called 'name' (when
 * given), or carries all these labels. Null: none. */
const struct val *live_pod(const struct live *l, struct slice ns, struct slice name,
                           const struct val *labels, const struct val *after);
/* Its address; false when it has none. */
bool live_pod_ip(const struct val *pod, struct ip *ret);
