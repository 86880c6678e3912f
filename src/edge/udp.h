/* What: one UDP port of the balancer. The datagrams of one client address and port are a flow: they go
 * to one target, and its answers back, until nothing came for idle_us or the target refuses them.
 *
 * As with TCP the socket that clients send to is the supervisor's: datagrams that come while the
 * balancer restarts wait in it, and their flows begin anew.
 * Source: aws/nlb#udp: flow by 5-tuple, 120 s */
#pragma once

#include "edge/targets.h"

struct udp_port;

struct udp_spec {
	int fd;      /* bound, not connected; borrowed */
	bool sticky; /* all flows of a client address go to one target, from an address of its own */
	int64_t idle_us;
	const struct prefix *sources; /* copied; none: anybody */
	size_t n_sources;
	struct targets_spec targets; /* copied */
};
#define UDP_IDLE_US (120 * US_PER_S)

/* Failure: ERR_IO. */
MUST_USE int udp_port_start(struct loop *l, const struct udp_spec *s, struct udp_port **ret_p,
                            struct err *err);
/* New settings; flows to targets that are gone end, the others go on. fd stays. */
void udp_port_change(struct udp_port *p, const struct udp_spec *s);
struct udp_port *udp_port_free(struct udp_port *p); /* accepts null, returns null */
size_t udp_port_flows(const struct udp_port *p);
