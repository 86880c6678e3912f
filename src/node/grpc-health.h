/* What: the bytes of one gRPC health check (grpc.health.v1.Health/Check) over cleartext HTTP/2: the
 * request, and what an answer says. Pure; for probes. RFC 9113, RFC 7541, gRPC over HTTP/2. */
#pragma once

#include "base/slice.h"
#include "base/strbuf.h"

enum grpc_verdict {
	GRPC_MORE, /* not all of it has come */
	GRPC_SERVING,
	GRPC_NOT_SERVING, /* it answered, with another state */
	GRPC_FAILED,      /* an error status, or no such answer */
};

/* Preface, settings, headers and message of the whole request, appended to out. */
void grpc_health_request(struct strbuf *out, const char *authority, struct slice service);
/* Reads frames of an answer as far as they have come; what has to be sent back (acknowledgements)
 * is appended to reply once for each byte range: pass the frames from *done on. status: the health
 * state of a NOT_SERVING. */
enum grpc_verdict grpc_health_answer(struct slice bytes, size_t *done, struct strbuf *reply,
                                     int *status);
