/* Why: drivers have notations of their own beside URLs: Go's MySQL, libpq, ADO.NET, ODBC. */
#include "analyse/address-priv.h"
#include "base/mem.h"

/* ---- Go: user:password@tcp(host:port)/db?options ---- */

static bool read_go(struct address_search *s)
{
	struct slice text = slice_trim(s->text), inner, rest;
	struct address a = { .scheme = SLICE("mysql"), .sureness = ADDRESS_CERTAIN };
	ptrdiff_t end;
	size_t at;

	for (at = 0; at + 4 < text.len; at++) {
		if (memcmp(text.p + at, "tcp(", 4) == 0 && (at == 0 || text.p[at - 1] == '@')) {
			break;
		}
	}
	if (at + 4 >= text.len) {
		return false;
	}
	inner = slice_from(text, at + 4);
	end = slice_find(inner, ')');
	if (end <= 0) {
		return false;
	}
	rest = slice_from(inner, (size_t)end + 1);
	inner = slice_head(inner, (size_t)end);
	a.has_user = at > 0;
	a.has_password = at > 0 && slice_find(slice_head(text, at), ':') >= 0;
	a.at = (size_t)(inner.p - s->text.p);
	a.path = (struct slice){ "", 0 };
	for (size_t i = 0, from = 0; i <= rest.len; i++) {
		struct slice name, value;

		if (i < rest.len && !char_is_one_of(rest.p[i], "?&")) {
			continue;
		}
		if (slice_cut(slice_head(slice_from(rest, from), i - from), '=', &name, &value)) {
			address_set_tls_option(name, value, &a);
		}
		from = i + 1;
	}
	address_set_authority(s->arena, inner, &a);
	address_tell(s, &a);
	return true;
}

/* ---- pairs: "host=db port=5432 dbname=x", "Server=db,1433;Database=x" ---- */

struct pairs {
	struct slice host, port;
	struct address a;
	bool is_database; /* a word that only such a string has */
};

static bool is_one_of(struct slice s, const char *const *words)
{
	for (; *words; words++) {
		if (slice_eq_nocase(s, slice_of(*words))) {
			return true;
		}
	}
	return false;
}

static void take_pair(struct pairs *p, struct slice name, struct slice value)
{
	static const char *const hosts[] = { "host",    "server",          "data source", "addr",
		                             "address", "network address", "hostaddr",    NULL };
	static const char *const ports[] = { "port", NULL };
	static const char *const users[] = { "user", "user id", "uid", "username", "userid", NULL };
	static const char *const passwords[] = { "password", "pwd", NULL };
	static const char *const databases[] = { "dbname", "database", "initial catalog", "db",
		                                 NULL };

	name = slice_trim(name);
	value = slice_trim(value);
	if (value.len > 1 && value.p[0] == '\'' && value.p[value.len - 1] == '\'') {
		value = slice_head(slice_from(value, 1), value.len - 2);
	}
	if (is_one_of(name, hosts)) {
		p->host = value;
	} else if (is_one_of(name, ports)) {
		p->port = value;
	} else if (is_one_of(name, users)) {
		p->a.has_user = p->is_database = true;
	} else if (is_one_of(name, passwords)) {
		p->a.has_password = p->is_database = true;
	} else if (is_one_of(name, databases)) {
		p->is_database = true;
	} else {
		address_set_tls_option(name, value, &p->a);
	}
}

static void read_pairs(struct slice text, char between, struct pairs *p)
{
	struct slice rest = text, field, name, value;

	while (slice_next(&rest, between, &field)) {
		if (slice_cut(field, '=', &name, &value)) {
			take_pair(p, name, value);
		}
	}
}

/* sqlserver writes "tcp:host,1433" and "host\instance". */
static void tidy_server(struct pairs *p)
{
	struct slice head, tail;

	if (slice_has_prefix(p->host, SLICE("tcp:"))) {
		p->host = slice_from(p->host, 4);
	}
	if (slice_cut(p->host, '\\', &head, &tail)) {
		p->host = head;
	}
	if (slice_cut(p->host, ',', &head, &tail)) {
		p->host = slice_trim(head);
		p->port = slice_trim(tail);
		p->a.scheme = SLICE("sqlserver");
	}
}

void address_driver_strings(struct address_search *s)
{
	struct pairs p = { .a = { .sureness = ADDRESS_CERTAIN, .path = { "", 0 } } };
	struct slice text = slice_trim(s->text);
	bool semicolons = slice_find(text, ';') >= 0;

	if (slice_find(text, '\n') >= 0 || read_go(s) || slice_find(text, '=') < 0) {
		return;
	}
	read_pairs(text, semicolons ? ';' : ' ', &p);
	if (!p.host.len || !p.is_database) {
		return;
	}
	p.a.at = (size_t)(p.host.p - s->text.p);
	tidy_server(&p);
	if (!semicolons) {
		p.a.scheme = SLICE("postgres");
	} else if (!p.a.scheme.len && slice_is(p.port, "5432")) {
		p.a.scheme = SLICE("postgres");
	} else if (!p.a.scheme.len && slice_is(p.port, "3306")) {
		p.a.scheme = SLICE("mysql");
	}
	address_set_authority(s->arena, p.host, &p.a);
	if (p.port.len) {
		address_set_port(p.port, &p.a);
	}
	address_tell(s, &p.a);
}
