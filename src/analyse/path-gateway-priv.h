/* What: the inside of a walk through a Gateway: path-gateway.c (listener, certificate, backends) and path-route.c (which route
 * takes the request). */
#pragma once

#include "analyse/path-gateway.h"
#include "analyse/route.h"

struct passage { /* one walk through one Gateway */
	struct walk *w;
	const struct object *gateway;
	const struct path_end *e;
	const struct val *listener; /* that takes the connection */
	struct explain_step *step;  /* of the route */
};

struct candidate {
	const struct object *route;
	const struct val *rule, *match; /* match: null where the rule has none */
	size_t host;                    /* how closely it is named */
	size_t path;                    /* how closely the path is: exact, then by length */
	bool unsure; /* by an expression that only the implementation can judge */
};

/* How closely the host is named: exactly, by a wildcard (the longer the closer), by nothing said (1). 0: not at all. */
size_t host_closeness(struct slice pattern, struct slice host);
/* The closest of a route's hostnames; those of TCP and UDP routes mean nothing. */
size_t route_closeness(const struct object *route, struct slice host);
/* Does the parentRef of the route name the Gateway? */
bool route_names_gateway(const struct object *route, const struct val *ref,
                         const struct object *gateway);

/* The rule that takes the request, by the API's order of precedence, with what nearly did as notes of t->step. False: there
 * is none, and the step is broken. */
bool route_choose(struct passage *t, struct candidate *ret);
