/* Why: a pod's way in and out: a routed link of its own, so that each of its packets crosses the
 * node's rules. */
#include <linux/rtnetlink.h>

#include "dataplane/dataplane-priv.h"
#include "dataplane/sockets.h"
#include "host/link.h"
#include "host/route.h"

/* Near ends share one address: pods know their gateway without asking. */
static const uint8_t node_mac[LINK_MAC_SIZE] = { 0x02, 0x6b, 0x6e, 0x6c, 0x00, 0x01 };

static struct ip gateway_ip(void)
{
	return ip_v4(0xa9fe0101); /* 169.254.1.1 */
}

/* A pod's hardware address follows its IP, so that nobody needs to ask for it. */
static void pod_mac(struct ip ip, uint8_t *ret)
{
	ret[0] = 0x02;
	ret[1] = 0x6b;
	memcpy(ret + 2, ip.bytes, 4);
}

static int make_pair(struct dataplane *d, const char *name, struct slice uid, struct ip ip,
                     int netns_fd, struct err *err)
{
	scoped_free char *alias = slice_dup(uid);
	uint8_t mac[LINK_MAC_SIZE];

	pod_mac(ip, mac);
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
static int need_pair(struct dataplane *d, const char *name, struct slice uid, struct ip ip,
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
		r = make_pair(d, name, uid, ip, netns_fd, err);
	}
	if (r == 0) {
		r = link_find(&d->node_route, name, ret, err);
	}
	return r > 0 ? err_raise(err, ERR_IO, "link %s is gone", name) : r;
}

static int configure_near_end(struct dataplane *d, int index, struct ip ip, struct err *err)
{
	struct netlink *nl = &d->node_route;
	uint8_t mac[LINK_MAC_SIZE];

	pod_mac(ip, mac);
	link_queue_up(nl, index);
	neighbour_queue(nl, index, ip, mac);
	route_queue(nl, &(struct route){ .to = { ip, 32 }, .index = index });
	return netlink_send(nl, err);
}

/* After a restart, before the model is complete: a pod whose address and link the kernel has keeps
 * what it has. */
static bool is_adopted(struct dataplane *d, const char *link, struct ip ip)
{
	struct mirror_key k = key_of(ip.bytes, 4);
	struct link_info info;

	return !d->knows_all && mirror_in_kernel(&d->mirrors[SET_PODS], &k) &&
	       link_find(&d->node_route, link, &info, NULL) == 0;
}

/* The pod's policies, in the kernel. */
static int need_policies(struct dataplane *d, struct ip ip, struct err *err)
{
	struct mirror_key k = key_of(ip.bytes, 4);
	int r = dataplane_sync(d, err);

	if (r == 0 && !mirror_wanted(&d->mirrors[SET_PODS], &k)) {
		return err_raise(err, ERR_INVALID, "no pod in the model has the address");
	}
	return r;
}

static int attach(struct dataplane *d, struct slice uid, struct ip ip, int netns_fd,
                  struct err *err)
{
	char name[IFNAMSIZ];
	struct link_info near;
	int r;

	if (ip.family != IP_V4) {
		return err_raise(err, ERR_INVALID, "not an IPv4 address");
	}
	near_end_name(POD_LINK_PREFIX, uid, name);
	r = teardown_before(d, name, ip, err);
	if (r == 0 && !is_adopted(d, name, ip)) {
		r = need_policies(d, ip, err);
	}
	if (r == 0) {
		r = need_pair(d, name, uid, ip, netns_fd, &near, err);
	}
	if (r == 0) {
		r = configure_near_end(d, near.index, ip, err);
	}
	if (r == 0) {
		r = far_end_configure(&(struct far_end){ netns_fd, ip, gateway_ip(), 32, node_mac },
		                      err);
	}
	if (r == 0 && d->sockets) {
		r = sockets_serve(d->sockets, netns_fd, false, err);
	}
	return r < 0 ? r : link_wait_running(&d->node_route, name, err);
}

int dataplane_pod_attach(struct dataplane *d, struct slice pod_uid, struct ip ip, int netns_fd,
                         struct err *err)
{
	char text[IP_TEXT_SIZE];
	int r = attach(d, pod_uid, ip, netns_fd, err);

	return r < 0 ? err_while(err, r, "attach pod " SLICE_FMT " at %s", SLICE_ARG(pod_uid),
	                         ip_format(ip, text))
	             : 0;
}

void dataplane_pod_detach(struct dataplane *d, struct slice pod_uid, struct ip ip)
{
	struct gone g = { .ip = ip };
	struct link_info info;

	near_end_name(POD_LINK_PREFIX, pod_uid, g.link);
	if (link_find(&d->node_route, g.link, &info, NULL) == 0) {
		g.index = info.index;
	}
	teardown_later(d, &g);
}
