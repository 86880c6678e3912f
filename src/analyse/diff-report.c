/* Why: a diff for a person, for a pull request and for a program; see diff.h. */
#include "analyse/diff-priv.h"
#include "analyse/markup.h"
#include "codec/json.h"
#include "codec/yaml.h"

static const char *const kinds[DIFF_KINDS] = { "opened", "closed", "altered" };

static void add_ports(struct strbuf *out, const struct diff *d, const struct diff_change *c)
{
	if (c->kind != DIFF_OPENED) {
		ports_format(out, ports_pool_get(d->pool, c->before));
	}
	strbuf_adds(out, c->kind == DIFF_ALTERED ? " => " : "");
	if (c->kind != DIFF_CLOSED) {
		ports_format(out, ports_pool_get(d->pool, c->after));
	}
}

/* The first names of a list; a program gets all of them (JSON). */
static const char *first_names(struct arena *a, const char *names)
{
	enum { NAMES_MAX = 12 };
	struct slice rest = slice_of(names);
	size_t n = 1, end = 0;

	for (size_t i = 0; i + 1 < rest.len; i++) {
		if (rest.p[i] == ',' && rest.p[i + 1] == ' ') {
			end = n == NAMES_MAX ? i : end;
			n++;
		}
	}
	return n <= NAMES_MAX ? names
	                      : arena_printf(a, SLICE_FMT ", +%zu more",
	                                     SLICE_ARG(slice_head(rest, end)), n - NAMES_MAX);
}

static bool begins_cause(const struct diff *d, size_t i)
{
	return i == 0 || d->changes.at[i].cause_id != d->changes.at[i - 1].cause_id;
}

static void add_count(struct strbuf *out, const struct diff *d)
{
	strbuf_addf(out, "%zu opened, %zu closed, %zu altered", d->n[DIFF_OPENED],
	            d->n[DIFF_CLOSED], d->n[DIFF_ALTERED]);
}

/* ---- text ---- */

void diff_text(struct strbuf *out, const struct diff *d)
{
	scoped_arena struct arena a = { 0 };

	for (size_t i = 0; i < d->changes.n; i++) {
		const struct diff_change *c = &d->changes.at[i];

		if (begins_cause(d, i)) {
			strbuf_adds(out, i ? "\n" : "");
			for (size_t k = 0; k < c->n_causes; k++) {
				strbuf_addf(out, "%s\n", c->causes[k]);
			}
			if (!c->n_causes) {
				strbuf_adds(out, "Other networks or nodes outside\n");
			}
		}
		strbuf_addf(out, "  %-8s %s -> %s: ", kinds[c->kind], first_names(&a, c->from),
		            first_names(&a, c->to));
		add_ports(out, d, c);
		strbuf_addc(out, '\n');
	}
	strbuf_adds(out, d->changes.n ? "\n" : "No flow is opened, closed or altered");
	if (d->changes.n) {
		add_count(out, d);
	}
	strbuf_addc(out, '\n');
	matrix_notes_text(out, &d->notes);
}

/* ---- markdown ---- */

static void add_md_changes(struct strbuf *out, const struct diff *d)
{
	scoped_arena struct arena a = { 0 };

	if (!d->changes.n) {
		strbuf_adds(out, "No flow is opened, closed or altered.\n");
		return;
	}
	add_count(out, d);
	strbuf_adds(out, ".\n");
	for (size_t i = 0; i < d->changes.n; i++) {
		const struct diff_change *c = &d->changes.at[i];
		scoped_strbuf struct strbuf ports = { 0 };

		if (begins_cause(d, i)) {
			strbuf_addc(out, '\n');
			for (size_t k = 0; k < c->n_causes; k++) {
				strbuf_adds(out, k ? "<br>" : "**");
				markup_add_cell(out, c->causes[k]);
			}
			strbuf_adds(out,
			            c->n_causes ? "**\n" : "**Other networks or nodes outside**\n");
			strbuf_adds(out, "\n| | from | to | ports |\n| --- | --- | --- | --- |\n");
		}
		add_ports(&ports, d, c);
		strbuf_addf(out, "| %s | ", kinds[c->kind]);
		markup_add_cell(out, first_names(&a, c->from));
		strbuf_adds(out, " | ");
		markup_add_cell(out, first_names(&a, c->to));
		strbuf_adds(out, " | ");
		markup_add_cell(out, strbuf_str(&ports));
		strbuf_adds(out, " |\n");
	}
}

void diff_markdown(struct strbuf *out, const struct diff *d)
{
	strbuf_adds(out, "### Reachability\n\n");
	add_md_changes(out, d);
	for (size_t i = 0; i < d->notes.n; i++) {
		strbuf_adds(out, i ? "- " : "\n- ");
		markup_add_cell(out, d->notes.lines[i]);
		strbuf_addc(out, '\n');
	}
}

/* ---- json ---- */

static struct val *tree(struct arena *a, const struct diff *d)
{
	struct val *root = val_new_object(a), *list = val_new_array(a);

	for (int k = 0; k < DIFF_KINDS; k++) {
		val_set_int(a, root, kinds[k], (int64_t)d->n[k]);
	}
	for (size_t i = 0; i < d->changes.n; i++) {
		const struct diff_change *c = &d->changes.at[i];
		struct val *one = val_append(list, val_new_object(a));
		struct val *causes = val_need_array(a, one, "causes");
		scoped_strbuf struct strbuf before = { 0 }, after = { 0 };

		for (size_t k = 0; k < c->n_causes; k++) {
			val_append(causes, val_new_cstr(a, c->causes[k]));
		}
		ports_format(&before, ports_pool_get(d->pool, c->before));
		ports_format(&after, ports_pool_get(d->pool, c->after));
		val_set_cstr(a, one, "kind", kinds[c->kind]);
		val_set_cstr(a, one, "from", c->from);
		val_set_cstr(a, one, "to", c->to);
		val_set_cstr(a, one, "before", strbuf_str(&before));
		val_set_cstr(a, one, "after", strbuf_str(&after));
	}
	val_set(a, root, "changes", list);
	list = val_need_array(a, root, "notes");
	for (size_t k = 0; k < d->notes.n; k++) {
		val_append(list, val_new_cstr(a, d->notes.lines[k]));
	}
	return root;
}

void diff_json(struct strbuf *out, const struct diff *d)
{
	scoped_arena struct arena a = { 0 };

	json_write_pretty(out, tree(&a, d));
	strbuf_addc(out, '\n');
}

void diff_yaml(struct strbuf *out, const struct diff *d)
{
	scoped_arena struct arena a = { 0 };

	yaml_write(out, tree(&a, d));
}

const struct diff_form diff_forms[] = {
	{ "text", diff_text },
	{ "markdown", diff_markdown },
	{ "json", diff_json },
	{ "yaml", diff_yaml },
	{ 0 },
};
