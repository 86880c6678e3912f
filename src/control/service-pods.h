/* What: which pods stand behind a Service, and on which ports: what EndpointSlices and Endpoints
 * share. Source: reference (networking) 1.2 */
#pragma once

#include "control/edit.h"

bool service_has_selector(const struct val *service);
bool service_is_headless(const struct val *service);
/* Does the Service get endpoints from pods: a selector, and not an ExternalName? */
bool service_has_pods(const struct val *service);

/* What Services are indexed by: one pair of the selector, "app=web". */
bool service_selector(const struct val *service, struct strbuf *ret);
/* Adds the keys of all Services that an event can concern: Services themselves, those that select a
 * pod now or before, all of them when a node comes or goes. */
void service_pods_seen(struct controller *c, const struct store_event *e);

struct endpoint {
	const struct val *pod;
	const struct val *node; /* null when unknown */
	struct slice ip;
	const char *address_type; /* "IPv4" or "IPv6" */
	bool is_serving, is_terminating, is_ready;
	struct slice hostname; /* empty: none */
	struct val
		*ports; /* array of {name, protocol, port, appProtocol} as this pod resolves them */
	int64_t changed_us; /* newest change of it, 0 unknown */
};
struct endpoints {
	struct endpoint *at; /* in the arena, one per pod and address family */
	size_t n;
	int64_t changed_us; /* newest of all */
};
/* The Service's address types, "IPv4" and "IPv6", in its order; the second may be null. */
void service_address_types(const struct val *service, const char *ret[2]);
/* The Service's endpoints by the rules above, its primary family first, then in order of pod names. */
struct endpoints service_endpoints(struct work *w, const struct val *service);
/* {kind: Pod, namespace, name, uid} */
struct val *endpoint_target(struct arena *a, const struct endpoint *e);
