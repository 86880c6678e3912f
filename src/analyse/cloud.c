/* Why: what a VPC written down as objects lets through; see cloud.h. */
#include "analyse/cloud.h"

const enum object_kind cloud_stores[] = { OBJECT_DBINSTANCE, OBJECT_DBCLUSTER, OBJECT_CACHECLUSTER,
	                                  OBJECT_REPLICATIONGROUP, OBJECT_OTHER };

void cloud_list_fini(struct cloud_list *l)
{
	vec_fini(&l->at);
}

/* ---- references ---- */

const struct object *cloud_ref(const struct subject *s, const struct object *holder,
                               const struct val *ref, enum object_kind id)
{
	const struct val *from = val_get(ref, "from");
	struct slice ns = val_get_str(from, "namespace");

	return subject_find(s, id, ns.len ? ns : holder->ns, val_get_str(from, "name"));
}

static const struct object *by_status(const struct subject *s, enum object_kind id,
                                      const char *status, struct slice text)
{
	object_each(s, id, o)
	{
		if (text.len &&
		    slice_eq(val_str(val_path(val_get(o->v, "status"), status)), text)) {
			return o;
		}
	}
	return NULL;
}

static void take_link(struct cloud_list *ret, const struct object *o)
{
	ret->n_named++;
	if (o) {
		vec_push(&ret->at, o);
	} else {
		ret->complete = false;
	}
}

void cloud_links(const struct subject *s, const struct object *holder, const struct val *spec,
                 const char *refs, const char *ids, const char *status, enum object_kind id,
                 struct cloud_list *ret)
{
	const struct val *ref = val_get(spec, refs), *literal = val_get(spec, ids);

	if (!ret->n_named) {
		ret->complete = true;
	}
	if (ref && ref->type == VAL_OBJECT) {
		take_link(ret, cloud_ref(s, holder, ref, id));
	} else {
		val_for_each (ref, r) {
			take_link(ret, cloud_ref(s, holder, r, id));
		}
	}
	if (literal && literal->type == VAL_STRING) {
		take_link(ret, by_status(s, id, status, val_str(literal)));
	} else {
		val_for_each (literal, l) {
			take_link(ret, by_status(s, id, status, val_str(l)));
		}
	}
}

const struct object *cloud_vpc(const struct subject *s, const struct object *holder)
{
	scoped_cloud_list struct cloud_list l = { 0 };

	cloud_links(s, holder, object_spec(holder), "vpcRef", "vpcID", "vpcID", OBJECT_VPC, &l);
	return l.at.n == 1 ? l.at.at[0] : NULL;
}

/* ---- databases and caches ---- */

uint16_t cloud_store_port(const struct object *store)
{
	const struct val *spec = object_spec(store);
	struct slice engine = val_get_str(spec, "engine");
	int64_t port = val_int(val_get(spec, "port"), 0);

	if (port > 0 && port <= UINT16_MAX) {
		return (uint16_t)port;
	}
	if (store->id == OBJECT_CACHECLUSTER || store->id == OBJECT_REPLICATIONGROUP) {
		return slice_is(engine, "memcached") ? 11211 : 6379;
	}
	return slice_is(engine, "mysql") || slice_is(engine, "mariadb") ||
	                       slice_is(engine, "aurora-mysql")
	               ? 3306
	       : slice_is(engine, "postgres") || slice_is(engine, "aurora-postgresql") ? 5432
	       : slice_has_prefix(engine, SLICE("oracle"))                             ? 1521
	       : slice_has_prefix(engine, SLICE("sqlserver"))                          ? 1433
	                                                                               : 0;
}

static bool is_cache(const struct object *store)
{
	return store->id == OBJECT_CACHECLUSTER || store->id == OBJECT_REPLICATIONGROUP;
}

void cloud_store_groups(const struct subject *s, const struct object *store, struct cloud_list *ret)
{
	cloud_links(s, store, object_spec(store),
	            is_cache(store) ? "securityGroupRefs" : "vpcSecurityGroupRefs",
	            is_cache(store) ? "securityGroupIDs" : "vpcSecurityGroupIDs", "id",
	            OBJECT_SECURITYGROUP, ret);
}

const struct object *cloud_store_subnet_group(const struct subject *s, const struct object *store)
{
	enum object_kind id = is_cache(store) ? OBJECT_CACHESUBNETGROUP : OBJECT_DBSUBNETGROUP;
	const char *own_name = is_cache(store) ? "cacheSubnetGroupName" : "name";
	const struct val *spec = object_spec(store);
	const struct object *group = cloud_ref(
		s, store,
		val_get(spec, is_cache(store) ? "cacheSubnetGroupRef" : "dbSubnetGroupRef"), id);
	struct slice name =
		val_get_str(spec, is_cache(store) ? "cacheSubnetGroupName" : "dbSubnetGroupName");

	object_each(s, id, o)
	{
		if (!group && name.len && slice_eq(val_get_str(object_spec(o), own_name), name)) {
			group = o;
		}
	}
	return group;
}

void cloud_store_subnets(const struct subject *s, const struct object *store,
                         struct cloud_list *ret)
{
	const struct object *group = cloud_store_subnet_group(s, store);

	if (group) {
		cloud_links(s, group, object_spec(group), "subnetRefs", "subnetIDs", "subnetID",
		            OBJECT_SUBNET, ret);
	}
}

/* ---- security groups ---- */

bool sg_rule_admits_group(const struct subject *s, const struct object *holder,
                          const struct val *rule, const struct object *group)
{
	val_for_each (val_get(rule, "userIDGroupPairs"), pair) {
		struct slice id = val_get_str(pair, "groupID");

		if (cloud_ref(s, holder, val_get(pair, "groupRef"), OBJECT_SECURITYGROUP) ==
		            group ||
		    (id.len && slice_eq(id, val_str(val_path(group->v, "status.id"))))) {
			return true;
		}
	}
	return false;
}

/* ---- routes ---- */

static bool range_is_any(struct slice text)
{
	struct prefix p;

	return prefix_parse(text, &p) && p.len == 0;
}

static void tables_of(const struct subject *s, const struct object *subnet, struct cloud_list *ret)
{
	cloud_links(s, subnet, object_spec(subnet), "routeTableRefs", "routeTables", "routeTableID",
	            OBJECT_ROUTETABLE, ret);
}

/* A subnet without a table has the VPC's main one, which routes inside only. That is believed when other tables of
 * the VPC are written down. */
static bool others_have_tables(const struct subject *s, const struct object *subnet)
{
	const struct object *vpc = cloud_vpc(s, subnet);

	object_each(s, OBJECT_ROUTETABLE, o)
	{
		if (vpc && cloud_vpc(s, o) == vpc) {
			return true;
		}
	}
	return false;
}

static enum route_target target_of(const struct subject *s, const struct object *table,
                                   const struct val *route)
{
	struct slice gateway = val_get_str(route, "gatewayID");

	if (val_get(route, "natGatewayRef") || val_get(route, "natGatewayID")) {
		return ROUTE_NAT;
	}
	if (slice_has_prefix(gateway, SLICE("igw-")) ||
	    cloud_ref(s, table, val_get(route, "gatewayRef"), OBJECT_INTERNETGATEWAY)) {
		return ROUTE_INTERNET;
	}
	return ROUTE_OTHER;
}

enum route_target cloud_way_out(const struct subject *s, const struct object *subnet,
                                const struct object **ret_table, const struct val **ret_route)
{
	scoped_cloud_list struct cloud_list tables = { 0 };

	*ret_table = NULL;
	if (ret_route) {
		*ret_route = NULL;
	}
	tables_of(s, subnet, &tables);
	for (size_t i = 0; i < tables.at.n; i++) {
		*ret_table = tables.at.at[i];
		val_for_each (val_get(object_spec(*ret_table), "routes"), route) {
			if (range_is_any(val_get_str(route, "destinationCIDRBlock"))) {
				if (ret_route) {
					*ret_route = route;
				}
				return target_of(s, *ret_table, route);
			}
		}
	}
	return tables.n_named ? (tables.complete ? ROUTE_NONE : ROUTE_UNKNOWN)
	                      : (others_have_tables(s, subnet) ? ROUTE_NONE : ROUTE_UNKNOWN);
}

enum answer cloud_routes_to(const struct subject *s, const struct object *subnet, struct prefix net)
{
	scoped_cloud_list struct cloud_list tables = { 0 };

	tables_of(s, subnet, &tables);
	for (size_t i = 0; i < tables.at.n; i++) {
		val_for_each (val_get(object_spec(tables.at.at[i]), "routes"), route) {
			struct prefix p;

			if (!prefix_parse(val_get_str(route, "destinationCIDRBlock"), &p)) {
				return ANSWER_UNKNOWN; /* a prefix list, or IPv6 */
			}
			if (p.len && prefix_overlaps(p, net)) {
				return ANSWER_YES;
			}
			if (p.len == 0 && target_of(s, tables.at.at[i], route) == ROUTE_OTHER) {
				return ANSWER_UNKNOWN; /* a transit gateway takes everything */
			}
		}
	}
	return tables.n_named && tables.complete ? ANSWER_NO : ANSWER_UNKNOWN;
}

/* ---- ranges ---- */

bool cloud_has_tag(const struct object *o, const char *key)
{
	val_for_each (val_get(object_spec(o), "tags"), t) {
		struct slice value = val_get_str(t, "value");

		if (slice_is(val_get_str(t, "key"), key) && (!value.len || slice_is(value, "1"))) {
			return true;
		}
	}
	return false;
}

bool cloud_has_tag_prefix(const struct object *o, const char *prefix)
{
	val_for_each (val_get(object_spec(o), "tags"), t) {
		if (slice_has_prefix(val_get_str(t, "key"), slice_of(prefix))) {
			return true;
		}
	}
	return false;
}

bool cloud_subnet_range(const struct object *subnet, struct prefix *ret)
{
	return prefix_parse(val_get_str(object_spec(subnet), "cidrBlock"), ret);
}
