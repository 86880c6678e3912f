/* What: the status of a pod out of its document and what is known of its containers. Pure.
 * kubernetes-api.md section 8.1. */
#pragma once

#include "node/container-facts.h"

struct pod_status_input {
	const struct val
		*pod; /* as last seen; its status gives foreign conditions and transition times */
	const struct container_facts *facts; /* init, app, ephemeral, in spec order */
	size_t n;
	const char *host_ips;         /* the primary address first, a second one behind a comma */
	const char *pod_ips;          /* likewise; "": none */
	bool has_sandbox;             /* namespaces and network are up */
	bool is_initialized;          /* the plan's */
	const char *phase;            /* decided for good ("Failed", "Succeeded"); null: computed */
	const char *reason, *message; /* of the pod ("DeadlineExceeded"); null: none */
	int64_t start_us;             /* wall: when the node took it */
	int64_t now_us;               /* wall */
};
/* Sets status.podIP and podIPs (or hostIP and hostIPs) out of a text with commas; nothing when "". */
void pod_status_set_ips(struct arena *a, struct val *status, const char *one, const char *many,
                        const char *ips);
/* The whole status object in a, ready for a merge patch: what ceased to be is null. */
struct val *pod_status_compute(struct arena *a, const struct pod_status_input *in);
/* True when 'status' says nothing that 'old' (the pod's present status) does not say, nulls being
 * absent. */
bool pod_status_is_same(const struct val *old, const struct val *status);
/* What a readiness gate or condition of a pod is: True, or not. */
bool pod_condition_is_true(const struct val *pod, struct slice type);
