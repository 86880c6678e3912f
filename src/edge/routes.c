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
	VEC(struct route_backend *) backends;
	VEC(struct route_cert *) certs;
	VEC(struct route_problem) problems;
	VEC(struct route_file) auths;
	const struct asker *of; /* the one being read */
};

/* An Ingress with what its annotations say. */
struct asker {
	const struct doc *doc;
	const struct ingress_settings *settings;
	struct slice ns, name;
};

/* ---- class ---- */

bool routes_is_ours(const struct routes_input *in, const struct val *ingress)
{
	scoped_arena struct arena a = { 0 };
	const struct val **at = ARENA_ARRAY(&a, const struct val *, in->n_classes + 1);

	for (size_t i = 0; i < in->n_classes; i++) {
		at[i] = in->classes[i]->root;
	}
	return ingress_claim_of(&(struct ingress_classes){ .at = at,
	                                                   .n = in->n_classes,
	                                                   .controller = in->controller,
	                                                   .class_name = in->class_name,
	                                                   .without_class = in->without_class },
	                        ingress) == INGRESS_OURS;
}

/* ---- complaints ---- */

static void complain(struct builder *b, const char *reason, const char *text)
{
	const struct route_problem p = { b->of->doc, reason, text };

	vec_push(&b->problems, p);
}

static void on_warning(void *arg, const char *text)
{
	complain(arg, "InvalidAnnotation", text);
}

static void on_problem(void *arg, const struct ingress_reading *of, const struct val *at,
                       const char *reason, const char *text)
{
	struct builder *b = arg;

	(void)at;
	b->of = of->owner;
	complain(b, reason, text);
}

/* ---- backends ---- */

static const struct route_backend *backend_of(struct builder *b, const struct val *backend)
{
	const struct val *service = val_get(backend, "service"), *port = val_get(service, "port");
	struct slice name = val_get_str(service, "name"), port_name = val_get_str(port, "name");
	int64_t number = val_int(val_get(port, "number"), 0);
	struct route_backend found = { .ns = b->of->ns,
		                       .service = name,
		                       .to_cluster_ip = b->of->settings->service_upstream };

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
	found.key = arena_printf(b->a, SLICE_FMT "/" SLICE_FMT ":" SLICE_FMT "%s",
	                         SLICE_ARG(b->of->ns), SLICE_ARG(name), SLICE_ARG(found.port),
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

/* ---- locations ---- */

static void put_canary(struct builder *b, struct route_location *l, const struct ingress_path *p)
{
	const struct route_backend *backend;

	b->of = p->of->owner;
	backend = backend_of(b, p->backend);
	if (backend) { /* else told already; all traffic stays with the main backend */
		l->canary = backend;
		l->canary_settings = b->of->settings;
	}
}

static struct route_location location_of(struct builder *b, const struct ingress_path *p)
{
	const struct route_backend *backend;
	struct route_location l;

	b->of = p->of->owner;
	backend = backend_of(b, p->backend);
	l = (struct route_location){
		.path = p->path,
		.match = p->match,
		.settings = b->of->settings,
		.ns = b->of->ns,
		.ingress = b->of->name,
		.backend = backend,
		.denied = b->of->settings->denied ? b->of->settings->denied
		          : backend               ? NULL
		                                  : "its backend is not usable",
	};
	if (p->canary) {
		put_canary(b, &l, p->canary);
	}
	return l;
}

/* ---- what belongs to the server ---- */

struct cover {
	const struct routes_input *in;
	struct slice ns;
};

static bool secret_covers(void *arg, struct slice secret, struct slice host)
{
	const struct cover *c = arg;

	return route_cert_secret_covers(c->in, c->ns, secret, host);
}

static void add_tls(struct builder *b, struct route_server *s)
{
	struct cover cover = { b->in, b->of->ns };
	const struct val *entry = ingress_tls_for(b->of->doc->root, s->host, secret_covers, &cover);
	struct slice secret = val_get_str(entry, "secretName"), ns = b->of->ns;
	const char *problem = NULL;

	if (!entry) {
		return;
	}
	s->has_tls = true;
	if (secret.len == 0) {
		return;
	}
	for (size_t i = 0; i < b->certs.n && !s->cert; i++) {
		if (slice_eq(b->certs.at[i]->ns, ns) && slice_eq(b->certs.at[i]->name, secret)) {
			s->cert = b->certs.at[i];
		}
	}
	if (!s->cert) {
		struct route_cert *c = route_cert_read(b->a, b->in->secret(b->in->arg, ns, secret),
		                                       ns, secret, &problem);

		if (c) {
			vec_push(&b->certs, c);
			s->cert = c;
		}
	}
	if (s->cert && !route_cert_covers(s->cert, s->host)) {
		problem = arena_printf(b->a, "its certificate does not name host " SLICE_FMT,
		                       SLICE_ARG(s->host));
		s->cert = NULL;
	}
	if (s->cert && b->in->cert_refused &&
	    b->in->cert_refused(b->in->arg, s->cert->file, &problem)) {
		s->cert = NULL;
	}
	if (problem) {
		complain(b, "CertificateProblem",
		         arena_printf(b->a,
		                      "secret " SLICE_FMT
		                      ": %s; the default certificate is served instead",
		                      SLICE_ARG(secret), problem));
	}
}

static struct route_server server_of(struct builder *b, const struct ingress_host *h)
{
	const struct asker *first = h->of->owner;
	struct route_server s = {
		.host = h->host,
		.aliases = h->aliases,
		.n_aliases = h->n_aliases,
		.locations = ARENA_ARRAY(b->a, struct route_location, h->n_paths + 1),
		.is_regex = h->is_regex,
		.redirect_from = h->redirect_from,
		.ns = first->ns,
		.ingress = first->name,
		.settings = first->settings,
		.app_root = first->settings->app_root,
	};

	for (size_t i = 0; i < h->n_paths; i++) {
		s.locations[s.n_locations++] = location_of(b, &h->paths[i]);
	}
	for (size_t i = 0; i < h->n_by && !s.has_tls; i++) {
		b->of = h->by[i]->owner;
		add_tls(b, &s);
	}
	return s;
}

/* ---- one Ingress ---- */

/* htpasswd lines out of the Secret: its key "auth", or a key a user. Without them the route stays
 * shut. */
static void read_auth_file(struct builder *b, struct ingress_settings *s)
{
	const struct doc *secret = b->in->secret(b->in->arg, b->of->ns, s->auth.secret);
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

static struct asker *read_ingress(struct builder *b, const struct doc *d)
{
	struct asker *of = ARENA_NEW(b->a, struct asker);
	struct ingress_settings s;
	const char *why = NULL;

	of->doc = d;
	of->ns = val_str(val_path(d->root, "metadata.namespace"));
	of->name = val_str(val_path(d->root, "metadata.name"));
	b->of = of;
	s = ingress_settings_read(b->a, d->root, b->in->global, on_warning, b);
	if (b->in->refused && b->in->refused(b->in->arg, of->ns, of->name, &why)) {
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
	of->settings = arena_dup(b->a, &s, sizeof(s));
	return of;
}

/* What the checked annotations mean for the choice of paths. */
static struct ingress_reading reading_of(struct asker *of)
{
	const struct ingress_settings *s = of->settings;

	return (struct ingress_reading){ .ingress = of->doc->root,
		                         .ns = of->ns,
		                         .name = of->name,
		                         .use_regex = s->use_regex,
		                         .canary = s->canary.enabled,
		                         .from_to_www = s->from_to_www,
		                         .rewrite_target = s->rewrite_target,
		                         .aliases = s->aliases,
		                         .owner = of };
}

/* ---- all of them ---- */

static int by_precedence(const void *x, const void *y)
{
	return ingress_precedence((*(const struct doc *const *)x)->root,
	                          (*(const struct doc *const *)y)->root);
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
		qsort(r->ingresses, r->n_ingresses, sizeof(*r->ingresses), by_precedence);
	}
}

static void make_servers(struct builder *b, struct routes *r)
{
	struct ingress_reading *in = ARENA_ARRAY(b->a, struct ingress_reading, r->n_ingresses + 1);
	struct ingress_table t;
	size_t n = 0;

	for (size_t i = 0; i < r->n_ingresses; i++) {
		struct asker *of = read_ingress(b, r->ingresses[i]);

		/* A canary that is denied is told already, and takes nothing. */
		if (!of->settings->canary.enabled || !of->settings->denied) {
			in[n++] = reading_of(of);
		}
	}
	t = ingress_table_make(b->a, in, n, on_problem, b);
	r->servers = ARENA_ARRAY(b->a, struct route_server, t.n_hosts + 1);
	for (size_t i = 0; i < t.n_hosts; i++) {
		r->servers[r->n_servers++] = server_of(b, &t.hosts[i]);
	}
}

static void *copy_of(struct arena *a, const void *at, size_t size)
{
	return size ? arena_dup(a, at, size) : NULL;
}

struct routes routes_make(struct arena *a, const struct routes_input *in)
{
	struct builder b = { .a = a, .in = in };
	struct routes r = { 0 };

	choose_ingresses(&b, &r);
	make_servers(&b, &r);
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
