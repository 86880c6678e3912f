/* What: Ingresses of one controller as a table, and the steps that ask it; shared by path-ingress.c and
 * path-edge.c. */
#pragma once

#include "analyse/path.h"
#include "model/ingress.h"

struct routing {
	struct slice controller;         /* spec.controller of its classes */
	const struct workload *workload; /* its pods; null: not known */
	struct ingress_classes classes;
	struct ingress_table table; /* readings' owner: the struct object of the Ingress */
};
/* For the controller that serves the host's Ingress. */
struct routing path_routing(struct walk *w, struct slice host);
/* The step of host and path; null when nothing takes them. */
const struct ingress_path *path_rule(struct walk *w, struct explain_path *p,
                                     const struct routing *r, const struct path_end *e,
                                     struct ingress_choice *ret);
/* The certificate, when e's scheme is https. */
void path_tls(struct walk *w, struct explain_path *p, const struct routing *r,
              const struct ingress_host *h, const struct path_end *e);
