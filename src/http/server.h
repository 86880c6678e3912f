/* What: an HTTP/1.1 server (RFC 9112) on the loop, with TLS, keep-alive, pipelining answered in order,
 * chunked bodies both ways, gzip never, and upgrades.
 *
 * Life of a request: on_request is called when the whole body (at most max_body) has been read. The
 * handler answers now or later: either with one http_reply, or by http_reply_start + _chunk... +
 * _end, or takes the connection over with http_upgrade. The request and everything it points at
 * live until the answer is complete or on_gone was called; hold nothing of it afterwards.
 *
 * When the client goes away first, on_gone is called once (if set) and answering does nothing. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "http/message.h"
#include "http/stream.h"
#include "http/tls.h"
#include "loop/loop.h"

struct http_server;
struct http_request;

struct http_request {
	struct arena arena;      /* for the handler as well; dies with the request */
	struct slice method;     /* "GET" */
	struct slice path;       /* percent-decoded, without query; starts with '/' */
	struct slice raw_target; /* as sent */
	struct slice query;      /* raw, without '?' */
	struct http_headers headers;
	struct slice body;
	const struct tls_peer *peer;              /* verified client certificate, or null */
	struct ip from;                           /* peer address; family 0 on a unix socket */
	bool wants_upgrade;                       /* Connection: upgrade was sent */
	void *user;                               /* the handler's */
	void (*on_gone)(struct http_request *r);  /* set by the handler; may be null */
	void (*on_drain)(struct http_request *r); /* a streamed answer may go on; may be null */
};

typedef void http_request_fn(void *arg, struct http_request *r);

struct http_server_config {
	const struct tls_server *tls; /* null: plain */
	http_request_fn *on_request;
	void *arg;
	size_t max_body;  /* 0: 3 MiB + 64 KiB */
	int64_t idle_us;  /* keep-alive wait; 0: 120 s */
	int64_t head_us;  /* from a request's first byte to the end of its head; 0: 30 s */
	int64_t body_us;  /* without a byte of the body; 0: 60 s */
	const char *name; /* for logs */
};

struct http_server *http_server_new(struct loop *l, const struct http_server_config *c);
/* Accepts from a listening socket (taken over); may be called for several. */
MUST_USE int http_server_listen(struct http_server *s, int listen_fd, struct err *err);
/* Stops accepting and closes idle connections; busy ones end after their answer. */
void http_server_drain(struct http_server *s);
/* Connections that are open now, without those that were handed over. */
size_t http_server_connections(const struct http_server *s);
struct http_server *http_server_free(struct http_server *s);

/* Whole answer. headers: extra "Name: value\r\n" lines, may be null; body is copied. */
void http_reply(struct http_request *r, int status, const char *content_type, const char *headers,
                struct slice body);
/* Streamed answer; sends the header at once (chunked). */
void http_reply_start(struct http_request *r, int status, const char *content_type,
                      const char *headers);
void http_reply_chunk(struct http_request *r, struct slice bytes);
bool http_reply_is_full(const struct http_request *r);
void http_reply_end(struct http_request *r);
/* Answers 101 with "Upgrade: protocol" and extra header lines, and hands the raw stream over; the
 * request is gone after the call. Bytes the client had sent already are delivered to events, never
 * from inside. Null when the client has gone. */
struct stream *http_upgrade(struct http_request *r, const char *protocol, const char *headers,
                            const struct stream_events *events, void *arg);
/* Takes the connection over without answering (for proxying the peer's own 101); the raw request
 * head can be rebuilt from method, raw_target and headers. */
struct stream *http_take(struct http_request *r, const struct stream_events *events, void *arg);
