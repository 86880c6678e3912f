/* What: life of a managed server (a database or a cache) as a machine without hands: facts in, the
 * next state out. managed-item.c gathers the facts and does what a state asks for.
 *
 *              acceptable            claimed               prepared             answers
 *   WAITING ------------> CLAIMING -----------> PREPARING ----------> STARTING ----------> RUNNING
 *      ^                     |  ^                |  ^    |                |  process gone     |
 *      |  not acceptable     |  |                |  |    +-- failed --+   |   +---------------+
 *      +---------------------+  |        rested  |  |                 v   v   v
 *                               |                |  +------------- RESTING
 *                               |                |                     |
 *   any, not wanted: STOPPING --+-- process gone +                     | not wanted
 *        or stale       |   wanted again                               v
 *                       +------------ process gone, not wanted --> REMOVING --removed--> RELEASING
 * --> GONE
 *
 * Time: CLAIMING and RELEASING are writes that are tried again; STARTING may last STARTING_US,
 * STOPPING the grace of its kind, then the process is killed; RESTING as long as its back-off. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MANAGED_STATES(X)                                                                          \
	X(WAITING, "the wish cannot be fulfilled yet, or not at all")                              \
	X(CLAIMING, "address and finalizer are being written to the object")                       \
	X(PREPARING, "namespace, certificate, settings and first data are made")                   \
	X(STARTING, "the server runs and does not answer yet")                                     \
	X(RUNNING, "the server answers")                                                           \
	X(RESTING, "it died or could not be made; tried again after a back-off")                   \
	X(STOPPING, "told to stop: not wanted, or wanted with other settings")                     \
	X(REMOVING, "what it has on the host is being removed")                                    \
	X(RELEASING, "the finalizer is being taken off the object")                                \
	X(GONE, "nothing is left")

enum managed_state {
#define MANAGED_STATE(name, text) MANAGED_##name,
	MANAGED_STATES(MANAGED_STATE)
#undef MANAGED_STATE
		MANAGED_STATE_COUNT
};

struct managed_facts {
	bool wanted;     /* the object is there and not being deleted */
	bool acceptable; /* its spec can be fulfilled and what it refers to is there */
	bool claimed;    /* it carries our finalizer and an address */
	bool busy;       /* something of PREPARING or REMOVING is under way: wait for its end */
	bool prepared;   /* a process can be started */
	bool failed;     /* preparing or starting went wrong; cleared on entering RESTING */
	bool process;    /* a container exists that has not ended */
	bool answers;    /* it accepted a connection since it was started */
	bool stale;      /* it runs with other settings than wanted now */
	bool rested;     /* the back-off is over */
	bool removed;    /* nothing is left on the host */
	bool released;   /* the object is gone or without our finalizer */
};

/* The state that follows from the facts: the present one when nothing is to change. Pure. */
enum managed_state managed_step(enum managed_state now, const struct managed_facts *f);
/* Whether the drawing has that move; every move of managed_step is allowed. */
bool managed_can_move(enum managed_state from, enum managed_state to);
const char *managed_state_name(enum managed_state s); /* "RUNNING" */
