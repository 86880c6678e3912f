/* What: one port of the balancer: accepts, chooses a target, dials it (again, while it refuses),
 * writes the PROXY header and hands both sockets to a relay. Checks the health of its targets.
 *
 * The listening socket is the supervisor's: it is watched here, never closed, so connections that
 * come while the balancer restarts wait in it. */
#pragma once

#include "base/ip.h"
#include "edge/health.h"
#include "edge/relay.h"

struct listener;

struct listener_spec {
	struct ip ip; /* of the edge; the PROXY header's destination */
	uint16_t port;
	int fd;                   /* listening; borrowed */
	const struct ip *targets; /* copied */
	size_t n_targets;
	uint16_t target_port;
	bool proxy_protocol;
	int64_t idle_us;
	const struct prefix *sources; /* copied; none: anybody */
	size_t n_sources;
	struct health_rule health;
	/* Health of one target changed; may be null. */
	void (*changed)(void *arg, struct ip target, enum health_state to);
	void *arg;
};

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
