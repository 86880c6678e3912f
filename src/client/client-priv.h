/* What: what the files of this room share of a client. */
#pragma once

#include "client/client.h"
#include "client/limits.h"
#include "http/client.h"

struct loop *client_loop(const struct client *c);
/* A streamed GET; as http_call_stream. */
struct http_call *client_stream(struct client *c, const char *target,
                                const struct http_stream_events *events, void *arg);
/* The failure that an HTTP status with its Status object (may be null) stands for. Returns its
 * negative. */
int client_failure(int status, const struct val *body, struct err *err);
