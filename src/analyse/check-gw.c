/* Why: GW: routes of the Gateway API, the listeners they attach to and the Services they send to. Each class is one
 * function and one entry in the table at the end. */
#include "analyse/nearest.h"
#include "analyse/route.h"
#include "analyse/rule.h"

static bool is_service_ref(const struct val *ref)
{
	return ref_is(ref, "", "Service", "", "Service");
}

static const struct object *gateway_of(const struct subject *s, const struct object *route,
                                       const struct val *ref)
{
	return subject_find(s, OBJECT_GATEWAY, ref_namespace(route, ref), val_get_str(ref, "name"));
}

static size_t count_meant(const struct object *gateway, const struct val *ref)
{
	size_t n = 0;

	val_for_each (val_get(object_spec(gateway), "listeners"), l) {
		n += listener_is_meant(l, ref);
	}
	return n;
}

/* What each of GW001, GW002 and GW003 looks at: one attachment of one route. */
typedef void attachment_fn(struct check *c, const struct object *route, const struct val *ref,
                           const struct object *gateway);

static void each_attachment(struct check *c, attachment_fn *fn)
{
	route_each(c->subject, route)
	{
		val_for_each (val_get(object_spec(route), "parentRefs"), ref) {
			if (!route->assumed && ref_is_gateway(ref)) {
				fn(c, route, ref, gateway_of(c->subject, route, ref));
			}
		}
	}
}

static void show_listeners(struct check *c, struct finding *f, const struct object *gateway)
{
	val_for_each (val_get(object_spec(gateway), "listeners"), l) {
		finding_shows(
			c, f, gateway, val_get(l, "name"),
			"listener " SLICE_FMT ": " SLICE_FMT ", port %lld, host " SLICE_FMT ".",
			SLICE_ARG(val_get_str(l, "name")), SLICE_ARG(val_get_str(l, "protocol")),
			(long long)val_int(val_get(l, "port"), 0),
			SLICE_ARG(val_get(l, "hostname") ? val_get_str(l, "hostname")
		                                         : SLICE("any")));
	}
}

/* ---- GW001: nothing to attach to ---- */

static void no_gateway(struct check *c, const struct object *route, const struct val *ref)
{
	struct slice name = val_get_str(ref, "name"), ns = ref_namespace(route, ref);
	const struct object *other = subject_find_elsewhere(c->subject, OBJECT_GATEWAY, ns, name);
	const struct object *near = nearest_object(c->subject, OBJECT_GATEWAY, ns, name);
	struct finding *f;

	if (!other && !namespace_is_known(c->subject, route, ns)) {
		return;
	}
	f = check_found(c, route, val_get(ref, "name"),
	                SLICE_FMT " " SLICE_FMT " attaches to Gateway " SLICE_FMT
	                          ", which namespace " SLICE_FMT " does not have.",
	                SLICE_ARG(route->kind), SLICE_ARG(route->name), SLICE_ARG(name),
	                SLICE_ARG(ns));
	if (other) {
		finding_shows(c, f, other, NULL,
		              "the Gateway of this name is in namespace " SLICE_FMT ".",
		              SLICE_ARG(other->ns));
		finding_repair(c, f, "Write namespace: " SLICE_FMT " at the parentRef.",
		               SLICE_ARG(other->ns));
		if (val_get(ref, "namespace")) {
			finding_replace(c, f, route, val_get(ref, "namespace"), SLICE_FMT,
			                SLICE_ARG(other->ns));
		} else {
			finding_insert(c, f, route, val_get(ref, "name"), "namespace: " SLICE_FMT,
			               SLICE_ARG(other->ns));
		}
	} else if (near) {
		finding_shows(c, f, near, NULL, "there is a Gateway " SLICE_FMT ".",
		              SLICE_ARG(near->name));
		finding_replace(c, f, route, val_get(ref, "name"), SLICE_FMT,
		                SLICE_ARG(near->name));
	}
}

static void attaches(struct check *c, const struct object *route, const struct val *ref,
                     const struct object *gateway)
{
	const struct val *section = val_get(ref, "sectionName");
	struct finding *f;

	if (!gateway) {
		no_gateway(c, route, ref);
		return;
	}
	if (count_meant(gateway, ref)) {
		return;
	}
	f = check_found(c, route,
	                section                ? section
	                : val_get(ref, "port") ? val_get(ref, "port")
	                                       : val_get(ref, "name"),
	                SLICE_FMT " " SLICE_FMT " attaches to a listener that Gateway " SLICE_FMT
	                          " does not have.",
	                SLICE_ARG(route->kind), SLICE_ARG(route->name), SLICE_ARG(gateway->name));
	show_listeners(c, f, gateway);
}

static void gw001(struct check *c)
{
	each_attachment(c, attaches);
}

/* ---- GW002: not let in ---- */

static void is_let_in(struct check *c, const struct object *route, const struct val *ref,
                      const struct object *gateway)
{
	const struct val *first = NULL;
	struct slice from;
	struct finding *f;

	if (!gateway) {
		return;
	}
	val_for_each (val_get(object_spec(gateway), "listeners"), l) {
		if (listener_is_meant(l, ref)) {
			if (listener_admits(c->subject, gateway, l, route) != ANSWER_NO) {
				return;
			}
			first = first ? first : l;
		}
	}
	if (!first) {
		return;
	}
	from = val_str(val_path(first, "allowedRoutes.namespaces.from"));
	f = check_found(c, gateway,
	                val_get(first, "allowedRoutes") ? val_get(first, "allowedRoutes")
	                                                : val_get(first, "name"),
	                "Gateway " SLICE_FMT " does not let " SLICE_FMT " " SLICE_FMT
	                " of namespace " SLICE_FMT " attach: allowedRoutes is %s" SLICE_FMT "%s.",
	                SLICE_ARG(gateway->name), SLICE_ARG(route->kind), SLICE_ARG(route->name),
	                SLICE_ARG(route->ns), from.len ? "from: " : "not written, and that means ",
	                SLICE_ARG(from.len ? from : SLICE("Same")),
	                from.len ? "" : " and the protocol's own kinds");
	finding_shows(c, f, route, val_get(ref, "name"), "the route attaches here.");
	finding_repair(c, f,
	               "Let the listener take routes from: All, or from: Selector with a label "
	               "that namespace " SLICE_FMT " carries; and the kind " SLICE_FMT
	               " in allowedRoutes.kinds if kinds are listed.",
	               SLICE_ARG(route->ns), SLICE_ARG(route->kind));
}

static void gw002(struct check *c)
{
	each_attachment(c, is_let_in);
}

/* ---- GW003: hosts ---- */

static void has_host(struct check *c, const struct object *route, const struct val *ref,
                     const struct object *gateway)
{
	const struct val *hosts = val_get(object_spec(route), "hostnames");
	bool admitted = false;
	struct finding *f;

	if (!gateway) {
		return;
	}
	val_for_each (val_get(object_spec(gateway), "listeners"), l) {
		if (listener_is_meant(l, ref) &&
		    listener_admits(c->subject, gateway, l, route) != ANSWER_NO) {
			admitted = true;
			if (route_meets_listener(route, l)) {
				return;
			}
		}
	}
	if (!admitted) {
		return;
	}
	f = check_found(c, route, val_first(hosts) ? val_first(hosts) : hosts,
	                "No host name of " SLICE_FMT " " SLICE_FMT " (" SLICE_FMT
	                "%s) is one that Gateway " SLICE_FMT " listens for.",
	                SLICE_ARG(route->kind), SLICE_ARG(route->name),
	                SLICE_ARG(val_str(val_first(hosts))), val_len(hosts) > 1 ? "..." : "",
	                SLICE_ARG(gateway->name));
	show_listeners(c, f, gateway);
}

static void gw003(struct check *c)
{
	each_attachment(c, has_host);
}

/* ---- GW004, GW005: what a rule sends to ---- */

typedef void backend_fn(struct check *c, const struct object *route, const struct val *ref);

static void each_backend(struct check *c, backend_fn *fn)
{
	route_each(c->subject, route)
	{
		val_for_each (val_get(object_spec(route), "rules"), rule) {
			if (route->assumed) {
				continue;
			}
			val_for_each (val_get(rule, "backendRefs"), ref) {
				fn(c, route, ref);
			}
			val_for_each (val_get(rule, "filters"), filter) {
				const struct val *mirror =
					val_path(filter, "requestMirror.backendRef");

				if (mirror) {
					fn(c, route, mirror);
				}
			}
		}
	}
}

static void not_granted(struct check *c, const struct object *holder, const struct val *ref,
                        enum object_kind id)
{
	struct slice ns = ref_namespace(holder, ref), name = val_get_str(ref, "name");
	const char *kind = id == OBJECT_SECRET ? "Secret" : "Service";
	struct finding *f;

	if (slice_eq(ns, holder->ns) ||
	    (!subject_space(c->subject, ns) && !subject_find(c->subject, id, ns, name)) ||
	    reference_is_granted(c->subject, holder, ns, "", kind, name)) {
		return;
	}
	f = check_found(c, holder, val_get(ref, "namespace"),
	                SLICE_FMT " " SLICE_FMT " of namespace " SLICE_FMT " names %s " SLICE_FMT
	                          " in namespace " SLICE_FMT
	                          ", where no ReferenceGrant permits it.",
	                SLICE_ARG(holder->kind), SLICE_ARG(holder->name), SLICE_ARG(holder->ns),
	                kind, SLICE_ARG(name), SLICE_ARG(ns));
	object_each_in(c->subject, OBJECT_REFERENCEGRANT, ns, grant)
	{
		finding_shows(c, f, grant, NULL, "this grant is for others.");
	}
	finding_repair(c, f,
	               "Add a ReferenceGrant in namespace " SLICE_FMT " from kind " SLICE_FMT
	               " of namespace " SLICE_FMT " to kind %s.",
	               SLICE_ARG(ns), SLICE_ARG(holder->kind), SLICE_ARG(holder->ns), kind);
}

static void backend_is_granted(struct check *c, const struct object *route, const struct val *ref)
{
	if (is_service_ref(ref)) {
		not_granted(c, route, ref, OBJECT_SERVICE);
	}
}

static void gw004(struct check *c)
{
	each_backend(c, backend_is_granted);
	object_each(c->subject, OBJECT_GATEWAY, gateway)
	{
		val_for_each (val_get(object_spec(gateway), "listeners"), l) {
			val_for_each (val_path(l, "tls.certificateRefs"), ref) {
				if (!gateway->assumed && ref_is(ref, "", "Secret", "", "Secret")) {
					not_granted(c, gateway, ref, OBJECT_SECRET);
				}
			}
		}
	}
}

static void no_service(struct check *c, const struct object *route, const struct val *ref)
{
	struct slice ns = ref_namespace(route, ref), name = val_get_str(ref, "name");
	const struct object *near = nearest_object(c->subject, OBJECT_SERVICE, ns, name);
	const struct object *other = subject_find_elsewhere(c->subject, OBJECT_SERVICE, ns, name);
	struct finding *f;

	if (!namespace_is_known(c->subject, route, ns)) {
		return;
	}
	f = check_found(c, route, val_get(ref, "name"),
	                SLICE_FMT " " SLICE_FMT " sends to Service " SLICE_FMT
	                          ", which namespace " SLICE_FMT " does not have.",
	                SLICE_ARG(route->kind), SLICE_ARG(route->name), SLICE_ARG(name),
	                SLICE_ARG(ns));
	if (near) {
		finding_shows(c, f, near, NULL, "there is a Service " SLICE_FMT ".",
		              SLICE_ARG(near->name));
		finding_replace(c, f, route, val_get(ref, "name"), SLICE_FMT,
		                SLICE_ARG(near->name));
	} else if (other) {
		finding_shows(c, f, other, NULL,
		              "the Service of this name is in namespace " SLICE_FMT ".",
		              SLICE_ARG(other->ns));
	}
}

static void no_port(struct check *c, const struct object *route, const struct val *ref,
                    const struct svc *x)
{
	const struct val *port = val_get(ref, "port");
	struct finding *f;

	if (!port) {
		f = check_found(c, route, val_get(ref, "name"),
		                SLICE_FMT " " SLICE_FMT " sends to Service " SLICE_FMT
		                          " without saying to which port.",
		                SLICE_ARG(route->kind), SLICE_ARG(route->name), SLICE_ARG(x->name));
	} else {
		f = check_found(c, route, port,
		                SLICE_FMT " " SLICE_FMT " sends to port %lld of Service " SLICE_FMT
		                          ", which has no such port.",
		                SLICE_ARG(route->kind), SLICE_ARG(route->name),
		                (long long)val_int(port, 0), SLICE_ARG(x->name));
	}
	for (size_t i = 0; i < x->n_ports; i++) {
		finding_shows(c, f, x->object, val_get(x->ports[i].v, "port"), "it has port %u.",
		              x->ports[i].port);
	}
	if (x->n_ports == 1 && port) {
		finding_replace(c, f, route, port, "%u", x->ports[0].port);
	} else if (x->n_ports == 1) {
		finding_insert(c, f, route, val_get(ref, "name"), "port: %u", x->ports[0].port);
	}
}

static void backend_is_there(struct check *c, const struct object *route, const struct val *ref)
{
	const struct svc *x =
		subject_service(c->subject, ref_namespace(route, ref), val_get_str(ref, "name"));
	const struct val *port = val_get(ref, "port");
	int64_t number = val_int(port, 0);

	if (!is_service_ref(ref)) {
		return;
	}
	if (!x) {
		no_service(c, route, ref);
	} else if (!port || number <= 0 || number > UINT16_MAX ||
	           !svc_port_numbered(x, (uint16_t)number, 0)) {
		no_port(c, route, ref, x);
	}
}

static void all_weights_zero(struct check *c, const struct object *route, const struct val *refs)
{
	val_for_each (refs, ref) {
		if (val_int(val_get(ref, "weight"), 1) > 0) {
			return;
		}
	}
	if (val_len(refs)) {
		check_found(c, route, val_get(val_first(refs), "weight"),
		            "All backends of a rule of " SLICE_FMT " " SLICE_FMT " have weight 0.",
		            SLICE_ARG(route->kind), SLICE_ARG(route->name));
	}
}

static void gw005(struct check *c)
{
	each_backend(c, backend_is_there);
	route_each(c->subject, route)
	{
		val_for_each (val_get(object_spec(route), "rules"), rule) {
			if (!route->assumed) {
				all_weights_zero(c, route, val_get(rule, "backendRefs"));
			}
		}
	}
}

/* ---- GW006: the class ---- */

/* Classes come with their controller, which may be installed elsewhere: without any class among the objects only a
 * declared profile tells that nobody is there. */
static void gw006(struct check *c)
{
	bool known = c->subject->n[OBJECT_GATEWAYCLASS] || c->subject->profile->declared;

	object_each(c->subject, OBJECT_GATEWAY, gateway)
	{
		const struct val *at = val_get(object_spec(gateway), "gatewayClassName");
		const struct object *near;
		struct finding *f;

		if (gateway->assumed || !known ||
		    (at && subject_find(c->subject, OBJECT_GATEWAYCLASS, (struct slice){ "", 0 },
		                        val_str(at)))) {
			continue;
		}
		f = check_found(c, gateway, at,
		                at ? "Gateway " SLICE_FMT " is of class " SLICE_FMT
		                     ", which no GatewayClass defines."
		                   : "Gateway " SLICE_FMT " has no gatewayClassName" SLICE_FMT ".",
		                SLICE_ARG(gateway->name), SLICE_ARG(val_str(at)));
		near = nearest_object(c->subject, OBJECT_GATEWAYCLASS, (struct slice){ "", 0 },
		                      val_str(at));
		if (near && at) {
			finding_replace(c, f, gateway, at, SLICE_FMT, SLICE_ARG(near->name));
		}
		object_each(c->subject, OBJECT_GATEWAYCLASS, class)
		{
			finding_shows(c, f, class, NULL, "there is class " SLICE_FMT ".",
			              SLICE_ARG(class->name));
		}
	}
}

static const struct rule rules[] = {
	{
		.id = "GW001",
		.title = "Route attaches to nothing",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "The gateway answers 404 for the route's hosts; the route's status has "
			   "no accepted parent.",
		.cause = "A parentRef names a Gateway, namespace, listener or port that does not "
			 "exist.",
		.evidence = "Each parentRef looked up, with its sectionName and port among the "
			    "Gateway's listeners.",
		.probe = "Read the route's status; ask the gateway for the host.",
		.fix = "Name a Gateway and a listener that exist.",
		.sources = "k8sgpt-ai/k8sgpt httproute analyzer",
		.check = gw001,
	},
	{
		.id = "GW002",
		.title = "Listener does not take the route's namespace or kind",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom =
			"The route's status says NotAllowedByListeners and its hosts answer 404.",
		.cause = "allowedRoutes takes routes of the Gateway's own namespace only (what it "
			 "means when it is absent), of "
			 "namespaces with another label, or of other kinds.",
		.evidence = "allowedRoutes of every listener the parentRef can mean, against "
			    "namespace labels and kind.",
		.probe = "Read the route's status.",
		.fix = "Widen allowedRoutes, or label the namespace.",
		.sources = "k8sgpt-ai/k8sgpt httproute analyzer",
		.check = gw002,
	},
	{
		.id = "GW003",
		.title = "Route and listener have no host name in common",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom =
			"The route's status says NoMatchingListenerHostname; the hosts answer 404.",
		.cause = "None of the route's host names equals a listener's or falls under its "
			 "wildcard.",
		.evidence = "Host names of the route intersected with those of the listeners that "
			    "take it.",
		.probe = "Ask the gateway for the host.",
		.fix = "Make the names agree, or leave the listener's host out.",
		.sources = "Gateway API specification",
		.check = gw003,
	},
	{
		.id = "GW004",
		.title = "Reference across namespaces without ReferenceGrant",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "Requests answer 500, or the listener has no certificate; the status "
			   "says RefNotPermitted.",
		.cause = "A Service or Secret of another namespace may be named only when that "
			 "namespace grants it.",
		.evidence = "backendRefs and certificateRefs with another namespace, against the "
			    "ReferenceGrants there.",
		.probe = "Read the status of route and Gateway.",
		.fix = "Add a ReferenceGrant in the namespace that is referred to.",
		.sources = "Gateway API specification",
		.check = gw004,
	},
	{
		.id = "GW005",
		.title = "Backend missing, without port, or with an unknown port",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "Requests that the rule takes answer 500.",
		.cause = "The Service does not exist, its port is not written or not one it has, "
			 "or all weights are 0.",
		.evidence = "Each backendRef looked up with its port.",
		.probe = "Send a request that the rule matches.",
		.fix = "Name the Service and one of its ports.",
		.sources = "skyhook-io/radar gwroute:backend-port-mismatch",
		.after = "GW004",
		.check = gw005,
	},
	{
		.id = "GW006",
		.title = "Gateway of a class that nobody serves",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "The Gateway gets no address and is never programmed.",
		.cause = "Its class is not defined, or the controller that brings the class is not "
			 "installed.",
		.evidence = "gatewayClassName against the GatewayClasses of the set; without any "
			    "only with a declared profile.",
		.probe = "Read the Gateway's status.",
		.fix = "Install the controller, or name a class that exists.",
		.sources = "k8sgpt-ai/k8sgpt gateway analyzer",
		.check = gw006,
	},
	{ 0 },
};

const struct family family_gw = { "GW", "Gateway API", rules };
