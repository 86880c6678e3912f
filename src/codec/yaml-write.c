/* Why: values to YAML in the manner of kubectl -o yaml: block style, lists not indented under their
 * key, texts of several lines as literal blocks, quotes only where plain text would be read as
 * something else. */
#include "codec/text-priv.h"
#include "codec/yaml-priv.h"
#include "codec/yaml.h"

enum style { PLAIN, SINGLE, DOUBLE, LITERAL };

/* libyaml looks for the colon of a simple key this far; beyond it is written with '?'. */
enum { MAX_SIMPLE_KEY = 900 };

/* What the characters of a text allow. */
struct look {
	bool special;     /* not printable, or a line break that YAML would change */
	bool line_break;  /* holds \n */
	bool space_break; /* a line ends or begins in white space */
	bool no_plain;    /* an indicator where plain text cannot have one */
};

static bool is_special(uint32_t c)
{
	return c < 0x20 ? c != '\n' && c != '\t'
	                : (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
	                          c == 0xfffe || c == 0xffff;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct look look_at(struct slice s)
{
	struct look l = { 0 };
	char first = s.len ? s.p[0] : 0;
	char second = s.len > 1 ? s.p[1] : ' ';

	if (s.len == 0 || is_blank(first) || is_blank(s.p[s.len - 1]) ||
	    strchr("#,[]{}&*!|>'\"%@`", first) ||
	    (strchr("-?:", first) && (is_blank(second) || second == '\n')) ||
	    slice_has_prefix(s, SLICE("---")) || slice_has_prefix(s, SLICE("...")) ||
	    slice_is(s, "<<") || slice_is(s, "=")) {
		l.no_plain = true;
	}
	for (size_t i = 0; i < s.len;) {
		const unsigned char *p = (const unsigned char *)s.p + i;
		size_t len = codec_utf8_len(p, (const unsigned char *)s.p + s.len);
		char c = s.p[i], next = i + 1 < s.len ? s.p[i + 1] : 0;

		if (len == 0 || is_special(codec_utf8_get(p, len))) {
			l.special = true;
		}
		if (c == '\n') {
			l.line_break = true;
		}
		if (is_blank(c) && (next == '\n' || i + 1 == s.len)) {
			l.space_break = true;
		}
		if ((c == ':' && (is_blank(next) || i + 1 == s.len)) ||
		    (is_blank(c) && next == '#') || c == '\t') {
			l.no_plain = true;
		}
		i += len ? len : 1;
	}
	return l;
}

static enum style style_of(struct slice s, bool is_key)
{
	struct look l = look_at(s);
	struct val v = { 0 };

	if (l.special || (is_key && l.line_break)) {
		return DOUBLE;
	}
	if (l.line_break) {
		/* a block whose first line is blank or indented would need an indentation hint */
		return l.space_break || is_blank(s.p[0]) || s.p[0] == '\n' ? DOUBLE : LITERAL;
	}
	if (yaml_resolve_plain(s, &v) || v.type != VAL_STRING || yaml_looks_ambiguous(s)) {
		return DOUBLE;
	}
	return l.no_plain ? SINGLE : PLAIN;
}

static void write_double(struct strbuf *out, struct slice s)
{
	strbuf_addc(out, '"');
	for (size_t i = 0; i < s.len;) {
		const unsigned char *p = (const unsigned char *)s.p + i;
		size_t len = codec_utf8_len(p, (const unsigned char *)s.p + s.len);
		uint32_t c = len ? codec_utf8_get(p, len) : 0xfffd;

		i += len ? len : 1;
		if (c == '"' || c == '\\') {
			strbuf_addc(out, '\\');
			strbuf_addc(out, (char)c);
		} else if (c == '\n') {
			strbuf_adds(out, "\\n");
		} else if (c == '\r') {
			strbuf_adds(out, "\\r");
		} else if (c == '\t') {
			strbuf_adds(out, "\\t");
		} else if (is_special(c) || len == 0) {
			strbuf_addf(out, c < 0x100 ? "\\x%02X" : "\\u%04X", c);
		} else {
			strbuf_add(out, p, len);
		}
	}
	strbuf_addc(out, '"');
}

static void write_single(struct strbuf *out, struct slice s)
{
	strbuf_addc(out, '\'');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\'') {
			strbuf_addc(out, '\'');
		}
		strbuf_addc(out, s.p[i]);
	}
	strbuf_addc(out, '\'');
}

static void indent(struct strbuf *out, int by)
{
	for (int i = 0; i < by; i++) {
		strbuf_addc(out, ' ');
	}
}

static void write_literal(struct strbuf *out, struct slice s, int by)
{
	struct slice rest = s, line;
	bool ends = slice_has_suffix(s, SLICE("\n"));
	bool keeps = ends && s.len > 1 && s.p[s.len - 2] == '\n';

	strbuf_adds(out, keeps ? "|+" : ends ? "|" : "|-");
	if (ends) {
		rest.len--;
	}
	while (slice_next(&rest, '\n', &line)) {
		strbuf_addc(out, '\n');
		if (line.len) {
			indent(out, by);
			strbuf_add_slice(out, line);
		}
	}
}

/* No line break behind. 'by' is where the lines of a literal block begin. */
static void write_text(struct strbuf *out, struct slice s, bool is_key, int by)
{
	switch (style_of(s, is_key)) {
	case PLAIN:
		strbuf_add_slice(out, s);
		return;
	case SINGLE:
		write_single(out, s);
		return;
	case DOUBLE:
		write_double(out, s);
		return;
	case LITERAL:
		write_literal(out, s, by);
		return;
	}
}

static bool is_block(const struct val *v)
{
	return (v->type == VAL_ARRAY || v->type == VAL_OBJECT) && v->n > 0;
}

static void write_scalar(struct strbuf *out, const struct val *v, int by)
{
	switch ((enum val_type)v->type) {
	case VAL_NULL:
		strbuf_adds(out, "null");
		return;
	case VAL_BOOL:
		strbuf_adds(out, v->b ? "true" : "false");
		return;
	case VAL_INT:
		strbuf_addf(out, "%lld", (long long)v->i);
		return;
	case VAL_FLOAT:
		if (v->s.len) {
			strbuf_add_slice(out, v->s);
		} else {
			codec_write_float(out, v->d);
		}
		return;
	case VAL_STRING:
		write_text(out, v->s, false, by);
		return;
	case VAL_ARRAY:
		strbuf_adds(out, "[]");
		return;
	case VAL_OBJECT:
		strbuf_adds(out, "{}");
		return;
	}
}

static void write_block(struct strbuf *out, const struct val *v, int by);

/* The first line has its indentation already. */
static void write_object(struct strbuf *out, const struct val *v, int by)
{
	for (const struct val *it = v->first; it; it = it->next) {
		scoped_strbuf struct strbuf key = { 0 };

		if (it != v->first) {
			indent(out, by);
		}
		write_text(&key, it->key, true, by);
		if (key.size > MAX_SIMPLE_KEY) {
			strbuf_adds(out, "? ");
			strbuf_add_slice(out, strbuf_slice(&key));
			strbuf_addc(out, '\n');
			indent(out, by);
		} else {
			strbuf_add_slice(out, strbuf_slice(&key));
		}
		strbuf_addc(out, ':');
		if (!is_block(it)) {
			strbuf_addc(out, ' ');
			write_scalar(out, it, by + 2);
			strbuf_addc(out, '\n');
		} else {
			/* a list stands at its key's own column */
			int inner = it->type == VAL_ARRAY ? by : by + 2;

			strbuf_addc(out, '\n');
			indent(out, inner);
			write_block(out, it, inner);
		}
	}
}

static void write_array(struct strbuf *out, const struct val *v, int by)
{
	for (const struct val *it = v->first; it; it = it->next) {
		if (it != v->first) {
			indent(out, by);
		}
		strbuf_adds(out, "- ");
		if (is_block(it)) {
			write_block(out, it, by + 2);
		} else {
			write_scalar(out, it, by + 2);
			strbuf_addc(out, '\n');
		}
	}
}

static void write_block(struct strbuf *out, const struct val *v, int by)
{
	if (v->type == VAL_OBJECT) {
		write_object(out, v, by);
	} else {
		write_array(out, v, by);
	}
}

void yaml_write(struct strbuf *out, const struct val *v)
{
	if (v && is_block(v)) {
		write_block(out, v, 0);
		return;
	}
	if (v) {
		write_scalar(out, v, 2);
	} else {
		strbuf_adds(out, "null");
	}
	strbuf_addc(out, '\n');
}
