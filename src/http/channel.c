/* Why: exec and attach as real clients do them; see channel.h and kubernetes-api.md 4.2 to 4.4.
 *
 *   WAITING --all streams there--> READY --channel_finish--> FINISHING --flushed--> (gone)
 *      | 30 s                        | connection ends                                 ^
 *      +-----------------------------+-------------------------------------------------+
 *
 * WebSocket channels all exist at once; a SPDY client opens its streams one by one. */
#include "http/channel.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/spdy.h"
#include "http/wire.h"

enum {
	N_CHANNELS = 5,
	RESIZE_MAX = 1024,   /* bytes of one resize text */
	EARLY_MAX = 1 << 20, /* stdin that came before everything was ready */
	V5_CLOSE = 255,
};

#define STREAMS_US (30 * US_PER_S) /* for all streams to be opened */

struct channels {
	struct wire *wire;
	struct spdy *spdy;    /* null: WebSocket */
	struct strbuf out;    /* frames of spdy to send */
	struct strbuf resize; /* an incomplete resize text */
	struct strbuf early;  /* stdin before ready */
	struct strbuf scratch;
	struct channel_ask ask;
	struct channel_events events;
	void *arg;
	struct loop_timer deadline;
	uint32_t stream[N_CHANNELS]; /* SPDY stream ids; 0: not opened */
	int version;                 /* of channel.k8s.io: 1 to 5 */
	bool is_base64;
	uint16_t early_width, early_height; /* the last size before ready */
	bool ready, finishing, eof_told, early_eof, early_resize;
};

static bool is_asked(const struct channels *c, enum channel_id id)
{
	switch (id) {
	case CHANNEL_STDIN:
		return c->ask.stdin_;
	case CHANNEL_STDOUT:
		return c->ask.stdout_;
	case CHANNEL_STDERR:
		return c->ask.stderr_;
	case CHANNEL_ERROR:
		return true;
	case CHANNEL_RESIZE:
		return c->ask.tty && c->version >= 3;
	}
	return false;
}

static void flush_spdy(struct channels *c)
{
	if (c->out.size) {
		wire_send(c->wire, strbuf_slice(&c->out));
		strbuf_reset(&c->out);
	}
}

/* ---- to the client ---- */

static void send_message(struct channels *c, enum channel_id id, struct slice bytes)
{
	struct strbuf *b = &c->scratch;

	strbuf_reset(b);
	if (c->is_base64) {
		strbuf_addc(b, (char)('0' + id));
		base64_encode(b, bytes);
		wire_send_text(c->wire, strbuf_slice(b));
	} else {
		strbuf_addc(b, (char)id);
		strbuf_add_slice(b, bytes);
		wire_send(c->wire, strbuf_slice(b));
	}
}

void channel_write(struct channels *c, enum channel_id id, struct slice bytes)
{
	if (c->finishing || !c->ready || !bytes.len || !is_asked(c, id)) {
		return; /* clients choke on a channel they did not ask for */
	}
	if (c->spdy) {
		spdy_data(c->spdy, c->stream[id], bytes, false);
		flush_spdy(c);
	} else {
		send_message(c, id, bytes);
	}
}

bool channel_is_full(const struct channels *c)
{
	return wire_is_full(c->wire);
}

void channel_pause(struct channels *c, bool paused)
{
	wire_pause(c->wire, paused);
}

/* The text of member "message" of a Status, without its escapes; for clients older than v4. */
static void add_plain_status(struct strbuf *out, struct slice status)
{
	static const char key[] = "\"message\":\"";
	const char *p;

	if (memmem(status.p, status.len, "\"Success\"", 9)) {
		return;
	}
	p = memmem(status.p, status.len, key, sizeof(key) - 1);
	for (p = p ? p + sizeof(key) - 1 : NULL; p && p < status.p + status.len && *p != '"'; p++) {
		if (*p == '\\' && p + 1 < status.p + status.len) {
			p++;
		}
		strbuf_addc(out, *p);
	}
	if (!out->size) {
		strbuf_adds(out, "command failed");
	}
}

void channel_finish(struct channels *c, struct slice status_json)
{
	scoped_strbuf struct strbuf plain = { 0 };

	if (c->finishing) {
		return;
	}
	c->finishing = true;
	loop_timer_stop(&c->deadline);
	if (c->version < 4) {
		add_plain_status(&plain, status_json);
		status_json = strbuf_slice(&plain);
	}
	if (c->spdy) {
		/* Output ends first: a client may stop reading at the Status. */
		if (c->stream[CHANNEL_STDOUT]) {
			spdy_data(c->spdy, c->stream[CHANNEL_STDOUT], SLICE(""), true);
		}
		if (c->stream[CHANNEL_STDERR]) {
			spdy_data(c->spdy, c->stream[CHANNEL_STDERR], SLICE(""), true);
		}
		if (c->stream[CHANNEL_ERROR]) {
			spdy_data(c->spdy, c->stream[CHANNEL_ERROR], status_json, true);
		}
		flush_spdy(c);
	} else if (status_json.len) {
		send_message(c, CHANNEL_ERROR, status_json);
	}
	wire_pause(c->wire, false);
	wire_close(c->wire);
}

void channel_abort(struct channels *c)
{
	c->finishing = true;
	wire_abort(c->wire);
}

/* ---- from the client ---- */

/* Behind the key, in whichever case it stands: kubectl writes "Width", the JavaScript client "width". */
static const char *behind_key(struct slice text, struct slice key)
{
	for (size_t i = 0; i + key.len <= text.len; i++) {
		if (slice_eq_nocase(slice_head(slice_from(text, i), key.len), key)) {
			return text.p + i + key.len;
		}
	}
	return NULL;
}

static bool find_number(struct slice text, struct slice key, uint16_t *ret)
{
	const char *p = behind_key(text, key);
	const char *end = text.p + text.len;
	unsigned v = 0;
	bool any = false;

	if (!p) {
		return false;
	}
	for (; p < end && (*p == ' ' || *p == ':' || *p == '\t'); p++) {
	}
	for (; p < end && *p >= '0' && *p <= '9' && v <= 0xffff; p++) {
		v = v * 10 + (unsigned)(*p - '0');
		any = true;
	}
	if (!any || v > 0xffff) {
		return false;
	}
	*ret = (uint16_t)v;
	return true;
}

/* kubectl tells the size as soon as its stream is there: before the program is. */
static void tell_size(struct channels *c, uint16_t width, uint16_t height)
{
	if (!c->ready) {
		c->early_resize = true;
		c->early_width = width;
		c->early_height = height;
	} else if (!c->finishing) {
		c->events.resize(c->arg, width, height);
	}
}

/* Texts like {"Width":100,"Height":30}, one after another, cut anywhere. */
static void take_resize(struct channels *c, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		uint16_t width, height;
		struct slice text;

		strbuf_addc(&c->resize, bytes.p[i]);
		if (bytes.p[i] != '}' && c->resize.size < RESIZE_MAX) {
			continue;
		}
		text = strbuf_slice(&c->resize);
		if (find_number(text, SLICE("\"width\""), &width) &&
		    find_number(text, SLICE("\"height\""), &height)) {
			tell_size(c, width, height);
		}
		strbuf_reset(&c->resize);
	}
}

static void take_stdin(struct channels *c, struct slice bytes)
{
	if (c->finishing || c->eof_told || !c->ask.stdin_ || !bytes.len) {
		return;
	}
	if (!c->ready) {
		strbuf_add_slice(&c->early, bytes);
		if (strbuf_failed(&c->early)) {
			channel_abort(c);
		}
		return;
	}
	c->events.data(c->arg, CHANNEL_STDIN, bytes);
}

static void take_eof(struct channels *c)
{
	if (!c->ready) {
		c->early_eof = true;
	} else if (!c->finishing && !c->eof_told && c->ask.stdin_) {
		c->eof_told = true;
		c->events.eof(c->arg, CHANNEL_STDIN);
	}
}

static void check_ready(struct channels *c)
{
	for (int id = 0; id < N_CHANNELS; id++) {
		if (c->spdy && is_asked(c, id) && !c->stream[id]) {
			return;
		}
	}
	if (!c->ready && !c->finishing) {
		loop_timer_stop(&c->deadline);
		wire_ask_turn(c->wire);
	}
}

static void on_turn(void *arg)
{
	struct channels *c = arg;
	struct strbuf early = c->early;

	if (c->ready || c->finishing) {
		return;
	}
	c->ready = true;
	c->early = (struct strbuf){ 0 };
	if (!c->spdy && c->ask.stdout_) {
		send_message(c, CHANNEL_STDOUT, SLICE("")); /* tells that we are up */
	}
	c->events.ready(c->arg, c);
	if (c->early_resize) {
		tell_size(c, c->early_width, c->early_height);
	}
	take_stdin(c, strbuf_slice(&early));
	strbuf_fini(&early);
	if (c->early_eof) {
		take_eof(c);
	}
}

static void on_spdy_syn(void *arg, uint32_t id, const struct http_headers *headers, bool fin)
{
	static const char *const names[N_CHANNELS] = { "stdin", "stdout", "stderr", "error",
		                                       "resize" };
	struct channels *c = arg;
	struct slice type = http_header_get(headers, "streamtype");

	for (int i = 0; i < N_CHANNELS; i++) {
		if (slice_is(type, names[i]) && is_asked(c, i) && !c->stream[i] && id) {
			c->stream[i] = id;
			spdy_reply(c->spdy, id);
			if (fin && i == CHANNEL_STDIN) {
				take_eof(c);
			}
			check_ready(c);
			return;
		}
	}
	spdy_rst(c->spdy, id, SPDY_REFUSED_STREAM);
}

static void on_spdy_data(void *arg, uint32_t id, struct slice bytes)
{
	struct channels *c = arg;

	if (id && id == c->stream[CHANNEL_STDIN]) {
		take_stdin(c, bytes);
	} else if (id && id == c->stream[CHANNEL_RESIZE]) {
		take_resize(c, bytes);
	}
}

static void on_spdy_fin(void *arg, uint32_t id)
{
	struct channels *c = arg;

	if (id && id == c->stream[CHANNEL_STDIN]) {
		take_eof(c);
	}
}

static const struct spdy_events spdy_callbacks = {
	.syn = on_spdy_syn,
	.data = on_spdy_data,
	.fin = on_spdy_fin,
	.rst = on_spdy_fin,
};

static void take_message(struct channels *c, uint8_t id, struct slice bytes)
{
	if (id == CHANNEL_STDIN) {
		take_stdin(c, bytes);
	} else if (id == CHANNEL_RESIZE && is_asked(c, CHANNEL_RESIZE)) {
		take_resize(c, bytes);
	} else if (id == V5_CLOSE && c->version == 5 && bytes.len == 1 &&
	           bytes.p[0] == CHANNEL_STDIN) {
		take_eof(c);
	}
}

static void on_wire_data(void *arg, struct slice bytes, bool is_text)
{
	struct channels *c = arg;
	struct err err;

	if (c->finishing) {
		return;
	}
	if (c->spdy) {
		if (spdy_feed(c->spdy, bytes, &err) < 0) {
			log_debug("SPDY client is refused: %s", err.msg);
			channel_abort(c);
			return;
		}
		wire_answer(c->wire, strbuf_slice(&c->out));
		strbuf_reset(&c->out);
	} else if (bytes.len && c->is_base64) {
		scoped_strbuf struct strbuf plain = { 0 };

		if (is_text && base64_decode(&plain, slice_from(bytes, 1))) {
			take_message(c, (uint8_t)(bytes.p[0] - '0'), strbuf_slice(&plain));
		}
	} else if (bytes.len) {
		take_message(c, (uint8_t)bytes.p[0], slice_from(bytes, 1));
	}
}

static void on_wire_end(void *arg)
{
	struct channels *c = arg;

	/* Before v5 this is how the JavaScript client ends stdin; it still reads what follows. */
	if (c->spdy || !c->ask.stdin_ || c->eof_told) {
		wire_close(c->wire);
	} else {
		take_eof(c);
	}
}

static void on_wire_drain(void *arg)
{
	struct channels *c = arg;

	if (c->ready && !c->finishing && c->events.drain) {
		c->events.drain(c->arg);
	}
}

static void on_wire_close(void *arg)
{
	struct channels *c = arg;

	c->finishing = true;
	loop_timer_stop(&c->deadline);
	c->events.gone(c->arg);
	spdy_free(c->spdy);
	strbuf_fini(&c->out);
	strbuf_fini(&c->resize);
	strbuf_fini(&c->early);
	strbuf_fini(&c->scratch);
	free(c);
}

static const struct wire_events wire_callbacks = {
	.data = on_wire_data,
	.end = on_wire_end,
	.drain = on_wire_drain,
	.turn = on_turn,
	.close = on_wire_close,
};

static void on_deadline(struct loop_timer *t)
{
	struct channels *c = container_of(t, struct channels, deadline);

	log_debug("Client did not open all its streams in time");
	channel_abort(c);
}

/* ---- accepting ---- */

struct protocol {
	const char *name;
	int version;
	bool is_base64;
};

static const struct protocol protocols[] = {
	{ "v5.channel.k8s.io", 5, false },       { "v4.channel.k8s.io", 4, false },
	{ "v3.channel.k8s.io", 3, false },       { "v2.channel.k8s.io", 2, false },
	{ "channel.k8s.io", 1, false },          { "v5.base64.channel.k8s.io", 5, true },
	{ "v4.base64.channel.k8s.io", 4, true }, { "base64.channel.k8s.io", 1, true },
};

static const struct protocol *find_protocol(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (slice_is(name, protocols[i].name)) {
			return &protocols[i];
		}
	}
	return NULL;
}

static struct channels *channels_new(const struct protocol *p, const struct channel_ask *ask,
                                     const struct channel_events *events, void *arg)
{
	struct channels *c = NEW(struct channels);

	c->ask = *ask;
	c->events = *events;
	c->arg = arg;
	c->early.max = EARLY_MAX;
	c->version = p->version;
	c->is_base64 = p->is_base64;
	return c;
}

static struct channels *accept_websocket(struct http_request *r, const struct channel_ask *ask,
                                         const struct channel_events *events, void *arg)
{
	const char *names[ARRAY_SIZE(protocols) + 1] = { 0 };
	struct protocol unnamed = { NULL, 1, false };
	const struct protocol *p = &unnamed;
	struct channels *c;
	const char *chosen;
	bool any;

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		names[i] = protocols[i].name;
	}
	chosen = wire_choose_subprotocol(r, names, &any);
	if (any && !chosen) {
		wire_refuse(r, 400, "BadRequest", "no WebSocket subprotocol in common", NULL);
		return NULL;
	}
	if (chosen) {
		p = find_protocol(slice_of(chosen));
	}
	c = channels_new(p, ask, events, arg);
	c->wire = wire_open_websocket(r, chosen, &wire_callbacks, c);
	if (!c->wire) {
		free(c);
		return NULL;
	}
	check_ready(c);
	return c;
}

/* The first of the client's list that we know; v5 over SPDY is v4. */
static const struct protocol *choose_spdy(const struct http_request *r, bool *ret_any)
{
	*ret_any = false;
	for (size_t i = 0; i < r->headers.n; i++) {
		struct slice rest = r->headers.at[i].value, name;

		if (!slice_eq_nocase(r->headers.at[i].name, SLICE("X-Stream-Protocol-Version"))) {
			continue;
		}
		while (slice_next(&rest, ',', &name)) {
			const struct protocol *p = find_protocol(slice_trim(name));

			*ret_any = true;
			if (p && !p->is_base64 && p->version <= 4) {
				return p;
			}
		}
	}
	return NULL;
}

static struct channels *accept_spdy(struct http_request *r, const struct channel_ask *ask,
                                    const struct channel_events *events, void *arg)
{
	bool any;
	const struct protocol *p = choose_spdy(r, &any);
	char header[80] = "";
	struct channels *c;

	if (any && !p) {
		wire_refuse(r, 403, "Forbidden", "no stream protocol in common",
		            "X-Accepted-Stream-Protocol-Versions: v4.channel.k8s.io, "
		            "v3.channel.k8s.io, v2.channel.k8s.io, channel.k8s.io\r\n");
		return NULL;
	}
	if (p) {
		snprintf(header, sizeof(header), "X-Stream-Protocol-Version: %s\r\n", p->name);
	} else {
		p = find_protocol(SLICE("channel.k8s.io"));
	}
	c = channels_new(p, ask, events, arg);
	c->wire = wire_open_spdy(r, header, &wire_callbacks, c);
	if (!c->wire) {
		free(c);
		return NULL;
	}
	c->spdy = spdy_new(&spdy_callbacks, c, &c->out);
	loop_timer_start(wire_loop(c->wire), &c->deadline, STREAMS_US, on_deadline);
	return c;
}

struct channels *channel_accept(struct http_request *r, const struct channel_ask *ask,
                                const struct channel_events *events, void *arg)
{
	if (!ask->stdin_ && !ask->stdout_ && !ask->stderr_) {
		wire_refuse(r, 400, "BadRequest",
		            "you must specify at least one of stdin, stdout, stderr", NULL);
		return NULL;
	}
	switch (wire_kind_asked(r)) {
	case WIRE_WEBSOCKET:
		return accept_websocket(r, ask, events, arg);
	case WIRE_SPDY:
		return accept_spdy(r, ask, events, arg);
	case WIRE_NONE:
		break;
	}
	wire_refuse(r, 400, "BadRequest", "Upgrade request required", NULL);
	return NULL;
}
