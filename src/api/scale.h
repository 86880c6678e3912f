/* What: the scale subresource: the number of pods of a workload, whatever its kind. */
#pragma once

#include "api/call.h"

int scale_run(struct call *c);
/* The Scale of an object of kind k. Pure. */
struct val *scale_of(struct arena *a, const struct kind *k, const struct val *object);
