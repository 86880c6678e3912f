/* Why: whatever a client of exec sends, in any framing, the program sees input only after it is ready, its end once, and
 * the end of the connection once and last. First byte: protocol and size of the pieces; second: what is asked. */
#include "carrier.h"
#include "http/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct channels *c;
	struct channel_ask ask;
	bool is_ready, is_over, eof;
	int n_gone;
} hall;

static void on_ready(void *arg, struct channels *c)
{
	(void)arg;
	must(c == hall.c && !hall.is_ready && !hall.is_over);
	hall.is_ready = true;
	channel_write(c, CHANNEL_STDOUT, SLICE("hello"));
}

static void on_data(void *arg, enum channel_id id, struct slice bytes)
{
	(void)arg;
	must(hall.is_ready && !hall.is_over && !hall.eof);
	must(id == CHANNEL_STDIN && hall.ask.stdin_ && bytes.len);
	channel_write(hall.c, CHANNEL_STDOUT, bytes);
	channel_write(hall.c, CHANNEL_STDERR, bytes);
	if (bytes.p[0] == 'P') {
		channel_pause(hall.c, true);
		channel_pause(hall.c, false);
	} else if (bytes.p[0] == 'A') {
		channel_abort(hall.c);
		hall.eof = true; /* nothing comes any more */
	}
}

static void on_eof(void *arg, enum channel_id id)
{
	(void)arg;
	must(hall.is_ready && !hall.is_over && !hall.eof && id == CHANNEL_STDIN);
	hall.eof = true;
	channel_finish(hall.c, SLICE("{\"status\":\"Success\"}"));
}

static void on_resize(void *arg, uint16_t width, uint16_t height)
{
	(void)arg, (void)width, (void)height;
	must(hall.is_ready && !hall.is_over && hall.ask.tty);
}

static void on_gone(void *arg)
{
	(void)arg;
	must(!hall.is_over);
	hall.is_over = true;
	hall.n_gone++;
}

static const struct channel_events events = {
	.ready = on_ready, .data = on_data, .eof = on_eof, .resize = on_resize, .gone = on_gone
};

static void on_request(void *arg, struct http_request *r)
{
	(void)arg;
	hall.c = channel_accept(r, &hall.ask, &events, NULL);
	must(hall.c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		enum carrier_kind kind;
		const char *head;
	} ways[] = {
		{ CARRIER_WEBSOCKET, CARRIER_WEBSOCKET_HEAD("/", "v4.channel.k8s.io") },
		{ CARRIER_WEBSOCKET, CARRIER_WEBSOCKET_HEAD("/", "v5.channel.k8s.io") },
		{ CARRIER_WEBSOCKET, CARRIER_WEBSOCKET_HEAD("/", "base64.channel.k8s.io") },
		{ CARRIER_SPDY, CARRIER_SPDY_HEAD("v4.channel.k8s.io") },
	};
	scoped_strbuf struct strbuf bytes = { 0 };
	int way;

	if (size < 2) {
		return 0;
	}
	way = data[0] & 3;
	hall.is_ready = hall.is_over = hall.eof = false;
	hall.ask = (struct channel_ask){
		.stdin_ = data[1] & 1, .stdout_ = true, .stderr_ = data[1] & 2, .tty = data[1] & 4
	};
	carrier_compose(ways[way].kind, (struct slice){ (const char *)data + 2, size - 2 }, &bytes);
	carrier_run(on_request, ways[way].head, &bytes, 1 + (data[0] >> 2) * 5u, &hall.n_gone);
	return 0;
}
