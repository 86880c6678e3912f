/* What: the HTTP ports by which load balancers learn whether this node takes their traffic.
 *
 *   spec.healthCheckNodePort of each Service with externalTrafficPolicy Local, any path:
 *       200 when a ready endpoint of it is on this node, else 503; with how many there are as JSON and
 *       in X-Load-Balancing-Endpoint-Weight
 *   10256, of the node:  /healthz  200, or 503 when the rules are behind or the node is going
 *                        /livez    200, or 503 when the rules are behind
 * Source: networking.md 1.4, KEP-3836 */
#pragma once

#include "base/ip.h"
#include "loop/loop.h"
#include "model/model.h"

struct health_ports;

#define HEALTH_PORT_OF_NODE 10256

struct health_ports_config {
	struct loop *loop;
	const struct model *model; /* borrowed */
	struct slice node;         /* its name; borrowed */
	struct ip ip;              /* where to listen */
};
struct health_ports *health_ports_new(const struct health_ports_config *c);
struct health_ports *health_ports_free(struct health_ports *h); /* accepts null */
/* Call it after each sync of the rules: listens for the Services that the model has now. What cannot
 * be listened on is logged and tried again the next time. */
void health_ports_follow(struct health_ports *h, bool rules_are_right);
