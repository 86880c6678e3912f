/* Why: Secrets, tokens and certificates travel as base64; see base64.h. */
#include "base/base64.h"

static void encode(struct strbuf *out, struct slice in, const char *last_two, bool pad)
{
	static const char common[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < in.len; i += 3) {
		size_t have = in.len - i < 3 ? in.len - i : 3;
		uint32_t v = 0;

		for (size_t k = 0; k < 3; k++) {
			v = v << 8 | (k < have ? (uint8_t)in.p[i + k] : 0);
		}
		for (size_t k = 0; k < 4; k++) {
			uint32_t six = v >> (18 - 6 * k) & 63;

			if (k <= have) {
				strbuf_addc(out, six < 62 ? common[six] : last_two[six - 62]);
			} else if (pad) {
				strbuf_addc(out, '=');
			}
		}
	}
}

void base64_encode(struct strbuf *out, struct slice bytes)
{
	encode(out, bytes, "+/", true);
}

void base64url_encode(struct strbuf *out, struct slice bytes)
{
	encode(out, bytes, "-_", false);
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	if (c == '+' || c == '-') {
		return 62;
	}
	return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct strbuf *out, struct slice text)
{
	size_t start = out->size, n = 0, pads = 0;
	uint32_t v = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		int six = value_of(c);

		if (c == '\n' || c == '\r') {
			continue;
		}
		if (c == '=' && pads < 2 && n % 4 >= 2) {
			pads++;
			continue;
		}
		if (six < 0 || pads) {
			out->size = start;
			return false;
		}
		v = v << 6 | (uint32_t)six;
		n++;
		if (n % 4 != 1) { /* the second, third and fourth digit each complete a byte */
			unsigned spare = n % 4 == 2 ? 4 : n % 4 == 3 ? 2 : 0;

			strbuf_addc(out, (char)(v >> spare));
		}
	}
	if (n % 4 == 1) {
		out->size = start;
		return false;
	}
	return true;
}
