/* What: what a way of balancing services offers to the rest of the dataplane. nftables maps are
 * the one there is (services.c); for what sockets open on this machine, sockets.h copies its wishes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct stack;

struct balancer_provider {
	const char *name;
	void *(*start)(struct stack *s); /* its state for one family; never null */
	void (*stop)(void *state);
	/* Turns what changed in the model since the last call (all: everything) into wishes;
	 * nothing is written. Cannot fail: what cannot be expressed is logged and left out. */
	void (*plan)(void *state, bool all);
	/* Adds to the transaction what must stand before the wishes' elements: chains. Called again
	 * when a commit failed. */
	void (*queue)(void *state);
	/* After a commit: flows and memories that name what is gone. Failure: see has_to_follow_up.
	 */
	int (*committed)(void *state, struct err *err);
	/* Whether committed failed and is to be called again. */
	bool (*has_to_follow_up)(void *state);
	/* Whether settle has something to do. */
	bool (*has_to_settle)(void *state);
	/* A while after a commit, when no packet is on its way that read what was before: gives up
	 * what only such a packet could need. True when there is something to commit. */
	bool (*settle)(void *state);
	/* The kernel's rules are read anew: first forget, then each chain that is not part of the
	 * fixed rules. found_chain is false for one that is not as it should be. */
	void (*forget)(void *state);
	bool (*found_chain)(void *state, const char *name, size_t n_rules);
};

extern const struct balancer_provider balancer_nft;
