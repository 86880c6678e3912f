/* Why: MESH, the part about routes: VirtualService, DestinationRule, Gateway, and what ports are called. */
#include "analyse/check-mesh.h"
#include "analyse/mesh.h"
#include "analyse/nearest.h"
#include "analyse/route.h"
#include "analyse/target.h"
#include "analyse/value.h"
#include "base/mem.h"

/* ---- destinations of a VirtualService ---- */

typedef void destination_fn(struct check *c, const struct object *vs, const struct val *destination,
                            const char *list);

static void each_destination(struct check *c, const struct object *vs, destination_fn *fn)
{
	static const char *const lists[] = { "http", "tls", "tcp" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_get(object_spec(vs), lists[i]), rule) {
			val_for_each (val_get(rule, "route"), r) {
				fn(c, vs, val_get(r, "destination"), lists[i]);
			}
			if (val_get(rule, "mirror")) {
				fn(c, vs, val_get(rule, "mirror"), lists[i]);
			}
			val_for_each (val_get(rule, "mirrors"), m) {
				fn(c, vs, val_get(m, "destination"), lists[i]);
			}
		}
	}
}

/* ---- MESH002 ---- */

static bool any_pod_has(const struct svc *x, const struct val *labels)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		if (labels_have(x->pods[i]->labels, labels)) {
			return true;
		}
	}
	return false;
}

static void empty_subset(struct check *c, const struct object *rule, const struct val *subset,
                         const struct svc *x)
{
	const struct val *labels = val_get(subset, "labels");
	scoped_strbuf struct strbuf b = { 0 };
	struct finding *f;

	labels_text(&b, labels);
	f = check_found(c, rule, val_first(labels) ? val_first(labels) : val_get(subset, "name"),
	                "Subset " SLICE_FMT " of Service " SLICE_FMT " (%s) has no pod.",
	                SLICE_ARG(val_get_str(subset, "name")), SLICE_ARG(x->name), strbuf_str(&b));
	for (size_t i = 0; i < x->n_pods; i++) {
		strbuf_reset(&b);
		labels_text(&b, x->pods[i]->labels);
		finding_shows(c, f, x->pods[i]->object, x->pods[i]->labels, "its pods carry %s.",
		              strbuf_str(&b));
	}
}

/* Is the subset defined by a rule for the same host? *ret_rule: the last rule for the host. */
static bool subset_is_defined(const struct subject *s, const struct object *vs, struct slice host,
                              struct slice subset, const struct object **ret_rule)
{
	struct mesh_host wanted = mesh_host_of(s, vs->ns, host);

	*ret_rule = NULL;
	object_each(s, OBJECT_DESTINATIONRULE, o)
	{
		struct slice own = val_get_str(object_spec(o), "host");
		struct mesh_host x = mesh_host_of(s, o->ns, own);

		if (!(wanted.svc && x.svc == wanted.svc) && !hosts_meet(own, host)) {
			continue;
		}
		*ret_rule = o;
		val_for_each (val_get(object_spec(o), "subsets"), sub) {
			if (slice_eq(val_get_str(sub, "name"), subset)) {
				return true;
			}
		}
	}
	return false;
}

static void subset_of(struct check *c, const struct object *vs, const struct val *destination,
                      const char *list)
{
	const struct val *at = val_get(destination, "subset");
	struct slice host = val_get_str(destination, "host");
	const struct object *rule;
	struct finding *f;

	(void)list;
	if (!at || mesh_host_of(c->subject, vs->ns, host).known != ANSWER_YES ||
	    subset_is_defined(c->subject, vs, host, val_str(at), &rule)) {
		return;
	}
	f = check_found(c, vs, at,
	                "VirtualService " SLICE_FMT " routes to subset " SLICE_FMT " of " SLICE_FMT
	                ", which no DestinationRule defines.",
	                SLICE_ARG(vs->name), SLICE_ARG(val_str(at)), SLICE_ARG(host));
	val_for_each (rule ? val_get(object_spec(rule), "subsets") : NULL, sub) {
		finding_shows(c, f, rule, val_get(sub, "name"), "it has subset " SLICE_FMT ".",
		              SLICE_ARG(val_get_str(sub, "name")));
	}
}

void mesh002(struct check *c)
{
	written_each(c->subject, OBJECT_DESTINATIONRULE, rule)
	{
		struct mesh_host x =
			mesh_host_of(c->subject, rule->ns, val_get_str(object_spec(rule), "host"));

		val_for_each (x.svc &&x.svc->n_pods ? val_get(object_spec(rule), "subsets") : NULL,
		              subset) {
			if (val_len(val_get(subset, "labels")) &&
			    !any_pod_has(x.svc, val_get(subset, "labels"))) {
				empty_subset(c, rule, subset, x.svc);
			}
		}
	}
	written_each(c->subject, OBJECT_VIRTUALSERVICE, vs)
	{
		each_destination(c, vs, subset_of);
	}
}

/* ---- MESH003 ---- */

static void unknown_host(struct check *c, const struct object *o, const struct val *at)
{
	const struct object *near = nearest_object(c->subject, OBJECT_SERVICE, o->ns, val_str(at));
	struct finding *f =
		check_found(c, o, at,
	                    OBJECT_FMT " is for host " SLICE_FMT
	                               ", which is neither a Service nor a ServiceEntry.",
	                    OBJECT_ARG(o), SLICE_ARG(val_str(at)));

	if (near && slice_find(val_str(at), '.') < 0) {
		finding_shows(c, f, near, NULL, "there is a Service " SLICE_FMT ".",
		              SLICE_ARG(near->name));
		finding_replace(c, f, o, at, SLICE_FMT, SLICE_ARG(near->name));
	} else if (slice_find(val_str(at), '.') < 0 &&
	           subject_find_elsewhere(c->subject, OBJECT_SERVICE, o->ns, val_str(at))) {
		const struct object *other =
			subject_find_elsewhere(c->subject, OBJECT_SERVICE, o->ns, val_str(at));

		finding_shows(c, f, other, NULL, "this one is in namespace " SLICE_FMT ".",
		              SLICE_ARG(other->ns));
		finding_repair(c, f, "Write " SLICE_FMT "." SLICE_FMT ".svc.cluster.local.",
		               SLICE_ARG(other->name), SLICE_ARG(other->ns));
	}
}

static void destination_is_known(struct check *c, const struct object *vs,
                                 const struct val *destination, const char *list)
{
	const struct val *at = val_get(destination, "host");

	(void)list;
	if (at && mesh_host_of(c->subject, vs->ns, val_str(at)).known == ANSWER_NO) {
		unknown_host(c, vs, at);
	}
}

/* "ns/name" or "name"; null name for what is no gateway's name ("mesh", an old long form). */
static const struct object *gateway_named(const struct subject *s, const struct object *vs,
                                          struct slice text, struct slice *ret_ns,
                                          struct slice *ret_name)
{
	struct slice head, tail;

	if (slice_cut(text, '/', &head, &tail)) {
		*ret_ns = head;
		*ret_name = tail;
	} else {
		*ret_ns = vs->ns;
		*ret_name = slice_is(text, "mesh") || slice_find(text, '.') >= 0
		                    ? (struct slice){ "", 0 }
		                    : text;
	}
	return ret_name->len ? subject_find(s, OBJECT_ISTIOGATEWAY, *ret_ns, *ret_name) : NULL;
}

static void no_gateway(struct check *c, const struct object *vs, const struct val *at,
                       struct slice ns, struct slice name)
{
	const struct object *other =
		subject_find_elsewhere(c->subject, OBJECT_ISTIOGATEWAY, ns, name);
	struct finding *f;

	if (!other && !namespace_is_known(c->subject, vs, ns)) {
		return;
	}
	f = check_found(c, vs, at,
	                "VirtualService " SLICE_FMT " is for Gateway " SLICE_FMT
	                ", which namespace " SLICE_FMT " does not have.",
	                SLICE_ARG(vs->name), SLICE_ARG(name), SLICE_ARG(ns));
	if (other) {
		finding_shows(c, f, other, NULL, "this one is in namespace " SLICE_FMT ".",
		              SLICE_ARG(other->ns));
		finding_repair(c, f, "Write " SLICE_FMT "/" SLICE_FMT ".", SLICE_ARG(other->ns),
		               SLICE_ARG(name));
		finding_replace(c, f, vs, at, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(other->ns),
		                SLICE_ARG(name));
	}
}

/* A server's host may say whose hosts it takes: "shop/app.example.com", "./app.example.com". */
static bool server_takes(const struct object *gateway, const struct object *vs, struct slice own,
                         struct slice host)
{
	struct slice ns, name;

	if (slice_cut(own, '/', &ns, &name)) {
		if (!slice_is(ns, "*") && !slice_eq(ns, vs->ns) &&
		    !(slice_is(ns, ".") && slice_eq(gateway->ns, vs->ns))) {
			return false;
		}
		own = name;
	}
	return slice_is(own, "*") || slice_is(host, "*") || hosts_meet(own, host);
}

static bool gateway_takes(const struct object *gateway, const struct object *vs)
{
	val_for_each (val_get(object_spec(gateway), "servers"), server) {
		val_for_each (val_get(server, "hosts"), own) {
			val_for_each (val_get(object_spec(vs), "hosts"), host) {
				if (server_takes(gateway, vs, val_str(own), val_str(host))) {
					return true;
				}
			}
		}
	}
	return false;
}

static void gateways_of(struct check *c, const struct object *vs)
{
	val_for_each (val_get(object_spec(vs), "gateways"), at) {
		struct slice ns, name;
		const struct object *gateway =
			gateway_named(c->subject, vs, val_str(at), &ns, &name);
		struct finding *f;

		if (!name.len) {
			continue;
		}
		if (!gateway) {
			no_gateway(c, vs, at, ns, name);
		} else if (!gateway_takes(gateway, vs)) {
			const struct val *hosts = val_get(object_spec(vs), "hosts");

			f = check_found(c, vs, val_first(hosts) ? val_first(hosts) : hosts,
			                "VirtualService " SLICE_FMT " is for " SLICE_FMT
			                ", for which Gateway " SLICE_FMT " does not listen.",
			                SLICE_ARG(vs->name), SLICE_ARG(val_str(val_first(hosts))),
			                SLICE_ARG(gateway->name));
			val_for_each (val_get(object_spec(gateway), "servers"), server) {
				val_for_each (val_get(server, "hosts"), own) {
					finding_shows(c, f, gateway, own, "it takes " SLICE_FMT ".",
					              SLICE_ARG(val_str(own)));
				}
			}
		}
	}
}

void mesh003(struct check *c)
{
	written_each(c->subject, OBJECT_VIRTUALSERVICE, vs)
	{
		each_destination(c, vs, destination_is_known);
		gateways_of(c, vs);
	}
	written_each(c->subject, OBJECT_DESTINATIONRULE, rule)
	{
		const struct val *at = val_get(object_spec(rule), "host");

		if (at && mesh_host_of(c->subject, rule->ns, val_str(at)).known == ANSWER_NO) {
			unknown_host(c, rule, at);
		}
	}
}

/* ---- MESH004 ---- */

static struct slice protocol_of(const struct svc_port *p)
{
	struct slice app = val_get_str(p->v, "appProtocol"), head, tail;

	if (app.len) {
		return slice_is(app, "kubernetes.io/h2c") ? SLICE("http2") : app;
	}
	(void)slice_cut(p->name, '-', &head, &tail);
	return head;
}

static bool is_http(struct slice protocol)
{
	return slice_is(protocol, "http") || slice_is(protocol, "http2") ||
	       slice_is(protocol, "grpc") || slice_is(protocol, "grpc-web");
}

static bool is_other(struct slice protocol)
{
	static const char *const names[] = {
		"tcp", "tls", "https", "mysql", "redis", "mongo", "udp"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_is(protocol, names[i])) {
			return true;
		}
	}
	return false;
}

/* What is spoken there by custom, and never HTTP. */
static const char *custom(uint16_t port)
{
	switch (port) {
	case 3306:
		return "mysql";
	case 6379:
		return "redis";
	case 27017:
		return "mongo";
	case 5432:
		return "tcp-postgres";
	case 5672:
		return "tcp-amqp";
	case 9092:
		return "tcp-kafka";
	case 11211:
		return "tcp-memcached";
	case 25:
	case 587:
		return "tcp-smtp";
	default:
		return NULL;
	}
}

static bool server_speaks_first(uint16_t port)
{
	return port == 3306 || port == 25 || port == 587;
}

static bool is_in_mesh(const struct svc *x)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		if (mesh_has_proxy(x->pods[i]) == ANSWER_YES) {
			return true;
		}
	}
	return false;
}

static void name_port(struct check *c, struct finding *f, const struct svc *x,
                      const struct svc_port *p, const char *name)
{
	if (val_get(p->v, "appProtocol")) {
		finding_repair(c, f, "Correct appProtocol, or leave it out and name the port %s.",
		               name);
	} else if (p->name.len) {
		finding_repair(c, f, "Name the port %s (and wherever its name is used).", name);
		finding_replace(c, f, x->object, val_get(p->v, "name"), "%s", name);
	} else {
		finding_repair(c, f, "Name the port %s.", name);
		finding_insert(c, f, x->object, val_get(p->v, "port"), "name: %s", name);
	}
}

static void port_name(struct check *c, const struct svc *x, const struct svc_port *p)
{
	struct slice protocol = protocol_of(p);
	const char *real = custom(p->target ? p->target : p->port);
	const struct val *at = val_get(p->v, "appProtocol") ? val_get(p->v, "appProtocol")
	                       : val_get(p->v, "name")      ? val_get(p->v, "name")
	                                                    : val_get(p->v, "port");
	struct finding *f;

	if (!real || p->proto != PROTO_TCP) {
		return;
	}
	if (is_http(protocol)) {
		f = check_found(c, x->object, at,
		                "Service " SLICE_FMT " calls its port %u " SLICE_FMT
		                ", so the mesh reads HTTP where %s is spoken.",
		                SLICE_ARG(x->name), p->port, SLICE_ARG(protocol), real);
		name_port(c, f, x, p, real);
	} else if (!is_other(protocol) && server_speaks_first(p->target ? p->target : p->port)) {
		f = check_found(
			c, x->object, at,
			"The mesh has to guess the protocol of port %u of Service " SLICE_FMT
			" and waits for the caller to speak, but the server speaks first.",
			p->port, SLICE_ARG(x->name));
		name_port(c, f, x, p, real);
	}
}

static void http_route(struct check *c, const struct object *vs, const struct val *destination,
                       const char *list)
{
	struct mesh_host x = mesh_host_of(c->subject, vs->ns, val_get_str(destination, "host"));
	int64_t number = val_int(val_path(destination, "port.number"), 0);
	const struct svc_port *p = NULL;
	struct finding *f;

	if (strcmp(list, "http") != 0 || !x.svc) {
		return;
	}
	if (number > 0 && number <= UINT16_MAX) {
		p = svc_port_numbered(x.svc, (uint16_t)number, PROTO_TCP);
	} else if (x.svc->n_ports == 1) {
		p = &x.svc->ports[0];
	}
	if (!p || !is_other(protocol_of(p))) {
		return;
	}
	f = check_found(c, x.svc->object,
	                val_get(p->v, "name") ? val_get(p->v, "name") : val_get(p->v, "port"),
	                "Service " SLICE_FMT " calls its port %u " SLICE_FMT
	                ", so the HTTP routes of VirtualService " SLICE_FMT " have no effect.",
	                SLICE_ARG(x.svc->name), p->port, SLICE_ARG(protocol_of(p)),
	                SLICE_ARG(vs->name));
	finding_shows(c, f, vs, val_get(destination, "host"), "an HTTP route leads here.");
	finding_repair(c, f, "Name the port http, if HTTP is what it speaks.");
}

void mesh004(struct check *c)
{
	for (size_t i = 0; i < c->subject->services.n; i++) {
		const struct svc *x = c->subject->services.at[i];

		for (size_t j = 0; !x->object->assumed && j < x->n_ports && is_in_mesh(x); j++) {
			port_name(c, x, &x->ports[j]);
		}
	}
	written_each(c->subject, OBJECT_VIRTUALSERVICE, vs)
	{
		each_destination(c, vs, http_route);
	}
}

/* ---- MESH008 ---- */

static const char *mode_text(enum mtls m)
{
	static const char *const texts[] = { "DISABLE", "PERMISSIVE", "STRICT" };

	return texts[m];
}

static void against_target(struct check *c, const struct object *rule, const struct val *at,
                           const struct svc *x)
{
	const struct workload *w = x->pods[0];
	uint16_t port = x->n_ports ? svc_port_target(&x->ports[0], w) : 0;
	const struct object *by;
	const struct val *by_at;
	enum mtls mode = mesh_mtls(c->subject, w, port, &by, &by_at);
	enum answer proxy = mesh_has_proxy(w);
	struct slice own = val_str(at);
	bool plain = slice_is(own, "DISABLE") ||
	             slice_is(own, "SIMPLE"); /* without a client's certificate */
	struct finding *f;

	if (plain && proxy == ANSWER_YES && mode == MTLS_STRICT) {
		f = check_found(c, rule, at,
		                "DestinationRule " SLICE_FMT " says tls mode " SLICE_FMT
		                " for " OBJECT_FMT ", whose proxy takes mutual TLS only.",
		                SLICE_ARG(rule->name), SLICE_ARG(own), OBJECT_ARG(w->object));
	} else if (slice_is(own, "ISTIO_MUTUAL") &&
	           (proxy == ANSWER_NO || (proxy == ANSWER_YES && mode == MTLS_DISABLE))) {
		f = check_found(c, rule, at,
		                "DestinationRule " SLICE_FMT
		                " says tls mode ISTIO_MUTUAL for " OBJECT_FMT ", which %s.",
		                SLICE_ARG(rule->name), OBJECT_ARG(w->object),
		                proxy == ANSWER_NO ? "has no proxy to speak it" : "is told not to");
	} else {
		return;
	}
	if (by && proxy == ANSWER_YES) {
		finding_shows(c, f, by, by_at, "mode %s.", mode_text(mode));
	}
	finding_shows(c, f, w->object, w->labels,
	              proxy == ANSWER_YES ? "it is in the mesh." : "it is outside the mesh.");
	finding_repair(c, f,
	               proxy == ANSWER_YES && mode == MTLS_STRICT
	                       ? "Leave tls out: the proxies agree on mutual TLS by themselves."
	                       : "Say tls mode DISABLE, or take the pods into the mesh.");
}

/* The program speaks TLS itself and the proxy adds another layer. */
static void twice(struct check *c, const struct object *rule, const struct val *at,
                  struct slice host)
{
	const struct values *v = subject_values(c->subject);

	for (size_t i = 0; i < v->n_references; i++) {
		const struct reference *r = &v->references[i];
		const struct object *o =
			r->workload ? subject_object(c->subject, r->workload) : NULL;
		const struct workload *w = o ? subject_workload(c->subject, o) : NULL;
		struct finding *f;

		if (!w || w->object->assumed || !r->tls || r->use != USE_CONNECT ||
		    r->place != PLACE_POD || !slice_eq_nocase(slice_of(r->host), host) ||
		    mesh_has_proxy(w) != ANSWER_YES) {
			continue;
		}
		f = check_found(c, rule, at,
		                "DestinationRule " SLICE_FMT " adds TLS to what " OBJECT_FMT
		                " sends to %s, which is TLS already.",
		                SLICE_ARG(rule->name), OBJECT_ARG(w->object), r->host);
		finding_shows(c, f,
		              subject_object(c->subject, r->where.object)
		                      ? subject_object(c->subject, r->where.object)
		                      : w->object,
		              r->where.node, "it calls %s://%s.", r->scheme, r->host);
		finding_repair(
			c, f,
			"Call http:// and let the proxy add TLS, or leave tls out of the rule.");
		return;
	}
}

void mesh008(struct check *c)
{
	written_each(c->subject, OBJECT_DESTINATIONRULE, rule)
	{
		const struct val *at = val_path(object_spec(rule), "trafficPolicy.tls.mode");
		struct slice host = val_get_str(object_spec(rule), "host");
		struct mesh_host x = mesh_host_of(c->subject, rule->ns, host);

		if (at && x.svc && x.svc->n_pods && !x.svc->pods[0]->object->assumed) {
			against_target(c, rule, at, x.svc);
		} else if (x.entry &&
		           (slice_is(val_str(at), "SIMPLE") || slice_is(val_str(at), "MUTUAL"))) {
			twice(c, rule, at, host);
		}
	}
}
