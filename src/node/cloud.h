/* What: the VPC as its objects have it, on the node that leads: follows them, keeps the router's subnets, routes and the
 * nodes' own security groups in step, and answers where a database or cache may be and whom it admits. */
#pragma once

#include "model/vpc.h"
#include "node/agent.h"

typedef VEC(struct host_rule) host_rule_list;

struct cloud;
/* changed: called when groups or places of databases and caches may have changed. */
struct cloud *cloud_new(struct agent *a, void (*changed)(void *arg), void *arg);
struct cloud *cloud_free(struct cloud *c);
/* Every list has come; before, nothing is answered and the router is left as it is. */
bool cloud_is_synced(const struct cloud *c);
/* Appends the ranges that a database or cache may get an address of, the preferred first. Returns null, or a sentence
 * why there is no place (yet). */
const char *cloud_places(const struct cloud *c, const struct val *store, prefix_list *ret);
/* Appends what the security groups of a database or cache admit. False: it names none. */
bool cloud_rules(const struct cloud *c, const struct val *store, bool egress, host_rule_list *ret);
