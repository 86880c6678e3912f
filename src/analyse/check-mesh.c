/* Why: MESH: Istio between a caller and the one it calls. Each class is one function (those about routes in
 * check-mesh-route.c) and one entry in the table at the end. */
#include "analyse/check-mesh.h"

#include "analyse/calls.h"
#include "analyse/front.h"
#include "analyse/ingress.h"
#include "analyse/mesh.h"
#include "analyse/value.h"
#include "base/mem.h"

/* ---- who calls whom ---- */

struct edge {
	const struct workload *from, *to;
	const struct svc *svc;
	uint16_t port;               /* of the pod */
	const struct reference *ref; /* null: an Ingress leads there */
	const struct object *why;    /* that says so */
	const struct val *at;
};
typedef void edge_fn(struct check *c, const struct edge *edge);

static void one_edge(struct check *c, struct edge edge, const struct svc *x,
                     const struct svc_port *port, edge_fn *fn)
{
	for (size_t i = 0; port && i < x->n_pods; i++) {
		edge.to = x->pods[i];
		edge.svc = x;
		edge.port = svc_port_target(port, edge.to);
		if (edge.port && !edge.from->object->assumed && !edge.to->object->assumed &&
		    edge.from != edge.to) {
			fn(c, &edge);
			return;
		}
	}
}

static void each_edge(struct check *c, edge_fn *fn)
{
	const struct routes *routes = subject_routes(c->subject);

	call_each(c->subject, x)
	{
		if (x->to.kind == TARGET_SERVICE) {
			struct edge edge = {
				.from = x->from, .ref = x->r, .why = x->by, .at = x->r->where.node
			};

			one_edge(c, edge, x->to.service, x->to.port, fn);
		}
	}
	for (size_t i = 0; i < routes->at.n; i++) {
		const struct route *r = &routes->at.at[i];
		const struct selection *pods = r->svc ? ingress_pods(c->subject, r->ingress) : NULL;

		if (pods && pods->at.n) {
			struct edge edge = { .from = pods->at.at[0],
				             .why = r->ingress,
				             .at = r->service_at };

			one_edge(c, edge, r->svc, r->port, fn);
		}
	}
}

static bool is_shown(const struct finding *f, const struct object *o)
{
	for (size_t i = 0; i < f->evidence.n; i++) {
		if (f->evidence.at[i].object == o) {
			return true;
		}
	}
	return false;
}

/* Several calls of one pair of workloads are one finding. */
static bool is_told(const struct check *c, const struct object *policy, const struct edge *edge)
{
	for (size_t i = 0; i < c->found->all.n; i++) {
		const struct finding *f = c->found->all.at[i];

		if (f->rule == c->rule && f->object == policy && is_shown(f, edge->from->object) &&
		    is_shown(f, edge->to->object)) {
			return true;
		}
	}
	return false;
}

static void show_edge(struct check *c, struct finding *f, const struct edge *edge)
{
	finding_shows(c, f, edge->why ? edge->why : edge->from->object, edge->at,
	              OBJECT_FMT " calls Service " SLICE_FMT ".", OBJECT_ARG(edge->from->object),
	              SLICE_ARG(edge->svc->name));
}

/* ---- MESH001 ---- */

static void plain_caller(struct check *c, const struct edge *edge)
{
	const struct object *policy;
	const struct val *at;
	struct finding *f;

	if (mesh_has_proxy(edge->from) != ANSWER_NO || mesh_has_proxy(edge->to) != ANSWER_YES ||
	    mesh_mtls(c->subject, edge->to, edge->port, &policy, &at) != MTLS_STRICT ||
	    is_told(c, policy, edge)) {
		return;
	}
	f = check_found(c, policy, at,
	                "PeerAuthentication " SLICE_FMT
	                " wants mutual TLS of everybody who calls " OBJECT_FMT ", and " OBJECT_FMT
	                " has no proxy.",
	                SLICE_ARG(policy->name), OBJECT_ARG(edge->to->object),
	                OBJECT_ARG(edge->from->object));
	show_edge(c, f, edge);
	finding_shows(c, f, edge->from->object, edge->from->labels, "it is outside the mesh.");
	finding_shows(c, f, edge->to->object, edge->to->labels, "it is in the mesh, port %u.",
	              edge->port);
	finding_repair(c, f,
	               "Let " OBJECT_FMT
	               " have a proxy (namespace label istio-injection=enabled, or pod label "
	               "sidecar.istio.io/inject: \"true\"), or make port %u PERMISSIVE with "
	               "portLevelMtls.",
	               OBJECT_ARG(edge->from->object), edge->port);
}

static void mesh001(struct check *c)
{
	if (c->subject->n[OBJECT_PEERAUTHENTICATION]) {
		each_edge(c, plain_caller);
	}
}

/* ---- MESH005 ---- */

static bool is_store_scheme(const char *scheme)
{
	static const char *const schemes[] = { "mysql",   "postgres", "postgresql",
		                               "mongodb", "redis",    "rediss",
		                               "amqp",    "amqps",    "kafka" };

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (strcmp(scheme, schemes[i]) == 0) {
			return true;
		}
	}
	return false;
}

static bool holds(const struct workload *w)
{
	const char *config =
		val_cstr(val_get(val_get(w->meta, "annotations"), "proxy.istio.io/config"));

	return strstr(config, "holdApplicationUntilProxyStarts") != NULL;
}

static bool is_ambient(const struct workload *w)
{
	return slice_is(val_get_str(w->labels, "istio.io/dataplane-mode"), "ambient") ||
	       slice_is(val_get_str(w->space->labels, "istio.io/dataplane-mode"), "ambient");
}

static void starts_too_early(struct check *c, const struct mesh_config *config,
                             const struct call *x)
{
	const struct workload *w = x->from;
	struct finding *f;

	if (w->object->assumed || !is_store_scheme(x->r->scheme) ||
	    mesh_has_proxy(w) != ANSWER_YES || is_ambient(w) || holds(w)) {
		return;
	}
	for (size_t i = 0; i < c->found->all.n; i++) {
		if (c->found->all.at[i]->rule == c->rule &&
		    c->found->all.at[i]->object == w->object) {
			return; /* one of its stores is enough */
		}
	}
	f = check_found(c, w->object, x->by == w->object ? x->r->where.node : NULL,
	                OBJECT_FMT
	                " connects to %s as it starts, perhaps before its proxy is ready.",
	                OBJECT_ARG(w->object), x->r->scheme);
	finding_shows(c, f, config->object, NULL, "holdApplicationUntilProxyStarts is not set.");
	finding_repair(c, f,
	               "Annotate the pods proxy.istio.io/config: "
	               "'{\"holdApplicationUntilProxyStarts\": true}', or set it "
	               "for the mesh.");
}

static void mesh005(struct check *c)
{
	struct mesh_config config = mesh_config_read(c->subject);

	/* Newer versions start the proxy first by themselves: only a configuration that is there to be read tells. */
	if (!config.object || config.holds) {
		return;
	}
	call_each(c->subject, x)
	{
		starts_too_early(c, &config, x);
	}
}

/* ---- MESH006 ---- */

struct who {
	char principal[512]; /* empty: none */
	struct slice ns;
	enum answer proxy;
};

static struct slice account_of(const struct workload *w)
{
	struct slice name = val_get_str(w->spec, "serviceAccountName");

	return name.len ? name : SLICE("default");
}

static struct who who_is(const struct workload *w)
{
	struct who x = { .ns = w->ns, .proxy = mesh_has_proxy(w) };

	if (x.proxy != ANSWER_NO) {
		(void)snprintf(x.principal, sizeof(x.principal),
		               "cluster.local/ns/" SLICE_FMT "/sa/" SLICE_FMT, SLICE_ARG(w->ns),
		               SLICE_ARG(account_of(w)));
	}
	return x;
}

/* Is one of the patterns the text? An absent list says nothing: YES. */
static bool list_fits(const struct val *list, struct slice text)
{
	val_for_each (list, p) {
		if (mesh_pattern_fits(val_str(p), text)) {
			return true;
		}
	}
	return !list;
}

/* Could a source mean the caller? Trust domains other than the usual one are believed to fit. */
static bool source_may_fit(const struct val *source, const struct who *who)
{
	const struct val *principals = val_get(source, "principals"),
			 *spaces = val_get(source, "namespaces");
	struct slice own = slice_of(who->principal), domain, rest;

	if ((principals || spaces) && who->proxy == ANSWER_NO) {
		return false;
	}
	val_for_each (principals, p) {
		(void)slice_cut(val_str(p), '/', &domain, &rest);
		if (!slice_is(domain, "cluster.local") && slice_find(domain, '*') < 0) {
			return true;
		}
	}
	return list_fits(principals, own) && list_fits(spaces, who->ns) &&
	       (!val_get(source, "notPrincipals") ||
	        !list_fits(val_get(source, "notPrincipals"), own)) &&
	       (!val_get(source, "notNamespaces") ||
	        !list_fits(val_get(source, "notNamespaces"), who->ns));
}

static bool operation_may_fit(const struct val *operation, const struct edge *edge)
{
	char port[8];
	struct slice path = edge->ref ? slice_of(edge->ref->url_path) : (struct slice){ "", 0 };

	(void)snprintf(port, sizeof(port), "%u", edge->port);
	/* a base URL is the beginning of the paths that are called */
	val_for_each (path.len > 1 ? val_get(operation, "paths") : NULL, p) {
		struct slice text = val_str(p);

		if (slice_find(text, '*') >= 0 || slice_has_prefix(text, path)) {
			path.len = 0;
		}
	}
	return list_fits(val_get(operation, "ports"), slice_of(port)) &&
	       (path.len <= 1 || list_fits(val_get(operation, "paths"), path)) &&
	       (!val_get(operation, "notPorts") ||
	        !list_fits(val_get(operation, "notPorts"), slice_of(port)));
}

static bool rule_may_fit(const struct val *rule, const struct edge *edge, const struct who *who)
{
	bool from = !val_get(rule, "from"), to = !val_get(rule, "to");

	val_for_each (val_get(rule, "from"), f) {
		from = from || source_may_fit(val_get(f, "source"), who);
	}
	val_for_each (val_get(rule, "to"), t) {
		to = to || operation_may_fit(val_get(t, "operation"), edge);
	}
	return from && to;
}

static bool is_allow(const struct object *policy)
{
	struct slice action = val_get_str(object_spec(policy), "action");

	return !action.len || slice_is(action, "ALLOW");
}

static bool applies(const struct object *policy, const struct workload *w)
{
	return !val_get(object_spec(policy), "targetRefs") &&
	       !val_get(object_spec(policy), "targetRef") && mesh_selects(policy, w);
}

static void may_call(struct check *c, const struct edge *edge)
{
	struct who who = who_is(edge->from);
	const struct object *closed = NULL;
	struct finding *f;

	if (mesh_has_proxy(edge->to) != ANSWER_YES) {
		return;
	}
	object_each(c->subject, OBJECT_AUTHORIZATIONPOLICY, policy)
	{
		if (!is_allow(policy) || !applies(policy, edge->to)) {
			continue;
		}
		closed = policy;
		val_for_each (val_get(object_spec(policy), "rules"), rule) {
			if (rule_may_fit(rule, edge, &who)) {
				return;
			}
		}
	}
	if (!closed || closed->assumed || is_told(c, closed, edge)) {
		return;
	}
	f = check_found(c, closed, val_get(object_spec(closed), "rules"),
	                "AuthorizationPolicy " SLICE_FMT " has no rule that lets " OBJECT_FMT
	                " call " OBJECT_FMT ".",
	                SLICE_ARG(closed->name), OBJECT_ARG(edge->from->object),
	                OBJECT_ARG(edge->to->object));
	show_edge(c, f, edge);
	finding_shows(c, f, edge->from->object, val_get(edge->from->spec, "serviceAccountName"),
	              who.principal[0] ? "it is %s."
	                               : "it has no proxy%s and therefore no identity.",
	              who.principal[0] ? who.principal : "");
	finding_shows(c, f, edge->to->object, edge->to->labels, "the policy is for it, port %u.",
	              edge->port);
	if (who.principal[0]) {
		finding_repair(
			c, f, "Add a rule with from.source.principals [%s]%s.", who.principal,
			edge->ref && edge->ref->url_path[0] ? " and look at its ports and paths"
							    : " for this port");
	}
}

/* A principal of a namespace whose workloads are known, none of which is this. */
static void account_is_there(struct check *c, const struct object *policy, const struct val *at)
{
	struct slice rest = val_str(at), part[5] = { 0 };
	size_t n = 0;
	const struct space *space;

	while (n < ARRAY_SIZE(part) && slice_next(&rest, '/', &part[n])) {
		n++;
	}
	if (n != 5 || !slice_is(part[1], "ns") || !slice_is(part[3], "sa") ||
	    slice_find(val_str(at), '*') >= 0) {
		return;
	}
	space = subject_space(c->subject, part[2]);
	if (!space || !space->classes.n || slice_is(part[4], "default") ||
	    subject_find(c->subject, OBJECT_SERVICEACCOUNT, part[2], part[4])) {
		return;
	}
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		if (slice_eq(w->ns, part[2]) && slice_eq(account_of(w), part[4])) {
			return;
		}
	}
	check_found(c, policy, at,
	            "AuthorizationPolicy " SLICE_FMT " names ServiceAccount " SLICE_FMT
	            " of namespace " SLICE_FMT ", which does not exist.",
	            SLICE_ARG(policy->name), SLICE_ARG(part[4]), SLICE_ARG(part[2]));
}

static void mesh006(struct check *c)
{
	if (!c->subject->n[OBJECT_AUTHORIZATIONPOLICY]) {
		return;
	}
	each_edge(c, may_call);
	written_each(c->subject, OBJECT_AUTHORIZATIONPOLICY, policy)
	{
		val_for_each (val_get(object_spec(policy), "rules"), rule) {
			val_for_each (val_get(rule, "from"), from) {
				val_for_each (val_path(from, "source.principals"), p) {
					account_is_there(c, policy, p);
				}
			}
		}
	}
}

/* ---- MESH007 ---- */

static const struct object *closes_outside(const struct subject *s, const struct workload *w,
                                           const struct mesh_config *config)
{
	object_each_in(s, OBJECT_SIDECAR, w->ns, o)
	{
		const struct val *labels = val_path(object_spec(o), "workloadSelector.labels");
		struct slice mode = val_str(val_path(object_spec(o), "outboundTrafficPolicy.mode"));

		if ((!val_len(labels) || mesh_selects(o, w)) && mode.len) {
			return slice_is(mode, "REGISTRY_ONLY") ? o : NULL;
		}
	}
	return config->registry_only ? config->object : NULL;
}

static void outside_host(struct check *c, const struct object *why, const struct call *x)
{
	const struct workload *w = x->from;
	struct finding *f;

	if (mesh_host_of(c->subject, w->ns, slice_of(x->r->host)).known != ANSWER_NO) {
		return;
	}
	f = check_found(c, w->object, x->by == w->object ? x->r->where.node : NULL,
	                OBJECT_FMT " calls %s, which no ServiceEntry makes known to the mesh.",
	                OBJECT_ARG(w->object), x->r->host);
	finding_shows(c, f, why, NULL, "only known hosts may be called (REGISTRY_ONLY).");
	finding_repair(
		c, f,
		"Add a ServiceEntry for host %s, port %u, location MESH_EXTERNAL, resolution DNS.",
		x->r->host, x->r->port);
}

static void mesh007(struct check *c)
{
	struct mesh_config config = mesh_config_read(c->subject);
	scoped_map struct map seen = { 0 };

	if (!config.registry_only && !c->subject->n[OBJECT_SIDECAR]) {
		return;
	}
	call_each(c->subject, x)
	{
		bool outside = x->to.kind == TARGET_OUTSIDE || x->to.kind == TARGET_STORE ||
		               x->to.kind == TARGET_EDGE;
		const struct object *why = outside && x->r->host[0] && !x->r->ip.family
		                                   ? closes_outside(c->subject, x->from, &config)
		                                   : NULL;
		scoped_free char *key = NULL;

		if (!why || x->from->object->assumed || mesh_has_proxy(x->from) != ANSWER_YES) {
			continue;
		}
		key = mem_printf("%u %s", x->from->id, x->r->host);
		if (!map_set(&seen, slice_of(key), (void *)x->from)) {
			outside_host(c, why, x);
		}
	}
}

static const struct rule rules[] = {
	{
		.id = "MESH001",
		.title = "Strict mutual TLS and a caller without proxy",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_MESH,
		.symptom = "Connections are reset at once.",
		.cause = "PeerAuthentication STRICT takes nothing but mutual TLS, and the caller's "
			 "pods have no proxy to speak it.",
		.evidence = "Injection labels of callers (from values and Ingresses) against the "
			    "mode at the port they edge.",
		.probe = "Connect plain and with a client certificate.",
		.fix = "Take the caller into the mesh, or make that port PERMISSIVE.",
		.sources = "kiali.io validations KIA0207",
		.check = mesh001,
	},
	{
		.id = "MESH002",
		.title = "Subset that no pod is in",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_MESH,
		.symptom = "503, no healthy upstream, for requests routed to the subset.",
		.cause = "The subset's labels are on no pod of the Service, or no DestinationRule "
			 "defines the subset that is routed to.",
		.evidence = "Labels of subsets against pods, names of subsets against "
			    "DestinationRules.",
		.probe = "A request for each subset.",
		.fix = "Make labels and names agree.",
		.sources = "kiali.io validations KIA0203, KIA1107",
		.after = "SVC001",
		.check = mesh002,
	},
	{
		.id = "MESH003",
		.title = "Route to a host, or at a gateway, that is not there",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_MESH,
		.symptom = "404 at the gateway, 503 for the route, or a rule without effect.",
		.cause = "A destination is neither Service nor ServiceEntry, a gateway does not "
			 "exist, or does not listen for the hosts.",
		.evidence = "Hosts and gateways looked up; hosts of VirtualService and Gateway "
			    "compared.",
		.probe = "A request for the host.",
		.fix = "Correct the name; name a gateway of another namespace as namespace/name.",
		.sources = "kiali.io validations KIA0202, KIA1101, KIA1102",
		.check = mesh003,
	},
	{
		.id = "MESH004",
		.title = "Port's name tells the mesh the wrong protocol",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_MESH,
		.symptom = "Routes and policies for HTTP have no effect, or a database connection "
			   "hangs.",
		.cause = "The mesh reads the protocol from appProtocol, else from the port's name "
			 "up to its first dash.",
		.evidence = "Names and appProtocol of ports of Services in the mesh, against known "
			    "ports and HTTP routes.",
		.probe = "Look at the protocol in the mesh's metrics.",
		.fix = "Name ports by protocol: http-web, tcp-mysql.",
		.sources = "kiali.io validations KIA0601, KIA0602",
		.check = mesh004,
	},
	{
		.id = "MESH005",
		.title = "Program starts before its proxy",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_MESH,
		.symptom = "The first connections are refused; the pod restarts once or twice.",
		.cause = "Containers of a pod start side by side, and without its proxy nothing "
			 "leaves the pod.",
		.evidence = "A mesh configuration without holdApplicationUntilProxyStarts, and a "
			    "program with a database.",
		.probe = "Read the first second of the log.",
		.fix = "holdApplicationUntilProxyStarts, or native sidecars.",
		.sources = "istio.io, sidecar injection",
		.check = mesh005,
	},
	{
		.id = "MESH006",
		.title = "AuthorizationPolicy refuses the caller",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_MESH,
		.symptom = "403, RBAC: access denied; or a reset connection.",
		.cause = "Once an ALLOW policy selects a workload, what none of its rules names is "
			 "refused.",
		.evidence = "Rules of all ALLOW policies against the identity, namespace, port and "
			    "path of each caller.",
		.probe = "A request from the caller's pod.",
		.fix = "Add a rule for the caller; give it the service account the rule names.",
		.sources = "kiali.io validations KIA0101 to KIA0106",
		.after = "MESH001",
		.check = mesh006,
	},
	{
		.id = "MESH007",
		.title = "Host outside that the mesh does not know",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_MESH,
		.symptom = "502, BlackHoleCluster in the proxy's log.",
		.cause = "outboundTrafficPolicy REGISTRY_ONLY, and no ServiceEntry for the host.",
		.evidence = "Hosts in values of workloads with a proxy, against ServiceEntries.",
		.probe = "A request from the pod.",
		.fix = "Add a ServiceEntry.",
		.sources = "istio.io, accessing external services",
		.check = mesh007,
	},
	{
		.id = "MESH008",
		.title = "Client's TLS setting contradicts the server's",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_MESH,
		.symptom = "503 with a TLS error in the proxy's log.",
		.cause = "A DestinationRule's tls mode replaces what the proxies would agree on by "
			 "themselves.",
		.evidence = "Mode of the DestinationRule against that of the target; https URLs to "
			    "hosts for which a rule adds TLS.",
		.probe = "A handshake from the caller's pod.",
		.fix = "Leave tls out of the DestinationRule inside the mesh; call http:// where "
		       "the proxy adds TLS.",
		.sources = "kiali.io validations KIA0204 to KIA0208, KIA0501 to KIA0506",
		.check = mesh008,
	},
	{ 0 },
};

const struct family family_mesh = { "MESH", "Service mesh", rules };
