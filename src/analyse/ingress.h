/* What: Ingresses read as routes (host, path, Service, port), their class, and the controller that serves it. */
#pragma once

#include "analyse/subject.h"

struct route {
	const struct object *ingress;
	const struct val *rule, *path; /* null: of the default backend */
	const struct val *backend;     /* what names the Service; may be null */
	struct slice host, at, type;   /* "app.example.org" (empty: any), "/api", "Prefix" */
	struct slice service;          /* empty: a resource, or nothing */
	const struct val *service_at, *port_at; /* nodes for positions; may be null */
	const struct svc *svc;                  /* null: there is none */
	const struct svc_port *port;            /* null: the Service has none such */
};
struct route_list {
	VEC(const struct route *) at;
};
struct routes {
	VEC(struct route) at;
	struct map
		by_host; /* lower case, as written ("*.example.org", "" for any) -> struct route_list, owned */
};
/* Of every Ingress, in the order of reading. Made at the first call. */
const struct routes *subject_routes(struct subject *s);

/* Walks the routes whose host covers this one: its own, the wildcard's, those for any host. */
struct route_walk {
	const struct route_list *list;
	size_t i;
	int stage; /* state */
};
const struct route *route_next(const struct routes *routes, struct slice host,
                               struct route_walk *w);
#define route_each_of_host(s, host, it)                                                            \
	for (struct route_walk it##_walk = { 0 }; it##_walk.stage >= 0; it##_walk.stage = -1)      \
		for (const struct route *it = route_next(subject_routes(s), (host), &it##_walk);   \
		     it; it = route_next(subject_routes(s), (host), &it##_walk))

/* The class an Ingress asks for: field, then annotation, then the default class; empty when there is none. *ret_at (may be
 * null) is where it is written; null for a default. */
struct slice ingress_class(const struct subject *s, const struct object *ingress,
                           const struct val **ret_at);
/* The controller of a class: by its IngressClass, else by custom; empty when not known. */
struct slice ingress_controller(const struct subject *s, struct slice class_name);
/* Known controllers, by the name in IngressClass.spec.controller. */
struct controller {
	const char *name, *class_name;
	const char *label, *value; /* of its pods; null: it is outside the cluster */
	const char *
		annotations; /* prefix of what it reads from an Ingress, "nginx.ingress.kubernetes.io/" */
};
const struct controller *controller_find(struct slice name);
const struct controller *controller_at(unsigned i); /* null past the end */
/* The pods that carry requests for an Ingress into the cluster; nothing when they are not known. */
const struct selection *ingress_pods(struct subject *s, const struct object *ingress);
/* Why the controller answers plain HTTP for the host with a redirect to HTTPS ("it is annotated ..."); null: it does
 * not. */
const char *ingress_redirects(const struct subject *s, const struct object *ingress,
                              struct slice host);
