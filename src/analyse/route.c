/* Why: how routes, listeners and grants of the Gateway API fit together; see route.h. */
#include "analyse/route.h"

const enum object_kind route_kinds[] = { OBJECT_HTTPROUTE, OBJECT_GRPCROUTE, OBJECT_TLSROUTE,
	                                 OBJECT_TCPROUTE,  OBJECT_UDPROUTE,  OBJECT_OTHER };

static bool text_is(const struct val *v, const char *wanted, const char *otherwise)
{
	return v ? slice_is(val_str(v), wanted) : strcmp(wanted, otherwise) == 0;
}

bool ref_is(const struct val *ref, const char *group, const char *kind, const char *default_group,
            const char *default_kind)
{
	return text_is(val_get(ref, "group"), group, default_group) &&
	       text_is(val_get(ref, "kind"), kind, default_kind);
}

bool ref_is_gateway(const struct val *parent_ref)
{
	return ref_is(parent_ref, GATEWAY_GROUP, "Gateway", GATEWAY_GROUP, "Gateway");
}

struct slice ref_namespace(const struct object *holder, const struct val *ref)
{
	struct slice ns = val_get_str(ref, "namespace");

	return ns.len ? ns : holder->ns;
}

bool namespace_is_known(const struct subject *s, const struct object *holder, struct slice ns)
{
	return slice_eq(ns, holder->ns) || subject_space(s, ns);
}

/* ---- what a listener takes ---- */

static bool protocol_takes(struct slice protocol, enum object_kind route)
{
	bool http = slice_is(protocol, "HTTP") || slice_is(protocol, "HTTPS");

	if (http) {
		return route == OBJECT_HTTPROUTE || route == OBJECT_GRPCROUTE;
	}
	if (slice_is(protocol, "TLS")) {
		return route == OBJECT_TLSROUTE || route == OBJECT_TCPROUTE;
	}
	return slice_is(protocol, "TCP")   ? route == OBJECT_TCPROUTE
	       : slice_is(protocol, "UDP") ? route == OBJECT_UDPROUTE
	                                   : true; /* a protocol of the implementation's own */
}

static bool kind_is_admitted(const struct val *listener, const struct object *route)
{
	const struct val *kinds = val_path(listener, "allowedRoutes.kinds");

	if (!val_len(kinds)) {
		return protocol_takes(val_get_str(listener, "protocol"), route->id);
	}
	val_for_each (kinds, k) {
		if (text_is(val_get(k, "group"), GATEWAY_GROUP, GATEWAY_GROUP) &&
		    slice_eq(val_get_str(k, "kind"), route->kind)) {
			return true;
		}
	}
	return false;
}

/* Does the selector ask for nothing but the namespace's name? Then its other labels do not matter. */
static bool asks_for_name_only(const struct val *selector)
{
	val_for_each (val_get(selector, "matchLabels"), pair) {
		if (!slice_is(pair->key, "kubernetes.io/metadata.name")) {
			return false;
		}
	}
	val_for_each (val_get(selector, "matchExpressions"), e) {
		if (!slice_is(val_get_str(e, "key"), "kubernetes.io/metadata.name")) {
			return false;
		}
	}
	return true;
}

static enum answer selector_admits(struct subject *s, const struct val *selector, struct slice ns)
{
	const struct space *space = subject_space(s, ns);

	if (!space) {
		return ANSWER_UNKNOWN;
	}
	if (space_matches(s, space, selector)) {
		return ANSWER_YES;
	}
	return space->object || asks_for_name_only(selector) ? ANSWER_NO : ANSWER_UNKNOWN;
}

enum answer listener_admits(struct subject *s, const struct object *gateway,
                            const struct val *listener, const struct object *route)
{
	const struct val *namespaces = val_path(listener, "allowedRoutes.namespaces");
	struct slice from = val_get_str(namespaces, "from");

	if (!kind_is_admitted(listener, route)) {
		return ANSWER_NO;
	}
	if (slice_is(from, "All")) {
		return ANSWER_YES;
	}
	if (slice_is(from, "Selector")) {
		return selector_admits(s, val_get(namespaces, "selector"), route->ns);
	}
	return slice_eq(route->ns, gateway->ns) && !slice_is(from, "None") ? ANSWER_YES : ANSWER_NO;
}

bool listener_is_meant(const struct val *listener, const struct val *parent_ref)
{
	const struct val *section = val_get(parent_ref, "sectionName"),
			 *port = val_get(parent_ref, "port");

	return (!section || slice_eq(val_str(section), val_get_str(listener, "name"))) &&
	       (!port || val_int(port, 0) == val_int(val_get(listener, "port"), -1));
}

/* ---- hosts ---- */

static bool is_under(struct slice name, struct slice wildcard)
{
	struct slice suffix = slice_from(wildcard, 1); /* ".example.com" of "*.example.com" */

	return wildcard.len > 2 && wildcard.p[0] == '*' && name.len > suffix.len &&
	       slice_eq_nocase(slice_from(name, name.len - suffix.len), suffix);
}

bool hosts_meet(struct slice a, struct slice b)
{
	return !a.len || !b.len || slice_eq_nocase(a, b) || is_under(a, b) || is_under(b, a);
}

bool route_meets_listener(const struct object *route, const struct val *listener)
{
	const struct val *hosts = val_get(object_spec(route), "hostnames");
	struct slice own = val_get_str(listener, "hostname");

	if (!val_len(hosts) || route->id == OBJECT_TCPROUTE || route->id == OBJECT_UDPROUTE) {
		return true;
	}
	val_for_each (hosts, h) {
		if (hosts_meet(val_str(h), own)) {
			return true;
		}
	}
	return false;
}

/* ---- grants ---- */

static bool grants_from(const struct val *grant, const struct object *holder)
{
	val_for_each (val_get(grant, "from"), f) {
		if (slice_is(val_get_str(f, "group"), GATEWAY_GROUP) &&
		    slice_eq(val_get_str(f, "kind"), holder->kind) &&
		    slice_eq(val_get_str(f, "namespace"), holder->ns)) {
			return true;
		}
	}
	return false;
}

static bool grants_to(const struct val *grant, const char *group, const char *kind,
                      struct slice name)
{
	val_for_each (val_get(grant, "to"), t) {
		struct slice wanted = val_get_str(t, "name");

		if (slice_is(val_get_str(t, "group"), group) &&
		    slice_is(val_get_str(t, "kind"), kind) &&
		    (!wanted.len || slice_eq(wanted, name))) {
			return true;
		}
	}
	return false;
}

bool reference_is_granted(const struct subject *s, const struct object *holder, struct slice ns,
                          const char *group, const char *kind, struct slice name)
{
	object_each_in(s, OBJECT_REFERENCEGRANT, ns, o)
	{
		const struct val *grant = object_spec(o);

		if (grants_from(grant, holder) && grants_to(grant, group, kind, name)) {
			return true;
		}
	}
	return false;
}
