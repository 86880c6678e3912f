/* What: a netlink socket of one namespace, with a queue of requests that go out together.
 *
 * How to use: netlink_begin a request, fill it with the mnl_attr_put family, repeat; netlink_send
 * sends them all in one call and reads one answer each. The answer of a request that names a
 * tolerated errno counts as done.
 *
 * Ownership: the struct is the caller's (netlink_open, netlink_close); requests live in its buffer
 * until sent.
 *
 * Limits: one request takes at most NETLINK_REQUEST_MAX bytes. */
#pragma once

#include <linux/netlink.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

#define NETLINK_REQUEST_MAX 65536

struct netlink {
	int fd;            /* owned; -1: closed */
	uint32_t portid;   /* ours */
	uint32_t seq;      /* of the newest request */
	struct strbuf out; /* finished requests; owned */
	int *tolerated;    /* per queued request: errno that is fine, or 0; owned */
	size_t n_queued, room;
	struct nlmsghdr *open; /* request being filled, in 'scratch' */
	char *scratch;         /* owned */
};

/* Opens a socket of 'protocol' (NETLINK_ROUTE, NETLINK_NETFILTER) in the namespace netns_fd
 * (borrowed; -1: where the thread is). groups: bit mask of multicast groups, 0 for none. Failure:
 * ERR_IO, ERR_FORBIDDEN. */
MUST_USE int netlink_open(struct netlink *nl, int protocol, int netns_fd, unsigned groups,
                          struct err *err);
void netlink_close(struct netlink *nl); /* accepts zeroed */
#define scoped_netlink __attribute__((cleanup(netlink_close)))

/* Starts a request with a fixed header of header_size zeroed bytes; returns it for filling.
 * NLM_F_REQUEST and NLM_F_ACK are added. */
struct nlmsghdr *netlink_begin(struct netlink *nl, uint16_t type, uint16_t flags,
                               size_t header_size, int tolerate_errno);
/* The fixed header of the request. */
static inline void *netlink_header(const struct nlmsghdr *nlh)
{
	return (char *)(uintptr_t)nlh + NLMSG_HDRLEN;
}
/* Sends everything queued and waits for the answers. Failure: that of the first refused request,
 * with the kernel's own sentence when it gives one; those after it were still carried out. The
 * queue is empty then. */
MUST_USE int netlink_send(struct netlink *nl, struct err *err);

/* Called for each message of an answer; return 0 to go on, a negative failure to stop. */
typedef int netlink_message_fn(void *arg, const struct nlmsghdr *nlh);
/* Sends the one open request and hands over what comes before its acknowledgement (nothing when it
 * was refused with the tolerated errno). Failure: that of the request, or fn's. */
MUST_USE int netlink_ask(struct netlink *nl, netlink_message_fn *fn, void *arg, struct err *err);
/* Sends the one open request as a dump and hands over what comes; an interrupted dump is repeated
 * up to five times after restart(arg) (may be null when repeated entries do no harm). Failure:
 * ERR_IO, or fn's. */
MUST_USE int netlink_dump(struct netlink *nl, netlink_message_fn *fn, void (*restart)(void *arg),
                          void *arg, struct err *err);
