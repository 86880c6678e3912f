/* Why: from a text to references and listenings: what the key says, what the notation says, and
 * where it stands. */
#include "analyse/value-priv.h"

#include <ctype.h>

#include "analyse/address-priv.h"
#include "base/mem.h"

/* ---- where ---- */

struct value_where value_where_of(const struct val *object, const struct val *node,
                                  const char *path)
{
	const struct val *at = node ? node : object;

	return (struct value_where){ .object = object,
		                     .node = node,
		                     .path = path,
		                     .line = at ? at->line : 0,
		                     .col = at ? at->col : 0 };
}

struct value_text value_text_of(const struct val *object, const struct val *node, const char *path)
{
	struct value_text t = { .where = value_where_of(object, node, path),
		                .text = val_str(node),
		                .name = "",
		                .file = "" };

	if (node && node->type == VAL_STRING && node->is_literal) {
		t.by_line = true;
		t.where.line = node->text_line;
		t.where.col = node->text_col;
	}
	return t;
}

void value_text_position(const struct value_text *t, size_t at, struct value_where *ret)
{
	uint32_t line = t->where.line, col = t->where.col;

	*ret = t->where;
	if (!t->by_line) {
		return;
	}
	for (size_t i = 0; i < at && i < t->text.len; i++) {
		if (t->text.p[i] == '\n') {
			line++;
			col = t->where.col;
		} else if (((unsigned char)t->text.p[i] & 0xc0) != 0x80) {
			col++;
		}
	}
	ret->line = line;
	ret->col = col;
}

/* ---- references ---- */

struct telling {
	struct value_reader *r;
	const struct value_text *t;
	enum key_kind kind;
	enum value_use use;
	struct slice port; /* of a sibling */
	bool tls;
};

/* The setting behind the first hole in s, or null. */
static const struct setting *setting_of_hole(const struct value_reader *r, struct slice s)
{
	ptrdiff_t at = slice_find(s, ADDRESS_HOLE), end;
	int64_t n;

	if (at < 0) {
		return NULL;
	}
	s = slice_from(s, (size_t)at + 1);
	end = slice_find(s, ADDRESS_HOLE);
	if (end < 0 || !slice_to_i64(slice_head(s, (size_t)end), &n) || n < 0 ||
	    (size_t)n >= r->settings.n) {
		return NULL;
	}
	return &r->settings.at[n];
}

static void clear_holes(const struct value_reader *r, struct reference *ref,
                        const struct address *a)
{
	const struct setting *host = setting_of_hole(r, a->host),
			     *port = setting_of_hole(r, a->port_text);

	if (slice_find(a->host, ADDRESS_HOLE) >= 0) {
		ref->host = "";
		ref->is_template = true;
		ref->exported = host ? host->exported : NULL;
	}
	if (port && !ref->exported) {
		ref->exported = port->exported;
	}
}

static enum value_confidence confidence_of(const struct telling *w, const struct address *a)
{
	if (a->sureness == ADDRESS_CERTAIN) {
		return CONFIDENCE_HIGH;
	}
	return a->sureness == ADDRESS_IS ? CONFIDENCE_MEDIUM
	       : w->kind == KEY_PLAIN    ? CONFIDENCE_LOW
	                                 : CONFIDENCE_MEDIUM;
}

static const char *printable_path(struct arena *arena, const struct value_text *t,
                                  const struct address *a)
{
	struct slice path = a->path;

	/* query and fragment carry tokens; a path out of a secret may */
	for (size_t i = 0; i < path.len; i++) {
		if (path.p[i] == '?' || path.p[i] == '#' || path.p[i] == ';' ||
		    path.p[i] == ADDRESS_HOLE) {
			path = slice_head(path, i);
		}
	}
	return t->is_secret || path.len == 0 ? "" : arena_slice(arena, path).p;
}

/* A text of a Secret that may have been cut wrongly gives nothing away. */
static bool is_unsafe(const struct value_text *t, const struct address *a)
{
	return t->is_secret && ((a->problem && !a->is_plain_problem) ||
	                        slice_find(a->path, '@') >= 0 || a->sureness == ADDRESS_LOOKS);
}

static void on_address(void *arg, const struct address *a)
{
	struct telling *w = arg;
	struct value_reader *r = w->r;
	struct reference ref = { .source = w->t->source,
		                 .place = w->t->place,
		                 .use = w->use,
		                 .confidence = confidence_of(w, a),
		                 .workload = r->workload,
		                 .container = r->container,
		                 .name = w->t->name,
		                 .file = w->t->file,
		                 .scheme = arena_slice(r->arena, a->scheme).p,
		                 .host = a->host.p ? arena_slice(r->arena, a->host).p : "",
		                 .port = a->port,
		                 .port_given = a->port_given,
		                 .tls = a->tls || w->tls,
		                 .tls_off = a->tls_off,
		                 .has_user = a->has_user,
		                 .has_password = a->has_password,
		                 .is_secret = w->t->is_secret,
		                 .is_template = a->is_template,
		                 .problem = a->problem,
		                 .exported = w->t->exported };
	int64_t n;

	value_text_position(w->t, a->at, &ref.where);
	ref.url_path = printable_path(r->arena, w->t, a);
	if (!a->port_given && w->port.len && slice_to_i64(w->port, &n) && n > 0 && n < 65536) {
		ref.port = (uint16_t)n;
		ref.port_given = true;
	}
	if (!ref.scheme[0] && ref.port_given) {
		ref.scheme = port_scheme(ref.port);
	}
	ip_parse(slice_of(ref.host), &ref.ip);
	clear_holes(r, &ref, a);
	if (is_unsafe(w->t, a)) {
		ref.host = "";
		ref.ip = (struct ip){ 0 };
		ref.scheme = a->problem ? ref.scheme : "";
		ref.port = 0;
		if (!a->problem) {
			return; /* not even sure that it is an address */
		}
	}
	vec_push(&r->references, ref);
}

/* ---- listenings ---- */

static enum value_scope scope_of(struct slice host)
{
	struct ip ip;

	if (slice_is(host, "localhost") || slice_has_prefix(host, SLICE("127.")) ||
	    slice_is(host, "::1")) {
		return SCOPE_LOOPBACK;
	}
	if (host.len == 0 || slice_is(host, "*") || slice_is(host, "+") ||
	    slice_is(host, "0.0.0.0") || slice_is(host, "::") || slice_is(host, "0")) {
		return SCOPE_ANY;
	}
	return ip_parse(host, &ip) || !address_has_template(host) ? SCOPE_ADDRESS : SCOPE_ANY;
}

static bool is_number(struct slice s)
{
	int64_t n;

	return slice_to_i64(s, &n);
}

static struct slice without_scheme(struct slice s, bool *ret_tls, bool *ret_udp)
{
	for (size_t i = 0; i + 2 < s.len; i++) {
		if (memcmp(s.p + i, "://", 3) == 0) {
			*ret_tls |= slice_is(slice_head(s, i), "https") ||
			            slice_is(slice_head(s, i), "grpcs");
			*ret_udp |= slice_is(slice_head(s, i), "udp");
			s = slice_from(s, i + 3);
			break;
		}
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '/') {
			return slice_head(s, i);
		}
	}
	return s;
}

void value_add_listening(struct value_reader *r, const struct value_text *t, struct slice text,
                         enum proto proto, bool tls, enum value_confidence confidence)
{
	struct listening l = { .where = t->where,
		               .source = t->source,
		               .confidence = confidence,
		               .workload = r->workload,
		               .container = r->container,
		               .name = t->name,
		               .file = t->file,
		               .proto = proto,
		               .tls = tls };
	struct address a = { .port_text = { "", 0 } };
	struct slice wild = { "", 0 };
	bool udp = false;

	if (!r->container) {
		return; /* a key that nobody reads opens nothing */
	}
	text = without_scheme(slice_trim(text), &l.tls, &udp);
	if (udp) {
		l.proto = PROTO_UDP;
	}
	if (slice_has_prefix(text, SLICE("*:")) || slice_has_prefix(text, SLICE("+:"))) {
		text = slice_from(text, 1);
	}
	if (is_number(text)) {
		int64_t n = 0;

		(void)slice_to_i64(text, &n);
		if (n < 1 || n > 65535) {
			return;
		}
		l.port = (uint16_t)n;
	} else if (slice_is(text, "*") || slice_is(text, "+")) {
		a.host = wild;
	} else {
		address_set_authority(r->arena, text, &a);
		if (a.problem || (!a.host.len && !a.port)) {
			return;
		}
		l.port = a.port;
	}
	l.scope = scope_of(a.host.p ? a.host : wild);
	vec_push(&r->listenings, l);
}

/* ---- by key ---- */

void value_add_call(struct value_reader *r, const struct value_text *t, struct slice text,
                    struct slice port, const char *scheme, bool tls, enum value_use use)
{
	struct telling w = {
		.r = r, .t = t, .kind = KEY_ADDRESS, .use = use, .port = port, .tls = tls
	};

	address_each(r->arena, text, KEY_ADDRESS, scheme, on_address, &w);
}

static bool is_any_address(struct slice text)
{
	struct slice host = without_scheme(text, &(bool){ false }, &(bool){ false });

	/* redis://:password@host begins with a colon as well */
	return slice_find(text, '@') < 0 &&
	       (slice_has_prefix(host, SLICE("0.0.0.0")) || slice_has_prefix(host, SLICE("[::]")) ||
	        slice_has_prefix(host, SLICE(":")) || slice_has_prefix(host, SLICE("*:")) ||
	        slice_has_prefix(host, SLICE("+:")) || slice_is(host, "::"));
}

static enum value_confidence port_confidence(struct slice key)
{
	/* PORT alone is what frameworks and platforms read; METRICS_PORT and such only may be */
	return slice_eq_nocase(key, SLICE("PORT")) || slice_eq_nocase(key, SLICE("SERVER_PORT")) ||
	                       slice_eq_nocase(key, SLICE("HTTP_PORT")) ||
	                       slice_eq_nocase(key, SLICE("LISTEN_PORT")) ||
	                       slice_eq_nocase(key, SLICE("server.port"))
	               ? CONFIDENCE_MEDIUM
	               : CONFIDENCE_LOW;
}

static bool each_number(struct value_reader *r, const struct value_text *t, struct slice key,
                        bool udp)
{
	struct slice rest = t->text, one;

	if (!is_number(t->text) && slice_find(t->text, ';') < 0 && slice_find(t->text, ',') < 0) {
		return false;
	}
	while (slice_next(&rest, slice_find(t->text, ';') >= 0 ? ';' : ',', &one)) {
		value_add_listening(r, t, one, udp ? PROTO_UDP : PROTO_TCP, false,
		                    port_confidence(key));
	}
	return true;
}

void value_read_text(struct value_reader *r, const struct value_text *given, struct slice key,
                     struct slice port, const char *scheme)
{
	struct value_text t = *given;
	enum key_kind kind = key_judge(key);
	struct telling w = { .r = r, .t = &t, .kind = kind, .use = USE_CONNECT, .port = port };

	t.text = slice_head(t.text, VALUE_TEXT_MAX);
	if (t.text.len == 0) {
		return;
	}
	if (!scheme[0]) {
		scheme = key_scheme(key);
	}
	switch (kind) {
	case KEY_PRIVATE:
	case KEY_NAME:
	case KEY_PORT:
		return;
	case KEY_LISTEN_PORT:
		(void)each_number(r, &t, key, false);
		return;
	case KEY_LISTEN:
	case KEY_LISTEN_HOST: {
		struct slice rest = t.text, one;
		char between = slice_find(t.text, ';') >= 0 ? ';' : ',';

		while (r->container && slice_next(&rest, between, &one)) {
			value_add_listening(r, &t, one, PROTO_TCP, false, CONFIDENCE_MEDIUM);
		}
		return;
	}
	case KEY_ORIGIN:
		w.use = USE_ORIGIN;
		break;
	case KEY_SELF:
		w.use = USE_SELF;
		break;
	case KEY_RESOLVER:
		w.use = USE_RESOLVE;
		break;
	case KEY_ADDRESS:
	case KEY_HOST:
	case KEY_PLAIN:
		break;
	}
	if (w.use == USE_CONNECT && is_any_address(t.text)) {
		if (r->container && kind != KEY_PLAIN) {
			value_add_listening(r, &t, t.text, PROTO_TCP, false, CONFIDENCE_LOW);
		}
		return;
	}
	address_each(r->arena, t.text, kind, scheme, on_address, &w);
}
