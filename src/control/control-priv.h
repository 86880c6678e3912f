/* What: what the files of this room share: the kinds, one look at one key, and how a controller
 * presents itself. */
#pragma once

#include "base/arena.h"
#include "control/control.h"
#include "control/queue.h"

/* The kinds that controllers name; null when the registry does not know one. */
#define CONTROL_KINDS(X)                                                                           \
	X(namespace, "", "v1", "Namespace")                                                        \
	X(node, "", "v1", "Node")                                                                  \
	X(pod, "", "v1", "Pod")                                                                    \
	X(service, "", "v1", "Service")                                                            \
	X(endpoints, "", "v1", "Endpoints")                                                        \
	X(configmap, "", "v1", "ConfigMap")                                                        \
	X(secret, "", "v1", "Secret")                                                              \
	X(serviceaccount, "", "v1", "ServiceAccount")                                              \
	X(event, "", "v1", "Event")                                                                \
	X(deployment, "apps", "v1", "Deployment")                                                  \
	X(replicaset, "apps", "v1", "ReplicaSet")                                                  \
	X(statefulset, "apps", "v1", "StatefulSet")                                                \
	X(daemonset, "apps", "v1", "DaemonSet")                                                    \
	X(revision, "apps", "v1", "ControllerRevision")                                            \
	X(job, "batch", "v1", "Job")                                                               \
	X(endpointslice, "discovery.k8s.io", "v1", "EndpointSlice")                                \
	X(ingress, "networking.k8s.io", "v1", "Ingress")                                           \
	X(lease, "coordination.k8s.io", "v1", "Lease")                                             \
	X(fieldexport, "services.k8s.aws", "v1alpha1", "FieldExport")                              \
	X(database, "rds.services.k8s.aws", "v1alpha1", "DBInstance")                              \
	X(cache, "elasticache.services.k8s.aws", "v1alpha1", "CacheCluster")                       \
	X(adminpolicy, "policy.networking.k8s.io", "v1alpha1", "AdminNetworkPolicy")               \
	X(clusterpolicy, "policy.networking.k8s.io", "v1alpha2", "ClusterNetworkPolicy")

struct kinds {
#define X(name, group, version, kind_name) const struct kind *name;
	CONTROL_KINDS(X)
#undef X
};

struct controller;

struct control {
	struct loop *loop;            /* given; borrowed */
	struct store *store;          /* given; borrowed */
	struct control_config config; /* texts are owned copies */
	struct kinds kinds;
	struct controller *controllers; /* owned array */
	size_t n;
	struct store_watch *watch; /* owned */
	struct map event_names;    /* recorder: what was said, to the Event's key; owned */
};

/* One look at one key. */
struct work {
	struct controller *controller;
	struct control *control;
	struct store *store;
	const struct kinds *kinds;
	struct arena *arena; /* reset after the look */
	int64_t now_us;      /* wall clock */
	int64_t again_us;    /* result: look again after this time; 0: when something changes */
};

/* What a controller is. 'seen' is called for every object at the start (as ADDED) and for every
 * change after; it only adds keys. 'step' looks at a key. */
struct controller_type {
	const char *name; /* "deployment-controller": the source of its events */
	bool (*can_run)(const struct control *c); /* null: always */
	void (*start)(struct controller *c);      /* null: nothing to prepare */
	void (*stop)(struct controller *c);
	void (*seen)(struct controller *c, const struct store_event *e);
	int (*step)(struct work *w, struct slice key, struct err *err);
};

struct controller {
	const struct controller_type *type;
	struct control *control;
	struct queue queue;
	void *state; /* of the controller; owned by it */
};

/* For controllers whose state is a struct map of what they remember by uid, each allocated by itself. */
void memory_start(struct controller *c);
void memory_stop(struct controller *c);

extern const struct controller_type control_namespace, control_serviceaccount, control_replicaset,
	control_deployment, control_endpoints, control_endpointslice, control_mirror,
	control_scheduler, control_podgc, control_garbage, control_node, control_event_expiry,
	control_certificate, control_fieldexport, control_clusterpolicy, control_eviction,
	control_cloud, control_daemonset;

/* ---- keys: "namespace/name"; "/name" for cluster scope ---- */

void controller_add(struct controller *c, struct slice ns, struct slice name);
/* The key of the object itself. */
void controller_add_object(struct controller *c, const struct val *object);
/* The key of the object's controlling owner, when it is of that kind. */
void controller_add_owner(struct controller *c, const struct val *object, const struct kind *owner);
/* The object of a kind that a key names, or null. Borrowed until it changes. */
const struct doc *work_get(const struct work *w, const struct kind *k, struct slice key);
const struct doc *work_find(const struct work *w, const struct kind *k, struct slice ns,
                            struct slice name);
/* Look again after that time, or earlier when already planned earlier. */
void work_again(struct work *w, int64_t delay_us);
