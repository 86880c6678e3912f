/* Why: one look takes all objects to one configuration; endpoints go their own, faster way. See
 * ingress-priv.h.
 *
 *   objects --look--> routes --render--> text --engine--> nginx -t --ok--> served
 *                       ^                                    |
 *                       +---- the Ingress at fault is denied-+
 *   EndpointSlices --model--> addresses of each backend --engine--> shared memory */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "edge/ingress-priv.h"
#include "edge/nginx.h"
#include "edge/route-cert.h"
#include "http/pki.h"

enum { ENDPOINTS_MAX = 4096 };
static const int64_t settle_us = 20 * US_PER_MS, secret_wait_us = 3 * US_PER_S;

struct secret_watch {
	struct replica *replica;
	struct ingress *in;
	int64_t since_us;
	bool wanted;
};

struct refusal {
	uint64_t wish;
	char *why;
};

/* ---- Secrets: only those that our Ingresses name are ever asked for ---- */

static void on_secret(void *arg, const struct doc *old, const struct doc *now)
{
	struct secret_watch *w = arg;

	(void)old;
	(void)now;
	ingress_sync_soon(w->in);
}

static void on_secret_synced(void *arg)
{
	on_secret(arg, NULL, NULL);
}

static struct slice key_of(struct strbuf *buf, struct slice ns, struct slice name)
{
	strbuf_reset(buf);
	strbuf_addf(buf, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(ns), SLICE_ARG(name));
	return strbuf_slice(buf);
}

static void want_secret(void *arg, struct slice ns, struct slice name)
{
	struct ingress *in = arg;
	scoped_strbuf struct strbuf key = { 0 };
	struct secret_watch *w = map_find(&in->secrets, key_of(&key, ns, name));

	if (!w) {
		scoped_free char *selector =
			mem_printf("metadata.name=" SLICE_FMT, SLICE_ARG(name));
		scoped_free char *ns_text = slice_dup(ns);

		w = NEW(struct secret_watch);
		w->in = in;
		w->since_us = loop_now_us(in->loop);
		w->replica =
			replica_new(in->client, &(struct replica_spec){ .api_version = "v1",
		                                                        .plural = "secrets",
		                                                        .ns = ns_text,
		                                                        .field_selector = selector,
		                                                        .changed = on_secret,
		                                                        .synced = on_secret_synced,
		                                                        .arg = w });
		map_set(&in->secrets, strbuf_slice(&key), w);
	}
	w->wanted = true;
}

static const struct doc *find_secret(void *arg, struct slice ns, struct slice name)
{
	const struct ingress *in = arg;
	scoped_strbuf struct strbuf key = { 0 };
	const struct secret_watch *w = map_find(&in->secrets, key_of(&key, ns, name));

	return w ? replica_find(w->replica, ns, name) : NULL;
}

static void secret_watch_free(struct secret_watch *w)
{
	replica_free(w->replica);
	free(w);
}

/* True when every wanted Secret is known to be there or not. One that the API does not answer for
 * is taken as missing after a while, so that it holds up only itself. */
static bool secrets_are_known(struct ingress *in)
{
	bool all = true;

	for (struct map_iter it = { 0 }; map_next(&in->secrets, &it);) {
		struct secret_watch *w = it.value;

		if (!w->wanted) {
			map_remove(&in->secrets, it.key);
			secret_watch_free(w);
		} else if (!replica_is_synced(w->replica) &&
		           loop_now_us(in->loop) - w->since_us < secret_wait_us) {
			all = false;
		}
	}
	return all;
}

/* ---- objects ---- */

struct gather {
	const struct doc **at;
	size_t n;
};

static bool gather_one(void *arg, const struct doc *d)
{
	struct gather *g = arg;

	g->at[g->n++] = d;
	return true;
}

static struct gather gather_all(struct arena *a, const struct replica *r)
{
	struct gather g = { .at = ARENA_ARRAY(a, const struct doc *, replica_count(r) + 1) };

	replica_each(r, gather_one, &g);
	return g;
}

static bool is_refused(void *arg, struct slice ns, struct slice name, const char **ret_why)
{
	const struct ingress *in = arg;
	scoped_strbuf struct strbuf key = { 0 };
	const struct refusal *f = map_find(&in->refused, key_of(&key, ns, name));
	const struct doc *d = f ? replica_find(in->ingresses, ns, name) : NULL;

	if (!d || ingress_wish_of(d->root) != f->wish) {
		return false; /* it was changed since: another chance */
	}
	*ret_why = f->why;
	return true;
}

static bool is_cert_refused(void *arg, const char *file, const char **ret_why)
{
	const struct ingress *in = arg;
	const char *why = map_find(&in->refused_certs, slice_of(file));

	if (why) {
		*ret_why = why;
	}
	return why != NULL;
}

static void hold(struct ingress *in, const struct doc *d)
{
	vec_push(&in->held, doc_ref(d));
}

static void let_go(struct ingress *in)
{
	for (size_t i = 0; i < in->held.n; i++) {
		doc_unref(in->held.at[i]);
	}
	vec_clear(&in->held);
	in->routes = (struct routes){ 0 };
	in->default_file = NULL;
	arena_reset(&in->arena);
}

static void on_config_warning(void *arg, const char *text)
{
	(void)arg;
	log_odd("ConfigMap: %s", text);
}

/* ---- rendering ---- */

static const struct route_cert *default_cert(struct ingress *in)
{
	const char *problem = NULL;
	struct route_cert *c;

	if (in->o.cert.len == 0) {
		return in->fake_cert;
	}
	c = route_cert_read(&in->arena, find_secret(in, in->o.cert_ns, in->o.cert), in->o.cert_ns,
	                    in->o.cert, &problem);
	if (!c) {
		log_odd("Default certificate cannot be used: %s", problem);
	}
	if (c && is_cert_refused(in, c->file, &problem)) {
		log_odd("Default certificate is refused by nginx: %s", problem);
		c = NULL;
	}
	return c ? c : in->fake_cert;
}

static struct engine_file *files_of(struct ingress *in, const struct route_cert *standard,
                                    size_t *ret_n)
{
	struct arena *a = &in->arena;
	struct engine_file *files =
		ARENA_ARRAY(a, struct engine_file, in->routes.n_certs + in->routes.n_auths + 1);
	size_t n = 0;

	files[n++] =
		(struct engine_file){ arena_printf(a, "ssl/%s", standard->file), standard->pem };
	for (size_t i = 0; i < in->routes.n_certs; i++) {
		files[n++] =
			(struct engine_file){ arena_printf(a, "ssl/%s", in->routes.certs[i].file),
			                      in->routes.certs[i].pem };
	}
	for (size_t i = 0; i < in->routes.n_auths; i++) {
		files[n++] =
			(struct engine_file){ arena_printf(a, "auth/%s", in->routes.auths[i].name),
			                      in->routes.auths[i].text };
	}
	*ret_n = n;
	return files;
}

static void render_and_apply(struct ingress *in, const struct nginx_settings *g)
{
	const struct route_cert *standard = default_cert(in);
	scoped_strbuf struct strbuf text = { 0 };
	struct nginx_layout l = { .dir = in->o.work_dir,
		                  .http_port = in->o.http_port,
		                  .https_port = in->o.https_port,
		                  .default_cert = standard->file,
		                  .as_root = geteuid() == 0,
		                  .resolver = in->resolver.size ? strbuf_str(&in->resolver) : NULL,
		                  .can_log = in->can_log,
		                  .generation = in->generation };
	struct engine_file *files;
	struct err err;
	size_t n;

	in->default_file = standard->file;
	nginx_render(&text, &in->routes, g, &l);
	if (slice_eq(strbuf_slice(&text), strbuf_slice(&in->text))) {
		return; /* the same but for what needs no reload */
	}
	l.generation = ++in->generation;
	strbuf_reset(&text);
	nginx_render(&text, &in->routes, g, &l);
	files = files_of(in, standard, &n);
	if (engine_apply(in->engine, strbuf_slice(&text), in->generation, files, n, &err) < 0) {
		log_broken("Configuration cannot be written: %s", err.msg);
		return;
	}
	strbuf_reset(&in->text);
	strbuf_add_slice(&in->text, strbuf_slice(&text));
}

static void want_secrets(struct ingress *in, const struct routes_input *ri)
{
	for (struct map_iter it = { 0 }; map_next(&in->secrets, &it);) {
		((struct secret_watch *)it.value)->wanted = false;
	}
	for (size_t i = 0; i < ri->n_ingresses; i++) {
		if (routes_is_ours(ri, ri->ingresses[i]->root)) {
			routes_each_secret(ri->ingresses[i]->root, want_secret, in);
		}
	}
	if (in->o.cert.len) {
		want_secret(in, in->o.cert_ns, in->o.cert);
	}
}

static bool replicas_are_synced(const struct ingress *in)
{
	return replica_is_synced(in->ingresses) && replica_is_synced(in->classes) &&
	       replica_is_synced(in->services) && replica_is_synced(in->slices) &&
	       (!in->config || replica_is_synced(in->config));
}

static void sync_now(struct ingress *in)
{
	scoped_arena struct arena a = { 0 };
	struct gather ingresses = gather_all(&a, in->ingresses),
		      classes = gather_all(&a, in->classes);
	const struct doc *config =
		in->config ? replica_find(in->config, in->o.config_ns, in->o.config) : NULL;
	struct routes_input ri = { .ingresses = ingresses.at,
		                   .n_ingresses = ingresses.n,
		                   .classes = classes.at,
		                   .n_classes = classes.n,
		                   .class_name = in->o.class_name,
		                   .controller = in->o.controller,
		                   .without_class = in->o.without_class,
		                   .secret = find_secret,
		                   .refused = is_refused,
		                   .cert_refused = is_cert_refused,
		                   .arg = in };

	want_secrets(in, &ri);
	if (!secrets_are_known(in)) {
		loop_timer_start(in->loop, &in->look, secret_wait_us, in->look.fn);
		return;
	}
	let_go(in);
	struct nginx_settings g = nginx_settings_read(&in->arena, config ? config->root : NULL,
	                                              on_config_warning, in);

	if (config) {
		hold(in, config);
	}
	for (size_t i = 0; i < ingresses.n; i++) {
		hold(in, ingresses.at[i]);
	}
	ri.global = &g;
	in->routes = routes_make(&in->arena, &ri);
	ingress_endpoints_soon(in);
	render_and_apply(in, &g);
	in->synced = true;
	ingress_tell_problems(in);
	ingress_status_write(in);
}

static void on_look(struct loop_timer *t)
{
	struct ingress *in = container_of(t, struct ingress, look);

	if (replicas_are_synced(in)) {
		sync_now(in);
	}
}

void ingress_sync_soon(struct ingress *in)
{
	loop_timer_start(in->loop, &in->look, settle_us, on_look);
}

/* ---- a refused configuration ---- */

static void refuse(struct ingress *in, struct slice ns, struct slice name, struct slice why)
{
	scoped_strbuf struct strbuf key = { 0 };
	const struct doc *d = replica_find(in->ingresses, ns, name);
	struct refusal *f;

	if (!d) {
		return;
	}
	(void)key_of(&key, ns, name);
	f = map_find(&in->refused, strbuf_slice(&key));
	if (!f) {
		f = NEW(struct refusal);
		map_set(&in->refused, strbuf_slice(&key), f);
	}
	free(f->why);
	f->why = slice_dup(slice_head(why, 300));
	f->wish = ingress_wish_of(d->root);
}

static void *mark_of(const struct val *ingress)
{
	return (void *)(uintptr_t)(ingress_wish_of(ingress) | 1);
}

/* What is served now is known to be good. */
void ingress_sync_served(struct ingress *in, unsigned generation)
{
	scoped_strbuf struct strbuf key = { 0 };

	if (generation != in->generation) {
		return; /* the next one is under way already */
	}
	map_fini(&in->good);
	in->good = (struct map){ 0 };
	for (size_t i = 0; i < in->routes.n_ingresses; i++) {
		const struct val *root = in->routes.ingresses[i]->root,
				 *meta = val_get(root, "metadata");

		map_set(&in->good,
		        key_of(&key, val_get_str(meta, "namespace"), val_get_str(meta, "name")),
		        mark_of(root));
	}
}

/* Nothing says whose fault it is: it must be one that is new or changed since the last good
 * configuration. The last to come is tried first. */
static bool refuse_newest(struct ingress *in, struct slice why)
{
	scoped_strbuf struct strbuf key = { 0 };
	const struct val *newest = NULL;
	const char *known;
	uint64_t newest_revision = 0, revision;

	for (size_t i = 0; i < in->routes.n_ingresses; i++) {
		const struct val *root = in->routes.ingresses[i]->root,
				 *meta = val_get(root, "metadata");
		struct slice ns = val_get_str(meta, "namespace"), name = val_get_str(meta, "name");

		if (map_find(&in->good, key_of(&key, ns, name)) != mark_of(root) &&
		    !is_refused(in, ns, name, &known) &&
		    slice_to_u64(val_get_str(meta, "resourceVersion"), &revision) &&
		    revision > newest_revision) {
			newest = root;
			newest_revision = revision;
		}
	}
	if (newest) {
		refuse(in, val_str(val_path(newest, "metadata.namespace")),
		       val_str(val_path(newest, "metadata.name")), why);
	}
	return newest != NULL;
}

/* A certificate that OpenSSL will not have (a short key) is named by its file, not by a line: its
 * hosts get the default one. */
static bool refuse_file(struct ingress *in, const char *file, struct slice why)
{
	if (!memmem(why.p, why.len, file, strlen(file))) {
		return false;
	}
	free(map_set(&in->refused_certs, slice_of(file), slice_dup(slice_head(why, 300))));
	return true;
}

static bool refuse_cert(struct ingress *in, struct slice why)
{
	bool found = in->default_file && in->default_file != in->fake_cert->file &&
	             refuse_file(in, in->default_file, why);

	for (size_t i = 0; !found && i < in->routes.n_certs; i++) {
		found = refuse_file(in, in->routes.certs[i].file, why);
	}
	return found;
}

/* nginx names a line, the line belongs to an Ingress: that one is denied, all others go on. */
void ingress_sync_refused(void *arg, struct slice text, struct slice messages)
{
	struct ingress *in = arg;
	struct slice ns, name, why;
	size_t line = nginx_error_line(messages, &why);
	const char *known;

	if (line && nginx_line_owner(text, line, &ns, &name) && !is_refused(in, ns, name, &known)) {
		log_odd("nginx refuses an Ingress ingress=" SLICE_FMT "/" SLICE_FMT ": " SLICE_FMT,
		        SLICE_ARG(ns), SLICE_ARG(name), SLICE_ARG(why));
		refuse(in, ns, name, why);
		strbuf_reset(&in->text);
		ingress_sync_soon(in);
		return;
	}
	if (refuse_cert(in, nginx_message(messages)) ||
	    refuse_newest(in, nginx_message(messages))) {
		log_odd("nginx refuses a configuration: " SLICE_FMT,
		        SLICE_ARG(slice_head(nginx_message(messages), 500)));
		strbuf_reset(&in->text);
		ingress_sync_soon(in);
		return;
	}
	log_broken("nginx refuses the configuration, the last good one stays: " SLICE_FMT,
	           SLICE_ARG(slice_head(messages, 2000)));
}

/* ---- endpoints ---- */

struct resolving {
	const struct route_backend *backend;
	struct strbuf *out;
	bool is_done;
};

static void add_address(struct strbuf *out, struct ip ip, uint16_t port)
{
	char text[IP_TEXT_SIZE];

	strbuf_addf(out, ip.family == IP_V6 ? "%s[%s]:%u" : "%s%s:%u", out->size ? " " : "",
	            ip_format(ip, text), port);
}

/* Ready ones; when there are none, those that still serve while they terminate. */
static void add_endpoints(struct strbuf *out, const struct service_port *p)
{
	for (int pass = 0; pass < 2 && out->size == 0; pass++) {
		for (size_t i = 0; i < p->n_endpoints && i < ENDPOINTS_MAX; i++) {
			const struct endpoint *e = &p->endpoints[i];

			if (pass == 0 ? e->ready : e->serving) {
				add_address(out, e->ip, e->port);
			}
		}
	}
}

static bool on_service_port(void *arg, const struct service_port *p)
{
	struct resolving *r = arg;
	uint64_t number = 0;
	bool is_number = slice_to_u64(r->backend->port, &number);

	if (p->proto != PROTO_TCP ||
	    (is_number ? p->port != number : !slice_eq(p->name, r->backend->port))) {
		return true;
	}
	if (r->backend->to_cluster_ip) {
		if (p->n_cluster_ips) {
			add_address(r->out, p->cluster_ips[0], p->port);
		}
	} else {
		add_endpoints(r->out, p);
	}
	return false;
}

static void drop_unused(void *arg, struct slice key)
{
	struct ingress *in = arg;

	for (size_t i = 0; i < in->routes.n_backends; i++) {
		if (slice_is(key, in->routes.backends[i].key)) {
			return;
		}
	}
	engine_set_backend(in->engine, key, SLICE(""));
}

static void on_points(struct loop_defer *d)
{
	struct ingress *in = container_of(d, struct ingress, points);
	scoped_strbuf struct strbuf out = { 0 };

	for (size_t i = 0; i < in->routes.n_backends; i++) {
		const struct route_backend *b = &in->routes.backends[i];
		struct resolving r = { b, &out, false };

		strbuf_reset(&out);
		model_each_port_of(in->model, b->ns, b->service, on_service_port, &r);
		engine_set_backend(in->engine, slice_of(b->key), strbuf_slice(&out));
	}
	/* What the old configuration still names is dropped once the new one is served. */
	if (engine_is_settled(in->engine)) {
		engine_each_backend(in->engine, drop_unused, in);
	}
}

void ingress_endpoints_soon(struct ingress *in)
{
	loop_defer(in->loop, &in->points, on_points);
}

/* ---- beginning and end ---- */

int ingress_sync_init(struct ingress *in, struct err *err)
{
	static const char *const organizations[] = { "Acme Co", NULL };
	static const char *const names[] = { "ingress.local", NULL };
	const struct pki_request request = {
		.common_name = "Kubernetes Ingress Controller Fake Certificate",
		.organizations = organizations,
		.dns_names = names,
		.server = true
	};
	struct pki_pair ca = { 0 }, leaf = { 0 };
	const char *problem = NULL;
	int r = pki_make_ca("Kubernetes Ingress Controller Fake Certificate", &ca, err);

	if (r == 0) {
		r = pki_issue(strbuf_slice(&ca.cert), strbuf_slice(&ca.key), &request, &leaf, err);
	}
	if (r == 0) {
		in->fake_cert = route_cert_of_pem(&in->fake_arena, SLICE(""), SLICE(""),
		                                  strbuf_slice(&leaf.cert), strbuf_slice(&leaf.key),
		                                  &problem);
		r = in->fake_cert
		            ? 0
		            : err_raise(err, ERR_INTERNAL, "default certificate: %s", problem);
	}
	pki_pair_fini(&ca);
	pki_pair_fini(&leaf);
	return r;
}

void ingress_sync_fini(struct ingress *in)
{
	loop_timer_stop(&in->look);
	loop_defer_cancel(&in->points);
	for (struct map_iter it = { 0 }; map_next(&in->secrets, &it);) {
		secret_watch_free(it.value);
	}
	map_fini(&in->secrets);
	for (struct map_iter it = { 0 }; map_next(&in->refused, &it);) {
		free(((struct refusal *)it.value)->why);
		free(it.value);
	}
	map_fini(&in->refused);
	map_fini(&in->good);
	for (struct map_iter it = { 0 }; map_next(&in->refused_certs, &it);) {
		free(it.value);
	}
	map_fini(&in->refused_certs);
	let_go(in);
	vec_fini(&in->held);
	arena_fini(&in->arena);
	arena_fini(&in->fake_arena);
	strbuf_fini(&in->text);
	strbuf_fini(&in->resolver);
}
