/* Why: logs for clients that can only speak WebSocket. kubernetes-api.md 4.6. */
#include "dialog.h"

#include "http/outlet.h"

struct hall {
	struct outlet *o;
	int n_gone, n_drained;
};

static struct hall hall;

static void on_drain(void *arg)
{
	(void)arg;
	hall.n_drained++;
}

static void on_gone(void *arg)
{
	(void)arg;
	hall.o = NULL;
	hall.n_gone++;
}

static void on_request(void *arg, struct http_request *r)
{
	static const struct outlet_events events = { on_drain, on_gone };

	(void)arg;
	hall.o = outlet_accept(r, &events, NULL);
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

	rig_hang_up(r);
	RIG_WAIT(r, !hall.o);
	return rig_tear_down(state);
}

static void bytes_go_out_as_binary_messages(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: binary.k8s.io\r\n");
	outlet_write(hall.o, SLICE("\x07line"));
	dialog_want(&d, "b7:line;");
	outlet_finish(hall.o);
	dialog_want(&d, "close1000;");
	rig_want_end(d.rig);
	RIG_WAIT(d.rig, hall.n_gone == 1);
	dialog_fini(&d);
}

static void in_base64_they_are_text(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", "Sec-WebSocket-Protocol: base64.binary.k8s.io\r\n");
	outlet_write(hall.o, SLICE("hi"));
	dialog_want(&d, "taGk=;");
	dialog_fini(&d);
}

static void what_the_client_says_is_passed_over_and_its_close_ends_it(void **state)
{
	struct dialog d;

	dialog_open_websocket(&d, *state, "/", NULL);
	dialog_binary(&d, "words");
	dialog_frame(&d, WS_CLOSE, SLICE(""));
	dialog_want(&d, "close1000;");
	rig_want_end(d.rig);
	RIG_WAIT(d.rig, hall.n_gone == 1);
	dialog_fini(&d);
}

static void a_slow_client_is_waited_for(void **state)
{
	static char chunk[64 << 10] = { 1 };
	struct dialog d;
	struct rig *r = *state;
	size_t n = 0;

	dialog_open_websocket(&d, r, "/", NULL);
	while (!outlet_is_full(hall.o)) {
		outlet_write(hall.o, (struct slice){ chunk, sizeof(chunk) });
		rig_turn_only(r);
		assert_true(++n < 10000);
	}
	RIG_WAIT(r, hall.n_drained);
	assert_false(outlet_is_full(hall.o));
	dialog_fini(&d);
}

static void others_are_refused(void **state)
{
	struct rig *r = *state;

	rig_dial(r);
	rig_send_text(r, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	rig_want(r, "only WebSocket is an upgrade here");
	rig_dial(r);
	rig_send_text(r,
	              "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	              "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n");
	rig_want(r, "no WebSocket subprotocol in common");
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_hall, close_hall)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bytes_go_out_as_binary_messages),
		T(in_base64_they_are_text),
		T(what_the_client_says_is_passed_over_and_its_close_ends_it),
		T(a_slow_client_is_waited_for),
		T(others_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
