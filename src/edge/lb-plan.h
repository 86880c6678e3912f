/* What: Services of type LoadBalancer turned into what the balancer should listen on. Pure.
 *
 * Every Service shares one edge address, so a port belongs to one Service: the oldest that asks for
 * it. A Service that loses one of its ports gets none (half a load balancer is harder to understand
 * than none) and says why. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "codec/value.h"
#include "edge/health.h"

#define LB_ANNOTATION "service.beta.kubernetes.io/aws-load-balancer-"
#define LB_FINALIZER  "service.kubernetes.io/load-balancer-cleanup"

struct lb_port {
	uint16_t port, node_port;
	bool proxy_protocol;
	int64_t idle_us; /* a connection without bytes for so long is reset */
};

struct lb_service {
	const struct doc *object; /* borrowed from the caller */
	struct slice ns, name, uid;
	bool wanted; /* it is ours and not being deleted */
	struct lb_port *ports;
	size_t n_ports;         /* 0 when a problem keeps it from being served */
	struct prefix *sources; /* none: anybody */
	size_t n_sources;
	struct health_rule health;
	const char *problem; /* why it is not served; null: it is */
	const char *hint;    /* what is left out although it is served; may be null */
	bool waiting;        /* node ports are not assigned yet; nothing to complain about */
};

struct lb_plan {
	struct lb_service *services; /* oldest first; those of type LoadBalancer that are ours */
	size_t n;
};

/* Everything in the plan lives in a; n objects are Services of any type. */
struct lb_plan lb_plan_make(struct arena *a, const struct doc *const *objects, size_t n);
/* spec.type is LoadBalancer and the class none or AWS's. */
bool lb_service_is_ours(const struct val *service);
