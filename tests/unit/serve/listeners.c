/* Why: a port outlives the role that serves it and the supervisor that bound it; and whoever is in the way is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/listeners.h"

struct child {
	pid_t pid;
	uint16_t port;
};

/* A process named 'name' that listens on ip and port (0: a free one). */
static struct child start(const char *name, uint32_t ip, uint16_t port)
{
	struct child c = { 0 };
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	c.pid = fork();
	if (c.pid == 0) {
		struct sockaddr_storage at;
		socklen_t size = ip_to_sockaddr(ip_v4(ip), port, &at);
		int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
		struct ip unused;

		prctl(PR_SET_NAME, name);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		port = 0;
		if (bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, 5) == 0) {
			size = sizeof(at);
			getsockname(fd, (struct sockaddr *)&at, &size);
			(void)ip_from_sockaddr((struct sockaddr *)&at, &unused, &port);
		}
		(void)!write(ready[1], &port, sizeof(port));
		close(ready[1]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c.port, sizeof(c.port)), sizeof(c.port));
	assert_true(c.port);
	close(ready[0]);
	return c;
}

static void stop(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
}

static bool accepts(uint32_t ip, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t size = ip_to_sockaddr(ip_v4(ip), port, &to);
	scoped_fd int fd = socket(AF_INET, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&to, size) == 0;
}

static uint16_t free_port(void)
{
	struct child c = start("probe", 0x7f000001, 0);

	stop(&c);
	return c.port;
}

static void a_listener_is_bound_once_and_kept(void **state)
{
	struct listeners l = { 0 };
	uint16_t port = free_port();
	int one = -1, two = -1;

	(void)state;
	assert_int_equal(
		listeners_open(&l, ip_v4(0x7f000001), IPPROTO_TCP, port, false, &one, NULL), 0);
	assert_int_equal(
		listeners_open(&l, ip_v4(0x7f000001), IPPROTO_TCP, port, false, &two, NULL), 0);
	assert_int_equal(one, two);
	assert_int_equal(listeners_find(&l, ip_v4(0x7f000001), IPPROTO_TCP, port), one);
	assert_int_equal(listeners_find(&l, ip_v4(0x7f000002), IPPROTO_TCP, port), -1);
	assert_true(accepts(0x7f000001, port));
	listeners_close(&l, ip_v4(0x7f000001), IPPROTO_TCP, port);
	assert_false(accepts(0x7f000001, port));
	listeners_close(&l, ip_v4(0x7f000001), IPPROTO_TCP, port);
	listeners_fini(&l);
}

static void udp_ports_are_bound_beside_tcp_and_told_apart(void **state)
{
	struct listeners l = { 0 }, copy = { 0 };
	uint16_t port = free_port();
	int udp = -1, tcp = -1, other = -1;
	struct err err;

	(void)state;
	assert_int_equal(
		listeners_open(&l, ip_v4(0x7f000001), IPPROTO_UDP, port, false, &udp, NULL), 0);
	assert_int_equal(
		listeners_open(&l, ip_v4(0x7f000001), IPPROTO_TCP, port, false, &tcp, NULL), 0);
	assert_int_not_equal(udp, tcp);
	assert_int_equal(listeners_find(&l, ip_v4(0x7f000001), IPPROTO_UDP, port), udp);
	/* somebody else: no second socket takes datagrams away */
	assert_int_equal(
		listeners_open(&copy, ip_v4(0x7f000001), IPPROTO_UDP, port, false, &other, &err),
		-ERR_EXISTS);
	/* as after a restart */
	listeners_adopt(&copy, getpid());
	assert_true(listeners_find(&copy, ip_v4(0x7f000001), IPPROTO_UDP, port) >= 0);
	listeners_fini(&copy);
	listeners_close(&l, ip_v4(0x7f000001), IPPROTO_UDP, port);
	assert_int_equal(listeners_find(&l, ip_v4(0x7f000001), IPPROTO_TCP, port), tcp);
	listeners_fini(&l);
}

static void sockets_of_another_process_are_copied_back(void **state)
{
	struct child c = start("role", 0x7f000001, 0);
	struct listeners l = { 0 };

	(void)state;
	listeners_adopt(&l, c.pid);
	listeners_adopt(&l, c.pid); /* once */
	stop(&c);
	assert_int_equal(l.all.n, 1);
	assert_true(listeners_find(&l, ip_v4(0x7f000001), IPPROTO_TCP, c.port) >= 0);
	assert_true(accepts(0x7f000001, c.port)); /* nobody was refused meanwhile */
	listeners_adopt(&l, c.pid);               /* a process that is gone: nothing */
	assert_int_equal(l.all.n, 1);
	listeners_fini(&l);
}

static void assert_in_use(uint32_t ip, const struct child *by, const char *name)
{
	struct listeners l = { 0 };
	struct err err;
	int fd = -1;
	scoped_free char *want = mem_printf("in use by %s (pid %d)", name, by->pid);

	assert_int_equal(listeners_open(&l, ip_v4(ip), IPPROTO_TCP, by->port, false, &fd, &err),
	                 -ERR_EXISTS);
	if (!strstr(err.msg, want)) {
		fail_msg("wanted \"%s\", found \"%s\"", want, err.msg);
	}
	assert_int_equal(fd, -1);
	listeners_fini(&l);
}

static void who_holds_a_port_is_named(void **state)
{
	struct child c = start("my-web-server", 0x7f000001, 0);

	(void)state;
	assert_in_use(0x7f000001, &c, "my-web-server");
	stop(&c);
}

static void the_same_port_of_another_address_is_not_blamed(void **state)
{
	struct child one = start("innocent", 0x7f000002, 0);
	struct child two = start("culprit", 0x7f000003, one.port);
	struct child three = start("bystander", 0x7f000004, one.port);

	(void)state;
	assert_in_use(0x7f000003, &two, "culprit");
	assert_in_use(0x7f000002, &one, "innocent");
	stop(&one);
	stop(&two);
	stop(&three);
}

static void who_holds_a_port_of_every_address_is_named(void **state)
{
	struct child c =
		start("greedy", 0, free_port()); /* on loopback tests nobody else answers */

	(void)state;
	assert_in_use(0x7f000001, &c, "greedy");
	stop(&c);
}

static void a_reserved_one_is_known_as_such(void **state)
{
	struct listeners l = { 0 };
	uint16_t port = free_port();
	int fd;

	(void)state;
	assert_int_equal(listeners_open(&l, ip_v4(0x7f000001), IPPROTO_TCP, port, false, &fd, NULL),
	                 0);
	assert_false(listeners_is_reserved(&l, ip_v4(0x7f000001), port));
	listeners_reserve(&l, ip_v4(0x7f000001), port);
	assert_true(listeners_is_reserved(&l, ip_v4(0x7f000001), port));
	assert_false(listeners_is_reserved(&l, ip_v4(0x7f000002), port));
	listeners_fini(&l);
}

static void an_address_that_is_not_there_may_be_bound_early(void **state)
{
	struct listeners l = { 0 };
	struct ip elsewhere;
	int fd;

	(void)state;
	assert_true(ip_parse(SLICE("192.0.2.77"), &elsewhere));
	assert_true(listeners_open(&l, elsewhere, IPPROTO_TCP, 6443, false, &fd, NULL) < 0);
	assert_int_equal(listeners_open(&l, elsewhere, IPPROTO_TCP, 6443, true, &fd, NULL), 0);
	listeners_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_is_bound_once_and_kept),
		cmocka_unit_test(udp_ports_are_bound_beside_tcp_and_told_apart),
		cmocka_unit_test(sockets_of_another_process_are_copied_back),
		cmocka_unit_test(who_holds_a_port_is_named),
		cmocka_unit_test(the_same_port_of_another_address_is_not_blamed),
		cmocka_unit_test(who_holds_a_port_of_every_address_is_named),
		cmocka_unit_test(a_reserved_one_is_known_as_such),
		cmocka_unit_test(an_address_that_is_not_there_may_be_bound_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
