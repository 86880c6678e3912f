/* What: an HTTP/1.1 client on the loop: a small pool of connections to one target, whole and streamed
 * answers. (To tunnel an upgrade, stream_connect and pass the bytes on.) */
#pragma once

#include "base/err.h"
#include "http/message.h"
#include "http/stream.h"
#include "loop/loop.h"

struct http_client;
struct http_call;

struct http_client_config {
	struct stream_target target; /* tls objects are borrowed and must outlive the client */
	const char *host;            /* Host header */
	struct slice bearer_token;   /* copied; empty: none. See http_client_set_token */
	size_t max_connections;      /* 0: 8; streamed answers (watches) do not count */
};

struct http_client *http_client_new(struct loop *l, const struct http_client_config *c);
struct http_client *http_client_free(struct http_client *c); /* outstanding calls fail first */
void http_client_set_token(struct http_client *c, struct slice token);

struct http_call_spec {
	const char *method;
	const char *target;       /* path and query */
	const char *content_type; /* null without body */
	const char *headers;      /* extra "Name: value\r\n" lines or null */
	struct slice body;        /* copied */
	int64_t timeout_us;       /* 0: 30 s; for streams: until the head has come */
};

struct http_answer {
	int status; /* 0: no answer; then why says it */
	struct http_headers headers;
	struct slice body; /* whole calls only */
	const struct err *why;
};

/* Whole: done exactly once, never from inside. A call on a kept connection that the server closed
 * before any answer byte is repeated once on a new one when the method is idempotent. */
typedef void http_done_fn(void *arg, const struct http_answer *a);
struct http_call *http_call(struct http_client *c, const struct http_call_spec *s,
                            http_done_fn *done, void *arg);

/* Streamed: head once, then data..., then end exactly once (why null: in order). When head reports
 * status 0 end is not called. */
struct http_stream_events {
	void (*head)(void *arg, const struct http_answer *a);
	void (*data)(void *arg, struct slice bytes);
	void (*end)(void *arg, const struct err *why);
};
struct http_call *http_call_stream(struct http_client *c, const struct http_call_spec *s,
                                   const struct http_stream_events *events, void *arg);
/* Forgets the call; no callback comes any more. */
void http_call_cancel(struct http_call *call);
