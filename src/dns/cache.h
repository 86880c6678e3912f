/* What: answers of others, kept while they hold and some time longer, for when nobody answers (RFC 8767); bounded in
 * number and bytes, the one longest unused goes first. Pure: the time is given. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dns/message.h"

struct cache;
struct cache *cache_new(size_t max_entries, size_t max_bytes);
struct cache *cache_free(struct cache *c);

/* What makes two questions the same one: name without case, type, and what changes the answer. */
struct cache_key {
	uint8_t bytes[DNS_NAME_SIZE + 3];
	size_t size;
};
void cache_key_make(struct cache_key *k, const struct dns_query *q);

struct cached {
	const uint8_t *bytes; /* borrowed until the cache changes */
	size_t size;
	uint32_t age_s;
	bool is_stale; /* its time is over: ask, and give it only when nobody answers */
	bool is_wanted; /* it is asked for again and again and will not hold much longer: ask meanwhile */
};
bool cache_find(struct cache *c, const struct cache_key *k, int64_t now_us, struct cached *ret);
/* Keeps a copy for as long as the message says; does nothing when that is not at all. */
void cache_put(struct cache *c, const struct cache_key *k, const uint8_t *bytes, size_t size,
               int64_t now_us);
size_t cache_count(const struct cache *c);
