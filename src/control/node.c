/* Why: a node that stops renewing its Lease is not ready, whatever its last words were; and what is
 * not ready or cordoned carries the taints that keep new pods away. Pods on it are left alone: on
 * one machine there is no other place for them, and their containers go on running. Source:
 * reference 8.14 */
#include "base/clock.h"
#include "base/mem.h"
#include "control/edit.h"

#define LEASE_NS "kube-node-lease"

/* When a node's Lease last moved, by our own clock: after a restart everybody gets a fresh grace
 * period. */
struct beat {
	int64_t seen_us; /* loop clock */
};

static void note_beat(struct controller *c, struct slice node)
{
	struct map *beats = c->state;
	struct beat *b = map_find(beats, node);

	if (!b) {
		b = NEW(struct beat);
		map_set(beats, node, b);
	}
	b->seen_us = loop_now_us(c->control->loop);
}

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;
	struct slice name = meta_name(e->object->root);

	if (e->kind == k->node) {
		if (e->type == STORE_DELETED) {
			free(map_remove(c->state, name));
		} else if (!map_has(c->state, name)) {
			note_beat(c, name);
		}
		controller_add(c, SLICE(""), name);
	} else if (e->kind == k->lease && e->type != STORE_DELETED &&
	           slice_is(meta_ns(e->object->root), LEASE_NS)) {
		note_beat(c, name);
		controller_add(c, SLICE(""), name);
	}
}

/* ---- taints ---- */

static bool has_taint(const struct val *taints, const char *key, const char *effect)
{
	val_for_each (taints, it) {
		if (slice_is(val_get_str(it, "key"), key) &&
		    slice_is(val_get_str(it, "effect"), effect)) {
			return true;
		}
	}
	return false;
}

static void keep_taint(struct work *w, struct val *taints, const char *key, const char *effect,
                       bool on)
{
	struct val *t;

	if (on && !has_taint(taints, key, effect)) {
		t = val_append(taints, val_new_object(w->arena));
		val_set_cstr(w->arena, t, "key", key);
		val_set_cstr(w->arena, t, "effect", effect);
		val_set_time(w->arena, t, "timeAdded", w->now_us);
	}
	for (size_t i = val_len(taints); !on && i-- > 0;) {
		t = val_at(taints, i);
		if (slice_is(val_get_str(t, "key"), key) &&
		    slice_is(val_get_str(t, "effect"), effect)) {
			val_unlink(taints, t);
		}
	}
}

static void keep_taints(struct work *w, struct val *node)
{
	struct val *spec = val_need_object(w->arena, node, "spec");
	struct val *taints = val_need_array(w->arena, spec, "taints");
	const struct val *ready = condition_find(val_path(node, "status.conditions"), "Ready");
	struct slice status = val_get_str(ready, "status");

	keep_taint(w, taints, "node.kubernetes.io/not-ready", "NoSchedule",
	           slice_is(status, "False") || !ready);
	keep_taint(w, taints, "node.kubernetes.io/unreachable", "NoSchedule",
	           slice_is(status, "Unknown"));
	keep_taint(w, taints, "node.kubernetes.io/unschedulable", "NoSchedule",
	           val_bool(val_get(spec, "unschedulable"), false));
	if (!val_len(taints)) {
		val_remove(spec, "taints");
	}
}

/* ---- silence ---- */

static void say_silent(struct work *w, struct val *node)
{
	static const char *const types[] = { "Ready", "MemoryPressure", "DiskPressure",
		                             "PIDPressure" };
	struct val *conditions =
		val_need_array(w->arena, val_need_object(w->arena, node, "status"), "conditions");
	bool changed = false;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (i > 0 && !condition_find(conditions, types[i])) {
			continue;
		}
		changed |= condition_set(
			w, conditions,
			&(struct condition){ types[i], "Unknown", "NodeStatusUnknown",
		                             "Kubelet stopped posting node status.", false });
	}
	if (changed) {
		event_say(w, w->kinds->node, node, "Normal", "NodeNotReady",
		          "Node " SLICE_FMT " status is now: NodeNotReady",
		          SLICE_ARG(meta_name(node)));
	}
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->node, key);
	struct beat *b = d ? map_find(w->controller->state, meta_name(d->root)) : NULL;
	int64_t grace = w->control->config.node_grace_us, silent;
	struct val *node;
	int r;

	if (!d || !b) {
		return 0;
	}
	node = work_edit(w, d);
	silent = loop_now_us(w->control->loop) - b->seen_us;
	if (silent >= grace) {
		say_silent(w, node);
	} else {
		work_again(w, grace - silent);
	}
	keep_taints(w, node);
	r = work_save_changed(w, w->kinds->node, d, node, err);
	return r < 0 ? r : 0;
}

static void start(struct controller *c)
{
	c->state = NEW(struct map);
}

static void stop(struct controller *c)
{
	struct map *beats = c->state;

	for (struct map_iter it = { 0 }; map_next(beats, &it);) {
		free(it.value);
	}
	map_fini(beats);
	free(beats);
}

static bool can_run(const struct control *c)
{
	return c->kinds.node && c->kinds.lease;
}

const struct controller_type control_node = {
	.name = "node-controller",
	.can_run = can_run,
	.start = start,
	.stop = stop,
	.seen = seen,
	.step = step,
};
