/* Why: manifests and kubeconfigs are YAML. libyaml cuts the text into events; this file makes
 * values of them and holds what libyaml does not: limits, aliases, merge keys, duplicate keys,
 * positions. */
#include "codec/yaml.h"

#include <yaml.h>

#include "base/base64.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "codec/text-priv.h"
#include "codec/yaml-priv.h"

#define YAML_MAX_TEXT ((size_t)64 << 20)
enum { ALIAS_FACTOR = 10, ALIAS_LEAST = 65536, NODE_COST = 16 };

/* One container being read. */
struct level {
	struct val *v;
	bool named;               /* in an object: a name is read, its value comes next */
	struct val name;          /* that name: key and position */
	VEC(struct val *) merges; /* values of <<, in order */
	struct map names;         /* in a large object: names to be compared with; else empty */
	bool merging;             /* the value that comes next is one of << */
};

struct reader {
	yaml_parser_t parser;
	struct arena *arena;
	struct err *err;
	VEC(struct level) open;
	struct map anchors; /* name to struct val; of one document */
	struct map texts;   /* short ones: text to the copy that is kept */
	struct val *root;
	size_t alias_budget;
	/* for positions inside blocks: a line of the source and where it begins */
	struct slice text;
	size_t line, line_at;
};

static void set_position(struct val *v, const yaml_mark_t *mark)
{
	v->line = (uint32_t)mark->line + 1;
	v->col = (uint16_t)(mark->column + 1 > UINT16_MAX ? UINT16_MAX : mark->column + 1);
}

static int fail_at(struct reader *rd, const yaml_mark_t *mark, const char *what)
{
	return err_raise(rd->err, ERR_SYNTAX, "line %zu, column %zu: %s", mark->line + 1,
	                 mark->column + 1, what);
}

static int fail_of_parser(struct reader *rd)
{
	const yaml_parser_t *p = &rd->parser;
	const char *problem = p->problem ? p->problem : "not YAML";

	switch (p->error) {
	case YAML_MEMORY_ERROR:
		return err_raise(rd->err, ERR_NOMEM, "out of memory");
	case YAML_READER_ERROR:
		return err_raise(rd->err, ERR_SYNTAX, "byte %zu: %s", p->problem_offset, problem);
	default:
		return err_raise(rd->err, ERR_SYNTAX, "line %zu, column %zu: %s%s%s",
		                 p->problem_mark.line + 1, p->problem_mark.column + 1, problem,
		                 p->context ? " " : "", p->context ? p->context : "");
	}
}

/* ---- aliases ---- */

/* A copy that shares the texts (they live as long, in the same arena). Null when the budget is
 * spent or the nesting becomes too deep. */
static struct val *copy_sharing(struct reader *rd, const struct val *v, size_t depth)
{
	size_t cost = NODE_COST + v->key.len + val_text(v).len;
	struct val *copy;

	if (cost > rd->alias_budget || depth > CODEC_MAX_DEPTH || rd->arena->overflowed) {
		return NULL;
	}
	rd->alias_budget -= cost;
	copy = ARENA_NEW(rd->arena, struct val);
	*copy = *v;
	copy->next = NULL;
	if (v->type != VAL_ARRAY && v->type != VAL_OBJECT) {
		return copy;
	}
	copy->first = copy->last = NULL;
	copy->n = 0;
	for (const struct val *it = v->first; it; it = it->next) {
		struct val *child = copy_sharing(rd, it, depth + 1);

		if (!child) {
			return NULL;
		}
		if (copy->last) {
			copy->last->next = child;
		} else {
			copy->first = child;
		}
		copy->last = child;
		copy->n++;
	}
	return copy;
}

static struct val *copy_alias(struct reader *rd, const struct val *v, const yaml_mark_t *mark)
{
	struct val *copy = copy_sharing(rd, v, rd->open.n);

	if (!copy) {
		(void)err_raise(rd->err, ERR_LIMIT,
		                "line %zu, column %zu: aliases make the document too large",
		                mark->line + 1, mark->column + 1);
	}
	return copy;
}

static int note_anchor(struct reader *rd, const yaml_char_t *anchor, struct val *v)
{
	if (anchor) {
		map_set(&rd->anchors, slice_of((const char *)anchor), v);
	}
	return 0;
}

/* ---- scalars ---- */

/* True when the next node is the name of a member. */
static bool name_is_due(const struct reader *rd)
{
	const struct level *at = rd->open.n ? &rd->open.at[rd->open.n - 1] : NULL;

	return at && at->v->type == VAL_OBJECT && !at->named;
}

static bool is_utf8(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p, *end = p + s.len;

	while (p < end) {
		size_t len = codec_utf8_len(p, end);

		if (len == 0) {
			return false;
		}
		p += len;
	}
	return true;
}

static int make_binary(struct reader *rd, const yaml_event_t *e, struct val *v)
{
	scoped_strbuf struct strbuf bytes = { 0 };

	if (!base64_decode(&bytes, v->s)) {
		return fail_at(rd, &e->start_mark, "!!binary is not base64");
	}
	v->s = arena_slice(rd->arena, strbuf_slice(&bytes));
	if (!is_utf8(v->s)) {
		return fail_at(rd, &e->start_mark, "!!binary does not hold UTF-8 text");
	}
	return 0;
}

static int apply_tag(struct reader *rd, const yaml_event_t *e, const char *tag, struct val *v)
{
	static const struct {
		const char *tag;
		enum val_type type, or_type;
	} known[] = {
		{ YAML_NULL_TAG, VAL_NULL, VAL_NULL },
		{ YAML_BOOL_TAG, VAL_BOOL, VAL_BOOL },
		{ YAML_INT_TAG, VAL_INT, VAL_INT },
		{ YAML_FLOAT_TAG, VAL_FLOAT, VAL_INT },
	};
	struct slice text = v->s;

	if (strcmp(tag, "tag:yaml.org,2002:binary") == 0) {
		return make_binary(rd, e, v);
	}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(tag, known[i].tag) != 0) {
			continue;
		}
		if (yaml_resolve_plain(text, v) ||
		    (v->type != known[i].type && v->type != known[i].or_type)) {
			return fail_at(rd, &e->start_mark, "value does not fit its tag");
		}
		return 0;
	}
	return 0; /* !!str, !!timestamp, local tags: text */
}

static size_t count_spaces(struct slice s)
{
	size_t n = 0;

	while (n < s.len && s.p[n] == ' ') {
		n++;
	}
	return n;
}

/* The first line of s that is not blank; what is before it is cut off. */
static struct slice first_line(struct slice s)
{
	struct slice line;

	while (slice_next(&s, '\n', &line)) {
		if (slice_trim(line).len) {
			return line;
		}
	}
	return (struct slice){ 0 };
}

/* Source lines grow from event to event, so the search goes on where it ended. */
static struct slice source_from(struct reader *rd, size_t line)
{
	while (rd->line < line && rd->line_at < rd->text.len) {
		struct slice rest = slice_from(rd->text, rd->line_at);
		ptrdiff_t end = slice_find(rest, '\n');

		rd->line_at += end < 0 ? rest.len : (size_t)end + 1;
		rd->line++;
	}
	return slice_from(rd->text, rd->line_at);
}

/* libyaml does not tell how far a block is indented: the source and the text differ by it. */
static void set_text_position(struct reader *rd, const yaml_event_t *e, struct val *v)
{
	bool literal = e->data.scalar.style == YAML_LITERAL_SCALAR_STYLE;
	size_t line = e->start_mark.line + 1 + literal, col = e->start_mark.column + 1;

	if (v->type != VAL_STRING) {
		return;
	}
	if (literal) {
		size_t source = count_spaces(first_line(source_from(rd, line - 1)));
		size_t text = count_spaces(first_line(v->s));

		col = source > text ? source - text + 1 : 1;
	}
	v->text_line = (uint32_t)line;
	v->text_col = (uint16_t)(col > UINT16_MAX ? UINT16_MAX : col);
	v->is_literal = literal;
}

/* A terminated copy. Short texts come again and again (names of members above all): each is kept
 * once. */
static struct slice keep_text(struct reader *rd, struct slice text)
{
	enum {
		TEXTS_MAX = 16384,
		SHORT = 48
	}; /* distinct ones; what comes later is kept each time */
	const char *known;

	if (text.len > SHORT) {
		return arena_slice(rd->arena, text);
	}
	known = map_find(&rd->texts, text);
	if (!known) {
		known = arena_slice(rd->arena, text).p;
		if (rd->texts.n < TEXTS_MAX) {
			map_set(&rd->texts, text, (void *)(uintptr_t)known);
		}
	}
	return (struct slice){ known, text.len };
}

static int make_scalar(struct reader *rd, const yaml_event_t *e, struct val *v)
{
	const char *tag = (const char *)e->data.scalar.tag;

	v->type = VAL_STRING;
	v->s = keep_text(
		rd, (struct slice){ (const char *)e->data.scalar.value, e->data.scalar.length });
	if (tag && strcmp(tag, "!") != 0) {
		return apply_tag(rd, e, tag, v);
	}
	if (tag || e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
		return 0;
	}
	if (yaml_resolve_plain(v->s, v)) {
		return fail_at(rd, &e->start_mark, "number out of range");
	}
	return 0;
}

/* ---- containers ---- */

/* The name a scalar gives a member: text, or the text of a number or boolean. */
static int name_of(struct reader *rd, const yaml_event_t *e, const struct val *v, struct slice *ret)
{
	scoped_strbuf struct strbuf text = { 0 };

	switch ((enum val_type)v->type) {
	case VAL_STRING:
		*ret = v->s;
		return 0;
	case VAL_BOOL:
		*ret = v->b ? SLICE("true") : SLICE("false");
		return 0;
	case VAL_INT:
		strbuf_addf(&text, "%lld", (long long)v->i);
		break;
	case VAL_FLOAT:
		codec_write_float(&text, v->d);
		break;
	default:
		return fail_at(rd, &e->start_mark, "a key must be text, a number or a boolean");
	}
	*ret = arena_slice(rd->arena, strbuf_slice(&text));
	return 0;
}

static bool has_name(struct level *at, struct slice name)
{
	enum { SMALL_OBJECT = 16 };

	if (at->v->n < SMALL_OBJECT) {
		return val_get_slice(at->v, name) != NULL;
	}
	if (at->names.n == 0) {
		val_for_each (at->v, it) {
			map_set(&at->names, it->key, at);
		}
	}
	return map_has(&at->names, name);
}

static void link_member(struct level *at, struct val *v)
{
	if (at->v->last) {
		at->v->last->next = v;
	} else {
		at->v->first = v;
	}
	at->v->last = v;
	at->v->n++;
	if (at->names.n) {
		map_set(&at->names, v->key, at);
	}
}

static bool is_merge(const yaml_event_t *e)
{
	return e->type == YAML_SCALAR_EVENT && e->data.scalar.length == 2 &&
	       memcmp(e->data.scalar.value, "<<", 2) == 0 &&
	       (e->data.scalar.tag
	                ? strcmp((const char *)e->data.scalar.tag, "tag:yaml.org,2002:merge") == 0
	                : e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
}

/* A scalar or alias where a name is due. */
static int add_name(struct reader *rd, const yaml_event_t *e, const struct val *v)
{
	struct level *at = &rd->open.at[rd->open.n - 1];
	struct slice name;
	int r;

	if (is_merge(e)) {
		at->merging = true;
		at->named = true;
		return 0;
	}
	r = name_of(rd, e, v, &name);
	if (r < 0) {
		return r;
	}
	if (has_name(at, name)) {
		return err_raise(rd->err, ERR_SYNTAX,
		                 "line %zu, column %zu: duplicate key \"" SLICE_FMT "\"",
		                 e->start_mark.line + 1, e->start_mark.column + 1,
		                 SLICE_ARG(slice_head(name, 100)));
	}
	at->name = (struct val){ .key = name };
	set_position(&at->name, &e->start_mark);
	at->named = true;
	return 0;
}

/* Puts a node that begins here (scalar, alias or container) where it belongs. What is known of it
 * by now is in 'v'; a member's name was waiting for it. */
static void place(struct reader *rd, struct val *v)
{
	struct level *at;

	if (rd->open.n == 0) {
		rd->root = v;
		return;
	}
	at = &rd->open.at[rd->open.n - 1];
	if (at->v->type == VAL_ARRAY) {
		val_append(at->v, v);
		return;
	}
	if (at->merging) {
		vec_push(&at->merges, v);
		at->merging = false;
		at->named = false;
		return;
	}
	v->key = at->name.key;
	v->line = at->name.line;
	v->col = at->name.col;
	at->named = false;
	link_member(at, v);
}

static int open_container(struct reader *rd, const yaml_event_t *e, enum val_type type,
                          const yaml_char_t *anchor)
{
	struct val *v = ARENA_NEW(rd->arena, struct val);
	struct level level = { .v = v };

	if (name_is_due(rd)) {
		return fail_at(rd, &e->start_mark, "a key must be text, a number or a boolean");
	}
	if (rd->open.n == CODEC_MAX_DEPTH) {
		return err_raise(rd->err, ERR_LIMIT,
		                 "line %zu, column %zu: nested more than %d deep",
		                 e->start_mark.line + 1, e->start_mark.column + 1, CODEC_MAX_DEPTH);
	}
	v->type = (uint8_t)type;
	v->flags = 1; /* still open: an alias to it would never end */
	set_position(v, &e->start_mark);
	place(rd, v);
	vec_push(&rd->open, level);
	return note_anchor(rd, anchor, v);
}

static int merge_one(struct reader *rd, const yaml_event_t *e, struct level *at,
                     const struct val *from)
{
	if (from->type != VAL_OBJECT) {
		return fail_at(rd, &e->start_mark,
		               "a merge (<<) needs a mapping or a list of them");
	}
	val_for_each (from, it) {
		struct val *copy;

		if (has_name(at, it->key)) {
			continue;
		}
		copy = copy_alias(rd, it, &e->start_mark);
		if (!copy) {
			return -ERR_LIMIT;
		}
		link_member(at, copy);
	}
	return 0;
}

static int close_container(struct reader *rd, const yaml_event_t *e)
{
	struct level *at = &rd->open.at[rd->open.n - 1];
	int r = 0;

	for (size_t i = 0; r == 0 && i < at->merges.n; i++) {
		struct val *from = at->merges.at[i];

		if (from->type == VAL_ARRAY) {
			for (struct val *it = from->first; r == 0 && it; it = it->next) {
				r = merge_one(rd, e, at, it);
			}
		} else {
			r = merge_one(rd, e, at, from);
		}
	}
	at->v->flags = 0;
	vec_fini(&at->merges);
	map_fini(&at->names);
	rd->open.n--;
	return r;
}

static int take_scalar(struct reader *rd, const yaml_event_t *e)
{
	bool is_name = name_is_due(rd);
	struct val name = { 0 }; /* of a name only its text stays, unless it has an anchor */
	struct val *v =
		is_name && !e->data.scalar.anchor ? &name : ARENA_NEW(rd->arena, struct val);
	int r = make_scalar(rd, e, v);

	if (r < 0) {
		return r;
	}
	set_position(v, &e->start_mark);
	set_text_position(rd, e, v);
	if (name_is_due(rd)) {
	}

	if (is_name) {
		r = add_name(rd, e, v);
	} else {
		place(rd, v);
	}
	return r < 0 ? r : note_anchor(rd, e->data.scalar.anchor, v);
}

static int take_alias(struct reader *rd, const yaml_event_t *e)
{
	struct val *v = map_find(&rd->anchors, slice_of((const char *)e->data.alias.anchor));

	if (!v) {
		return fail_at(rd, &e->start_mark, "alias to an anchor that is not there");
	}
	if (v->flags) {
		return fail_at(rd, &e->start_mark, "alias inside what it stands for");
	}
	v = copy_alias(rd, v, &e->start_mark);
	if (!v) {
		return -ERR_LIMIT;
	}
	v->key = (struct slice){ 0 };
	if (name_is_due(rd)) {
		return add_name(rd, e, v);
	}
	place(rd, v);
	return 0;
}

/* ---- the stream ---- */

static int take_event(struct reader *rd, const yaml_event_t *e)
{
	if (rd->arena->overflowed) {
		return err_raise(rd->err, ERR_LIMIT, "line %zu: document too large",
		                 e->start_mark.line + 1);
	}
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return take_scalar(rd, e);
	case YAML_ALIAS_EVENT:
		return take_alias(rd, e);
	case YAML_SEQUENCE_START_EVENT:
		return open_container(rd, e, VAL_ARRAY, e->data.sequence_start.anchor);
	case YAML_MAPPING_START_EVENT:
		return open_container(rd, e, VAL_OBJECT, e->data.mapping_start.anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_container(rd, e);
	case YAML_DOCUMENT_START_EVENT:
		rd->root = NULL;
		map_fini(&rd->anchors);
		return 0;
	default:
		return 0;
	}
}

static int read_all(struct reader *rd, yaml_doc_fn *fn, void *arg)
{
	for (;;) {
		yaml_event_t e;
		yaml_event_type_t type;
		int r;

		if (!yaml_parser_parse(&rd->parser, &e)) {
			return fail_of_parser(rd);
		}
		type = e.type;
		r = take_event(rd, &e);
		yaml_event_delete(&e);
		if (r < 0) {
			return r;
		}
		if (type == YAML_STREAM_END_EVENT) {
			return 0;
		}
		if (type == YAML_DOCUMENT_END_EVENT && !val_is_null(rd->root)) {
			if (rd->arena->overflowed) {
				return err_raise(rd->err, ERR_LIMIT, "document too large");
			}
			r = fn(arg, rd->root, rd->err);
			if (r != 0) {
				return r;
			}
		}
	}
}

int yaml_parse_all(struct arena *a, struct slice text, yaml_doc_fn *fn, void *arg, struct err *err)
{
	struct reader rd = { .arena = a, .err = err, .text = text };
	int r;

	if (text.len > YAML_MAX_TEXT) {
		return err_raise(err, ERR_LIMIT,
		                 "%zu MiB of YAML are too large for one text: %zu MiB at most",
		                 text.len >> 20, YAML_MAX_TEXT >> 20);
	}
	if (!yaml_parser_initialize(&rd.parser)) {
		return err_raise(err, ERR_NOMEM, "out of memory");
	}
	rd.alias_budget = text.len * ALIAS_FACTOR;
	if (rd.alias_budget < ALIAS_LEAST) {
		rd.alias_budget = ALIAS_LEAST;
	}
	yaml_parser_set_encoding(&rd.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&rd.parser, (const unsigned char *)(text.len ? text.p : ""),
	                             text.len);
	r = read_all(&rd, fn, arg);
	while (rd.open.n > 0) {
		rd.open.n--;
		vec_fini(&rd.open.at[rd.open.n].merges);
		map_fini(&rd.open.at[rd.open.n].names);
	}
	vec_fini(&rd.open);
	map_fini(&rd.anchors);
	map_fini(&rd.texts);
	yaml_parser_delete(&rd.parser);
	return r;
}

static int keep_only_one(void *arg, struct val *root, struct err *err)
{
	struct val **kept = arg;

	if (*kept) {
		return err_raise(err, ERR_SYNTAX, "line %u: a second document, one is expected",
		                 root->line);
	}
	*kept = root;
	return 0;
}

int yaml_parse(struct arena *a, struct slice text, struct val **ret_v, struct err *err)
{
	struct val *root = NULL;
	int r = yaml_parse_all(a, text, keep_only_one, &root, err);

	if (r < 0) {
		return r;
	}
	*ret_v = root ? root : val_new_null(a);
	return 0;
}
