/* Why: the one hash map; see map.h. */
#include "base/map.h"

#include <stdlib.h>

#include "base/mem.h"

struct map_entry {
	struct map_entry *next; /* in its bucket */
	void *value;
	uint64_t hash;
	size_t len;
	char key[];
};

void map_fini(struct map *m)
{
	for (size_t i = 0; i < m->n_buckets; i++) {
		struct map_entry *e = m->buckets[i];

		while (e) {
			struct map_entry *next = e->next;

			free(e);
			e = next;
		}
	}
	free(m->buckets);
	*m = (struct map){ 0 };
}

static struct map_entry **place(const struct map *m, struct slice key, uint64_t hash)
{
	struct map_entry **at = &m->buckets[hash & (m->n_buckets - 1)];

	while (*at &&
	       !((*at)->hash == hash && slice_eq((struct slice){ (*at)->key, (*at)->len }, key))) {
		at = &(*at)->next;
	}
	return at;
}

static void grow(struct map *m)
{
	size_t n = m->n_buckets ? m->n_buckets * 2 : 16;
	struct map_entry **buckets = mem_alloc(n * sizeof(struct map_entry *));

	for (size_t i = 0; i < m->n_buckets; i++) {
		struct map_entry *e = m->buckets[i];

		while (e) {
			struct map_entry *next = e->next;

			e->next = buckets[e->hash & (n - 1)];
			buckets[e->hash & (n - 1)] = e;
			e = next;
		}
	}
	free(m->buckets);
	m->buckets = buckets;
	m->n_buckets = n;
}

void *map_set(struct map *m, struct slice key, void *value)
{
	uint64_t hash = slice_hash(key);
	struct map_entry **at;

	if (m->n >= m->n_buckets) {
		grow(m);
	}
	at = place(m, key, hash);
	if (*at) {
		void *old = (*at)->value;

		(*at)->value = value;
		return old;
	}
	*at = mem_alloc(sizeof(**at) + key.len + 1);
	(*at)->value = value;
	(*at)->hash = hash;
	(*at)->len = key.len;
	if (key.len) {
		memcpy((*at)->key, key.p, key.len);
	}
	m->n++;
	return NULL;
}

void *map_find(const struct map *m, struct slice key)
{
	struct map_entry *e = m->n ? *place(m, key, slice_hash(key)) : NULL;

	return e ? e->value : NULL;
}

bool map_has(const struct map *m, struct slice key)
{
	return m->n && *place(m, key, slice_hash(key));
}

void *map_remove(struct map *m, struct slice key)
{
	struct map_entry **at = m->n ? place(m, key, slice_hash(key)) : NULL;
	struct map_entry *e = at ? *at : NULL;
	void *value;

	if (!e) {
		return NULL;
	}
	value = e->value;
	*at = e->next;
	free(e);
	m->n--;
	return value;
}

bool map_next(const struct map *m, struct map_iter *it)
{
	struct map_entry *e = it->after;

	while (!e && it->bucket < m->n_buckets) {
		e = m->buckets[it->bucket++];
	}
	if (!e) {
		return false;
	}
	it->key = (struct slice){ e->key, e->len };
	it->value = e->value;
	it->after = e->next;
	return true;
}
