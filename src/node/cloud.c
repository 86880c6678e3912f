/* Why: what a network written down as objects means is decided in model/vpc.h; here it meets the router. See cloud.h. */
#include "node/cloud.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"

#define AGAIN_US (1 * US_PER_S)

struct cloud {
	struct agent *agent;
	void (*changed)(void *arg);
	void *arg;
	struct vpc *vpc;                    /* owned */
	struct replica *objects[VPC_KINDS]; /* owned */
	struct replica *nodes;              /* owned */
	struct loop_defer sync;
	struct loop_timer again;
};

static void on_sync(struct loop_defer *d);

/* ---- following ---- */

static void look(struct cloud *c)
{
	if (cloud_is_synced(c)) {
		loop_defer(c->agent->loop, &c->sync, on_sync);
	}
}

static void on_object(void *arg, const struct doc *old, const struct doc *now)
{
	struct cloud *c = arg;

	if (now) {
		vpc_put(c->vpc, now);
	} else {
		vpc_remove(c->vpc, old);
	}
	look(c);
}

static void on_node(void *arg, const struct doc *old, const struct doc *now)
{
	/* heartbeats change nothing */
	if (!old || !now ||
	    !val_eq(val_path(old->root, "status.addresses"),
	            val_path(now->root, "status.addresses"))) {
		look(arg);
	}
}

static void on_synced(void *arg)
{
	look(arg);
}

static void on_again(struct loop_timer *t)
{
	look(container_of(t, struct cloud, again));
}

bool cloud_is_synced(const struct cloud *c)
{
	for (int k = 0; k < VPC_KINDS; k++) {
		if (!c->objects[k] || !replica_is_synced(c->objects[k])) {
			return false;
		}
	}
	return c->nodes && replica_is_synced(c->nodes);
}

/* ---- who the nodes are ---- */

static bool node_address(const struct doc *d, struct ip *ret)
{
	val_for_each (val_path(d->root, "status.addresses"), it) {
		if (slice_is(val_get_str(it, "type"), "InternalIP") &&
		    ip_parse(val_get_str(it, "address"), ret)) {
			return ret->family == IP_V4;
		}
	}
	return false;
}

static bool add_addresses(void *arg, const struct doc *d)
{
	prefix_list *list = arg;
	struct prefix pods;
	struct ip ip;

	if (node_address(d, &ip)) {
		vec_push(list, ((struct prefix){ ip, 32 }));
	}
	if (prefix_parse(val_str(val_path(d->root, "spec.podCIDR")), &pods)) {
		vec_push(list, pods);
	}
	return true;
}

/* ---- whom groups admit ---- */

static void add_pieces(const sg_piece_list *pieces, host_rule_list *ret)
{
	for (size_t i = 0; i < pieces->n; i++) {
		const struct sg_piece *p = &pieces->at[i];

		vec_push(ret, ((struct host_rule){ p->peer, p->proto, p->port_from, p->port_to }));
	}
}

static void expand(const struct cloud *c, const vpc_object_list *groups, bool egress,
                   host_rule_list *ret)
{
	prefix_list addresses = { 0 };
	sg_piece_list pieces = { 0 };
	struct vpc_nodes nodes = { .cluster = slice_of(c->agent->instance) };

	replica_each(c->nodes, add_addresses, &addresses);
	nodes.addresses = addresses.at;
	nodes.n = addresses.n;
	vpc_groups_admit(c->vpc, groups, egress, &nodes, &pieces);
	add_pieces(&pieces, ret);
	vec_fini(&pieces);
	vec_fini(&addresses);
}

bool cloud_rules(const struct cloud *c, const struct val *store, bool egress, host_rule_list *ret)
{
	vpc_object_list groups = { 0 };
	bool any;

	vpc_groups_of(c->vpc, store, &groups);
	any = groups.n > 0;
	expand(c, &groups, egress, ret);
	vec_fini(&groups);
	return any;
}

/* ---- the nodes' own groups ---- */

static struct prefix prefix_of(const char *text)
{
	struct prefix p = { 0 };

	must(prefix_parse(slice_of(text), &p));
	return p;
}

static void add_both(host_rule_list *rules, struct prefix peer, uint16_t from, uint16_t to)
{
	vec_push(rules, ((struct host_rule){ peer, PROTO_TCP, from, to }));
	vec_push(rules, ((struct host_rule){ peer, PROTO_UDP, from, to }));
}

/* What is always there: the balancer's group reaches the nodes, all reach the API server and the VPC's resolver. */
static void add_managed(host_rule_list *in, host_rule_list *out)
{
	struct prefix range;

	for (size_t i = 0; vpc_home_subnet(i, &range); i++) {
		add_both(in, (struct prefix){ prefix_nth(range, 1), 32 }, 0, UINT16_MAX);
	}
	add_both(in, prefix_of(VPC_HOME_RANGE), 6443, 6443);
	add_both(out, prefix_of(VPC_HOME_RANGE), 6443, 6443);
	add_both(out, prefix_of(DATAPLANE_RESOLVER "/32"), 53, 53);
}

struct guarding {
	struct cloud *c;
	const vpc_object_list *groups;
	struct err *err;
	int r;
};

static int guard(struct guarding *g, struct slice name, struct ip ip)
{
	struct dataplane *d = g->c->agent->dataplane;
	host_rule_list in = { 0 }, out = { 0 };
	scoped_free char *id = mem_printf("node/" SLICE_FMT, SLICE_ARG(name));
	int r;

	expand(g->c, g->groups, false, &in);
	expand(g->c, g->groups, true, &out);
	add_managed(&in, &out);
	r = dataplane_host_rules(d, slice_of(id), ip, in.at, in.n, g->err);
	if (r == 0) {
		r = dataplane_host_egress(d, slice_of(id), ip, true, out.at, out.n, g->err);
	}
	vec_fini(&in);
	vec_fini(&out);
	return r;
}

static bool guard_node(void *arg, const struct doc *d)
{
	struct guarding *g = arg;
	struct dataplane *dataplane = g->c->agent->dataplane;
	struct slice name = val_str(val_path(d->root, "metadata.name"));
	struct ip ip;

	if (!node_address(d, &ip)) {
		return true;
	}
	g->r = g->groups->n ? guard(g, name, ip) : dataplane_host_open(dataplane, ip, g->err);
	return g->r == 0;
}

static int guard_nodes(struct cloud *c, struct err *err)
{
	vpc_object_list groups = { 0 };
	struct guarding g = { c, &groups, err, 0 };

	vpc_groups_of_nodes(c->vpc, slice_of(c->agent->instance), &groups);
	replica_each(c->nodes, guard_node, &g);
	vec_fini(&groups);
	return g.r;
}

/* ---- subnets and routes ---- */

struct planning {
	const struct cloud *c;
	const struct val *home;
	prefix_list described, further;
	VEC(struct dataplane_way) ways;
};

static bool is_default(struct prefix range)
{
	struct prefix there;

	for (size_t i = 0; vpc_home_subnet(i, &there); i++) {
		if (prefix_eq(there, range)) {
			return true;
		}
	}
	return false;
}

static void plan_subnet(void *arg, const struct val *subnet)
{
	struct planning *p = arg;
	vpc_way_list ways = { 0 };
	struct prefix range;

	if (vpc_of(p->c->vpc, subnet) != p->home || !vpc_id(VPC_SUBNET, subnet).len ||
	    !prefix_parse(val_str(val_path(subnet, "spec.cidrBlock")), &range)) {
		return;
	}
	vec_push(&p->described, range);
	if (!is_default(range)) {
		vec_push(&p->further, range);
	}
	vpc_ways_of(p->c->vpc, subnet, &ways);
	for (size_t i = 0; i < ways.n; i++) {
		const struct vpc_way *w = &ways.at[i];

		vec_push(&p->ways, ((struct dataplane_way){ w->from, w->to_first, w->to_last }));
	}
	vec_fini(&ways);
}

/* What no object describes stays as it was made: it has the way out. */
static void plan_rest(struct planning *p)
{
	struct prefix range;

	for (size_t i = 0; vpc_home_subnet(i, &range); i++) {
		bool described = false;

		for (size_t k = 0; k < p->described.n; k++) {
			described |= prefix_eq(p->described.at[k], range);
		}
		if (!described) {
			vec_push(&p->ways,
			         ((struct dataplane_way){ range, ip_v4(0), ip_v4(UINT32_MAX) }));
		}
	}
}

static int set_network(struct cloud *c, struct err *err)
{
	struct planning p = { .c = c, .home = vpc_home(c->vpc) };
	int r;

	if (p.home) {
		vpc_each(c->vpc, VPC_SUBNET, plan_subnet, &p);
	}
	plan_rest(&p);
	r = dataplane_vpc_set(c->agent->dataplane,
	                      &(struct dataplane_vpc){ .subnets = p.further.at,
	                                               .n_subnets = p.further.n,
	                                               .ways = p.ways.at,
	                                               .n_ways = p.ways.n },
	                      err);
	vec_fini(&p.described);
	vec_fini(&p.further);
	vec_fini(&p.ways);
	return r;
}

static void on_sync(struct loop_defer *d)
{
	struct cloud *c = container_of(d, struct cloud, sync);
	struct err err = { 0 };
	int r = set_network(c, &err);

	if (r == 0) {
		r = guard_nodes(c, &err);
	}
	if (r < 0) {
		log_odd("The VPC was not brought up to date and is tried again error=%s", err.msg);
		loop_timer_start(c->agent->loop, &c->again, AGAIN_US, on_again);
	}
	c->changed(c->arg);
}

/* ---- places ---- */

static const struct val *subnet_group(const struct cloud *c, const struct val *store,
                                      const struct val *ref)
{
	bool is_cache = vpc_kind_of(store) == VPC_CACHE;

	return vpc_by_ref(c->vpc, is_cache ? VPC_CACHE_SUBNETS : VPC_DATABASE_SUBNETS, store, ref);
}

const char *cloud_places(const struct cloud *c, const struct val *store, prefix_list *ret)
{
	bool is_cache = vpc_kind_of(store) == VPC_CACHE;
	const struct val *spec = val_get(store, "spec"),
			 *ref = val_get(spec,
	                                is_cache ? "cacheSubnetGroupRef" : "dbSubnetGroupRef"),
			 *group = val_is_null(ref) ? NULL : subnet_group(c, store, ref);
	struct slice zone =
		val_get_str(spec, is_cache ? "preferredAvailabilityZone" : "availabilityZone");

	if (val_is_null(ref)) {
		return NULL;
	}
	if (!group || !val_len(val_path(group, "status.subnets"))) {
		return "the subnet group that it refers to does not exist or is not synced yet";
	}
	for (size_t i = 0; i < vpc_n_linked(group, "subnetRefs", "subnetIDs"); i++) {
		const struct val *subnet =
			vpc_linked_at(c->vpc, VPC_SUBNET, group, "subnetRefs", "subnetIDs", i);
		struct prefix range;

		if (!subnet || vpc_of(c->vpc, subnet) != vpc_home(c->vpc) ||
		    !prefix_parse(val_str(val_path(subnet, "spec.cidrBlock")), &range)) {
			continue;
		}
		vec_push(ret, range);
		if (zone.len && ret->n > 1 &&
		    slice_eq(zone, val_str(val_path(subnet, "spec.availabilityZone")))) {
			ret->at[ret->n - 1] = ret->at[0];
			ret->at[0] = range;
		}
	}
	return ret->n ? NULL
	              : "its subnet group is of a VPC in which this instance has no machines: only "
	                "the one with " VPC_HOME_RANGE " is its own";
}

/* ---- life ---- */

struct cloud *cloud_new(struct agent *a, void (*changed)(void *arg), void *arg)
{
	struct cloud *c = NEW(struct cloud);

	c->agent = a;
	c->changed = changed;
	c->arg = arg;
	c->vpc = vpc_new();
	for (int k = 0; k < VPC_KINDS; k++) {
		const struct vpc_kind_info *info = vpc_kind_info((enum vpc_kind)k);

		c->objects[k] = replica_new(
			a->client, &(struct replica_spec){ .api_version = info->api_version,
		                                           .plural = info->plural,
		                                           .changed = on_object,
		                                           .synced = on_synced,
		                                           .arg = c });
	}
	c->nodes = replica_new(a->client, &(struct replica_spec){ .api_version = "v1",
	                                                          .plural = "nodes",
	                                                          .changed = on_node,
	                                                          .synced = on_synced,
	                                                          .arg = c });
	return c;
}

struct cloud *cloud_free(struct cloud *c)
{
	if (!c) {
		return NULL;
	}
	loop_defer_cancel(&c->sync);
	loop_timer_stop(&c->again);
	for (int k = 0; k < VPC_KINDS; k++) {
		replica_free(c->objects[k]);
	}
	replica_free(c->nodes);
	vpc_free(c->vpc);
	free(c);
	return NULL;
}
