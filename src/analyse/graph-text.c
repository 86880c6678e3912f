/* Why: the graph for reading, for programs, and for Graphviz; see graph.h. */
#include "analyse/graph.h"
#include "analyse/markup.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"

/* ---- text ---- */

static void add_title(struct strbuf *out, const struct graph_node *n)
{
	strbuf_addf(out, strcmp(n->what, n->name) == 0 ? "%s" : "%s %s", n->what, n->name);
}

static void add_reading(struct strbuf *out, const struct graph *g, const struct reference *r)
{
	strbuf_addf(out, "      %s", r->name);
	if (r->file[0]) {
		strbuf_addf(out, " in %s", r->file);
	}
	strbuf_addf(out, " (%s%s), ", value_source_text(r->source), r->is_secret ? ", secret" : "");
	graph_place(out, g, r);
	strbuf_addc(out, '\n');
}

static void add_edge(struct strbuf *out, const struct graph *g, const struct graph_edge *e)
{
	strbuf_addf(out, "    %s ", graph_edge_kind_text(e->kind));
	add_title(out, e->to);
	if (e->scheme[0] || e->port) {
		strbuf_adds(out, "  ");
		graph_edge_label(out, e);
	}
	if (e->problem) {
		strbuf_addf(out, "  -- %s", e->problem);
	}
	strbuf_addc(out, '\n');
	for (size_t i = 0; i < e->at.n; i++) {
		add_reading(out, g, e->at.at[i]);
	}
}

static size_t first_edge(const struct graph *g, const struct graph_node *n)
{
	size_t low = 0, high = g->edges.n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (g->edges.at[middle]->from->id < n->id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

void graph_text(struct strbuf *out, const struct graph *g)
{
	for (size_t i = 0; i < g->nodes.n; i++) {
		const struct graph_node *n = g->nodes.at[i];
		size_t at = first_edge(g, n);

		if (n->kind == NODE_WORKLOAD || (at < g->edges.n && g->edges.at[at]->from == n)) {
			add_title(out, n);
			strbuf_adds(out, at < g->edges.n && g->edges.at[at]->from == n
			                         ? "\n"
			                         : "\n    calls nobody\n");
		}
		for (; at < g->edges.n && g->edges.at[at]->from == n; at++) {
			add_edge(out, g, g->edges.at[at]);
		}
	}
	if (!g->nodes.n) {
		strbuf_adds(out, "No workloads, Services or Ingresses.\n");
	}
}

/* ---- JSON ---- */

static struct val *reading_value(struct arena *a, const struct graph *g, const struct reference *r)
{
	struct val *v = val_new_object(a);
	scoped_strbuf struct strbuf place = { 0 };
	static const char *const places[] = { "pod",  "browser", "build",
		                              "node", "ingress", "resolver" };
	static const char *const sure[] = { "low", "medium", "high" };

	graph_place(&place, g, r);
	val_set_cstr(a, v, "name", r->name);
	val_set_cstr(a, v, "source", value_source_text(r->source));
	val_set_cstr(a, v, "path", r->where.path);
	val_set_str(a, v, "position", strbuf_slice(&place));
	val_set_cstr(a, v, "from", places[r->place]);
	val_set_cstr(a, v, "confidence", sure[r->confidence]);
	if (r->file[0]) {
		val_set_cstr(a, v, "file", r->file);
	}
	val_set_bool(a, v, "secret", r->is_secret);
	return v;
}

static struct val *edge_value(struct arena *a, const struct graph *g, const struct graph_edge *e)
{
	struct val *v = val_new_object(a), *at;

	val_set_cstr(a, v, "kind", graph_edge_kind_text(e->kind));
	val_set_int(a, v, "from", e->from->id);
	val_set_int(a, v, "to", e->to->id);
	if (e->scheme[0]) {
		val_set_cstr(a, v, "scheme", e->scheme);
	}
	if (e->port) {
		val_set_int(a, v, "port", e->port);
	}
	if (e->problem) {
		val_set_cstr(a, v, "problem", e->problem);
	}
	at = val_need_array(a, v, "readFrom");
	for (size_t i = 0; i < e->at.n; i++) {
		val_append(at, reading_value(a, g, e->at.at[i]));
	}
	return v;
}

static struct val *tree(struct arena *a, const struct graph *g)
{
	struct val *root = val_new_object(a), *nodes = val_need_array(a, root, "nodes"),
		   *edges = val_need_array(a, root, "edges");

	for (size_t i = 0; i < g->nodes.n; i++) {
		const struct graph_node *n = g->nodes.at[i];
		struct val *v = val_append(nodes, val_new_object(a));

		val_set_int(a, v, "id", n->id);
		val_set_cstr(a, v, "kind", graph_node_kind_text(n->kind));
		val_set_cstr(a, v, "what", n->what);
		val_set_cstr(a, v, "name", n->name);
	}
	for (size_t i = 0; i < g->edges.n; i++) {
		val_append(edges, edge_value(a, g, g->edges.at[i]));
	}
	return root;
}

void graph_json(struct strbuf *out, const struct graph *g)
{
	scoped_arena struct arena a = { 0 };

	json_write_pretty(out, tree(&a, g));
	strbuf_addc(out, '\n');
}

void graph_yaml(struct strbuf *out, const struct graph *g)
{
	scoped_arena struct arena a = { 0 };

	yaml_write(out, tree(&a, g));
}

/* ---- Graphviz ---- */

void graph_dot(struct strbuf *out, const struct graph *g)
{
	static const char *const shapes[] = {
		[NODE_BROWSER] = "ellipse", [NODE_INGRESS] = "hexagon", [NODE_WORKLOAD] = "box",
		[NODE_SERVICE] = "oval",    [NODE_STORE] = "cylinder",  [NODE_OUTSIDE] = "egg",
		[NODE_MISSING] = "octagon",
	};

	strbuf_adds(out,
	            "digraph dependencies {\n\trankdir=LR;\n\tnode [fontname=\"sans-serif\"];\n");
	for (size_t i = 0; i < g->nodes.n; i++) {
		const struct graph_node *n = g->nodes.at[i];
		scoped_strbuf struct strbuf label = { 0 };

		add_title(&label, n);
		strbuf_addf(out, "\tn%u [shape=%s%s, label=", n->id, shapes[n->kind],
		            n->kind == NODE_MISSING ? ", color=red" : "");
		markup_add_dot(out, strbuf_str(&label));
		strbuf_adds(out, "];\n");
	}
	for (size_t i = 0; i < g->edges.n; i++) {
		const struct graph_edge *e = g->edges.at[i];
		scoped_strbuf struct strbuf label = { 0 };

		graph_edge_label(&label, e);
		strbuf_addf(out, "\tn%u -> n%u [label=", e->from->id, e->to->id);
		markup_add_dot(out, strbuf_str(&label));
		strbuf_addf(out, "%s%s];\n", e->kind == EDGE_CALLS ? "" : ", style=dashed",
		            e->problem ? ", color=red" : "");
	}
	strbuf_adds(out, "}\n");
}

const struct graph_form graph_forms[] = {
	{ "text", graph_text },
	{ "json", graph_json },
	{ "yaml", graph_yaml },
	{ "dot", graph_dot },
	{ "svg", graph_svg },
	{ "html", graph_html },
	{ 0 },
};
