/* Why: a DaemonSet has one pod on every node that will have it. The scheduler places it: each pod says by affinity which
 * node is its own. Source: k8s/daemonset, reference 8.11 and 8.14
 *
 * One look: whose node has which pods; make what is missing, end what is too many or on the wrong node; replace pods of
 * an older template a few at a time; count. */
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "control/fit.h"
#include "control/pods.h"
#include "schema/selector.h"

#define LABEL_HASH "controller-revision-hash"

struct look {
	struct work *w;
	const struct doc *doc;
	const struct val *set;
	const char *hash; /* of the present template */
	struct docs pods; /* its own, those that go and those that ended included */
	struct docs nodes;
	int64_t wanted, current, misplaced, ready, available, updated; /* nodes */
};

/* ---- what to look at ---- */

static bool see_set(void *arg, const struct doc *d)
{
	controller_add_object(arg, d->root);
	return true;
}

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;

	if (e->kind == k->daemonset) {
		controller_add_object(c, e->object->root);
	} else if (e->kind == k->pod) {
		controller_add_owner(c, e->object->root, k->daemonset);
		if (e->old) {
			controller_add_owner(c, e->old->root, k->daemonset);
		}
	} else if (e->kind == k->node &&
	           (!e->old || e->type == STORE_DELETED ||
	            !val_eq(val_get(e->old->root, "spec"), val_get(e->object->root, "spec")) ||
	            !val_eq(meta_labels(e->old->root), meta_labels(e->object->root)))) {
		store_each(c->control->store, k->daemonset, SLICE(""), see_set, c);
	}
}

/* ---- its pods ---- */

static void tolerate(struct arena *a, struct val *spec, const char *key, const char *effect)
{
	struct val *v = val_append(val_need_array(a, spec, "tolerations"), val_new_object(a));

	val_set_cstr(a, v, "key", key);
	val_set_cstr(a, v, "operator", "Exists");
	val_set_cstr(a, v, "effect", effect);
}

/* What a node lacks for others is no reason for what looks after the node. */
static void tolerate_all(struct arena *a, struct val *spec)
{
	static const char *const pressures[] = { "disk-pressure", "memory-pressure", "pid-pressure",
		                                 "unschedulable" };

	tolerate(a, spec, "node.kubernetes.io/not-ready", "NoExecute");
	tolerate(a, spec, "node.kubernetes.io/unreachable", "NoExecute");
	for (size_t i = 0; i < ARRAY_SIZE(pressures); i++) {
		tolerate(a, spec, arena_printf(a, "node.kubernetes.io/%s", pressures[i]),
		         "NoSchedule");
	}
	if (val_bool(val_get(spec, "hostNetwork"), false)) {
		tolerate(a, spec, "node.kubernetes.io/network-unavailable", "NoSchedule");
	}
}

static const struct val *terms_of(const struct val *pod)
{
	return val_path(pod, "spec.affinity.nodeAffinity."
	                     "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
}

/* One term, this node by name: what the template demands of nodes was asked before. */
static void bind_to(struct arena *a, struct val *spec, struct slice node)
{
	struct val *affinity =
		val_need_object(a, val_need_object(a, spec, "affinity"), "nodeAffinity");
	struct val *required = val_set(
		a, affinity, "requiredDuringSchedulingIgnoredDuringExecution", val_new_object(a));
	struct val *term =
		val_append(val_need_array(a, required, "nodeSelectorTerms"), val_new_object(a));
	struct val *field = val_append(val_need_array(a, term, "matchFields"), val_new_object(a));

	val_set_cstr(a, field, "key", "metadata.name");
	val_set_cstr(a, field, "operator", "In");
	val_append(val_need_array(a, field, "values"), val_new_str(a, node));
}

static struct slice node_of(const struct val *pod)
{
	struct slice node = val_str(val_path(pod, "spec.nodeName"));

	return node.len ? node
	                : val_str(val_at(
				  val_get(val_at(val_get(val_at(terms_of(pod), 0), "matchFields"),
	                                         0),
	                                  "values"),
				  0));
}

static struct val *new_pod(struct look *l)
{
	struct arena *a = l->w->arena;
	struct val *pod = pod_of_template(l->w, l->w->kinds->daemonset, l->set,
	                                  val_path(l->set, "spec.template"), NULL);
	struct val *meta = val_get(pod, "metadata");

	val_set_cstr(a, val_need_object(a, meta, "labels"), LABEL_HASH, l->hash);
	tolerate_all(a, val_need_object(a, pod, "spec"));
	return pod;
}

static const char *template_hash(struct work *w, const struct val *set)
{
	scoped_strbuf struct strbuf text = { 0 };

	json_write(&text, val_path(set, "spec.template"));
	return arena_printf(w->arena, "%08x",
	                    (unsigned)(slice_hash(strbuf_slice(&text)) & 0xffffffff));
}

static bool is_fresh(const struct look *l, const struct val *pod)
{
	return slice_is(val_str(val_get(meta_labels(pod), LABEL_HASH)), l->hash);
}

/* ---- which nodes ---- */

/* runs: a pod may start there; stays: one that is there may go on. */
static void judge_node(const struct val *pod, const struct val *node, bool *runs, bool *stays)
{
	*runs = *stays = fit_selects_node(pod, node);
	val_for_each (val_path(node, "spec.taints"), it) {
		struct slice effect = val_get_str(it, "effect");

		if (!fit_tolerates(pod, it)) {
			*runs &= !slice_is(effect, "NoSchedule") && !slice_is(effect, "NoExecute");
			*stays &= !slice_is(effect, "NoExecute");
		}
	}
}

static int end_pod(struct look *l, const struct val *pod, const char *why, struct err *err)
{
	struct slice name = arena_slice(l->w->arena, meta_name(pod));
	int r = work_delete_pod(l->w, pod, false, err);

	if (r >= 0) {
		event_say(l->w, l->w->kinds->daemonset, l->set, "Normal", "SuccessfulDelete",
		          "Deleted pod: " SLICE_FMT "%s", SLICE_ARG(name), why);
	}
	return r < 0 ? r : 0;
}

static int start_pod(struct look *l, struct slice node, struct err *err)
{
	struct val *pod = new_pod(l);
	const struct doc *made = NULL;
	int r;

	bind_to(l->w->arena, val_get(pod, "spec"), node);
	r = work_create(l->w, l->w->kinds->pod, pod, &made, err);
	if (r < 0) {
		event_say(l->w, l->w->kinds->daemonset, l->set, "Warning", "FailedCreate",
		          "Error creating: %s", err->msg);
		return r;
	}
	event_say(l->w, l->w->kinds->daemonset, l->set, "Normal", "SuccessfulCreate",
	          "Created pod: " SLICE_FMT, SLICE_ARG(meta_name(made->root)));
	return 0;
}

/* One node: at most one pod, the one that is ready or else the oldest; what ended is removed and made again. */
static int tend_node(struct look *l, const struct val *node, struct err *err)
{
	const struct val *kept = NULL;
	bool runs, stays;
	int r = 0;

	judge_node(new_pod(l), node, &runs, &stays);
	for (size_t i = 0; i < l->pods.n && r == 0; i++) {
		const struct val *pod = l->pods.at[i]->root, *spare = NULL;

		if (!slice_eq(node_of(pod), meta_name(node)) || meta_is_deleting(pod)) {
			continue;
		}
		if (!stays || pod_is_finished(pod)) {
			r = end_pod(l, pod, "", err);
			continue;
		}
		if (!kept) {
			kept = pod;
			continue;
		}
		spare = pod_is_ready(pod) && !pod_is_ready(kept) ? kept : pod;
		kept = spare == kept ? pod : kept;
		r = end_pod(l, spare, ", one of two on its node", err);
	}
	l->wanted += runs;
	l->current += runs && kept;
	l->misplaced += !runs && kept;
	if (r == 0 && runs && !kept) {
		r = start_pod(l, meta_name(node), err);
		l->current += r == 0;
	}
	return r;
}

/* ---- another template ---- */

static int64_t share(const struct val *v, int64_t whole, int64_t otherwise)
{
	int64_t percent;

	if (v && v->type == VAL_STRING && v->s.len > 1 &&
	    slice_to_i64(slice_head(v->s, v->s.len - 1), &percent)) {
		return (percent * whole + 99) / 100;
	}
	return val_int(v, otherwise);
}

/* Pods of an older template go while no more than maxUnavailable nodes are without one; those that serve nobody anyhow
 * first. */
static int replace_old(struct look *l, struct err *err)
{
	const struct val *strategy = val_path(l->set, "spec.updateStrategy");
	int64_t min_ready_s = val_int(val_path(l->set, "spec.minReadySeconds"), 0), missing,
		max = share(val_path(strategy, "rollingUpdate.maxUnavailable"), l->wanted, 1);
	int r = 0;

	if (slice_is(val_get_str(strategy, "type"), "OnDelete")) {
		return 0;
	}
	missing = l->wanted;
	for (size_t i = 0; i < l->pods.n; i++) {
		missing -= !meta_is_deleting(l->pods.at[i]->root) &&
		           pod_is_available(l->pods.at[i]->root, min_ready_s, l->w->now_us, NULL);
	}
	for (int serving = 0; serving <= 1; serving++) {
		for (size_t i = 0; i < l->pods.n && r == 0; i++) {
			const struct val *pod = l->pods.at[i]->root;
			bool is_available = pod_is_available(pod, min_ready_s, l->w->now_us, NULL);

			if (meta_is_deleting(pod) || is_fresh(l, pod) || is_available != serving ||
			    (is_available && missing >= (max > 0 ? max : 1))) {
				continue;
			}
			missing += is_available;
			r = end_pod(l, pod, "", err);
		}
	}
	return r;
}

/* ---- status ---- */

static void count_pods(struct look *l)
{
	int64_t min_ready_s = val_int(val_path(l->set, "spec.minReadySeconds"), 0), again_us = 0;

	for (size_t i = 0; i < l->pods.n; i++) {
		const struct val *pod = l->pods.at[i]->root;

		if (meta_is_deleting(pod) || pod_is_finished(pod)) {
			continue;
		}
		l->ready += pod_is_ready(pod);
		l->updated += is_fresh(l, pod);
		l->available += pod_is_available(pod, min_ready_s, l->w->now_us, &again_us);
		if (again_us) {
			work_again(l->w, again_us);
		}
	}
}

static int write_status(struct look *l, struct err *err)
{
	struct work *w = l->w;
	struct arena *a = w->arena;
	struct val *set, *status;
	const struct doc *d = work_find(w, w->kinds->daemonset, meta_ns(l->set), meta_name(l->set));
	int r;

	if (!d) {
		return 0;
	}
	count_pods(l);
	set = work_edit(w, d);
	status = val_need_object(a, set, "status");
	val_set_int(a, status, "currentNumberScheduled", l->current);
	val_set_int(a, status, "desiredNumberScheduled", l->wanted);
	val_set_int(a, status, "numberMisscheduled", l->misplaced);
	val_set_int(a, status, "numberReady", l->ready);
	val_set_int(a, status, "updatedNumberScheduled", l->updated);
	val_set_int(a, status, "numberAvailable", l->available);
	val_set_int(a, status, "numberUnavailable",
	            l->wanted > l->available ? l->wanted - l->available : 0);
	val_set_int(a, status, "observedGeneration",
	            val_int(val_path(l->set, "metadata.generation"), 0));
	r = work_save_changed(w, w->kinds->daemonset, d, set, err);
	return r < 0 ? r : 0;
}

/* ---- the step ---- */

static int find_pods(struct look *l, struct err *err)
{
	const struct selector *selector;
	int r = selector_of_object(l->w->arena, val_path(l->set, "spec.selector"), &selector, err);

	return r < 0 ? r
	             : pods_claim(l->w, l->w->kinds->daemonset, l->set, selector, &l->pods, err);
}

static int tend(struct look *l, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < l->nodes.n && r == 0; i++) {
		r = tend_node(l, l->nodes.at[i]->root, err);
	}
	if (r == 0) {
		r = find_pods(l, err);
	}
	return r < 0 ? r : replace_old(l, err);
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->daemonset, key);
	struct look l = { .w = w, .doc = d };
	int r, failure = 0;

	if (!d) {
		return 0;
	}
	l.set = work_edit(w, d); /* a copy of our own: events change nothing in it */
	l.hash = template_hash(w, l.set);
	l.nodes = work_list(w, w->kinds->node, SLICE(""), NULL, NULL);
	r = find_pods(&l, err);
	if (r < 0) {
		return r;
	}
	if (!meta_is_deleting(l.set)) {
		failure = tend(&l, err);
	}
	r = find_pods(&l, failure < 0 ? NULL : err);
	if (r == 0) {
		r = write_status(&l, failure < 0 ? NULL : err);
	}
	return failure < 0 ? failure : r;
}

static bool can_run(const struct control *c)
{
	return c->kinds.daemonset && c->kinds.pod && c->kinds.node;
}

const struct controller_type control_daemonset = {
	.name = "daemonset-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
