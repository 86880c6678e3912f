/* What: keys and values of the maps that the programs of the socket balancer (sockets.c) and this
 * room share.
 *
 * Addresses have 16 bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that both families and the
 * IPv6 sockets that speak IPv4 look into the same maps. Ports and addresses are in network order. A
 * look-up that finds nothing leaves the socket alone: the packets then meet nftables, which has
 * the same services and knows how to refuse and to be silent. */
#pragma once

#include <linux/types.h>

struct socket_end {
	__u32 ip[4];
	__u16 port_be, pad;
};

/* "entries": what a client asks for -> its pool of endpoints. */
struct socket_entry {
	struct socket_end end;
	__u32 proto;
};

/* "pools": pool -> how to choose. */
struct socket_pool {
	__u32 slots;     /* endpoints 0 to slots - 1 are there; 0: not for sockets */
	__u32 timeout_s; /* a client keeps its endpoint so long after its last use; 0: none does */
	__u32 epoch;     /* another one whenever an endpoint leaves or moves */
	__u32 by_socket; /* by the socket's number instead of in turn */
};

/* "slots": -> struct socket_end, the endpoint. */
struct socket_slot {
	__u32 pool, number;
};

/* "clients": number of a network namespace -> one of these. Sockets of others are left alone. */
enum { SOCKET_CLIENT_POD = 1, SOCKET_CLIENT_NODE };

/* "affinity": who got which endpoint of a pool, and when last. */
struct socket_client {
	__u64 netns;
	__u32 pool, pad;
};
struct socket_memory {
	__u64 used_ns; /* CLOCK_MONOTONIC */
	struct socket_end end;
	__u32 epoch; /* of the pool when the endpoint was last known to belong to it */
};

/* "peers" (TCP) and "senders" (UDP): socket and endpoint -> struct socket_end, what the program
 * behind the socket asked for. */
struct socket_peer {
	__u64 cookie;
	struct socket_end end;
	__u32 pad;
};

/* "turns": array, pool modulo its size -> how many clients have come. */
#define SOCKET_TURNS 65536u

/* "counts": per-CPU array. */
enum { SOCKET_COUNT_BALANCED, SOCKET_COUNTS };

/* "config": array of one. */
struct socket_config {
	__u32 node_ip[4]; /* what 127.0.0.0/8 means in the node's namespace */
};
