/* Why: see mesh-flow.h. Order as the proxy has it: mutual TLS (PeerAuthentication), then AuthorizationPolicies CUSTOM,
 * DENY, ALLOW; with any ALLOW policy for the workload, what none of their rules means is refused. Source: Istio's
 * reference of security.istio.io */
#include "analyse/mesh-flow.h"

#include "analyse/mesh.h"
#include "base/mem.h"

/* ---- who asks whom ---- */

struct asking {
	const struct workload *from; /* null: outside */
	enum answer proxy;           /* does the caller have an identity? */
	char principal[512];         /* if it has one */
	uint16_t port;
};

static struct slice account_of(const struct workload *w)
{
	struct slice name = val_get_str(w->spec, "serviceAccountName");

	return name.len ? name : SLICE("default");
}

static struct asking asking_of(const struct workload *from, uint16_t port)
{
	struct asking x = { .from = from, .port = port, .proxy = ANSWER_NO };

	if (from) {
		x.proxy = mesh_has_proxy(from);
		(void)snprintf(x.principal, sizeof(x.principal),
		               "cluster.local/ns/" SLICE_FMT "/sa/" SLICE_FMT, SLICE_ARG(from->ns),
		               SLICE_ARG(account_of(from)));
	}
	return x;
}

/* ---- lists of patterns ---- */

static enum answer list_has(const struct val *list, struct slice text)
{
	val_for_each (list, p) {
		if (mesh_pattern_fits(val_str(p), text)) {
			return ANSWER_YES;
		}
	}
	return ANSWER_NO;
}

/* Trust domains other than the usual one may be an alias of it. */
static enum answer principals_have(const struct val *list, struct slice own)
{
	enum answer sum = list_has(list, own);
	struct slice domain, rest, own_rest;

	(void)slice_cut(own, '/', &domain, &own_rest);
	val_for_each (list, p) {
		if (slice_cut(val_str(p), '/', &domain, &rest) &&
		    !slice_is(domain, "cluster.local") && mesh_pattern_fits(rest, own_rest)) {
			sum = answer_or(sum, ANSWER_UNKNOWN);
		}
	}
	return sum;
}

/* A list about the caller's identity, which only a proxy gives. */
static enum answer identity_in(const struct asking *x, enum answer fits)
{
	return answer_and(x->proxy, fits);
}

/* 'yes' and 'no' lists of one thing; absent ones demand nothing. */
static enum answer wanted(const struct val *object, const char *yes, enum answer in_yes,
                          const char *no, enum answer in_no)
{
	return answer_and(val_get(object, yes) ? in_yes : ANSWER_YES,
	                  val_get(object, no) ? answer_not(in_no) : ANSWER_YES);
}

static bool has_any(const struct val *object, const char *const *names)
{
	for (; *names; names++) {
		if (val_get(object, *names)) {
			return true;
		}
	}
	return false;
}

/* ---- rules ---- */

/* Tokens, and addresses that files do not have; what only a request tells. */
static const char *const of_sources[] = {
	"requestPrincipals", "notRequestPrincipals", "ipBlocks", "notIpBlocks",
	"remoteIpBlocks",    "notRemoteIpBlocks",    NULL
};
static const char *const of_requests[] = { "hosts", "notHosts", "methods", "notMethods",
	                                   "paths", "notPaths", NULL };

static enum answer source_fits(const struct val *source, const struct asking *x)
{
	struct slice own = slice_of(x->principal), ns = x->from ? x->from->ns : SLICE("");
	enum answer r =
		wanted(source, "principals",
	               identity_in(x, principals_have(val_get(source, "principals"), own)),
	               "notPrincipals",
	               identity_in(x, principals_have(val_get(source, "notPrincipals"), own)));

	r = answer_and(r, wanted(source, "namespaces",
	                         identity_in(x, list_has(val_get(source, "namespaces"), ns)),
	                         "notNamespaces",
	                         identity_in(x, list_has(val_get(source, "notNamespaces"), ns))));
	return answer_and(r, has_any(source, of_sources) ? ANSWER_UNKNOWN : ANSWER_YES);
}

static enum answer operation_fits(const struct val *operation, const struct asking *x)
{
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", x->port);
	return answer_and(wanted(operation, "ports",
	                         list_has(val_get(operation, "ports"), slice_of(port)), "notPorts",
	                         list_has(val_get(operation, "notPorts"), slice_of(port))),
	                  has_any(operation, of_requests) ? ANSWER_UNKNOWN : ANSWER_YES);
}

static enum answer condition_fits(const struct val *when, const struct asking *x)
{
	struct slice key = val_get_str(when, "key");
	const struct val *yes = val_get(when, "values"), *no = val_get(when, "notValues");
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", x->port);
	if (slice_is(key, "destination.port")) {
		return wanted(when, "values", list_has(yes, slice_of(port)), "notValues",
		              list_has(no, slice_of(port)));
	}
	if (slice_is(key, "source.namespace")) {
		struct slice ns = x->from ? x->from->ns : SLICE("");

		return wanted(when, "values", identity_in(x, list_has(yes, ns)), "notValues",
		              identity_in(x, list_has(no, ns)));
	}
	if (slice_is(key, "source.principal")) {
		struct slice own = slice_of(x->principal);

		return wanted(when, "values", identity_in(x, principals_have(yes, own)),
		              "notValues", identity_in(x, principals_have(no, own)));
	}
	return ANSWER_UNKNOWN;
}

static enum answer rule_fits(const struct val *rule, const struct asking *x)
{
	enum answer from = answer_of(!val_get(rule, "from")), to = answer_of(!val_get(rule, "to"));
	enum answer when = ANSWER_YES;

	val_for_each (val_get(rule, "from"), f) {
		from = answer_or(from, source_fits(val_get(f, "source"), x));
	}
	val_for_each (val_get(rule, "to"), t) {
		to = answer_or(to, operation_fits(val_get(t, "operation"), x));
	}
	val_for_each (val_get(rule, "when"), w) {
		when = answer_and(when, condition_fits(w, x));
	}
	return answer_and(answer_and(from, to), when);
}

/* ---- AuthorizationPolicies ---- */

static bool has_action(const struct object *policy, const char *action)
{
	struct slice own = val_get_str(object_spec(policy), "action");

	return slice_is(own.len ? own : SLICE("ALLOW"), action);
}

static bool applies(const struct object *policy, const struct workload *w)
{
	return !val_get(object_spec(policy), "targetRefs") &&
	       !val_get(object_spec(policy), "targetRef") && mesh_selects(policy, w);
}

struct hearing { /* what the policies of one action say */
	const struct object *first, *by;
	const struct val *at;
	enum answer fits;
};

static void hear_rules(struct hearing *h, const struct object *policy, const struct asking *x)
{
	h->first = h->first ? h->first : policy;
	val_for_each (val_get(object_spec(policy), "rules"), rule) {
		enum answer fits = rule_fits(rule, x);

		if (fits != ANSWER_NO && (h->fits == ANSWER_NO || fits == ANSWER_YES) &&
		    h->fits != ANSWER_YES) {
			*h = (struct hearing){ h->first, policy, rule, fits };
		}
	}
}

static struct hearing hear(const struct subject *s, const char *action, const struct workload *to,
                           const struct asking *x)
{
	struct hearing h = { .fits = ANSWER_NO };

	object_each(s, OBJECT_AUTHORIZATIONPOLICY, policy)
	{
		if (has_action(policy, action) && applies(policy, to)) {
			hear_rules(&h, policy, x);
		}
	}
	return h;
}

static struct mesh_ruling authorize(const struct subject *s, const struct workload *to,
                                    const struct asking *x)
{
	struct hearing custom = hear(s, "CUSTOM", to, x), deny = hear(s, "DENY", to, x),
		       allow = hear(s, "ALLOW", to, x);

	if (deny.fits == ANSWER_YES) {
		return (struct mesh_ruling){ MESH_CLOSED, deny.by, deny.at,
			                     "has a rule that denies it" };
	}
	if (allow.first && allow.fits == ANSWER_NO) {
		return (struct mesh_ruling){ MESH_CLOSED, allow.first,
			                     val_get(object_spec(allow.first), "rules"),
			                     "has no rule that lets it pass" };
	}
	if (custom.fits != ANSWER_NO) {
		return (struct mesh_ruling){ MESH_DEPENDS, custom.by, custom.at,
			                     "leaves the answer to a program outside" };
	}
	if (deny.fits == ANSWER_UNKNOWN) {
		return (struct mesh_ruling){ MESH_DEPENDS, deny.by, deny.at,
			                     "denies some requests (HTTP or identity decides)" };
	}
	if (allow.fits == ANSWER_UNKNOWN) {
		return (struct mesh_ruling){ MESH_DEPENDS, allow.by, allow.at,
			                     "lets some requests pass (HTTP or identity decides)" };
	}
	return (struct mesh_ruling){ MESH_PASSES, allow.by, allow.at, NULL };
}

static bool rule_depends(const struct val *rule)
{
	val_for_each (val_get(rule, "from"), f) {
		if (has_any(val_get(f, "source"), of_sources)) {
			return true;
		}
	}
	val_for_each (val_get(rule, "to"), t) {
		if (has_any(val_get(t, "operation"), of_requests)) {
			return true;
		}
	}
	val_for_each (val_get(rule, "when"), w) {
		struct slice key = val_get_str(w, "key");

		if (!slice_is(key, "destination.port") && !slice_is(key, "source.namespace") &&
		    !slice_is(key, "source.principal")) {
			return true;
		}
	}
	return false;
}

bool mesh_depends_on_requests(const struct object *policy)
{
	bool depends = has_action(policy, "CUSTOM");

	val_for_each (val_get(object_spec(policy), "rules"), rule) {
		depends = depends || rule_depends(rule);
	}
	return depends;
}

/* ---- mutual TLS ---- */

static bool leads_to(const struct svc *x, const struct workload *w)
{
	for (size_t i = 0; x && i < x->n_pods; i++) {
		if (x->pods[i] == w) {
			return true;
		}
	}
	return false;
}

/* The DestinationRule that keeps the caller's proxy from mutual TLS. */
static const struct object *speaks_plain(const struct subject *s, const struct workload *to,
                                         const struct val **ret_at)
{
	object_each(s, OBJECT_DESTINATIONRULE, o)
	{
		const struct val *mode = val_path(object_spec(o), "trafficPolicy.tls.mode");
		bool plain =
			slice_is(val_str(mode), "DISABLE") || slice_is(val_str(mode), "SIMPLE");

		if (plain &&
		    leads_to(mesh_host_of(s, o->ns, val_get_str(object_spec(o), "host")).svc, to)) {
			*ret_at = mode;
			return o;
		}
	}
	return NULL;
}

static struct mesh_ruling shake_hands(const struct subject *s, const struct workload *to,
                                      const struct asking *x)
{
	const struct object *by, *plain;
	const struct val *at;

	if (mesh_mtls(s, to, x->port, &by, &at) != MTLS_STRICT) {
		return (struct mesh_ruling){ .says = MESH_PASSES };
	}
	if (x->proxy != ANSWER_YES) {
		return (struct mesh_ruling){
			x->proxy == ANSWER_NO ? MESH_CLOSED : MESH_DEPENDS, by, at,
			x->proxy == ANSWER_NO
				? "takes mutual TLS only, and the caller has no proxy to speak it"
				: "takes mutual TLS only; whether the caller has a proxy, files do "
				  "not tell"
		};
	}
	plain = speaks_plain(s, to, &at);
	return plain ? (struct mesh_ruling){ MESH_CLOSED, plain, at,
		                             "lets callers speak without mutual TLS, which the "
		                             "other side demands" }
	             : (struct mesh_ruling){ .says = MESH_PASSES };
}

/* ---- together ---- */

bool mesh_has_say(const struct subject *s)
{
	return s->n[OBJECT_AUTHORIZATIONPOLICY] + s->n[OBJECT_PEERAUTHENTICATION] > 0;
}

struct mesh_ruling mesh_flow(const struct subject *s, const struct workload *from,
                             const struct workload *to, enum proto proto, uint16_t port)
{
	struct mesh_ruling r = { .says = MESH_PASSES };
	enum answer proxy = mesh_has_say(s) && proto == PROTO_TCP ? mesh_has_proxy(to) : ANSWER_NO;
	struct asking x;

	if (proxy == ANSWER_NO) {
		return r;
	}
	x = asking_of(from, port);
	r = shake_hands(s, to, &x);
	if (r.says != MESH_CLOSED) {
		struct mesh_ruling next = authorize(s, to, &x);

		r = r.says == MESH_PASSES || next.says == MESH_CLOSED ? next : r;
	}
	if (r.says != MESH_PASSES && proxy == ANSWER_UNKNOWN) {
		r.says = MESH_DEPENDS; /* on there being a proxy at all */
	}
	return r;
}

void mesh_each_decider(const struct subject *s, const struct workload *to, mesh_object_fn *fn,
                       void *arg)
{
	object_each(s, OBJECT_AUTHORIZATIONPOLICY, o)
	{
		if (applies(o, to)) {
			fn(arg, o);
		}
	}
	object_each(s, OBJECT_PEERAUTHENTICATION, o)
	{
		if (mesh_selects(o, to)) {
			fn(arg, o);
		}
	}
	object_each(s, OBJECT_DESTINATIONRULE, o)
	{
		if (leads_to(mesh_host_of(s, o->ns, val_get_str(object_spec(o), "host")).svc, to)) {
			fn(arg, o);
		}
	}
}

static void add_decider(void *arg, const struct object *o)
{
	strbuf_add(arg, &o, sizeof(o));
}

void mesh_add_kin(struct strbuf *out, const struct subject *s, const struct workload *w)
{
	strbuf_addf(out, "%d " SLICE_FMT "/" SLICE_FMT " ", mesh_has_proxy(w), SLICE_ARG(w->ns),
	            SLICE_ARG(account_of(w)));
	mesh_each_decider(s, w, add_decider, out);
}

/* ---- ports that rules speak of ---- */

static void port_of_text(struct slice text, mesh_port_fn *fn, void *arg)
{
	uint64_t port;

	if (slice_to_u64(text, &port) && port > 0 && port <= UINT16_MAX) {
		fn(arg, (uint16_t)port);
	}
}

static void ports_of_list(const struct val *list, mesh_port_fn *fn, void *arg)
{
	val_for_each (list, p) {
		port_of_text(val_str(p), fn, arg);
	}
}

static void ports_of_rule(const struct val *rule, mesh_port_fn *fn, void *arg)
{
	val_for_each (val_get(rule, "to"), t) {
		ports_of_list(val_path(t, "operation.ports"), fn, arg);
		ports_of_list(val_path(t, "operation.notPorts"), fn, arg);
	}
	val_for_each (val_get(rule, "when"), w) {
		ports_of_list(val_get(w, "values"), fn, arg);
		ports_of_list(val_get(w, "notValues"), fn, arg);
	}
}

struct port_visit {
	mesh_port_fn *fn;
	void *arg;
};

static void ports_of_object(void *arg, const struct object *o)
{
	const struct port_visit *v = arg;

	val_for_each (val_get(object_spec(o), "rules"), rule) {
		ports_of_rule(rule, v->fn, v->arg);
	}
	val_for_each (val_get(object_spec(o), "portLevelMtls"), p) {
		port_of_text(p->key, v->fn, v->arg);
	}
}

void mesh_each_port(const struct subject *s, const struct workload *to, mesh_port_fn *fn, void *arg)
{
	struct port_visit v = { fn, arg };

	mesh_each_decider(s, to, ports_of_object, &v);
}
