/* Why: exec and port-forward are tested with what real clients send, byte for byte. See dialog.h. */
#include "dialog.h"

static const uint8_t mask[4] = { 0x12, 0x34, 0x56, 0x78 };

static void tell_reply(void *arg, uint32_t id, const struct http_headers *h)
{
	(void)h;
	strbuf_addf(&((struct dialog *)arg)->told, "reply%u;", id);
}

static void tell_data(void *arg, uint32_t id, struct slice bytes)
{
	struct dialog *d = arg;

	strbuf_addf(&d->told, "data%u:", id);
	strbuf_add_slice(&d->told, bytes);
	strbuf_addc(&d->told, ';');
}

static void tell_fin(void *arg, uint32_t id)
{
	strbuf_addf(&((struct dialog *)arg)->told, "fin%u;", id);
}

static void tell_rst(void *arg, uint32_t id)
{
	strbuf_addf(&((struct dialog *)arg)->told, "rst%u;", id);
}

static void tell_goaway(void *arg)
{
	strbuf_adds(&((struct dialog *)arg)->told, "goaway;");
}

static const struct spdy_events spdy_tells = { .reply = tell_reply,
	                                       .data = tell_data,
	                                       .fin = tell_fin,
	                                       .rst = tell_rst,
	                                       .goaway = tell_goaway };

static void ask(struct dialog *d, struct rig *r, const char *method, const char *target,
                const char *upgrade, const char *headers)
{
	scoped_free char *text = mem_printf(
		"%s %s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: %s\r\n%s\r\n", method,
		target, upgrade, headers ? headers : "");

	*d = (struct dialog){ .rig = r };
	rig_dial(r);
	rig_send_text(r, text);
}

void dialog_open_websocket(struct dialog *d, struct rig *r, const char *target, const char *headers)
{
	scoped_free char *more = mem_printf("Sec-WebSocket-Version: 13\r\n"
	                                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s",
	                                    headers ? headers : "");

	ask(d, r, "GET", target, "websocket", more);
	rig_want(r, "HTTP/1.1 101 ");
	rig_want(r, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
	rig_want(r, "\r\n\r\n");
	d->is_open = true;
}

void dialog_open_spdy(struct dialog *d, struct rig *r, const char *target, const char *headers)
{
	ask(d, r, "POST", target, "SPDY/3.1", headers);
	rig_want(r, "HTTP/1.1 101 ");
	rig_want(r, "\r\n\r\n");
	d->spdy = spdy_new(&spdy_tells, d, &d->out);
	d->is_open = true;
}

void dialog_open_tunnel(struct dialog *d, struct rig *r, const char *target)
{
	dialog_open_websocket(d, r, target,
	                      "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n");
	d->spdy = spdy_new(&spdy_tells, d, &d->out);
	d->in_tunnel = true;
}

void dialog_fini(struct dialog *d)
{
	d->spdy = spdy_free(d->spdy);
	ws_reader_fini(&d->reader);
	strbuf_fini(&d->out);
	strbuf_fini(&d->told);
}

void dialog_frame(struct dialog *d, enum ws_opcode opcode, struct slice payload)
{
	scoped_strbuf struct strbuf b = { 0 };

	ws_write(&b, opcode, payload, mask);
	rig_send(d->rig, strbuf_slice(&b));
}

void dialog_flush(struct dialog *d)
{
	if (d->in_tunnel && d->out.size) {
		dialog_frame(d, WS_BINARY, strbuf_slice(&d->out));
	} else {
		rig_send(d->rig, strbuf_slice(&d->out));
	}
	strbuf_reset(&d->out);
}

void dialog_syn(struct dialog *d, uint32_t id, const char *type, const char *port,
                const char *request)
{
	struct http_header h[] = { { SLICE("streamtype"), slice_of(type) },
		                   { SLICE("port"), slice_of(port) },
		                   { SLICE("requestid"), slice_of(request) } };

	spdy_syn(d->spdy, id, &(struct http_headers){ h, request ? 3 : port ? 2 : 1 }, false);
	dialog_flush(d);
}

void dialog_data(struct dialog *d, uint32_t id, const char *text, bool fin)
{
	spdy_data(d->spdy, id, slice_of(text), fin);
	dialog_flush(d);
}

static void tell_message(struct dialog *d, enum ws_event e, struct slice p)
{
	struct err err = { 0 };

	if (e == WS_GOT_MESSAGE && d->in_tunnel) {
		if (spdy_feed(d->spdy, p, &err) < 0) {
			fail_msg("server's SPDY is refused: %s", err.msg);
		}
		return;
	}
	if (e == WS_GOT_CLOSE) {
		assert_true(p.len >= 2);
		strbuf_addf(&d->told, "close%d", (uint8_t)p.p[0] << 8 | (uint8_t)p.p[1]);
		p = SLICE("");
	} else if (e == WS_GOT_PONG) {
		strbuf_adds(&d->told, "pong:");
	} else if (d->reader.is_text) {
		strbuf_adds(&d->told, "t");
	} else {
		strbuf_addf(&d->told, p.len ? "b%d:" : "b:", p.len ? (uint8_t)p.p[0] : 0);
		p = slice_from(p, 1);
	}
	strbuf_add_slice(&d->told, p);
	strbuf_addc(&d->told, ';');
}

void dialog_turn(struct dialog *d)
{
	struct slice rest, payload;
	struct err err = { 0 };
	int e = 0;

	rig_turn(d->rig);
	rest = strbuf_slice(&d->rig->got);
	if (d->spdy && !d->in_tunnel) {
		e = spdy_feed(d->spdy, rest, &err);
	} else {
		while ((e = ws_reader_next(&d->reader, &rest, &payload, &err)) > WS_GOT_NONE) {
			tell_message(d, e, payload);
		}
	}
	if (e < 0) {
		fail_msg("server's bytes are refused: %s", err.msg);
	}
	strbuf_reset(&d->rig->got);
}

void dialog_want(struct dialog *d, const char *text)
{
	char *at;

	d->rig->idle = 0;
	while (!d->told.size || !(at = memmem(d->told.p, d->told.size, text, strlen(text)))) {
		bool ended = d->rig->ended;

		dialog_turn(d);
		if (d->rig->idle > 40000 || ended) {
			fail_msg("waited in vain for \"%s\"; told \"%.400s\"%s", text,
			         strbuf_str(&d->told), ended ? " and the end" : "");
		}
	}
	strbuf_consume(&d->told, (size_t)(at - d->told.p) + strlen(text));
}
