/* Why: who owns which field is arithmetic on sets of paths; see fieldset.h.
 * Source: reference 3.8; KEP-555 (server-side apply) */
#include "schema/fieldset.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "codec/json.h"
#include "schema/limits.h"

#define SELF "."

struct val *fieldset_new(struct arena *a)
{
	return val_new_object(a);
}

static bool is_self(const struct val *member)
{
	return slice_is(member->key, SELF);
}

static void mark(struct arena *a, struct val *node)
{
	if (!val_get(node, SELF)) {
		val_set(a, node, SELF, val_new_object(a));
	}
}

static struct val *need_child(struct arena *a, struct val *node, struct slice element)
{
	struct val *child = val_get_slice(node, element);

	return child ? child : val_set_slice(a, node, element, val_new_object(a));
}

/* ---- FieldsV1 ---- */

static bool is_element(struct slice key)
{
	return key.len >= 2 && key.p[1] == ':' && strchr("fkvi", key.p[0]);
}

static int parse_node(struct arena *a, const struct val *in, struct val *out, unsigned depth,
                      struct err *err)
{
	if (!in || in->type != VAL_OBJECT || depth > TREE_DEPTH_MAX) {
		return err_raise(err, ERR_INVALID, "managedFields: fieldsV1 is malformed");
	}
	if (!in->n && depth > 0) {
		mark(a, out);
	}
	val_for_each (in, it) {
		int r;

		if (is_self(it)) {
			mark(a, out);
			continue;
		}
		if (!is_element(it->key)) {
			return err_raise(err, ERR_INVALID,
			                 "managedFields: fieldsV1 has an unknown path element");
		}
		r = parse_node(a, it, need_child(a, out, it->key), depth + 1, err);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int fieldset_parse(struct arena *a, const struct val *fields_v1, struct val **ret, struct err *err)
{
	struct val *set = fieldset_new(a);
	int r = parse_node(a, fields_v1, set, 0, err);

	if (r < 0) {
		return r;
	}
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "managedFields are too large");
	}
	*ret = set;
	return 0;
}

static int by_key(const void *x, const void *y)
{
	return slice_cmp((*(const struct val *const *)x)->key,
	                 (*(const struct val *const *)y)->key);
}

struct val *fieldset_format(struct arena *a, const struct val *set)
{
	struct val *out = val_new_object(a);
	const struct val **at = ARENA_ARRAY(a, const struct val *, val_len(set) + 1);
	size_t n = 0;

	if (val_len(set) == 1 && val_get(set, SELF)) {
		return out;
	}
	val_for_each (set, it) {
		at[n++] = it;
	}
	qsort(at, n, sizeof(*at), by_key);
	for (size_t i = 0; i < n; i++) {
		val_set_slice(a, out, at[i]->key,
		              is_self(at[i]) ? val_new_object(a) : fieldset_format(a, at[i]));
	}
	return out;
}

/* ---- algebra ---- */

struct val *fieldset_union(struct arena *a, const struct val *x, const struct val *y)
{
	struct val *out = x ? val_copy(a, x) : val_new_object(a);

	val_for_each (y, it) {
		struct val *have = val_get_slice(out, it->key);

		if (!have) {
			val_set_slice(a, out, it->key, val_copy(a, it));
		} else if (!is_self(it)) {
			val_set_slice(a, out, it->key, fieldset_union(a, have, it));
		}
	}
	return out;
}

bool fieldset_is_empty(const struct val *set)
{
	val_for_each (set, it) {
		if (is_self(it) || !fieldset_is_empty(it)) {
			return false;
		}
	}
	return true;
}

struct val *fieldset_minus(struct arena *a, const struct val *x, const struct val *y)
{
	struct val *out = val_new_object(a);

	val_for_each (x, it) {
		const struct val *other = val_get_slice(y, it->key);
		struct val *rest;

		if (is_self(it)) {
			if (!other) {
				mark(a, out);
			}
			continue;
		}
		rest = other ? fieldset_minus(a, it, other) : val_copy(a, it);
		if (!fieldset_is_empty(rest)) {
			val_set_slice(a, out, it->key, rest);
		}
	}
	return out;
}

struct val *fieldset_common(struct arena *a, const struct val *x, const struct val *y)
{
	struct val *out = val_new_object(a);

	val_for_each (x, it) {
		const struct val *other = val_get_slice(y, it->key);
		struct val *both;

		if (!other) {
			continue;
		}
		if (is_self(it)) {
			mark(a, out);
			continue;
		}
		both = fieldset_common(a, it, other);
		if (!fieldset_is_empty(both)) {
			val_set_slice(a, out, it->key, both);
		}
	}
	return out;
}

/* ---- paths ---- */

static void add_key_path(struct strbuf *out, struct slice json)
{
	scoped_arena struct arena a = { .max = 1 << 20 };
	struct val *keys;
	bool first = true;

	if (json_parse(&a, json, 0, &keys, NULL) < 0 || keys->type != VAL_OBJECT) {
		strbuf_add_slice(out, json);
		return;
	}
	val_for_each (keys, it) {
		strbuf_adds(out, first ? "" : ",");
		strbuf_add_slice(out, it->key);
		strbuf_addc(out, '=');
		json_write(out, it);
		first = false;
	}
}

static void add_path(struct strbuf *out, struct slice element)
{
	struct slice rest = slice_from(element, 2);

	if (element.p[0] == 'f') {
		strbuf_addc(out, '.');
		strbuf_add_slice(out, rest);
		return;
	}
	strbuf_addc(out, '[');
	if (element.p[0] == 'k') {
		add_key_path(out, rest);
	} else {
		strbuf_adds(out, element.p[0] == 'v' ? "=" : "");
		strbuf_add_slice(out, rest);
	}
	strbuf_addc(out, ']');
}

static void each(const struct val *set, struct strbuf *path, fieldset_visit_fn *fn, void *arg)
{
	size_t size = path->size;

	val_for_each (set, it) {
		if (is_self(it)) {
			fn(arg, strbuf_slice(path));
			continue;
		}
		add_path(path, it->key);
		each(it, path, fn, arg);
		path->size = size;
		if (path->p) {
			path->p[size] = '\0';
		}
	}
}

void fieldset_each(const struct val *set, fieldset_visit_fn *fn, void *arg)
{
	scoped_strbuf struct strbuf path = { 0 };

	each(set, &path, fn, arg);
}

/* ---- shapes ---- */

enum list_shape list_shape(const struct field *f)
{
	return !f                          ? LIST_ATOMIC
	       : f->flags & FIELD_LIST_MAP ? LIST_MAP
	       : f->flags & FIELD_LIST_SET ? LIST_SET
	                                   : LIST_ATOMIC;
}

struct slice list_element(struct arena *a, const struct field *f, const struct val *element)
{
	scoped_strbuf struct strbuf out = { 0 };
	struct slice rest = slice_of(f->list_keys ? f->list_keys : ""), name;
	bool first = true;

	if (list_shape(f) == LIST_SET) {
		strbuf_adds(&out, "v:");
		json_write(&out, element);
		return arena_slice(a, strbuf_slice(&out));
	}
	/* list_keys are kept sorted by name, as FieldsV1 has them */
	strbuf_adds(&out, "k:{");
	while (slice_next(&rest, ',', &name)) {
		const struct val *v = val_get_slice(element, name);

		strbuf_adds(&out, first ? "" : ",");
		json_write_str(&out, name);
		strbuf_addc(&out, ':');
		if (!val_is_null(v)) {
			json_write(&out, v);
		} else if (slice_is(name, "protocol")) {
			strbuf_adds(&out, "\"TCP\""); /* the only key with a default */
		} else {
			return SLICE("");
		}
		first = false;
	}
	strbuf_addc(&out, '}');
	return arena_slice(a, strbuf_slice(&out));
}

struct val *list_find_element(struct arena *a, const struct field *f, const struct val *list,
                              struct slice element)
{
	for (size_t i = 0; i < val_len(list); i++) {
		struct val *v = val_at(list, i);

		if (slice_eq(list_element(a, f, v), element)) {
			return v;
		}
	}
	return NULL;
}

bool is_owned_whole(const struct type *t, const struct field *f, const struct val *v)
{
	if (v->type == VAL_OBJECT) {
		return t && t->is_atomic;
	}
	return v->type != VAL_ARRAY || list_shape(f) == LIST_ATOMIC;
}

const struct type *member_type(const struct type *t, const struct field *f)
{
	return f ? f->type : t && (t->form == TYPE_MAP || t->form == TYPE_LIST) ? t->of : NULL;
}

/* ---- fields of an object ---- */

static const char *field_element(struct arena *a, struct slice name)
{
	return arena_printf(a, "f:" SLICE_FMT, SLICE_ARG(name));
}

static void add_fields(struct arena *a, const struct type *t, const struct field *f,
                       const struct val *v, struct val *out)
{
	if (is_owned_whole(t, f, v)) {
		mark(a, out);
		return;
	}
	val_for_each (v, it) {
		const struct field *inner = v->type == VAL_OBJECT ? type_field(t, it->key) : NULL;
		struct slice element = v->type == VAL_OBJECT ? slice_of(field_element(a, it->key))
		                                             : list_element(a, f, it);
		struct val *child;

		if (!element.len) {
			continue;
		}
		child = need_child(a, out, element);
		add_fields(a, member_type(t, inner), inner, it, child);
		if (v->type == VAL_ARRAY || it->type == VAL_NULL ||
		    (it->type == VAL_OBJECT && !it->n) || (!inner && t && t->form == TYPE_MAP)) {
			mark(a, child);
		}
		if (!child->n) {
			val_remove_slice(out, element); /* an empty list owns nothing */
		}
	}
}

struct val *fieldset_of(struct arena *a, const struct type *t, const struct val *object)
{
	struct val *set = fieldset_new(a);

	if (object && object->type == VAL_OBJECT) {
		add_fields(a, t, NULL, object, set);
		val_remove(set, SELF);
	}
	return set;
}

/* ---- changes ---- */

struct comparing {
	struct arena *arena;
	struct fieldset_changes out;
};

/* Each set's node for the place that is compared; made along the way, cleaned up at the end. */
struct at {
	struct val *added, *modified, *removed;
};

static void compare(struct comparing *c, const struct type *t, const struct field *f,
                    const struct val *x, const struct val *y, struct at at);

static struct at descend(struct comparing *c, struct at at, struct slice element)
{
	return (struct at){ need_child(c->arena, at.added, element),
		            need_child(c->arena, at.modified, element),
		            need_child(c->arena, at.removed, element) };
}

static void compare_member(struct comparing *c, const struct type *t, const struct val *holder,
                           const struct val *it, const struct val *other, bool it_is_new,
                           struct at at, const struct field *list_field)
{
	const struct field *inner = holder->type == VAL_OBJECT ? type_field(t, it->key) : NULL;
	struct slice element = holder->type == VAL_OBJECT
	                               ? slice_of(field_element(c->arena, it->key))
	                               : list_element(c->arena, list_field, it);

	if (element.len) {
		compare(c, member_type(t, inner), inner, it_is_new ? other : it,
		        it_is_new ? it : other, descend(c, at, element));
	}
}

static const struct val *counterpart(struct comparing *c, const struct field *f,
                                     const struct val *holder, const struct val *it)
{
	if (!holder) {
		return NULL;
	}
	return holder->type == VAL_OBJECT
	               ? val_get_slice(holder, it->key)
	               : list_find_element(c->arena, f, holder, list_element(c->arena, f, it));
}

static void compare(struct comparing *c, const struct type *t, const struct field *f,
                    const struct val *x, const struct val *y, struct at at)
{
	const struct val *any = x ? x : y;
	bool whole;

	if (!any) {
		return;
	}
	if (x && y && val_eq(x, y)) {
		return;
	}
	whole = (x && is_owned_whole(t, f, x)) || (y && is_owned_whole(t, f, y)) ||
	        (x && y && x->type != y->type);
	if (x && y && whole) {
		mark(c->arena, at.modified);
		return;
	}
	if (!x || !y) {
		mark(c->arena, y ? at.added : at.removed);
		if (whole) {
			return;
		}
	}
	val_for_each (y, it) {
		compare_member(c, t, y, it, counterpart(c, f, x, it), true, at, f);
	}
	val_for_each (x, it) {
		if (x && !counterpart(c, f, y, it)) {
			compare_member(c, t, x, it, NULL, false, at, f);
		}
	}
}

/* Takes out nodes that were made in passing and hold nothing. */
static void trim(struct val *set)
{
	for (struct val *it = set->first, *next; it; it = next) {
		next = it->next;
		if (!is_self(it)) {
			trim(it);
			if (!it->n) {
				val_unlink(set, it);
			}
		}
	}
}

struct fieldset_changes fieldset_compare(struct arena *a, const struct type *t,
                                         const struct val *before, const struct val *after)
{
	struct comparing c = { .arena = a,
		               .out = { fieldset_new(a), fieldset_new(a), fieldset_new(a) } };

	compare(&c, t, NULL, before, after,
	        (struct at){ c.out.added, c.out.modified, c.out.removed });
	val_remove(c.out.added, SELF);
	val_remove(c.out.modified, SELF);
	val_remove(c.out.removed, SELF);
	trim(c.out.added);
	trim(c.out.modified);
	trim(c.out.removed);
	return c.out;
}
