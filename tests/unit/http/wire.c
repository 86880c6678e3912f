/* Why: below exec and port-forward a WebSocket is a WebSocket: pings, the closing handshake, and no mercy
 * for clients that break the rules or never read. */
#include "dialog.h"

#include <sys/socket.h>

#include "http/wire.h"

struct hall {
	struct wire *w;
	struct strbuf told;
	int n_closed, n_turns;
	bool is_closing; /* answers the client's end with a close of ours */
	const char *chosen;
	bool any;
};

static struct hall hall;

static void on_data(void *arg, struct slice bytes, bool is_text)
{
	(void)arg;
	strbuf_addf(&hall.told, "%c:" SLICE_FMT ";", is_text ? 't' : 'b', SLICE_ARG(bytes));
}

static void on_end(void *arg)
{
	(void)arg;
	strbuf_adds(&hall.told, "end;");
	if (hall.is_closing) {
		wire_close(hall.w);
	}
}

static void on_turn(void *arg)
{
	(void)arg;
	hall.n_turns++;
}

static void on_close(void *arg)
{
	(void)arg;
	hall.w = NULL;
	hall.n_closed++;
}

static const struct wire_events events = {
	.data = on_data, .end = on_end, .turn = on_turn, .close = on_close
};

static void on_request(void *arg, struct http_request *r)
{
	static const char *const known[] = { "two", "one", NULL };

	(void)arg;
	switch (wire_kind_asked(r)) {
	case WIRE_SPDY:
		hall.w = wire_open_spdy(r, "X-A: b\r\n", &events, NULL);
		break;
	case WIRE_WEBSOCKET:
		hall.chosen = wire_choose_subprotocol(r, known, &hall.any);
		hall.w = wire_open_websocket(r, hall.chosen, &events, NULL);
		break;
	case WIRE_NONE:
		wire_refuse(r, 400, "BadRequest", "no \\\"upgrade\\\"", NULL);
		break;
	}
}

static int open_hall(void **state)
{
	rig_set_up(state);
	hall = (struct hall){ .is_closing = true };
	rig_serve(*state, &(struct http_server_config){ .on_request = on_request });
	return 0;
}

static int close_hall(void **state)
{
	if (hall.w) {
		wire_abort(hall.w);
	}
	rig_tear_down(state);
	strbuf_fini(&hall.told);
	assert_true(hall.n_closed <= 1);
	return 0;
}

static void messages_go_both_ways(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", NULL);
	dialog_frame(&d, WS_TEXT, SLICE("hi"));
	dialog_binary(&d, "there");
	RIG_WAIT(d.rig, hall.told.size == 13);
	assert_string_equal(strbuf_str(&hall.told), "t:hi;b:there;");
	wire_send(hall.w, SLICE("\x01yes"));
	wire_send_text(hall.w, SLICE("no"));
	dialog_want(&d, "b1:yes;tno;");
	dialog_fini(&d);
}

static void pings_are_answered_and_pongs_passed_over(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", NULL);
	dialog_frame(&d, WS_PONG, SLICE("unasked"));
	dialog_frame(&d, WS_PING, SLICE("are you there"));
	dialog_want(&d, "pong:are you there;");
	assert_int_equal(hall.told.size, 0);
	dialog_fini(&d);
}

static void a_close_is_answered_and_nothing_may_follow_it(void **state)
{
	struct dialog d;
	struct rig *r = *state;

	hall.is_closing = false; /* as exec does whose stdin has ended */
	dialog_open_websocket(&d, r, "/", NULL);
	dialog_frame(&d, WS_CLOSE, SLICE("\x03\xe8"));
	RIG_WAIT(r, hall.told.size);
	dialog_binary(&d, "late");
	dialog_frame(&d, WS_CLOSE, SLICE("\x03\xe8"));
	RIG_SETTLE(r);
	assert_string_equal(strbuf_str(&hall.told), "end;");
	wire_send(hall.w, SLICE("\x02last"));
	wire_close(hall.w);
	dialog_want(&d, "b2:last;close1000;");
	rig_want_end(r);
	RIG_WAIT(r, hall.n_closed == 1);
	dialog_fini(&d);
}

static void what_breaks_the_rules_is_closed_with_its_code(void **state)
{
	static const struct {
		struct slice bytes;
		const char *want;
	} cases[] = {
		{ { "\x81\x02hi", 4 }, "close1002;" },                          /* not masked */
		{ { "\xc1\x80\0\0\0\0", 6 }, "close1002;" },                    /* reserved bit */
		{ { "\x82\xff\0\0\0\0\x7f\0\0\0\0\0\0\0", 14 }, "close1009;" }, /* too large */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dialog d;
		struct rig *r = *state;

		dialog_open_websocket(&d, r, "/", NULL);
		rig_send(r, cases[i].bytes);
		dialog_want(&d, cases[i].want);
		rig_want_end(r);
		rig_hang_up(r);
		RIG_WAIT(r, hall.n_closed == 1);
		hall.n_closed = 0;
		dialog_fini(&d);
	}
}

static void a_client_that_just_goes_is_gone(void **state)
{
	struct dialog d;
	struct rig *r = *state;

	dialog_open_websocket(&d, r, "/", NULL);
	rig_hang_up(r);
	RIG_WAIT(r, hall.n_closed == 1);
	assert_int_equal(hall.told.size, 0);
	dialog_fini(&d);
}

static void a_client_that_pings_and_never_reads_is_cut_off(void **state)
{
	struct dialog d;
	struct rig *r = *state;
	scoped_strbuf struct strbuf pings = { 0 };
	static const uint8_t mask[4];
	char payload[WS_CONTROL_MAX] = { 0 };
	size_t sent = 0;

	dialog_open_websocket(&d, r, "/", NULL);
	for (int i = 0; i < 1000; i++) {
		ws_write(&pings, WS_PING, (struct slice){ payload, sizeof(payload) }, mask);
	}
	while (!hall.n_closed) {
		ssize_t n = send(r->fd, pings.p + sent, pings.size - sent, MSG_NOSIGNAL);

		sent = n > 0 ? (sent + (size_t)n) % pings.size : sent;
		rig_turn_only(r);
		assert_true(r->idle < 40000);
	}
	dialog_fini(&d);
}

static void a_raw_wire_passes_bytes_and_a_half_close(void **state)
{
	struct dialog d;
	struct rig *r = *state;

	dialog_open_spdy(&d, r, "/", NULL);
	rig_send_text(r, "raw");
	RIG_WAIT(r, hall.told.size);
	assert_string_equal(strbuf_str(&hall.told), "b:raw;");
	hall.is_closing = false;
	assert_int_equal(shutdown(r->fd, SHUT_WR), 0);
	RIG_WAIT(r, strstr(strbuf_str(&hall.told), "end;"));
	wire_send(hall.w, SLICE("answer"));
	wire_close(hall.w);
	rig_want(r, "answer");
	rig_want_end(r);
	dialog_fini(&d);
}

static void a_paused_wire_holds_its_client_back(void **state)
{
	struct dialog d;
	struct rig *r = *state;

	dialog_open_websocket(&d, r, "/", NULL);
	wire_pause(hall.w, true);
	dialog_binary(&d, "x");
	RIG_SETTLE(r);
	assert_int_equal(hall.told.size, 0);
	wire_pause(hall.w, false);
	RIG_WAIT(r, hall.told.size);
	dialog_fini(&d);
}

static void a_turn_comes_once_however_often_asked(void **state)
{
	struct dialog d;
	struct rig *r = *state;

	dialog_open_websocket(&d, r, "/", NULL);
	wire_ask_turn(hall.w);
	wire_ask_turn(hall.w);
	assert_int_equal(hall.n_turns, 0); /* never from inside */
	RIG_SETTLE(r);
	assert_int_equal(hall.n_turns, 1);
	dialog_fini(&d);
}

static void the_clients_order_chooses_the_subprotocol(void **state)
{
	struct dialog d;
	struct rig *r = *state;

	dialog_open_websocket(&d, r, "/",
	                      "Sec-WebSocket-Protocol: three, one\r\n"
	                      "Sec-WebSocket-Protocol: two\r\n");
	assert_string_equal(hall.chosen, "one");
	wire_abort(hall.w);
	RIG_WAIT(r, hall.n_closed == 1);
	hall.n_closed = 0;
	dialog_fini(&d);
	/* a browser's token is no subprotocol */
	dialog_open_websocket(
		&d, r, "/",
		"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.eHg\r\n");
	assert_null(hall.chosen);
	assert_false(hall.any);
	dialog_fini(&d);
}

static void a_malformed_handshake_is_answered(void **state)
{
	static const char *const broken[] = {
		"POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		rig_dial(r);
		rig_send_text(r, broken[i]);
		rig_want(r, "HTTP/1.1 400 ");
		rig_want(r, "Sec-WebSocket-Version: 13\r\n");
		rig_want(r, "\"code\":400}");
	}
	rig_dial(r); /* the header without the token is no upgrade */
	rig_send_text(r, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n");
	rig_want(r, "\"message\":\"no \\\"upgrade\\\"\"");
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_hall, close_hall)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(messages_go_both_ways),
		T(pings_are_answered_and_pongs_passed_over),
		T(a_close_is_answered_and_nothing_may_follow_it),
		T(what_breaks_the_rules_is_closed_with_its_code),
		T(a_client_that_just_goes_is_gone),
		T(a_client_that_pings_and_never_reads_is_cut_off),
		T(a_raw_wire_passes_bytes_and_a_half_close),
		T(a_paused_wire_holds_its_client_back),
		T(a_turn_comes_once_however_often_asked),
		T(the_clients_order_chooses_the_subprotocol),
		T(a_malformed_handshake_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
