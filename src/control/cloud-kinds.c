/* Why: what each kind of a cloud's network asks for, is refused with and tells about itself, in the words of the EC2
 * and RDS services. See cloud.h. Source: networking.md 6, cloud-kinds.md 4 */
#include "control/cloud.h"

#include "base/mem.h"

#define ADDRESS_POOL   "198.51.100.0/24" /* RFC 5737: addresses for documentation */
#define DEFAULT_ZONE   CLOUD_REGION "a"
#define RESERVED_HOSTS 5 /* of a subnet: network, router, resolver, one more, the last */
enum { BLOCKS_MAX = 5, LARGEST = 16, SMALLEST = 28 };

#define REFUSE(l, ...) ((l)->terminal = arena_printf((l)->w->arena, __VA_ARGS__))

static const struct val *spec_of(const struct val *object)
{
	return val_get(object, "spec");
}

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
	val_for_each (val_get(spec_of(l->object), rules), rule) {
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
				REFUSE(l,
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
		val_for_each (val_get(spec_of(l->object), "routes"), it) {
			cloud_resolve(l, it, &gateway);
			cloud_resolve(l, it, &nat);
		}
	}
}

/* ---- looking around ---- */

/* Another object of a kind that came to life: what is asked of each. */
struct search {
	struct cloud_look *l;
	enum vpc_kind kind;
	bool (*is_it)(struct search *s, const struct val *other);
	const struct val *vpc; /* for is_it */
	struct prefix range;   /* likewise */
	struct slice text;     /* likewise */
	const struct val *found;
};

static void ask(void *arg, const struct val *other)
{
	struct search *s = arg;
	bool is_made = !vpc_kind_info(s->kind)->id || vpc_id(s->kind, other).len;

	if (is_made && !s->found && !slice_eq(meta_uid(other), meta_uid(s->l->object)) &&
	    s->is_it(s, other)) {
		s->found = other;
	}
}

static const struct val *find(struct search *s)
{
	s->found = NULL;
	vpc_each(s->l->all, s->kind, ask, s);
	return s->found;
}

static bool is_of_vpc(struct search *s, const struct val *other)
{
	const struct val *vpc = vpc_of(s->l->all, other);

	return vpc && vpc == s->vpc;
}

/* ---- VPC ---- */

static void fill_vpc(struct cloud_look *l)
{
	const struct val *blocks = val_get(spec_of(l->object), "cidrBlocks");
	struct arena *a = l->w->arena;
	struct val *set = val_set(a, l->status, "cidrBlockAssociationSet", val_new_array(a));
	struct prefix p, home;
	size_t n = 0;

	if (!val_len(blocks)) {
		REFUSE(l, "MissingParameter: The request must contain the parameter cidrBlock");
	} else if (val_len(blocks) > BLOCKS_MAX) {
		REFUSE(l, "CidrLimitExceeded: This network has reached its limit of %d CIDR blocks",
		       BLOCKS_MAX);
	}
	val_for_each (blocks, it) {
		char text[PREFIX_TEXT_SIZE];
		struct val *one;

		if (!prefix_parse(val_str(it), &p) || p.ip.family != IP_V4 || p.len < LARGEST ||
		    p.len > SMALLEST) {
			REFUSE(l, "InvalidVpc.Range: The CIDR '" SLICE_FMT "' is invalid.",
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
	struct slice zone = val_get_str(spec_of(subnet), "availabilityZone");

	return zone.len ? zone : SLICE(DEFAULT_ZONE);
}

static bool zone_is_known(struct slice zone)
{
	const size_t len = strlen(CLOUD_REGION);

	return zone.len == len + 1 && slice_has_prefix(zone, SLICE(CLOUD_REGION)) &&
	       zone.p[len] >= 'a' && zone.p[len] <= 'f';
}

static bool overlaps(struct search *s, const struct val *other)
{
	struct prefix p;

	return is_of_vpc(s, other) && prefix_parse(val_get_str(spec_of(other), "cidrBlock"), &p) &&
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

struct counting {
	struct prefix range;
	int64_t n;
};

static void count_store(void *arg, const struct val *store)
{
	struct counting *c = arg;
	struct ip ip;

	c->n += ip_parse(meta_annotation(store, HOST_ADDRESS_ANNOTATION), &ip) &&
	        prefix_contains(c->range, ip);
}

static int64_t stores_in(const struct cloud_look *l, struct prefix range)
{
	struct counting c = { .range = range };

	vpc_each(l->all, VPC_DATABASE, count_store, &c);
	vpc_each(l->all, VPC_CACHE, count_store, &c);
	return c.n;
}

static void fill_subnet(struct cloud_look *l)
{
	struct slice cidr = val_get_str(spec_of(l->object), "cidrBlock");
	struct slice zone = zone_of(l->object);
	struct search s = { .l = l, .kind = VPC_SUBNET, .is_it = overlaps };

	s.vpc = vpc_of(l->all, l->object);
	if (!prefix_parse(cidr, &s.range) || s.range.ip.family != IP_V4 || s.range.len < LARGEST ||
	    s.range.len > SMALLEST || !lies_in_vpc(s.vpc, s.range)) {
		REFUSE(l, "InvalidSubnet.Range: The CIDR '" SLICE_FMT "' is invalid.",
		       SLICE_ARG(cidr));
	} else if (!vpc_id(VPC_SUBNET, l->object).len &&
	           (find(&s) || clashes_with_home(l, s.vpc, s.range))) {
		REFUSE(l,
		       "InvalidSubnet.Conflict: The CIDR '" SLICE_FMT
		       "' conflicts with another subnet",
		       SLICE_ARG(cidr));
	} else if (!zone_is_known(zone)) {
		REFUSE(l,
		       "InvalidParameterValue: Value (" SLICE_FMT
		       ") for parameter availabilityZone is invalid. Subnets can currently only "
		       "be created in the following availability zones: " CLOUD_REGION
		       "a to " CLOUD_REGION "f.",
		       SLICE_ARG(zone));
	} else if (vpc_n_linked(l->object, "routeTableRefs", "routeTables") > 1) {
		REFUSE(l, "Resource.AlreadyAssociated: a subnet is associated with one route "
		          "table at a time");
	} else {
		val_set_int(l->w->arena, l->status, "availableIPAddressCount",
		            (INT64_C(1) << (32 - s.range.len)) - RESERVED_HOSTS -
		                    stores_in(l, s.range));
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
		REFUSE(l,
		       "InvalidParameterValue: Value (" SLICE_FMT
		       ") for parameter destinationCidrBlock is invalid. This is not a valid CIDR "
		       "block.",
		       SLICE_ARG(text));
	} else if (targets_of(route) != 1) {
		REFUSE(l,
		       "InvalidParameterCombination: The route to " SLICE_FMT
		       " must specify exactly one target.",
		       SLICE_ARG(text));
	} else if (is_repeated(val_get(spec_of(l->object), "routes"), route, to)) {
		REFUSE(l,
		       "RouteAlreadyExists: The route identified by " SLICE_FMT " already exists.",
		       SLICE_ARG(text));
	} else if (lies_in_vpc(vpc_of(l->all, l->object), to) &&
	           !slice_is(val_get_str(route, "gatewayID"), "local")) {
		REFUSE(l,
		       "InvalidParameterValue: The destination CIDR block " SLICE_FMT
		       " is equal to or more specific than one of this VPC's CIDR blocks. This "
		       "route can target only an interface or an instance.",
		       SLICE_ARG(text));
	}
}

static bool uses_table(struct search *s, const struct val *subnet)
{
	for (size_t i = 0; i < vpc_n_linked(subnet, "routeTableRefs", "routeTables"); i++) {
		const struct val *table = vpc_linked_at(s->l->all, VPC_TABLE, subnet,
		                                        "routeTableRefs", "routeTables", i);

		if (table && slice_eq(meta_uid(table), meta_uid(s->l->object))) {
			return true;
		}
	}
	return false;
}

struct associating {
	struct search search;
	struct val *list;
};

static void add_association(void *arg, const struct val *subnet)
{
	struct associating *x = arg;
	struct arena *a = x->search.l->w->arena;
	struct val *v;

	if (!vpc_id(VPC_SUBNET, subnet).len || !uses_table(&x->search, subnet)) {
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

	val_for_each (val_get(spec_of(l->object), "routes"), it) {
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

/* ---- gateways and addresses ---- */

static void fill_internet(struct cloud_look *l)
{
	struct arena *a = l->w->arena;
	struct val *list = val_set(a, l->status, "attachments", val_new_array(a)), *v;
	struct search s = { .l = l, .kind = VPC_INTERNET, .is_it = is_of_vpc };

	s.vpc = vpc_of(l->all, l->object);
	val_set_cstr(a, l->status, "ownerID", CLOUD_ACCOUNT);
	if (!s.vpc) {
		return;
	}
	if (!vpc_id(VPC_INTERNET, l->object).len && find(&s)) {
		REFUSE(l,
		       "Resource.AlreadyAssociated: Network " SLICE_FMT
		       " already has an internet gateway attached",
		       SLICE_ARG(vpc_id(VPC_VPC, s.vpc)));
		return;
	}
	v = val_append(list, val_new_object(a));
	val_set_cstr(a, v, "state", "available");
	val_set_str(a, v, "vpcID", vpc_id(VPC_VPC, s.vpc));
}

static bool has_address(struct search *s, const struct val *other)
{
	return slice_eq(val_str(val_path(other, "status.publicIP")), s->text);
}

static void fill_address(struct cloud_look *l)
{
	struct slice wish = val_get_str(spec_of(l->object), "address");
	struct search s = { .l = l, .kind = VPC_ADDRESS, .is_it = has_address };
	struct prefix pool;
	struct ip ip;
	char text[IP_TEXT_SIZE];

	if (val_get_str(l->status, "publicIP").len || !prefix_parse(SLICE(ADDRESS_POOL), &pool)) {
		return;
	}
	if (wish.len) {
		s.text = wish;
		if (!ip_parse(wish, &ip) || !prefix_contains(pool, ip) || find(&s)) {
			REFUSE(l,
			       "InvalidAddress.NotFound: Address '" SLICE_FMT
			       "' is not available; addresses of this instance are "
			       "of " ADDRESS_POOL,
			       SLICE_ARG(wish));
			return;
		}
		val_set_str(l->w->arena, l->status, "publicIP", wish);
		return;
	}
	for (uint32_t host = 1; host < 255; host++) {
		s.text = slice_of(ip_format(prefix_nth(pool, host), text));
		if (!find(&s)) {
			val_set_str(l->w->arena, l->status, "publicIP", s.text);
			return;
		}
	}
	REFUSE(l, "AddressLimitExceeded: The maximum number of addresses has been reached.");
}

static const struct val *address_of(const struct cloud_look *l, const struct val *nat)
{
	return vpc_linked(l->all, VPC_ADDRESS, nat, spec_of(nat), "allocationRef", "allocationID");
}

static bool has_same_allocation(struct search *s, const struct val *other)
{
	const struct val *address = address_of(s->l, other);

	return address && address == address_of(s->l, s->l->object);
}

static void write_nat(struct cloud_look *l, const struct val *subnet, const struct val *address)
{
	struct arena *a = l->w->arena;
	struct val *list = val_set(a, l->status, "natGatewayAddresses", val_new_array(a));
	struct val *v = val_append(list, val_new_object(a));
	struct prefix range;
	char text[IP_TEXT_SIZE];

	if (address) {
		val_set_str(a, v, "allocationID", vpc_id(VPC_ADDRESS, address));
		val_set_str(a, v, "publicIP", val_str(val_path(address, "status.publicIP")));
	}
	val_set(a, v, "networkInterfaceID",
	        val_new_strf(a, "eni-0%016llx",
	                     (unsigned long long)slice_hash(meta_uid(l->object))));
	/* The router is the gateway: it has the subnet's first address. */
	if (prefix_parse(val_get_str(spec_of(subnet), "cidrBlock"), &range)) {
		val_set_cstr(a, v, "privateIP", ip_format(prefix_nth(range, 1), text));
	}
	val_set_str(a, l->status, "vpcID", vpc_id(VPC_VPC, vpc_of(l->all, subnet)));
	val_set_cstr(a, l->status, "state", "available");
}

static void fill_nat(struct cloud_look *l)
{
	const struct val *spec = spec_of(l->object), *address = address_of(l, l->object);
	const struct val *subnet =
		vpc_linked(l->all, VPC_SUBNET, l->object, spec, "subnetRef", "subnetID");
	bool is_private = slice_is(val_get_str(spec, "connectivityType"), "private");
	struct search same = { .l = l, .kind = VPC_NAT, .is_it = has_same_allocation },
		      gateway = { .l = l, .kind = VPC_INTERNET, .is_it = is_of_vpc };

	gateway.vpc = vpc_of(l->all, subnet);
	if (is_private == (address != NULL)) {
		REFUSE(l, is_private ? "InvalidParameterCombination: A private NAT gateway cannot "
		                       "have an allocation ID."
		                     : "MissingParameter: The request must contain the parameter "
		                       "AllocationId");
	} else if (address && find(&same)) {
		REFUSE(l,
		       "Resource.AlreadyAssociated: Elastic IP address [" SLICE_FMT
		       "] is already associated",
		       SLICE_ARG(vpc_id(VPC_ADDRESS, address)));
	} else if (!is_private && !find(&gateway)) {
		val_set_cstr(l->w->arena, l->status, "state", "pending");
		l->recoverable = arena_printf(l->w->arena,
		                              "Gateway.NotAttached: Network " SLICE_FMT
		                              " has no Internet gateway attached",
		                              SLICE_ARG(vpc_id(VPC_VPC, gateway.vpc)));
	} else {
		write_nat(l, subnet, address);
		if (!is_private && !vpc_is_public(l->all, subnet)) {
			l->advisory = "its subnet has no route to an internet gateway: what is "
				      "sent to this NAT gateway is lost";
		}
	}
}

/* ---- security groups ---- */

static bool has_same_name(struct search *s, const struct val *other)
{
	return slice_eq(val_get_str(spec_of(other), "name"), s->text) &&
	       vpc_of(s->l->all, other) == s->vpc;
}

static bool is_protocol(struct slice p)
{
	static const char *const names[] = { "-1", "tcp", "udp", "icmp", "icmpv6" };
	int64_t number;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_is(p, names[i])) {
			return true;
		}
	}
	return slice_to_i64(p, &number) && number >= 0 && number <= 255;
}

static void check_rule(struct cloud_look *l, const struct val *rule)
{
	struct slice protocol = val_get_str(rule, "ipProtocol");
	int64_t from = val_int(val_get(rule, "fromPort"), -1),
		to = val_int(val_get(rule, "toPort"), -1);
	bool has_ports = slice_is(protocol, "tcp") || slice_is(protocol, "udp") ||
	                 slice_is(protocol, "6") || slice_is(protocol, "17");

	if (!is_protocol(protocol)) {
		REFUSE(l,
		       "InvalidParameterValue: Invalid value '" SLICE_FMT
		       "' for IP protocol. Unknown protocol.",
		       SLICE_ARG(protocol));
	} else if (has_ports && (from < 0 || to < 0)) {
		REFUSE(l, "InvalidParameterValue: Invalid value 'Must specify both from and to "
		          "ports with TCP/UDP.' for portRange.");
	} else if (has_ports && (from > to || to > UINT16_MAX)) {
		REFUSE(l, "InvalidParameterValue: Invalid TCP/UDP port range (%lld:%lld)",
		       (long long)from, (long long)to);
	}
	val_for_each (val_get(rule, "ipRanges"), it) {
		struct prefix p;

		if (!prefix_parse(val_get_str(it, "cidrIP"), &p) || p.ip.family != IP_V4) {
			REFUSE(l, "InvalidParameterValue: CIDR block " SLICE_FMT " is malformed",
			       SLICE_ARG(val_get_str(it, "cidrIP")));
		}
	}
	if (val_len(val_get(rule, "prefixListIDs"))) {
		l->advisory = "prefix lists admit nobody here";
	}
	if (slice_has_prefix(protocol, SLICE("icmp"))) {
		l->advisory = "rules of ICMP admit nothing here";
	}
}

static void fill_group(struct cloud_look *l)
{
	static const char *const lists[] = { "ingressRules", "egressRules" };
	const struct val *spec = spec_of(l->object);
	struct search s = { .l = l, .kind = VPC_GROUP, .is_it = has_same_name };

	s.text = val_get_str(spec, "name");
	s.vpc = vpc_of(l->all, l->object);
	if (slice_is(s.text, "default")) {
		REFUSE(l,
		       "InvalidParameterValue: Cannot use reserved security group name: default");
	} else if (slice_has_prefix(s.text, SLICE("sg-"))) {
		REFUSE(l,
		       "InvalidParameterValue: Invalid value for groupName: group names may not be "
		       "in the format sg-*");
	} else if (!vpc_id(VPC_GROUP, l->object).len && find(&s)) {
		REFUSE(l,
		       "InvalidGroup.Duplicate: The security group '" SLICE_FMT
		       "' already exists for VPC '" SLICE_FMT "'",
		       SLICE_ARG(s.text), SLICE_ARG(vpc_id(VPC_VPC, s.vpc)));
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_get(spec, lists[i]), it) {
			if (!l->terminal) {
				check_rule(l, it);
			}
		}
	}
}

/* ---- subnet groups ---- */

static bool has_own_name(struct search *s, const struct val *other)
{
	const char *field = s->kind == VPC_CACHE_SUBNETS ? "cacheSubnetGroupName" : "name";

	return slice_eq(val_get_str(spec_of(other), field), s->text) &&
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
	struct search s = { .l = l, .kind = l->kind, .is_it = has_own_name };
	struct slice zone = { 0 };
	const struct val *vpc = NULL;

	s.text = val_get_str(spec_of(l->object), is_cache ? "cacheSubnetGroupName" : "name");
	if (!condition_is_true(val_path(l->object, "status.conditions"), "ACK.ResourceSynced") &&
	    find(&s)) {
		REFUSE(l, "Resource already exists");
		return;
	}
	for (size_t i = 0; i < vpc_n_linked(l->object, "subnetRefs", "subnetIDs"); i++) {
		const struct val *subnet =
			vpc_linked_at(l->all, VPC_SUBNET, l->object, "subnetRefs", "subnetIDs", i);

		if (vpc && vpc_of(l->all, subnet) != vpc) {
			REFUSE(l, "InvalidSubnet: The subnets are not all in the same VPC.");
			return;
		}
		vpc = vpc_of(l->all, subnet);
		more_zones |= zone.len && !slice_eq(zone, zone_of(subnet));
		zone = zone_of(subnet);
		add_subnet(l, list, subnet);
	}
	if (!is_cache && !more_zones) {
		REFUSE(l,
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
		[VPC_INTERNET] = fill_internet,
		[VPC_ADDRESS] = fill_address,
		[VPC_NAT] = fill_nat,
		[VPC_GROUP] = fill_group,
		[VPC_DATABASE_SUBNETS] = fill_subnets,
		[VPC_CACHE_SUBNETS] = fill_subnets,
	};

	fill[l->kind](l);
}

/* ---- deletion ---- */

static bool belongs_to(struct search *s, const struct val *other)
{
	const struct val *vpc = vpc_of(s->l->all, other);

	return vpc && slice_eq(meta_uid(vpc), meta_uid(s->l->object));
}

static bool stands_in(struct search *s, const struct val *nat)
{
	const struct val *subnet =
		vpc_linked(s->l->all, VPC_SUBNET, nat, spec_of(nat), "subnetRef", "subnetID");

	return subnet && slice_eq(meta_uid(subnet), meta_uid(s->l->object));
}

static bool has_allocation(struct search *s, const struct val *nat)
{
	const struct val *address = address_of(s->l, nat);

	return address && slice_eq(meta_uid(address), meta_uid(s->l->object));
}

static bool maps_in(struct search *s, const struct val *nat)
{
	const struct val *subnet =
		vpc_linked(s->l->all, VPC_SUBNET, nat, spec_of(nat), "subnetRef", "subnetID");

	return s->vpc && address_of(s->l, nat) && subnet && vpc_of(s->l->all, subnet) == s->vpc;
}

static bool carries_group(struct search *s, const struct val *store)
{
	vpc_object_list groups = { 0 };
	bool found = false;

	vpc_groups_of(s->l->all, store, &groups);
	for (size_t i = 0; i < groups.n; i++) {
		found |= slice_eq(meta_uid(groups.at[i]), meta_uid(s->l->object));
	}
	vec_fini(&groups);
	return found;
}

static bool rules_name(struct search *s, const struct val *group, const char *rules)
{
	val_for_each (val_get(spec_of(group), rules), rule) {
		val_for_each (val_get(rule, "userIDGroupPairs"), pair) {
			const struct val *named = vpc_linked(s->l->all, VPC_GROUP, group, pair,
			                                     "groupRef", "groupID");

			if (named && slice_eq(meta_uid(named), meta_uid(s->l->object))) {
				return true;
			}
		}
	}
	return false;
}

static bool names_group(struct search *s, const struct val *group)
{
	return rules_name(s, group, "ingressRules") || rules_name(s, group, "egressRules");
}

static bool is_in_group(struct search *s, const struct val *store)
{
	bool is_cache = s->kind == VPC_CACHE;
	const struct val *spec = spec_of(store),
			 *group = val_get(spec,
	                                  is_cache ? "cacheSubnetGroupRef" : "dbSubnetGroupRef");
	enum vpc_kind kind = is_cache ? VPC_CACHE_SUBNETS : VPC_DATABASE_SUBNETS;

	if (!val_is_null(group)) {
		group = vpc_by_ref(s->l->all, kind, store, group);
		return group && slice_eq(meta_uid(group), meta_uid(s->l->object));
	}
	return s->text.len &&
	       slice_eq(val_get_str(spec, is_cache ? "cacheSubnetGroupName" : "dbSubnetGroupName"),
	                s->text);
}

static const struct val *user(struct cloud_look *l, enum vpc_kind kind,
                              bool (*is_it)(struct search *, const struct val *))
{
	struct search s = { .l = l, .kind = kind, .is_it = is_it };

	s.vpc = l->kind == VPC_INTERNET ? vpc_of(l->all, l->object) : NULL;
	s.text = val_get_str(spec_of(l->object),
	                     l->kind == VPC_CACHE_SUBNETS ? "cacheSubnetGroupName" : "name");
	return find(&s);
}

const char *cloud_in_use(struct cloud_look *l)
{
	struct slice id = vpc_id(l->kind, l->object);
	struct arena *a = l->w->arena;
	const struct val *by;
	struct prefix range;

	switch (l->kind) {
	case VPC_VPC:
		return user(l, VPC_SUBNET, belongs_to) || user(l, VPC_TABLE, belongs_to) ||
		                       user(l, VPC_INTERNET, belongs_to) ||
		                       user(l, VPC_GROUP, belongs_to)
		               ? arena_printf(a,
		                              "DependencyViolation: The vpc '" SLICE_FMT
		                              "' has dependencies and cannot be deleted.",
		                              SLICE_ARG(id))
		               : NULL;
	case VPC_SUBNET:
		return user(l, VPC_NAT, stands_in) ||
		                       (vpc_of(l->all, l->object) == vpc_home(l->all) &&
		                        prefix_parse(val_get_str(spec_of(l->object), "cidrBlock"),
		                                     &range) &&
		                        stores_in(l, range))
		               ? arena_printf(a,
		                              "DependencyViolation: The subnet '" SLICE_FMT
		                              "' has dependencies and cannot be deleted.",
		                              SLICE_ARG(id))
		               : NULL;
	case VPC_TABLE:
		return user(l, VPC_SUBNET, uses_table)
		               ? arena_printf(a,
		                              "DependencyViolation: The routeTable '" SLICE_FMT
		                              "' has dependencies and cannot be deleted.",
		                              SLICE_ARG(id))
		               : NULL;
	case VPC_INTERNET:
		return user(l, VPC_NAT, maps_in)
		               ? arena_printf(
					 a,
					 "DependencyViolation: Network " SLICE_FMT
					 " has some mapped public address(es). Please unmap those "
					 "public address(es) before detaching the gateway.",
					 SLICE_ARG(vpc_id(VPC_VPC, vpc_of(l->all, l->object))))
		               : NULL;
	case VPC_ADDRESS:
		return user(l, VPC_NAT, has_allocation)
		               ? arena_printf(
					 a,
					 "InvalidIPAddress.InUse: Address " SLICE_FMT " is in use.",
					 SLICE_ARG(val_str(val_path(l->object, "status.publicIP"))))
		               : NULL;
	case VPC_GROUP:
		return user(l, VPC_DATABASE, carries_group) || user(l, VPC_CACHE, carries_group) ||
		                       user(l, VPC_GROUP, names_group)
		               ? arena_printf(a,
		                              "DependencyViolation: resource " SLICE_FMT
		                              " has a dependent object",
		                              SLICE_ARG(id))
		               : NULL;
	case VPC_DATABASE_SUBNETS:
	case VPC_CACHE_SUBNETS:
		by = user(l, l->kind == VPC_CACHE_SUBNETS ? VPC_CACHE : VPC_DATABASE, is_in_group);
		return by ? arena_printf(a,
		                         "InvalidDBSubnetGroupStateFault: Cannot delete the subnet "
		                         "group because at least one instance: " SLICE_FMT
		                         " is still using it.",
		                         SLICE_ARG(meta_name(by)))
		          : NULL;
	case VPC_NAT:
	case VPC_DATABASE:
	case VPC_CACHE:
	case VPC_KINDS:
		break;
	}
	return NULL;
}
