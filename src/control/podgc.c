/* Why: a pod whose node is gone has nobody left who would report its end; and a pod that was
 * deleted before it had a node has nobody who would remove it. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/pods.h"

#define NODE_GRACE_US (40 * US_PER_S) /* a node that comes back within keeps its pods */

static bool see_pod(void *arg, const struct doc *d)
{
	controller_add_object(arg, d->root);
	return true;
}

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;

	if (e->kind == k->pod && e->type != STORE_DELETED) {
		controller_add_object(c, e->object->root);
	} else if (e->kind == k->node && e->type == STORE_DELETED) {
		store_each(c->control->store, k->pod, SLICE(""), see_pod, c);
	}
}

/* How long the pod waits for its node already; the clock starts when the pod is first looked at
 * without. */
static int64_t missing_us(struct work *w, const struct val *pod)
{
	struct map *since = w->controller->state;
	int64_t *at = map_find(since, meta_uid(pod));
	int64_t now = loop_now_us(w->control->loop);

	if (!at) {
		at = mem_alloc(sizeof(*at));
		*at = now;
		map_set(since, meta_uid(pod), at);
	}
	return now - *at;
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->pod, key);
	struct slice node;
	int64_t missing;

	if (!d) {
		return 0;
	}
	node = val_str(val_path(d->root, "spec.nodeName"));
	if (!node.len) {
		return meta_is_deleting(d->root) ? work_delete_pod(w, d->root, true, err) : 0;
	}
	if (work_find(w, w->kinds->node, SLICE(""), node)) {
		free(map_remove(w->controller->state, meta_uid(d->root)));
		return 0;
	}
	missing = missing_us(w, d->root);
	if (missing < NODE_GRACE_US) {
		work_again(w, NODE_GRACE_US - missing);
		return 0;
	}
	free(map_remove(w->controller->state, meta_uid(d->root)));
	return work_delete_pod(w, d->root, true, err);
}

static bool can_run(const struct control *c)
{
	return c->kinds.pod && c->kinds.node;
}

const struct controller_type control_podgc = {
	.name = "pod-garbage-collector",
	.can_run = can_run,
	.start = memory_start,
	.stop = memory_stop,
	.seen = seen,
	.step = step,
};
