/* Why: answers come in order, whoever answers when, and no client can make the server hold more than it
 * was told to. */
#include "rig.h"

#include <sys/socket.h>

#include "base/clock.h"

/* What the handler does is chosen by the path; requests that wait are answered by the test. */
struct hall {
	struct rig *rig;
	struct http_request *kept[4];
	size_t n_kept, n_seen, n_gone, n_drained;
	struct strbuf seen;
	struct stream *taken;
	struct strbuf raw; /* what a taken stream got */
	bool taken_closed;
};

static void on_gone(struct http_request *r)
{
	((struct hall *)r->user)->n_gone++;
}

static void on_drain(struct http_request *r)
{
	((struct hall *)r->user)->n_drained++;
}

static void raw_data(void *arg, struct slice bytes)
{
	strbuf_add_slice(&((struct hall *)arg)->raw, bytes);
}

static void raw_close(void *arg, const struct err *why)
{
	struct hall *h = arg;

	(void)why;
	h->taken = NULL;
	h->taken_closed = true;
}

static const struct stream_events raw_events = { .on_data = raw_data, .on_close = raw_close };

static void on_request(void *arg, struct http_request *r)
{
	struct hall *h = arg;
	static char big[300 << 10];

	h->n_seen++;
	strbuf_addf(&h->seen, SLICE_FMT " " SLICE_FMT " " SLICE_FMT ";", SLICE_ARG(r->method),
	            SLICE_ARG(r->path), SLICE_ARG(r->body));
	r->user = h;
	r->on_gone = on_gone;
	r->on_drain = on_drain;
	if (slice_is(r->path, "/wait")) {
		h->kept[h->n_kept++] = r;
	} else if (slice_is(r->path, "/big")) {
		memset(big, 'b', sizeof(big));
		http_reply(r, 200, "text/plain", NULL, (struct slice){ big, sizeof(big) });
	} else if (slice_is(r->path, "/chunks")) {
		http_reply_start(r, 200, "text/plain", "X-A: b\r\n");
		http_reply_chunk(r, SLICE("one"));
		http_reply_chunk(r, SLICE(""));
		http_reply_chunk(r, SLICE("two"));
		http_reply_end(r);
	} else if (slice_is(r->path, "/upgrade")) {
		h->taken = http_upgrade(r, "echo", "X-B: c\r\n", &raw_events, h);
	} else if (slice_is(r->path, "/empty")) {
		http_reply(r, 204, NULL, NULL, SLICE(""));
	} else {
		http_reply(r, 200, "text/plain", NULL, r->path);
	}
}

static struct hall hall;

static void open_hall(struct rig *r, struct http_server_config config)
{
	hall = (struct hall){ .rig = r };
	config.on_request = on_request;
	config.arg = &hall;
	rig_serve(r, &config);
	rig_dial(r);
}

static int close_hall(void **state)
{
	int ret;

	if (hall.taken) {
		stream_abort(hall.taken);
	}
	ret = rig_tear_down(state);
	strbuf_fini(&hall.seen);
	strbuf_fini(&hall.raw);
	return ret;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void a_connection_is_kept_for_the_next_request(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/a"));
	rig_want(r, "HTTP/1.1 200 OK\r\nDate: ");
	rig_want(r, "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n/a");
	rig_send_text(r, GET("/b"));
	rig_want(r, "\r\n\r\n/b");
	assert_int_equal(http_server_connections(r->server), 1);
	rig_send_text(r, "GET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	rig_want(r, "Connection: close\r\n");
	rig_want(r, "/c");
	rig_want_end(r);
}

static void old_clients_are_kept_when_they_ask_for_it(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	rig_want(r, "Connection: keep-alive\r\n");
	rig_want(r, "/a");
	rig_send_text(r, "GET /chunks HTTP/1.0\r\n\r\n");
	rig_want(r, "Connection: close\r\n");
	rig_want(r, "\r\nonetwo"); /* no chunks for those */
	rig_want_end(r);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/wait") GET("/b") GET("/c"));
	RIG_WAIT(r, hall.n_kept == 1);
	RIG_SETTLE(r);
	assert_int_equal(hall.n_seen, 1); /* the second is not begun */
	assert_int_equal(r->got.size, 0);
	http_reply(hall.kept[0], 200, NULL, NULL, SLICE("late"));
	rig_want(r, "late");
	rig_want(r, "/b");
	rig_want(r, "/c");
	assert_string_equal(strbuf_str(&hall.seen), "GET /wait ;GET /b ;GET /c ;");
}

static void a_client_that_does_not_read_gets_no_further_answers(void **state)
{
	struct rig *r = *state;
	size_t seen;

	open_hall(r, (struct http_server_config){ 0 });
	for (int i = 0; i < 120; i++) {
		assert_true(send(r->fd, GET("/big"), strlen(GET("/big")), MSG_NOSIGNAL) > 0);
	}
	for (r->idle = 0; r->idle < 400;) {
		rig_turn_only(r);
	}
	seen = hall.n_seen;
	assert_in_range(seen, 2, 80);    /* what socket buffers hold, and one queue */
	RIG_WAIT(r, hall.n_seen == 120); /* and goes on as soon as it reads */
}

static void requests_that_wait_their_turn_have_a_limit(void **state)
{
	struct rig *r = *state;
	scoped_free char *much = mem_alloc(8 << 20);
	ssize_t n, sent = 0;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/wait"));
	RIG_WAIT(r, hall.n_kept == 1);
	memset(much, 'x', 8 << 20);
	for (r->idle = 0; r->idle < 400;) {
		n = send(r->fd, much, 8 << 20, MSG_NOSIGNAL);
		sent += n > 0 ? n : 0;
		rig_turn(r);
	}
	assert_true(sent < (7 << 20)); /* it stopped reading: socket buffers are full */
	http_reply(hall.kept[0], 200, NULL, NULL, SLICE("done"));
	rig_want(r, "done");
	rig_want(r, "HTTP/1.1 431 ");
}

static void chunked_answers_and_bodies_go_both_ways(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, "PUT /chunks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	                 "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
	rig_want(r,
	         "X-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
	assert_string_equal(strbuf_str(&hall.seen), "PUT /chunks abc;");
}

static void head_and_empty_answers_have_no_body(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, "HEAD /abc HTTP/1.1\r\nHost: h\r\n\r\n");
	rig_want(r, "Content-Length: 4\r\n\r\n");
	rig_send_text(r, GET("/empty"));
	rig_want(r, "HTTP/1.1 204 No Content\r\n");
	rig_want(r, "\r\n\r\n");
	rig_send_text(r, "HEAD /chunks HTTP/1.1\r\nHost: h\r\n\r\n");
	rig_want(r, "Transfer-Encoding: chunked\r\n\r\n");
	rig_send_text(r, GET("/z"));
	rig_want(r, "HTTP/1.1 200 OK\r\nDate");
	rig_want(r, "/z");
}

static void assert_refusal(struct rig *r, const char *request, const char *status)
{
	rig_dial(r);
	rig_send_text(r, request);
	rig_want(r, status);
	rig_want(r, "Connection: close\r\n");
	rig_want_end(r);
}

static void a_body_has_a_limit(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ .max_body = 10 });
	rig_send_text(r, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789");
	rig_want(r, "/a");
	assert_refusal(r, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n",
	               "HTTP/1.1 413 ");
	assert_refusal(r,
	               "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	               "9\r\n012345678\r\n2\r\nab\r\n",
	               "HTTP/1.1 413 ");
	assert_int_equal(hall.n_seen, 1);
}

static void what_cannot_be_served_is_refused_and_ends_the_connection(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	assert_refusal(r, "nonsense\r\n\r\n", "HTTP/1.1 400 ");
	assert_refusal(r, "GET / HTTP/2.0\r\n\r\n", "HTTP/1.1 505 ");
	assert_refusal(r, "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 ");
	assert_refusal(r, "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 ");
	assert_refusal(r, GET("/%zz"), "HTTP/1.1 400 ");
	assert_refusal(r, GET("/%00"), "HTTP/1.1 400 ");
	assert_refusal(r, "PUT / HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n", "HTTP/1.1 417 ");
	assert_refusal(r, GET("/a") "bad\r\n\r\n", "HTTP/1.1 400 "); /* behind a good one */
	assert_int_equal(hall.n_seen, 1);
}

static void a_client_that_expects_it_is_told_to_continue(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
	                 "Content-Length: 1\r\n\r\n");
	rig_want(r, "HTTP/1.1 100 Continue\r\n\r\n");
	rig_send_text(r, "x");
	rig_want(r, "/a");
	assert_string_equal(strbuf_str(&hall.seen), "PUT /a x;");
}

static void targets_are_taken_apart(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/a%20b?c=%41"));
	rig_want(r, "/a b");
	rig_send_text(r, GET("http://elsewhere:1/x?y"));
	rig_want(r, "\r\n\r\n/x");
	rig_send_text(r, GET("http://elsewhere"));
	rig_want(r, "\r\n\r\n/");
}

static void slow_heads_and_bodies_are_timed_out(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ .head_us = 20 * US_PER_MS,
	                                          .body_us = 20 * US_PER_MS });
	rig_send_text(r, "GET /");
	rig_want(r, "HTTP/1.1 408 ");
	rig_want_end(r);
	rig_dial(r);
	rig_send_text(r, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx");
	rig_want(r, "HTTP/1.1 408 ");
	rig_want_end(r);
	assert_int_equal(hall.n_seen, 0);
}

static void the_time_for_a_head_is_for_all_of_it(void **state)
{
	struct rig *r = *state;
	int sent = 0;

	open_hall(r, (struct http_server_config){ .head_us = 60 * US_PER_MS });
	while (!r->ended && sent < 20000) { /* a byte at a time does not buy more */
		rig_send_text(r, sent++ ? "x" : "GET /");
		r->idle = 250;
		rig_turn(r);
	}
	assert_true(r->ended);
	assert_true(rig_has(r, "HTTP/1.1 408 "));
	assert_true(sent > 3);
}

static void idle_connections_are_closed_without_a_word(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ .idle_us = 20 * US_PER_MS });
	rig_want_end(r);
	assert_int_equal(r->got.size, 0);
	RIG_WAIT(r, http_server_connections(r->server) == 0);
}

static void a_handler_is_told_once_that_its_client_has_gone(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/wait"));
	RIG_WAIT(r, hall.n_kept == 1);
	rig_hang_up(r);
	RIG_WAIT(r, hall.n_gone == 1);
	RIG_WAIT(r, http_server_connections(r->server) == 0);
	assert_int_equal(hall.n_gone, 1);
}

static void an_answer_to_nobody_does_nothing(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/wait"));
	RIG_WAIT(r, hall.n_kept == 1);
	hall.kept[0]->on_gone = NULL;
	rig_hang_up(r);
	RIG_WAIT(r, http_server_connections(r->server) == 0);
	http_reply_start(hall.kept[0], 200, NULL, NULL);
	http_reply_chunk(hall.kept[0], SLICE("x"));
	assert_false(http_reply_is_full(hall.kept[0]));
	http_reply_end(hall.kept[0]); /* frees it at the end of the turn */
	RIG_SETTLE(r);
}

static void a_streamed_answer_waits_for_a_slow_client(void **state)
{
	struct rig *r = *state;
	static char chunk[64 << 10];
	size_t n = 0;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/wait"));
	RIG_WAIT(r, hall.n_kept == 1);
	http_reply_start(hall.kept[0], 200, NULL, NULL);
	while (!http_reply_is_full(hall.kept[0])) {
		http_reply_chunk(hall.kept[0], (struct slice){ chunk, sizeof(chunk) });
		rig_turn_only(r);
		assert_true(++n < 10000);
	}
	assert_int_equal(hall.n_drained, 0);
	RIG_WAIT(r, hall.n_drained == 1); /* now it is read */
	assert_false(http_reply_is_full(hall.kept[0]));
	http_reply_end(hall.kept[0]);
	rig_want(r, "\r\n0\r\n\r\n");
}

static void draining_ends_idle_connections_and_lets_busy_ones_finish(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/wait"));
	RIG_WAIT(r, hall.n_kept == 1);
	http_server_drain(r->server);
	http_reply(hall.kept[0], 200, NULL, NULL, SLICE("last"));
	rig_want(r, "Connection: close\r\n");
	rig_want(r, "last");
	rig_want_end(r);
	RIG_WAIT(r, http_server_connections(r->server) == 0);
}

static void an_idle_connection_ends_at_once_when_draining(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/a"));
	rig_want(r, "/a");
	http_server_drain(r->server);
	rig_want_end(r);
}

static void an_upgrade_hands_the_stream_over_with_what_came_early(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
	                 "Upgrade: echo\r\n\r\nearly");
	rig_want(r, "HTTP/1.1 101 Switching Protocols\r\n");
	rig_want(r, "X-B: c\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
	rig_send_text(r, " late");
	RIG_WAIT(r, hall.raw.size == 10);
	assert_string_equal(strbuf_str(&hall.raw), "early late");
	assert_int_equal(http_server_connections(r->server), 0);
	stream_write(hall.taken, SLICE("raw"));
	rig_want(r, "raw");
	rig_hang_up(r);
	RIG_WAIT(r, hall.taken_closed);
}

static void a_freed_server_leaves_taken_streams_alone(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/upgrade"));
	rig_want(r, "\r\n\r\n");
	r->server = http_server_free(r->server);
	rig_send_text(r, "still");
	RIG_WAIT(r, hall.raw.size == 5);
}

static void freeing_a_server_tells_the_handlers(void **state)
{
	struct rig *r = *state;

	open_hall(r, (struct http_server_config){ 0 });
	rig_send_text(r, GET("/wait"));
	RIG_WAIT(r, hall.n_kept == 1);
	r->server = http_server_free(r->server);
	assert_int_equal(hall.n_gone, 1);
	rig_want_end(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_set_up, close_hall)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_connection_is_kept_for_the_next_request),
		T(old_clients_are_kept_when_they_ask_for_it),
		T(pipelined_requests_are_answered_in_order),
		T(a_client_that_does_not_read_gets_no_further_answers),
		T(requests_that_wait_their_turn_have_a_limit),
		T(chunked_answers_and_bodies_go_both_ways),
		T(head_and_empty_answers_have_no_body),
		T(a_body_has_a_limit),
		T(what_cannot_be_served_is_refused_and_ends_the_connection),
		T(a_client_that_expects_it_is_told_to_continue),
		T(targets_are_taken_apart),
		T(slow_heads_and_bodies_are_timed_out),
		T(the_time_for_a_head_is_for_all_of_it),
		T(idle_connections_are_closed_without_a_word),
		T(a_handler_is_told_once_that_its_client_has_gone),
		T(an_answer_to_nobody_does_nothing),
		T(a_streamed_answer_waits_for_a_slow_client),
		T(draining_ends_idle_connections_and_lets_busy_ones_finish),
		T(an_idle_connection_ends_at_once_when_draining),
		T(an_upgrade_hands_the_stream_over_with_what_came_early),
		T(a_freed_server_leaves_taken_streams_alone),
		T(freeing_a_server_tells_the_handlers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
