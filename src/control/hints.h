/* What: which zones and nodes an endpoint is meant for: hints.forZones and forNodes of EndpointSlices,
 * by spec.trafficDistribution or annotation service.kubernetes.io/topology-mode, which wins.
 * Source: networking.md 1.8, KEP-2433, KEP-3015, KEP-4444 */
#pragma once

#include "control/slices.h"

/* Gives the plan's endpoints their hints; leaves them without when the service asks for none or they
 * cannot be had (topology-mode Auto: an endpoint or node without a zone, one zone only, fewer
 * endpoints than zones). */
void hints_give(struct work *w, const struct val *service, struct slice_plan *p);
/* Does a change of this node matter to hints? old may be null. */
bool hints_follow_node(const struct val *old, const struct val *now);
