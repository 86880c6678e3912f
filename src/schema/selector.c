/* Why: label selectors are asked of every list, watch, service and policy, so they are parsed once
 * into sorted requirements; the grammar and the words of its failures are those that scripts know.
 * Source: k8s/labels#label-selectors */
#include "schema/selector.h"

#include "base/mem.h"
#include "schema/label.h"

enum op { OP_IN, OP_NOTIN, OP_EQ, OP_NE, OP_EXISTS, OP_ABSENT, OP_GT, OP_LT };

struct requirement {
	enum op op;
	struct slice key;     /* lives in the arena */
	struct slice *values; /* sorted, without repeats */
	size_t n;
	int64_t number; /* OP_GT, OP_LT */
};

struct selector {
	bool nothing;           /* matches no labels at all */
	struct requirement *at; /* sorted by key; all must hold */
	size_t n, room;
};

/* ---- building ---- */

static int cmp_slices(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static struct selector *new_selector(struct arena *a)
{
	return ARENA_NEW(a, struct selector);
}

static struct requirement *add(struct arena *a, struct selector *s, enum op op, struct slice key)
{
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 4;
		struct requirement *more = ARENA_ARRAY(a, struct requirement, room);

		if (s->n) {
			memcpy(more, s->at, s->n * sizeof(*more));
		}
		s->at = more;
		s->room = room;
	}
	s->at[s->n] = (struct requirement){ .op = op, .key = arena_slice(a, key) };
	return &s->at[s->n++];
}

static void add_value(struct arena *a, struct requirement *r, struct slice value)
{
	/* grows at powers of two */
	if ((r->n & (r->n - 1)) == 0) {
		struct slice *more = ARENA_ARRAY(a, struct slice, r->n ? r->n * 2 : 1);

		if (r->n) {
			memcpy(more, r->values, r->n * sizeof(*more));
		}
		r->values = more;
	}
	r->values[r->n++] = arena_slice(a, value);
}

static void finish_values(struct requirement *r)
{
	size_t n = 0;

	if (r->n < 2) {
		return;
	}
	qsort(r->values, r->n, sizeof(*r->values), cmp_slices);
	for (size_t i = 0; i < r->n; i++) {
		if (n == 0 || !slice_eq(r->values[n - 1], r->values[i])) {
			r->values[n++] = r->values[i];
		}
	}
	r->n = n;
}

static const struct selector *finish(struct selector *s)
{
	/* insertion sort: few, nearly sorted, and equal keys keep their order */
	for (size_t i = 1; i < s->n; i++) {
		struct requirement r = s->at[i];
		size_t k = i;

		while (k > 0 && slice_cmp(s->at[k - 1].key, r.key) > 0) {
			s->at[k] = s->at[k - 1];
			k--;
		}
		s->at[k] = r;
	}
	return s;
}

static const char *const op_words[] = {
	[OP_IN] = "in",         [OP_NOTIN] = "notin", [OP_EQ] = "=",  [OP_NE] = "!=",
	[OP_EXISTS] = "exists", [OP_ABSENT] = "!",    [OP_GT] = "gt", [OP_LT] = "lt",
};

static int check_key(struct slice key, struct err *err)
{
	const char *why = label_key_wrong(key);

	if (why) {
		return err_raise(err, ERR_SYNTAX, "key: Invalid value: \"" SLICE_FMT "\": %s",
		                 SLICE_ARG(slice_head(key, 64)), why);
	}
	return 0;
}

static int check_requirement(struct requirement *r, struct err *err)
{
	switch (r->op) {
	case OP_IN:
	case OP_NOTIN:
		if (r->n == 0) {
			return err_raise(err, ERR_SYNTAX,
			                 "values: Invalid value: []: for 'in', 'notin' operators, "
			                 "values set can't be empty");
		}
		break;
	case OP_GT:
	case OP_LT:
		if (r->n != 1 || !slice_to_i64(r->values[0], &r->number)) {
			return err_raise(
				err, ERR_SYNTAX,
				"values[0]: Invalid value: \"" SLICE_FMT
				"\": for 'Gt', 'Lt' operators, the value must be an integer",
				SLICE_ARG(slice_head(r->n ? r->values[0] : SLICE(""), 64)));
		}
		break;
	case OP_EQ:
	case OP_NE:
	case OP_EXISTS:
	case OP_ABSENT:
		break;
	}
	for (size_t i = 0; i < r->n; i++) {
		const char *why = label_value_wrong(r->values[i]);

		if (why) {
			return err_raise(err, ERR_SYNTAX,
			                 "values[%zu][" SLICE_FMT "]: Invalid value: \"" SLICE_FMT
			                 "\": %s",
			                 i, SLICE_ARG(slice_head(r->key, 64)),
			                 SLICE_ARG(slice_head(r->values[i], 64)), why);
		}
	}
	return 0;
}

/* ---- text: lexer ---- */

enum token {
	TOK_END,
	TOK_ID,
	TOK_IN,
	TOK_NOTIN,
	TOK_NOT,
	TOK_EQ,
	TOK_EQEQ,
	TOK_NE,
	TOK_GT,
	TOK_LT,
	TOK_OPEN,
	TOK_CLOSE,
	TOK_COMMA,
	TOK_WRONG,
};

struct lexer {
	struct slice rest;
	enum token tok;    /* the token ahead */
	struct slice text; /* its text */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_special(char c)
{
	return c && strchr("=!(),><", c);
}

static enum token symbol_of(struct slice s)
{
	static const struct {
		const char *text;
		enum token tok;
	} symbols[] = {
		{ ")", TOK_CLOSE }, { ",", TOK_COMMA }, { "!", TOK_NOT },
		{ "==", TOK_EQEQ }, { "=", TOK_EQ },    { ">", TOK_GT },
		{ "<", TOK_LT },    { "!=", TOK_NE },   { "(", TOK_OPEN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
		if (slice_is(s, symbols[i].text)) {
			return symbols[i].tok;
		}
	}
	return TOK_WRONG;
}

static void scan(struct lexer *l)
{
	size_t n = 0;

	while (l->rest.len && is_space(l->rest.p[0])) {
		l->rest = slice_from(l->rest, 1);
	}
	if (!l->rest.len) {
		l->tok = TOK_END;
		l->text = SLICE("");
		return;
	}
	if (is_special(l->rest.p[0])) {
		n = l->rest.len > 1 && symbol_of(slice_head(l->rest, 2)) != TOK_WRONG ? 2 : 1;
		l->text = slice_head(l->rest, n);
		l->tok = symbol_of(l->text);
	} else {
		while (n < l->rest.len && !is_special(l->rest.p[n]) && !is_space(l->rest.p[n])) {
			n++;
		}
		l->text = slice_head(l->rest, n);
		l->tok = slice_is(l->text, "in")      ? TOK_IN
		         : slice_is(l->text, "notin") ? TOK_NOTIN
		                                      : TOK_ID;
	}
	l->rest = slice_from(l->rest, n);
}

/* The token ahead, where operator words count as names. */
static enum token ahead(const struct lexer *l)
{
	return l->tok == TOK_IN || l->tok == TOK_NOTIN ? TOK_ID : l->tok;
}

static int found(struct err *err, struct slice text, const char *expected)
{
	return err_raise(err, ERR_SYNTAX, "found '" SLICE_FMT "', expected: %s",
	                 SLICE_ARG(slice_head(text, 64)), expected);
}

/* ---- text: parser ---- */

static int parse_list(struct lexer *l, struct arena *a, struct requirement *r, struct err *err)
{
	bool wants_value = true;

	if (l->tok != TOK_OPEN) {
		return err_raise(err, ERR_SYNTAX, "found '" SLICE_FMT "' expected: '('",
		                 SLICE_ARG(slice_head(l->text, 64)));
	}
	scan(l);
	if (l->tok == TOK_CLOSE) {
		scan(l);
		return 0;
	}
	for (;;) {
		if (ahead(l) == TOK_ID) {
			if (!wants_value) {
				return found(err, l->text, "',' or ')'");
			}
			add_value(a, r, l->text);
			wants_value = false;
		} else if (l->tok == TOK_COMMA) {
			if (wants_value) {
				add_value(a, r, SLICE(""));
			}
			wants_value = true;
		} else if (l->tok == TOK_CLOSE) {
			if (wants_value) {
				add_value(a, r, SLICE(""));
			}
			scan(l);
			return 0;
		} else {
			return found(err, l->text,
			             wants_value ? "',', ')' or identifier" : "',' or ')'");
		}
		scan(l);
	}
}

static int parse_value(struct lexer *l, struct arena *a, struct requirement *r, struct err *err)
{
	if (l->tok == TOK_END || l->tok == TOK_COMMA) {
		add_value(a, r, SLICE(""));
		return 0;
	}
	if (ahead(l) != TOK_ID) {
		return found(err, l->text, "identifier");
	}
	add_value(a, r, l->text);
	scan(l);
	return 0;
}

static int parse_requirement(struct lexer *l, struct arena *a, struct selector *s, struct err *err)
{
	struct requirement *req;
	bool negated = l->tok == TOK_NOT;
	struct slice key;
	enum token tok;
	int r;

	if (negated) {
		scan(l);
	}
	if (ahead(l) != TOK_ID) {
		return found(err, l->text, "identifier");
	}
	key = l->text;
	r = check_key(key, err);
	if (r < 0) {
		return r;
	}
	scan(l);
	if (l->tok == TOK_END || l->tok == TOK_COMMA) {
		add(a, s, negated ? OP_ABSENT : OP_EXISTS, key);
		return 0;
	}
	tok = l->tok;
	switch (tok) {
	case TOK_IN:
	case TOK_NOTIN:
		req = add(a, s, tok == TOK_IN ? OP_IN : OP_NOTIN, key);
		scan(l);
		r = parse_list(l, a, req, err);
		break;
	case TOK_EQ:
	case TOK_EQEQ:
	case TOK_NE:
	case TOK_GT:
	case TOK_LT:
		req = add(a, s,
		          tok == TOK_NE   ? OP_NE
		          : tok == TOK_GT ? OP_GT
		          : tok == TOK_LT ? OP_LT
		                          : OP_EQ,
		          key);
		scan(l);
		r = parse_value(l, a, req, err);
		break;
	case TOK_END:
	case TOK_ID:
	case TOK_NOT:
	case TOK_OPEN:
	case TOK_CLOSE:
	case TOK_COMMA:
	case TOK_WRONG:
	default:
		return found(err, l->text, "in, notin, =, ==, !=, gt, lt");
	}
	if (r < 0) {
		return r;
	}
	finish_values(req);
	return check_requirement(req, err);
}

int selector_parse(struct arena *a, struct slice text, const struct selector **ret, struct err *err)
{
	struct selector *s = new_selector(a);
	struct lexer l = { .rest = text };
	int r;

	scan(&l);
	while (l.tok != TOK_END) {
		if (ahead(&l) != TOK_ID && l.tok != TOK_NOT) {
			return found(err, l.text, "!, identifier, or 'end of string'");
		}
		r = parse_requirement(&l, a, s, err);
		if (r < 0) {
			return err_while(err, r, "unable to parse requirement");
		}
		if (l.tok == TOK_COMMA) {
			scan(&l);
			if (ahead(&l) != TOK_ID && l.tok != TOK_NOT) {
				return found(err, l.text, "identifier after ','");
			}
		} else if (l.tok != TOK_END) {
			return found(err, l.text, "',' or 'end of string'");
		}
	}
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "label selector is too long");
	}
	*ret = finish(s);
	return 0;
}

/* ---- from objects ---- */

static int add_expression(struct arena *a, struct selector *s, const struct val *e, struct err *err)
{
	struct slice op = val_get_str(e, "operator"), key = val_get_str(e, "key");
	const struct val *values = val_get(e, "values");
	struct requirement *req;
	int r;

	if (slice_is(op, "In") || slice_is(op, "NotIn")) {
		req = add(a, s, slice_is(op, "In") ? OP_IN : OP_NOTIN, key);
	} else if (slice_is(op, "Exists") || slice_is(op, "DoesNotExist")) {
		if (val_len(values)) {
			return err_raise(err, ERR_INVALID,
			                 "values: Invalid value: values set must be empty for "
			                 "exists and does not exist");
		}
		req = add(a, s, slice_is(op, "Exists") ? OP_EXISTS : OP_ABSENT, key);
	} else {
		return err_raise(err, ERR_INVALID,
		                 "\"" SLICE_FMT "\" is not a valid label selector operator",
		                 SLICE_ARG(slice_head(op, 64)));
	}
	r = check_key(key, err);
	if (r < 0) {
		return r;
	}
	val_for_each (values, it) {
		add_value(a, req, val_str(it));
	}
	finish_values(req);
	return check_requirement(req, err);
}

static void add_map(struct arena *a, struct selector *s, const struct val *map)
{
	if (!map || map->type != VAL_OBJECT) {
		return;
	}
	val_for_each (map, it) {
		add_value(a, add(a, s, OP_EQ, it->key), val_str(it));
	}
}

int selector_of_object(struct arena *a, const struct val *label_selector,
                       const struct selector **ret, struct err *err)
{
	struct selector *s = new_selector(a);

	if (val_is_null(label_selector)) {
		s->nothing = true;
		*ret = s;
		return 0;
	}
	add_map(a, s, val_get(label_selector, "matchLabels"));
	val_for_each (val_get(label_selector, "matchExpressions"), it) {
		int r = add_expression(a, s, it, err);

		if (r < 0) {
			return r;
		}
	}
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "label selector is too long");
	}
	*ret = finish(s);
	return 0;
}

const struct selector *selector_of_map(struct arena *a, const struct val *map)
{
	struct selector *s = new_selector(a);

	add_map(a, s, map);
	return finish(s);
}

/* ---- asking ---- */

static bool has_value(const struct requirement *r, struct slice value)
{
	for (size_t i = 0; i < r->n; i++) {
		if (slice_eq(r->values[i], value)) {
			return true;
		}
	}
	return false;
}

static bool holds(const struct requirement *r, const struct val *label)
{
	int64_t number;

	switch (r->op) {
	case OP_IN:
	case OP_EQ:
		return label && has_value(r, val_str(label));
	case OP_NOTIN:
	case OP_NE:
		return !label || !has_value(r, val_str(label));
	case OP_EXISTS:
		return label != NULL;
	case OP_ABSENT:
		return label == NULL;
	case OP_GT:
	case OP_LT:
		if (!label || !slice_to_i64(val_str(label), &number)) {
			return false;
		}
		return r->op == OP_GT ? number > r->number : number < r->number;
	}
	return false;
}

bool selector_matches(const struct selector *s, const struct val *labels)
{
	if (s->nothing) {
		return false;
	}
	for (size_t i = 0; i < s->n; i++) {
		if (!holds(&s->at[i], val_get_slice(labels, s->at[i].key))) {
			return false;
		}
	}
	return true;
}

bool selector_is_everything(const struct selector *s)
{
	return !s->nothing && s->n == 0;
}

void selector_format(struct strbuf *out, const struct selector *s)
{
	for (size_t i = 0; !s->nothing && i < s->n; i++) {
		const struct requirement *r = &s->at[i];

		if (i) {
			strbuf_addc(out, ',');
		}
		if (r->op == OP_ABSENT) {
			strbuf_addc(out, '!');
		}
		strbuf_add_slice(out, r->key);
		switch (r->op) {
		case OP_IN:
		case OP_NOTIN:
			strbuf_addf(out, " %s (", op_words[r->op]);
			for (size_t k = 0; k < r->n; k++) {
				strbuf_adds(out, k ? "," : "");
				strbuf_add_slice(out, r->values[k]);
			}
			/* "()" would not parse */
			strbuf_adds(out, r->n == 1 && !r->values[0].len ? "," : "");
			strbuf_addc(out, ')');
			break;
		case OP_EQ:
		case OP_NE:
			strbuf_adds(out, op_words[r->op]);
			strbuf_add_slice(out, r->values[0]);
			break;
		case OP_GT:
		case OP_LT:
			strbuf_addc(out, r->op == OP_GT ? '>' : '<');
			strbuf_add_slice(out, r->values[0]);
			break;
		case OP_EXISTS:
		case OP_ABSENT:
			break;
		}
	}
}
