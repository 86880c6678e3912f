/* Why: see carrier.h. */
#include "carrier.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/spdy.h"
#include "http/websocket.h"

static struct loop *loop; /* for the life of the process */
static struct http_server *server;
static http_request_fn *handler;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_size;

static void on_request(void *arg, struct http_request *r)
{
	handler(arg, r);
}

static void set_up(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* an abstract name of the kernel's choice */
	must(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0 && listen(fd, 5) == 0);
	address_size = sizeof(address);
	must(getsockname(fd, (struct sockaddr *)&address, &address_size) == 0);
	loop = loop_new();
	server = http_server_new(loop, &(struct http_server_config){ .on_request = on_request });
	must(http_server_listen(server, fd, NULL) == 0);
}

static void turn(int fd)
{
	char buf[16 << 10];

	loop_run_once(loop);
	while (recv(fd, buf, sizeof(buf), 0) > 0) {
	}
}

static void send_all(int fd, struct slice bytes, size_t piece)
{
	while (bytes.len) {
		ssize_t n = send(fd, bytes.p, piece < bytes.len ? piece : bytes.len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN) {
			return; /* refused and closed */
		}
		bytes = slice_from(bytes, n > 0 ? (size_t)n : 0);
		turn(fd);
	}
}

void carrier_run(http_request_fn *fn, const char *upgrade, const struct strbuf *bytes, size_t piece,
                 const int *n_gone)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), before = *n_gone;

	if (!loop) {
		set_up();
	}
	handler = fn;
	must(connect(fd, (struct sockaddr *)&address, address_size) == 0);
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	send_all(fd, slice_of(upgrade), 1 << 20);
	for (int i = 0; i < 5; i++) {
		turn(fd);
	}
	send_all(fd, strbuf_slice(bytes), piece);
	shutdown(fd, SHUT_WR);
	for (int i = 0; *n_gone == before && i < 20000; i++) {
		turn(fd);
	}
	must(*n_gone == before + 1); /* once, and in time */
	close(fd);
	for (int i = 0; i < 3; i++) {
		loop_run_once(loop);
	}
	must(*n_gone == before + 1);
	must(http_server_connections(server) == 0);
}

/* ---- composing ---- */

static const char *const types[] = { "stdin",  "stdout", "stderr", "error",
	                             "resize", "data",   "error",  "other" };
static const char *const ports[] = { "80", "81", "0", "65535", "65536", "x", "", "1" };
static const char *const requests[] = { "0", "1", "", "a" };

static void add_syn(struct spdy *s, uint8_t what, uint8_t id)
{
	struct http_header h[] = { { SLICE("streamtype"), slice_of(types[what & 7]) },
		                   { SLICE("port"), slice_of(ports[what >> 3 & 7]) },
		                   { SLICE("requestid"), slice_of(requests[what >> 6]) } };

	spdy_syn(s, id, &(struct http_headers){ h, ARRAY_SIZE(h) }, id & 0x80);
}

static void add_spdy(struct spdy *s, struct slice items, struct strbuf *out)
{
	while (items.len >= 2) {
		uint8_t what = (uint8_t)items.p[0], n = (uint8_t)items.p[1];
		struct slice text = slice_head(slice_from(items, 2), n & 0x3f);

		items = slice_from(items, 2);
		switch (what & 7) {
		case 0:
		case 1:
		case 2:
			add_syn(s, items.len ? (uint8_t)items.p[0] : 0, n);
			items = slice_from(items, 1);
			break;
		case 3:
		case 4:
			spdy_data(s, what >> 3, text, n & 0x80);
			items = slice_from(items, text.len);
			break;
		case 5:
			spdy_rst(s, n, SPDY_CANCEL);
			break;
		case 6:
			spdy_ping(s, n);
			break;
		default:
			strbuf_add_slice(out, text);
			items = slice_from(items, text.len);
			break;
		}
	}
}

static void add_frames(struct slice items, struct strbuf *out)
{
	static const uint8_t opcodes[] = { WS_BINARY, WS_TEXT,  WS_BINARY, WS_TEXT,
		                           WS_PING,   WS_CLOSE, WS_PONG,   WS_CONTINUATION };
	static const uint8_t mask[4] = { 0, 0, 0, 0 };

	while (items.len >= 2) {
		uint8_t what = (uint8_t)items.p[0], n = (uint8_t)items.p[1];
		struct slice payload = slice_head(slice_from(items, 2), n & 0x7f);

		items = slice_from(items, 2 + payload.len);
		if (what & 0x80) {
			strbuf_add_slice(out, payload);
		} else {
			ws_write(out, opcodes[what & 7], payload, mask);
		}
	}
}

void carrier_compose(enum carrier_kind kind, struct slice items, struct strbuf *out)
{
	static const uint8_t mask[4] = { 0, 0, 0, 0 };
	scoped_strbuf struct strbuf frames = { 0 };
	struct spdy *s;

	if (kind == CARRIER_WEBSOCKET) {
		add_frames(items, out);
		return;
	}
	s = spdy_new(&(struct spdy_events){ 0 }, NULL, &frames);
	add_spdy(s, items, &frames);
	spdy_free(s);
	if (kind == CARRIER_SPDY) {
		strbuf_add_slice(out, strbuf_slice(&frames));
		return;
	}
	for (struct slice rest = strbuf_slice(&frames); rest.len; rest = slice_from(rest, 100)) {
		ws_write(out, WS_BINARY, slice_head(rest, 100), mask);
	}
}
