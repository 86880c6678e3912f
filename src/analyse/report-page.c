/* Why: findings as a page that can be attached to a build or mailed: a card for each, the cause first; see page.h. */
#include "analyse/markup.h"
#include "analyse/page.h"
#include "analyse/report.h"

static const char style[] =
	".card{border:1px solid var(--line);border-left-width:5px;border-radius:6px;padding:10px "
	"16px;"
	"margin:12px 0}.card h3{font-size:14px;margin:0 0 6px}"
	".error{border-left-color:var(--bad)}.warn{border-left-color:var(--doubt)}"
	".info{border-left-color:var(--pale)}"
	"dl{display:grid;grid-template-columns:80px 1fr;gap:2px 12px;margin:0}dt{color:var(--pale)}"
	"dd{margin:0;overflow-wrap:anywhere}"
	".id{display:inline-block;font:600 12px ui-monospace,monospace;padding:1px 6px;"
	"border-radius:4px;background:var(--card);border:1px solid var(--line);margin-right:8px}\n";

static void text(struct strbuf *out, const char *s)
{
	markup_add_lines(out, slice_of(s));
}

static void place(struct strbuf *out, const struct object *o, const struct val *at)
{
	scoped_strbuf struct strbuf b = { 0 };

	position_text(&b, o, at);
	strbuf_adds(out, "<code>");
	markup_add(out, strbuf_slice(&b));
	strbuf_adds(out, "</code> ");
	strbuf_reset(&b);
	object_text(&b, o);
	markup_add(out, strbuf_slice(&b));
}

static void field(struct strbuf *out, const char *name, const char *s)
{
	strbuf_addf(out, "<dt>%s</dt><dd>", name);
	text(out, s);
	strbuf_adds(out, "</dd>\n");
}

static void card(struct strbuf *out, const struct finding *f)
{
	scoped_strbuf struct strbuf path = { 0 };

	strbuf_addf(out, "<article class=\"card row %s\"><h3><span class=\"id\" title=\"",
	            severity_text(f->severity));
	text(out, f->rule->title);
	strbuf_addf(out, "\">%s</span>", f->rule->id);
	text(out, f->cause);
	strbuf_adds(out, "</h3><dl>\n<dt>where</dt><dd>");
	place(out, f->object, f->at);
	finding_path(f, &path);
	strbuf_adds(out, " <span class=\"pale\">");
	markup_add(out, strbuf_slice(&path));
	strbuf_adds(out, "</span></dd>\n");
	for (size_t i = 0; i < f->evidence.n; i++) {
		strbuf_addf(out, "<dt>%s</dt><dd>", i ? "" : "shown by");
		place(out, f->evidence.at[i].object, f->evidence.at[i].at);
		strbuf_adds(out, ": ");
		text(out, f->evidence.at[i].text);
		strbuf_adds(out, "</dd>\n");
	}
	if (f->because) {
		strbuf_addf(out, "<dt>follows</dt><dd>from %s; it may go away with that one</dd>\n",
		            f->because->rule->id);
	}
	field(out, "breaks at", hop_text(f->rule->hop));
	field(out, "seen as", f->symptom ? f->symptom : f->rule->symptom);
	field(out, "repair", f->repair ? f->repair : f->rule->fix);
	strbuf_addf(
		out,
		"<dt>certainty</dt><dd>%s, <span class=\"%s\">%s</span></dd>\n</dl></article>\n",
		certainty_text(f->rule->certainty),
		f->severity == SEVERITY_ERROR  ? "bad"
		: f->severity == SEVERITY_WARN ? "doubt"
					       : "pale",
		severity_text(f->severity));
}

static void aside(struct strbuf *out, const struct report *r)
{
	if (r->n_problems + r->findings->notes.n + r->subject->left_out.n) {
		strbuf_adds(out, "<h2>About the analysis</h2><ul>\n");
	}
	for (size_t i = 0; i < r->n_problems; i++) {
		strbuf_adds(out, "<li class=\"bad\">not read: ");
		text(out, r->problems[i]);
		strbuf_adds(out, "</li>\n");
	}
	for (size_t i = 0; i < r->findings->notes.n; i++) {
		strbuf_adds(out, "<li>");
		text(out, r->findings->notes.at[i]);
		strbuf_adds(out, "</li>\n");
	}
	for (size_t i = 0; i < r->subject->left_out.n; i++) {
		const struct left_out *x = &r->subject->left_out.at[i];

		strbuf_addf(out, "<li>not considered: %zu x ", x->n);
		markup_add(out, x->kind);
		strbuf_adds(out, " (");
		markup_add(out, x->api_version);
		strbuf_adds(out, ")</li>\n");
	}
	if (r->n_problems + r->findings->notes.n + r->subject->left_out.n) {
		strbuf_adds(out, "</ul>\n");
	}
}

void report_html(struct strbuf *out, const struct report *r)
{
	scoped_strbuf struct strbuf sum = { 0 };

	report_summary(&sum, r);
	page_begin(out, "kennel check", style);
	strbuf_addf(out, "<main><h1>What will not work</h1><p class=\"%s\">",
	            r->findings->all.n ? "pale" : "good");
	markup_add(out, strbuf_slice(&sum));
	strbuf_adds(out, "</p>\n");
	if (r->findings->all.n > 1) {
		page_search(out);
	}
	for (size_t i = 0; i < r->findings->all.n; i++) {
		card(out, r->findings->all.at[i]);
	}
	aside(out, r);
	strbuf_addf(out, "<p class=\"pale\">kennel %s</p></main>\n", r->version);
	page_end(out);
}
