/* Why: the meaning of Ingress objects, apart from any engine's language; see routes.h. */
#include "edge/routes.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/vec.h"
#include "edge/nginx-text.h"
#include "edge/route-cert.h"

struct builder {
	struct arena *a;
	const struct routes_input *in;
	VEC(struct build_server *) servers;
	VEC(struct route_backend *) backends;
	VEC(struct route_cert *) certs;
	VEC(struct route_problem) problems;
	VEC(struct route_file) auths;
	const struct doc *ingress; /* the one being read */
	const struct ingress_settings *settings;
	struct slice ns, name;
};

/* A server that still grows. */
struct build_server {
	struct route_server s;
	VEC(struct route_location) locations;
	VEC(struct slice) aliases;
};

/* ---- class ---- */

static const struct val *class_find(const struct routes_input *in, struct slice name)
{
	for (size_t i = 0; i < in->n_classes; i++) {
		if (slice_eq(val_str(val_path(in->classes[i]->root, "metadata.name")), name)) {
			return in->classes[i]->root;
		}
	}
	return NULL;
}

static bool class_is_ours(const struct routes_input *in, const struct val *class)
{
	return slice_is(val_str(val_path(class, "spec.controller")), in->controller);
}

static bool default_is_ours(const struct routes_input *in)
{
	for (size_t i = 0; i < in->n_classes; i++) {
		const struct val *annotations =
			val_path(in->classes[i]->root, "metadata.annotations");

		if (slice_is(
			    val_get_str(annotations, "ingressclass.kubernetes.io/is-default-class"),
			    "true") &&
		    class_is_ours(in, in->classes[i]->root)) {
			return true;
		}
	}
	return false;
}

bool routes_is_ours(const struct routes_input *in, const struct val *ingress)
{
	struct slice name = val_str(val_path(ingress, "spec.ingressClassName"));
	struct slice old = val_get_str(val_path(ingress, "metadata.annotations"),
	                               "kubernetes.io/ingress.class");

	if (name.len) {
		return class_is_ours(in, class_find(in, name));
	}
	if (old.len) {
		return slice_is(old, in->class_name);
	}
	return in->without_class || default_is_ours(in);
}

/* ---- complaints ---- */

static void complain(struct builder *b, const char *reason, const char *text)
{
	const struct route_problem p = { b->ingress, reason, text };

	vec_push(&b->problems, p);
}

static void on_warning(void *arg, const char *text)
{
	complain(arg, "InvalidAnnotation", text);
}

/* ---- backends ---- */

static const struct route_backend *backend_of(struct builder *b, const struct val *backend)
{
	const struct val *service = val_get(backend, "service"), *port = val_get(service, "port");
	struct slice name = val_get_str(service, "name"), port_name = val_get_str(port, "name");
	int64_t number = val_int(val_get(port, "number"), 0);
	struct route_backend found = { .ns = b->ns,
		                       .service = name,
		                       .to_cluster_ip = b->settings->service_upstream };

	if (!val_is_null(val_get(backend, "resource"))) {
		complain(b, "UnsupportedBackend", "a backend of kind resource is not supported");
		return NULL;
	}
	found.port = number > 0 && number < 65536 ? slice_of(arena_printf(b->a, "%d", (int)number))
	                                          : port_name;
	if (!nginx_name_is_valid(name) || !nginx_name_is_valid(found.port)) {
		complain(b, "InvalidBackend", "the backend's service needs a name and a port");
		return NULL;
	}
	found.key = arena_printf(b->a, SLICE_FMT "/" SLICE_FMT ":" SLICE_FMT "%s", SLICE_ARG(b->ns),
	                         SLICE_ARG(name), SLICE_ARG(found.port),
	                         found.to_cluster_ip ? "@ip" : "");
	for (size_t i = 0; i < b->backends.n; i++) {
		if (strcmp(b->backends.at[i]->key, found.key) == 0) {
			return b->backends.at[i];
		}
	}
	struct route_backend *kept = arena_dup(b->a, &found, sizeof(found));

	vec_push(&b->backends, kept);
	return kept;
}

/* ---- servers ---- */

static struct build_server *server_find(struct builder *b, struct slice host)
{
	for (size_t i = 0; i < b->servers.n; i++) {
		if (slice_eq(b->servers.at[i]->s.host, host)) {
			return b->servers.at[i];
		}
	}
	return NULL;
}

static struct build_server *server_need(struct builder *b, struct slice host)
{
	struct build_server *s = server_find(b, host);

	if (!s) {
		s = ARENA_NEW(b->a, struct build_server);
		s->s = (struct route_server){
			.host = host, .ns = b->ns, .ingress = b->name, .settings = b->settings
		};
		vec_push(&b->servers, s);
	}
	return s;
}

/* ---- locations ---- */

/* The text after which nginx would call two locations duplicates: a Prefix "/foo" is the location
 * "/foo/" besides "= /foo". */
static bool same_place(const struct route_location *l, struct slice path, enum route_match match)
{
	struct slice mine = l->path;

	if (l->match == match || l->match == ROUTE_EXACT || match == ROUTE_EXACT) {
		return l->match == match && slice_eq(mine, path);
	}
	if (l->match == ROUTE_PREFIX) {
		struct slice t = mine;

		mine = path;
		path = t;
	}
	/* 'mine' is raw, 'path' a prefix without its final '/', unless it is "/". */
	return path.len == 1 ? slice_eq(mine, path)
	                     : mine.len == path.len + 1 && mine.p[path.len] == '/' &&
	                               slice_has_prefix(mine, path);
}

static struct route_location *location_find(struct build_server *s, struct slice path,
                                            enum route_match match)
{
	for (size_t i = 0; i < s->locations.n; i++) {
		if (same_place(&s->locations.at[i], path, match)) {
			return &s->locations.at[i];
		}
	}
	return NULL;
}

static void add_canary(struct builder *b, struct build_server *s, struct slice path,
                       enum route_match match, const struct route_backend *backend)
{
	struct route_location *main = s ? location_find(s, path, match) : NULL;

	if (b->settings->denied || !backend) {
		return; /* told already; all traffic stays with the main backend */
	}
	if (!main) {
		complain(b, "CanaryIgnored",
		         arena_printf(b->a,
		                      "no other Ingress has the path " SLICE_FMT
		                      " that this canary is for",
		                      SLICE_ARG(path)));
	} else if (main->canary) {
		complain(b, "CanaryIgnored",
		         arena_printf(b->a, "the path " SLICE_FMT " has a canary already",
		                      SLICE_ARG(path)));
	} else {
		main->canary = backend;
		main->canary_settings = b->settings;
	}
}

static void add_location(struct builder *b, struct build_server *s, struct slice path,
                         enum route_match match, const struct route_backend *backend)
{
	const struct route_location *other = location_find(s, path, match);
	const struct route_location l = {
		.path = path,
		.match = match,
		.settings = b->settings,
		.ns = b->ns,
		.ingress = b->name,
		.backend = backend,
		.denied = b->settings->denied ? b->settings->denied
		          : backend           ? NULL
		                              : "its backend is not usable",
	};

	if (other) {
		complain(b, "PathIgnored",
		         arena_printf(b->a,
		                      "path " SLICE_FMT " of host \"" SLICE_FMT
		                      "\" belongs to the older "
		                      "ingress " SLICE_FMT "/" SLICE_FMT,
		                      SLICE_ARG(path), SLICE_ARG(s->s.host), SLICE_ARG(other->ns),
		                      SLICE_ARG(other->ingress)));
		return;
	}
	vec_push(&s->locations, l);
}

static bool path_read(struct builder *b, const struct val *p, struct slice *ret_path,
                      enum route_match *ret_match)
{
	struct slice path = val_get_str(p, "path"), type = val_get_str(p, "pathType");
	bool strict = slice_is(type, "Exact") || slice_is(type, "Prefix");

	if (path.len == 0) {
		path = SLICE("/");
	}
	/* With use-regex the path is an expression whatever its type says. */
	if (strict && !b->settings->use_regex ? !nginx_path_is_strict(path)
	                                      : !nginx_path_is_regex(path)) {
		complain(b, "InvalidPath",
		         arena_printf(b->a,
		                      "path \"" SLICE_FMT
		                      "\" cannot be used with pathType " SLICE_FMT,
		                      SLICE_ARG(path), SLICE_ARG(type)));
		return false;
	}
	*ret_match = slice_is(type, "Exact")    ? ROUTE_EXACT
	             : slice_is(type, "Prefix") ? ROUTE_PREFIX
	                                        : ROUTE_RAW;
	/* As a prefix "/foo/" is "/foo". */
	if (*ret_match == ROUTE_PREFIX && !b->settings->use_regex && path.len > 1 &&
	    path.p[path.len - 1] == '/') {
		path = slice_head(path, path.len - 1);
	}
	*ret_path = arena_slice(b->a, path);
	return true;
}

static bool uses_regex(const struct builder *b, struct slice path)
{
	return b->settings->use_regex ||
	       (b->settings->rewrite_target.len && !slice_eq(b->settings->rewrite_target, path));
}

static bool host_read(struct builder *b, const struct val *rule, struct slice *ret_host)
{
	struct slice host = val_get_str(rule, "host");

	if (host.len && !nginx_host_is_valid(host)) {
		complain(b, "InvalidHost",
		         arena_printf(b->a, "host \"" SLICE_FMT "\" is not a DNS name",
		                      SLICE_ARG(host)));
		return false;
	}
	*ret_host = arena_slice(b->a, host);
	return true;
}

static void read_path(struct builder *b, struct slice host, const struct val *p)
{
	struct build_server *s;
	struct slice path;
	enum route_match match;

	if (!path_read(b, p, &path, &match)) {
		return;
	}
	if (b->settings->canary.enabled) {
		add_canary(b, server_find(b, host), path, match,
		           backend_of(b, val_get(p, "backend")));
		return;
	}
	s = server_need(b, host);
	s->s.is_regex |= uses_regex(b, path);
	add_location(b, s, path, match, backend_of(b, val_get(p, "backend")));
}

/* ---- what belongs to the server ---- */

static void add_aliases(struct builder *b, struct build_server *s)
{
	struct slice list = b->settings->aliases, item;

	while (slice_next(&list, ',', &item)) {
		item = slice_trim(item);
		if (item.len && !slice_eq(item, s->s.host)) {
			vec_push(&s->aliases, item);
		}
	}
}

static void add_www(struct builder *b, struct build_server *s)
{
	struct slice host = s->s.host;

	if (!b->settings->from_to_www || host.len == 0 || host.p[0] == '*') {
		return;
	}
	s->s.redirect_from =
		slice_has_prefix(host, SLICE("www."))
			? slice_from(host, 4)
			: slice_of(arena_printf(b->a, "www." SLICE_FMT, SLICE_ARG(host)));
}

static void add_tls(struct builder *b, struct build_server *s)
{
	const struct val *tls = val_path(b->ingress->root, "spec.tls");
	const char *problem = NULL;

	if (s->s.has_tls || s->s.host.len == 0 || val_len(tls) == 0) {
		return;
	}
	struct slice secret = route_cert_secret_for(tls, s->s.host, b->in, b->ns, &s->s.has_tls);

	if (!s->s.has_tls || secret.len == 0) {
		return;
	}
	for (size_t i = 0; i < b->certs.n && !s->s.cert; i++) {
		if (slice_eq(b->certs.at[i]->ns, b->ns) && slice_eq(b->certs.at[i]->name, secret)) {
			s->s.cert = b->certs.at[i];
		}
	}
	if (!s->s.cert) {
		struct route_cert *c = route_cert_read(
			b->a, b->in->secret(b->in->arg, b->ns, secret), b->ns, secret, &problem);

		if (c) {
			vec_push(&b->certs, c);
			s->s.cert = c;
		}
	}
	if (s->s.cert && !route_cert_covers(s->s.cert, s->s.host)) {
		problem = arena_printf(b->a, "its certificate does not name host " SLICE_FMT,
		                       SLICE_ARG(s->s.host));
		s->s.cert = NULL;
	}
	if (s->s.cert && b->in->cert_refused &&
	    b->in->cert_refused(b->in->arg, s->s.cert->file, &problem)) {
		s->s.cert = NULL;
	}
	if (problem) {
		complain(b, "CertificateProblem",
		         arena_printf(b->a,
		                      "secret " SLICE_FMT
		                      ": %s; the default certificate is served instead",
		                      SLICE_ARG(secret), problem));
	}
}

static void finish_host(struct builder *b, struct slice host)
{
	struct build_server *s = server_find(b, host);

	if (!s || b->settings->canary.enabled) {
		return;
	}
	add_tls(b, s);
	if (s->s.settings == b->settings) {
		s->s.app_root = b->settings->app_root;
		add_aliases(b, s);
		add_www(b, s);
	}
}

/* ---- one Ingress ---- */

static void read_rules(struct builder *b)
{
	val_for_each (val_path(b->ingress->root, "spec.rules"), rule) {
		struct slice host;

		if (!host_read(b, rule, &host)) {
			continue;
		}
		val_for_each (val_path(rule, "http.paths"), p) {
			read_path(b, host, p);
		}
		if (val_len(val_path(rule, "http.paths")) == 0 && !b->settings->canary.enabled) {
			(void)server_need(b, host);
		}
		finish_host(b, host);
	}
}

/* What no path of its hosts takes goes to the default backend; without rules, what no host takes.
 */
static void read_default(struct builder *b)
{
	const struct val *backend = val_path(b->ingress->root, "spec.defaultBackend");
	const struct val *rules = val_path(b->ingress->root, "spec.rules");

	if (val_is_null(backend) || b->settings->canary.enabled) {
		return;
	}
	if (val_len(rules) == 0) {
		struct build_server *s = server_need(b, SLICE(""));

		if (!location_find(s, SLICE("/"), ROUTE_PREFIX)) {
			add_location(b, s, SLICE("/"), ROUTE_PREFIX, backend_of(b, backend));
		}
		return;
	}
	val_for_each (rules, rule) {
		struct build_server *s = server_find(b, val_get_str(rule, "host"));

		if (s && !location_find(s, SLICE("/"), ROUTE_PREFIX)) {
			add_location(b, s, SLICE("/"), ROUTE_PREFIX, backend_of(b, backend));
		}
	}
}

/* htpasswd lines out of the Secret: its key "auth", or a key a user. Without them the route stays
 * shut. */
static void read_auth_file(struct builder *b, struct ingress_settings *s)
{
	const struct doc *secret = b->in->secret(b->in->arg, b->ns, s->auth.secret);
	scoped_strbuf struct strbuf text = { 0 };

	val_for_each (secret ? val_get(secret->root, "data") : NULL, it) {
		if (!s->auth.map && slice_is(it->key, "auth")) {
			(void)base64_decode(&text, val_str(it));
		} else if (s->auth.map && nginx_token_is_valid(it->key)) {
			strbuf_addf(&text, SLICE_FMT ":", SLICE_ARG(it->key));
			(void)base64_decode(&text, val_str(it));
			strbuf_addc(&text, '\n');
		}
	}
	if (text.size == 0) {
		s->denied = arena_printf(b->a, "secret " SLICE_FMT " has no passwords",
		                         SLICE_ARG(s->auth.secret));
		complain(b, "InvalidAnnotation",
		         arena_printf(b->a,
		                      INGRESS_PREFIX
		                      "auth-secret: %s; the routes answer 503 until it is "
		                      "put right",
		                      s->denied));
		return;
	}
	const struct route_file f = { .name = route_file_name(b->a, strbuf_slice(&text)),
		                      .text = arena_slice(b->a, strbuf_slice(&text)) };

	s->auth.file = f.name;
	vec_push(&b->auths, f);
}

static void begin_ingress(struct builder *b, const struct doc *d)
{
	const char *why = NULL;

	b->ingress = d;
	b->ns = val_str(val_path(d->root, "metadata.namespace"));
	b->name = val_str(val_path(d->root, "metadata.name"));
	struct ingress_settings s =
		ingress_settings_read(b->a, d->root, b->in->global, on_warning, b);

	if (b->in->refused && b->in->refused(b->in->arg, b->ns, b->name, &why)) {
		s = (struct ingress_settings){ .denied = why };
		complain(b, "Rejected",
		         arena_printf(b->a,
		                      "nginx refuses what this Ingress asks for (%s); its routes "
		                      "answer 503",
		                      why));
	}
	if (s.auth.enabled && !s.denied) {
		read_auth_file(b, &s);
	}
	b->settings = arena_dup(b->a, &s, sizeof(s));
}

/* ---- all of them ---- */

static int by_age(const void *x, const void *y)
{
	const struct val *a = val_get((*(const struct doc *const *)x)->root, "metadata");
	const struct val *b = val_get((*(const struct doc *const *)y)->root, "metadata");
	int c = slice_cmp(val_get_str(a, "creationTimestamp"), val_get_str(b, "creationTimestamp"));

	c = c ? c : slice_cmp(val_get_str(a, "namespace"), val_get_str(b, "namespace"));
	return c ? c : slice_cmp(val_get_str(a, "name"), val_get_str(b, "name"));
}

static void choose_ingresses(struct builder *b, struct routes *r)
{
	r->ingresses = ARENA_ARRAY(b->a, const struct doc *, b->in->n_ingresses + 1);
	for (size_t i = 0; i < b->in->n_ingresses; i++) {
		const struct doc *d = b->in->ingresses[i];
		const struct val *meta = val_get(d->root, "metadata");

		if (routes_is_ours(b->in, d->root) &&
		    val_is_null(val_get(meta, "deletionTimestamp")) &&
		    nginx_name_is_valid(val_get_str(meta, "namespace")) &&
		    nginx_name_is_valid(val_get_str(meta, "name"))) {
			r->ingresses[r->n_ingresses++] = d;
		}
	}
	if (r->n_ingresses > 1) {
		qsort(r->ingresses, r->n_ingresses, sizeof(*r->ingresses), by_age);
	}
}

/* nginx tries regular expressions in their order: the longest first, and the oldest of one length.
 * For the other locations the order does not matter, so they are kept readable the same way. */
static int by_length(const void *x, const void *y)
{
	const struct route_location *a = x, *b = y;

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
	return slice_cmp(((const struct route_server *)x)->host,
	                 ((const struct route_server *)y)->host);
}

static void *copy_of(struct arena *a, const void *at, size_t size)
{
	return size ? arena_dup(a, at, size) : NULL;
}

static void drop_taken_names(struct builder *b, struct build_server *s)
{
	if (s->s.redirect_from.len && server_find(b, s->s.redirect_from)) {
		s->s.redirect_from = (struct slice){ 0 };
	}
	for (size_t i = s->aliases.n; i-- > 0;) {
		bool taken = server_find(b, s->aliases.at[i]) ||
		             slice_eq(s->aliases.at[i], s->s.redirect_from);

		for (size_t j = 0; !taken && j < b->servers.n && b->servers.at[j] != s; j++) {
			for (size_t k = 0; !taken && k < b->servers.at[j]->aliases.n; k++) {
				taken = slice_eq(b->servers.at[j]->aliases.at[k], s->aliases.at[i]);
			}
		}
		if (taken) {
			vec_remove(&s->aliases, i);
		}
	}
}

static void keep_servers(struct builder *b, struct routes *r)
{
	r->servers = ARENA_ARRAY(b->a, struct route_server, b->servers.n + 1);
	for (size_t i = 0; i < b->servers.n; i++) {
		drop_taken_names(b, b->servers.at[i]);
	}
	for (size_t i = 0; i < b->servers.n; i++) {
		struct build_server *s = b->servers.at[i];
		struct route_server *to = &r->servers[r->n_servers++];

		if (s->locations.n > 1) {
			qsort(s->locations.at, s->locations.n, sizeof(*s->locations.at), by_length);
		}
		*to = s->s;
		to->n_locations = s->locations.n;
		to->locations =
			copy_of(b->a, s->locations.at, s->locations.n * sizeof(*s->locations.at));
		to->n_aliases = s->aliases.n;
		to->aliases = copy_of(b->a, s->aliases.at, s->aliases.n * sizeof(*s->aliases.at));
		vec_fini(&s->locations);
		vec_fini(&s->aliases);
	}
	if (r->n_servers > 1) {
		qsort(r->servers, r->n_servers, sizeof(*r->servers), by_host);
	}
}

struct routes routes_make(struct arena *a, const struct routes_input *in)
{
	struct builder b = { .a = a, .in = in };
	struct routes r = { 0 };

	choose_ingresses(&b, &r);
	/* Canaries last: they hang on to what the others define. */
	for (int canaries = 0; canaries <= 1; canaries++) {
		for (size_t i = 0; i < r.n_ingresses; i++) {
			const struct val *annotations =
				val_path(r.ingresses[i]->root, "metadata.annotations");

			if (slice_is(val_get_str(annotations, INGRESS_PREFIX "canary"), "true") ==
			    (canaries == 1)) {
				begin_ingress(&b, r.ingresses[i]);
				read_rules(&b);
				read_default(&b);
			}
		}
	}
	keep_servers(&b, &r);
	vec_fini(&b.servers);
	r.problems = copy_of(a, b.problems.at, b.problems.n * sizeof(*b.problems.at));
	r.n_problems = b.problems.n;
	vec_fini(&b.problems);
	r.auths = copy_of(a, b.auths.at, b.auths.n * sizeof(*b.auths.at));
	r.n_auths = b.auths.n;
	vec_fini(&b.auths);
	r.certs = ARENA_ARRAY(a, struct route_cert, b.certs.n + 1);
	for (size_t i = 0; i < b.certs.n; i++) {
		r.certs[r.n_certs++] = *b.certs.at[i];
	}
	vec_fini(&b.certs);
	r.backends = ARENA_ARRAY(a, struct route_backend, b.backends.n + 1);
	for (size_t i = 0; i < b.backends.n; i++) {
		r.backends[r.n_backends++] = *b.backends.at[i];
	}
	vec_fini(&b.backends);
	return r;
}

void routes_each_secret(const struct val *ingress,
                        void (*fn)(void *arg, struct slice ns, struct slice name), void *arg)
{
	struct slice ns = val_str(val_path(ingress, "metadata.namespace"));
	struct slice auth = val_get_str(val_path(ingress, "metadata.annotations"),
	                                INGRESS_PREFIX "auth-secret");
	ptrdiff_t slash = slice_find(auth, '/');

	val_for_each (val_path(ingress, "spec.tls"), t) {
		if (val_get_str(t, "secretName").len) {
			fn(arg, ns, val_get_str(t, "secretName"));
		}
	}
	if (slash >= 0) {
		if (!slice_eq(slice_head(auth, (size_t)slash), ns)) {
			return;
		}
		auth = slice_from(auth, (size_t)slash + 1);
	}
	if (auth.len) {
		fn(arg, ns, auth);
	}
}
