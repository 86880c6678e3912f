/* Why: the matrix for a person at a terminal, and as lines for a spreadsheet; see matrix-view.h. */
#include "analyse/markup.h"
#include "analyse/verify.h"
#include "base/mem.h"

enum { FROM_WIDTH = 34, TO_WIDTH = 44, WIDTH_MIN = 12 };

/* ---- text ---- */

/* Characters, not bytes: names may hold any UTF-8. */
static size_t width_of(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	}
	return n;
}

/* Without counting all of a long text. */
static bool fits(struct slice s, size_t width)
{
	return width_of(slice_head(s, 4 * width + 4)) <= width;
}

/* Takes the next line of at most 'width' off *rest, broken after a comma where there is one. */
static struct slice next_line(struct slice *rest, size_t width)
{
	size_t best = 0;
	struct slice line;

	if (fits(*rest, width)) {
		line = *rest;
		*rest = slice_from(*rest, rest->len);
		return line;
	}
	for (size_t i = 0; i + 1 < rest->len && (i < width || !best); i++) {
		if (rest->p[i] == ',' && rest->p[i + 1] == ' ') {
			best = i + 1;
		}
	}
	best = best ? best : rest->len;
	line = slice_head(*rest, best);
	*rest = slice_trim(slice_from(*rest, best));
	return line;
}

static void pad(struct strbuf *out, struct slice text, size_t width)
{
	size_t n = width_of(text);

	strbuf_add_slice(out, text);
	strbuf_addf(out, "%*s", (int)(n < width ? width - n : 0) + 2, "");
}

struct widths {
	size_t from, to;
};

static void print_entry(struct strbuf *out, const struct widths *w, struct slice from,
                        struct slice to, struct slice ports)
{
	while (from.len || to.len || ports.len) {
		struct slice a = next_line(&from, w->from), b = next_line(&to, w->to),
			     c = next_line(&ports, 48);

		pad(out, a, w->from);
		if (c.len) {
			pad(out, b, w->to);
			strbuf_add_slice(out, c);
		} else {
			strbuf_add_slice(out, b);
		}
		while (out->size && out->p[out->size - 1] == ' ') {
			out->size--;
		}
		strbuf_addc(out, '\n');
	}
}

static bool same_ends(struct ends a, struct ends b)
{
	return a.at == b.at && a.n == b.n;
}

/* As wide as what stands in it, up to a limit. */
static size_t fit(size_t so_far, const struct strbuf *text, size_t max)
{
	struct slice rest = strbuf_slice(text);

	while (rest.len) {
		size_t n = width_of(next_line(&rest, max));

		so_far = n > so_far ? n : so_far;
	}
	return so_far;
}

static struct widths measure(const struct matrix_view *v)
{
	struct widths w = { WIDTH_MIN, WIDTH_MIN };

	for (size_t i = 0; i < v->n_entries; i++) {
		scoped_strbuf struct strbuf from = { 0 }, to = { 0 };

		if (!i || !same_ends(v->entries[i].from, v->entries[i - 1].from)) {
			ends_format(&from, v->matrix, v->entries[i].from);
			w.from = fit(w.from, &from, FROM_WIDTH);
		}
		ends_format(&to, v->matrix, v->entries[i].to);
		w.to = fit(w.to, &to, TO_WIDTH);
	}
	return w;
}

static void print_silent(struct strbuf *out, const struct matrix_view *v)
{
	size_t n, pods = 0;
	const struct matrix_end *ends = matrix_ends(v->matrix, &n);
	scoped_strbuf struct strbuf names = { 0 };

	while (pods < v->silent.n && ends[v->silent.at[pods]].kind == MATRIX_PODS) {
		pods++;
	}
	if (pods) {
		ends_format(&names, v->matrix, (struct ends){ v->silent.at, pods });
		strbuf_addf(out, "\nReach nobody: %s\n", strbuf_str(&names));
	}
}

void matrix_notes_text(struct strbuf *out, const struct matrix_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++) {
		strbuf_addf(out, "%s%s\n", i ? "" : "\n", notes->lines[i]);
	}
}

void matrix_text(struct strbuf *out, const struct matrix_view *v, const struct matrix_notes *notes)
{
	struct widths w = measure(v);

	print_entry(out, &w, SLICE("FROM"), SLICE("TO"), SLICE("PORTS"));
	for (size_t i = 0; i < v->n_entries; i++) {
		const struct view_entry *e = &v->entries[i];
		scoped_strbuf struct strbuf from = { 0 }, to = { 0 }, ports = { 0 };

		if (!i || !same_ends(e->from, v->entries[i - 1].from)) {
			ends_format(&from, v->matrix, e->from);
		}
		ends_format(&to, v->matrix, e->to);
		ports_format(&ports, ports_pool_get(matrix_pool(v->matrix), e->ports));
		print_entry(out, &w, strbuf_slice(&from), strbuf_slice(&to), strbuf_slice(&ports));
	}
	if (!v->n_entries) {
		strbuf_adds(out, "(nobody reaches anybody)\n");
	}
	print_silent(out, v);
	if (notes) {
		matrix_notes_text(out, notes);
	}
}

/* ---- Markdown ---- */

void matrix_markdown(struct strbuf *out, const struct matrix_view *v,
                     const struct matrix_notes *notes)
{
	strbuf_adds(out, "| from | to | ports |\n| --- | --- | --- |\n");
	for (size_t i = 0; i < v->n_entries; i++) {
		const struct view_entry *e = &v->entries[i];
		scoped_strbuf struct strbuf from = { 0 }, to = { 0 }, ports = { 0 };

		ends_format(&from, v->matrix, e->from);
		ends_format(&to, v->matrix, e->to);
		ports_format(&ports, ports_pool_get(matrix_pool(v->matrix), e->ports));
		strbuf_adds(out, "| ");
		markup_add_cell(out, strbuf_str(&from));
		strbuf_adds(out, " | ");
		markup_add_cell(out, strbuf_str(&to));
		strbuf_adds(out, " | ");
		markup_add_cell(out, strbuf_str(&ports));
		strbuf_adds(out, " |\n");
	}
	print_silent(out, v);
	for (size_t i = 0; notes && i < notes->n; i++) {
		strbuf_adds(out, i ? "- " : "\n- ");
		markup_add_cell(out, notes->lines[i]);
		strbuf_addc(out, '\n');
	}
}

/* ---- csv ---- */

static void add_field(struct strbuf *out, struct slice s)
{
	/* a spreadsheet takes these first characters for a formula */
	bool hostile = s.len && strchr("=+-@\t\r", s.p[0]);

	strbuf_addc(out, '"');
	strbuf_adds(out, hostile ? "'" : "");
	for (size_t i = 0; i < s.len; i++) {
		strbuf_adds(out, s.p[i] == '"' ? "\"" : "");
		strbuf_addc(out, s.p[i]);
	}
	strbuf_addc(out, '"');
}

static size_t members(const struct matrix_end *e)
{
	return e->kind == MATRIX_PODS ? e->n_workloads : 1;
}

static void add_member(struct strbuf *out, const struct matrix_world *w, const struct matrix_end *e,
                       size_t i)
{
	scoped_strbuf struct strbuf name = { 0 };
	const struct matrix_workload *x;

	if (e->kind != MATRIX_PODS) {
		strbuf_addf(out, "%s,", matrix_kind_text(e->kind));
		add_field(out, slice_of(e->name));
		return;
	}
	x = &w->workloads[e->workloads[i]];
	add_field(out, x->kind);
	strbuf_addf(&name, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(x->ns), SLICE_ARG(x->name));
	strbuf_addc(out, ',');
	add_field(out, strbuf_slice(&name));
}

static void add_pair(struct strbuf *out, const struct matrix_view *v, const struct matrix_end *to,
                     size_t to_member, ports_id id)
{
	struct ports ports = ports_pool_get(matrix_pool(v->matrix), id);
	scoped_strbuf struct strbuf text = { 0 }, declared = { 0 };
	struct arena a = { 0 };

	ports_format(&text, ports);
	strbuf_addc(out, ',');
	add_member(out, matrix_world_of(v->matrix), to, to_member);
	strbuf_addc(out, ',');
	add_field(out, strbuf_slice(&text));
	if (to->kind == MATRIX_PODS) {
		const struct matrix_workload *w =
			&matrix_world_of(v->matrix)->workloads[to->workloads[to_member]];

		ports_format(&declared, ports_intersect(&a, ports, w->declared));
	}
	strbuf_addc(out, ',');
	add_field(out, strbuf_slice(&declared));
	strbuf_addc(out, '\n');
	arena_fini(&a);
}

static void add_pairs(struct strbuf *out, const struct matrix_view *v,
                      const struct matrix_end *from, const struct matrix_end *to, ports_id ports)
{
	for (size_t f = 0; f < members(from); f++) {
		for (size_t t = 0; t < members(to); t++) {
			add_member(out, matrix_world_of(v->matrix), from, f);
			add_pair(out, v, to, t, ports);
		}
	}
}

void matrix_csv(struct strbuf *out, const struct matrix_view *v)
{
	size_t n;
	const struct matrix_end *ends = matrix_ends(v->matrix, &n);

	strbuf_adds(out, "from_kind,from,to_kind,to,ports,declared_ports\n");
	for (size_t i = 0; i < v->n_entries; i++) {
		const struct view_entry *e = &v->entries[i];

		for (size_t f = 0; f < e->from.n; f++) {
			for (size_t t = 0; t < e->to.n; t++) {
				add_pairs(out, v, &ends[e->from.at[f]], &ends[e->to.at[t]],
				          e->ports);
			}
		}
	}
}

const struct matrix_form matrix_forms[] = {
	{ "text", NULL, matrix_text },
	{ "markdown", NULL, matrix_markdown },
	{ "csv", matrix_csv, NULL },
	{ "json", NULL, matrix_json },
	{ "dot", matrix_dot, NULL },
	{ "svg", matrix_svg, NULL },
	{ "html", NULL, matrix_html },
	{ "expectations", verify_expectations, NULL },
	{ 0 },
};

void matrix_write(struct strbuf *out, const struct matrix_form *form, const struct matrix_view *v,
                  const struct matrix_notes *notes)
{
	if (form->write) {
		form->write(out, v);
	} else {
		form->write_noted(out, v, notes);
	}
}
