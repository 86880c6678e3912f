/* Why: the VPC with real packets: security groups of hosts, also within a subnet; addresses; the
 * way to the internet and what happens when it breaks; pods that come and go; the cost of doing so.
 */
#include "world.h"

#include <errno.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/link.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "host/route.h"

#define POD   "10.244.0.2"
#define DB    "10.0.2.20"
#define CACHE "10.0.2.21"
#define FAR   "10.0.3.20"

struct hosts {
	struct world *w;
	int db, cache, far; /* namespaces */
	int internet;       /* the host's side of the gateway */
};

static int add_host(struct world *w, const char *id, const char *ip)
{
	struct err err = { 0 };
	int ns;

	assert_int_equal(netns_new(&ns, &err), 0);
	if (dataplane_host_attach(w->d, slice_of(id), ip_of(ip), ns, &err) != 0) {
		fail_msg("%s", err.msg);
	}
	return ns;
}

static void admit(struct world *w, const char *id, const char *ip, const char *from, int port_from,
                  int port_to)
{
	struct host_rule rule = { .proto = PROTO_TCP,
		                  .port_from = (uint16_t)port_from,
		                  .port_to = (uint16_t)port_to };
	struct err err = { 0 };

	assert_true(prefix_parse(slice_of(from), &rule.from));
	if (dataplane_host_rules(w->d, slice_of(id), ip_of(ip), &rule, 1, &err) != 0) {
		fail_msg("%s", err.msg);
	}
}

static int setup(void **state)
{
	struct hosts *h = NEW(struct hosts);

	*state = h;
	h->w = world_new();
	h->db = add_host(h->w, "db", DB);
	h->cache = add_host(h->w, "cache", CACHE);
	h->far = add_host(h->w, "far", FAR);
	h->internet = -1;
	serve(h->w, h->db, "db", false, 3306);
	serve(h->w, h->db, "db2", false, 3307);
	serve(h->w, h->cache, "cache", false, 6379);
	serve(h->w, h->far, "far", false, 80);
	add_pod(h->w, "default", "pod", POD, "{app: pod}");
	return 0;
}

static int teardown(void **state)
{
	struct hosts *h = *state;

	world_free(h->w);
	close(h->db);
	close(h->cache);
	close(h->far);
	free(h);
	return 0;
}

static void a_host_admits_nobody_unless_told(void **state)
{
	struct hosts *h = *state;

	assert_string_equal(probe(h->w, h->w->node, false, DB, 3306), "timeout");
	assert_string_equal(probe(h->w, h->cache, false, DB, 3306), "timeout");
	assert_string_equal(probe(h->w, h->w->vpc, false, DB, 3306), "timeout");
}

static void a_security_group_names_sources_and_ports(void **state)
{
	struct hosts *h = *state;

	admit(h->w, "db", DB, "10.0.2.10/32", 3306, 3306);
	/* The pod is seen as its node. */
	assert_string_equal(probe(h->w, pod_ns(h->w, POD), false, DB, 3306), "db 10.0.2.10");
	assert_string_equal(probe(h->w, h->w->node, false, DB, 3306), "db 10.0.2.10");
	assert_string_equal(probe(h->w, pod_ns(h->w, POD), false, DB, 3307), "timeout");
	/* Within the subnet and from another one. */
	assert_string_equal(probe(h->w, h->cache, false, DB, 3306), "timeout");
	assert_string_equal(probe(h->w, h->far, false, DB, 3306), "timeout");
	admit(h->w, "db", DB, "10.0.0.0/16", 3306, 3307);
	assert_string_equal(probe(h->w, h->cache, false, DB, 3307), "db2 " CACHE);
	assert_string_equal(probe(h->w, h->far, false, DB, 3306), "db " FAR);
}

static void overlapping_rules_are_one_union(void **state)
{
	struct hosts *h = *state;
	struct host_rule rules[] = {
		{ { ip_of("10.0.0.0"), 16 }, PROTO_TCP, 3306, 3306 },
		{ { ip_of("10.0.2.0"), 24 }, PROTO_TCP, 3300, 3310 },
		{ { ip_of("10.0.2.21"), 32 }, PROTO_TCP, 3306, 3306 },
		{ { ip_of("10.0.2.21"), 32 }, PROTO_UDP, 0, 65535 },
	};

	assert_int_equal(dataplane_host_rules(h->w->d, SLICE("db"), ip_of(DB), rules,
	                                      ARRAY_SIZE(rules), NULL),
	                 0);
	assert_string_equal(probe(h->w, h->cache, false, DB, 3307), "db2 " CACHE);
	assert_string_equal(probe(h->w, h->far, false, DB, 3306), "db " FAR);
	assert_string_equal(probe(h->w, h->far, false, DB, 3307), "timeout");
}

static void rules_outlive_a_restart_and_open_flows_outlive_rules(void **state)
{
	struct hosts *h = *state;
	int fd;

	admit(h->w, "db", DB, "10.0.2.10/32", 3306, 3306);
	fd = open_connection(h->w, pod_ns(h->w, POD), false, DB, 3306);
	assert_string_equal(ask(h->w, fd), "db 10.0.2.10");
	(void)world_restart(h->w);
	assert_string_equal(ask(h->w, fd), "db 10.0.2.10");
	assert_string_equal(probe(h->w, h->w->node, false, DB, 3306), "db 10.0.2.10");
	assert_int_equal(dataplane_host_attach(h->w->d, SLICE("db"), ip_of(DB), h->db, NULL), 0);
	assert_int_equal(dataplane_host_rules(h->w->d, SLICE("db"), ip_of(DB), NULL, 0, NULL), 0);
	assert_string_equal(probe(h->w, h->w->node, false, DB, 3306), "timeout");
	assert_string_equal(ask(h->w, fd), "db 10.0.2.10");
	close(fd);
}

static void reserved_and_strange_addresses_are_refused(void **state)
{
	struct hosts *h = *state;
	static const struct {
		const char *ip, *says;
	} bad[] = { { "10.0.0.10", "reserved" },  { "10.0.2.10", "reserved" },
		    { "10.0.2.1", "reserved" },   { "10.0.3.255", "reserved" },
		    { "10.0.7.20", "no subnet" }, { "192.168.1.1", "no subnet" } };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = { 0 };

		assert_int_equal(dataplane_host_attach(h->w->d, SLICE("bad"), ip_of(bad[i].ip),
		                                       h->cache, &err),
		                 -ERR_INVALID);
		assert_non_null(strstr(err.msg, bad[i].says));
	}
}

static bool count_pods(void *arg, const struct link_info *info)
{
	*(int *)arg += strncmp(info->name, "pod", 3) == 0;
	return true;
}

static int pod_links(struct world *w)
{
	scoped_netlink struct netlink nl = { 0 };
	int n = 0;

	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, w->node, 0, NULL), 0);
	assert_int_equal(link_each(&nl, count_pods, &n, NULL), 0);
	return n;
}

static void pods_come_fast_and_go_together(void **state)
{
	struct world *w = ((struct hosts *)*state)->w;
	int before = pod_links(w);
	char name[16], ip[IP_TEXT_SIZE];
	int64_t start, took_us = 0;

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		snprintf(ip, sizeof(ip), "10.244.0.%d", 100 + i);
		start = clock_mono_us();
		serve(w, add_pod(w, "default", name, ip, "{app: many}"), name, false, 80);
		took_us += clock_mono_us() - start;
	}
	print_message("# attach takes %d us\n", (int)(took_us / 20));
	assert_int_equal(pod_links(w), before + 20);
	assert_string_equal(probe_name(w, pod_ns(w, POD), false, "10.244.0.119", 80), "many-19");
	/* Attached again, as after a restart: the same link. */
	put_pod(w, "default", "many-3", "10.244.0.103", "{app: many}");
	assert_int_equal(dataplane_pod_attach(w->d, SLICE("uid-default-many-3"),
	                                      (struct ip_pair){ { ip_of("10.244.0.103") } },
	                                      pod_ns(w, "10.244.0.103"), NULL),
	                 0);
	assert_int_equal(pod_links(w), before + 20);
	assert_string_equal(probe_name(w, pod_ns(w, POD), false, "10.244.0.103", 80), "many-3");
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		stop_serving(w, name);
		start = clock_mono_us();
		remove_pod(w, "default", name);
		took_us = clock_mono_us() - start;
	}
	print_message("# detach takes %d us\n", (int)took_us);
	for (int i = 0; i < 100 && pod_links(w) != before; i++) {
		world_wait_ms(w, 20);
	}
	assert_int_equal(pod_links(w), before);
}

/* ---- internet ---- */

static int make_internet(void)
{
	struct err err = { 0 };
	scoped_netlink struct netlink nl = { 0 };
	int ns;

	/* A host of its own, whose addresses are the internet. */
	assert_int_equal(netns_new(&ns, &err), 0);
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, ns, 0, &err), 0);
	link_queue_up(&nl, 1);
	address_queue(&nl, 1, ip_of("198.51.100.7"), 32);
	address_queue(&nl, 1, ip_of("192.168.7.7"), 32);
	assert_int_equal(netlink_send(&nl, &err), 0);
	return ns;
}

static void set_vpc(struct world *w, const char *const *subnets, size_t n_subnets,
                    const struct dataplane_way *ways, size_t n_ways)
{
	struct prefix ranges[4];
	struct err err = { 0 };

	for (size_t i = 0; i < n_subnets; i++) {
		ranges[i] = prefix_of(subnets[i]);
	}
	if (dataplane_vpc_set(w->d, &(struct dataplane_vpc){ ranges, n_subnets, ways, n_ways },
	                      &err) != 0) {
		fail_msg("%s", err.msg);
	}
}

static void a_group_limits_what_its_member_opens(void **state)
{
	struct hosts *h = *state;
	struct host_rule rule = { prefix_of("10.0.3.0/24"), PROTO_TCP, 80, 80 };
	int fd = open_connection(h->w, h->cache, false, DB, 3307);

	admit(h->w, "db", DB, "10.0.0.0/16", 3306, 3307);
	admit(h->w, "far", FAR, "10.0.0.0/16", 80, 80);
	if (fd >= 0) {
		close(fd);
	}
	fd = open_connection(h->w, h->cache, false, DB, 3307);
	assert_string_equal(ask(h->w, fd), "db2 " CACHE);
	assert_int_equal(
		dataplane_host_egress(h->w->d, SLICE("cache"), ip_of(CACHE), true, &rule, 1, NULL),
		0);
	assert_string_equal(probe(h->w, h->cache, false, FAR, 80), "far " CACHE);
	assert_string_equal(probe(h->w, h->cache, false, DB, 3306), "timeout");
	/* What was open before stays open, and answers are not asked for. */
	assert_string_equal(ask(h->w, fd), "db2 " CACHE);
	admit(h->w, "cache", CACHE, "10.0.0.0/16", 6379, 6379);
	assert_string_equal(probe(h->w, h->far, false, CACHE, 6379), "cache " FAR);
	/* A restart keeps it. */
	(void)world_restart(h->w);
	assert_string_equal(probe(h->w, h->cache, false, DB, 3306), "timeout");
	assert_int_equal(
		dataplane_host_egress(h->w->d, SLICE("cache"), ip_of(CACHE), false, NULL, 0, NULL),
		0);
	assert_string_equal(probe(h->w, h->cache, false, DB, 3306), "db " CACHE);
	close(fd);
}

static void a_guarded_node_can_be_opened_again(void **state)
{
	struct hosts *h = *state;

	serve(h->w, h->w->node, "node", false, 9000);
	assert_string_equal(probe(h->w, h->far, false, "10.0.2.10", 9000), "node " FAR);
	assert_int_equal(
		dataplane_host_rules(h->w->d, SLICE("node"), ip_of("10.0.2.10"), NULL, 0, NULL), 0);
	assert_string_equal(probe(h->w, h->far, false, "10.0.2.10", 9000), "timeout");
	assert_int_equal(dataplane_host_open(h->w->d, ip_of("10.0.2.10"), NULL), 0);
	assert_string_equal(probe(h->w, h->far, false, "10.0.2.10", 9000), "node " FAR);
	stop_serving(h->w, "node");
}

static void a_further_subnet_is_one_like_the_others(void **state)
{
	static const char *const subnets[] = { "10.0.32.0/20", "10.0.64.0/28" };
	const struct dataplane_way all = { prefix_of("10.0.0.0/16"), ip_of("0.0.0.0"),
		                           ip_of("255.255.255.255") };
	struct hosts *h = *state;
	struct err err = { 0 };
	int ns;

	set_vpc(h->w, subnets, 2, NULL, 0);
	ns = add_host(h->w, "further", "10.0.40.9");
	serve(h->w, ns, "further", false, 80);
	assert_string_equal(probe(h->w, h->far, false, "10.0.40.9", 80), "timeout");
	admit(h->w, "further", "10.0.40.9", "10.0.0.0/16", 80, 80);
	assert_string_equal(probe(h->w, h->far, false, "10.0.40.9", 80), "further " FAR);
	assert_string_equal(probe(h->w, pod_ns(h->w, POD), false, "10.0.40.9", 80),
	                    "further 10.0.2.10");
	admit(h->w, "db", DB, "10.0.32.0/20", 3306, 3306);
	assert_string_equal(probe(h->w, ns, false, DB, 3306), "db 10.0.40.9");
	/* The last address of a subnet, and its first ones, are nobody's. */
	assert_true(dataplane_host_attach(h->w->d, SLICE("x"), ip_of("10.0.64.15"), ns, &err) < 0);
	assert_non_null(strstr(err.msg, "reserved"));
	assert_true(dataplane_host_attach(h->w->d, SLICE("x"), ip_of("10.0.65.9"), ns, &err) < 0);
	assert_non_null(strstr(err.msg, "no subnet"));
	/* A restart knows none until it is told; told of others, it removes them. */
	dataplane_host_detach(h->w->d, SLICE("further"));
	world_wait_ms(h->w, 50);
	(void)world_restart(h->w);
	set_vpc(h->w, NULL, 0, &all, 1);
	assert_true(dataplane_host_attach(h->w->d, SLICE("x"), ip_of("10.0.40.9"), ns, &err) < 0);
	stop_serving(h->w, "further");
	close(ns);
}

/* The programs that this test started and that still run; signals them. */
static int signal_children(int signum)
{
	char path[64], text[256] = { 0 };
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "r");
	assert_non_null(f);
	if (fgets(text, sizeof(text), f)) {
		struct slice rest = slice_trim(slice_of(text)), field;
		int64_t pid;

		while (slice_next(&rest, ' ', &field)) {
			if (slice_to_i64(field, &pid)) {
				n++;
				kill((pid_t)pid, signum);
			}
		}
	}
	fclose(f);
	return n;
}

/* Whether a refusal by ICMP comes in time to be one is the kernel's affair: while connect still
 * holds the socket it is only noted. */
static bool is_nobody(const char *answer)
{
	return strcmp(answer, "unreachable") == 0 || strcmp(answer, "timeout") == 0;
}

static bool eventually(struct world *w, int ns, const char *ip, int port, const char *want)
{
	for (int i = 0; i < 40; i++) {
		if (strcmp(probe_name(w, ns, false, ip, port), want) == 0) {
			return true;
		}
		world_wait_ms(w, 50);
	}
	return false;
}

static void the_internet_is_reached_by_the_gateway_and_only_it(void **state)
{
	struct hosts *h = *state;
	struct world *w = h->w;

	if (access("/usr/bin/slirp4netns", X_OK) < 0) {
		skip();
	}
	h->internet = make_internet();
	serve(w, h->internet, "web", false, 80);
	serve(w, h->internet, "dns", true, 53);
	w->host_ns = h->internet;
	(void)world_restart(w);
	assert_true(eventually(w, pod_ns(w, POD), "198.51.100.7", 80, "web"));
	assert_string_equal(probe_name(w, w->node, false, "198.51.100.7", 80), "web");
	assert_string_equal(probe_name(w, h->db, false, "198.51.100.7", 80), "web");
	/* Private addresses of the host's side are no internet, save its resolvers. */
	assert_string_equal(probe_name(w, pod_ns(w, POD), false, "192.168.7.7", 80), "timeout");
	assert_string_equal(probe_name(w, pod_ns(w, POD), true, "192.168.7.7", 53), "dns");
	/* An address of the VPC that nobody has stays inside. */
	assert_true(is_nobody(probe(w, pod_ns(w, POD), false, "10.0.9.9", 80)));

	/* Who may leave for where is what route tables say: the longest prefix decided it already. */
	{
		struct dataplane_way ways[] = {
			{ prefix_of("10.0.2.0/24"), ip_of("0.0.0.0"), ip_of("198.51.100.6") },
			{ prefix_of("10.0.2.0/24"), ip_of("198.51.100.8"),
			  ip_of("255.255.255.255") },
			{ prefix_of("10.0.3.0/24"), ip_of("0.0.0.0"), ip_of("255.255.255.255") },
		};
		int open = open_connection(w, w->node, false, "198.51.100.7", 80);

		assert_true(open >= 0);
		set_vpc(w, NULL, 0, ways, ARRAY_SIZE(ways));
		assert_string_equal(probe_name(w, pod_ns(w, POD), false, "198.51.100.7", 80),
		                    "timeout");
		assert_string_equal(probe_name(w, h->far, false, "198.51.100.7", 80), "web");
		/* Routes know no flows: what was open is cut off as well. */
		assert_string_equal(ask(w, open), "timeout");
		/* The resolver is everybody's. */
		assert_string_equal(probe_name(w, pod_ns(w, POD), true, "192.168.7.7", 53), "dns");
		(void)world_restart(w);
		assert_string_equal(probe_name(w, pod_ns(w, POD), false, "198.51.100.7", 80),
		                    "timeout");
		ways[1].to_first = ip_of("198.51.100.7");
		set_vpc(w, NULL, 0, ways, ARRAY_SIZE(ways));
		assert_string_equal(probe_name(w, pod_ns(w, POD), false, "198.51.100.7", 80),
		                    "web");
		close(open);
	}

	/* A restart finds the program and starts no other. */
	assert_int_equal(signal_children(0), 1);
	(void)world_restart(w);
	world_wait_ms(w, 100);
	assert_int_equal(signal_children(0), 1);
	assert_string_equal(probe_name(w, pod_ns(w, POD), false, "198.51.100.7", 80), "web");

	/* When the program dies it is started again. */
	assert_int_equal(signal_children(SIGKILL), 1);
	while (waitpid(-1, NULL, 0) > 0) {
	}
	assert_true(eventually(w, pod_ns(w, POD), "198.51.100.7", 80, "web"));
	w->host_ns = -1;
	(void)world_restart(w);
	signal_children(SIGKILL);
	while (waitpid(-1, NULL, 0) > 0) {
	}
	stop_serving(w, "web");
	stop_serving(w, "dns");
}

static void without_the_program_all_else_works(void **state)
{
	struct hosts *h = *state;
	const char *path = getenv("PATH");
	scoped_free char *kept = mem_strdup(path);

	setenv("PATH", "/nonexistent", 1);
	h->w->host_ns = h->internet >= 0 ? h->internet : h->w->outside;
	(void)world_restart(h->w);
	world_wait_ms(h->w, 50);
	setenv("PATH", kept, 1);
	admit(h->w, "db", DB, "10.0.2.10/32", 3306, 3306);
	assert_string_equal(probe(h->w, pod_ns(h->w, POD), false, DB, 3306), "db 10.0.2.10");
	assert_true(is_nobody(probe(h->w, pod_ns(h->w, POD), false, "198.51.100.7", 80)));
	h->w->host_ns = -1;
	(void)world_restart(h->w);
}

/* ---- a pod that lies ---- */

static void a_pod_cannot_use_anothers_address(void **state)
{
	struct world *w = ((struct hosts *)*state)->w;
	int liar = add_pod(w, "default", "liar", "10.244.0.50", "{app: liar}"), fd, on = 1;
	struct sockaddr_storage from, to;
	scoped_visit struct netns_visit v = { -1 };
	socklen_t len;

	serve(w, pod_ns(w, POD), "udp", true, 5000);
	assert_int_equal(netns_enter(&v, liar, NULL), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	netns_leave(&v);
	setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on));
	len = ip_to_sockaddr(ip_of("10.244.0.60"), 0, &from);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, len), 0);
	add_pod(w, "default", "victim", "10.244.0.60", "{app: victim}");
	len = ip_to_sockaddr(ip_of(POD), 5000, &to);
	assert_true(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len) == 1);
	world_wait_ms(w, 50);
	assert_int_equal(served(w, "udp"), 0);
	close(fd);
	stop_serving(w, "udp");
	remove_pod(w, "default", "liar");
	remove_pod(w, "default", "victim");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_admits_nobody_unless_told),
		cmocka_unit_test(a_security_group_names_sources_and_ports),
		cmocka_unit_test(overlapping_rules_are_one_union),
		cmocka_unit_test(rules_outlive_a_restart_and_open_flows_outlive_rules),
		cmocka_unit_test(reserved_and_strange_addresses_are_refused),
		cmocka_unit_test(pods_come_fast_and_go_together),
		cmocka_unit_test(a_pod_cannot_use_anothers_address),
		cmocka_unit_test(a_group_limits_what_its_member_opens),
		cmocka_unit_test(a_guarded_node_can_be_opened_again),
		cmocka_unit_test(a_further_subnet_is_one_like_the_others),
		cmocka_unit_test(the_internet_is_reached_by_the_gateway_and_only_it),
		cmocka_unit_test(without_the_program_all_else_works),
	};

	return cmocka_run_group_tests_name("vpc", tests, setup, teardown);
}
