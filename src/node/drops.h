/* What: packets that the network dropped, told to people: as Events on the pods (Warning, NetworkPolicyDrop and
 * others), as counters for Prometheus, and to who asks.
 *
 *   GET /drops      {"drops": [drop-story.h, ...]}: flows that lost packets in the last ten minutes
 *   GET /metrics    Prometheus text: kennel_network_dropped_packets_total{namespace,pod,direction,reason},
 *                   kennel_network_packets_total{verdict} for the whole node
 *
 * The kernel notes drops by itself (dataplane/drop-set.h). Every two seconds its counters are read; only when one of
 * them rose the flows are looked at. Packets that pass pay nothing.
 *
 * Limits: the same flow is told at most once a minute, and no more than DROPS_EVENTS_MAX sentences a minute on this
 * node; series exist for pods that lost packets and still exist. */
#pragma once

#include "http/server.h"
#include "node/agent.h"

#define DROPS_EVENTS_MAX 30u

struct drops;
struct server;

/* Borrowed: the agent, whose dataplane, model and recorder are used. Starts looking when the model is complete. */
struct drops *drops_new(struct agent *a);
struct drops *drops_free(struct drops *d); /* accepts null */

void drops_serve(struct server *s, struct http_request *r);
void drops_serve_metrics(struct server *s, struct http_request *r);
