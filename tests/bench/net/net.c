/* Why: what services and pods cost, whatever their number: a connection through a service beside one straight to the
 * pod, a change of endpoints, a pod's network, a restart. Real packets between namespaces, one process. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/netns.h"

#define A               "10.244.0.2"
#define B               "10.244.0.3"
#define CLIENT          "10.244.0.9"
#define ENDPOINTS(list) "[{addresses: [" list "], conditions: {ready: true}}]"
#define CONNECTIONS     3000
#define UPDATES         60

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int64_t median(int64_t *at, size_t n)
{
	qsort(at, n, sizeof(*at), compare);
	return at[n / 2];
}

static int blocking_socket(int ns)
{
	scoped_visit struct netns_visit v = { -1 };

	if (netns_enter(&v, ns, NULL) < 0) {
		exit(1);
	}
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int listening(int ns)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(8080) };
	int fd = blocking_socket(ns);

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 64) < 0) {
		exit(1);
	}
	return fd;
}

/* Nanoseconds of a connect() that succeeded, half of all are faster. */
static int64_t connect_ns(int ns, int listener, const char *ip, int port)
{
	static int64_t took[CONNECTIONS];
	struct linger reset = { 1, 0 };
	struct sockaddr_storage to;
	socklen_t len = ip_to_sockaddr(ip_of(ip), (uint16_t)port, &to);

	for (int i = 0; i < CONNECTIONS; i++) {
		int fd = blocking_socket(ns), peer;
		struct timespec from, till;

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		clock_gettime(CLOCK_MONOTONIC, &from);
		if (connect(fd, (struct sockaddr *)&to, len) < 0) {
			perror("connect");
			exit(1);
		}
		clock_gettime(CLOCK_MONOTONIC, &till);
		took[i] = (till.tv_sec - from.tv_sec) * INT64_C(1000000000) + till.tv_nsec -
		          from.tv_nsec;
		peer = accept(listener, NULL, NULL);
		close(fd);
		close(peer);
	}
	return median(took, CONNECTIONS);
}

static void add_services(struct world *w, int from, int to)
{
	for (int i = from; i < to; i++) {
		char name[16], spec[160];

		snprintf(name, sizeof(name), "s%d", i);
		snprintf(spec, sizeof(spec),
		         "{clusterIP: 10.1.%d.%d, clusterIPs: [10.1.%d.%d], ports: [{port: 80}]}",
		         i / 250, 1 + i % 250, i / 250, 1 + i % 250);
		put_service(w, name, spec);
		put_slice(w, name, "TCP", 8080, ENDPOINTS(A));
	}
}

static int64_t update_us(struct world *w)
{
	struct dataplane_stats before = dataplane_stats(w->d);
	int64_t took[UPDATES];

	for (int i = 0; i < UPDATES; i++) {
		put_slice(w, "s0", "TCP", 8080, i % 2 ? ENDPOINTS(A) : ENDPOINTS(B));
		took[i] = clock_mono_us();
		world_sync(w);
		took[i] = clock_mono_us() - took[i];
	}
	/* A slot deleted and added, each time. */
	if (dataplane_stats(w->d).elements - before.elements < 2 * UPDATES - 2) {
		fprintf(stderr, "net: updates changed nothing\n");
		exit(1);
	}
	return median(took, UPDATES);
}

static int64_t attach_us(struct world *w)
{
	int64_t took[20];

	for (int i = 0; i < 20; i++) {
		char name[16], ip[16];

		snprintf(name, sizeof(name), "p%d", i);
		snprintf(ip, sizeof(ip), "10.244.0.%d", 100 + i);
		took[i] = clock_mono_us();
		add_pod(w, "default", name, ip, "{app: many}");
		took[i] = clock_mono_us() - took[i];
	}
	return median(took, 20);
}

static void at(struct world *w, int n, int listener, int64_t direct)
{
	int64_t service, start;

	world_wait_ms(w, 200);
	service = connect_ns(pod_ns(w, CLIENT), listener, "10.1.0.1", 80);
	printf("net.connect.service.%d %.1f us %.2f direct\n", n, (double)service / 1000,
	       (double)service / (double)direct);
	printf("net.endpoint.update.%d %lld us\n", n, (long long)update_us(w));
	world_wait_ms(w, 200);
	start = clock_mono_us();
	(void)world_restart(w);
	printf("net.restart.%d %.1f ms\n", n, (double)(clock_mono_us() - start) / 1000);
	fflush(stdout);
}

int main(void)
{
	struct world *w = world_new();
	int listener = listening(add_pod(w, "default", "a", A, "{app: a}"));
	int64_t direct, start;

	close(listening(add_pod(w, "default", "b", B, "{app: b}")));
	add_pod(w, "default", "client", CLIENT, "{app: client}");
	add_services(w, 0, 1);
	world_sync(w);
	world_wait_ms(w, 200);
	direct = connect_ns(pod_ns(w, CLIENT), listener, A, 8080);
	printf("net.connect.direct %.1f us\n", (double)direct / 1000);
	at(w, 1, listener, direct);
	add_services(w, 1, 10000);
	start = clock_mono_us();
	world_sync(w);
	printf("net.services.add.9999 %.1f ms\n", (double)(clock_mono_us() - start) / 1000);
	at(w, 10000, listener, direct);
	printf("net.pod.attach %lld us\n", (long long)attach_us(w));
	close(listener);
	world_free(w);
	return 0;
}
