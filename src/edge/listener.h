/* What: one port of the balancer: accepts, chooses a target (targets.h), dials it (again, while it
 * refuses), writes the PROXY header and hands both sockets to a relay.
 *
 * The listening socket is the supervisor's: it is watched here, never closed, so connections that
 * come while the balancer restarts wait in it. */
#pragma once

#include "base/ip.h"
#include "edge/relay.h"
#include "edge/targets.h"

struct listener;

struct listener_spec {
	struct ip ip; /* of the edge; the PROXY header's destination */
	uint16_t port;
	int protocol; /* IPPROTO_TCP or IPPROTO_SCTP */
	int fd;       /* listening; borrowed */
	bool proxy_protocol;
	bool sticky; /* a client's connections go to one target, from an address of the client's own */
	int64_t idle_us;
	const struct prefix *sources; /* copied; none: anybody */
	size_t n_sources;
	struct targets_spec targets; /* copied */
};

#define LB_CLIENT_RANGE 0x647e0000u /* 100.126.0.0/16 */
/* The address under which a target sees a client of a sticky port. */
struct ip client_source(struct ip client);
/* May a client come, by source ranges? Without any, everybody may. */
bool source_may_come(const struct prefix *sources, size_t n, struct ip client);

/* Failure: ERR_IO. */
MUST_USE int listener_start(struct relay_pool *p, struct loop *l, const struct listener_spec *s,
                            struct listener **ret_l, struct err *err);
/* New settings for new connections; ip, port and fd stay. */
void listener_change(struct listener *l, const struct listener_spec *s);
/* Accepts no more; what there is goes on. */
void listener_pause(struct listener *l);
/* Accepts no more. Connections go on until they end, or until grace_us is over and they are reset;
 * then gone is called, never from inside, and the listener is freed. */
void listener_stop(struct listener *l, int64_t grace_us, void (*gone)(void *arg), void *arg);
/* At once; gone is not called. Accepts null, returns null. */
struct listener *listener_free(struct listener *l);
size_t listener_connections(const struct listener *l);
size_t listener_busy(const struct listener *l); /* those that may be waiting for an answer */
