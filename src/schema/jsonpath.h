/* What: the part of kubectl's JSON path that CustomResourceDefinitions use in columns and scale
 * paths: .a.b, .a\.b, ['a.b'], [0], [-1], [*], .*, [?(@.type=="Ready")] with == != < <= > >=.
 *
 * Limits: 64 steps; four filters within one another; unions and .. are not read. */
#pragma once

#include "base/err.h"
#include "codec/value.h"

/* Appends copies of what the path finds in v to the array 'found'; nothing found is no failure.
 * Braces around the path are accepted. Failure: ERR_SYNTAX. */
MUST_USE int jsonpath_find(struct arena *a, struct slice path, const struct val *v,
                           struct val *found, struct err *err);
