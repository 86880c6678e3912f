/* What: network interfaces of one namespace. The queue_ functions add a request to the netlink
 * queue; nothing happens before netlink_send. */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct netlink;

#define LINK_MAC_SIZE 6

struct link_info {
	int index;
	int master; /* index of the bridge it is a port of, or 0 */
	unsigned group;
	unsigned mtu;
	bool up;      /* switched on */
	bool running; /* the kernel sends over it; a link whose other end just came up does so a
	                 moment later */
	char name[IFNAMSIZ];
	uint8_t mac[LINK_MAC_SIZE];
};

enum { LINK_MISSING = 1 };
/* Finds a link by name. Returns 0, or the outcome LINK_MISSING. Failure: ERR_IO. */
MUST_USE int link_find(struct netlink *nl, const char *name, struct link_info *ret,
                       struct err *err);
/* Waits until a link that was switched on, as its other end was, sends: what goes out before is
 * lost. Usually some microseconds. Blocks for at most 100 ms. Failure: ERR_TIMEOUT, ERR_NOTFOUND,
 * ERR_IO. */
MUST_USE int link_wait_running(struct netlink *nl, const char *name, struct err *err);
/* Every link, in the kernel's order; return false to be shown no more. Failure: ERR_IO. */
typedef bool link_fn(void *arg, const struct link_info *info);
MUST_USE int link_each(struct netlink *nl, link_fn *fn, void *arg, struct err *err);

struct veth_spec {
	const char *name, *peer_name;
	const char *alias;             /* note for people, on the near end; may be null */
	const uint8_t *mac, *peer_mac; /* LINK_MAC_SIZE bytes; null: the kernel's choice */
	int master;                    /* bridge that the near end becomes a port of; 0: none */
	int peer_ns_fd;                /* namespace of the far end */
	unsigned mtu;                  /* of both */
};
/* A pair of connected links, both down. */
void link_queue_veth(struct netlink *nl, const struct veth_spec *spec);
/* A bridge without spanning tree; fine when it exists. */
void link_queue_bridge(struct netlink *nl, const char *name, unsigned mtu);
/* Before it is up: it shall not invent an IPv6 address, join multicast groups and send
 * solicitations. */
void link_queue_no_link_local(struct netlink *nl, int index);
void link_queue_up(struct netlink *nl, int index);
void link_queue_mtu(struct netlink *nl, int index, unsigned mtu);
void link_queue_master(struct netlink *nl, int index, int master);
/* Ports that are isolated reach the bridge itself but not each other. */
void link_queue_isolated(struct netlink *nl, int index);
void link_queue_group(struct netlink *nl, int index,
                      unsigned group);                 /* fine when the link is gone */
void link_queue_delete(struct netlink *nl, int index); /* fine when it is gone */
/* Deletes every link of a group in one go, at the price of one; fine when there is none. */
void link_queue_delete_group(struct netlink *nl, unsigned group);

/* Reads a link out of a message that a socket subscribed to link changes received (RTMGRP_LINK).
 * False: about something else. *ret_gone: the link was deleted. */
struct nlmsghdr;
bool link_parse_change(const struct nlmsghdr *nlh, struct link_info *ret, bool *ret_gone);
