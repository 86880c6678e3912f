/* Why: the verdicts as a person reads them and as test runners do; see verify.h. */
#include "analyse/markup.h"
#include "analyse/verify.h"
#include "codec/json.h"
#include "codec/yaml.h"

/* ---- text ---- */

static void add_lines(struct strbuf *out, const char *text, const char *before)
{
	struct slice rest = slice_of(text), line;

	while (slice_next(&rest, '\n', &line)) {
		strbuf_adds(out, before);
		strbuf_add_slice(out, line);
		strbuf_addc(out, '\n');
	}
}

void verify_text(struct strbuf *out, const struct verify *v)
{
	for (size_t i = 0; i < v->cases.n; i++) {
		const struct verify_case *c = &v->cases.at[i];

		strbuf_addf(out, "%s  %s\n", c->ok ? "ok  " : "FAIL", c->name);
		if (!c->ok) {
			strbuf_addf(out, "      %s:%u:%u\n", c->file, c->line, c->col);
			add_lines(out, c->why, "      ");
		}
	}
	strbuf_addf(out, "%zu of %zu as expected\n", v->cases.n - v->n_failed, v->cases.n);
	matrix_notes_text(out, &v->notes);
}

void verify_tap(struct strbuf *out, const struct verify *v)
{
	strbuf_addf(out, "TAP version 13\n1..%zu\n", v->cases.n);
	for (size_t i = 0; i < v->cases.n; i++) {
		const struct verify_case *c = &v->cases.at[i];

		strbuf_addf(out, "%s %zu - ", c->ok ? "ok" : "not ok", i + 1);
		for (const char *p = c->name; *p; p++) { /* '#' begins a directive */
			strbuf_addc(out, *p == '#' || *p == '\n' ? ' ' : *p);
		}
		strbuf_addc(out, '\n');
		if (!c->ok) {
			strbuf_addf(out, "# %s:%u:%u\n", c->file, c->line, c->col);
			add_lines(out, c->why, "# ");
		}
	}
	for (size_t i = 0; i < v->notes.n; i++) {
		add_lines(out, v->notes.lines[i], "# ");
	}
}

/* ---- junit ---- */

void verify_junit(struct strbuf *out, const struct verify *v)
{
	strbuf_addf(out,
	            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%zu\" "
	            "failures=\"%zu\">\n"
	            "<testsuite name=\"reachability\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" "
	            "skipped=\"0\">\n",
	            v->cases.n, v->n_failed, v->cases.n, v->n_failed);
	for (size_t i = 0; i < v->cases.n; i++) {
		const struct verify_case *c = &v->cases.at[i];

		strbuf_adds(out, "<testcase classname=\"");
		markup_add_lines(out, slice_of(c->file));
		strbuf_adds(out, "\" name=\"");
		markup_add_lines(out, slice_of(c->name));
		strbuf_addf(out, "\" file=\"");
		markup_add_lines(out, slice_of(c->file));
		strbuf_addf(out, "\" line=\"%u\"", c->line);
		if (c->ok) {
			strbuf_adds(out, "/>\n");
			continue;
		}
		strbuf_adds(out, ">\n<failure message=\"not as expected\">");
		markup_add_lines(out, slice_of(c->why));
		strbuf_adds(out, "</failure>\n</testcase>\n");
	}
	for (size_t i = 0; i < v->notes.n; i++) {
		strbuf_adds(out, i ? "" : "<system-out>");
		markup_add_lines(out, slice_of(v->notes.lines[i]));
		strbuf_adds(out, i + 1 < v->notes.n ? "\n" : "</system-out>\n");
	}
	strbuf_adds(out, "</testsuite>\n</testsuites>\n");
}

/* ---- json ---- */

static struct val *tree(struct arena *a, const struct verify *v)
{
	struct val *root = val_new_object(a), *list = val_new_array(a);

	for (size_t i = 0; i < v->cases.n; i++) {
		const struct verify_case *c = &v->cases.at[i];
		struct val *one = val_append(list, val_new_object(a));

		val_set_cstr(a, one, "name", c->name);
		val_set_bool(a, one, "ok", c->ok);
		val_set_cstr(a, one, "file", c->file);
		val_set_int(a, one, "line", c->line);
		val_set_int(a, one, "column", c->col);
		if (!c->ok) {
			val_set_cstr(a, one, "why", c->why);
		}
	}
	val_set_int(a, root, "expected", (int64_t)v->cases.n);
	val_set_int(a, root, "failed", (int64_t)v->n_failed);
	val_set(a, root, "cases", list);
	list = val_need_array(a, root, "notes");
	for (size_t i = 0; i < v->notes.n; i++) {
		val_append(list, val_new_cstr(a, v->notes.lines[i]));
	}
	return root;
}

void verify_json(struct strbuf *out, const struct verify *v)
{
	scoped_arena struct arena a = { 0 };

	json_write_pretty(out, tree(&a, v));
	strbuf_addc(out, '\n');
}

void verify_yaml(struct strbuf *out, const struct verify *v)
{
	scoped_arena struct arena a = { 0 };

	yaml_write(out, tree(&a, v));
}

/* ---- expectations out of what is ---- */

/* The range's name where it is one; else its addresses. */
static void add_range(struct strbuf *out, const struct matrix_end *e)
{
	struct arena a = { 0 };
	struct cidr_set set;

	if (cidr_parse(&a, slice_of(e->name), &set, NULL) == 0) {
		strbuf_adds(out, e->name);
	} else {
		cidr_format(out, e->addresses, 0);
	}
	arena_fini(&a);
}

/* Ranges that policies name come and go with them; what is not named is told by what it is not. */
static void add_outside(struct strbuf *out, const struct matrix *m, uint32_t id)
{
	size_t n, named = 0;
	const struct matrix_end *ends = matrix_ends(m, &n), *e = &ends[id];
	bool is_rest = e->kind == MATRIX_INTERNET ? id == 0 || ends[id - 1].kind != MATRIX_INTERNET
	                                          : e->class_id == POLICY_CLASS_NONE;

	if (e->kind == MATRIX_NODE) {
		strbuf_adds(out, "node");
		return;
	}
	strbuf_addc(out, '"');
	if (!is_rest) {
		add_range(out, e);
	} else {
		strbuf_adds(out, e->kind == MATRIX_INTERNET ? "internet" : "private networks");
	}
	for (uint32_t i = 0; i < n && is_rest; i++) {
		if (i != id && ends[i].kind == e->kind) {
			strbuf_adds(out, named++ ? "," : " but ");
			add_range(out, &ends[i]);
		}
	}
	strbuf_addc(out, '"');
}

static void add_workloads(struct strbuf *out, const struct matrix *m, const struct matrix_end *e)
{
	for (size_t k = 0; k < e->n_workloads; k++) {
		const struct matrix_workload *w = &matrix_world_of(m)->workloads[e->workloads[k]];

		strbuf_addf(out, "%s" SLICE_FMT " " SLICE_FMT "/" SLICE_FMT, k ? ", " : "",
		            SLICE_ARG(w->kind), SLICE_ARG(w->ns), SLICE_ARG(w->name));
	}
}

/* How many of a kind there are, and how many of them are in the list. */
static bool has_all(const struct matrix *m, struct ends list, bool pods)
{
	size_t n, all = 0, here = 0;
	const struct matrix_end *ends = matrix_ends(m, &n);

	for (size_t i = 0; i < n; i++) {
		all += (ends[i].kind == MATRIX_PODS) == pods;
	}
	for (size_t i = 0; i < list.n; i++) {
		here += (ends[list.at[i]].kind == MATRIX_PODS) == pods;
	}
	return all == here && all > 1;
}

static void add_places(struct strbuf *out, const struct matrix *m, const char *key,
                       struct ends list)
{
	size_t n;
	const struct matrix_end *ends = matrix_ends(m, &n);
	bool all_pods = has_all(m, list, true), all_outside = has_all(m, list, false);
	const char *between = "";

	strbuf_addf(out, "  %s %s: [%s%s%s", slice_is(slice_of(key), "from") ? "-" : " ", key,
	            all_pods ? "every workload" : "", all_pods && all_outside ? ", " : "",
	            all_outside ? "outside" : "");
	between = all_pods || all_outside ? ", " : "";
	for (size_t i = 0; i < list.n; i++) {
		const struct matrix_end *e = &ends[list.at[i]];

		if (e->kind == MATRIX_PODS ? all_pods : all_outside) {
			continue;
		}
		strbuf_adds(out, between);
		between = ", ";
		if (e->kind == MATRIX_PODS) {
			add_workloads(out, m, e);
		} else {
			add_outside(out, m, list.at[i]);
		}
	}
	strbuf_adds(out, "]\n");
}

static bool is_about_nodes(const struct matrix *m, struct ends list)
{
	size_t n;
	const struct matrix_end *ends = matrix_ends(m, &n);

	for (size_t i = 0; i < list.n; i++) {
		if (ends[list.at[i]].kind != MATRIX_NODE) {
			return false;
		}
	}
	return true;
}

void verify_expectations(struct strbuf *out, const struct matrix_view *v)
{
	strbuf_adds(out, "# Who reaches whom. 'kennel verify FILE -f ...' holds manifests against "
	                 "it.\nflows:\n");
	for (size_t i = 0; i < v->n_entries; i++) {
		const struct view_entry *e = &v->entries[i];
		scoped_strbuf struct strbuf ports = { 0 };

		if (is_about_nodes(v->matrix, e->from)) {
			continue; /* a node always reaches its pods */
		}
		ports_format(&ports, ports_pool_get(matrix_pool(v->matrix), e->ports));
		add_places(out, v->matrix, "from", e->from);
		add_places(out, v->matrix, "to", e->to);
		strbuf_addf(out, "    port: \"%s\"\n    expect: only\n", strbuf_str(&ports));
	}
	strbuf_adds(out, v->n_entries ? "" : "  []\n");
	strbuf_adds(out, "everything else: deny\n");
}

void verify_markdown(struct strbuf *out, const struct verify *v)
{
	strbuf_addf(out, "### Reachability: %zu of %zu as expected\n", v->cases.n - v->n_failed,
	            v->cases.n);
	for (size_t i = 0, n = 0; i < v->cases.n; i++) {
		const struct verify_case *c = &v->cases.at[i];

		if (!c->ok) {
			strbuf_adds(
				out,
				n++ ? ""
				    : "\n| not as expected | why | where |\n| --- | --- | --- |\n");
			strbuf_adds(out, "| ");
			markup_add_cell(out, c->name);
			strbuf_adds(out, " | ");
			markup_add_cell(out, c->why);
			strbuf_adds(out, " | ");
			markup_add_cell(out, c->file);
			strbuf_addf(out, ":%u:%u |\n", c->line, c->col);
		}
	}
	for (size_t i = 0; i < v->notes.n; i++) {
		strbuf_adds(out, i ? "- " : "\n- ");
		markup_add_cell(out, v->notes.lines[i]);
		strbuf_addc(out, '\n');
	}
}

const struct verify_form verify_forms[] = {
	{ "text", verify_text },
	{ "tap", verify_tap },
	{ "junit", verify_junit },
	{ "json", verify_json },
	{ "yaml", verify_yaml },
	{ "markdown", verify_markdown },
	{ 0 },
};
