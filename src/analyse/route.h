/* What: routes of the Gateway API and the gateways they name, read with their defaults, for the rules that
 * judge them and for others that need to know which Services are behind a gateway. */
#pragma once

#include "analyse/answer.h"
#include "analyse/subject.h"

#define GATEWAY_GROUP "gateway.networking.k8s.io"

/* HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute; in this order, then null-terminated by OBJECT_OTHER. */
extern const enum object_kind route_kinds[];
#define route_each(s, it)                                                                          \
	for (const enum object_kind *it##_kind = route_kinds; *it##_kind != OBJECT_OTHER;          \
	     it##_kind++)                                                                          \
	object_each(s, *it##_kind, it)

/* Does a reference name this group and kind, given what absent fields mean? */
bool ref_is(const struct val *ref, const char *group, const char *kind, const char *default_group,
            const char *default_kind);
bool ref_is_gateway(const struct val *parent_ref);
/* metadata.namespace of a reference, else that of the object that holds it. */
struct slice ref_namespace(const struct object *holder, const struct val *ref);
/* Is anything of that namespace among the objects? What lives in another is not known to be missing. */
bool namespace_is_known(const struct subject *s, const struct object *holder, struct slice ns);

/* May a route of this kind and namespace attach to the listener? Unknown: it depends on labels of a namespace that
 * is not among the objects. */
enum answer listener_admits(struct subject *s, const struct object *gateway,
                            const struct val *listener, const struct object *route);
/* Does the parentRef mean this listener (sectionName, port)? */
bool listener_is_meant(const struct val *listener, const struct val *parent_ref);
/* Have a listener's and a route's host names something in common? Empty: all hosts. */
bool hosts_meet(struct slice a, struct slice b);
bool route_meets_listener(const struct object *route, const struct val *listener);
/* Does a ReferenceGrant in that namespace let objects of the holder's kind and namespace name this one? */
bool reference_is_granted(const struct subject *s, const struct object *holder, struct slice ns,
                          const char *group, const char *kind, struct slice name);
