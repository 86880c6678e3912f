/* What: a hash map from text to a pointer; keys are copied, values are the caller's.
 *
 * Insertion keeps no order. Removing while iterating with map_next is allowed for the entry just
 * returned; inserting is not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct map_entry;
struct map {
	struct map_entry **buckets; /* owned */
	size_t n;                   /* entries */
	size_t n_buckets;
};

void map_fini(struct map *m);
#define scoped_map __attribute__((cleanup(map_fini)))
/* Sets key to value; returns the value that was there, or null. */
void *map_set(struct map *m, struct slice key, void *value);
void *map_find(const struct map *m, struct slice key); /* null when absent */
bool map_has(const struct map *m, struct slice key);
void *map_remove(struct map *m, struct slice key); /* the value, or null */

/* for (struct map_iter it = { 0 }; map_next(m, &it);) use(it.key, it.value); */
struct map_iter {
	struct slice key; /* terminated; borrowed from the map */
	void *value;
	size_t bucket;           /* state */
	struct map_entry *after; /* state */
};
bool map_next(const struct map *m, struct map_iter *it);
