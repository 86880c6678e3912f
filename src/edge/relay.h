/* What: moves bytes between two connected TCP sockets, both ways, until both ends are done.
 *
 * Back-pressure: what one side does not take is held, at most RELAY_HELD a direction, and the other
 * side is not read until it is gone; an idle relay holds no buffer at all. A direction that carries
 * bulk is moved by splice(2) through a pipe while the bulk lasts.
 *
 * Ends: a FIN is passed on as a FIN, each direction on its own; a reset or failure resets both
 * sides, so that nobody takes a torn stream for a whole one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "loop/loop.h"

enum { RELAY_HELD = 64 << 10, RELAY_PREFIX_MAX = 64 };

struct relay;
struct relay_pool; /* what relays of one loop share: the read buffer and spare pipes */

struct relay_pool *relay_pool_new(struct loop *l);
struct relay_pool *relay_pool_free(struct relay_pool *p); /* no relay may be left */

enum relay_end {
	RELAY_DONE,  /* both directions ended in order */
	RELAY_RESET, /* one side was reset or failed */
	RELAY_IDLE,  /* no byte for idle_us */
	RELAY_ABORTED,
};
/* Called once when the relay is over and its sockets are closed; the relay is gone by then. */
typedef void relay_done_fn(void *arg, enum relay_end how);

struct relay_spec {
	int client_fd, target_fd; /* connected, non-blocking; taken over */
	const void *prefix;       /* bytes for the target ahead of the client's; may be null */
	size_t prefix_size;       /* at most RELAY_PREFIX_MAX */
	int64_t idle_us;
	relay_done_fn *done;
	void *arg;
};
/* done never comes from inside. Failure: ERR_IO, and the sockets are closed. */
MUST_USE int relay_start(struct relay_pool *p, const struct relay_spec *s, struct relay **ret_r,
                         struct err *err);
void relay_abort(struct relay *r); /* resets both; done comes from inside */
/* The last bytes came from the client, or some came within the last 200 ms: somebody may be waiting
 * for an answer. */
bool relay_is_busy(const struct relay *r);
uint64_t relay_bytes(const struct relay_pool *p); /* passed on so far by all relays of the pool */
/* Closes a socket so that its peer sees a reset. */
void relay_reset_fd(int fd);
