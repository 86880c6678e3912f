#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/mem.h"
#include "edge/relay.h"

/* A client and a target, each with a TCP connection to the relay in the middle. */
struct world {
	struct loop *loop;
	struct relay_pool *pool;
	struct relay *relay;
	int client, target; /* our ends */
	bool over;
	enum relay_end how;
};

static void tcp_pair(int ret[2])
{
	struct sockaddr_storage sa;
	struct ip ip;
	socklen_t len;
	int l = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(ip_parse(SLICE("127.0.0.1"), &ip));
	len = ip_to_sockaddr(ip, 0, &sa);
	assert_int_equal(bind(l, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&sa, &len), 0);
	ret[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(ret[0], (struct sockaddr *)&sa, len), 0);
	ret[1] = accept(l, NULL, NULL);
	assert_true(ret[1] >= 0);
	close(l);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(ret[i], F_SETFL, O_NONBLOCK), 0);
	}
}

static void on_done(void *arg, enum relay_end how)
{
	struct world *w = arg;

	w->over = true;
	w->how = how;
}

static void begin(struct world *w, const char *prefix, int64_t idle_us)
{
	int c[2], t[2];

	*w = (struct world){ .loop = loop_new() };
	w->pool = relay_pool_new(w->loop);
	tcp_pair(c);
	tcp_pair(t);
	w->client = c[0];
	w->target = t[0];
	assert_int_equal(
		relay_start(w->pool,
	                    &(struct relay_spec){ .client_fd = c[1],
	                                          .target_fd = t[1],
	                                          .prefix = prefix,
	                                          .prefix_size = prefix ? strlen(prefix) : 0,
	                                          .idle_us = idle_us,
	                                          .done = on_done,
	                                          .arg = w },
	                    &w->relay, NULL),
		0);
}

static void end(struct world *w)
{
	if (!w->over) {
		relay_abort(w->relay);
	}
	relay_pool_free(w->pool);
	loop_run_once(w->loop);
	loop_free(w->loop);
	close(w->client);
	close(w->target);
}

/* Turns the loop until fd has 'want' bytes more or ends; returns what came, -errno on a reset. */
static ssize_t get(struct world *w, int fd, char *buf, size_t want)
{
	int64_t until = clock_mono_us() + 5 * US_PER_S;
	size_t n = 0;

	while (n < want && clock_mono_us() < until) {
		ssize_t r;

		loop_run_once(w->loop);
		r = recv(fd, buf + n, want - n, 0);
		if (r == 0) {
			return (ssize_t)n;
		}
		if (r < 0 && errno != EAGAIN) {
			return -errno;
		}
		n += r > 0 ? (size_t)r : 0;
	}
	return (ssize_t)n;
}

static bool until_over(struct world *w)
{
	int64_t until = clock_mono_us() + 5 * US_PER_S;

	while (!w->over && clock_mono_us() < until) {
		loop_run_once(w->loop);
	}
	return w->over;
}

static void the_prefix_goes_ahead_of_the_first_bytes(void **state)
{
	(void)state;
	struct world w;
	char buf[16];

	begin(&w, "PROXY ", US_PER_S);
	assert_int_equal(send(w.client, "hello", 5, 0), 5);
	assert_int_equal(get(&w, w.target, buf, 11), 11);
	assert_memory_equal(buf, "PROXY hello", 11);
	end(&w);
}

static void the_prefix_does_not_wait_for_the_client(void **state)
{
	(void)state;
	struct world w;
	char buf[16];

	begin(&w, "PROXY ", US_PER_S);
	assert_int_equal(get(&w, w.target, buf, 6), 6);
	assert_int_equal(send(w.target, "220 ready", 9, 0), 9);
	assert_int_equal(get(&w, w.client, buf, 9), 9);
	end(&w);
}

static void each_direction_ends_on_its_own(void **state)
{
	(void)state;
	struct world w;
	char buf[16];

	begin(&w, NULL, US_PER_S);
	assert_int_equal(send(w.client, "bye", 3, 0), 3);
	assert_int_equal(shutdown(w.client, SHUT_WR), 0);
	assert_int_equal(get(&w, w.target, buf, 16), 3); /* and the end */
	assert_false(w.over);
	assert_int_equal(send(w.target, "answer", 6, 0), 6);
	assert_int_equal(get(&w, w.client, buf, 6), 6);
	assert_int_equal(shutdown(w.target, SHUT_WR), 0);
	assert_int_equal(get(&w, w.client, buf, 1), 0);
	assert_true(until_over(&w));
	assert_int_equal(w.how, RELAY_DONE);
	end(&w);
}

static void a_reset_is_passed_on_as_a_reset(void **state)
{
	(void)state;
	struct world w;
	char buf[16];

	begin(&w, NULL, US_PER_S);
	assert_int_equal(send(w.client, "x", 1, 0), 1);
	assert_int_equal(get(&w, w.target, buf, 1), 1);
	relay_reset_fd(w.target);
	w.target = -1;
	assert_true(until_over(&w));
	assert_int_equal(w.how, RELAY_RESET);
	assert_int_equal(get(&w, w.client, buf, 1), -ECONNRESET);
	end(&w);
}

static void an_idle_relay_is_reset(void **state)
{
	(void)state;
	struct world w;
	char buf[1];

	begin(&w, NULL, 20 * US_PER_MS);
	assert_true(until_over(&w));
	assert_int_equal(w.how, RELAY_IDLE);
	assert_int_equal(get(&w, w.client, buf, 1), -ECONNRESET);
	end(&w);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

/* Much more than buffers and pipes hold, with a reader that pauses: order and content stay. */
static void bulk_arrives_whole_through_a_slow_reader(void **state)
{
	(void)state;
	enum { TOTAL = 24 << 20 };
	struct world w;
	char *buf = mem_alloc(1 << 20);
	size_t sent = 0, got = 0;
	int64_t until = clock_mono_us() + 20 * US_PER_S;

	begin(&w, NULL, 10 * US_PER_S);
	for (size_t turn = 0; got < TOTAL && clock_mono_us() < until; turn++) {
		size_t size = TOTAL - sent < 300000 ? TOTAL - sent : 300000;
		ssize_t n;

		for (size_t i = 0; i < size; i++) {
			buf[i] = (char)pattern(sent + i);
		}
		n = size ? send(w.target, buf, size, MSG_NOSIGNAL) : 0;
		sent += n > 0 ? (size_t)n : 0;
		loop_run_once(w.loop);
		if (turn % 50 < 25) {
			continue; /* the reader sleeps */
		}
		n = recv(w.client, buf, 1 << 20, 0);
		for (ssize_t i = 0; i < n; i++) {
			if ((uint8_t)buf[i] != pattern(got + (size_t)i)) {
				fail_msg("byte %zu is wrong", got + (size_t)i);
			}
		}
		got += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(got, TOTAL);
	assert_int_equal(relay_bytes(w.pool), TOTAL);
	free(buf);
	end(&w);
}

static void the_answer_before_a_reset_is_not_lost(void **state)
{
	(void)state;
	struct world w;
	char buf[16];
	ssize_t n;

	begin(&w, NULL, US_PER_S);
	assert_int_equal(send(w.client, "upload", 6, 0), 6);
	loop_run_once(w.loop);
	loop_run_once(w.loop);
	/* The target refuses, and closes without reading: its kernel resets. */
	assert_int_equal(send(w.target, "413", 3, 0), 3);
	close(w.target);
	w.target = -1;
	n = get(&w, w.client, buf, 3);
	assert_int_equal(n, 3);
	assert_memory_equal(buf, "413", 3);
	end(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_prefix_goes_ahead_of_the_first_bytes),
		cmocka_unit_test(the_prefix_does_not_wait_for_the_client),
		cmocka_unit_test(each_direction_ends_on_its_own),
		cmocka_unit_test(a_reset_is_passed_on_as_a_reset),
		cmocka_unit_test(an_idle_relay_is_reset),
		cmocka_unit_test(bulk_arrives_whole_through_a_slow_reader),
		cmocka_unit_test(the_answer_before_a_reset_is_not_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
