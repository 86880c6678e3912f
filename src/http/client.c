/* Why: requests over a few kept connections, without a caller ever seeing one; see client.h.
 *
 * A call waits in the queue, is put on a connection, and leaves it when its answer is complete. A
 * connection whose answer did not end in order, or whose call was cancelled, is aborted: nothing that
 * comes later on it could be told apart. */
#include "http/client.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/must.h"
#include "http/parse.h"

enum {
	CONNECTIONS = 8,
	ANSWER_MAX = 512 << 20, /* bytes of a whole answer's body */
};

#define CALL_US (30 * US_PER_S)
#define IDLE_US (30 * US_PER_S) /* shorter than servers keep theirs, so that they rarely race us */

struct http_client {
	struct loop *loop; /* borrowed */
	struct stream_target target;
	char *unix_path, *tls_name, *host; /* owned */
	struct strbuf token;
	size_t max;
	struct list waiting; /* calls without a connection */
	struct list conns;
	size_t n_whole; /* connections that carry or keep for whole calls */
	struct loop_defer turn;
};

struct conn;

struct http_call {
	struct http_client *client;
	struct conn *conn; /* null while waiting */
	struct list_link in_waiting;
	struct strbuf text; /* head and body as sent */
	struct strbuf body; /* of the answer */
	struct loop_timer timer;
	http_done_fn *done; /* whole calls */
	struct http_stream_events events;
	void *arg;
	struct err why;
	bool is_stream, is_head, idempotent;
	bool head_told, repeated;
	int inside; /* callbacks running: freed after them */
	bool dead;  /* cancelled or complete */
};

struct conn {
	struct http_client *client; /* null once the client was freed */
	struct stream *stream;
	struct http_call *call; /* null: idle */
	struct list_link in_conns;
	struct http_parser parser;
	struct loop_timer idle;
	size_t n_served;
	bool got_bytes; /* of the answer to the call */
	bool open, closing, counted;
};

static void on_turn(struct loop_defer *d);
static void call_fail(struct http_call *call, const struct err *why);

static void kick(struct http_client *c)
{
	loop_defer(c->loop, &c->turn, on_turn);
}

/* ---- calls ---- */

static void call_release(struct http_call *call)
{
	call->dead = true;
	list_unlink(&call->in_waiting);
	loop_timer_stop(&call->timer);
	if (call->inside) {
		return; /* whoever is inside comes back here */
	}
	strbuf_fini(&call->text);
	strbuf_fini(&call->body);
	free(call);
}

/* Runs a callback of the call; false when the call is over after it (and freed). */
#define CALL_BACK(call, invoke)                                                                    \
	__extension__({                                                                            \
		bool alive_;                                                                       \
		(call)->inside++;                                                                  \
		invoke;                                                                            \
		(call)->inside--;                                                                  \
		alive_ = !(call)->dead;                                                            \
		if (!alive_) {                                                                     \
			call_release(call);                                                        \
		}                                                                                  \
		alive_;                                                                            \
	})

static void tell_end(struct http_call *call, const struct http_answer *a)
{
	if (call->is_stream) {
		if (!call->head_told) {
			call->head_told = true;
			(void)CALL_BACK(call, (call->dead = true, call->events.head(call->arg, a)));
		} else {
			(void)CALL_BACK(call,
			                (call->dead = true, call->events.end(call->arg, a->why)));
		}
	} else {
		(void)CALL_BACK(call, (call->dead = true, call->done(call->arg, a)));
	}
}

static void call_detach(struct http_call *call)
{
	if (call->conn) {
		call->conn->call = NULL;
		call->conn = NULL;
	}
	list_unlink(&call->in_waiting);
	loop_timer_stop(&call->timer);
}

static void call_fail(struct http_call *call, const struct err *why)
{
	struct http_answer a = { .why = why };

	call_detach(call);
	tell_end(call, &a);
}

static void conn_abort(struct conn *k)
{
	if (!k->closing) {
		k->closing = true;
		loop_timer_stop(&k->idle);
		stream_abort(k->stream);
	}
}

static void on_call_timer(struct loop_timer *t)
{
	struct http_call *call = container_of(t, struct http_call, timer);
	struct conn *k = call->conn;
	struct err err;

	(void)err_raise(&err, ERR_TIMEOUT, "no answer from %s in time", call->client->host);
	if (k) {
		k->call = NULL;
		call->conn = NULL;
		conn_abort(k);
	}
	call_fail(call, &err);
}

void http_call_cancel(struct http_call *call)
{
	struct conn *k = call->conn;

	if (call->dead) {
		return;
	}
	call_detach(call);
	if (k) {
		conn_abort(k);
	}
	call_release(call);
}

static bool is_idempotent(const char *method)
{
	static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" };

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (strcmp(methods[i], method) == 0) {
			return true;
		}
	}
	return false;
}

static void write_request(struct http_client *c, const struct http_call_spec *s, struct strbuf *out)
{
	strbuf_addf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", s->method, s->target, c->host);
	if (c->token.size) {
		strbuf_adds(out, "Authorization: Bearer ");
		strbuf_add_slice(out, strbuf_slice(&c->token));
		strbuf_adds(out, "\r\n");
	}
	if (s->headers) {
		strbuf_adds(out, s->headers);
	}
	if (s->body.len || strcmp(s->method, "POST") == 0 || strcmp(s->method, "PUT") == 0 ||
	    strcmp(s->method, "PATCH") == 0) {
		if (s->content_type) {
			strbuf_addf(out, "Content-Type: %s\r\n", s->content_type);
		}
		strbuf_addf(out, "Content-Length: %zu\r\n", s->body.len);
	}
	strbuf_adds(out, "\r\n");
	strbuf_add_slice(out, s->body);
}

static struct http_call *call_new(struct http_client *c, const struct http_call_spec *s, void *arg)
{
	struct http_call *call = NEW(struct http_call);

	call->client = c;
	call->arg = arg;
	call->body.max = ANSWER_MAX;
	call->is_head = strcmp(s->method, "HEAD") == 0;
	call->idempotent = is_idempotent(s->method);
	write_request(c, s, &call->text);
	list_push(&c->waiting, &call->in_waiting);
	loop_timer_start(c->loop, &call->timer, s->timeout_us > 0 ? s->timeout_us : CALL_US,
	                 on_call_timer);
	kick(c);
	return call;
}

struct http_call *http_call(struct http_client *c, const struct http_call_spec *s,
                            http_done_fn *done, void *arg)
{
	struct http_call *call = call_new(c, s, arg);

	call->done = done;
	return call;
}

struct http_call *http_call_stream(struct http_client *c, const struct http_call_spec *s,
                                   const struct http_stream_events *events, void *arg)
{
	struct http_call *call = call_new(c, s, arg);

	call->is_stream = true;
	call->events = *events;
	return call;
}

/* ---- connections ---- */

static void conn_uncount(struct conn *k)
{
	if (k->counted && k->client) {
		k->counted = false;
		k->client->n_whole--;
	}
}

static void conn_release(struct conn *k)
{
	if (k->client) {
		conn_uncount(k);
		list_unlink(&k->in_conns);
		kick(k->client);
	}
	loop_timer_stop(&k->idle);
	http_parser_fini(&k->parser);
	free(k);
}

static void on_idle(struct loop_timer *t)
{
	conn_abort(container_of(t, struct conn, idle));
}

static void send_call(struct conn *k, struct http_call *call)
{
	list_unlink(&call->in_waiting);
	k->call = call;
	call->conn = k;
	k->got_bytes = false;
	k->parser.body_is_absent = call->is_head;
	loop_timer_stop(&k->idle);
	if (call->is_stream) {
		conn_uncount(k);
	} else if (!k->counted) {
		k->counted = true;
		k->client->n_whole++;
	}
	stream_write(k->stream, strbuf_slice(&call->text));
}

/* The connection died under its call: again on a new one if that is safe (RFC 9112 9.3.1). */
static void lost_call(struct conn *k, const struct err *why)
{
	struct http_call *call = take(k->call);
	struct err err;

	if (!call) {
		return;
	}
	call->conn = NULL;
	if (!k->got_bytes && k->n_served && call->idempotent && !call->repeated && k->client) {
		call->repeated = true;
		list_push_front(&k->client->waiting, &call->in_waiting);
		kick(k->client);
		return;
	}
	if (why) {
		err = *why;
	} else {
		(void)err_raise(&err, ERR_UNAVAILABLE, "server closed the connection");
	}
	(void)err_while(&err, -(int)err.code, "%s", call->client->host);
	call_fail(call, &err);
}

static bool told_head(struct http_call *call)
{
	struct conn *k = call->conn;
	const struct http_head *h = &k->parser.head;
	struct http_answer a = { .status = h->status, .headers = h->headers };

	if (!call->is_stream) {
		return true;
	}
	call->head_told = true;
	loop_timer_stop(&call->timer);
	return CALL_BACK(call, call->events.head(call->arg, &a));
}

static bool told_data(struct http_call *call, struct slice bytes)
{
	if (call->is_stream) {
		return CALL_BACK(call, call->events.data(call->arg, bytes));
	}
	strbuf_add_slice(&call->body, bytes);
	return true;
}

static void finish_call(struct conn *k)
{
	struct http_call *call = take(k->call);
	const struct http_head *h = &k->parser.head;
	struct http_answer a = { .status = h->status, .headers = h->headers };

	a.body = strbuf_slice(&call->body);
	call->conn = NULL;
	k->n_served++;
	loop_timer_stop(&call->timer);
	if (!h->keep_alive || k->closing) {
		conn_abort(k);
	} else {
		if (k->client && !k->counted) {
			k->counted = true;
			k->client->n_whole++;
		}
		loop_timer_start(call->client->loop, &k->idle, IDLE_US, on_idle);
	}
	kick(call->client);
	tell_end(call, &a);
}

static void spoilt(struct conn *k, struct err *err)
{
	k->got_bytes = true;
	conn_abort(k);
	lost_call(k, err);
}

static void on_data(void *arg, struct slice bytes)
{
	struct conn *k = arg;
	struct slice body;
	struct err err;

	while (!k->closing) {
		struct http_call *call = k->call;
		int r;

		if (!call) {
			if (bytes.len) {
				conn_abort(k); /* nobody asked */
			}
			return;
		}
		k->got_bytes = true;
		r = http_parser_next(&k->parser, &bytes, &body, &err);
		if (r < 0) {
			spoilt(k, &err);
			return;
		}
		switch ((enum http_parse_event)r) {
		case HTTP_PARSE_MORE:
			return;
		case HTTP_PARSE_HEAD:
			if (k->parser.head.status == 101) {
				(void)err_raise(&err, ERR_UNSUPPORTED,
				                "server changed protocols unasked");
				spoilt(k, &err);
				return;
			}
			if (k->parser.head.status >= 200 && !told_head(call)) {
				return;
			}
			break;
		case HTTP_PARSE_BODY:
			if (!told_data(call, body)) {
				return;
			}
			if (strbuf_failed(&call->body)) {
				(void)err_raise(&err, ERR_LIMIT, "answer is larger than %d MiB",
				                ANSWER_MAX >> 20);
				spoilt(k, &err);
				return;
			}
			break;
		case HTTP_PARSE_END:
			if (k->parser.head.status < 200) {
				k->parser.body_is_absent = call->is_head;
				break; /* interim: the real one follows */
			}
			finish_call(k);
			break;
		}
	}
}

static void on_end(void *arg)
{
	struct conn *k = arg;
	struct err err;

	if (k->closing) {
		return;
	}
	if (k->call && k->got_bytes) {
		int r = http_parser_eof(&k->parser, &err);

		if (r == HTTP_PARSE_END) {
			k->closing = true;
			stream_abort(k->stream);
			finish_call(k);
			return;
		}
		if (r >= 0) {
			(void)err_raise(&err, ERR_UNAVAILABLE, "server closed the connection");
		}
		conn_abort(k);
		lost_call(k, &err);
		return;
	}
	conn_abort(k);
	lost_call(k, NULL);
}

static void on_close(void *arg, const struct err *why)
{
	struct conn *k = arg;

	k->closing = true;
	lost_call(k, why);
	conn_release(k);
}

static void on_open(void *arg, const struct err *why)
{
	struct conn *k = arg;

	if (!why) {
		k->open = true;
		return;
	}
	k->closing = true;
	lost_call(k, why);
	conn_release(k); /* a connection that never opened is not told again */
}

static const struct stream_events conn_events = {
	.on_data = on_data,
	.on_end = on_end,
	.on_close = on_close,
};

static struct conn *conn_new(struct http_client *c)
{
	struct conn *k = NEW(struct conn);

	k->client = c;
	http_parser_init(&k->parser, true);
	list_push(&c->conns, &k->in_conns);
	k->stream = stream_connect(c->loop, &c->target, on_open, &conn_events, k);
	return k;
}

static struct conn *find_idle(struct http_client *c)
{
	list_for_each (&c->conns, k, struct conn, in_conns) {
		if (!k->call && !k->closing) {
			return k;
		}
	}
	return NULL;
}

static void on_turn(struct loop_defer *d)
{
	struct http_client *c = container_of(d, struct http_client, turn);

	list_for_each (&c->waiting, call, struct http_call, in_waiting) {
		struct conn *k = call->repeated ? NULL : find_idle(c);

		if (!k && !call->is_stream && c->n_whole >= c->max && !call->repeated) {
			continue;
		}
		send_call(k ? k : conn_new(c), call);
	}
}

/* ---- the client ---- */

struct http_client *http_client_new(struct loop *l, const struct http_client_config *config)
{
	struct http_client *c = NEW(struct http_client);

	c->loop = l;
	c->target = config->target;
	c->unix_path = mem_strdup(config->target.unix_path);
	c->tls_name = mem_strdup(config->target.tls_name);
	c->target.unix_path = c->unix_path;
	c->target.tls_name = c->tls_name;
	c->host = mem_strdup(config->host ? config->host : "localhost");
	c->max = config->max_connections ? config->max_connections : CONNECTIONS;
	strbuf_add_slice(&c->token, config->bearer_token);
	return c;
}

void http_client_set_token(struct http_client *c, struct slice token)
{
	strbuf_reset(&c->token);
	strbuf_add_slice(&c->token, token);
}

struct http_client *http_client_free(struct http_client *c)
{
	struct list_link *at;
	struct err err;

	if (!c) {
		return NULL;
	}
	(void)err_raise(&err, ERR_CANCELED, "client is closing");
	list_for_each (&c->conns, k, struct conn, in_conns) {
		struct http_call *call = take(k->call);

		list_unlink(&k->in_conns);
		k->client = NULL;
		conn_abort(k);
		if (call) {
			call->conn = NULL;
			call_fail(call, &err);
		}
	}
	while ((at = list_first(&c->waiting))) {
		call_fail(container_of(at, struct http_call, in_waiting), &err);
	}
	loop_defer_cancel(&c->turn);
	strbuf_fini(&c->token);
	free(c->unix_path);
	free(c->tls_name);
	free(c->host);
	free(c);
	return NULL;
}
