/* Why: one place for what may stand in markup; see markup.h. */
#include "analyse/markup.h"

void markup_add(struct strbuf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		switch (s.p[i]) {
		case '<':
			strbuf_adds(out, "&lt;");
			break;
		case '>':
			strbuf_adds(out, "&gt;");
			break;
		case '&':
			strbuf_adds(out, "&amp;");
			break;
		case '"':
			strbuf_adds(out, "&quot;");
			break;
		default:
			if ((unsigned char)s.p[i] >= 0x20) {
				strbuf_addc(out, s.p[i]);
			}
		}
	}
}

void markup_add_lines(struct strbuf *out, struct slice s)
{
	struct slice line, rest;

	while (slice_cut(s, '\n', &line, &rest)) {
		markup_add(out, line);
		strbuf_adds(out, "&#10;");
		s = rest;
	}
	markup_add(out, s);
}

void markup_add_short(struct strbuf *out, const char *text, size_t max)
{
	struct slice s = slice_of(text);
	size_t n = 0, at = 0;

	while (at < s.len && n < max) {
		at++;
		while (at < s.len && ((unsigned char)s.p[at] & 0xc0) == 0x80) {
			at++;
		}
		n++;
	}
	markup_add(out, slice_head(s, at));
	strbuf_adds(out, at < s.len ? "…" : "");
}

void markup_add_cell(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		if (char_is_one_of(*text, "|*_`<>[]\\")) {
			strbuf_addc(out, '\\');
		}
		if (*text == '\n') {
			strbuf_adds(out, "<br>");
		} else {
			strbuf_addc(out, *text);
		}
	}
}

void markup_add_dot(struct strbuf *out, const char *text)
{
	strbuf_addc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\') {
			strbuf_addc(out, '\\');
		}
		if (*text == '\n') {
			strbuf_adds(out, "\\n");
		} else {
			strbuf_addc(out, (unsigned char)*text < 0x20 ? ' ' : *text);
		}
	}
	strbuf_addc(out, '"');
}

int markup_width(size_t chars)
{
	return (int)(chars * 11 * 55 / 100) + 2;
}
