/* Why: level-triggered work: events say which key, the queue says when. See queue.h. */
#include "control/queue.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/mem.h"

struct queue_item {
	struct queue *queue;
	char *key;                 /* owned */
	struct list_link in_ready; /* in queue.ready */
	struct loop_timer timer;
	struct backoff backoff;
	bool is_running;
	bool is_wanted_again; /* asked for while running */
};

#define BATCH 16 /* looks per turn of the loop, so that clients are served in between */

static const struct backoff backoff_start = { .floor_us = 10 * US_PER_MS,
	                                      .ceiling_us = 60 * US_PER_S };

static void run_batch(struct loop_defer *d);

void queue_init(struct queue *q, struct loop *l, queue_fn *fn, void *arg)
{
	*q = (struct queue){ .loop = l, .fn = fn, .arg = arg };
}

static void free_item(struct queue *q, struct queue_item *item)
{
	loop_timer_stop(&item->timer);
	list_unlink(&item->in_ready);
	map_remove(&q->items, slice_of(item->key));
	free(item->key);
	free(item);
}

void queue_fini(struct queue *q)
{
	if (!q->loop) {
		return;
	}
	for (struct map_iter it = { 0 }; map_next(&q->items, &it);) {
		free_item(q, it.value);
	}
	map_fini(&q->items);
	loop_defer_cancel(&q->defer);
	*q = (struct queue){ 0 };
}

static struct queue_item *need_item(struct queue *q, struct slice key)
{
	struct queue_item *item = map_find(&q->items, key);

	if (!item) {
		item = NEW(struct queue_item);
		item->queue = q;
		item->key = slice_dup(key);
		item->backoff = backoff_start;
		map_set(&q->items, key, item);
	}
	return item;
}

static void make_ready(struct queue_item *item)
{
	struct queue *q = item->queue;

	if (item->is_running) {
		item->is_wanted_again = true;
		return;
	}
	if (list_has_link(&item->in_ready)) {
		return;
	}
	loop_timer_stop(&item->timer);
	list_push(&q->ready, &item->in_ready);
	q->n_ready++;
	loop_defer(q->loop, &q->defer, run_batch);
}

void queue_add(struct queue *q, struct slice key)
{
	make_ready(need_item(q, key));
}

static void due(struct loop_timer *t)
{
	make_ready(container_of(t, struct queue_item, timer));
}

static void arm(struct queue_item *item, int64_t delay_us)
{
	struct loop *l = item->queue->loop;

	if (loop_timer_is_armed(&item->timer) && item->timer.at_us <= loop_now_us(l) + delay_us) {
		return;
	}
	loop_timer_start(l, &item->timer, delay_us, due);
}

void queue_add_after(struct queue *q, struct slice key, int64_t delay_us)
{
	struct queue_item *item = need_item(q, key);

	if (!list_has_link(&item->in_ready)) {
		arm(item, delay_us > 0 ? delay_us : 0);
	}
}

void queue_kick(struct queue *q)
{
	for (struct map_iter it = { 0 }; map_next(&q->items, &it);) {
		make_ready(it.value);
	}
}

static void run_one(struct queue *q, struct queue_item *item)
{
	enum queue_result result;
	int64_t again_us = 0;

	list_unlink(&item->in_ready);
	q->n_ready--;
	item->is_running = true;
	result = q->fn(q->arg, slice_of(item->key), &again_us);
	item->is_running = false;
	if (result == QUEUE_FAILED) {
		arm(item, backoff_next_us(&item->backoff, 0));
	} else {
		backoff_reset(&item->backoff);
		if (again_us > 0) {
			arm(item, again_us);
		}
	}
	if (item->is_wanted_again) {
		item->is_wanted_again = false;
		make_ready(item);
	} else if (!loop_timer_is_armed(&item->timer)) {
		free_item(q, item);
	}
}

static void run_batch(struct loop_defer *d)
{
	struct queue *q = container_of(d, struct queue, defer);

	for (int i = 0; i < BATCH && !list_is_empty(&q->ready); i++) {
		run_one(q, container_of(list_first(&q->ready), struct queue_item, in_ready));
	}
	if (!list_is_empty(&q->ready)) {
		loop_defer(q->loop, &q->defer, run_batch);
	}
}
