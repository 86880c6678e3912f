/* Why: a picture of each way: stations down a line, green as far as packets get, dashed beyond the first that breaks. Text is
 * wrapped here, because SVG does not. */
#include "analyse/explain-priv.h"
#include "analyse/markup.h"

enum {
	WIDTH = 860,
	PAD = 24,
	HEAD = 64,
	LINE = 15,    /* between lines of text */
	STATION = 9,  /* radius */
	TEXT_X = 190, /* of what is said; the hop's name stands before it */
	CHARS = 112,  /* of a line of it */
	GAP = 16,     /* between stations */
	INDENT = 7,   /* of a space that begins a line */
};                    /* px */

static const char style[] =
	"<style>text{font:11px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}"
	".t{font-size:16px;font-weight:600}.h{font-size:13px;font-weight:600}.n{font-weight:600}"
	".s{fill:#59636e;font-size:10px}.r{font-family:ui-monospace,monospace}.beyond{opacity:.55}."
	"bg{fill:#fff}.good{fill:#1a7f37}.doubt{fill:#9a6700}"
	".bad{fill:#cf222e}.m{fill:#fff;font-weight:700;font-size:12px}"
	"path.l{stroke:#1a7f37;stroke-width:2}path.d{stroke:#8c959f;stroke-dasharray:4 4}"
	"@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.bg{fill:#0d1117}"
	".good{fill:#3fb950}.doubt{fill:#d29922}.bad{fill:#f85149}.m{fill:#0d1117}"
	"path.l{stroke:#3fb950}path.d{stroke:#656c76}}</style>\n";

static const char *class_of(enum explain_verdict v)
{
	static const char *const classes[] = {
		[EXPLAIN_PASSES] = "good", [EXPLAIN_UNSURE] = "doubt", [EXPLAIN_BROKEN] = "bad"
	};

	return classes[v];
}

static const char *mark_of(enum explain_verdict v)
{
	static const char *const marks[] = {
		[EXPLAIN_PASSES] = "✓", [EXPLAIN_UNSURE] = "?", [EXPLAIN_BROKEN] = "✗"
	};

	return marks[v];
}

/* The next line of the text: up to a line end, or to the last space before it is too long. */
static struct slice next_line(struct slice *rest)
{
	size_t n = 0, at = 0, space = 0;
	struct slice line;

	while (at < rest->len && rest->p[at] != '\n' && n < CHARS) {
		space = rest->p[at] == ' ' ? at : space;
		n += ((unsigned char)rest->p[at] & 0xc0) != 0x80;
		at++;
	}
	while (at < rest->len && ((unsigned char)rest->p[at] & 0xc0) == 0x80) {
		at++;
	}
	if (at < rest->len && rest->p[at] != '\n' && space) {
		at = space;
	}
	line = slice_head(*rest, at);
	*rest = slice_from(*rest,
	                   at + (at < rest->len && (rest->p[at] == '\n' || rest->p[at] == ' ')));
	return line;
}

/* Text from y on; returns the y behind it. */
static int paragraph(struct strbuf *out, int x, int y, const char *class, const char *text)
{
	struct slice rest = slice_of(text);

	while (rest.len) {
		struct slice line = next_line(&rest);
		size_t indent = 0;

		while (indent < line.len && line.p[indent] == ' ') {
			indent++;
		}
		strbuf_addf(out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class,
		            x + (int)indent * INDENT, y);
		markup_add(out, slice_from(line, indent));
		strbuf_adds(out, "</text>\n");
		y += LINE;
	}
	return y;
}

static int add_notes(struct strbuf *out, const struct explain_step *s,
                     const struct explain_style *how, int y)
{
	size_t n_near = 0;

	for (size_t i = 0; i < s->notes.n; i++) {
		scoped_strbuf struct strbuf text = { 0 };

		if (explain_note_is_shown(s, &s->notes.at[i], how, &n_near)) {
			strbuf_addf(&text, "%s ", explain_note_word(s->notes.at[i].type));
			explain_note_place(&text, &s->notes.at[i]);
			strbuf_adds(&text, s->notes.at[i].text);
			y = paragraph(out, TEXT_X, y, "s", strbuf_str(&text));
		}
	}
	return y;
}

/* Returns the y of the next station. */
static int add_step(struct strbuf *out, const struct explain_step *s,
                    const struct explain_style *how, int y)
{
	int x = PAD + STATION, text_y = y + 4;

	strbuf_addf(out,
	            "<circle class=\"%s\" cx=\"%d\" cy=\"%d\" r=\"%d\"/><text class=\"m\" x=\"%d\" "
	            "y=\"%d\" text-anchor=\"middle\">%s</text><text class=\"n\" x=\"%d\" "
	            "y=\"%d\">%s</text>\n",
	            class_of(s->verdict), x, y, STATION, x, text_y, mark_of(s->verdict),
	            x + STATION + 10, text_y, explain_hop_text(s->hop));
	text_y = paragraph(out, TEXT_X, text_y, "", s->says);
	if (s->cause) {
		scoped_strbuf struct strbuf cause = { 0 };

		strbuf_addf(&cause, "%s%s%s", s->id ? s->id : "", s->id ? ": " : "", s->cause);
		text_y = paragraph(out, TEXT_X, text_y, class_of(s->verdict), strbuf_str(&cause));
	}
	text_y = add_notes(out, s, how, text_y);
	if (s->seen.made) {
		scoped_strbuf struct strbuf seen = { 0 };
		bool agrees = s->seen.passes == (s->verdict != EXPLAIN_BROKEN);

		strbuf_addf(&seen, "seen%s: %s", agrees ? "" : " otherwise", s->seen.text);
		text_y = paragraph(out, TEXT_X, text_y, agrees ? "s" : "bad", strbuf_str(&seen));
	}
	return text_y + GAP;
}

static int add_path(struct strbuf *out, const struct explain_path *p,
                    const struct explain_style *how, int y)
{
	scoped_strbuf struct strbuf stations = { 0 }, title = { 0 };
	bool beyond = false;

	strbuf_addf(&title, "%s%s", p->title, p->is_alternative ? " (another way)" : "");
	y = paragraph(out, PAD, y, "h", strbuf_str(&title)) + LINE;
	for (size_t i = 0; i < p->steps.n; i++) {
		int next;

		strbuf_addf(&stations, "<circle class=\"bg\" cx=\"%d\" cy=\"%d\" r=\"%d\"/>\n",
		            PAD + STATION, y, STATION); /* what is pale lets nothing through */
		strbuf_adds(&stations, beyond ? "<g class=\"beyond\">\n" : "<g>\n");
		next = add_step(&stations, p->steps.at[i], how, y);
		strbuf_adds(&stations, "</g>\n");
		beyond = beyond || p->steps.at[i] == p->broken;
		if (i + 1 < p->steps.n) { /* the line lies below its stations */
			strbuf_addf(out, "<path class=\"l%s\" d=\"M%d %dV%d\"/>\n",
			            beyond ? " d" : "", PAD + STATION, y, next);
		}
		y = next;
	}
	strbuf_add_slice(out, strbuf_slice(&stations));
	if (p->broken && p->broken->repair) {
		y = paragraph(out, PAD, y, "n", "Repair");
		y = paragraph(out, PAD, y, "r", p->broken->repair);
	}
	return y + LINE;
}

void explain_svg(struct strbuf *out, const struct explanation *x, const struct explain_style *how)
{
	const struct explain_path *first = explain_first_broken(x);
	scoped_strbuf struct strbuf body = { 0 }, title = { 0 };
	int y = HEAD + LINE;

	strbuf_addf(&title, "%s → %s", x->source, x->target);
	for (size_t i = 0; i < x->paths.n; i++) {
		y = add_path(&body, x->paths.at[i], how, y);
	}
	strbuf_addf(out,
	            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
	            "viewBox=\"0 0 "
	            "%d %d\" role=\"img\" aria-label=\"",
	            WIDTH, y, WIDTH, y);
	markup_add(out, strbuf_slice(&title));
	strbuf_addf(out,
	            "\">\n%s<rect class=\"bg\" width=\"%d\" height=\"%d\"/>\n<text class=\"t\" "
	            "x=\"%d\" "
	            "y=\"28\">",
	            style, WIDTH, y, PAD);
	markup_add(out, strbuf_slice(&title));
	strbuf_addf(out, "</text><text class=\"n %s\" x=\"%d\" y=\"48\">%s%s%s%s</text>\n",
	            x->reaches ? "good" : "bad", PAD, x->reaches ? "reaches" : "does not reach",
	            first ? ", breaks at " : "", first ? explain_hop_text(first->broken->hop) : "",
	            !x->observed   ? ""
	            : x->disagrees ? "; what was seen disagrees"
	                           : "; what was seen agrees");
	strbuf_add_slice(out, strbuf_slice(&body));
	strbuf_adds(out, "</svg>\n");
}
