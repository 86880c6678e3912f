/* Why: measuring in one place; see line.h. */
#include "line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/ip.h"
#include "base/mem.h"
#include "host/netns.h"

#define STREAM_MIB 24
#define CHUNK      (256 << 10)

static void give_up(const char *what)
{
	fprintf(stderr, "net: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

double cpu_us(void)
{
	return now_us(CLOCK_PROCESS_CPUTIME_ID);
}

double wall_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

void line_init(struct line *l, const char *name, int ns, int listener, const char *ip, int port)
{
	struct ip parsed;
	struct sockaddr_storage to;

	if (!ip_parse(slice_of(ip), &parsed)) {
		give_up(ip);
	}
	(void)ip_to_sockaddr(parsed, (uint16_t)port, &to);
	*l = (struct line){ .name = name, .ns = ns, .listener = listener };
	memcpy(&l->to, &to, sizeof(l->to));
}

int line_listen(int ns, int port)
{
	scoped_visit struct netns_visit v = { -1 };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd;

	if (netns_enter(&v, ns, NULL) < 0 ||
	    (fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 64) < 0) {
		give_up("listen");
	}
	return fd;
}

/* ---- connections ---- */

static void connect_batch(struct line *l, int round)
{
	scoped_visit struct netns_visit v = { -1 };
	struct linger reset = { 1, 0 };
	double from;

	if (netns_enter(&v, l->ns, NULL) < 0) {
		give_up("enter a namespace");
	}
	from = cpu_us();
	for (int i = 0; i < LINE_BATCH; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
		double start;

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		start = wall_us();
		if (connect(fd, (struct sockaddr *)&l->to, sizeof(l->to)) < 0) {
			give_up(l->name);
		}
		l->wall_us[round * LINE_BATCH + i] = wall_us() - start;
		peer = accept(l->listener, NULL, NULL);
		close(fd);
		close(peer);
	}
	l->cpu_us[round] = (cpu_us() - from) / LINE_BATCH;
}

void lines_connect(struct line **lines, size_t n)
{
	for (int round = 0; round < LINE_ROUNDS; round++) {
		for (size_t i = 0; i < n; i++) {
			connect_batch(lines[i], round);
		}
	}
}

/* ---- streams ---- */

static void move(int from, int to, char *chunk, size_t *sent, size_t *received, size_t size)
{
	ssize_t n = *sent < size ? send(from, chunk, CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	if (n < 0 && errno != EAGAIN) {
		give_up("send");
	}
	*sent += n > 0 ? (size_t)n : 0;
	n = recv(to, chunk, CHUNK, *sent < size ? MSG_DONTWAIT : 0);
	if (n < 0 && errno != EAGAIN) {
		give_up("receive");
	}
	*received += n > 0 ? (size_t)n : 0;
}

static void stream(struct line *l, int round)
{
	scoped_visit struct netns_visit v = { -1 };
	scoped_free char *chunk = mem_realloc(NULL, CHUNK, 1);
	size_t sent = 0, received = 0, size = (size_t)STREAM_MIB << 20;
	double from;
	int fd, peer;

	memset(chunk, 0, CHUNK);
	if (netns_enter(&v, l->ns, NULL) < 0 ||
	    (fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
	    connect(fd, (struct sockaddr *)&l->to, sizeof(l->to)) < 0) {
		give_up(l->name);
	}
	peer = accept(l->listener, NULL, NULL);
	from = cpu_us();
	while (received < size) {
		move(fd, peer, chunk, &sent, &received, size);
	}
	l->cpu_us[round] = (cpu_us() - from) / STREAM_MIB;
	close(fd);
	close(peer);
}

void lines_stream(struct line **lines, size_t n)
{
	for (int round = 0; round < LINE_ROUNDS; round++) {
		for (size_t i = 0; i < n; i++) {
			stream(lines[i], round);
		}
	}
}

/* ---- results ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double at_part(double *values, size_t n, double part)
{
	qsort(values, n, sizeof(*values), compare);
	return values[(size_t)((double)(n - 1) * part)];
}

static double copy_at_part(const double *values, size_t n, double part)
{
	scoped_free double *copy = mem_realloc(NULL, n, sizeof(*copy));

	memcpy(copy, values, n * sizeof(*copy));
	return at_part(copy, n, part);
}

double line_cpu_us(const struct line *l, double part)
{
	return copy_at_part(l->cpu_us, LINE_ROUNDS, part);
}

double line_wall_us(const struct line *l, double part)
{
	return copy_at_part(l->wall_us, (size_t)LINE_ROUNDS * LINE_BATCH, part);
}
