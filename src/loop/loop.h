/* What: the contract of the one event loop of a process, over libuv; and its hand-driven twin
 * (loop_new_manual) whose clock tests move.
 *
 * The order of one turn: the clock is read once; due timers run; descriptors and finished children
 * are waited for and their callbacks run, each to completion; then deferred calls; then what was
 * closed in this turn is told so.
 *
 * Ownership: sources are embedded in their owner's struct and must stay valid until their close
 * callback ran (loop_..._close with a null callback: until the end of the turn for timers and
 * defers, see each). Callbacks find the owner with container_of. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/list.h"

struct loop;

struct loop *loop_new(void);        /* over libuv; SIGPIPE is ignored from then on */
struct loop *loop_new_manual(void); /* only timers and defers; time stands until loop_advance_us */
struct loop *loop_free(struct loop *l); /* accepts null; closes what is still open */
/* Until loop_stop or nothing is left to wait for. Manual: jumps from timer to timer. */
void loop_run(struct loop *l);
void loop_run_once(struct loop *l); /* one turn, without waiting */
void loop_stop(struct loop *l);
int64_t loop_now_us(const struct loop *l);        /* monotonic, read once a turn; afresh outside */
void loop_advance_us(struct loop *l, int64_t us); /* manual only: runs what falls due, in order */

/* ---- timers ---- */
struct loop_timer;
typedef void loop_timer_fn(struct loop_timer *t);
struct loop_timer {
	loop_timer_fn *fn;
	struct loop *loop;
	int64_t at_us; /* 0: not armed */
	uint64_t seq;  /* of timers due at one time the one armed first runs first */
	size_t heap_index;
};
/* Arms (or re-arms) t to call fn once after delay_us. The struct needs no other preparation than
 * being zeroed. Memory may be freed as soon as it is stopped or has fired. */
void loop_timer_start(struct loop *l, struct loop_timer *t, int64_t delay_us, loop_timer_fn *fn);
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_is_armed(const struct loop_timer *t);

/* ---- deferred calls: run at the end of this turn, once however often asked ---- */
struct loop_defer;
typedef void loop_defer_fn(struct loop_defer *d);
struct loop_defer {
	loop_defer_fn *fn;
	struct list_link in_loop; /* in loop.deferred */
};
void loop_defer(struct loop *l, struct loop_defer *d, loop_defer_fn *fn);
void loop_defer_cancel(struct loop_defer *d);

/* ---- descriptors ---- */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_fd; /* heap: owned by the loop until closed */
typedef void loop_fd_fn(void *arg, int fd, unsigned events); /* events: LOOP_READ | LOOP_WRITE; an
                                                                error sets both, a hang-up those
                                                                that are watched */
/* Watches fd (not taken over; made non-blocking; watched once at a time) for 'events'; 0 pauses.
 * Level-triggered. Failure: ERR_IO for what cannot be waited for (regular files), ERR_UNSUPPORTED
 * on a manual loop. */
MUST_USE int loop_fd_open(struct loop *l, int fd, unsigned events, loop_fd_fn *fn, void *arg,
                          struct loop_fd **ret_w, struct err *err);
void loop_fd_set(struct loop_fd *w, unsigned events);
/* Stops at once: fn is never called again, the caller may close the descriptor right after. Returns
 * null; accepts null. */
struct loop_fd *loop_fd_close(struct loop_fd *w);

/* ---- children: pidfd based; works for any process, child or not ---- */
struct loop_child;
/* status as waitpid's for own children, which are reaped by this; -1 when the process was not ours
 * and is gone. Called once; the loop_child is gone by then: forget it. */
typedef void loop_child_fn(void *arg, pid_t pid, int status);
/* Failure: ERR_NOTFOUND when there is no such process (any more). */
MUST_USE int loop_child_open(struct loop *l, pid_t pid, loop_child_fn *fn, void *arg,
                             struct loop_child **ret_c, struct err *err);
struct loop_child *loop_child_close(struct loop_child *c); /* forget, never called again */

/* ---- signals ---- */
/* One handler a signal for the life of the loop; it keeps loop_run waiting. */
typedef void loop_signal_fn(void *arg, int signum);
MUST_USE int loop_on_signal(struct loop *l, int signum, loop_signal_fn *fn, void *arg,
                            struct err *err);

/* ---- off-loop work (file I/O, unpacking, crypto): work runs on a pool thread, done on the loop
 * ---- */
/* done is called once, except when the loop is freed before. On a manual loop both run in the next
 * turn. */
typedef void loop_work_fn(void *arg);
void loop_work(struct loop *l, loop_work_fn *work, loop_work_fn *done, void *arg);
