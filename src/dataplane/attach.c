/* Why: pods and hosts get their network the same way: a veth pair whose far end is eth0 in their
 * namespace. */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#include "dataplane/dataplane-priv.h"
#include "host/link.h"
#include "host/route.h"

#define LOOPBACK_INDEX 1 /* in every namespace */

const char *near_end_name(const char *prefix, struct slice id, char *buf)
{
	snprintf(buf, IFNAMSIZ, "%s%011llx", prefix, (unsigned long long)(slice_hash(id) >> 20));
	return buf;
}

int far_end_find(int netns_fd, bool *ret_found, struct err *err)
{
	scoped_netlink struct netlink nl = { 0 };
	struct link_info info;
	int r = netlink_open(&nl, NETLINK_ROUTE, netns_fd, 0, err);

	if (r == 0) {
		r = link_find(&nl, "eth0", &info, err);
	}
	if (r >= 0) {
		*ret_found = r == 0;
	}
	return r < 0 ? r : 0;
}

static void queue_address(struct netlink *nl, int index, const struct far_end *f,
                          const struct far_address *a)
{
	const struct prefix everywhere = { .ip = { .family = a->ip.family } };

	address_queue(nl, index, a->ip, a->len);
	if (f->gateway_mac) {
		neighbour_queue(nl, index, a->gateway, f->gateway_mac);
	}
	route_queue(nl, &(struct route){ .to = everywhere, .via = a->gateway, .index = index });
}

int far_end_configure(const struct far_end *f, struct err *err)
{
	scoped_netlink struct netlink nl = { 0 };
	struct link_info eth0;
	int r = netlink_open(&nl, NETLINK_ROUTE, f->netns_fd, 0, err);

	if (r == 0) {
		r = link_find(&nl, "eth0", &eth0, err);
	}
	if (r != 0) {
		return r < 0 ? r : err_raise(err, ERR_IO, "eth0 is gone");
	}
	link_queue_up(&nl, LOOPBACK_INDEX);
	link_queue_no_link_local(&nl, eth0.index);
	link_queue_up(&nl, eth0.index);
	for (size_t i = 0; i < ARRAY_SIZE(f->at); i++) {
		if (f->at[i].ip.family) {
			queue_address(&nl, eth0.index, f, &f->at[i]);
		}
	}
	r = netlink_send(&nl, err);
	if (r == 0) {
		r = link_wait_running(&nl, "eth0", err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(f->at) && r == 0; i++) {
		r = address_wait(&nl, f->at[i].ip, err);
	}
	return r;
}
