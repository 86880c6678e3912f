/* Why: port-forward in its three framings, as kubectl, dashboards and the JavaScript client speak them.
 * kubernetes-api.md 4.5. */
#include "dialog.h"

#include <sys/socket.h>

#include "http/channel.h"

enum { CONNS = 4 };

struct hall {
	struct forwards *f;
	struct forward_conn *conns[CONNS]; /* user: the index, from 1 */
	struct strbuf told;
	size_t n_opened, n_bytes;
	int n_gone;
	bool late; /* the test gives the user itself */
};

static struct hall hall;

static void on_open(void *arg, struct forward_conn *fc, uint16_t port)
{
	(void)arg;
	assert_true(hall.n_opened < CONNS);
	hall.conns[hall.n_opened++] = fc;
	strbuf_addf(&hall.told, "open%zu:%u;", hall.n_opened, port);
	if (!hall.late) {
		forward_set_user(fc, (void *)(uintptr_t)hall.n_opened);
	}
}

static void on_data(void *user, struct slice bytes)
{
	hall.n_bytes += bytes.len;
	if (bytes.len < 100) {
		strbuf_addf(&hall.told, "%zu:" SLICE_FMT ";", (size_t)user, SLICE_ARG(bytes));
	}
}

static void on_eof(void *user)
{
	strbuf_addf(&hall.told, "eof%zu;", (size_t)user);
}

static void on_closed(void *user)
{
	hall.conns[(size_t)user - 1] = NULL;
	strbuf_addf(&hall.told, "closed%zu;", (size_t)user);
}

static void on_gone(void *arg)
{
	(void)arg;
	hall.f = NULL;
	hall.n_gone++;
}

static const struct forward_events events = {
	.open = on_open, .data = on_data, .eof = on_eof, .closed = on_closed, .gone = on_gone
};

static void on_request(void *arg, struct http_request *r)
{
	(void)arg;
	hall.f = forward_accept(r, &events, NULL);
}

static int open_hall(void **state)
{
	rig_set_up(state);
	hall = (struct hall){ 0 };
	rig_serve(*state, &(struct http_server_config){ .on_request = on_request });
	return 0;
}

static int close_hall(void **state)
{
	struct rig *r = *state;

	if (hall.f) {
		rig_hang_up(r);
		RIG_WAIT(r, hall.n_gone == 1);
	}
	for (int i = 0; i < CONNS; i++) {
		assert_true(!hall.conns[i] || hall.late); /* each was told that it is closed */
	}
	rig_tear_down(state);
	strbuf_fini(&hall.told);
	return 0;
}

static void want_told(struct rig *r, const char *text)
{
	RIG_WAIT(r, strcmp(strbuf_str(&hall.told), text) == 0);
	strbuf_reset(&hall.told);
}

static void open_spdy(struct dialog *d, struct rig *r)
{
	dialog_open_spdy(d, r, "/", "X-Stream-Protocol-Version: portforward.k8s.io\r\n");
}

static void open_pair(struct dialog *d, uint32_t id, const char *port, const char *request)
{
	dialog_syn(d, id, "error", port, request);
	dialog_syn(d, id + 2, "data", port, request);
}

/* ---- SPDY, raw and in a WebSocket ---- */

static void converse(struct dialog *d)
{
	open_pair(d, 1, "8080", "0");
	want_told(d->rig, "open1:8080;");
	dialog_data(d, 3, "hello", false);
	want_told(d->rig, "1:hello;");
	forward_write(hall.conns[0], SLICE("answer"));
	dialog_want(d, "reply1;reply3;data3:answer;");
	/* the client ends first, the server still speaks */
	dialog_data(d, 3, "", true);
	want_told(d->rig, "eof1;");
	forward_write(hall.conns[0], SLICE("more"));
	dialog_want(d, "data3:more;");
	forward_eof(hall.conns[0]);
	dialog_want(d, "fin3;fin1;");
	want_told(d->rig, "closed1;");
	assert_int_equal(hall.n_gone, 0); /* the carrier stays for the next one */
}

static void a_pair_of_streams_is_a_connection(void **state)
{
	struct dialog d;

	open_spdy(&d, *state);
	converse(&d);
	dialog_fini(&d);
}

static void a_spdy_session_may_run_in_a_websocket(void **state)
{
	struct dialog d;

	dialog_open_tunnel(&d, *state, "/");
	converse(&d);
	dialog_fini(&d);
}

static void the_server_may_end_first(void **state)
{
	struct dialog d;

	open_spdy(&d, *state);
	open_pair(&d, 1, "80", "0");
	want_told(d.rig, "open1:80;");
	forward_eof(hall.conns[0]);
	dialog_want(&d, "fin3;fin1;");
	dialog_data(&d, 3, "still", false);
	want_told(d.rig, "1:still;");
	dialog_data(&d, 3, "", true);
	want_told(d.rig, "eof1;closed1;");
	dialog_fini(&d);
}

static void connections_do_not_mix(void **state)
{
	struct dialog d;

	open_spdy(&d, *state);
	dialog_syn(&d, 1, "error", "80", "0");
	dialog_syn(&d, 3, "error", "81", "1");
	dialog_syn(&d, 5, "data", "81", "1");
	dialog_syn(&d, 7, "data", "80", "0");
	RIG_WAIT(d.rig, hall.n_opened == 2);
	strbuf_reset(&hall.told);
	dialog_data(&d, 5, "to 81", false);
	dialog_data(&d, 7, "to 80", false);
	RIG_WAIT(d.rig, hall.n_bytes == 10);
	forward_fail(hall.conns[0], "no");
	forward_write(hall.conns[1], SLICE("x"));
	dialog_want(&d, ":no;");
	dialog_want(&d, ":x;");
	dialog_fini(&d);
}

static void a_failure_is_told_on_the_error_stream(void **state)
{
	struct dialog d;

	open_spdy(&d, *state);
	open_pair(&d, 1, "80", "0");
	want_told(d.rig, "open1:80;");
	forward_fail(hall.conns[0], "connection refused");
	dialog_want(&d, "data1:connection refused;fin1;fin3;");
	want_told(d.rig, "closed1;");
	dialog_fini(&d);
}

static void what_comes_before_somebody_takes_it_is_kept(void **state)
{
	struct dialog d;

	hall.late = true;
	open_spdy(&d, *state);
	open_pair(&d, 1, "80", "0");
	dialog_data(&d, 3, "early", true);
	want_told(d.rig, "open1:80;");
	RIG_SETTLE(d.rig);
	assert_int_equal(hall.told.size, 0);
	forward_set_user(hall.conns[0], (void *)1);
	want_told(d.rig, "1:early;eof1;");
	forward_pause(hall.conns[0], true);
	dialog_fini(&d);
}

static void a_paused_connection_holds_the_carrier_back_in_the_end(void **state)
{
	struct dialog d;
	struct rig *r = *state;
	scoped_free char *chunk = mem_alloc(60001);
	size_t sent = 0;

	open_spdy(&d, r);
	open_pair(&d, 1, "80", "0");
	want_told(r, "open1:80;");
	forward_pause(hall.conns[0], true);
	memset(chunk, 'x', 60000);
	for (r->idle = 0; r->idle < 400;) { /* as much as it takes, and no more */
		if (d.out.size < 60000) {
			spdy_data(d.spdy, 3, slice_of(chunk), false);
			sent += 60000;
		}
		ssize_t n = send(r->fd, d.out.p, d.out.size, MSG_NOSIGNAL);
		strbuf_consume(&d.out, n > 0 ? (size_t)n : 0);
		rig_turn(r);
	}
	assert_true(sent < (16 << 20));
	assert_int_equal(hall.n_bytes, 0);
	forward_pause(hall.conns[0], false);
	dialog_flush(&d);
	RIG_WAIT(r, hall.n_bytes == sent);
	dialog_fini(&d);
}

static void a_reset_stream_ends_its_connection_only(void **state)
{
	struct dialog d;

	open_spdy(&d, *state);
	open_pair(&d, 1, "80", "0");
	open_pair(&d, 5, "81", "1");
	want_told(d.rig, "open1:80;open2:81;");
	spdy_rst(d.spdy, 3, SPDY_CANCEL);
	dialog_flush(&d);
	want_told(d.rig, "closed1;");
	dialog_data(&d, 7, "x", false);
	want_told(d.rig, "2:x;");
	dialog_fini(&d);
}

static void what_is_no_forwarded_stream_is_refused(void **state)
{
	struct dialog d;

	open_spdy(&d, *state);
	dialog_syn(&d, 1, "data", "0", "0");
	dialog_syn(&d, 3, "data", "65536", "0");
	dialog_syn(&d, 5, "data", "x", "0");
	dialog_syn(&d, 7, "other", "80", "0");
	dialog_syn(&d, 9, "data", NULL, NULL);
	dialog_want(&d, "rst1;rst3;rst5;rst7;rst9;");
	assert_int_equal(hall.n_opened, 0);
	dialog_fini(&d);
}

static void a_client_that_goes_closes_every_connection(void **state)
{
	struct dialog d;

	open_spdy(&d, *state);
	open_pair(&d, 1, "80", "0");
	open_pair(&d, 5, "81", "1");
	want_told(d.rig, "open1:80;open2:81;");
	rig_hang_up(d.rig);
	RIG_WAIT(d.rig, hall.n_gone == 1);
	assert_string_equal(strbuf_str(&hall.told), "closed1;closed2;");
	dialog_fini(&d);
}

/* ---- WebSocket channels ---- */

static void each_port_has_a_pair_of_channels(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/?ports=8080&ports=443,1",
	                      "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n");
	/* the port, little endian, begins every channel */
	dialog_want(&d, "b0:\x90\x1f;b1:\x90\x1f;b2:\xbb\x01;b3:\xbb\x01;b4:\x01");
	want_told(d.rig, "open1:8080;open2:443;open3:1;");
	dialog_binary(&d, "\x02hello");
	want_told(d.rig, "2:hello;");
	forward_write(hall.conns[1], SLICE("answer"));
	forward_fail(hall.conns[0], "no");
	dialog_want(&d, "b2:answer;b1:no;");
	dialog_binary(&d, "\x01to an error channel");
	dialog_binary(&d, "\x99nowhere");
	want_told(d.rig, "closed1;");
	forward_eof(hall.conns[1]);
	forward_eof(hall.conns[2]);
	dialog_want(&d, "close1000;"); /* all are done */
	want_told(d.rig, "closed2;closed3;");
	rig_want_end(d.rig);
	dialog_fini(&d);
}

static void channels_in_base64_are_text(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/?ports=80",
	                      "Sec-WebSocket-Protocol: v4.base64.channel.k8s.io\r\n");
	dialog_want(&d, "t0UAA=;t1UAA=;");
	dialog_frame(&d, WS_TEXT, SLICE("0aGk="));
	dialog_frame(&d, WS_TEXT, SLICE("0?"));
	want_told(d.rig, "open1:80;1:hi;");
	dialog_fini(&d);
}

static void a_close_frame_ends_the_clients_side(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/?ports=80",
	                      "Sec-WebSocket-Protocol: portforward.k8s.io\r\n");
	dialog_frame(&d, WS_CLOSE, SLICE("\x03\xe8"));
	want_told(d.rig, "open1:80;eof1;");
	forward_write(hall.conns[0], SLICE("x"));
	forward_eof(hall.conns[0]);
	dialog_want(&d, "b0:x;close1000;");
	want_told(d.rig, "closed1;");
	dialog_fini(&d);
}

static void ports_must_be_ports(void **state)
{
	static const char *const queries[] = { "",         "?ports=",      "?ports=0",
		                               "?ports=x", "?ports=65536", "?ports=80,,81" };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		scoped_free char *text =
			mem_printf("GET /%s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
		                   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		                   queries[i]);

		rig_dial(r);
		rig_send_text(r, text);
		rig_want(r, "HTTP/1.1 400 ");
		rig_want(r, "must name ports from 1 to 65535");
	}
}

static void what_is_no_upgrade_is_refused(void **state)
{
	struct rig *r = *state;

	rig_dial(r);
	rig_send_text(r, "POST / HTTP/1.1\r\nHost: h\r\n\r\n");
	rig_want(r, "Upgrade request required");
	rig_dial(r);
	rig_send_text(r,
	              "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
	              "X-Stream-Protocol-Version: v9\r\n\r\n");
	rig_want(r, "HTTP/1.1 403 ");
	rig_want(r, "X-Accepted-Stream-Protocol-Versions: portforward.k8s.io\r\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_hall, close_hall)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_pair_of_streams_is_a_connection),
		T(a_spdy_session_may_run_in_a_websocket),
		T(the_server_may_end_first),
		T(connections_do_not_mix),
		T(a_failure_is_told_on_the_error_stream),
		T(what_comes_before_somebody_takes_it_is_kept),
		T(a_paused_connection_holds_the_carrier_back_in_the_end),
		T(a_reset_stream_ends_its_connection_only),
		T(what_is_no_forwarded_stream_is_refused),
		T(a_client_that_goes_closes_every_connection),
		T(each_port_has_a_pair_of_channels),
		T(channels_in_base64_are_text),
		T(a_close_frame_ends_the_clients_side),
		T(ports_must_be_ports),
		T(what_is_no_upgrade_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
