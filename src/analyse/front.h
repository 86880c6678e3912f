/* What: who stands in front of pods at the edge: the paths of an Ingress, AWS's application balancer made from an
 * Ingress, its network balancer made from a Service, and the Service of an ingress controller.
 * Annotations and their defaults: AWS Load Balancer Controller 3.x. */
#pragma once

#include "analyse/answer.h"
#include "analyse/subject.h"

struct ingress_path {
	struct slice host, path;     /* host empty: any */
	const struct val *at;        /* the element of paths, or the default backend */
	const struct val *service;   /* backend.service; null: another kind of backend */
	const struct svc *svc;       /* the Service; null when it is not there */
	const struct svc_port *port; /* of the Service; null when it has no such port */
};
struct ingress_paths {
	VEC(struct ingress_path) all;
};
void ingress_paths_read(const struct subject *s, const struct object *ingress,
                        struct ingress_paths *ret);
void ingress_paths_fini(struct ingress_paths *p); /* accepts zeroed */
#define scoped_ingress_paths __attribute__((cleanup(ingress_paths_fini)))
/* The first Ingress with a rule for the host (exact or wildcard), or null. */
const struct object *ingress_of_host(const struct subject *s, struct slice host);
bool ingress_has_host(const struct object *ingress, struct slice host);
/* Is one of tls[].hosts the host (or its wildcard), or does an entry name no host? */
bool ingress_has_tls(const struct object *ingress, struct slice host);

/* ---- AWS's application load balancer ---- */
bool ingress_is_alb(const struct subject *s, const struct object *ingress);
/* alb.ingress.kubernetes.io/KEY of the Service (may be null), else of the Ingress, else of its class's parameters
 * (scheme, targetType). Empty when nobody says. */
struct slice alb_setting(const struct subject *s, const struct object *ingress,
                         const struct object *service, const char *key);
bool alb_targets_ip(const struct subject *s, const struct object *ingress,
                    const struct object *service);

/* ---- AWS's network load balancer ---- */
bool svc_is_nlb(const struct svc *x); /* the AWS Load Balancer Controller acts on it */
struct slice nlb_setting(const struct svc *x, const char *key);
const struct val *nlb_setting_at(const struct svc *x, const char *key);
bool nlb_targets_ip(const struct svc *x);
/* The value of one attribute in a list "a=1,b=2"; empty when it is not there. */
struct slice attribute_of(struct slice list, const char *name);

/* ---- in front ---- */
bool svc_is_controller(const struct svc *x); /* a LoadBalancer Service of an ingress controller */
/* The names external-dns makes for it (annotation), comma-separated; or empty. */
struct slice svc_external_names(const struct svc *x);
/* Is the name in a comma-separated list, with spaces around? */
bool list_has(struct slice list, struct slice name);
/* A name that people outside look up; not of a private zone or a name for inside. */
bool host_is_public(const struct subject *s, struct slice host);
