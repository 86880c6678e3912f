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
#include "base/mem.h"
#include "edge/listener.h"

struct world {
	struct loop *loop;
	struct relay_pool *pool;
	struct listener *listener;
	struct listener_spec spec;
	struct ip local;
	int listen_fd; /* of the balancer */
	int target_fd; /* of the target, or -1 */
	struct target_address target;
	bool gone;
	enum health_state health;
};

static int listen_on(struct ip ip, uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(ip, port, &sa);
	struct ip got;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_true(ip_from_sockaddr((struct sockaddr *)&sa, &got, ret_port));
	return fd;
}

static void on_health(void *arg, struct ip target, enum health_state to)
{
	struct world *w = arg;

	(void)target;
	w->health = to;
}

static void prepare(struct world *w)
{
	*w = (struct world){ .loop = loop_new() };
	w->pool = relay_pool_new(w->loop);
	assert_true(ip_parse(SLICE("127.0.0.1"), &w->local));
	w->target.ip = w->local;
	w->target_fd = listen_on(w->local, 0, &w->target.port);
	w->spec = (struct listener_spec){
		.ip = w->local,
		.protocol = IPPROTO_TCP,
		.idle_us = 5 * US_PER_S,
		.targets = { .at = &w->target,
		             .n = 1,
		             .protocol = IPPROTO_TCP,
		             .health = { .interval_us = 60 * US_PER_S,
		                         .timeout_us = US_PER_S,
		                         .healthy_after = 1,
		                         .unhealthy_after = 1 },
		             .changed = on_health,
		             .arg = w },
	};
	w->spec.fd = w->listen_fd = listen_on(w->local, 0, &w->spec.port);
}

static void start(struct world *w)
{
	assert_int_equal(listener_start(w->pool, w->loop, &w->spec, &w->listener, NULL), 0);
}

static void end(struct world *w)
{
	listener_free(w->listener);
	relay_pool_free(w->pool);
	loop_run_once(w->loop);
	loop_free(w->loop);
	close(w->listen_fd);
	if (w->target_fd >= 0) {
		close(w->target_fd);
	}
}

static int dial(const struct world *w)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(w->local, w->spec.port, &sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Bytes of fd, 0 at its end, -errno on a reset; turns the loop meanwhile. */
static ssize_t get(struct world *w, int fd, char *buf, size_t size)
{
	for (int64_t until = clock_mono_us() + 5 * US_PER_S; clock_mono_us() < until;) {
		ssize_t n;

		loop_run_once(w->loop);
		n = recv(fd, buf, size, 0);
		if (n >= 0 || errno != EAGAIN) {
			return n < 0 ? -errno : n;
		}
	}
	return -ETIMEDOUT;
}

/* The next connection at the target that says something; checks close without a word. */
static int serve(struct world *w, char *buf, size_t size)
{
	for (int64_t until = clock_mono_us() + 5 * US_PER_S; clock_mono_us() < until;) {
		int fd = accept4(w->target_fd, NULL, NULL, SOCK_NONBLOCK);

		if (fd >= 0) {
			ssize_t n = get(w, fd, buf, size - 1);

			if (n > 0) {
				buf[n] = '\0';
				return fd;
			}
			close(fd);
		}
		loop_run_once(w->loop);
	}
	return -1;
}

static void bytes_go_both_ways(void **state)
{
	(void)state;
	struct world w;
	char buf[64];
	int client, server;

	prepare(&w);
	start(&w);
	client = dial(&w);
	assert_int_equal(send(client, "ping", 4, 0), 4);
	server = serve(&w, buf, sizeof(buf));
	assert_string_equal(buf, "ping");
	assert_int_equal(listener_connections(w.listener), 1);
	assert_int_equal(listener_busy(w.listener), 1);
	assert_int_equal(send(server, "pong", 4, 0), 4);
	assert_int_equal(get(&w, client, buf, sizeof(buf)), 4);
	close(client);
	close(server);
	end(&w);
}

static void the_target_learns_the_clients_address(void **state)
{
	(void)state;
	struct world w;
	uint8_t buf[64];
	int client, server;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct ip ip;
	uint16_t port;

	prepare(&w);
	w.spec.proxy_protocol = true;
	/* A check would be LOCAL; late enough not to come in between. */
	start(&w);
	client = dial(&w);
	assert_int_equal(getsockname(client, (struct sockaddr *)&sa, &len), 0);
	assert_true(ip_from_sockaddr((struct sockaddr *)&sa, &ip, &port));
	assert_int_equal(send(client, "GET", 3, 0), 3);
	do {
		server = serve(&w, (char *)buf, sizeof(buf));
		assert_true(server >= 0);
		if (buf[12] == 0x20) {
			close(server);
		}
	} while (buf[12] == 0x20);
	assert_int_equal(buf[12], 0x21);
	assert_int_equal(buf[13], 0x11);
	assert_memory_equal(buf + 16, ip.bytes, 4);
	assert_int_equal(buf[24] << 8 | buf[25], port);
	assert_int_equal(buf[26] << 8 | buf[27], w.spec.port);
	assert_memory_equal(buf + 28, "GET", 3);
	close(client);
	close(server);
	end(&w);
}

/* Nobody listens at first; the connection is held, not lost. */
static void a_refused_target_is_dialled_again(void **state)
{
	(void)state;
	struct world w;
	char buf[64];
	int client, server;
	uint16_t port;

	prepare(&w);
	close(w.target_fd);
	w.target_fd = -1;
	start(&w);
	client = dial(&w);
	assert_int_equal(send(client, "hold", 4, 0), 4);
	for (int64_t until = clock_mono_us() + 60 * US_PER_MS; clock_mono_us() < until;) {
		loop_run_once(w.loop);
	}
	assert_int_equal(recv(client, buf, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	w.target_fd = listen_on(w.local, w.target.port, &port);
	server = serve(&w, buf, sizeof(buf));
	assert_string_equal(buf, "hold");
	close(client);
	close(server);
	end(&w);
}

static void strangers_are_reset(void **state)
{
	(void)state;
	struct world w;
	struct prefix ours;
	char buf[8];
	int client;

	prepare(&w);
	assert_true(prefix_parse(SLICE("10.0.0.0/8"), &ours));
	w.spec.sources = &ours;
	w.spec.n_sources = 1;
	start(&w);
	client = dial(&w);
	assert_int_equal(get(&w, client, buf, sizeof(buf)), -ECONNRESET);
	close(client);
	/* New settings hold for the next connection. */
	w.spec.n_sources = 0;
	listener_change(w.listener, &w.spec);
	client = dial(&w);
	assert_int_equal(send(client, "in", 2, 0), 2);
	close(serve(&w, buf, sizeof(buf)));
	assert_string_equal(buf, "in");
	close(client);
	end(&w);
}

static void on_gone(void *arg)
{
	struct world *w = arg;

	w->gone = true;
	w->listener = NULL;
}

static void a_stopped_listener_lets_connections_finish(void **state)
{
	(void)state;
	struct world w;
	char buf[64];
	int client, server, late;

	prepare(&w);
	start(&w);
	client = dial(&w);
	assert_int_equal(send(client, "a", 1, 0), 1);
	server = serve(&w, buf, sizeof(buf));
	listener_stop(w.listener, 60 * US_PER_S, on_gone, &w);
	late = dial(&w); /* waits in the listening socket, which is not ours to close */
	assert_int_equal(send(server, "b", 1, 0), 1);
	assert_int_equal(get(&w, client, buf, 8), 1);
	assert_false(w.gone);
	close(client);
	close(server);
	for (int64_t until = clock_mono_us() + 5 * US_PER_S; !w.gone && clock_mono_us() < until;) {
		loop_run_once(w.loop);
	}
	assert_true(w.gone);
	start(&w); /* its successor serves who waited */
	assert_int_equal(send(late, "late", 4, 0), 4);
	server = serve(&w, buf, sizeof(buf));
	assert_string_equal(buf, "late");
	close(server);
	close(late);
	end(&w);
}

static void draining_ends_with_a_reset(void **state)
{
	(void)state;
	struct world w;
	char buf[64];
	int client, server;

	prepare(&w);
	start(&w);
	client = dial(&w);
	assert_int_equal(send(client, "a", 1, 0), 1);
	server = serve(&w, buf, sizeof(buf));
	listener_stop(w.listener, 20 * US_PER_MS, on_gone, &w);
	assert_int_equal(get(&w, client, buf, 1), -ECONNRESET);
	loop_run_once(w.loop);
	assert_true(w.gone);
	close(client);
	close(server);
	end(&w);
}

static void until_health(struct world *w, enum health_state want)
{
	for (int64_t until = clock_mono_us() + 5 * US_PER_S;
	     w->health != want && clock_mono_us() < until;) {
		loop_run_once(w->loop);
	}
	assert_int_equal(w->health, want);
}

static void a_target_that_listens_is_healthy(void **state)
{
	(void)state;
	struct world w;

	prepare(&w);
	start(&w);
	until_health(&w, HEALTH_HEALTHY);
	end(&w);
}

static void a_target_that_does_not_listen_is_unhealthy(void **state)
{
	(void)state;
	struct world w;

	prepare(&w);
	close(w.target_fd);
	w.target_fd = -1;
	start(&w);
	until_health(&w, HEALTH_UNHEALTHY);
	end(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(the_target_learns_the_clients_address),
		cmocka_unit_test(a_refused_target_is_dialled_again),
		cmocka_unit_test(strangers_are_reset),
		cmocka_unit_test(a_stopped_listener_lets_connections_finish),
		cmocka_unit_test(draining_ends_with_a_reset),
		cmocka_unit_test(a_target_that_listens_is_healthy),
		cmocka_unit_test(a_target_that_does_not_listen_is_unhealthy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
