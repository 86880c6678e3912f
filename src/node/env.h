/* What: the environment of a container out of its pod, ConfigMaps, Secrets and services. Pure.
 * kubernetes-api.md section 8.6. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "codec/value.h"
#include "schema/env.h"

/* What the environment and downward volumes may ask of the world around the pod. */
struct pod_facts {
	const struct val *pod;
	struct slice node_name;
	/* Texts, the primary address first, a second one behind a comma; pod_ips "" while unknown. */
	const char *host_ips, *pod_ips;
	int64_t node_cpu_milli; /* allocatable: what an unset limit means */
	int64_t node_memory_bytes;
	/* A ConfigMap ("ConfigMap") or Secret by name in the pod's namespace; null when absent. */
	const struct val *(*find)(void *arg, const char *kind, struct slice ns, struct slice name);
	/* Calls visit for each Service of the namespace, then for default/kubernetes. May be null.
	 */
	void (*services)(void *arg, struct slice ns,
	                 void (*visit)(void *visit_arg, const struct val *service),
	                 void *visit_arg);
	void *arg;
};

/* Builds what the pod says of 'container's environment: service links, envFrom, env. Keys of
 * envFrom that are no names are appended to 'skipped' (comma separated; may be null). Failure:
 * ERR_NOTFOUND for a missing reference, in the kubelet's words; ERR_INVALID. */
MUST_USE int env_build(struct env *e, const struct pod_facts *f, const struct val *container,
                       struct strbuf *skipped, struct err *err);
/* What the process gets: the image's variables, then 'own' ones over them. $(NAME) never sees the
 * image's. */
void env_with_image(struct env *e, const struct env *own, const struct val *image_config);

/* A downward API field ("metadata.labels['app']", "status.podIP"), as text in a. ERR_INVALID. */
MUST_USE int downward_field(struct arena *a, const struct pod_facts *f, struct slice path,
                            struct slice *ret, struct err *err);
/* resourceFieldRef: {resource, divisor, containerName}; container: the one asked from. */
MUST_USE int downward_resource(struct arena *a, const struct pod_facts *f,
                               const struct val *container, const struct val *ref,
                               struct slice *ret, struct err *err);
