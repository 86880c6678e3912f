/* Why: exec, attach and port-forward run over SPDY or WebSocket; what is the same below their framing
 * is here; see wire.h. */
#include "http/wire.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/stream-priv.h"
#include "http/websocket.h"

enum { ANSWERS_MAX = 256 << 10 }; /* to a client that asks and asks, and does not read */

/* kubelet's streamingConnectionIdleTimeout */
#define IDLE_US (4 * 3600 * US_PER_S)

struct wire {
	struct stream *stream; /* null once closed */
	struct ws_reader reader;
	struct strbuf out; /* scratch for frames */
	struct wire_events events;
	void *arg;
	struct loop *loop;
	struct loop_timer idle;
	struct loop_defer turn;
	bool is_websocket;
	size_t answers;  /* bytes of answers since the client stopped reading */
	bool close_sent; /* our close frame is out */
	bool close_got;  /* the client's: nothing may follow it (RFC 6455 5.5.1) */
	bool closing;
};

enum wire_kind wire_kind_asked(const struct http_request *r)
{
	if (!r->wants_upgrade) {
		return WIRE_NONE;
	}
	if (http_header_has_token(&r->headers, "Upgrade", "websocket")) {
		return WIRE_WEBSOCKET;
	}
	if (http_header_has_token(&r->headers, "Upgrade", "SPDY/3.1")) {
		return WIRE_SPDY;
	}
	return WIRE_NONE;
}

void wire_refuse(struct http_request *r, int status, const char *reason, const char *message,
                 const char *headers)
{
	scoped_strbuf struct strbuf body = { 0 };

	strbuf_addf(
		&body,
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
		"\"message\":\"%s\",\"reason\":\"%s\",\"code\":%d}\n",
		message, reason, status);
	http_reply(r, status, "application/json", headers, strbuf_slice(&body));
}

/* ---- sending ---- */

static void send_frame(struct wire *w, enum ws_opcode opcode, struct slice payload)
{
	if (!w->stream || w->close_sent) {
		return;
	}
	strbuf_reset(&w->out);
	ws_write(&w->out, opcode, payload, NULL);
	stream_write(w->stream, strbuf_slice(&w->out));
	if (w->out.room > (256 << 10)) {
		strbuf_fini(&w->out);
	}
}

static void send_close(struct wire *w, uint16_t code)
{
	char payload[2] = { (char)(code >> 8), (char)code };

	send_frame(w, WS_CLOSE, (struct slice){ payload, sizeof(payload) });
	w->close_sent = true;
}

void wire_send(struct wire *w, struct slice bytes)
{
	if (w->is_websocket) {
		send_frame(w, WS_BINARY, bytes);
	} else if (w->stream) {
		stream_write(w->stream, bytes);
	}
}

void wire_send_text(struct wire *w, struct slice text)
{
	send_frame(w, WS_TEXT, text);
}

bool wire_is_full(const struct wire *w)
{
	return w->stream && stream_is_full(w->stream);
}

/* May n more bytes be sent that nothing but the client itself holds back? */
static bool may_answer(struct wire *w, size_t n)
{
	w->answers = wire_is_full(w) ? w->answers + n : 0;
	if (w->answers > ANSWERS_MAX) {
		log_debug("Client asks for answers and does not read them");
		wire_abort(w);
		return false;
	}
	return true;
}

void wire_answer(struct wire *w, struct slice bytes)
{
	if (may_answer(w, bytes.len)) {
		wire_send(w, bytes);
	}
}

void wire_pause(struct wire *w, bool paused)
{
	if (w->stream && !w->closing) {
		if (paused) {
			stream_pause(w->stream);
		} else {
			stream_resume(w->stream);
		}
	}
}

void wire_close(struct wire *w)
{
	if (w->closing || !w->stream) {
		return;
	}
	if (w->is_websocket) {
		send_close(w, 1000);
	}
	w->closing = true;
	stream_close(w->stream);
}

void wire_abort(struct wire *w)
{
	if (w->stream) {
		w->closing = true;
		stream_abort(w->stream);
	}
}

/* ---- receiving ---- */

static void on_idle(struct loop_timer *t)
{
	wire_close(container_of(t, struct wire, idle));
}

static void stay_awake(struct wire *w)
{
	loop_timer_start(w->loop, &w->idle, IDLE_US, on_idle);
}

static void read_frames(struct wire *w, struct slice bytes)
{
	struct slice payload = { 0 };
	struct err err;
	int r;

	while (!w->closing && !w->close_got) {
		r = ws_reader_next(&w->reader, &bytes, &payload, &err);
		if (r < 0) {
			log_debug("WebSocket client is refused: %s", err.msg);
			send_close(w, err.code == ERR_LIMIT ? 1009 : 1002);
			w->closing = true;
			stream_close(w->stream);
			return;
		}
		switch ((enum ws_event)r) {
		case WS_GOT_NONE:
			return;
		case WS_GOT_MESSAGE:
			w->events.data(w->arg, payload, w->reader.is_text);
			break;
		case WS_GOT_PING:
			if (may_answer(w, payload.len + 2)) {
				send_frame(w, WS_PONG, payload);
			}
			break;
		case WS_GOT_PONG:
			break;
		case WS_GOT_CLOSE:
			w->close_got = true;
			w->events.end(w->arg);
			return;
		}
	}
}

static void on_data(void *arg, struct slice bytes)
{
	struct wire *w = arg;

	stay_awake(w);
	if (w->is_websocket) {
		read_frames(w, bytes);
	} else if (!w->closing) {
		w->events.data(w->arg, bytes, false);
	}
}

static void on_end(void *arg)
{
	struct wire *w = arg;

	if (w->is_websocket) {
		wire_abort(w); /* no closing handshake: the client has gone */
	} else if (!w->closing) {
		w->events.end(w->arg);
	}
}

static void on_drain(void *arg)
{
	struct wire *w = arg;

	if (!w->closing && w->events.drain) {
		w->events.drain(w->arg);
	}
}

static void on_turn(struct loop_defer *d)
{
	struct wire *w = container_of(d, struct wire, turn);

	if (w->events.turn) {
		w->events.turn(w->arg);
	}
}

void wire_ask_turn(struct wire *w)
{
	loop_defer(w->loop, &w->turn, on_turn);
}

struct loop *wire_loop(const struct wire *w)
{
	return w->loop;
}

static void on_close(void *arg, const struct err *why)
{
	struct wire *w = arg;

	(void)why;
	w->stream = NULL;
	w->closing = true;
	loop_timer_stop(&w->idle);
	loop_defer_cancel(&w->turn);
	w->events.close(w->arg);
	loop_defer_cancel(&w->turn);
	ws_reader_fini(&w->reader);
	strbuf_fini(&w->out);
	free(w);
}

static const struct stream_events stream_callbacks = {
	.on_data = on_data,
	.on_end = on_end,
	.on_drain = on_drain,
	.on_close = on_close,
};

/* ---- opening ---- */

static struct wire *wire_open(struct http_request *r, const char *protocol, const char *headers,
                              bool is_websocket, const struct wire_events *events, void *arg)
{
	struct wire *w = NEW(struct wire);

	w->is_websocket = is_websocket;
	w->reader.is_server = true;
	w->events = *events;
	w->arg = arg;
	w->stream = http_upgrade(r, protocol, headers, &stream_callbacks, w);
	if (!w->stream) {
		free(w);
		return NULL;
	}
	w->loop = stream_loop(w->stream);
	stay_awake(w);
	return w;
}

struct wire *wire_open_spdy(struct http_request *r, const char *headers,
                            const struct wire_events *events, void *arg)
{
	return wire_open(r, "SPDY/3.1", headers, false, events, arg);
}

struct wire *wire_open_websocket(struct http_request *r, const char *subprotocol,
                                 const struct wire_events *events, void *arg)
{
	struct slice key = http_header_get(&r->headers, "Sec-WebSocket-Key");
	scoped_strbuf struct strbuf headers = { 0 };

	if (!slice_is(r->method, "GET") ||
	    !slice_is(http_header_get(&r->headers, "Sec-WebSocket-Version"), "13") ||
	    key.len != 24) { /* 16 bytes in base64 */
		wire_refuse(r, 400, "BadRequest", "malformed WebSocket handshake",
		            "Sec-WebSocket-Version: 13\r\n");
		return NULL;
	}
	strbuf_adds(&headers, "Sec-WebSocket-Accept: ");
	ws_accept_key(&headers, key);
	strbuf_adds(&headers, "\r\n");
	if (subprotocol) {
		strbuf_addf(&headers, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
	}
	return wire_open(r, "websocket", strbuf_str(&headers), true, events, arg);
}

const char *wire_choose_subprotocol(const struct http_request *r, const char *const *known,
                                    bool *ret_any)
{
	*ret_any = false;
	for (size_t i = 0; i < r->headers.n; i++) {
		struct slice rest = r->headers.at[i].value, name;

		if (!slice_eq_nocase(r->headers.at[i].name, SLICE("Sec-WebSocket-Protocol"))) {
			continue;
		}
		while (slice_next(&rest, ',', &name)) {
			name = slice_trim(name);
			if (!name.len ||
			    slice_has_prefix(name,
			                     SLICE("base64url.bearer.authorization.k8s.io."))) {
				continue;
			}
			*ret_any = true;
			for (size_t k = 0; known[k]; k++) {
				if (slice_is(name, known[k])) {
					return known[k];
				}
			}
		}
	}
	return NULL;
}
