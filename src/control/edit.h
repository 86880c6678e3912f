/* What: reading and changing objects as every controller does: metadata, owners, conditions,
 * events. */
#pragma once

#include "control/control-priv.h"

/* ---- metadata ---- */

struct slice meta_name(const struct val *object);
struct slice meta_ns(const struct val *object);
struct slice meta_uid(const struct val *object);
const struct val *meta_labels(const struct val *object);
struct slice meta_annotation(const struct val *object, const char *key);
bool meta_is_deleting(const struct val *object);
bool meta_has_finalizer(const struct val *object, const char *finalizer);
int64_t meta_created_us(const struct val *object); /* 0 when absent */
/* An RFC 3339 time, 0 when absent or none. */
int64_t time_of(const struct val *v);

/* ---- owners ---- */

/* The owner reference with controller true, or null. */
const struct val *meta_controller(const struct val *object);
bool ref_is_kind(const struct val *ref, const struct kind *k);
bool meta_is_controlled_by(const struct val *object, const struct val *owner);
/* A reference to the owner with controller and blockOwnerDeletion set. */
struct val *owner_ref(struct arena *a, const struct kind *k, const struct val *owner);

/* ---- collecting ---- */

/* Objects of a kind in a namespace (all when empty), borrowed until they change. */
struct docs {
	const struct doc **at; /* in the arena */
	size_t n;
};
typedef bool docs_filter_fn(void *arg, const struct val *object);
struct docs work_list(const struct work *w, const struct kind *k, struct slice ns,
                      docs_filter_fn *filter, void *arg);
/* EndpointSlices that name the service by their label. */
struct docs work_slices(const struct work *w, struct slice ns, struct slice service,
                        docs_filter_fn *filter, void *arg);

/* ---- writing ---- */

/* A copy to change, in the arena. */
struct val *work_edit(struct work *w, const struct doc *d);
/* Writes a changed copy; it carries the new revision afterwards. */
MUST_USE int work_save(struct work *w, const struct kind *k, struct val *object, struct err *err);
/* Writes only when the copy differs from what is stored. Returns 1 when it wrote. */
MUST_USE int work_save_changed(struct work *w, const struct kind *k, const struct doc *stored,
                               struct val *object, struct err *err);
/* Admits (defaults, service accounts) and creates. *ret may be null; borrowed. */
MUST_USE int work_create(struct work *w, const struct kind *k, struct val *object,
                         const struct doc **ret, struct err *err);
/* Background deletion of exactly that object; gone already is fine. */
MUST_USE int work_delete(struct work *w, const struct kind *k, const struct val *object,
                         struct err *err);
/* The same for a pod: with its grace period when it runs somewhere, else, or when forced, at once.
 */
MUST_USE int work_delete_pod(struct work *w, const struct val *pod, bool force, struct err *err);
struct val *val_set_time(struct arena *a, struct val *object, const char *key, int64_t wall_us);
/* Sets or, when the map would be empty, leaves alone metadata.annotations[key]. */
void set_annotation(struct arena *a, struct val *object, const char *key, struct slice value);

/* ---- conditions: arrays of {type, status, reason, message, times} ---- */

struct val *condition_find(const struct val *conditions, const char *type);
bool condition_is_true(const struct val *conditions, const char *type);
struct condition {
	const char *type, *status, *reason;
	const char *message;
	bool has_update_time; /* Deployments also have lastUpdateTime */
};
/* Sets it unless status, reason and message stand already; lastTransitionTime moves only with the
 * status. True when something changed. */
bool condition_set(struct work *w, struct val *conditions, const struct condition *c);
bool condition_remove(struct val *conditions, const char *type);

/* ---- events ---- */

/* Records an Event about an object in the controller's name; repeats raise its count. Never fails
 * the caller. type: "Normal" or "Warning". */
void event_say(struct work *w, const struct kind *k, const struct val *object, const char *type,
               const char *reason, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void events_forget(struct control *c);
