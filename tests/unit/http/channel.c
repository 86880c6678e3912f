/* Why: exec and attach over every carrier that real clients use: stdin and its end, output, sizes of the
 * terminal, and the exit status. kubernetes-api.md 4.2 to 4.4. */
#include "dialog.h"

#include <sys/socket.h>

#include "http/channel.h"

struct hall {
	struct channels *c;
	struct channel_ask ask;
	struct strbuf told;
	int n_gone;
	bool refused;
};

static struct hall hall;

static void on_ready(void *arg, struct channels *c)
{
	(void)arg;
	assert_ptr_equal(c, hall.c);
	strbuf_adds(&hall.told, "ready;");
}

static void on_data(void *arg, enum channel_id id, struct slice bytes)
{
	(void)arg;
	assert_int_equal(id, CHANNEL_STDIN);
	strbuf_add_slice(&hall.told, bytes);
}

static void on_eof(void *arg, enum channel_id id)
{
	(void)arg;
	assert_int_equal(id, CHANNEL_STDIN);
	strbuf_adds(&hall.told, ";eof;");
}

static void on_resize(void *arg, uint16_t width, uint16_t height)
{
	(void)arg;
	strbuf_addf(&hall.told, "%ux%u;", width, height);
}

static void on_gone(void *arg)
{
	(void)arg;
	hall.c = NULL;
	hall.n_gone++;
}

static const struct channel_events events = {
	.ready = on_ready, .data = on_data, .eof = on_eof, .resize = on_resize, .gone = on_gone
};

static void on_request(void *arg, struct http_request *r)
{
	(void)arg;
	hall.c = channel_accept(r, &hall.ask, &events, NULL);
	hall.refused = !hall.c;
}

static int open_hall(void **state)
{
	rig_set_up(state);
	hall = (struct hall){ .ask = { .stdin_ = true, .stdout_ = true, .stderr_ = true } };
	rig_serve(*state, &(struct http_server_config){ .on_request = on_request });
	return 0;
}

static int close_hall(void **state)
{
	bool was_open = hall.n_gone || hall.c;

	if (hall.c) {
		channel_abort(hall.c);
	}
	rig_tear_down(state);
	strbuf_fini(&hall.told);
	assert_int_equal(hall.n_gone, was_open);
	return 0;
}

static void want_told(struct rig *r, const char *text)
{
	RIG_WAIT(r, strcmp(strbuf_str(&hall.told), text) == 0);
	strbuf_reset(&hall.told);
}

#define SUCCESS "{\"status\":\"Success\"}"
#define FAILURE                                                                                    \
	"{\"status\":\"Failure\",\"message\":\"command \\\"x\\\" failed\",\"reason\":\"NonZero\"}"

/* ---- WebSocket ---- */

static void a_websocket_carries_all_channels(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n");
	want_told(d.rig, "ready;");
	dialog_want(&d, "b1:;"); /* an empty output says that we are up */
	dialog_binary(&d, "\0some input");
	want_told(d.rig, "some input");
	channel_write(hall.c, CHANNEL_STDOUT, SLICE("out"));
	channel_write(hall.c, CHANNEL_STDERR, SLICE("err"));
	dialog_want(&d, "b1:out;b2:err;");
	channel_finish(hall.c, SLICE(FAILURE));
	dialog_want(&d, "b3:" FAILURE ";close1000;");
	rig_want_end(d.rig);
	dialog_fini(&d);
}

static void the_protocol_is_named_in_the_answer(void **state)
{
	struct rig *r = *state;

	rig_dial(r);
	rig_send_text(r,
	              "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	              "Sec-WebSocket-Version: 13\r\n"
	              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	              "Sec-WebSocket-Protocol: v9.channel.k8s.io, v5.channel.k8s.io\r\n\r\n");
	rig_want(r, "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n");
}

static void before_v5_a_close_frame_ends_stdin_only(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n");
	dialog_binary(&d, "\0x");
	dialog_frame(&d, WS_CLOSE, SLICE("\x03\xe8"));
	want_told(d.rig, "ready;x;eof;");
	dialog_binary(&d, "\0late");
	channel_write(hall.c, CHANNEL_STDOUT, SLICE("more"));
	channel_finish(hall.c, SLICE(SUCCESS));
	dialog_want(&d, "b1:more;b3:" SUCCESS ";close1000;");
	assert_int_equal(hall.told.size, 0);
	dialog_fini(&d);
}

static void with_v5_stdin_ends_by_a_message(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n");
	dialog_binary(&d, "\0x");
	dialog_binary(&d, "\xff\x01"); /* closing another channel means nothing */
	dialog_binary(&d, "\xff\0");
	dialog_binary(&d, "\xff\0");
	dialog_binary(&d, "\0late");
	want_told(d.rig, "ready;x;eof;");
	dialog_frame(&d, WS_PING, SLICE("p"));
	dialog_want(&d, "pong:p;");
	assert_int_equal(hall.told.size, 0); /* once, and nothing behind it */
	dialog_fini(&d);
}

static void base64_channels_are_text(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: base64.channel.k8s.io\r\n");
	dialog_frame(&d, WS_TEXT, SLICE("0aGVsbG8="));
	dialog_frame(&d, WS_TEXT, SLICE("0!!")); /* no base64: passed over */
	dialog_binary(&d, "0aGVsbG8=");
	want_told(d.rig, "ready;hello");
	channel_write(hall.c, CHANNEL_STDERR, SLICE("hi"));
	dialog_want(&d, "t1;t2aGk=;");
	dialog_fini(&d);
}

static void a_terminal_is_resized(void **state)
{
	struct dialog d;

	hall.ask = (struct channel_ask){ .stdin_ = true, .stdout_ = true, .tty = true };
	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n");
	dialog_binary(&d, "\x04{\"Width\":100,\"Height\":30}");
	dialog_binary(&d, "\x04{\"Width\": 9, ");
	dialog_binary(&d, "\x04\"Height\": 8}{\"Height\":2,\"Width\":1}\n");
	dialog_binary(&d, "\x04{\"Width\":70000,\"Height\":30}");
	dialog_binary(&d, "\x04{}");
	dialog_binary(&d, "\x04{\"Width\":\"x\",\"Height\":30}");
	dialog_binary(&d, "\0.");
	want_told(d.rig, "ready;100x30;9x8;1x2;.");
	dialog_fini(&d);
}

static void without_terminal_there_is_no_resize(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n");
	dialog_binary(&d, "\x04{\"Width\":100,\"Height\":30}");
	dialog_binary(&d, "\x09nonsense");
	dialog_binary(&d, "");
	dialog_binary(&d, "\0.");
	want_told(d.rig, "ready;.");
	dialog_fini(&d);
}

static void old_protocols_get_their_status_in_words(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", NULL); /* none named: the first version */
	dialog_want(&d, "b1:;");
	channel_finish(hall.c, SLICE(FAILURE));
	dialog_want(&d, "b3:command \"x\" failed;close1000;");
	dialog_fini(&d);
	rig_want_end(*state);
	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: channel.k8s.io\r\n");
	dialog_want(&d, "b1:;");
	hall.n_gone = 0;
	channel_finish(hall.c, SLICE(SUCCESS));
	dialog_want(&d, "close1000;"); /* success needs none */
	assert_int_equal(d.told.size, 0);
	dialog_fini(&d);
}

static void what_was_not_asked_for_is_not_sent(void **state)
{
	struct dialog d;

	hall.ask = (struct channel_ask){ .stdout_ = true };
	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n");
	dialog_want(&d, "b1:;");
	dialog_binary(&d, "\0input");
	channel_write(hall.c, CHANNEL_STDERR, SLICE("err"));
	channel_write(hall.c, CHANNEL_STDOUT, SLICE("out"));
	dialog_want(&d, "b1:out;");
	assert_string_equal(strbuf_str(&hall.told), "ready;");
	dialog_fini(&d);
}

static void paused_stdin_waits(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n");
	want_told(d.rig, "ready;");
	channel_pause(hall.c, true);
	dialog_binary(&d, "\0x");
	RIG_SETTLE(d.rig);
	assert_int_equal(hall.told.size, 0);
	channel_pause(hall.c, false);
	want_told(d.rig, "x");
	dialog_fini(&d);
}

static void a_client_that_goes_is_told_once(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n");
	want_told(d.rig, "ready;");
	rig_hang_up(d.rig);
	RIG_WAIT(d.rig, hall.n_gone == 1);
	dialog_fini(&d);
}

/* ---- SPDY ---- */

static void open_streams(struct dialog *d, struct rig *r)
{
	dialog_open_spdy(d, r, "/",
	                 "X-Stream-Protocol-Version: v5.channel.k8s.io\r\n"
	                 "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n");
	dialog_syn(d, 1, "error", NULL, NULL);
	dialog_syn(d, 3, "stdin", NULL, NULL);
	dialog_syn(d, 5, "stdout", NULL, NULL);
}

static void spdy_streams_are_the_channels(void **state)
{
	struct dialog d;

	open_streams(&d, *state);
	dialog_data(&d, 3, "early ", false);
	dialog_want(&d, "reply1;reply3;reply5;");
	assert_int_equal(hall.told.size, 0); /* stderr is missing */
	dialog_syn(&d, 7, "stderr", NULL, NULL);
	dialog_data(&d, 3, "and late", false);
	want_told(d.rig, "ready;early and late");
	dialog_data(&d, 3, "", true);
	want_told(d.rig, ";eof;");
	channel_write(hall.c, CHANNEL_STDOUT, SLICE("out"));
	channel_write(hall.c, CHANNEL_STDERR, SLICE("err"));
	dialog_want(&d, "reply7;data5:out;data7:err;");
	channel_finish(hall.c, SLICE(SUCCESS));
	dialog_want(&d, "fin5;fin7;data1:" SUCCESS ";fin1;"); /* output ends before the status */
	rig_want_end(d.rig);
	dialog_fini(&d);
}

static void an_end_of_stdin_before_all_streams_are_there_is_kept(void **state)
{
	struct dialog d;

	open_streams(&d, *state);
	dialog_data(&d, 3, "x", true);
	dialog_want(&d, "reply5;");
	dialog_syn(&d, 7, "stderr", NULL, NULL);
	want_told(d.rig, "ready;x;eof;");
	dialog_fini(&d);
}

static void streams_that_nobody_asked_for_are_refused(void **state)
{
	struct dialog d;

	open_streams(&d, *state);
	dialog_syn(&d, 9, "resize", NULL, NULL);  /* no terminal */
	dialog_syn(&d, 11, "stdout", NULL, NULL); /* twice */
	dialog_syn(&d, 13, "unknown", NULL, NULL);
	dialog_want(&d, "rst9;rst11;rst13;");
	dialog_data(&d, 9, "{\"Width\":1,\"Height\":1}", false);
	dialog_data(&d, 99, "to nobody", true);
	dialog_syn(&d, 7, "stderr", NULL, NULL);
	want_told(d.rig, "ready;");
	dialog_fini(&d);
}

static void a_spdy_terminal_is_resized(void **state)
{
	struct dialog d;

	hall.ask = (struct channel_ask){ .stdin_ = true, .stdout_ = true, .tty = true };
	open_streams(&d, *state);
	dialog_syn(&d, 7, "resize", NULL, NULL);
	dialog_data(&d, 7, "{\"Width\":80,", false);
	dialog_data(&d, 7, "\"Height\":24}\n", false);
	want_told(d.rig, "ready;80x24;");
	dialog_fini(&d);
}

static void too_much_stdin_before_ready_ends_it(void **state)
{
	struct dialog d;
	scoped_free char *much = mem_alloc(300001);

	memset(much, 'x', 300000);
	open_streams(&d, *state);
	for (int i = 0; i < 8; i++) {
		dialog_data(&d, 3, much, false);
	}
	RIG_WAIT(d.rig, hall.n_gone == 1);
	assert_int_equal(hall.told.size, 0);
	dialog_fini(&d);
}

static void what_is_no_spdy_ends_it(void **state)
{
	struct dialog d;

	open_streams(&d, *state);
	rig_send(d.rig, SLICE("\x80\x02\0\x01\0\0\0\0"));
	RIG_WAIT(d.rig, hall.n_gone == 1);
	dialog_fini(&d);
}

static void a_spdy_client_that_pings_and_never_reads_is_cut_off(void **state)
{
	struct dialog d;
	struct rig *r = *state;
	scoped_strbuf struct strbuf pings = { 0 };
	size_t sent = 0;

	open_streams(&d, r);
	for (int i = 0; i < 5000; i++) {
		strbuf_add(&pings, "\x80\x03\0\x06\0\0\0\x04\0\0\0\1", 12);
	}
	while (!hall.n_gone) {
		ssize_t n = send(r->fd, pings.p + sent, pings.size - sent, MSG_NOSIGNAL);

		sent = n > 0 ? (sent + (size_t)n) % pings.size : sent;
		rig_turn_only(r);
		assert_true(r->idle < 40000);
	}
	dialog_fini(&d);
}

/* ---- refusals ---- */

static void assert_refused(struct rig *r, const char *headers, const char *want)
{
	scoped_free char *text = mem_printf("POST / HTTP/1.1\r\nHost: h\r\n%s\r\n", headers);

	rig_dial(r);
	rig_send_text(r, text);
	rig_want(r, want);
	assert_true(hall.refused);
}

static void what_is_no_upgrade_is_refused(void **state)
{
	struct rig *r = *state;

	assert_refused(r, "", "Upgrade request required");
	assert_refused(r, "Connection: Upgrade\r\nUpgrade: other\r\n", "Upgrade request required");
	assert_refused(r,
	               "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
	               "X-Stream-Protocol-Version: v9\r\n",
	               "X-Accepted-Stream-Protocol-Versions: v4.channel.k8s.io, ");
	assert_refused(r,
	               "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	               "Sec-WebSocket-Protocol: v9\r\n",
	               "no WebSocket subprotocol in common");
	hall.ask = (struct channel_ask){ .tty = true };
	assert_refused(r, "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n",
	               "you must specify at least one of stdin, stdout, stderr");
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_hall, close_hall)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_websocket_carries_all_channels),
		T(the_protocol_is_named_in_the_answer),
		T(before_v5_a_close_frame_ends_stdin_only),
		T(with_v5_stdin_ends_by_a_message),
		T(base64_channels_are_text),
		T(a_terminal_is_resized),
		T(without_terminal_there_is_no_resize),
		T(old_protocols_get_their_status_in_words),
		T(what_was_not_asked_for_is_not_sent),
		T(paused_stdin_waits),
		T(a_client_that_goes_is_told_once),
		T(spdy_streams_are_the_channels),
		T(an_end_of_stdin_before_all_streams_are_there_is_kept),
		T(streams_that_nobody_asked_for_are_refused),
		T(a_spdy_terminal_is_resized),
		T(too_much_stdin_before_ready_ends_it),
		T(what_is_no_spdy_ends_it),
		T(a_spdy_client_that_pings_and_never_reads_is_cut_off),
		T(what_is_no_upgrade_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
