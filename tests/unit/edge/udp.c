#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "edge/udp.h"

enum { TARGETS = 2 };
struct world {
	struct loop *loop;
	struct udp_port *port;
	struct udp_spec spec;
	struct ip local;
	uint16_t number; /* of the port */
	int targets[TARGETS];
	struct target_address at[TARGETS];
};

static int bound(struct ip ip, uint16_t *ret_port)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(ip, 0, &sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct ip got;

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_true(ip_from_sockaddr((struct sockaddr *)&sa, &got, ret_port));
	return fd;
}

static struct world start(int64_t idle_us)
{
	struct world w = { .loop = loop_new(), .local = ip_v4(0x7f000001) };

	for (int i = 0; i < TARGETS; i++) {
		w.at[i].ip = w.local;
		w.targets[i] = bound(w.local, &w.at[i].port);
	}
	w.spec = (struct udp_spec){ .fd = bound(w.local, &w.number), .idle_us = idle_us };
	return w;
}

static void open_port(struct world *w)
{
	w->spec.targets = (struct targets_spec){ .at = w->at, .n = TARGETS, .unchecked = true };
	assert_int_equal(udp_port_start(w->loop, &w->spec, &w->port, NULL), 0);
}

static void end(struct world *w)
{
	w->port = udp_port_free(w->port);
	loop_run_once(w->loop);
	loop_free(w->loop);
	close(w->spec.fd);
	for (int i = 0; i < TARGETS; i++) {
		if (w->targets[i] >= 0) {
			close(w->targets[i]);
		}
	}
}

static int client(struct world *w, const char *from)
{
	struct sockaddr_storage sa;
	struct ip ip;
	uint16_t port;
	socklen_t len;
	int fd;

	assert_true(ip_parse(slice_of(from), &ip));
	fd = bound(ip, &port);
	len = ip_to_sockaddr(w->local, w->number, &sa);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

/* The targets answer "N TEXT". */
static void serve(struct world *w)
{
	for (int i = 0; i < TARGETS; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		char text[64], answer[80];
		ssize_t n = w->targets[i] < 0 ? -1
		                              : recvfrom(w->targets[i], text, sizeof(text) - 1, 0,
		                                         (struct sockaddr *)&sa, &len);

		if (n >= 0) {
			text[n] = '\0';
			snprintf(answer, sizeof(answer), "%d %s", i, text);
			(void)!sendto(w->targets[i], answer, strlen(answer), 0,
			              (struct sockaddr *)&sa, len);
		}
	}
}

/* Which target answered; -1: none did. */
static int ask(struct world *w, int fd, const char *text, int64_t wait_us)
{
	char want[80], got[80];

	(void)!send(fd, text, strlen(text), 0);
	for (int64_t until = clock_mono_us() + wait_us; clock_mono_us() < until;) {
		ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

		if (n > 0) {
			got[n] = '\0';
			snprintf(want, sizeof(want), "%c %s", got[0], text);
			assert_string_equal(got, want);
			return got[0] - '0';
		}
		loop_run_once(w->loop);
		serve(w);
	}
	return -1;
}

static void a_flow_stays_with_its_target_and_flows_go_round(void **state)
{
	struct world w = start(60 * US_PER_S);
	int a, b, first, second;

	(void)state;
	open_port(&w);
	a = client(&w, "127.0.0.1");
	b = client(&w, "127.0.0.1");
	first = ask(&w, a, "one", 10 * US_PER_S);
	second = ask(&w, b, "two", 10 * US_PER_S);
	assert_int_equal(first + second, 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ask(&w, a, "again", 10 * US_PER_S), first);
	}
	assert_int_equal(udp_port_flows(w.port), 2);
	close(a);
	close(b);
	end(&w);
}

static void idle_flows_end(void **state)
{
	struct world w = start(50 * US_PER_MS);
	int a;

	(void)state;
	open_port(&w);
	a = client(&w, "127.0.0.1");
	assert_true(ask(&w, a, "one", 10 * US_PER_S) >= 0);
	for (int64_t until = clock_mono_us() + 10 * US_PER_S;
	     udp_port_flows(w.port) && clock_mono_us() < until;) {
		loop_run_once(w.loop);
	}
	assert_int_equal(udp_port_flows(w.port), 0);
	assert_true(ask(&w, a, "again", 10 * US_PER_S) >= 0);
	close(a);
	end(&w);
}

static void a_refusing_target_loses_its_flows_and_a_removed_one_too(void **state)
{
	struct world w = start(60 * US_PER_S);
	int a, first;

	(void)state;
	open_port(&w);
	a = client(&w, "127.0.0.1");
	first = ask(&w, a, "one", 10 * US_PER_S);
	close(w.targets[first]);
	w.targets[first] = -1;
	/* some datagram meets the refusal, one after it goes elsewhere */
	for (int i = 0; i < 20 && ask(&w, a, "again", 500 * US_PER_MS) != 1 - first; i++) {
	}
	assert_int_equal(ask(&w, a, "more", 10 * US_PER_S), 1 - first);

	w.spec.targets.at = &w.at[first];
	w.spec.targets.n = 1;
	udp_port_change(w.port, &w.spec);
	assert_int_equal(udp_port_flows(w.port), 0);
	close(a);
	end(&w);
}

static void strangers_get_no_answer(void **state)
{
	struct world w = start(60 * US_PER_S);
	struct prefix only = { ip_v4(0x7f000002), 32 };
	int a, b;

	(void)state;
	w.spec.sources = &only;
	w.spec.n_sources = 1;
	open_port(&w);
	a = client(&w, "127.0.0.1");
	b = client(&w, "127.0.0.2");
	(void)!send(a, "no", 2, 0);
	assert_true(ask(&w, b, "yes", 10 * US_PER_S) >= 0);
	assert_int_equal(udp_port_flows(w.port), 1);
	close(a);
	close(b);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_stays_with_its_target_and_flows_go_round),
		cmocka_unit_test(idle_flows_end),
		cmocka_unit_test(a_refusing_target_loses_its_flows_and_a_removed_one_too),
		cmocka_unit_test(strangers_get_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
