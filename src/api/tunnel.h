/* What: requests that the node agent answers: logs as a streamed answer; exec, attach and
 * port-forward as raw bytes both ways over the connection, whatever protocol they upgrade to. */
#pragma once

#include "api/call.h"

int tunnel_log(struct call *c);
int tunnel_exec(struct call *c);
int tunnel_attach(struct call *c);
int tunnel_forward(struct call *c);
/* Cuts all of them (shutdown). */
void tunnels_end(struct api *api);
