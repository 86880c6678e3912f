/* Why: what users, controllers and `kubectl wait` see of a pod is this one computation; reasons and
 * messages are the kubelet's, word for word. */
#include "node/pod-status.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "node/resources.h"

static struct val *time_val(struct arena *a, int64_t wall_us)
{
	char text[TIME_TEXT_SIZE];

	return wall_us > 0 ? val_new_cstr(a, time_format(wall_us, text)) : val_new_null(a);
}

static void set_id(struct arena *a, struct val *to, const char *id)
{
	if (*id) {
		val_set(a, to, "containerID", val_new_strf(a, "crun://%s", id));
	}
}

static struct val *terminated_val(struct arena *a, const struct container_end *e)
{
	struct val *v = val_new_object(a);

	val_set_int(a, v, "exitCode", e->code);
	val_set_cstr(a, v, "reason", e->reason);
	if (e->message && *e->message) {
		val_set_cstr(a, v, "message", e->message);
	}
	val_set(a, v, "startedAt", time_val(a, e->started_us));
	val_set(a, v, "finishedAt", time_val(a, e->finished_us));
	set_id(a, v, e->id);
	return v;
}

/* ---- one container ---- */

static struct val *state_val(struct arena *a, const struct container_facts *c,
                             const char *usual_reason)
{
	struct val *state = val_new_object(a), *v;

	switch (c->phase) {
	case CONTAINER_WAITING:
		v = val_need_object(a, state, "waiting");
		val_set_cstr(a, v, "reason", c->reason ? c->reason : usual_reason);
		if (c->message && *c->message) {
			val_set_cstr(a, v, "message", c->message);
		}
		break;
	case CONTAINER_RUNNING:
		v = val_need_object(a, state, "running");
		val_set(a, v, "startedAt", time_val(a, c->started_us));
		break;
	case CONTAINER_TERMINATED:
		val_set(a, state, "terminated", terminated_val(a, &c->end));
		break;
	}
	return state;
}

static bool is_ready(const struct container_facts *c)
{
	if (c->list == POD_INIT && !container_is_sidecar(c)) {
		return container_has_succeeded(c);
	}
	return c->phase == CONTAINER_RUNNING && c->is_ready;
}

static struct val *container_val(struct arena *a, const struct container_facts *c,
                                 const char *usual_reason)
{
	struct val *v = val_new_object(a), *last = val_new_object(a);
	const char *id = c->phase == CONTAINER_TERMINATED ? c->end.id : c->id;

	if (!*id && c->last.reason) {
		id = c->last.id;
	}
	set_id(a, v, id);
	val_set_str(a, v, "image", val_get_str(c->spec, "image"));
	val_set_cstr(a, v, "imageID", c->image_id ? c->image_id : "");
	if (c->last.reason) {
		val_set(a, last, "terminated", terminated_val(a, &c->last));
	}
	val_set(a, v, "lastState", last);
	val_set_str(a, v, "name", val_get_str(c->spec, "name"));
	val_set_bool(a, v, "ready", is_ready(c));
	val_set_int(a, v, "restartCount", c->restarts);
	val_set_bool(a, v, "started", c->phase == CONTAINER_RUNNING && c->is_started);
	val_set(a, v, "state", state_val(a, c, usual_reason));
	return v;
}

static void add_containers(struct arena *a, const struct pod_status_input *in, struct val *status)
{
	static const char *const lists[] = { "initContainerStatuses", "containerStatuses",
		                             "ephemeralContainerStatuses" };
	bool has_init = val_len(val_path(in->pod, "spec.initContainers")) > 0;
	const char *usual = has_init ? "PodInitializing" : "ContainerCreating";

	for (size_t i = 0; i < in->n; i++) {
		val_append(val_need_array(a, status, lists[in->facts[i].list]),
		           container_val(a, &in->facts[i], usual));
	}
}

/* ---- phase ---- */

static const char *phase_of(const struct pod_status_input *in)
{
	struct slice policy = val_str(val_path(in->pod, "spec.restartPolicy"));
	size_t waiting = 0, running = 0, stopped = 0, succeeded = 0;

	if (in->phase) {
		return in->phase;
	}
	for (size_t i = 0; i < in->n; i++) {
		const struct container_facts *c = &in->facts[i];

		if (c->list != POD_APP) {
			continue;
		}
		if (c->phase == CONTAINER_RUNNING) {
			running++;
		} else if (c->phase == CONTAINER_TERMINATED || c->last.reason) {
			stopped++;
			succeeded += container_has_succeeded(c);
		} else {
			waiting++;
		}
	}
	if (!in->is_initialized || waiting > 0) {
		return "Pending";
	}
	if (running == 0 && stopped > 0 && policy.len > 0 && !slice_is(policy, "Always")) {
		if (succeeded == stopped) {
			return "Succeeded";
		}
		if (slice_is(policy, "Never")) {
			return "Failed";
		}
	}
	return running > 0 || stopped > 0 ? "Running" : "Pending";
}

/* ---- conditions ---- */

static const struct val *condition_of(const struct val *pod, struct slice type)
{
	val_for_each (val_path(pod, "status.conditions"), it) {
		if (slice_eq(val_get_str(it, "type"), type)) {
			return it;
		}
	}
	return NULL;
}

bool pod_condition_is_true(const struct val *pod, struct slice type)
{
	return slice_is(val_get_str(condition_of(pod, type), "status"), "True");
}

/* Appends a condition; the time of its last change stays unless its status changed. */
static void add_condition(struct arena *a, const struct pod_status_input *in, struct val *list,
                          const char *type, bool status, const char *reason, const char *message)
{
	const struct val *old = condition_of(in->pod, slice_of(type));
	struct val *v = val_append(list, val_new_object(a));
	const char *text = status ? "True" : "False";
	bool is_same = slice_is(val_get_str(old, "status"), text);

	val_set(a, v, "lastProbeTime", val_new_null(a));
	val_set(a, v, "lastTransitionTime",
	        is_same && val_get_str(old, "lastTransitionTime").len
	                ? val_copy(a, val_get(old, "lastTransitionTime"))
	                : time_val(a, in->now_us));
	if (reason && *reason) {
		val_set_cstr(a, v, "reason", reason);
	}
	if (message && *message) {
		val_set_cstr(a, v, "message", message);
	}
	val_set_cstr(a, v, "status", text);
	val_set_cstr(a, v, "type", type);
}

/* "containers with unready status: [a b]" of those that 'bad' names; empty when none. */
static bool list_names(const struct pod_status_input *in,
                       bool (*bad)(const struct container_facts *c), const char *head,
                       struct strbuf *out)
{
	bool any = false;

	for (size_t i = 0; i < in->n; i++) {
		if (bad(&in->facts[i])) {
			strbuf_addf(out, "%s" SLICE_FMT, any ? " " : head,
			            SLICE_ARG(val_get_str(in->facts[i].spec, "name")));
			any = true;
		}
	}
	if (any) {
		strbuf_addc(out, ']');
	}
	return any;
}

static bool is_unready(const struct container_facts *c)
{
	return (c->list == POD_APP || container_is_sidecar(c)) && !is_ready(c);
}

static bool is_incomplete(const struct container_facts *c)
{
	return !container_is_passed(c);
}

/* The first readiness gate that is not True, as the kubelet words it; false: all are. */
static bool gates_hold(const struct pod_status_input *in, struct strbuf *why)
{
	val_for_each (val_path(in->pod, "spec.readinessGates"), it) {
		struct slice type = val_get_str(it, "conditionType");
		const struct val *c = condition_of(in->pod, type);

		if (!c) {
			strbuf_addf(why,
			            "corresponding condition of pod readiness gate \"" SLICE_FMT
			            "\" does not exist.",
			            SLICE_ARG(type));
			return false;
		}
		if (!slice_is(val_get_str(c, "status"), "True")) {
			strbuf_addf(why,
			            "the status of pod readiness gate \"" SLICE_FMT
			            "\" is not \"True\", but " SLICE_FMT,
			            SLICE_ARG(type), SLICE_ARG(val_get_str(c, "status")));
			return false;
		}
	}
	return true;
}

static bool is_ours(struct slice type)
{
	static const char *const ours[] = { "PodReadyToStartContainers", "Initialized", "Ready",
		                            "ContainersReady", "PodScheduled" };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		if (slice_is(type, ours[i])) {
			return true;
		}
	}
	return false;
}

static void add_conditions(struct arena *a, const struct pod_status_input *in, const char *phase,
                           struct val *status)
{
	struct val *list = val_need_array(a, status, "conditions");
	bool is_finished = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
	bool succeeded = strcmp(phase, "Succeeded") == 0;
	scoped_strbuf struct strbuf unready = { 0 }, incomplete = { 0 }, gate = { 0 };
	bool ready = !list_names(in, is_unready, "containers with unready status: [", &unready) &&
	             !is_finished;
	bool gated = gates_hold(in, &gate);
	const char *reason = ready         ? NULL
	                     : succeeded   ? "PodCompleted"
	                     : is_finished ? "PodFailed"
	                                   : "ContainersNotReady";
	const char *message = is_finished && succeeded ? NULL : strbuf_str(&unready);

	add_condition(a, in, list, "PodReadyToStartContainers", in->has_sandbox, NULL, NULL);
	if (in->is_initialized || succeeded) {
		add_condition(a, in, list, "Initialized", true, succeeded ? "PodCompleted" : NULL,
		              NULL);
	} else {
		(void)list_names(in, is_incomplete, "containers with incomplete status: [",
		                 &incomplete);
		add_condition(a, in, list, "Initialized", false, "ContainersNotInitialized",
		              strbuf_str(&incomplete));
	}
	if (ready && !gated) {
		add_condition(a, in, list, "Ready", false, "ReadinessGatesNotReady",
		              strbuf_str(&gate));
	} else {
		add_condition(a, in, list, "Ready", ready, reason, message);
	}
	add_condition(a, in, list, "ContainersReady", ready, reason, message);
	add_condition(a, in, list, "PodScheduled", true, NULL, NULL);
	val_for_each (val_path(in->pod, "status.conditions"), it) {
		if (!is_ours(val_get_str(it, "type"))) {
			val_append(list, val_copy(a, it));
		}
	}
}

/* ---- the whole ---- */

void pod_status_set_ips(struct arena *a, struct val *status, const char *one, const char *many,
                        const char *ips)
{
	struct slice rest = slice_of(ips), ip;

	while (rest.len && slice_next(&rest, ',', &ip)) {
		struct val *list = val_need_array(a, status, many);

		if (!val_len(list)) {
			val_set_str(a, status, one, ip);
		}
		val_set_str(a, val_append(list, val_new_object(a)), "ip", ip);
	}
}

static void set_or_clear(struct arena *a, struct val *status, const char *key, const char *text)
{
	val_set(a, status, key, text ? val_new_cstr(a, text) : val_new_null(a));
}

struct val *pod_status_compute(struct arena *a, const struct pod_status_input *in)
{
	struct val *status = val_new_object(a);
	const char *phase = phase_of(in);
	const struct val *start = val_path(in->pod, "status.startTime");

	add_conditions(a, in, phase, status);
	add_containers(a, in, status);
	pod_status_set_ips(a, status, "hostIP", "hostIPs", in->host_ips);
	pod_status_set_ips(a, status, "podIP", "podIPs", in->pod_ips);
	val_set_cstr(a, status, "phase", phase);
	val_set_cstr(a, status, "qosClass", qos_name(qos_of_pod(in->pod)));
	val_set(a, status, "startTime", start ? val_copy(a, start) : time_val(a, in->start_us));
	set_or_clear(a, status, "reason", in->reason);
	set_or_clear(a, status, "message", in->message);
	return status;
}

/* Equality with null as absent. */
static bool same(const struct val *old, const struct val *now)
{
	if (val_is_null(now)) {
		return val_is_null(old);
	}
	if (!old || old->type != now->type) {
		return false;
	}
	if (now->type == VAL_OBJECT) {
		val_for_each (now, it) {
			if (!same(val_get_slice(old, it->key), it)) {
				return false;
			}
		}
		val_for_each (old, it) {
			if (!val_is_null(it) && val_is_null(val_get_slice(now, it->key))) {
				return false;
			}
		}
		return true;
	}
	if (now->type == VAL_ARRAY) {
		const struct val *o = val_first(old);

		if (val_len(old) != val_len(now)) {
			return false;
		}
		val_for_each (now, it) {
			if (!same(o, it)) {
				return false;
			}
			o = o->next;
		}
		return true;
	}
	return val_eq(old, now);
}

bool pod_status_is_same(const struct val *old, const struct val *status)
{
	val_for_each (status, it) {
		if (!same(val_get_slice(old, it->key), it)) {
			return false;
		}
	}
	return true;
}
