/* Why: a repair shown as a patch is one a person can judge; see edits.h. A file is treated as lines; an edit changes the text of
 * one scalar on its line, or puts lines below it. Where the line does not look as expected (the scalar spans lines, comes out of
 * an anchor, the file is not a file), the edit is left to the person. */
#include "cli/edits.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "manifest/text.h"

enum { CONTEXT = 3, FILE_MAX = 512 << 20 };

struct line {
	struct slice was;
	char *now;   /* owned; null: unchanged */
	char *below; /* owned; lines to put below, each with its end; or null */
};
struct file {
	const char *name;
	struct strbuf text;
	VEC(struct line) lines;
	bool is_readable;
};
struct files {
	VEC(struct file *) all;
	size_t n_left; /* edits that a person has to make */
};

static void file_free(struct file *f)
{
	for (size_t i = 0; i < f->lines.n; i++) {
		free(f->lines.at[i].now);
		free(f->lines.at[i].below);
	}
	vec_fini(&f->lines);
	strbuf_fini(&f->text);
	free(f);
}

static void read_lines(struct file *f)
{
	struct slice rest;

	f->is_readable = text_read(f->name, FILE_MAX, &f->text, NULL) == 0;
	rest = strbuf_slice(&f->text);
	while (rest.len) {
		struct slice line, tail;

		(void)slice_cut(rest, '\n', &line, &tail);
		vec_push(&f->lines, ((struct line){ .was = line }));
		rest = tail;
	}
}

static struct file *file_of(struct files *all, const char *name)
{
	struct file *f;

	for (size_t i = 0; i < all->all.n; i++) {
		if (strcmp(all->all.at[i]->name, name) == 0) {
			return all->all.at[i];
		}
	}
	f = NEW(struct file);
	f->name = name;
	read_lines(f);
	vec_push(&all->all, f);
	return f;
}

/* ---- one edit ---- */

/* Where the scalar's text begins on its line: behind "key:" for a member. -1: it is not there. */
static ptrdiff_t scalar_start(struct slice line, const struct val *at)
{
	size_t from = at->col ? at->col - 1U : 0;

	if (at->key.len) {
		struct slice rest = slice_from(line, from);
		ptrdiff_t colon;

		rest = rest.len && (rest.p[0] == '"' || rest.p[0] == '\'') ? slice_from(rest, 1)
		                                                           : rest;
		if (!slice_has_prefix(rest, at->key)) {
			return -1;
		}
		colon = slice_find(slice_from(rest, at->key.len), ':');
		if (colon < 0) {
			return -1;
		}
		from = (size_t)(rest.p - line.p) + at->key.len + (size_t)colon + 1;
	}
	while (from < line.len && (line.p[from] == ' ' || line.p[from] == '\t')) {
		from++;
	}
	if (from < line.len && (line.p[from] == '"' || line.p[from] == '\'')) {
		from++;
	}
	return slice_has_prefix(slice_from(line, from), val_text(at)) ? (ptrdiff_t)from : -1;
}

/* How long the scalar that starts there is: what is no string (true, null) may come without its text. */
static size_t scalar_len(struct slice line, size_t from, const struct val *at)
{
	size_t n = 0;

	if (val_text(at).len || at->type == VAL_STRING) {
		return val_text(at).len;
	}
	while (from + n < line.len && !strchr(" \t\r,}]#", line.p[from + n])) {
		n++;
	}
	return n;
}

/* Would YAML take the plain text for something else than text? */
static bool needs_quotes(const char *text)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off",
		                             "null", "y",     "n",   "~",  "" };
	bool number = true;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (slice_eq_nocase(slice_of(text), slice_of(words[i]))) {
			return true;
		}
	}
	for (const char *p = text; *p; p++) {
		number = number && strchr("0123456789.+-eExXoO_", *p);
	}
	return number;
}

static bool replace(struct line *line, const struct edit *e)
{
	ptrdiff_t from = scalar_start(line->was, e->at);
	char before = from > 0 ? line->was.p[from - 1] : ' ';
	const char *quote = before != '"' && before != '\'' && e->at->type == VAL_STRING &&
	                                    needs_quotes(e->text)
	                            ? "\""
	                            : "";

	if (from < 0 || line->now) {
		return line->now !=
		       NULL; /* one change of a line is enough; the next run shows the other */
	}
	line->now = mem_printf(
		SLICE_FMT "%s%s%s" SLICE_FMT, (int)from, line->was.p, quote, e->text, quote,
		SLICE_ARG(slice_from(line->was,
	                             (size_t)from + scalar_len(line->was, (size_t)from, e->at))));
	return true;
}

static bool rename_member(struct line *line, const struct edit *e)
{
	size_t from = e->at->col ? e->at->col - 1U : 0;

	if (line->now) {
		return true;
	}
	if (!e->at->key.len || !slice_has_prefix(slice_from(line->was, from), e->at->key)) {
		return false;
	}
	line->now = mem_printf(SLICE_FMT "%s" SLICE_FMT, (int)from, line->was.p, e->text,
	                       SLICE_ARG(slice_from(line->was, from + e->at->key.len)));
	return true;
}

/* Is the place within { } of one line? */
static bool is_flow(struct slice line, size_t col)
{
	int depth = 0;

	for (size_t i = 0; i < col && i < line.len; i++) {
		depth += line.p[i] == '{' ? 1 : line.p[i] == '}' ? -1 : 0;
	}
	return depth > 0;
}

static bool insert(struct line *line, const struct edit *e)
{
	size_t col = e->at->col ? e->at->col - 1U : 0;
	scoped_strbuf struct strbuf b = { 0 };
	struct slice rest = slice_of(e->text), one;
	ptrdiff_t from = scalar_start(line->was, e->at);

	if (from < 0 || line->below || line->now) {
		return line->below || line->now;
	}
	if (is_flow(line->was, col)) {
		size_t end = (size_t)from + scalar_len(line->was, (size_t)from, e->at);

		end += end < line->was.len && (line->was.p[end] == '"' || line->was.p[end] == '\'');
		line->now = mem_printf(SLICE_FMT ", %s" SLICE_FMT, (int)end, line->was.p, e->text,
		                       SLICE_ARG(slice_from(line->was, end)));
		return true;
	}
	while (slice_next(&rest, '\n', &one)) {
		strbuf_addf(&b, "%*s" SLICE_FMT "\n", (int)col, "", SLICE_ARG(one));
	}
	line->below = strbuf_steal(&b);
	return true;
}

static void apply(struct files *all, const struct edit *e)
{
	struct file *f = file_of(all, e->object->file);
	struct line *line;

	if (!f->is_readable || !e->at->line || e->at->line > f->lines.n) {
		all->n_left++;
		return;
	}
	line = &f->lines.at[e->at->line - 1];
	all->n_left += !(e->type == EDIT_REPLACE  ? replace(line, e)
	                 : e->type == EDIT_RENAME ? rename_member(line, e)
	                                          : insert(line, e));
}

/* ---- the diff ---- */

static bool is_changed(const struct line *l)
{
	return l->now || l->below;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; text && *text; text++) {
		n += *text == '\n';
	}
	return n;
}

static void print_hunk(FILE *out, const struct file *f, size_t from, size_t to, ptrdiff_t shift)
{
	size_t added = 0;

	for (size_t i = from; i < to; i++) {
		added += count_lines(f->lines.at[i].below);
	}
	fprintf(out, "@@ -%zu,%zu +%zu,%zu @@\n", from + 1, to - from,
	        (size_t)((ptrdiff_t)from + 1 + shift), to - from + added);
	for (size_t i = from; i < to; i++) {
		const struct line *l = &f->lines.at[i];
		struct slice rest = slice_of(l->below ? l->below : ""), one;

		fprintf(out, "%c" SLICE_FMT "\n", l->now ? '-' : ' ', SLICE_ARG(l->was));
		if (l->now) {
			fprintf(out, "+%s\n", l->now);
		}
		while (rest.len && slice_next(&rest, '\n', &one) && (one.len || rest.len)) {
			fprintf(out, "+" SLICE_FMT "\n", SLICE_ARG(one));
		}
	}
}

static void print_file(FILE *out, const struct file *f)
{
	bool begun = false;
	ptrdiff_t shift = 0;

	for (size_t i = 0; i < f->lines.n; i++) {
		size_t from, to, last = i;

		if (!is_changed(&f->lines.at[i])) {
			continue;
		}
		for (size_t j = i; j < f->lines.n && j <= last + 2 * CONTEXT; j++) {
			last = is_changed(&f->lines.at[j]) ? j : last;
		}
		from = i > CONTEXT ? i - CONTEXT : 0;
		to = last + 1 + CONTEXT < f->lines.n ? last + 1 + CONTEXT : f->lines.n;
		if (!begun) {
			fprintf(out, "--- %s\n+++ %s\n", f->name, f->name);
			begun = true;
		}
		print_hunk(out, f, from, to, shift);
		for (size_t j = from; j < to; j++) {
			shift += (ptrdiff_t)count_lines(f->lines.at[j].below);
		}
		i = last;
	}
}

int edits_print(FILE *out, const struct findings *found, struct err *err)
{
	struct files all = { 0 };
	size_t n_without = 0;

	(void)err;
	for (size_t i = 0; i < found->all.n; i++) {
		const struct finding *f = found->all.at[i];

		n_without += !f->edits.n;
		for (size_t j = 0; j < f->edits.n; j++) {
			apply(&all, &f->edits.at[j]);
		}
	}
	for (size_t i = 0; i < all.all.n; i++) {
		print_file(out, all.all.at[i]);
		file_free(all.all.at[i]);
	}
	vec_fini(&all.all);
	if (n_without + all.n_left) {
		fprintf(stderr,
		        "kennel: %zu finding%s left to a person: 'kennel check' tells them\n",
		        n_without + all.n_left, n_without + all.n_left == 1 ? " is" : "s are");
	}
	return 0;
}
