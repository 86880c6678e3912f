/* Why: all Ingresses as one table of hosts and paths, conflicts told; see ingress.h. Source:
 * k8s/ingress, ingress-nginx/basic-usage. */
#include "model/ingress.h"

#include <stdlib.h>

#include "base/vec.h"

#define ANNOTATION "nginx.ingress.kubernetes.io/"

/* ---- class ---- */

static const struct val *class_find(const struct ingress_classes *c, struct slice name)
{
	for (size_t i = 0; i < c->n; i++) {
		if (slice_eq(val_str(val_path(c->at[i], "metadata.name")), name)) {
			return c->at[i];
		}
	}
	return NULL;
}

static bool class_is_ours(const struct ingress_classes *c, const struct val *class)
{
	return slice_is(val_str(val_path(class, "spec.controller")), c->controller);
}

static bool default_is_ours(const struct ingress_classes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (slice_is(val_get_str(val_path(c->at[i], "metadata.annotations"),
		                         "ingressclass.kubernetes.io/is-default-class"),
		             "true") &&
		    class_is_ours(c, c->at[i])) {
			return true;
		}
	}
	return false;
}

enum ingress_claim ingress_claim_of(const struct ingress_classes *c, const struct val *ingress)
{
	struct slice name = val_str(val_path(ingress, "spec.ingressClassName"));
	struct slice old = val_get_str(val_path(ingress, "metadata.annotations"),
	                               "kubernetes.io/ingress.class");

	if (name.len) {
		const struct val *class = class_find(c, name);

		return !class                    ? INGRESS_CLASS_MISSING
		       : class_is_ours(c, class) ? INGRESS_OURS
		                                 : INGRESS_CLASS_FOREIGN;
	}
	if (old.len) {
		return slice_is(old, c->class_name) ? INGRESS_OURS : INGRESS_WORD_FOREIGN;
	}
	return c->without_class || default_is_ours(c) ? INGRESS_OURS : INGRESS_UNCLAIMED;
}

/* ---- what is read ---- */

static bool is_canary(const struct val *ingress)
{
	return slice_is(val_get_str(val_path(ingress, "metadata.annotations"), ANNOTATION "canary"),
	                "true");
}

struct ingress_reading ingress_reading_of(const struct val *ingress)
{
	const struct val *meta = val_get(ingress, "metadata");
	const struct val *annotations = val_get(meta, "annotations");

	return (struct ingress_reading){
		.ingress = ingress,
		.ns = val_get_str(meta, "namespace"),
		.name = val_get_str(meta, "name"),
		.use_regex = slice_is(val_get_str(annotations, ANNOTATION "use-regex"), "true"),
		.canary = is_canary(ingress),
		.from_to_www = slice_is(val_get_str(annotations, ANNOTATION "from-to-www-redirect"),
		                        "true"),
		.rewrite_target = val_get_str(annotations, ANNOTATION "rewrite-target"),
		.aliases = val_get_str(annotations, ANNOTATION "server-alias"),
	};
}

int ingress_precedence(const struct val *x, const struct val *y)
{
	const struct val *a = val_get(x, "metadata"), *b = val_get(y, "metadata");
	int c = (int)is_canary(x) - (int)is_canary(y);

	c = c ? c
	      : slice_cmp(val_get_str(a, "creationTimestamp"), val_get_str(b, "creationTimestamp"));
	c = c ? c : slice_cmp(val_get_str(a, "namespace"), val_get_str(b, "namespace"));
	return c ? c : slice_cmp(val_get_str(a, "name"), val_get_str(b, "name"));
}

/* ---- building ---- */

/* A host that still grows. */
struct growing {
	struct ingress_host h;
	VEC(struct ingress_path) paths;
	VEC(struct slice) aliases;
	VEC(const struct ingress_reading *) by;
};
struct builder {
	struct arena *a;
	VEC(struct growing *) hosts;
	ingress_problem_fn *problem;
	void *arg;
	const struct ingress_reading *of; /* the one being read */
};

static void complain(const struct builder *b, const struct val *at, const char *reason,
                     const char *text)
{
	if (b->problem) {
		b->problem(b->arg, b->of, at, reason, text);
	}
}

static struct growing *host_find(const struct builder *b, struct slice host)
{
	for (size_t i = 0; i < b->hosts.n; i++) {
		if (slice_eq(b->hosts.at[i]->h.host, host)) {
			return b->hosts.at[i];
		}
	}
	return NULL;
}

static struct growing *host_need(struct builder *b, struct slice host)
{
	struct growing *g = host_find(b, host);

	if (!g) {
		g = ARENA_NEW(b->a, struct growing);
		g->h = (struct ingress_host){ .host = host, .of = b->of };
		vec_push(&b->hosts, g);
	}
	return g;
}

/* Whether two paths of a host would be the same place: a Prefix "/foo" is "/foo/" and all below it
 * besides "/foo" itself. */
static bool same_place(const struct ingress_path *l, struct slice path, enum ingress_match match)
{
	struct slice mine = l->path;

	if (l->match == match || l->match == PATH_EXACT || match == PATH_EXACT) {
		return l->match == match && slice_eq(mine, path);
	}
	if (l->match == PATH_PREFIX) {
		struct slice t = mine;

		mine = path;
		path = t;
	}
	/* 'mine' is raw, 'path' a prefix without its final '/', unless it is "/". */
	return path.len == 1 ? slice_eq(mine, path)
	                     : mine.len == path.len + 1 && mine.p[path.len] == '/' &&
	                               slice_has_prefix(mine, path);
}

static struct ingress_path *path_find(const struct growing *g, struct slice path,
                                      enum ingress_match match)
{
	for (size_t i = 0; i < g->paths.n; i++) {
		if (same_place(&g->paths.at[i], path, match)) {
			return &g->paths.at[i];
		}
	}
	return NULL;
}

static void add_canary(const struct builder *b, struct growing *g, const struct ingress_path *p)
{
	struct ingress_path *main = g ? path_find(g, p->path, p->match) : NULL;

	if (!main) {
		complain(b, p->at, "CanaryIgnored",
		         arena_printf(b->a,
		                      "no other Ingress has the path " SLICE_FMT
		                      " that this canary is for",
		                      SLICE_ARG(p->path)));
	} else if (main->canary) {
		complain(b, p->at, "CanaryIgnored",
		         arena_printf(b->a, "the path " SLICE_FMT " has a canary already",
		                      SLICE_ARG(p->path)));
	} else {
		main->canary = arena_dup(b->a, p, sizeof(*p));
	}
}

static void add_path(const struct builder *b, struct growing *g, const struct ingress_path *p)
{
	const struct ingress_path *other = path_find(g, p->path, p->match);

	if (other) {
		complain(b, p->at, "PathIgnored",
		         arena_printf(b->a,
		                      "path " SLICE_FMT " of host \"" SLICE_FMT
		                      "\" belongs to the older "
		                      "ingress " SLICE_FMT "/" SLICE_FMT,
		                      SLICE_ARG(p->path), SLICE_ARG(g->h.host),
		                      SLICE_ARG(other->of->ns), SLICE_ARG(other->of->name)));
		return;
	}
	vec_push(&g->paths, *p);
}

/* ---- one Ingress ---- */

static bool path_read(const struct builder *b, const struct val *at, struct ingress_path *ret)
{
	struct slice path = val_get_str(at, "path"), type = val_get_str(at, "pathType");
	bool strict = slice_is(type, "Exact") || slice_is(type, "Prefix");

	if (path.len == 0) {
		path = SLICE("/");
	}
	/* With use-regex the path is an expression whatever its type says. */
	if (strict && !b->of->use_regex ? !ingress_path_is_strict(path)
	                                : !ingress_path_is_regex(path)) {
		complain(b, at, "InvalidPath",
		         arena_printf(b->a,
		                      "path \"" SLICE_FMT
		                      "\" cannot be used with pathType " SLICE_FMT,
		                      SLICE_ARG(path), SLICE_ARG(type)));
		return false;
	}
	ret->match = slice_is(type, "Exact")    ? PATH_EXACT
	             : slice_is(type, "Prefix") ? PATH_PREFIX
	                                        : PATH_RAW;
	/* As a prefix "/foo/" is "/foo". */
	if (ret->match == PATH_PREFIX && !b->of->use_regex && path.len > 1 &&
	    path.p[path.len - 1] == '/') {
		path = slice_head(path, path.len - 1);
	}
	ret->path = arena_slice(b->a, path);
	ret->at = at;
	ret->of = b->of;
	ret->backend = val_get(at, "backend");
	return true;
}

static void read_path(struct builder *b, struct slice host, const struct val *at)
{
	struct ingress_path p = { 0 };
	struct growing *g;

	if (!path_read(b, at, &p)) {
		return;
	}
	if (b->of->canary) {
		add_canary(b, host_find(b, host), &p);
		return;
	}
	g = host_need(b, host);
	g->h.is_regex |= b->of->use_regex ||
	                 (b->of->rewrite_target.len && !slice_eq(b->of->rewrite_target, p.path));
	add_path(b, g, &p);
}

static void read_aliases(const struct builder *b, struct growing *g)
{
	struct slice list = b->of->aliases, item;

	while (slice_next(&list, ',', &item)) {
		item = slice_trim(item);
		if (item.len && !slice_eq(item, g->h.host)) {
			vec_push(&g->aliases, item);
		}
	}
}

static void read_www(const struct builder *b, struct growing *g)
{
	struct slice host = g->h.host;

	if (b->of->from_to_www && host.len && host.p[0] != '*') {
		g->h.redirect_from =
			slice_has_prefix(host, SLICE("www."))
				? slice_from(host, 4)
				: slice_of(arena_printf(b->a, "www." SLICE_FMT, SLICE_ARG(host)));
	}
}

/* What belongs to the whole host is taken from the first Ingress that has a rule for it. */
static void finish_host(const struct builder *b, struct slice host)
{
	struct growing *g = host_find(b, host);

	if (!g || b->of->canary || (g->by.n && g->by.at[g->by.n - 1] == b->of)) {
		return;
	}
	vec_push(&g->by, b->of);
	if (g->h.of == b->of) {
		read_aliases(b, g);
		read_www(b, g);
	}
}

static void read_rule(struct builder *b, const struct val *rule)
{
	struct slice host = val_get_str(rule, "host");
	const struct val *paths = val_path(rule, "http.paths");

	if (host.len && !ingress_host_is_valid(host)) {
		complain(b, rule, "InvalidHost",
		         arena_printf(b->a, "host \"" SLICE_FMT "\" is not a DNS name",
		                      SLICE_ARG(host)));
		return;
	}
	host = arena_slice(b->a, host);
	val_for_each (paths, at) {
		read_path(b, host, at);
	}
	if (val_len(paths) == 0 && !b->of->canary) {
		(void)host_need(b, host);
	}
	finish_host(b, host);
}

/* What no path of its hosts takes goes to the default backend; without rules, what no host takes.
 */
static void read_default(struct builder *b)
{
	const struct val *rules = val_path(b->of->ingress, "spec.rules");
	const struct val *backend = val_path(b->of->ingress, "spec.defaultBackend");
	const struct ingress_path all = { .path = SLICE("/"),
		                          .match = PATH_PREFIX,
		                          .of = b->of,
		                          .at = backend,
		                          .backend = backend,
		                          .is_default = true };

	if (val_is_null(backend) || b->of->canary) {
		return;
	}
	if (val_len(rules) == 0) {
		struct growing *g = host_need(b, SLICE(""));

		if (!path_find(g, all.path, all.match)) {
			add_path(b, g, &all);
		}
		return;
	}
	val_for_each (rules, rule) {
		struct growing *g = host_find(b, val_get_str(rule, "host"));

		if (g && !path_find(g, all.path, all.match)) {
			add_path(b, g, &all);
		}
	}
}

/* ---- all of them ---- */

/* Expressions are tried in their order: the longest first, and the oldest of one length. For other
 * paths the order is for the reader. */
static int by_length(const void *x, const void *y)
{
	const struct ingress_path *a = x, *b = y;

	if (a->path.len != b->path.len) {
		return a->path.len > b->path.len ? -1 : 1;
	}
	if (a->match != b->match) {
		return a->match < b->match ? -1 : 1;
	}
	return slice_cmp(a->path, b->path);
}

static int by_host(const void *x, const void *y)
{
	return slice_cmp(((const struct ingress_host *)x)->host,
	                 ((const struct ingress_host *)y)->host);
}

static bool alias_is_taken(const struct builder *b, const struct growing *g, struct slice alias)
{
	if (host_find(b, alias) || slice_eq(alias, g->h.redirect_from)) {
		return true;
	}
	for (size_t i = 0; i < b->hosts.n && b->hosts.at[i] != g; i++) {
		for (size_t k = 0; k < b->hosts.at[i]->aliases.n; k++) {
			if (slice_eq(b->hosts.at[i]->aliases.at[k], alias)) {
				return true;
			}
		}
	}
	return false;
}

static void drop_taken_names(const struct builder *b, struct growing *g)
{
	if (g->h.redirect_from.len && host_find(b, g->h.redirect_from)) {
		g->h.redirect_from = (struct slice){ 0 };
	}
	for (size_t i = g->aliases.n; i-- > 0;) {
		if (alias_is_taken(b, g, g->aliases.at[i])) {
			vec_remove(&g->aliases, i);
		}
	}
}

static void *copy_of(struct arena *a, const void *at, size_t size)
{
	return size ? arena_dup(a, at, size) : NULL;
}

static void keep_host(const struct builder *b, struct growing *g, struct ingress_host *to)
{
	if (g->paths.n > 1) {
		qsort(g->paths.at, g->paths.n, sizeof(*g->paths.at), by_length);
	}
	*to = g->h;
	to->n_paths = g->paths.n;
	to->paths = copy_of(b->a, g->paths.at, g->paths.n * sizeof(*g->paths.at));
	to->n_aliases = g->aliases.n;
	to->aliases = copy_of(b->a, g->aliases.at, g->aliases.n * sizeof(*g->aliases.at));
	to->n_by = g->by.n;
	to->by = copy_of(b->a, g->by.at, g->by.n * sizeof(const struct ingress_reading *));
	vec_fini(&g->paths);
	vec_fini(&g->aliases);
	vec_fini(&g->by);
}

struct ingress_table ingress_table_make(struct arena *a, const struct ingress_reading *in, size_t n,
                                        ingress_problem_fn *problem, void *arg)
{
	struct builder b = { .a = a, .problem = problem, .arg = arg };
	struct ingress_table t = { 0 };

	for (size_t i = 0; i < n; i++) {
		b.of = &in[i];
		val_for_each (val_path(in[i].ingress, "spec.rules"), rule) {
			read_rule(&b, rule);
		}
		read_default(&b);
	}
	for (size_t i = 0; i < b.hosts.n; i++) {
		drop_taken_names(&b, b.hosts.at[i]);
	}
	t.hosts = ARENA_ARRAY(a, struct ingress_host, b.hosts.n + 1);
	for (size_t i = 0; i < b.hosts.n; i++) {
		keep_host(&b, b.hosts.at[i], &t.hosts[t.n_hosts++]);
	}
	vec_fini(&b.hosts);
	if (t.n_hosts > 1) {
		qsort(t.hosts, t.n_hosts, sizeof(*t.hosts), by_host);
	}
	return t;
}

/* ---- certificates ---- */

static bool lists_host(const struct val *entry, struct slice host)
{
	val_for_each (val_get(entry, "hosts"), it) {
		if (slice_eq_nocase(val_str(it), host)) {
			return true;
		}
	}
	return false;
}

const struct val *ingress_tls_for(const struct val *ingress, struct slice host,
                                  ingress_covers_fn *covers, void *arg)
{
	const struct val *tls = val_path(ingress, "spec.tls");

	if (host.len == 0) {
		return NULL;
	}
	val_for_each (tls, entry) {
		if (lists_host(entry, host)) {
			return entry;
		}
	}
	val_for_each (tls, entry) {
		struct slice secret = val_get_str(entry, "secretName");

		if (secret.len && covers && covers(arg, secret, host)) {
			return entry;
		}
	}
	return NULL;
}
