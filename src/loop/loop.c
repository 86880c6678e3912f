/* Why: libuv waits; this file holds the order of a turn and the contract of loop.h around it. */
#include "loop/loop.h"

#include <signal.h>

#include "base/clock.h"
#include "base/must.h"
#include "loop/loop-priv.h"

/* Where the hand-driven clock begins: any time but 0, which means not armed. */
#define MANUAL_EPOCH_US US_PER_S

struct loop_fd {
	uv_poll_t uv;
	struct list_link in_loop; /* in loop.fds */
	int fd;                   /* the owner's */
	unsigned events;
	loop_fd_fn *fn;
	void *arg;
};

struct signal_watch {
	uv_signal_t uv;
	struct list_link in_loop; /* in loop.signals */
	loop_signal_fn *fn;
	void *arg;
};

struct work {
	uv_work_t uv;
	struct list_link in_loop; /* in loop.works */
	struct loop *loop;
	loop_work_fn *work, *done;
	void *arg;
};

/* ---- life ---- */

static struct loop *new_empty(void)
{
	struct loop *l = NEW(struct loop);

	list_init(&l->deferred);
	list_init(&l->works);
	list_init(&l->fds);
	list_init(&l->signals);
	return l;
}

struct loop *loop_new(void)
{
	struct loop *l = new_empty();

	signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error of write, not our end */
	must(uv_loop_init(&l->uv) == 0);
	must(uv_timer_init(&l->uv, &l->wake) == 0);
	return l;
}

struct loop *loop_new_manual(void)
{
	struct loop *l = new_empty();

	l->is_manual = true;
	l->now_us = MANUAL_EPOCH_US;
	return l;
}

static void free_fd(uv_handle_t *h)
{
	free(container_of((uv_poll_t *)h, struct loop_fd, uv));
}

static void free_signal(uv_handle_t *h)
{
	free(container_of((uv_signal_t *)h, struct signal_watch, uv));
}

struct loop *loop_free(struct loop *l)
{
	if (!l) {
		return NULL;
	}
	l->is_freeing = true;
	while (loop_first_timer(l)) {
		loop_timer_stop(loop_first_timer(l));
	}
	list_for_each (&l->deferred, d, struct loop_defer, in_loop) {
		loop_defer_cancel(d);
	}
	list_for_each (&l->works, w, struct work, in_loop) {
		list_unlink(&w->in_loop);
		free(w);
	}
	list_for_each (&l->fds, w, struct loop_fd, in_loop) {
		loop_fd_close(w);
	}
	list_for_each (&l->signals, s, struct signal_watch, in_loop) {
		list_unlink(&s->in_loop);
		uv_close((uv_handle_t *)&s->uv, free_signal);
	}
	if (!l->is_manual) {
		uv_close((uv_handle_t *)&l->wake, NULL);
		uv_run(&l->uv, UV_RUN_DEFAULT); /* until all is closed and off-loop work is over */
		must(uv_loop_close(&l->uv) == 0);
	}
	vec_fini(&l->timers);
	free(l);
	return NULL;
}

/* ---- the clock ---- */

int64_t loop_now_us(const struct loop *l)
{
	if (!l->is_manual && !l->is_turning) {
		return clock_mono_us(); /* whoever runs the loop may take his time between two turns */
	}
	if (l->now_us == 0) {
		((struct loop *)(uintptr_t)l)->now_us = clock_mono_us();
	}
	return l->now_us;
}

/* ---- a turn ---- */

static void run_works(struct loop *l)
{
	struct list_link *link;

	while ((link = list_first(&l->works))) {
		struct work *w = container_of(link, struct work, in_loop);

		list_unlink(link);
		w->work(w->arg);
		w->done(w->arg);
		free(w);
	}
}

static void on_wake(uv_timer_t *t)
{
	/* libuv runs what is due before it waits as well, and would then wait for ever. */
	uv_stop(t->loop);
}

static void wait_for_events(struct loop *l, bool can_wait)
{
	const struct loop_timer *first = loop_first_timer(l);

	l->now_us = 0; /* time passes now: whoever asks in a callback reads it afresh */
	if (first && can_wait) {
		int64_t left = first->at_us - loop_now_us(l);

		uv_update_time(&l->uv);
		uv_timer_start(&l->wake, on_wake, left > 0 ? (uint64_t)(left + 999) / 1000 : 0, 0);
		l->now_us = 0;
	} else {
		uv_timer_stop(&l->wake);
	}
	uv_run(&l->uv, can_wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

static void turn(struct loop *l, bool can_wait)
{
	if (l->is_manual) {
		loop_run_due(l);
		run_works(l);
		loop_run_deferred(l);
		return;
	}
	l->now_us = 0;
	l->is_turning = true;
	loop_run_due(l);
	wait_for_events(l, can_wait && !l->is_stopped && list_is_empty(&l->deferred));
	loop_run_deferred(l);
	l->is_turning = false;
}

static bool has_something_left(struct loop *l)
{
	if (loop_first_timer(l) || !list_is_empty(&l->deferred) || !list_is_empty(&l->works)) {
		return true;
	}
	if (l->is_manual) {
		return false;
	}
	uv_timer_stop(&l->wake); /* ours, not something to wait for */
	return uv_loop_alive(&l->uv);
}

void loop_run(struct loop *l)
{
	while (!l->is_stopped && has_something_left(l)) {
		const struct loop_timer *first = loop_first_timer(l);

		if (l->is_manual && first && first->at_us > l->now_us &&
		    list_is_empty(&l->deferred) && list_is_empty(&l->works)) {
			l->now_us = first->at_us;
		}
		turn(l, true);
	}
	l->is_stopped = false;
}

void loop_run_once(struct loop *l)
{
	turn(l, false);
}

void loop_stop(struct loop *l)
{
	l->is_stopped = true;
}

static void settle(struct loop *l)
{
	while (!list_is_empty(&l->deferred) || !list_is_empty(&l->works)) {
		run_works(l);
		loop_run_deferred(l);
	}
}

void loop_advance_us(struct loop *l, int64_t us)
{
	int64_t until = l->now_us + us;
	struct loop_timer *t;

	must(l->is_manual);
	settle(l);
	while ((t = loop_first_timer(l)) && t->at_us <= until) {
		if (t->at_us > l->now_us) {
			l->now_us = t->at_us;
		}
		loop_timer_stop(t);
		t->fn(t);
		settle(l);
	}
	l->now_us = until;
}

/* ---- descriptors ---- */

static int events_to_uv(unsigned events)
{
	return (events & LOOP_READ ? UV_READABLE : 0) | (events & LOOP_WRITE ? UV_WRITABLE : 0);
}

static void on_fd(uv_poll_t *uv, int status, int events)
{
	struct loop_fd *w = container_of(uv, struct loop_fd, uv);

	if (status < 0) {
		/* libuv has stopped watching; the owner finds the error by reading or writing */
		uv_poll_start(&w->uv, events_to_uv(w->events), on_fd);
		w->fn(w->arg, w->fd, LOOP_READ | LOOP_WRITE);
		return;
	}
	w->fn(w->arg, w->fd,
	      (events & UV_READABLE ? LOOP_READ : 0) | (events & UV_WRITABLE ? LOOP_WRITE : 0));
}

int loop_fd_open(struct loop *l, int fd, unsigned events, loop_fd_fn *fn, void *arg,
                 struct loop_fd **ret_w, struct err *err)
{
	struct loop_fd *w;
	int r;

	if (l->is_manual) {
		return err_raise(err, ERR_UNSUPPORTED, "a manual loop has no descriptors");
	}
	w = NEW(struct loop_fd);
	r = uv_poll_init(&l->uv, &w->uv, fd);
	if (r < 0) {
		free(w);
		return err_raise(err, ERR_IO, "watch descriptor %d: %s", fd, uv_strerror(r));
	}
	w->fd = fd;
	w->fn = fn;
	w->arg = arg;
	list_push(&l->fds, &w->in_loop);
	loop_fd_set(w, events);
	*ret_w = w;
	return 0;
}

void loop_fd_set(struct loop_fd *w, unsigned events)
{
	if (w->events == events) {
		return;
	}
	w->events = events;
	if (events) {
		must(uv_poll_start(&w->uv, events_to_uv(events), on_fd) == 0);
	} else {
		uv_poll_stop(&w->uv);
	}
}

struct loop_fd *loop_fd_close(struct loop_fd *w)
{
	if (w) {
		list_unlink(&w->in_loop);
		uv_poll_stop(&w->uv);
		uv_close((uv_handle_t *)&w->uv, free_fd);
	}
	return NULL;
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *uv, int signum)
{
	struct signal_watch *s = container_of(uv, struct signal_watch, uv);

	s->fn(s->arg, signum);
}

int loop_on_signal(struct loop *l, int signum, loop_signal_fn *fn, void *arg, struct err *err)
{
	struct signal_watch *s;
	int r;

	if (l->is_manual) {
		return err_raise(err, ERR_UNSUPPORTED, "a manual loop has no signals");
	}
	s = NEW(struct signal_watch);
	r = uv_signal_init(&l->uv, &s->uv);
	if (r < 0) {
		free(s);
		return err_raise(err, ERR_IO, "watch signal %d: %s", signum, uv_strerror(r));
	}
	s->fn = fn;
	s->arg = arg;
	r = uv_signal_start(&s->uv, on_signal, signum);
	if (r < 0) {
		uv_close((uv_handle_t *)&s->uv, free_signal);
		return err_raise(err, ERR_IO, "watch signal %d: %s", signum, uv_strerror(r));
	}
	list_push(&l->signals, &s->in_loop);
	return 0;
}

/* ---- off-loop work ---- */

static void on_work(uv_work_t *uv)
{
	struct work *w = container_of(uv, struct work, uv);

	w->work(w->arg);
}

static void on_work_done(uv_work_t *uv, int status)
{
	struct work *w = container_of(uv, struct work, uv);

	(void)status; /* nothing cancels it */
	if (!w->loop->is_freeing) {
		w->done(w->arg);
	}
	free(w);
}

void loop_work(struct loop *l, loop_work_fn *work, loop_work_fn *done, void *arg)
{
	struct work *w = NEW(struct work);

	w->loop = l;
	w->work = work;
	w->done = done;
	w->arg = arg;
	if (l->is_manual) {
		list_push(&l->works, &w->in_loop);
		return;
	}
	must(uv_queue_work(&l->uv, &w->uv, on_work, on_work_done) == 0);
}
