/* Why: an explanation for a tired person: the answer first, then each way hop by hop, then what breaks and what to do;
 * and the same as Markdown. */
#include "analyse/explain-priv.h"
#include "analyse/finding.h"
#include "analyse/markup.h"

enum { NEAR_MAX = 6 /* near misses shown per hop unless everything is wanted */, MARGIN = 29 };

static void paint(struct strbuf *out, const struct explain_style *style, const char *code,
                  const char *text)
{
	if (style->colours) {
		strbuf_addf(out, "\033[%sm%s\033[0m", code, text);
	} else {
		strbuf_adds(out, text);
	}
}

/* Lines after the first are indented as the first. */
static void paragraph(struct strbuf *out, const char *text, int indent)
{
	for (; *text; text++) {
		strbuf_addc(out, *text);
		if (*text == '\n') {
			strbuf_addf(out, "%*s", indent, "");
		}
	}
	strbuf_addc(out, '\n');
}

const char *explain_note_word(enum explain_note_type type)
{
	static const char *const words[] = { [NOTE_DECIDED] = "by",
		                             [NOTE_NEAR] = "near",
		                             [NOTE_FACT] = "note",
		                             [NOTE_OTHER] = "also" };

	return words[type];
}

bool explain_note_is_shown(const struct explain_step *s, const struct explain_note *n,
                           const struct explain_style *style, size_t *n_near)
{
	if (style->everything) {
		return true;
	}
	switch (n->type) {
	case NOTE_DECIDED:
	case NOTE_FACT:
		return true;
	case NOTE_NEAR:
		return s->verdict == EXPLAIN_BROKEN && (*n_near)++ < NEAR_MAX;
	case NOTE_OTHER:
		break;
	}
	return false;
}

static size_t count_hidden(const struct explain_step *s, const struct explain_style *style)
{
	size_t hidden = 0, n_near = 0;

	for (size_t i = 0; i < s->notes.n; i++) {
		hidden += !explain_note_is_shown(s, &s->notes.at[i], style, &n_near);
	}
	return s->verdict == EXPLAIN_BROKEN ? hidden : 0;
}

void explain_note_place(struct strbuf *out, const struct explain_note *n)
{
	if (!n->object) {
		return;
	}
	if (n->object->file[0] == '(') { /* out of a cluster or a profile: lines mean nothing */
		const struct finding at = { .object = n->object, .at = n->at };
		scoped_strbuf struct strbuf path = { 0 };

		finding_path(&at, &path);
		object_text(out, n->object);
		strbuf_addf(out, "%s%s", path.size ? " " : "", strbuf_str(&path));
	} else {
		position_text(out, n->object, n->at);
	}
	strbuf_adds(out, ": ");
}

/* ---- text ---- */

static void put_note(struct strbuf *out, const struct explain_note *n)
{
	strbuf_addf(out, "%*s%-5s ", MARGIN, "", explain_note_word(n->type));
	explain_note_place(out, n);
	paragraph(out, n->text, MARGIN + 6);
}

static void put_seen(struct strbuf *out, const struct explain_observation *seen, bool predicted,
                     const struct explain_style *style)
{
	strbuf_addf(out, "%*s", MARGIN, "");
	if (seen->passes == predicted) {
		strbuf_addf(out, "seen  %s\n", seen->text);
	} else {
		paint(out, style, "1;35", "SEEN OTHERWISE");
		strbuf_addf(out, "  %s\n", seen->text);
	}
}

const char *explain_verdict_text(enum explain_verdict v)
{
	static const char *const texts[] = {
		[EXPLAIN_PASSES] = "ok", [EXPLAIN_UNSURE] = "?", [EXPLAIN_BROKEN] = "broken"
	};

	return texts[v];
}

static void put_step(struct strbuf *out, const struct explain_step *s,
                     const struct explain_style *style)
{
	static const char *const marks[] = {
		[EXPLAIN_PASSES] = "ok", [EXPLAIN_UNSURE] = "?", [EXPLAIN_BROKEN] = "BROKEN"
	};
	static const char *const colours[] = {
		[EXPLAIN_PASSES] = "32", [EXPLAIN_UNSURE] = "33", [EXPLAIN_BROKEN] = "1;31"
	};
	scoped_strbuf struct strbuf mark = { 0 };
	size_t n_near = 0, hidden = count_hidden(s, style);

	strbuf_addf(&mark, "%-6s", marks[s->verdict]);
	strbuf_adds(out, "  ");
	paint(out, style, colours[s->verdict], strbuf_str(&mark));
	strbuf_addf(out, "  %-18s ", explain_hop_text(s->hop));
	paragraph(out, s->says, MARGIN);
	if (s->cause) {
		strbuf_addf(out, "%*s", MARGIN, "");
		if (s->id) {
			paint(out, style, "1", s->id);
			strbuf_adds(out, "  ");
		}
		paragraph(out, s->cause, MARGIN);
	}
	for (size_t i = 0; i < s->notes.n; i++) {
		if (explain_note_is_shown(s, &s->notes.at[i], style, &n_near)) {
			put_note(out, &s->notes.at[i]);
		}
	}
	if (hidden) {
		strbuf_addf(out, "%*s%zu more considered (--all)\n", MARGIN, "", hidden);
	}
	if (s->seen.made) {
		put_seen(out, &s->seen, s->verdict != EXPLAIN_BROKEN, style);
	}
}

static void put_end(struct strbuf *out, const struct explain_path *p,
                    const struct explain_style *style)
{
	const struct explain_step *s = p->broken;

	if (p->seen.made) {
		strbuf_addf(out, "  %-6s  %-18s %s%s\n", "", "the whole way",
		            p->seen.passes ? "" : "fails: ", p->seen.text);
	}
	if (!s) {
		return;
	}
	strbuf_adds(out, "\n  ");
	paint(out, style, "1;31", "breaks at");
	strbuf_addf(out, "  %s%s%s: ", explain_hop_text(s->hop), s->id ? " " : "",
	            s->id ? s->id : "");
	paragraph(out, s->cause, 13);
	if (s->repair) {
		strbuf_adds(out, "  ");
		paint(out, style, "1", "repair");
		strbuf_adds(out, "     ");
		paragraph(out, s->repair, 13);
	}
}

const struct explain_path *explain_first_broken(const struct explanation *x)
{
	for (size_t i = 0; i < x->paths.n; i++) {
		if (x->paths.at[i]->broken && !x->paths.at[i]->is_alternative) {
			return x->paths.at[i];
		}
	}
	return NULL;
}

static void put_answer(struct strbuf *out, const struct explanation *x,
                       const struct explain_style *style)
{
	const struct explain_path *first = explain_first_broken(x);

	strbuf_addf(out, "%s -> %s: ", x->source, x->target);
	paint(out, style, x->reaches ? "1;32" : "1;31", x->reaches ? "reaches" : "does not reach");
	if (first) {
		strbuf_addf(out, ", breaks at %s", explain_hop_text(first->broken->hop));
	}
	if (x->observed) {
		strbuf_adds(out,
		            x->disagrees ? "; what was seen DISAGREES" : "; what was seen agrees");
	}
	strbuf_addc(out, '\n');
}

void explain_text(struct strbuf *out, const struct explanation *x,
                  const struct explain_style *style)
{
	put_answer(out, x, style);
	for (size_t i = 0; i < x->paths.n; i++) {
		const struct explain_path *p = x->paths.at[i];

		strbuf_adds(out, "\n");
		paint(out, style, "1", p->title);
		strbuf_adds(out, p->is_alternative ? "  (another way)\n" : "\n");
		for (size_t j = 0; j < p->steps.n; j++) {
			put_step(out, p->steps.at[j], style);
		}
		put_end(out, p, style);
	}
	if (x->subject->left_out.n) {
		strbuf_adds(out, "\nnot considered:");
		for (size_t i = 0; i < x->subject->left_out.n; i++) {
			const struct left_out *l = &x->subject->left_out.at[i];

			strbuf_addf(out, "%s " SLICE_FMT " (%zu)", i ? "," : "", SLICE_ARG(l->kind),
			            l->n);
		}
		strbuf_addc(out, '\n');
	}
}

/* ---- Markdown ---- */

static void markdown_step(struct strbuf *out, const struct explain_step *s,
                          const struct explain_style *style, bool observed)
{
	static const char *const marks[] = {
		[EXPLAIN_PASSES] = "ok", [EXPLAIN_UNSURE] = "?", [EXPLAIN_BROKEN] = "**broken**"
	};
	size_t n_near = 0, n_shown = 0;

	strbuf_addf(out, "| %s | %s | ", explain_hop_text(s->hop), marks[s->verdict]);
	markup_add_cell(out, s->cause ? s->cause : s->says);
	strbuf_adds(out, " | ");
	for (size_t i = 0; i < s->notes.n; i++) {
		scoped_strbuf struct strbuf text = { 0 };

		if (explain_note_is_shown(s, &s->notes.at[i], style, &n_near)) {
			strbuf_addf(&text, "%s%s ", n_shown++ ? "\n" : "",
			            explain_note_word(s->notes.at[i].type));
			explain_note_place(&text, &s->notes.at[i]);
			strbuf_adds(&text, s->notes.at[i].text);
			markup_add_cell(out, strbuf_str(&text));
		}
	}
	if (observed) {
		strbuf_adds(out, " | ");
		markup_add_cell(out, s->seen.made ? s->seen.text : "");
		strbuf_adds(out, s->seen.made && s->seen.passes == (s->verdict == EXPLAIN_BROKEN)
		                         ? " **otherwise**"
		                         : "");
	}
	strbuf_adds(out, " |\n");
}

void explain_markdown(struct strbuf *out, const struct explanation *x,
                      const struct explain_style *style)
{
	strbuf_addf(out, "## %s → %s: %s\n", x->source, x->target,
	            x->reaches ? "reaches" : "does not reach");
	for (size_t i = 0; i < x->paths.n; i++) {
		const struct explain_path *p = x->paths.at[i];

		strbuf_addf(out,
		            "\n### %s%s\n\n| hop | verdict | what | shown by "
		            "|%s\n|---|---|---|---|%s\n",
		            p->title, p->is_alternative ? " (another way)" : "",
		            x->observed ? " seen |" : "", x->observed ? "---|" : "");
		for (size_t j = 0; j < p->steps.n; j++) {
			markdown_step(out, p->steps.at[j], style, x->observed);
		}
		if (p->seen.made) {
			strbuf_addf(out, "\nThe whole way: %s%s\n",
			            p->seen.passes ? "" : "fails: ", p->seen.text);
		}
		if (p->broken) {
			strbuf_addf(out, "\n**Breaks at %s**%s%s: %s\n",
			            explain_hop_text(p->broken->hop), p->broken->id ? " " : "",
			            p->broken->id ? p->broken->id : "", p->broken->cause);
		}
		if (p->broken && p->broken->repair) {
			strbuf_addf(out, "\nRepair:\n\n```\n%s\n```\n", p->broken->repair);
		}
	}
}

const struct explain_form explain_forms[] = {
	{ "text", explain_text }, { "json", explain_json },
	{ "yaml", explain_yaml }, { "markdown", explain_markdown },
	{ "dot", explain_dot },   { "svg", explain_svg },
	{ "html", explain_html }, { 0 },
};
