/* Why: whatever text a validator lets through stays one word of nginx.conf: nginx's own rules for
 * words, read backwards here, must give the same text back, and nothing may stand outside the
 * quotes. */
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "edge/nginx-text.h"
#include "model/ingress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads a quoted word as nginx does; what follows it must be nothing. */
static void read_word(struct slice word, struct strbuf *out)
{
	must(word.len >= 2 && word.p[0] == '"');
	for (size_t i = 1; i < word.len; i++) {
		char c = word.p[i];

		must((unsigned char)c >= ' ' && c != 0x7f);
		if (c == '"') {
			must(i == word.len - 1);
			return;
		}
		if (c == '\\') {
			i++;
			must(i < word.len && (word.p[i] == '"' || word.p[i] == '\\'));
			c = word.p[i];
		}
		strbuf_addc(out, c);
	}
	must(!"the word ends");
}

static bool has_variable(struct slice s)
{
	for (size_t i = 0; i + 1 < s.len; i++) {
		if (s.p[i] == '$' && !(s.p[i + 1] >= '1' && s.p[i + 1] <= '9')) {
			return true;
		}
	}
	return s.len > 0 && s.p[s.len - 1] == '$';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool (*const checks[])(struct slice) = {
		ingress_host_is_valid,    nginx_name_is_valid,   ingress_path_is_strict,
		ingress_path_is_regex,    nginx_target_is_valid, nginx_url_is_valid,
		nginx_authority_is_valid, nginx_token_is_valid,  nginx_value_is_valid,
		nginx_words_are_valid,    nginx_size_is_valid,   nginx_time_is_valid,
		nginx_origin_is_valid,
	};
	const struct slice s = { (const char *)data, size };
	scoped_strbuf struct strbuf word = { 0 }, back = { 0 };
	bool any = false;

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		bool valid = checks[i](s);

		any |= valid;
		/* Regular expressions and redirects have '$' of their own; nobody else has
		 * variables. */
		must(!valid || checks[i] == ingress_path_is_regex ||
		     checks[i] == nginx_url_is_valid || !has_variable(s));
	}
	nginx_quote(&word, s);
	read_word(strbuf_slice(&word), &back);
	must(!any || slice_eq(strbuf_slice(&back), s));
	return 0;
}
