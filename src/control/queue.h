/* What: keys to look at again. The same key asked for many times is looked at once; a failed look
 * is repeated with growing delay; a look may ask for another one later. */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "loop/loop.h"

enum queue_result {
	QUEUE_DONE,
	QUEUE_FAILED, /* look again after a delay that grows per key */
};
/* Looks at one key. *again_us is 0 and may be set to have a successful look repeated after that
 * time. */
typedef enum queue_result queue_fn(void *arg, struct slice key, int64_t *again_us);

struct queue {
	struct loop *loop; /* given */
	queue_fn *fn;      /* given */
	void *arg;         /* given */
	struct map items;  /* state: key to struct queue_item, owned */
	struct list ready; /* state: items to look at now */
	size_t n_ready;
	struct loop_defer defer;
};

void queue_init(struct queue *q, struct loop *l, queue_fn *fn, void *arg);
void queue_fini(struct queue *q); /* accepts zeroed */
/* Look at the key soon; when it is being looked at right now, look again afterwards. */
void queue_add(struct queue *q, struct slice key);
/* Look at it after a time, unless an earlier look is planned. */
void queue_add_after(struct queue *q, struct slice key, int64_t delay_us);
/* All keys whose look failed or waits for a time are looked at soon. */
void queue_kick(struct queue *q);
