/* What: Ingresses, classes and Secrets for the tests of routes.c, nginx.c and settings.c, told as
 * YAML. */
#pragma once

#include "edge/nginx.h"

struct objects {
	struct arena arena;
	struct doc *docs[32];
	size_t n;
	struct routes_input in;
	struct routes routes;
	struct nginx_settings global;
	struct strbuf text; /* of render */
};

struct objects *objects_new(void); /* with the class nginx */
void objects_free(struct objects *o);
/* One object; kind decides where it goes. */
void objects_add(struct objects *o, const char *yaml);
/* An Ingress of namespace shop and class nginx, created at second 'at'; annotations as "k: v" lines
 * indented by four (prefix of ingress-nginx left out), spec as lines indented by two. */
void objects_ingress(struct objects *o, const char *name, int at, const char *annotations,
                     const char *spec);
/* host / path / Prefix / service. */
const char *objects_rule(const char *host, const char *path, const char *type, const char *service);
void objects_secret(struct objects *o, const char *name, const char *host);
void objects_route(struct objects *o); /* fills routes */
const char *objects_render(struct objects *o);
const struct route_server *objects_server(struct objects *o, const char *host);
const struct route_location *objects_location(struct objects *o, const char *host,
                                              const char *path);
bool objects_has_problem(struct objects *o, const char *reason, const char *part);
