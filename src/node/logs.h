/* What: answers requests for a container's log: whole, its tail, or followed until the container
 * ends. */
#pragma once

#include "http/server.h"

struct server;
struct server_target;

void logs_serve(struct server *s, struct http_request *r, const struct server_target *t);
/* The server ends: what still is on its way to clients goes there without it. */
void logs_detach_all(struct server *s);
