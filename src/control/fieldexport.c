/* Why: pods learn the address of a database or cache from a ConfigMap or Secret, and a FieldExport
 * says which value goes where. It copies one scalar, again with every change of its source. Source:
 * reference (cloud-kinds) 3.6
 *
 * What hinders it stands in status.conditions: ACK.Terminal when the spec must change first,
 * ACK.Recoverable when something it waits for is not there yet; ACK.ResourceSynced once the value
 * is in its place. */
#include "base/base64.h"
#include "base/clock.h"
#include "control/edit.h"
#include "schema/format.h"
#include "schema/jsonpath.h"

#define FINALIZER "finalizers.services.k8s.aws/FieldExport"
#define CLOUD     ".services.k8s.aws"
#define RETRY_US                                                                                   \
	(30 * US_PER_S) /* for what no change tells of, such as a kind that comes later  \
	                           */

/* ---- what to look at again ---- */

struct matching {
	struct controller *controller;
	const struct val *object; /* a source or a target */
	const struct kind *kind;
};

static const char *target_kind(const struct kinds *k, const struct kind *kind)
{
	return kind == k->configmap ? "configmap" : kind == k->secret ? "secret" : NULL;
}

static struct slice target_ns(const struct val *export)
{
	struct slice ns = val_str(val_path(export, "spec.to.namespace"));

	return ns.len ? ns : meta_ns(export);
}

static bool is_source(const struct matching *m, const struct val *export)
{
	const struct val *from = val_path(export, "spec.from.resource");

	return slice_is(val_get_str(from, "kind"), m->kind->kind) &&
	       slice_is(val_get_str(from, "group"), m->kind->group) &&
	       slice_eq(val_get_str(from, "name"), meta_name(m->object)) &&
	       slice_eq(meta_ns(export), meta_ns(m->object));
}

static bool is_target(const struct matching *m, const struct val *export)
{
	const char *kind = target_kind(&m->controller->control->kinds, m->kind);
	const struct val *to = val_path(export, "spec.to");

	return kind && slice_is(val_get_str(to, "kind"), kind) &&
	       slice_eq(val_get_str(to, "name"), meta_name(m->object)) &&
	       slice_eq(target_ns(export), meta_ns(m->object));
}

static bool see_export(void *arg, const struct doc *d)
{
	const struct matching *m = arg;

	if (is_source(m, d->root) || is_target(m, d->root)) {
		controller_add_object(m->controller, d->root);
	}
	return true;
}

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;
	struct matching m = { c, e->object->root, e->kind };

	if (e->kind == k->fieldexport) {
		controller_add_object(c, e->object->root);
	} else if (target_kind(k, e->kind)) {
		/* a target may be of another namespace */
		store_each(c->control->store, k->fieldexport, SLICE(""), see_export, &m);
	} else if (slice_has_suffix(slice_of(e->kind->group), SLICE(CLOUD))) {
		store_each(c->control->store, k->fieldexport, meta_ns(e->object->root), see_export,
		           &m);
	}
}

/* ---- the value ---- */

/* What hinders an export. */
struct hindrance {
	const char *type; /* of a condition; null: nothing does */
	const char *text;
};

static struct hindrance terminal(const char *text)
{
	return (struct hindrance){ "ACK.Terminal", text };
}

static struct hindrance recoverable(const char *text)
{
	return (struct hindrance){ "ACK.Recoverable", text };
}

static const struct kind *source_kind(const struct work *w, const struct val *from)
{
	const struct registry *r = store_registry(w->store);
	const struct kind *k;

	for (size_t i = 0; (k = registry_at(r, i)); i++) {
		if (slice_is(val_get_str(from, "group"), k->group) &&
		    slice_is(val_get_str(from, "kind"), k->kind)) {
			return k;
		}
	}
	return NULL;
}

/* A source says itself whether its status can be relied on; one that says nothing is believed. */
static bool is_synced(const struct val *source)
{
	const struct val *c =
		condition_find(val_path(source, "status.conditions"), "ACK.ResourceSynced");

	return !c || slice_is(val_get_str(c, "status"), "True");
}

/* The first scalar that the path finds, as text. */
static struct hindrance evaluate(struct work *w, struct slice path, const struct val *source,
                                 struct slice *ret)
{
	struct val *found = val_new_array(w->arena), *v;
	struct err err = { 0 };

	if (!slice_has_prefix(path, SLICE(".")) ||
	    jsonpath_find(w->arena, path, source, found, &err) < 0) {
		return terminal(arena_printf(w->arena, "cannot read the path '" SLICE_FMT "'",
		                             SLICE_ARG(path)));
	}
	v = val_at(found, 0);
	if (v && v->type == VAL_STRING) {
		*ret = v->s;
	} else if (v && v->type == VAL_BOOL) {
		*ret = v->b ? SLICE("true") : SLICE("false");
	} else if (v && v->type == VAL_INT) {
		*ret = slice_of(arena_printf(w->arena, "%lld", (long long)v->i));
	} else {
		return recoverable(arena_printf(w->arena, "the path '" SLICE_FMT "' does not exist",
		                                SLICE_ARG(path)));
	}
	return (struct hindrance){ 0 };
}

static struct hindrance read_value(struct work *w, const struct val *export, struct slice *ret)
{
	const struct val *spec = val_path(export, "spec.from"), *from = val_get(spec, "resource");
	struct slice kind_name = val_get_str(from, "kind"), name = val_get_str(from, "name");
	const struct kind *k;
	const struct doc *d;

	if (!slice_has_suffix(val_get_str(from, "group"), SLICE(CLOUD))) {
		return terminal("the source must be of a group that ends in " CLOUD);
	}
	k = source_kind(w, from);
	if (!k) {
		return recoverable(
			arena_printf(w->arena, "there is no kind " SLICE_FMT " in group " SLICE_FMT,
		                     SLICE_ARG(kind_name), SLICE_ARG(val_get_str(from, "group"))));
	}
	d = work_find(w, k, meta_ns(export), name);
	if (!d) {
		return recoverable(arena_printf(w->arena, SLICE_FMT " '" SLICE_FMT "' not found",
		                                SLICE_ARG(kind_name), SLICE_ARG(name)));
	}
	if (!is_synced(d->root)) {
		return recoverable(arena_printf(w->arena,
		                                SLICE_FMT " '" SLICE_FMT "' is not synced yet",
		                                SLICE_ARG(kind_name), SLICE_ARG(name)));
	}
	return evaluate(w, val_get_str(spec, "path"), d->root, ret);
}

/* ---- its place ---- */

static void set_data(struct work *w, const struct kind *k, struct val *object, struct slice key,
                     struct slice value)
{
	struct val *data = val_need_object(w->arena, object, "data");
	scoped_strbuf struct strbuf text = { 0 };

	if (k == w->kinds->secret) {
		base64_encode(&text, value);
	} else {
		strbuf_add_slice(&text, value);
		val_remove_slice(val_need_object(w->arena, object, "binaryData"), key);
		if (!val_len(val_get(object, "binaryData"))) {
			val_remove(object, "binaryData");
		}
	}
	val_set_slice(w->arena, data, key, val_new_str(w->arena, strbuf_slice(&text)));
}

static struct hindrance write_value(struct work *w, const struct val *export, struct slice value)
{
	const struct val *to = val_path(export, "spec.to");
	struct slice key = val_get_str(to, "key"), name = val_get_str(to, "name");
	bool is_secret = slice_is(val_get_str(to, "kind"), "secret");
	const struct kind *k = is_secret ? w->kinds->secret : w->kinds->configmap;
	const struct doc *d = work_find(w, k, target_ns(export), name);
	struct err err = { 0 };
	struct val *object;

	if (!key.len) {
		key = slice_of(arena_printf(w->arena, SLICE_FMT "." SLICE_FMT,
		                            SLICE_ARG(meta_ns(export)),
		                            SLICE_ARG(meta_name(export))));
	}
	if (format_wrong(FORMAT_CONFIG_KEY, key)) {
		return terminal(arena_printf(w->arena, "'" SLICE_FMT "' is no key of a %s",
		                             SLICE_ARG(key), k->kind));
	}
	if (!d || meta_is_deleting(d->root)) {
		return recoverable(arena_printf(w->arena, "%s '" SLICE_FMT "' not found", k->kind,
		                                SLICE_ARG(name)));
	}
	object = work_edit(w, d);
	set_data(w, k, object, key, value);
	if (!val_eq(object, d->root) && val_bool(val_get(d->root, "immutable"), false)) {
		return recoverable(arena_printf(w->arena, "%s '" SLICE_FMT "' is immutable",
		                                k->kind, SLICE_ARG(name)));
	}
	if (work_save_changed(w, k, d, object, &err) < 0) {
		return recoverable(arena_strdup(w->arena, err.msg));
	}
	return (struct hindrance){ 0 };
}

/* ---- the step ---- */

static void report(struct work *w, struct val *export, struct hindrance h)
{
	static const char *const hindering[] = { "ACK.Terminal", "ACK.Recoverable" };
	struct val *status = val_need_object(w->arena, export, "status");
	struct val *conditions = val_need_array(w->arena, status, "conditions");

	for (size_t i = 0; i < ARRAY_SIZE(hindering); i++) {
		if (h.type && strcmp(h.type, hindering[i]) == 0) {
			condition_set(w, conditions,
			              &(struct condition){ h.type, "True", "", h.text, false });
		} else {
			condition_remove(conditions, hindering[i]);
		}
	}
	condition_set(w, conditions,
	              &(struct condition){ "ACK.ResourceSynced", h.type ? "False" : "True", "",
	                                   h.type ? "Resource not synced"
	                                          : "Resource synced successfully",
	                                   false });
}

static void set_finalizer(struct work *w, struct val *export, bool wanted)
{
	struct val *meta = val_need_object(w->arena, export, "metadata");
	struct val *list = val_need_array(w->arena, meta, "finalizers");

	for (size_t i = 0; i < val_len(list); i++) {
		if (slice_is(val_str(val_at(list, i)), FINALIZER)) {
			if (!wanted) {
				val_unlink(list, val_at(list, i));
			}
			return;
		}
	}
	if (wanted) {
		val_append(list, val_new_cstr(w->arena, FINALIZER));
	}
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->fieldexport, key);
	struct hindrance h;
	struct slice value;
	struct val *export;
	int r;

	if (!d) {
		return 0;
	}
	export = work_edit(w, d);
	if (meta_is_deleting(export)) {
		set_finalizer(w, export, false); /* what was written stays */
	} else {
		set_finalizer(w, export, true);
		h = read_value(w, export, &value);
		h = h.type ? h : write_value(w, export, value);
		report(w, export, h);
		if (h.type && strcmp(h.type, "ACK.Recoverable") == 0) {
			work_again(w, RETRY_US);
		}
	}
	r = work_save_changed(w, w->kinds->fieldexport, d, export, err);
	return r < 0 ? r : 0;
}

static bool can_run(const struct control *c)
{
	return c->kinds.fieldexport && c->kinds.configmap && c->kinds.secret;
}

const struct controller_type control_fieldexport = {
	.name = "fieldexport-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
