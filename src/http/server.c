/* Why: HTTP/1.1 service with answers in order, whoever answers when; see server.h.
 *
 * A connection handles one request at a time: while it is being answered, what arrives is kept (at
 * most READ_AHEAD, then reading stops) and parsed afterwards, so pipelined answers cannot overtake
 * each other; nor is the next request taken while a client leaves its answers unread. Requests are freed at the end of the turn in which their answer became complete, which
 * spares handlers from looking over their shoulder. */
#include "http/server.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "http/parse.h"
#include "http/stream-priv.h"

enum {
	MAX_BODY = (3 << 20) + (64 << 10),
	READ_AHEAD = 64 << 10, /* bytes kept of requests that wait their turn */
	ACCEPTS_A_TURN = 64,
	CONNS_MAX = 8192,
};

#define IDLE_US        (120 * US_PER_S)
#define HEAD_US        (30 * US_PER_S)
#define BODY_US        (60 * US_PER_S)
#define ACCEPT_REST_US (US_PER_S / 10) /* after running out of descriptors */

struct listener {
	struct http_server *server;
	struct loop_fd *w;          /* owned */
	int fd;                     /* owned */
	struct list_link in_server; /* in server.listeners */
	struct loop_timer rest;
};

struct http_server {
	struct http_server_config config;
	struct loop *loop; /* borrowed */
	struct list listeners;
	struct list conns;
	size_t n_conns;
	bool draining;
};

enum answering { WAITING, STREAMING, ANSWERED };

struct conn;

struct request {
	struct http_request pub;
	struct conn *conn; /* null: the client has gone */
	struct strbuf body;
	struct tls_peer peer;
	struct loop_defer done; /* frees an orphan */
	struct loop *loop;      /* borrowed */
	enum answering answering;
	bool dispatched; /* the handler knows it */
	bool is_head, is_http10;
};

struct conn {
	struct http_server *server; /* null once the server was freed */
	struct stream *stream;      /* null once handed over or closed */
	struct http_parser parser;
	struct strbuf ahead;     /* read, not parsed yet */
	struct request *request; /* owned; null between requests */
	struct loop_timer timer;
	struct loop_defer advance;
	struct loop *loop;
	struct list_link in_server; /* in server.conns */
	struct ip from;
	bool close_after; /* no further request is taken */
	bool closing;
	bool paused;
	bool blocked; /* the client does not take its answers: no further request meanwhile */
};

static void on_advance(struct loop_defer *d);
static void on_timer(struct loop_timer *t);

/* ---- life of requests and connections ---- */

static struct request *request_free(struct request *q)
{
	loop_defer_cancel(&q->done);
	arena_fini(&q->pub.arena);
	strbuf_fini(&q->body);
	free(q);
	return NULL;
}

static void on_orphan_done(struct loop_defer *d)
{
	request_free(container_of(d, struct request, done));
}

static struct request *request_of(struct http_request *r)
{
	return container_of(r, struct request, pub);
}

/* The client is gone: tells the handler, which then forgets the request; a handler that does not
 * listen will answer into the void and the request lives until then. */
static void orphan(struct conn *c)
{
	struct request *q = take(c->request);

	if (!q) {
		return;
	}
	q->conn = NULL;
	if (q->answering == ANSWERED || !q->dispatched) {
		request_free(q);
		return;
	}
	if (q->pub.on_gone) {
		q->answering = ANSWERED;
		q->pub.on_gone(&q->pub);
		request_free(q);
	}
}

/* The stream is elsewhere or gone. */
static void conn_release(struct conn *c)
{
	orphan(c);
	loop_timer_stop(&c->timer);
	loop_defer_cancel(&c->advance);
	if (c->server) {
		list_unlink(&c->in_server);
		c->server->n_conns--;
	}
	http_parser_fini(&c->parser);
	strbuf_fini(&c->ahead);
	free(c);
}

static void conn_close(struct conn *c)
{
	if (!c->closing) {
		c->closing = true;
		loop_timer_stop(&c->timer);
		if (c->stream) {
			stream_close(c->stream);
		}
	}
}

static void watch_time(struct conn *c, int64_t us)
{
	loop_timer_start(c->loop, &c->timer, us, on_timer);
}

/* ---- answering ---- */

static const struct {
	int status;
	const char *text;
} reasons[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Entity" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].status == status) {
			return reasons[i].text;
		}
	}
	return status < 400 ? "OK" : "Error";
}

/* IMF-fixdate (RFC 9110 5.6.7), made once a second. */
static const char *date_now(void)
{
	static char text[32];
	static time_t made;
	time_t now = time(NULL);
	struct tm tm;

	if (now != made && gmtime_r(&now, &tm)) {
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		made = now;
	}
	return text;
}

static void add_head(struct strbuf *out, int status, const char *content_type, const char *headers)
{
	strbuf_addf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, reason_of(status), date_now());
	if (content_type) {
		strbuf_addf(out, "Content-Type: %s\r\n", content_type);
	}
	if (headers) {
		strbuf_adds(out, headers);
	}
}

static bool says_close(const struct conn *c)
{
	return c->close_after || !c->server || c->server->draining;
}

static void add_connection(struct strbuf *out, const struct request *q)
{
	if (says_close(q->conn)) {
		q->conn->close_after = true;
		strbuf_adds(out, "Connection: close\r\n");
	} else if (q->is_http10) {
		strbuf_adds(out, "Connection: keep-alive\r\n");
	}
}

/* The answer is complete; the connection goes on at the end of the turn. */
static void answered(struct request *q)
{
	q->answering = ANSWERED;
	if (q->conn) {
		loop_defer(q->conn->loop, &q->conn->advance, on_advance);
	}
}

/* An answer to a request whose client has gone. */
static bool answer_void(struct request *q)
{
	if (q->conn) {
		return false;
	}
	if (q->answering != ANSWERED) {
		q->answering = ANSWERED;
		loop_defer(q->loop, &q->done, on_orphan_done);
	}
	return true;
}

void http_reply(struct http_request *r, int status, const char *content_type, const char *headers,
                struct slice body)
{
	struct request *q = request_of(r);
	scoped_strbuf struct strbuf out = { 0 };

	if (answer_void(q) || !should(q->answering == WAITING)) {
		return;
	}
	add_head(&out, status, content_type, headers);
	add_connection(&out, q);
	if (status != 204 && status != 304) {
		strbuf_addf(&out, "Content-Length: %zu\r\n", body.len);
	}
	strbuf_adds(&out, "\r\n");
	if (!q->is_head && status != 204 && status != 304) {
		if (body.len > (64 << 10)) {
			stream_write(q->conn->stream, strbuf_slice(&out));
			stream_write(q->conn->stream, body);
			answered(q);
			return;
		}
		strbuf_add_slice(&out, body);
	}
	stream_write(q->conn->stream, strbuf_slice(&out));
	answered(q);
}

void http_reply_start(struct http_request *r, int status, const char *content_type,
                      const char *headers)
{
	struct request *q = request_of(r);
	scoped_strbuf struct strbuf out = { 0 };

	if (!q->conn || !should(q->answering == WAITING)) {
		return;
	}
	if (q->is_http10) {
		q->conn->close_after = true; /* no chunks in 1.0: the end of the body is the end */
	}
	add_head(&out, status, content_type, headers);
	add_connection(&out, q);
	if (!q->is_http10) {
		strbuf_adds(&out, "Transfer-Encoding: chunked\r\n");
	}
	strbuf_adds(&out, "\r\n");
	q->answering = STREAMING;
	stream_write(q->conn->stream, strbuf_slice(&out));
}

void http_reply_chunk(struct http_request *r, struct slice bytes)
{
	struct request *q = request_of(r);
	char size[24];

	if (!q->conn || !should(q->answering == STREAMING) || q->is_head || !bytes.len) {
		return;
	}
	if (q->is_http10) {
		stream_write(q->conn->stream, bytes);
		return;
	}
	if (bytes.len <= (16 << 10)) { /* one write, one packet */
		char buf[(16 << 10) + sizeof(size) + 2];
		int n = snprintf(buf, sizeof(size), "%zx\r\n", bytes.len);

		memcpy(buf + n, bytes.p, bytes.len);
		memcpy(buf + n + bytes.len, "\r\n", 2);
		stream_write(q->conn->stream, (struct slice){ buf, (size_t)n + bytes.len + 2 });
		return;
	}
	snprintf(size, sizeof(size), "%zx\r\n", bytes.len);
	stream_write(q->conn->stream, slice_of(size));
	stream_write(q->conn->stream, bytes);
	stream_write(q->conn->stream, SLICE("\r\n"));
}

bool http_reply_is_full(const struct http_request *r)
{
	const struct request *q = container_of(r, const struct request, pub);

	return q->conn && stream_is_full(q->conn->stream);
}

void http_reply_end(struct http_request *r)
{
	struct request *q = request_of(r);

	if (answer_void(q) || !should(q->answering == STREAMING)) {
		return;
	}
	if (!q->is_http10 && !q->is_head) {
		stream_write(q->conn->stream, SLICE("0\r\n\r\n"));
	}
	answered(q);
}

struct stream *http_take(struct http_request *r, const struct stream_events *events, void *arg)
{
	struct request *q = request_of(r);
	struct conn *c = q->conn;
	struct stream *s;

	if (answer_void(q) || !should(q->answering == WAITING)) {
		return NULL;
	}
	s = take(c->stream);
	stream_set_events(s, events, arg);
	stream_unread(s, strbuf_slice(&c->ahead));
	strbuf_reset(&c->ahead);
	if (c->paused) {
		stream_resume(s);
	}
	loop_timer_stop(&c->timer);
	q->answering = ANSWERED;
	c->closing = true;
	loop_defer(c->loop, &c->advance, on_advance); /* frees both */
	return s;
}

struct stream *http_upgrade(struct http_request *r, const char *protocol, const char *headers,
                            const struct stream_events *events, void *arg)
{
	scoped_strbuf struct strbuf out = { 0 };
	struct stream *s = http_take(r, events, arg);

	if (!s) {
		return NULL;
	}
	add_head(&out, 101, NULL, headers);
	strbuf_addf(&out, "Connection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol);
	stream_write(s, strbuf_slice(&out));
	return s;
}

/* Answers what the parser refused and ends the connection: nothing behind it can be trusted. */
static void refuse(struct conn *c, int status, const char *why)
{
	scoped_strbuf struct strbuf out = { 0 };

	c->close_after = true;
	add_head(&out, status, "text/plain; charset=utf-8", "Connection: close\r\n");
	strbuf_addf(&out, "Content-Length: %zu\r\n\r\n%s\n", strlen(why) + 1, why);
	stream_write(c->stream, strbuf_slice(&out));
	conn_close(c);
}

/* ---- requests ---- */

/* Takes the target apart; false when it cannot be read. */
static bool split_target(struct http_request *r)
{
	struct slice t = r->raw_target, path;

	if (!slice_has_prefix(t, SLICE("/")) && !slice_is(t, "*")) {
		ptrdiff_t at = slice_find(t, ':'); /* absolute-form */

		if (at < 0 || t.len < (size_t)at + 3) {
			return false;
		}
		t = slice_from(t, (size_t)at + 3);
		at = slice_find(t, '/');
		t = at < 0 ? SLICE("/") : slice_from(t, (size_t)at);
	}
	slice_cut(t, '?', &path, &r->query);
	return http_percent_decode(&r->arena, path, false, &r->path) &&
	       !memchr(r->path.p, '\0', r->path.len);
}

static void begin_request(struct conn *c)
{
	const struct http_head *h = &c->parser.head;
	const struct tls_peer *peer = stream_tls_peer(c->stream);
	struct request *q = NEW(struct request);
	struct http_request *r = &q->pub;

	q->conn = c;
	c->request = q;
	q->loop = c->loop;
	r->method = arena_slice(&r->arena, h->method);
	r->raw_target = arena_slice(&r->arena, h->target);
	r->headers.n = h->headers.n;
	r->headers.at = ARENA_ARRAY(&r->arena, struct http_header, h->headers.n);
	for (size_t i = 0; i < h->headers.n; i++) {
		r->headers.at[i].name = arena_slice(&r->arena, h->headers.at[i].name);
		r->headers.at[i].value = arena_slice(&r->arena, h->headers.at[i].value);
	}
	r->from = c->from;
	r->wants_upgrade = h->wants_upgrade;
	if (peer) {
		q->peer = *peer;
		r->peer = &q->peer;
	}
	q->is_head = slice_is(r->method, "HEAD");
	q->is_http10 = h->minor == 0;
	q->body.max = c->server->config.max_body;
	if (!h->keep_alive) {
		c->close_after = true;
	}
}

/* The head of a request is there: may it go on? False: refused. */
static bool accept_head(struct conn *c)
{
	const struct http_head *h = &c->parser.head;

	begin_request(c);
	if (slice_is(h->method, "CONNECT") || slice_is(h->method, "TRACE")) {
		refuse(c, 405, "method not allowed");
		return false;
	}
	if (h->minor > 0 && !h->expects_continue && http_header_get(&h->headers, "Expect").len) {
		refuse(c, 417, "only 100-continue can be expected");
		return false;
	}
	if (!split_target(&c->request->pub)) {
		refuse(c, 400, "malformed request target");
		return false;
	}
	if (h->content_length > 0 && (uint64_t)h->content_length > c->server->config.max_body) {
		refuse(c, 413, "request body is too large");
		return false;
	}
	if (h->expects_continue && (h->content_length > 0 || h->chunked)) {
		stream_write(c->stream, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
	}
	watch_time(c, c->server->config.body_us);
	return true;
}

static void dispatch(struct conn *c)
{
	struct request *q = c->request;

	q->pub.body = strbuf_slice(&q->body);
	q->dispatched = true;
	loop_timer_stop(&c->timer);
	c->server->config.on_request(c->server->config.arg, &q->pub);
}

static void set_paused(struct conn *c, bool paused)
{
	if (c->paused != paused && c->stream) {
		c->paused = paused;
		if (paused) {
			stream_pause(c->stream);
		} else {
			stream_resume(c->stream);
		}
	}
}

/* Parses what is there, up to one complete request. */
static void feed(struct conn *c)
{
	struct slice rest = strbuf_slice(&c->ahead), body = { 0 };
	bool dispatched = false;
	struct err err;

	while (!dispatched && !c->closing) {
		bool was_idle = http_parser_is_idle(&c->parser);
		int r = http_parser_next(&c->parser, &rest, &body, &err);

		if (r < 0) {
			refuse(c, c->parser.error_status ? c->parser.error_status : 400, err.msg);
			break;
		}
		if (r == HTTP_PARSE_MORE) {
			if (was_idle && !http_parser_is_idle(&c->parser)) {
				watch_time(c, c->server->config.head_us);
			}
			break;
		}
		if (r == HTTP_PARSE_HEAD && !accept_head(c)) {
			break;
		}
		if (r == HTTP_PARSE_BODY) {
			strbuf_add_slice(&c->request->body, body);
			if (strbuf_failed(&c->request->body)) {
				refuse(c, 413, "request body is too large");
				break;
			}
			watch_time(c, c->server->config.body_us);
		}
		dispatched = r == HTTP_PARSE_END;
	}
	strbuf_consume(&c->ahead, c->ahead.size - rest.len);
	if (dispatched) {
		dispatch(c); /* may hand the stream over */
	}
	set_paused(c, c->request && c->ahead.size >= READ_AHEAD);
}

static void on_advance(struct loop_defer *d)
{
	struct conn *c = container_of(d, struct conn, advance);

	if (!c->stream) {
		conn_release(c); /* handed over */
		return;
	}
	if (c->request && c->request->answering == ANSWERED) {
		c->request = request_free(c->request);
		if (says_close(c)) {
			conn_close(c);
		}
	}
	if (c->closing || c->request) {
		return;
	}
	watch_time(c, c->server->config.idle_us);
	c->blocked = stream_is_full(c->stream); /* on_drain goes on */
	if (!c->blocked) {
		feed(c);
	}
}

/* ---- what the stream tells ---- */

static void on_data(void *arg, struct slice bytes)
{
	struct conn *c = arg;

	if (c->closing) {
		return;
	}
	strbuf_add_slice(&c->ahead, bytes);
	if (!c->blocked && (!c->request || !c->request->dispatched)) {
		feed(c);
	} else {
		set_paused(c, c->ahead.size >= READ_AHEAD);
	}
}

static void on_end(void *arg)
{
	struct conn *c = arg;

	/* A client that ends its direction while it waits has gone, as far as HTTP servers care; one
	 * whose answers are all queued still gets them. */
	if (c->request && c->request->answering != ANSWERED) {
		orphan(c);
	}
	conn_close(c);
}

static void on_drain(void *arg)
{
	struct conn *c = arg;
	struct request *q = c->request;

	if (c->blocked) {
		loop_defer(c->loop, &c->advance, on_advance);
	}
	if (q && q->answering != ANSWERED && q->pub.on_drain) {
		q->pub.on_drain(&q->pub);
	}
}

static void on_close(void *arg, const struct err *why)
{
	struct conn *c = arg;

	if (why && c->server) {
		log_debug("Connection to %s ended: %s",
		          c->server->config.name ? c->server->config.name : "server", why->msg);
	}
	c->stream = NULL;
	conn_release(c);
}

static const struct stream_events conn_events = {
	.on_data = on_data,
	.on_end = on_end,
	.on_drain = on_drain,
	.on_close = on_close,
};

static void on_timer(struct loop_timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);

	if (c->request || http_parser_is_in_head(&c->parser)) {
		refuse(c, 408, "request did not arrive in time");
		return;
	}
	conn_close(c); /* idle */
}

/* ---- listening ---- */

static void accept_one(struct http_server *s, int fd)
{
	struct conn *c = NEW(struct conn);
	uint16_t port;

	c->server = s;
	c->loop = s->loop;
	http_parser_init(&c->parser, false);
	list_push(&s->conns, &c->in_server);
	s->n_conns++;
	c->stream = stream_accept(s->loop, fd, s->config.tls, &conn_events, c);
	if (!stream_peer(c->stream, &c->from, &port)) {
		c->from = (struct ip){ 0 };
	}
	watch_time(c, s->config.idle_us);
}

static void on_rested(struct loop_timer *t)
{
	loop_fd_set(container_of(t, struct listener, rest)->w, LOOP_READ);
}

static void on_acceptable(void *arg, int fd, unsigned events)
{
	struct listener *li = arg;
	struct http_server *s = li->server;

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (got < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS) {
				log_odd("Cannot accept connections for now: %s", strerror(errno));
				loop_fd_set(li->w, 0);
				loop_timer_start(s->loop, &li->rest, ACCEPT_REST_US, on_rested);
				return;
			}
			if (errno == ECONNABORTED || errno == EINTR) {
				continue;
			}
			return;
		}
		if (s->n_conns >= CONNS_MAX) {
			log_odd("Refused a connection: %d are open already", CONNS_MAX);
			close(got);
			continue;
		}
		accept_one(s, got);
	}
}

struct http_server *http_server_new(struct loop *l, const struct http_server_config *config)
{
	struct http_server *s = NEW(struct http_server);

	s->loop = l;
	s->config = *config;
	if (!s->config.max_body) {
		s->config.max_body = MAX_BODY;
	}
	if (s->config.idle_us <= 0) {
		s->config.idle_us = IDLE_US;
	}
	s->config.head_us = s->config.head_us > 0 ? s->config.head_us : HEAD_US;
	s->config.body_us = s->config.body_us > 0 ? s->config.body_us : BODY_US;
	return s;
}

int http_server_listen(struct http_server *s, int listen_fd, struct err *err)
{
	struct listener *li = NEW(struct listener);
	int r;

	li->server = s;
	li->fd = listen_fd;
	r = loop_fd_open(s->loop, listen_fd, LOOP_READ, on_acceptable, li, &li->w, err);
	if (r < 0) {
		close(listen_fd);
		free(li);
		return r;
	}
	list_push(&s->listeners, &li->in_server);
	return 0;
}

static void stop_listening(struct http_server *s)
{
	list_for_each (&s->listeners, li, struct listener, in_server) {
		list_unlink(&li->in_server);
		loop_fd_close(li->w);
		loop_timer_stop(&li->rest);
		close(li->fd);
		free(li);
	}
}

void http_server_drain(struct http_server *s)
{
	s->draining = true;
	stop_listening(s);
	list_for_each (&s->conns, c, struct conn, in_server) {
		if (!c->request && !http_parser_is_in_head(&c->parser) && !c->ahead.size) {
			conn_close(c);
		}
	}
}

size_t http_server_connections(const struct http_server *s)
{
	return s->n_conns;
}

struct http_server *http_server_free(struct http_server *s)
{
	if (!s) {
		return NULL;
	}
	stop_listening(s);
	list_for_each (&s->conns, c, struct conn, in_server) {
		list_unlink(&c->in_server);
		c->server = NULL;
		c->closing = true;
		orphan(c);
		loop_timer_stop(&c->timer);
		if (c->stream) {
			stream_abort(c->stream); /* on_close frees c */
		}
	}
	free(s);
	return NULL;
}
