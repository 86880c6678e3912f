#include <errno.h>
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
#include "edge/targets.h"

struct world {
	struct loop *loop;
	struct targets *targets;
	int fd; /* of a server */
	struct target_address at;
	enum health_state health;
	unsigned changes;
};

static void on_health(void *arg, struct ip target, enum health_state to)
{
	struct world *w = arg;

	(void)target;
	w->health = to;
	w->changes++;
}

static struct world start(void)
{
	struct world w = { .loop = loop_new() };
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(ip_v4(0x7f000001), 0, &sa);

	w.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(w.fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(w.fd, 16), 0);
	assert_int_equal(getsockname(w.fd, (struct sockaddr *)&sa, &len), 0);
	assert_true(ip_from_sockaddr((struct sockaddr *)&sa, &w.at.ip, &w.at.port));
	return w;
}

static void end(struct world *w)
{
	w->targets = targets_free(w->targets);
	loop_run_once(w->loop);
	loop_free(w->loop);
	close(w->fd);
}

/* Answers each request with 'answer' until the health changes. */
static void serve_until_known(struct world *w, const char *answer, char *ret_request)
{
	for (int64_t until = clock_mono_us() + 10 * US_PER_S;
	     !w->changes && clock_mono_us() < until;) {
		int fd = accept(w->fd, NULL, NULL);
		ssize_t n;

		loop_run_once(w->loop);
		if (fd < 0) {
			continue;
		}
		do {
			loop_run_once(w->loop); /* it sends what it asks */
			n = recv(fd, ret_request, 511, MSG_DONTWAIT);
		} while (n < 0 && errno == EAGAIN && clock_mono_us() < until);
		ret_request[n > 0 ? n : 0] = '\0';
		(void)!write(fd, answer, strlen(answer));
		close(fd);
	}
	assert_int_equal(w->changes, 1);
}

static void health_after(const char *answer, enum health_state want)
{
	struct world w = start();
	char request[512] = "";

	w.targets =
		targets_new(w.loop, &(struct targets_spec){ .at = &w.at,
	                                                    .n = 1,
	                                                    .protocol = IPPROTO_TCP,
	                                                    .health = { US_PER_S, US_PER_S, 1, 1 },
	                                                    .check_path = "/healthz",
	                                                    .changed = on_health,
	                                                    .arg = &w });
	serve_until_known(&w, answer, request);
	assert_int_equal(w.health, want);
	assert_int_equal(strncmp(request, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:", 39), 0);
	end(&w);
}

static void an_http_check_wants_a_status_from_200_to_399(void **state)
{
	(void)state;
	health_after("HTTP/1.1 200 OK\r\n\r\n", HEALTH_HEALTHY);
	health_after("HTTP/1.1 302 Found\r\n\r\n", HEALTH_HEALTHY);
	health_after("HTTP/1.1 503 Service Unavailable\r\n\r\n", HEALTH_UNHEALTHY);
	health_after("SSH-2.0-OpenSSH_9.2\r\n", HEALTH_UNHEALTHY);
	health_after("HTTP/1.1", HEALTH_UNHEALTHY);
}

static void make(struct world *w, struct target_address *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		at[i] = (struct target_address){ ip_v4(0x0af40002 + (uint32_t)i), 80 };
	}
	w->targets =
		targets_new(w->loop, &(struct targets_spec){ .at = at, .n = n, .unchecked = true });
}

static void a_client_keeps_its_target_as_long_as_that_is_there(void **state)
{
	struct world w = start();
	struct target_address at[5], before[64];
	unsigned moved = 0, seen[5] = { 0 };

	(void)state;
	make(&w, at, 5);
	for (uint32_t i = 0; i < 64; i++) {
		struct ip client = ip_v4(0xc0a80001 + i);

		before[i] = *targets_choose(w.targets, &client);
		seen[ip_to_v4(before[i].ip) - 0x0af40002]++;
		assert_true(target_address_eq(before[i], *targets_choose(w.targets, &client)));
	}
	for (size_t i = 0; i < 5; i++) {
		assert_true(seen[i] > 0); /* of 64 clients some went to each */
	}
	targets_set(w.targets, &(struct targets_spec){ .at = at, .n = 4, .unchecked = true });
	for (uint32_t i = 0; i < 64; i++) {
		struct ip client = ip_v4(0xc0a80001 + i);
		bool stays = target_address_eq(before[i], *targets_choose(w.targets, &client));

		assert_int_equal(stays, !target_address_eq(before[i], at[4]));
		moved += !stays;
	}
	assert_int_equal(moved, seen[4]);
	end(&w);
}

static void without_a_client_it_goes_round_and_without_targets_nowhere(void **state)
{
	struct world w = start();
	struct target_address at[3];
	const struct target_address *first;

	(void)state;
	make(&w, at, 3);
	first = targets_choose(w.targets, NULL);
	assert_ptr_not_equal(first, targets_choose(w.targets, NULL));
	assert_ptr_not_equal(first, targets_choose(w.targets, NULL));
	assert_ptr_equal(first, targets_choose(w.targets, NULL));
	targets_set(w.targets, &(struct targets_spec){ .unchecked = true });
	assert_null(targets_choose(w.targets, NULL));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_http_check_wants_a_status_from_200_to_399),
		cmocka_unit_test(a_client_keeps_its_target_as_long_as_that_is_there),
		cmocka_unit_test(without_a_client_it_goes_round_and_without_targets_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
