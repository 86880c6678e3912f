/* What: Services turned into what the balancer should listen on. Pure.
 *
 * A Service of type LoadBalancer gets an address of the edge: the one it asks for
 * (spec.loadBalancerIP), the one it had, a free one, or, when all are taken, one that it shares with
 * others. On a shared address a port belongs to the oldest Service that asks for it; what another one
 * does not get stands as an error at its port, and the rest of it is served.
 *
 * Node ports of all Services are opened on the first address of the edge as well, where nobody has
 * them: localhost:30080 is what people try first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip-range.h"
#include "codec/value.h"
#include "edge/health.h"

#define LB_ANNOTATION "service.beta.kubernetes.io/aws-load-balancer-"
#define LB_FINALIZER  "service.kubernetes.io/load-balancer-cleanup"
/* Of a Service: "hostname": its status tells a name instead of an address, as AWS does. */
#define LB_STATUS_ANNOTATION "kennel.dev/load-balancer-status"
/* "true": a guest on the edge's first address, which counts for nobody as taken; its ports go to any
 * other Service that wants them. */
#define LB_GUEST_ANNOTATION "kennel.dev/load-balancer-guest"
#define LB_CLASS            "kennel.dev/lb"
/* status.loadBalancer.ingress[].ports[].error */
#define LB_ERROR_TAKEN    "kennel.dev/PortInUse"
#define LB_ERROR_PROTOCOL "kennel.dev/ProtocolNotSupported"

struct lb_port {
	int protocol; /* IPPROTO_TCP, _UDP, _SCTP */
	uint16_t port, node_port;
	bool to_pods; /* no node port between */
	bool proxy_protocol;
	int64_t idle_us;   /* a connection or flow without bytes for so long ends */
	const char *error; /* null: it is to be served; LB_ERROR_... */
	const char *why;   /* a sentence about the error */
};

struct lb_service {
	const struct doc *object; /* borrowed from the caller */
	struct slice ns, name, uid;
	bool wanted;   /* it is ours and not being deleted */
	bool balancer; /* false: only its node ports, on the edge's first address */
	struct ip ip;  /* of the edge */
	bool sticky;   /* sessionAffinity ClientIP */
	bool hostname; /* the status tells a name */
	bool guest;    /* LB_GUEST_ANNOTATION */
	bool proxies;  /* some port wants the PROXY header */
	struct lb_port *ports;
	size_t n_ports;
	struct prefix *sources; /* none: anybody */
	size_t n_sources;
	struct health_rule health;
	uint16_t check_port;    /* 0: the target's own */
	bool own_check;         /* annotations say how to check; else it is the nodes' port */
	const char *check_path; /* null: no HTTP */
	const char *problem;    /* why nothing is served; null: something is */
	const char *hint;       /* what is left out although it is served; may be null */
	bool waiting;           /* node ports are not assigned yet; nothing to complain about */
};

struct lb_plan {
	struct lb_service *services; /* balancers, oldest first, guests last; then node ports */
	size_t n;
};

/* Everything in the plan lives in a; n objects are Services of any type. */
struct lb_plan lb_plan_make(struct arena *a, const struct ip_ranges *edge,
                            const struct doc *const *objects, size_t n);
/* spec.type is LoadBalancer and the class none, kennel's or AWS's. */
bool lb_service_is_ours(const struct val *service);
/* The name that a status tells, "k8s-NS-NAME-NUMBER.elb.kennel.local": as AWS' controller makes it. */
const char *lb_hostname(struct arena *a, const struct lb_service *s);
