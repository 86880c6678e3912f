/* Why: a pod without a node gets one that has room for it and wants it, or says why none does.
 * Source: reference 8.13 "Scheduled", "FailedScheduling" */
#include "base/clock.h"
#include "base/mem.h"
#include "control/fit.h"
#include "control/pods.h"

#define NAME "default-scheduler"

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
		}
	} else if (e->kind == k->node) {
		queue_kick(&c->queue);
	}
}

static struct amounts used_on(struct work *w, const struct val *node)
{
	struct docs pods = work_list(w, w->kinds->pod, SLICE(""), NULL, NULL);
	struct amounts used = { 0 };

	for (size_t i = 0; i < pods.n; i++) {
		const struct val *pod = pods.at[i]->root;

		if (slice_eq(val_str(val_path(pod, "spec.nodeName")), meta_name(node)) &&
		    !pod_is_finished(pod)) {
			amounts_add(&used, fit_requests(pod));
		}
	}
	return used;
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

/* Ports of the host that a running pod took from a node. */
static bool host_ports_clash(struct work *w, const struct val *pod, const struct val *node)
{
	struct docs pods;

	val_for_each (val_path(pod, "spec.containers"), c) {
		val_for_each (val_get(c, "ports"), p) {
			int64_t port = val_int(val_get(p, "hostPort"), 0);

			if (!port) {
				continue;
			}
			pods = work_list(w, w->kinds->pod, SLICE(""), NULL, NULL);
			for (size_t i = 0; i < pods.n; i++) {
				const struct val *other = pods.at[i]->root;

				if (!slice_eq(val_str(val_path(other, "spec.nodeName")),
				              meta_name(node)) ||
				    pod_is_finished(other)) {
					continue;
				}
				val_for_each (val_path(other, "spec.containers"), oc) {
					val_for_each (val_get(oc, "ports"), op) {
						if (same_host_port(op, p)) {
							return true;
						}
					}
				}
			}
		}
	}
	return false;
}

/* Share of the node that stays free, in thousandths: the emptier node is better. */
static int64_t score(const struct val *node, struct amounts used)
{
	struct amounts have = fit_allocatable(node);
	int64_t cpu = have.cpu_milli > 0 ? 1000 - used.cpu_milli * 1000 / have.cpu_milli : 0;
	int64_t memory = have.memory_bytes > 0 ? 1000 - used.memory_bytes / 1024 * 1000 /
	                                                         (have.memory_bytes / 1024 + 1)
	                                       : 0;

	return cpu + memory - used.pods;
}

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

static const struct val *pick_node(struct work *w, const struct val *pod, struct reasons *reasons)
{
	struct docs nodes = work_list(w, w->kinds->node, SLICE(""), NULL, NULL);
	const struct val *best = NULL;
	int64_t best_score = 0;

	reasons->nodes = nodes.n;
	for (size_t i = 0; i < nodes.n; i++) {
		const struct val *node = nodes.at[i]->root;
		struct amounts used = used_on(w, node);
		const char *why = fit_refusal(w->arena, pod, node, used);

		if (!why && !condition_is_true(val_path(node, "status.conditions"), "Ready")) {
			why = "node(s) were not ready";
		}
		if (!why && host_ports_clash(w, pod, node)) {
			why = "node(s) didn't have free ports for the requested pod ports";
		}
		if (why) {
			add_reason(reasons, why);
		} else if (!best || score(node, used) > best_score) {
			best = node;
			best_score = score(node, used);
		}
	}
	return best;
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
