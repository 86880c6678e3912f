/* Why: the one word in a pod's STATUS column is made of phase, reasons and states of all
 * containers, in an order that everybody who ever debugged a pod has learnt by heart. Source:
 * reference 2.4 "Pod Status". */
#include <stdarg.h>

#include "base/clock.h"
#include "base/mem.h"
#include "schema/age.h"
#include "schema/table-priv.h"

struct summary {
	char reason[160]; /* the status word */
	int64_t ready, total, restarts;
	int64_t last_restart_us; /* 0: none known */
};

__attribute__((format(printf, 2, 3))) static void say(struct summary *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
}

static bool has_condition(const struct val *status, const char *type)
{
	val_for_each (val_get(status, "conditions"), it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return slice_is(val_get_str(it, "status"), "True");
		}
	}
	return false;
}

static bool is_sidecar(const struct val *spec, struct slice name)
{
	val_for_each (val_get(spec, "initContainers"), it) {
		if (slice_eq(val_get_str(it, "name"), name)) {
			return slice_is(val_get_str(it, "restartPolicy"), "Always");
		}
	}
	return false;
}

static void count_restarts(struct summary *s, const struct val *container)
{
	int64_t when;

	s->restarts += val_int(val_get(container, "restartCount"), 0);
	if (time_parse(val_str(val_path(container, "lastState.terminated.finishedAt")), &when) &&
	    when > s->last_restart_us) {
		s->last_restart_us = when;
	}
}

static void say_terminated(struct summary *s, const char *prefix, const struct val *terminated)
{
	struct slice reason = val_get_str(terminated, "reason");
	int64_t signal = val_int(val_get(terminated, "signal"), 0);

	if (reason.len) {
		say(s, "%s" SLICE_FMT, prefix, SLICE_ARG(reason));
	} else if (signal) {
		say(s, "%sSignal:%lld", prefix, (long long)signal);
	} else {
		say(s, "%sExitCode:%lld", prefix,
		    (long long)val_int(val_get(terminated, "exitCode"), 0));
	}
}

/* True while an init container stands in the way; *sidecars counts restarts of sidecars alone. */
static bool walk_init(struct summary *s, const struct val *spec, const struct val *status,
                      struct summary *sidecars)
{
	size_t i = 0, n = val_len(val_get(spec, "initContainers"));

	val_for_each (val_get(status, "initContainerStatuses"), it) {
		const struct val *terminated = val_path(it, "state.terminated");
		struct slice waiting = val_str(val_path(it, "state.waiting.reason"));
		bool sidecar = is_sidecar(spec, val_get_str(it, "name"));

		count_restarts(s, it);
		if (sidecar) {
			count_restarts(sidecars, it);
		}
		if (terminated && val_int(val_get(terminated, "exitCode"), 0) == 0) {
			i++;
			continue;
		}
		if (sidecar && val_bool(val_get(it, "started"), false)) {
			s->ready += val_bool(val_get(it, "ready"), false);
			i++;
			continue;
		}
		if (terminated) {
			say_terminated(s, "Init:", terminated);
		} else if (waiting.len && !slice_is(waiting, "PodInitializing")) {
			say(s, "Init:" SLICE_FMT, SLICE_ARG(waiting));
		} else {
			say(s, "Init:%zu/%zu", i, n);
		}
		return true;
	}
	return false;
}

static void walk_containers(struct summary *s, const struct val *status)
{
	const struct val *list = val_get(status, "containerStatuses");
	bool running = false;

	for (size_t i = val_len(list); i-- > 0;) {
		const struct val *c = val_at(list, i);
		const struct val *terminated = val_path(c, "state.terminated");
		struct slice waiting = val_str(val_path(c, "state.waiting.reason"));

		count_restarts(s, c);
		if (waiting.len) {
			say(s, SLICE_FMT, SLICE_ARG(waiting));
		} else if (terminated) {
			say_terminated(s, "", terminated);
		} else if (val_bool(val_get(c, "ready"), false) && val_path(c, "state.running")) {
			running = true;
			s->ready++;
		}
	}
	if (running && strcmp(s->reason, "Completed") == 0) {
		say(s, "%s", has_condition(status, "Ready") ? "Running" : "NotReady");
	}
}

static bool is_finished(struct slice phase)
{
	return slice_is(phase, "Succeeded") || slice_is(phase, "Failed");
}

static void summarize(const struct val *pod, struct summary *s)
{
	const struct val *spec = val_get(pod, "spec"), *status = val_get(pod, "status");
	struct slice phase = val_get_str(status, "phase"), reason = val_get_str(status, "reason");
	struct summary sidecars = { 0 };

	*s = (struct summary){ .total = (int64_t)val_len(val_get(spec, "containers")) };
	say(s, SLICE_FMT, SLICE_ARG(reason.len ? reason : phase));
	val_for_each (val_get(status, "conditions"), it) {
		if (slice_is(val_get_str(it, "type"), "PodScheduled") &&
		    slice_is(val_get_str(it, "reason"), "SchedulingGated")) {
			say(s, "SchedulingGated");
		}
	}
	val_for_each (val_get(spec, "initContainers"), it) {
		s->total += is_sidecar(spec, val_get_str(it, "name"));
	}
	if (!walk_init(s, spec, status, &sidecars) || has_condition(status, "Initialized")) {
		s->restarts = sidecars.restarts;
		s->last_restart_us = sidecars.last_restart_us;
		walk_containers(s, status);
	}
	if (val_path(pod, "metadata.deletionTimestamp")) {
		if (slice_is(reason, "NodeLost")) {
			say(s, "Unknown");
		} else if (!is_finished(phase)) {
			say(s, "Terminating");
		}
	}
}

static void cell_gates(struct row *r, const struct val *spec, const struct val *status)
{
	size_t n = 0;

	if (!val_len(val_get(spec, "readinessGates"))) {
		cell_cstr(r, "<none>");
		return;
	}
	val_for_each (val_get(spec, "readinessGates"), it) {
		n += has_condition(status, val_cstr(val_get(it, "conditionType")));
	}
	cell_strf(r, "%zu/%zu", n, val_len(val_get(spec, "readinessGates")));
}

static void pod_row(struct row *r)
{
	const struct val *spec = val_get(r->object, "spec"), *status = val_get(r->object, "status");
	const struct val *ips = val_get(status, "podIPs");
	struct slice ip = val_get_str(val_at(ips, 0), "ip");
	char age[AGE_TEXT_SIZE];
	struct summary s;

	summarize(r->object, &s);
	cell_name(r);
	cell_strf(r, "%lld/%lld", (long long)s.ready, (long long)s.total);
	cell_cstr(r, s.reason);
	if (s.restarts && s.last_restart_us) {
		cell_strf(r, "%lld (%s ago)", (long long)s.restarts,
		          age_format(r->now_us - s.last_restart_us, age));
	} else {
		cell_strf(r, "%lld", (long long)s.restarts);
	}
	cell_created_age(r);
	cell_str_or(r, ip.len ? ip : val_get_str(status, "podIP"), "<none>");
	cell_str_or(r, val_get_str(spec, "nodeName"), "<none>");
	cell_str_or(r, val_get_str(status, "nominatedNodeName"), "<none>");
	cell_gates(r, spec, status);
}

static const struct column pod_columns[] = {
	COLUMN_NAME,
	{ "Ready" },
	{ "Status" },
	{ "Restarts" },
	{ "Age" },
	{ "IP", .priority = 1 },
	{ "Node", .priority = 1 },
	{ "Nominated Node", .priority = 1 },
	{ "Readiness Gates", .priority = 1 },
};

const struct table table_pods[] = { TABLE("", "Pod", pod_columns, pod_row), { 0 } };

struct val *table_conditions(const struct kind *k, struct arena *a, const struct val *object)
{
	struct slice phase = val_str(val_path(object, "status.phase"));
	bool failed = slice_is(phase, "Failed");
	struct val *list, *c;

	if (strcmp(k->kind, "Pod") != 0 || *k->group || !is_finished(phase)) {
		return NULL;
	}
	list = val_new_array(a);
	c = val_append(list, val_new_object(a));
	val_set_cstr(a, c, "type", "Completed");
	val_set_cstr(a, c, "status", "True");
	val_set_cstr(a, c, "reason", failed ? "Failed" : "Succeeded");
	val_set_cstr(a, c, "message",
	             failed ? "The pod failed." : "The pod has completed successfully.");
	return list;
}
