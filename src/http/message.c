/* Why: looking things up in headers and queries, the same way everywhere; see message.h. */
#include "http/message.h"

struct slice http_header_get(const struct http_headers *h, const char *name)
{
	struct slice want = slice_of(name);

	for (size_t i = 0; i < h->n; i++) {
		if (slice_eq_nocase(h->at[i].name, want)) {
			return h->at[i].value;
		}
	}
	return (struct slice){ 0 };
}

bool http_header_has_token(const struct http_headers *h, const char *name, const char *token)
{
	struct slice want = slice_of(name);

	for (size_t i = 0; i < h->n; i++) {
		struct slice rest = h->at[i].value, field;

		if (!slice_eq_nocase(h->at[i].name, want)) {
			continue;
		}
		while (slice_next(&rest, ',', &field)) {
			if (slice_eq_nocase(slice_trim(field), slice_of(token))) {
				return true;
			}
		}
	}
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

bool http_percent_decode(struct arena *a, struct slice in, bool plus_is_space, struct slice *ret)
{
	char *to = arena_alloc(a, in.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] == '%') {
			int hi = i + 2 < in.len ? hex_digit(in.p[i + 1]) : -1;
			int lo = i + 2 < in.len ? hex_digit(in.p[i + 2]) : -1;

			if (hi < 0 || lo < 0) {
				return false;
			}
			to[n++] = (char)(hi * 16 + lo);
			i += 2;
		} else {
			to[n++] = plus_is_space && in.p[i] == '+' ? ' ' : in.p[i];
		}
	}
	to[n] = '\0';
	*ret = (struct slice){ to, n };
	return true;
}

struct slice http_query_get(struct arena *a, struct slice query, const char *name, size_t nth)
{
	struct slice pair, key, value;

	while (slice_next(&query, '&', &pair)) {
		struct slice decoded;

		slice_cut(pair, '=', &key, &value);
		if (!http_percent_decode(a, key, true, &decoded) || !slice_is(decoded, name)) {
			continue;
		}
		if (nth-- == 0) {
			if (!http_percent_decode(a, value, true, &decoded)) {
				return (struct slice){ 0 };
			}
			return decoded;
		}
	}
	return (struct slice){ 0 };
}

void http_percent_encode(struct strbuf *out, struct slice in)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    c == '-' || c == '.' || c == '_' || c == '~') {
			strbuf_addc(out, (char)c);
		} else {
			strbuf_addf(out, "%%%02X", c);
		}
	}
}
