/* What: objects that are held on to for a while: an array of shares. */
#pragma once

#include "base/vec.h"
#include "codec/value.h"

struct kept {
	VEC(const struct doc *) docs; /* owned shares */
};

/* Adds one share; a store_visit_fn with the struct kept as arg. Returns true. */
bool kept_add(void *arg, const struct doc *d);
/* Gives all shares back from index 'from' on. */
void kept_fini(struct kept *k, size_t from);
