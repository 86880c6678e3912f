/* Why: what a container may use and who dies first under pressure follows from these few formulas.
 */
#include "node/resources.h"

#include "base/mem.h"
#include "schema/quantity.h"

static int64_t amount(const struct val *list, const char *what, bool milli)
{
	struct quantity q;

	if (!quantity_of_val(val_get(list, what), &q)) {
		return 0;
	}
	return milli ? quantity_milli(q) : quantity_value(q);
}

struct resources resources_of_container(const struct val *container)
{
	const struct val *r = val_get(container, "resources");
	const struct val *requests = val_get(r, "requests"), *limits = val_get(r, "limits");
	struct resources ret = {
		.cpu_limit_milli = amount(limits, "cpu", true),
		.memory_limit_bytes = amount(limits, "memory", false),
	};

	ret.cpu_request_milli =
		val_get(requests, "cpu") ? amount(requests, "cpu", true) : ret.cpu_limit_milli;
	ret.memory_request_bytes = val_get(requests, "memory") ? amount(requests, "memory", false)
	                                                       : ret.memory_limit_bytes;
	return ret;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void add(struct resources *to, struct resources r)
{
	to->cpu_request_milli += r.cpu_request_milli;
	to->memory_request_bytes += r.memory_request_bytes;
	to->cpu_limit_milli += r.cpu_limit_milli;
	to->memory_limit_bytes += r.memory_limit_bytes;
}

static void raise_to(struct resources *to, struct resources r)
{
	to->cpu_request_milli = larger(to->cpu_request_milli, r.cpu_request_milli);
	to->memory_request_bytes = larger(to->memory_request_bytes, r.memory_request_bytes);
	to->cpu_limit_milli = larger(to->cpu_limit_milli, r.cpu_limit_milli);
	to->memory_limit_bytes = larger(to->memory_limit_bytes, r.memory_limit_bytes);
}

static bool is_sidecar(const struct val *container)
{
	return slice_is(val_get_str(container, "restartPolicy"), "Always");
}

struct resources resources_of_pod(const struct val *pod)
{
	const struct val *spec = val_get(pod, "spec");
	struct resources sum = { 0 }, sidecars = { 0 }, init = { 0 };
	bool cpu_limited = true, memory_limited = true;

	val_for_each (val_get(spec, "initContainers"), it) {
		struct resources r = resources_of_container(it), with = sidecars;

		add(&with, r);
		raise_to(&init, with);
		if (is_sidecar(it)) {
			add(&sidecars, r);
		}
		cpu_limited = cpu_limited && r.cpu_limit_milli > 0;
		memory_limited = memory_limited && r.memory_limit_bytes > 0;
	}
	sum = sidecars;
	val_for_each (val_get(spec, "containers"), it) {
		struct resources r = resources_of_container(it);

		add(&sum, r);
		cpu_limited = cpu_limited && r.cpu_limit_milli > 0;
		memory_limited = memory_limited && r.memory_limit_bytes > 0;
	}
	raise_to(&sum, init);
	sum.cpu_limit_milli = cpu_limited ? sum.cpu_limit_milli : 0;
	sum.memory_limit_bytes = memory_limited ? sum.memory_limit_bytes : 0;
	return sum;
}

enum qos qos_of_pod(const struct val *pod)
{
	static const char *const LISTS[] = { "initContainers", "containers" };
	bool any = false, guaranteed = true;

	for (size_t i = 0; i < ARRAY_SIZE(LISTS); i++) {
		val_for_each (val_get(val_get(pod, "spec"), LISTS[i]), it) {
			struct resources r = resources_of_container(it);

			any = any || r.cpu_request_milli || r.memory_request_bytes ||
			      r.cpu_limit_milli || r.memory_limit_bytes;
			guaranteed = guaranteed && r.cpu_limit_milli > 0 &&
			             r.memory_limit_bytes > 0 &&
			             r.cpu_limit_milli == r.cpu_request_milli &&
			             r.memory_limit_bytes == r.memory_request_bytes;
		}
	}
	if (!any) {
		return QOS_BEST_EFFORT;
	}
	return guaranteed ? QOS_GUARANTEED : QOS_BURSTABLE;
}

const char *qos_name(enum qos q)
{
	switch (q) {
	case QOS_GUARANTEED:
		return "Guaranteed";
	case QOS_BURSTABLE:
		return "Burstable";
	case QOS_BEST_EFFORT:
		return "BestEffort";
	}
	return "";
}

int oom_score_adj(enum qos q, const struct val *pod, int64_t memory_request_bytes,
                  int64_t capacity_bytes)
{
	int64_t score;

	if (q == QOS_GUARANTEED ||
	    slice_is(val_str(val_path(pod, "spec.priorityClassName")), "system-node-critical")) {
		return -997;
	}
	if (q == QOS_BEST_EFFORT) {
		return 1000;
	}
	score = capacity_bytes > 0
	                ? 1000 - (int64_t)((__int128)1000 * memory_request_bytes / capacity_bytes)
	                : 999;
	return score < 3 ? 3 : score > 999 ? 999 : (int)score;
}

int64_t cpu_shares(int64_t request_milli)
{
	int64_t shares = request_milli * 1024 / 1000;

	return shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
}

int64_t cpu_quota_us(int64_t limit_milli)
{
	if (limit_milli <= 0) {
		return 0;
	}
	return limit_milli * 100 < 1000 ? 1000 : limit_milli * 100;
}

int64_t cpu_weight(int64_t request_milli)
{
	return 1 + (cpu_shares(request_milli) - 2) * 9999 / 262142;
}
