/* Why: what gateways, addresses and security groups ask for, are refused with and tell, in the words of EC2. See cloud.h.
 * Source: networking.md 6.3, 6.4 */
#include "control/cloud-search.h"

#include "base/mem.h"

#define ADDRESS_POOL "198.51.100.0/24" /* RFC 5737: addresses for documentation */

/* ---- gateways and addresses ---- */

void cloud_fill_internet(struct cloud_look *l)
{
	struct arena *a = l->w->arena;
	struct val *list = val_set(a, l->status, "attachments", val_new_array(a)), *v;
	struct cloud_search s = { .l = l, .kind = VPC_INTERNET, .is_it = cloud_is_of_vpc };

	s.vpc = vpc_of(l->all, l->object);
	val_set_cstr(a, l->status, "ownerID", CLOUD_ACCOUNT);
	if (!s.vpc) {
		return;
	}
	if (!vpc_id(VPC_INTERNET, l->object).len && cloud_search(&s)) {
		CLOUD_REFUSE(l,
		             "Resource.AlreadyAssociated: Network " SLICE_FMT
		             " already has an internet gateway attached",
		             SLICE_ARG(vpc_id(VPC_VPC, s.vpc)));
		return;
	}
	v = val_append(list, val_new_object(a));
	val_set_cstr(a, v, "state", "available");
	val_set_str(a, v, "vpcID", vpc_id(VPC_VPC, s.vpc));
}

static bool has_address(struct cloud_search *s, const struct val *other)
{
	return slice_eq(val_str(val_path(other, "status.publicIP")), s->text);
}

void cloud_fill_address(struct cloud_look *l)
{
	struct slice wish = val_get_str(cloud_spec(l->object), "address");
	struct cloud_search s = { .l = l, .kind = VPC_ADDRESS, .is_it = has_address };
	struct prefix pool;
	struct ip ip;
	char text[IP_TEXT_SIZE];

	if (val_get_str(l->status, "publicIP").len || !prefix_parse(SLICE(ADDRESS_POOL), &pool)) {
		return;
	}
	if (wish.len) {
		s.text = wish;
		if (!ip_parse(wish, &ip) || !prefix_contains(pool, ip) || cloud_search(&s)) {
			CLOUD_REFUSE(l,
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
		if (!cloud_search(&s)) {
			val_set_str(l->w->arena, l->status, "publicIP", s.text);
			return;
		}
	}
	CLOUD_REFUSE(l, "AddressLimitExceeded: The maximum number of addresses has been reached.");
}

static bool has_same_allocation(struct cloud_search *s, const struct val *other)
{
	const struct val *address = cloud_address_of(s->l, other);

	return address && address == cloud_address_of(s->l, s->l->object);
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
	if (prefix_parse(val_get_str(cloud_spec(subnet), "cidrBlock"), &range)) {
		val_set_cstr(a, v, "privateIP", ip_format(prefix_nth(range, 1), text));
	}
	val_set_str(a, l->status, "vpcID", vpc_id(VPC_VPC, vpc_of(l->all, subnet)));
	val_set_cstr(a, l->status, "state", "available");
}

void cloud_fill_nat(struct cloud_look *l)
{
	const struct val *spec = cloud_spec(l->object), *address = cloud_address_of(l, l->object);
	const struct val *subnet =
		vpc_linked(l->all, VPC_SUBNET, l->object, spec, "subnetRef", "subnetID");
	bool is_private = slice_is(val_get_str(spec, "connectivityType"), "private");
	struct cloud_search same = { .l = l, .kind = VPC_NAT, .is_it = has_same_allocation },
			    gateway = { .l = l, .kind = VPC_INTERNET, .is_it = cloud_is_of_vpc };

	gateway.vpc = vpc_of(l->all, subnet);
	if (is_private == (address != NULL)) {
		CLOUD_REFUSE(
			l, is_private ? "InvalidParameterCombination: A private NAT gateway cannot "
					"have an allocation ID."
				      : "MissingParameter: The request must contain the parameter "
					"AllocationId");
	} else if (address && cloud_search(&same)) {
		CLOUD_REFUSE(l,
		             "Resource.AlreadyAssociated: Elastic IP address [" SLICE_FMT
		             "] is already associated",
		             SLICE_ARG(vpc_id(VPC_ADDRESS, address)));
	} else if (!is_private && !cloud_search(&gateway)) {
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

static bool has_same_name(struct cloud_search *s, const struct val *other)
{
	return slice_eq(val_get_str(cloud_spec(other), "name"), s->text) &&
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
		CLOUD_REFUSE(l,
		             "InvalidParameterValue: Invalid value '" SLICE_FMT
		             "' for IP protocol. Unknown protocol.",
		             SLICE_ARG(protocol));
	} else if (has_ports && (from < 0 || to < 0)) {
		CLOUD_REFUSE(l,
		             "InvalidParameterValue: Invalid value 'Must specify both from and to "
		             "ports with TCP/UDP.' for portRange.");
	} else if (has_ports && (from > to || to > UINT16_MAX)) {
		CLOUD_REFUSE(l, "InvalidParameterValue: Invalid TCP/UDP port range (%lld:%lld)",
		             (long long)from, (long long)to);
	}
	val_for_each (val_get(rule, "ipRanges"), it) {
		struct prefix p;

		if (!prefix_parse(val_get_str(it, "cidrIP"), &p) || p.ip.family != IP_V4) {
			CLOUD_REFUSE(l,
			             "InvalidParameterValue: CIDR block " SLICE_FMT " is malformed",
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

void cloud_fill_group(struct cloud_look *l)
{
	static const char *const lists[] = { "ingressRules", "egressRules" };
	const struct val *spec = cloud_spec(l->object);
	struct cloud_search s = { .l = l, .kind = VPC_GROUP, .is_it = has_same_name };

	s.text = val_get_str(spec, "name");
	s.vpc = vpc_of(l->all, l->object);
	if (slice_is(s.text, "default")) {
		CLOUD_REFUSE(
			l,
			"InvalidParameterValue: Cannot use reserved security group name: default");
	} else if (slice_has_prefix(s.text, SLICE("sg-"))) {
		CLOUD_REFUSE(l, "InvalidParameterValue: Invalid value for groupName: group names "
		                "may not be "
		                "in the format sg-*");
	} else if (!vpc_id(VPC_GROUP, l->object).len && cloud_search(&s)) {
		CLOUD_REFUSE(l,
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
