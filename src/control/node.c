/* Why: a node that stops renewing its Lease is not ready, whatever its last words were; and what is
 * not ready or cordoned carries the taints that keep new pods away. While another node is ready, its
 * pods count as not ready too and are told to leave (eviction.c); when no node is, they are left
 * alone: there is no other place for them, and their containers go on running. Source: reference
 * 8.14, k8s/nodes#condition */
#include "base/clock.h"
#include "base/mem.h"
#include "control/pods.h"
#include "model/model.h"

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

static bool is_ready(const struct val *node)
{
	return condition_is_true(val_path(node, "status.conditions"), "Ready");
}

/* The node itself wrote its status: nobody else moves that time. */
static bool has_spoken(const struct store_event *e)
{
	const struct val *was = condition_find(val_path(e->old->root, "status.conditions"),
	                                       "Ready"),
			 *is = condition_find(val_path(e->object->root, "status.conditions"),
	                                      "Ready");

	return !val_eq(val_get(was, "lastHeartbeatTime"), val_get(is, "lastHeartbeatTime"));
}

static bool see_node(void *arg, const struct doc *d)
{
	controller_add_object(arg, d->root);
	return true;
}

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;
	struct slice name = meta_name(e->object->root);

	if (e->kind == k->node) {
		if (e->type == STORE_DELETED) {
			free(map_remove(c->state, name));
		} else if (!map_has(c->state, name) || (e->old && has_spoken(e))) {
			note_beat(c, name);
		}
		controller_add(c, SLICE(""), name);
		if (e->type == STORE_DELETED ||
		    (e->old && is_ready(e->old->root) != is_ready(e->object->root))) {
			/* whether the others' pods have another place may have changed */
			store_each(c->control->store, k->node, SLICE(""), see_node, c);
		}
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

static bool another_is_ready(struct work *w, const struct val *node)
{
	struct docs nodes = work_list(w, w->kinds->node, SLICE(""), NULL, NULL);

	for (size_t i = 0; i < nodes.n; i++) {
		if (!slice_eq(meta_name(nodes.at[i]->root), meta_name(node)) &&
		    is_ready(nodes.at[i]->root)) {
			return true;
		}
	}
	return false;
}

static void keep_taints(struct work *w, struct val *node)
{
	bool evicts = another_is_ready(w, node);
	struct val *spec = val_need_object(w->arena, node, "spec");
	struct val *taints = val_need_array(w->arena, spec, "taints");
	const struct val *ready = condition_find(val_path(node, "status.conditions"), "Ready");
	struct slice status = val_get_str(ready, "status");

	keep_taint(w, taints, "node.kubernetes.io/not-ready", "NoSchedule",
	           slice_is(status, "False") || !ready);
	keep_taint(w, taints, "node.kubernetes.io/unreachable", "NoSchedule",
	           slice_is(status, "Unknown"));
	keep_taint(w, taints, "node.kubernetes.io/not-ready", "NoExecute",
	           evicts && slice_is(status, "False"));
	keep_taint(w, taints, "node.kubernetes.io/unreachable", "NoExecute",
	           evicts && slice_is(status, "Unknown"));
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

/* Nobody can tell how they are: no new connection is to go there. Their node says otherwise when it is back. */
static int doubt_pods(struct work *w, const struct val *node, struct err *err)
{
	struct docs pods = work_list(w, w->kinds->pod, SLICE(""), NULL, NULL);
	int r = 0;

	for (size_t i = 0; i < pods.n && r == 0; i++) {
		struct val *pod;

		if (!slice_eq(val_str(val_path(pods.at[i]->root, "spec.nodeName")),
		              meta_name(node)) ||
		    !pod_is_ready(pods.at[i]->root)) {
			continue;
		}
		pod = work_edit(w, pods.at[i]);
		condition_set(w, val_path(pod, "status.conditions"),
		              &(struct condition){ "Ready", "False", "NodeNotReady",
		                                   "the node is silent", false });
		r = work_save(w, w->kinds->pod, pod, err);
		event_say(w, w->kinds->pod, pod, "Warning", "NodeNotReady", "Node is not ready");
	}
	return r;
}

static bool is_gone(const struct work *w, const struct val *node)
{
	const struct control_nodes *nodes = &w->control->config.nodes;

	return nodes->has &&
	       slice_has_prefix(val_str(val_path(node, "spec.providerID")), SLICE(NODE_PROVIDER)) &&
	       !nodes->has(nodes->arg, meta_name(node));
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
	if (is_gone(w, d->root)) {
		return work_delete(w, w->kinds->node, d->root, err);
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
	if (r >= 0 && silent >= grace && another_is_ready(w, node)) {
		r = doubt_pods(w, node, err);
	}
	return r < 0 ? r : 0;
}

static bool can_run(const struct control *c)
{
	return c->kinds.node && c->kinds.lease;
}

const struct controller_type control_node = {
	.name = "node-controller",
	.can_run = can_run,
	.start = memory_start,
	.stop = memory_stop,
	.seen = seen,
	.step = step,
};
