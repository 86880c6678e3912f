/* What: asks other resolvers. One socket a try (so the kernel picks a random port), a random id,
 * the next server after a timeout or a failure, TCP when the answer was cut; equal questions are
 * asked once. Zones may have servers of their own (stub zones). What is asked for often is asked
 * again before its time is over; when nobody answers, an answer whose time is over is better than
 * none (RFC 8767).
 *
 * Limits: FORWARD_PENDING questions at once, FORWARD_WAITERS on one of them. */
#pragma once

#include "base/list.h"
#include "dns/cache.h"
#include "dns/resolv.h"
#include "loop/loop.h"

struct forwarder;

struct forward_stats {
	uint64_t asked;            /* tries sent */
	uint64_t joined;           /* clients that found their question already asked */
	uint64_t answered, failed; /* questions */
	uint64_t refused;          /* over a limit, or no server to ask */
	uint64_t hits, misses;     /* of the cache */
	uint64_t prefetched;       /* asked again before the time was over */
	uint64_t stale;            /* clients that got an answer whose time was over */
};

/* Names in the zone, the longest that fits, are asked of these servers. */
struct forward_zone {
	uint8_t name[DNS_NAME_SIZE]; /* wire form; the root: all others */
	struct upstream servers[FORWARD_SERVERS];
	size_t n;
};
/* Without zones nobody is asked. */
struct forwarder *forwarder_new(struct loop *l);
/* Replaces the zones (copied); what is kept of answers is forgotten, what is under way goes on. */
void forwarder_set_zones(struct forwarder *f, const struct forward_zone *zones, size_t n);
/* Whoever waits is told that there is no answer. */
struct forwarder *forwarder_free(struct forwarder *f);
/* Servers for which this is true are never asked: they are ourselves. */
void forwarder_skip(struct forwarder *f, bool (*is_own)(void *arg, struct ip ip), void *arg);
const struct forward_stats *forwarder_stats(const struct forwarder *f);
size_t forwarder_pending(const struct forwarder *f);
size_t forwarder_cached(const struct forwarder *f);

/* An answer that is at hand, maybe stale. Borrowed until the loop turns or something is asked. */
bool forward_find(struct forwarder *f, const struct dns_query *q, struct cached *ret);

struct forward_waiter;
/* bytes null: nobody answered. Borrowed for the call. age_s: for relay_write. The waiter is free for use again. */
typedef void forward_done_fn(struct forward_waiter *w, const uint8_t *bytes, size_t size,
                             uint32_t age_s);
struct forward_waiter {
	forward_done_fn *done;
	struct list_link in_asking; /* in asking.waiters */
};
/* Asks; done is called once, never from inside. False: over a limit or nobody to ask, done is not
 * called. */
bool forward_ask(struct forwarder *f, const struct dns_query *q, struct forward_waiter *w,
                 forward_done_fn *done);
void forward_cancel(struct forward_waiter *w);
