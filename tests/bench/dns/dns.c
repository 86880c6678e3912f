/* Why: how many questions a second the DNS server answers on one core with 10,000 services, and how
 * long one waits; beside it an echo server with the same system calls, which is what the machine
 * can do at all. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/json.h"
#include "dns/message.h"
#include "dns/server.h"

enum {
	SERVICES = 10000,
	WINDOW = 64, /* questions on their way */
	BATCH = 32,  /* datagrams a call */
	SINGLES = 20000,
	PACKET = 512,
};
static const int64_t run_us = 2 * US_PER_S;

/* ---- servers, each a process of its own ---- */

static void put_services(struct model *m)
{
	for (unsigned i = 0; i < SERVICES; i++) {
		scoped_free char *text =
			mem_printf("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{"
		                   "\"name\":\"s%u\",\"namespace\":"
		                   "\"n%u\"},\"spec\":{\"clusterIP\":\"10.1.%u.%u\",\"ports\":[{"
		                   "\"name\":\"http\",\"port\":80}]}}",
		                   i, i % 50, i / 256, i % 256);
		scoped_doc struct doc *d = NULL;

		must(json_parse_doc(slice_of(text), 0, &d, NULL) == 0);
		model_put(m, d);
	}
}

/* port 0: any, which is told to port_fd. */
static void serve(uint16_t port, int port_fd)
{
	struct loop *l = loop_new();
	struct model *m = model_new();
	struct dns_server_config c = {
		.loop = l, .model = m, .address = ip_v4(0x7f000001), .port = port
	};
	struct dns_server *s;

	put_services(m);
	must(dns_server_new(&c, &s, NULL) == 0);
	dns_server_set_synced(s, true);
	port = dns_server_port(s);
	must(port_fd < 0 || write(port_fd, &port, sizeof(port)) == sizeof(port));
	loop_run(l);
}

static void serve_any(int port_fd)
{
	serve(0, port_fd);
}

static int bound_socket(uint16_t *ret_port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(bind(fd, (struct sockaddr *)&sa, len) == 0);
	must(getsockname(fd, (struct sockaddr *)&sa, &len) == 0);
	*ret_port = ntohs(sa.sin_port);
	return fd;
}

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in from[BATCH];
	uint8_t bytes[BATCH][PACKET];
};

static int receive(int fd, struct batch *b, bool with_names)
{
	for (size_t i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){ b->bytes[i], PACKET };
		b->messages[i].msg_hdr = (struct msghdr){ .msg_iov = &b->iov[i], .msg_iovlen = 1 };
		if (with_names) {
			b->messages[i].msg_hdr.msg_name = &b->from[i];
			b->messages[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
		}
	}
	return recvmmsg(fd, b->messages, BATCH, MSG_WAITFORONE, NULL);
}

static void echo(int port_fd)
{
	static struct batch b;
	uint16_t port;
	int fd = bound_socket(&port);

	must(write(port_fd, &port, sizeof(port)) == sizeof(port));
	for (;;) {
		int n = receive(fd, &b, true);

		for (int i = 0; i < n; i++) {
			b.iov[i].iov_len = b.messages[i].msg_len;
		}
		if (n > 0) {
			(void)sendmmsg(fd, b.messages, (unsigned)n, 0);
		}
	}
}

static pid_t start(void (*run)(int port_fd), uint16_t *ret_port)
{
	int fds[2];
	pid_t pid;

	must(pipe(fds) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		run(fds[1]);
		_exit(0);
	}
	must(read(fds[0], ret_port, sizeof(*ret_port)) == sizeof(*ret_port));
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- the client ---- */

typedef void name_fn(char *buf, size_t size, unsigned i);

static void known_name(char *buf, size_t size, unsigned i)
{
	i = i * 7919 % SERVICES;
	snprintf(buf, size, "s%u.n%u.svc.cluster.local.", i, i % 50);
}

/* What a search path makes of a name outside: the most frequent question of all. */
static void missing_name(char *buf, size_t size, unsigned i)
{
	snprintf(buf, size, "api%u.example.com.n%u.svc.cluster.local.", i % 1000, i % 50);
}

static size_t question(name_fn *name, unsigned i, uint8_t *to)
{
	struct dns_query q = { .type = KNOT_RRTYPE_A, .qclass = KNOT_CLASS_IN };
	uint8_t wire[DNS_NAME_SIZE];
	char text[DNS_NAME_SIZE];

	name(text, sizeof(text), i);
	must(knot_dname_from_str(wire, text, sizeof(wire)) && query_rename(&q, wire));
	return question_write(&q, (uint16_t)i, false, to, PACKET);
}

static int connected_socket(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(0x7f000001),
		                  .sin_port = htons(port) };
	struct timeval patience = { .tv_sec = 2 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	return fd;
}

static uint8_t questions[1024][PACKET]; /* made beforehand */
static size_t sizes[1024];

static void make_questions(name_fn *name)
{
	for (unsigned i = 0; i < 1024; i++) {
		sizes[i] = question(name, i, questions[i]);
	}
}

static void send_some(int fd, struct batch *b, unsigned *next, int n)
{
	for (int i = 0; i < n; i++, (*next)++) {
		b->iov[i] = (struct iovec){ questions[*next % 1024], sizes[*next % 1024] };
		b->messages[i].msg_hdr = (struct msghdr){ .msg_iov = &b->iov[i], .msg_iovlen = 1 };
	}
	for (int sent = 0; sent < n;) {
		int r = sendmmsg(fd, b->messages + sent, (unsigned)(n - sent), 0);

		must(r > 0);
		sent += r;
	}
}

/* Answers a second with WINDOW questions on their way. */
static double throughput(uint16_t port)
{
	static struct batch out, in;
	int fd = connected_socket(port);
	int64_t start_us = clock_mono_us();
	unsigned next = 0;
	double got = 0;

	for (int i = 0; i < WINDOW / BATCH; i++) {
		send_some(fd, &out, &next, BATCH);
	}
	while (clock_mono_us() - start_us < run_us) {
		int n = receive(fd, &in, false);

		must(n > 0);
		got += n;
		send_some(fd, &out, &next, n);
	}
	close(fd);
	return got * (double)US_PER_S / (double)(clock_mono_us() - start_us);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Microseconds from question to answer, one at a time. */
static void latency(uint16_t port, double *ret_p50, double *ret_p99)
{
	static double took[SINGLES];
	uint8_t buf[PACKET];
	int fd = connected_socket(port);

	for (unsigned i = 0; i < SINGLES; i++) {
		struct timespec from, to;

		clock_gettime(CLOCK_MONOTONIC, &from);
		must(send(fd, questions[i % 1024], sizes[i % 1024], 0) > 0 &&
		     recv(fd, buf, sizeof(buf), 0) > 0);
		clock_gettime(CLOCK_MONOTONIC, &to);
		took[i] = (double)(to.tv_sec - from.tv_sec) * 1e6 +
		          (double)(to.tv_nsec - from.tv_nsec) / 1e3;
	}
	close(fd);
	qsort(took, SINGLES, sizeof(*took), by_value);
	*ret_p50 = took[SINGLES / 2];
	*ret_p99 = took[SINGLES * 99 / 100];
}

int main(int argc, char **argv)
{
	uint16_t dns_port, echo_port;
	double plain, rate, p50, p99, peer_p50, peer_p99;
	pid_t dns, peer;

	if (argc == 3 && strcmp(argv[1], "serve") == 0) {
		uint64_t port;

		must(slice_to_u64(slice_of(argv[2]), &port) && port <= UINT16_MAX);
		serve((uint16_t)port, -1);
		return 0;
	}
	dns = start(serve_any, &dns_port);
	peer = start(echo, &echo_port);

	make_questions(known_name);
	plain = throughput(echo_port);
	rate = throughput(dns_port);
	printf("dns_names %.0f answers/s %.2f udp-echo\n", rate, rate / plain);
	latency(echo_port, &peer_p50, &peer_p99);
	latency(dns_port, &p50, &p99);
	printf("dns_latency_p50 %.1f us %.2f udp-echo\n", p50, p50 / peer_p50);
	printf("dns_latency_p99 %.1f us %.2f udp-echo\n", p99, p99 / peer_p99);
	make_questions(missing_name);
	rate = throughput(dns_port);
	printf("dns_missing_names %.0f answers/s %.2f udp-echo\n", rate, rate / plain);
	stop(dns);
	stop(peer);
	return 0;
}
