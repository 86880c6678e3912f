/* Why: HAProxy names its servers and its doors line by line. Source: HAProxy configuration manual,
 * sections 2 (format), 4.2 (bind, server, server-template), 5. */
#include "analyse/config.h"

#include <ctype.h>

#include "base/mem.h"

enum { WORDS_MAX = 40 };

struct reader {
	struct arena *arena;
	config_fact_fn *fn;
	void *arg;
	struct slice words[WORDS_MAX];
	size_t n;
	struct slice line_text;
	uint32_t line;
	struct slice section; /* "backend", "resolvers"... */
	bool tcp, tcp_by_default;
};

static void split_line(struct reader *r, struct slice line)
{
	size_t i = 0;

	r->n = 0;
	r->line_text = line;
	while (i < line.len && r->n < WORDS_MAX) {
		size_t from;
		char quote = 0;

		while (i < line.len && isspace((unsigned char)line.p[i])) {
			i++;
		}
		if (i >= line.len || line.p[i] == '#') {
			return;
		}
		from = i;
		while (i < line.len && (quote || !isspace((unsigned char)line.p[i]))) {
			char c = line.p[i];

			if (c == '\\' && i + 1 < line.len) {
				i++;
			} else if (c == quote) {
				quote = 0;
			} else if (!quote && (c == '"' || c == '\'')) {
				quote = c;
			} else if (!quote && c == '#') {
				break;
			}
			i++;
		}
		r->words[r->n] = slice_head(slice_from(line, from), i - from);
		if (r->words[r->n].len > 1 && char_is_one_of(r->words[r->n].p[0], "\"'")) {
			r->words[r->n] =
				slice_head(slice_from(r->words[r->n], 1), r->words[r->n].len - 2);
		}
		r->n++;
	}
}

static bool has_word(const struct reader *r, size_t from, const char *word)
{
	for (size_t i = from; i < r->n; i++) {
		if (slice_is(r->words[i], word)) {
			return true;
		}
	}
	return false;
}

static void tell(struct reader *r, enum config_fact_kind kind, struct slice value, bool tls)
{
	struct config_fact f = { .kind = kind,
		                 .name = r->words[0],
		                 .value = value,
		                 .port = { "", 0 },
		                 .scheme = r->tcp ? ""
		                           : tls  ? "https"
		                                  : "http",
		                 .tls = tls,
		                 .line = r->line,
		                 .col = (uint32_t)(value.p - r->line_text.p) + 1 };

	/* "ipv4@", "ipv6@" stand before addresses; others (unix@, fd@, sockpair@) are no addresses
	 */
	if (slice_has_prefix(value, SLICE("ipv4@")) || slice_has_prefix(value, SLICE("ipv6@"))) {
		f.value = slice_from(value, 5);
	} else if (slice_find(value, '@') >= 0 || slice_has_prefix(value, SLICE("/"))) {
		return;
	}
	if (kind == FACT_LISTEN && slice_has_prefix(f.value, SLICE("*:"))) {
		f.value = slice_from(f.value, 1);
	}
	if (f.value.len) {
		r->fn(r->arg, &f);
	}
}

static void each_listed(struct reader *r, struct slice list, bool tls)
{
	struct slice one;

	while (slice_next(&list, ',', &one)) {
		tell(r, FACT_LISTEN, one, tls);
	}
}

static bool begins_section(struct slice word)
{
	static const char *const sections[] = { "global",     "defaults",  "frontend", "backend",
		                                "listen",     "resolvers", "peers",    "mailers",
		                                "userlist",   "program",   "cache",    "ring",
		                                "http-errors" };

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		if (slice_is(word, sections[i])) {
			return true;
		}
	}
	return false;
}

static void on_line(struct reader *r)
{
	struct slice first = r->words[0];

	if (begins_section(first) && !isspace((unsigned char)r->line_text.p[0])) {
		r->section = first;
		r->tcp = r->tcp_by_default;
	} else if (slice_is(first, "mode") && r->n > 1) {
		r->tcp = slice_is(r->words[1], "tcp");
		if (slice_is(r->section, "defaults")) {
			r->tcp_by_default = r->tcp;
		}
	} else if (slice_is(first, "bind") && r->n > 1) {
		each_listed(r, r->words[1], has_word(r, 2, "ssl"));
	} else if (slice_is(first, "server") && r->n > 2) {
		tell(r, FACT_CALL, r->words[2], has_word(r, 3, "ssl"));
	} else if (slice_is(first, "server-template") && r->n > 3) {
		tell(r, FACT_CALL, r->words[3], has_word(r, 4, "ssl"));
	} else if (slice_is(first, "nameserver") && r->n > 2) {
		tell(r, FACT_RESOLVER, r->words[2], false);
	}
}

void config_haproxy(struct arena *a, struct slice text, config_fact_fn *fn, void *arg)
{
	struct reader *r = ARENA_NEW(a, struct reader);
	struct slice line;

	/* without a mode it is tcp: manual section 4.2, mode */
	*r = (struct reader){ .arena = a,
		              .fn = fn,
		              .arg = arg,
		              .section = { "", 0 },
		              .tcp = true,
		              .tcp_by_default = true };
	while (slice_next(&text, '\n', &line)) {
		r->line++;
		split_line(r, line);
		if (r->n) {
			on_line(r);
		}
	}
}
