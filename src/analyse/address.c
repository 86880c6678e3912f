/* Why: what all notations have in common: hosts, ports, parts that are filled in later, what
 * schemes mean. */
#include "analyse/address.h"

#include <ctype.h>

#include "analyse/address-priv.h"
#include "base/ip.h"
#include "base/mem.h"

enum { TEMPLATE_MAX = 256 }; /* bytes: bounds the search for the end of a part */

/* ---- schemes ---- */

static const struct {
	const char *scheme;
	uint16_t port;
	bool tls;
} schemes[] = {
	{ "http", 80, false },
	{ "https", 443, true },
	{ "ws", 80, false },
	{ "wss", 443, true },
	{ "mysql", 3306, false },
	{ "postgres", 5432, false },
	{ "redis", 6379, false },
	{ "rediss", 6379, true },
	{ "mongodb", 27017, false },
	{ "mongodb+srv", 27017, true },
	{ "amqp", 5672, false },
	{ "amqps", 5671, true },
	{ "kafka", 9092, false },
	{ "nats", 4222, false },
	{ "memcached", 11211, false },
	{ "sqlserver", 1433, false },
	{ "oracle", 1521, false },
	{ "elasticsearch", 9200, false },
	{ "smtp", 25, false },
	{ "smtps", 465, true },
	{ "ldap", 389, false },
	{ "ldaps", 636, true },
	{ "mqtt", 1883, false },
	{ "mqtts", 8883, true },
	{ "ftp", 21, false },
	{ "ssh", 22, false },
	{ "sftp", 22, false },
	{ "etcd", 2379, false },
	{ "zookeeper", 2181, false },
	{ "cassandra", 9042, false },
	{ "grpcs", 443, true },
	{ "redis-sentinel", 26379, false },
	{ "clickhouse", 9000, false },
	{ "fastcgi", 9000, false },
	{ "grpc", 0, false },
	{ "tcp", 0, false },
	{ "udp", 0, false },
	{ "tls", 0, true },
	{ "ssl", 0, true },
	{ "bolt", 7687, false },
	{ "neo4j", 7687, false },
	{ "influxdb", 8086, false },
};

uint16_t scheme_port(struct slice scheme)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (slice_is(scheme, schemes[i].scheme)) {
			return schemes[i].port;
		}
	}
	return 0;
}

const char *port_scheme(uint16_t port)
{
	for (size_t i = 0; port && i < ARRAY_SIZE(schemes); i++) {
		if (schemes[i].port == port && schemes[i].port != 9000) {
			return schemes[i].scheme;
		}
	}
	return "";
}

bool scheme_is_tls(struct slice scheme)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (slice_is(scheme, schemes[i].scheme)) {
			return schemes[i].tls;
		}
	}
	return slice_has_suffix(scheme, SLICE("+ssl")) || slice_has_suffix(scheme, SLICE("+tls"));
}

struct slice scheme_family(struct slice scheme)
{
	static const struct {
		struct slice from;
		const char *to;
	} same[] = {
		{ SLICE("postgresql"), "postgres" },
		{ SLICE("postgis"), "postgres" },
		{ SLICE("pgsql"), "postgres" },
		{ SLICE("pg"), "postgres" },
		{ SLICE("mariadb"), "mysql" },
		{ SLICE("mysql2"), "mysql" },
		{ SLICE("mysqlx"), "mysql" },
		{ SLICE("cockroachdb"), "postgres" },
		{ SLICE("redis+sentinel"), "redis-sentinel" },
		{ SLICE("mssql"), "sqlserver" },
		{ SLICE("rabbitmq"), "amqp" },
		{ SLICE("valkey"), "redis" },
		{ SLICE("valkeys"), "rediss" },
	};
	struct slice head, tail;

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		if (slice_eq(scheme, same[i].from)) {
			return slice_of(same[i].to);
		}
	}
	if (scheme_port(scheme) || !slice_cut(scheme, '+', &head, &tail)) {
		return scheme;
	}
	/* a driver's name stands behind the plus: mysql+pymysql */
	return scheme_port(scheme_family(head)) ? scheme_family(head) : scheme;
}

/* ---- templates ---- */

static size_t until(struct slice s, size_t from, const char *end)
{
	size_t len = strlen(end);

	s = slice_head(s, TEMPLATE_MAX);
	for (size_t i = from; i + len <= s.len; i++) {
		if (memcmp(s.p + i, end, len) == 0) {
			return i + len;
		}
		if (s.p[i] == '\n') {
			return 0;
		}
	}
	return 0;
}

size_t address_template_len(struct slice s)
{
	size_t n = 1;

	if (s.len < 2) {
		return 0;
	}
	if (s.p[0] == ADDRESS_HOLE) {
		return until(s, 1, "\x1a");
	}
	if (s.p[0] == '{' && s.p[1] == '{') {
		return until(s, 2, "}}");
	}
	if (s.p[0] == '%' && (s.p[1] == 's' || s.p[1] == 'd')) {
		return 2;
	}
	if (s.p[0] != '$') {
		return 0;
	}
	if (s.p[1] == '{' || s.p[1] == '(') {
		return until(s, 2, s.p[1] == '{' ? "}" : ")");
	}
	while (n < s.len && (isalnum((unsigned char)s.p[n]) || s.p[n] == '_')) {
		n++;
	}
	return n > 1 ? n : 0;
}

bool address_has_template(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (address_template_len(slice_from(s, i))) {
			return true;
		}
	}
	return false;
}

bool address_is_filled_later(struct slice host)
{
	return address_has_template(host);
}

/* ---- hosts and ports ---- */

struct slice address_lower(struct arena *arena, struct slice s)
{
	struct slice out = arena_slice(arena, s);

	for (size_t i = 0; i < out.len; i++) {
		((char *)out.p)[i] = (char)tolower((unsigned char)out.p[i]);
	}
	return out;
}

bool address_is_host(struct slice host)
{
	struct ip ip;

	if (host.len == 0 || host.len > 253) {
		return false;
	}
	if (ip_parse(host, &ip)) {
		return true;
	}
	for (size_t i = 0; i < host.len; i++) {
		size_t part = address_template_len(slice_from(host, i));
		unsigned char c = (unsigned char)host.p[i];

		if (part) {
			i += part - 1;
		} else if (!isalnum(c) && c != '_' && c != '-' && c != '.') {
			return false;
		} else if (c == '.' && (i == 0 || host.p[i - 1] == '.')) {
			return false;
		}
	}
	return host.p[0] != '-' && host.p[host.len - 1] != '-';
}

void address_set_port(struct slice text, struct address *a)
{
	int64_t n;

	a->port_text = text;
	if (text.len == 0) {
		return;
	}
	a->port_given = true;
	if (address_has_template(text)) {
		a->is_template = true;
	} else if (!slice_to_i64(text, &n)) {
		a->problem = "has a port that is no number";
	} else if (n < 1 || n > 65535) {
		a->problem = "has a port that is not between 1 and 65535";
	} else {
		a->port = (uint16_t)n;
	}
}

/* The colon before the port: the last one outside template parts; -1: none. */
static ptrdiff_t port_colon(struct slice s)
{
	ptrdiff_t at = -1;

	for (size_t i = 0; i < s.len; i++) {
		size_t part = address_template_len(slice_from(s, i));

		if (part) {
			i += part - 1;
		} else if (s.p[i] == ':') {
			at = (ptrdiff_t)i;
		}
	}
	return at;
}

void address_set_authority(struct arena *arena, struct slice s, struct address *a)
{
	struct slice host = s, port = { "", 0 };
	struct ip ip;
	ptrdiff_t colon, end;

	if (s.len && s.p[0] == '[' && (end = slice_find(s, ']')) > 0) {
		host = slice_head(slice_from(s, 1), (size_t)end - 1);
		s = slice_from(s, (size_t)end + 1);
		if (s.len && s.p[0] == ':') {
			port = slice_from(s, 1);
		} else if (s.len) {
			a->problem = "has something behind the bracket of its address";
		}
	} else if (!(ip_parse(s, &ip) && ip.family == IP_V6) && (colon = port_colon(s)) >= 0) {
		host = slice_head(s, (size_t)colon);
		port = slice_from(s, (size_t)colon + 1);
	}
	if (host.len > 1 && host.p[host.len - 1] == '.') {
		host.len--;
	}
	a->host = address_lower(arena, host);
	a->is_template |= address_has_template(host);
	if (a->is_template) {
		a->host = arena_slice(arena, host); /* names of variables keep their case */
	}
	address_set_port(port, a);
	if (host.len && !a->problem && !address_is_host(a->host)) {
		a->problem = "has a host with characters that no name has";
	}
}

void address_set_tls_option(struct slice name, struct slice value, struct address *a)
{
	static const char *const words[] = { "ssl",      "tls",           "sslmode",
		                             "ssl-mode", "usessl",        "requiressl",
		                             "encrypt",  "ssl_mode",      "ssl-ca",
		                             "ssl_ca",   "sslrootcert",   "tlscafile",
		                             "ssl-cert", "ssl_cert_reqs", "security.protocol",
		                             "sslaccept" };
	static const char *const off[] = { "false", "0",         "disable", "disabled",
		                           "no",    "off",       "prefer",  "preferred",
		                           "allow", "plaintext", "none",    "optional" };
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		known = known || slice_eq_nocase(name, slice_of(words[i]));
	}
	if (!known || value.len == 0) {
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		if (slice_eq_nocase(value, slice_of(off[i]))) {
			a->tls_off = true;
			return;
		}
	}
	a->tls = true;
}

bool address_host_port(struct arena *arena, struct slice text, struct address *ret)
{
	*ret = (struct address){
		.scheme = { "", 0 }, .path = { "", 0 }, .host = { "", 0 }, .port_text = { "", 0 }
	};
	address_set_authority(arena, text, ret);
	return !ret->problem && (ret->host.len ? address_is_host(ret->host) : ret->port_given);
}

/* ---- the search ---- */

void address_tell(struct address_search *s, struct address *a)
{
	if (a->scheme.len == 0) {
		a->scheme = slice_of(s->scheme);
	}
	a->tls = (a->tls || scheme_is_tls(a->scheme)) && !a->tls_off;
	if (!a->port && !a->port_given) {
		a->port = scheme_port(a->scheme);
	}
	s->any = true;
	s->fn(s->arg, a);
}

void address_each(struct arena *arena, struct slice text, enum key_kind kind, const char *scheme,
                  address_fn *fn, void *arg)
{
	struct address_search s = {
		.arena = arena, .text = text, .kind = kind, .scheme = scheme, .fn = fn, .arg = arg
	};

	if (kind == KEY_PRIVATE || kind == KEY_NAME || text.len == 0) {
		return;
	}
	address_urls(&s);
	if (!s.any) {
		address_driver_strings(&s);
	}
	if (!s.any) {
		address_hosts(&s);
	}
}
