/* Why: Gateways are served by implementations that need not be among the objects: what the Gateway API fixes is judged
 * (listener, certificate, route, grant, backend), what only they know is told as not known. See path-gateway.h. Source:
 * gateway-api.sigs.k8s.io, API specification v1 (Listener, BackendRef). */
#include "analyse/path-gateway-priv.h"

#include <stdlib.h>
#include <string.h>

#include "analyse/finding.h"
#include "analyse/ingress.h"
#include "analyse/nearest.h"
#include "analyse/path-ingress.h"
#include "base/mem.h"

enum { BACKENDS_MAX = 8 };

bool gateway_has_host(const struct subject *s, struct slice name)
{
	object_each(s, OBJECT_GATEWAY, gateway)
	{
		val_for_each (val_get(object_spec(gateway), "listeners"), l) {
			if (host_closeness(val_get_str(l, "hostname"), name) > 1) {
				return true;
			}
		}
	}
	route_each(s, route)
	{
		if (route_closeness(route, name) > 1) {
			return true;
		}
	}
	return false;
}

/* ---- the Gateway and its listener ---- */

static void judge_class(struct passage *t, struct explain_step *s)
{
	const struct val *at = val_get(object_spec(t->gateway), "gatewayClassName");
	const struct object *class =
		subject_find(t->w->s, OBJECT_GATEWAYCLASS, (struct slice){ "", 0 }, val_str(at));

	if (class) {
		step_note(t->w, s, NOTE_FACT, class, NULL, "%s is served by " SLICE_FMT,
		          path_name_of(t->w, class),
		          SLICE_ARG(val_get_str(object_spec(class), "controllerName")));
	} else if (t->w->s->n[OBJECT_GATEWAYCLASS] || t->w->s->profile->declared) {
		step_note(t->w, s, NOTE_FACT, t->gateway, at, "its class");
		step_breaks(t->w, s, "GW006",
		            "%s is of class " SLICE_FMT ", which no GatewayClass defines.",
		            path_name_of(t->w, t->gateway), SLICE_ARG(val_str(at)));
		step_repair(t->w, s, "Name a class that is there, or install its controller.");
	}
}

static bool protocol_fits(struct slice protocol, struct slice scheme)
{
	if (slice_is(scheme, "https")) {
		return slice_is(protocol, "HTTPS") || slice_is(protocol, "TLS");
	}
	if (slice_is(scheme, "http")) {
		return slice_is(protocol, "HTTP");
	}
	return slice_is(protocol, "TCP") || slice_is(protocol, "UDP") || slice_is(protocol, "TLS");
}

/* The listener of the port and protocol whose host is the closest. */
static const struct val *choose_listener(const struct passage *t)
{
	const struct val *best = NULL;
	size_t most = 0;

	val_for_each (val_get(object_spec(t->gateway), "listeners"), l) {
		size_t n = host_closeness(val_get_str(l, "hostname"), t->e->name);

		if (val_int(val_get(l, "port"), 0) == t->e->port && n > most &&
		    protocol_fits(val_get_str(l, "protocol"), t->e->scheme)) {
			best = l;
			most = n;
		}
	}
	return best;
}

static void note_listeners(struct passage *t, struct explain_step *s)
{
	val_for_each (val_get(object_spec(t->gateway), "listeners"), l) {
		struct slice host = val_get_str(l, "hostname");

		step_note(t->w, s, NOTE_NEAR, t->gateway, val_get(l, "name"),
		          "listener " SLICE_FMT " takes " SLICE_FMT " on %lld for " SLICE_FMT,
		          SLICE_ARG(val_get_str(l, "name")), SLICE_ARG(val_get_str(l, "protocol")),
		          (long long)val_int(val_get(l, "port"), 0),
		          SLICE_ARG(host.len ? host : SLICE("every host")));
	}
}

static bool to_listener(struct passage *t, struct explain_path *p)
{
	struct explain_step *s =
		path_step(t->w, p, EXPLAIN_BALANCER, "%s takes " SLICE_FMT "%s" SLICE_FMT " on %u",
	                  path_name_of(t->w, t->gateway), SLICE_ARG(t->e->scheme),
	                  t->e->name.len ? " for " : "", SLICE_ARG(t->e->name), t->e->port);

	judge_class(t, s);
	if (!t->w->s->profile->has_load_balancer) {
		step_breaks(t->w, s, "LB001",
		            "Profile %s: nobody answers Services of type LoadBalancer.",
		            t->w->s->profile->name);
		step_repair(t->w, s, "Install a load balancer controller, or use node ports.");
	}
	t->listener = choose_listener(t);
	if (t->listener) {
		step_note(t->w, s, NOTE_DECIDED, t->gateway, val_get(t->listener, "name"),
		          "listener " SLICE_FMT, SLICE_ARG(val_get_str(t->listener, "name")));
		return true;
	}
	note_listeners(t, s);
	step_breaks(t->w, s, "GW003",
	            "%s has no listener for " SLICE_FMT "%s" SLICE_FMT " on port %u.",
	            path_name_of(t->w, t->gateway), SLICE_ARG(t->e->scheme),
	            t->e->name.len ? " and host " : "", SLICE_ARG(t->e->name), t->e->port);
	step_repair(t->w, s, "Add a listener for it to %s.", path_name_of(t->w, t->gateway));
	return false;
}

/* ---- TLS ---- */

static void judge_reference(struct passage *t, struct explain_step *s, const struct val *ref)
{
	struct tls_use use = { .holder = t->gateway,
		               .at = val_get(ref, "name"),
		               .ns = ref_namespace(t->gateway, ref),
		               .name = val_get_str(ref, "name"),
		               .without = "the listener is not programmed" };

	if (!ref_is(ref, "", "Secret", "", "Secret")) {
		step_unsure(t->w, s, "The certificate is of a kind that is not looked at.");
		return;
	}
	if (!slice_eq(use.ns, t->gateway->ns) &&
	    !reference_is_granted(t->w->s, t->gateway, use.ns, "", "Secret", use.name)) {
		step_breaks(t->w, s, "GW004",
		            "%s takes its certificate from namespace " SLICE_FMT
		            ", where no ReferenceGrant permits it.",
		            path_name_of(t->w, t->gateway), SLICE_ARG(use.ns));
		step_repair(t->w, s,
		            "Add a ReferenceGrant in namespace " SLICE_FMT
		            " from kind Gateway of namespace " SLICE_FMT " to kind Secret.",
		            SLICE_ARG(use.ns), SLICE_ARG(t->gateway->ns));
	}
	path_secret(t->w, s, &use, t->e->name);
}

static void judge_tls(struct passage *t, struct explain_path *p)
{
	const struct val *tls = val_get(t->listener, "tls"),
			 *refs = val_get(tls, "certificateRefs");
	struct slice protocol = val_get_str(t->listener, "protocol");
	struct explain_step *s;

	if (!slice_is(protocol, "HTTPS") && !slice_is(protocol, "TLS")) {
		return;
	}
	s = path_step(t->w, p, EXPLAIN_TLS, "the certificate names " SLICE_FMT,
	              SLICE_ARG(t->e->name.len ? t->e->name : SLICE("the host")));
	if (slice_is(val_get_str(tls, "mode"), "Passthrough")) {
		step_note(t->w, s, NOTE_DECIDED, t->gateway, val_get(tls, "mode"),
		          "mode Passthrough");
		step_unsure(t->w, s,
		            "The handshake is the backend's; files do not tell its certificate.");
		return;
	}
	if (!val_len(refs)) {
		step_note(t->w, s, NOTE_FACT, t->gateway, tls, "no certificateRefs");
		step_unsure(t->w, s,
		            "Where the certificate comes from, the implementation's options say.");
		return;
	}
	/* Of several the one that names the host is served; the first stands for them where none does. */
	judge_reference(t, s, val_first(refs));
	for (const struct val *ref = val_first(refs)->next; ref && s->verdict == EXPLAIN_BROKEN;
	     ref = ref->next) {
		struct explain_step other = { .hop = EXPLAIN_TLS };

		judge_reference(t, &other, ref);
		if (other.verdict != EXPLAIN_BROKEN) {
			s->verdict = other.verdict;
			s->id = s->cause = s->repair = NULL;
			s->notes.n = 0;
			for (size_t i = 0; i < other.notes.n; i++) {
				vec_push(&s->notes, other.notes.at[i]);
			}
		}
		vec_fini(&other.notes);
	}
}

/* ---- the route ---- */

/* A redirect ends the request here. */
static bool redirects(struct passage *t, const struct candidate *c)
{
	val_for_each (val_get(c->rule, "filters"), f) {
		const struct val *to = val_get(f, "requestRedirect"),
				 *rewrite = val_get(f, "urlRewrite");

		if (to) {
			t->step->answer = (int)val_int(val_get(to, "statusCode"), 302);
			step_note(t->w, t->step, NOTE_DECIDED, c->route, to, "a redirect");
			step_unsure(t->w, t->step, "The gateway answers with a redirect (%d).",
			            t->step->answer);
			return true;
		}
		if (rewrite) {
			step_note(t->w, t->step, NOTE_FACT, c->route, rewrite,
			          "the backend is asked for another path or host");
		}
	}
	return false;
}

static bool to_route(struct passage *t, struct explain_path *p, struct candidate *ret)
{
	const struct val *path;

	t->step = path_step(t->w, p, EXPLAIN_GATEWAY, "a route takes " SLICE_FMT SLICE_FMT,
	                    SLICE_ARG(t->e->name.len ? t->e->name : SLICE("the connection")),
	                    SLICE_ARG(t->e->path));
	if (!route_choose(t, ret)) {
		return false;
	}
	path = val_path(ret->match, "path.value");
	step_note(t->w, t->step, NOTE_DECIDED, ret->route,
	          path         ? path
	          : ret->match ? ret->match
	                       : ret->rule,
	          "%s%s" SLICE_FMT " answers", path_name_of(t->w, ret->route),
	          path ? ", path " : "", SLICE_ARG(val_str(path)));
	if (ret->unsure) {
		step_unsure(t->w, t->step,
		            "The rule is an expression that only the implementation can judge.");
	}
	return !redirects(t, ret);
}

/* ---- backends ---- */

/* The gateway's own pods: by the label that implementations put on them (GEP-1762), or Traefik's, which are one for all. */
static const struct workload *pods_of(const struct subject *s, const struct object *gateway)
{
	static const char *const labels[] = { "gateway.networking.k8s.io/gateway-name",
		                              "istio.io/gateway-name" };
	const struct object *class =
		subject_find(s, OBJECT_GATEWAYCLASS, (struct slice){ "", 0 },
	                     val_get_str(object_spec(gateway), "gatewayClassName"));
	const struct controller *k =
		class && slice_is(val_get_str(object_spec(class), "controllerName"),
	                          "traefik.io/gateway-controller")
			? controller_find(SLICE("traefik.io/ingress-controller"))
			: NULL;

	for (size_t i = 0; i < s->workloads.n; i++) {
		const struct workload *w = s->workloads.at[i];

		for (size_t j = 0; j < ARRAY_SIZE(labels); j++) {
			if (slice_eq(w->ns, gateway->ns) &&
			    slice_eq(val_get_str(w->labels, labels[j]), gateway->name)) {
				return w;
			}
		}
		if (k && k->label && slice_is(val_get_str(w->labels, k->label), k->value)) {
			return w;
		}
	}
	return NULL;
}

/* The port that a reference asks for; null: broken, and said. */
static const struct svc_port *backend_port(struct passage *t, struct explain_path *p,
                                           const struct object *route, const struct val *ref,
                                           const struct svc **ret)
{
	struct slice ns = ref_namespace(route, ref), name = val_get_str(ref, "name");
	const struct svc *x = subject_service(t->w->s, ns, name);
	int64_t number = val_int(val_get(ref, "port"), 0);
	const struct svc_port *port;
	struct explain_step *s;

	*ret = x;
	port = x && number > 0 && number <= UINT16_MAX
	               ? svc_port_numbered(x, (uint16_t)number,
	                                   route->id == OBJECT_UDPROUTE ? PROTO_UDP : PROTO_TCP)
	               : NULL;
	if (port && (slice_eq(ns, route->ns) ||
	             reference_is_granted(t->w->s, route, ns, "", "Service", name))) {
		return port;
	}
	s = path_step(t->w, p, EXPLAIN_SERVICE, "%s sends to Service " SLICE_FMT "/" SLICE_FMT,
	              path_name_of(t->w, route), SLICE_ARG(ns), SLICE_ARG(name));
	step_note(t->w, s, NOTE_FACT, route, val_get(ref, "name"), "the backendRef");
	s->answer = 500;
	if (!ref_is(ref, "", "Service", "", "Service")) {
		s->answer = 0;
		step_unsure(t->w, s,
		            "The backend is of kind " SLICE_FMT ", which is not looked at.",
		            SLICE_ARG(val_get_str(ref, "kind")));
	} else if (!x) {
		const struct object *near = nearest_object(t->w->s, OBJECT_SERVICE, ns, name);

		step_breaks(t->w, s, "GW005",
		            "There is no Service " SLICE_FMT " in namespace " SLICE_FMT
		            "; the gateway answers 500.",
		            SLICE_ARG(name), SLICE_ARG(ns));
		if (near) {
			step_note(t->w, s, NOTE_NEAR, near, NULL, "%s has nearly that name",
			          path_name_of(t->w, near));
			step_repair(t->w, s, "Write name: " SLICE_FMT ".", SLICE_ARG(near->name));
		} else {
			step_repair(t->w, s, "Make that Service, or name another.");
		}
	} else if (!port) {
		for (size_t i = 0; i < x->n_ports; i++) {
			step_note(t->w, s, NOTE_NEAR, x->object, x->ports[i].v, "it has port %u",
			          x->ports[i].port);
		}
		step_breaks(t->w, s, "GW005", "%s has no port %lld; the gateway answers 500.",
		            path_name_of(t->w, x->object), (long long)number);
		step_repair(t->w, s, "Write a port of the Service into the backendRef.");
	} else {
		step_breaks(t->w, s, "GW004",
		            "%s names a Service of namespace " SLICE_FMT
		            ", where no ReferenceGrant permits it; the gateway answers 500.",
		            path_name_of(t->w, route), SLICE_ARG(ns));
		step_repair(t->w, s,
		            "Add a ReferenceGrant in namespace " SLICE_FMT " from kind " SLICE_FMT
		            " of namespace " SLICE_FMT " to kind Service.",
		            SLICE_ARG(ns), SLICE_ARG(route->kind), SLICE_ARG(route->ns));
	}
	return NULL;
}

static void to_backend(struct passage *t, struct explain_path *p, const struct origin *from,
                       const struct candidate *c, const struct val *ref)
{
	const struct workload *own = pods_of(t->w->s, t->gateway);
	const struct origin gateway = { .workload = own,
		                        .ip = own ? own->ip : (struct ip){ 0 },
		                        .is_controller = true };
	const struct svc *x;
	const struct svc_port *port = backend_port(t, p, c->route, ref, &x);

	if (!port) {
		return;
	}
	for (size_t i = 0; from->is_browser && i < x->n_pods && p->steps.n; i++) {
		path_origins(t->w, p->steps.at[0], x->pods[i], t->e);
	}
	if (x->external) {
		path_service(t->w, p, &gateway, x, port->port);
	} else {
		path_service_port(t->w, p, &gateway, x, port);
	}
}

static void to_backends(struct passage *t, struct explain_path *p, const struct origin *from,
                        const struct candidate *c)
{
	const struct val *refs[BACKENDS_MAX];
	struct explain_path *ways[BACKENDS_MAX];
	int64_t sum = 0;
	size_t n = 0;

	val_for_each (val_get(c->rule, "backendRefs"), ref) {
		int64_t weight = val_int(val_get(ref, "weight"), 1);

		sum += weight;
		if (weight > 0 && n < BACKENDS_MAX) {
			refs[n++] = ref;
		}
	}
	if (!n) {
		t->step->answer = 500;
		step_breaks(t->w, t->step, "GW005",
		            "The rule sends to nobody (no backendRefs, or weight 0); the gateway "
		            "answers 500.");
		step_repair(t->w, t->step, "Give the rule a backendRef with a weight above 0.");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		ways[i] = i ? path_fork(t->w, p) : p;
	}
	for (size_t i = 0; i < n; i++) {
		if (n > 1) {
			ways[i]->title = arena_printf(
				&t->w->x->arena, "%s, %lld of %lld", ways[i]->title,
				(long long)val_int(val_get(refs[i], "weight"), 1), (long long)sum);
		}
		to_backend(t, ways[i], from, c, refs[i]);
	}
}

/* ---- the whole ---- */

static void walk_gateway(struct walk *w, struct explain_path *p, const struct origin *from,
                         const struct object *gateway, const struct path_end *e)
{
	struct passage t = { .w = w, .gateway = gateway, .e = e };
	struct candidate c;

	if (from->is_browser) {
		(void)path_step(w, p, EXPLAIN_BROWSER, "a page of " SLICE_FMT " asks " SLICE_FMT,
		                SLICE_ARG(e->name), SLICE_ARG(e->path));
	}
	path_to_edge(w, p, from, e);
	if (!to_listener(&t, p)) {
		return;
	}
	judge_tls(&t, p);
	if (to_route(&t, p, &c)) {
		to_backends(&t, p, from, &c);
	}
}

static struct explain_path *new_path(struct walk *w, bool is_alternative,
                                     const struct object *gateway, const struct path_end *e)
{
	return path_new(w, is_alternative, SLICE_FMT "://" SLICE_FMT SLICE_FMT " through %s",
	                SLICE_ARG(e->scheme), SLICE_ARG(e->name), SLICE_ARG(e->path),
	                path_name_of(w, gateway));
}

/* Does a listener, or a route that names the Gateway, speak of the host? */
static bool concerns(const struct subject *s, const struct object *gateway, struct slice host)
{
	val_for_each (val_get(object_spec(gateway), "listeners"), l) {
		if (host_closeness(val_get_str(l, "hostname"), host) > 1) {
			return true;
		}
	}
	route_each(s, route)
	{
		val_for_each (val_get(object_spec(route), "parentRefs"), ref) {
			if (route_names_gateway(route, ref, gateway) &&
			    route_closeness(route, host) > 1) {
				return true;
			}
		}
	}
	return false;
}

/* Routes that have the host and name a Gateway that is not there. */
static size_t without_gateway(struct walk *w, const struct path_end *e, bool others)
{
	size_t n = 0;

	route_each(w->s, route)
	{
		val_for_each (val_get(object_spec(route), "parentRefs"), ref) {
			struct slice ns = ref_namespace(route, ref),
				     name = val_get_str(ref, "name");
			struct explain_step *s;

			if (!ref_is_gateway(ref) || route_closeness(route, e->name) < 2 ||
			    subject_find(w->s, OBJECT_GATEWAY, ns, name)) {
				continue;
			}
			s = path_step(
				w, path_new(w, others || n, "through %s", path_name_of(w, route)),
				EXPLAIN_GATEWAY, "%s is attached to a Gateway",
				path_name_of(w, route));
			step_note(w, s, NOTE_DECIDED, route, val_get(ref, "name"), "the parentRef");
			step_breaks(w, s, "GW001",
			            "There is no Gateway " SLICE_FMT " in namespace " SLICE_FMT ".",
			            SLICE_ARG(name), SLICE_ARG(ns));
			step_repair(w, s, "Name a Gateway that is there.");
			n++;
		}
	}
	return n;
}

size_t path_gateways(struct walk *w, const struct origin *from, const struct path_end *e,
                     bool others)
{
	bool any = gateway_has_host(w->s, e->name);
	size_t n = 0;

	/* Where Gateways are the only way in, a host that nobody names comes to them as well. */
	if (!any && (others || w->s->n[OBJECT_INGRESS])) {
		return 0;
	}
	object_each(w->s, OBJECT_GATEWAY, gateway)
	{
		if (!any || concerns(w->s, gateway, e->name)) {
			walk_gateway(w, new_path(w, others || n, gateway, e), from, gateway, e);
			n++;
		}
	}
	return n + without_gateway(w, e, others || n);
}

/* ---- from outside to a Service ---- */

static bool sends_to(const struct object *route, const struct val *rule, const struct svc *x,
                     const struct svc_port *port)
{
	val_for_each (val_get(rule, "backendRefs"), ref) {
		if (slice_eq(ref_namespace(route, ref), x->ns) &&
		    slice_eq(val_get_str(ref, "name"), x->name) &&
		    (!port || val_int(val_get(ref, "port"), 0) == port->port)) {
			return true;
		}
	}
	return false;
}

/* A host that both have: the route's, the listener's, or any. */
static struct slice host_of(struct walk *w, const struct object *route, const struct val *listener)
{
	struct slice own = val_get_str(listener, "hostname"),
		     host = val_str(val_first(val_get(object_spec(route), "hostnames")));

	val_for_each (val_get(object_spec(route), "hostnames"), it) {
		if (host_closeness(own, val_str(it)) > host_closeness(own, host)) {
			host = val_str(it);
		}
	}
	host = !host.len || (host.p[0] == '*' && own.len && own.p[0] != '*') ? own : host;
	return host.len && host.p[0] == '*' ? slice_of(arena_printf(&w->x->arena, "any" SLICE_FMT,
	                                                            SLICE_ARG(slice_from(host, 1))))
	                                    : host;
}

static struct path_end url_of(struct walk *w, const struct object *route, const struct val *rule,
                              const struct val *listener)
{
	const struct val *match = val_first(val_get(rule, "matches"));
	struct slice protocol = val_get_str(listener, "protocol"),
		     path = val_str(val_path(match, "path.value"));
	bool is_http = route->id == OBJECT_HTTPROUTE || route->id == OBJECT_GRPCROUTE;
	struct path_end e = { .type = END_URL,
		              .name = host_of(w, route, listener),
		              .scheme = slice_is(protocol, "HTTPS")  ? SLICE("https")
		                        : slice_is(protocol, "HTTP") ? SLICE("http")
		                        : slice_is(protocol, "TLS")  ? SLICE("https")
		                                                     : SLICE("tcp"),
		              .port = (uint16_t)val_int(val_get(listener, "port"), 0),
		              .path = path.len  ? path
		                      : is_http ? SLICE("/")
		                                : SLICE("") };

	if (route->id == OBJECT_GRPCROUTE) {
		e.path = slice_of(
			arena_printf(&w->x->arena, "/" SLICE_FMT "/" SLICE_FMT,
		                     SLICE_ARG(val_str(val_path(match, "method.service"))),
		                     SLICE_ARG(val_str(val_path(match, "method.method")))));
	}
	return e;
}

/* By the first listener of the Gateway that the reference means; by none that it could when there is none. */
static bool through(struct walk *w, const struct origin *from, const struct object *route,
                    const struct val *rule, const struct val *ref, bool is_alternative)
{
	const struct object *gateway =
		ref_is_gateway(ref) ? subject_find(w->s, OBJECT_GATEWAY, ref_namespace(route, ref),
	                                           val_get_str(ref, "name"))
				    : NULL;
	const struct val *chosen = NULL;
	struct path_end e;

	val_for_each (gateway ? val_get(object_spec(gateway), "listeners") : NULL, l) {
		if (listener_is_meant(l, ref) &&
		    (!chosen || listener_admits(w->s, gateway, chosen, route) == ANSWER_NO)) {
			chosen = l;
		}
	}
	if (!chosen) {
		return false;
	}
	e = url_of(w, route, rule, chosen);
	walk_gateway(w, new_path(w, is_alternative, gateway, &e), from, gateway, &e);
	return true;
}

size_t path_gateway_rules(struct walk *w, const struct origin *from, const struct svc *x,
                          const struct svc_port *port, bool others)
{
	size_t n = 0;

	route_each(w->s, route)
	{
		val_for_each (val_get(object_spec(route), "rules"), rule) {
			if (!sends_to(route, rule, x, port)) {
				continue;
			}
			val_for_each (val_get(object_spec(route), "parentRefs"), ref) {
				n += through(w, from, route, rule, ref, others || n);
			}
		}
	}
	return n;
}
