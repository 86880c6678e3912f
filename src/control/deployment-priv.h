/* What: one look at a Deployment and its ReplicaSets, shared by the files deployment*.c. */
#pragma once

#include "control/edit.h"

#define ANNOTATION_REVISION "deployment.kubernetes.io/revision"
#define ANNOTATION_HISTORY  "deployment.kubernetes.io/revision-history"
#define ANNOTATION_DESIRED  "deployment.kubernetes.io/desired-replicas"
#define ANNOTATION_MAX      "deployment.kubernetes.io/max-replicas"
#define LABEL_HASH          "pod-template-hash"

struct sets {
	struct val **at; /* copies in the arena, oldest first */
	size_t n;
};

struct rollout {
	struct work *w;
	struct val *d;            /* the Deployment: a copy, kept in step with what is written */
	const struct val *status; /* its status as the look began */
	struct sets sets;         /* all ReplicaSets of the Deployment */
	struct val *fresh;        /* the one with the present template, or null */
	struct sets old;          /* the others */
};

/* ---- figures (deployment-scale.c) ---- */

int64_t deployment_wish(const struct val *d); /* spec.replicas */
bool deployment_is_rolling(const struct val *d);
int64_t deployment_max_surge(const struct val *d);
int64_t deployment_max_unavailable(const struct val *d);
int64_t set_wish(const struct val *set);                     /* spec.replicas */
int64_t set_figure(const struct val *set, const char *name); /* of its status; 0 when absent */
int64_t sets_wish(struct sets sets);
int64_t sets_figure(struct sets sets, const char *name);
/* Sets with pods asked for. */
struct sets sets_active(struct work *w, struct sets sets);
/* How many pods the fresh set may have now. */
int64_t deployment_fresh_wish(const struct rollout *r);

/* ---- moves (deployment-scale.c); each returns 1 when it changed something ---- */

MUST_USE int rollout_scale_set(struct rollout *r, struct val *set, int64_t wish, struct err *err);
MUST_USE int rollout_up(struct rollout *r, struct err *err);   /* the fresh set, within maxSurge */
MUST_USE int rollout_down(struct rollout *r, struct err *err); /* old sets, within maxUnavailable */
MUST_USE int rollout_spread(struct rollout *r,
                            struct err *err); /* a change of size amid a rollout */

/* ---- revisions (deployment-revision.c) ---- */

/* Reads the Deployment's sets and finds the fresh one. */
MUST_USE int rollout_read(struct rollout *r, struct err *err);
/* Gives the fresh set its revision and annotations; makes it when it is missing and 'create' is
 * set. */
MUST_USE int rollout_need_fresh(struct rollout *r, bool create, struct err *err);
/* Removes old empty sets beyond revisionHistoryLimit. */
MUST_USE int rollout_forget_old(struct rollout *r, struct err *err);
/* Desired-replicas and max-replicas annotations of a set; true when they changed. */
bool set_note_sizes(struct work *w, struct val *set, int64_t desired, int64_t max);

/* ---- status (deployment-status.c) ---- */

bool deployment_has_deadline(const struct val *d);
bool deployment_is_complete(const struct rollout *r);
/* Sets condition Progressing unless status and reason stand already. */
bool deployment_set_condition(struct rollout *r, const char *type, const char *status,
                              const char *reason, const char *message);
/* Writes figures and conditions; plans the look at the progress deadline. */
MUST_USE int rollout_write_status(struct rollout *r, bool judge_progress, struct err *err);
