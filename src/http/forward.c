/* Why: port-forward as kubectl and the JavaScript client do it; see channel.h and kubernetes-api.md 4.5.
 *
 * Three framings: SPDY streams on the raw connection; the very same SPDY session in the binary messages
 * of a WebSocket; or a pair of WebSocket channels per port with a two-byte port in front.
 *
 * None of them has flow control per connection. A paused one keeps up to KEPT_MAX bytes, so that
 * one slow connection does not stop its neighbours at once; beyond that, and beyond KEPT_ALL_MAX for
 * all of them, the whole carrier waits. */
#include "http/channel.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/spdy.h"
#include "http/wire.h"

enum {
	KEPT_MAX = 1 << 20,     /* bytes for one connection */
	KEPT_ALL_MAX = 8 << 20, /* bytes for all of a carrier */
	CONNS_MAX = 1024,       /* open at a time on one carrier */
	PORTS_MAX = 64,         /* WebSocket channels: 2 * port must fit a byte */
};

struct forward_conn {
	struct forwards *f;
	struct list_link in_conns;
	char *request_id;   /* SPDY: owned */
	struct strbuf kept; /* from the client, not delivered yet */
	void *user;
	uint32_t data_id, error_id; /* SPDY streams or WebSocket channels */
	uint16_t port;
	bool has_data, has_error; /* SPDY: those streams are open */
	bool open_told, user_set, paused;
	bool client_ended, eof_told, server_ended;
	bool over; /* closed is to be told, or was; freed at the end of the turn */
};

struct forwards {
	struct wire *wire;
	struct spdy *spdy; /* null: WebSocket channels */
	struct strbuf out, scratch;
	struct list conns;
	size_t n_conns;
	struct forward_events events;
	void *arg;
	bool is_base64;
	bool wire_paused, closing;
};

static void flush_spdy(struct forwards *f)
{
	if (f->out.size) {
		wire_send(f->wire, strbuf_slice(&f->out));
		strbuf_reset(&f->out);
	}
}

static void send_message(struct forwards *f, uint32_t channel, struct slice bytes)
{
	struct strbuf *b = &f->scratch;

	strbuf_reset(b);
	if (f->is_base64) {
		strbuf_addc(b, (char)('0' + channel));
		base64_encode(b, bytes);
		wire_send_text(f->wire, strbuf_slice(b));
	} else {
		strbuf_addc(b, (char)channel);
		strbuf_add_slice(b, bytes);
		wire_send(f->wire, strbuf_slice(b));
	}
}

static void send_bytes(struct forwards *f, uint32_t id, struct slice bytes, bool fin)
{
	if (f->spdy) {
		spdy_data(f->spdy, id, bytes, fin);
		flush_spdy(f);
	} else if (bytes.len) {
		send_message(f, id, bytes);
	}
}

/* ---- life of a connection ---- */

static void conn_free(struct forward_conn *fc)
{
	list_unlink(&fc->in_conns);
	fc->f->n_conns--;
	strbuf_fini(&fc->kept);
	free(fc->request_id);
	free(fc);
}

static void conn_over(struct forward_conn *fc)
{
	if (!fc->over) {
		fc->over = true;
		wire_ask_turn(fc->f->wire);
	}
}

/* Both directions are done, as far as the framing can tell: WebSocket channels have no end. */
static void check_over(struct forward_conn *fc)
{
	if (!fc->over && fc->server_ended && (fc->eof_told || !fc->f->spdy)) {
		conn_over(fc);
	}
}

static void update_pause(struct forwards *f)
{
	bool paused = false;
	size_t all = 0;

	list_for_each (&f->conns, fc, struct forward_conn, in_conns) {
		all += fc->kept.size;
		paused = paused || fc->kept.size > KEPT_MAX;
	}
	paused = paused || all > KEPT_ALL_MAX;
	if (paused != f->wire_paused) {
		f->wire_paused = paused;
		wire_pause(f->wire, paused);
	}
}

static void take_data(struct forward_conn *fc, struct slice bytes)
{
	if (fc->over || !bytes.len) {
		return;
	}
	if (!fc->user_set || fc->paused || fc->kept.size) {
		strbuf_add_slice(&fc->kept, bytes);
		update_pause(fc->f);
		return;
	}
	fc->f->events.data(fc->user, bytes);
}

static void deliver_kept(struct forward_conn *fc)
{
	if (fc->kept.size && fc->user_set && !fc->paused && !fc->over) {
		struct strbuf bytes = fc->kept;

		fc->kept = (struct strbuf){ 0 };
		fc->f->events.data(fc->user, strbuf_slice(&bytes));
		strbuf_fini(&bytes);
	}
	if (fc->client_ended && !fc->eof_told && fc->user_set && !fc->kept.size && !fc->over) {
		fc->eof_told = true;
		fc->f->events.eof(fc->user);
		check_over(fc);
	}
}

static void take_end(struct forward_conn *fc)
{
	fc->client_ended = true;
	deliver_kept(fc);
}

static void finish_one(struct forward_conn *fc)
{
	if (fc->user_set) {
		fc->f->events.closed(fc->user);
	}
	conn_free(fc);
}

static void on_turn(void *arg)
{
	struct forwards *f = arg;

	list_for_each (&f->conns, fc, struct forward_conn, in_conns) {
		if (!fc->open_told && !fc->over && fc->has_data && fc->has_error) {
			fc->open_told = true;
			f->events.open(f->arg, fc, fc->port);
		}
		deliver_kept(fc);
		if (fc->over) {
			finish_one(fc);
		}
	}
	update_pause(f);
	if (!f->spdy && list_is_empty(&f->conns)) {
		f->closing = true;
		wire_close(f->wire); /* all ports of this WebSocket are done */
	}
}

void forward_set_user(struct forward_conn *fc, void *user)
{
	fc->user = user;
	fc->user_set = true;
	wire_ask_turn(fc->f->wire);
}

void forward_write(struct forward_conn *fc, struct slice bytes)
{
	if (!fc->over && !fc->server_ended && bytes.len) {
		send_bytes(fc->f, fc->data_id, bytes, false);
	}
}

bool forward_is_full(const struct forward_conn *fc)
{
	return wire_is_full(fc->f->wire);
}

void forward_pause(struct forward_conn *fc, bool paused)
{
	if (fc->paused != paused) {
		fc->paused = paused;
		wire_ask_turn(fc->f->wire);
	}
}

void forward_eof(struct forward_conn *fc)
{
	if (fc->over || fc->server_ended) {
		return;
	}
	fc->server_ended = true;
	send_bytes(fc->f, fc->data_id, SLICE(""), true);
	if (fc->f->spdy) {
		/* Its empty end says "no error"; kubectl keeps the local connection open until then. */
		send_bytes(fc->f, fc->error_id, SLICE(""), true);
	}
	check_over(fc);
}

void forward_fail(struct forward_conn *fc, const char *text)
{
	if (fc->over) {
		return;
	}
	send_bytes(fc->f, fc->error_id, slice_of(text), true);
	if (!fc->server_ended) {
		fc->server_ended = true;
		send_bytes(fc->f, fc->data_id, SLICE(""), true);
	}
	conn_over(fc);
}

void forwards_close(struct forwards *f)
{
	f->closing = true;
	wire_close(f->wire);
}

/* ---- SPDY ---- */

static struct forward_conn *conn_new(struct forwards *f, uint16_t port)
{
	struct forward_conn *fc = NEW(struct forward_conn);

	fc->f = f;
	fc->port = port;
	list_push(&f->conns, &fc->in_conns);
	f->n_conns++;
	return fc;
}

static struct forward_conn *find_request(struct forwards *f, struct slice request_id)
{
	list_for_each (&f->conns, fc, struct forward_conn, in_conns) {
		if (!fc->over && fc->request_id && slice_is(request_id, fc->request_id)) {
			return fc;
		}
	}
	return NULL;
}

static struct forward_conn *find_stream(struct forwards *f, uint32_t id)
{
	list_for_each (&f->conns, fc, struct forward_conn, in_conns) {
		if (fc->has_data && fc->data_id == id) {
			return fc;
		}
	}
	return NULL;
}

static void on_spdy_syn(void *arg, uint32_t id, const struct http_headers *headers, bool fin)
{
	struct forwards *f = arg;
	struct slice type = http_header_get(headers, "streamtype");
	struct slice request_id = http_header_get(headers, "requestid");
	struct forward_conn *fc;
	bool is_error = slice_is(type, "error");
	uint64_t port;

	if (f->closing || (!is_error && !slice_is(type, "data")) || request_id.len > 64 ||
	    !slice_to_u64(http_header_get(headers, "port"), &port) || port < 1 || port > 65535) {
		spdy_rst(f->spdy, id, SPDY_REFUSED_STREAM);
		return;
	}
	if (!request_id.p) {
		request_id = SLICE(""); /* very old clients send one pair at a time */
	}
	fc = find_request(f, request_id);
	if (fc && (is_error ? fc->has_error : fc->has_data)) {
		fc = NULL; /* the pair is complete: another one */
	}
	if (!fc) {
		if (f->n_conns >= CONNS_MAX) {
			spdy_rst(f->spdy, id, SPDY_REFUSED_STREAM);
			return;
		}
		fc = conn_new(f, (uint16_t)port);
		fc->request_id = slice_dup(request_id);
	}
	spdy_reply(f->spdy, id);
	if (is_error) {
		fc->error_id = id;
		fc->has_error = true;
	} else {
		fc->data_id = id;
		fc->has_data = true;
		if (fin) {
			take_end(fc);
		}
	}
	if (fc->has_error && fc->has_data) {
		wire_ask_turn(f->wire);
	}
}

static void on_spdy_data(void *arg, uint32_t id, struct slice bytes)
{
	struct forward_conn *fc = find_stream(arg, id);

	if (fc) {
		take_data(fc, bytes);
	}
}

static void on_spdy_fin(void *arg, uint32_t id)
{
	struct forward_conn *fc = find_stream(arg, id);

	if (fc && !fc->client_ended) {
		take_end(fc);
	}
}

static void on_spdy_rst(void *arg, uint32_t id)
{
	struct forwards *f = arg;

	list_for_each (&f->conns, fc, struct forward_conn, in_conns) {
		if ((fc->has_data && fc->data_id == id) ||
		    (fc->has_error && fc->error_id == id && !fc->has_data)) {
			conn_over(fc);
		}
	}
}

static const struct spdy_events spdy_callbacks = {
	.syn = on_spdy_syn,
	.data = on_spdy_data,
	.fin = on_spdy_fin,
	.rst = on_spdy_rst,
};

/* ---- the carrier ---- */

static void on_wire_data(void *arg, struct slice bytes, bool is_text)
{
	struct forwards *f = arg;
	scoped_strbuf struct strbuf plain = { 0 };
	struct err err;
	uint8_t channel;

	if (f->closing) {
		return;
	}
	if (f->spdy) {
		if (spdy_feed(f->spdy, bytes, &err) < 0) {
			log_debug("SPDY client is refused: %s", err.msg);
			f->closing = true;
			wire_abort(f->wire);
			return;
		}
		wire_answer(f->wire, strbuf_slice(&f->out));
		strbuf_reset(&f->out);
		return;
	}
	if (!bytes.len ||
	    (f->is_base64 && !(is_text && base64_decode(&plain, slice_from(bytes, 1))))) {
		return;
	}
	channel = f->is_base64 ? (uint8_t)(bytes.p[0] - '0') : (uint8_t)bytes.p[0];
	bytes = f->is_base64 ? strbuf_slice(&plain) : slice_from(bytes, 1);
	list_for_each (&f->conns, fc, struct forward_conn, in_conns) {
		if (fc->data_id == channel) {
			take_data(fc, bytes);
		}
	}
}

static void on_wire_end(void *arg)
{
	struct forwards *f = arg;

	if (f->spdy) {
		forwards_close(f);
		return;
	}
	list_for_each (&f->conns, fc, struct forward_conn, in_conns) {
		take_end(fc);
	}
}

static void on_wire_drain(void *arg)
{
	struct forwards *f = arg;

	list_for_each (&f->conns, fc, struct forward_conn, in_conns) {
		if (fc->user_set && !fc->over && f->events.drain) {
			f->events.drain(fc->user);
		}
	}
}

static void on_wire_close(void *arg)
{
	struct forwards *f = arg;

	f->closing = true;
	list_for_each (&f->conns, fc, struct forward_conn, in_conns) {
		fc->over = true;
		finish_one(fc);
	}
	f->events.gone(f->arg);
	spdy_free(f->spdy);
	strbuf_fini(&f->out);
	strbuf_fini(&f->scratch);
	free(f);
}

static const struct wire_events wire_callbacks = {
	.data = on_wire_data,
	.end = on_wire_end,
	.drain = on_wire_drain,
	.turn = on_turn,
	.close = on_wire_close,
};

/* ---- accepting ---- */

static const char tunnel_protocol[] = "SPDY/3.1+portforward.k8s.io";

/* "ports=8080&ports=9090" or "ports=8080,9090"; the number of them, 0 when one is not a port. */
static size_t parse_ports(struct http_request *r, uint16_t ports[static PORTS_MAX])
{
	struct slice list, one;
	size_t n = 0;

	for (size_t nth = 0; (list = http_query_get(&r->arena, r->query, "ports", nth)).p; nth++) {
		while (slice_next(&list, ',', &one)) {
			uint64_t port;

			if (!slice_to_u64(one, &port) || port < 1 || port > 65535 ||
			    n == PORTS_MAX) {
				return 0;
			}
			ports[n++] = (uint16_t)port;
		}
	}
	return n;
}

static bool accept_channels(struct forwards *f, struct http_request *r)
{
	static const char *const known[] = {
		"v4.channel.k8s.io",     "v5.channel.k8s.io",  "v3.channel.k8s.io",
		"v2.channel.k8s.io",     "channel.k8s.io",     "v4.base64.channel.k8s.io",
		"base64.channel.k8s.io", "portforward.k8s.io", NULL
	};
	uint16_t ports[PORTS_MAX];
	size_t n = parse_ports(r, ports);
	bool any;
	const char *chosen = wire_choose_subprotocol(r, known, &any);

	if (n == 0) {
		wire_refuse(r, 400, "BadRequest",
		            "query parameter \\\"ports\\\" must name ports from 1 to 65535", NULL);
		return false;
	}
	if (any && !chosen) {
		wire_refuse(r, 400, "BadRequest", "no WebSocket subprotocol in common", NULL);
		return false;
	}
	f->is_base64 = chosen && strstr(chosen, "base64");
	f->wire = wire_open_websocket(r, chosen, &wire_callbacks, f);
	for (size_t i = 0; f->wire && i < n; i++) {
		struct forward_conn *fc = conn_new(f, ports[i]);
		char port[2] = { (char)ports[i], (char)(ports[i] >> 8) };

		fc->data_id = (uint32_t)(2 * i);
		fc->error_id = (uint32_t)(2 * i + 1);
		fc->has_data = fc->has_error = true;
		send_message(f, fc->data_id, (struct slice){ port, sizeof(port) });
		send_message(f, fc->error_id, (struct slice){ port, sizeof(port) });
	}
	return f->wire;
}

static bool accept_any(struct forwards *f, struct http_request *r)
{
	static const char *const tunnel[] = { tunnel_protocol, NULL };
	bool any;

	switch (wire_kind_asked(r)) {
	case WIRE_WEBSOCKET:
		if (!wire_choose_subprotocol(r, tunnel, &any)) {
			return accept_channels(f, r);
		}
		f->spdy = spdy_new(&spdy_callbacks, f, &f->out);
		f->wire = wire_open_websocket(r, tunnel_protocol, &wire_callbacks, f);
		return f->wire;
	case WIRE_SPDY:
		if (http_header_get(&r->headers, "X-Stream-Protocol-Version").p &&
		    !http_header_has_token(&r->headers, "X-Stream-Protocol-Version",
		                           "portforward.k8s.io")) {
			wire_refuse(r, 403, "Forbidden", "no stream protocol in common",
			            "X-Accepted-Stream-Protocol-Versions: portforward.k8s.io\r\n");
			return false;
		}
		f->spdy = spdy_new(&spdy_callbacks, f, &f->out);
		f->wire = wire_open_spdy(r, "X-Stream-Protocol-Version: portforward.k8s.io\r\n",
		                         &wire_callbacks, f);
		return f->wire;
	case WIRE_NONE:
		break;
	}
	wire_refuse(r, 400, "BadRequest", "Upgrade request required", NULL);
	return false;
}

struct forwards *forward_accept(struct http_request *r, const struct forward_events *events,
                                void *arg)
{
	struct forwards *f = NEW(struct forwards);

	f->events = *events;
	f->arg = arg;
	if (!accept_any(f, r)) {
		spdy_free(f->spdy);
		strbuf_fini(&f->out);
		strbuf_fini(&f->scratch);
		free(f);
		return NULL;
	}
	wire_ask_turn(f->wire);
	return f;
}
