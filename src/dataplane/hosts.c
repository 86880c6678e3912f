/* Why: hosts outside the cluster (databases, caches) hang on their subnet's bridge; their security
 * groups are elements of the router's sets, in force before their link is up. */
#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#include "dataplane/dataplane-priv.h"
#include "dataplane/host-rules.h"
#include "host/link.h"

#define HOST_LINK_PREFIX "host"
#define RESERVED_FIRST   4 /* network, router and two more, as in any such cloud */

/* What the sets have for one address. */
struct host_guard {
	VEC(struct mirror_key) rules[2]; /* towards it, from it */
};

/* A direction's sets. */
static const struct {
	enum vpc_set hosts, rules;
} directions[2] = { { VPC_HOSTS, VPC_RULES }, { VPC_HOSTS_OUT, VPC_RULES_OUT } };
enum { INWARDS, OUTWARDS };

static struct slice ip_slice(const struct ip *ip)
{
	return (struct slice){ (const char *)ip->bytes, 4 };
}

static struct host_guard *guard_need(struct dataplane *d, struct ip ip)
{
	struct host_guard *g = map_find(&d->host_guards, ip_slice(&ip));

	if (!g) {
		g = NEW(struct host_guard);
		(void)map_set(&d->host_guards, ip_slice(&ip), g);
	}
	return g;
}

struct adopting {
	struct dataplane *d;
	int dir;
};

static void adopt_rule(void *arg, const struct mirror_key *k, const void *value)
{
	struct adopting *a = arg;
	struct ip ip = { .family = IP_V4 };

	(void)value;
	memcpy(ip.bytes, k->bytes, 4);
	mirror_put(&a->d->vpc_mirrors[directions[a->dir].rules], k, NULL, a->d);
	vec_push(&guard_need(a->d, ip)->rules[a->dir], *k);
}

static void adopt_host(void *arg, const struct mirror_key *k, const void *value)
{
	struct adopting *a = arg;

	(void)value;
	mirror_put(&a->d->vpc_mirrors[directions[a->dir].hosts], k, NULL, a->d);
}

void hosts_adopt(struct dataplane *d)
{
	for (int dir = INWARDS; dir <= OUTWARDS; dir++) {
		struct adopting a = { d, dir };

		mirror_each_in_kernel(&d->vpc_mirrors[directions[dir].rules], adopt_rule, &a);
		mirror_each_in_kernel(&d->vpc_mirrors[directions[dir].hosts], adopt_host, &a);
	}
}

void hosts_fini(struct dataplane *d)
{
	for (struct map_iter it = { 0 }; map_next(&d->host_guards, &it);) {
		vec_fini(&((struct host_guard *)it.value)->rules[INWARDS]);
		vec_fini(&((struct host_guard *)it.value)->rules[OUTWARDS]);
		free(it.value);
	}
	for (struct map_iter it = { 0 }; map_next(&d->host_ips, &it);) {
		free(it.value);
	}
	map_fini(&d->host_guards);
	map_fini(&d->host_ips);
}

/* ---- rules ---- */

static struct mirror_key rule_key(struct ip ip, const struct host_box *box)
{
	struct {
		uint8_t host[4];
		uint32_t source_be;
		uint8_t proto, pad[3];
		uint16_t port_be, pad2;
	} range[2] = {
		{ .source_be = htonl(box->from),
		  .proto = box->proto,
		  .port_be = htons(box->port_from) },
		{ .source_be = htonl(box->to),
		  .proto = box->proto,
		  .port_be = htons(box->port_to) },
	};

	memcpy(range[0].host, ip.bytes, 4);
	memcpy(range[1].host, ip.bytes, 4);
	return key_of(range, sizeof(range));
}

/* Wishes just these boxes for the address; the owner of a rule is its round, so that the old ones
 * can be told. */
static void wish_rules(struct dataplane *d, struct ip ip, int dir, const host_box_list *boxes)
{
	struct mirror *m = &d->vpc_mirrors[directions[dir].rules];
	struct host_guard *g = guard_need(d, ip);
	const void *fresh = boxes;
	size_t n = 0;

	for (size_t i = 0; i < boxes->n; i++) {
		struct mirror_key k = rule_key(ip, &boxes->at[i]);

		mirror_put(m, &k, NULL, fresh);
	}
	for (size_t i = 0; i < g->rules[dir].n; i++) {
		(void)mirror_drop(m, &g->rules[dir].at[i], d);
	}
	vec_clear(&g->rules[dir]);
	for (n = 0; n < boxes->n; n++) {
		struct mirror_key k = rule_key(ip, &boxes->at[n]);

		mirror_put(m, &k, NULL, d);
		vec_push(&g->rules[dir], k);
	}
}

static void wish_guard(struct dataplane *d, struct ip ip, int dir, bool wanted)
{
	struct mirror *m = &d->vpc_mirrors[directions[dir].hosts];
	struct mirror_key k = key_of(ip.bytes, 4);

	if (wanted) {
		mirror_put(m, &k, NULL, d);
	} else {
		(void)mirror_drop(m, &k, d);
	}
}

static int set_rules(struct dataplane *d, struct slice id, struct ip ip, int dir, bool limited,
                     const struct host_rule *rules, size_t n, struct err *err)
{
	host_box_list boxes = { 0 };
	int r;

	if (ip.family != IP_V4) {
		return err_raise(err, ERR_INVALID,
		                 "rules of host " SLICE_FMT ": not an IPv4 address", SLICE_ARG(id));
	}
	host_boxes(rules, limited ? n : 0, &boxes);
	wish_guard(d, ip, dir, limited);
	wish_rules(d, ip, dir, &boxes);
	vec_fini(&boxes);
	r = vpc_commit(d, err);
	return r < 0 ? err_while(err, r, "rules of host " SLICE_FMT, SLICE_ARG(id)) : 0;
}

int dataplane_host_rules(struct dataplane *d, struct slice id, struct ip ip,
                         const struct host_rule *rules, size_t n, struct err *err)
{
	return set_rules(d, id, ip, INWARDS, true, rules, n, err);
}

int dataplane_host_egress(struct dataplane *d, struct slice id, struct ip ip, bool limited,
                          const struct host_rule *rules, size_t n, struct err *err)
{
	return set_rules(d, id, ip, OUTWARDS, limited, rules, n, err);
}

int dataplane_host_open(struct dataplane *d, struct ip ip, struct err *err)
{
	struct mirror_key k = key_of(ip.bytes, 4);

	if (!mirror_wanted(&d->vpc_mirrors[VPC_HOSTS], &k) &&
	    !mirror_wanted(&d->vpc_mirrors[VPC_HOSTS_OUT], &k)) {
		return 0; /* it never was guarded */
	}
	for (int dir = INWARDS; dir <= OUTWARDS; dir++) {
		wish_guard(d, ip, dir, false);
		wish_rules(d, ip, dir, &(host_box_list){ 0 });
	}
	return vpc_commit(d, err);
}

/* ---- attach ---- */

static int check_address(struct dataplane *d, struct ip ip, struct err *err)
{
	const struct vpc_subnet *subnet = vpc_subnet_of(d, ip);
	char text[IP_TEXT_SIZE];
	uint32_t host, size;

	ip_format(ip, text);
	if (!subnet) {
		return err_raise(err, ERR_INVALID, "%s lies in no subnet of the VPC", text);
	}
	host = ip_to_v4(ip) - ip_to_v4(subnet->range.ip);
	size = UINT32_C(1) << (32 - subnet->range.len);
	if (host < RESERVED_FIRST || host == size - 1 || ip_eq(ip, d->config.dns_ip) ||
	    ip_eq(ip, d->config.node_ip)) {
		return err_raise(err, ERR_INVALID, "%s is reserved", text);
	}
	return 0;
}

static int need_pair(struct dataplane *d, const char *name, struct slice id,
                     const struct vpc_subnet *subnet, int netns_fd, struct link_info *ret,
                     struct err *err)
{
	scoped_free char *alias = slice_dup(id);
	bool far = false;
	int r = link_find(&d->vpc_route, name, ret, err);

	if (r == 0) {
		r = far_end_find(netns_fd, &far, err);
		if (r < 0 || far) {
			return r;
		}
		link_queue_delete(&d->vpc_route, ret->index);
		r = netlink_send(&d->vpc_route, err);
	}
	if (r >= 0) {
		link_queue_veth(&d->vpc_route, &(struct veth_spec){ .name = name,
		                                                    .peer_name = "eth0",
		                                                    .alias = alias,
		                                                    .master = subnet->index,
		                                                    .peer_ns_fd = netns_fd,
		                                                    .mtu = DATAPLANE_MTU });
		r = netlink_send(&d->vpc_route, err);
	}
	if (r == 0) {
		r = link_find(&d->vpc_route, name, ret, err);
	}
	return r > 0 ? err_raise(err, ERR_IO, "link %s is gone", name) : r;
}

static void remember(struct dataplane *d, struct slice id, struct ip ip)
{
	struct ip *copy = NEW(struct ip);

	*copy = ip;
	free(map_set(&d->host_ips, id, copy));
}

static int attach(struct dataplane *d, struct slice id, struct ip ip, int netns_fd, struct err *err)
{
	const struct vpc_subnet *subnet = vpc_subnet_of(d, ip);
	int r = check_address(d, ip, err);
	char name[IFNAMSIZ];
	struct link_info near;

	if (r < 0) {
		return r;
	}
	near_end_name(HOST_LINK_PREFIX, id, name);
	r = teardown_before(d, name, (struct ip_pair){ { ip } }, err);
	wish_guard(d, ip, INWARDS, true);
	if (r == 0) {
		r = vpc_commit(d, err);
	}
	if (r == 0) {
		r = need_pair(d, name, id, subnet, netns_fd, &near, err);
	}
	if (r == 0) {
		remember(d, id, ip);
		link_queue_isolated(&d->vpc_route, near.index);
		link_queue_up(&d->vpc_route, near.index);
		r = netlink_send(&d->vpc_route, err);
	}
	if (r == 0) {
		struct far_address own = { ip, vpc_router_of(subnet), subnet->range.len };

		r = far_end_configure(&(struct far_end){ netns_fd, { own }, NULL }, err);
	}
	if (r == 0) {
		r = link_wait_running(&d->vpc_route, name, err);
	}
	return r < 0 ? r : link_wait_running(&d->vpc_route, subnet->bridge, err);
}

int dataplane_host_attach(struct dataplane *d, struct slice id, struct ip ip, int netns_fd,
                          struct err *err)
{
	int r = attach(d, id, ip, netns_fd, err);

	return r < 0 ? err_while(err, r, "attach host " SLICE_FMT, SLICE_ARG(id)) : 0;
}

void dataplane_host_detach(struct dataplane *d, struct slice id)
{
	struct gone g = { .in_vpc = true };
	scoped_free struct ip *ip = map_remove(&d->host_ips, id);
	struct link_info info;

	near_end_name(HOST_LINK_PREFIX, id, g.link);
	if (link_find(&d->vpc_route, g.link, &info, NULL) == 0) {
		g.index = info.index;
	}
	teardown_later(d, &g);
	if (ip) {
		/* Its address stays guarded: whoever gets it next admits nobody before being told
		 * whom. */
		wish_rules(d, *ip, INWARDS, &(host_box_list){ 0 });
		wish_guard(d, *ip, OUTWARDS, false);
		wish_rules(d, *ip, OUTWARDS, &(host_box_list){ 0 });
		if (vpc_commit(d, NULL) < 0) {
			d->vpc_behind = true;
		}
	}
}
