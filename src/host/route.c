/* Why: what an interface needs to carry packets: an address, ways to go, and whom to hand them to.
 */
#include "host/route.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "host/link.h"
#include "host/netlink.h"

#define WAIT_US    50
#define WAIT_TRIES 2000

static uint8_t family_of(struct ip ip)
{
	return ip.family == IP_V6 ? AF_INET6 : AF_INET;
}

static void put_ip(struct nlmsghdr *nlh, uint16_t type, struct ip ip)
{
	mnl_attr_put(nlh, type, ip.family == IP_V6 ? 16 : 4, ip.bytes);
}

void address_queue(struct netlink *nl, int index, struct ip ip, uint8_t len)
{
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
	                                     sizeof(struct ifaddrmsg), 0);
	struct ifaddrmsg *ifa = netlink_header(nlh);

	ifa->ifa_family = family_of(ip);
	ifa->ifa_prefixlen = len;
	ifa->ifa_index = (unsigned)index;
	if (ip.family == IP_V6) {
		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NODAD | IFA_F_PERMANENT);
	}
	put_ip(nlh, IFA_LOCAL, ip);
	put_ip(nlh, IFA_ADDRESS, ip);
}

static int look_at_route(void *arg, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	bool *is_own = arg;

	*is_own |= nlh->nlmsg_type == RTM_NEWROUTE && rt->rtm_type == RTN_LOCAL;
	return 0;
}

int address_wait(struct netlink *nl, struct ip ip, struct err *err)
{
	bool is_own = ip.family != IP_V6;

	for (int i = 0; i < WAIT_TRIES && !is_own; i++) {
		struct nlmsghdr *nlh =
			netlink_begin(nl, RTM_GETROUTE, 0, sizeof(struct rtmsg), ENETUNREACH);
		struct rtmsg *rt = netlink_header(nlh);
		int r;

		rt->rtm_family = family_of(ip);
		rt->rtm_dst_len = 128;
		put_ip(nlh, RTA_DST, ip);
		r = netlink_ask(nl, look_at_route, &is_own, err);
		if (r < 0) {
			return r;
		}
		if (!is_own) {
			usleep(WAIT_US);
		}
	}
	return is_own ? 0 : err_raise(err, ERR_TIMEOUT, "an address does not come up");
}

static void route_request(struct netlink *nl, uint16_t type, uint16_t flags, const struct route *r,
                          int tolerate)
{
	struct nlmsghdr *nlh = netlink_begin(nl, type, flags, sizeof(struct rtmsg), tolerate);
	struct rtmsg *rt = netlink_header(nlh);

	rt->rtm_family = family_of(r->to.ip);
	rt->rtm_dst_len = r->to.len;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = RTPROT_STATIC;
	rt->rtm_type = r->unreachable ? RTN_UNREACHABLE : RTN_UNICAST;
	rt->rtm_scope = r->via.family || r->unreachable ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	put_ip(nlh, RTA_DST, r->to.ip);
	if (r->via.family) {
		put_ip(nlh, RTA_GATEWAY, r->via);
		rt->rtm_flags = RTNH_F_ONLINK;
	}
	if (r->source.family) {
		put_ip(nlh, RTA_PREFSRC, r->source);
	}
	if (r->index) {
		mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)r->index);
	}
	if (r->metric) {
		mnl_attr_put_u32(nlh, RTA_PRIORITY, r->metric);
	}
}

void route_queue(struct netlink *nl, const struct route *r)
{
	route_request(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, r, 0);
}

void route_queue_delete(struct netlink *nl, const struct route *r)
{
	route_request(nl, RTM_DELROUTE, 0, r, ESRCH);
}

void neighbour_queue(struct netlink *nl, int index, struct ip ip, const uint8_t *mac)
{
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
	                                     sizeof(struct ndmsg), 0);
	struct ndmsg *nd = netlink_header(nlh);

	nd->ndm_family = family_of(ip);
	nd->ndm_ifindex = index;
	nd->ndm_state = NUD_PERMANENT;
	put_ip(nlh, NDA_DST, ip);
	mnl_attr_put(nlh, NDA_LLADDR, LINK_MAC_SIZE, mac);
}

void neighbour_queue_delete(struct netlink *nl, int index, struct ip ip)
{
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_DELNEIGH, 0, sizeof(struct ndmsg), ENOENT);
	struct ndmsg *nd = netlink_header(nlh);

	nd->ndm_family = family_of(ip);
	nd->ndm_ifindex = index;
	put_ip(nlh, NDA_DST, ip);
}
