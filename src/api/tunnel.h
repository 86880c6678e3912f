/* What: requests that the node agent answers: logs as a streamed answer; exec, attach and
 * port-forward as raw bytes both ways over the connection, whatever protocol they upgrade to. */
#pragma once

#include "api/call.h"

int tunnel_log(struct call *c);
int tunnel_exec(struct call *c);
int tunnel_attach(struct call *c);
int tunnel_forward(struct call *c);
/* The call's own request goes to a pod, as one for 'path' at 'host' (not of the request's: ours): over the connection that the pod's node opens
 * when asked for 'dial' ("/dial/NS/POD?port=80", see node/dial.h). */
int tunnel_proxy(struct call *c, struct slice node, struct slice dial, const char *host,
                 struct slice path);
/* Cuts all of them (shutdown). */
void tunnels_end(struct api *api);
