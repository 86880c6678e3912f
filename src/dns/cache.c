/* Why: most names that pods ask of others are asked again within seconds; see cache.h. */
#include "dns/cache.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

enum { PREFETCH_USES = 2 };

struct entry {
	struct list_link by_use; /* in cache.uses, longest unused first */
	struct cache_key key;
	int64_t stored_us, expires_us;
	unsigned uses;
	bool refreshing; /* somebody was told that it is wanted */
	size_t size;
	uint8_t bytes[];
};

struct cache {
	struct map entries; /* key -> struct entry, owned */
	struct list uses;
	size_t bytes, max_entries, max_bytes;
};

static struct slice key_slice(const struct cache_key *k)
{
	return (struct slice){ (const char *)k->bytes, k->size };
}

void cache_key_make(struct cache_key *k, const struct dns_query *q)
{
	memcpy(k->bytes, q->qname, q->qname_size);
	knot_dname_to_lower(k->bytes);
	k->size = q->qname_size;
	k->bytes[k->size++] = (uint8_t)(q->type >> 8);
	k->bytes[k->size++] = (uint8_t)q->type;
	k->bytes[k->size++] = (uint8_t)(q->dnssec_ok | q->checking_disabled << 1);
}

struct cache *cache_new(size_t max_entries, size_t max_bytes)
{
	struct cache *c = NEW(struct cache);

	c->max_entries = max_entries;
	c->max_bytes = max_bytes;
	list_init(&c->uses);
	return c;
}

static void drop(struct cache *c, struct entry *e)
{
	map_remove(&c->entries, key_slice(&e->key));
	list_unlink(&e->by_use);
	c->bytes -= e->size;
	free(e);
}

struct cache *cache_free(struct cache *c)
{
	if (c) {
		list_for_each (&c->uses, e, struct entry, by_use) {
			drop(c, e);
		}
		map_fini(&c->entries);
		free(c);
	}
	return NULL;
}

/* In the last tenth of its time, once. Source: the prefetch option of CoreDNS's cache, with its defaults */
static bool is_wanted(struct entry *e, int64_t now_us)
{
	int64_t whole = e->expires_us - e->stored_us, left = e->expires_us - now_us;
	bool wanted =
		++e->uses >= PREFETCH_USES && !e->refreshing && left > 0 && left <= whole / 10;

	e->refreshing |= wanted;
	return wanted;
}

bool cache_find(struct cache *c, const struct cache_key *k, int64_t now_us, struct cached *ret)
{
	struct entry *e = map_find(&c->entries, key_slice(k));

	if (!e) {
		return false;
	}
	if (now_us >= e->expires_us + (int64_t)CACHE_STALE_S * US_PER_S) {
		drop(c, e);
		return false;
	}
	list_unlink(&e->by_use);
	list_push(&c->uses, &e->by_use);
	*ret = (struct cached){ .bytes = e->bytes,
		                .size = e->size,
		                .age_s = (uint32_t)((now_us - e->stored_us) / US_PER_S),
		                .is_stale = now_us >= e->expires_us,
		                .is_wanted = is_wanted(e, now_us) };
	return true;
}

void cache_put(struct cache *c, const struct cache_key *k, const uint8_t *bytes, size_t size,
               int64_t now_us)
{
	uint32_t ttl = message_ttl(bytes, size);
	struct entry *e = map_find(&c->entries, key_slice(k));

	if (e) {
		drop(c, e);
	}
	if (!ttl || size > c->max_bytes) {
		return;
	}
	e = mem_alloc(sizeof(*e) + size);
	e->key = *k;
	e->stored_us = now_us;
	e->expires_us = now_us + (int64_t)ttl * US_PER_S;
	e->size = size;
	memcpy(e->bytes, bytes, size);
	map_set(&c->entries, key_slice(k), e);
	list_push(&c->uses, &e->by_use);
	c->bytes += size;
	while (c->entries.n > c->max_entries || c->bytes > c->max_bytes) {
		drop(c, container_of(list_first(&c->uses), struct entry, by_use));
	}
}

size_t cache_count(const struct cache *c)
{
	return c->entries.n;
}
