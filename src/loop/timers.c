/* Why: timers and deferred calls are ours, not libuv's, so that the hand-driven loop runs the same
 * code: microseconds, one order, memory that is free the moment a timer is stopped. */
#include "base/must.h"
#include "loop/loop-priv.h"

/* ---- the heap ---- */

static bool is_before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

static void put(struct loop *l, size_t i, struct loop_timer *t)
{
	l->timers.at[i] = t;
	t->heap_index = i;
}

static void sift_up(struct loop *l, size_t i)
{
	struct loop_timer *t = l->timers.at[i];

	while (i > 0 && is_before(t, l->timers.at[(i - 1) / 2])) {
		put(l, i, l->timers.at[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(l, i, t);
}

static void sift_down(struct loop *l, size_t i)
{
	struct loop_timer *t = l->timers.at[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= l->timers.n) {
			break;
		}
		if (child + 1 < l->timers.n &&
		    is_before(l->timers.at[child + 1], l->timers.at[child])) {
			child++;
		}
		if (!is_before(l->timers.at[child], t)) {
			break;
		}
		put(l, i, l->timers.at[child]);
		i = child;
	}
	put(l, i, t);
}

void loop_timer_start(struct loop *l, struct loop_timer *t, int64_t delay_us, loop_timer_fn *fn)
{
	int64_t at_us;

	loop_timer_stop(t);
	if (delay_us < 0) {
		delay_us = 0;
	}
	if (__builtin_add_overflow(loop_now_us(l), delay_us, &at_us)) {
		at_us = INT64_MAX;
	}
	t->fn = fn;
	t->loop = l;
	t->at_us = at_us;
	t->seq = l->timer_seq++;
	vec_push(&l->timers, t);
	sift_up(l, l->timers.n - 1);
}

void loop_timer_stop(struct loop_timer *t)
{
	struct loop *l = t->loop;
	struct loop_timer *last;
	size_t i = t->heap_index;

	if (t->at_us == 0) {
		return;
	}
	must(i < l->timers.n && l->timers.at[i] == t);
	t->at_us = 0;
	last = l->timers.at[--l->timers.n];
	if (last != t) {
		put(l, i, last);
		sift_up(l, i);
		sift_down(l, last->heap_index);
	}
}

bool loop_timer_is_armed(const struct loop_timer *t)
{
	return t->at_us != 0;
}

struct loop_timer *loop_first_timer(const struct loop *l)
{
	return l->timers.n ? l->timers.at[0] : NULL;
}

void loop_run_due(struct loop *l)
{
	uint64_t end = l->timer_seq;
	struct loop_timer *t;

	while ((t = loop_first_timer(l)) && t->at_us <= loop_now_us(l) && t->seq < end) {
		loop_timer_stop(t);
		t->fn(t);
	}
}

/* ---- deferred calls ---- */

void loop_defer(struct loop *l, struct loop_defer *d, loop_defer_fn *fn)
{
	d->fn = fn;
	if (!list_has_link(&d->in_loop)) {
		list_push(&l->deferred, &d->in_loop);
	}
}

void loop_defer_cancel(struct loop_defer *d)
{
	list_unlink(&d->in_loop);
}

void loop_run_deferred(struct loop *l)
{
	struct list_link *link;

	if (list_is_empty(&l->deferred)) {
		return;
	}
	list_push(&l->deferred, &l->fence.in_loop);
	while ((link = list_first(&l->deferred)) != &l->fence.in_loop) {
		struct loop_defer *d = container_of(link, struct loop_defer, in_loop);

		list_unlink(link);
		d->fn(d);
	}
	list_unlink(&l->fence.in_loop);
}
