/* What: the objects of one kind in key order: namespaces, and in each the objects by name.
 *
 * Why this way: sorted arrays of pointers. Finding is a binary search; a namespace is listed by
 * walking memory in order; inserting moves pointers, 20 microseconds at 50,000 objects in one
 * namespace, which is less than writing the object costs. */
#pragma once

#include "base/vec.h"
#include "store/index.h"
#include "store/stored.h"

struct table_ns {
	char *name;                         /* owned */
	VEC(const struct stored *) objects; /* by name; each holds a share */
};

struct table {
	VEC(struct table_ns *) spaces; /* by name; owned */
	size_t n;                      /* objects in all */
	struct index *index;           /* owned; null: none was asked for */
};

void table_fini(struct table *t);
const struct stored *table_find(const struct table *t, struct slice ns, struct slice name);
/* Puts an object under its key and takes over a share; the state that was there loses the table's.
 */
void table_put_take(struct table *t, const struct stored *o);
void table_remove(struct table *t, struct slice ns, struct slice name);
/* Puts without keeping the order (loading); table_sort must follow. */
void table_append_take(struct table *t, const struct stored *o);
void table_sort(struct table *t);
/* From now on objects are found by that value, too; asking again is fine. */
void table_index(struct table *t, store_index_fn *value_of);
const struct table_ns *table_space(const struct table *t, struct slice ns); /* null: none */
