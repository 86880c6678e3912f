/* What: what a fresh cluster has: namespaces, priority classes, roles, default/kubernetes. */
#pragma once

#include "base/err.h"

struct api;

/* Makes what is missing; brings bootstrap roles up to date. */
MUST_USE int bootstrap(struct api *api, struct err *err);
/* Fills the rules of roles that are put together from others (aggregationRule). */
void bootstrap_aggregate(struct api *api);
