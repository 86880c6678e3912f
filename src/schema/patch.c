/* Why: the two patches that need no knowledge of kinds: operations on a document (RFC 6902) and
 * merging (RFC 7386). The third is patch-strategic.c. Wording of failures is the API server's. */
#include "base/mem.h"
#include "schema/limits.h"
#include "schema/object.h"
#include "schema/tree.h"

struct json_patch {
	struct arena *arena;
	struct val *root;
	size_t copied_bytes; /* by "copy" operations so far */
};

/* ---- JSON pointers (RFC 6901) ---- */

/* Unescapes ~1 and ~0 of one reference token. */
static struct slice pointer_token(struct arena *a, struct slice raw)
{
	char *out;
	size_t n = 0;

	if (slice_find(raw, '~') < 0) {
		return raw;
	}
	out = arena_alloc(a, raw.len + 1);
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.p[i];

		if (c == '~' && i + 1 < raw.len && (raw.p[i + 1] == '0' || raw.p[i + 1] == '1')) {
			c = raw.p[++i] == '0' ? '~' : '/';
		}
		out[n++] = c;
	}
	return (struct slice){ out, n };
}

/* An index without leading zeros, below 'end'. */
static bool pointer_index(struct slice token, size_t end, size_t *ret)
{
	uint64_t n;

	if (!slice_to_u64(token, &n) || n >= end || (token.len > 1 && token.p[0] == '0')) {
		return false;
	}
	*ret = (size_t)n;
	return true;
}

static struct val *step(struct val *at, struct slice token)
{
	size_t i;

	if (!at || at->type != VAL_ARRAY) {
		return val_get_slice(at, token);
	}
	return pointer_index(token, at->n, &i) ? val_at(at, i) : NULL;
}

/* The container that holds the last token of the pointer; null when there is no way to it. */
static struct val *pointer_parent(struct json_patch *p, struct slice pointer,
                                  struct slice *ret_last)
{
	struct slice rest = slice_from(pointer, 1), raw;
	struct val *at = p->root;

	while (slice_next(&rest, '/', &raw)) {
		struct slice token = pointer_token(p->arena, raw);

		if (!rest.p) {
			*ret_last = token;
			return at && (at->type == VAL_OBJECT || at->type == VAL_ARRAY) ? at : NULL;
		}
		at = step(at, token);
	}
	return NULL;
}

static struct val *pointer_find(struct json_patch *p, struct slice pointer)
{
	struct slice last;
	struct val *parent;

	if (!pointer.len) {
		return p->root;
	}
	parent = pointer_parent(p, pointer, &last);
	return parent ? step(parent, last) : NULL;
}

/* ---- operations ---- */

static int missing(struct err *err, const char *op, struct slice path)
{
	return err_raise(err, ERR_INVALID,
	                 "%s operation does not apply: doc is missing path: \"" SLICE_FMT
	                 "\": missing value",
	                 op, SLICE_ARG(slice_head(path, 100)));
}

static int put(struct json_patch *p, const char *op, struct slice path, struct val *v,
               struct err *err)
{
	struct slice last = SLICE("");
	struct val *parent;
	size_t i;

	if (!path.len) {
		p->root = v;
		return 0;
	}
	parent = pointer_parent(p, path, &last);
	if (!parent) {
		return missing(err, op, path);
	}
	if (parent->type == VAL_OBJECT) {
		val_set_slice(p->arena, parent, last, v);
		return 0;
	}
	if (slice_is(last, "-")) {
		i = parent->n;
	} else if (!pointer_index(last, (size_t)parent->n + 1, &i)) {
		return err_raise(err, ERR_INVALID,
		                 "%s operation does not apply: doc is missing path: \"" SLICE_FMT
		                 "\": invalid index referenced",
		                 op, SLICE_ARG(slice_head(path, 100)));
	}
	tree_insert(parent, i, v);
	return 0;
}

static int remove_at(struct json_patch *p, const char *op, struct slice path, struct val **ret,
                     struct err *err)
{
	struct slice last = SLICE("");
	struct val *parent = path.len ? pointer_parent(p, path, &last) : NULL;
	struct val *child = parent ? step(parent, last) : NULL;

	if (!child) {
		return missing(err, op, path);
	}
	val_unlink(parent, child);
	*ret = child;
	return 0;
}

static int replace_at(struct json_patch *p, struct slice path, const struct val *v, struct err *err)
{
	struct val *old = pointer_find(p, path), *fresh = val_copy(p->arena, v);
	struct slice last = SLICE("");
	struct val *parent;

	if (!old) {
		return missing(err, "replace", path);
	}
	if (!path.len) {
		p->root = fresh;
		return 0;
	}
	parent = pointer_parent(p, path, &last);
	tree_replace(parent, old, fresh);
	return 0;
}

static size_t size_of(const struct val *v)
{
	size_t n = v->key.len + val_text(v).len + 4;

	val_for_each (v, it) {
		n += size_of(it);
	}
	return n;
}

static int copy_at(struct json_patch *p, struct slice from, struct slice path, struct err *err)
{
	const struct val *v = pointer_find(p, from);

	if (!v) {
		return missing(err, "copy", from);
	}
	p->copied_bytes += size_of(v);
	if (p->copied_bytes > PATCH_COPY_BYTES_MAX) {
		return err_raise(
			err, ERR_LIMIT,
			"Unable to complete the copy, the accumulated size increase of copy "
			"is %zu, exceeding the limit %d",
			p->copied_bytes, PATCH_COPY_BYTES_MAX);
	}
	return put(p, "copy", path, val_copy(p->arena, v), err);
}

static int move_at(struct json_patch *p, struct slice from, struct slice path, struct err *err)
{
	struct val *v;
	int r;

	if (slice_eq(from, path)) {
		return pointer_find(p, from) ? 0 : missing(err, "move", from);
	}
	r = remove_at(p, "move", from, &v, err);
	if (r < 0) {
		return r;
	}
	return put(p, "move", path, v, err);
}

static int test_at(struct json_patch *p, struct slice path, const struct val *v, struct err *err)
{
	const struct val *there = pointer_find(p, path);

	if (!val_eq(there, v)) {
		return err_raise(err, ERR_INVALID,
		                 "testing value " SLICE_FMT " failed: test failed",
		                 SLICE_ARG(slice_head(path, 100)));
	}
	return 0;
}

static int check_pointer(const struct val *v, const char *what, struct err *err)
{
	if (!v || v->type != VAL_STRING || (v->s.len && v->s.p[0] != '/')) {
		return err_raise(err, ERR_SYNTAX, "json patch: \"%s\" must be a JSON pointer",
		                 what);
	}
	return 0;
}

static int apply_op(struct json_patch *p, const struct val *o, struct err *err)
{
	struct slice op = val_get_str(o, "op"), path = val_get_str(o, "path");
	struct slice from = val_get_str(o, "from");
	const struct val *value = val_get(o, "value");
	struct val *gone;
	int r;

	if (!o || o->type != VAL_OBJECT) {
		return err_raise(err, ERR_SYNTAX, "json patch: every operation must be an object");
	}
	r = check_pointer(val_get(o, "path"), "path", err);
	if (r < 0) {
		return r;
	}
	if (slice_is(op, "move") || slice_is(op, "copy")) {
		r = check_pointer(val_get(o, "from"), "from", err);
		if (r < 0) {
			return r;
		}
		return slice_is(op, "move") ? move_at(p, from, path, err)
		                            : copy_at(p, from, path, err);
	}
	if (slice_is(op, "remove")) {
		return remove_at(p, "remove", path, &gone, err);
	}
	if (slice_is(op, "test")) {
		return test_at(p, path, value, err);
	}
	if (!slice_is(op, "add") && !slice_is(op, "replace")) {
		return err_raise(err, ERR_SYNTAX, "Unexpected kind: " SLICE_FMT,
		                 SLICE_ARG(slice_head(op, 32)));
	}
	if (!value) {
		return err_raise(err, ERR_SYNTAX, "json patch: \"%s\" needs \"value\"",
		                 slice_is(op, "add") ? "add" : "replace");
	}
	if (slice_is(op, "add")) {
		return put(p, "add", path, val_copy(p->arena, value), err);
	}
	return replace_at(p, path, value, err);
}

int patch_json(struct arena *a, const struct val *object, const struct val *patch, struct val **ret,
               struct err *err)
{
	struct json_patch p = { .arena = a, .root = val_copy(a, object) };

	if (!patch || patch->type != VAL_ARRAY) {
		return err_raise(err, ERR_SYNTAX, "json patch: must be an array of operations");
	}
	if (patch->n > PATCH_OPS_MAX) {
		return err_raise(err, ERR_LIMIT,
		                 "The allowed maximum operations in a JSON patch is %d, got %u",
		                 PATCH_OPS_MAX, patch->n);
	}
	val_for_each (patch, it) {
		int r = apply_op(&p, it, err);

		if (r < 0) {
			return r;
		}
	}
	if (a->overflowed || tree_is_deeper(p.root, TREE_DEPTH_MAX)) {
		return err_raise(err, ERR_LIMIT, "json patch: the result is too large or too deep");
	}
	*ret = p.root;
	return 0;
}

/* ---- merge patch ---- */

/* Target may be null or of another type: then the patch starts from nothing. */
static struct val *merge(struct arena *a, struct val *target, const struct val *patch)
{
	if (patch->type != VAL_OBJECT) {
		return val_copy(a, patch);
	}
	if (!target || target->type != VAL_OBJECT) {
		target = val_new_object(a);
	}
	val_for_each (patch, it) {
		struct val *old = val_get_slice(target, it->key);
		struct val *fresh;

		if (it->type == VAL_NULL) {
			val_remove_slice(target, it->key);
			continue;
		}
		fresh = merge(a, old, it);
		if (fresh != old) {
			val_set_slice(a, target, it->key, fresh);
		}
	}
	return target;
}

int patch_merge(struct arena *a, const struct val *object, const struct val *patch,
                struct val **ret, struct err *err)
{
	if (!patch || patch->type != VAL_OBJECT) {
		return err_raise(err, ERR_SYNTAX, "merge patch: must be an object");
	}
	*ret = merge(a, val_copy(a, object), patch);
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "merge patch: the result is too large");
	}
	return 0;
}
