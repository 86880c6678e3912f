/* Why: pods, hosts and subnets hang on veth pairs and bridges; made by raw netlink, a pair costs a
 * fraction of a millisecond where the ip command takes ten. */
#include "host/link.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "host/netlink.h"

#define WAIT_US    500
#define WAIT_TRIES 200
#ifndef IF_OPER_UP
#define IF_OPER_UP 6 /* RFC 2863 */
#endif

static void parse(const struct nlmsghdr *nlh, struct link_info *ret)
{
	const struct ifinfomsg *ifi = netlink_header(nlh);
	const struct nlattr *attr;

	*ret = (struct link_info){ .index = ifi->ifi_index, .up = (ifi->ifi_flags & IFF_UP) != 0 };
	mnl_attr_for_each(attr, nlh, sizeof(*ifi))
	{
		size_t len = mnl_attr_get_payload_len(attr);

		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			memcpy(ret->name, mnl_attr_get_payload(attr),
			       len < IFNAMSIZ ? len : IFNAMSIZ - 1);
			break;
		case IFLA_MASTER:
			ret->master = (int)mnl_attr_get_u32(attr);
			break;
		case IFLA_GROUP:
			ret->group = mnl_attr_get_u32(attr);
			break;
		case IFLA_MTU:
			ret->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_OPERSTATE:
			ret->running = mnl_attr_get_u8(attr) == IF_OPER_UP;
			break;
		case IFLA_ADDRESS:
			if (len == LINK_MAC_SIZE) {
				memcpy(ret->mac, mnl_attr_get_payload(attr), len);
			}
			break;
		default:
			break;
		}
	}
}

struct each {
	link_fn *fn;
	void *arg;
	bool stopped;
};

static int show(void *arg, const struct nlmsghdr *nlh)
{
	struct each *e = arg;
	struct link_info info;

	if (nlh->nlmsg_type == RTM_NEWLINK && !e->stopped) {
		parse(nlh, &info);
		e->stopped = !e->fn(e->arg, &info);
	}
	return 0;
}

int link_each(struct netlink *nl, link_fn *fn, void *arg, struct err *err)
{
	struct each e = { fn, arg, false };

	netlink_begin(nl, RTM_GETLINK, 0, sizeof(struct ifinfomsg), 0);
	return netlink_dump(nl, show, NULL, &e, err);
}

struct find {
	const char *name;
	struct link_info *ret;
	bool found;
};

static bool is_named(void *arg, const struct link_info *info)
{
	struct find *f = arg;

	if (strcmp(info->name, f->name) == 0) {
		*f->ret = *info;
		f->found = true;
	}
	return !f->found;
}

int link_find(struct netlink *nl, const char *name, struct link_info *ret, struct err *err)
{
	struct find f = { name, ret, false };
	struct each e = { is_named, &f, false };
	struct nlmsghdr *nlh;
	int r;

	nlh = netlink_begin(nl, RTM_GETLINK, 0, sizeof(struct ifinfomsg), ENODEV);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	r = netlink_ask(nl, show, &e, err);
	if (r < 0) {
		return r;
	}
	return f.found ? 0 : LINK_MISSING;
}

int link_wait_running(struct netlink *nl, const char *name, struct err *err)
{
	for (int i = 0; i < WAIT_TRIES; i++) {
		struct link_info info;
		/* Newer kernels bring the link's state up to date for the question; with older ones
		 * it takes a moment. */
		int r = link_find(nl, name, &info, err);

		if (r != 0) {
			return r < 0 ? r : err_raise(err, ERR_NOTFOUND, "link %s is gone", name);
		}
		if (info.running) {
			return 0;
		}
		usleep(WAIT_US);
	}
	return err_raise(err, ERR_TIMEOUT, "link %s does not come up", name);
}

bool link_parse_change(const struct nlmsghdr *nlh, struct link_info *ret, bool *ret_gone)
{
	if (nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK) {
		return false;
	}
	parse(nlh, ret);
	*ret_gone = nlh->nlmsg_type == RTM_DELLINK;
	return true;
}

/* ---- requests ---- */

static struct nlmsghdr *begin(struct netlink *nl, uint16_t type, uint16_t flags, int index,
                              int tolerate)
{
	struct nlmsghdr *nlh = netlink_begin(nl, type, flags, sizeof(struct ifinfomsg), tolerate);
	struct ifinfomsg *ifi = netlink_header(nlh);

	ifi->ifi_index = index;
	return nlh;
}

static void put_end(struct nlmsghdr *nlh, const char *name, const uint8_t *mac, unsigned mtu)
{
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	if (mac) {
		mnl_attr_put(nlh, IFLA_ADDRESS, LINK_MAC_SIZE, mac);
	}
}

void link_queue_veth(struct netlink *nl, const struct veth_spec *spec)
{
	struct nlmsghdr *nlh = begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
	struct nlattr *info, *data, *peer;

	put_end(nlh, spec->name, spec->mac, spec->mtu);
	if (spec->alias) {
		mnl_attr_put_strz(nlh, IFLA_IFALIAS, spec->alias);
	}
	if (spec->master) {
		mnl_attr_put_u32(nlh, IFLA_MASTER, (uint32_t)spec->master);
	}
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	put_end(nlh, spec->peer_name, spec->peer_mac, spec->mtu);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)spec->peer_ns_fd);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

void link_queue_bridge(struct netlink *nl, const char *name, unsigned mtu)
{
	struct nlmsghdr *nlh = begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, EEXIST);
	struct nlattr *info, *data;

	put_end(nlh, name, NULL, mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u8(nlh, IFLA_BR_MCAST_SNOOPING, 0);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

void link_queue_no_link_local(struct netlink *nl, int index)
{
	/* A kernel without IPv6 refuses to hear of it. */
	struct nlmsghdr *nlh = begin(nl, RTM_NEWLINK, 0, index, EAFNOSUPPORT);
	struct nlattr *families = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *v6 = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, v6);
	mnl_attr_nest_end(nlh, families);
}

void link_queue_up(struct netlink *nl, int index)
{
	struct ifinfomsg *ifi = netlink_header(begin(nl, RTM_NEWLINK, 0, index, 0));

	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
}

void link_queue_mtu(struct netlink *nl, int index, unsigned mtu)
{
	mnl_attr_put_u32(begin(nl, RTM_NEWLINK, 0, index, 0), IFLA_MTU, mtu);
}

void link_queue_master(struct netlink *nl, int index, int master)
{
	mnl_attr_put_u32(begin(nl, RTM_NEWLINK, 0, index, 0), IFLA_MASTER, (uint32_t)master);
}

void link_queue_isolated(struct netlink *nl, int index)
{
	struct nlmsghdr *nlh = begin(nl, RTM_SETLINK, 0, index, 0);
	struct ifinfomsg *ifi = netlink_header(nlh);
	struct nlattr *port;

	ifi->ifi_family = AF_BRIDGE;
	port = mnl_attr_nest_start(nlh, IFLA_PROTINFO);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_ISOLATED, 1);
	mnl_attr_nest_end(nlh, port);
}

void link_queue_group(struct netlink *nl, int index, unsigned group)
{
	mnl_attr_put_u32(begin(nl, RTM_NEWLINK, 0, index, ENODEV), IFLA_GROUP, group);
}

void link_queue_delete(struct netlink *nl, int index)
{
	begin(nl, RTM_DELLINK, 0, index, ENODEV);
}

void link_queue_delete_group(struct netlink *nl, unsigned group)
{
	mnl_attr_put_u32(begin(nl, RTM_DELLINK, 0, 0, ENODEV), IFLA_GROUP, group);
}
