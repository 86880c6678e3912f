/* Why: delete and deletecollection; what holds an object back is the store's business, what clients
 * may ask for is ours. Source: reference 3.5 */
#include "api/remove.h"
#include "api/api-priv.h"
#include "api/body.h"
#include "api/fail.h"
#include "api/kept.h"
#include "api/select.h"
#include "api/verbs.h"
#include "api/view.h"
#include "base/mem.h"
#include "schema/object.h"

/* ---- options ---- */

static int bad_option(struct call *c, const char *field, const char *words)
{
	fail_code(c, ERR_INVALID, "DeleteOptions.meta.k8s.io \"\" is invalid: %s: %s", field,
	          words);
	fail_cause(c, "FieldValueInvalid", words, field);
	return -ERR_INVALID;
}

/* What the body says beats the query. */
static int read_body(struct call *c, struct val *v, struct store_delete_opts *o)
{
	const struct kind *k = c->api->kinds.delete_options;
	struct field_errors wrong = { .arena = c->arena }, unknown = { .arena = c->arena };
	struct err err = { 0 };
	const struct val *dry = val_get(v, "dryRun"), *orphan = val_get(v, "orphanDependents");
	int r = object_decode(k, c->arena, v, &wrong, &unknown, &err);

	if (r < 0) {
		return fail_err(c, r, &err);
	}
	if (wrong.n) {
		return fail_code(c, ERR_SYNTAX, "%s", wrong.at[0].detail);
	}
	o->grace_s = val_int(val_get(v, "gracePeriodSeconds"), o->grace_s);
	o->uid = val_str(val_path(v, "preconditions.uid"));
	o->revision = val_str(val_path(v, "preconditions.resourceVersion"));
	if (val_get_str(v, "propagationPolicy").len) {
		c->options.propagation = val_get_str(v, "propagationPolicy");
	}
	if (orphan) {
		c->options.has_orphan = true;
		c->options.orphan = val_bool(orphan, false);
	}
	if (val_len(dry)) {
		if (val_len(dry) != 1 || !slice_is(val_str(val_at(dry, 0)), "All")) {
			return bad_option(c, "dryRun",
			                  "Unsupported value: supported values: \"All\"");
		}
		c->options.dry_run = true;
	}
	return 0;
}

static int read_propagation(struct call *c, struct store_delete_opts *o)
{
	static const char *const words[] = { "Background", "Foreground", "Orphan" };
	struct slice p = c->options.propagation;

	if (c->options.has_orphan) {
		if (p.len) {
			return bad_option(c, "propagationPolicy",
			                  "Invalid value: orphanDependents and deletionPropagation "
			                  "cannot be both set");
		}
		o->propagation = c->options.orphan ? "Orphan" : "Background";
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (slice_is(p, words[i])) {
			o->propagation = words[i];
		}
	}
	return !p.len || o->propagation
	               ? 0
	               : bad_option(c, "propagationPolicy",
	                            "Unsupported value: supported values: \"Background\", "
	                            "\"Foreground\", \"Orphan\"");
}

int remove_options(struct call *c, const struct val *given, struct store_delete_opts *ret)
{
	struct val *v = val_copy(c->arena, given);
	int r = 0;

	*ret = (struct store_delete_opts){ .grace_s = c->options.grace_s };
	if (v) {
		r = v->type == VAL_OBJECT
		            ? read_body(c, v, ret)
		            : fail_code(c, ERR_SYNTAX, "the delete options must be an object");
	}
	return r < 0 ? r : read_propagation(c, ret);
}

static int body_options(struct call *c, struct store_delete_opts *ret)
{
	struct val *v;
	int r = body_parse(c, &v);

	return r < 0 ? r : remove_options(c, v, ret);
}

/* ---- one object ---- */

static bool is_sacred(const struct call *c, struct slice name)
{
	return c->kind == c->api->kinds.namespace_ &&
	       (slice_is(name, "default") || slice_is(name, "kube-system") ||
	        slice_is(name, "kube-public") || slice_is(name, "kube-node-lease"));
}

/* For a dry run: would it be refused? */
static int check_only(struct call *c, const struct doc *d, const struct store_delete_opts *o)
{
	const struct val *meta = val_get(d->root, "metadata");

	if (o->uid.len && !slice_eq(o->uid, val_get_str(meta, "uid"))) {
		return fail_conflict(c, c->kind, val_get_str(meta, "name"), "Precondition failed");
	}
	return STORE_REMOVED;
}

int remove_run(struct call *c, struct key key, const struct store_delete_opts *o,
               const struct doc **ret_last)
{
	const struct doc *d = store_get(c->api->store, key);
	struct err err = { 0 };
	int r;

	if (!d) {
		return fail_not_found(c, key.kind, key.name);
	}
	*ret_last = d;
	if (c->options.dry_run) {
		return check_only(c, d, o);
	}
	r = store_delete(c->api->store, key, o, ret_last, &err);
	return r < 0 ? fail_store(c, r, key.kind, key.name, &err) : r;
}

int remove_object(struct call *c)
{
	struct store_delete_opts o;
	const struct doc *last = NULL;
	int r = body_options(c, &o);

	if (r < 0) {
		return r;
	}
	if (is_sacred(c, c->route.name)) {
		return fail_forbidden(c, c->kind, c->route.name,
		                      "this namespace may not be deleted");
	}
	r = remove_run(c, call_key(c), &o, &last);
	if (r < 0 || !last) {
		return r;
	}
	if (r == STORE_MARKED || c->kind == c->api->kinds.pod) {
		/* pods are answered as they were, as the real server does */
		return call_answer_object(c, 200, c->kind, last->root,
		                          store_json(c->api->store, last));
	}
	return call_answer_val(c, 200,
	                       call_success(c, c->kind, c->route.name,
	                                    val_str(val_path(last->root, "metadata.uid"))));
}

/* ---- many ---- */

static int remove_all(struct call *c, const struct kept *chosen, const struct store_delete_opts *o,
                      struct strbuf *items, struct view_list *head, const struct view *v)
{
	for (size_t i = 0; i < chosen->docs.n; i++) {
		const struct val *meta = val_get(chosen->docs.at[i]->root, "metadata");
		struct key key = { c->kind, val_get_str(meta, "namespace"),
			           val_get_str(meta, "name") };
		const struct doc *last = NULL;
		int r;

		if (is_sacred(c, key.name)) {
			return fail_forbidden(c, c->kind, key.name,
			                      "this namespace may not be deleted");
		}
		r = remove_run(c, key, o, &last);
		if (r < 0 || !last) {
			return r;
		}
		view_list_item(items, v, head, last->root, store_json(c->api->store, last));
	}
	return 0;
}

int remove_collection(struct call *c)
{
	struct view v = { .kind = c->kind,
		          .form = c->wanted.form,
		          .meta_version = c->wanted.meta_version,
		          .include = c->options.include,
		          .now_us = api_wall_us(c->api) };
	struct view_list head = { .remaining = -1 };
	struct kept chosen = { 0 };
	scoped_strbuf struct strbuf items = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct store_delete_opts o;
	struct selection s;
	int r = body_options(c, &o);

	r = r < 0 ? r : selection_read(c, c->arena, &s);
	if (r < 0) {
		return r;
	}
	selection_each(&s, c->api->store, kept_add, &chosen);
	r = remove_all(c, &chosen, &o, &items, &head, &v);
	kept_fini(&chosen, 0);
	if (r < 0) {
		return r;
	}
	head.revision = store_revision(c->api->store);
	view_list_begin(&text, &v, &head);
	strbuf_add_slice(&text, strbuf_slice(&items));
	view_list_end(&text);
	return call_answer_json_take(c, 200, &text);
}
