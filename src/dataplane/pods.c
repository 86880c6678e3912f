/* Why: a pod's way in and out: a routed link of its own, so that each of its packets crosses the
 * node's rules. */
#include <linux/rtnetlink.h>

#include "dataplane/dataplane-priv.h"
#include "dataplane/sockets.h"
#include "host/link.h"
#include "host/route.h"

/* Near ends share one address: pods know their gateway without asking. */
static const uint8_t node_mac[LINK_MAC_SIZE] = { 0x02, 0x6b, 0x6e, 0x6c, 0x00, 0x01 };

static struct ip gateway_ip(enum ip_family family)
{
	static const struct ip v6 = { IP_V6, { 0xfe, 0x80, [15] = 1 } };

	return family == IP_V6 ? v6 : ip_v4(0xa9fe0101); /* 169.254.1.1 */
}

/* A pod's hardware address follows its primary IP, so that nobody needs to ask for it. */
static void pod_mac(struct ip_pair ips, uint8_t *ret)
{
	ret[0] = 0x02;
	ret[1] = 0x6b;
	memcpy(ret + 2, ips.at[0].bytes + ip_size(ips.at[0].family) - 4, 4);
}

static struct prefix whole(struct ip ip)
{
	return (struct prefix){ ip, (uint8_t)(8 * ip_size(ip.family)) };
}

static int make_pair(struct dataplane *d, const char *name, struct slice uid, struct ip_pair ips,
                     int netns_fd, struct err *err)
{
	scoped_free char *alias = slice_dup(uid);
	uint8_t mac[LINK_MAC_SIZE];

	pod_mac(ips, mac);
	link_queue_veth(&d->node_route, &(struct veth_spec){ .name = name,
	                                                     .peer_name = "eth0",
	                                                     .alias = alias,
	                                                     .mac = node_mac,
	                                                     .peer_mac = mac,
	                                                     .peer_ns_fd = netns_fd,
	                                                     .mtu = DATAPLANE_MTU });
	return netlink_send(&d->node_route, err);
}

/* The near end's link: the one that is there when its far end is too, else a new pair. */
static int need_pair(struct dataplane *d, const char *name, struct slice uid, struct ip_pair ips,
                     int netns_fd, struct link_info *ret, struct err *err)
{
	bool far = false;
	int r = link_find(&d->node_route, name, ret, err);

	if (r == 0) {
		r = far_end_find(netns_fd, &far, err);
		if (r < 0 || far) {
			return r;
		}
		link_queue_delete(&d->node_route,
		                  ret->index); /* leads into a namespace that is not the pod's */
		r = netlink_send(&d->node_route, err);
	}
	if (r >= 0) {
		r = make_pair(d, name, uid, ips, netns_fd, err);
	}
	if (r == 0) {
		r = link_find(&d->node_route, name, ret, err);
	}
	return r > 0 ? err_raise(err, ERR_IO, "link %s is gone", name) : r;
}

static int configure_near_end(struct dataplane *d, int index, struct ip_pair ips, struct err *err)
{
	struct netlink *nl = &d->node_route;
	uint8_t mac[LINK_MAC_SIZE];

	pod_mac(ips, mac);
	link_queue_up(nl, index);
	for (size_t i = 0; i < ARRAY_SIZE(ips.at) && ips.at[i].family; i++) {
		neighbour_queue(nl, index, ips.at[i], mac);
		route_queue(nl, &(struct route){ .to = whole(ips.at[i]), .index = index });
	}
	return netlink_send(nl, err);
}

static struct mirror_key pod_key(struct ip ip)
{
	return key_of(ip.bytes, ip_size(ip.family));
}

/* After a restart, before the model is complete: a pod whose addresses and link the kernel has keeps
 * what it has. */
static bool is_adopted(struct dataplane *d, const char *link, struct ip_pair ips)
{
	struct link_info info;

	for (size_t i = 0; i < ARRAY_SIZE(ips.at) && ips.at[i].family; i++) {
		const struct stack *s = stack_of(d, ips.at[i].family);
		struct mirror_key k = pod_key(ips.at[i]);

		if (s->knows_all || !mirror_in_kernel(&s->mirrors[SET_PODS], &k)) {
			return false;
		}
	}
	return link_find(&d->node_route, link, &info, NULL) == 0;
}

/* The pod's policies, in the kernel. */
static int need_policies(struct dataplane *d, struct ip_pair ips, struct err *err)
{
	int r = dataplane_sync(d, err);

	for (size_t i = 0; i < ARRAY_SIZE(ips.at) && ips.at[i].family && r == 0; i++) {
		struct mirror_key k = pod_key(ips.at[i]);

		if (!mirror_wanted(&stack_of(d, ips.at[i].family)->mirrors[SET_PODS], &k)) {
			r = err_raise(err, ERR_INVALID, "no pod in the model has the address");
		}
	}
	return r;
}

static int check_families(struct dataplane *d, struct ip_pair ips, struct err *err)
{
	char text[IP_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(ips.at); i++) {
		struct ip ip = ips.at[i];

		if (ip.family ? !stack_of(d, ip.family) : i == 0) {
			return err_raise(err, ERR_INVALID,
			                 "'%s' is no address of a family that the network carries",
			                 ip_format(ip, text));
		}
	}
	return ips.at[0].family == ips.at[1].family
	               ? err_raise(err, ERR_INVALID, "two addresses of one family")
	               : 0;
}

static struct far_end far_end_of(struct ip_pair ips, int netns_fd)
{
	struct far_end f = { .netns_fd = netns_fd, .gateway_mac = node_mac };

	for (size_t i = 0; i < ARRAY_SIZE(ips.at); i++) {
		struct ip ip = ips.at[i];

		f.at[i] = (struct far_address){ ip, gateway_ip(ip.family), whole(ip).len };
	}
	return f;
}

static int attach(struct dataplane *d, struct slice uid, struct ip_pair ips, int netns_fd,
                  struct err *err)
{
	struct far_end far = far_end_of(ips, netns_fd);
	int r = check_families(d, ips, err);
	char name[IFNAMSIZ];
	struct link_info near;

	near_end_name(POD_LINK_PREFIX, uid, name);
	if (r == 0) {
		r = teardown_before(d, name, ips, err);
	}
	if (r == 0 && !is_adopted(d, name, ips)) {
		r = need_policies(d, ips, err);
	}
	if (r == 0) {
		r = need_pair(d, name, uid, ips, netns_fd, &near, err);
	}
	if (r == 0) {
		r = configure_near_end(d, near.index, ips, err);
	}
	if (r == 0) {
		r = far_end_configure(&far, err);
	}
	if (r == 0 && d->sockets) {
		r = sockets_serve(d->sockets, netns_fd, false, err);
	}
	return r < 0 ? r : link_wait_running(&d->node_route, name, err);
}

int dataplane_pod_attach(struct dataplane *d, struct slice pod_uid, struct ip_pair ips,
                         int netns_fd, struct err *err)
{
	char text[IP_TEXT_SIZE];
	int r = attach(d, pod_uid, ips, netns_fd, err);

	return r < 0 ? err_while(err, r, "attach pod " SLICE_FMT " at %s", SLICE_ARG(pod_uid),
	                         ip_format(ips.at[0], text))
	             : 0;
}

void dataplane_pod_detach(struct dataplane *d, struct slice pod_uid, struct ip_pair ips)
{
	struct gone g = { .ips = ips };
	struct link_info info;

	near_end_name(POD_LINK_PREFIX, pod_uid, g.link);
	if (link_find(&d->node_route, g.link, &info, NULL) == 0) {
		g.index = info.index;
	}
	teardown_later(d, &g);
}
