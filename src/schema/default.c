/* Why: objects are stored with their defaults, so that everybody reads the same meaning out of
 * them. Most are in the tables; what depends on other fields is in the other default-*.c files.
 * Source: reference 7.1 */
#include "base/mem.h"
#include "schema/custom.h"
#include "schema/default-priv.h"
#include "schema/limits.h"
#include "schema/object.h"

/* ---- for the other files ---- */

static bool lacks(const struct val *v, const char *key)
{
	return v && v->type == VAL_OBJECT && val_is_null(val_get(v, key));
}

void fix_str(struct fixer *f, struct val *v, const char *key, const char *value)
{
	if (lacks(v, key)) {
		val_set_cstr(f->arena, v, key, value);
	}
}

void fix_int(struct fixer *f, struct val *v, const char *key, int64_t value)
{
	if (lacks(v, key)) {
		val_set_int(f->arena, v, key, value);
	}
}

void fix_bool(struct fixer *f, struct val *v, const char *key, bool value)
{
	if (lacks(v, key)) {
		val_set_bool(f->arena, v, key, value);
	}
}

struct val *fix_object(struct fixer *f, struct val *v, const char *key)
{
	struct val *member = val_get(v, key);

	if (lacks(v, key)) {
		return val_set(f->arena, v, key, val_new_object(f->arena));
	}
	return member && member->type == VAL_OBJECT ? member : NULL;
}

/* ---- tables ---- */

static struct val *filled(struct arena *a, const struct field *f)
{
	int64_t i = 0;

	switch (f->type->form) {
	case TYPE_OBJECT:
	case TYPE_MAP:
		return val_new_object(a);
	case TYPE_LIST:
		return val_new_array(a);
	case TYPE_BOOL:
		return val_new_bool(a, strcmp(f->fill, "true") == 0);
	case TYPE_INT32:
	case TYPE_INT64:
		slice_to_i64(slice_of(f->fill), &i);
		return val_new_int(a, i);
	case TYPE_STRING:
	case TYPE_BYTES:
	case TYPE_DOUBLE:
	case TYPE_QUANTITY:
	case TYPE_INT_OR_STRING:
	case TYPE_TIME:
	case TYPE_MICRO_TIME:
	case TYPE_ANY:
		break;
	}
	return val_new_cstr(a, f->fill);
}

static void fill(struct fixer *f, const struct type *t, struct val *v, unsigned depth);

/* Go's decoder cannot tell an empty plain field from an absent one. */
static bool is_empty(const struct field *f, const struct val *v)
{
	if (!v) {
		return true;
	}
	return !(f->flags & FIELD_POINTER) &&
	       ((v->type == VAL_STRING && !v->s.len) || (v->type == VAL_INT && v->i == 0));
}

static void fill_object(struct fixer *f, const struct type *t, struct val *v, unsigned depth)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct field *field = &t->fields[i];
		struct val *member = val_get(v, field->name);

		if (!member && field->fill_value) {
			member = val_set(f->arena, v, field->name,
			                 val_copy(f->arena, field->fill_value));
		} else if (field->fill && is_empty(field, member)) {
			member = val_set(f->arena, v, field->name, filled(f->arena, field));
		}
		if (member) {
			fill(f, field->type, member, depth);
		}
	}
	if (t->fix) {
		t->fix(f, v);
	}
}

static bool has_depth(const struct type *t)
{
	return t->form == TYPE_OBJECT || t->form == TYPE_MAP || t->form == TYPE_LIST;
}

static void fill(struct fixer *f, const struct type *t, struct val *v, unsigned depth)
{
	if (depth > TREE_DEPTH_MAX) {
		return;
	}
	if (t->form == TYPE_OBJECT && v->type == VAL_OBJECT) {
		fill_object(f, t, v, depth + 1);
	} else if (((t->form == TYPE_MAP && v->type == VAL_OBJECT) ||
	            (t->form == TYPE_LIST && v->type == VAL_ARRAY)) &&
	           has_depth(t->of)) {
		for (struct val *it = v->first; it; it = it->next) {
			fill(f, t->of, it, depth + 1);
		}
	}
}

void object_default(const struct kind *k, struct arena *a, struct val *object)
{
	struct fixer f = { .arena = a, .root = object };

	if (object && k->type) {
		fill(&f, k->type, object, 0);
	}
}
