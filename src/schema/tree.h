/* What: moves on value trees that only patches need. */
#pragma once

#include "codec/value.h"

/* Makes v the i-th child (0 <= i <= children) of an array. */
void tree_insert(struct val *array, size_t i, struct val *v);
/* Puts fresh where old is in parent, under the same key. */
void tree_replace(struct val *parent, struct val *old, struct val *fresh);
/* Does any path from v have more than 'most' nodes? */
bool tree_is_deeper(const struct val *v, unsigned most);
