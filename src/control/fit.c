/* Why: the scheduler's question, and the DaemonSet's, in one pure place. See fit.h. */
#include "control/fit.h"

#include "base/mem.h"
#include "schema/quantity.h"

/* ---- amounts ---- */

static int64_t amount(const struct val *list, const char *name, bool milli)
{
	struct quantity q;

	if (!quantity_of_val(val_get(list, name), &q)) {
		return 0;
	}
	return milli ? quantity_milli(q) : quantity_value(q);
}

static struct amounts amounts_of(const struct val *list)
{
	return (struct amounts){
		.cpu_milli = amount(list, "cpu", true),
		.memory_bytes = amount(list, "memory", false),
		.storage_bytes = amount(list, "ephemeral-storage", false),
		.pods = amount(list, "pods", false),
	};
}

void amounts_add(struct amounts *to, struct amounts more)
{
	to->cpu_milli += more.cpu_milli;
	to->memory_bytes += more.memory_bytes;
	to->storage_bytes += more.storage_bytes;
	to->pods += more.pods;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void amounts_raise(struct amounts *to, struct amounts other)
{
	to->cpu_milli = max64(to->cpu_milli, other.cpu_milli);
	to->memory_bytes = max64(to->memory_bytes, other.memory_bytes);
	to->storage_bytes = max64(to->storage_bytes, other.storage_bytes);
}

struct amounts fit_requests(const struct val *pod)
{
	struct amounts all = { 0 }, sidecars = { 0 }, init = { 0 };
	const struct val *spec = val_get(pod, "spec");

	val_for_each (val_get(spec, "containers"), it) {
		amounts_add(&all, amounts_of(val_path(it, "resources.requests")));
	}
	val_for_each (val_get(spec, "initContainers"), it) {
		struct amounts one = amounts_of(val_path(it, "resources.requests"));

		if (slice_is(val_get_str(it, "restartPolicy"), "Always")) {
			amounts_add(&sidecars, one);
			amounts_raise(&init, sidecars);
		} else {
			/* runs beside the sidecars that started before it */
			amounts_add(&one, sidecars);
			amounts_raise(&init, one);
		}
	}
	amounts_add(&all, sidecars);
	amounts_raise(&all, init);
	amounts_add(&all, amounts_of(val_get(spec, "overhead")));
	all.pods = 1;
	return all;
}

struct amounts fit_allocatable(const struct val *node)
{
	return amounts_of(val_path(node, "status.allocatable"));
}

/* ---- taints ---- */

bool fit_toleration_accepts(const struct val *t, const struct val *taint)
{
	struct slice effect = val_get_str(t, "effect"), key = val_get_str(t, "key");

	if (effect.len && !slice_eq(effect, val_get_str(taint, "effect"))) {
		return false;
	}
	if (key.len && !slice_eq(key, val_get_str(taint, "key"))) {
		return false;
	}
	if (slice_is(val_get_str(t, "operator"), "Exists")) {
		return true;
	}
	return key.len && slice_eq(val_get_str(t, "value"), val_get_str(taint, "value"));
}

bool fit_tolerates(const struct val *pod, const struct val *taint)
{
	val_for_each (val_path(pod, "spec.tolerations"), it) {
		if (fit_toleration_accepts(it, taint)) {
			return true;
		}
	}
	return false;
}

static const struct val *repelling_taint(const struct val *pod, const struct val *node)
{
	val_for_each (val_path(node, "spec.taints"), it) {
		struct slice effect = val_get_str(it, "effect");

		if ((slice_is(effect, "NoSchedule") || slice_is(effect, "NoExecute")) &&
		    !fit_tolerates(pod, it)) {
			return it;
		}
	}
	return NULL;
}

/* ---- selectors ---- */

static bool expression_holds(const struct val *e, struct slice value, bool present)
{
	struct slice op = val_get_str(e, "operator");
	const struct val *values = val_get(e, "values");
	int64_t have, want;
	bool found = false;

	val_for_each (values, it) {
		found |= present && slice_eq(val_str(it), value);
	}
	if (slice_is(op, "In")) {
		return found;
	}
	if (slice_is(op, "NotIn")) {
		return !found;
	}
	if (slice_is(op, "Exists")) {
		return present;
	}
	if (slice_is(op, "DoesNotExist")) {
		return !present;
	}
	if (!present || !slice_to_i64(value, &have) ||
	    !slice_to_i64(val_str(val_at(values, 0)), &want)) {
		return false;
	}
	return slice_is(op, "Gt") ? have > want : slice_is(op, "Lt") && have < want;
}

static bool term_holds(const struct val *term, const struct val *node)
{
	const struct val *labels = meta_labels(node);

	if (!val_len(val_get(term, "matchExpressions")) && !val_len(val_get(term, "matchFields"))) {
		return false; /* an empty term matches nothing */
	}
	val_for_each (val_get(term, "matchExpressions"), it) {
		const struct val *v = val_get_slice(labels, val_get_str(it, "key"));

		if (!expression_holds(it, val_str(v), v != NULL)) {
			return false;
		}
	}
	val_for_each (val_get(term, "matchFields"), it) {
		bool is_name = slice_is(val_get_str(it, "key"), "metadata.name");

		if (!expression_holds(it, meta_name(node), is_name)) {
			return false;
		}
	}
	return true;
}

bool fit_selects_node(const struct val *pod, const struct val *node)
{
	const struct val *terms = val_path(
		pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
		     "nodeSelectorTerms");
	bool any = !val_len(terms);

	val_for_each (val_path(pod, "spec.nodeSelector"), it) {
		if (!val_eq(val_get_slice(meta_labels(node), it->key), it)) {
			return false;
		}
	}
	val_for_each (terms, it) {
		any |= term_holds(it, node);
	}
	return any;
}

int64_t fit_preference(const struct val *pod, const struct val *node)
{
	int64_t sum = 0;

	val_for_each (val_path(pod, "spec.affinity.nodeAffinity."
	                            "preferredDuringSchedulingIgnoredDuringExecution"),
	              it) {
		if (term_holds(val_get(it, "preference"), node)) {
			sum += val_int(val_get(it, "weight"), 0);
		}
	}
	return sum;
}

/* ---- all together ---- */

const char *fit_refusal(struct arena *a, const struct val *pod, const struct val *node,
                        struct amounts used)
{
	struct amounts want = fit_requests(pod), have = fit_allocatable(node);
	const struct val *taint = repelling_taint(pod, node);

	if (val_bool(val_path(node, "spec.unschedulable"), false)) {
		const struct val *cordon = NULL;

		val_for_each (val_path(node, "spec.taints"), it) {
			if (slice_is(val_get_str(it, "key"), "node.kubernetes.io/unschedulable")) {
				cordon = it;
			}
		}
		if (!cordon || !fit_tolerates(pod, cordon)) {
			return "node(s) were unschedulable";
		}
	}
	if (taint) {
		return arena_printf(a,
		                    "node(s) had untolerated taint {" SLICE_FMT ": " SLICE_FMT "}",
		                    SLICE_ARG(val_get_str(taint, "key")),
		                    SLICE_ARG(val_get_str(taint, "value")));
	}
	if (!fit_selects_node(pod, node)) {
		return "node(s) didn't match Pod's node affinity/selector";
	}
	if (have.pods && used.pods + want.pods > have.pods) {
		return "Too many pods";
	}
	if (want.cpu_milli && used.cpu_milli + want.cpu_milli > have.cpu_milli) {
		return "Insufficient cpu";
	}
	if (want.memory_bytes && used.memory_bytes + want.memory_bytes > have.memory_bytes) {
		return "Insufficient memory";
	}
	if (want.storage_bytes && used.storage_bytes + want.storage_bytes > have.storage_bytes) {
		return "Insufficient ephemeral-storage";
	}
	return NULL;
}
