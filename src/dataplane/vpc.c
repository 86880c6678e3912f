/* Why: the virtual private cloud as one namespace that routes: a bridge per subnet whose ports are
 * isolated, so that hosts of one subnet reach each other through the router too (it answers ARP for
 * them), where the security groups are. */
#include <stdio.h>

#include "dataplane/dataplane-priv.h"
#include "dataplane/stamp.h"
#include "host/link.h"
#include "host/netns.h"
#include "host/route.h"
#include "host/sysctl.h"

#define VPC_RANGE       0x0a000000u /* 10.0.0.0/16 */
#define VPC_RANGE_LEN   16
#define SUBNET_LEN      24
#define SUBNET6_LEN     64
#define DEFAULT_SUBNETS 4

static struct prefix vpc_range(void)
{
	return (struct prefix){ ip_v4(VPC_RANGE), VPC_RANGE_LEN };
}

const struct vpc_subnet *vpc_subnet_of(const struct dataplane *d, struct ip ip)
{
	for (size_t i = 0; i < d->subnets.n; i++) {
		if (prefix_contains(d->subnets.at[i].range, ip)) {
			return &d->subnets.at[i];
		}
	}
	return NULL;
}

struct ip vpc_router_of(const struct vpc_subnet *s)
{
	return prefix_nth(s->range, 1);
}

/* IPv6: fd00:10:0:<S>::/64 beside 10.0.<S>.0/24. Hosts of the VPC have none of it, nodes do; so only
 * the subnets that are there from the start have it. */
static struct prefix range6_of(const struct vpc_subnet *s)
{
	return (struct prefix){ { IP_V6, { 0xfd, 0, 0, 0x10, [7] = s->range.ip.bytes[2] } },
		                SUBNET6_LEN };
}

/* Whoever forwards asks for neighbours from a link-local address (RFC 4861, 7.2.2): that of the
 * interface identifier its own address has. */
static struct ip link_local_of(struct ip ip)
{
	struct ip local = { IP_V6, { 0xfe, 0x80 } };

	memcpy(local.bytes + 8, ip.bytes + 8, 8);
	return local;
}

static void list_default_subnets(struct dataplane *d)
{
	vec_clear(&d->subnets);
	for (uint32_t i = 0; i < DEFAULT_SUBNETS; i++) {
		struct vpc_subnet s = { .range = { ip_v4(VPC_RANGE | i << 8), SUBNET_LEN } };

		snprintf(s.bridge, sizeof(s.bridge), "subnet%u", i);
		vec_push(&d->subnets, s);
	}
}

/* ---- settings ---- */

struct setting {
	const char *path, *value;
	bool optional; /* not every kernel has it */
};

static int apply(const struct setting *s, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = sysctl_set(s[i].path, s[i].value, err);

		if (r < 0 && !s[i].optional) {
			return r;
		}
	}
	return 0;
}

/* Of a namespace that routes. Links invent no address of their own: what is not given is not there.
 */
static int family_settings(bool carries_v6, struct err *err)
{
	static const struct setting on[] = {
		{ "ipv6/conf/all/addr_gen_mode", "1" }, { "ipv6/conf/default/addr_gen_mode", "1" },
		{ "ipv6/conf/all/disable_ipv6", "0" },  { "ipv6/conf/default/disable_ipv6", "0" },
		{ "ipv6/conf/all/forwarding", "1" },    { "ipv6/icmp/ratelimit", "0" },
	};
	static const struct setting off[] = {
		{ "ipv6/conf/default/disable_ipv6", "1", true },
	};

	return carries_v6 ? apply(on, ARRAY_SIZE(on), err) : apply(off, ARRAY_SIZE(off), err);
}

static bool carries_v6(const struct dataplane *d)
{
	return d->config.node_ip6.family == IP_V6;
}

static int vpc_settings(struct dataplane *d, struct err *err)
{
	static const struct setting all[] = {
		{ "ipv4/ip_forward", "1" },
		{ "ipv4/conf/all/rp_filter", "0" },
		{ "ipv4/conf/default/rp_filter", "0" },
		{ "ipv4/conf/all/send_redirects", "0" },
		{ "ipv4/conf/default/send_redirects", "0" },
		/* Everybody behind the node is one peer to others: refusals must not run dry. */
		{ "ipv4/icmp_ratelimit", "0" },
		{ "netfilter/nf_conntrack_tcp_be_liberal", "1", true },
	};
	scoped_visit struct netns_visit visit = { -1 };
	int r = netns_enter(&visit, d->config.vpc_ns, err);

	if (r == 0) {
		r = family_settings(carries_v6(d), err);
	}
	return r < 0 ? r : apply(all, ARRAY_SIZE(all), err);
}

static int node_settings(struct dataplane *d, struct err *err)
{
	static const struct setting all[] = {
		{ "ipv4/ip_forward", "1" },
		{ "ipv4/conf/all/rp_filter", "0" },
		/* Of pods' links: a pod that sends with another's address is not heard. */
		{ "ipv4/conf/default/rp_filter", "1" },
		{ "ipv4/conf/all/send_redirects", "0" },
		{ "ipv4/conf/default/send_redirects", "0" },
		/* Everybody behind the node is one peer to others: refusals must not run dry. */
		{ "ipv4/icmp_ratelimit", "0" },
		{ "ipv4/ip_local_reserved_ports", "30000-32767" },
		{ "netfilter/nf_conntrack_tcp_be_liberal", "1", true },
	};
	scoped_visit struct netns_visit visit = { -1 };
	int r = netns_enter(&visit, d->config.node_ns, err);

	if (r == 0) {
		r = family_settings(carries_v6(d), err);
	}
	return r < 0 ? r : apply(all, ARRAY_SIZE(all), err);
}

/* The router answers ARP for hosts of the subnet, at once. */
static int bridge_settings(struct dataplane *d, const char *bridge, struct err *err)
{
	scoped_free char *pvlan = mem_printf("ipv4/conf/%s/proxy_arp_pvlan", bridge);
	scoped_free char *delay = mem_printf("ipv4/neigh/%s/proxy_delay", bridge);
	const struct setting all[] = { { pvlan, "1" }, { delay, "0" } };
	scoped_visit struct netns_visit visit = { -1 };
	int r = netns_enter(&visit, d->config.vpc_ns, err);

	return r < 0 ? r : apply(all, ARRAY_SIZE(all), err);
}

/* ---- links ---- */

int vpc_make_bridge(struct dataplane *d, struct vpc_subnet *s, struct err *err)
{
	struct netlink *nl = &d->vpc_route;
	struct link_info info;
	int r;

	link_queue_bridge(nl, s->bridge, DATAPLANE_MTU);
	r = netlink_send(nl, err);
	if (r == 0) {
		r = link_find(nl, s->bridge, &info, err);
	}
	if (r != 0) {
		return r < 0 ? r : err_raise(err, ERR_IO, "bridge %s is gone", s->bridge);
	}
	s->index = info.index;
	address_queue(nl, info.index, vpc_router_of(s), s->range.len);
	link_queue_up(nl, info.index);
	r = netlink_send(nl, err);
	return r < 0 ? r : bridge_settings(d, s->bridge, err);
}

static int give_router_v6(struct dataplane *d, const struct vpc_subnet *s, struct err *err)
{
	struct ip router = prefix_nth(range6_of(s), 1);

	address_queue(&d->vpc_route, s->index, link_local_of(router), SUBNET6_LEN);
	address_queue(&d->vpc_route, s->index, router, SUBNET6_LEN);
	return netlink_send(&d->vpc_route, err);
}

static int make_bridges(struct dataplane *d, struct err *err)
{
	int r = 0;

	list_default_subnets(d);
	for (size_t i = 0; i < d->subnets.n && r == 0; i++) {
		r = vpc_make_bridge(d, &d->subnets.at[i], err);
		if (r == 0 && carries_v6(d)) {
			r = give_router_v6(d, &d->subnets.at[i], err);
		}
	}
	if (r == 0) {
		link_queue_up(&d->vpc_route, 1);
		/* Addresses of the VPC that no subnet has lead nowhere, not to the internet. */
		route_queue(&d->vpc_route,
		            &(struct route){ .to = vpc_range(), .unreachable = true });
		r = netlink_send(&d->vpc_route, err);
	}
	return r;
}

static int make_node_link(struct dataplane *d, struct err *err)
{
	struct netlink *nl = &d->vpc_route;
	int bridge = vpc_subnet_of(d, d->config.node_ip)->index;
	struct link_info port;
	bool far = false;
	int r = link_find(nl, d->config.link, &port, err);

	if (r == 0) {
		r = far_end_find(d->config.node_ns, &far, err);
		if (r == 0 && !far) {
			link_queue_delete(nl, port.index);
			r = netlink_send(nl, err);
		}
	}
	if (r >= 0 && !far) {
		link_queue_veth(nl, &(struct veth_spec){ .name = d->config.link,
		                                         .peer_name = NODE_LINK,
		                                         .master = bridge,
		                                         .peer_ns_fd = d->config.node_ns,
		                                         .mtu = DATAPLANE_MTU });
		r = netlink_send(nl, err);
	}
	if (r == 0) {
		r = link_find(nl, d->config.link, &port, err);
	}
	if (r != 0) {
		return r < 0 ? r : err_raise(err, ERR_IO, "link %s is gone", d->config.link);
	}
	if (port.master != bridge) {
		link_queue_master(nl, port.index, bridge);
	}
	link_queue_isolated(nl, port.index);
	link_queue_up(nl, port.index);
	return netlink_send(nl, err);
}

/* ---- rules ---- */

static void queue_rules(struct dataplane *d)
{
	vpc_table_queue(d->vpc_nft, &(struct vpc_table_config){ vpc_range(), d->config.dns_ip });
}

int vpc_commit(struct dataplane *d, struct err *err)
{
	int r;

	for (int i = 0; i < VPC_SETS; i++) {
		mirror_queue(&d->vpc_mirrors[i], d->vpc_nft);
	}
	r = nft_commit(d->vpc_nft, err);
	for (int i = 0; i < VPC_SETS && r == 0; i++) {
		mirror_committed(&d->vpc_mirrors[i]);
	}
	d->vpc_behind = r < 0;
	return r < 0 ? err_while(err, r, "vpc") : 0;
}

static int make_rules(struct dataplane *d, struct err *err)
{
	uint64_t digest;
	struct stamp s;
	bool fits;
	int r;

	queue_rules(d);
	digest = nft_changes_digest(d->vpc_nft);
	nft_forget_changes(d->vpc_nft);
	r = stamp_read(d->vpc_nft, NULL, &s, err);
	fits = r == 0 && stamp_fits(&s, digest);
	stamp_fini(&s);
	/* Rules of hosts are read from a table of whatever making: they are all there is to know of
	 * them. */
	for (int i = 0; i < VPC_SETS && r == 0 && s.any; i++) {
		r = mirror_load(&d->vpc_mirrors[i], d->vpc_nft, err);
	}
	if (r < 0) {
		return r;
	}
	hosts_adopt(d);
	if (fits) {
		return 0;
	}
	for (int i = 0; i < VPC_SETS; i++) {
		mirror_assume_empty(&d->vpc_mirrors[i]);
	}
	nft_table_add(d->vpc_nft);
	nft_table_delete(d->vpc_nft);
	queue_rules(d);
	vpc_open_ways(d);
	r = vpc_commit(d, err);
	return r < 0 ? r : stamp_write(d->vpc_nft, NULL, digest, err);
}

static int give_link_local(struct dataplane *d, struct err *err)
{
	struct link_info eth0;
	int r = link_find(&d->node_route, NODE_LINK, &eth0, err);

	if (r != 0) {
		return r < 0 ? r : err_raise(err, ERR_IO, "link %s is gone", NODE_LINK);
	}
	address_queue(&d->node_route, eth0.index, link_local_of(d->config.node_ip6), SUBNET6_LEN);
	return netlink_send(&d->node_route, err);
}

/* The node's end of its link, and the ways to its pods on both sides. Ports of a subnet do not reach
 * each other: IPv4 has the router answer for all of it (bridge_settings), IPv6 has no neighbour but
 * the router. */
static int make_node_ways(struct dataplane *d, const struct vpc_subnet *subnet, struct err *err)
{
	const struct dataplane_config *c = &d->config;
	struct far_address v4 = { c->node_ip, vpc_router_of(subnet), SUBNET_LEN },
			   v6 = { c->node_ip6, prefix_nth(range6_of(subnet), 1), 128 };
	int r = far_end_configure(&(struct far_end){ c->node_ns, { v4, v6 }, NULL }, err);

	if (r == 0 && carries_v6(d)) {
		r = give_link_local(d, err);
	}
	for (size_t i = 0; i < d->n_stacks && r == 0; i++) {
		const struct stack *s = &d->stacks[i];

		/* An address that no pod has (any more) must not be looked for outside. */
		route_queue(&d->node_route,
		            &(struct route){ .to = s->pod_range, .unreachable = true });
		r = netlink_send(&d->node_route, err);
		if (r < 0) {
			return r;
		}
		route_queue(&d->vpc_route,
		            &(struct route){ .to = s->cluster_range, .unreachable = true });
		route_queue(&d->vpc_route, &(struct route){ .to = s->pod_range,
		                                            .via = s->node_ip,
		                                            .index = subnet->index });
		r = netlink_send(&d->vpc_route, err);
	}
	return r;
}

int vpc_prepare(struct dataplane *d, struct err *err)
{
	const struct vpc_subnet *subnet;
	int r = vpc_settings(d, err);

	if (r == 0 && d->config.leads) {
		r = make_rules(d, err);
	}
	if (r == 0) {
		r = make_bridges(d, err);
	}
	subnet = vpc_subnet_of(d, d->config.node_ip);
	if (r == 0 && !subnet) {
		return err_raise(err, ERR_INVALID,
		                 "the node's address lies in no subnet of the VPC");
	}
	if (r == 0) {
		r = node_settings(d, err);
	}
	if (r == 0) {
		r = make_node_link(d, err);
	}
	if (r == 0) {
		r = make_node_ways(d, subnet, err);
	}
	if (r == 0) {
		r = link_wait_running(&d->vpc_route, d->config.link, err);
	}
	return r < 0 ? r : link_wait_running(&d->vpc_route, subnet->bridge, err);
}
