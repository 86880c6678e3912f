/* Why: a Corefile is words, lines and braces: server blocks of zones hold lines, each a plugin and its arguments,
 * maybe with a block of options; see corefile.h. */
#include "dns/corefile.h"

#include <string.h>

#include "base/mem.h"

enum { WORDS_MAX = 64, ZONES_MAX = 256 };

struct line { /* up to a brace or the line's end */
	struct slice words[WORDS_MAX];
	size_t n;
	unsigned number;
	bool opens, closes; /* ends in '{', is '}' */
};

struct reader {
	struct arena *arena;
	struct slice rest;
	unsigned number; /* of the line that comes */
	const struct upstream *others;
	size_t n_others;
	struct corefile *to;
};

static void note(struct reader *r, const struct line *l, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void note(struct reader *r, const struct line *l, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* NOLINT: callers' formats are checked */
	va_end(ap);
	vec_push(&r->to->notes, arena_printf(r->arena, "line %u: %s", l->number, text));
}

/* ---- words and lines ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice take_word(struct slice *rest)
{
	size_t n = 0;
	struct slice word;

	if (rest->p[0] == '"') {
		struct slice inside = slice_from(*rest, 1);

		while (n < inside.len && inside.p[n] != '"' && inside.p[n] != '\n') {
			n++;
		}
		word = slice_head(inside, n);
		*rest = slice_from(inside, n < inside.len && inside.p[n] == '"' ? n + 1 : n);
		return word;
	}
	while (n < rest->len && !is_blank(rest->p[n]) && rest->p[n] != '\n') {
		n++;
	}
	word = slice_head(*rest, n);
	*rest = slice_from(*rest, n);
	return word;
}

/* The next line that is not empty; false at the end. */
static int next_line(struct reader *r, struct line *l, bool *ret_more, struct err *err)
{
	struct slice text;

	*l = (struct line){ 0 };
	while (!l->n && !l->opens && !l->closes && slice_next(&r->rest, '\n', &text)) {
		l->number = ++r->number;
		for (;;) {
			while (text.len && is_blank(text.p[0])) {
				text = slice_from(text, 1);
			}
			if (!text.len || text.p[0] == '#') {
				break;
			}
			struct slice word = take_word(&text);

			if (l->opens || l->closes || l->n == WORDS_MAX) {
				return err_raise(err, ERR_SYNTAX, "line %u: %s", l->number,
				                 l->n == WORDS_MAX ? "too many words"
				                                   : "a brace ends its line");
			}
			l->opens = slice_is(word, "{");
			l->closes = slice_is(word, "}") && !l->n;
			if (!l->opens && !l->closes) {
				l->words[l->n++] = word;
			}
		}
	}
	*ret_more = l->n || l->opens || l->closes;
	return 0;
}

/* ---- zones ---- */

/* "example.org", "dns://example.org.:53", "."; false: it is no name (a range of addresses, another transport). */
static bool read_zone(struct slice word, uint8_t *ret)
{
	char text[DNS_NAME_SIZE + 1];
	ptrdiff_t colon;

	if (slice_has_prefix(word, SLICE("dns://"))) {
		word = slice_from(word, 6);
	}
	colon = slice_rfind(word, ':');
	if (colon >= 0) {
		word = slice_head(word, (size_t)colon);
	}
	if (!word.len || word.len >= sizeof(text) || slice_find(word, '/') >= 0 ||
	    slice_find(word, ':') >= 0) {
		return false;
	}
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	if (!knot_dname_from_str(ret, text, DNS_NAME_SIZE)) {
		return false;
	}
	knot_dname_to_lower(ret);
	return true;
}

/* ---- forward ---- */

static void add_server(struct reader *r, const struct line *l, struct forward_zone *z,
                       struct slice word)
{
	struct upstream one;

	if (slice_has_prefix(word, SLICE("dns://"))) {
		word = slice_from(word, 6);
	}
	if (word.len && word.p[0] == '/') { /* a resolv.conf */
		for (size_t i = 0; i < r->n_others && z->n < FORWARD_SERVERS; i++) {
			z->servers[z->n++] = r->others[i];
		}
	} else if (!upstream_parse(word, &one)) {
		note(r, l, "forward to " SLICE_FMT " is not possible: no address of a server",
		     SLICE_ARG(slice_head(word, 100)));
	} else if (z->n < FORWARD_SERVERS) {
		z->servers[z->n++] = one;
	}
}

/* forward FROM TO...: for FROM, within each zone of the server. */
static void read_forward(struct reader *r, const struct line *l, const struct forward_zone *blocks,
                         size_t n_blocks)
{
	uint8_t from[DNS_NAME_SIZE];

	if (l->n < 3 || !read_zone(l->words[1], from)) {
		note(r, l, "forward needs a zone and servers");
		return;
	}
	for (size_t i = 0; i < n_blocks && r->to->zones.n < ZONES_MAX; i++) {
		struct forward_zone z = { 0 };
		bool narrower = knot_dname_in_bailiwick(from, blocks[i].name) >= 0;

		if (!narrower && knot_dname_in_bailiwick(blocks[i].name, from) < 0) {
			continue; /* nothing of it comes to this server */
		}
		memcpy(z.name, narrower ? from : blocks[i].name, sizeof(z.name));
		for (size_t w = 2; w < l->n; w++) {
			add_server(r, l, &z, l->words[w]);
		}
		vec_push(&r->to->zones, z);
	}
}

/* ---- server blocks ---- */

/* What this server does without being told, as the shipped Corefile asks for it. */
static bool is_inherent(struct slice plugin)
{
	static const char *const names[] = { "errors",      "health",  "ready", "kubernetes",
		                             "prometheus",  "cache",   "loop",  "reload",
		                             "loadbalance", "bufsize", "log",   "debug" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_is(plugin, names[i])) {
			return true;
		}
	}
	return false;
}

/* To the brace that ends the block whose first line was read. */
static int skip_block(struct reader *r, const struct line *first, struct err *err)
{
	struct line l;
	bool more;
	int depth = 1, e;

	while (depth > 0) {
		e = next_line(r, &l, &more, err);
		if (e < 0) {
			return e;
		}
		if (!more) {
			return err_raise(err, ERR_SYNTAX, "line %u: the block is not closed",
			                 first->number);
		}
		depth += l.opens ? 1 : l.closes ? -1 : 0;
	}
	return 0;
}

static int read_plugins(struct reader *r, const struct line *server,
                        const struct forward_zone *blocks, size_t n_blocks, struct err *err)
{
	struct line l;
	bool more;
	int e;

	for (;;) {
		e = next_line(r, &l, &more, err);
		if (e < 0) {
			return e;
		}
		if (!more) {
			return err_raise(err, ERR_SYNTAX, "line %u: the server block is not closed",
			                 server->number);
		}
		if (l.closes) {
			return 0;
		}
		if (!l.n) {
			return err_raise(err, ERR_SYNTAX, "line %u: a block without a plugin",
			                 l.number);
		}
		if (slice_is(l.words[0], "forward")) {
			read_forward(r, &l, blocks, n_blocks);
		} else if (slice_is(l.words[0], "autopath") && l.n > 1 &&
		           slice_is(l.words[l.n - 1], "@kubernetes")) {
			r->to->autopath = true;
		} else if (!is_inherent(l.words[0])) {
			note(r, &l, "plugin " SLICE_FMT " is not known here and left out",
			     SLICE_ARG(slice_head(l.words[0], 60)));
		}
		e = l.opens ? skip_block(r, &l, err) : 0;
		if (e < 0) {
			return e;
		}
	}
}

static int read_server(struct reader *r, const struct line *l, struct err *err)
{
	struct forward_zone blocks[WORDS_MAX];
	size_t n = 0;

	if (!l->opens || !l->n) {
		return err_raise(err, ERR_SYNTAX, "line %u: a server block is ZONE... {",
		                 l->number);
	}
	if (l->words[0].p[0] == '(') {
		note(r, l, "snippets are not followed");
		return skip_block(r, l, err);
	}
	for (size_t i = 0; i < l->n; i++) {
		struct slice word = l->words[i];

		word.len -= word.len && word.p[word.len - 1] == ',';
		blocks[n] = (struct forward_zone){ 0 };
		if (read_zone(word, blocks[n].name)) {
			n++;
		} else {
			note(r, l, SLICE_FMT " is no zone that can be served here",
			     SLICE_ARG(slice_head(word, 100)));
		}
	}
	return read_plugins(r, l, blocks, n, err);
}

void corefile_fini(struct corefile *c)
{
	vec_fini(&c->zones);
	vec_fini(&c->notes);
}

int corefile_parse(struct arena *a, struct slice text, const struct upstream *others,
                   size_t n_others, struct corefile *ret, struct err *err)
{
	struct reader r = {
		.arena = a, .rest = text, .others = others, .n_others = n_others, .to = ret
	};
	struct line l;
	bool more = true;
	int e = 0;

	*ret = (struct corefile){ 0 };
	while (e == 0) {
		e = next_line(&r, &l, &more, err);
		if (e < 0 || !more) {
			break;
		}
		e = read_server(&r, &l, err);
	}
	if (e < 0) {
		corefile_fini(ret);
		*ret = (struct corefile){ 0 };
	}
	return e;
}
