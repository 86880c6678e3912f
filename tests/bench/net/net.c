/* Why: what services and policies cost, whatever their number, beside the same box without any rules
 * and beside kube-proxy's layout, all in one run. Real packets between namespaces.
 *
 *     client ── node ── server        bare: no rules; kube-proxy: its rules; else kennel's
 *
 * Of kennel there are three lines: direct to the pod's address, and through a service by eBPF and by
 * nftables (from a second client whose sockets are left alone). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/bpf.h"
#include "host/netns.h"
#include "host/nft.h"
#include "kubeproxy.h"
#include "line.h"
#include "world.h"

#define A               "10.244.0.2"
#define B               "10.244.0.3"
#define CLIENT          "10.244.0.9"
#define CLIENT2         "10.244.0.10"
#define ENDPOINTS(list) "[{addresses: [" list "], conditions: {ready: true}}]"
#define UPDATES         200
#define POLICIES        1000

/* ---- boxes ---- */

struct box {
	struct world *w;
	int listener, other; /* at A and at B; owned */
};

static struct box box_new(bool sockets)
{
	struct box b;

	if (sockets) {
		setenv("TEST_SOCKETS", "1", 1);
	} else {
		unsetenv("TEST_SOCKETS");
	}
	b.w = world_new();
	b.listener = line_listen(add_pod(b.w, "default", "a", A, "{app: a}"), 8080);
	b.other = line_listen(add_pod(b.w, "default", "b", B, "{app: b}"), 8080);
	add_pod(b.w, "default", "client", CLIENT, "{app: client}");
	add_pod(b.w, "default", "client2", CLIENT2, "{app: client}");
	return b;
}

static void box_free(struct box *b)
{
	close(b->listener);
	close(b->other);
	world_free(b->w);
}

static void remove_rules(struct box *b)
{
	struct err err = { 0 };
	struct nft *n;

	if (nft_open(b->w->node, IP_V4, "kennel", &n, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	nft_table_delete(n);
	if (nft_commit(n, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	nft_close(n);
}

/* The second client's sockets are none of the balancer's business from here on. */
static void leave_sockets_alone(struct box *b)
{
	scoped_fd int program = -1, clients = -1;
	uint64_t cookie;

	if (!bpf_program_find(b->w->cgroup, BPF_CGROUP_INET4_CONNECT, "kn_", &program) ||
	    !bpf_program_map(program, "clients", &clients) ||
	    netns_cookie(pod_ns(b->w, CLIENT2), &cookie, NULL) < 0 ||
	    bpf_map_drop(clients, &cookie, NULL) < 0) {
		fail_msg("the second client cannot be left alone");
	}
}

static void put_services(struct box *b, int from, int to)
{
	for (int i = from; i < to; i++) {
		char name[16], spec[160], ip[16];

		box_service_ip(i, ip);
		snprintf(name, sizeof(name), "s%d", i);
		snprintf(spec, sizeof(spec),
		         "{clusterIP: %s, clusterIPs: [%s], ports: [{port: 80}]}", ip, ip);
		put_service(b->w, name, spec);
		/* The first is the one that is measured. */
		put_slice(b->w, name, "TCP", 8080, i == 0 ? ENDPOINTS(A) : ENDPOINTS(A ", " B));
	}
}

/* Each names a label that pods have, and ports; the client's way stays open. */
static void put_policies(struct box *b, int n)
{
	world_put(b->w, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: "
	                "open, namespace: default}, spec: {podSelector: {matchLabels: {app: a}}, "
	                "policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: "
	                "{app: client}}}], ports: [{port: 8080}]}]}}");
	for (int i = 0; i < n - 1; i++) {
		world_put(b->w,
		          "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: "
		          "{name: p%d, namespace: default}, spec: {podSelector: {matchLabels: "
		          "{app: %s}}, policyTypes: [Ingress, Egress], ingress: [{from: "
		          "[{ipBlock: {cidr: 10.%d.%d.0/24}}], ports: [{port: %d}]}], egress: "
		          "[{}]}}",
		          i, i % 2 ? "a" : "client", 2 + i / 250, i % 250, 1000 + i);
	}
}

/* ---- connections ---- */

static void print_line(const struct line *l, int n, const struct line *peer)
{
	double cpu = line_cpu_us(l, 0.5);

	printf("net.connect.cpu.%s.%d %.2f us %.3f %s\n", l->name, n, cpu,
	       cpu / line_cpu_us(peer, 0.5), peer->name);
	printf("net.connect.rate.%s.%d %.0f /cpu-s\n", l->name, n, 1e6 / cpu);
	printf("net.connect.p50.%s.%d %.1f us\n", l->name, n, line_wall_us(l, 0.5));
	printf("net.connect.p99.%s.%d %.1f us\n", l->name, n, line_wall_us(l, 0.99));
}

struct boxes {
	struct box bare, peer, kennel;
};

static void measure_connections(struct boxes *b, int n)
{
	static struct line bare, direct, ebpf, nftables, peer;
	struct line *lines[] = { &bare, &direct, &ebpf, &nftables, &peer };
	struct world *w = b->kennel.w;
	char ip[16];

	box_service_ip(0, ip);
	line_init(&bare, "bare", pod_ns(b->bare.w, CLIENT), b->bare.listener, A, 8080);
	line_init(&direct, "direct", pod_ns(w, CLIENT), b->kennel.listener, A, 8080);
	line_init(&ebpf, "ebpf", pod_ns(w, CLIENT), b->kennel.listener, ip, 80);
	line_init(&nftables, "nftables", pod_ns(w, CLIENT2), b->kennel.listener, ip, 80);
	line_init(&peer, "kube-proxy", pod_ns(b->peer.w, CLIENT), b->peer.listener, ip, 80);
	lines_connect(lines, sizeof(lines) / sizeof(lines[0]));
	print_line(&bare, n, &bare);
	print_line(&direct, n, &bare);
	print_line(&ebpf, n, &direct);
	print_line(&nftables, n, &direct);
	print_line(&peer, n, &bare);
	fflush(stdout);
}

/* ---- changes ---- */

static int compare_change(struct box *b, int i, double *ret_sync_us, double *ret_packet_us)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };
	scoped_visit struct netns_visit v = { -1 };
	double from = wall_us();
	char ip[16];
	int fd, peer;

	to.sin_addr.s_addr = htonl(ip_to_v4(ip_of(box_service_ip(0, ip))));
	put_slice(b->w, "s0", "TCP", 8080, i % 2 ? ENDPOINTS(A) : ENDPOINTS(B));
	*ret_sync_us = wall_us();
	world_sync(b->w);
	*ret_sync_us = wall_us() - *ret_sync_us;
	if (netns_enter(&v, pod_ns(b->w, CLIENT), NULL) < 0) {
		return -1;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		return -1;
	}
	*ret_packet_us = wall_us() - from;
	peer = accept4(i % 2 ? b->listener : b->other, NULL, NULL, SOCK_NONBLOCK);
	close(fd);
	if (peer < 0) {
		return -1; /* somebody else got it */
	}
	close(peer);
	return 0;
}

static void measure_changes(struct box *b, int n)
{
	struct dataplane_stats before = dataplane_stats(b->w->d);
	double sync[UPDATES], packet[UPDATES];

	for (int i = 0; i < UPDATES; i++) {
		if (compare_change(b, i, &sync[i], &packet[i]) < 0) {
			fprintf(stderr, "net: a changed endpoint was not used\n");
			exit(1);
		}
	}
	/* A slot deleted and added, each time. */
	if (dataplane_stats(b->w->d).elements - before.elements < 2 * UPDATES - 2) {
		fprintf(stderr, "net: updates changed nothing\n");
		exit(1);
	}
	printf("net.endpoint.sync.%d %.0f us\n", n, at_part(sync, UPDATES, 0.5));
	printf("net.endpoint.sync.p99.%d %.0f us\n", n, at_part(sync, UPDATES, 0.99));
	printf("net.endpoint.packet.%d %.0f us\n", n, at_part(packet, UPDATES, 0.5));
	printf("net.endpoint.packet.p99.%d %.0f us\n", n, at_part(packet, UPDATES, 0.99));
	put_slice(b->w, "s0", "TCP", 8080, ENDPOINTS(A));
	world_sync(b->w);
}

static void measure_restart(struct box *b, int n)
{
	double from = wall_us(), cpu = cpu_us();

	(void)world_restart(b->w);
	printf("net.restart.%d %.1f ms\n", n, (wall_us() - from) / 1000);
	printf("net.restart.cpu.%d %.1f ms\n", n, (cpu_us() - cpu) / 1000);
}

/* ---- loading and memory ---- */

static double number_in(const char *path, const char *key)
{
	scoped_file FILE *f = fopen(path, "re");
	char line[256];
	double n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)) == 0) {
			n = strtod(line + strlen(key), NULL);
		}
	}
	return n;
}

/* Bytes that the kernel charges for the maps this process holds. */
static double map_bytes(void)
{
	double sum = 0;

	for (int fd = 3; fd < 256; fd++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		sum += number_in(path, "map_type:") ? number_in(path, "memlock:") : 0;
	}
	return sum;
}

static double rss_kib(void)
{
	return number_in("/proc/self/status", "VmRSS:");
}

static void measure_load(bool sockets, int n)
{
	const char *name = sockets ? "ebpf" : "nftables";
	struct box b = box_new(sockets);
	double wall, cpu, rss;

	put_services(&b, 0, n);
	world_wait_ms(b.w, 200);
	rss = rss_kib();
	cpu = cpu_us();
	wall = wall_us();
	world_sync(b.w);
	printf("net.load.%s.%d %.1f ms\n", name, n, (wall_us() - wall) / 1000);
	printf("net.load.cpu.%s.%d %.1f ms\n", name, n, (cpu_us() - cpu) / 1000);
	printf("net.load.rss.%s.%d %.1f MiB\n", name, n, (rss_kib() - rss) / 1024);
	if (sockets) {
		printf("net.load.maps.%s.%d %.1f MiB\n", name, n, map_bytes() / (1 << 20));
	}
	fflush(stdout);
	box_free(&b);
}

/* ---- one stream ---- */

static void print_stream(const struct line *l, const struct line *peer)
{
	double cpu = line_cpu_us(l, 0.5);

	printf("net.stream.%s %.0f MiB/cpu-s %.3f %s\n", l->name, 1e6 / cpu,
	       line_cpu_us(peer, 0.5) / cpu, peer->name);
}

static void measure_streams(struct boxes *b)
{
	static struct line bare, direct, ebpf, nftables, peer, policies;
	struct line *lines[] = { &bare, &direct, &ebpf, &nftables, &peer, &policies };
	struct box many = box_new(false); /* one box at a time has sockets */
	struct world *w = b->kennel.w;
	char ip[16];

	put_services(&many, 0, 1);
	put_policies(&many, POLICIES);
	world_sync(many.w);
	world_wait_ms(many.w, 200);
	box_service_ip(0, ip);
	line_init(&bare, "bare", pod_ns(b->bare.w, CLIENT), b->bare.listener, A, 8080);
	line_init(&direct, "direct", pod_ns(w, CLIENT), b->kennel.listener, A, 8080);
	line_init(&ebpf, "ebpf", pod_ns(w, CLIENT), b->kennel.listener, ip, 80);
	line_init(&nftables, "nftables", pod_ns(w, CLIENT2), b->kennel.listener, ip, 80);
	line_init(&peer, "kube-proxy", pod_ns(b->peer.w, CLIENT), b->peer.listener, ip, 80);
	line_init(&policies, "policies-1000", pod_ns(many.w, CLIENT), many.listener, ip, 80);
	lines_stream(lines, sizeof(lines) / sizeof(lines[0]));
	print_stream(&bare, &bare);
	print_stream(&direct, &bare);
	print_stream(&ebpf, &direct);
	print_stream(&nftables, &direct);
	print_stream(&peer, &bare);
	print_stream(&policies, &nftables);
	fflush(stdout);
	box_free(&many);
}

static void measure_pods(struct box *b)
{
	double took[20];

	for (int i = 0; i < 20; i++) {
		char name[16], ip[16];

		snprintf(name, sizeof(name), "p%d", i);
		snprintf(ip, sizeof(ip), "10.244.0.%d", 100 + i);
		took[i] = wall_us();
		add_pod(b->w, "default", name, ip, "{app: many}");
		took[i] = wall_us() - took[i];
	}
	printf("net.pod.attach %.0f us\n", at_part(took, 20, 0.5));
}

int main(void)
{
	static const int sizes[] = { 1, 1000, 10000, 30000 };
	struct boxes b = { .bare = box_new(false), .peer = box_new(false) };
	int had = 0;

	/* First, while this process has no memory that it could use again. */
	measure_load(false, 30000);
	measure_load(true, 30000);
	remove_rules(&b.bare);
	remove_rules(&b.peer);
	b.kennel = box_new(true);
	world_sync(b.kennel.w);
	leave_sockets_alone(&b.kennel);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		put_services(&b.kennel, had, sizes[i]);
		had = sizes[i];
		world_sync(b.kennel.w);
		printf("net.load.kube-proxy.%d %.1f ms\n", had,
		       kubeproxy_load(b.peer.w->node, had) / 1000);
		world_wait_ms(b.kennel.w, 200);
		measure_connections(&b, had);
		if (i == 0) {
			measure_streams(&b);
		}
		if (had == 10000) {
			put_policies(&b.kennel, POLICIES);
			world_sync(b.kennel.w);
			world_wait_ms(b.kennel.w, 200);
		}
		if (had != 1000) {
			measure_changes(&b.kennel, had);
		}
	}
	measure_restart(&b.kennel, had);
	measure_pods(&b.kennel);
	box_free(&b.kennel);
	box_free(&b.peer);
	box_free(&b.bare);
	return 0;
}
