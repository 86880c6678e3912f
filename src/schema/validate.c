/* Why: no object is stored that would not work later. This file applies what the tables say about
 * every field and looks at metadata; what one kind demands beyond that is in the other validate-*.c
 * files. Source: reference 7.2 */
#include "base/mem.h"
#include "schema/check.h"
#include "schema/format.h"
#include "schema/label.h"
#include "schema/limits.h"

#define IMMUTABLE "field is immutable"

static void walk(struct checker *c, const struct type *t, const struct val *v,
                 const struct val *old, unsigned depth);

/* ---- rules of the tables ---- */

static void check_range(struct checker *c, const struct rules *r, const struct val *v)
{
	bool is_below = r->has_min && v->i < r->min, is_above = r->has_max && v->i > r->max;

	if (!is_below && !is_above) {
		return;
	}
	if (r->has_min && r->has_max) {
		bad_value(c, "", v, "must be between %lld and %lld, inclusive", (long long)r->min,
		          (long long)r->max);
	} else if (is_below && r->min == 1) {
		bad_value(c, "", v, "must be greater than 0");
	} else {
		bad_value(c, "", v, "must be %s than or equal to %lld",
		          is_below ? "greater" : "less", (long long)(is_below ? r->min : r->max));
	}
}

static void check_rules(struct checker *c, const struct rules *r, const struct val *v,
                        bool is_needed)
{
	if (v->type == VAL_INT) {
		check_range(c, r, v);
		return;
	}
	if (v->type != VAL_STRING) {
		return;
	}
	if (r->values) {
		for (size_t i = 0; r->values[i]; i++) {
			if (slice_is(v->s, r->values[i])) {
				return;
			}
		}
		if (v->s.len || is_needed) {
			bad_unsupported(c, "", v, r->values);
		}
		return;
	}
	if (r->format && v->s.len) {
		const char *words = format_wrong(r->format, v->s);

		if (words) {
			bad_value(c, "", v, "%s", words);
		}
	}
}

static void check_elements(struct checker *c, const struct rules *r, const struct val *list)
{
	size_t i = 0;

	val_for_each (list, it) {
		size_t size = path_index(&c->path, i++);

		check_rules(c, r, it, true);
		path_cut(&c->path, size);
	}
}

/* Is this as good as nothing where something is demanded? */
static bool is_missing(const struct field *f, const struct val *v)
{
	if (val_is_null(v)) {
		return true;
	}
	switch (f->type->form) {
	case TYPE_STRING:
	case TYPE_LIST:
		return v->type == VAL_STRING ? !v->s.len : v->type == VAL_ARRAY && !val_len(v);
	case TYPE_INT32:
	case TYPE_INT64:
		return v->type == VAL_INT && v->i == 0 && f->rules && f->rules->min > 0;
	default:
		return false;
	}
}

static void check_field(struct checker *c, const struct field *f, const struct val *object,
                        const struct val *old, unsigned depth)
{
	const struct val *v = val_get(object, f->name), *was = val_get(old, f->name);
	size_t size = path_member(&c->path, slice_of(f->name));

	if ((f->flags & FIELD_REQUIRED) && is_missing(f, v)) {
		bad_required(c, "", v ? v : object, f->rules ? f->rules->detail : NULL);
	} else if ((f->flags & FIELD_IMMUTABLE) && c->old && !val_eq(v, was)) {
		bad_value(c, "", v, IMMUTABLE);
	} else if (!val_is_null(v)) {
		if (f->rules && f->type->form == TYPE_LIST) {
			check_elements(c, f->rules, v);
		} else if (f->rules) {
			check_rules(c, f->rules, v, f->fill != NULL);
		}
		walk(c, f->type, v, was, depth);
	}
	path_cut(&c->path, size);
}

/* ---- the walk ---- */

static void check_annotations(struct checker *c, const struct val *annotations)
{
	size_t total = 0;

	val_for_each (annotations, it) {
		scoped_free char *lower = slice_dup(it->key);
		struct val key = {
			.type = VAL_STRING, .s = it->key, .line = it->line, .col = it->col
		};
		const char *words;

		for (char *p = lower; *p; p++) {
			*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
		}
		words = label_key_wrong(slice_of(lower));
		if (words) {
			bad_value(c, "annotations", &key, "%s", words);
		}
		total += it->key.len + val_str(it).len;
	}
	if (total > ANNOTATIONS_BYTES_MAX) {
		bad_too_long(c, "annotations", annotations, ANNOTATIONS_BYTES_MAX);
	}
}

static void walk_object(struct checker *c, const struct type *t, const struct val *v,
                        const struct val *old, unsigned depth)
{
	if (t == builtin_object_meta) {
		check_labels(c, "labels", val_get(v, "labels"));
		check_annotations(c, val_get(v, "annotations"));
	}
	for (size_t i = 0; i < t->n_fields; i++) {
		/* values of custom kinds are held against their schema, all but the metadata */
		if (t->custom && t->fields[i].type != builtin_object_meta) {
			continue;
		}
		/* the status is the business of those who write it */
		if (depth == 0 && c->kind->has_status && strcmp(t->fields[i].name, "status") == 0) {
			continue;
		}
		check_field(c, &t->fields[i], v, old, depth + 1);
	}
	if (t->check) {
		t->check(c, v);
	}
}

static void walk(struct checker *c, const struct type *t, const struct val *v,
                 const struct val *old, unsigned depth)
{
	size_t i = 0;

	if (depth > TREE_DEPTH_MAX) {
		return;
	}
	if (t->form == TYPE_OBJECT && v->type == VAL_OBJECT) {
		walk_object(c, t, v, old, depth);
	} else if ((t->form == TYPE_LIST || t->form == TYPE_MAP) &&
	           (t->of->form == TYPE_OBJECT || t->of->form == TYPE_LIST ||
	            t->of->form == TYPE_MAP)) {
		val_for_each (v, it) {
			size_t size = t->form == TYPE_LIST ? path_index(&c->path, i++)
			                                   : path_key(&c->path, it->key);

			walk(c, t->of, it, NULL, depth + 1);
			path_cut(&c->path, size);
		}
	}
}

/* ---- metadata ---- */

static void check_name(struct checker *c, const struct val *metadata)
{
	const struct val *name = val_get(metadata, "name");
	const char *words;

	if (!val_str(name).len) {
		if (!val_get_str(metadata, "generateName").len || c->old) {
			bad_required(c, "name", metadata, "name or generateName is required");
		}
		return;
	}
	words = format_wrong(kind_priv(c->kind)->names, val_str(name));
	if (words) {
		bad_value(c, "name", name, "%s", words);
	}
}

static void check_owners(struct checker *c, const struct val *owners)
{
	const struct val *controller = NULL;

	val_for_each (owners, it) {
		if (!val_bool(val_get(it, "controller"), false)) {
			continue;
		}
		if (controller) {
			bad_value(c, "ownerReferences", owners,
			          "Only one reference can have Controller set to true. Found "
			          "\"true\" "
			          "in references for %s/%s and %s/%s",
			          val_cstr(val_get(controller, "kind")),
			          val_cstr(val_get(controller, "name")),
			          val_cstr(val_get(it, "kind")), val_cstr(val_get(it, "name")));
			return;
		}
		controller = it;
	}
}

static bool has_text(const struct val *list, const struct val *text)
{
	val_for_each (list, it) {
		if (val_eq(it, text)) {
			return true;
		}
	}
	return false;
}

static void check_finalizers(struct checker *c, const struct val *metadata)
{
	static const char *const known[] = { "orphan", "foregroundDeletion", "kubernetes" };
	const struct val *was = val_path(c->old, "metadata.finalizers");
	size_t i = 0;

	val_for_each (val_get(metadata, "finalizers"), it) {
		const char *words = label_key_wrong(val_str(it));
		const char *sub = sub_path(c, "finalizers[%zu]", i++);
		/* only the old kinds insist on a prefix: definitions have names without one */
		bool is_known = slice_find(val_str(it), '/') >= 0 || *c->kind->group;

		for (size_t n = 0; n < ARRAY_SIZE(known); n++) {
			is_known = is_known || slice_is(val_str(it), known[n]);
		}
		if (words) {
			bad_value(c, sub, it, "%s", words);
		} else if (!is_known) {
			bad_value(c, sub, it,
			          "name is neither a standard finalizer name nor is it fully "
			          "qualified");
		}
		if (val_path(c->old, "metadata.deletionTimestamp") && !has_text(was, it)) {
			bad_forbidden(
				c, "finalizers", it,
				"no new finalizers can be added if the object is being deleted");
		}
	}
}

static void check_unchanged(struct checker *c, const struct val *metadata)
{
	static const char *const members[] = { "name",
		                               "namespace",
		                               "uid",
		                               "creationTimestamp",
		                               "deletionTimestamp",
		                               "deletionGracePeriodSeconds" };

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct val *now = val_get(metadata, members[i]);
		const struct val *was = val_get(val_get(c->old, "metadata"), members[i]);

		/* who leaves them out means them unchanged */
		if (!val_is_null(now) && !val_eq(now, was)) {
			bad_value(c, members[i], now, IMMUTABLE);
		}
	}
}

void check_metadata(struct checker *c)
{
	const struct val *metadata = val_get(c->root, "metadata");
	size_t size = path_member(&c->path, SLICE("metadata"));

	check_name(c, metadata);
	if (c->kind->namespaced && !val_get_str(metadata, "namespace").len) {
		bad_required(c, "namespace", metadata, NULL);
	} else if (!c->kind->namespaced && val_get_str(metadata, "namespace").len) {
		bad_forbidden(c, "namespace", metadata, "not allowed on this type");
	}
	check_owners(c, val_get(metadata, "ownerReferences"));
	check_finalizers(c, metadata);
	if (c->old) {
		check_unchanged(c, metadata);
	}
	path_cut(&c->path, size);
}

void object_validate(const struct kind *k, const struct val *object, const struct val *old,
                     struct field_errors *wrong)
{
	struct checker c = { .wrong = wrong, .kind = k, .root = object, .old = old };

	if (!object || object->type != VAL_OBJECT || !k->type) {
		return;
	}
	if (!k->is_virtual) {
		check_metadata(&c);
	}
	walk(&c, k->type, object, old, 0);
	if (k->type->custom) {
		check_custom(&c, k->type, object);
	}
	if (old && kind_priv(k)->update) {
		kind_priv(k)->update(&c, object, old);
	}
	path_fini(&c.path);
}
