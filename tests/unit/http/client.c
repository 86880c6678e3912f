/* Why: callers never see a connection, so what becomes of their call must be certain: kept connections,
 * the one repetition that is safe, time-outs, streams, cancellation. */
#include "rig.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "http/client.h"

/* The server's side is played by hand: each accepted connection is one of 'conns'. */
struct peer {
	int fd;
	struct strbuf got;
	bool ended;
};

struct hall {
	struct rig *rig;
	struct http_client *client;
	int listening;
	struct peer peers[4];
	int n_peers;
	/* of the calls, by number */
	struct {
		int n, status;
		enum err_code code;
		struct strbuf body;
		int n_end;
		bool frees_client, cancels;
		struct http_call *call;
	} calls[12];
};

static struct hall hall;

static int set_up(void **state)
{
	struct rig *r;
	uint16_t port = 0;

	rig_set_up(state);
	r = *state;
	hall = (struct hall){ .rig = r };
	hall.listening = rig_listen(&port);
	hall.client = http_client_new(
		r->loop,
		&(struct http_client_config){ .target = { .ip = ip_v4(0x7f000001), .port = port },
	                                      .host = "host.example",
	                                      .max_connections = 2 });
	return 0;
}

static int tear_down(void **state)
{
	http_client_free(hall.client);
	for (int i = 0; i < hall.n_peers; i++) {
		if (hall.peers[i].fd >= 0) {
			close(hall.peers[i].fd);
		}
		strbuf_fini(&hall.peers[i].got);
	}
	for (size_t i = 0; i < ARRAY_SIZE(hall.calls); i++) {
		strbuf_fini(&hall.calls[i].body);
	}
	close(hall.listening);
	return rig_tear_down(state);
}

static void turn(void)
{
	char buf[4096];
	int fd;

	rig_turn(hall.rig);
	while (hall.n_peers < 4 &&
	       (fd = accept4(hall.listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		hall.peers[hall.n_peers++] = (struct peer){ .fd = fd };
	}
	for (int i = 0; i < hall.n_peers; i++) {
		struct peer *p = &hall.peers[i];
		ssize_t n;

		while (p->fd >= 0 && !p->ended && (n = recv(p->fd, buf, sizeof(buf), 0)) >= 0) {
			strbuf_add(&p->got, buf, (size_t)n);
			p->ended = n == 0;
		}
	}
}

#define WAIT(condition)                                                                            \
	do {                                                                                       \
		hall.rig->idle = 0;                                                                \
		while (!(condition)) {                                                             \
			turn();                                                                    \
			if (hall.rig->idle > 20000) {                                              \
				fail_msg("waited in vain for %s", #condition);                     \
			}                                                                          \
		}                                                                                  \
	} while (0)
#define SETTLE()                                                                                   \
	for (hall.rig->idle = 0; hall.rig->idle < 300;)                                            \
	turn()

static bool peer_has(int i, const char *text)
{
	return strstr(strbuf_str(&hall.peers[i].got), text);
}

static void say(int i, const char *text)
{
	assert_int_equal(send(hall.peers[i].fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	strbuf_reset(&hall.peers[i].got);
}

static void hang_up(int i)
{
	close(hall.peers[i].fd);
	hall.peers[i].fd = -1;
}

static void note(size_t i, const struct http_answer *a)
{
	hall.calls[i].n++;
	hall.calls[i].status = a->status;
	hall.calls[i].code = a->why ? a->why->code : 0;
	assert_true(a->status || a->why);
	strbuf_add_slice(&hall.calls[i].body, a->body);
}

static void on_done(void *arg, const struct http_answer *a)
{
	size_t i = (size_t)arg;

	note(i, a);
	if (hall.calls[i].frees_client) {
		hall.client = http_client_free(hall.client);
	}
}

static void on_head(void *arg, const struct http_answer *a)
{
	note((size_t)arg, a);
}

static void on_stream_data(void *arg, struct slice bytes)
{
	size_t i = (size_t)arg;

	strbuf_add_slice(&hall.calls[i].body, bytes);
	if (hall.calls[i].cancels) {
		http_call_cancel(take(hall.calls[i].call));
	}
}

static void on_stream_end(void *arg, const struct err *why)
{
	size_t i = (size_t)arg;

	hall.calls[i].n_end++;
	hall.calls[i].code = why ? why->code : 0;
}

static struct http_call *ask_within(size_t i, const char *method, const char *body, int64_t us)
{
	struct http_call *c =
		http_call(hall.client,
	                  &(struct http_call_spec){ .method = method,
	                                            .target = "/x",
	                                            .content_type = body ? "text/plain" : NULL,
	                                            .body = slice_of(body),
	                                            .timeout_us = us },
	                  on_done, (void *)i);

	assert_int_equal(hall.calls[i].n, 0); /* never from inside */
	return c;
}

static struct http_call *ask(size_t i, const char *method)
{
	return ask_within(i, method, NULL, 0);
}

static struct http_call *ask_stream(size_t i)
{
	static const struct http_stream_events events = { on_head, on_stream_data, on_stream_end };

	return http_call_stream(hall.client,
	                        &(struct http_call_spec){ .method = "GET", .target = "/watch" },
	                        &events, (void *)i);
}

#define OK(text) "HTTP/1.1 200 OK\r\nContent-Length: " text

static void a_request_says_what_it_must(void **state)
{
	(void)state;
	http_client_set_token(hall.client, SLICE("secret"));
	ask_within(0, "POST", "body", 0);
	WAIT(hall.n_peers == 1 && peer_has(0, "body"));
	assert_string_equal(strbuf_str(&hall.peers[0].got),
	                    "POST /x HTTP/1.1\r\nHost: host.example\r\n"
	                    "Authorization: Bearer secret\r\nContent-Type: text/plain\r\n"
	                    "Content-Length: 4\r\n\r\nbody");
	say(0, OK("2\r\n\r\nok"));
	WAIT(hall.calls[0].n == 1);
	assert_int_equal(hall.calls[0].status, 200);
	assert_string_equal(strbuf_str(&hall.calls[0].body), "ok");
}

static void a_connection_is_kept_for_the_next_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		ask(i, "GET");
		WAIT(hall.n_peers && peer_has(0, "\r\n\r\n"));
		say(0, OK("0\r\n\r\n"));
		WAIT(hall.calls[i].n == 1);
	}
	assert_int_equal(hall.n_peers, 1);
}

static void no_more_connections_than_allowed_are_opened(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		ask(i, "GET");
	}
	WAIT(hall.n_peers == 2 && peer_has(0, "\r\n\r\n") && peer_has(1, "\r\n\r\n"));
	SETTLE();
	assert_int_equal(hall.n_peers, 2);
	for (int k = 0; k < 5; k++) {
		int i = k % 2;

		WAIT(peer_has(i, "\r\n\r\n"));
		say(i, OK("0\r\n\r\n"));
	}
	WAIT(hall.calls[0].n && hall.calls[1].n && hall.calls[2].n && hall.calls[3].n &&
	     hall.calls[4].n);
	assert_int_equal(hall.n_peers, 2);
}

/* Leaves peer 0 as a kept connection that the server closes as the next request is on its way. */
static void lose_kept_connection(const char *method)
{
	ask(0, "GET");
	WAIT(hall.n_peers && peer_has(0, "\r\n\r\n"));
	say(0, OK("0\r\n\r\n"));
	WAIT(hall.calls[0].n == 1);
	ask(1, method);
	WAIT(peer_has(0, "\r\n\r\n"));
	hang_up(0);
}

static void an_idempotent_call_is_repeated_on_a_new_connection(void **state)
{
	(void)state;
	lose_kept_connection("PUT");
	WAIT(hall.n_peers == 2 && peer_has(1, "PUT /x"));
	say(1, OK("0\r\n\r\n"));
	WAIT(hall.calls[1].n == 1);
	assert_int_equal(hall.calls[1].status, 200);
}

static void another_call_is_not_repeated(void **state)
{
	(void)state;
	lose_kept_connection("POST");
	WAIT(hall.calls[1].n == 1);
	assert_int_equal(hall.calls[1].status, 0);
	SETTLE();
	assert_int_equal(hall.n_peers, 1);
}

static void it_is_repeated_once_only(void **state)
{
	(void)state;
	lose_kept_connection("GET");
	WAIT(hall.n_peers == 2 && peer_has(1, "GET"));
	hang_up(1);
	WAIT(hall.calls[1].n == 1);
	assert_int_equal(hall.calls[1].status, 0);
	SETTLE();
	assert_int_equal(hall.n_peers, 2);
}

static void a_call_on_a_fresh_connection_is_not_repeated(void **state)
{
	(void)state;
	ask(0, "GET");
	WAIT(hall.n_peers && peer_has(0, "GET"));
	hang_up(0);
	WAIT(hall.calls[0].n == 1);
	assert_int_equal(hall.calls[0].status, 0);
	SETTLE();
	assert_int_equal(hall.n_peers, 1);
}

static void an_answer_that_began_is_never_asked_for_again(void **state)
{
	(void)state;
	ask(0, "GET");
	WAIT(hall.n_peers && peer_has(0, "GET"));
	say(0, OK("0\r\n\r\n"));
	WAIT(hall.calls[0].n == 1);
	ask(1, "GET");
	WAIT(peer_has(0, "GET"));
	say(0, OK("5\r\n\r\nab"));
	SETTLE();
	hang_up(0);
	WAIT(hall.calls[1].n == 1);
	assert_int_equal(hall.calls[1].status, 0); /* cut short is no answer */
	assert_int_equal(hall.n_peers, 1);
}

static void a_time_out_ends_the_call_and_its_connection(void **state)
{
	(void)state;
	ask_within(0, "GET", NULL, 20 * US_PER_MS);
	WAIT(hall.calls[0].n == 1);
	assert_int_equal(hall.calls[0].code, ERR_TIMEOUT);
	WAIT(hall.n_peers == 1 && hall.peers[0].ended);
	ask(1, "GET"); /* the next one is not confused by a late answer */
	WAIT(hall.n_peers == 2 && peer_has(1, "GET"));
	say(1, OK("0\r\n\r\n"));
	WAIT(hall.calls[1].status == 200);
}

static void an_answer_nobody_asked_for_ends_the_connection(void **state)
{
	(void)state;
	ask(0, "GET");
	WAIT(hall.n_peers && peer_has(0, "GET"));
	say(0, OK("0\r\n\r\n") OK("4\r\n\r\nevil"));
	WAIT(hall.calls[0].n == 1);
	WAIT(hall.peers[0].ended);
	ask(1, "GET");
	WAIT(hall.n_peers == 2 && peer_has(1, "GET"));
	say(1, OK("4\r\n\r\ngood"));
	WAIT(hall.calls[1].n == 1);
	assert_string_equal(strbuf_str(&hall.calls[1].body), "good");
}

static void interim_answers_are_passed_over(void **state)
{
	(void)state;
	ask(0, "GET");
	WAIT(hall.n_peers && peer_has(0, "GET"));
	say(0, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\n" OK("1\r\n\r\nx"));
	WAIT(hall.calls[0].n == 1);
	assert_int_equal(hall.calls[0].status, 200);
}

static void answers_to_head_have_no_body(void **state)
{
	(void)state;
	ask(0, "HEAD");
	WAIT(hall.n_peers && peer_has(0, "HEAD"));
	say(0, OK("1000\r\n\r\n"));
	WAIT(hall.calls[0].n == 1);
	ask(1, "GET");
	WAIT(peer_has(0, "GET"));
	say(0, OK("1\r\n\r\nx"));
	WAIT(hall.calls[1].n == 1);
	assert_int_equal(hall.n_peers, 1);
}

static void malformed_answers_are_failures(void **state)
{
	static const char *const broken[] = {
		"nonsense\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		ask(i, "GET");
		WAIT(hall.n_peers == (int)i + 1 && peer_has((int)i, "GET"));
		say((int)i, broken[i]);
		WAIT(hall.calls[i].n == 1);
		assert_int_equal(hall.calls[i].status, 0);
		WAIT(hall.peers[i].ended);
	}
}

static void a_body_may_end_with_the_connection(void **state)
{
	(void)state;
	ask(0, "GET");
	WAIT(hall.n_peers && peer_has(0, "GET"));
	say(0, "HTTP/1.1 200 OK\r\n\r\nall of it");
	hang_up(0);
	WAIT(hall.calls[0].n == 1);
	assert_int_equal(hall.calls[0].status, 200);
	assert_string_equal(strbuf_str(&hall.calls[0].body), "all of it");
}

/* ---- streams ---- */

static void a_streamed_answer_comes_as_it_comes(void **state)
{
	(void)state;
	ask_stream(0);
	WAIT(hall.n_peers && peer_has(0, "GET /watch"));
	say(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	WAIT(hall.calls[0].n == 1);
	say(0, "3\r\none\r\n");
	WAIT(hall.calls[0].body.size == 3);
	say(0, "3\r\ntwo\r\n0\r\n\r\n");
	WAIT(hall.calls[0].n_end == 1);
	assert_int_equal(hall.calls[0].code, 0);
	assert_string_equal(strbuf_str(&hall.calls[0].body), "onetwo");
	ask(1, "GET"); /* its connection can be used again */
	WAIT(peer_has(0, "GET /x"));
}

static void streams_do_not_use_up_the_connections(void **state)
{
	(void)state;
	ask_stream(0);
	ask_stream(1);
	ask_stream(2);
	ask(3, "GET");
	WAIT(hall.n_peers == 4);
}

static void a_stream_that_breaks_off_is_told(void **state)
{
	(void)state;
	ask_stream(0);
	WAIT(hall.n_peers && peer_has(0, "GET"));
	say(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\non");
	WAIT(hall.calls[0].body.size == 2);
	hang_up(0);
	WAIT(hall.calls[0].n_end == 1);
	assert_int_equal(hall.calls[0].code, ERR_IO);
}

static void a_stream_without_head_has_no_end(void **state)
{
	(void)state;
	ask_stream(0);
	WAIT(hall.n_peers && peer_has(0, "GET"));
	hang_up(0);
	WAIT(hall.calls[0].n == 1);
	assert_int_equal(hall.calls[0].status, 0);
	SETTLE();
	assert_int_equal(hall.calls[0].n_end, 0);
}

/* ---- cancelling ---- */

static void a_cancelled_call_is_never_told(void **state)
{
	(void)state;
	http_call_cancel(ask(0, "GET")); /* waiting */
	struct http_call *second = ask(1, "GET");
	WAIT(hall.n_peers && peer_has(0, "GET"));
	http_call_cancel(second); /* under way */
	WAIT(hall.peers[0].ended);
	SETTLE();
	assert_int_equal(hall.calls[0].n, 0);
	assert_int_equal(hall.calls[1].n, 0);
}

static void a_stream_may_be_cancelled_from_its_own_callback(void **state)
{
	(void)state;
	hall.calls[0].cancels = true;
	hall.calls[0].call = ask_stream(0);
	WAIT(hall.n_peers && peer_has(0, "GET"));
	say(0, OK("100\r\n\r\nsome"));
	WAIT(hall.peers[0].ended);
	SETTLE();
	assert_string_equal(strbuf_str(&hall.calls[0].body), "some");
	assert_int_equal(hall.calls[0].n_end, 0);
}

static void a_client_may_be_freed_from_a_callback(void **state)
{
	(void)state;
	hall.calls[0].frees_client = true;
	ask(0, "GET");
	ask(1, "GET");
	ask(2, "GET");
	WAIT(hall.n_peers == 2 && peer_has(0, "GET"));
	say(0, OK("0\r\n\r\n"));
	WAIT(hall.calls[0].n == 1);
	assert_null(hall.client);
	assert_int_equal(hall.calls[1].code, ERR_CANCELED);
	assert_int_equal(hall.calls[2].code, ERR_CANCELED);
	WAIT(hall.peers[0].ended && hall.peers[1].ended);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_says_what_it_must),
		T(a_connection_is_kept_for_the_next_call),
		T(no_more_connections_than_allowed_are_opened),
		T(an_idempotent_call_is_repeated_on_a_new_connection),
		T(another_call_is_not_repeated),
		T(it_is_repeated_once_only),
		T(a_call_on_a_fresh_connection_is_not_repeated),
		T(an_answer_that_began_is_never_asked_for_again),
		T(a_time_out_ends_the_call_and_its_connection),
		T(an_answer_nobody_asked_for_ends_the_connection),
		T(interim_answers_are_passed_over),
		T(answers_to_head_have_no_body),
		T(malformed_answers_are_failures),
		T(a_body_may_end_with_the_connection),
		T(a_streamed_answer_comes_as_it_comes),
		T(streams_do_not_use_up_the_connections),
		T(a_stream_that_breaks_off_is_told),
		T(a_stream_without_head_has_no_end),
		T(a_cancelled_call_is_never_told),
		T(a_stream_may_be_cancelled_from_its_own_callback),
		T(a_client_may_be_freed_from_a_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
