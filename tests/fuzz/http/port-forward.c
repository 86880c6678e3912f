/* Why: whatever a client of port-forward sends, in any framing, each connection is opened once, told its end once, and
 * nothing comes for it afterwards. First byte: framing and size of the pieces. */
#include "carrier.h"
#include "http/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct conn {
	struct forward_conn *fc; /* null: over */
	bool eof;
};

enum { CONNS = 4096 };
static struct conn conns[CONNS];
static size_t n_conns, n_open;
static int n_gone;

static void on_open(void *arg, struct forward_conn *fc, uint16_t port)
{
	(void)arg;
	must(port);
	if (n_conns == CONNS || port == 81) {
		forward_fail(fc, "refused"); /* without a user: closed does not come */
		return;
	}
	conns[n_conns] = (struct conn){ .fc = fc };
	n_open++;
	forward_set_user(fc, &conns[n_conns++]);
}

static void on_data(void *user, struct slice bytes)
{
	struct conn *k = user;

	must(k->fc && !k->eof && bytes.len);
	forward_write(k->fc, bytes);
	if (bytes.p[0] == 'P') {
		forward_pause(k->fc, true);
		forward_pause(k->fc, false);
	} else if (bytes.p[0] == 'F') {
		forward_fail(k->fc, "failed");
		k->eof = true; /* nothing but closed comes any more */
	} else if (bytes.p[0] == 'E') {
		forward_eof(k->fc);
	}
}

static void on_eof(void *user)
{
	struct conn *k = user;

	must(k->fc && !k->eof);
	k->eof = true;
	forward_eof(k->fc);
}

static void on_closed(void *user)
{
	struct conn *k = user;

	must(k->fc);
	k->fc = NULL;
	n_open--;
}

static void on_gone(void *arg)
{
	(void)arg;
	must(n_open == 0);
	n_gone++;
}

static const struct forward_events events = {
	.open = on_open, .data = on_data, .eof = on_eof, .closed = on_closed, .gone = on_gone
};

static void on_request(void *arg, struct http_request *r)
{
	(void)arg;
	must(forward_accept(r, &events, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		enum carrier_kind kind;
		const char *head;
	} ways[] = {
		{ CARRIER_SPDY, CARRIER_SPDY_HEAD("portforward.k8s.io") },
		{ CARRIER_TUNNEL, CARRIER_WEBSOCKET_HEAD("/", "SPDY/3.1+portforward.k8s.io") },
		{ CARRIER_WEBSOCKET,
		  CARRIER_WEBSOCKET_HEAD("/?ports=80,81,82", "v4.channel.k8s.io") },
		{ CARRIER_WEBSOCKET,
		  CARRIER_WEBSOCKET_HEAD("/?ports=80", "base64.channel.k8s.io") },
	};
	scoped_strbuf struct strbuf bytes = { 0 };
	int way;

	if (size < 1) {
		return 0;
	}
	way = data[0] & 3;
	n_conns = 0;
	carrier_compose(ways[way].kind, (struct slice){ (const char *)data + 1, size - 1 }, &bytes);
	carrier_run(on_request, ways[way].head, &bytes, 1 + (data[0] >> 2) * 5u, &n_gone);
	return 0;
}
