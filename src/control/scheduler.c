/* Why: a pod without a node gets one that has room for it and wants it, or says why none does.
 * Source: reference 8.13 "Scheduled", "FailedScheduling" */
#include "base/clock.h"
#include "base/mem.h"
#include "control/placing.h"
#include "control/pods.h"

#define NAME "default-scheduler"

enum score { SCORE_TAINTS, SCORE_NODE, SCORE_SPREAD, SCORE_AFFINITY, SCORE_FREE, SCORES };

static bool is_waiting(const struct val *pod)
{
	struct slice by = val_str(val_path(pod, "spec.schedulerName"));

	return !val_str(val_path(pod, "spec.nodeName")).len && pod_is_active(pod) &&
	       (!by.len || slice_is(by, NAME));
}

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;
	const struct val *object = e->object->root;

	if (e->kind == k->pod) {
		if (e->type != STORE_DELETED && is_waiting(object)) {
			controller_add_object(c, object);
		} else if (e->type == STORE_DELETED || !pod_is_active(object)) {
			queue_kick(&c->queue); /* there is room for another one */
		} else if (e->old && is_waiting(e->old->root)) {
			queue_kick(&c->queue); /* others may want to be near it */
		}
	} else if (e->kind == k->node) {
		queue_kick(&c->queue);
	}
}

/* ---- who is where ---- */

struct candidate {
	const struct val *node;
	struct amounts used;
	const char *why;            /* it does not fit; null: it does */
	int64_t raw[SCORES], score; /* by each score; all together */
};

struct round {
	struct placing p;
	struct candidate *at; /* in the order of p.nodes */
	const struct val **nodes;
	struct placed *placed;
};

static struct candidate *candidate_of(struct round *r, struct slice node)
{
	for (size_t i = 0; i < r->p.n_nodes; i++) {
		if (slice_eq(meta_name(r->nodes[i]), node)) {
			return &r->at[i];
		}
	}
	return NULL;
}

/* One walk over all pods, however many nodes there are. */
static void gather(struct work *w, const struct val *pod, struct round *r)
{
	struct docs nodes = work_list(w, w->kinds->node, SLICE(""), NULL, NULL),
		    pods = work_list(w, w->kinds->pod, SLICE(""), NULL, NULL);

	r->nodes = arena_alloc(w->arena, (nodes.n + 1) * sizeof(*r->nodes));
	r->at = arena_alloc(w->arena, (nodes.n + 1) * sizeof(*r->at));
	r->placed = arena_alloc(w->arena, (pods.n + 1) * sizeof(*r->placed));
	r->p = (struct placing){ .w = w, .pod = pod, .n_nodes = nodes.n };
	for (size_t i = 0; i < nodes.n; i++) {
		r->nodes[i] = nodes.at[i]->root;
		r->at[i] = (struct candidate){ .node = r->nodes[i] };
	}
	for (size_t i = 0; i < pods.n; i++) {
		const struct val *other = pods.at[i]->root;
		struct candidate *c = candidate_of(r, val_str(val_path(other, "spec.nodeName")));

		if (c && !pod_is_finished(other)) {
			amounts_add(&c->used, fit_requests(other));
			r->placed[r->p.n_placed++] = (struct placed){ other, c->node };
		}
	}
	r->p.nodes = r->nodes;
	r->p.placed = r->placed;
}

static bool is_any_address(struct slice ip)
{
	return !ip.len || slice_is(ip, "0.0.0.0") || slice_is(ip, "::");
}

/* One protocol and number, and addresses that are equal or of which one means all. */
static bool same_host_port(const struct val *a, const struct val *b)
{
	struct slice x = val_get_str(a, "hostIP"), y = val_get_str(b, "hostIP");

	return val_int(val_get(a, "hostPort"), 0) == val_int(val_get(b, "hostPort"), 0) &&
	       val_eq(val_get(a, "protocol"), val_get(b, "protocol")) &&
	       (is_any_address(x) || is_any_address(y) || slice_eq(x, y));
}

static bool takes_host_port(const struct val *pod, const struct val *port)
{
	val_for_each (val_path(pod, "spec.containers"), c) {
		val_for_each (val_get(c, "ports"), p) {
			if (same_host_port(p, port)) {
				return true;
			}
		}
	}
	return false;
}

/* Ports of the host that a running pod took from a node. */
static bool host_ports_clash(const struct placing *p, const struct val *node)
{
	val_for_each (val_path(p->pod, "spec.containers"), c) {
		val_for_each (val_get(c, "ports"), port) {
			if (!val_int(val_get(port, "hostPort"), 0)) {
				continue;
			}
			for (size_t i = 0; i < p->n_placed; i++) {
				if (p->placed[i].node == node &&
				    takes_host_port(p->placed[i].pod, port)) {
					return true;
				}
			}
		}
	}
	return false;
}

/* ---- which of those that fit ---- */

/* Share of the node that stays free, in thousandths: the emptier node is better. */
static int64_t free_share(const struct val *node, struct amounts used)
{
	struct amounts have = fit_allocatable(node);
	int64_t cpu = have.cpu_milli > 0 ? 1000 - used.cpu_milli * 1000 / have.cpu_milli : 0;
	int64_t memory = have.memory_bytes > 0 ? 1000 - used.memory_bytes / 1024 * 1000 /
	                                                         (have.memory_bytes / 1024 + 1)
	                                       : 0;

	return cpu + memory - used.pods;
}

static int64_t soft_taints(const struct val *pod, const struct val *node)
{
	int64_t n = 0;

	val_for_each (val_path(node, "spec.taints"), it) {
		n += slice_is(val_get_str(it, "effect"), "PreferNoSchedule") &&
		     !fit_tolerates(pod, it);
	}
	return n;
}

/* Adds to every candidate 0 to 100 times the weight, by where it stands between the worst and the best. */
static void add_score(struct round *r, enum score which, int64_t weight)
{
	int64_t min = INT64_MAX, max = INT64_MIN;

	for (size_t i = 0; i < r->p.n_nodes; i++) {
		if (!r->at[i].why) {
			min = r->at[i].raw[which] < min ? r->at[i].raw[which] : min;
			max = r->at[i].raw[which] > max ? r->at[i].raw[which] : max;
		}
	}
	for (size_t i = 0; i < r->p.n_nodes && max > min; i++) {
		r->at[i].score += (r->at[i].raw[which] - min) * 100 * weight / (max - min);
	}
}

static const struct val *best_of(struct round *r)
{
	/* The weights of the scheduler's default profile. */
	static const int64_t weights[SCORES] = { [SCORE_TAINTS] = 3,
		                                 [SCORE_NODE] = 2,
		                                 [SCORE_SPREAD] = 2,
		                                 [SCORE_AFFINITY] = 2,
		                                 [SCORE_FREE] = 1 };
	const struct candidate *best = NULL;

	for (size_t i = 0; i < r->p.n_nodes; i++) {
		struct candidate *c = &r->at[i];

		if (!c->why) {
			c->raw[SCORE_TAINTS] = -soft_taints(r->p.pod, c->node);
			c->raw[SCORE_NODE] = fit_preference(r->p.pod, c->node);
			c->raw[SCORE_SPREAD] = -spread_crowd(&r->p, c->node);
			c->raw[SCORE_AFFINITY] = affinity_score(&r->p, c->node);
			c->raw[SCORE_FREE] = free_share(c->node, c->used);
		}
	}
	for (int i = 0; i < SCORES; i++) {
		add_score(r, (enum score)i, weights[i]);
	}
	for (size_t i = 0; i < r->p.n_nodes; i++) {
		if (!r->at[i].why && (!best || r->at[i].score > best->score)) {
			best = &r->at[i];
		}
	}
	return best ? best->node : NULL;
}

/* ---- why none ---- */

struct reasons {
	struct {
		const char *text;
		size_t n;
	} at[16];
	size_t n, nodes;
};

static void add_reason(struct reasons *r, const char *text)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->at[i].text, text) == 0) {
			r->at[i].n++;
			return;
		}
	}
	if (r->n < ARRAY_SIZE(r->at)) {
		r->at[r->n].text = text;
		r->at[r->n++].n = 1;
	}
}

static const char *refusal(const struct round *r, const struct candidate *c)
{
	const char *why = fit_refusal(r->p.w->arena, r->p.pod, c->node, c->used);

	if (!why && !condition_is_true(val_path(c->node, "status.conditions"), "Ready")) {
		why = "node(s) were not ready";
	}
	if (!why && host_ports_clash(&r->p, c->node)) {
		why = "node(s) didn't have free ports for the requested pod ports";
	}
	if (!why) {
		why = spread_refusal(&r->p, c->node);
	}
	return why ? why : affinity_refusal(&r->p, c->node);
}

static const struct val *pick_node(struct work *w, const struct val *pod, struct reasons *reasons)
{
	struct round r = { 0 };

	gather(w, pod, &r);
	reasons->nodes = r.p.n_nodes;
	for (size_t i = 0; i < r.p.n_nodes; i++) {
		r.at[i].why = refusal(&r, &r.at[i]);
		if (r.at[i].why) {
			add_reason(reasons, r.at[i].why);
		}
	}
	return best_of(&r);
}

static struct val *conditions_of(struct work *w, struct val *pod)
{
	return val_need_array(w->arena, val_need_object(w->arena, pod, "status"), "conditions");
}

static int bind(struct work *w, const struct doc *d, struct slice node, struct err *err)
{
	struct val *pod = work_edit(w, d);
	int r;

	val_set_str(w->arena, val_need_object(w->arena, pod, "spec"), "nodeName", node);
	condition_set(w, conditions_of(w, pod),
	              &(struct condition){ "PodScheduled", "True", "", "", false });
	val_remove(condition_find(conditions_of(w, pod), "PodScheduled"), "reason");
	val_remove(condition_find(conditions_of(w, pod), "PodScheduled"), "message");
	r = work_save(w, w->kinds->pod, pod, err);
	if (r < 0) {
		return r;
	}
	event_say(w, w->kinds->pod, pod, "Normal", "Scheduled",
	          "Successfully assigned " SLICE_FMT "/" SLICE_FMT " to " SLICE_FMT,
	          SLICE_ARG(meta_ns(pod)), SLICE_ARG(meta_name(pod)), SLICE_ARG(node));
	return 0;
}

static const char *sentence(struct work *w, const struct reasons *reasons)
{
	scoped_strbuf struct strbuf text = { 0 };

	if (!reasons->nodes) {
		return "no nodes available to schedule pods";
	}
	strbuf_addf(&text, "0/%zu nodes are available: ", reasons->nodes);
	for (size_t i = 0; i < reasons->n; i++) {
		strbuf_addf(&text, "%s%zu %s", i ? ", " : "", reasons->at[i].n,
		            reasons->at[i].text);
	}
	strbuf_addc(&text, '.');
	return arena_strdup(w->arena, strbuf_str(&text));
}

static int refuse(struct work *w, const struct doc *d, const char *why, struct err *err)
{
	struct val *pod = work_edit(w, d);
	int r;

	/* keeps the key in the queue, where a node or a finished pod kicks it */
	work_again(w, 60 * US_PER_S);
	if (!condition_set(
		    w, conditions_of(w, pod),
		    &(struct condition){ "PodScheduled", "False", "Unschedulable", why, false })) {
		return 0;
	}
	r = work_save(w, w->kinds->pod, pod, err);
	if (r < 0) {
		return r;
	}
	event_say(w, w->kinds->pod, pod, "Warning", "FailedScheduling", "%s", why);
	return 0;
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->pod, key);
	struct reasons reasons = { 0 };
	const struct val *node;
	struct val *pod;

	if (!d || !is_waiting(d->root)) {
		return 0;
	}
	if (val_len(val_path(d->root, "spec.schedulingGates"))) {
		pod = work_edit(w, d);
		condition_set(w, conditions_of(w, pod),
		              &(struct condition){
				      "PodScheduled", "False", "SchedulingGated",
				      "Scheduling is blocked due to non-empty scheduling gates",
				      false });
		int r = work_save_changed(w, w->kinds->pod, d, pod, err);

		return r < 0 ? r : 0;
	}
	node = pick_node(w, d->root, &reasons);
	if (!node) {
		return refuse(w, d, sentence(w, &reasons), err);
	}
	return bind(w, d, arena_slice(w->arena, meta_name(node)), err);
}

static bool can_run(const struct control *c)
{
	return c->kinds.pod && c->kinds.node;
}

const struct controller_type control_scheduler = {
	.name = NAME,
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
