/* What: a pod's requests and limits as cgroup numbers, QoS class and OOM score. Pure.
 * kubernetes-api.md section 8.8. */
#pragma once

#include "base/slice.h"
#include "codec/value.h"

enum qos { QOS_GUARANTEED, QOS_BURSTABLE, QOS_BEST_EFFORT };

struct resources {
	int64_t cpu_request_milli; /* 0: none */
	int64_t cpu_limit_milli;   /* 0: none */
	int64_t memory_request_bytes;
	int64_t memory_limit_bytes; /* 0: none */
};

struct resources resources_of_container(const struct val *container);
/* Effective ones of the pod: max of the init containers (with sidecars before them) and the sum of
 * the rest. A limit is 0 unless every container has one. */
struct resources resources_of_pod(const struct val *pod);

enum qos qos_of_pod(const struct val *pod);
const char *qos_name(enum qos q); /* "Guaranteed", ... */
/* capacity: memory of the node. */
int oom_score_adj(enum qos q, const struct val *pod, int64_t memory_request_bytes,
                  int64_t capacity_bytes);

int64_t cpu_shares(int64_t request_milli); /* cgroup v1 cpu.shares, 2 to 262144 */
int64_t cpu_quota_us(int64_t limit_milli); /* per period of 100 ms; 0: no limit */
int64_t cpu_weight(int64_t request_milli); /* cgroup v2 cpu.weight, 1 to 10000 */
