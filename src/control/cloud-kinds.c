/* Why: what each kind of a cloud's network asks for, is refused with and tells about itself, in the words of the EC2
 * and RDS services. See cloud.h. Source: networking.md 6, cloud-kinds.md 4 */
#include "control/cloud-search.h"

#include "base/mem.h"

#define DEFAULT_ZONE   CLOUD_REGION "a"
#define RESERVED_HOSTS 5 /* of a subnet: network, router, resolver, one more, the last */
enum { BLOCKS_MAX = 5, LARGEST = 16, SMALLEST = 28 };

/* ---- references ---- */

static const struct cloud_ref refs[VPC_KINDS][4] = {
	[VPC_SUBNET] = { { "vpcRef", "vpcID", VPC_VPC, .required = true },
	                 { "routeTableRefs", "routeTables", VPC_TABLE, .is_list = true } },
	[VPC_TABLE] = { { "vpcRef", "vpcID", VPC_VPC, .required = true } },
	[VPC_INTERNET] = { { "vpcRef", "vpc", VPC_VPC } },
	[VPC_NAT] = { { "subnetRef", "subnetID", VPC_SUBNET, .required = true },
	              { "allocationRef", "allocationID", VPC_ADDRESS } },
	[VPC_GROUP] = { { "vpcRef", "vpcID", VPC_VPC } },
	[VPC_DATABASE_SUBNETS] = { { "subnetRefs", "subnetIDs", VPC_SUBNET, .is_list = true,
	                             .required = true } },
	[VPC_CACHE_SUBNETS] = { { "subnetRefs", "subnetIDs", VPC_SUBNET, .is_list = true,
	                          .required = true } },
};

const struct cloud_ref *cloud_refs(enum vpc_kind k)
{
	return refs[k];
}

/* Groups may name each other and themselves: what they name must exist, not be finished. */
static void check_pairs(struct cloud_look *l, const char *rules)
{
	val_for_each (val_get(cloud_spec(l->object), rules), rule) {
		val_for_each (val_get(rule, "userIDGroupPairs"), pair) {
			const struct val *ref = val_get(pair, "groupRef");
			struct slice id = val_get_str(pair, "groupID");

			l->has_references |= !val_is_null(ref);
			if (!val_is_null(ref) && !vpc_by_ref(l->all, VPC_GROUP, l->object, ref)) {
				l->unresolved = arena_printf(
					l->w->arena,
					"securitygroups.ec2.services.k8s.aws \"" SLICE_FMT
					"\" not found",
					SLICE_ARG(val_str(val_path(ref, "from.name"))));
			} else if (val_is_null(ref) && !vpc_by_id(l->all, VPC_GROUP, id)) {
				CLOUD_REFUSE(l,
				             "InvalidGroup.NotFound: The security group '" SLICE_FMT
				             "' does not exist",
				             SLICE_ARG(id));
			}
		}
	}
}

void cloud_check_deep(struct cloud_look *l)
{
	static const struct cloud_ref gateway = { "gatewayRef", "none", VPC_INTERNET },
				      nat = { "natGatewayRef", "none", VPC_NAT };

	if (l->kind == VPC_GROUP) {
		check_pairs(l, "ingressRules");
		check_pairs(l, "egressRules");
	}
	/* A route that was made outlives its target: it is a black hole then. */
	if (l->kind == VPC_TABLE && !vpc_id(VPC_TABLE, l->object).len) {
		val_for_each (val_get(cloud_spec(l->object), "routes"), it) {
			cloud_resolve(l, it, &gateway);
			cloud_resolve(l, it, &nat);
		}
	}
}

/* ---- VPC ---- */

static void fill_vpc(struct cloud_look *l)
{
	const struct val *blocks = val_get(cloud_spec(l->object), "cidrBlocks");
	struct arena *a = l->w->arena;
	struct val *set = val_set(a, l->status, "cidrBlockAssociationSet", val_new_array(a));
	struct prefix p, home;
	size_t n = 0;

	if (!val_len(blocks)) {
		CLOUD_REFUSE(l,
		             "MissingParameter: The request must contain the parameter cidrBlock");
	} else if (val_len(blocks) > BLOCKS_MAX) {
		CLOUD_REFUSE(
			l,
			"CidrLimitExceeded: This network has reached its limit of %d CIDR blocks",
			BLOCKS_MAX);
	}
	val_for_each (blocks, it) {
		char text[PREFIX_TEXT_SIZE];
		struct val *one;

		if (!prefix_parse(val_str(it), &p) || p.ip.family != IP_V4 || p.len < LARGEST ||
		    p.len > SMALLEST) {
			CLOUD_REFUSE(l, "InvalidVpc.Range: The CIDR '" SLICE_FMT "' is invalid.",
			             SLICE_ARG(val_str(it)));
			return;
		}
		one = val_append(set, val_new_object(a));
		val_set(a, one, "associationID",
		        val_new_strf(a, "vpc-cidr-assoc-0%016llx",
		                     (unsigned long long)(slice_hash(meta_uid(l->object)) + n++)));
		val_set_cstr(a, one, "cidrBlock", prefix_format(p, text));
		val_set_cstr(a, val_need_object(a, one, "cidrBlockState"), "state", "associated");
	}
	if (prefix_parse(val_str(val_at(blocks, 0)), &p) &&
	    prefix_parse(SLICE(VPC_HOME_RANGE), &home) &&
	    (!prefix_eq(p, home) || (vpc_home(l->all) && vpc_id(VPC_VPC, l->object).len &&
	                             vpc_home(l->all) != l->object))) {
		l->advisory = "nodes, databases and caches of this instance are in another "
			      "VPC, " VPC_HOME_RANGE ": no machine is in this one";
	}
	val_set_bool(a, l->status, "isDefault", false);
	val_set_cstr(a, l->status, "ownerID", CLOUD_ACCOUNT);
	val_set_cstr(a, l->status, "state", "available");
}

/* ---- subnets ---- */

static struct slice zone_of(const struct val *subnet)
{
	struct slice zone = val_get_str(cloud_spec(subnet), "availabilityZone");

	return zone.len ? zone : SLICE(DEFAULT_ZONE);
}

static bool zone_is_known(struct slice zone)
{
	const size_t len = strlen(CLOUD_REGION);

	return zone.len == len + 1 && slice_has_prefix(zone, SLICE(CLOUD_REGION)) &&
	       zone.p[len] >= 'a' && zone.p[len] <= 'f';
}

static bool overlaps(struct cloud_search *s, const struct val *other)
{
	struct prefix p;

	return cloud_is_of_vpc(s, other) &&
	       prefix_parse(val_get_str(cloud_spec(other), "cidrBlock"), &p) &&
	       prefix_overlaps(p, s->range);
}

static bool lies_in_vpc(const struct val *vpc, struct prefix range)
{
	val_for_each (val_path(vpc, "spec.cidrBlocks"), it) {
		struct prefix block;

		if (prefix_parse(val_str(it), &block) && block.len <= range.len &&
		    prefix_contains(block, range.ip)) {
			return true;
		}
	}
	return false;
}

/* A subnet of the instance's own network is one of those that are there, or keeps clear of them. */
static bool clashes_with_home(const struct cloud_look *l, const struct val *vpc,
                              struct prefix range)
{
	struct prefix there;

	if (vpc != vpc_home(l->all)) {
		return false;
	}
	for (size_t i = 0; vpc_home_subnet(i, &there); i++) {
		if (prefix_eq(there, range)) {
			return false;
		}
	}
	for (size_t i = 0; vpc_home_subnet(i, &there); i++) {
		if (prefix_overlaps(there, range)) {
			return true;
		}
	}
	return false;
}

static void fill_subnet(struct cloud_look *l)
{
	struct slice cidr = val_get_str(cloud_spec(l->object), "cidrBlock");
	struct slice zone = zone_of(l->object);
	struct cloud_search s = { .l = l, .kind = VPC_SUBNET, .is_it = overlaps };

	s.vpc = vpc_of(l->all, l->object);
	if (!prefix_parse(cidr, &s.range) || s.range.ip.family != IP_V4 || s.range.len < LARGEST ||
	    s.range.len > SMALLEST || !lies_in_vpc(s.vpc, s.range)) {
		CLOUD_REFUSE(l, "InvalidSubnet.Range: The CIDR '" SLICE_FMT "' is invalid.",
		             SLICE_ARG(cidr));
	} else if (!vpc_id(VPC_SUBNET, l->object).len &&
	           (cloud_search(&s) || clashes_with_home(l, s.vpc, s.range))) {
		CLOUD_REFUSE(l,
		             "InvalidSubnet.Conflict: The CIDR '" SLICE_FMT
		             "' conflicts with another subnet",
		             SLICE_ARG(cidr));
	} else if (!zone_is_known(zone)) {
		CLOUD_REFUSE(
			l,
			"InvalidParameterValue: Value (" SLICE_FMT
			") for parameter availabilityZone is invalid. Subnets can currently only "
			"be created in the following availability zones: " CLOUD_REGION
			"a to " CLOUD_REGION "f.",
			SLICE_ARG(zone));
	} else if (vpc_n_linked(l->object, "routeTableRefs", "routeTables") > 1) {
		CLOUD_REFUSE(l, "Resource.AlreadyAssociated: a subnet is associated with one route "
		                "table at a time");
	} else {
		val_set_int(l->w->arena, l->status, "availableIPAddressCount",
		            (INT64_C(1) << (32 - s.range.len)) - RESERVED_HOSTS -
		                    cloud_stores_in(l, s.range));
		val_set_bool(l->w->arena, l->status, "defaultForAZ", false);
		val_set_cstr(l->w->arena, l->status, "ownerID", CLOUD_ACCOUNT);
		val_set_cstr(l->w->arena, l->status, "state", "available");
	}
}

/* ---- route tables ---- */

static size_t targets_of(const struct val *route)
{
	static const char *const fields[] = { "gatewayID",
		                              "gatewayRef",
		                              "natGatewayID",
		                              "natGatewayRef",
		                              "instanceID",
		                              "networkInterfaceID",
		                              "transitGatewayID",
		                              "transitGatewayRef",
		                              "vpcEndpointID",
		                              "vpcEndpointRef",
		                              "vpcPeeringConnectionID",
		                              "vpcPeeringConnectionRef" };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		n += !val_is_null(val_get(route, fields[i]));
	}
	return n;
}

static bool is_repeated(const struct val *routes, const struct val *route, struct prefix to)
{
	val_for_each (routes, it) {
		struct prefix other;

		if (it == route) {
			return false;
		}
		if (prefix_parse(val_get_str(it, "destinationCIDRBlock"), &other) &&
		    prefix_eq(other, to)) {
			return true;
		}
	}
	return false;
}

static void check_route(struct cloud_look *l, const struct val *route)
{
	struct slice text = val_get_str(route, "destinationCIDRBlock");
	struct prefix to;

	if (!text.len && (val_get_str(route, "destinationIPv6CIDRBlock").len ||
	                  val_get_str(route, "destinationPrefixListID").len)) {
		l->advisory = "routes of IPv6 and of prefix lists lead nowhere here";
		return;
	}
	if (!prefix_parse(text, &to)) {
		CLOUD_REFUSE(
			l,
			"InvalidParameterValue: Value (" SLICE_FMT
			") for parameter destinationCidrBlock is invalid. This is not a valid CIDR "
			"block.",
			SLICE_ARG(text));
	} else if (targets_of(route) != 1) {
		CLOUD_REFUSE(l,
		             "InvalidParameterCombination: The route to " SLICE_FMT
		             " must specify exactly one target.",
		             SLICE_ARG(text));
	} else if (is_repeated(val_get(cloud_spec(l->object), "routes"), route, to)) {
		CLOUD_REFUSE(l,
		             "RouteAlreadyExists: The route identified by " SLICE_FMT
		             " already exists.",
		             SLICE_ARG(text));
	} else if (lies_in_vpc(vpc_of(l->all, l->object), to) &&
	           !slice_is(val_get_str(route, "gatewayID"), "local")) {
		CLOUD_REFUSE(
			l,
			"InvalidParameterValue: The destination CIDR block " SLICE_FMT
			" is equal to or more specific than one of this VPC's CIDR blocks. This "
			"route can target only an interface or an instance.",
			SLICE_ARG(text));
	}
}

struct associating {
	struct cloud_search search;
	struct val *list;
};

static void add_association(void *arg, const struct val *subnet)
{
	struct associating *x = arg;
	struct arena *a = x->search.l->w->arena;
	struct val *v;

	if (!vpc_id(VPC_SUBNET, subnet).len || !cloud_uses_table(&x->search, subnet)) {
		return;
	}
	v = val_append(x->list, val_new_object(a));
	val_set_cstr(a, val_need_object(a, v, "associationState"), "state", "associated");
	val_set_bool(a, v, "main", false);
	val_set(a, v, "routeTableAssociationID",
	        val_new_strf(a, "rtbassoc-0%016llx",
	                     (unsigned long long)slice_hash(meta_uid(subnet))));
	val_set_str(a, v, "subnetID", vpc_id(VPC_SUBNET, subnet));
}

static void add_route(struct cloud_look *l, struct val *list, const struct vpc_route *r)
{
	struct arena *a = l->w->arena;
	struct val *v = val_append(list, val_new_object(a));
	char text[PREFIX_TEXT_SIZE];
	const struct val *gateway, *nat;

	val_set_cstr(a, v, "destinationCIDRBlock", prefix_format(r->to, text));
	gateway = vpc_linked(l->all, VPC_INTERNET, l->object, r->route, "gatewayRef", "gatewayID");
	nat = vpc_linked(l->all, VPC_NAT, l->object, r->route, "natGatewayRef", "natGatewayID");
	if (!r->route || r->target == VPC_TO_LOCAL) {
		val_set_cstr(a, v, "gatewayID", "local");
	} else if (gateway) {
		val_set_str(a, v, "gatewayID", vpc_id(VPC_INTERNET, gateway));
	} else if (nat) {
		val_set_str(a, v, "natGatewayID", vpc_id(VPC_NAT, nat));
	}
	val_set_cstr(a, v, "origin", r->route ? "CreateRoute" : "CreateRouteTable");
	/* A NAT gateway without a way of its own is a target all the same: the service calls such a route active. */
	val_set_cstr(a, v, "state",
	             r->target == VPC_TO_BLACKHOLE && !vpc_id(VPC_NAT, nat).len ? "blackhole"
	                                                                        : "active");
}

static void fill_table(struct cloud_look *l)
{
	struct associating x = { .search = { .l = l } };
	struct arena *a = l->w->arena;
	vpc_route_list routes = { 0 };
	struct val *list;

	val_for_each (val_get(cloud_spec(l->object), "routes"), it) {
		if (!l->terminal) {
			check_route(l, it);
		}
	}
	if (l->terminal) {
		return;
	}
	list = val_set(a, l->status, "routeStatuses", val_new_array(a));
	vpc_routes_of_table(l->all, l->object, &routes);
	for (size_t i = 0; i < routes.n; i++) {
		add_route(l, list, &routes.at[i]);
	}
	vec_fini(&routes);
	x.list = val_set(a, l->status, "associations", val_new_array(a));
	vpc_each(l->all, VPC_SUBNET, add_association, &x);
	val_set_cstr(a, l->status, "ownerID", CLOUD_ACCOUNT);
}

/* ---- subnet groups ---- */

static bool has_own_name(struct cloud_search *s, const struct val *other)
{
	const char *field = s->kind == VPC_CACHE_SUBNETS ? "cacheSubnetGroupName" : "name";

	return slice_eq(val_get_str(cloud_spec(other), field), s->text) &&
	       condition_is_true(val_path(other, "status.conditions"), "ACK.ResourceSynced");
}

static void add_subnet(struct cloud_look *l, struct val *list, const struct val *subnet)
{
	struct arena *a = l->w->arena;
	struct val *v = val_append(list, val_new_object(a));

	val_set_str(a, val_need_object(a, v, "subnetAvailabilityZone"), "name", zone_of(subnet));
	val_set_str(a, v, "subnetIdentifier", vpc_id(VPC_SUBNET, subnet));
	val_set_cstr(a, v, "subnetStatus", "Active");
}

static void fill_subnets(struct cloud_look *l)
{
	bool is_cache = l->kind == VPC_CACHE_SUBNETS, more_zones = false;
	struct arena *a = l->w->arena;
	struct val *list = val_set(a, l->status, "subnets", val_new_array(a));
	struct cloud_search s = { .l = l, .kind = l->kind, .is_it = has_own_name };
	struct slice zone = { 0 };
	const struct val *vpc = NULL;

	s.text = val_get_str(cloud_spec(l->object), is_cache ? "cacheSubnetGroupName" : "name");
	if (!condition_is_true(val_path(l->object, "status.conditions"), "ACK.ResourceSynced") &&
	    cloud_search(&s)) {
		CLOUD_REFUSE(l, "Resource already exists");
		return;
	}
	for (size_t i = 0; i < vpc_n_linked(l->object, "subnetRefs", "subnetIDs"); i++) {
		const struct val *subnet =
			vpc_linked_at(l->all, VPC_SUBNET, l->object, "subnetRefs", "subnetIDs", i);

		if (vpc && vpc_of(l->all, subnet) != vpc) {
			CLOUD_REFUSE(l, "InvalidSubnet: The subnets are not all in the same VPC.");
			return;
		}
		vpc = vpc_of(l->all, subnet);
		more_zones |= zone.len && !slice_eq(zone, zone_of(subnet));
		zone = zone_of(subnet);
		add_subnet(l, list, subnet);
	}
	if (!is_cache && !more_zones) {
		CLOUD_REFUSE(l,
		             "DBSubnetGroupDoesNotCoverEnoughAZs: The DB subnet group doesn't meet "
		             "Availability Zone (AZ) coverage requirement. Current AZ "
		             "coverage: " SLICE_FMT ". Add subnets to cover at least 2 AZs.",
		             SLICE_ARG(zone));
		return;
	}
	val_set_str(a, l->status, "vpcID", vpc_id(VPC_VPC, vpc));
	if (!is_cache) {
		val_set_cstr(a, l->status, "subnetGroupStatus", "Complete");
	}
}

void cloud_fill(struct cloud_look *l)
{
	static void (*const fill[VPC_KINDS])(struct cloud_look *) = {
		[VPC_VPC] = fill_vpc,
		[VPC_SUBNET] = fill_subnet,
		[VPC_TABLE] = fill_table,
		[VPC_INTERNET] = cloud_fill_internet,
		[VPC_ADDRESS] = cloud_fill_address,
		[VPC_NAT] = cloud_fill_nat,
		[VPC_GROUP] = cloud_fill_group,
		[VPC_DATABASE_SUBNETS] = fill_subnets,
		[VPC_CACHE_SUBNETS] = fill_subnets,
	};

	fill[l->kind](l);
}
