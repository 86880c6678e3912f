/* Why: what workloads must obey beyond the tables. Source: reference 7.2 */
#include "base/mem.h"
#include "schema/check.h"
#include "schema/limits.h"
#include "schema/selector.h"

/* ---- selectors ---- */

void check_label_selector(struct checker *c, const struct val *v)
{
	check_labels(c, "matchLabels", val_get(v, "matchLabels"));
}

void check_label_selector_requirement(struct checker *c, const struct val *v)
{
	static const char *const operators[] = { "In", "NotIn", "Exists", "DoesNotExist" };
	const struct val *op = val_get(v, "operator"), *values = val_get(v, "values");
	size_t i = 0;

	while (i < ARRAY_SIZE(operators) && !slice_is(val_str(op), operators[i])) {
		i++;
	}
	if (i == ARRAY_SIZE(operators)) {
		if (val_str(op).len) {
			bad_value(c, "operator", op, "not a valid selector operator");
		}
	} else if (i < 2 && !val_len(values)) {
		bad_required(c, "values", v,
		             "must be specified when `operator` is 'In' or 'NotIn'");
	} else if (i >= 2 && val_len(values)) {
		bad_forbidden(c, "values", values,
		              "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
	}
}

static bool selects(struct checker *c, const struct val *selector, const struct val *labels)
{
	const struct selector *s;

	return selector_of_object(c->wrong->arena, selector, &s, NULL) == 0 &&
	       selector_matches(s, labels);
}

static void check_selector(struct checker *c, const struct val *v, const char *word)
{
	const struct val *selector = val_get(v, "selector");
	const struct val *labels = val_path(v, "template.metadata.labels");
	struct val none = { .type = VAL_OBJECT };

	if (!selector) {
		return;
	}
	if (!val_len(val_get(selector, "matchLabels")) &&
	    !val_len(val_get(selector, "matchExpressions"))) {
		bad_value(c, "selector", selector, "empty selector is invalid for %s", word);
	} else if (!selects(c, selector, labels)) {
		bad_value(c, "template.metadata.labels", labels ? labels : &none,
		          "`selector` does not match template `labels`");
	}
}

static void check_always(struct checker *c, const struct val *v)
{
	static const char *const always[] = { "Always", NULL };
	const struct val *policy = val_path(v, "template.spec.restartPolicy");

	if (policy && !slice_is(val_str(policy), "Always")) {
		bad_unsupported(c, "template.spec.restartPolicy", policy, always);
	}
	if (val_path(v, "template.spec.activeDeadlineSeconds")) {
		bad_forbidden(
			c, "template.spec.activeDeadlineSeconds",
			val_path(v, "template.spec.activeDeadlineSeconds"),
			sub_path(c, "activeDeadlineSeconds in %s is not Supported", c->kind->kind));
	}
}

void check_workload_spec(struct checker *c, const struct val *v)
{
	/* the server says deployment of replica sets too */
	check_selector(c, v, kind_is(c->kind, "apps", "DaemonSet") ? "daemonset" : "deployment");
	check_always(c, v);
	if (kind_is(c->kind, "apps", "ReplicaSet") && !val_get(v, "template")) {
		bad_required(c, "template", v, NULL);
	}
}

void check_replication_controller_spec(struct checker *c, const struct val *v)
{
	const struct val *selector = val_get(v, "selector");
	const struct val *labels = val_path(v, "template.metadata.labels");

	check_always(c, v);
	if (!val_len(selector)) {
		bad_required(c, "selector", v, NULL);
	}
	if (!val_get(v, "template")) {
		bad_required(c, "template", v, NULL);
		return;
	}
	val_for_each (selector, it) {
		if (!val_eq(val_get_slice(labels, it->key), it)) {
			bad_value(c, "template.metadata.labels", labels,
			          "`selector` does not match template `labels`");
			break;
		}
	}
}

/* ---- deployments ---- */

void check_deployment_spec(struct checker *c, const struct val *v)
{
	const struct val *deadline = val_get(v, "progressDeadlineSeconds");

	check_selector(c, v, "deployment");
	check_always(c, v);
	if (val_int(deadline, 600) < 0) {
		bad_value(c, "progressDeadlineSeconds", deadline,
		          "must be greater than or equal to 0");
	}
	if (deadline && val_int(deadline, 0) <= val_int(val_get(v, "minReadySeconds"), 0)) {
		bad_value(c, "progressDeadlineSeconds", deadline,
		          "must be greater than minReadySeconds");
	}
}

static bool is_over_hundred(const struct val *v, int64_t n)
{
	return v && v->type == VAL_STRING && n > 100;
}

static void check_rolling(struct checker *c, const struct val *rolling)
{
	const struct val *unavailable = val_get(rolling, "maxUnavailable");
	const struct val *surge = val_get(rolling, "maxSurge");
	int64_t n_unavailable = 0, n_surge = 0;

	if (!check_count_or_percent(c, "rollingUpdate.maxUnavailable", unavailable,
	                            &n_unavailable) ||
	    !check_count_or_percent(c, "rollingUpdate.maxSurge", surge, &n_surge)) {
		return;
	}
	if (n_unavailable == 0 && n_surge == 0) {
		bad_value(c, "rollingUpdate.maxUnavailable", unavailable,
		          "may not be 0 when `maxSurge` is 0");
	}
	if (is_over_hundred(unavailable, n_unavailable)) {
		bad_value(c, "rollingUpdate.maxUnavailable", unavailable,
		          "must not be greater than 100%%");
	}
}

void check_deployment_strategy(struct checker *c, const struct val *v)
{
	const struct val *rolling = val_get(v, "rollingUpdate");
	bool is_recreate = slice_is(val_get_str(v, "type"), "Recreate");

	if (is_recreate && rolling) {
		bad_forbidden(c, "rollingUpdate", rolling,
		              "may not be specified when strategy `type` is 'Recreate'");
	} else if (rolling) {
		check_rolling(c, rolling);
	} else if (!is_recreate) {
		bad_required(c, "rollingUpdate", v, "this should be defaulted and never be nil");
	}
}

void check_daemon_set_strategy(struct checker *c, const struct val *v)
{
	const struct val *rolling = val_get(v, "rollingUpdate");

	if (rolling && slice_is(val_get_str(v, "type"), "RollingUpdate")) {
		check_rolling(c, rolling);
	}
}

/* ---- stateful sets ---- */

void check_stateful_set_spec(struct checker *c, const struct val *v)
{
	check_selector(c, v, "statefulset");
	check_always(c, v);
}

static struct val *fixed_part(struct arena *a, const struct val *set)
{
	static const char *const may_change[] = { "replicas",
		                                  "ordinals",
		                                  "template",
		                                  "updateStrategy",
		                                  "revisionHistoryLimit",
		                                  "persistentVolumeClaimRetentionPolicy",
		                                  "minReadySeconds" };
	const struct val *spec = val_get(set, "spec");
	struct val *copy = spec ? val_copy(a, spec) : val_new_object(a);

	for (size_t i = 0; i < ARRAY_SIZE(may_change); i++) {
		val_remove(copy, may_change[i]);
	}
	return copy;
}

void update_stateful_set(struct checker *c, const struct val *v, const struct val *old)
{
	scoped_arena struct arena a = { 0 };

	if (!val_eq(fixed_part(&a, v), fixed_part(&a, old))) {
		bad_forbidden(c, "spec", val_get(v, "spec"),
		              "updates to statefulset spec for fields other than 'replicas', "
		              "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
		              "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
		              "forbidden");
	}
}

/* ---- jobs ---- */

void check_job_spec(struct checker *c, const struct val *v)
{
	const struct val *policy = val_path(v, "template.spec.restartPolicy");

	if (!slice_is(val_str(policy), "OnFailure") && !slice_is(val_str(policy), "Never")) {
		bad_required(c, "template.spec.restartPolicy", policy ? policy : v,
		             "valid values: \"OnFailure\", \"Never\"");
	}
	if (slice_is(val_get_str(v, "completionMode"), "Indexed") && !val_get(v, "completions")) {
		bad_required(c, "completions", v, "when completion mode is Indexed");
	}
	if (val_get(v, "selector") && !val_bool(val_get(v, "manualSelector"), false) && !c->old &&
	    !val_path(c->root, "metadata.uid")) {
		bad_value(c, "selector", val_get(v, "selector"),
		          "`selector` will be auto-generated");
	}
}

void update_job(struct checker *c, const struct val *v, const struct val *old)
{
	static const char *const fixed[] = { "completions", "selector", "template" };

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		const struct val *was = val_get(val_get(old, "spec"), fixed[i]);
		const struct val *now = val_get(val_get(v, "spec"), fixed[i]);

		/* what the server filled in after the birth may come to be */
		if (was && !val_eq(now, was) && val_path(old, "spec.selector")) {
			bad_value(c, sub_path(c, "spec.%s", fixed[i]), now, "field is immutable");
		}
	}
}

static bool is_cron_field(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!is_word && !(c >= '0' && c <= '9') && c != '*' && c != '/' && c != '-' &&
		    c != ',' && c != '?') {
			return false;
		}
	}
	return s.len > 0;
}

static const char *schedule_wrong(struct slice s)
{
	static const char *const macros[] = { "@yearly", "@annually", "@monthly", "@weekly",
		                              "@daily",  "@midnight", "@hourly" };
	struct slice rest = slice_trim(s), field;
	size_t n = 0;

	if (slice_has_prefix(s, SLICE("@every "))) {
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(macros); i++) {
		if (slice_is(s, macros[i])) {
			return NULL;
		}
	}
	if (slice_has_prefix(s, SLICE("@"))) {
		return "unrecognized descriptor";
	}
	if (slice_has_prefix(s, SLICE("TZ=")) || slice_has_prefix(s, SLICE("CRON_TZ="))) {
		return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
	}
	while (slice_next(&rest, ' ', &field)) {
		if (!field.len) {
			continue;
		}
		if (!is_cron_field(field)) {
			return "failed to parse a field of the schedule";
		}
		n++;
	}
	return n == 5 ? NULL : "expected exactly 5 fields";
}

void check_cron_job_spec(struct checker *c, const struct val *v)
{
	const struct val *schedule = val_get(v, "schedule");
	const char *words = val_str(schedule).len ? schedule_wrong(val_str(schedule)) : NULL;
	const struct val *name = val_path(c->root, "metadata.name");

	if (words) {
		bad_value(c, "schedule", schedule, "%s", words);
	}
	if (val_str(name).len > CRONJOB_NAME_MAX) {
		field_errors_add(c->wrong, name, "FieldValueInvalid", "metadata.name",
		                 "Invalid value: \"%s\": must be no more than %d characters",
		                 val_cstr(name), CRONJOB_NAME_MAX);
	}
}

/* ---- autoscaling ---- */

void check_autoscaler_spec(struct checker *c, const struct val *v)
{
	const struct val *min = val_get(v, "minReplicas"), *max = val_get(v, "maxReplicas");
	int64_t least = val_int(min, 1), most = val_int(max, 0);

	if (least < 1) {
		bad_value(c, "minReplicas", min, "must be greater than or equal to 1");
	}
	if (most < 1) {
		bad_int(c, "maxReplicas", max ? max : v, most, "must be greater than 0");
	} else if (most < least) {
		bad_value(c, "maxReplicas", max, "must be greater than or equal to `minReplicas`");
	}
}

void check_scaling_rules(struct checker *c, const struct val *v)
{
	const struct val *policies = val_get(v, "policies");

	if (policies && !val_len(policies)) {
		bad_required(c, "policies", v, "must specify at least one Policy");
	}
}

void check_metric_spec(struct checker *c, const struct val *v)
{
	static const struct {
		const char *type, *member;
	} sources[] = {
		{ "Object", "object" },
		{ "Pods", "pods" },
		{ "Resource", "resource" },
		{ "External", "external" },
		{ "ContainerResource", "containerResource" },
	};
	struct slice type = val_get_str(v, "type");

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		bool is_type = slice_is(type, sources[i].type);
		bool is_there = !val_is_null(val_get(v, sources[i].member));

		if (is_type && !is_there) {
			bad_required(c, sources[i].member, v,
			             "must populate information for the given metric source");
		} else if (!is_type && is_there && type.len) {
			bad_forbidden(c, sources[i].member, v,
			              "must populate the given metric source only");
		}
	}
}

void check_metric_target(struct checker *c, const struct val *v)
{
	const struct val *utilization = val_get(v, "averageUtilization");
	struct slice type = val_get_str(v, "type");

	if (utilization && val_int(utilization, 0) < 1) {
		bad_value(c, "averageUtilization", utilization, "must be greater than 0");
	}
	if (slice_is(type, "Utilization") && !utilization) {
		bad_required(c, "averageUtilization", v,
		             "must set either a target raw value or a target utilization");
	} else if (slice_is(type, "AverageValue") && !val_get(v, "averageValue")) {
		bad_required(c, "averageValue", v, "must specify a positive target averageValue");
	} else if (slice_is(type, "Value") && !val_get(v, "value") && !val_get(v, "averageValue")) {
		bad_required(c, "value", v,
		             "must set either a target value for metric or a per-pod target");
	}
}

void check_budget_spec(struct checker *c, const struct val *v)
{
	const struct val *min = val_get(v, "minAvailable"), *max = val_get(v, "maxUnavailable");

	if (min && max) {
		bad_value(c, "", v, "minAvailable and maxUnavailable cannot be both set");
	}
	check_count_or_percent(c, "minAvailable", min, NULL);
	check_count_or_percent(c, "maxUnavailable", max, NULL);
}
