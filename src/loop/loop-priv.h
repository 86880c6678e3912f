/* What: the inside of a loop, shared by the files of this room. */
#pragma once

#include <uv.h>

#include "base/vec.h"
#include "loop/loop.h"

struct loop {
	VEC(struct loop_timer *) timers; /* a heap, earliest first; borrowed */
	uint64_t timer_seq;
	struct list deferred;    /* loop_defer.in_loop */
	struct loop_defer fence; /* in deferred while a batch runs: its end */
	struct list works;       /* manual only: work.in_loop */
	struct list fds;         /* loop_fd.in_loop */
	struct list signals;     /* signal_watch.in_loop */
	int64_t now_us;          /* 0: to be read when somebody asks */
	bool is_manual;
	bool is_turning;
	bool is_stopped;
	bool is_freeing;
	uv_loop_t uv;    /* not with is_manual */
	uv_timer_t wake; /* ends the wait when the first timer falls due */
};

/* The earliest timer, or null. */
struct loop_timer *loop_first_timer(const struct loop *l);
/* Runs what is due at l's time, but nothing that is armed meanwhile. */
void loop_run_due(struct loop *l);
/* Runs what is deferred, but nothing that is deferred meanwhile. */
void loop_run_deferred(struct loop *l);
