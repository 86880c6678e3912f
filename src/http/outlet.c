/* Why: see outlet.h. What the client says is passed over; its close ends the outlet. */
#include "http/outlet.h"

#include "base/base64.h"
#include "base/mem.h"
#include "http/wire.h"

struct outlet {
	struct wire *wire;
	struct outlet_events events;
	void *arg;
	bool is_base64;
};

static void on_data(void *arg, struct slice bytes, bool is_text)
{
	(void)arg, (void)bytes, (void)is_text;
}

static void on_end(void *arg)
{
	outlet_finish(arg);
}

static void on_drain(void *arg)
{
	struct outlet *o = arg;

	o->events.drain(o->arg);
}

static void on_close(void *arg)
{
	struct outlet *o = arg;

	o->events.gone(o->arg);
	free(o);
}

static const struct wire_events wire_callbacks = {
	.data = on_data,
	.end = on_end,
	.drain = on_drain,
	.close = on_close,
};

struct outlet *outlet_accept(struct http_request *r, const struct outlet_events *events, void *arg)
{
	static const char *const known[] = { "binary.k8s.io", "base64.binary.k8s.io", NULL };
	struct outlet *o;
	const char *chosen;
	bool any;

	if (wire_kind_asked(r) != WIRE_WEBSOCKET) {
		wire_refuse(r, 400, "BadRequest", "only WebSocket is an upgrade here", NULL);
		return NULL;
	}
	chosen = wire_choose_subprotocol(r, known, &any);
	if (any && !chosen) {
		wire_refuse(r, 400, "BadRequest", "no WebSocket subprotocol in common", NULL);
		return NULL;
	}
	o = NEW(struct outlet);
	o->events = *events;
	o->arg = arg;
	o->is_base64 = chosen == known[1];
	o->wire = wire_open_websocket(r, chosen, &wire_callbacks, o);
	if (!o->wire) {
		free(o);
		return NULL;
	}
	return o;
}

void outlet_write(struct outlet *o, struct slice bytes)
{
	scoped_strbuf struct strbuf text = { 0 };

	if (o->is_base64) {
		base64_encode(&text, bytes);
		wire_send_text(o->wire, strbuf_slice(&text));
	} else {
		wire_send(o->wire, bytes);
	}
}

bool outlet_is_full(const struct outlet *o)
{
	return wire_is_full(o->wire);
}

void outlet_finish(struct outlet *o)
{
	wire_close(o->wire);
}
