/* What: opens ports on a pod's loopback for a client: each connection of the client's becomes one
 * to 127.0.0.1 (then ::1) inside the pod's network namespace. */
#pragma once

#include "http/channel.h"

struct server;
struct server_target;

void portforward_serve(struct server *s, struct http_request *r, const struct server_target *t);
