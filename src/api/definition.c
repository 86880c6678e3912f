/* Why: users' kinds are first-class: served from the moment their definition is committed, gone
 * with all their objects when it is deleted. See definition.h. */
#include "api/definition.h"

#include "api/api-priv.h"
#include "api/discovery.h"
#include "api/kept.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define CLEANUP "customresourcecleanup.apiextensions.k8s.io"

/* ---- before it is stored ---- */

static void set_condition(struct arena *a, struct val *status, const char *type, const char *reason,
                          const char *message, const char *now)
{
	struct val *list = val_need_array(a, status, "conditions"), *c;

	val_for_each (list, it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return;
		}
	}
	c = val_append(list, val_new_object(a));
	val_set_cstr(a, c, "lastTransitionTime", now);
	val_set_cstr(a, c, "message", message);
	val_set_cstr(a, c, "reason", reason);
	val_set_cstr(a, c, "status", "True");
	val_set_cstr(a, c, "type", type);
}

static void add_stored_version(struct arena *a, struct val *status, struct slice version)
{
	struct val *list = val_need_array(a, status, "storedVersions");

	val_for_each (list, it) {
		if (slice_eq(val_str(it), version)) {
			return;
		}
	}
	val_append(list, val_new_str(a, version));
}

static void add_finalizer(struct arena *a, struct val *object)
{
	struct val *meta = val_need_object(a, object, "metadata");

	val_append(val_need_array(a, meta, "finalizers"), val_new_cstr(a, CLEANUP));
}

void definition_prepare(struct api *api, struct arena *a, const struct kind *k, struct val *object,
                        const struct val *old)
{
	const struct val *names = val_path(object, "spec.names");
	struct val *status;
	char now[TIME_TEXT_SIZE];

	if (k != api->kinds.definition || !names || names->type != VAL_OBJECT) {
		return;
	}
	time_format(api_wall_us(api), now);
	status = val_need_object(a, object, "status");
	set_condition(a, status, "NamesAccepted", "NoConflicts", "no conflicts found", now);
	set_condition(a, status, "Established", "InitialNamesAccepted",
	              "the initial names have been accepted", now);
	val_set(a, status, "acceptedNames", val_copy(a, names));
	val_for_each (val_path(object, "spec.versions"), it) {
		if (val_bool(val_get(it, "storage"), false)) {
			add_stored_version(a, status, val_get_str(it, "name"));
		}
	}
	if (!old) {
		add_finalizer(a, object);
	}
}

/* ---- deletion ---- */

/* The kind that the objects of a definition are stored as; null when it defines none any more. */
static const struct kind *defined_kind(const struct api *api, const struct val *crd)
{
	const struct val *spec = val_get(crd, "spec");
	struct slice group = val_get_str(spec, "group");
	struct slice kind = val_str(val_path(spec, "names.kind"));
	const struct kind *k;

	for (size_t i = 0; (k = registry_at(api->registry, i)); i++) {
		if (k->is_custom && slice_is(group, k->group) && slice_is(kind, k->kind)) {
			return kind_storage(k);
		}
	}
	return NULL;
}

static void delete_all(struct api *api, const struct kind *k)
{
	struct kept s = { 0 };

	store_each(api->store, k, SLICE(""), kept_add, &s);
	for (size_t i = 0; i < s.docs.n; i++) {
		const struct val *meta = val_get(s.docs.at[i]->root, "metadata");
		struct store_delete_opts o = { .grace_s = -1 };
		struct err err = { 0 };

		if (!val_get(meta, "deletionTimestamp") &&
		    store_delete(api->store,
		                 (struct key){ k, val_get_str(meta, "namespace"),
		                               val_get_str(meta, "name") },
		                 &o, NULL, &err) < 0) {
			log_odd("An object outlives its definition kind=%s why=%s", k->kind,
			        err.msg);
		}
	}
	kept_fini(&s, 0);
}

static void drop_finalizer(struct api *api, const struct doc *crd)
{
	scoped_arena struct arena a = { 0 };
	struct val *object = val_copy(&a, crd->root), *kept = val_new_array(&a);
	struct val *meta = val_get(object, "metadata");
	struct err err = { 0 };

	val_for_each (val_get(meta, "finalizers"), it) {
		if (!slice_is(val_str(it), CLEANUP)) {
			val_append(kept, val_copy(&a, it));
		}
	}
	if (val_len(kept) == val_len(val_get(meta, "finalizers"))) {
		return;
	}
	val_set(&a, meta, "finalizers", kept);
	val_remove(meta, "resourceVersion");
	if (store_update(api->store, api->kinds.definition, object, NULL, &err) < 0) {
		log_odd("A definition cannot be let go why=%s", err.msg);
	}
}

/* A definition that is being deleted goes when its last object is gone. */
static void try_to_finish(struct api *api, struct slice name)
{
	const struct doc *crd =
		store_get(api->store, (struct key){ api->kinds.definition, SLICE(""), name });
	const struct kind *k;

	if (!crd || !val_path(crd->root, "metadata.deletionTimestamp")) {
		return;
	}
	k = defined_kind(api, crd->root);
	if (k) {
		delete_all(api, k);
	}
	if (!k || store_count(api->store, k, SLICE("")) == 0) {
		drop_finalizer(api, crd);
	}
}

void definition_changed(struct api *api, const struct store_event *e)
{
	struct err err = { 0 };

	if (e->kind->is_custom && e->type == STORE_DELETED) {
		try_to_finish(api, slice_of(kind_qualified(e->kind)));
	}
	if (e->kind != api->kinds.definition) {
		return;
	}
	if (e->type == STORE_DELETED) {
		registry_remove_crd(api->registry, e->object->root);
	} else if (registry_add_crd(api->registry, e->object->root, &err) < 0) {
		log_odd("A definition is not understood name=%s why=%s",
		        val_cstr(val_path(e->object->root, "metadata.name")), err.msg);
	}
	documents_forget(api);
	if (e->type != STORE_DELETED) {
		try_to_finish(api, val_str(val_path(e->object->root, "metadata.name")));
	}
}
