/* What: tracked flows of one namespace: look at them, end them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

struct netlink;

struct conntrack_side {
	struct ip src, dst;
	uint16_t sport, dport; /* host order; 0 for protocols without */
};

#define CONNTRACK_TUPLE_MAX 128
struct conntrack_flow {
	uint8_t proto;
	struct conntrack_side orig, reply; /* as the first packet came; as its answers come */
	uint32_t mark;
	uint8_t tuple[CONNTRACK_TUPLE_MAX]; /* the kernel's own words for orig, to name the flow
	                                       with */
	uint16_t tuple_size;
};

/* Every flow of a family (IP_NONE: both) and a protocol (0: all), in no order. netlink: a NETLINK_NETFILTER socket with
 * nothing queued. Failure: ERR_IO. */
typedef void conntrack_fn(void *arg, const struct conntrack_flow *f);
MUST_USE int conntrack_each(struct netlink *nl, enum ip_family family, uint8_t proto,
                            conntrack_fn *fn, void *arg, struct err *err);
/* Queues the end of a flow: its next packet starts a new one. Fine when it is gone. */
void conntrack_queue_delete(struct netlink *nl, const struct conntrack_flow *f);
