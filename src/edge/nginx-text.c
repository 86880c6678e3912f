/* Why: injection into nginx.conf is the known way to lose an ingress controller; see nginx-text.h.
 */
#include "edge/nginx-text.h"

#include <string.h>

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

/* Every byte is a letter, a digit or one of 'others'. */
static bool is_of(struct slice s, const char *others)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_alnum(s.p[i]) && (s.p[i] == '\0' || !strchr(others, s.p[i]))) {
			return false;
		}
	}
	return true;
}

/* ---- names ---- */

static bool label_is_valid(struct slice label)
{
	if (label.len == 0 || label.len > 63 || !is_lower_or_digit(label.p[0]) ||
	    !is_lower_or_digit(label.p[label.len - 1])) {
		return false;
	}
	for (size_t i = 0; i < label.len; i++) {
		if (!is_lower_or_digit(label.p[i]) && label.p[i] != '-') {
			return false;
		}
	}
	return true;
}

static bool subdomain_is_valid(struct slice name)
{
	struct slice label;

	if (name.len == 0 || name.len > 253 || name.p[name.len - 1] == '.') {
		return false;
	}
	while (slice_next(&name, '.', &label)) {
		if (!label_is_valid(label)) {
			return false;
		}
	}
	return true;
}

bool nginx_name_is_valid(struct slice name)
{
	return subdomain_is_valid(name);
}

bool nginx_token_is_valid(struct slice token)
{
	return token.len > 0 && token.len <= 128 && is_of(token, "-_.");
}

bool nginx_authority_is_valid(struct slice authority)
{
	struct slice host, port;
	uint64_t n;

	if (!slice_cut(authority, ':', &host, &port)) {
		return host.len > 0 && host.len <= 253 && is_of(host, "-._");
	}
	return host.len > 0 && host.len <= 253 && is_of(host, "-._") && slice_to_u64(port, &n) &&
	       n > 0 && n < 65536;
}

/* ---- URLs ---- */

static const char url_chars[] = "-._~:/?@!&()*+,=%";

bool nginx_target_is_valid(struct slice target)
{
	if (target.len == 0 || target.len > 4096 ||
	    !(target.p[0] == '/' || target.p[0] == '$' ||
	      slice_has_prefix(target, SLICE("http://")) ||
	      slice_has_prefix(target, SLICE("https://")))) {
		return false;
	}
	for (size_t i = 0; i < target.len; i++) {
		if (target.p[i] == '$') {
			i++;
			if (i == target.len || !is_digit(target.p[i]) || target.p[i] == '0') {
				return false;
			}
		} else if (!is_alnum(target.p[i]) &&
		           (target.p[i] == '\0' || !strchr(url_chars, target.p[i]))) {
			return false;
		}
	}
	return true;
}

/* Length of the allowed variable that s begins with, '$' included; 0: none. */
static size_t variable_len(struct slice s)
{
	static const char *const allowed[] = {
		"$escaped_request_uri", "$request_uri", "$scheme", "$is_args", "$host", "$args"
	};

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
		size_t len = strlen(allowed[i]);

		if (slice_has_prefix(s, slice_of(allowed[i])) &&
		    (s.len == len || (!is_alnum(s.p[len]) && s.p[len] != '_'))) {
			return len;
		}
	}
	return 0;
}

bool nginx_url_is_valid(struct slice url)
{
	if (url.len == 0 || url.len > 4096 ||
	    !(url.p[0] == '/' || slice_has_prefix(url, SLICE("http://")) ||
	      slice_has_prefix(url, SLICE("https://")) ||
	      slice_has_prefix(url, SLICE("$scheme://")))) {
		return false;
	}
	for (size_t i = 0; i < url.len;) {
		size_t len = url.p[i] == '$' ? variable_len(slice_from(url, i)) : 1;

		if (len == 0 || (len == 1 && !is_alnum(url.p[i]) &&
		                 (url.p[i] == '\0' || !strchr(url_chars, url.p[i])))) {
			return false;
		}
		i += len;
	}
	return true;
}

bool nginx_origin_is_valid(struct slice origin)
{
	struct slice scheme, rest;
	ptrdiff_t at = slice_find(origin, ':');

	if (slice_is(origin, "*")) {
		return true;
	}
	if (at <= 0) {
		return false;
	}
	scheme = slice_head(origin, (size_t)at);
	rest = slice_from(origin, (size_t)at);
	if (!is_of(scheme, "+-.") || !slice_has_prefix(rest, SLICE("://"))) {
		return false;
	}
	rest = slice_from(rest, 3);
	return nginx_authority_is_valid(slice_has_prefix(rest, SLICE("*.")) ? slice_from(rest, 2)
	                                                                    : rest);
}

/* ---- values ---- */

bool nginx_value_is_valid(struct slice value)
{
	if (value.len > 4096) {
		return false;
	}
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] < ' ' || value.p[i] > '~' || strchr("\"'`\\$;{}#", value.p[i])) {
			return false;
		}
	}
	return true;
}

bool nginx_words_are_valid(struct slice words)
{
	return words.len > 0 && words.len <= 4096 && is_of(words, " .:_+!@-");
}

static bool is_number_with(struct slice s, const char *suffixes)
{
	if (s.len > 1 && s.p[s.len - 1] && strchr(suffixes, s.p[s.len - 1])) {
		s.len--;
	}
	if (s.len == 0 || s.len > 9) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_digit(s.p[i])) {
			return false;
		}
	}
	return true;
}

bool nginx_size_is_valid(struct slice size)
{
	return is_number_with(size, "kKmMgG");
}

bool nginx_time_is_valid(struct slice time)
{
	return is_number_with(time, "smhd");
}

/* ---- the encoder ---- */

static void put(struct strbuf *out, char c)
{
	if ((unsigned char)c < ' ' || c == 0x7f) {
		return;
	}
	if (c == '"' || c == '\\') {
		strbuf_addc(out, '\\');
	}
	strbuf_addc(out, c);
}

void nginx_quote(struct strbuf *out, struct slice s)
{
	strbuf_addc(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		put(out, s.p[i]);
	}
	strbuf_addc(out, '"');
}

void nginx_quote_literal_regex(struct strbuf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (strchr(".+*?()[]{}^$|\\", s.p[i])) {
			put(out, '\\');
		}
		put(out, s.p[i]);
	}
}
