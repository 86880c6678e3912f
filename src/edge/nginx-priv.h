/* What: what nginx.c and nginx-location.c share. */
#pragma once

#include "edge/nginx.h"

/* The fields that every request to a backend carries, as NAME_set_header lines; settings may be
 * null. */
void nginx_put_request_headers(struct strbuf *o, const char *indent, const char *module,
                               const struct ingress_settings *s);
void nginx_put_location(struct strbuf *o, const struct route_server *s,
                        const struct route_location *loc, const struct nginx_settings *g,
                        const struct nginx_layout *l);
/* The variables that say whose the location is. */
void nginx_put_location_vars(struct strbuf *o, const struct route_location *loc);
/* External authentication, nginx-auth.c: the use in the location, the fields that its answer gives
 * to the backend, and the locations that ask. number is the location's in its server. */
void nginx_put_auth_use(struct strbuf *o, const struct ingress_settings *s, size_t number);
void nginx_put_auth_headers(struct strbuf *o, const char *module, const struct ingress_settings *s);
void nginx_put_auth_locations(struct strbuf *o, const struct route_location *loc, size_t number);
/* Zones and address lists of limits, one set for each Ingress that has limits. */
void nginx_put_zones(struct strbuf *o, const struct routes *r);
/* A comment that says whose the following lines are; nginx_line_owner reads it. */
void nginx_put_owner(struct strbuf *o, struct slice ns, struct slice name);
