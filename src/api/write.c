/* Why: create, update, patch, apply and every writing subresource end in the same sequence, so that
 * no way in is laxer than another. See write.h. Source: reference 3.1, 3.5, 3.6 */
#include "api/write.h"

#include "api/admit.h"
#include "api/api-priv.h"
#include "api/authorize.h"
#include "api/body.h"
#include "api/convert.h"
#include "api/definition.h"
#include "api/fail.h"
#include "api/families.h"
#include "api/limits.h"
#include "api/subresource.h"
#include "api/verbs.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/mem.h"
#include "schema/object.h"

static struct slice name_of(const struct val *object)
{
	return val_str(val_path(object, "metadata.name"));
}

struct val *writing_copy(struct call *c, const struct kind *k, const struct val *stored)
{
	return val_copy(c->arena, convert_object(c->arena, kind_storage(k), k, stored));
}

/* ---- names ---- */

int writing_check_names(struct call *c, struct val *object, bool is_new)
{
	struct val *meta = val_need_object(c->arena, object, "metadata");
	struct slice name = val_get_str(meta, "name"), ns = val_get_str(meta, "namespace");

	if (!c->kind->namespaced) {
		val_remove(meta, "namespace");
	} else if (!ns.len) {
		val_set_str(c->arena, meta, "namespace", c->route.ns);
	} else if (!slice_eq(ns, c->route.ns)) {
		return fail_code(
			c, ERR_SYNTAX,
			"the namespace of the provided object does not match the namespace "
			"sent on the request");
	}
	if (is_new) {
		return 0;
	}
	if (!name.len) {
		val_set_str(c->arena, meta, "name", c->route.name);
	} else if (!slice_eq(name, c->route.name)) {
		return fail_code(c, ERR_SYNTAX,
		                 "the name of the object (" SLICE_FMT
		                 ") does not match the name on the URL (" SLICE_FMT ")",
		                 SLICE_ARG(name), SLICE_ARG(c->route.name));
	}
	return 0;
}

/* generateName: a name that is free. */
static int make_name(struct writing *w)
{
	struct call *c = w->call;
	struct val *meta = val_get(w->object, "metadata");
	struct slice base = slice_head(val_get_str(meta, "generateName"), 58);
	struct slice ns = val_get_str(meta, "namespace");
	char suffix[6];

	if (val_get_str(meta, "name").len || !base.len) {
		return 0;
	}
	for (int i = 0; i < NAME_TRIES; i++) {
		struct slice name =
			val_str(val_set(c->arena, meta, "name",
		                        val_new_strf(c->arena, SLICE_FMT "%s", SLICE_ARG(base),
		                                     chance_suffix(suffix, 5))));

		if (!store_get(c->api->store, (struct key){ w->kind, ns, name })) {
			return 0;
		}
	}
	fail_exists(c, w->kind, val_get_str(meta, "name"));
	fail_retry_after(c, 1);
	return -ERR_EXISTS;
}

/* ---- rights that are given away ---- */

static int check_rules(struct writing *w, const struct val *rules, struct slice ns,
                       const char *verb)
{
	struct call *c = w->call;

	if (access_covers_rules(c->api, &c->user, ns, rules) ||
	    call_may(c, verb, w->kind->group, w->kind->plural, ns, name_of(w->object))) {
		return 0;
	}
	return fail_forbidden(c, w->kind, name_of(w->object),
	                      "user is attempting to grant RBAC permissions not currently held");
}

static int check_escalation(struct writing *w)
{
	const struct kinds *k = &w->call->api->kinds;
	struct slice ns = val_str(val_path(w->object, "metadata.namespace"));
	const struct val *ref = val_get(w->object, "roleRef");

	if (w->kind == k->role || w->kind == k->cluster_role) {
		return check_rules(w, val_get(w->object, "rules"), ns, "escalate");
	}
	if (w->kind == k->role_binding || w->kind == k->cluster_role_binding) {
		struct call *c = w->call;
		const char *roles =
			slice_is(val_get_str(ref, "kind"), "Role") ? "roles" : "clusterroles";

		return call_may(c, "bind", w->kind->group, roles, ns, val_get_str(ref, "name"))
		               ? 0
		               : check_rules(w, role_rules(c->api, ref, ns), ns, "bind");
	}
	return 0;
}

/* ---- the shared end ---- */

static int validate(struct writing *w)
{
	struct call *c = w->call;
	struct field_errors wrong = { .arena = c->arena };

	object_validate(w->kind, w->object, w->is_internal ? NULL : w->old, &wrong);
	if (wrong.n) {
		return fail_invalid(c, w->kind, name_of(w->object), &wrong);
	}
	if (c->arena->overflowed) {
		return fail_code(c, ERR_LIMIT,
		                 "Request entity too large: the object has too many parts");
	}
	return check_escalation(w);
}

static void warn(struct writing *w)
{
	struct call *c = w->call;

	if (!w->subresource) {
		c->warnings = c->warnings ? c->warnings : val_new_array(c->arena);
		object_warnings(w->kind, w->object, c->arena, c->warnings);
	}
}

static void track(struct writing *w)
{
	struct call *c = w->call;

	if (!w->is_applied) {
		apply_track_update(w->kind, c->arena, w->old, w->object, call_manager(c),
		                   w->subresource, api_wall_us(c->api));
	}
}

/* The object as it is stored, with addresses. */
static int to_storage(struct writing *w)
{
	struct call *c = w->call;
	struct field_errors wrong = { .arena = c->arena };
	const struct kind *storage = kind_storage(w->kind);

	if (storage == c->api->kinds.service) {
		service_families(c->arena, w->object, w->old, c->api->addresses.dual_stack, &wrong);
		if (!wrong.n) {
			addresses_assign(&c->api->addresses, c->arena, w->object,
			                 c->options.dry_run, &wrong);
		}
		if (wrong.n) {
			return fail_invalid(c, w->kind, name_of(w->object), &wrong);
		}
	}
	if (storage != w->kind) {
		w->object =
			val_copy(c->arena, convert_object(c->arena, w->kind, storage, w->object));
		if (!storage->is_custom) {
			object_default(storage, c->arena, w->object);
		}
	}
	return 0;
}

static int stored(struct writing *w, int r, const struct doc *d, const struct err *err)
{
	struct call *c = w->call;

	if (r < 0) {
		if (kind_storage(w->kind) == c->api->kinds.service && !w->old) {
			addresses_forget(&c->api->addresses, w->object);
		}
		return fail_store(c, r, w->kind, name_of(w->object), err);
	}
	w->stored = d->root;
	w->json = store_json(c->api->store, d);
	return 0;
}

/* ---- create ---- */

static void strip_new(struct writing *w)
{
	static const char *const gone[] = { "uid",
		                            "selfLink",
		                            "creationTimestamp",
		                            "deletionTimestamp",
		                            "deletionGracePeriodSeconds",
		                            "generation" };
	struct val *meta = val_get(w->object, "metadata");

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		val_remove(meta, gone[i]);
	}
	if (w->kind->has_status) {
		val_remove(w->object, "status");
	}
}

/* What it would be, for a dry run. */
static void pretend(struct writing *w)
{
	struct arena *a = w->call->arena;
	struct val *meta = val_get(w->object, "metadata");
	char uid[UUID_TEXT_SIZE], time[TIME_TEXT_SIZE];

	val_set_cstr(a, meta, "uid", chance_uuid(uid));
	val_set_cstr(a, meta, "creationTimestamp", time_format(api_wall_us(w->call->api), time));
	if (val_get(w->object, "spec") && w->kind->has_status) {
		val_set_int(a, meta, "generation", 1);
	}
	w->stored = w->object;
}

static int check_namespace(struct writing *w)
{
	struct call *c = w->call;
	struct err err = { 0 };
	int r = w->kind->namespaced ? admit_namespace(c->api, c->route.ns, &err) : 0;

	if (r == -ERR_NOTFOUND) {
		return fail_not_found(c, c->api->kinds.namespace_, c->route.ns);
	}
	if (r < 0) {
		fail_forbidden(c, w->kind, name_of(w->object), err.msg);
		fail_cause(c, "NamespaceTerminating",
		           arena_printf(c->arena, "namespace " SLICE_FMT " is being terminated",
		                        SLICE_ARG(c->route.ns)),
		           "metadata.namespace");
	}
	return r;
}

static int admit(struct writing *w)
{
	struct call *c = w->call;
	struct err err = { 0 };
	int r = admit_new(c->api, w->kind, c->arena, w->object, &err);

	if (r < 0) {
		return r == -ERR_FORBIDDEN ? fail_forbidden(c, w->kind, name_of(w->object), err.msg)
		                           : fail_err(c, r, &err);
	}
	return 0;
}

int writing_create(struct writing *w)
{
	struct call *c = w->call;
	struct err err = { 0 };
	const struct doc *d = NULL;
	struct slice ns;
	int r = check_namespace(w);

	if (r < 0) {
		return r;
	}
	if (val_str(val_path(w->object, "metadata.resourceVersion")).len) {
		return fail_code(c, ERR_SYNTAX,
		                 "resourceVersion should not be set on objects to be created");
	}
	strip_new(w);
	r = make_name(w);
	r = r < 0 ? r : admit(w);
	if (r < 0) {
		return r;
	}
	definition_prepare(c->api, c->arena, w->kind, w->object, NULL);
	warn(w);
	r = validate(w);
	if (r < 0) {
		return r;
	}
	ns = w->kind->namespaced ? c->route.ns : SLICE("");
	if (store_get(c->api->store, (struct key){ w->kind, ns, name_of(w->object) })) {
		return fail_exists(c, w->kind, name_of(w->object));
	}
	track(w);
	r = to_storage(w);
	if (r < 0) {
		return r;
	}
	if (c->options.dry_run) {
		pretend(w);
		return 0;
	}
	r = store_create(c->api->store, w->kind, w->object, &d, &err);
	return stored(w, r, d, &err);
}

int write_create(struct call *c)
{
	struct writing w = { .call = c, .kind = c->kind };
	int r = body_object(c, c->kind, &w.object);

	r = r < 0 ? r : writing_check_names(c, w.object, true);
	r = r < 0 ? r : writing_create(&w);
	return r < 0 ? r : call_answer_object(c, 201, c->kind, w.stored, w.json);
}

/* ---- update ---- */

/* For status: everything but status (and, for built-in kinds, labels and annotations) stays. */
static void keep_but_status(struct writing *w)
{
	struct arena *a = w->call->arena;
	struct val *kept = val_copy(a, w->old), *meta = val_need_object(a, kept, "metadata");
	const struct val *wanted = val_get(w->object, "metadata");
	static const char *const taken[] = { "labels", "annotations", "managedFields",
		                             "resourceVersion", "uid" };

	for (size_t i = w->kind->is_custom ? 2 : 0; i < ARRAY_SIZE(taken); i++) {
		const struct val *v = val_get(wanted, taken[i]);

		if (v) {
			val_set(a, meta, taken[i], val_copy(a, v));
		}
	}
	val_remove(kept, "status");
	if (val_get(w->object, "status")) {
		val_set(a, kept, "status", val_copy(a, val_get(w->object, "status")));
	}
	w->object = kept;
}

static void keep_status(struct writing *w)
{
	struct arena *a = w->call->arena;
	const struct val *status = val_get(w->old, "status");

	if (!w->kind->has_status) {
		return;
	}
	val_remove(w->object, "status");
	if (status) {
		val_set(a, w->object, "status", val_copy(a, status));
	}
}

/* Only the finalize subresource changes what holds a namespace. */
static void keep_finalizers(struct writing *w)
{
	struct arena *a = w->call->arena;
	const struct val *old = val_path(w->old, "spec.finalizers");

	if (w->kind != w->call->api->kinds.namespace_ || w->subresource) {
		return;
	}
	if (old) {
		val_set(a, val_need_object(a, w->object, "spec"), "finalizers", val_copy(a, old));
	} else {
		val_remove(val_get(w->object, "spec"), "finalizers");
	}
}

/* What a client cannot change is as it was; a wrong uid is a failed precondition. */
static int keep_fixed(struct writing *w)
{
	static const char *const fixed[] = { "creationTimestamp", "deletionTimestamp",
		                             "deletionGracePeriodSeconds", "generation", "uid" };
	struct call *c = w->call;
	struct val *meta = val_get(w->object, "metadata");
	const struct val *old = val_get(w->old, "metadata");
	struct slice uid = val_get_str(meta, "uid");

	if (uid.len && !slice_eq(uid, val_get_str(old, "uid"))) {
		return fail_conflict(
			c, w->kind, name_of(w->object),
			arena_printf(c->arena,
		                     "Precondition failed: UID in precondition: " SLICE_FMT
		                     ", UID in object meta: " SLICE_FMT,
		                     SLICE_ARG(uid), SLICE_ARG(val_get_str(old, "uid"))));
	}
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		const struct val *v = val_get(old, fixed[i]);

		val_remove(meta, fixed[i]);
		if (v) {
			val_set(c->arena, meta, fixed[i], val_copy(c->arena, v));
		}
	}
	val_remove(meta, "selfLink");
	return 0;
}

static int check_revision(struct writing *w)
{
	struct slice rv = val_str(val_path(w->object, "metadata.resourceVersion"));

	if (w->kind->is_custom && !rv.len) {
		return fail_field(w->call, w->kind, name_of(w->object), "FieldValueInvalid",
		                  "metadata.resourceVersion",
		                  "Invalid value: 0: must be specified for an update");
	}
	if (rv.len && !slice_is(rv, "0") &&
	    !slice_eq(rv, val_str(val_path(w->old, "metadata.resourceVersion")))) {
		return fail_conflict(
			w->call, w->kind, name_of(w->object),
			"the object has been modified; please apply your changes to the "
			"latest version and try again");
	}
	return 0;
}

int writing_update(struct writing *w)
{
	struct call *c = w->call;
	struct err err = { 0 };
	const struct doc *d = NULL;
	bool is_status = w->subresource && strcmp(w->subresource, "status") == 0;
	int r = check_revision(w);

	r = r < 0 ? r : keep_fixed(w);
	if (r < 0) {
		return r;
	}
	if (is_status) {
		keep_but_status(w);
	} else if (!w->is_internal) {
		keep_status(w);
	}
	object_default(w->kind, c->arena, w->object);
	keep_finalizers(w);
	if (kind_storage(w->kind) == c->api->kinds.service) {
		admit_service(c->api, c->arena, w->object, w->old);
	}
	definition_prepare(c->api, c->arena, w->kind, w->object, w->old);
	warn(w);
	r = validate(w);
	if (r < 0) {
		return r;
	}
	track(w);
	r = to_storage(w);
	if (r < 0) {
		return r;
	}
	if (c->options.dry_run) {
		w->stored = w->object;
		val_set(c->arena, val_get(w->object, "metadata"), "resourceVersion",
		        val_copy(c->arena, val_path(w->old, "metadata.resourceVersion")));
		return 0;
	}
	r = store_update(c->api->store, w->kind, w->object, &d, &err);
	return stored(w, r, d, &err);
}

int write_update(struct call *c)
{
	struct writing w = { .call = c,
		             .kind = c->kind,
		             .subresource = c->sub ? c->sub->name : NULL };
	const struct doc *d;
	int r = body_object(c, c->kind, &w.object);

	r = r < 0 ? r : writing_check_names(c, w.object, false);
	r = r < 0 ? r : call_find(c, &d);
	if (r < 0) {
		return r;
	}
	w.old = writing_copy(c, c->kind, d->root);
	r = writing_update(&w);
	return r < 0 ? r : call_answer_object(c, 200, c->kind, w.stored, w.json);
}
