/* What: objects of AWS's controllers (ACK) as the network they make: references resolved, security groups, routes,
 * ranges. What is named by a literal id is found by the id in another object's status, else it is not known.
 * Field names: cloud kinds of ec2, rds, elasticache, eks (services.k8s.aws/v1alpha1). */
#pragma once

#include "analyse/answer.h"
#include "analyse/subject.h"
#include "base/strbuf.h"
#include "model/security-group.h"

/* ---- references ---- */
struct cloud_list {
	VEC(const struct object *) at;
	bool complete; /* everything that is named is among the objects */
	size_t n_named;
};
void cloud_list_fini(struct cloud_list *l);
#define scoped_cloud_list __attribute__((cleanup(cloud_list_fini)))

/* The object that a "{from: {name, namespace}}" of the holder names, or null. */
const struct object *cloud_ref(const struct subject *s, const struct object *holder,
                               const struct val *ref, enum object_kind id);
/* Objects a spec names by 'refs' ("subnetRefs") or by ids ("subnetIDs", found in status by 'status' "subnetID").
 * A single reference ("vpcRef") works too. Appends; initialise *ret with zeros. */
void cloud_links(const struct subject *s, const struct object *holder, const struct val *spec,
                 const char *refs, const char *ids, const char *status, enum object_kind id,
                 struct cloud_list *ret);
const struct object *cloud_vpc(const struct subject *s,
                               const struct object *holder); /* by vpcRef/vpcID, or null */
/* A managed database or cache: DBInstance, DBCluster, CacheCluster, ReplicationGroup. */
extern const enum object_kind cloud_stores[];          /* ends with OBJECT_OTHER */
uint16_t cloud_store_port(const struct object *store); /* 0: the engine is not known */
void cloud_store_groups(const struct subject *s, const struct object *store,
                        struct cloud_list *ret);
/* Its subnet group, by reference or name; null when that is not among the objects. */
const struct object *cloud_store_subnet_group(const struct subject *s, const struct object *store);
void cloud_store_subnets(const struct subject *s, const struct object *store,
                         struct cloud_list *ret);

/* ---- security groups ---- */
/* Rules themselves: model/security-group.h. */
bool sg_rule_admits_group(const struct subject *s, const struct object *holder,
                          const struct val *rule, const struct object *group);
/* ---- routes ---- */
enum route_target {
	ROUTE_UNKNOWN, /* its table is not among the objects */
	ROUTE_NONE,
	ROUTE_INTERNET, /* an internet gateway */
	ROUTE_NAT,
	ROUTE_OTHER, /* a transit gateway, an instance... */
};
/* Where packets for the internet go from a subnet. *ret_route (may be null): the route, else null; *ret_table: the
 * last table looked at. */
enum route_target cloud_way_out(const struct subject *s, const struct object *subnet,
                                const struct object **ret_table, const struct val **ret_route);
/* Is there a route to the range that is not the VPC's own? */
enum answer cloud_routes_to(const struct subject *s, const struct object *subnet,
                            struct prefix net);

/* ---- ranges ---- */
bool cloud_has_tag(const struct object *o, const char *key); /* tags: list of {key, value} */
bool cloud_has_tag_prefix(const struct object *o, const char *prefix);
bool cloud_subnet_range(const struct object *subnet, struct prefix *ret);
