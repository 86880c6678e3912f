/* What: addresses, routes and neighbours of one namespace. Each call adds a request to the netlink
 * queue (see netlink_send) that makes the thing or replaces what stands in its place, so repeating
 * them changes nothing. */
#pragma once

#include <stdint.h>

#include "base/ip.h"

struct netlink;

/* ip with the prefix length len on the link. */
void address_queue(struct netlink *nl, int index, struct ip ip, uint8_t len);

struct route {
	struct prefix to;
	struct ip via;    /* none: directly on the link */
	struct ip source; /* preferred own address; none: the kernel's choice */
	int index;        /* the link; 0 with unreachable */
	bool unreachable; /* no route: refused with an ICMP error */
	uint32_t metric;  /* 0: default */
};
void route_queue(struct netlink *nl, const struct route *r);
void route_queue_delete(struct netlink *nl, const struct route *r); /* fine when there is none */
/* A permanent neighbour: no ARP is asked for ip on this link. */
void neighbour_queue(struct netlink *nl, int index, struct ip ip, const uint8_t *mac);
