/* Why: what plain YAML scalars mean to kubectl (sigs.k8s.io/yaml over goyaml.v2): YAML 1.2 core,
 * the 1.1 booleans, 0b/0o/0x and leading-zero octal integers (file modes), underscores in numbers.
 */
#include "codec/yaml-priv.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

static bool is_one_of(struct slice s, const char *const *words)
{
	for (; *words; words++) {
		if (slice_is(s, *words)) {
			return true;
		}
	}
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int digit_value(char c)
{
	if (is_digit(c)) {
		return c - '0';
	}
	c |= 32;
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* Digits of one base with an optional sign, as strconv.ParseInt(s, 0, 64) reads them. */
static bool parse_integer(const char *p, int64_t *ret, bool *ret_too_big)
{
	bool negative = *p == '-';
	unsigned base = 10;
	uint64_t n = 0;

	p += *p == '-' || *p == '+';
	if (p[0] == '0' && p[1]) {
		char kind = (char)(p[1] | 32);

		base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
		p += kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1;
	}
	if (!*p) {
		return false;
	}
	*ret_too_big = false;
	for (; *p; p++) {
		unsigned digit = (unsigned)digit_value(*p);

		if (digit >= base) {
			return false;
		}
		if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, digit, &n)) {
			*ret_too_big = true;
		}
	}
	if (*ret_too_big || n > (uint64_t)INT64_MAX + negative) {
		*ret_too_big = true;
		return true;
	}
	*ret = negative ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *p)
{
	bool digits = false;

	p += *p == '-' || *p == '+';
	for (; is_digit(*p); p++) {
		digits = true;
	}
	if (*p == '.') {
		p++;
		digits = digits || is_digit(*p);
		while (is_digit(*p)) {
			p++;
		}
	}
	if (!digits) {
		return false;
	}
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		if (!is_digit(*p)) {
			return false;
		}
		while (is_digit(*p)) {
			p++;
		}
	}
	return *p == 0;
}

/* Would the text stand as it is in JSON? Only then is it kept. */
static bool is_json_number(struct slice s)
{
	size_t i = s.len && s.p[0] == '-';
	size_t dot;

	if (i >= s.len || !is_digit(s.p[i]) ||
	    (s.p[i] == '0' && i + 1 < s.len && is_digit(s.p[i + 1]))) {
		return false;
	}
	for (dot = i; dot < s.len; dot++) {
		if (s.p[dot] == '_' ||
		    (s.p[dot] == '.' && (dot + 1 == s.len || !is_digit(s.p[dot + 1])))) {
			return false;
		}
	}
	return true;
}

static int resolve_number(struct slice text, struct val *ret)
{
	char small[128];
	scoped_free char *large = NULL;
	char *plain = small;
	size_t n = 0;
	bool too_big;

	if (text.len >= sizeof(small)) {
		large = mem_alloc(text.len + 1);
		plain = large;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] != '_') {
			plain[n++] = text.p[i];
		}
	}
	plain[n] = 0;
	if (parse_integer(plain, &ret->i, &too_big) && !too_big) {
		ret->type = VAL_INT;
		return 0;
	}
	if (!is_float(plain)) {
		return 0; /* a string */
	}
	ret->type = VAL_FLOAT;
	ret->d = strtod(plain, NULL);
	ret->s = is_json_number(text) ? text : (struct slice){ 0 };
	return isfinite(ret->d) ? 0 : 1;
}

int yaml_resolve_plain(struct slice text, struct val *ret)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const trues[] = { "y",    "Y",    "yes", "Yes", "YES", "true",
		                             "True", "TRUE", "on",  "On",  "ON",  NULL };
	static const char *const falses[] = { "n",     "N",     "no",  "No",  "NO",  "false",
		                              "False", "FALSE", "off", "Off", "OFF", NULL };
	static const char *const no_numbers[] = { ".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",
		                                  ".INF",  "+.inf", "+.Inf", "+.INF", "-.inf",
		                                  "-.Inf", "-.INF", NULL };
	char c = text.len ? text.p[0] : 0;

	ret->type = VAL_STRING;
	ret->s = text;
	if (text.len <= 5) {
		if (is_one_of(text, nulls)) {
			ret->type = VAL_NULL;
			ret->s = (struct slice){ 0 };
			return 0;
		}
		if (is_one_of(text, trues) || is_one_of(text, falses)) {
			ret->type = VAL_BOOL;
			ret->b = is_one_of(text, trues);
			ret->s = (struct slice){ 0 };
			return 0;
		}
		if (is_one_of(text, no_numbers)) {
			return 1;
		}
	}
	if (is_digit(c) || c == '-' || c == '+' || c == '.') {
		int r = resolve_number(text, ret);

		if (ret->type == VAL_INT) {
			ret->s = is_json_number(text) ? text : (struct slice){ 0 };
		}
		return r;
	}
	return 0;
}

/* [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)? */
static bool is_base60(const char *p, const char *end)
{
	bool colon = false;

	p += p < end && (*p == '-' || *p == '+');
	if (p == end || !is_digit(*p)) {
		return false;
	}
	while (p < end && (is_digit(*p) || *p == '_')) {
		p++;
	}
	while (p + 1 < end && *p == ':' && is_digit(p[1])) {
		colon = true;
		p += p + 2 < end && p[1] <= '5' && is_digit(p[2]) ? 3 : 2;
	}
	if (p < end && *p == '.') {
		p++;
		while (p < end && (is_digit(*p) || *p == '_')) {
			p++;
		}
	}
	return colon && p == end;
}

/* 2026-01-02, alone or with a time behind */
static bool is_date(const char *p, const char *end)
{
	if (end - p < 8) {
		return false;
	}
	for (int i = 0; i < 4; i++) {
		if (!is_digit(*p++)) {
			return false;
		}
	}
	for (int part = 0; part < 2; part++) {
		if (p == end || *p++ != '-' || p == end || !is_digit(*p++)) {
			return false;
		}
		p += p < end && is_digit(*p);
	}
	return p == end || *p == 'T' || *p == 't' || *p == ' ' || *p == '\t';
}

bool yaml_looks_ambiguous(struct slice text)
{
	return text.len &&
	       (is_base60(text.p, text.p + text.len) || is_date(text.p, text.p + text.len));
}
