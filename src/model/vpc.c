/* Why: routes and security groups are decided once, for the kernel and for those who explain it. See vpc.h. */
#include "model/vpc.h"

#include "base/map.h"
#include "base/mem.h"

#define EC2 "ec2.services.k8s.aws"
#define RDS "rds.services.k8s.aws"
#define ELC "elasticache.services.k8s.aws"
static const struct vpc_kind_info kinds[VPC_KINDS] = {
	[VPC_VPC] = { EC2, EC2 "/v1alpha1", "VPC", "vpcs", "vpcID", "vpc-" },
	[VPC_SUBNET] = { EC2, EC2 "/v1alpha1", "Subnet", "subnets", "subnetID", "subnet-" },
	[VPC_TABLE] = { EC2, EC2 "/v1alpha1", "RouteTable", "routetables", "routeTableID", "rtb-" },
	[VPC_INTERNET] = { EC2, EC2 "/v1alpha1", "InternetGateway", "internetgateways",
	                   "internetGatewayID", "igw-" },
	[VPC_ADDRESS] = { EC2, EC2 "/v1alpha1", "ElasticIPAddress", "elasticipaddresses",
	                  "allocationID", "eipalloc-" },
	[VPC_NAT] = { EC2, EC2 "/v1alpha1", "NATGateway", "natgateways", "natGatewayID", "nat-" },
	[VPC_GROUP] = { EC2, EC2 "/v1alpha1", "SecurityGroup", "securitygroups", "id", "sg-" },
	[VPC_DATABASE_SUBNETS] = { RDS, RDS "/v1alpha1", "DBSubnetGroup", "dbsubnetgroups", NULL,
	                           NULL },
	[VPC_CACHE_SUBNETS] = { ELC, ELC "/v1alpha1", "CacheSubnetGroup", "cachesubnetgroups", NULL,
	                        NULL },
	[VPC_DATABASE] = { RDS, RDS "/v1alpha1", "DBInstance", "dbinstances", NULL, NULL },
	[VPC_CACHE] = { ELC, ELC "/v1alpha1", "CacheCluster", "cacheclusters", NULL, NULL },
};

struct vpc {
	struct map objects[VPC_KINDS]; /* "ns/name" -> struct doc, a share each */
};

const struct vpc_kind_info *vpc_kind_info(enum vpc_kind k)
{
	return &kinds[k];
}

enum vpc_kind vpc_kind_of(const struct val *object)
{
	struct slice group, version, kind = val_get_str(object, "kind");
	int k = 0;

	(void)slice_cut(val_get_str(object, "apiVersion"), '/', &group, &version);
	while (k < VPC_KINDS &&
	       !(slice_is(kind, kinds[k].kind) && slice_is(group, kinds[k].group))) {
		k++;
	}
	return (enum vpc_kind)k;
}

/* ---- all of them ---- */

static struct slice name_of(const struct val *object)
{
	return val_str(val_path(object, "metadata.name"));
}

static struct slice ns_of(const struct val *object)
{
	return val_str(val_path(object, "metadata.namespace"));
}

struct vpc *vpc_new(void)
{
	return NEW(struct vpc);
}

struct vpc *vpc_free(struct vpc *v)
{
	for (int k = 0; v && k < VPC_KINDS; k++) {
		for (struct map_iter it = { 0 }; map_next(&v->objects[k], &it);) {
			doc_unref(it.value);
		}
		map_fini(&v->objects[k]);
	}
	free(v);
	return NULL;
}

static char *key_of(struct slice ns, struct slice name)
{
	return mem_printf(SLICE_FMT "/" SLICE_FMT, SLICE_ARG(ns), SLICE_ARG(name));
}

void vpc_put(struct vpc *v, const struct doc *d)
{
	enum vpc_kind k = vpc_kind_of(d->root);

	if (k < VPC_KINDS) {
		scoped_free char *key = key_of(ns_of(d->root), name_of(d->root));

		doc_unref(map_set(&v->objects[k], slice_of(key), doc_ref(d)));
	}
}

void vpc_remove(struct vpc *v, const struct doc *d)
{
	enum vpc_kind k = vpc_kind_of(d->root);

	if (k < VPC_KINDS) {
		scoped_free char *key = key_of(ns_of(d->root), name_of(d->root));

		doc_unref(map_remove(&v->objects[k], slice_of(key)));
	}
}

void vpc_each(const struct vpc *v, enum vpc_kind k, vpc_visit_fn *fn, void *arg)
{
	for (struct map_iter it = { 0 }; map_next(&v->objects[k], &it);) {
		fn(arg, ((const struct doc *)it.value)->root);
	}
}

/* ---- references ---- */

struct slice vpc_id(enum vpc_kind k, const struct val *object)
{
	return kinds[k].id ? val_get_str(val_get(object, "status"), kinds[k].id)
	                   : (struct slice){ 0 };
}

const struct val *vpc_by_id(const struct vpc *v, enum vpc_kind k, struct slice id)
{
	for (struct map_iter it = { 0 }; id.len && map_next(&v->objects[k], &it);) {
		const struct val *object = ((const struct doc *)it.value)->root;

		if (slice_eq(vpc_id(k, object), id)) {
			return object;
		}
	}
	return NULL;
}

const struct val *vpc_by_ref(const struct vpc *v, enum vpc_kind k, const struct val *holder,
                             const struct val *ref)
{
	const struct val *from = val_get(ref, "from");
	struct slice ns = val_get_str(from, "namespace");
	scoped_free char *key = key_of(ns.len ? ns : ns_of(holder), val_get_str(from, "name"));
	const struct doc *d = map_find(&v->objects[k], slice_of(key));

	return d ? d->root : NULL;
}

const struct val *vpc_linked(const struct vpc *v, enum vpc_kind k, const struct val *holder,
                             const struct val *spec, const char *ref, const char *literal)
{
	const struct val *by_ref = val_get(spec, ref);

	return val_is_null(by_ref) ? vpc_by_id(v, k, val_get_str(spec, literal))
	                           : vpc_by_ref(v, k, holder, by_ref);
}

size_t vpc_n_linked(const struct val *holder, const char *refs, const char *literals)
{
	const struct val *spec = val_get(holder, "spec");

	return val_len(val_get(spec, refs)) + val_len(val_get(spec, literals));
}

const struct val *vpc_linked_at(const struct vpc *v, enum vpc_kind k, const struct val *holder,
                                const char *refs, const char *literals, size_t n)
{
	const struct val *spec = val_get(holder, "spec");
	size_t by_ref = val_len(val_get(spec, refs));

	return n < by_ref ? vpc_by_ref(v, k, holder, val_at(val_get(spec, refs), n))
	                  : vpc_by_id(v, k, val_str(val_at(val_get(spec, literals), n - by_ref)));
}

const struct val *vpc_of(const struct vpc *v, const struct val *object)
{
	bool attaches = vpc_kind_of(object) == VPC_INTERNET;

	return vpc_linked(v, VPC_VPC, object, val_get(object, "spec"), "vpcRef",
	                  attaches ? "vpc" : "vpcID");
}

static bool same_vpc(const struct vpc *v, const struct val *a, const struct val *b)
{
	const struct val *of = vpc_of(v, a);

	return of && of == vpc_of(v, b);
}

/* ---- the instance's own network ---- */

static bool has_home_range(const struct val *vpc)
{
	struct prefix own, home;

	return prefix_parse(val_str(val_at(val_path(vpc, "spec.cidrBlocks"), 0)), &own) &&
	       prefix_parse(SLICE(VPC_HOME_RANGE), &home) && prefix_eq(own, home);
}

static int compare_age(const struct val *a, const struct val *b)
{
	int by_time = slice_cmp(val_str(val_path(a, "metadata.creationTimestamp")),
	                        val_str(val_path(b, "metadata.creationTimestamp")));

	return by_time ? by_time
	               : slice_cmp(val_str(val_path(a, "metadata.uid")),
	                           val_str(val_path(b, "metadata.uid")));
}

const struct val *vpc_home(const struct vpc *v)
{
	const struct val *home = NULL;

	for (struct map_iter it = { 0 }; map_next(&v->objects[VPC_VPC], &it);) {
		const struct val *vpc = ((const struct doc *)it.value)->root;

		if (has_home_range(vpc) && vpc_id(VPC_VPC, vpc).len &&
		    (!home || compare_age(vpc, home) < 0)) {
			home = vpc;
		}
	}
	return home;
}

bool vpc_home_subnet(size_t n, struct prefix *ret)
{
	static const struct slice ranges[] = { SLICE("10.0.0.0/24"), SLICE("10.0.1.0/24"),
		                               SLICE("10.0.2.0/24"), SLICE("10.0.3.0/24") };

	return n < sizeof(ranges) / sizeof(ranges[0]) && prefix_parse(ranges[n], ret);
}

/* ---- routes ---- */

static const struct val *table_of(const struct vpc *v, const struct val *subnet)
{
	return vpc_n_linked(subnet, "routeTableRefs", "routeTables")
	               ? vpc_linked_at(v, VPC_TABLE, subnet, "routeTableRefs", "routeTables", 0)
	               : NULL;
}

static const struct val *gateway_of(const struct vpc *v, const struct val *table,
                                    const struct val *route)
{
	return vpc_linked(v, VPC_INTERNET, table, route, "gatewayRef", "gatewayID");
}

static bool names_gateway(const struct val *route)
{
	return val_get(route, "gatewayRef") || val_get_str(route, "gatewayID").len;
}

static bool names_nat(const struct val *route)
{
	return val_get(route, "natGatewayRef") || val_get_str(route, "natGatewayID").len;
}

/* Null: it leads to the internet; else why it does not. */
static const char *gateway_fault(const struct vpc *v, const struct val *table,
                                 const struct val *route)
{
	const struct val *gateway = gateway_of(v, table, route);

	return !gateway || !vpc_id(VPC_INTERNET, gateway).len ? "its internet gateway is gone"
	       : !same_vpc(v, gateway, table) ? "its internet gateway belongs to another VPC"
	                                      : NULL;
}

bool vpc_is_public(const struct vpc *v, const struct val *subnet)
{
	const struct val *table = table_of(v, subnet);

	val_for_each (val_path(table, "spec.routes"), it) {
		if (names_gateway(it) && !gateway_fault(v, table, it)) {
			return true;
		}
	}
	return false;
}

static const char *nat_fault(const struct vpc *v, const struct val *table, const struct val *route)
{
	const struct val *nat =
		vpc_linked(v, VPC_NAT, table, route, "natGatewayRef", "natGatewayID");
	const struct val *spec = val_get(nat, "spec"), *subnet;

	if (!slice_is(val_str(val_path(nat, "status.state")), "available")) {
		return "its NAT gateway is gone";
	}
	if (slice_is(val_get_str(spec, "connectivityType"), "private")) {
		return "its NAT gateway is a private one";
	}
	subnet = vpc_linked(v, VPC_SUBNET, nat, spec, "subnetRef", "subnetID");
	if (!subnet || !vpc_is_public(v, subnet)) {
		return "its NAT gateway stands in a subnet without a route to an internet gateway";
	}
	return same_vpc(v, subnet, table) ? NULL : "its NAT gateway belongs to another VPC";
}

static void add_local(const struct vpc *v, const struct val *subnet, vpc_route_list *ret)
{
	val_for_each (val_path(vpc_of(v, subnet), "spec.cidrBlocks"), it) {
		struct vpc_route r = { .target = VPC_TO_LOCAL };

		if (prefix_parse(val_str(it), &r.to)) {
			vec_push(ret, r);
		}
	}
}

static struct vpc_route route_of(const struct vpc *v, const struct val *table,
                                 const struct val *route, struct prefix to)
{
	struct vpc_route r = { .to = to, .table = table, .route = route };

	if (names_nat(route)) {
		r.why = nat_fault(v, table, route);
		r.target = r.why ? VPC_TO_BLACKHOLE : VPC_TO_NAT;
	} else if (slice_is(val_get_str(route, "gatewayID"), "local")) {
		r.target = VPC_TO_LOCAL;
	} else if (names_gateway(route)) {
		r.why = gateway_fault(v, table, route);
		r.target = r.why ? VPC_TO_BLACKHOLE : VPC_TO_INTERNET;
	} else {
		r.why = "its target has no local equivalent";
		r.target = VPC_TO_BLACKHOLE;
	}
	return r;
}

static void add_routes(const struct vpc *v, const struct val *table, vpc_route_list *ret)
{
	val_for_each (val_path(table, "spec.routes"), it) {
		struct prefix to; /* else: of the other family, or a prefix list */

		if (prefix_parse(val_get_str(it, "destinationCIDRBlock"), &to)) {
			vec_push(ret, route_of(v, table, it, to));
		}
	}
}

void vpc_routes_of_table(const struct vpc *v, const struct val *table, vpc_route_list *ret)
{
	add_local(v, table, ret);
	add_routes(v, table, ret);
}

void vpc_routes_of(const struct vpc *v, const struct val *subnet, vpc_route_list *ret)
{
	add_local(v, subnet, ret);
	add_routes(v, table_of(v, subnet), ret);
}

const struct vpc_route *vpc_route_choose(const vpc_route_list *l, struct ip to)
{
	const struct vpc_route *best = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct vpc_route *r = &l->at[i];

		if (prefix_contains(r->to, to) &&
		    (!best || r->to.len > best->to.len ||
		     (r->to.len == best->to.len && r->target == VPC_TO_LOCAL))) {
			best = r;
		}
	}
	return best;
}

/* ---- ways out ---- */

static uint32_t first_of(struct prefix p)
{
	return ip_to_v4(p.ip);
}

static uint32_t last_of(struct prefix p)
{
	return first_of(p) | (p.len < 32 ? UINT32_MAX >> p.len : 0);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Between two cuts every address has the same route. */
void vpc_ways_of(const struct vpc *v, const struct val *subnet, vpc_way_list *ret)
{
	VEC(uint64_t) cuts = { 0 };
	vpc_route_list routes = { 0 };
	struct vpc_way way = { 0 };
	bool joins = false;

	vpc_routes_of(v, subnet, &routes);
	for (size_t i = 0; i < routes.n; i++) {
		if (routes.at[i].to.ip.family == IP_V4) {
			vec_push(&cuts, (uint64_t)first_of(routes.at[i].to));
			vec_push(&cuts, (uint64_t)last_of(routes.at[i].to) + 1);
		}
	}
	if (cuts.n) {
		qsort(cuts.at, cuts.n, sizeof(*cuts.at), compare);
	}
	if (!prefix_parse(val_str(val_path(subnet, "spec.cidrBlock")), &way.from)) {
		cuts.n = 0;
	}
	for (size_t i = 0; i + 1 < cuts.n; i++) {
		const struct vpc_route *r;

		if (cuts.at[i] == cuts.at[i + 1]) {
			continue;
		}
		r = vpc_route_choose(&routes, ip_v4((uint32_t)cuts.at[i]));
		if (!r || r->target != VPC_TO_NAT) {
			joins = false;
			continue;
		}
		if (!joins) {
			way.to_first = ip_v4((uint32_t)cuts.at[i]);
			vec_push(ret, way);
		}
		ret->at[ret->n - 1].to_last = ip_v4((uint32_t)(cuts.at[i + 1] - 1));
		joins = true;
	}
	vec_fini(&cuts);
	vec_fini(&routes);
}

/* ---- security groups ---- */

static void add_group(vpc_object_list *ret, const struct val *group)
{
	if (group && vpc_id(VPC_GROUP, group).len) {
		vec_push(ret, group);
	}
}

void vpc_groups_of(const struct vpc *v, const struct val *store, vpc_object_list *ret)
{
	bool is_cache = vpc_kind_of(store) == VPC_CACHE;
	const char *refs = is_cache ? "securityGroupRefs" : "vpcSecurityGroupRefs",
		   *ids = is_cache ? "securityGroupIDs" : "vpcSecurityGroupIDs";

	for (size_t i = 0; i < vpc_n_linked(store, refs, ids); i++) {
		add_group(ret, vpc_linked_at(v, VPC_GROUP, store, refs, ids, i));
	}
}

static bool is_of_nodes(const struct val *group, struct slice cluster)
{
	const struct slice mark = SLICE("kubernetes.io/cluster/");

	val_for_each (val_path(group, "spec.tags"), it) {
		struct slice key = val_get_str(it, "key");

		if (slice_has_prefix(key, mark) && slice_eq(slice_from(key, mark.len), cluster)) {
			return true;
		}
	}
	return false;
}

void vpc_groups_of_nodes(const struct vpc *v, struct slice cluster, vpc_object_list *ret)
{
	for (struct map_iter it = { 0 }; map_next(&v->objects[VPC_GROUP], &it);) {
		const struct val *group = ((const struct doc *)it.value)->root;

		if (is_of_nodes(group, cluster)) {
			add_group(ret, group);
		}
	}
}

struct membership {
	const struct vpc *v;
	const struct val *holder; /* whose rule it is */
	const struct vpc_nodes *nodes;
};

static void add_stores(const struct vpc *v, enum vpc_kind k, const struct val *group,
                       prefix_list *ret)
{
	for (struct map_iter it = { 0 }; map_next(&v->objects[k], &it);) {
		const struct val *store = ((const struct doc *)it.value)->root;
		vpc_object_list groups = { 0 };
		struct ip ip;

		vpc_groups_of(v, store, &groups);
		for (size_t i = 0; i < groups.n; i++) {
			if (groups.at[i] == group &&
			    ip_parse(val_get_str(val_path(store, "metadata.annotations"),
			                         HOST_ADDRESS_ANNOTATION),
			             &ip)) {
				vec_push(ret,
				         ((struct prefix){ ip, ip.family == IP_V4 ? 32 : 128 }));
			}
		}
		vec_fini(&groups);
	}
}

static void list_members(void *arg, const struct val *pair, prefix_list *ret)
{
	const struct membership *m = arg;
	const struct val *group =
		vpc_linked(m->v, VPC_GROUP, m->holder, pair, "groupRef", "groupID");

	if (!group) {
		return;
	}
	add_stores(m->v, VPC_DATABASE, group, ret);
	add_stores(m->v, VPC_CACHE, group, ret);
	for (size_t i = 0; i < m->nodes->n && is_of_nodes(group, m->nodes->cluster); i++) {
		vec_push(ret, m->nodes->addresses[i]);
	}
}

void vpc_groups_admit(const struct vpc *v, const vpc_object_list *groups, bool egress,
                      const struct vpc_nodes *nodes, sg_piece_list *ret)
{
	for (size_t i = 0; i < groups->n; i++) {
		struct membership m = { v, groups->at[i], nodes };

		sg_rules_expand(
			val_path(groups->at[i], egress ? "spec.egressRules" : "spec.ingressRules"),
			list_members, &m, ret);
	}
}
