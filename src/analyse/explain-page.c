/* Why: an explanation as a page that can be attached to a ticket: each way as a line of stations, coloured by verdict, with
 * what decided beside each; and as a graph for Graphviz. See page.h. */
#include "analyse/explain-priv.h"
#include "analyse/markup.h"
#include "analyse/page.h"

static const char style[] =
	"ol{list-style:none;margin:0;padding:0}"
	"li.hop{position:relative;padding:0 0 14px 34px}"
	"li.hop::before{content:\"\\2713\";position:absolute;left:0;top:0;width:22px;height:22px;"
	"border-radius:50%;background:var(--good);color:#fff;text-align:center;font:600 13px/22px "
	"sans-serif;z-index:1}"
	"li.hop::after{content:\"\";position:absolute;left:10px;top:22px;bottom:0;width:2px;"
	"background:var(--good)}"
	"li.hop:last-child::after{display:none}"
	"li.unsure::before{content:\"?\";background:var(--doubt)}"
	"li.broken::before{content:\"\\2717\";background:var(--bad)}"
	"li.broken::after,li.beyond::after{background:repeating-linear-gradient(var(--line) 0 4px,"
	"transparent 4px 8px)}"
	"li.beyond{opacity:.65}"
	".name{display:inline-block;min-width:150px;font-weight:600}"
	".notes{color:var(--pale);font-size:12px;margin:2px 0 0;padding:0;list-style:none;"
	"overflow-wrap:anywhere}"
	".notes b{display:inline-block;width:38px;font-weight:400}"
	".box{border:1px solid var(--bad);border-radius:6px;padding:8px 14px;margin:4px 0 8px}"
	"details{font-size:12px;color:var(--pale)}\n";

static void text(struct strbuf *out, const char *s)
{
	markup_add_lines(out, slice_of(s));
}

static const char *class_of(enum explain_verdict v)
{
	static const char *const classes[] = {
		[EXPLAIN_PASSES] = "good", [EXPLAIN_UNSURE] = "doubt", [EXPLAIN_BROKEN] = "bad"
	};

	return classes[v];
}

static void add_note(struct strbuf *out, const struct explain_note *n)
{
	scoped_strbuf struct strbuf place = { 0 };

	explain_note_place(&place, n);
	strbuf_addf(out, "<li><b>%s</b><code>", explain_note_word(n->type));
	markup_add(out, strbuf_slice(&place));
	strbuf_adds(out, "</code>");
	text(out, n->text);
	strbuf_adds(out, "</li>\n");
}

/* Those shown (or, with 'hidden', the rest). Returns how many. */
static size_t add_notes(struct strbuf *out, const struct explain_step *s,
                        const struct explain_style *how, bool hidden)
{
	size_t n_near = 0, n = 0;

	for (size_t i = 0; i < s->notes.n; i++) {
		if (explain_note_is_shown(s, &s->notes.at[i], how, &n_near) != hidden) {
			strbuf_adds(out, n++ ? "" : "<ul class=\"notes\">\n");
			add_note(out, &s->notes.at[i]);
		}
	}
	strbuf_adds(out, n ? "</ul>\n" : "");
	return n;
}

static void add_seen(struct strbuf *out, const struct explain_observation *seen, bool predicted)
{
	strbuf_addf(out, "<div class=\"%s\">seen%s: ", seen->passes == predicted ? "pale" : "bad",
	            seen->passes == predicted ? "" : " otherwise");
	text(out, seen->text);
	strbuf_adds(out, "</div>\n");
}

static void add_step(struct strbuf *out, const struct explain_step *s,
                     const struct explain_style *how, bool beyond)
{
	scoped_strbuf struct strbuf rest = { 0 };

	strbuf_addf(out, "<li class=\"hop%s%s\"><span class=\"name\">%s</span> ",
	            s->verdict == EXPLAIN_BROKEN   ? " broken"
	            : s->verdict == EXPLAIN_UNSURE ? " unsure"
	                                           : "",
	            beyond ? " beyond" : "", explain_hop_text(s->hop));
	text(out, s->says);
	if (s->cause) {
		strbuf_addf(out, "<div class=\"%s\">", class_of(s->verdict));
		if (s->id) {
			strbuf_addf(out, "<b>%s</b> ", s->id);
		}
		text(out, s->cause);
		strbuf_adds(out, "</div>\n");
	}
	add_notes(out, s, how, false);
	if (s->seen.made) {
		add_seen(out, &s->seen, s->verdict != EXPLAIN_BROKEN);
	}
	if (add_notes(&rest, s, how, true)) {
		strbuf_addf(out, "<details><summary>more considered</summary>%s</details>\n",
		            strbuf_str(&rest));
	}
	strbuf_adds(out, "</li>\n");
}

static void add_path(struct strbuf *out, const struct explain_path *p,
                     const struct explain_style *how)
{
	bool beyond = false;

	strbuf_adds(out, "<section><h2>");
	text(out, p->title);
	strbuf_adds(out, p->is_alternative ? " <span class=\"pale\">(another way)</span></h2>\n"
	                                   : "</h2>\n");
	if (p->broken) {
		strbuf_addf(out, "<div class=\"box\"><b class=\"bad\">breaks at %s%s%s</b>: ",
		            explain_hop_text(p->broken->hop), p->broken->id ? " " : "",
		            p->broken->id ? p->broken->id : "");
		text(out, p->broken->cause);
		if (p->broken->repair) {
			strbuf_adds(out, "<pre>");
			text(out, p->broken->repair);
			strbuf_adds(out, "</pre>");
		}
		strbuf_adds(out, "</div>\n");
	}
	if (p->seen.made) {
		strbuf_addf(out, "<p>the whole way%s: ", p->seen.passes ? "" : " fails");
		text(out, p->seen.text);
		strbuf_adds(out, "</p>\n");
	}
	strbuf_adds(out, "<ol>\n");
	for (size_t i = 0; i < p->steps.n; i++) {
		add_step(out, p->steps.at[i], how, beyond);
		beyond = beyond || p->steps.at[i] == p->broken;
	}
	strbuf_adds(out, "</ol></section>\n");
}

void explain_html(struct strbuf *out, const struct explanation *x, const struct explain_style *how)
{
	scoped_strbuf struct strbuf title = { 0 };
	const struct explain_path *first = explain_first_broken(x);

	strbuf_addf(&title, "%s → %s", x->source, x->target);
	page_begin(out, strbuf_str(&title), style);
	strbuf_adds(out, "<main><h1>");
	markup_add(out, strbuf_slice(&title));
	strbuf_addf(out, "</h1><p><b class=\"%s\">%s</b>", x->reaches ? "good" : "bad",
	            x->reaches ? "reaches" : "does not reach");
	if (first) {
		strbuf_addf(out, ", breaks at %s", explain_hop_text(first->broken->hop));
	}
	if (x->observed) {
		strbuf_adds(out, x->disagrees ? "; <b class=\"bad\">what was seen disagrees</b>"
		                              : "; what was seen agrees");
	}
	strbuf_adds(out, "</p>\n");
	for (size_t i = 0; i < x->paths.n; i++) {
		add_path(out, x->paths.at[i], how);
	}
	strbuf_adds(out, "</main>\n");
	page_end(out);
}

/* ---- Graphviz ---- */

static size_t index_of(const struct explanation *x, const struct explain_step *s)
{
	size_t i = 0;

	while (i < x->steps.n && x->steps.at[i] != s) {
		i++;
	}
	return i;
}

/* Paths share their first steps: an edge is written once. */
static bool is_first_with(const struct explanation *x, size_t path, size_t step)
{
	const struct explain_path *p = x->paths.at[path];

	for (size_t i = 0; i < path; i++) {
		const struct explain_path *q = x->paths.at[i];

		if (step < q->steps.n && q->steps.at[step] == p->steps.at[step] &&
		    (!step || q->steps.at[step - 1] == p->steps.at[step - 1])) {
			return false;
		}
	}
	return true;
}

void explain_dot(struct strbuf *out, const struct explanation *x, const struct explain_style *how)
{
	static const char *const colours[] = { [EXPLAIN_PASSES] = "#1a7f37",
		                               [EXPLAIN_UNSURE] = "#9a6700",
		                               [EXPLAIN_BROKEN] = "#cf222e" };

	(void)how;
	strbuf_adds(out, "digraph explanation {\n\trankdir=TB;\n\tnode [shape=box, style=rounded, "
	                 "fontname=\"sans-serif\"];\n\tsource [shape=oval, label=");
	markup_add_dot(out, x->source);
	strbuf_adds(out, "];\n\ttarget [shape=oval, label=");
	markup_add_dot(out, x->target);
	strbuf_adds(out, "];\n");
	for (size_t i = 0; i < x->steps.n; i++) {
		const struct explain_step *s = x->steps.at[i];
		scoped_strbuf struct strbuf label = { 0 };

		strbuf_addf(&label, "%s: %s\n%s%s%s", explain_hop_text(s->hop),
		            explain_verdict_text(s->verdict), s->id ? s->id : "", s->id ? " " : "",
		            s->cause ? s->cause : s->says);
		strbuf_addf(out, "\ts%zu [color=\"%s\", label=", i, colours[s->verdict]);
		markup_add_dot(out, strbuf_str(&label));
		strbuf_adds(out, "];\n");
	}
	for (size_t i = 0; i < x->paths.n; i++) {
		const struct explain_path *p = x->paths.at[i];
		bool beyond = false;

		for (size_t j = 0; j < p->steps.n; j++) {
			const char *dashed = beyond ? " [style=dashed]" : "";

			if (is_first_with(x, i, j) && j) {
				strbuf_addf(out, "\ts%zu -> s%zu%s;\n",
				            index_of(x, p->steps.at[j - 1]),
				            index_of(x, p->steps.at[j]), dashed);
			} else if (is_first_with(x, i, j)) {
				strbuf_addf(out, "\tsource -> s%zu;\n",
				            index_of(x, p->steps.at[j]));
			}
			beyond = beyond || p->steps.at[j] == p->broken;
		}
		if (p->steps.n) {
			strbuf_addf(out, "\ts%zu -> target%s;\n",
			            index_of(x, p->steps.at[p->steps.n - 1]),
			            p->broken ? " [style=dashed]" : "");
		}
	}
	strbuf_adds(out, "}\n");
}
