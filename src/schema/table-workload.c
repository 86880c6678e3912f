/* Why: rows of what runs pods: sets, deployments, jobs, autoscalers and budgets. */
#include "base/clock.h"
#include "base/mem.h"
#include "schema/age.h"
#include "schema/table-priv.h"

static const struct val *spec_of(const struct row *r)
{
	return val_get(r->object, "spec");
}

static int64_t status_int(const struct row *r, const char *field)
{
	return val_int(val_get(val_get(r->object, "status"), field), 0);
}

/* containers, images, selector */
static void cells_wide(struct row *r)
{
	cell_containers(r, val_path(r->object, "spec.template.spec"));
	cell_selector(r, val_path(r->object, "spec.selector"));
}

static void deployment_row(struct row *r)
{
	cell_name(r);
	cell_strf(r, "%lld/%lld", (long long)status_int(r, "readyReplicas"),
	          (long long)val_int(val_get(spec_of(r), "replicas"), 0));
	cell_int(r, status_int(r, "updatedReplicas"));
	cell_int(r, status_int(r, "availableReplicas"));
	cell_created_age(r);
	cells_wide(r);
}

static const struct column deployment_columns[] = {
	COLUMN_NAME,
	{ "Ready" },
	{ "Up-to-date" },
	{ "Available" },
	{ "Age" },
	{ "Containers", .priority = 1 },
	{ "Images", .priority = 1 },
	{ "Selector", .priority = 1 },
};

static void replicaset_cells(struct row *r)
{
	cell_name(r);
	cell_int(r, val_int(val_get(spec_of(r), "replicas"), 0));
	cell_int(r, status_int(r, "replicas"));
	cell_int(r, status_int(r, "readyReplicas"));
	cell_created_age(r);
}

static void replicaset_row(struct row *r)
{
	replicaset_cells(r);
	cells_wide(r);
}

static void controller_row(struct row *r)
{
	replicaset_cells(r);
	cell_containers(r, val_path(r->object, "spec.template.spec"));
	cell_labels(r, val_path(r->object, "spec.selector"));
}

static const struct column replicaset_columns[] = {
	COLUMN_NAME,
	{ "Desired", .type = "integer" },
	{ "Current", .type = "integer" },
	{ "Ready", .type = "integer" },
	{ "Age" },
	{ "Containers", .priority = 1 },
	{ "Images", .priority = 1 },
	{ "Selector", .priority = 1 },
};

static void statefulset_row(struct row *r)
{
	cell_name(r);
	cell_strf(r, "%lld/%lld", (long long)status_int(r, "readyReplicas"),
	          (long long)val_int(val_get(spec_of(r), "replicas"), 0));
	cell_created_age(r);
	cell_containers(r, val_path(r->object, "spec.template.spec"));
}

static const struct column statefulset_columns[] = {
	COLUMN_NAME,
	{ "Ready" },
	{ "Age" },
	{ "Containers", .priority = 1 },
	{ "Images", .priority = 1 },
};

static void daemonset_row(struct row *r)
{
	cell_name(r);
	cell_int(r, status_int(r, "desiredNumberScheduled"));
	cell_int(r, status_int(r, "currentNumberScheduled"));
	cell_int(r, status_int(r, "numberReady"));
	cell_int(r, status_int(r, "updatedNumberScheduled"));
	cell_int(r, status_int(r, "numberAvailable"));
	cell_labels(r, val_path(r->object, "spec.template.spec.nodeSelector"));
	cell_created_age(r);
	cells_wide(r);
}

static const struct column daemonset_columns[] = {
	COLUMN_NAME,
	{ "Desired", .type = "integer" },
	{ "Current", .type = "integer" },
	{ "Ready", .type = "integer" },
	{ "Up-to-date", .type = "integer" },
	{ "Available", .type = "integer" },
	{ "Node Selector" },
	{ "Age" },
	{ "Containers", .priority = 1 },
	{ "Images", .priority = 1 },
	{ "Selector", .priority = 1 },
};

/* ---- jobs ---- */

static const char *job_status(const struct row *r)
{
	static const char *const known[] = { "Complete", "Failed", "Suspended", "FailureTarget",
		                             "SuccessCriteriaMet" };
	const struct val *conditions = val_path(r->object, "status.conditions");
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(known) && !found; i++) {
		if (i == 2 && val_path(r->object, "metadata.deletionTimestamp")) {
			return "Terminating";
		}
		val_for_each (conditions, it) {
			if (slice_is(val_get_str(it, "type"), known[i]) &&
			    slice_is(val_get_str(it, "status"), "True")) {
				found = known[i];
			}
		}
	}
	return found ? found : "Running";
}

static void job_row(struct row *r)
{
	const struct val *completions = val_get(spec_of(r), "completions");
	int64_t parallel = val_int(val_get(spec_of(r), "parallelism"), 0);
	long long done = (long long)status_int(r, "succeeded");
	int64_t begin, end;
	char text[AGE_TEXT_SIZE];

	cell_name(r);
	cell_cstr(r, job_status(r));
	if (!val_is_null(completions)) {
		cell_strf(r, "%lld/%lld", done, (long long)val_int(completions, 0));
	} else if (parallel > 1) {
		cell_strf(r, "%lld/1 of %lld", done, (long long)parallel);
	} else {
		cell_strf(r, "%lld/1", done);
	}
	if (!time_parse(val_str(val_path(r->object, "status.startTime")), &begin)) {
		cell_cstr(r, "");
	} else {
		if (!time_parse(val_str(val_path(r->object, "status.completionTime")), &end)) {
			end = r->now_us;
		}
		cell_cstr(r, age_format(end - begin, text));
	}
	cell_created_age(r);
	cells_wide(r);
}

static const struct column job_columns[] = {
	COLUMN_NAME,
	{ "Status" },
	{ "Completions" },
	{ "Duration" },
	{ "Age" },
	{ "Containers", .priority = 1 },
	{ "Images", .priority = 1 },
	{ "Selector", .priority = 1 },
};

static void cronjob_row(struct row *r)
{
	const struct val *last = val_path(r->object, "status.lastScheduleTime");
	const struct val *job = val_path(r->object, "spec.jobTemplate.spec");

	cell_name(r);
	cell_str(r, val_get_str(spec_of(r), "schedule"));
	cell_str_or(r, val_get_str(spec_of(r), "timeZone"), "<none>");
	cell_bool(r, val_bool(val_get(spec_of(r), "suspend"), false));
	cell_int(r, (int64_t)val_len(val_path(r->object, "status.active")));
	if (val_is_null(last)) {
		cell_cstr(r, "<none>");
	} else {
		cell_age(r, last);
	}
	cell_created_age(r);
	cell_containers(r, val_path(job, "template.spec"));
	cell_selector(r, val_get(job, "selector"));
}

static const struct column cronjob_columns[] = {
	COLUMN_NAME,
	{ "Schedule" },
	{ "Timezone" },
	{ "Suspend", .type = "boolean" },
	{ "Active", .type = "integer" },
	{ "Last Schedule" },
	{ "Age" },
	{ "Containers", .priority = 1 },
	{ "Images", .priority = 1 },
	{ "Selector", .priority = 1 },
};

/* ---- autoscalers ---- */

/* How a metric's type names its part of the spec and status. */
static const struct {
	const char *type, *member;
	bool has_name; /* shown as "cpu: 10%/50%" */
	bool says_avg; /* averages are marked */
} metric_types[] = {
	{ "Resource", "resource", true, false },
	{ "ContainerResource", "containerResource", true, false },
	{ "Pods", "pods", false, false },
	{ "Object", "object", false, true },
	{ "External", "external", false, true },
};

static void amount(struct strbuf *out, const struct val *v)
{
	if (val_is_null(v)) {
		strbuf_adds(out, "<unknown>");
	} else if (v->type == VAL_INT) {
		strbuf_addf(out, "%lld%%", (long long)v->i);
	} else {
		strbuf_add_slice(out, val_str(v));
	}
}

static void metric(struct strbuf *out, const struct val *spec, const struct val *status)
{
	static const char *const targets[] = { "averageValue", "averageUtilization", "value" };
	struct slice type = val_get_str(spec, "type");

	for (size_t i = 0; i < ARRAY_SIZE(metric_types); i++) {
		const struct val *s, *c;

		if (!slice_is(type, metric_types[i].type)) {
			continue;
		}
		s = val_get(spec, metric_types[i].member);
		c = val_get(status, metric_types[i].member);
		if (metric_types[i].has_name) {
			strbuf_addf(out, "%s: ", val_cstr(val_get(s, "name")));
		}
		for (size_t t = 0; t < ARRAY_SIZE(targets); t++) {
			const struct val *want = val_get(val_get(s, "target"), targets[t]);

			if (val_is_null(want)) {
				continue;
			}
			amount(out, val_get(val_get(c, "current"), targets[t]));
			strbuf_addc(out, '/');
			amount(out, want);
			if (t == 0 && metric_types[i].says_avg) {
				strbuf_adds(out, " (avg)");
			}
			return;
		}
		strbuf_adds(out, "<unknown>/<auto>");
		return;
	}
	strbuf_adds(out, "<unknown type>");
}

static void autoscaler_row(struct row *r)
{
	const struct val *target = val_get(spec_of(r), "scaleTargetRef");
	const struct val *least = val_get(spec_of(r), "minReplicas");
	scoped_strbuf struct strbuf text = { 0 };
	struct some targets = { .most = 2 };
	size_t i = 0;

	cell_name(r);
	cell_strf(r, "%s/%s", val_cstr(val_get(target, "kind")), val_cstr(val_get(target, "name")));
	val_for_each (val_get(spec_of(r), "metrics"), it) {
		strbuf_reset(&text);
		metric(&text, it, val_at(val_path(r->object, "status.currentMetrics"), i++));
		if (targets.n < targets.most && targets.n) {
			strbuf_adds(&targets.text, ", ");
		}
		if (targets.n++ < targets.most) {
			strbuf_add_slice(&targets.text, strbuf_slice(&text));
		}
	}
	cell_some(r, &targets, "<none>");
	if (val_is_null(least)) {
		cell_cstr(r, "<unset>");
	} else {
		cell_strf(r, "%lld", (long long)val_int(least, 0));
	}
	cell_int(r, val_int(val_get(spec_of(r), "maxReplicas"), 0));
	cell_int(r, status_int(r, "currentReplicas"));
	cell_created_age(r);
}

static const struct column autoscaler_columns[] = {
	COLUMN_NAME,   { "Reference" }, { "Targets" }, { "MinPods" },
	{ "MaxPods" }, { "Replicas" },  { "Age" },
};

/* ---- budgets, revisions, scales ---- */

static void cell_int_or_string(struct row *r, const struct val *v)
{
	if (val_is_null(v)) {
		cell_cstr(r, "N/A");
	} else if (v->type == VAL_INT) {
		cell_strf(r, "%lld", (long long)v->i);
	} else {
		cell_str(r, val_str(v));
	}
}

static void budget_row(struct row *r)
{
	cell_name(r);
	cell_int_or_string(r, val_get(spec_of(r), "minAvailable"));
	cell_int_or_string(r, val_get(spec_of(r), "maxUnavailable"));
	cell_int(r, status_int(r, "disruptionsAllowed"));
	cell_created_age(r);
}

static const struct column budget_columns[] = {
	COLUMN_NAME,
	{ "Min Available" },
	{ "Max Unavailable" },
	{ "Allowed Disruptions", .type = "integer" },
	{ "Age" },
};

static void revision_row(struct row *r)
{
	const struct val *owner = NULL;

	val_for_each (val_path(r->object, "metadata.ownerReferences"), it) {
		if (val_bool(val_get(it, "controller"), false)) {
			owner = it;
		}
	}
	cell_name(r);
	if (owner) {
		struct slice api = val_get_str(owner, "apiVersion");
		ptrdiff_t slash = slice_find(api, '/');

		cell_strf(r, "%s%s" SLICE_FMT "/%s", val_cstr(val_get(owner, "kind")),
		          slash > 0 ? "." : "",
		          SLICE_ARG(slice_head(api, slash > 0 ? (size_t)slash : 0)),
		          val_cstr(val_get(owner, "name")));
	} else {
		cell_cstr(r, "<none>");
	}
	cell_int(r, val_int(val_get(r->object, "revision"), 0));
	cell_created_age(r);
}

static const struct column revision_columns[] = {
	COLUMN_NAME,
	{ "Controller" },
	{ "Revision" },
	{ "Age" },
};

static void scale_row(struct row *r)
{
	cell_name(r);
	cell_int(r, val_int(val_get(spec_of(r), "replicas"), 0));
	cell_int(r, status_int(r, "replicas"));
	cell_created_age(r);
}

static const struct column scale_columns[] = {
	COLUMN_NAME,
	{ "Desired", .type = "integer" },
	{ "Available", .type = "integer" },
	{ "Age" },
};

const struct table table_workloads[] = {
	TABLE("apps", "Deployment", deployment_columns, deployment_row),
	TABLE("apps", "ReplicaSet", replicaset_columns, replicaset_row),
	TABLE("", "ReplicationController", replicaset_columns, controller_row),
	TABLE("apps", "StatefulSet", statefulset_columns, statefulset_row),
	TABLE("apps", "DaemonSet", daemonset_columns, daemonset_row),
	TABLE("batch", "Job", job_columns, job_row),
	TABLE("batch", "CronJob", cronjob_columns, cronjob_row),
	TABLE("autoscaling", "HorizontalPodAutoscaler", autoscaler_columns, autoscaler_row),
	TABLE("policy", "PodDisruptionBudget", budget_columns, budget_row),
	TABLE("apps", "ControllerRevision", revision_columns, revision_row),
	TABLE("autoscaling", "Scale", scale_columns, scale_row),
	{ 0 },
};
