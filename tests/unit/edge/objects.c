#include "objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/mem.h"
#include "codec/yaml.h"
#include "http/pki.h"

static const struct doc *find_secret(void *arg, struct slice ns, struct slice name)
{
	const struct objects *o = arg;

	for (size_t i = 0; i < o->n; i++) {
		const struct val *v = o->docs[i]->root, *meta = val_get(v, "metadata");

		if (slice_is(val_get_str(v, "kind"), "Secret") &&
		    slice_eq(val_get_str(meta, "namespace"), ns) &&
		    slice_eq(val_get_str(meta, "name"), name)) {
			return o->docs[i];
		}
	}
	return NULL;
}

static void no_warning(void *arg, const char *text)
{
	(void)arg;
	fail_msg("%s", text);
}

struct objects *objects_new(void)
{
	struct objects *o = NEW(struct objects);

	o->global = nginx_settings_read(&o->arena, NULL, no_warning, NULL);
	objects_add(o, "kind: IngressClass\nmetadata: {name: nginx}\nspec: {controller: "
	               "k8s.io/ingress-nginx}\n");
	o->in = (struct routes_input){ .class_name = "nginx",
		                       .controller = "k8s.io/ingress-nginx",
		                       .secret = find_secret,
		                       .arg = o };
	return o;
}

void objects_free(struct objects *o)
{
	for (size_t i = 0; i < o->n; i++) {
		doc_unref(o->docs[i]);
	}
	strbuf_fini(&o->text);
	arena_fini(&o->arena);
	free(o);
}

void objects_add(struct objects *o, const char *yaml)
{
	struct doc *d = doc_new();
	struct err err;
	int r = yaml_parse(&d->arena, slice_of(yaml), &d->root, &err);

	if (r < 0) {
		fail_msg("%s\n%s", err.msg, yaml);
	}
	o->docs[o->n++] = d;
}

void objects_ingress(struct objects *o, const char *name, int at, const char *annotations,
                     const char *spec)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct slice lines = slice_of(annotations), line;

	strbuf_addf(
		&text,
		"kind: Ingress\nmetadata:\n  namespace: shop\n  name: %s\n  uid: u-%s\n"
		"  creationTimestamp: \"2026-01-01T00:00:%02dZ\"\n  annotations:\n    x: \"y\"\n",
		name, name, at);
	while (slice_next(&lines, '\n', &line)) {
		if (slice_trim(line).len) {
			strbuf_addf(&text, "    " INGRESS_PREFIX SLICE_FMT "\n",
			            SLICE_ARG(slice_trim(line)));
		}
	}
	strbuf_addf(&text, "spec:\n  ingressClassName: nginx\n%s", spec);
	objects_add(o, strbuf_str(&text));
}

const char *objects_rule(const char *host, const char *path, const char *type, const char *service)
{
	static char text[512];

	snprintf(text, sizeof(text),
	         "  rules:\n  - %s%s%s\n    http:\n      paths:\n      - path: '%s'\n        "
	         "pathType: %s\n"
	         "        backend: {service: {name: %s, port: {number: 80}}}\n",
	         *host ? "host: '" : "host: \"\"", host, *host ? "'" : "", path, type, service);
	return text;
}

void objects_secret(struct objects *o, const char *name, const char *host)
{
	const char *const names[] = { host, NULL };
	const struct pki_request request = { .common_name = "t",
		                             .dns_names = names,
		                             .server = true };
	struct pki_pair ca = { 0 }, leaf = { 0 };
	scoped_strbuf struct strbuf text = { 0 };

	assert_int_equal(pki_make_ca("test", &ca, NULL), 0);
	assert_int_equal(
		pki_issue(strbuf_slice(&ca.cert), strbuf_slice(&ca.key), &request, &leaf, NULL), 0);
	strbuf_addf(
		&text,
		"kind: Secret\nmetadata: {namespace: shop, name: %s}\ndata:\n  tls.crt: ", name);
	base64_encode(&text, strbuf_slice(&leaf.cert));
	strbuf_adds(&text, "\n  tls.key: ");
	base64_encode(&text, strbuf_slice(&leaf.key));
	strbuf_adds(&text, "\n");
	objects_add(o, strbuf_str(&text));
	pki_pair_fini(&ca);
	pki_pair_fini(&leaf);
}

void objects_route(struct objects *o)
{
	const struct doc **of[2] = { ARENA_ARRAY(&o->arena, const struct doc *, o->n + 1),
		                     ARENA_ARRAY(&o->arena, const struct doc *, o->n + 1) };
	size_t n[2] = { 0 };

	for (size_t i = 0; i < o->n; i++) {
		struct slice kind = val_get_str(o->docs[i]->root, "kind");
		int to = slice_is(kind, "Ingress") ? 0 : slice_is(kind, "IngressClass") ? 1 : -1;

		if (to >= 0) {
			of[to][n[to]++] = o->docs[i];
		}
	}
	o->in.ingresses = of[0];
	o->in.n_ingresses = n[0];
	o->in.classes = of[1];
	o->in.n_classes = n[1];
	o->in.global = &o->global;
	o->routes = routes_make(&o->arena, &o->in);
}

const char *objects_render(struct objects *o)
{
	const struct nginx_layout l = { .dir = "/tmp/nginx",
		                        .http_port = 80,
		                        .https_port = 443,
		                        .default_cert = "default.pem",
		                        .generation = 7 };

	objects_route(o);
	strbuf_reset(&o->text);
	nginx_render(&o->text, &o->routes, &o->global, &l);
	return strbuf_str(&o->text);
}

const struct route_server *objects_server(struct objects *o, const char *host)
{
	for (size_t i = 0; i < o->routes.n_servers; i++) {
		if (slice_is(o->routes.servers[i].host, host)) {
			return &o->routes.servers[i];
		}
	}
	return NULL;
}

const struct route_location *objects_location(struct objects *o, const char *host, const char *path)
{
	const struct route_server *s = objects_server(o, host);

	for (size_t i = 0; s && i < s->n_locations; i++) {
		if (slice_is(s->locations[i].path, path)) {
			return &s->locations[i];
		}
	}
	return NULL;
}

bool objects_has_problem(struct objects *o, const char *reason, const char *part)
{
	for (size_t i = 0; i < o->routes.n_problems; i++) {
		if (strcmp(o->routes.problems[i].reason, reason) == 0 &&
		    strstr(o->routes.problems[i].text, part)) {
			return true;
		}
	}
	return false;
}
