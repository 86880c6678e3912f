/* What: whom a reference means: the Service behind a host name as the pod's namespace reads it, a managed database or
 * cache, an Ingress's own public host, the pod itself, the world outside, or nobody. */
#pragma once

#include "analyse/subject.h"
#include "analyse/value.h"

enum target_kind {
	TARGET_UNKNOWN, /* no host, or one that is filled in while running */
	TARGET_SELF,    /* loopback: another container of the pod, or the program itself */
	TARGET_SERVICE, /* service */
	TARGET_MISSING, /* a name only the cluster could know, and it has no such Service */
	TARGET_STORE,   /* object: DBInstance, DBCluster, CacheCluster, ReplicationGroup */
	TARGET_EDGE,    /* object: Ingress (or route) that serves this host */
	TARGET_OUTSIDE, /* any other name or address */
};

struct target {
	enum target_kind kind;
	const struct svc *service; /* SERVICE */
	const struct svc_port
		*port; /* SERVICE: the port referred to; null when it has none of that number */
	const struct object *object; /* STORE, EDGE; SERVICE: its own */
	struct slice ns, name;       /* MISSING: the Service that would be meant */
	bool is_pod;                 /* one pod of a headless Service: web-0.web */
};

/* 'ns': the namespace of whoever reads it. Places outside the cluster (PLACE_BROWSER) see only EDGE and OUTSIDE by
 * name, but are answered as a pod would be: the rules say what that means. */
struct target target_of(struct subject *s, const struct reference *r);
/* The same for a host alone. port 0: none. */
struct target target_of_host(struct subject *s, struct slice ns, struct slice host, uint16_t port);
/* A value under a browser's name (VITE_API_URL) that names a Service may be meant for a server in the same image that
 * passes requests on. It is when the pod's egress policy admits the Service's pods by their labels, and an Ingress
 * has a rule for the same path, so that the browser has a way of its own. */
bool target_is_proxied(struct subject *s, const struct reference *r, const struct target *t);
/* The managed database or cache that has this endpoint (status, or by the form of AWS's names), or null. */
const struct object *target_store_of_host(const struct subject *s, struct slice host);
/* The object a FieldExport reads from, or null. */
const struct object *target_of_export(const struct subject *s, const struct val *export);
/* "mysql", "postgres", "redis", "memcached": what speaks there; "" when it is not known. */
const char *target_store_scheme(const struct object *store);
uint16_t target_store_port(const struct object *store); /* its own or its engine's; 0: not known */
/* Namespace of the object a value is read in. */
struct slice target_ns_of(const struct reference *r);
