/* What: may this pod run on that node? Pure: objects in, a reason out. Source: reference 8.8, 8.14
 * and k8s/scheduling#taints */
#pragma once

#include "control/edit.h"

/* What a pod asks for or a node has left. */
struct amounts {
	int64_t cpu_milli;
	int64_t memory_bytes;
	int64_t storage_bytes; /* ephemeral-storage */
	int64_t pods;
};

/* Requests of a pod: the larger of its containers together and each init container, plus sidecars
 * and overhead; pods is 1. */
struct amounts fit_requests(const struct val *pod);
/* A node's allocatable amounts. */
struct amounts fit_allocatable(const struct val *node);
void amounts_add(struct amounts *to, struct amounts more);
/* Why a pod does not fit a node with so much in use, in the scheduler's words ("Insufficient cpu",
 * "node(s) had untolerated taint {k: v}"); null when it fits. The text lives in 'a' or is static.
 */
const char *fit_refusal(struct arena *a, const struct val *pod, const struct val *node,
                        struct amounts used);
bool fit_toleration_accepts(const struct val *toleration, const struct val *taint);
/* Does any toleration of the pod accept the taint? */
bool fit_tolerates(const struct val *pod, const struct val *taint);
/* Weight of the preferred node affinity that the node has: more is better. */
int64_t fit_preference(const struct val *pod, const struct val *node);
/* nodeSelector and required node affinity alone. */
bool fit_selects_node(const struct val *pod, const struct val *node);
