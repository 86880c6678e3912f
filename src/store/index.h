/* What: the objects of one kind by something that they say: who looks for the few of a thousand must
 * not visit the thousand. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "store/store.h"
#include "store/stored.h"

struct index {
	store_index_fn *value_of;
	struct map places; /* namespace and value to struct index_place, owned */
};
struct index_place {
	VEC(const struct stored *) objects; /* in no order; held by the table */
};

struct index *index_new(store_index_fn *value_of);
struct index *index_free(struct index *x);
void index_add(struct index *x, const struct stored *o); /* accepts objects without a value */
void index_remove(struct index *x, const struct stored *o);
/* Those with the value in the namespace; null: none. Borrowed until the next change. */
const struct index_place *index_find(const struct index *x, struct slice ns, struct slice value);
