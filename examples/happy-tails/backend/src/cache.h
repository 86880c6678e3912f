/* The Redis cache: one connection (TLS when asked for), reconnected when lost. Every call may fail: the
 * application works without. */
#pragma once

#include <stdbool.h>

#include "config.h"

struct cache;

struct cache *cache_new(const struct config *c); /* null when REDIS_URL is empty */
/* The text kept under key, to be freed; null when absent or the cache is away. */
char *cache_get(struct cache *c, const char *key);
void cache_set(struct cache *c, const char *key, const char *text, int seconds);
/* Adds one to a counter; its new value, or -1. */
long long cache_increment(struct cache *c, const char *key);
bool cache_ping(struct cache *c);
void cache_free(struct cache *c);
