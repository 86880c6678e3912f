/* Why: every object that kennel handles comes in through here. The text is copied into the arena
 * once; strings are unescaped and terminated in that copy, so that a document costs two kinds of
 * allocation only: the text and the nodes. */
#include "codec/json.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/text-priv.h"

#define JSON_MAX_TEXT ((size_t)512 << 20)
enum { SMALL_OBJECT = 16 }; /* up to so many members duplicates are looked for pairwise */

struct parser {
	struct arena *arena;
	char *p, *end;    /* the copy; *end is 0 */
	char *line_start; /* moved right by continuation bytes, so p - line_start counts characters
	                   */
	uint32_t line;    /* from 1 */
	unsigned flags;
	struct err *err;
	struct val *open[CODEC_MAX_DEPTH];
	size_t depth;
};

static int fail_at(struct parser *ps, const char *at, const char *what)
{
	return err_raise(ps->err, ERR_SYNTAX, "line %u, column %zu: %s", ps->line,
	                 (size_t)(at - ps->line_start) + 1, what);
}

static int fail_unexpected(struct parser *ps, const char *expected)
{
	unsigned char c = (unsigned char)*ps->p;

	if (ps->p >= ps->end) {
		return err_raise(ps->err, ERR_SYNTAX,
		                 "line %u, column %zu: unexpected end of text, expected %s",
		                 ps->line, (size_t)(ps->p - ps->line_start) + 1, expected);
	}
	return err_raise(ps->err, ERR_SYNTAX,
	                 c > 0x20 && c < 0x7f
	                         ? "line %u, column %zu: expected %s, found '%c'"
	                         : "line %u, column %zu: expected %s, found byte 0x%02x",
	                 ps->line, (size_t)(ps->p - ps->line_start) + 1, expected, c);
}

static void skip_space(struct parser *ps)
{
	char *p = ps->p;

	for (;; p++) {
		if (*p == '\n') {
			ps->line++;
			ps->line_start = p + 1;
		} else if (*p != ' ' && *p != '\t' && *p != '\r') {
			break;
		}
	}
	ps->p = p;
}

static void set_position(const struct parser *ps, struct val *v, const char *at)
{
	size_t col = (size_t)(at - ps->line_start) + 1;

	v->line = ps->line;
	v->col = (uint16_t)(col > UINT16_MAX ? UINT16_MAX : col);
}

/* ---- strings ---- */

static int hex4(const char *p)
{
	int n = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9') {
			n = n * 16 + (c - '0');
		} else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
			n = n * 16 + ((c | 32) - 'a' + 10);
		} else {
			return -1;
		}
	}
	return n;
}

/* At a backslash: appends what it means at *to. The text ends in NUL bytes, so looking a few bytes
 * ahead is safe and never passes for hexadecimal. */
static int parse_escape(struct parser *ps, char **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	char *p = ps->p;
	const char *known = p[1] ? strchr(from, p[1]) : NULL;
	int code;

	if (known) {
		*(*to)++ = into[known - from];
		ps->p = p + 2;
		return 0;
	}
	if (p[1] != 'u') {
		return fail_at(ps, p, "invalid escape in a string");
	}
	code = hex4(p + 2);
	if (code < 0) {
		return fail_at(ps, p, "\\u needs four hexadecimal digits");
	}
	p += 6;
	if (code >= 0xd800 && code < 0xdc00 && p[0] == '\\' && p[1] == 'u') {
		int low = hex4(p + 2);

		if (low >= 0xdc00 && low < 0xe000) {
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
			p += 6;
		}
	}
	if (code >= 0xd800 && code < 0xe000) {
		code = 0xfffd; /* half a surrogate pair: as Go's encoding/json */
	}
	*to += codec_utf8_put(*to, (uint32_t)code);
	ps->p = p;
	return 0;
}

#define EACH(c)     (UINT64_C(0x0101010101010101) * (c))
#define HAS_ZERO(x) (((x)-EACH(1)) & ~(x)&EACH(0x80))

/* True when none of the eight bytes is a quote, a backslash, a control or beyond ASCII. */
static bool eight_plain(const char *p)
{
	uint64_t w;

	memcpy(&w, p, 8);
	return !(((w & EACH(0x80)) | HAS_ZERO(w ^ EACH('"')) | HAS_ZERO(w ^ EACH('\\')) |
	          ((w - EACH(0x20)) & ~w & EACH(0x80))));
}

/* At the opening quote; leaves p behind the closing one. */
static int parse_string(struct parser *ps, struct slice *ret)
{
	char *start = ++ps->p, *to = start;
	int r;

	for (;;) {
		char *p = ps->p;
		unsigned char c;

		while (eight_plain(p)) {
			p += 8;
		}
		for (;; p++) {
			c = (unsigned char)*p;
			if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) {
				break;
			}
		}
		if (to != ps->p) {
			memmove(to, ps->p, (size_t)(p - ps->p));
		}
		to += p - ps->p;
		ps->p = p;
		if (c == '"') {
			*to = 0;
			ps->p = p + 1;
			*ret = (struct slice){ start, (size_t)(to - start) };
			return 0;
		}
		if (c == '\\') {
			r = parse_escape(ps, &to);
			if (r < 0) {
				return r;
			}
			continue;
		}
		if (c >= 0x80) {
			size_t len = codec_utf8_len((unsigned char *)p, (unsigned char *)ps->end);

			if (len == 0) {
				return fail_at(ps, p, "string is not UTF-8");
			}
			memmove(to, p, len);
			to += len;
			ps->p = p + len;
			ps->line_start += len - 1;
			continue;
		}
		if (p >= ps->end) {
			return fail_at(ps, p, "unexpected end of text in a string");
		}
		return fail_at(ps, p,
		               c == '\n' ? "line break in a string"
		                         : "control character in a string");
	}
}

/* ---- numbers ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int parse_number(struct parser *ps, struct val *v)
{
	char *start = ps->p, *p = start;
	bool negative = *p == '-', whole = true, fits = true;
	uint64_t n = 0;

	p += negative;
	if (!is_digit(*p)) {
		ps->p = p;
		return fail_unexpected(ps, "a digit");
	}
	if (*p == '0' && is_digit(p[1])) {
		return fail_at(ps, p, "a number must not begin with 0");
	}
	for (; is_digit(*p); p++) {
		unsigned digit = (unsigned)(*p - '0');

		fits = fits && !__builtin_mul_overflow(n, 10, &n) &&
		       !__builtin_add_overflow(n, digit, &n);
	}
	if (*p == '.') {
		whole = false;
		p++;
		if (!is_digit(*p)) {
			ps->p = p;
			return fail_unexpected(ps, "a digit");
		}
		while (is_digit(*p)) {
			p++;
		}
	}
	if (*p == 'e' || *p == 'E') {
		whole = false;
		p++;
		p += *p == '+' || *p == '-';
		if (!is_digit(*p)) {
			ps->p = p;
			return fail_unexpected(ps, "a digit");
		}
		while (is_digit(*p)) {
			p++;
		}
	}
	v->s = (struct slice){ start, (size_t)(p - start) };
	ps->p = p;
	if (whole && fits && n <= (uint64_t)INT64_MAX + negative) {
		v->type = VAL_INT;
		v->i = negative ? (int64_t)(0 - n) : (int64_t)n;
		return 0;
	}
	v->type = VAL_FLOAT;
	v->d = strtod(start, NULL);
	if (!isfinite(v->d)) {
		return fail_at(ps, start, "number out of range");
	}
	return 0;
}

/* ---- containers ---- */

static void unlink_members(struct val *object, const struct val *twice)
{
	struct val **at = &object->first, *last = NULL;

	while (*at) {
		if (*at == twice) {
			*at = (*at)->next;
			object->n--;
			continue;
		}
		last = *at;
		at = &(*at)->next;
	}
	object->last = last;
}

static int fail_duplicate(struct parser *ps, const struct val *second)
{
	return err_raise(ps->err, ERR_SYNTAX, "line %u, column %u: duplicate key \"" SLICE_FMT "\"",
	                 second->line, second->col, SLICE_ARG(slice_head(second->key, 100)));
}

/* Equal names beside one another, in the order of the text (names lie in one copy of it). */
static int by_key_then_place(const void *a, const void *b)
{
	const struct val *x = *(struct val *const *)a, *y = *(struct val *const *)b;

	if (x->key.len != y->key.len) {
		return x->key.len < y->key.len ? -1 : 1;
	}
	int r = memcmp(x->key.p, y->key.p, x->key.len);

	return r ? r : (x->key.p > y->key.p) - (x->key.p < y->key.p);
}

static int refuse_duplicates_of_many(struct parser *ps, struct val *object)
{
	scoped_free struct val **at = mem_realloc(NULL, object->n, sizeof(struct val *));
	size_t n = 0;
	bool any = false;

	for (struct val *it = object->first; it; it = it->next) {
		at[n++] = it;
	}
	qsort(at, n, sizeof(struct val *), by_key_then_place);
	for (size_t i = 1; i < n; i++) {
		if (!slice_eq(at[i - 1]->key, at[i]->key)) {
			continue;
		}
		if (ps->flags & JSON_STRICT) {
			return fail_duplicate(ps, at[i]);
		}
		at[i - 1]->flags |= 1; /* dropped below */
		at[i]->flags |= ps->flags & JSON_MARK ? JSON_REPEATED : 0;
		any = true;
	}
	if (any) {
		struct val *it = object->first;

		object->first = object->last = NULL;
		object->n = 0;
		while (it) {
			struct val *next = it->next;

			it->next = NULL;
			if (!(it->flags & 1)) {
				if (object->last) {
					object->last->next = it;
				} else {
					object->first = it;
				}
				object->last = it;
				object->n++;
			}
			it = next;
		}
	}
	return 0;
}

/* The object is complete: of members with one name the last stays. */
static int settle_duplicates(struct parser *ps, struct val *object)
{
	if (object->n > SMALL_OBJECT) {
		return refuse_duplicates_of_many(ps, object);
	}
	for (struct val *x = object->first, *next; x; x = next) {
		next = x->next;
		for (struct val *y = next; y; y = y->next) {
			if (!slice_eq(x->key, y->key)) {
				continue;
			}
			if (ps->flags & JSON_STRICT) {
				return fail_duplicate(ps, y);
			}
			y->flags |= ps->flags & JSON_MARK ? JSON_REPEATED : 0;
			unlink_members(object, x);
			break;
		}
	}
	return 0;
}

static int parse_word(struct parser *ps, struct val *v)
{
	static const struct {
		struct slice word;
		enum val_type type;
		bool b;
	} words[] = {
		{ { "true", 4 }, VAL_BOOL, true },
		{ { "false", 5 }, VAL_BOOL, false },
		{ { "null", 4 }, VAL_NULL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if ((size_t)(ps->end - ps->p) >= words[i].word.len &&
		    memcmp(ps->p, words[i].word.p, words[i].word.len) == 0) {
			v->type = (uint8_t)words[i].type;
			v->b = words[i].b;
			ps->p += words[i].word.len;
			return 0;
		}
	}
	return fail_unexpected(ps, "a value");
}

/* A scalar, or the opening of a container (outcome 1). */
static int parse_begin(struct parser *ps, struct val *v)
{
	switch (*ps->p) {
	case '{':
	case '[':
		if (ps->depth == CODEC_MAX_DEPTH) {
			return err_raise(ps->err, ERR_LIMIT,
			                 "line %u, column %zu: nested more than %d deep", ps->line,
			                 (size_t)(ps->p - ps->line_start) + 1, CODEC_MAX_DEPTH);
		}
		v->type = *ps->p == '{' ? VAL_OBJECT : VAL_ARRAY;
		ps->open[ps->depth++] = v;
		ps->p++;
		return 1;
	case '"':
		v->type = VAL_STRING;
		return parse_string(ps, &v->s);
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return parse_number(ps, v);
	default:
		return parse_word(ps, v);
	}
}

/* Reads the name of the next member and the colon. */
static int parse_name(struct parser *ps, struct val *v)
{
	int r;

	if (*ps->p != '"') {
		return fail_unexpected(ps, "a string in double quotes as a name");
	}
	set_position(ps, v, ps->p);
	r = parse_string(ps, &v->key);
	if (r < 0) {
		return r;
	}
	skip_space(ps);
	if (*ps->p != ':') {
		return fail_unexpected(ps, "':'");
	}
	ps->p++;
	skip_space(ps);
	return 0;
}

/* One child of the innermost open container, or, where 'may_close', its end (outcome 1). */
static int parse_child(struct parser *ps, bool may_close)
{
	struct val *parent = ps->open[ps->depth - 1], *v;
	bool in_object = parent->type == VAL_OBJECT;
	int r;

	if (may_close && *ps->p == (in_object ? '}' : ']')) {
		ps->p++;
		ps->depth--;
		return 1;
	}
	v = ARENA_NEW(ps->arena, struct val);
	if (ps->arena->overflowed) {
		return err_raise(ps->err, ERR_LIMIT, "line %u: document too large", ps->line);
	}
	if (in_object) {
		r = parse_name(ps, v);
		if (r < 0) {
			return r;
		}
	} else {
		set_position(ps, v, ps->p);
	}
	r = parse_begin(ps, v);
	if (r < 0) {
		return r;
	}
	if (parent->last) {
		parent->last->next = v;
	} else {
		parent->first = v;
	}
	parent->last = v;
	parent->n++;
	return 0;
}

/* Everything inside the outermost container. Iterative: depth costs no stack. */
static int parse_inside(struct parser *ps)
{
	bool fresh = true; /* the innermost container has just been opened */
	int r;

	while (ps->depth > 0) {
		struct val *parent = ps->open[ps->depth - 1];
		bool in_object = parent->type == VAL_OBJECT;
		size_t depth = ps->depth;

		skip_space(ps);
		if (!fresh) {
			if (*ps->p == ',') {
				ps->p++;
				skip_space(ps);
			} else if (*ps->p != (in_object ? '}' : ']')) {
				return fail_unexpected(ps, in_object ? "',' or '}'" : "',' or ']'");
			} else {
				fresh = true; /* as if at the start: may close */
			}
		}
		r = parse_child(ps, fresh);
		if (r < 0) {
			return r;
		}
		if (r == 1 && in_object) {
			r = settle_duplicates(ps, parent);
			if (r < 0) {
				return r;
			}
		}
		fresh = ps->depth > depth;
	}
	return 0;
}

int json_parse(struct arena *a, struct slice text, unsigned flags, struct val **ret_v,
               struct err *err)
{
	struct parser ps;
	struct val *root;
	int r;

	if (text.len > JSON_MAX_TEXT) {
		return err_raise(err, ERR_LIMIT, "text of %zu bytes is too large", text.len);
	}
	ps.arena = a;
	ps.p = arena_alloc(a, text.len + 16); /* NUL bytes behind: scanning may look ahead */
	ps.end = ps.p + text.len;
	ps.line_start = ps.p;
	ps.line = 1;
	ps.flags = flags;
	ps.err = err;
	ps.depth = 0;
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "document too large");
	}
	if (text.len) {
		memcpy(ps.p, text.p, text.len);
	}
	skip_space(&ps);
	root = ARENA_NEW(a, struct val);
	set_position(&ps, root, ps.p);
	r = parse_begin(&ps, root);
	if (r == 1) {
		r = parse_inside(&ps);
	}
	if (r < 0) {
		return r;
	}
	skip_space(&ps);
	if (ps.p != ps.end) {
		return fail_unexpected(&ps, "the end of the text");
	}
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "document too large");
	}
	*ret_v = root;
	return 0;
}

int json_parse_doc(struct slice text, unsigned flags, struct doc **ret_doc, struct err *err)
{
	scoped_doc struct doc *d = doc_new();
	int r = json_parse(&d->arena, text, flags, &d->root, err);

	if (r < 0) {
		return r;
	}
	*ret_doc = take(d);
	return 0;
}
