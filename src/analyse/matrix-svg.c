/* Why: a matrix is a grid: sources down, destinations across, the ports in the cell. Drawn with nothing but rectangles
 * and text, so any browser, document or review shows it; see matrix-view.h. */
#include "analyse/markup.h"
#include "analyse/matrix-view.h"

enum {
	FONT = 11,     /* px */
	ROW = 22,      /* px: height of a row */
	CELL_MIN = 22, /* px: width of a column */
	CELL_MAX = 96,
	PAD = 8,
	TEXT_CELLS_MAX = 60, /* more columns: colours only */
	NAME_MAX = 44,       /* characters of a name; the whole is in the tooltip */
};

static const char style[] =
	"<style>"
	"text{font:11px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}"
	".t{font-size:15px;font-weight:600}.s{fill:#59636e}.m{text-anchor:middle}.e{text-anchor:"
	"end}"
	".bg{fill:#fff}.b{fill:#f6f8fa}.g{stroke:#d1d9e0;stroke-width:1}"
	".all{fill:#ffd8a8}.some{fill:#b7ebc6}.none{fill:none}.self{fill:#eaeef2}"
	"@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.bg{fill:#0d1117}.b{"
	"fill:#151b23}"
	".g{stroke:#3d444d}.all{fill:#7a4a12}.some{fill:#1d5c33}.self{fill:#262c36}}"
	"</style>\n";

struct drawing {
	struct strbuf *out;
	const struct matrix_view *v;
	const struct matrix_end *ends;
	size_t n;
	int left, top, cell; /* px: where the grid begins, and how wide its columns are */
};

static size_t name_len(const char *name)
{
	size_t n = strlen(name);

	return n > NAME_MAX ? NAME_MAX + 1 : n;
}

/* "TCP 80; UDP 53" as "80; UDP 53": nearly all ports are TCP, so the word says nothing here. */
static void short_ports(struct strbuf *out, const struct drawing *d, ports_id id)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct slice s;

	ports_format(&text, ports_pool_get(matrix_pool(d->v->matrix), id));
	s = strbuf_slice(&text);
	if (slice_has_prefix(s, SLICE("TCP ")) && s.len > 4) {
		s = slice_from(s, 4);
	}
	strbuf_add_slice(out, s);
}

static int widest_cell(const struct drawing *d)
{
	int width = CELL_MIN;

	if (d->n > TEXT_CELLS_MAX) {
		return 14;
	}
	for (size_t i = 0; i < d->v->n_entries; i++) {
		scoped_strbuf struct strbuf text = { 0 };
		int w;

		short_ports(&text, d, d->v->entries[i].ports);
		w = markup_width(text.size) + 8;
		width = w > width ? w : width;
	}
	return width > CELL_MAX ? CELL_MAX : width;
}

static void measure(struct drawing *d)
{
	int longest = 80;

	for (size_t i = 0; i < d->n; i++) {
		int w = markup_width(name_len(d->ends[i].name));

		longest = w > longest ? w : longest;
	}
	d->cell = widest_cell(d);
	d->left = longest + 2 * PAD;
	d->top = 58 + longest * 7 / 10 + PAD; /* names across stand aslant, at 45 degrees */
}

static void add_names(struct drawing *d)
{
	for (size_t i = 0; i < d->n; i++) {
		int y = d->top + (int)i * ROW, x = d->left + (int)i * d->cell;

		if (i % 2) {
			strbuf_addf(
				d->out,
				"<rect class=\"b\" x=\"0\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
				y, d->left + (int)d->n * d->cell, ROW);
		}
		strbuf_addf(d->out, "<text class=\"e\" x=\"%d\" y=\"%d\">", d->left - PAD,
		            y + ROW / 2 + 4);
		markup_add_short(d->out, d->ends[i].name, NAME_MAX);
		strbuf_adds(d->out, "<title>");
		markup_add(d->out, slice_of(d->ends[i].name));
		strbuf_addf(d->out,
		            "</title></text>\n<text transform=\"translate(%d %d) rotate(-45)\">",
		            x + d->cell / 2, d->top - PAD);
		markup_add_short(d->out, d->ends[i].name, NAME_MAX);
		strbuf_adds(d->out, "<title>");
		markup_add(d->out, slice_of(d->ends[i].name));
		strbuf_adds(d->out, "</title></text>\n");
	}
}

static void add_cell(struct drawing *d, uint32_t from, uint32_t to, ports_id ports)
{
	scoped_strbuf struct strbuf text = { 0 }, full = { 0 };
	int x = d->left + (int)to * d->cell, y = d->top + (int)from * ROW;
	size_t room = (size_t)((d->cell - 8) * 100 / (FONT * 58));

	short_ports(&text, d, ports);
	ports_format(&full, ports_pool_get(matrix_pool(d->v->matrix), ports));
	strbuf_addf(d->out, "<g><rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>",
	            ports == PORTS_ALL ? "all" : "some", x + 1, y + 1, d->cell - 2, ROW - 2);
	if (d->n <= TEXT_CELLS_MAX) {
		strbuf_addf(d->out, "<text class=\"m\" x=\"%d\" y=\"%d\">", x + d->cell / 2,
		            y + ROW / 2 + 4);
		markup_add_short(d->out, strbuf_str(&text), text.size > room ? room - 1 : room);
		strbuf_adds(d->out, "</text>");
	}
	strbuf_adds(d->out, "<title>");
	markup_add(d->out, slice_of(d->ends[from].name));
	strbuf_adds(d->out, " → ");
	markup_add(d->out, slice_of(d->ends[to].name));
	strbuf_adds(d->out, ": ");
	markup_add(d->out, strbuf_slice(&full));
	strbuf_adds(d->out, "</title></g>\n");
}

/* Lines between pods and what is outside, and between namespaces. */
static bool is_border(const struct drawing *d, size_t i)
{
	const struct matrix_world *w = matrix_world_of(d->v->matrix);

	if (i == 0 || i == d->n) {
		return true;
	}
	if (d->ends[i].kind != MATRIX_PODS || d->ends[i - 1].kind != MATRIX_PODS) {
		return d->ends[i - 1].kind == MATRIX_PODS;
	}
	return !slice_eq(w->workloads[d->ends[i].workloads[0]].ns,
	                 w->workloads[d->ends[i - 1].workloads[0]].ns);
}

static void add_borders(struct drawing *d)
{
	int right = d->left + (int)d->n * d->cell, bottom = d->top + (int)d->n * ROW;

	for (size_t i = 0; i <= d->n; i++) {
		if (is_border(d, i)) {
			int x = d->left + (int)i * d->cell, y = d->top + (int)i * ROW;

			strbuf_addf(d->out,
			            "<path class=\"g\" d=\"M%d %dV%d\"/><path class=\"g\" d=\"M0 "
			            "%dH%d\"/>\n",
			            x, d->top, bottom, y, right);
		}
	}
}

static void add_head(struct drawing *d)
{
	int longest = d->left;
	int width = d->left + (int)d->n * d->cell + longest * 7 / 10,
	    height = d->top + (int)d->n * ROW + PAD;

	width = width < 560 ? 560 : width;
	strbuf_addf(d->out,
	            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
	            "viewBox=\"0 0 %d %d\" "
	            "role=\"img\" aria-label=\"Who reaches whom\">\n%s<rect class=\"bg\" "
	            "width=\"%d\" height=\"%d\"/>\n",
	            width, height, width, height, style, width, height);
	strbuf_addf(d->out,
	            "<text class=\"t\" x=\"%d\" y=\"22\">Who reaches whom</text>"
	            "<text class=\"s\" x=\"%d\" y=\"40\">From the left to the top. Ports are TCP "
	            "unless said.</text>\n",
	            PAD, PAD);
	strbuf_addf(d->out, "<rect class=\"some\" x=\"330\" y=\"30\" width=\"14\" "
	                    "height=\"12\"/><text class=\"s\" x=\"349\" "
	                    "y=\"40\">some ports</text><rect class=\"all\" x=\"425\" y=\"30\" "
	                    "width=\"14\" height=\"12\"/>"
	                    "<text class=\"s\" x=\"444\" y=\"40\">everything</text>\n");
}

void matrix_svg(struct strbuf *out, const struct matrix_view *v)
{
	struct drawing d = { .out = out, .v = v };

	d.ends = matrix_ends(v->matrix, &d.n);
	measure(&d);
	add_head(&d);
	add_names(&d);
	for (size_t i = 0; i < v->n_entries; i++) {
		const struct view_entry *e = &v->entries[i];

		for (size_t f = 0; f < e->from.n; f++) {
			for (size_t t = 0; t < e->to.n; t++) {
				add_cell(&d, e->from.at[f], e->to.at[t], e->ports);
			}
		}
	}
	add_borders(&d);
	strbuf_adds(out, "</svg>\n");
}
