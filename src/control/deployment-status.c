/* Why: `kubectl rollout status` reads these figures and conditions and nothing else, so they say
 * what was observed, with the generation it speaks of. Source: reference 8.11 "Status",
 * "Conditions" */
#include "base/clock.h"
#include "base/mem.h"
#include "control/deployment-priv.h"

/* Absent, or the largest number, means that nobody waits for progress. */
bool deployment_has_deadline(const struct val *d)
{
	int64_t s = val_int(val_path(d, "spec.progressDeadlineSeconds"), INT32_MAX);

	return s != INT32_MAX;
}

bool deployment_set_condition(struct rollout *r, const char *type, const char *status,
                              const char *reason, const char *message)
{
	struct val *conditions = val_need_array(
		r->w->arena, val_need_object(r->w->arena, r->d, "status"), "conditions");
	const struct val *c = condition_find(conditions, type);

	if (c && slice_is(val_get_str(c, "status"), status) &&
	    slice_is(val_get_str(c, "reason"), reason)) {
		return false;
	}
	return condition_set(r->w, conditions,
	                     &(struct condition){ type, status, reason, message, true });
}

static int64_t figure(const struct val *status, const char *name)
{
	return val_int(val_get(status, name), 0);
}

static void set_figure_of(struct rollout *r, const char *name, int64_t n)
{
	struct val *status = val_need_object(r->w->arena, r->d, "status");

	if (n > 0) {
		val_set_int(r->w->arena, status, name, n);
	} else {
		val_remove(status, name);
	}
}

bool deployment_is_complete(const struct rollout *r)
{
	const struct val *status = val_get(r->d, "status");
	int64_t wish = deployment_wish(r->d);

	return figure(status, "updatedReplicas") == wish && figure(status, "replicas") == wish &&
	       figure(status, "availableReplicas") == wish &&
	       figure(status, "observedGeneration") >=
	               val_int(val_path(r->d, "metadata.generation"), 0);
}

static void count(struct rollout *r)
{
	int64_t available = sets_figure(r->sets, "availableReplicas");

	val_set_int(r->w->arena, val_need_object(r->w->arena, r->d, "status"), "observedGeneration",
	            val_int(val_path(r->d, "metadata.generation"), 0));
	set_figure_of(r, "replicas", sets_figure(r->sets, "replicas"));
	set_figure_of(r, "updatedReplicas", r->fresh ? set_figure(r->fresh, "replicas") : 0);
	set_figure_of(r, "readyReplicas", sets_figure(r->sets, "readyReplicas"));
	set_figure_of(r, "availableReplicas", available);
	set_figure_of(r, "unavailableReplicas", sets_wish(r->sets) - available);
	if (available >= deployment_wish(r->d) - deployment_max_unavailable(r->d)) {
		deployment_set_condition(r, "Available", "True", "MinimumReplicasAvailable",
		                         "Deployment has minimum availability.");
	} else {
		deployment_set_condition(r, "Available", "False", "MinimumReplicasUnavailable",
		                         "Deployment does not have minimum availability.");
	}
}

/* Did anything move since the look began? */
static bool has_progressed(const struct rollout *r)
{
	const struct val *now = val_get(r->d, "status"), *was = r->status;
	int64_t old_now = figure(now, "replicas") - figure(now, "updatedReplicas");
	int64_t old_was = figure(was, "replicas") - figure(was, "updatedReplicas");

	return figure(now, "updatedReplicas") > figure(was, "updatedReplicas") ||
	       old_now < old_was || figure(now, "readyReplicas") > figure(was, "readyReplicas") ||
	       figure(now, "availableReplicas") > figure(was, "availableReplicas");
}

/* When the rollout counts as stuck; 0 when it cannot. */
static int64_t deadline_us(const struct rollout *r, const struct val *progressing)
{
	struct slice reason = val_get_str(progressing, "reason");

	if (!progressing || slice_is(reason, "NewReplicaSetAvailable") ||
	    slice_is(reason, "ProgressDeadlineExceeded") || slice_is(reason, "DeploymentPaused")) {
		return 0;
	}
	return time_of(val_get(progressing, "lastUpdateTime")) +
	       val_int(val_path(r->d, "spec.progressDeadlineSeconds"), 600) * US_PER_S;
}

static const char *sentence(struct rollout *r, const char *what)
{
	if (r->fresh) {
		return arena_printf(r->w->arena, "ReplicaSet \"" SLICE_FMT "\" %s.",
		                    SLICE_ARG(meta_name(r->fresh)), what);
	}
	return arena_printf(r->w->arena, "Deployment \"" SLICE_FMT "\" %s.",
	                    SLICE_ARG(meta_name(r->d)), what);
}

static void touch_progress(struct rollout *r)
{
	struct val *conditions = val_path(r->d, "status.conditions");
	struct val *c;

	deployment_set_condition(r, "Progressing", "True", "ReplicaSetUpdated",
	                         sentence(r, "is progressing"));
	/* every step forward starts the deadline anew, also with the same reason */
	c = condition_find(conditions ? conditions : val_path(r->d, "status.conditions"),
	                   "Progressing");
	val_set_time(r->w->arena, c, "lastUpdateTime", r->w->now_us);
	val_set_cstr(r->w->arena, c, "message", sentence(r, "is progressing"));
}

static void judge(struct rollout *r)
{
	const struct val *status = val_get(r->d, "status");
	const struct val *now = condition_find(val_get(status, "conditions"), "Progressing");
	int64_t deadline;

	if (!deployment_has_deadline(r->d)) {
		condition_remove(val_get(status, "conditions"), "Progressing");
		return;
	}
	if (figure(status, "replicas") == figure(status, "updatedReplicas") &&
	    slice_is(val_get_str(now, "reason"), "NewReplicaSetAvailable")) {
		return; /* the rollout is over: pods that come and go now are no progress of it */
	}
	if (deployment_is_complete(r)) {
		deployment_set_condition(r, "Progressing", "True", "NewReplicaSetAvailable",
		                         sentence(r, "has successfully progressed"));
		return;
	}
	if (has_progressed(r)) {
		touch_progress(r);
	}
	deadline = deadline_us(r, condition_find(val_get(status, "conditions"), "Progressing"));
	if (!deadline) {
		return;
	}
	if (deadline <= r->w->now_us) {
		deployment_set_condition(r, "Progressing", "False", "ProgressDeadlineExceeded",
		                         sentence(r, "has timed out progressing"));
	} else {
		work_again(r->w, deadline - r->w->now_us + US_PER_S);
	}
}

/* A set that cannot make its pods says so at the Deployment too. */
static void pass_failure(struct rollout *r)
{
	const struct val *failure = NULL;

	if (r->fresh) {
		failure = condition_find(val_path(r->fresh, "status.conditions"), "ReplicaFailure");
	}
	for (size_t i = 0; i < r->old.n && !failure; i++) {
		failure = condition_find(val_path(r->old.at[i], "status.conditions"),
		                         "ReplicaFailure");
	}
	if (failure) {
		deployment_set_condition(r, "ReplicaFailure", val_cstr(val_get(failure, "status")),
		                         val_cstr(val_get(failure, "reason")),
		                         val_cstr(val_get(failure, "message")));
	} else {
		condition_remove(val_path(r->d, "status.conditions"), "ReplicaFailure");
	}
}

int rollout_write_status(struct rollout *r, bool judge_progress, struct err *err)
{
	struct work *w = r->w;
	const struct doc *stored =
		work_find(w, w->kinds->deployment, meta_ns(r->d), meta_name(r->d));
	int e;

	if (!stored) {
		return 0;
	}
	count(r);
	if (judge_progress) {
		judge(r);
		pass_failure(r);
	}
	e = work_save_changed(w, w->kinds->deployment, stored, r->d, err);
	return e < 0 ? e : 0;
}
