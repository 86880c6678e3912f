/* Why: URLs are where most addresses are written, and where passwords go wrong: a '/', '?', '#' or
 * '@' that is not encoded ends the part it stands in. Source: RFC 3986 section 3. */
#include <ctype.h>

#include "analyse/address-priv.h"
#include "base/mem.h"

/* What has no network behind it, or names something else than a host. */
static bool is_passed_over(struct slice scheme, struct slice host)
{
	static const char *const none[] = { "file",        "unix",     "sqlite",
		                            "sqlite3",     "s3",       "s3a",
		                            "gs",          "gcs",      "az",
		                            "abfs",        "data",     "classpath",
		                            "embed",       "docker",   "docker-daemon",
		                            "arn",         "git+file", "spiffe",
		                            "urn",         "jar",      "chrome-extension",
		                            "app",         "memory",   "mem",
		                            "inmemory",    "stub",     "env",
		                            "secret",      "vault",    "ssm",
		                            "oci-archive", "tag",      "npipe" };
	static const char *const names[] = {
		"www.w3.org",          "json-schema.org",  "schemas.xmlsoap.org",
		"xmlns.jcp.org",       "java.sun.com",     "www.springframework.org",
		"schemas.android.com", "www.sitemaps.org", "purl.org"
	};

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		if (slice_is(scheme, none[i])) {
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_is(host, names[i])) {
			return true;
		}
	}
	return false;
}

static bool ends_url(char c)
{
	return (unsigned char)c <= ' ' ? c != ADDRESS_HOLE : char_is_one_of(c, "\"'<>`\\^");
}

/* Names several hosts, with commas between. */
static bool takes_several(struct slice scheme)
{
	static const char *const known[] = { "mongodb", "mongodb+srv",    "postgres",
		                             "mysql",   "kafka",          "redis",
		                             "rediss",  "redis-sentinel", "amqp",
		                             "nats",    "cassandra",      "zookeeper" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (slice_is(scheme, known[i])) {
			return true;
		}
	}
	return false;
}

/* Bytes from s on that belong to the URL: up to a blank, a quote, an unopened bracket or the comma
 * of a list. */
static size_t url_len(struct slice s)
{
	size_t i = 0;
	int round = 0;

	while (i < s.len) {
		size_t part = address_template_len(slice_from(s, i));

		if (part) {
			i += part;
			continue;
		}
		if (ends_url(s.p[i]) || (s.p[i] == ')' && round == 0) || s.p[i] == '}' ||
		    s.p[i] == '|') {
			break;
		}
		round += (s.p[i] == '(') - (s.p[i] == ')');
		/* "nats://a,nats://b" and "http://a,b": the comma ends it when a scheme follows or
		 * a list is usual */
		if (s.p[i] == ',' || s.p[i] == ';') {
			struct slice rest = slice_from(s, i + 1);
			size_t n = 0;

			while (n < rest.len &&
			       (isalnum((unsigned char)rest.p[n]) || rest.p[n] == '+')) {
				n++;
			}
			if (slice_has_prefix(slice_from(rest, n), SLICE("://")) || rest.len == 0) {
				break;
			}
		}
		i++;
	}
	while (i > 0 && char_is_one_of(s.p[i - 1], ".,;:!")) {
		i--;
	}
	return i;
}

static void read_options(struct slice path, struct address *a)
{
	struct slice head, rest, field;
	ptrdiff_t at = slice_find(path, '?');

	if (at < 0) {
		at = slice_find(path, ';'); /* sqlserver: h:1433;encrypt=true */
	}
	if (at < 0) {
		return;
	}
	rest = slice_from(path, (size_t)at + 1);
	if (slice_cut(rest, '#', &head, &field)) {
		rest = head;
	}
	for (size_t i = 0, from = 0; i <= rest.len; i++) {
		struct slice name, value;

		if (i < rest.len && rest.p[i] != '&' && rest.p[i] != ';') {
			continue;
		}
		if (slice_cut(slice_head(slice_from(rest, from), i - from), '=', &name, &value)) {
			address_set_tls_option(name, value, a);
		}
		from = i + 1;
	}
}

static void read_user(struct slice user, struct address *a)
{
	struct slice name, password;

	a->has_user = true;
	a->has_password = slice_cut(user, ':', &name, &password) && password.len > 0;
	if (slice_find(user, '@') >= 0) {
		a->problem = "has an '@' in its user part that is not written %40";
		a->is_plain_problem = true;
	}
}

/* A password with '/', '?' or '#' cuts the authority short: then an '@' stands behind it. */
static bool is_cut_short(struct slice authority, struct slice rest)
{
	ptrdiff_t at = slice_find(rest, '@'), colon = slice_rfind(authority, ':');
	int64_t n;

	if (at < 0 || colon < 0 || slice_find(authority, '@') >= 0) {
		return false;
	}
	/* "http://host:80/a@b" is fine: the port is a number */
	return !slice_to_i64(slice_from(authority, (size_t)colon + 1), &n) &&
	       !address_has_template(slice_from(authority, (size_t)colon + 1));
}

static size_t authority_len(struct slice s, bool has_options)
{
	size_t i = 0;

	while (i < s.len) {
		size_t part = address_template_len(slice_from(s, i));

		if (!part && (char_is_one_of(s.p[i], "/?#") || (has_options && s.p[i] == ';'))) {
			break;
		}
		i += part ? part : 1;
	}
	return i;
}

static void tell_hosts(struct address_search *s, struct address *a, struct slice hosts)
{
	struct slice rest = hosts, one;
	bool several = takes_several(a->scheme) && slice_find(hosts, ',') > 0;

	if (!several) {
		address_set_authority(s->arena, hosts, a);
		if (!is_passed_over(a->scheme, a->host)) {
			address_tell(s, a);
		}
		return;
	}
	while (slice_next(&rest, ',', &one)) {
		struct address each = *a;

		each.several = true;
		each.at += (size_t)(one.p - hosts.p);
		address_set_authority(s->arena, slice_trim(one), &each);
		if (each.host.len) {
			address_tell(s, &each);
		}
	}
}

/* gRPC names its targets dns:///host:port, with the server to ask in the authority's place. */
static bool takes_path_for_host(struct slice scheme, struct slice authority)
{
	return authority.len == 0 && (slice_is(scheme, "dns") || slice_is(scheme, "passthrough") ||
	                              slice_is(scheme, "ipv4") || slice_is(scheme, "xds"));
}

/* url begins behind "://". */
static void read_url(struct address_search *s, struct slice scheme, struct slice url, size_t at)
{
	struct address a = { .scheme = scheme_family(address_lower(s->arena, scheme)),
		             .at = at,
		             .sureness = s->kind == KEY_PLAIN && at > 0 ? ADDRESS_IS
		                                                        : ADDRESS_CERTAIN };
	struct slice authority =
		slice_head(url, authority_len(url, slice_is(a.scheme, "sqlserver")));
	struct slice rest = slice_from(url, authority.len);
	ptrdiff_t user;

	if (is_passed_over(a.scheme, (struct slice){ "", 0 })) {
		return;
	}
	if (takes_path_for_host(a.scheme, authority)) {
		a.scheme = SLICE("grpc");
		authority = slice_from(rest, 1);
		rest = (struct slice){ "", 0 };
	}
	if (is_cut_short(authority, rest)) {
		a.has_user = a.has_password = true;
		a.problem = "has a '/', '?' or '#' in its user part that is not percent-encoded";
		authority = slice_from(rest, (size_t)slice_rfind(rest, '@') + 1);
		authority = slice_head(authority, authority_len(authority, false));
		rest = (struct slice){ "", 0 };
	} else if ((user = slice_rfind(authority, '@')) >= 0) {
		read_user(slice_head(authority, (size_t)user), &a);
		authority = slice_from(authority, (size_t)user + 1);
	}
	a.path = rest;
	read_options(rest, &a);
	if (authority.len == 0) {
		return;
	}
	if (a.problem) {
		const char *problem = a.problem;

		a.problem = NULL;
		address_set_authority(s->arena, authority, &a);
		a.is_plain_problem = a.is_plain_problem && !a.problem;
		a.problem = problem;
		address_tell(s, &a);
		return;
	}
	tell_hosts(s, &a, authority);
}

static bool is_scheme_char(char c)
{
	return isalnum((unsigned char)c) || c == '+' || c == '-' || c == '.';
}

/* Oracle's thin driver has no "://": jdbc:oracle:thin:@//host:1521/name, ...:@host:1521:sid */
static void read_oracle(struct address_search *s)
{
	static const struct slice begin = { "jdbc:oracle:thin:", 17 };
	struct slice rest = slice_trim(s->text);
	struct address a = { .scheme = SLICE("oracle"),
		             .path = { "", 0 },
		             .sureness = ADDRESS_CERTAIN };
	struct slice host, port;
	ptrdiff_t at;
	size_t n = 0;

	if (!slice_has_prefix(rest, begin) || (at = slice_find(rest, '@')) < 0) {
		return;
	}
	a.has_user = (size_t)at > begin.len;
	rest = slice_from(rest, (size_t)at + 1);
	if (slice_has_prefix(rest, SLICE("//"))) {
		rest = slice_from(rest, 2);
	}
	rest = slice_head(rest, authority_len(rest, false));
	if (rest.len == 0 || rest.p[0] == '(') {
		return;
	}
	if (slice_cut(rest, ':', &host, &port)) {
		while (n < port.len && isdigit((unsigned char)port.p[n])) {
			n++;
		}
		rest = slice_head(rest, host.len + (n ? n + 1 : 0));
	}
	address_set_authority(s->arena, rest, &a);
	address_tell(s, &a);
}

void address_urls(struct address_search *s)
{
	struct slice text = s->text;

	for (size_t i = 0; i + 3 < text.len; i++) {
		size_t begin = i;
		struct slice url;

		if (text.p[i] != ':' || text.p[i + 1] != '/' || text.p[i + 2] != '/') {
			continue;
		}
		while (begin > 0 && is_scheme_char(text.p[begin - 1])) {
			begin--;
		}
		while (begin < i && !isalpha((unsigned char)text.p[begin])) {
			begin++;
		}
		if (begin == i) {
			continue;
		}
		url = slice_from(text, i + 3);
		url = slice_head(url, url_len(url));
		read_url(s, slice_head(slice_from(text, begin), i - begin), url, begin);
		i += 2 + url.len;
	}
	if (!s->any) {
		read_oracle(s);
	}
}
