/* Why: what is particular to balancing at sockets: who is balanced and who is not, what the program
 * behind the socket sees, datagrams without connect, what stays when this process dies. What both
 * ways must do alike is in services.c. */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/socket-address.h"
#include "host/bpf.h"
#include "host/cgroup2.h"
#include "host/netns.h"

#define A      "10.244.0.2"
#define B      "10.244.0.3"
#define CLIENT "10.244.0.9"
#define VIP    "10.1.0.20"
#define DNS    "10.0.0.10"

#define READY(ip)                                                                                  \
	"{addresses: [" ip                                                                         \
	"], nodeName: node-1, conditions: {ready: true, serving: true, terminating: false}}"

static int setup(void **state)
{
	struct world *w = world_new();

	*state = w;
	serve(w, add_pod(w, "default", "a", A, "{app: web}"), "a", false, 8080);
	serve(w, add_pod(w, "default", "b", B, "{app: web}"), "b", false, 8080);
	serve(w, pod_ns(w, A), "a", true, 5300);
	serve(w, pod_ns(w, B), "b", true, 5300);
	add_pod(w, "default", "client", CLIENT, "{app: client}");
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static int two(void **state)
{
	struct world *w = *state;

	put_service(w, "web",
	            "{clusterIP: " VIP ", clusterIPs: [" VIP
	            "], type: NodePort, ports: [{port: 80, nodePort: 30080}]}");
	put_slice(w, "web", "TCP", 8080, "[" READY(A) ", " READY(B) "]");
	put_service(w, "dns",
	            "{clusterIP: " DNS ", clusterIPs: [" DNS
	            "], ports: [{port: 53, protocol: UDP}]}");
	put_slice(w, "dns", "UDP", 5300, "[" READY(A) ", " READY(B) "]");
	world_sync(w);
	return 0;
}

static void take_count(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	(void)bytes;
	if (strcmp(name, "balance-socket") == 0) {
		*(uint64_t *)arg = packets;
	}
}

static int balanced(struct world *w)
{
	uint64_t n = 0;

	assert_int_equal(dataplane_each_counter(w->d, take_count, &n, NULL), 0);
	return (int)n;
}

/* ---- who is balanced ---- */

static void pods_and_the_node_are_balanced_at_their_sockets(void **state)
{
	struct world *w = *state;
	int before = balanced(w);

	assert_int_equal(strlen(probe_name(w, pod_ns(w, CLIENT), false, VIP, 80)), 1);
	assert_int_equal(strlen(probe_name(w, pod_ns(w, CLIENT), false, NODE_IP, 30080)), 1);
	assert_int_equal(strlen(probe_name(w, w->node, false, VIP, 80)), 1);
	assert_int_equal(balanced(w) - before, 3);
}

static void sockets_elsewhere_are_left_to_packets(void **state)
{
	struct world *w = *state;
	int before = balanced(w);

	assert_int_equal(strlen(probe_name(w, w->outside, false, NODE_IP, 30080)), 1);
	assert_int_equal(balanced(w), before);
}

static void what_has_no_endpoint_is_left_to_packets(void **state)
{
	struct world *w = *state;
	int before = balanced(w);

	put_slice(w, "web", "TCP", 8080, "[]");
	world_sync(w);
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, VIP, 80), "refused");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, VIP, 81), "refused");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, "10.1.0.99", 80), "timeout");
	assert_int_equal(balanced(w), before);
}

/* A process that is in another cgroup when it opens its socket. */
static void sockets_of_other_cgroups_are_left_to_packets(void **state)
{
	struct world *w = *state;
	int before = balanced(w), status, root;
	pid_t pid = fork();

	if (pid == 0) {
		if (cgroup2_open("/", false, &root, NULL) < 0 || cgroup2_enter(root, NULL) < 0) {
			_exit(2);
		}
		_exit(strlen(probe_name(w, pod_ns(w, CLIENT), false, VIP, 80)) == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(balanced(w), before);
}

static void localhost_is_the_node_in_the_nodes_network_only(void **state)
{
	struct world *w = *state;

	assert_int_equal(strlen(probe_name(w, w->node, false, "127.0.0.1", 30080)), 1);
	assert_string_equal(probe(w, w->node, false, "127.0.0.1", 30081), "refused");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, "127.0.0.1", 30080), "refused");
}

/* ---- what a program sees ---- */

static void the_peer_is_the_service_that_was_asked_for(void **state)
{
	struct world *w = *state;
	int fd = open_connection(w, pod_ns(w, CLIENT), false, VIP, 80);
	struct sockaddr_in at = { 0 };
	socklen_t size = sizeof(at);

	assert_true(fd >= 0);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&at, &size), 0);
	assert_string_equal(inet_ntoa(at.sin_addr), VIP);
	assert_int_equal(ntohs(at.sin_port), 80);
	assert_int_equal(strcspn(ask(w, fd), " "), 1);
	close(fd);
	fd = open_connection(w, pod_ns(w, CLIENT), false, A, 8080);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&at, &size), 0);
	assert_string_equal(inet_ntoa(at.sin_addr), A);
	close(fd);
}

static int socket_of(int ns, int family, int kind)
{
	scoped_visit struct netns_visit v = { -1 };
	int fd;

	assert_int_equal(netns_enter(&v, ns, NULL), 0);
	fd = socket(family, kind | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

static struct sockaddr_in6 mapped(const char *ip, int port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	char text[64];

	snprintf(text, sizeof(text), "::ffff:%s", ip);
	assert_int_equal(inet_pton(AF_INET6, text, &at.sin6_addr), 1);
	return at;
}

static void an_ipv6_socket_speaks_ipv4(void **state)
{
	struct world *w = *state;
	int fd = socket_of(pod_ns(w, CLIENT), AF_INET6, SOCK_STREAM), before = balanced(w);
	struct sockaddr_in6 to = mapped(VIP, 80), at;
	socklen_t size = sizeof(at);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(balanced(w), before + 1);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&at, &size), 0);
	assert_memory_equal(&at.sin6_addr, &to.sin6_addr, sizeof(at.sin6_addr));
	assert_int_equal(ntohs(at.sin6_port), 80);
	assert_int_equal(strcspn(ask(w, fd), " "), 1);
	close(fd);
}

/* ---- datagrams without connect ---- */

/* Sends one and returns the endpoint's letter; *ret_from: whom the answer seems to come from. */
static char ask_by_datagram(struct world *w, int fd, const struct sockaddr *to, socklen_t size,
                            struct sockaddr_storage *ret_from)
{
	char text[64] = "";
	socklen_t from_size = sizeof(*ret_from);

	assert_int_equal(sendto(fd, "hello", 5, 0, to, size), 5);
	assert_true(wait_for_input(w, fd));
	assert_true(recvfrom(fd, text, sizeof(text) - 1, 0, (struct sockaddr *)ret_from,
	                     &from_size) > 0);
	return text[0];
}

static void answers_come_from_the_service_that_was_asked(void **state)
{
	struct world *w = *state;
	int fd = socket_of(pod_ns(w, CLIENT), AF_INET, SOCK_DGRAM), before = balanced(w);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
	struct sockaddr_storage from;
	char first;

	assert_int_equal(inet_pton(AF_INET, DNS, &to.sin_addr), 1);
	first = ask_by_datagram(w, fd, (struct sockaddr *)&to, sizeof(to), &from);
	assert_memory_equal(&((struct sockaddr_in *)&from)->sin_addr, &to.sin_addr, 4);
	assert_int_equal(((struct sockaddr_in *)&from)->sin_port, to.sin_port);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ask_by_datagram(w, fd, (struct sockaddr *)&to, sizeof(to), &from),
		                 first);
	}
	assert_int_equal(balanced(w), before + 6);
	/* Its endpoint goes: the next datagram goes to the other. */
	put_slice(w, "dns", "UDP", 5300, first == 'a' ? "[" READY(B) "]" : "[" READY(A) "]");
	world_sync(w);
	assert_int_not_equal(ask_by_datagram(w, fd, (struct sockaddr *)&to, sizeof(to), &from),
	                     first);
	assert_memory_equal(&((struct sockaddr_in *)&from)->sin_addr, &to.sin_addr, 4);
	close(fd);
}

static void sockets_spread_over_endpoints(void **state)
{
	struct world *w = *state;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
	int n[2] = { 0 };

	assert_int_equal(inet_pton(AF_INET, DNS, &to.sin_addr), 1);
	for (int i = 0; i < 40; i++) {
		int fd = socket_of(pod_ns(w, CLIENT), AF_INET, SOCK_DGRAM);
		struct sockaddr_storage from;

		n[ask_by_datagram(w, fd, (struct sockaddr *)&to, sizeof(to), &from) - 'a']++;
		close(fd);
	}
	assert_true(n[0] > 4 && n[1] > 4);
}

static void an_ipv6_socket_sends_ipv4_datagrams(void **state)
{
	struct world *w = *state;
	int fd = socket_of(pod_ns(w, CLIENT), AF_INET6, SOCK_DGRAM), before = balanced(w);
	struct sockaddr_in6 to = mapped(DNS, 53);
	struct sockaddr_storage from;

	(void)ask_by_datagram(w, fd, (struct sockaddr *)&to, sizeof(to), &from);
	assert_memory_equal(&((struct sockaddr_in6 *)&from)->sin6_addr, &to.sin6_addr, 16);
	assert_int_equal(balanced(w), before + 1);
	close(fd);
}

/* ---- IPv6 ---- */

#define VIP6 "fd00::20"

/* A service written into the maps by hand; its endpoint is the client's own loopback address. */
static void put_by_hand(struct world *w, uint32_t proto, uint16_t port, uint16_t target)
{
	scoped_fd int program = -1, entries = -1, pools = -1, slots = -1;
	struct ip vip = { 0 }, loopback = { 0 };
	struct socket_entry entry = { .proto = proto };
	struct socket_pool pool = { .slots = 1, .epoch = 1, .by_socket = proto == IPPROTO_UDP };
	struct socket_slot slot = { 0x80000000u + proto, 0 };
	struct socket_end end;

	assert_true(ip_parse(SLICE(VIP6), &vip) && ip_parse(SLICE("::1"), &loopback));
	assert_true(bpf_program_find(w->cgroup, BPF_CGROUP_INET6_CONNECT, "kn_c6_", &program));
	assert_true(bpf_program_map(program, "entries", &entries) &&
	            bpf_program_map(program, "pools", &pools) &&
	            bpf_program_map(program, "slots", &slots));
	entry.end = socket_end_of(vip, port);
	end = socket_end_of(loopback, target);
	assert_int_equal(bpf_map_put(slots, &slot, &end, NULL), 0);
	assert_int_equal(bpf_map_put(pools, &slot.pool, &pool, NULL), 0);
	assert_int_equal(bpf_map_put(entries, &entry, &slot.pool, NULL), 0);
}

static struct sockaddr_in6 at6(const char *ip, int port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	assert_int_equal(inet_pton(AF_INET6, ip, &at.sin6_addr), 1);
	return at;
}

static void ipv6_connections_are_balanced(void **state)
{
	struct world *w = *state;
	struct sockaddr_in6 here = at6("::1", 8080), to = at6(VIP6, 80), peer;
	int server = socket_of(pod_ns(w, CLIENT), AF_INET6, SOCK_STREAM),
	    fd = socket_of(pod_ns(w, CLIENT), AF_INET6, SOCK_STREAM), before = balanced(w), other;
	socklen_t size = sizeof(peer);

	put_by_hand(w, IPPROTO_TCP, 80, 8080);
	assert_int_equal(bind(server, (struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	other = accept(server, NULL, NULL);
	assert_true(other >= 0);
	assert_int_equal(balanced(w), before + 1);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &size), 0);
	assert_memory_equal(&peer.sin6_addr, &to.sin6_addr, sizeof(to.sin6_addr));
	assert_int_equal(ntohs(peer.sin6_port), 80);
	close(other);
	close(fd);
	close(server);
}

static void ipv6_datagrams_are_balanced(void **state)
{
	struct world *w = *state;
	struct sockaddr_in6 here = at6("::1", 5300), to = at6(VIP6, 53), from;
	int server = socket_of(pod_ns(w, CLIENT), AF_INET6, SOCK_DGRAM),
	    fd = socket_of(pod_ns(w, CLIENT), AF_INET6, SOCK_DGRAM), before = balanced(w);
	socklen_t size = sizeof(from);
	char text[8];

	put_by_hand(w, IPPROTO_UDP, 53, 5300);
	assert_int_equal(bind(server, (struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	assert_int_equal(recvfrom(server, text, sizeof(text), 0, (struct sockaddr *)&from, &size),
	                 5);
	assert_int_equal(sendto(server, text, 5, 0, (struct sockaddr *)&from, size), 5);
	assert_int_equal(recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from, &size), 5);
	assert_memory_equal(&from.sin6_addr, &to.sin6_addr, sizeof(to.sin6_addr));
	assert_int_equal(ntohs(from.sin6_port), 53);
	assert_int_equal(balanced(w), before + 1);
	close(fd);
	close(server);
}

/* ---- restarts ---- */

static const enum bpf_attach_type points[] = {
	BPF_CGROUP_INET4_CONNECT,     BPF_CGROUP_INET6_CONNECT,     BPF_CGROUP_UDP4_SENDMSG,
	BPF_CGROUP_UDP6_SENDMSG,      BPF_CGROUP_UDP4_RECVMSG,      BPF_CGROUP_UDP6_RECVMSG,
	BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME,
};

static int programs_attached(struct world *w)
{
	int n = 0;

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		scoped_fd int fd = -1;

		n += bpf_program_find(w->cgroup, points[i], "kn_", &fd);
	}
	return n;
}

static void a_dead_role_leaves_balancing_to_the_kernel(void **state)
{
	struct world *w = *state;
	int before = balanced(w);
	scoped_fd int program = -1, counts = -1;
	uint32_t key = 0;

	assert_int_equal(programs_attached(w), 8);
	w->d = dataplane_free(w->d);
	assert_int_equal(strlen(probe_name(w, pod_ns(w, CLIENT), false, VIP, 80)), 1);
	assert_true(bpf_program_find(w->cgroup, BPF_CGROUP_INET4_CONNECT, "kn_c4_", &program));
	assert_true(bpf_program_map(program, "counts", &counts));
	assert_int_equal(bpf_map_sum(counts, &key), before + 1);
	/* Another one takes it over and goes on from there. */
	world_start_dataplane(w);
	put_slice(w, "web", "TCP", 8080, "[" READY(B) "]");
	world_sync(w);
	assert_int_equal(balanced(w), before + 1);
	for (int i = 0; i < 4; i++) {
		assert_string_equal(probe_name(w, pod_ns(w, CLIENT), false, VIP, 80), "b");
	}
	assert_int_equal(balanced(w), before + 5);
	assert_int_equal(programs_attached(w), 8);
}

static void a_restart_mends_what_others_took_away(void **state)
{
	struct world *w = *state;
	int before = balanced(w);
	scoped_fd int program = -1, entries = -1, pools = -1, slots = -1;
	uint8_t key[64];

	assert_true(bpf_program_find(w->cgroup, BPF_CGROUP_INET4_CONNECT, "kn_c4_", &program));
	assert_true(bpf_program_map(program, "entries", &entries));
	assert_true(bpf_program_map(program, "pools", &pools));
	assert_true(bpf_program_map(program, "slots", &slots));
	while (bpf_map_next(entries, NULL, key)) {
		assert_int_equal(bpf_map_drop(entries, key, NULL), 0);
	}
	while (bpf_map_next(slots, NULL, key)) {
		assert_int_equal(bpf_map_drop(slots, key, NULL), 0);
	}
	/* Nothing there: nftables serves. */
	assert_int_equal(strlen(probe_name(w, pod_ns(w, CLIENT), false, VIP, 80)), 1);
	assert_int_equal(balanced(w), before);
	assert_int_equal(bpf_program_detach(w->cgroup, BPF_CGROUP_INET4_CONNECT, program, NULL), 0);
	assert_int_equal(programs_attached(w), 7);
	(void)world_restart(w);
	assert_int_equal(programs_attached(w), 8);
	assert_int_equal(strlen(probe_name(w, pod_ns(w, CLIENT), false, VIP, 80)), 1);
	assert_int_equal(balanced(w), before + 1);
}

static void without_programs_packets_are_balanced(void **state)
{
	struct world *w = *state;
	int fd = open_connection(w, pod_ns(w, CLIENT), false, VIP, 80);

	assert_int_equal(dataplane_leave_sockets(w->cgroup, NULL), 0);
	assert_int_equal(programs_attached(w), 0);
	assert_int_equal(strcspn(ask(w, fd), " "), 1); /* what is connected stays so */
	close(fd);
	assert_int_equal(strlen(probe_name(w, pod_ns(w, CLIENT), false, VIP, 80)), 1);
	(void)world_restart(w);
	assert_int_equal(programs_attached(w), 8);
	assert_int_equal(balanced(w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, two)
		TEST(pods_and_the_node_are_balanced_at_their_sockets),
		TEST(sockets_elsewhere_are_left_to_packets),
		TEST(what_has_no_endpoint_is_left_to_packets),
		TEST(sockets_of_other_cgroups_are_left_to_packets),
		TEST(localhost_is_the_node_in_the_nodes_network_only),
		TEST(the_peer_is_the_service_that_was_asked_for),
		TEST(an_ipv6_socket_speaks_ipv4),
		TEST(answers_come_from_the_service_that_was_asked),
		TEST(sockets_spread_over_endpoints),
		TEST(an_ipv6_socket_sends_ipv4_datagrams),
		TEST(ipv6_connections_are_balanced),
		TEST(ipv6_datagrams_are_balanced),
		TEST(a_dead_role_leaves_balancing_to_the_kernel),
		TEST(a_restart_mends_what_others_took_away),
		TEST(without_programs_packets_are_balanced),
	};

	return cmocka_run_group_tests_name("sockets", tests, setup, teardown);
}
