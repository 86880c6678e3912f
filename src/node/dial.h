/* What: /dial/NS/POD?port=N[&tls=1]: a connection to a port of a pod's address, as raw bytes after
 * "101 Switching Protocols". With tls the node speaks TLS to the pod, whose certificate is not
 * verified, as the API server's proxy does. */
#pragma once

#include "http/server.h"

struct server;
struct server_target;

void dial_serve(struct server *s, struct http_request *r, const struct server_target *t);
