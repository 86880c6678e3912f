/* What: the patches of a request's body, run on an object. */
#pragma once

#include "api/call.h"

/* Runs a JSON, merge or strategic merge patch on object (of kind k); the result is decoded.
 * Failure: 400, 415, 422. */
MUST_USE int patch_run(struct call *c, const struct kind *k, const struct val *object,
                       struct val **ret);
bool patch_is_apply(const struct call *c);
