/* What: requests to the API server one after the other, for commands that read like a script. */
#pragma once

#include "base/err.h"
#include "client/client.h"
#include "codec/value.h"
#include "loop/loop.h"

struct caller {
	struct loop *loop;
	struct client *client;
};

MUST_USE int caller_open(struct caller *c, const char *kubeconfig, struct err *err);
void caller_close(struct caller *c);
/* Asks and waits. On success *ret (may be null) is the answer's document, the caller's share. Failure: the
 * Status' message with the code of its HTTP status (ERR_NOTFOUND, ERR_INVALID, ...). */
MUST_USE int caller_ask(struct caller *c, const char *method, const char *target,
                        const char *content_type, const struct val *body, struct doc **ret,
                        struct err *err);
/* Lets the loop turn for that long. */
void caller_wait_us(struct caller *c, int64_t us);
