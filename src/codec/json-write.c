/* Why: values back to JSON text, and the UTF-8 and number forms both codecs share. */
#include "codec/json.h"

#include <math.h>

#include "codec/text-priv.h"

size_t codec_utf8_len(const unsigned char *p, const unsigned char *end)
{
	size_t left = (size_t)(end - p), len;
	unsigned char low = 0x80, high = 0xbf; /* of the second byte */

	if (p[0] < 0x80) {
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		len = 3;
		low = p[0] == 0xe0 ? 0xa0 : 0x80;
		high = p[0] == 0xed ? 0x9f : 0xbf;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		low = p[0] == 0xf0 ? 0x90 : 0x80;
		high = p[0] == 0xf4 ? 0x8f : 0xbf;
	} else {
		return 0;
	}
	if (left < len || p[1] < low || p[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return len;
}

uint32_t codec_utf8_get(const unsigned char *p, size_t len)
{
	uint32_t code = len == 1 ? p[0] : p[0] & (0x7fu >> len);

	for (size_t i = 1; i < len; i++) {
		code = code << 6 | (p[i] & 0x3f);
	}
	return code;
}

size_t codec_utf8_put(char *to, uint32_t code)
{
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (char)(0xc0 | code >> 6);
		to[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		to[0] = (char)(0xe0 | code >> 12);
		to[1] = (char)(0x80 | (code >> 6 & 0x3f));
		to[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | code >> 18);
	to[1] = (char)(0x80 | (code >> 12 & 0x3f));
	to[2] = (char)(0x80 | (code >> 6 & 0x3f));
	to[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

void codec_write_float(struct strbuf *out, double d)
{
	char buf[64], *e;
	int digits = 1, exponent;
	double size = fabs(d);

	if (!isfinite(d)) {
		strbuf_adds(out, "null");
		return;
	}
	for (;; digits++) {
		snprintf(buf, sizeof(buf), "%.*e", digits - 1, d);
		if (digits == 17 || strtod(buf, NULL) == d) {
			break;
		}
	}
	e = strchr(buf, 'e');
	exponent = (int)strtol(e + 1, NULL, 10);
	if (size != 0 && (size < 1e-6 || size >= 1e21)) {
		/* e-07 to e-7, as Go */
		if (e[2] == '0') {
			memmove(e + 2, e + 3, strlen(e + 3) + 1);
		}
		strbuf_adds(out, buf);
		return;
	}
	if (exponent < digits - 1) {
		strbuf_addf(out, "%.*f", digits - 1 - exponent, d);
		return;
	}
	/* a whole number: the digits that matter, then zeros */
	for (const char *p = buf; p < e; p++) {
		if (*p != '.') {
			strbuf_addc(out, *p);
		}
	}
	for (int i = digits - 1; i < exponent; i++) {
		strbuf_addc(out, '0');
	}
}

void json_write_str(struct strbuf *out, struct slice s)
{
	static const char hex[] = "0123456789abcdef";
	size_t from = 0;

	strbuf_addc(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char esc[6] = { '\\', 0, '0', '0', 0, 0 };

		if (c >= 0x20 && c != '"' && c != '\\') {
			continue;
		}
		strbuf_add(out, s.p + from, i - from);
		from = i + 1;
		switch (c) {
		case '"':
		case '\\':
			esc[1] = (char)c;
			break;
		case '\n':
			esc[1] = 'n';
			break;
		case '\r':
			esc[1] = 'r';
			break;
		case '\t':
			esc[1] = 't';
			break;
		default:
			esc[1] = 'u';
			esc[4] = hex[c >> 4];
			esc[5] = hex[c & 15];
			break;
		}
		strbuf_add(out, esc, esc[1] == 'u' ? 6 : 2);
	}
	strbuf_add(out, s.p + from, s.len - from);
	strbuf_addc(out, '"');
}

static void write_number(struct strbuf *out, const struct val *v)
{
	if (v->type == VAL_INT) {
		char buf[24];
		char *p = buf + sizeof(buf);
		uint64_t n = v->i < 0 ? 0 - (uint64_t)v->i : (uint64_t)v->i;

		do {
			*--p = (char)('0' + n % 10);
			n /= 10;
		} while (n);
		if (v->i < 0) {
			*--p = '-';
		}
		strbuf_add(out, p, (size_t)(buf + sizeof(buf) - p));
	} else if (v->s.len) {
		strbuf_add_slice(out, v->s);
	} else {
		codec_write_float(out, v->d);
	}
}

static void new_line(struct strbuf *out, int level)
{
	strbuf_addc(out, '\n');
	for (int i = 0; i < level; i++) {
		strbuf_add(out, "  ", 2);
	}
}

/* level < 0: compact */
static void write_val(struct strbuf *out, const struct val *v, int level)
{
	int inner = level < 0 ? level : level + 1;

	if (!v) {
		strbuf_add(out, "null", 4);
		return;
	}
	switch ((enum val_type)v->type) {
	case VAL_NULL:
		strbuf_add(out, "null", 4);
		return;
	case VAL_BOOL:
		strbuf_adds(out, v->b ? "true" : "false");
		return;
	case VAL_INT:
	case VAL_FLOAT:
		write_number(out, v);
		return;
	case VAL_STRING:
		json_write_str(out, v->s);
		return;
	case VAL_ARRAY:
	case VAL_OBJECT:
		break;
	}
	strbuf_addc(out, v->type == VAL_OBJECT ? '{' : '[');
	for (const struct val *it = v->first; it; it = it->next) {
		if (it != v->first) {
			strbuf_addc(out, ',');
		}
		if (level >= 0) {
			new_line(out, inner);
		}
		if (v->type == VAL_OBJECT) {
			json_write_str(out, it->key);
			strbuf_addc(out, ':');
			if (level >= 0) {
				strbuf_addc(out, ' ');
			}
		}
		write_val(out, it, inner);
	}
	if (level >= 0 && v->first) {
		new_line(out, level);
	}
	strbuf_addc(out, v->type == VAL_OBJECT ? '}' : ']');
}

void json_write(struct strbuf *out, const struct val *v)
{
	write_val(out, v, -1);
}

void json_write_pretty(struct strbuf *out, const struct val *v)
{
	write_val(out, v, 0);
}
