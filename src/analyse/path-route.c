/* Why: which route of a Gateway takes a request, by the Gateway API's own order of precedence, and why others that name the
 * host do not. See path-gateway-priv.h. Source: gateway-api.sigs.k8s.io, API specification v1 (HTTPRouteMatch). */
#include "analyse/finding.h"
#include "analyse/path-gateway-priv.h"

enum { NEAR_MAX = 8 /* routes that nearly took it */ };

/* ---- hosts ---- */

size_t host_closeness(struct slice pattern, struct slice host)
{
	if (!pattern.len || !host.len) {
		return 1;
	}
	if (slice_eq_nocase(pattern, host)) {
		return SIZE_MAX;
	}
	return pattern.p[0] == '*' && hosts_meet(pattern, host) ? 1 + pattern.len : 0;
}

size_t route_closeness(const struct object *route, struct slice host)
{
	const struct val *hosts = val_get(object_spec(route), "hostnames");
	size_t best = 0;

	if (!val_len(hosts) || route->id == OBJECT_TCPROUTE || route->id == OBJECT_UDPROUTE) {
		return 1;
	}
	val_for_each (hosts, it) {
		size_t n = host_closeness(val_str(it), host);

		best = n > best ? n : best;
	}
	return best;
}

bool route_names_gateway(const struct object *route, const struct val *ref,
                         const struct object *gateway)
{
	return ref_is_gateway(ref) && slice_eq(ref_namespace(route, ref), gateway->ns) &&
	       slice_eq(val_get_str(ref, "name"), gateway->name);
}

/* ---- the rules ---- */

static size_t path_closeness(struct slice type, struct slice value, struct slice path, bool *unsure)
{
	if (slice_is(type, "RegularExpression")) {
		*unsure = true;
		return 1;
	}
	if (slice_is(type, "Exact")) {
		return slice_eq(path, value) ? SIZE_MAX : 0;
	}
	while (value.len > 1 && value.p[value.len - 1] == '/') {
		value.len--;
	}
	if (slice_is(value, "/")) {
		return 2;
	}
	return slice_has_prefix(path, value) && (path.len == value.len || path.p[value.len] == '/')
	               ? 1 + value.len
	               : 0;
}

/* gRPC: the path is /SERVICE/METHOD. */
static size_t method_closeness(const struct val *method, struct slice path, bool *unsure)
{
	struct slice service = val_get_str(method, "service"), name = val_get_str(method, "method"),
		     own, called;

	if (!method) {
		return 2;
	}
	*unsure = slice_is(val_get_str(method, "type"), "RegularExpression");
	(void)slice_cut(slice_from(path, path.len && path.p[0] == '/'), '/', &own, &called);
	if (*unsure) {
		return 1;
	}
	return (service.len && !slice_eq(service, own)) || (name.len && !slice_eq(name, called))
	               ? 0
	               : 2 + service.len + name.len;
}

/* A plain GET without headers and parameters is asked for; what wants more of a request is not taken. */
static const char *wants_more(const struct val *match)
{
	struct slice method = val_get_str(match, "method");

	return val_len(val_get(match, "headers"))       ? "it also asks for headers"
	       : val_len(val_get(match, "queryParams")) ? "it also asks for query parameters"
	       : method.len && !slice_is(method, "GET") ? "it is for another method than GET"
	                                                : NULL;
}

static size_t match_closeness(const struct passage *t, const struct object *route,
                              const struct val *match, bool *unsure)
{
	const struct val *path = val_get(match, "path");

	if (route->id == OBJECT_GRPCROUTE) {
		return method_closeness(val_get(match, "method"), t->e->path, unsure);
	}
	if (route->id != OBJECT_HTTPROUTE) {
		return 1;
	}
	return path_closeness(val_get_str(path, "type"),
	                      val_get(path, "value") ? val_get_str(path, "value") : SLICE("/"),
	                      t->e->path, unsure);
}

/* Equal ones: the first by namespace and name, then by its place. */
static bool is_closer(const struct candidate *a, const struct candidate *b)
{
	int r;

	if (!b->route) {
		return true;
	}
	if (a->host != b->host) {
		return a->host > b->host;
	}
	if (a->unsure != b->unsure) {
		return b->unsure;
	}
	if (a->path != b->path) {
		return a->path > b->path;
	}
	r = slice_cmp(a->route->ns, b->route->ns);
	return (r ? r : slice_cmp(a->route->name, b->route->name)) < 0;
}

static void note_match(struct passage *t, const struct candidate *c, const char *why)
{
	const struct val *path = val_path(c->match, "path.value");

	step_note(t->w, t->step, NOTE_NEAR, c->route,
	          path       ? path
	          : c->match ? c->match
	                     : c->rule,
	          "%s" SLICE_FMT "%s does not take it: %s", path ? "path " : "a rule",
	          SLICE_ARG(val_str(path)),
	          arena_printf(&t->w->x->arena, " of %s", path_name_of(t->w, c->route)), why);
}

static void try_match(struct passage *t, const struct candidate *like, const struct val *match,
                      struct candidate *best)
{
	struct candidate c = *like;
	const char *more = wants_more(match);

	c.match = match;
	c.path = match_closeness(t, c.route, match, &c.unsure);
	if (!c.path) {
		note_match(t, &c,
		           c.route->id == OBJECT_GRPCROUTE ? "its service or method differs"
		                                           : "its path differs");
	} else if (more && c.route->id == OBJECT_HTTPROUTE) {
		note_match(t, &c, more);
	} else if (is_closer(&c, best)) {
		*best = c;
	}
}

static void try_rules(struct passage *t, const struct object *route, size_t host,
                      struct candidate *best)
{
	val_for_each (val_get(object_spec(route), "rules"), rule) {
		const struct candidate like = { .route = route, .rule = rule, .host = host };

		if (!val_len(val_get(rule, "matches"))) {
			try_match(t, &like, NULL, best);
		}
		val_for_each (val_get(rule, "matches"), match) {
			try_match(t, &like, match, best);
		}
	}
}

/* Why the route is not attached to the listener; null: it is. *ret_id: the class of it. */
static const char *not_attached(const struct passage *t, const struct object *route,
                                const struct val *ref, const char **ret_id)
{
	if (!listener_is_meant(t->listener, ref)) {
		*ret_id = "GW001";
		return "its parentRef means another listener";
	}
	*ret_id = "GW002";
	return listener_admits(t->w->s, t->gateway, t->listener, route) == ANSWER_NO
	               ? "the listener's allowedRoutes do not let it in"
	               : NULL;
}

/* Which routes are there, and which of them has the host. */
struct sighting {
	const struct object *shut_out; /* names the host, and is not attached */
	const char *why, *id;
	size_t n_near;
	bool has_host; /* some attached route takes the host */
};

static void try_route(struct passage *t, const struct object *route, const struct val *ref,
                      struct candidate *best, struct sighting *seen)
{
	size_t host = route_closeness(route, t->e->name);
	const char *id = NULL, *why = not_attached(t, route, ref, &id);

	if (!host) {
		const struct val *hosts = val_get(object_spec(route), "hostnames");

		if (seen->n_near++ < NEAR_MAX) {
			step_note(t->w, t->step, NOTE_NEAR, route, val_first(hosts),
			          "%s is for " SLICE_FMT "%s", path_name_of(t->w, route),
			          SLICE_ARG(val_str(val_first(hosts))),
			          val_len(hosts) > 1 ? " and others" : "");
		}
		return;
	}
	if (why) {
		if (host > 1 && !seen->shut_out) {
			*seen = (struct sighting){ route, why, id, seen->n_near, seen->has_host };
		}
		step_note(t->w, t->step, NOTE_NEAR, route, val_get(ref, "name"), "%s: %s",
		          path_name_of(t->w, route), why);
		return;
	}
	seen->has_host = true;
	try_rules(t, route, host, best);
}

static struct candidate choose(struct passage *t, struct sighting *seen)
{
	struct candidate best = { 0 };

	route_each(t->w->s, route)
	{
		val_for_each (val_get(object_spec(route), "parentRefs"), ref) {
			if (route_names_gateway(route, ref, t->gateway)) {
				try_route(t, route, ref, &best, seen);
			}
		}
	}
	return best;
}

static void say_no_route(struct passage *t, const struct sighting *seen)
{
	struct explain_step *s = t->step;

	s->answer = 404;
	if (seen->has_host) {
		step_breaks(t->w, s, NULL,
		            "No rule takes " SLICE_FMT " of host " SLICE_FMT
		            "; the gateway answers 404.",
		            SLICE_ARG(t->e->path), SLICE_ARG(t->e->name));
		step_repair(t->w, s, "Add a rule with path " SLICE_FMT " (type PathPrefix).",
		            SLICE_ARG(t->e->path));
	} else if (seen->shut_out) {
		step_breaks(t->w, s, seen->id, "%s has the host and is not attached: %s.",
		            path_name_of(t->w, seen->shut_out), seen->why);
		step_repair(t->w, s, "Let %s and listener " SLICE_FMT " of %s agree.",
		            path_name_of(t->w, seen->shut_out),
		            SLICE_ARG(val_get_str(t->listener, "name")),
		            path_name_of(t->w, t->gateway));
	} else {
		step_breaks(t->w, s, "GW001",
		            "No route that is attached to %s%s" SLICE_FMT "; it answers 404.",
		            path_name_of(t->w, t->gateway),
		            t->e->name.len ? " has host " : " takes the connection",
		            SLICE_ARG(t->e->name));
		step_repair(t->w, s, "Add a route with parentRef %s%s" SLICE_FMT ".",
		            path_name_of(t->w, t->gateway), t->e->name.len ? " and hostname " : "",
		            SLICE_ARG(t->e->name));
	}
}

bool route_choose(struct passage *t, struct candidate *ret)
{
	struct sighting seen = { 0 };

	*ret = choose(t, &seen);
	if (!ret->route) {
		say_no_route(t, &seen);
	}
	return ret->route != NULL;
}
