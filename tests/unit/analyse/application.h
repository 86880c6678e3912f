/* What: a subject and its matrix out of YAML text; shared by the tests of what stands on the matrix. */
#pragma once

#include "analyse/matrix-subject.h"
#include "base/mem.h"
#include "codec/yaml.h"

struct application {
	struct arena arena;
	struct subject *subject;
	struct ports_pool *pool;
	struct matrix *matrix;
	const char *file;
};

static inline int application_add(void *arg, struct val *root, struct err *err)
{
	struct application *a = arg;

	(void)err;
	subject_add(a->subject, a->file, root);
	return 0;
}

static inline void application_begin(struct application *a, struct ports_pool *pool,
                                     const char *file, const char *yaml)
{
	struct err err;

	*a = (struct application){ .subject = subject_new(profile_find(SLICE("kind"))),
		                   .pool = pool,
		                   .file = file };
	if (yaml_parse_all(&a->arena, slice_of(yaml), application_add, a, &err) != 0) {
		fail_msg("%s in:\n%s", err.msg, yaml);
	}
	subject_ready(a->subject);
	a->matrix = matrix_new(pool, matrix_world_of_subject(&a->arena, a->subject));
}

static inline void application_end(struct application *a)
{
	matrix_free(a->matrix);
	subject_free(a->subject);
	arena_fini(&a->arena);
}

#define SPACE(name, labels)                                                                        \
	"{apiVersion: v1, kind: Namespace, metadata: {name: " name ", labels: {" labels "}}}\n---" \
	"\n"
#define APP(ns, name, labels, ports)                                                               \
	"{apiVersion: apps/v1, kind: Deployment, metadata: {name: " name ", namespace: " ns "}, "  \
	"spec: {selector: {matchLabels: {app: " name "}}, template: {metadata: {labels: {" labels  \
	"}}, "                                                                                     \
	"spec: {containers: [{name: c, image: x, ports: [" ports "]}]}}}}\n---\n"
#define POLICY(ns, name, spec)                                                                     \
	"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: " name           \
	", namespace: " ns "}, "                                                                   \
	"spec: {" spec "}}\n---\n"
#define SERVICE(ns, name, spec)                                                                    \
	"{apiVersion: v1, kind: Service, metadata: {name: " name ", namespace: " ns                \
	"}, spec: {" spec "}}\n---\n"

#define SHOP                                                                                       \
	SPACE("shop", "team: a")                                                                   \
	APP("shop", "web", "app: web", "{name: http, containerPort: 8080}")                        \
	APP("shop", "api", "app: api",                                                             \
	    "{name: http, containerPort: 5000}, {name: metrics, containerPort: 9090}")             \
	APP("shop", "db", "app: db", "{name: sql, containerPort: 3306}")                           \
	SERVICE("shop", "backend",                                                                 \
	        "selector: {app: api}, ports: [{name: web, port: 80, targetPort: http}]")
#define API_POLICY                                                                                 \
	POLICY("shop", "api",                                                                      \
	       "podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: "          \
	       "{matchLabels: {app: web}}}], ports: [{port: http}]}]")
#define DB_POLICY                                                                                  \
	POLICY("shop", "db",                                                                       \
	       "podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: "           \
	       "{matchLabels: {app: api}}}], ports: [{port: 3306}]}]")
