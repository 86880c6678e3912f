/* Why: printer columns of custom kinds name their cell by a path; a list of steps, each of which
 * maps the values found so far to the next ones. */
#include "schema/jsonpath.h"

#include <stdlib.h>

#include "base/mem.h"

enum step_type { STEP_FIELD, STEP_INDEX, STEP_ALL, STEP_FILTER };

struct step {
	enum step_type type;
	struct slice name;   /* STEP_FIELD: unescaped; STEP_FILTER: the operand's path after '@' */
	int64_t index;       /* STEP_INDEX; negative counts from the end */
	struct slice op;     /* STEP_FILTER: "==", ...; empty: exists */
	struct slice wanted; /* STEP_FILTER: right side without quotes */
};

#define STEPS_MAX   64
#define FILTERS_MAX 4 /* one within the other */

static int wrong(struct err *err, struct slice path)
{
	return err_raise(err, ERR_SYNTAX, "invalid JSON path \"" SLICE_FMT "\"",
	                 SLICE_ARG(slice_head(path, 100)));
}

/* Text up to the closing character that stands outside quotes; -1 when there is none. */
static ptrdiff_t find_close(struct slice s, char close)
{
	char quote = '\0';

	for (size_t i = 0; i < s.len; i++) {
		if (quote) {
			quote = s.p[i] == quote ? '\0' : quote;
		} else if (s.p[i] == '\'' || s.p[i] == '"') {
			quote = s.p[i];
		} else if (s.p[i] == close) {
			return (ptrdiff_t)i;
		}
	}
	return -1;
}

static struct slice unquote(struct slice s)
{
	if (s.len >= 2 && (s.p[0] == '\'' || s.p[0] == '"') && s.p[s.len - 1] == s.p[0]) {
		return slice_head(slice_from(s, 1), s.len - 2);
	}
	return s;
}

static bool parse_filter(struct slice inner, struct step *st)
{
	static const char *const ops[] = { "==", "!=", "<=", ">=", "<", ">" };

	inner = slice_trim(inner);
	if (!inner.len || inner.p[0] != '@') {
		return false;
	}
	st->type = STEP_FILTER;
	st->op = SLICE("");
	for (size_t i = 1; i < inner.len; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(ops); k++) {
			struct slice op = slice_of(ops[k]);

			if (slice_has_prefix(slice_from(inner, i), op)) {
				st->op = op;
				st->name = slice_trim(slice_head(slice_from(inner, 1), i - 1));
				st->wanted = unquote(slice_trim(slice_from(inner, i + op.len)));
				return true;
			}
		}
	}
	st->name = slice_trim(slice_from(inner, 1));
	return true;
}

/* What stands between brackets. */
static bool parse_bracket(struct slice inner, struct step *st)
{
	inner = slice_trim(inner);
	if (slice_is(inner, "*")) {
		st->type = STEP_ALL;
		return true;
	}
	if (slice_has_prefix(inner, SLICE("?(")) && slice_has_suffix(inner, SLICE(")"))) {
		return parse_filter(slice_head(slice_from(inner, 2), inner.len - 3), st);
	}
	if (inner.len >= 2 && (inner.p[0] == '\'' || inner.p[0] == '"')) {
		st->type = STEP_FIELD;
		st->name = unquote(inner);
		return st->name.len != inner.len;
	}
	st->type = STEP_INDEX;
	return slice_to_i64(inner, &st->index);
}

/* A bare name: up to the next dot or bracket, with backslash escapes. */
static size_t parse_name(struct arena *a, struct slice s, struct step *st)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t i = 0, n = 0;

	while (i < s.len && s.p[i] != '.' && s.p[i] != '[') {
		if (s.p[i] == '\\' && i + 1 < s.len) {
			i++;
		}
		out[n++] = s.p[i++];
	}
	st->type = n == 1 && out[0] == '*' ? STEP_ALL : STEP_FIELD;
	st->name = (struct slice){ out, n };
	return i;
}

static int parse_path(struct arena *a, struct slice path, struct step *steps, size_t *ret_n,
                      struct err *err)
{
	struct slice rest = slice_trim(path);
	size_t n = 0;

	if (slice_has_prefix(rest, SLICE("{")) && slice_has_suffix(rest, SLICE("}"))) {
		rest = slice_trim(slice_head(slice_from(rest, 1), rest.len - 2));
	}
	if (slice_has_prefix(rest, SLICE("$"))) {
		rest = slice_from(rest, 1);
	}
	while (rest.len) {
		struct step *st = &steps[n];

		if (n++ == STEPS_MAX) {
			return wrong(err, path);
		}
		if (rest.p[0] == '[') {
			ptrdiff_t close = find_close(rest, ']');

			if (close < 0 ||
			    !parse_bracket(slice_head(slice_from(rest, 1), (size_t)close - 1),
			                   st)) {
				return wrong(err, path);
			}
			rest = slice_from(rest, (size_t)close + 1);
			continue;
		}
		if (rest.p[0] == '.') {
			rest = slice_from(rest, 1);
			if (!rest.len && n == 1) {
				n = 0; /* "." is the object itself */
				break;
			}
		} else if (n > 1) {
			return wrong(err, path);
		}
		if (rest.len && rest.p[0] == '[') {
			n--; /* ".[" is "[" */
			continue;
		}
		rest = slice_from(rest, parse_name(a, rest, st));
		if (!st->name.len) {
			return wrong(err, path);
		}
	}
	*ret_n = n;
	return 0;
}

/* ---- walking ---- */

struct walk {
	struct arena *arena;
	struct val *found; /* results are appended */
	unsigned depth;    /* filters around this one */
};

static int find(const struct walk *w, struct slice path, const struct val *v, struct err *err);
static void walk(const struct walk *w, const struct step *steps, size_t n, const struct val *v);

static bool compare(struct slice op, const struct val *v, struct slice wanted)
{
	char number[40], *end;
	double have = 0, want = 0;
	int order;

	if (v->type == VAL_INT || v->type == VAL_FLOAT) {
		snprintf(number, sizeof(number), SLICE_FMT, SLICE_ARG(slice_head(wanted, 32)));
		want = strtod(number, &end);
		if (end == number || *end) {
			return slice_is(op, "!=");
		}
		have = v->type == VAL_INT ? (double)v->i : v->d;
		order = have < want ? -1 : have > want;
	} else if (v->type == VAL_BOOL) {
		order = slice_is(wanted, v->b ? "true" : "false") ? 0 : 1;
	} else if (v->type == VAL_STRING) {
		order = slice_cmp(v->s, wanted);
	} else {
		return false;
	}
	return slice_is(op, "==")   ? order == 0
	       : slice_is(op, "!=") ? order != 0
	       : slice_is(op, "<")  ? order < 0
	       : slice_is(op, "<=") ? order <= 0
	       : slice_is(op, ">")  ? order > 0
	                            : order >= 0;
}

static bool passes(const struct walk *w, const struct step *st, const struct val *v)
{
	struct walk inner = { .arena = w->arena,
		              .found = val_new_array(w->arena),
		              .depth = w->depth + 1 };

	if (find(&inner, st->name, v, NULL) < 0 || !val_len(inner.found)) {
		return false;
	}
	return !st->op.len || compare(st->op, val_at(inner.found, 0), st->wanted);
}

static void walk_children(const struct walk *w, const struct step *steps, size_t n,
                          const struct val *v)
{
	val_for_each (v, it) {
		if (steps[0].type == STEP_ALL || passes(w, &steps[0], it)) {
			walk(w, steps + 1, n - 1, it);
		}
	}
}

static void walk(const struct walk *w, const struct step *steps, size_t n, const struct val *v)
{
	int64_t i;

	if (!v) {
		return;
	}
	if (n == 0) {
		val_append(w->found, val_copy(w->arena, v));
		return;
	}
	switch (steps[0].type) {
	case STEP_FIELD:
		walk(w, steps + 1, n - 1, val_get_slice(v, steps[0].name));
		break;
	case STEP_INDEX:
		i = steps[0].index < 0 ? (int64_t)val_len(v) + steps[0].index : steps[0].index;
		if (v->type == VAL_ARRAY && i >= 0) {
			walk(w, steps + 1, n - 1, val_at(v, (size_t)i));
		}
		break;
	case STEP_ALL:
	case STEP_FILTER:
		walk_children(w, steps, n, v);
		break;
	}
}

static int find(const struct walk *w, struct slice path, const struct val *v, struct err *err)
{
	struct step steps[STEPS_MAX];
	size_t n = 0;
	int r;

	if (w->depth > FILTERS_MAX) {
		return wrong(err, path);
	}
	r = parse_path(w->arena, path, steps, &n, err);
	if (r == 0) {
		walk(w, steps, n, v);
	}
	return r;
}

int jsonpath_find(struct arena *a, struct slice path, const struct val *v, struct val *found,
                  struct err *err)
{
	struct walk w = { .arena = a, .found = found };

	return find(&w, path, v, err);
}
