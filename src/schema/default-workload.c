/* Why: defaults of workloads that depend on other fields. */
#include "base/mem.h"
#include "schema/default-priv.h"

void fix_deployment_strategy(struct fixer *f, struct val *v)
{
	struct val *rolling;

	if (slice_is(val_get_str(v, "type"), "RollingUpdate")) {
		rolling = fix_object(f, v, "rollingUpdate");
		fix_str(f, rolling, "maxUnavailable", "25%");
		fix_str(f, rolling, "maxSurge", "25%");
	}
}

void fix_stateful_set_strategy(struct fixer *f, struct val *v)
{
	if (slice_is(val_get_str(v, "type"), "RollingUpdate")) {
		fix_int(f, fix_object(f, v, "rollingUpdate"), "partition", 0);
	}
}

void fix_daemon_set_strategy(struct fixer *f, struct val *v)
{
	struct val *rolling;

	if (slice_is(val_get_str(v, "type"), "RollingUpdate")) {
		rolling = fix_object(f, v, "rollingUpdate");
		fix_int(f, rolling, "maxUnavailable", 1);
		fix_int(f, rolling, "maxSurge", 0);
	}
}

static void labels_from_template(struct fixer *f, struct val *v)
{
	const struct val *labels = val_path(v, "spec.template.metadata.labels");
	struct val *metadata = val_get(v, "metadata");

	if (metadata && metadata->type == VAL_OBJECT && val_len(labels) &&
	    !val_len(val_get(metadata, "labels"))) {
		val_set(f->arena, metadata, "labels", val_copy(f->arena, labels));
	}
}

void fix_replica_set(struct fixer *f, struct val *v)
{
	labels_from_template(f, v);
}

void fix_replication_controller(struct fixer *f, struct val *v)
{
	const struct val *labels = val_path(v, "spec.template.metadata.labels");
	struct val *spec = val_get(v, "spec");

	labels_from_template(f, v);
	if (spec && spec->type == VAL_OBJECT && val_len(labels) &&
	    !val_len(val_get(spec, "selector"))) {
		val_set(f->arena, spec, "selector", val_copy(f->arena, labels));
	}
}

/* ---- jobs ---- */

void fix_job_spec(struct fixer *f, struct val *v)
{
	if (!val_get(v, "completions") && !val_get(v, "parallelism")) {
		fix_int(f, v, "completions", 1);
	}
	fix_int(f, v, "parallelism", 1);
}

/* Pods are told apart by the job's uid, which an object has once it is stored. */
void fix_job(struct fixer *f, struct val *v)
{
	static const char *const prefixes[] = { "batch.kubernetes.io/", "" };
	struct slice uid = val_str(val_path(v, "metadata.uid"));
	struct slice name = val_str(val_path(v, "metadata.name"));
	struct val *spec = val_get(v, "spec"), *labels, *match;

	if (!uid.len || val_bool(val_get(spec, "manualSelector"), false) ||
	    val_get(spec, "selector") || !val_get(spec, "template")) {
		return;
	}
	labels =
		fix_object(f, fix_object(f, fix_object(f, spec, "template"), "metadata"), "labels");
	match = fix_object(f, fix_object(f, spec, "selector"), "matchLabels");
	if (!labels || !match) {
		return;
	}
	val_set_str(f->arena, match, "batch.kubernetes.io/controller-uid", uid);
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		val_set_str(f->arena, labels,
		            arena_printf(f->arena, "%scontroller-uid", prefixes[i]), uid);
		val_set_str(f->arena, labels, arena_printf(f->arena, "%sjob-name", prefixes[i]),
		            name);
	}
}

/* ---- autoscaling ---- */

static void add_policy(struct fixer *f, struct val *policies, const char *type, int value)
{
	struct val *p = val_append(policies, val_new_object(f->arena));

	val_set_cstr(f->arena, p, "type", type);
	val_set_int(f->arena, p, "value", value);
	val_set_int(f->arena, p, "periodSeconds", 15);
}

void fix_autoscaler_behavior(struct fixer *f, struct val *v)
{
	struct val *up = fix_object(f, v, "scaleUp"), *down = fix_object(f, v, "scaleDown");

	fix_int(f, up, "stabilizationWindowSeconds", 0);
	fix_str(f, up, "selectPolicy", "Max");
	fix_str(f, down, "selectPolicy", "Max");
	if (up && !val_get(up, "policies")) {
		struct val *policies = val_need_array(f->arena, up, "policies");

		add_policy(f, policies, "Pods", 4);
		add_policy(f, policies, "Percent", 100);
	}
	if (down && !val_get(down, "policies")) {
		add_policy(f, val_need_array(f->arena, down, "policies"), "Percent", 100);
	}
}

void fix_autoscaler_spec(struct fixer *f, struct val *v)
{
	struct val *metric, *resource, *target;

	if (val_len(val_get(v, "metrics"))) {
		return;
	}
	metric = val_append(val_need_array(f->arena, v, "metrics"), val_new_object(f->arena));
	val_set_cstr(f->arena, metric, "type", "Resource");
	resource = fix_object(f, metric, "resource");
	val_set_cstr(f->arena, resource, "name", "cpu");
	target = fix_object(f, resource, "target");
	val_set_cstr(f->arena, target, "type", "Utilization");
	val_set_int(f->arena, target, "averageUtilization", 80);
}
