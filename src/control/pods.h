/* What: facts about pods, and pods made from templates: what ReplicaSets, StatefulSets, DaemonSets,
 * Jobs and endpoints all ask. */
#pragma once

#include "control/edit.h"

bool pod_is_finished(const struct val *pod); /* phase Succeeded or Failed */
/* Counts for its owner: neither finished nor being deleted. */
bool pod_is_active(const struct val *pod);
bool pod_is_ready(const struct val *pod); /* condition Ready is True */
/* Ready for at least min_ready_s. When it is ready but not long enough, *again_us (may be null)
 * gets the time that is missing. */
bool pod_is_available(const struct val *pod, int64_t min_ready_s, int64_t now_us,
                      int64_t *again_us);
/* Since when the pod is ready; 0 when it is not. */
int64_t pod_ready_since_us(const struct val *pod);

/* A pod of a template, owned by 'owner': metadata (generateName "<owner>-" unless name is given),
 * labels, annotations, finalizers, spec. */
struct val *pod_of_template(struct work *w, const struct kind *owner_kind, const struct val *owner,
                            const struct val *template, const char *name);

/* Puts pods into the order in which a scale-down removes them: the first goes first. related: how
 * many pods of the same owner share a node is counted among these. Source: reference 8.11
 * "scale-down order" */
void pods_rank_for_removal(struct work *w, struct docs pods);

/* The pods that an owner controls by its selector: adopts matching orphans, releases those whose
 * labels left. Only pods that are (still) its own are returned, finished ones included. */
struct selector;
MUST_USE int pods_claim(struct work *w, const struct kind *owner_kind, const struct val *owner,
                        const struct selector *selector, struct docs *ret, struct err *err);
/* The same for any kind of dependents (ReplicaSets of a Deployment). */
MUST_USE int docs_claim(struct work *w, const struct kind *kind, const struct kind *owner_kind,
                        const struct val *owner, const struct selector *selector, struct docs *ret,
                        struct err *err);
