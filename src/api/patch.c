/* Why: four kinds of patches end in the same update. Source: reference 3.7, 3.8 */
#include "api/patch.h"
#include "api/api-priv.h"
#include "api/authorize.h"
#include "api/body.h"
#include "api/fail.h"
#include "api/subresource.h"
#include "api/verbs.h"
#include "api/write.h"
#include "codec/json.h"
#include "schema/object.h"

#define TYPE_JSON      "application/json-patch+json"
#define TYPE_MERGE     "application/merge-patch+json"
#define TYPE_STRATEGIC "application/strategic-merge-patch+json"
#define TYPE_APPLY     "application/apply-patch+yaml"

static int unsupported(struct call *c)
{
	return fail_code(c, ERR_UNSUPPORTED,
	                 "the body of the request was in an unknown format - accepted media types "
	                 "include: %s",
	                 c->kind->is_custom ? TYPE_JSON ", " TYPE_MERGE ", " TYPE_APPLY
	                                    : TYPE_JSON ", " TYPE_MERGE ", " TYPE_STRATEGIC
	                                                ", " TYPE_APPLY);
}

bool patch_is_apply(const struct call *c)
{
	return slice_is(body_type(c), TYPE_APPLY);
}

int patch_run(struct call *c, const struct kind *k, const struct val *object, struct val **ret)
{
	struct slice type = body_type(c);
	struct err err = { 0 };
	struct val *patch;
	int r;

	if (!slice_is(type, TYPE_JSON) && !slice_is(type, TYPE_MERGE) &&
	    (!slice_is(type, TYPE_STRATEGIC) || k->is_custom)) {
		return unsupported(c);
	}
	if (c->options.has_force) {
		return fail_code(
			c, ERR_INVALID,
			"PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not "
			"be specified for non-apply patch");
	}
	r = body_parse(c, &patch);
	if (r < 0) {
		return r;
	}
	if (!patch) {
		return fail_code(c, ERR_SYNTAX, "the patch is empty");
	}
	if (slice_is(type, TYPE_JSON)) {
		r = patch_json(c->arena, object, patch, ret, &err);
	} else if (slice_is(type, TYPE_MERGE)) {
		r = patch_merge(c->arena, object, patch, ret, &err);
	} else {
		r = patch_strategic(k, c->arena, object, patch, ret, &err);
	}
	return r < 0 ? fail_err(c, r, &err) : body_decode_patched(c, k, *ret);
}

/* ---- apply ---- */

static int check_apply_options(struct call *c)
{
	if (!c->options.manager.len) {
		fail_code(c, ERR_INVALID,
		          "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: "
		          "is "
		          "required for apply patch");
		fail_cause(c, "FieldValueRequired", "Required value: is required for apply patch",
		           "fieldManager");
		return -ERR_INVALID;
	}
	return 0;
}

static int refuse_unknown(struct call *c, const struct val *v, const struct field_errors *unknown)
{
	scoped_strbuf struct strbuf text = { 0 };

	for (size_t i = 0; i < unknown->n; i++) {
		strbuf_addf(&text, "%s.%s: field not declared in schema", i ? ", " : "",
		            unknown->at[i].path);
	}
	return fail_code(c, ERR_SYNTAX,
	                 "failed to create typed patch object (" SLICE_FMT "/" SLICE_FMT
	                 "; %s, Kind=%s): %s",
	                 SLICE_ARG(c->route.ns), SLICE_ARG(val_str(val_path(v, "metadata.name"))),
	                 kind_api_version(c->kind), c->kind->kind, strbuf_str(&text));
}

/* What is applied: not defaulted, strictly decoded. */
static int read_applied(struct call *c, struct val **ret)
{
	struct field_errors wrong = { .arena = c->arena }, unknown = { .arena = c->arena };
	struct err err = { 0 };
	int r = body_parse(c, ret);

	if (r < 0) {
		return r;
	}
	if (!*ret || (*ret)->type != VAL_OBJECT) {
		return fail_code(c, ERR_SYNTAX, "the applied object must be an object");
	}
	if (!slice_is(val_get_str(*ret, "apiVersion"), kind_api_version(c->kind)) ||
	    !slice_is(val_get_str(*ret, "kind"), c->kind->kind)) {
		return fail_code(c, ERR_SYNTAX,
		                 "the API version and kind in the data (" SLICE_FMT ", " SLICE_FMT
		                 ") do not match the expected ones (%s, %s)",
		                 SLICE_ARG(val_get_str(*ret, "apiVersion")),
		                 SLICE_ARG(val_get_str(*ret, "kind")), kind_api_version(c->kind),
		                 c->kind->kind);
	}
	r = object_decode(c->kind, c->arena, *ret, &wrong, &unknown, &err);
	if (r < 0) {
		return fail_err(c, r, &err);
	}
	if (wrong.n) {
		return fail_code(
			c, ERR_SYNTAX, "%s in version \"%s\" cannot be handled as a %s: %s",
			c->kind->kind, c->kind->version, c->kind->kind, wrong.at[0].detail);
	}
	if (unknown.n) {
		return refuse_unknown(c, *ret, &unknown);
	}
	return writing_check_names(c, *ret, false);
}

static int conflict(struct call *c, const struct val *conflicts)
{
	scoped_strbuf struct strbuf text = { 0 };

	apply_conflict_message(&text, conflicts);
	fail_code(c, ERR_CONFLICT, "%s", strbuf_str(&text));
	val_for_each (conflicts, it) {
		fail_cause(c, "FieldManagerConflict", val_cstr(val_get(it, "message")),
		           val_cstr(val_get(it, "field")));
	}
	return -ERR_CONFLICT;
}

/* A lock in what is applied to nothing cannot hold. */
static int check_absent(struct call *c, const struct val *applied)
{
	struct slice uid = val_str(val_path(applied, "metadata.uid"));

	if (uid.len || val_str(val_path(applied, "metadata.resourceVersion")).len) {
		return fail_conflict(
			c, c->kind, c->route.name,
			arena_printf(c->arena,
		                     "uid mismatch: the provided object specified uid " SLICE_FMT
		                     ", and no existing object was found",
		                     SLICE_ARG(uid)));
	}
	if (!call_may(c, "create", c->kind->group, c->kind->plural, c->route.ns, SLICE(""))) {
		return fail_forbidden(c, c->kind, c->route.name,
		                      "applying an object that does not exist needs the right to "
		                      "create it");
	}
	return 0;
}

static int apply(struct call *c)
{
	const struct doc *d = store_get(c->api->store, call_key(c));
	struct writing w = { .call = c,
		             .kind = c->kind,
		             .subresource = c->sub ? c->sub->name : NULL,
		             .is_applied = true };
	struct val *applied, *conflicts = val_new_array(c->arena);
	struct err err = { 0 };
	int r = check_apply_options(c);

	r = r < 0 ? r : read_applied(c, &applied);
	if (r < 0) {
		return r;
	}
	if (!d) {
		r = c->sub ? fail_not_found(c, c->kind, c->route.name) : check_absent(c, applied);
		if (r < 0) {
			return r;
		}
	}
	w.old = d ? writing_copy(c, c->kind, d->root) : NULL;
	r = apply_merge(c->kind, c->arena, w.old, applied, call_manager(c), c->options.force,
	                api_wall_us(c->api), &w.object, conflicts, &err);
	if (r == -ERR_CONFLICT && val_len(conflicts)) {
		return conflict(c, conflicts);
	}
	if (r < 0) {
		return fail_err(c, r, &err);
	}
	r = d ? writing_update(&w) : writing_create(&w);
	return r < 0 ? r : call_answer_object(c, d ? 200 : 201, c->kind, w.stored, w.json);
}

/* ---- the verb ---- */

int write_patch(struct call *c)
{
	struct writing w = { .call = c,
		             .kind = c->kind,
		             .subresource = c->sub ? c->sub->name : NULL };
	const struct doc *d;
	int r;

	if (patch_is_apply(c)) {
		return apply(c);
	}
	r = call_find(c, &d);
	if (r < 0) {
		return r;
	}
	w.old = writing_copy(c, c->kind, d->root);
	r = patch_run(c, c->kind, w.old, &w.object);
	r = r < 0 ? r : writing_check_names(c, w.object, false);
	r = r < 0 ? r : writing_update(&w);
	return r < 0 ? r : call_answer_object(c, 200, c->kind, w.stored, w.json);
}
