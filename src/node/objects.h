/* What: what the node knows of the API's objects: replicas of pods, services and whatever pods
 * refer to; and the difference between "not there" and "not heard of yet".
 *
 * Services, slices, policies of all tiers, namespaces, nodes, managed hosts and pods feed the agent's
 * model as they come and go. */
#pragma once

#include "node/agent.h"

struct objects;

struct objects_events {
	/* A pod of this node came (old null), changed, or went (now null). Not before everything is
	 * synced, except that pods of the first list come in the turn of 'synced'. */
	void (*pod)(void *arg, const struct doc *old, const struct doc *now);
	/* A ConfigMap, Secret or Service came, changed or went; or a question about it was
	 * answered. */
	void (*changed)(void *arg, const char *kind, struct slice ns, struct slice name);
	void (*synced)(void *arg); /* once: every collection has been listed */
	void *arg;
};

struct objects *objects_new(struct agent *a, const struct objects_events *e);
struct objects *objects_free(struct objects *o);
bool objects_are_synced(const struct objects *o);
/* kind: "ConfigMap", "Secret", "Service", "Pod". Null when not here; borrowed until the loop turns.
 */
const struct val *objects_find(const struct objects *o, const char *kind, struct slice ns,
                               struct slice name);
/* For what objects_find does not have: true when the API server has said within the last seconds
 * that there is no such object. Else it is asked, and 'changed' comes with the answer. */
bool objects_is_absent(struct objects *o, const char *kind, struct slice ns, struct slice name);
void objects_each_service(const struct objects *o, struct slice ns,
                          void (*visit)(void *arg, const struct val *service), void *arg);
/* Whether new connections are sent to a pod: an EndpointSlice calls it ready. */
bool objects_is_endpoint(const struct objects *o, struct slice ns, struct slice pod_uid);
/* Pods of this node as the replica has them. */
void objects_each_pod(const struct objects *o, replica_visit_fn *fn, void *arg);
/* An answer to a write of ours. */
void objects_put_pod(struct objects *o, const struct doc *d);
/* True when the pod's volumes or variables name that object. Pure. */
bool object_is_named_by(const struct val *pod, const char *kind, struct slice name);
