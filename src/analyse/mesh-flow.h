/* What: does the mesh let a connection pass, and by which object: PeerAuthentication, DestinationRule and
 * AuthorizationPolicy in one answer. For everybody who decides flows: explain, matrix, verify, diff.
 *
 * Three answers, because files do not tell everything: what depends on the request (methods, paths, hosts, tokens) or on
 * an identity that files leave open passes or not, and is said to depend. */
#pragma once

#include "analyse/subject.h"

enum mesh_says { MESH_PASSES, MESH_CLOSED, MESH_DEPENDS };
struct mesh_ruling {
	enum mesh_says says;
	const struct object *by; /* who decided; null: nobody has a say */
	const struct val *at;    /* a part of it; may be null */
	const char *
		why; /* a clause about 'by', static: "takes mutual TLS only"; null when it passes */
};
/* From a workload (null: from outside, without a proxy) to a port of a workload's pods, after service translation. */
struct mesh_ruling mesh_flow(const struct subject *s, const struct workload *from,
                             const struct workload *to, enum proto proto, uint16_t port);
/* Does any object of the mesh decide about connections here? Else everything passes. */
bool mesh_has_say(const struct subject *s);
/* Does an AuthorizationPolicy ask for what is in requests, or for what files do not have? */
bool mesh_depends_on_requests(const struct object *policy);
/* Workloads of which the mesh thinks alike, as source and as target, have equal texts. */
void mesh_add_kin(struct strbuf *out, const struct subject *s, const struct workload *w);
/* Calls for every port that rules about the workload speak of by number. */
typedef void mesh_port_fn(void *arg, uint16_t port);
void mesh_each_port(const struct subject *s, const struct workload *to, mesh_port_fn *fn,
                    void *arg);
/* Calls for every object that decides about connections to the workload. */
typedef void mesh_object_fn(void *arg, const struct object *o);
void mesh_each_decider(const struct subject *s, const struct workload *to, mesh_object_fn *fn,
                       void *arg);
