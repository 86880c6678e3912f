/* What: where a pod may go and where it would rather go, given who is where already: inter-pod affinity and spreading
 * over topologies. Pure, as fit.h, which knows one node alone. Source: k8s/scheduling (assign-pod-node,
 * topology-spread-constraints) and the defaults of the scheduler's plugins */
#pragma once

#include "control/fit.h"

struct placed { /* a pod that has a node and has not finished */
	const struct val *pod, *node;
};

/* What the scheduler sees; everything borrowed. */
struct placing {
	struct work *w;        /* its arena; its store for labels of namespaces */
	const struct val *pod; /* that is to be placed */
	const struct val *const *nodes;
	size_t n_nodes;
	const struct placed *placed;
	size_t n_placed;
};

/* Required pod affinity and anti-affinity, of the pod and of those that are there: why 'node' will not do, in the
 * scheduler's words; null when it does. */
const char *affinity_refusal(const struct placing *p, const struct val *node);
/* Preferred ones, weighed: more is better. */
int64_t affinity_score(const struct placing *p, const struct val *node);
/* topologySpreadConstraints that say DoNotSchedule. */
const char *spread_refusal(const struct placing *p, const struct val *node);
/* How crowded the node's places are, by constraints that say ScheduleAnyway; without any constraint, by pods of the same
 * owner (by node first, by zone next): less is better. */
int64_t spread_crowd(const struct placing *p, const struct val *node);
