/* What: the objects of a virtual private cloud (AWS's controllers, ec2.services.k8s.aws and the subnet groups of
 * databases and caches) as the network they mean: which subnet has which routes, where a packet that leaves it goes,
 * who is in which security group, what those admit. Pure, as model.h, and apart from it: neither needs the other.
 *
 * What has no id yet (status) does not exist yet. Source: networking.md 6.1 to 6.4, cloud-kinds.md 3.2, 4 */
#pragma once

#include "base/arena.h"
#include "model/security-group.h"

enum vpc_kind {
	VPC_VPC,
	VPC_SUBNET,
	VPC_TABLE,
	VPC_INTERNET,
	VPC_ADDRESS,
	VPC_NAT,
	VPC_GROUP,
	VPC_DATABASE_SUBNETS, /* DBSubnetGroup */
	VPC_CACHE_SUBNETS,    /* CacheSubnetGroup */
	VPC_DATABASE,
	VPC_CACHE,
	VPC_KINDS
};
struct vpc_kind_info {
	const char *group, *api_version, *kind, *plural;
	const char *id;     /* of its id in status; null: known by name */
	const char *prefix; /* its ids begin so: "subnet-" */
};
const struct vpc_kind_info *vpc_kind_info(enum vpc_kind k);
/* The kind of an object; VPC_KINDS: none of these. */
enum vpc_kind vpc_kind_of(const struct val *object);

struct vpc; /* all of them */
struct vpc *vpc_new(void);
struct vpc *vpc_free(struct vpc *v);
void vpc_put(struct vpc *v, const struct doc *d); /* kept by reference; other kinds are ignored */
void vpc_remove(struct vpc *v, const struct doc *d);

/* ---- references ---- */

struct slice vpc_id(enum vpc_kind k, const struct val *object); /* of status; empty: not made yet */
const struct val *vpc_by_id(const struct vpc *v, enum vpc_kind k, struct slice id);
/* What "{from: {name, namespace}}" of the holder names; null: not there. */
const struct val *vpc_by_ref(const struct vpc *v, enum vpc_kind k, const struct val *holder,
                             const struct val *ref);
/* By the reference in spec's field 'ref', else by the id in 'literal'. */
const struct val *vpc_linked(const struct vpc *v, enum vpc_kind k, const struct val *holder,
                             const struct val *spec, const char *ref, const char *literal);
/* The n-th of lists of both, references first; null when that one is not there. *ret_n: how many are named. */
const struct val *vpc_linked_at(const struct vpc *v, enum vpc_kind k, const struct val *holder,
                                const char *refs, const char *literals, size_t n);
size_t vpc_n_linked(const struct val *holder, const char *refs, const char *literals);
typedef void vpc_visit_fn(void *arg, const struct val *object);
void vpc_each(const struct vpc *v, enum vpc_kind k, vpc_visit_fn *fn, void *arg);

/* ---- the instance's own network ---- */

#define VPC_HOME_RANGE "10.0.0.0/16" /* where nodes, databases and caches are */
/* The VPC object that describes it: the oldest one with that range, once it has an id; null: none, the network is as
 * it was made. */
const struct val *vpc_home(const struct vpc *v);
/* The n-th subnet that is there in any case; false: there are no more. */
bool vpc_home_subnet(size_t n, struct prefix *ret);

/* ---- routes ---- */

enum vpc_target {
	VPC_TO_LOCAL,    /* inside the VPC */
	VPC_TO_INTERNET, /* by an internet gateway */
	VPC_TO_NAT,      /* by a NAT gateway that leads to the internet */
	VPC_TO_BLACKHOLE, /* the target is gone or leads nowhere: dropped, whatever shorter prefix would have it */
	VPC_TO_NOWHERE, /* no route */
};
struct vpc_route {
	struct prefix to;
	enum vpc_target target;
	const struct val *route, *table; /* null: the local one */
	const char *why;                 /* a blackhole: the reason */
};
typedef VEC(struct vpc_route) vpc_route_list;
/* The object of the VPC a subnet, table, gateway or group belongs to; null: not there. */
const struct val *vpc_of(const struct vpc *v, const struct val *object);
/* All routes of a table, the local ones first. */
void vpc_routes_of_table(const struct vpc *v, const struct val *table, vpc_route_list *ret);
/* Those of the subnet's table: without one that is named, the main table has the local ones only. */
void vpc_routes_of(const struct vpc *v, const struct val *subnet, vpc_route_list *ret);
/* The longest prefix wins; of equal ones the local. Null: none. */
const struct vpc_route *vpc_route_choose(const vpc_route_list *l, struct ip to);
/* Whether its route table leads to an internet gateway. */
bool vpc_is_public(const struct vpc *v, const struct val *subnet);

/* Addresses from a subnet whose packets for that range get out to the internet. */
struct vpc_way {
	struct prefix from;
	struct ip to_first, to_last;
};
typedef VEC(struct vpc_way) vpc_way_list;
/* For machines without an address of the internet: only by NAT. Ranges of one subnet do not overlap. */
void vpc_ways_of(const struct vpc *v, const struct val *subnet, vpc_way_list *ret);

/* ---- security groups ---- */

/* Groups of a database or cache, by object; null entries of what is named and not there are left out. */
typedef VEC(const struct val *) vpc_object_list;
void vpc_groups_of(const struct vpc *v, const struct val *store, vpc_object_list *ret);
/* Groups of the nodes of a cluster: those with tag kubernetes.io/cluster/NAME, as EKS marks them. */
void vpc_groups_of_nodes(const struct vpc *v, struct slice cluster, vpc_object_list *ret);
/* Who is in a group besides databases and caches: the nodes, when it is theirs. */
struct vpc_nodes {
	struct slice cluster;
	const struct prefix *addresses;
	size_t n;
};
/* What the groups together admit: towards the members (egress false) or from them. */
void vpc_groups_admit(const struct vpc *v, const vpc_object_list *groups, bool egress,
                      const struct vpc_nodes *nodes, sg_piece_list *ret);
