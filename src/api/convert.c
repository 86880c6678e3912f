/* Why: autoscaling has two versions and events live in two groups, each stored once. See convert.h.
 * Source: reference 6.2, 8.13 */
#include "api/convert.h"

#include "base/mem.h"
#include "codec/json.h"

/* ---- events ---- */

static const struct {
	const char *core, *newer;
} event_names[] = {
	{ "involvedObject", "regarding" },
	{ "message", "note" },
	{ "reportingComponent", "reportingController" },
	{ "source", "deprecatedSource" },
	{ "firstTimestamp", "deprecatedFirstTimestamp" },
	{ "lastTimestamp", "deprecatedLastTimestamp" },
	{ "count", "deprecatedCount" },
};

static const char *event_name(struct slice key, bool to_newer)
{
	for (size_t i = 0; i < ARRAY_SIZE(event_names); i++) {
		const char *from = to_newer ? event_names[i].core : event_names[i].newer;

		if (slice_is(key, from)) {
			return to_newer ? event_names[i].newer : event_names[i].core;
		}
	}
	return NULL;
}

static struct val *convert_event(struct arena *a, const struct val *object, bool to_newer)
{
	struct val *v = val_new_object(a);

	val_for_each (object, it) {
		const char *name = event_name(it->key, to_newer);

		val_set_slice(a, v, name ? slice_of(name) : it->key, val_copy(a, it));
	}
	return v;
}

/* ---- autoscaling ---- */

#define METRICS_ANNOTATION  "autoscaling.alpha.kubernetes.io/metrics"
#define BEHAVIOR_ANNOTATION "autoscaling.alpha.kubernetes.io/behavior"

static bool is_cpu_share(const struct val *metric)
{
	return slice_is(val_get_str(metric, "type"), "Resource") &&
	       slice_is(val_str(val_path(metric, "resource.name")), "cpu") &&
	       slice_is(val_str(val_path(metric, "resource.target.type")), "Utilization");
}

static struct val *cpu_share(struct arena *a, int64_t percent)
{
	struct val *metric = val_new_object(a), *resource, *target;

	val_set_cstr(a, metric, "type", "Resource");
	resource = val_need_object(a, metric, "resource");
	val_set_cstr(a, resource, "name", "cpu");
	target = val_need_object(a, resource, "target");
	val_set_cstr(a, target, "type", "Utilization");
	val_set_int(a, target, "averageUtilization", percent);
	return metric;
}

static void annotate(struct arena *a, struct val *object, const char *key, const struct val *v)
{
	struct val *m = val_need_object(a, val_need_object(a, object, "metadata"), "annotations");
	scoped_strbuf struct strbuf text = { 0 };

	json_write(&text, v);
	val_set_str(a, m, key, strbuf_slice(&text));
}

/* What an annotation kept, taken out of it; null when there is none that can be read. */
static struct val *take_annotation(struct arena *a, struct val *object, const char *key)
{
	struct val *m = val_path(object, "metadata.annotations"), *kept = val_get(m, key);
	struct val *v = NULL;

	if (!kept || json_parse(a, val_str(kept), 0, &v, NULL) < 0) {
		return NULL;
	}
	val_remove(m, key);
	if (!val_len(m)) {
		val_remove(val_get(object, "metadata"), "annotations");
	}
	return v;
}

static void metrics_to_v1(struct arena *a, struct val *object, struct val *spec)
{
	struct val *others = val_new_array(a);
	bool has_cpu = false;

	val_for_each (val_get(spec, "metrics"), it) {
		if (!has_cpu && is_cpu_share(it)) {
			has_cpu = true;
			val_set_int(a, spec, "targetCPUUtilizationPercentage",
			            val_int(val_path(it, "resource.target.averageUtilization"), 0));
		} else {
			val_append(others, val_copy(a, it));
		}
	}
	if (val_len(others)) {
		annotate(a, object, METRICS_ANNOTATION, others);
	}
	if (val_get(spec, "behavior")) {
		annotate(a, object, BEHAVIOR_ANNOTATION, val_get(spec, "behavior"));
	}
	val_remove(spec, "metrics");
	val_remove(spec, "behavior");
}

static void status_to_v1(struct arena *a, struct val *status)
{
	val_for_each (val_get(status, "currentMetrics"), it) {
		const struct val *share = val_path(it, "resource.current.averageUtilization");

		if (share && slice_is(val_str(val_path(it, "resource.name")), "cpu")) {
			val_set_int(a, status, "currentCPUUtilizationPercentage",
			            val_int(share, 0));
		}
	}
	val_remove(status, "currentMetrics");
	val_remove(status, "conditions");
}

static void metrics_to_v2(struct arena *a, struct val *object, struct val *spec)
{
	const struct val *target = val_get(spec, "targetCPUUtilizationPercentage");
	struct val *others = take_annotation(a, object, METRICS_ANNOTATION);
	struct val *behavior = take_annotation(a, object, BEHAVIOR_ANNOTATION);

	if (target) {
		val_append(val_need_array(a, spec, "metrics"), cpu_share(a, val_int(target, 80)));
		val_remove(spec, "targetCPUUtilizationPercentage");
	}
	val_for_each (others, it) {
		val_append(val_need_array(a, spec, "metrics"), val_copy(a, it));
	}
	if (behavior) {
		val_set(a, spec, "behavior", behavior);
	}
}

static struct val *convert_autoscaler(struct arena *a, const struct val *object, bool to_v1)
{
	struct val *v = val_copy(a, object);
	struct val *spec = val_get(v, "spec"), *status = val_get(v, "status");

	if (to_v1) {
		metrics_to_v1(a, v, spec);
		status_to_v1(a, status);
	} else {
		metrics_to_v2(a, v, spec);
		val_remove(status, "currentCPUUtilizationPercentage");
	}
	return v;
}

const struct val *convert_object(struct arena *a, const struct kind *from, const struct kind *to,
                                 const struct val *object)
{
	struct val *v;

	if (from == to) {
		return object;
	}
	if (strcmp(from->kind, "Event") == 0 && !from->is_custom) {
		v = convert_event(a, object, *to->group != '\0');
	} else if (strcmp(from->kind, "HorizontalPodAutoscaler") == 0 && !from->is_custom) {
		v = convert_autoscaler(a, object, strcmp(to->version, "v1") == 0);
	} else {
		v = val_copy(a, object); /* versions of a definition differ in name only */
	}
	val_set_cstr(a, v, "apiVersion", kind_api_version(to));
	return v;
}
