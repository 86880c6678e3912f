/* What: that which is analysed: all objects, each with its file and position, found by kind, namespace and
 * name; the workloads among them with the pods they would make; Services with the pods behind them; and
 * a model (model/model.h) fed with all of it, so that flows are decided as the kernel would.
 *
 * Order: subject_new, subject_add for each object, subject_ready once; then only questions. Nothing is
 * changed by a question (what is made on demand is kept). Everything returned is borrowed from the
 * subject. Objects are borrowed from whoever read them and must outlive it.
 *
 * Objects of the profile (cluster DNS, ingress controller...) that the set does not bring are added and
 * marked 'assumed': rules look at them, but have nothing to say about them. */
#pragma once

#include "analyse/profile.h"
#include "base/arena.h"
#include "base/ip.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/value.h"
#include "model/model.h"
#include "schema/selector.h"

enum object_kind {
#define OBJECT(id, group, kind, namespaced) OBJECT_##id,
#include "analyse/objects.def"
#undef OBJECT
	OBJECT_OTHER, /* not considered */
	OBJECT_KINDS,
};

struct object {
	const struct val *v;
	const char *file;  /* as a person would name it */
	struct slice kind; /* as written */
	struct slice ns,
		name; /* ns: "default" when a namespaced object has none, empty for cluster-wide ones */
	enum object_kind id;
	bool assumed;                       /* brought by the profile */
	const struct object *next;          /* of this kind, in the order of reading */
	const struct object *next_beside;   /* of this kind and namespace, likewise */
	const struct object *next_namesake; /* same kind and name in another namespace */
};

struct space { /* a namespace: declared, or known by what lives in it */
	struct slice name;
	const struct object *object; /* null: not in the set, so its labels are not known either */
	const struct val *labels;    /* with kubernetes.io/metadata.name */
	VEC(struct pod_class *) classes;
	VEC(const struct object *) policies; /* NetworkPolicies */
	VEC(const struct svc *) services;
};

struct pod_class { /* workloads of one namespace whose pods carry the same labels: selectors cannot tell them apart */
	unsigned id; /* dense from 0, in the order of reading */
	struct space *space;
	const struct val *labels; /* may be null */
	VEC(struct workload *) workloads;
};

struct workload {
	const struct object *object;
	struct slice ns, name;
	struct space *space;
	struct pod_class *class;
	const struct val *meta;          /* of the pods (template.metadata); may be null */
	const struct val *labels;        /* of the pods; may be null */
	const struct val *spec;          /* PodSpec; never null */
	int64_t replicas;                /* as written, else 1; DaemonSet: nodes of the profile */
	int64_t replicas_max;            /* with an autoscaler its maximum, else replicas */
	const struct object *autoscaler; /* HorizontalPodAutoscaler or null */
	bool host_network;
	bool ends;    /* Job, CronJob: runs to an end, serves nobody for long */
	struct ip ip; /* invented: of the one pod that stands for all in the model */
	unsigned id;  /* dense from 0, in the order of reading */
};

struct svc_port {
	const struct val *v; /* element of spec.ports */
	struct slice name;   /* may be empty */
	enum proto proto;    /* 0: unreadable */
	uint16_t port;
	struct slice target_name; /* empty: by number */
	uint16_t target;          /* 0: by name */
};
struct svc { /* a Service */
	const struct object *object;
	struct slice ns, name, type; /* type: as written, else "ClusterIP" */
	struct space *space;
	bool headless, external, has_selector; /* external: ExternalName */
	struct workload *const
		*pods; /* those the selector picks in its namespace, in order of reading */
	size_t n_pods;
	const struct svc_port *ports;
	size_t n_ports;
	unsigned id; /* dense from 0 */
};

struct left_out { /* what the analysis did not take into account */
	struct slice api_version, kind;
	size_t n;
	const struct object *first; /* the first of them */
};

struct subject {
	struct arena arena;
	const struct profile *profile;
	const struct object *first[OBJECT_KINDS];
	size_t n[OBJECT_KINDS];
	size_t n_objects; /* without assumed ones */
	VEC(struct workload *) workloads;
	VEC(struct pod_class *) classes;
	VEC(struct svc *) services;
	VEC(struct space *) spaces; /* in the order of reading */
	VEC(struct left_out) left_out;
	struct subject_index *index;
	struct model *model; /* owned; made by subject_model */
};

/* profile: borrowed; see profile.h. */
struct subject *subject_new(const struct profile *profile);
struct subject *subject_free(struct subject *s);
/* Takes in one object (no lists). An object twice of the same kind, namespace and name: the later one counts,
 * as with apply. 'file' is borrowed. */
void subject_add(struct subject *s, const char *file, const struct val *v);
/* After the last object. */
void subject_ready(struct subject *s);

/* ---- objects ---- */
#define object_each(s, id, it) for (const struct object *it = (s)->first[id]; it; it = it->next)

/* The first of the kind in a namespace; the others by next_beside. */
const struct object *subject_first_in(const struct subject *s, enum object_kind id,
                                      struct slice ns);
#define object_each_in(s, id, ns, it)                                                              \
	for (const struct object *it = subject_first_in((s), (id), (ns)); it; it = it->next_beside)

/* Null when there is none. ns is ignored for cluster-wide kinds. */
const struct object *subject_find(const struct subject *s, enum object_kind id, struct slice ns,
                                  struct slice name);
/* The first of that name in any namespace; the others by next_namesake. */
const struct object *subject_find_anywhere(const struct subject *s, enum object_kind id,
                                           struct slice name);
/* The first of that name in a namespace other than ns. */
const struct object *subject_find_elsewhere(const struct subject *s, enum object_kind id,
                                            struct slice ns, struct slice name);
struct space *subject_space(const struct subject *s, struct slice name); /* or null */
/* The object whose value this is (by pointer), or null. */
const struct object *subject_object(const struct subject *s, const struct val *v);
/* Does a kind that we do not know live in the namespace? An operator may make pods, Secrets and Services of it. */
bool space_has_strangers(const struct subject *s, struct slice ns);
const struct val *object_spec(const struct object *o);
const struct val *object_labels(const struct object *o);
/* The annotation's text, empty when absent. */
struct slice object_annotation(const struct object *o, const char *key);
/* Its node (for positions), or null. */
const struct val *object_annotation_at(const struct object *o, const char *key);
bool object_is_namespaced(enum object_kind id);
/* The kind by its name and the group in apiVersion, whatever the version; OBJECT_OTHER when it is not looked at. */
enum object_kind object_kind_of(struct slice api_version, struct slice kind);
bool object_group_is_known(struct slice group);

/* ---- pods ---- */
struct selection { /* in order of reading */
	VEC(struct workload *) at;
};
/* Workloads of the namespace whose pods the selector picks. 'pairs' (may be null) are labels that must all be
 * equal: they only make it quick. Appends to *ret. */
void subject_select(const struct subject *s, const struct space *space,
                    const struct selector *selector, const struct val *pairs,
                    struct selection *ret);
/* The same for a LabelSelector object; one that cannot be read picks nothing. */
void subject_select_object(struct subject *s, const struct space *space,
                           const struct val *label_selector, struct selection *ret);
void selection_fini(struct selection *x);
#define scoped_selection __attribute__((cleanup(selection_fini)))
/* The workload an object is (Deployment, Pod...), or null. */
struct workload *subject_workload(const struct subject *s, const struct object *o);
/* The namespaces a namespaceSelector picks. Unreadable: none. */
bool space_matches(struct subject *s, const struct space *space,
                   const struct val *namespace_selector);

/* Containers that run while the pod serves: containers, then sidecars (initContainers that restart always). */
struct container_walk {
	const struct val *at;
	int stage; /* state */
};
const struct val *container_next(const struct val *pod_spec, struct container_walk *w);
#define container_each(pod_spec, it)                                                               \
	for (struct container_walk it##_walk = { 0 }; container_next((pod_spec), &it##_walk);)     \
		for (const struct val *it = it##_walk.at; it; it = NULL)
/* The element of ports that has this name (and protocol), or null. */
const struct val *pod_port_named(const struct val *pod_spec, struct slice name, enum proto proto);
/* The element of ports that declares this number, or null; protocol 0: any. */
const struct val *pod_port_numbered(const struct val *pod_spec, uint16_t number, enum proto proto);
bool pod_has_ports(const struct val *pod_spec);
/* "TCP" when absent; 0 for what is no protocol. */
enum proto proto_of(const struct val *port);
const char *proto_text(enum proto p);

/* ---- Services ---- */
const struct svc *subject_service(const struct subject *s, struct slice ns, struct slice name);
/* The Services that pick this workload's pods, in order of reading. */
struct svc_list {
	VEC(const struct svc *) at;
};
const struct svc_list *subject_services_of(const struct subject *s, const struct workload *w);
const struct svc_port *svc_port_numbered(const struct svc *s, uint16_t port,
                                         enum proto proto); /* 0: any */
const struct svc_port *svc_port_named(const struct svc *s, struct slice name);
/* Number on the pod; 0 when the pod has no port of that name. */
uint16_t svc_port_target(const struct svc_port *p, const struct workload *w);

/* ---- values: see analyse/value.h ---- */
struct values;
/* What the values of all objects say. Made at the first call. */
const struct values *subject_values(struct subject *s);

/* ---- the model ---- */
/* All that matters to flows: namespaces, policies, one pod per workload at workload.ip, Services with
 * addresses (invented where none is written) and endpoints, hosts of managed services. Made at the first call. */
struct model *subject_model(struct subject *s);
/* May it pass as far as NetworkPolicies decide? What policies of the whole cluster deny is allowed here: rules that look
 * for the NetworkPolicy to change have nothing to say to that (NP025 has). */
enum verdict subject_decide(struct subject *s, const struct flow *f);
/* The same from one workload to the other. After service translation, so port is the pod's. */
enum verdict subject_flow(struct subject *s, const struct workload *from, const struct workload *to,
                          enum proto proto, uint16_t port);
