/* Why: every connection rests on these: what is written arrives, nobody is drowned, and the end is told
 * exactly once. */
#include "rig.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "http/stream.h"

struct hall {
	struct stream *s;
	struct strbuf got;
	int n_open, n_end, n_drain, n_close;
	bool failed;
	enum err_code code;
	int do_at_data; /* what on_data does besides: 'c' close, 'a' abort, 'p' pause */
};

static struct hall hall;

static void on_data(void *arg, struct slice bytes)
{
	(void)arg;
	assert_true(bytes.len);
	strbuf_add_slice(&hall.got, bytes);
	if (hall.do_at_data == 'c') {
		stream_close(hall.s);
	} else if (hall.do_at_data == 'a') {
		stream_abort(hall.s);
	} else if (hall.do_at_data == 'p') {
		stream_pause(hall.s);
	}
}

static void on_end(void *arg)
{
	(void)arg;
	hall.n_end++;
}

static void on_drain(void *arg)
{
	(void)arg;
	hall.n_drain++;
}

static void on_close(void *arg, const struct err *why)
{
	(void)arg;
	hall.s = NULL;
	hall.n_close++;
	hall.failed = why;
	hall.code = why ? why->code : 0;
}

static void on_open(void *arg, const struct err *why)
{
	(void)arg;
	hall.n_open++;
	hall.failed = why;
	hall.code = why ? why->code : 0;
	if (why) {
		hall.s = NULL;
	}
}

static const struct stream_events events = { on_data, on_end, on_drain, on_close };

static int set_up(void **state)
{
	hall = (struct hall){ 0 };
	return rig_set_up(state);
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	if (hall.s) {
		stream_abort(hall.s);
		RIG_WAIT(r, !hall.s);
	}
	strbuf_fini(&hall.got);
	return rig_tear_down(state);
}

static void open_pair(struct rig *r)
{
	hall.s = stream_of_fd(r->loop, rig_pair(r), &events, NULL);
}

static void bytes_go_both_ways(void **state)
{
	struct rig *r = *state;

	open_pair(r);
	stream_write(hall.s, SLICE("to the peer"));
	rig_want(r, "to the peer");
	rig_send_text(r, "to us");
	RIG_WAIT(r, hall.got.size == 5);
	assert_string_equal(strbuf_str(&hall.got), "to us");
}

static void an_end_of_the_peer_leaves_our_direction_open(void **state)
{
	struct rig *r = *state;

	open_pair(r);
	rig_send_text(r, "last");
	assert_int_equal(shutdown(r->fd, SHUT_WR), 0);
	RIG_WAIT(r, hall.n_end == 1);
	assert_string_equal(strbuf_str(&hall.got), "last");
	stream_write(hall.s, SLICE("answer"));
	rig_want(r, "answer");
	assert_int_equal(hall.n_close, 0);
	stream_close(hall.s);
	assert_int_equal(hall.n_close, 0); /* never from inside a call */
	rig_want_end(r);
	RIG_WAIT(r, hall.n_close == 1);
	assert_false(hall.failed);
}

static void an_end_of_ours_leaves_the_peers_direction_open(void **state)
{
	struct rig *r = *state;

	open_pair(r);
	stream_write(hall.s, SLICE("question"));
	stream_end(hall.s);
	stream_write(hall.s, SLICE("too late"));
	rig_want(r, "question");
	rig_want_end(r);
	assert_int_equal(r->got.size, 0);
	rig_send_text(r, "answer");
	RIG_WAIT(r, hall.got.size == 6);
}

static void without_on_end_the_peers_end_closes(void **state)
{
	static const struct stream_events no_end = { .on_data = on_data, .on_close = on_close };
	struct rig *r = *state;

	hall.s = stream_of_fd(r->loop, rig_pair(r), &no_end, NULL);
	assert_int_equal(shutdown(r->fd, SHUT_WR), 0);
	RIG_WAIT(r, hall.n_close == 1);
	assert_false(hall.failed);
}

static void a_slow_peer_makes_it_full_and_drains_it_once(void **state)
{
	static char chunk[64 << 10];
	struct rig *r = *state;
	size_t sent = 0, got = 0;

	open_pair(r);
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 100; k++) { /* until the kernel's buffer is full as well */
			while (!stream_is_full(hall.s)) {
				stream_write(hall.s, (struct slice){ chunk, sizeof(chunk) });
				sent += sizeof(chunk);
			}
			rig_turn_only(r);
		}
		hall.n_drain = 0;
		RIG_WAIT(r, hall.n_drain);
		assert_int_equal(hall.n_drain, 1);
		assert_false(stream_is_full(hall.s));
	}
	stream_close(hall.s);
	rig_want_end(r); /* all that was queued comes before the end */
	got = r->got.size;
	assert_int_equal(got, sent);
}

static void a_paused_stream_reads_nothing(void **state)
{
	struct rig *r = *state;

	open_pair(r);
	stream_pause(hall.s);
	rig_send_text(r, "x");
	RIG_SETTLE(r);
	assert_int_equal(hall.got.size, 0);
	stream_resume(hall.s);
	RIG_WAIT(r, hall.got.size == 1);
	hall.do_at_data = 'p';
	rig_send_text(r, "y");
	RIG_WAIT(r, hall.got.size == 2);
	rig_send_text(r, "z");
	RIG_SETTLE(r);
	assert_int_equal(hall.got.size, 2);
}

static void a_paused_stream_still_writes(void **state)
{
	struct rig *r = *state;

	open_pair(r);
	stream_pause(hall.s);
	stream_write(hall.s, SLICE("x"));
	rig_want(r, "x");
}

static void it_may_be_closed_or_aborted_from_its_own_callback(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 2; i++) {
		open_pair(r);
		hall.do_at_data = "ca"[i];
		hall.n_close = 0;
		rig_send_text(r, "x");
		rig_want_end(r);
		rig_hang_up(r);
		RIG_WAIT(r, hall.n_close == 1);
		assert_false(hall.failed);
	}
}

static void an_abort_throws_away_what_is_queued(void **state)
{
	static char chunk[1 << 20];
	struct rig *r = *state;

	open_pair(r);
	stream_write(hall.s, (struct slice){ chunk, sizeof(chunk) });
	stream_abort(hall.s);
	stream_abort(hall.s);
	stream_close(hall.s);
	stream_write(hall.s, SLICE("x"));
	assert_int_equal(hall.n_close, 0);
	rig_want_end(r);
	assert_true(r->got.size < sizeof(chunk));
	RIG_WAIT(r, hall.n_close == 1);
	assert_false(hall.failed);
}

static void a_peer_that_goes_while_we_write_is_a_failure(void **state)
{
	static char chunk[1 << 20];
	struct rig *r = *state;

	open_pair(r);
	stream_write(hall.s, (struct slice){ chunk, sizeof(chunk) });
	rig_hang_up(r);
	RIG_WAIT(r, hall.n_close == 1);
	assert_true(hall.failed);
	assert_int_equal(hall.code, ERR_IO);
}

/* ---- connecting ---- */

static void connect_to(struct rig *r, uint16_t port)
{
	hall.s = stream_connect(r->loop,
	                        &(struct stream_target){ .ip = ip_v4(0x7f000001), .port = port },
	                        on_open, &events, NULL);
	assert_int_equal(hall.n_open, 0); /* never from inside */
}

static void what_is_written_before_it_is_open_arrives(void **state)
{
	struct rig *r = *state;
	scoped_fd int listening = rig_listen(&r->port);

	connect_to(r, r->port);
	stream_write(hall.s, SLICE("early "));
	stream_write(hall.s, SLICE("bird"));
	RIG_WAIT(r, hall.n_open == 1);
	assert_false(hall.failed);
	r->fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(r->fd >= 0);
	rig_want(r, "early bird");
	assert_int_equal(hall.n_open, 1);
}

static void a_refused_connection_is_told_by_on_open_alone(void **state)
{
	struct rig *r = *state;

	close(rig_listen(&r->port));
	connect_to(r, r->port);
	RIG_WAIT(r, hall.n_open == 1);
	assert_true(hall.failed);
	RIG_SETTLE(r);
	assert_int_equal(hall.n_open, 1);
	assert_int_equal(hall.n_close, 0);
}

static void what_is_closed_before_it_is_open_is_told_so(void **state)
{
	struct rig *r = *state;
	scoped_fd int listening = rig_listen(&r->port);

	for (int i = 0; i < 2; i++) {
		hall.n_open = 0;
		connect_to(r, r->port);
		if (i) {
			stream_abort(hall.s);
		} else {
			stream_close(hall.s);
		}
		RIG_WAIT(r, hall.n_open == 1);
		assert_int_equal(hall.code, ERR_CANCELED);
	}
	RIG_SETTLE(r);
	assert_int_equal(hall.n_open, 1);
	assert_int_equal(hall.n_close, 0);
}

static void a_connection_that_does_not_come_about_times_out(void **state)
{
	struct rig *r = *state;
	scoped_fd int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fillers[3];
	struct sockaddr_storage at;
	socklen_t size = ip_to_sockaddr(ip_v4(0x7f000001), 0, &at);
	struct ip ip;
	uint16_t port;

	/* A full backlog of a server that never accepts. */
	assert_int_equal(bind(listening, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(listening, 0), 0);
	size = sizeof(at);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &size), 0);
	assert_true(ip_from_sockaddr((struct sockaddr *)&at, &ip, &port));
	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(fillers[i], (struct sockaddr *)&at, size);
	}
	hall.s = stream_connect(
		r->loop,
		&(struct stream_target){ .ip = ip, .port = port, .timeout_us = 30 * US_PER_MS },
		on_open, &events, NULL);
	RIG_WAIT(r, hall.n_open == 1);
	assert_int_equal(hall.code, ERR_TIMEOUT);
	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
		close(fillers[i]);
	}
}

static void a_path_that_is_too_long_or_absent_is_a_failure(void **state)
{
	struct rig *r = *state;
	char path[200];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	hall.s = stream_connect(r->loop, &(struct stream_target){ .unix_path = path }, on_open,
	                        &events, NULL);
	RIG_WAIT(r, hall.n_open == 1);
	assert_int_equal(hall.code, ERR_LIMIT);
	hall.s = stream_connect(r->loop, &(struct stream_target){ .unix_path = "/nowhere/at/all" },
	                        on_open, &events, NULL);
	RIG_WAIT(r, hall.n_open == 2);
	assert_int_equal(hall.code, ERR_NOTFOUND);
	hall.s = stream_connect(r->loop, &(struct stream_target){ 0 }, on_open, &events, NULL);
	RIG_WAIT(r, hall.n_open == 3);
	assert_int_equal(hall.code, ERR_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bytes_go_both_ways),
		T(an_end_of_the_peer_leaves_our_direction_open),
		T(an_end_of_ours_leaves_the_peers_direction_open),
		T(without_on_end_the_peers_end_closes),
		T(a_slow_peer_makes_it_full_and_drains_it_once),
		T(a_paused_stream_reads_nothing),
		T(a_paused_stream_still_writes),
		T(it_may_be_closed_or_aborted_from_its_own_callback),
		T(an_abort_throws_away_what_is_queued),
		T(a_peer_that_goes_while_we_write_is_a_failure),
		T(what_is_written_before_it_is_open_arrives),
		T(a_refused_connection_is_told_by_on_open_alone),
		T(what_is_closed_before_it_is_open_is_told_so),
		T(a_connection_that_does_not_come_about_times_out),
		T(a_path_that_is_too_long_or_absent_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
