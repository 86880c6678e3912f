/* What: the inside of an explanation: how ends are understood and steps are put together; shared by
 * path*.c and explain.c. */
#pragma once

#include "analyse/explain.h"

enum end_type {
	END_WORKLOADS, /* pods of one workload or several */
	END_SERVICE,
	END_MANAGED, /* DBInstance, CacheCluster, ... */
	END_ADDRESS, /* an address that is nobody's here */
	END_NAME,    /* a name that is nobody's here */
	END_URL,     /* a public name that a browser or program asks for */
	END_INTERNET,
	END_BROWSER,
};
struct path_end {
	enum end_type type;
	VEC(const struct workload *) workloads; /* END_WORKLOADS */
	const struct svc *service;
	const struct object *managed;
	struct ip ip;
	struct slice name;         /* as asked, lower case: to be resolved; empty: by address */
	struct slice scheme, path; /* of a URL; else empty */
	uint16_t port;             /* 0: not given */
	const char *text;          /* as understood, for people */
};
void path_end_fini(struct path_end *e);
MUST_USE int path_source(struct subject *s, struct arena *a, struct slice text,
                         struct path_end *ret, struct err *err);
/* 'from' gives the namespace in which short names are looked up first. */
MUST_USE int path_target(struct subject *s, struct arena *a, struct slice text,
                         const struct path_end *from, struct path_end *ret, struct err *err);

/* Where a walk starts: a pod of a workload, or an address outside of pods. */
struct origin {
	const struct workload *workload; /* null: by address */
	struct ip ip;
	bool is_outside; /* beyond the VPC */
	bool is_browser;
	bool is_controller; /* the ingress controller: it goes to endpoints directly */
};

struct walk {
	struct subject *s;
	struct explanation *x;
};

/* ---- putting together ---- */
struct explain_path *path_new(struct walk *w, bool is_alternative, const char *title, ...)
	PRINTF_LIKE(3, 4);
/* A path that shares the steps so far. */
struct explain_path *path_fork(struct walk *w, const struct explain_path *p);
struct explain_step *path_step(struct walk *w, struct explain_path *p, enum explain_hop hop,
                               const char *says, ...) PRINTF_LIKE(4, 5);
void step_note(struct walk *w, struct explain_step *s, enum explain_note_type type,
               const struct object *o, const struct val *at, const char *text, ...)
	PRINTF_LIKE(6, 7);
/* id: of the catalogue's class, or null. The first cause of a step stays. */
void step_breaks(struct walk *w, struct explain_step *s, const char *id, const char *cause, ...)
	PRINTF_LIKE(4, 5);
void step_unsure(struct walk *w, struct explain_step *s, const char *cause, ...) PRINTF_LIKE(3, 4);
void step_repair(struct walk *w, struct explain_step *s, const char *repair, ...) PRINTF_LIKE(3, 4);
/* "Deployment happy-tails/frontend" */
const char *path_name_of(struct walk *w, const struct object *o);

/* ---- parts of the way; each appends to p and to forks of it ---- */

/* Resolving e->name from the origin. */
void path_resolve(struct walk *w, struct explain_path *p, const struct origin *from,
                  const struct path_end *e);
/* From the origin through the Service's port to its pods. */
void path_service(struct walk *w, struct explain_path *p, const struct origin *from,
                  const struct svc *service, uint16_t port);
/* The same for a port of an IngressBackend: by number, or by name. */
void path_service_port(struct walk *w, struct explain_path *p, const struct origin *from,
                       const struct svc *service, const struct svc_port *port);
/* Which port of the Service; a step that breaks when there is none (then null). 'at' (may be null) is where the
 * port is asked for. */
const struct svc_port *path_choose_port(struct walk *w, struct explain_path *p,
                                        const struct svc *service, struct slice name,
                                        uint16_t number);
/* Egress of the source, ingress of the destination. */
void path_policies(struct walk *w, struct explain_path *p, const struct origin *from,
                   const struct workload *to, enum proto proto, uint16_t port);
/* What the mesh demands of the caller; no step where it has no say. */
void path_mesh(struct walk *w, struct explain_path *p, const struct origin *from,
               const struct workload *to, enum proto proto, uint16_t port);
/* What the security groups of pods say; no step where there are none. */
void path_groups(struct walk *w, struct explain_path *p, const struct origin *from,
                 const struct workload *to, enum proto proto, uint16_t port);
/* What is known about a program listening there. */
void path_process(struct walk *w, struct explain_path *p, const struct workload *to,
                  enum proto proto, uint16_t port);
/* Policies, port and process of one workload's pod. */
void path_pod(struct walk *w, struct explain_path *p, const struct origin *from,
              const struct workload *to, enum proto proto, uint16_t port);
/* Egress policy towards an address that is no pod. */
struct explain_step *path_egress(struct walk *w, struct explain_path *p, const struct origin *from,
                                 struct ip to, enum proto proto, uint16_t port);
/* To a database or cache beside the cluster. */
void path_managed(struct walk *w, struct explain_path *p, const struct origin *from,
                  const struct path_end *e);
/* From outside (or from a pod, which leaves the cluster for it) to a public name through balancer and ingress. */
void path_edge(struct walk *w, const struct origin *from, const struct path_end *e);
/* Every way from outside to a Service: rules of Ingresses, balancer, node port. */
void path_outside_in(struct walk *w, const struct origin *from, const struct svc *service,
                     uint16_t port);
/* Is the name a host of some Ingress (whatever its class) or an alias of a distribution? */
bool path_is_public(const struct subject *s, struct slice name);
/* What the origin's own configuration says about the target: another port than it has. */
void path_config(struct walk *w, struct explain_path *p, const struct origin *from,
                 const struct path_end *e, uint16_t port);

/* ---- managed services ---- */
struct slice path_managed_endpoint(const struct object *o); /* name; empty: not known yet */
uint16_t path_managed_port(const struct object *o);
bool path_managed_ip(const struct subject *s, const struct object *o,
                     struct ip *ret); /* false: not known */
bool path_is_managed(enum object_kind id);
