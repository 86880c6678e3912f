/* What: the Redis cache: one connection (TLS when asked for), made and made again in the
 * background. No call waits for a cache that is away: it says "nothing" at once, and for one that
 * hangs at most a quarter of a second. The application works without. */
#pragma once

#include <stdbool.h>

#include "config.h"

struct cache;

struct cache *cache_new(const struct config *c); /* null when REDIS_URL is empty */
/* Each takes a null cache as well. */

/* The text kept under key, to be freed; null when absent or the cache is away. */
char *cache_get(struct cache *c, const char *key);
/* seconds 0: for ever. */
void cache_set(struct cache *c, const char *key, const char *text, int seconds);
/* Puts a text that never was into key; when the cache is away, as soon as it is back. */
void cache_renew(struct cache *c, const char *key);
bool cache_ping(struct cache *c);
/* No other thread uses it any more. */
void cache_free(struct cache *c);
