/* What: Istio's objects as they decide who speaks TLS with whom: which pods have a proxy, what a proxy demands, what the
 * mesh was configured to do. Namespaces that are not among the objects have labels nobody knows.
 * Rules: workload before namespace before root namespace; PERMISSIVE when nobody says. */
#pragma once

#include "analyse/answer.h"
#include "analyse/subject.h"

#define MESH_ROOT "istio-system"

/* Do the workload's pods have a proxy (sidecar, or ambient)? */
enum answer mesh_has_proxy(const struct workload *w);
/* Does any workload certainly have one? */
bool mesh_is_there(const struct subject *s);

enum mtls { MTLS_DISABLE, MTLS_PERMISSIVE, MTLS_STRICT };
/* What the workload's proxy wants on a port of the pod. *ret_by (may be null): the PeerAuthentication that says so, or
 * null; *ret_at: the mode in it. */
enum mtls mesh_mtls(const struct subject *s, const struct workload *w, uint16_t port,
                    const struct object **ret_by, const struct val **ret_at);

struct mesh_config {
	const struct object *object; /* that says so; null: none is among the objects */
	bool holds;                  /* programs start after their proxy */
	bool registry_only;          /* only hosts the mesh knows */
};
struct mesh_config mesh_config_read(const struct subject *s);

/* A host of a VirtualService or DestinationRule as Istio reads it in a namespace. */
struct mesh_host {
	enum answer known;          /* NO: neither Service nor ServiceEntry */
	const struct svc *svc;      /* null: none */
	const struct object *entry; /* ServiceEntry, or null */
};
struct mesh_host mesh_host_of(const struct subject *s, struct slice ns, struct slice host);
/* Does the selector ({matchLabels}) of a policy take the workload? Absent: all of its namespace; in the root
 * namespace all of the mesh. */
bool mesh_selects(const struct object *policy, const struct workload *w);
/* Exact, "prefix*", "*suffix" or "*". */
bool mesh_pattern_fits(struct slice pattern, struct slice text);
