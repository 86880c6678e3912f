/* What: the kubelet's HTTP service, for the API server alone, on a unix socket.
 *
 *   GET  /containerLogs/NS/POD/CONTAINER   logs.h          GET  /pods           a PodList
 *   any  /exec/NS/POD/CONTAINER            exec.h          GET  /stats/summary  stats.h
 *   any  /attach/NS/POD/CONTAINER          attach.h        GET  /healthz        "ok"
 *   GET  /dial/NS/POD?port=N               dial.h
 *   any  /portForward/NS/POD               portforward.h   POST /probe/NS/POD, /probeNode, /probeVpc  probe-flow.h
 *   GET  /drops, /metrics                  drops.h
 *
 * Who may ask what is the API server's decision: the socket belongs to its user, mode 0600.
 * Failures are answered as Status objects with the kubelet's sentences, so that they can be passed
 * on as they are. kubernetes-api.md section 4. */
#pragma once

#include "http/server.h"
#include "node/agent.h"

struct server;

/* Listens on 'path' (replaced when it exists). Borrowed: the agent, of which loop, pods, runtime,
 * node_name and api_uid are used. Failure: ERR_IO. */
MUST_USE int server_new(struct agent *a, const char *path, struct server **ret, struct err *err);
/* Ends logs that are followed; connections that were upgraded end with the process. Accepts null.
 * The programs that exec started live on. */
struct server *server_free(struct server *s);
/* A container of this pod began or ended: those who follow its logs look again at once. (They do so
 * every second anyway.) */
void server_pod_changed(struct server *s, struct slice uid);
