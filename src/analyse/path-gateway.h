/* What: the ways through the Gateway API: from a listener of a Gateway by the route that takes the request to its backends. */
#pragma once

#include "analyse/path.h"

/* Is the name a host of some route or listener? */
bool gateway_has_host(const struct subject *s, struct slice name);
/* Adds a path for every Gateway that the URL's host may lead to; 'others': there are ways that count already, so these are
 * alternatives. Returns how many. */
size_t path_gateways(struct walk *w, const struct origin *from, const struct path_end *e,
                     bool others);
/* Adds a path for every rule of a route that sends to the Service (port null: any). Likewise. */
size_t path_gateway_rules(struct walk *w, const struct origin *from, const struct svc *x,
                          const struct svc_port *port, bool others);
