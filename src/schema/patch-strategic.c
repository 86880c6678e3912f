/* Why: kubectl's own patch: it knows from the kind which lists are merged, by which key, and in
 * which order they end. Source: reference 3.7 "SMP"
 *
 *   $patch: delete|replace|merge        in an object, or in a list element
 *   $retainKeys: [a, b]                 drop the object's other members
 *   $deleteFromPrimitiveList/f: [v]     take values out of list f
 *   $setElementOrder/f: [..]            order of list f; elements only the server has keep their
 * relative place */
#include "base/mem.h"
#include "schema/limits.h"
#include "schema/object.h"
#include "schema/tree.h"
#include "schema/type.h"

#define DIRECTIVE   "$patch"
#define RETAIN_KEYS "$retainKeys"
#define DELETE_FROM "$deleteFromPrimitiveList/"
#define SET_ORDER   "$setElementOrder/"

struct smp {
	struct arena *arena;
	struct err *err;
};

static int merge_object(struct smp *s, const struct type *t, struct val *target,
                        const struct val *patch, unsigned depth);

static bool is_directive(struct slice key)
{
	return slice_is(key, DIRECTIVE) || slice_is(key, RETAIN_KEYS) ||
	       slice_has_prefix(key, SLICE(DELETE_FROM)) || slice_has_prefix(key, SLICE(SET_ORDER));
}

/* What a patch adds where nothing was: without directives, nulls, and elements meant for deletion.
 */
static struct val *plain(struct smp *s, const struct val *v)
{
	struct val *out;

	if (v->type != VAL_OBJECT && v->type != VAL_ARRAY) {
		return val_copy(s->arena, v);
	}
	out = v->type == VAL_OBJECT ? val_new_object(s->arena) : val_new_array(s->arena);
	val_for_each (v, it) {
		struct slice directive = val_get_str(it, DIRECTIVE);

		if (v->type == VAL_ARRAY) {
			bool only = it->type == VAL_OBJECT && it->n == 1 && directive.len;

			if (!slice_is(directive, "delete") && !only) {
				val_append(out, plain(s, it));
			}
		} else if (it->type != VAL_NULL && !is_directive(it->key)) {
			val_set_slice(s->arena, out, it->key, plain(s, it));
		}
	}
	return out;
}

static const struct type *element_type(const struct field *f)
{
	return f && f->type && (f->type->form == TYPE_LIST || f->type->form == TYPE_MAP)
	               ? f->type->of
	               : NULL;
}

/* ---- lists ---- */

static bool same_element(const struct val *a, const struct val *b, const char *key)
{
	return key ? val_get(a, key) && val_eq(val_get(a, key), val_get(b, key)) : val_eq(a, b);
}

static ptrdiff_t index_of(const struct val *list, const struct val *element, const char *key)
{
	ptrdiff_t i = 0;

	val_for_each (list, it) {
		if (same_element(it, element, key)) {
			return i;
		}
		i++;
	}
	return -1;
}

/* Takes every element that 'order' names out of list, in that order. */
static struct val *take_ordered(struct smp *s, struct val *list, const struct val *order,
                                const char *key)
{
	struct val *out = val_new_array(s->arena);

	val_for_each (order, wanted) {
		ptrdiff_t i;

		while ((i = index_of(list, wanted, key)) >= 0) {
			struct val *e = val_at(list, (size_t)i);

			val_unlink(list, e);
			val_append(out, e);
		}
	}
	return out;
}

/* Merges what only the server has into what was asked for; both keep their order, and an element of
 * the server comes first where it stood before the other in the live list. */
static struct val *interleave(struct smp *s, struct val *server, struct val *asked,
                              const struct val *live, const char *key)
{
	struct val *out = val_new_array(s->arena);

	while (val_len(server) || val_len(asked)) {
		struct val *l = val_at(server, 0), *r = val_at(asked, 0), *next = r;

		if (l && r) {
			ptrdiff_t li = index_of(live, l, key), ri = index_of(live, r, key);

			next = li >= 0 && ri >= 0 && li < ri ? l : r;
		} else if (l) {
			next = l;
		}
		val_unlink(next == l ? server : asked, next);
		val_append(out, next);
	}
	return out;
}

static int check_list(struct smp *s, const struct val *v, const char *what)
{
	if (!v || v->type != VAL_ARRAY) {
		return err_raise(s->err, ERR_SYNTAX, "invalid patch format of %s", what);
	}
	return 0;
}

static int merge_element(struct smp *s, const struct field *f, struct val *merged,
                         const struct val *patch, unsigned depth)
{
	const char *key = f->merge_key;
	struct slice directive = val_get_str(patch, DIRECTIVE);
	ptrdiff_t i;

	if (patch->type != VAL_OBJECT || val_is_null(val_get(patch, key))) {
		return err_raise(s->err, ERR_INVALID,
		                 "map: does not contain declared merge key: %s", key);
	}
	i = index_of(merged, patch, key);
	if (slice_is(directive, "delete")) {
		while (i >= 0) {
			val_unlink(merged, val_at(merged, (size_t)i));
			i = index_of(merged, patch, key);
		}
		return 0;
	}
	if (i < 0) {
		val_append(merged, plain(s, patch));
		return 0;
	}
	if (slice_is(directive, "replace")) {
		tree_replace(merged, val_at(merged, (size_t)i), plain(s, patch));
		return 0;
	}
	return merge_object(s, element_type(f), val_at(merged, (size_t)i), patch, depth + 1);
}

/* {"$patch": "replace"} as an element: the others replace the whole list. */
static bool replaces_list(const struct val *patch)
{
	val_for_each (patch, it) {
		if (slice_is(val_get_str(it, DIRECTIVE), "replace") && it->n == 1) {
			return true;
		}
	}
	return false;
}

/* live, patch and order may each be null. */
static int merge_list(struct smp *s, const struct field *f, const struct val *live,
                      const struct val *patch, const struct val *order, unsigned depth,
                      struct val **ret)
{
	struct val *merged = live ? val_copy(s->arena, live) : val_new_array(s->arena);
	const char *key = f->merge_key;
	struct val *asked;

	if (val_len(live) + val_len(patch) + val_len(order) > PATCH_LIST_MAX) {
		return err_raise(s->err, ERR_LIMIT, "a list is too long to be merged");
	}
	if (patch && replaces_list(patch)) {
		*ret = plain(s, patch);
		return 0;
	}
	val_for_each (patch, it) {
		if (key) {
			int r = merge_element(s, f, merged, it, depth);

			if (r < 0) {
				return r;
			}
		} else if (index_of(merged, it, NULL) < 0) {
			val_append(merged, val_copy(s->arena, it));
		}
	}
	asked = take_ordered(s, merged, order ? order : patch, key);
	*ret = interleave(s, merged, asked, live, key);
	return 0;
}

static int delete_values(struct smp *s, struct val *target, struct slice field,
                         const struct val *values)
{
	struct val *list = val_get_slice(target, field);
	int r = check_list(s, values, "primitive list");

	if (r < 0) {
		return r;
	}
	for (size_t i = val_len(list); list && list->type == VAL_ARRAY && i-- > 0;) {
		if (index_of(values, val_at(list, i), NULL) >= 0) {
			val_unlink(list, val_at(list, i));
		}
	}
	return 0;
}

/* ---- objects ---- */

static int retain_keys(struct smp *s, struct val *target, const struct val *patch)
{
	const struct val *keys = val_get(patch, RETAIN_KEYS);
	int r = keys ? check_list(s, keys, "retainKeys") : 0;

	if (r < 0 || !keys) {
		return r;
	}
	val_for_each (patch, it) {
		struct val name = { .type = VAL_STRING, .s = it->key };

		if (!is_directive(it->key) && it->type != VAL_NULL &&
		    index_of(keys, &name, NULL) < 0) {
			return err_raise(s->err, ERR_SYNTAX, "invalid patch format of retainKeys");
		}
	}
	for (struct val *it = target->first, *next; it; it = next) {
		struct val name = { .type = VAL_STRING, .s = it->key };

		next = it->next;
		if (index_of(keys, &name, NULL) < 0) {
			val_unlink(target, it);
		}
	}
	return 0;
}

static const struct val *order_of(struct smp *s, const struct val *patch, struct slice field)
{
	const char *key = arena_printf(s->arena, SET_ORDER SLICE_FMT, SLICE_ARG(field));

	return val_get(patch, key);
}

static int merge_member(struct smp *s, const struct type *t, struct val *target,
                        const struct val *patch, const struct val *it, unsigned depth)
{
	const struct field *f = type_field(t, it->key);
	struct val *old = val_get_slice(target, it->key), *fresh = NULL;
	unsigned flags = f ? f->flags : 0;
	const struct type *inner = f ? f->type : t && t->form == TYPE_MAP ? t->of : NULL;
	int r;

	if (it->type == VAL_NULL) {
		val_remove_slice(target, it->key);
		return 0;
	}
	if (it->type == VAL_OBJECT && old && old->type == VAL_OBJECT &&
	    !(flags & FIELD_PATCH_REPLACE)) {
		return merge_object(s, inner, old, it, depth + 1);
	}
	if (it->type == VAL_ARRAY && (flags & FIELD_PATCH_MERGE)) {
		r = merge_list(s, f, old && old->type == VAL_ARRAY ? old : NULL, it,
		               order_of(s, patch, it->key), depth, &fresh);
		if (r < 0) {
			return r;
		}
	} else {
		fresh = plain(s, it);
	}
	val_set_slice(s->arena, target, it->key, fresh);
	return 0;
}

/* Orders for lists of which the patch has no elements. */
static int order_member(struct smp *s, const struct type *t, struct val *target,
                        const struct val *patch, const struct val *order)
{
	struct slice name = slice_from(order->key, sizeof(SET_ORDER) - 1);
	const struct field *f = type_field(t, name);
	struct val *list = val_get_slice(target, name), *fresh;
	int r = check_list(s, order, "setElementOrder list");

	if (r < 0) {
		return r;
	}
	if (!f || !(f->flags & FIELD_PATCH_MERGE) || !list || list->type != VAL_ARRAY ||
	    val_get_slice(patch, name)) {
		return 0;
	}
	r = merge_list(s, f, list, NULL, order, 0, &fresh);
	if (r == 0) {
		val_set_slice(s->arena, target, name, fresh);
	}
	return r;
}

static int apply_directive(struct smp *s, struct val *target, const struct val *patch,
                           bool *ret_done)
{
	const struct val *v = val_get(patch, DIRECTIVE);
	struct slice what = val_str(v);

	*ret_done = false;
	if (!v || slice_is(what, "merge")) {
		return 0;
	}
	if (!slice_is(what, "replace") && !slice_is(what, "delete")) {
		return err_raise(s->err, ERR_SYNTAX, "unknown patch type found: " SLICE_FMT,
		                 SLICE_ARG(slice_head(what, 64)));
	}
	while (target->first) {
		val_unlink(target, target->first);
	}
	if (slice_is(what, "replace")) {
		val_for_each (patch, it) {
			if (!is_directive(it->key) && it->type != VAL_NULL) {
				val_set_slice(s->arena, target, it->key, plain(s, it));
			}
		}
	}
	*ret_done = true;
	return 0;
}

static int merge_object(struct smp *s, const struct type *t, struct val *target,
                        const struct val *patch, unsigned depth)
{
	bool done;
	int r = depth > TREE_DEPTH_MAX ? err_raise(s->err, ERR_LIMIT, "the patch is too deep")
	                               : apply_directive(s, target, patch, &done);

	if (r < 0 || done) {
		return r;
	}
	r = retain_keys(s, target, patch);
	if (r < 0) {
		return r;
	}
	val_for_each (patch, it) {
		if (slice_has_prefix(it->key, SLICE(DELETE_FROM))) {
			r = delete_values(s, target, slice_from(it->key, sizeof(DELETE_FROM) - 1),
			                  it);
		} else if (!is_directive(it->key)) {
			r = merge_member(s, t, target, patch, it, depth);
		}
		if (r < 0) {
			return r;
		}
	}
	val_for_each (patch, it) {
		if (slice_has_prefix(it->key, SLICE(SET_ORDER))) {
			r = order_member(s, t, target, patch, it);
			if (r < 0) {
				return r;
			}
		}
	}
	return 0;
}

int patch_strategic(const struct kind *k, struct arena *a, const struct val *object,
                    const struct val *patch, struct val **ret, struct err *err)
{
	struct smp s = { .arena = a, .err = err };
	struct val *target;
	int r;

	if (k->is_custom) {
		return err_raise(
			err, ERR_UNSUPPORTED,
			"the body of the request was in an unknown format - accepted media types "
			"include: application/json-patch+json, application/merge-patch+json, "
			"application/apply-patch+yaml");
	}
	if (!patch || patch->type != VAL_OBJECT) {
		return err_raise(err, ERR_SYNTAX, "strategic merge patch: must be an object");
	}
	target = object && object->type == VAL_OBJECT ? val_copy(a, object) : val_new_object(a);
	r = merge_object(&s, k->type, target, patch, 0);
	if (r < 0) {
		return r;
	}
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "strategic merge patch: the result is too large");
	}
	*ret = target;
	return 0;
}
