/* What: an answer that goes on, as WebSocket messages: logs for clients that cannot read a chunked
 * body. Protocols: none or binary.k8s.io (binary messages), base64.binary.k8s.io (text).
 * kubernetes-api.md 4.6. */
#pragma once

#include "http/server.h"

struct outlet;
struct outlet_events {
	void (*drain)(void *arg); /* it may go on after it was full */
	void (*gone)(void *arg);  /* connection ended, always the last call; the outlet is freed
	                             after it */
};

/* On a request that is no acceptable WebSocket it answers 400 and returns null. */
struct outlet *outlet_accept(struct http_request *r, const struct outlet_events *events, void *arg);
void outlet_write(struct outlet *o, struct slice bytes);
bool outlet_is_full(const struct outlet *o);
void outlet_finish(struct outlet *o); /* closes after what is queued; gone comes later */
