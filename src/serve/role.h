/* What: one supervised role: a process of this executable that is started, watched, started again with
 * back-off, adopted when it outlived the supervisor, and stopped in order.
 *
 *            start            exec ok             exited
 *   STOPPED -------> STARTING -------> RUNNING ---------> WAITING --+
 *      ^                                  |      ^                  | back-off over
 *      |              all gone            | stop +------------------+
 *      +------------------------------ STOPPING
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/backoff.h"
#include "base/err.h"
#include "loop/loop.h"
#include "serve/home.h"

#define ROLE_STATES(X)                                                                             \
	X(STOPPED, "not wanted")                                                                   \
	X(RUNNING, "process exists")                                                               \
	X(WAITING, "died; started again after back-off")                                           \
	X(STOPPING, "told to stop")

enum role_state {
#define ROLE_STATE(name, text) ROLE_##name,
	ROLE_STATES(ROLE_STATE)
#undef ROLE_STATE
};

struct role_spec {
	const char *name; /* "api": H/run/api.pid, H/logs/api.log */
	const char *const
		*argv; /* null-terminated; argv[0] is the executable; borrowed, lives as long */
	const int *pass_fds; /* -1-terminated: 3, 4, ... in the process; may be null; borrowed */
	int netns_fd;        /* >0: the network namespace it lives in */
};

struct role {
	struct loop *loop;       /* given */
	const struct home *home; /* given */
	struct role_spec spec;   /* given */
	enum role_state state;
	pid_t pid; /* 0: none */
	unsigned restarts;
	int64_t since_us; /* when the process was started or adopted */
	struct backoff backoff;
	struct loop_timer again; /* next start */
	struct loop_timer grace; /* SIGKILL after a stop */
	struct loop_child *child;
	void (*stopped)(void *arg); /* told once the process is gone after role_stop */
	void *stopped_arg;
};

void role_init(struct role *r, struct loop *l, const struct home *h, const struct role_spec *spec);
/* Adopts the process that H/run/NAME.pid names when it still is that process, else starts one.
 * Failure to start is retried with back-off and logged, not returned. */
void role_start(struct role *r);
/* SIGTERM, after grace_us SIGKILL; then stopped (may be null) is called, from inside only when there is no process. */
void role_stop(struct role *r, int64_t grace_us, void (*stopped)(void *arg), void *arg);
const char *role_state_name(enum role_state s);
/* A process as pid and start time, so that a reused pid is not mistaken for it. */
MUST_USE int role_write_pid(const char *path, pid_t pid, struct err *err);
pid_t role_read_pid(const char *path); /* 0: none, or another process by now */
