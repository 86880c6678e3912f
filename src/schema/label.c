/* Why: label keys and values come in through objects and through selectors; both ask here. */
#include "schema/label.h"

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* (([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]) */
static bool is_name(struct slice s)
{
	if (!s.len || !is_alnum(s.p[0]) || !is_alnum(s.p[s.len - 1])) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.') {
			return false;
		}
	}
	return true;
}

static bool is_lower_alnum(char c)
{
	return is_alnum(c) && !(c >= 'A' && c <= 'Z');
}

/* A DNS-1123 subdomain: labels of lower-case letters, digits and inner dashes. */
static bool is_subdomain(struct slice s)
{
	struct slice rest = s, label;

	while (slice_next(&rest, '.', &label)) {
		if (!label.len || !is_lower_alnum(label.p[0]) ||
		    !is_lower_alnum(label.p[label.len - 1])) {
			return false;
		}
		for (size_t i = 0; i < label.len; i++) {
			if (!is_lower_alnum(label.p[i]) && label.p[i] != '-') {
				return false;
			}
		}
	}
	return s.len > 0;
}

const char *label_key_wrong(struct slice key)
{
	ptrdiff_t slash = slice_find(key, '/');
	struct slice name = key;

	if (slash >= 0) {
		struct slice prefix = slice_head(key, (size_t)slash);

		name = slice_from(key, (size_t)slash + 1);
		if (slice_find(name, '/') >= 0) {
			return "a qualified name must consist of alphanumeric characters, '-', '_' "
			       "or "
			       "'.', and must start and end with an alphanumeric character (e.g. "
			       "'MyName',  or 'my.name',  or '123-abc', regex used for validation "
			       "is "
			       "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS "
			       "subdomain prefix and '/' (e.g. 'example.com/MyName')";
		}
		if (!prefix.len) {
			return "prefix part must be non-empty";
		}
		if (prefix.len > 253) {
			return "prefix part must be no more than 253 characters";
		}
		if (!is_subdomain(prefix)) {
			return "prefix part a lowercase RFC 1123 subdomain must consist of lower "
			       "case "
			       "alphanumeric characters, '-' or '.', and must start and end with "
			       "an "
			       "alphanumeric character (e.g. 'example.com', regex used for "
			       "validation "
			       "is "
			       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'"
			       ")";
		}
	}
	if (!name.len) {
		return "name part must be non-empty";
	}
	if (name.len > 63) {
		return "name part must be no more than 63 characters";
	}
	if (!is_name(name)) {
		return "name part must consist of alphanumeric characters, '-', '_' or '.', and "
		       "must "
		       "start and end with an alphanumeric character (e.g. 'MyName',  or "
		       "'my.name',  "
		       "or '123-abc', regex used for validation is "
		       "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
	}
	return NULL;
}

const char *label_value_wrong(struct slice value)
{
	if (value.len > 63) {
		return "must be no more than 63 characters";
	}
	if (value.len && !is_name(value)) {
		return "a valid label must be an empty string or consist of alphanumeric "
		       "characters, "
		       "'-', '_' or '.', and must start and end with an alphanumeric character "
		       "(e.g. "
		       "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
		       "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
	}
	return NULL;
}
