/* Why: whether /api/x arrives as /x, //x or /v1x is decided by two slashes in an nginx configuration; see
 * nginx-location.h. Source: nginx.org, proxy_pass */
#include "analyse/nginx-location.h"

enum { DEPTH_MAX = 32 };

struct scanner {
	struct slice rest;
	nginx_location_fn *fn;
	void *arg;
	struct nginx_location
		open[DEPTH_MAX]; /* by depth of braces; a block that is no location is zeroed */
	unsigned depth;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct scanner *s)
{
	for (;;) {
		while (s->rest.len && is_space(s->rest.p[0])) {
			s->rest = slice_from(s->rest, 1);
		}
		if (!s->rest.len || s->rest.p[0] != '#') {
			return;
		}
		while (s->rest.len && s->rest.p[0] != '\n') {
			s->rest = slice_from(s->rest, 1);
		}
	}
}

/* A word, a text in quotes (without them), or one of ; { }. Empty at the end. */
static struct slice next_token(struct scanner *s)
{
	struct slice t;
	size_t n = 0;
	char quote;

	skip_blanks(s);
	t = s->rest;
	if (!t.len) {
		return t;
	}
	quote = t.p[0];
	if (quote == '"' || quote == '\'') {
		n = 1;
		while (n < t.len && t.p[n] != quote) {
			n += 1 + (t.p[n] == '\\' && n + 1 < t.len);
		}
		s->rest = slice_from(s->rest, n + 1);
		return n > t.len ? slice_from(t, 1) : (struct slice){ t.p + 1, n - 1 };
	}
	if (quote == ';' || quote == '{' || quote == '}') {
		n = 1;
	}
	while (n < t.len && quote != ';' && quote != '{' && quote != '}' && !is_space(t.p[n]) &&
	       t.p[n] != ';' && !(t.p[n] == '{' && (n == 0 || t.p[n - 1] != '$'))) {
		n++;
	}
	s->rest = slice_from(s->rest, n);
	return slice_head(t, n);
}

static bool contains(struct slice s, const char *word)
{
	struct slice w = slice_of(word);

	for (size_t i = 0; i + w.len <= s.len; i++) {
		if (slice_eq((struct slice){ s.p + i, w.len }, w)) {
			return true;
		}
	}
	return false;
}

static void read_location(struct nginx_location *l, const struct slice *words, size_t n)
{
	size_t at = n > 1 && (slice_is(words[0], "~") || slice_is(words[0], "~*") ||
	                      slice_is(words[0], "=") || slice_is(words[0], "^~"))
	                    ? 1
	                    : 0;

	l->path = n ? words[at] : (struct slice){ "", 0 };
	l->is_pattern = n > 1 && words[0].len && words[0].p[0] == '~';
	l->is_socket = contains(l->path, "socket") || contains(l->path, "/ws");
}

static void read_target(struct nginx_location *l, struct slice target)
{
	struct slice rest = target;

	l->target = target;
	l->has_variable = slice_find(target, '$') >= 0;
	for (size_t i = 0; i + 3 <= rest.len; i++) {
		if (slice_eq((struct slice){ rest.p + i, 3 }, SLICE("://"))) {
			ptrdiff_t slash;

			rest = slice_from(rest, i + 3);
			slash = slice_find(rest, '/');
			l->uri = slash < 0 ? (struct slice){ "", 0 }
			                   : slice_from(rest, (size_t)slash);
			return;
		}
	}
	l->uri = (struct slice){ "", 0 };
}

static void simple(struct scanner *s, const struct slice *words, size_t n)
{
	struct nginx_location *l =
		s->depth && s->depth <= DEPTH_MAX ? &s->open[s->depth - 1] : NULL;

	if (!l || !l->path.len || n < 2) {
		return;
	}
	if (slice_is(words[0], "proxy_pass")) {
		read_target(l, words[1]);
	} else if (slice_is(words[0], "proxy_set_header") &&
	           slice_eq_nocase(words[1], SLICE("upgrade"))) {
		l->sets_upgrade = true;
	}
}

static void open_block(struct scanner *s, const struct slice *words, size_t n)
{
	if (s->depth < DEPTH_MAX) {
		s->open[s->depth] = (struct nginx_location){ 0 };
		if (n > 1 && slice_is(words[0], "location")) {
			read_location(&s->open[s->depth], words + 1, n - 1);
		}
	}
	s->depth++;
}

static void close_block(struct scanner *s)
{
	if (s->depth && --s->depth < DEPTH_MAX && s->open[s->depth].path.len &&
	    s->open[s->depth].target.len) {
		s->fn(s->arg, &s->open[s->depth]);
	}
}

void nginx_each_location(struct slice text, nginx_location_fn *fn, void *arg)
{
	struct scanner s = { .rest = text, .fn = fn, .arg = arg };
	struct slice words[8];
	size_t n = 0;

	for (struct slice t = next_token(&s); t.p && (t.len || s.rest.len); t = next_token(&s)) {
		bool mark = t.len == 1 && s.rest.p == t.p + 1;

		if (mark && t.p[0] == ';') {
			simple(&s, words, n);
			n = 0;
		} else if (mark && t.p[0] == '{') {
			open_block(&s, words, n);
			n = 0;
		} else if (mark && t.p[0] == '}') {
			close_block(&s);
			n = 0;
		} else if (n < sizeof(words) / sizeof(words[0])) {
			words[n++] = t;
		}
	}
}
