/* Why: nginx in front of an application is where the path to it is most often bent: the names it
 * passes to, the port it listens on, and the resolver it asks all stand in one file. Source:
 * nginx.org documentation, "Beginner's Guide", ngx_http_proxy_module, ngx_http_upstream_module,
 * ngx_http_core_module (listen, resolver). */
#include "analyse/config.h"

#include <ctype.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/strbuf.h"

enum { WORDS_MAX = 32, DEPTH_MAX = 32, ROUNDS = 2, FILLED_MAX = 4096 };

struct word {
	struct slice s;
	uint32_t line, col;
};

struct reader {
	struct arena *arena;
	struct slice text;
	size_t at;
	uint32_t line;
	size_t line_at; /* where the line begins */
	const struct config_vars *vars;
	config_fact_fn *fn;
	void *arg;
	struct word words[WORDS_MAX];
	size_t n;
	struct slice blocks[DEPTH_MAX]; /* their first words, outermost first */
	size_t depth;                   /* may be more than DEPTH_MAX */
	struct map upstreams;           /* name -> scheme of who passes to it, "" at first */
	struct map variables;           /* "$x" -> a struct slice */
	bool collecting;                /* first round: upstreams and variables */
};

/* ---- words ---- */

static int peek(const struct reader *r)
{
	return r->at < r->text.len ? (unsigned char)r->text.p[r->at] : -1;
}

static void step(struct reader *r)
{
	if (r->text.p[r->at++] == '\n') {
		r->line++;
		r->line_at = r->at;
	}
}

static void skip_blanks(struct reader *r)
{
	for (;;) {
		int c = peek(r);

		if (c == '#') {
			while (peek(r) >= 0 && peek(r) != '\n') {
				step(r);
			}
		} else if (c >= 0 && isspace(c)) {
			step(r);
		} else {
			return;
		}
	}
}

static struct slice read_quoted(struct reader *r)
{
	int quote = peek(r);
	size_t from;

	step(r);
	from = r->at;
	while (peek(r) >= 0 && peek(r) != quote) {
		if (peek(r) == '\\' && r->at + 1 < r->text.len) {
			step(r);
		}
		step(r);
	}
	struct slice s = slice_head(slice_from(r->text, from), r->at - from);

	if (peek(r) >= 0) {
		step(r);
	}
	return s;
}

static struct slice read_plain(struct reader *r)
{
	size_t from = r->at;

	while (peek(r) >= 0 && !isspace(peek(r)) && peek(r) != ';' && peek(r) != '}') {
		int c = peek(r);

		/* "${X}" is no block */
		if (c == '$' && r->at + 1 < r->text.len && r->text.p[r->at + 1] == '{') {
			while (peek(r) >= 0 && peek(r) != '}' && peek(r) != '\n') {
				step(r);
			}
		} else if (c == '{') {
			break;
		} else if (c == '\\' && r->at + 1 < r->text.len) {
			step(r);
		}
		if (peek(r) >= 0) {
			step(r);
		}
	}
	if (r->at == from && peek(r) >= 0) {
		step(r); /* nothing else takes it: always goes on */
	}
	return slice_head(slice_from(r->text, from), r->at - from);
}

/* Lua in braces: no nginx words; only counted through. */
static void skip_block(struct reader *r)
{
	int depth = 1;

	while (peek(r) >= 0 && depth > 0) {
		depth += (peek(r) == '{') - (peek(r) == '}');
		step(r);
	}
}

/* ---- variables ---- */

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* The variable that begins at s.p[0] ('$'): its whole length and its name. */
static size_t variable_at(struct slice s, struct slice *name)
{
	size_t n = 1;

	if (s.len > 2 && s.p[1] == '{') {
		ptrdiff_t end = slice_find(s, '}');

		if (end < 0) {
			return 0;
		}
		*name = slice_head(slice_from(s, 2), (size_t)end - 2);
		return (size_t)end + 1;
	}
	while (n < s.len && is_name_char(s.p[n])) {
		n++;
	}
	*name = slice_head(slice_from(s, 1), n - 1);
	return n > 1 ? n : 0;
}

static struct slice value_of(const struct reader *r, struct slice name)
{
	const struct slice *set = map_find(&r->variables, name);
	struct slice none = { 0 };

	if (set) {
		return *set;
	}
	return r->vars ? r->vars->find(r->vars->arg, name) : none;
}

/* Puts in what is known; other variables stay. */
static struct slice filled(const struct reader *r, struct slice s)
{
	struct strbuf out = { .max = FILLED_MAX };

	if (slice_find(s, '$') < 0 || s.len > FILLED_MAX) {
		return s;
	}
	for (size_t i = 0; i < s.len; i++) {
		struct slice name = { 0 }, value = { 0 };
		size_t len = s.p[i] == '$' ? variable_at(slice_from(s, i), &name) : 0;

		if (len) {
			value = value_of(r, name);
		}
		if (value.p) {
			strbuf_add_slice(&out, value);
			i += len - 1;
		} else {
			strbuf_addc(&out, s.p[i]);
		}
	}
	s = arena_slice(r->arena, strbuf_slice(&out));
	strbuf_fini(&out);
	return s;
}

/* ---- directives ---- */

static bool is_in_block(const struct reader *r, const char *name)
{
	return r->depth > 0 && r->depth <= DEPTH_MAX && slice_is(r->blocks[r->depth - 1], name);
}

static bool is_in_stream(const struct reader *r)
{
	for (size_t i = 0; i < r->depth && i < DEPTH_MAX; i++) {
		if (slice_is(r->blocks[i], "stream")) {
			return true;
		}
	}
	return false;
}

static void tell(struct reader *r, enum config_fact_kind kind, const struct word *w,
                 struct slice value, const char *scheme, bool tls, bool udp)
{
	struct config_fact f = { .kind = kind,
		                 .name = r->words[0].s,
		                 .value = value,
		                 .port = { "", 0 },
		                 .scheme = scheme,
		                 .tls = tls,
		                 .udp = udp,
		                 .line = w->line,
		                 .col = w->col };

	if (value.len && !slice_has_prefix(value, SLICE("unix:"))) {
		r->fn(r->arg, &f);
	}
}

static bool has_word(const struct reader *r, const char *word)
{
	for (size_t i = 1; i < r->n; i++) {
		if (slice_is(r->words[i].s, word)) {
			return true;
		}
	}
	return false;
}

static const char *scheme_of_pass(struct slice directive, struct slice target)
{
	static const struct {
		const char *directive, *scheme;
	} known[] = { { "fastcgi_pass", "fastcgi" },
		      { "grpc_pass", "grpc" },
		      { "memcached_pass", "memcached" },
		      { "uwsgi_pass", "uwsgi" },
		      { "scgi_pass", "scgi" } };

	if (slice_has_prefix(target, SLICE("https://"))) {
		return "https";
	}
	if (slice_has_prefix(target, SLICE("http://"))) {
		return "http";
	}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (slice_is(directive, known[i].directive)) {
			return known[i].scheme;
		}
	}
	return "";
}

/* Host of "http://host/x", "host:port", as nginx compares it with names of upstreams. */
static struct slice host_of(struct slice s)
{
	for (size_t i = 0; i + 2 < s.len; i++) {
		if (memcmp(s.p + i, "://", 3) == 0) {
			s = slice_from(s, i + 3);
			break;
		}
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '/' || s.p[i] == '?') {
			return slice_head(s, i);
		}
	}
	return s;
}

static void on_pass(struct reader *r)
{
	struct slice target = filled(r, r->words[1].s), host = host_of(target);
	const char *scheme = scheme_of_pass(r->words[0].s, target);

	if (map_has(&r->upstreams, host)) {
		if (r->collecting) {
			map_set(&r->upstreams, host, (void *)scheme);
		}
		return;
	}
	if (!r->collecting) {
		tell(r, FACT_CALL, &r->words[1], target, scheme, false, false);
	}
}

static void on_listen(struct reader *r)
{
	bool quic = has_word(r, "quic");

	tell(r, FACT_LISTEN, &r->words[1], filled(r, r->words[1].s), is_in_stream(r) ? "" : "http",
	     has_word(r, "ssl") || quic, has_word(r, "udp") || quic);
}

static void on_server_of_upstream(struct reader *r, struct slice upstream)
{
	const char *scheme = map_find(&r->upstreams, upstream);

	tell(r, FACT_CALL, &r->words[1], filled(r, r->words[1].s), scheme ? scheme : "", false,
	     false);
}

static void on_names(struct reader *r)
{
	for (size_t i = 1; i < r->n; i++) {
		struct slice s = r->words[i].s;

		if (slice_find(s, '.') > 0 && s.p[0] != '~' && s.p[0] != '*' &&
		    slice_find(s, '$') < 0) {
			tell(r, FACT_SELF, &r->words[i], s, "", false, false);
		}
	}
}

static void on_resolvers(struct reader *r)
{
	for (size_t i = 1; i < r->n; i++) {
		if (slice_find(r->words[i].s, '=') < 0) {
			tell(r, FACT_RESOLVER, &r->words[i], filled(r, r->words[i].s), "", false,
			     true);
		}
	}
}

static void collect(struct reader *r, bool is_block)
{
	struct slice *value;

	if (is_block && slice_is(r->words[0].s, "upstream")) {
		if (!map_has(&r->upstreams, r->words[1].s)) {
			map_set(&r->upstreams, r->words[1].s, "");
		}
	} else if (slice_is(r->words[0].s, "set") && r->n > 2 && r->words[1].s.len > 1) {
		value = ARENA_NEW(r->arena, struct slice);
		*value = filled(r, r->words[2].s);
		if (value->len < 1024) {
			map_set(&r->variables, slice_from(r->words[1].s, 1), value);
		}
	}
}

static void on_directive(struct reader *r, struct slice upstream)
{
	struct slice name = r->words[0].s;

	if (r->n < 2) {
		return;
	}
	if (slice_has_suffix(name, SLICE("_pass"))) {
		on_pass(r);
	} else if (r->collecting) {
		collect(r, false);
	} else if (slice_is(name, "listen")) {
		on_listen(r);
	} else if (slice_is(name, "server") && is_in_block(r, "upstream")) {
		on_server_of_upstream(r, upstream);
	} else if (slice_is(name, "server_name")) {
		on_names(r);
	} else if (slice_is(name, "resolver")) {
		on_resolvers(r);
	}
}

static void open_block(struct reader *r, struct slice *upstream)
{
	struct slice name = r->n ? r->words[0].s : (struct slice){ "", 0 };

	if (slice_has_suffix(name, SLICE("_by_lua_block"))) {
		skip_block(r);
		r->n = 0;
		return;
	}
	if (r->n > 1) {
		if (r->collecting) {
			collect(r, true);
		}
		if (slice_is(name, "upstream")) {
			*upstream = r->words[1].s;
		}
	}
	if (r->depth < DEPTH_MAX) {
		r->blocks[r->depth] = name;
	}
	r->depth++;
	r->n = 0;
}

static void read_round(struct reader *r)
{
	struct slice upstream = { "", 0 };

	r->at = r->line_at = r->n = r->depth = 0;
	r->line = 1;
	for (;;) {
		struct word w;
		int c;

		skip_blanks(r);
		c = peek(r);
		if (c < 0) {
			return;
		}
		if (c == ';') {
			on_directive(r, upstream);
			r->n = 0;
			step(r);
		} else if (c == '{') {
			step(r);
			open_block(r, &upstream);
		} else if (c == '}') {
			r->depth -= r->depth > 0;
			r->n = 0;
			step(r);
		} else {
			w.line = r->line;
			w.col = (uint32_t)(r->at - r->line_at) + 1;
			w.s = c == '"' || c == '\'' ? read_quoted(r) : read_plain(r);
			if (r->n < WORDS_MAX) {
				r->words[r->n++] = w;
			}
		}
	}
}

void config_nginx(struct arena *a, struct slice text, const struct config_vars *vars,
                  config_fact_fn *fn, void *arg)
{
	struct reader *r = ARENA_NEW(a, struct reader);

	*r = (struct reader){
		.arena = a, .text = text, .vars = vars, .fn = fn, .arg = arg, .collecting = true
	};
	/* upstreams and variables may stand behind their use; the second time through, the passes
	 * that name an upstream tell its scheme */
	for (int i = 0; i < ROUNDS; i++) {
		read_round(r);
	}
	r->collecting = false;
	read_round(r);
	map_fini(&r->upstreams);
	map_fini(&r->variables);
}
