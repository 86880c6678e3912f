/* What: one try of a probe or a hook: exec, HTTP, TCP, gRPC against a container. */
#pragma once

#include "node/pod-priv.h"

struct check;
/* ok, and why not: a sentence in the kubelet's words (owned by the caller of the callback). */
typedef void check_done_fn(void *arg, bool ok, const char *why);

/* handler: an object with one of exec, httpGet, tcpSocket, grpc. done once, never from inside. */
struct check *check_start(struct container *c, const struct val *handler, int64_t timeout_us,
                          check_done_fn *done, void *arg);
struct check *check_cancel(struct check *k); /* done never comes; null stays null */
