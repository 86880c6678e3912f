/* What: joins a client with the process that a container was started with, through conmon's socket.
 */
#pragma once

#include "http/channel.h"

struct server;
struct server_target;

void attach_serve(struct server *s, struct http_request *r, const struct server_target *t);
