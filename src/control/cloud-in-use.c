/* Why: nothing goes while others depend on it, in the words of EC2 and RDS. See cloud.h. Source: cloud-kinds.md 3.5 */
#include "control/cloud-search.h"

static bool belongs_to(struct cloud_search *s, const struct val *other)
{
	const struct val *vpc = vpc_of(s->l->all, other);

	return vpc && slice_eq(meta_uid(vpc), meta_uid(s->l->object));
}

static bool stands_in(struct cloud_search *s, const struct val *nat)
{
	const struct val *subnet =
		vpc_linked(s->l->all, VPC_SUBNET, nat, cloud_spec(nat), "subnetRef", "subnetID");

	return subnet && slice_eq(meta_uid(subnet), meta_uid(s->l->object));
}

static bool has_allocation(struct cloud_search *s, const struct val *nat)
{
	const struct val *address = cloud_address_of(s->l, nat);

	return address && slice_eq(meta_uid(address), meta_uid(s->l->object));
}

static bool maps_in(struct cloud_search *s, const struct val *nat)
{
	const struct val *subnet =
		vpc_linked(s->l->all, VPC_SUBNET, nat, cloud_spec(nat), "subnetRef", "subnetID");

	return s->vpc && cloud_address_of(s->l, nat) && subnet &&
	       vpc_of(s->l->all, subnet) == s->vpc;
}

static bool carries_group(struct cloud_search *s, const struct val *store)
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

static bool rules_name(struct cloud_search *s, const struct val *group, const char *rules)
{
	val_for_each (val_get(cloud_spec(group), rules), rule) {
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

static bool names_group(struct cloud_search *s, const struct val *group)
{
	return rules_name(s, group, "ingressRules") || rules_name(s, group, "egressRules");
}

static bool is_in_group(struct cloud_search *s, const struct val *store)
{
	bool is_cache = s->kind == VPC_CACHE;
	const struct val *spec = cloud_spec(store),
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
                              bool (*is_it)(struct cloud_search *, const struct val *))
{
	struct cloud_search s = { .l = l, .kind = kind, .is_it = is_it };

	s.vpc = l->kind == VPC_INTERNET ? vpc_of(l->all, l->object) : NULL;
	s.text = val_get_str(cloud_spec(l->object),
	                     l->kind == VPC_CACHE_SUBNETS ? "cacheSubnetGroupName" : "name");
	return cloud_search(&s);
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
		                        prefix_parse(
						val_get_str(cloud_spec(l->object), "cidrBlock"),
						&range) &&
		                        cloud_stores_in(l, range))
		               ? arena_printf(a,
		                              "DependencyViolation: The subnet '" SLICE_FMT
		                              "' has dependencies and cannot be deleted.",
		                              SLICE_ARG(id))
		               : NULL;
	case VPC_TABLE:
		return user(l, VPC_SUBNET, cloud_uses_table)
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
