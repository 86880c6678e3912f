/* Why: the host and the path that answer one request, as the engine chooses them from the rendered
 * table, and why each other one does not; see ingress.h. */
#include <regex.h>
#include <string.h>

#include "model/ingress.h"

#define EXPRESSION_MAX 256u /* characters: regcomp's cost grows with them */

struct chooser {
	const struct trace *t;
	struct slice host, path;
};

static void say(const struct chooser *c, const struct val *object, const struct strbuf *text)
{
	if (c->t && c->t->line) {
		c->t->line(c->t->arg, object, strbuf_str(text));
	}
}

/* ---- expressions ---- */

enum fit { FIT_NO, FIT_YES, FIT_UNSURE };

/* One escape or group of the engine's language in that of regcomp; false: it has none. */
static bool translate_escape(struct strbuf *out, char c)
{
	switch (c) {
	case 'd':
		strbuf_adds(out, "[0-9]");
		return true;
	case 'w':
		strbuf_adds(out, "[A-Za-z0-9_]");
		return true;
	case 's':
		strbuf_adds(out, "[ \t]");
		return true;
	default:
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
			return false;
		}
		strbuf_addc(out, '\\');
		strbuf_addc(out, c);
		return true;
	}
}

/* Look-around, lazy and possessive repetition, counted repetition and classes with escapes are left
 * to the engine. */
static bool translate(struct strbuf *out, struct slice re)
{
	bool class = false;

	strbuf_addc(out, '^');
	for (size_t i = 0; i < re.len; i++) {
		char c = re.p[i], next = i + 1 < re.len ? re.p[i + 1] : '\0';

		if (class) {
			if (c == '\\') {
				return false;
			}
			class = c != ']';
			strbuf_addc(out, c);
		} else if (c == '\\') {
			if (!translate_escape(out, next)) {
				return false;
			}
			i++;
		} else if (c == '(' && next == '?') {
			if (i + 2 >= re.len || re.p[i + 2] != ':') {
				return false;
			}
			strbuf_addc(out, '(');
			i += 2;
		} else if (c == '{' ||
		           ((c == '*' || c == '+' || c == '?') && (next == '?' || next == '+'))) {
			return false;
		} else {
			class = c == '[';
			strbuf_addc(out, c);
		}
	}
	return !class;
}

static enum fit expression_fits(struct slice re, struct slice path)
{
	scoped_strbuf struct strbuf text = { 0 }, subject = { 0 };
	regex_t compiled;
	enum fit fit;

	if (re.len > EXPRESSION_MAX || path.len > EXPRESSION_MAX * 16 || !translate(&text, re) ||
	    regcomp(&compiled, strbuf_str(&text), REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0) {
		return FIT_UNSURE;
	}
	strbuf_add_slice(&subject, path);
	fit = regexec(&compiled, strbuf_str(&subject), 0, NULL, 0) == 0 ? FIT_YES : FIT_NO;
	regfree(&compiled);
	return fit;
}

/* ---- paths ---- */

static bool is_below(struct slice path, struct slice prefix)
{
	return slice_has_prefix(path, prefix) &&
	       (prefix.len == 1 || path.len == prefix.len || path.p[prefix.len] == '/');
}

static enum fit path_fits(const struct chooser *c, const struct ingress_host *h,
                          const struct ingress_path *p)
{
	if (h->is_regex) {
		return expression_fits(p->path, c->path);
	}
	switch (p->match) {
	case PATH_EXACT:
		return slice_eq(p->path, c->path) ? FIT_YES : FIT_NO;
	case PATH_PREFIX:
		return is_below(c->path, p->path) ? FIT_YES : FIT_NO;
	case PATH_RAW:
		break;
	}
	return slice_has_prefix(c->path, p->path) ? FIT_YES : FIT_NO;
}

/* The engine's places: "= /x" before all, then the longest text; a Prefix's text ends in '/'. */
static size_t weight_of(const struct chooser *c, const struct ingress_path *p)
{
	if (p->match == PATH_EXACT || (p->match == PATH_PREFIX && slice_eq(p->path, c->path))) {
		return SIZE_MAX - (p->match == PATH_PREFIX);
	}
	return p->path.len + (p->match == PATH_PREFIX && p->path.len > 1);
}

static const struct ingress_path *path_choose(const struct chooser *c, const struct ingress_host *h,
                                              bool *ret_unsure)
{
	const struct ingress_path *best = NULL;

	*ret_unsure = false;
	for (size_t i = 0; i < h->n_paths; i++) {
		enum fit fit = path_fits(c, h, &h->paths[i]);

		if (fit == FIT_UNSURE) {
			*ret_unsure = true;
		}
		if (fit == FIT_YES && h->is_regex) {
			return &h->paths[i];
		}
		if (fit == FIT_YES && (!best || weight_of(c, &h->paths[i]) > weight_of(c, best))) {
			best = &h->paths[i];
		}
	}
	return best;
}

/* ---- narration ---- */

static const char *match_name(const struct ingress_host *h, const struct ingress_path *p)
{
	static const char *const names[] = { "Exact", "Prefix", "ImplementationSpecific" };

	return p->is_default ? "default backend" : h->is_regex ? "expression" : names[p->match];
}

static void add_path_miss(struct strbuf *b, const struct chooser *c, const struct ingress_host *h,
                          const struct ingress_path *p)
{
	bool no_case = p->path.len <= c->path.len &&
	               slice_eq_nocase(slice_head(c->path, p->path.len), p->path);

	if (h->is_regex) {
		strbuf_adds(b, "the expression does not match");
		if (p->match != PATH_RAW) {
			strbuf_adds(b, " (another path of this host uses a rewrite or use-regex, "
			               "so all of them are expressions)");
		}
	} else if (no_case && !slice_has_prefix(c->path, p->path)) {
		strbuf_adds(b, "upper and lower case differ");
	} else if (p->match == PATH_EXACT && slice_has_prefix(c->path, p->path)) {
		strbuf_adds(b, "pathType Exact takes nothing below it");
	} else if (p->match == PATH_PREFIX && slice_has_prefix(c->path, p->path)) {
		strbuf_adds(b, "pathType Prefix compares whole elements between slashes");
	} else if (slice_has_prefix(p->path, c->path)) {
		strbuf_adds(b, "it is longer than the request's path");
	} else {
		strbuf_adds(b, "another path");
	}
}

static void say_path(const struct chooser *c, const struct ingress_host *h,
                     const struct ingress_path *p, const struct ingress_path *chosen)
{
	scoped_strbuf struct strbuf text = { 0 };
	enum fit fit;

	if (!c->t) {
		return;
	}
	fit = path_fits(c, h, p);
	strbuf_addf(&text, "%s " SLICE_FMT " of ingress " SLICE_FMT "/" SLICE_FMT, match_name(h, p),
	            SLICE_ARG(p->path), SLICE_ARG(p->of->ns), SLICE_ARG(p->of->name));
	if (p == chosen) {
		strbuf_addf(&text, " answers " SLICE_FMT, SLICE_ARG(c->path));
	} else if (fit == FIT_YES) {
		strbuf_addf(&text, " would answer, %s takes it",
		            h->is_regex ? "a longer expression" : "a closer path");
	} else if (fit == FIT_UNSURE) {
		strbuf_adds(&text, " is an expression that only the engine can judge");
	} else {
		strbuf_addf(&text, " does not answer " SLICE_FMT ": ", SLICE_ARG(c->path));
		add_path_miss(&text, c, h, p);
	}
	say(c, p->at, &text);
}

/* ---- hosts ---- */

static bool star_fits(struct slice star, struct slice host)
{
	ptrdiff_t dot = slice_find(host, '.');

	return slice_has_prefix(star, SLICE("*.")) && dot > 0 &&
	       slice_eq(slice_from(host, (size_t)dot), slice_from(star, 1));
}

static bool has_alias(const struct ingress_host *h, struct slice host, bool star)
{
	for (size_t i = 0; i < h->n_aliases; i++) {
		if (star ? star_fits(h->aliases[i], host) : slice_eq(h->aliases[i], host)) {
			return true;
		}
	}
	return false;
}

static const struct ingress_host *host_choose(const struct ingress_table *t, struct slice host,
                                              struct ingress_choice *ret)
{
	for (int star = 0; star <= 1; star++) {
		for (size_t i = 0; i < t->n_hosts; i++) {
			const struct ingress_host *h = &t->hosts[i];

			if (h->host.len &&
			    (star ? star_fits(h->host, host)
			          : slice_eq(h->host, host) || slice_eq(h->redirect_from, host))) {
				ret->redirects = !star && slice_eq(h->redirect_from, host) &&
				                 !slice_eq(h->host, host);
				return h;
			}
			if (has_alias(h, host, star == 1)) {
				return h;
			}
		}
	}
	ret->by_other = true;
	return t->n_hosts && t->hosts[0].host.len == 0 ? &t->hosts[0] : NULL;
}

/* Do they differ by little, or lie in one domain? */
static bool is_near(struct slice a, struct slice b)
{
	ptrdiff_t dot_a = slice_find(a, '.'), dot_b = slice_find(b, '.');
	size_t same = 0, end = 0, least = a.len < b.len ? a.len : b.len;

	if (dot_a > 0 && dot_b > 0 &&
	    slice_eq_nocase(slice_from(a, (size_t)dot_a), slice_from(b, (size_t)dot_b))) {
		return true;
	}
	while (same < least && a.p[same] == b.p[same]) {
		same++;
	}
	while (end < least - same && a.p[a.len - 1 - end] == b.p[b.len - 1 - end]) {
		end++;
	}
	return same + end + 2 >= (a.len > b.len ? a.len : b.len);
}

static void say_host(const struct chooser *c, const struct ingress_host *h)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct slice rest = slice_from(h->host, 1);

	strbuf_addf(&text,
	            "host " SLICE_FMT " of ingress " SLICE_FMT "/" SLICE_FMT " is not " SLICE_FMT,
	            SLICE_ARG(h->host), SLICE_ARG(h->of->ns), SLICE_ARG(h->of->name),
	            SLICE_ARG(c->host));
	if (h->host.p[0] == '*' && slice_eq(slice_from(rest, 1), c->host)) {
		strbuf_adds(&text, ": the star stands for one label, not for none");
	} else if (h->host.p[0] == '*' && slice_has_suffix(c->host, rest)) {
		strbuf_adds(&text, ": the star stands for one label, not for several");
	}
	say(c, h->of->ingress, &text);
}

static void say_hosts(const struct chooser *c, const struct ingress_table *t)
{
	for (size_t i = 0; c->t && i < t->n_hosts; i++) {
		const struct ingress_host *h = &t->hosts[i];
		bool star = h->host.len && h->host.p[0] == '*' &&
		            slice_has_suffix(c->host, slice_from(h->host, 2));

		if (h->host.len && (star || is_near(h->host, c->host))) {
			say_host(c, h);
		}
	}
}

struct ingress_choice ingress_choose(const struct ingress_table *t, struct slice host,
                                     struct slice path, const struct trace *trace)
{
	struct chooser c = { trace, host, path };
	struct ingress_choice choice = { 0 };

	choice.host = host_choose(t, host, &choice);
	if (choice.by_other) {
		say_hosts(&c, t);
	}
	if (!choice.host || choice.redirects) {
		return choice;
	}
	choice.path = path_choose(&c, choice.host, &choice.unsure);
	for (size_t i = 0; i < choice.host->n_paths; i++) {
		say_path(&c, choice.host, &choice.host->paths[i], choice.path);
	}
	return choice;
}
