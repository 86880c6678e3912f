/* Why: a taint with effect NoExecute sends away the pods that do not tolerate it, at once or when the time is over for
 * which they do. Source: k8s/taint-and-toleration#taint-based-evictions */
#include "base/clock.h"
#include "base/mem.h"
#include "control/fit.h"
#include "control/pods.h"

static bool see_pod(void *arg, const struct doc *d)
{
	if (val_str(val_path(d->root, "spec.nodeName")).len) {
		controller_add_object(arg, d->root);
	}
	return true;
}

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;

	if (e->kind == k->pod) {
		if (e->type == STORE_DELETED) {
			free(map_remove(c->state, meta_uid(e->object->root)));
		} else if (map_has(c->state, meta_uid(e->object->root)) || e->type == STORE_ADDED ||
		           !e->old || !val_path(e->old->root, "spec.nodeName")) {
			(void)see_pod(c, e->object);
		}
	} else if (e->kind == k->node && e->type != STORE_DELETED) {
		const struct val *had = e->old ? val_path(e->old->root, "spec.taints") : NULL;

		if (!val_eq(had, val_path(e->object->root, "spec.taints"))) {
			store_each(c->control->store, k->pod, SLICE(""), see_pod, c);
		}
	}
}

/* ---- how long it may stay ---- */

enum { FOR_EVER = -1 };

static bool is_sent_away(const struct val *taint)
{
	return slice_is(val_get_str(taint, "effect"), "NoExecute");
}

/* Seconds for which the pod bears the node's taints: 0: not at all; FOR_EVER: without end, or there are none. The
 * shortest toleration that applies to any of them counts. */
static int64_t patience_s(const struct val *pod, const struct val *node)
{
	int64_t least = FOR_EVER;

	val_for_each (val_path(node, "spec.taints"), taint) {
		if (!is_sent_away(taint)) {
			continue;
		}
		if (!fit_tolerates(pod, taint)) {
			return 0;
		}
		val_for_each (val_path(pod, "spec.tolerations"), it) {
			const struct val *seconds = val_get(it, "tolerationSeconds");
			int64_t s = val_int(seconds, 0);

			if (!val_is_null(seconds) && fit_toleration_accepts(it, taint)) {
				s = s > 0 ? s : 0;
				least = least < 0 || s < least ? s : least;
			}
		}
	}
	return least;
}

/* The clock starts when the taint is first seen. */
static int64_t waited_us(struct work *w, const struct val *pod)
{
	struct map *since = w->controller->state;
	int64_t now = loop_now_us(w->control->loop), *at = map_find(since, meta_uid(pod));

	if (!at) {
		at = mem_alloc(sizeof(*at));
		*at = now;
		map_set(since, meta_uid(pod), at);
	}
	return now - *at;
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->pod, key), *node = NULL;
	int64_t patience, waited;

	if (!d || meta_is_deleting(d->root)) {
		return 0;
	}
	node = work_find(w, w->kinds->node, SLICE(""), val_str(val_path(d->root, "spec.nodeName")));
	patience = node ? patience_s(d->root, node->root) : FOR_EVER;
	if (patience == FOR_EVER) {
		free(map_remove(w->controller->state, meta_uid(d->root)));
		return 0;
	}
	waited = waited_us(w, d->root);
	if (waited < patience * US_PER_S) {
		work_again(w, patience * US_PER_S - waited);
		return 0;
	}
	event_say(w, w->kinds->pod, d->root, "Normal", "TaintManagerEviction",
	          "Marking for deletion Pod " SLICE_FMT "/" SLICE_FMT, SLICE_ARG(meta_ns(d->root)),
	          SLICE_ARG(meta_name(d->root)));
	return work_delete_pod(w, d->root, false, err);
}

static bool can_run(const struct control *c)
{
	return c->kinds.pod && c->kinds.node;
}

const struct controller_type control_eviction = {
	.name = "taint-eviction-controller",
	.can_run = can_run,
	.start = memory_start,
	.stop = memory_stop,
	.seen = seen,
	.step = step,
};
