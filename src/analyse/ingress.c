/* Why: an Ingress read once for all families that follow a request; see ingress.h. Source: networking.md 4, edge.md */
#include "analyse/ingress.h"

#include <stdlib.h>

#include "analyse/front.h"
#include "analyse/subject-priv.h"
#include "base/mem.h"

#define CLASS_ANNOTATION   "kubernetes.io/ingress.class"
#define DEFAULT_ANNOTATION "ingressclass.kubernetes.io/is-default-class"

static const struct controller controllers[] = {
	{ "k8s.io/ingress-nginx", "nginx", "app.kubernetes.io/name", "ingress-nginx",
	  "nginx.ingress.kubernetes.io/" },
	{ "nginx.org/ingress-controller", "nginx", "app.kubernetes.io/name", "nginx-ingress",
	  "nginx.org/" },
	{ "traefik.io/ingress-controller", "traefik", "app.kubernetes.io/name", "traefik",
	  "traefik.ingress.kubernetes.io/" },
	{ "haproxy.org/ingress-controller", "haproxy", "app.kubernetes.io/name",
	  "kubernetes-ingress", "haproxy.org/" },
	{ "haproxy-ingress.github.io/controller", "haproxy", "app.kubernetes.io/name",
	  "haproxy-ingress", "haproxy-ingress.github.io/" },
	{ "ingress-controllers.konghq.com/kong", "kong", "app.kubernetes.io/name", "kong",
	  "konghq.com/" },
	{ "projectcontour.io/ingress-controller", "contour", "app.kubernetes.io/component", "envoy",
	  "projectcontour.io/" },
	{ "ingress.k8s.aws/alb", "alb", NULL, NULL, "alb.ingress.kubernetes.io/" },
	{ "k8s.io/ingress-gce", "gce", NULL, NULL, "ingress.gcp.kubernetes.io/" },
	{ "azure/application-gateway", "azure-application-gateway", NULL, NULL,
	  "appgw.ingress.kubernetes.io/" },
};

const struct controller *controller_at(unsigned i)
{
	return i < ARRAY_SIZE(controllers) ? &controllers[i] : NULL;
}

const struct controller *controller_find(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		if (slice_is(name, controllers[i].name)) {
			return &controllers[i];
		}
	}
	return NULL;
}

struct slice ingress_class(const struct subject *s, const struct object *ingress,
                           const struct val **ret_at)
{
	const struct val *at = val_get(object_spec(ingress), "ingressClassName");

	if (!val_str(at).len) {
		at = object_annotation_at(ingress, CLASS_ANNOTATION);
	}
	if (ret_at) {
		*ret_at = at;
	}
	if (val_str(at).len) {
		return val_str(at);
	}
	object_each(s, OBJECT_INGRESSCLASS, o)
	{
		if (slice_is(object_annotation(o, DEFAULT_ANNOTATION), "true")) {
			return o->name;
		}
	}
	return slice_of(s->profile->default_ingress_class ? s->profile->default_ingress_class : "");
}

struct slice ingress_controller(const struct subject *s, struct slice class_name)
{
	const struct object *o =
		subject_find(s, OBJECT_INGRESSCLASS, (struct slice){ "", 0 }, class_name);

	if (o) {
		return val_get_str(object_spec(o), "controller");
	}
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		if (slice_is(class_name, controllers[i].class_name)) {
			return slice_of(controllers[i].name);
		}
	}
	return (struct slice){ "", 0 };
}

/* The pods of every known controller, in one walk. */
static void find_controllers(struct subject *s)
{
	s->index->controllers = ARENA_ARRAY(&s->arena, struct selection, ARRAY_SIZE(controllers));
	for (size_t i = 0; i < s->classes.n; i++) {
		struct pod_class *class = s->classes.at[i];

		for (size_t k = 0; k < ARRAY_SIZE(controllers); k++) {
			if (!controllers[k].label ||
			    !slice_is(val_get_str(class->labels, controllers[k].label),
			              controllers[k].value)) {
				continue;
			}
			for (size_t j = 0; j < class->workloads.n; j++) {
				if (!class->workloads.at[j]
				             ->ends) { /* jobs of its webhook carry the same labels */
					vec_push(&s->index->controllers[k].at,
					         class->workloads.at[j]);
				}
			}
		}
	}
}

const struct selection *ingress_pods(struct subject *s, const struct object *ingress)
{
	static const struct selection nobody = { 0 };
	const struct controller *k =
		controller_find(ingress_controller(s, ingress_class(s, ingress, NULL)));

	if (!s->index->controllers) {
		find_controllers(s);
	}
	return k ? &s->index->controllers[k - controllers] : &nobody;
}

/* ---- routes ---- */

static void read_backend(const struct subject *s, struct route *r, const struct val *backend)
{
	const struct val *service = val_get(backend, "service"), *port = val_get(service, "port"),
			 *number;
	int64_t n;

	r->backend = backend;
	r->service_at = val_get(service, "name");
	r->service = val_str(r->service_at);
	number = val_get(port, "number");
	r->port_at = number ? number : val_get(port, "name");
	r->svc = r->service.len ? subject_service(s, r->ingress->ns, r->service) : NULL;
	n = val_int(number, 0);
	if (r->svc && n > 0 && n <= UINT16_MAX) {
		r->port = svc_port_numbered(r->svc, (uint16_t)n, PROTO_TCP);
	} else if (r->svc && !number && val_str(r->port_at).len) {
		r->port = svc_port_named(r->svc, val_str(r->port_at));
	}
}

static void read_rule(struct subject *s, const struct object *o, const struct val *rule)
{
	val_for_each (val_path(rule, "http.paths"), path) {
		struct route r = { .ingress = o, .rule = rule, .path = path };

		r.host = val_get_str(rule, "host");
		r.at = val_get_str(path, "path").len ? val_get_str(path, "path") : SLICE("/");
		r.type = val_get_str(path, "pathType");
		read_backend(s, &r, val_get(path, "backend"));
		vec_push(&s->index->routes->at, r);
	}
}

/* The host in lower case; in buf. */
static struct slice host_key(char buf[static 256], struct slice host)
{
	size_t n = host.len < 256 ? host.len : 0;

	for (size_t i = 0; i < n; i++) {
		buf[i] = host.p[i] >= 'A' && host.p[i] <= 'Z' ? (char)(host.p[i] - 'A' + 'a')
		                                              : host.p[i];
	}
	return (struct slice){ buf, n };
}

static void index_hosts(struct routes *routes)
{
	char buf[256];

	for (size_t i = 0; i < routes->at.n; i++) {
		struct slice key = host_key(buf, routes->at.at[i].host);
		struct route_list *list = map_find(&routes->by_host, key);

		if (!list) {
			list = NEW(struct route_list);
			map_set(&routes->by_host, key, list);
		}
		vec_push(&list->at, (const struct route *)&routes->at.at[i]);
	}
}

const struct route *route_next(const struct routes *routes, struct slice host, struct route_walk *w)
{
	enum { OWN = 1, WILDCARD, ANY, END };
	char buf[256];
	ptrdiff_t dot = slice_find(host, '.');

	for (;;) {
		struct slice key = { "", 0 };

		if (w->list && w->i < w->list->at.n) {
			return w->list->at.at[w->i++];
		}
		if (++w->stage >= END) {
			w->stage = ANY;
			return NULL;
		}
		w->i = 0;
		if (w->stage == OWN) {
			key = host_key(buf, host);
		} else if (w->stage == WILDCARD && dot > 0) {
			key = host_key(buf, slice_from(host, (size_t)dot - 1));
			buf[0] = '*';
		}
		/* an empty host is covered by the routes for any host alone, and once */
		w->list = (w->stage == ANY || key.len) ? map_find(&routes->by_host, key) : NULL;
	}
}

const struct routes *subject_routes(struct subject *s)
{
	if (s->index->routes) {
		return s->index->routes;
	}
	s->index->routes = NEW(struct routes);
	object_each(s, OBJECT_INGRESS, o)
	{
		const struct val *fallback = val_get(object_spec(o), "defaultBackend");

		val_for_each (val_get(object_spec(o), "rules"), rule) {
			read_rule(s, o, rule);
		}
		if (fallback) {
			struct route r = { .ingress = o,
				           .at = SLICE("/"),
				           .type = SLICE("Prefix") };

			read_backend(s, &r, fallback);
			vec_push(&s->index->routes->at, r);
		}
	}
	index_hosts(s->index->routes);
	return s->index->routes;
}

void subject_forget_routes(struct subject *s)
{
	for (size_t k = 0; s->index->controllers && k < ARRAY_SIZE(controllers); k++) {
		vec_fini(&s->index->controllers[k].at);
	}
	if (s->index->routes) {
		for (struct map_iter it = { 0 }; map_next(&s->index->routes->by_host, &it);) {
			struct route_list *list = it.value;

			vec_fini(&list->at);
			free(list);
		}
		map_fini(&s->index->routes->by_host);
		vec_fini(&s->index->routes->at);
		free(s->index->routes);
	}
}

/* ---- redirects ---- */

static bool is_nginx(const struct subject *s, const struct object *ingress)
{
	struct slice name = val_get_str(object_spec(ingress), "ingressClassName");
	const struct object *class;

	name = name.len ? name : object_annotation(ingress, "kubernetes.io/ingress.class");
	class = subject_find(s, OBJECT_INGRESSCLASS, (struct slice){ "", 0 }, name);
	return class ? slice_is(val_get_str(object_spec(class), "controller"),
	                        "k8s.io/ingress-nginx")
	             : slice_is(name, "nginx");
}

static bool redirects_nowhere(const struct subject *s)
{
	object_each(s, OBJECT_CONFIGMAP, o)
	{
		if (slice_is(val_str(val_get(val_get(o->v, "data"), "ssl-redirect")), "false")) {
			return true;
		}
	}
	return false;
}

const char *ingress_redirects(const struct subject *s, const struct object *ingress,
                              struct slice host)
{
	if (ingress_is_alb(s, ingress)) {
		return object_annotation(ingress, "alb.ingress.kubernetes.io/ssl-redirect").len
		               ? "it is annotated ssl-redirect."
		               : NULL;
	}
	if (!is_nginx(s, ingress)) {
		return NULL;
	}
	if (slice_is(object_annotation(ingress, "nginx.ingress.kubernetes.io/force-ssl-redirect"),
	             "true")) {
		return "it is annotated force-ssl-redirect.";
	}
	return ingress_has_tls(ingress, host) && !redirects_nowhere(s) &&
	                       !slice_is(
				       object_annotation(
					       ingress, "nginx.ingress.kubernetes.io/ssl-redirect"),
				       "false")
	               ? "it has a certificate for the host, and that redirects HTTP to HTTPS."
	               : NULL;
}
