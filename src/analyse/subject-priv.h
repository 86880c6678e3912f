/* What: the inside of a subject, shared by the files subject*.c. */
#pragma once

#include "analyse/limits.h"
#include "analyse/policies.h"
#include "analyse/subject.h"

typedef VEC(struct pod_class *) class_vec;
struct subject_index {
	struct map by_key;    /* kind, namespace, name -> struct object */
	struct map by_name;   /* kind, name -> struct object, the first */
	struct map by_space;  /* kind and namespace -> struct beside */
	struct map by_value;  /* pointer of the value -> struct object */
	struct map spaces;    /* name -> struct space */
	struct map workloads; /* pointer of the object -> struct workload */
	struct map classes;   /* namespace and labels as text -> struct pod_class */
	struct map pairs;     /* namespace, key and value -> class_vec, owned */
	struct map services;  /* namespace/name -> struct svc */
	struct map selectors; /* pointer of the LabelSelector -> struct selector or &unreadable */
	struct map unknown;   /* "apiVersion Kind" -> index in left_out + 1 */
	struct object *last[OBJECT_KINDS];
	struct svc_list *services_of; /* by workload.id */
	struct netpol_list
		*netpols[POLICY_DIRECTIONS]; /* by workload.id; made at the first question */
	struct selection *controllers;       /* by known controller; likewise */
	struct calls *calls;                 /* owned; likewise */
	struct routes *routes;               /* owned; likewise */
	struct edge_index *edges;            /* owned; made by edges.c */
	struct target *targets;              /* owned; of each reference, made by target.c */
	struct values *values;               /* owned; made by subject_values */
	struct doc **docs;                   /* owned shares: what was made up for the model */
	size_t n_docs, docs_room;
};

void edge_index_free(struct edge_index *x); /* accepts null */
struct slice pointer_key(const void *const *p);
/* "\3shop/web" in buf; empty when too long. */
struct slice subject_key(char *buf, enum object_kind id, struct slice ns, struct slice name);
struct space *subject_need_space(struct subject *s, struct slice name);
void subject_forget_policies(struct subject *s);
void subject_forget_routes(struct subject *s);
void subject_forget_calls(struct subject *s);
void subject_gather_workloads(struct subject *s);
void subject_gather_services(struct subject *s);
const struct selector *subject_selector(struct subject *s, const struct val *label_selector);
