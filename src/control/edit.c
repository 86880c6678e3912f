/* Why: the moves on objects that all controllers share, so that each of them reads as its own rules
 * only. */
#include "control/edit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "schema/object.h"

/* ---- metadata ---- */

static const struct val *meta(const struct val *object)
{
	return val_get(object, "metadata");
}

struct slice meta_name(const struct val *object)
{
	return val_get_str(meta(object), "name");
}

struct slice meta_ns(const struct val *object)
{
	return val_get_str(meta(object), "namespace");
}

struct slice meta_uid(const struct val *object)
{
	return val_get_str(meta(object), "uid");
}

const struct val *meta_labels(const struct val *object)
{
	return val_get(meta(object), "labels");
}

struct slice meta_annotation(const struct val *object, const char *key)
{
	return val_get_str(val_get(meta(object), "annotations"), key);
}

bool meta_is_deleting(const struct val *object)
{
	return val_get_str(meta(object), "deletionTimestamp").len > 0;
}

bool meta_has_finalizer(const struct val *object, const char *finalizer)
{
	val_for_each (val_get(meta(object), "finalizers"), it) {
		if (slice_is(val_str(it), finalizer)) {
			return true;
		}
	}
	return false;
}

int64_t time_of(const struct val *v)
{
	int64_t us;

	return time_parse(val_str(v), &us) ? us : 0;
}

int64_t meta_created_us(const struct val *object)
{
	return time_of(val_get(meta(object), "creationTimestamp"));
}

/* ---- owners ---- */

const struct val *meta_controller(const struct val *object)
{
	val_for_each (val_get(meta(object), "ownerReferences"), it) {
		if (val_bool(val_get(it, "controller"), false)) {
			return it;
		}
	}
	return NULL;
}

bool ref_is_kind(const struct val *ref, const struct kind *k)
{
	struct slice api = val_get_str(ref, "apiVersion"), group, version;

	if (!ref || !slice_is(val_get_str(ref, "kind"), k->kind)) {
		return false;
	}
	/* another version of the group is the same kind */
	if (!slice_cut(api, '/', &group, &version)) {
		group = SLICE("");
	}
	return slice_is(group, k->group);
}

bool meta_is_controlled_by(const struct val *object, const struct val *owner)
{
	const struct val *ref = meta_controller(object);

	return ref && slice_eq(val_get_str(ref, "uid"), meta_uid(owner));
}

struct val *owner_ref(struct arena *a, const struct kind *k, const struct val *owner)
{
	struct val *ref = val_new_object(a);

	val_set_cstr(a, ref, "apiVersion", kind_api_version(k));
	val_set_cstr(a, ref, "kind", k->kind);
	val_set_str(a, ref, "name", meta_name(owner));
	val_set_str(a, ref, "uid", meta_uid(owner));
	val_set_bool(a, ref, "controller", true);
	val_set_bool(a, ref, "blockOwnerDeletion", true);
	return ref;
}

/* ---- collecting ---- */

struct collecting {
	struct arena *arena;
	docs_filter_fn *filter;
	void *arg;
	struct docs docs;
	size_t room;
};

static bool collect(void *arg, const struct doc *d)
{
	struct collecting *c = arg;

	if (c->filter && !c->filter(c->arg, d->root)) {
		return true;
	}
	if (c->docs.n == c->room) {
		size_t room = c->room ? c->room * 2 : 16;
		const struct doc **more = ARENA_ARRAY(c->arena, const struct doc *, room);

		if (c->docs.n) {
			memcpy(more, c->docs.at, c->docs.n * sizeof(*more));
		}
		c->docs.at = more;
		c->room = room;
	}
	c->docs.at[c->docs.n++] = d;
	return true;
}

struct docs work_list(const struct work *w, const struct kind *k, struct slice ns,
                      docs_filter_fn *filter, void *arg)
{
	struct collecting c = { .arena = w->arena, .filter = filter, .arg = arg };

	if (k) {
		store_each(w->store, k, ns, collect, &c);
	}
	return c.docs;
}

struct docs work_slices(const struct work *w, struct slice ns, struct slice service,
                        docs_filter_fn *filter, void *arg)
{
	struct collecting c = { .arena = w->arena, .filter = filter, .arg = arg };

	store_each_indexed(w->store, w->kinds->endpointslice, ns, service, collect, &c);
	return c.docs;
}

/* ---- writing ---- */

struct val *work_edit(struct work *w, const struct doc *d)
{
	return val_copy(w->arena, d->root);
}

int work_save(struct work *w, const struct kind *k, struct val *object, struct err *err)
{
	const struct doc *now = NULL;
	int r = store_update(w->store, k, object, &now, err);

	if (r < 0) {
		return r;
	}
	if (now) {
		struct val *m = val_need_object(w->arena, object, "metadata");
		const struct val *fresh = meta(now->root);

		val_set_str(w->arena, m, "resourceVersion", val_get_str(fresh, "resourceVersion"));
		if (val_get(fresh, "generation")) {
			val_set_int(w->arena, m, "generation",
			            val_int(val_get(fresh, "generation"), 0));
		}
	}
	return 0;
}

int work_save_changed(struct work *w, const struct kind *k, const struct doc *stored,
                      struct val *object, struct err *err)
{
	int r;

	if (val_eq(stored->root, object)) {
		return 0;
	}
	r = work_save(w, k, object, err);
	return r < 0 ? r : 1;
}

int work_create(struct work *w, const struct kind *k, struct val *object, const struct doc **ret,
                struct err *err)
{
	const struct control_provider *p = &w->control->config.provider;
	int r;

	val_set_cstr(w->arena, object, "apiVersion", kind_api_version(k));
	val_set_cstr(w->arena, object, "kind", k->kind);
	if (p->admit) {
		r = p->admit(p->arg, k, w->arena, object, err);
		if (r < 0) {
			return r;
		}
	} else {
		object_default(k, w->arena, object);
	}
	return store_create(w->store, k, object, ret, err);
}

static int delete_object(struct work *w, const struct kind *k, const struct val *object,
                         int64_t grace_s, struct err *err)
{
	struct store_delete_opts o = { .uid = meta_uid(object),
		                       .grace_s = grace_s,
		                       .propagation = "Background" };
	struct key key = { k, meta_ns(object), meta_name(object) };
	int r = store_delete(w->store, key, &o, NULL, err);

	return r == -ERR_NOTFOUND ? 0 : r < 0 ? r : 0;
}

int work_delete(struct work *w, const struct kind *k, const struct val *object, struct err *err)
{
	return delete_object(w, k, object, -1, err);
}

int work_delete_pod(struct work *w, const struct val *pod, bool force, struct err *err)
{
	const struct val *spec = val_get(pod, "spec");
	int64_t grace_s = val_int(val_get(spec, "terminationGracePeriodSeconds"), 30);
	struct slice phase = val_str(val_path(pod, "status.phase"));

	if (force || !val_get_str(spec, "nodeName").len || slice_is(phase, "Succeeded") ||
	    slice_is(phase, "Failed")) {
		grace_s = 0;
	}
	return delete_object(w, w->kinds->pod, pod, grace_s, err);
}

struct val *val_set_time(struct arena *a, struct val *object, const char *key, int64_t wall_us)
{
	char text[TIME_TEXT_SIZE];

	return val_set_cstr(a, object, key, time_format(wall_us, text));
}

void set_annotation(struct arena *a, struct val *object, const char *key, struct slice value)
{
	struct val *m = val_need_object(a, object, "metadata");

	val_set_str(a, val_need_object(a, m, "annotations"), key, value);
}

/* ---- conditions ---- */

struct val *condition_find(const struct val *conditions, const char *type)
{
	for (size_t i = 0; i < val_len(conditions); i++) {
		struct val *c = val_at(conditions, i);

		if (slice_is(val_get_str(c, "type"), type)) {
			return c;
		}
	}
	return NULL;
}

bool condition_is_true(const struct val *conditions, const char *type)
{
	return slice_is(val_get_str(condition_find(conditions, type), "status"), "True");
}

bool condition_set(struct work *w, struct val *conditions, const struct condition *want)
{
	struct val *c = condition_find(conditions, want->type);
	bool same_status = c && slice_is(val_get_str(c, "status"), want->status);

	if (same_status && slice_is(val_get_str(c, "reason"), want->reason) &&
	    slice_is(val_get_str(c, "message"), want->message)) {
		return false;
	}
	if (!c) {
		c = val_append(conditions, val_new_object(w->arena));
		val_set_cstr(w->arena, c, "type", want->type);
	}
	val_set_cstr(w->arena, c, "status", want->status);
	if (want->has_update_time) {
		val_set_time(w->arena, c, "lastUpdateTime", w->now_us);
	}
	if (!same_status) {
		val_set_time(w->arena, c, "lastTransitionTime", w->now_us);
	}
	val_set_cstr(w->arena, c, "reason", want->reason);
	val_set_cstr(w->arena, c, "message", want->message);
	return true;
}

bool condition_remove(struct val *conditions, const char *type)
{
	struct val *c = condition_find(conditions, type);

	return c && val_unlink(conditions, c);
}
