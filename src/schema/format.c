/* Why: the same few syntaxes bind names, keys and ports everywhere, and clients know the words in
 * which the server refuses. See format.h. */
#include "schema/format.h"

#include "base/ip.h"
#include "schema/label.h"

#define LABEL_WORDS                                                                                \
	"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "   \
	"and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "   \
	"regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define SUBDOMAIN_WORDS                                                                            \
	"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "  \
	"or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "      \
	"regex used for validation is "                                                            \
	"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define LABEL_1035_WORDS                                                                           \
	"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "  \
	"an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "    \
	"'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
#define WILDCARD_WORDS                                                                             \
	"a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "  \
	"which must consist of lower case alphanumeric characters, '-' or '.' and end with an "    \
	"alphanumeric character (e.g. '*.example.com', regex used for validation is "              \
	"'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define ENV_NAME_WORDS                                                                             \
	"a valid environment variable name must consist of alphabetic characters, digits, '_', "   \
	"'-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  "   \
	"or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')"
#define CONFIG_KEY_WORDS                                                                           \
	"a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "       \
	"'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "                \
	"'[-._a-zA-Z0-9]+')"

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool is_label(struct slice s)
{
	if (!s.len || s.p[0] == '-' || s.p[s.len - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_lower(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-') {
			return false;
		}
	}
	return true;
}

static bool is_subdomain(struct slice s)
{
	struct slice rest = s, label;

	if (!s.len || s.p[s.len - 1] == '.') {
		return false;
	}
	while (slice_next(&rest, '.', &label)) {
		if (!is_label(label)) {
			return false;
		}
	}
	return true;
}

static const char *label_wrong(struct slice s, bool is_1035)
{
	if (s.len > 63) {
		return "must be no more than 63 characters";
	}
	if (!is_label(s) || (is_1035 && !is_lower(s.p[0]))) {
		return is_1035 ? LABEL_1035_WORDS : LABEL_WORDS;
	}
	return NULL;
}

static const char *subdomain_wrong(struct slice s)
{
	if (s.len > 253) {
		return "must be no more than 253 characters";
	}
	return is_subdomain(s) ? NULL : SUBDOMAIN_WORDS;
}

static const char *wildcard_wrong(struct slice s)
{
	if (!slice_has_prefix(s, SLICE("*"))) {
		return subdomain_wrong(s);
	}
	return slice_has_prefix(s, SLICE("*.")) && is_subdomain(slice_from(s, 2)) && s.len <= 253
	               ? NULL
	               : WILDCARD_WORDS;
}

static const char *config_key_wrong(struct slice s)
{
	if (s.len > 253) {
		return "must be no more than 253 characters";
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.') {
			return CONFIG_KEY_WORDS;
		}
	}
	if (slice_is(s, ".") || slice_is(s, "..")) {
		return slice_is(s, ".") ? "must not be '.'" : "must not be '..'";
	}
	if (slice_has_prefix(s, SLICE(".."))) {
		return "must not start with '..'";
	}
	return s.len ? NULL : CONFIG_KEY_WORDS;
}

static const char *env_name_wrong(struct slice s)
{
	if (!s.len || is_digit(s.p[0])) {
		return ENV_NAME_WORDS;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.') {
			return ENV_NAME_WORDS;
		}
	}
	return slice_is(s, ".") || slice_is(s, "..") ? "must not be '.' or '..'" : NULL;
}

static const char *port_name_wrong(struct slice s)
{
	bool has_letter = false;

	if (s.len > 15) {
		return "must be no more than 15 characters";
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_lower(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-') {
			return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens "
			       "(-)";
		}
		if (s.p[i] == '-' && i + 1 < s.len && s.p[i + 1] == '-') {
			return "must not contain consecutive hyphens";
		}
		has_letter = has_letter || is_lower(s.p[i]);
	}
	if (!has_letter) {
		return "must contain at least one letter (a-z)";
	}
	if (s.p[0] == '-' || s.p[s.len - 1] == '-') {
		return "must not begin or end with a hyphen";
	}
	return NULL;
}

static const char *path_segment_wrong(struct slice s)
{
	if (slice_is(s, ".")) {
		return "may not be '.'";
	}
	if (slice_is(s, "..")) {
		return "may not be '..'";
	}
	if (slice_find(s, '/') >= 0) {
		return "may not contain '/'";
	}
	return slice_find(s, '%') >= 0 ? "may not contain '%'" : NULL;
}

static const char *local_path_wrong(struct slice s)
{
	struct slice rest = s, part;

	if (s.len && s.p[0] == '/') {
		return "must be a relative path";
	}
	while (slice_next(&rest, '/', &part)) {
		if (slice_is(part, "..")) {
			return "must not contain '..'";
		}
	}
	return NULL;
}

static const char *cidr_wrong(struct slice s)
{
	struct prefix p;

	return slice_find(s, '/') >= 0 && prefix_parse(s, &p)
	               ? NULL
	               : "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
}

const char *format_wrong(enum format format, struct slice text)
{
	struct ip ip;

	switch (format) {
	case FORMAT_NONE:
		break;
	case FORMAT_LABEL:
		return label_wrong(text, false);
	case FORMAT_SUBDOMAIN:
		return subdomain_wrong(text);
	case FORMAT_LABEL_1035:
		return label_wrong(text, true);
	case FORMAT_PATH_SEGMENT:
		return path_segment_wrong(text);
	case FORMAT_QUALIFIED:
		return label_key_wrong(text);
	case FORMAT_CONFIG_KEY:
		return config_key_wrong(text);
	case FORMAT_ENV_NAME:
		return env_name_wrong(text);
	case FORMAT_PORT_NAME:
		return port_name_wrong(text);
	case FORMAT_IP:
		return ip_parse(text, &ip) ? NULL
		                           : "must be a valid IP address, (e.g. 10.9.8.7 or "
		                             "2001:db8::ffff)";
	case FORMAT_CIDR:
		return cidr_wrong(text);
	case FORMAT_WILDCARD_SUBDOMAIN:
		return wildcard_wrong(text);
	case FORMAT_LOCAL_PATH:
		return local_path_wrong(text);
	}
	return NULL;
}

const char *format_percent_wrong(struct slice text)
{
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (!is_digit(text.p[i])) {
			text.len = 0;
		}
	}
	return text.len > 1 && text.p[text.len - 1] == '%'
	               ? NULL
	               : "a valid percent string must be a numeric string followed by an ending "
	                 "'%' "
	                 "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
}
