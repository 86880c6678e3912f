/* Why: host:port and bare names are the least sure of all notations: "redis:7" is an image as well
 * as an address. The key decides how much is believed. */
#include <ctype.h>

#include "analyse/address-priv.h"
#include "base/ip.h"
#include "base/mem.h"

static bool names_addresses(enum key_kind k)
{
	return k == KEY_ADDRESS || k == KEY_HOST || k == KEY_SELF || k == KEY_RESOLVER ||
	       k == KEY_ORIGIN || k == KEY_LISTEN || k == KEY_LISTEN_HOST;
}

static bool has_letter(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (isalpha((unsigned char)s.p[i])) {
			return true;
		}
	}
	return false;
}

static bool is_word(struct slice s)
{
	static const char *const words[] = { "true",       "false",       "yes",     "no",
		                             "on",         "off",         "none",    "null",
		                             "auto",       "default",     "enabled", "disabled",
		                             "production", "development", "local",   "self",
		                             "*" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (slice_eq_nocase(s, slice_of(words[i]))) {
			return true;
		}
	}
	return false;
}

/* A lone word that could be a name: letters and digits, at least one letter, not a common word of
 * switches. */
static bool is_bare_name(struct slice s)
{
	struct ip ip;

	return address_is_host(s) &&
	       (ip_parse(s, &ip) || has_letter(s) || address_has_template(s)) && !is_word(s);
}

static void read_one(struct address_search *s, struct slice one, bool in_list)
{
	struct address a = { .path = { "", 0 } };
	struct slice rest = { "", 0 }, user;
	bool named = names_addresses(s->kind);
	size_t end = 0;
	ptrdiff_t at;

	a.at = (size_t)(one.p - s->text.p);
	/* a URL without scheme: user@host:port/path */
	if (named && (at = slice_rfind(one, '@')) > 0) {
		user = slice_head(one, (size_t)at);
		if (slice_find(user, ':') < 0 && s->kind != KEY_ADDRESS) {
			return;
		}
		a.has_user = true;
		a.has_password = slice_find(user, ':') >= 0;
		one = slice_from(one, (size_t)at + 1);
		if (!a.has_password && slice_find(one, ':') < 0) {
			return; /* an e-mail address */
		}
	}
	while (end < one.len) {
		size_t part = address_template_len(slice_from(one, end));

		if (!part && one.p[end] == '/') {
			break;
		}
		end += part ? part : 1;
	}
	rest = slice_from(one, end);
	one = slice_head(one, end);
	if (one.len == 0 || (rest.len && !named)) {
		return;
	}
	address_set_authority(s->arena, one, &a);
	a.path = rest;
	if (a.port_given ? (a.problem && !named) || (!a.host.len && !named)
	                 : !named || !is_bare_name(one)) {
		return;
	}
	if (a.host.len && !a.problem && !is_bare_name(a.host)) {
		return;
	}
	if (rest.len && !a.port_given && slice_find(a.host, '.') < 0) {
		return; /* "path/to/something" */
	}
	if (!a.host.len && s->kind != KEY_LISTEN && s->kind != KEY_ADDRESS) {
		return;
	}
	a.sureness = !named || in_list ? ADDRESS_LOOKS
	             : a.port_given    ? ADDRESS_CERTAIN
	                               : ADDRESS_IS;
	if (in_list && named) {
		a.sureness = ADDRESS_IS;
	}
	address_tell(s, &a);
}

/* What stands between the elements of this list, or 0. */
static char separator_of(struct slice text)
{
	if (slice_find(text, ',') >= 0) {
		return ',';
	}
	if (slice_find(text, ';') >= 0) {
		return ';';
	}
	return slice_find(text, ' ') >= 0 ? ' ' : 0;
}

void address_hosts(struct address_search *s)
{
	struct slice text = slice_trim(s->text), rest = text, one;
	char between = separator_of(text);

	if (text.len == 0 || text.len > 4096 || slice_find(text, '\n') >= 0) {
		return;
	}
	if (!between) {
		read_one(s, text, false);
		return;
	}
	/* prose is no list */
	if (between == ' ' && !names_addresses(s->kind)) {
		return;
	}
	while (slice_next(&rest, between, &one)) {
		one = slice_trim(one);
		/* StackExchange.Redis and others: options stand among the hosts */
		if (one.len && slice_find(one, '=') < 0) {
			read_one(s, one, true);
		}
	}
}
