/* Why: what the load balancer costs: bulk in one connection, many at once, short connections one
 * after another, and round trips, each beside the same client and server without it. Three
 * processes: server, balancer, client; all on this machine's cores, so that the ratio is an upper
 * bound of the cost. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <netinet/tcp.h>

#include "base/clock.h"
#include "base/mem.h"
#include "edge/listener.h"

enum { CHUNK = 256 << 10, ROUNDS = 3 };

static int listen_somewhere(uint16_t *ret_port)
{
	struct sockaddr_storage sa;
	struct ip ip;
	socklen_t len = ip_to_sockaddr(ip_v4(INADDR_LOOPBACK), 0, &sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0) {
		perror("listen");
		exit(1);
	}
	(void)ip_from_sockaddr((struct sockaddr *)&sa, &ip, ret_port);
	return fd;
}

static int dial(uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(ip_v4(INADDR_LOOPBACK), port, &sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) < 0) {
		perror("connect");
		exit(1);
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* One connection of the server: the first byte says what is wanted: 'b' and a count of MiB, or
 * echoes. */
static void serve(int fd, char *buf)
{
	ssize_t n = recv(fd, buf, CHUNK, 0);
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (n == 2 && buf[0] == 'b') {
		int64_t left = (int64_t)(uint8_t)buf[1] << 20;

		while (left > 0 && (n = send(fd, buf, CHUNK, MSG_NOSIGNAL)) > 0) {
			left -= n;
		}
		return;
	}
	while (n > 0 && send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n) {
		n = recv(fd, buf, CHUNK, 0);
	}
}

static pid_t start_server(int listen_fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		char *buf = mem_alloc(CHUNK);

		for (;;) {
			int fd = accept(listen_fd, NULL, NULL);

			serve(fd, buf);
			close(fd);
		}
	}
	return pid;
}

static pid_t start_balancer(int listen_fd, uint16_t port, uint16_t target_port)
{
	pid_t pid = fork();

	if (pid == 0) {
		const struct ip local = ip_v4(INADDR_LOOPBACK);
		struct loop *l = loop_new();
		const struct target_address target = { local, target_port };
		struct listener *listener;
		struct err err;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (listener_start(relay_pool_new(l), l,
		                   &(struct listener_spec){ .ip = local,
		                                            .port = port,
		                                            .fd = listen_fd,
		                                            .protocol = IPPROTO_TCP,
		                                            .idle_us = 60 * US_PER_S,
		                                            .targets = { .at = &target,
		                                                         .n = 1,
		                                                         .protocol = IPPROTO_TCP,
		                                                         .unchecked = true } },
		                   &listener, &err) < 0) {
			fprintf(stderr, "%s\n", err.msg);
			_exit(1);
		}
		loop_run(l);
		_exit(0);
	}
	return pid;
}

/* MB/s of one download. */
static double bulk(uint16_t port)
{
	static char buf[CHUNK];
	const char ask[2] = { 'b', (char)200 };
	int64_t total = 0, begin = clock_mono_us();
	int fd = dial(port);
	ssize_t n;

	if (send(fd, ask, 2, 0) != 2) {
		exit(1);
	}
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		total += n;
	}
	close(fd);
	return (double)total / (double)(clock_mono_us() - begin);
}

/* Connections a second: open, one byte there and back, close. */
static double connections(uint16_t port)
{
	enum { N = 3000 };
	int64_t begin = clock_mono_us();

	for (int i = 0; i < N; i++) {
		int fd = dial(port);
		char c = 'x';

		if (send(fd, &c, 1, 0) != 1 || recv(fd, &c, 1, 0) != 1) {
			exit(1);
		}
		relay_reset_fd(fd);
	}
	return N * 1e6 / (double)(clock_mono_us() - begin);
}

/* Microseconds of a round trip of 1 KiB on an open connection. */
static double round_trip(uint16_t port)
{
	enum { N = 10000 };
	char buf[1024] = "x";
	int fd = dial(port);
	int64_t begin = clock_mono_us();

	for (int i = 0; i < N; i++) {
		if (send(fd, buf, sizeof(buf), 0) != sizeof(buf) ||
		    recv(fd, buf, sizeof(buf), MSG_WAITALL) != sizeof(buf)) {
			exit(1);
		}
	}
	close(fd);
	return (double)(clock_mono_us() - begin) / N;
}

static double best(double (*measure)(uint16_t port), uint16_t port, bool more_is_better)
{
	double found = measure(port);

	for (int i = 1; i < ROUNDS; i++) {
		double v = measure(port);

		found = (v > found) == more_is_better ? v : found;
	}
	return found;
}

static void report(const char *name, const char *unit, double (*measure)(uint16_t port),
                   uint16_t balanced, uint16_t direct, bool more_is_better)
{
	double peer = best(measure, direct, more_is_better),
	       ours = best(measure, balanced, more_is_better);

	printf("%s %.1f %s %.2f direct\n", name, ours, unit, ours / peer);
	fflush(stdout);
}

/* CPU milliseconds that the process has used, by its own clock: other load does not change them. */
static double cpu_ms(pid_t pid)
{
	clockid_t clock;
	struct timespec t;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0) {
		return 0;
	}
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(void)
{
	uint16_t direct, balanced;
	int server_fd = listen_somewhere(&direct), balancer_fd = listen_somewhere(&balanced);
	pid_t server = start_server(server_fd),
	      balancer = start_balancer(balancer_fd, balanced, direct);
	struct rusage use;

	double before = cpu_ms(balancer);

	for (int i = 0; i < 5; i++) {
		(void)bulk(balanced); /* 200 MiB each */
	}
	printf("balancer/cpu_per_gib %.1f ms\n", (cpu_ms(balancer) - before) * 1024 / 1000);
	report("balancer/bulk", "MB/s", bulk, balanced, direct, true);
	report("balancer/connections", "1/s", connections, balanced, direct, true);
	report("balancer/round_trip", "us", round_trip, balanced, direct, false);
	kill(server, SIGKILL);
	kill(balancer, SIGKILL);
	(void)wait4(balancer, NULL, 0, &use);
	printf("balancer/memory %.1f MB\n", (double)use.ru_maxrss / 1024);
	return 0;
}
