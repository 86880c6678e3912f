/* What: connects from inside a pod's network namespace and says what came of it: what 'verify --live' and 'explain --live'
 * look with. (The kubelet's own health checks are probe.h.)
 *
 *   POST /probe/NS/POD    from the pod
 *   POST /probeNode       from the node
 *   POST /probeVpc        from the router, where the balancer is
 *   {"timeoutMs": 500, "flows": [{"proto": "TCP", "ip": "10.244.0.5", "port": 80}, ...]}
 *
 * Answer, in the order asked: {"results": [{"outcome": "connected", "ms": 0.4}, ...]}; outcomes:
 *
 *   connected    TCP: open; UDP: something came back (what is sent is a DNS question, which any resolver answers)
 *   refused      the other end's kernel answered that nobody listens: packets get there and back
 *   timeout      nothing came back: dropped on the way (UDP: or nobody answers)
 *   unreachable  the network said no: no route, prohibited. With "why"
 *
 * A flow may have "send" (base64): it is sent once connected (UDP: instead of the question), and "receive": true: the
 * first bytes that come back stand in "received" (base64; TCP: empty when none came in time).
 *
 * All flows of a request run side by side, PROBE_FLOWS_AT_ONCE at a time. */
#pragma once

#include "http/server.h"

struct server;
struct server_target;

#define PROBE_FLOWS_MAX     1024u /* of one request; a body of the server's limit holds about as many */
#define PROBE_FLOWS_AT_ONCE 128u  /* descriptors one request may hold */
#define PROBE_SEND_MAX      1024u /* bytes */
#define PROBE_RECEIVE_MAX   4096u /* likewise; the rest is left */
#define PROBE_TIMEOUT_MS    1000 /* unless asked otherwise: a lost SYN is sent again after a second */
#define PROBE_TIMEOUT_MAX   10000 /* ms */

void probe_flow_serve(struct server *s, struct http_request *r, const struct server_target *t);
void probe_flow_serve_node(struct server *s, struct http_request *r);
void probe_flow_serve_vpc(struct server *s, struct http_request *r);
