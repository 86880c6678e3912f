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
/* A Secret that an Ingress or a listener takes its certificate from. */
struct tls_use {
	const struct object *holder;       /* of the reference */
	const struct val *at;              /* where the reference is written */
	struct slice ns, name;             /* of the Secret */
	const struct workload *controller; /* asks for HTTP-01 challenges; may be null */
	const char
		*without; /* what happens without it: "the controller serves its own certificate" */
};
/* Is it there, readable, and for the host (empty: any)? */
void path_secret(struct walk *w, struct explain_step *s, const struct tls_use *u,
                 struct slice host);
/* The certificate, when e's scheme is https. */
void path_tls(struct walk *w, struct explain_path *p, const struct routing *r,
              const struct ingress_host *h, const struct path_end *e);
/* Does an Ingress, whatever its class, have a rule for the host? */
bool path_ingress_has(const struct subject *s, struct slice host);

/* ---- of path-edge.c ---- */
/* From the origin to where the name leads: its resolution, the way out of the cluster, the CDN. */
void path_to_edge(struct walk *w, struct explain_path *p, const struct origin *from,
                  const struct path_end *e);
/* Does the program behind the URL admit the page's origin? */
void path_origins(struct walk *w, struct explain_step *s, const struct workload *api,
                  const struct path_end *e);
