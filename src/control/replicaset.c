/* Why: a ReplicaSet keeps as many pods of its template as it says; nothing else starts or ends pods
 * for a Deployment. Source: reference 8.11 */
#include "control/edit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "control/pods.h"
#include "schema/selector.h"

#define BURST 500 /* pods started or ended in one look */

struct look {
	struct work *w;
	const struct doc *doc;
	const struct val *set;
	struct docs pods; /* all of its own, finished ones too */
	struct docs active;
	int64_t wish;
	char failure[256]; /* why pods could not be made or removed; empty: fine */
	const char *failure_reason;
};

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;

	if (e->kind == k->replicaset) {
		controller_add_object(c, e->object->root);
	} else if (e->kind == k->pod) {
		controller_add_owner(c, e->object->root, k->replicaset);
		if (e->old) {
			controller_add_owner(c, e->old->root, k->replicaset);
		}
		/* an orphan may be adopted by any set of its namespace */
		if (e->type == STORE_ADDED && !meta_controller(e->object->root)) {
			struct work w = { .arena = &(struct arena){ 0 },
				          .store = c->control->store };
			struct docs sets =
				work_list(&w, k->replicaset, meta_ns(e->object->root), NULL, NULL);

			for (size_t i = 0; i < sets.n; i++) {
				controller_add_object(c, sets.at[i]->root);
			}
			arena_fini(w.arena);
		}
	}
}

static void failed(struct look *l, const char *reason, const struct err *why)
{
	l->failure_reason = reason;
	snprintf(l->failure, sizeof(l->failure), "%s", why->msg);
	event_say(l->w, l->w->kinds->replicaset, l->set, "Warning", reason, "Error %s: %s",
	          strcmp(reason, "FailedCreate") == 0 ? "creating" : "deleting", why->msg);
}

static int add_pods(struct look *l, int64_t n, struct err *err)
{
	struct work *w = l->w;
	const struct val *template = val_path(l->set, "spec.template");

	for (int64_t i = 0; i < n; i++) {
		struct val *pod = pod_of_template(w, w->kinds->replicaset, l->set, template, NULL);
		const struct doc *made = NULL;
		int r = work_create(w, w->kinds->pod, pod, &made, err);

		if (r < 0) {
			failed(l, "FailedCreate", err);
			return r;
		}
		event_say(w, w->kinds->replicaset, l->set, "Normal", "SuccessfulCreate",
		          "Created pod: " SLICE_FMT, SLICE_ARG(meta_name(made->root)));
	}
	return 0;
}

static int remove_pods(struct look *l, int64_t n, struct err *err)
{
	struct work *w = l->w;

	pods_rank_for_removal(w, l->active);
	for (int64_t i = 0; i < n; i++) {
		/* the name outlives a pod that is removed at once */
		struct slice name = arena_slice(w->arena, meta_name(l->active.at[i]->root));
		int r = work_delete_pod(w, l->active.at[i]->root, false, err);

		if (r < 0) {
			failed(l, "FailedDelete", err);
			return r;
		}
		event_say(w, w->kinds->replicaset, l->set, "Normal", "SuccessfulDelete",
		          "Deleted pod: " SLICE_FMT, SLICE_ARG(name));
	}
	return 0;
}

static int balance(struct look *l, struct err *err)
{
	int64_t missing = l->wish - (int64_t)l->active.n;

	if (missing > BURST || missing < -BURST) {
		work_again(l->w, US_PER_MS);
		missing = missing > 0 ? BURST : -BURST;
	}
	if (missing > 0) {
		return add_pods(l, missing, err);
	}
	return missing < 0 ? remove_pods(l, -missing, err) : 0;
}

/* ---- status ---- */

static bool has_all_labels(const struct val *pod, const struct val *template)
{
	val_for_each (val_path(template, "metadata.labels"), it) {
		if (!val_eq(val_get_slice(meta_labels(pod), it->key), it)) {
			return false;
		}
	}
	return true;
}

static void set_count(struct arena *a, struct val *status, const char *name, int64_t n)
{
	/* absent is zero, as the API leaves it out */
	if (n) {
		val_set_int(a, status, name, n);
	} else {
		val_remove(status, name);
	}
}

static int write_status(struct look *l, struct err *err)
{
	struct work *w = l->w;
	struct arena *a = w->arena;
	const struct doc *d =
		work_find(w, w->kinds->replicaset, meta_ns(l->set), meta_name(l->set));
	int64_t min_ready_s, again_us, ready = 0, available = 0, labelled = 0;
	struct val *set, *status, *conditions;
	int r;

	if (!d) {
		return 0;
	}
	set = work_edit(w, d);
	min_ready_s = val_int(val_path(set, "spec.minReadySeconds"), 0);
	for (size_t i = 0; i < l->active.n; i++) {
		const struct val *pod = l->active.at[i]->root;

		again_us = 0;
		labelled += has_all_labels(pod, val_path(set, "spec.template"));
		ready += pod_is_ready(pod);
		available += pod_is_available(pod, min_ready_s, w->now_us, &again_us);
		if (again_us) {
			work_again(w, again_us);
		}
	}
	status = val_need_object(a, set, "status");
	val_set_int(a, status, "replicas", (int64_t)l->active.n);
	set_count(a, status, "fullyLabeledReplicas", labelled);
	set_count(a, status, "readyReplicas", ready);
	set_count(a, status, "availableReplicas", available);
	val_set_int(a, status, "observedGeneration",
	            val_int(val_path(set, "metadata.generation"), 0));
	if (l->failure_reason) {
		conditions = val_need_array(a, status, "conditions");
		condition_set(w, conditions,
		              &(struct condition){ "ReplicaFailure", "True", l->failure_reason,
		                                   l->failure, false });
	} else if (condition_remove(val_get(status, "conditions"), "ReplicaFailure") &&
	           !val_len(val_get(status, "conditions"))) {
		val_remove(status, "conditions");
	}
	r = work_save_changed(w, w->kinds->replicaset, d, set, err);
	return r < 0 ? r : 0;
}

/* The active ones among its pods, read again from the store. */
static int find_pods(struct look *l, const struct selector *selector, struct err *err)
{
	size_t n = 0;
	int r = pods_claim(l->w, l->w->kinds->replicaset, l->set, selector, &l->pods, err);

	if (r < 0) {
		return r;
	}
	l->active.at = ARENA_ARRAY(l->w->arena, const struct doc *, l->pods.n + 1);
	for (size_t i = 0; i < l->pods.n; i++) {
		if (pod_is_active(l->pods.at[i]->root)) {
			l->active.at[n++] = l->pods.at[i];
		}
	}
	l->active.n = n;
	return 0;
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->replicaset, key);
	struct look l = { .w = w, .doc = d };
	const struct selector *selector;
	int r, failure = 0;

	if (!d) {
		return 0;
	}
	/* a copy of our own: the events said below change nothing in it */
	l.set = work_edit(w, d);
	l.wish = val_int(val_path(l.set, "spec.replicas"), 1);
	r = selector_of_object(w->arena, val_path(l.set, "spec.selector"), &selector, err);
	if (r < 0) {
		return r;
	}
	r = find_pods(&l, selector, err);
	if (r < 0) {
		return r;
	}
	if (!meta_is_deleting(l.set)) {
		failure = balance(&l, err);
	}
	/* count what is there now */
	r = find_pods(&l, selector, failure < 0 ? NULL : err);
	if (r == 0) {
		r = write_status(&l, failure < 0 ? NULL : err);
	}
	return failure < 0 ? failure : r;
}

static bool can_run(const struct control *c)
{
	return c->kinds.replicaset && c->kinds.pod;
}

const struct controller_type control_replicaset = {
	.name = "replicaset-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
