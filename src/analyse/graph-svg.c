/* Why: a picture says in a glance what a list does not: columns from the browser to the databases, curves between.
 * Rectangles, paths and text only, so any browser shows it; the page around it adds the places and a search without a
 * single request. See graph.h. */
#include <stdlib.h>

#include "analyse/graph.h"
#include "analyse/markup.h"
#include "analyse/page.h"
#include "base/mem.h"

enum {
	ROW = 54,
	BOX_HEIGHT = 36,
	GAP = 120,
	PAD = 24,
	NAME_CHARS = 34,
	SWEEPS = 4,
	HEAD = 56
}; /* px */

static const char style[] =
	"<style>"
	"text{font:11px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}"
	".t{font-size:15px;font-weight:600}.s{fill:#59636e;font-size:10px}.bg{fill:#fff}"
	"rect.n{fill:#f6f8fa;stroke:#8c959f}.workload{fill:#ddf4ff!important}.service{fill:#fff8c5!"
	"important}"
	".store{fill:#dafbe1!important}.missing{fill:#ffebe9!important;stroke:#cf222e!important}"
	".ingress{fill:#fbefff!important}"
	"path.e{fill:none;stroke:#57606a;stroke-width:1.2}path.d{stroke-dasharray:4 "
	"3;stroke:#8c959f}"
	"path.p{stroke:#cf222e;stroke-width:1.8}"
	"@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.bg{fill:#0d1117}"
	"rect.n{fill:#151b23;stroke:#656c76}.workload{fill:#0c2d48!important}.service{fill:#3a3000!"
	"important}"
	".store{fill:#0f3a1d!important}.missing{fill:#4a1518!important}.ingress{fill:#2f1a47!"
	"important}"
	"path.e{stroke:#9198a1}}"
	"</style>\n";

struct place {
	const struct graph_node *node;
	double wish; /* where its neighbours are */
	int row, x, y, width;
};
struct drawing {
	struct strbuf *out;
	const struct graph *g;
	struct place *at; /* by node id */
	unsigned layers;
	int *columns; /* x of each layer */
	int width, height;
};

/* ---- where ---- */

static int by_wish(const void *x, const void *y)
{
	const struct place *a = *(const struct place *const *)x,
			   *b = *(const struct place *const *)y;

	if (a->wish < b->wish || a->wish > b->wish) {
		return a->wish < b->wish ? -1 : 1;
	}
	return a->node->id < b->node->id ? -1 : a->node->id > b->node->id;
}

static void order_layer(struct drawing *d, unsigned layer)
{
	struct place **row = mem_alloc((d->g->nodes.n + 1) * sizeof(*row));
	size_t n = 0;

	for (size_t i = 0; i < d->g->nodes.n; i++) {
		if (d->g->nodes.at[i]->layer == layer) {
			row[n++] = &d->at[i];
		}
	}
	if (n) {
		qsort(row, n, sizeof(*row), by_wish);
	}
	for (size_t i = 0; i < n; i++) {
		row[i]->row = (int)i;
	}
	free(row);
}

/* Each node wants to be at the mean of those it is joined with. */
static void wish(struct drawing *d)
{
	double *sum = mem_alloc((d->g->nodes.n + 1) * sizeof(*sum));
	unsigned *n = mem_alloc((d->g->nodes.n + 1) * sizeof(*n));

	for (size_t i = 0; i < d->g->edges.n; i++) {
		const struct graph_edge *e = d->g->edges.at[i];

		sum[e->from->id] += d->at[e->to->id].row;
		sum[e->to->id] += d->at[e->from->id].row;
		n[e->from->id]++;
		n[e->to->id]++;
	}
	for (size_t i = 0; i < d->g->nodes.n; i++) {
		d->at[i].wish = n[i] ? sum[i] / n[i] : d->at[i].row;
	}
	free(sum);
	free(n);
}

static size_t chars_of(const char *text)
{
	size_t n = strlen(text);

	return n > NAME_CHARS ? NAME_CHARS + 1 : n;
}

static void measure(struct drawing *d)
{
	int *widths;
	int x = PAD;

	for (size_t i = 0; i < d->g->nodes.n; i++) {
		d->layers = d->g->nodes.at[i]->layer + 1 > d->layers ? d->g->nodes.at[i]->layer + 1
		                                                     : d->layers;
	}
	widths = mem_alloc((d->layers + 1) * sizeof(*widths));
	d->columns = mem_alloc((d->layers + 1) * sizeof(*d->columns));
	for (size_t i = 0; i < d->g->nodes.n; i++) {
		const struct graph_node *n = d->g->nodes.at[i];

		d->at[i].width = markup_width(chars_of(n->name)) + 20;
		d->at[i].width = d->at[i].width < 90 ? 90 : d->at[i].width;
		widths[n->layer] =
			d->at[i].width > widths[n->layer] ? d->at[i].width : widths[n->layer];
	}
	for (unsigned layer = 0; layer < d->layers; layer++) {
		d->columns[layer] = x;
		x += widths[layer] + GAP;
	}
	d->width = x - GAP + PAD;
	free(widths);
}

/* Columns stand in the middle of the tallest one. */
static void set_places(struct drawing *d)
{
	int *rows = mem_alloc((d->layers + 1) * sizeof(*rows)), most = 0;

	for (size_t i = 0; i < d->g->nodes.n; i++) {
		int n = ++rows[d->g->nodes.at[i]->layer];

		most = n > most ? n : most;
	}
	for (size_t i = 0; i < d->g->nodes.n; i++) {
		unsigned layer = d->g->nodes.at[i]->layer;

		d->at[i].x = d->columns[layer];
		d->at[i].y = HEAD + d->at[i].row * ROW + (most - rows[layer]) * ROW / 2;
	}
	d->height = HEAD + most * ROW + ROW / 2;
	free(rows);
}

static void arrange(struct drawing *d)
{
	for (size_t i = 0; i < d->g->nodes.n; i++) {
		d->at[i].node = d->g->nodes.at[i];
		d->at[i].wish = (double)i;
	}
	for (unsigned layer = 0; layer < d->layers; layer++) {
		order_layer(d, layer);
	}
	for (int sweep = 0; sweep < SWEEPS; sweep++) {
		wish(d);
		for (unsigned layer = 0; layer < d->layers; layer++) {
			order_layer(d, layer);
		}
	}
	set_places(d);
}

/* ---- what ---- */

static void add_node(struct drawing *d, const struct place *p)
{
	strbuf_addf(d->out,
	            "<g id=\"n%u\"><rect class=\"n %s\" x=\"%d\" y=\"%d\" width=\"%d\" "
	            "height=\"%d\" rx=\"6\"/>",
	            p->node->id, graph_node_kind_text(p->node->kind), p->x, p->y, p->width,
	            BOX_HEIGHT);
	strbuf_addf(d->out, "<text x=\"%d\" y=\"%d\">", p->x + 10, p->y + 16);
	markup_add_short(d->out, p->node->name, NAME_CHARS);
	strbuf_addf(d->out, "</text><text class=\"s\" x=\"%d\" y=\"%d\">", p->x + 10, p->y + 29);
	markup_add(d->out, slice_of(p->node->what));
	strbuf_adds(d->out, "</text><title>");
	markup_add(d->out, slice_of(p->node->what));
	strbuf_addc(d->out, ' ');
	markup_add(d->out, slice_of(p->node->name));
	strbuf_adds(d->out, "</title></g>\n");
}

static void add_readings(struct drawing *d, const struct graph_edge *e)
{
	for (size_t i = 0; i < e->at.n; i++) {
		scoped_strbuf struct strbuf line = { 0 };

		strbuf_addf(&line, "; %s, ", e->at.at[i]->name);
		graph_place(&line, d->g, e->at.at[i]);
		markup_add(d->out, strbuf_slice(&line));
	}
	if (e->problem) {
		strbuf_adds(d->out, ": ");
		markup_add(d->out, slice_of(e->problem));
	}
}

static void add_edge(struct drawing *d, const struct graph_edge *e)
{
	const struct place *a = &d->at[e->from->id], *b = &d->at[e->to->id];
	int x1 = a->x + a->width, y1 = a->y + BOX_HEIGHT / 2, x2 = b->x, y2 = b->y + BOX_HEIGHT / 2;
	/* what passes over other columns goes around what stands there */
	int bow = e->to->layer > e->from->layer + 1 || e->to->layer <= e->from->layer ? ROW : 0;
	int bend = x2 > x1 ? (x2 - x1) / 2 : GAP / 2;
	scoped_strbuf struct strbuf label = { 0 };

	graph_edge_label(&label, e);
	strbuf_addf(
		d->out,
		"<g><path class=\"e%s%s\" marker-end=\"url(#a)\" d=\"M%d %dC%d %d %d %d %d %d\"/>",
		e->kind == EDGE_CALLS ? "" : " d", e->problem ? " p" : "", x1, y1, x1 + bend,
		y1 + bow, x2 - bend, y2 + bow, x2, y2);
	if (label.size) {
		strbuf_addf(d->out, "<text class=\"s\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
		            (x1 + x2) / 2, (y1 + y2) / 2 + bow * 3 / 4 - 4);
		markup_add(d->out, strbuf_slice(&label));
		strbuf_adds(d->out, "</text>");
	}
	strbuf_adds(d->out, "<title>");
	markup_add(d->out, slice_of(e->from->name));
	strbuf_addf(d->out, " %s ", graph_edge_kind_text(e->kind));
	markup_add(d->out, slice_of(e->to->name));
	add_readings(d, e);
	strbuf_adds(d->out, "</title></g>\n");
}

void graph_svg(struct strbuf *out, const struct graph *g)
{
	struct drawing d = { .out = out, .g = g };

	d.at = mem_alloc((g->nodes.n + 1) * sizeof(*d.at));
	measure(&d);
	arrange(&d);
	d.width = d.width < 480 ? 480 : d.width;
	d.height = d.height < 120 ? 120 : d.height;
	strbuf_addf(out,
	            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
	            "viewBox=\"0 0 %d %d\" "
	            "role=\"img\" aria-label=\"Who depends on whom\">\n%s<defs><marker id=\"a\" "
	            "viewBox=\"0 0 8 8\" refX=\"8\" "
	            "refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 "
	            "0L8 4L0 8z\" "
	            "fill=\"#8c959f\"/></marker></defs><rect class=\"bg\" width=\"%d\" "
	            "height=\"%d\"/>\n"
	            "<text class=\"t\" x=\"%d\" y=\"24\">Who depends on whom</text><text "
	            "class=\"s\" x=\"%d\" y=\"40\">"
	            "Solid: read from values. Dashed: selectors, routes and names. Red: will not "
	            "work.</text>\n",
	            d.width, d.height, d.width, d.height, style, d.width, d.height, PAD, PAD);
	for (size_t i = 0; i < g->edges.n; i++) {
		add_edge(&d, g->edges.at[i]);
	}
	for (size_t i = 0; i < g->nodes.n; i++) {
		add_node(&d, &d.at[i]);
	}
	strbuf_adds(out, "</svg>\n");
	free(d.at);
	free(d.columns);
}

/* ---- the page ---- */

static const char page_style[] =
	".v{overflow:auto;max-height:70vh;border-bottom:1px solid var(--line)}"
	".list{padding:0 16px 32px}td:nth-child(2),td:nth-child(4){white-space:nowrap}\n";

static void add_cell(struct strbuf *out, const char *text)
{
	strbuf_adds(out, "<td>");
	markup_add(out, slice_of(text));
	strbuf_adds(out, "</td>");
}

static void add_end(struct strbuf *out, const struct graph_node *n)
{
	scoped_strbuf struct strbuf text = { 0 };

	strbuf_addf(&text, strcmp(n->what, n->name) == 0 ? "%s" : "%s %s", n->what, n->name);
	add_cell(out, strbuf_str(&text));
}

static void add_row(struct strbuf *out, const struct graph *g, const struct graph_edge *e)
{
	scoped_strbuf struct strbuf label = { 0 };

	graph_edge_label(&label, e);
	strbuf_adds(out, "<tr class=\"row\">");
	add_end(out, e->from);
	add_cell(out, graph_edge_kind_text(e->kind));
	add_end(out, e->to);
	add_cell(out, strbuf_str(&label));
	strbuf_adds(out, "<td>");
	for (size_t i = 0; i < e->at.n; i++) {
		scoped_strbuf struct strbuf line = { 0 };

		strbuf_addf(&line, "%s (%s), ", e->at.at[i]->name,
		            value_source_text(e->at.at[i]->source));
		graph_place(&line, g, e->at.at[i]);
		markup_add(out, strbuf_slice(&line));
		strbuf_adds(out, "<br>");
	}
	if (e->problem) {
		strbuf_adds(out, "<span class=\"bad\">");
		markup_add(out, slice_of(e->problem));
		strbuf_adds(out, "</span>");
	}
	strbuf_adds(out, "</td></tr>\n");
}

void graph_html(struct strbuf *out, const struct graph *g)
{
	page_begin(out, "Who depends on whom", page_style);
	strbuf_adds(out, "<div class=\"v\">");
	graph_svg(out, g);
	strbuf_adds(out, "</div><div class=\"list\">\n");
	page_search(out);
	strbuf_adds(out, "<table><thead><tr><th>from</th><th></th><th>to</th><th>by</th><th>read "
	                 "from</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < g->edges.n; i++) {
		add_row(out, g, g->edges.at[i]);
	}
	strbuf_adds(out, "</tbody></table></div>\n");
	page_end(out);
}
