/* What: runs a program in a container for a client, with its streams over SPDY or WebSocket. */
#pragma once

#include "http/channel.h"

struct server;
struct server_target;

void exec_serve(struct server *s, struct http_request *r, const struct server_target *t);
/* The Status that ends exec, as text: the program's exit code, or why it did not run. */
struct runtime_exec_result;
void exec_status(struct strbuf *out, const struct runtime_exec_result *result);
