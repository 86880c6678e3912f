/* Why: `up` ends when the application is up, and says what it waits for; see readiness.h. */
#include "cli/readiness.h"

#include "base/clock.h"

static bool deployment(const struct val *d, struct strbuf *missing)
{
	const struct val *status = val_get(d, "status");
	int64_t want = val_int(val_path(d, "spec.replicas"), 1),
		available = val_int(val_get(status, "availableReplicas"), 0),
		updated = val_int(val_get(status, "updatedReplicas"), 0);

	if (val_int(val_get(status, "observedGeneration"), 0) <
	    val_int(val_path(d, "metadata.generation"), 0)) {
		strbuf_adds(missing, "not yet seen by its controller");
		return false;
	}
	if (available < want || updated < want) {
		strbuf_addf(missing, "%lld of %lld available", (long long)available,
		            (long long)want);
		return false;
	}
	return true;
}

static bool replicas_ready(const struct val *s, struct strbuf *missing)
{
	int64_t want = val_int(val_path(s, "spec.replicas"), 1),
		ready = val_int(val_path(s, "status.readyReplicas"), 0);

	if (ready < want) {
		strbuf_addf(missing, "%lld of %lld ready", (long long)ready, (long long)want);
	}
	return ready >= want;
}

static bool says_available(const struct val *object, const char *field, struct strbuf *missing)
{
	struct slice state = val_get_str(val_get(object, "status"), field);

	if (slice_is(state, "available")) {
		return true;
	}
	strbuf_add_slice(missing, state.len ? state : SLICE("not yet started"));
	return false;
}

static bool balancer(const struct val *service, struct strbuf *missing)
{
	/* A guest comes when its port of the host is free; see docs/services.md. */
	if (!slice_is(val_str(val_path(service, "spec.type")), "LoadBalancer") ||
	    slice_is(val_get_str(val_path(service, "metadata.annotations"),
	                         "kennel.dev/load-balancer-guest"),
	             "true") ||
	    val_len(val_path(service, "status.loadBalancer.ingress"))) {
		return true;
	}
	strbuf_adds(missing, "no address yet");
	return false;
}

bool readiness_is_stale(const struct val *pod, int64_t since_wall_us)
{
	int64_t since_s = since_wall_us / US_PER_S, at_us;
	bool is_ready = false;

	val_for_each (val_path(pod, "status.conditions"), it) {
		is_ready = is_ready || (slice_is(val_get_str(it, "type"), "Ready") &&
		                        slice_is(val_get_str(it, "status"), "True"));
	}
	if (!is_ready) {
		return false;
	}
	val_for_each (val_path(pod, "status.containerStatuses"), it) {
		if (time_parse(val_str(val_path(it, "state.running.startedAt")), &at_us) &&
		    at_us / US_PER_S < since_s) {
			return true;
		}
	}
	return false;
}

bool readiness_is_refused(const struct val *event_list, int64_t since_wall_us, struct strbuf *out)
{
	int64_t since_s = since_wall_us / US_PER_S, at_us;

	val_for_each (val_get(event_list, "items"), it) {
		if (slice_is(val_get_str(it, "reason"), "SyncLoadBalancerFailed") &&
		    time_parse(val_get_str(it, "lastTimestamp"), &at_us) &&
		    at_us / US_PER_S >= since_s) {
			strbuf_add_slice(out, val_get_str(it, "message"));
			return true;
		}
	}
	return false;
}

bool readiness_of(const struct val *object, struct strbuf *missing)
{
	struct slice kind = val_get_str(object, "kind");

	if (slice_is(kind, "Deployment")) {
		return deployment(object, missing);
	}
	if (slice_is(kind, "StatefulSet") || slice_is(kind, "ReplicaSet")) {
		return replicas_ready(object, missing);
	}
	if (slice_is(kind, "DBInstance")) {
		return says_available(object, "dbInstanceStatus", missing);
	}
	if (slice_is(kind, "CacheCluster")) {
		return says_available(object, "cacheClusterStatus", missing);
	}
	if (slice_is(kind, "Service")) {
		return balancer(object, missing);
	}
	return true;
}

static bool why_of(const struct val *pod, const char *list, struct strbuf *out)
{
	val_for_each (val_get(val_get(pod, "status"), list), c) {
		const struct val *waiting = val_path(c, "state.waiting");
		struct slice reason = val_get_str(waiting, "reason"),
			     message = val_get_str(waiting, "message");

		if (reason.len && !slice_is(reason, "ContainerCreating") &&
		    !slice_is(reason, "PodInitializing")) {
			strbuf_addf(out, "%s: " SLICE_FMT "%s" SLICE_FMT,
			            val_cstr(val_path(pod, "metadata.name")), SLICE_ARG(reason),
			            message.len ? ": " : "", SLICE_ARG(message));
			return true;
		}
	}
	return false;
}

void readiness_why(const struct val *pod_list, struct strbuf *out)
{
	val_for_each (val_get(pod_list, "items"), pod) {
		if (why_of(pod, "initContainerStatuses", out) ||
		    why_of(pod, "containerStatuses", out)) {
			return;
		}
		val_for_each (val_path(pod, "status.conditions"), c) {
			if (slice_is(val_get_str(c, "type"), "PodScheduled") &&
			    slice_is(val_get_str(c, "status"), "False")) {
				strbuf_addf(out, "%s: %s", val_cstr(val_path(pod, "metadata.name")),
				            val_cstr(val_get(c, "message")));
				return;
			}
		}
	}
}
