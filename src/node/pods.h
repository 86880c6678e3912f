/* What: the pods of this node, for those who look at them: logs, exec, attach, port-forward, stats.
 *
 * Ownership: everything returned is borrowed until the loop turns. */
#pragma once

#include "base/ip.h"
#include "codec/value.h"
#include "node/runtime.h"

struct pods;

struct pod_view {
	const struct doc *doc; /* as last seen from the API server */
	struct slice ns, name, uid;
	struct ip ip;           /* family 0: none yet */
	const char *netns_path; /* null: the node's own (hostNetwork), or none yet */
	const char *cgroup;     /* "/kennel-N/ROLE/kubepods/.../pod<uid>" */
	const char *dir;        /* H/pods/<uid> */
	const struct pod *pod;  /* for pods_container and pods_each_container */
};

enum pod_container_list { POD_INIT, POD_APP, POD_EPHEMERAL };

struct pod_container_view {
	const struct val *spec; /* of the container, in the pod's document */
	enum pod_container_list list;
	struct runtime_container
		*runtime;     /* null: no container now (waiting, or removed after its end) */
	const char *log_path; /* of the latest run; null: it never ran */
	const char *previous_log_path; /* of the run before; null: none */
	const char *waiting_reason;    /* "ContainerCreating", "CrashLoopBackOff", ...; null: not
	                                  waiting */
	int restarts;
	bool is_ready;
	bool has_started;         /* a container exists, running or ended */
	int64_t started_wall_us;  /* 0: not started */
	int64_t finished_wall_us; /* 0: running or never ran */
};

/* False: no such pod on this node. */
bool pods_find(const struct pods *p, struct slice ns, struct slice name, struct pod_view *ret);
/* name empty: annotation kubectl.kubernetes.io/default-container, else the first. Failure:
 * ERR_NOTFOUND with the kubelet's words ("container x is not valid for pod p"). */
MUST_USE int pods_container(const struct pod_view *v, struct slice name,
                            struct pod_container_view *ret, struct err *err);
typedef bool pods_visit_fn(void *arg, const struct pod_view *v);
void pods_each(const struct pods *p, pods_visit_fn *fn, void *arg);
typedef bool pods_visit_container_fn(void *arg, const struct pod_container_view *c);
void pods_each_container(const struct pod_view *v, pods_visit_container_fn *fn, void *arg);
