/* What: addresses, routes and neighbours of one namespace. Each call adds a request to the netlink
 * queue (see netlink_send) that makes the thing or replaces what stands in its place, so repeating
 * them changes nothing. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

struct netlink;

/* ip with the prefix length len on the link. An IPv6 address is not checked for doubles (RFC 4862,
 * 5.4): who gives it knows that there is none. */
void address_queue(struct netlink *nl, int index, struct ip ip, uint8_t len);
/* Waits until packets for an address that was given are taken in: the kernel makes an IPv6 address
 * its own a moment later, and what comes before is lost. Usually some microseconds. Blocks for at
 * most 100 ms. Failure: ERR_TIMEOUT, ERR_IO. */
MUST_USE int address_wait(struct netlink *nl, struct ip ip, struct err *err);

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
void neighbour_queue_delete(struct netlink *nl, int index,
                            struct ip ip); /* fine when there is none */
