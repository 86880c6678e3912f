/* Why: one node type with sibling links; see value.h. */
#include "codec/value.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/must.h"

/* ---- documents ---- */

struct doc *doc_new(void)
{
	struct doc *d = NEW(struct doc);

	d->refs = 1;
	return d;
}

struct doc *doc_ref(const struct doc *d)
{
	struct doc *shared = (struct doc *)(uintptr_t)d;

	if (shared) {
		shared->refs++;
	}
	return shared;
}

struct doc *doc_unref(const struct doc *d)
{
	struct doc *shared = (struct doc *)(uintptr_t)d;

	if (shared && --shared->refs == 0) {
		arena_fini(&shared->arena);
		free(shared);
	}
	return NULL;
}

struct doc *doc_copy_of(const struct val *v)
{
	struct doc *d = doc_new();

	d->root = val_copy(&d->arena, v);
	return d;
}

/* ---- reading ---- */

static bool is_container(const struct val *v)
{
	return v && (v->type == VAL_ARRAY || v->type == VAL_OBJECT);
}

const struct val *val_first(const struct val *v)
{
	return is_container(v) ? v->first : NULL;
}

struct val *val_get_slice(const struct val *object, struct slice key)
{
	if (!object || object->type != VAL_OBJECT) {
		return NULL;
	}
	for (struct val *it = object->first; it; it = it->next) {
		if (slice_eq(it->key, key)) {
			return it;
		}
	}
	return NULL;
}

struct val *val_get(const struct val *object, const char *key)
{
	return val_get_slice(object, slice_of(key));
}

struct val *val_at(const struct val *array, size_t i)
{
	struct val *it;

	if (!array || array->type != VAL_ARRAY || i >= array->n) {
		return NULL;
	}
	for (it = array->first; it && i > 0; i--) {
		it = it->next;
	}
	return it;
}

struct val *val_path(const struct val *v, const char *dotted)
{
	struct slice rest = slice_of(dotted), field;
	struct val *at = NULL;

	while (slice_next(&rest, '.', &field)) {
		at = val_get_slice(v, field);
		if (!at) {
			return NULL;
		}
		v = at;
	}
	return at;
}

size_t val_len(const struct val *v)
{
	return is_container(v) ? v->n : 0;
}

struct slice val_str(const struct val *v)
{
	if (!v || v->type != VAL_STRING) {
		return SLICE("");
	}
	return v->s;
}

struct slice val_text(const struct val *v)
{
	bool has_text = v && (v->type == VAL_STRING || v->type == VAL_INT || v->type == VAL_FLOAT);

	return has_text && v->s.p ? v->s : (struct slice){ "", 0 };
}

const char *val_cstr(const struct val *v)
{
	return val_str(v).p;
}

int64_t val_int(const struct val *v, int64_t otherwise)
{
	if (!v) {
		return otherwise;
	}
	if (v->type == VAL_INT) {
		return v->i;
	}
	/* 1.0 and 1e3 are whole numbers too */
	if (v->type == VAL_FLOAT && v->d >= -9007199254740992.0 && v->d <= 9007199254740992.0 &&
	    (double)(int64_t)v->d == v->d) {
		return (int64_t)v->d;
	}
	return otherwise;
}

bool val_bool(const struct val *v, bool otherwise)
{
	return v && v->type == VAL_BOOL ? v->b : otherwise;
}

bool val_is_null(const struct val *v)
{
	return !v || v->type == VAL_NULL;
}

static int by_key(const void *a, const void *b)
{
	const struct val *const *x = a, *const *y = b;

	return slice_cmp((*x)->key, (*y)->key);
}

/* Members of an object in byte order of their names; caller frees. */
static const struct val **sorted_members(const struct val *object)
{
	const struct val **at = mem_realloc(NULL, object->n + 1, sizeof(*at));
	size_t n = 0;

	val_for_each (object, it) {
		at[n++] = it;
	}
	qsort(at, n, sizeof(*at), by_key);
	return at;
}

static bool objects_eq(const struct val *a, const struct val *b)
{
	const struct val *x = a->first, *y = b->first;
	const struct val **in_a, **in_b;
	bool same = true;

	/* nearly always both have the same order */
	while (x && slice_eq(x->key, y->key)) {
		if (!val_eq(x, y)) {
			return false;
		}
		x = x->next;
		y = y->next;
	}
	if (!x) {
		return true;
	}
	in_a = sorted_members(a);
	in_b = sorted_members(b);
	for (size_t i = 0; same && i < a->n; i++) {
		same = slice_eq(in_a[i]->key, in_b[i]->key) && val_eq(in_a[i], in_b[i]);
	}
	free(in_a);
	free(in_b);
	return same;
}

bool val_eq(const struct val *a, const struct val *b)
{
	if (val_is_null(a) || val_is_null(b)) {
		return val_is_null(a) && val_is_null(b);
	}
	if (a->type == VAL_INT && b->type == VAL_FLOAT) {
		return (double)a->i == b->d;
	}
	if (a->type == VAL_FLOAT && b->type == VAL_INT) {
		return a->d == (double)b->i;
	}
	if (a->type != b->type) {
		return false;
	}
	switch ((enum val_type)a->type) {
	case VAL_NULL:
		return true;
	case VAL_BOOL:
		return a->b == b->b;
	case VAL_INT:
		return a->i == b->i;
	case VAL_FLOAT:
		return a->d == b->d;
	case VAL_STRING:
		return slice_eq(a->s, b->s);
	case VAL_ARRAY:
		if (a->n != b->n) {
			return false;
		}
		for (const struct val *x = a->first, *y = b->first; x; x = x->next, y = y->next) {
			if (!val_eq(x, y)) {
				return false;
			}
		}
		return true;
	case VAL_OBJECT:
		return a->n == b->n && objects_eq(a, b);
	}
	return false;
}

/* ---- building ---- */

static struct val *new_of(struct arena *a, enum val_type type)
{
	struct val *v = ARENA_NEW(a, struct val);

	v->type = (uint8_t)type;
	return v;
}

struct val *val_new_null(struct arena *a)
{
	return new_of(a, VAL_NULL);
}

struct val *val_new_bool(struct arena *a, bool b)
{
	struct val *v = new_of(a, VAL_BOOL);

	v->b = b;
	return v;
}

struct val *val_new_int(struct arena *a, int64_t i)
{
	struct val *v = new_of(a, VAL_INT);

	v->i = i;
	return v;
}

struct val *val_new_float(struct arena *a, double d)
{
	struct val *v = new_of(a, VAL_FLOAT);

	v->d = d;
	return v;
}

struct val *val_new_str(struct arena *a, struct slice s)
{
	struct val *v = new_of(a, VAL_STRING);

	v->s = arena_slice(a, s);
	return v;
}

struct val *val_new_cstr(struct arena *a, const char *s)
{
	return val_new_str(a, slice_of(s));
}

struct val *val_new_strf(struct arena *a, const char *fmt, ...)
{
	struct val *v = new_of(a, VAL_STRING);
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	n = n < 0 ? 0 : n;
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	v->s = (struct slice){ p, (size_t)n };
	return v;
}

struct val *val_new_array(struct arena *a)
{
	return new_of(a, VAL_ARRAY);
}

struct val *val_new_object(struct arena *a)
{
	return new_of(a, VAL_OBJECT);
}

static void link_last(struct val *parent, struct val *v)
{
	v->next = NULL;
	if (parent->last) {
		parent->last->next = v;
	} else {
		parent->first = v;
	}
	parent->last = v;
	parent->n++;
}

struct val *val_copy(struct arena *a, const struct val *v)
{
	struct val *copy;

	if (!v) {
		return NULL;
	}
	copy = new_of(a, (enum val_type)v->type);
	copy->flags = v->flags;
	copy->line = v->line;
	copy->col = v->col;
	if (v->key.p) {
		copy->key = arena_slice(a, v->key);
	}
	if (!is_container(v)) {
		if (v->s.p) {
			copy->s = arena_slice(a, v->s);
		}
		copy->i = v->i;
		if (v->type == VAL_FLOAT) {
			copy->d = v->d;
		} else if (v->type == VAL_BOOL) {
			copy->b = v->b;
		}
		return copy;
	}
	for (const struct val *it = v->first; it; it = it->next) {
		link_last(copy, val_copy(a, it));
	}
	return copy;
}

struct val *val_set_slice(struct arena *a, struct val *object, struct slice key, struct val *v)
{
	struct val *before = NULL;

	must(object->type == VAL_OBJECT);
	for (struct val *it = object->first; it; before = it, it = it->next) {
		if (!slice_eq(it->key, key)) {
			continue;
		}
		if (it == v) {
			return v;
		}
		v->key = it->key;
		v->next = it->next;
		if (before) {
			before->next = v;
		} else {
			object->first = v;
		}
		if (object->last == it) {
			object->last = v;
		}
		it->next = NULL;
		return v;
	}
	v->key = arena_slice(a, key);
	link_last(object, v);
	return v;
}

struct val *val_set(struct arena *a, struct val *object, const char *key, struct val *v)
{
	return val_set_slice(a, object, slice_of(key), v);
}

struct val *val_set_str(struct arena *a, struct val *object, const char *key, struct slice s)
{
	return val_set(a, object, key, val_new_str(a, s));
}

struct val *val_set_cstr(struct arena *a, struct val *object, const char *key, const char *s)
{
	return val_set(a, object, key, val_new_cstr(a, s));
}

struct val *val_set_int(struct arena *a, struct val *object, const char *key, int64_t i)
{
	return val_set(a, object, key, val_new_int(a, i));
}

struct val *val_set_bool(struct arena *a, struct val *object, const char *key, bool b)
{
	return val_set(a, object, key, val_new_bool(a, b));
}

struct val *val_need_object(struct arena *a, struct val *object, const char *key)
{
	struct val *v = val_get(object, key);

	return v && v->type == VAL_OBJECT ? v : val_set(a, object, key, val_new_object(a));
}

struct val *val_need_array(struct arena *a, struct val *object, const char *key)
{
	struct val *v = val_get(object, key);

	return v && v->type == VAL_ARRAY ? v : val_set(a, object, key, val_new_array(a));
}

struct val *val_append(struct val *array, struct val *v)
{
	must(array->type == VAL_ARRAY);
	v->key = (struct slice){ 0 };
	link_last(array, v);
	return v;
}

bool val_unlink(struct val *parent, struct val *child)
{
	struct val *before = NULL;

	if (!is_container(parent)) {
		return false;
	}
	for (struct val *it = parent->first; it; before = it, it = it->next) {
		if (it != child) {
			continue;
		}
		if (before) {
			before->next = it->next;
		} else {
			parent->first = it->next;
		}
		if (parent->last == it) {
			parent->last = before;
		}
		it->next = NULL;
		parent->n--;
		return true;
	}
	return false;
}

bool val_remove_slice(struct val *object, struct slice key)
{
	struct val *v = val_get_slice(object, key);

	return v && val_unlink(object, v);
}

bool val_remove(struct val *object, const char *key)
{
	return val_remove_slice(object, slice_of(key));
}
