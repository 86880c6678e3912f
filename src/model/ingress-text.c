/* Why: which texts of an Ingress can be a host or a path at all; what is outside of these alphabets is
 * left out, whoever renders or judges it. Source: ingress-nginx CVE-2021-25742, 25745, 25748. */
#include <string.h>

#include "model/ingress.h"

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool has(struct slice s, const char *what)
{
	return s.len && memmem(s.p, s.len, what, strlen(what));
}

/* ---- hosts ---- */

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

bool ingress_host_is_valid(struct slice host)
{
	struct slice name = slice_has_prefix(host, SLICE("*.")) ? slice_from(host, 2) : host, label;

	if (host.len > 253 || name.len == 0 || name.p[name.len - 1] == '.') {
		return false;
	}
	while (slice_next(&name, '.', &label)) {
		if (!label_is_valid(label)) {
			return false;
		}
	}
	return true;
}

/* ---- paths ---- */

bool ingress_path_is_strict(struct slice path)
{
	if (path.len == 0 || path.len > 4096 || path.p[0] != '/') {
		return false;
	}
	for (size_t i = 0; i < path.len; i++) {
		char c = path.p[i];

		if (!is_lower_or_digit(c) && !(c >= 'A' && c <= 'Z') &&
		    (c == '\0' || !strchr("-._~/%+,@:=!*", c))) {
			return false;
		}
	}
	return !has(path, "//") && !has(path, "/./") && !has(path, "/../") && !has(path, "%2f") &&
	       !has(path, "%2F") && !slice_has_suffix(path, SLICE("/.")) &&
	       !slice_has_suffix(path, SLICE("/.."));
}

/* Brackets outside of character classes and escapes come in pairs. */
static bool is_balanced(struct slice s)
{
	int round = 0, curly = 0;
	bool class = false;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '\\') {
			i++;
		} else if (class) {
			class = c != ']';
		} else if (c == '[') {
			class = true;
			/* A bracket right at the start of a class, or after its '^', is a member.
			 */
			i += i + 1 < s.len && s.p[i + 1] == '^';
			i += i + 1 < s.len && s.p[i + 1] == ']';
		} else {
			round += (c == '(') - (c == ')');
			curly += (c == '{') - (c == '}');
		}
		if (round < 0 || curly < 0) {
			return false;
		}
	}
	return !class && round == 0 && curly == 0;
}

bool ingress_path_is_regex(struct slice path)
{
	size_t escapes = 0;

	if (path.len == 0 || path.len > 4096 || path.p[0] != '/') {
		return false;
	}
	for (size_t i = 0; i < path.len; i++) {
		if (path.p[i] <= ' ' || path.p[i] > '~' || strchr("\"'`;#<>", path.p[i])) {
			return false;
		}
		escapes = path.p[i] == '\\' ? escapes + 1 : 0;
	}
	return escapes % 2 == 0 && is_balanced(path);
}
