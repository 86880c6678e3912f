/* Why: .env, properties, ini, TOML and the configuration of Redis, MySQL and PostgreSQL have one
 * shape: a name and a value on a line. */
#include "analyse/config.h"

#include <ctype.h>

#include "base/mem.h"
#include "base/strbuf.h"

/* Names whose value follows after a blank, without '=' or ':'. */
static bool takes_blank(struct slice name)
{
	static const char *const known[] = { "bind",      "port",       "tls-port", "replicaof",
		                             "slaveof",   "listen",     "server",   "sentinel",
		                             "http-port", "nameserver", "listener" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (slice_is(name, known[i])) {
			return true;
		}
	}
	return false;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || char_is_one_of(c, "_.-[]/");
}

static struct slice unquoted(struct slice s)
{
	s = slice_trim(s);
	if (s.len > 1 && char_is_one_of(s.p[0], "\"'") && s.p[s.len - 1] == s.p[0]) {
		return slice_head(slice_from(s, 1), s.len - 2);
	}
	if (s.len > 1 && char_is_one_of(s.p[0], "\"'")) {
		ptrdiff_t end = slice_find(slice_from(s, 1), s.p[0]);

		return end >= 0 ? slice_head(slice_from(s, 1), (size_t)end) : slice_from(s, 1);
	}
	/* a remark behind the value */
	for (size_t i = 1; i < s.len; i++) {
		if (s.p[i] == '#' && isspace((unsigned char)s.p[i - 1])) {
			return slice_trim(slice_head(s, i));
		}
	}
	return s;
}

struct reader {
	struct arena *arena;
	config_fact_fn *fn;
	void *arg;
	struct slice section;
	uint32_t line;
};

static struct slice dotted(struct reader *r, struct slice name)
{
	struct strbuf out = { .max = 512 };

	if (!r->section.len) {
		return name;
	}
	strbuf_addf(&out, SLICE_FMT "." SLICE_FMT, SLICE_ARG(r->section), SLICE_ARG(name));
	name = arena_slice(r->arena, strbuf_slice(&out));
	strbuf_fini(&out);
	return name;
}

static void on_line(struct reader *r, struct slice line)
{
	struct slice s = slice_trim(line), name, value;
	struct config_fact f = {
		.kind = FACT_VALUE, .port = { "", 0 }, .scheme = "", .line = r->line
	};
	size_t n = 0, i;

	if (slice_has_prefix(s, SLICE("export "))) {
		s = slice_trim(slice_from(s, 7));
	}
	if (s.len == 0 || char_is_one_of(s.p[0], "#;!") || slice_has_prefix(s, SLICE("//"))) {
		return;
	}
	if (s.p[0] == '[' && s.p[s.len - 1] == ']') {
		r->section = slice_trim(slice_head(slice_from(s, 1), s.len - 2));
		return;
	}
	while (n < s.len && is_name_char(s.p[n])) {
		n++;
	}
	name = slice_head(s, n);
	for (i = n; i < s.len && (s.p[i] == ' ' || s.p[i] == '\t'); i++) {
	}
	if (i < s.len && (s.p[i] == '=' ||
	                  (s.p[i] == ':' && !slice_has_prefix(slice_from(s, i), SLICE("://"))))) {
		i += s.p[i + 1 < s.len ? i + 1 : i] == '=' && s.p[i] == ':' ? 2 : 1;
	} else if (i == n || !takes_blank(name)) {
		return;
	}
	value = slice_trim(unquoted(slice_from(s, i)));
	if (name.len == 0 || value.len == 0 || value.len > 4096) {
		return;
	}
	f.name = dotted(r, name);
	f.value = value;
	f.col = (uint32_t)(value.p - line.p) + 1;
	if (slice_is(name, "bind") || slice_is(name, "bind-address") ||
	    slice_is(name, "listen_addresses")) {
		struct slice rest = value, one;

		f.kind = FACT_LISTEN;
		while (slice_next(&rest, slice_find(value, ',') >= 0 ? ',' : ' ', &one)) {
			f.value = slice_trim(one);
			/* Redis: "-::1" is no failure when absent */
			if (f.value.len > 1 && f.value.p[0] == '-') {
				f.value = slice_from(f.value, 1);
			}
			if (f.value.len) {
				r->fn(r->arg, &f);
			}
		}
		return;
	}
	if ((slice_is(name, "replicaof") || slice_is(name, "slaveof")) &&
	    slice_cut(value, ' ', &f.value, &f.port)) {
		f.kind = FACT_CALL;
		f.scheme = "redis";
	}
	r->fn(r->arg, &f);
}

void config_lines(struct arena *a, struct slice text, config_fact_fn *fn, void *arg)
{
	struct reader r = { .arena = a, .fn = fn, .arg = arg, .section = { "", 0 } };
	struct slice line;

	while (slice_next(&text, '\n', &line)) {
		r.line++;
		on_line(&r, line);
	}
}
