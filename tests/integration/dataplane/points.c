/* Why: what is most often wrong with Services, point by point of the reference's list (networking.md
 * 7.1, points 1 to 7), each with real packets; then hints and host ports. */
#include "world.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/netns.h"

#define A      "10.244.0.2"
#define B      "10.244.0.3"
#define C      "10.244.0.4"
#define CLIENT "10.244.0.9"
#define OTHER  "10.244.0.10"
#define VIP    "10.1.0.20"
#define LB     "203.0.113.7"

#define READY(ip)                                                                                  \
	"{addresses: [" ip                                                                         \
	"], nodeName: node-1, conditions: {ready: true, serving: true, terminating: false}}"
#define ENDING(ip)                                                                                 \
	"{addresses: [" ip                                                                         \
	"], nodeName: node-1, conditions: {ready: false, serving: true, terminating: true}}"
#define NOT_SERVING(ip)                                                                            \
	"{addresses: [" ip                                                                         \
	"], nodeName: node-1, conditions: {ready: false, serving: false, terminating: true}}"
#define ELSEWHERE(ip) "{addresses: [" ip "], nodeName: node-2, conditions: {ready: true}}"

static int setup(void **state)
{
	struct world *w = world_new();

	*state = w;
	serve(w, add_pod(w, "default", "a", A, "{app: web}"), "a", false, 8080);
	serve(w, add_pod(w, "default", "b", B, "{app: web}"), "b", false, 8080);
	serve(w, add_pod(w, "default", "c", C, "{app: web}"), "c", false, 8080);
	serve(w, pod_ns(w, A), "a", true, 5300);
	serve(w, pod_ns(w, B), "b", true, 5300);
	add_pod(w, "default", "client", CLIENT, "{app: client}");
	add_pod(w, "default", "other", OTHER, "{app: client}");
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static void web(struct world *w, const char *rest, const char *endpoints)
{
	char spec[1024];

	snprintf(spec, sizeof(spec), "{clusterIP: " VIP ", clusterIPs: [" VIP "], %s}", rest);
	put_service(w, "web", spec);
	put_slice(w, "web", "TCP", 8080, endpoints);
	world_sync(w);
}

static void expect(struct world *w, int ns, const char *ip, int port, const char *want)
{
	for (int i = 0; i < 4; i++) {
		assert_string_equal(probe_name(w, ns, false, ip, port), want);
	}
}

/* ---- 1: no endpoints, no local ones, unused addresses, undefined ports ---- */

static void point_1_no_endpoints_refuse_new_flows_only(void **state)
{
	struct world *w = *state;
	int client = pod_ns(w, CLIENT), fd;

	web(w, "ports: [{port: 80}]", "[" READY(A) "]");
	fd = open_connection(w, client, false, VIP, 80);
	assert_string_equal(ask(w, fd), "a " CLIENT);
	put_slice(w, "web", "TCP", 8080, "[" NOT_SERVING(A) "]");
	world_sync(w);
	expect(w, client, VIP, 80, "refused");
	assert_string_equal(ask(w, fd), "a " CLIENT);
	close(fd);
}

static void point_1_a_local_policy_without_local_endpoints_drops(void **state)
{
	struct world *w = *state;

	web(w,
	    "internalTrafficPolicy: Local, type: NodePort, externalTrafficPolicy: Local, ports: "
	    "[{port: "
	    "80, nodePort: 30080}]",
	    "[" ELSEWHERE("10.0.0.20") "]");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, VIP, 80), "timeout");
	assert_string_equal(probe(w, w->vpc, false, NODE_IP, 30080), "timeout");
	put_slice(w, "web", "TCP", 8080, "[]"); /* none anywhere: an answer can be final */
	world_sync(w);
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, VIP, 80), "refused");
	assert_string_equal(probe(w, w->vpc, false, NODE_IP, 30080), "refused");
}

static void point_1_an_unused_address_drops_and_an_undefined_port_refuses(void **state)
{
	struct world *w = *state;

	web(w, "ports: [{port: 80}]", "[" READY(A) "]");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, "10.1.200.200", 80), "timeout");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, VIP, 81), "refused");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), true, VIP, 80), "refused");
}

/* ---- 2: ports by name, numbers from the slice, nil conditions ---- */

static void point_2_ports_meet_by_name_and_nil_conditions_mean_ready(void **state)
{
	struct world *w = *state;

	put_service(w, "web",
	            "{clusterIP: " VIP ", clusterIPs: [" VIP
	            "], ports: [{name: http, port: 80, targetPort: 9999}, {name: tls, port: 443, "
	            "targetPort: 8080}]}");
	world_put(w, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	             "metadata: {name: web-slice, namespace: default, labels: "
	             "{kubernetes.io/service-name: web}}\naddressType: IPv4\n"
	             "ports: [{name: http, port: 8080, protocol: TCP}]\n"
	             "endpoints: [{addresses: [" A "]}]\n");
	world_sync(w);
	expect(w, pod_ns(w, CLIENT), VIP, 80, "a");        /* the slice's number, not targetPort */
	expect(w, pod_ns(w, CLIENT), VIP, 443, "refused"); /* no slice port of that name */
	world_remove(w, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	                "metadata: {name: web-slice, namespace: default}\n");
}

static void point_2_a_named_port_may_have_other_numbers_in_other_pods(void **state)
{
	struct world *w = *state;
	int seen[2] = { 0 };

	serve(w, pod_ns(w, C), "other-number", false, 9090);
	put_service(w, "web",
	            "{clusterIP: " VIP ", clusterIPs: [" VIP
	            "], ports: [{port: 80, targetPort: http}]}");
	put_slice(w, "web", "TCP", 8080, "[" READY(A) "]");
	world_put(w, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	             "metadata: {name: web-more, namespace: default, labels: "
	             "{kubernetes.io/service-name: web}}\naddressType: IPv4\n"
	             "ports: [{port: 9090, protocol: TCP}]\nendpoints: [" READY(C) "]\n");
	world_sync(w);
	for (int i = 0; i < 4; i++) {
		const char *name = probe_name(w, pod_ns(w, CLIENT), false, VIP, 80);

		seen[0] += strcmp(name, "a") == 0;
		seen[1] += strcmp(name, "other-number") == 0;
	}
	assert_int_equal(seen[0], 2);
	assert_int_equal(seen[1], 2);
	world_remove(w, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	                "metadata: {name: web-more, namespace: default}\n");
	stop_serving(w, "other-number");
}

/* ---- 3: headless ---- */

static void point_3_headless_is_pod_addresses_and_pod_ports(void **state)
{
	struct world *w = *state;

	put_service(w, "web",
	            "{clusterIP: None, clusterIPs: [None], ports: [{port: 80, targetPort: 8080}]}");
	put_slice(w, "web", "TCP", 8080, "[" READY(A) "]");
	world_sync(w);
	expect(w, pod_ns(w, CLIENT), A, 8080, "a");
	expect(w, pod_ns(w, CLIENT), A, 80, "refused");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, VIP, 80), "timeout");
}

/* ---- 4: terminating endpoints; who is inside ---- */

static void point_4_terminating_endpoints_stand_in_for_each_set_by_itself(void **state)
{
	struct world *w = *state;

	serve(w, w->outside, "elsewhere", false, 8080);
	assert_int_equal(
		dataplane_host_rules(w->d, SLICE("outside"), ip_of("10.0.0.20"),
	                             &(struct host_rule){ { ip_v4(0), 0 }, PROTO_TCP, 0, 65535 }, 1,
	                             NULL),
		0);
	web(w, "type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30080}]",
	    "[" ENDING(A) ", " NOT_SERVING(B) ", " ELSEWHERE("10.0.0.20") "]");
	/* the local set has none that is ready: the one that ends; the cluster set has one */
	expect(w, w->vpc, NODE_IP, 30080, "a");
	expect(w, pod_ns(w, CLIENT), VIP, 80, "elsewhere");
	put_slice(w, "web", "TCP", 8080, "[" ENDING(A) ", " NOT_SERVING(B) "]");
	world_sync(w);
	expect(w, pod_ns(w, CLIENT), VIP, 80, "a");
	put_slice(w, "web", "TCP", 8080, "[" NOT_SERVING(B) "]");
	world_sync(w);
	expect(w, pod_ns(w, CLIENT), VIP, 80, "refused");
	stop_serving(w, "elsewhere");
}

static void point_4_policy_local_is_not_for_pods_and_the_node(void **state)
{
	struct world *w = *state;

	serve(w, w->outside, "elsewhere", false, 8080);
	web(w, "type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30080}]",
	    "[" ELSEWHERE("10.0.0.20") "]");
	assert_string_equal(probe(w, w->vpc, false, NODE_IP, 30080), "timeout");
	expect(w, pod_ns(w, CLIENT), NODE_IP, 30080, "elsewhere");
	expect(w, w->node, NODE_IP, 30080, "elsewhere");
	stop_serving(w, "elsewhere");
}

/* ---- 5: source ranges; what must not be cut short ---- */

static void balancer(struct world *w, const char *ranges, const char *ingress)
{
	world_put(w,
	          "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: default}\n"
	          "spec: {clusterIP: " VIP ", clusterIPs: [" VIP "], type: LoadBalancer,\n"
	          "  loadBalancerSourceRanges: [%s], ports: [{port: 80, nodePort: 30080}]}\n"
	          "status: {loadBalancer: {ingress: [%s]}}\n",
	          ranges, ingress);
	put_slice(w, "web", "TCP", 8080, "[" READY(A) "]");
	world_sync(w);
}

static void point_5_source_ranges_guard_the_balancers_address_alone(void **state)
{
	struct world *w = *state;

	balancer(w, CLIENT "/32", "{ip: " LB "}");
	expect(w, pod_ns(w, CLIENT), LB, 80, "a");
	assert_string_equal(probe(w, pod_ns(w, OTHER), false, LB, 80), "timeout");
	expect(w, pod_ns(w, OTHER), NODE_IP, 30080, "a");
	expect(w, pod_ns(w, OTHER), VIP, 80, "a");
	/* before translation: a range of the endpoint's admits nobody */
	balancer(w, A "/32", "{ip: " LB "}");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, LB, 80), "timeout");
}

static void point_5_proxy_mode_and_names_are_not_cut_short(void **state)
{
	struct world *w = *state;

	balancer(w, "", "{ip: " LB ", ipMode: Proxy}");
	assert_string_not_equal(probe_name(w, pod_ns(w, CLIENT), false, LB, 80), "a");
	balancer(w, "", "{hostname: lb.example.com}");
	assert_string_not_equal(probe_name(w, pod_ns(w, CLIENT), false, LB, 80), "a");
	balancer(w, "", "{ip: " LB ", ipMode: VIP}");
	expect(w, pod_ns(w, CLIENT), LB, 80, "a");
}

/* ---- 6: affinity, hairpin ---- */

static void point_6_affinity_is_by_address_and_one_for_all_addresses(void **state)
{
	struct world *w = *state;
	char first[24];

	web(w,
	    "type: NodePort, externalIPs: [203.0.113.9], sessionAffinity: ClientIP, ports: [{port: "
	    "80, "
	    "nodePort: 30080}]",
	    "[" READY(A) ", " READY(B) ", " READY(C) "]");
	snprintf(first, sizeof(first), "%s", probe_name(w, w->vpc, false, NODE_IP, 30080));
	expect(w, w->vpc, NODE_IP, 30080, first);
	snprintf(first, sizeof(first), "%s",
	         probe_name(w, pod_ns(w, OTHER), false, "203.0.113.9", 80));
	expect(w, pod_ns(w, OTHER), "203.0.113.9", 80, first);
	expect(w, pod_ns(w, OTHER), NODE_IP, 30080, first);
}

static void point_6_each_connection_begins_the_affinitys_time_anew(void **state)
{
	struct world *w = *state;
	int64_t begin, last, gap = 0;
	char first[24];

	web(w,
	    "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 3}}, "
	    "ports: "
	    "[{port: 80}]",
	    "[" READY(A) ", " READY(B) ", " READY(C) "]");
	do { /* on a machine so slow that the time runs out in between, nothing is seen */
		snprintf(first, sizeof(first), "%s",
		         probe_name(w, pod_ns(w, CLIENT), false, VIP, 80));
		begin = last = clock_mono_us();
		gap = 0;
		while (gap < 2 * US_PER_S && last - begin < 5 * US_PER_S) {
			const char *name;

			world_wait_ms(w, 100);
			name = probe_name(w, pod_ns(w, CLIENT), false, VIP, 80);
			gap = clock_mono_us() - last;
			last += gap;
			if (gap < 2 * US_PER_S) {
				assert_string_equal(name, first);
			}
		}
	} while (gap >= 2 * US_PER_S);
}

static void point_6_a_pod_reaches_itself_by_every_address(void **state)
{
	struct world *w = *state;

	web(w, "type: NodePort, externalIPs: [203.0.113.9], ports: [{port: 80, nodePort: 30080}]",
	    "[" READY(A) "]");
	expect(w, pod_ns(w, A), VIP, 80, "a");
	expect(w, pod_ns(w, A), NODE_IP, 30080, "a");
	expect(w, pod_ns(w, A), "203.0.113.9", 80, "a");
}

/* ---- 7: what the kernel remembers ---- */

static void point_7_udp_flows_follow_their_endpoints_both_ways(void **state)
{
	struct world *w = *state;
	int fd;

	put_service(w, "dns",
	            "{clusterIP: 10.1.0.53, clusterIPs: [10.1.0.53], type: NodePort, ports: "
	            "[{port: 53, "
	            "protocol: UDP, nodePort: 30053}]}");
	put_slice(w, "dns", "UDP", 5300, "[]");
	world_sync(w);
	for (int i = 0; i < 2; i++) {
		int ns = i ? w->vpc : pod_ns(w, CLIENT), port = i ? 30053 : 53;
		const char *ip = i ? NODE_IP : "10.1.0.53";

		put_slice(w, "dns", "UDP", 5300, "[]");
		world_sync(w);
		fd = open_connection(w, ns, true, ip, port);
		assert_string_equal(ask(w, fd), "refused");
		put_slice(w, "dns", "UDP", 5300, "[" READY(A) "]"); /* none, then some */
		world_sync(w);
		assert_int_equal(strncmp(ask(w, fd), "a ", 2), 0);
		put_slice(w, "dns", "UDP", 5300, "[" READY(B) "]"); /* gone: another */
		world_sync(w);
		assert_int_equal(strncmp(ask(w, fd), "b ", 2), 0);
		close(fd);
	}
	world_remove(w,
	             "{apiVersion: v1, kind: Service, metadata: {name: dns, namespace: default}}");
}

static uint16_t checksum(const void *bytes, size_t n, uint32_t sum)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i + 1 < n; i += 2) {
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	}
	while (sum >> 16) {
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return htons((uint16_t)~sum);
}

static int raw_socket(int ns)
{
	struct netns_visit visit = { -1 };
	int fd;

	assert_int_equal(netns_enter(&visit, ns, NULL), 0);
	fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_TCP);
	netns_leave(&visit);
	assert_true(fd >= 0);
	return fd;
}

#define NONSENSE_PORT 4000

/* Segments that came to a raw socket: all, and those of send_nonsense. */
static void count_segments(int fd, unsigned *ret_all, unsigned *ret_nonsense)
{
	uint8_t packet[2048];

	*ret_all = *ret_nonsense = 0;
	while (recv(fd, packet, sizeof(packet), 0) > 20) {
		const uint8_t *tcp = packet + (packet[0] & 15) * 4;

		++*ret_all;
		*ret_nonsense += (tcp[0] << 8 | tcp[1]) == NONSENSE_PORT;
	}
}

/* A segment of no connection that anybody knows. */
static void send_nonsense(int ns, const char *from, const char *to, uint16_t port)
{
	struct tcphdr tcp = { .source = htons(NONSENSE_PORT),
		              .dest = htons(port),
		              .doff = 5,
		              .rst = 1,
		              .window = htons(1000) };
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct in_addr source;
	uint32_t pseudo = IPPROTO_TCP + sizeof(tcp);
	int fd = raw_socket(ns);

	assert_int_equal(inet_pton(AF_INET, to, &sa.sin_addr), 1);
	assert_int_equal(inet_pton(AF_INET, from, &source), 1);
	pseudo += (ntohl(source.s_addr) >> 16) + (ntohl(source.s_addr) & 0xffff);
	pseudo += (ntohl(sa.sin_addr.s_addr) >> 16) + (ntohl(sa.sin_addr.s_addr) & 0xffff);
	tcp.check = checksum(&tcp, sizeof(tcp), pseudo);
	assert_int_equal(sendto(fd, &tcp, sizeof(tcp), 0, (struct sockaddr *)&sa, sizeof(sa)),
	                 (ssize_t)sizeof(tcp));
	close(fd);
}

static void point_7_invalid_packets_do_not_leak_untranslated(void **state)
{
	struct world *w = *state;
	int fd = raw_socket(pod_ns(w, A));
	unsigned all, nonsense;

	send_nonsense(pod_ns(w, CLIENT), CLIENT, A, 8080);
	/* what comes behind it has come */
	assert_string_equal(probe_name(w, pod_ns(w, CLIENT), false, A, 8080), "a");
	count_segments(fd, &all, &nonsense);
	assert_true(all > 0);
	assert_int_equal(nonsense, 0);
	close(fd);
}

static void point_7_answers_of_a_neighbour_come_from_the_service(void **state)
{
	struct world *w = *state;
	int fd;

	/* Client and endpoint share a node: the answer must cross the node's rules on its way. */
	web(w, "ports: [{port: 80}]", "[" READY(A) "]");
	fd = open_connection(w, pod_ns(w, CLIENT), false, VIP, 80);
	assert_true(fd >= 0);
	for (int i = 0; i < 5; i++) {
		assert_string_equal(ask(w, fd), "a " CLIENT);
	}
	close(fd);
}

/* ---- topology, host ports ---- */

#define HINTED(ip, zone)                                                                           \
	"{addresses: [" ip "], nodeName: node-1, hints: {forZones: [{name: " zone "}]}}"

static void traffic_stays_in_the_nodes_zone_as_hints_say(void **state)
{
	struct world *w = *state;

	world_put(w, "{apiVersion: v1, kind: Node, metadata: {name: node-1, labels: "
	             "{topology.kubernetes.io/zone: east}}}");
	web(w, "ports: [{port: 80}]",
	    "[" HINTED(A, "east") ", " HINTED(B, "west") ", " HINTED(C, "west") "]");
	expect(w, pod_ns(w, CLIENT), VIP, 80, "a");
	world_put(w, "{apiVersion: v1, kind: Node, metadata: {name: node-1, labels: "
	             "{topology.kubernetes.io/zone: north}}}");
	world_sync(w);
	for (int i = 0, b = 0; !b; i++) { /* nobody's zone: everybody */
		assert_true(i < 20);
		b = strcmp(probe_name(w, pod_ns(w, CLIENT), false, VIP, 80), "b") == 0;
	}
	world_remove(w, "{apiVersion: v1, kind: Node, metadata: {name: node-1}}");
}

static void put_host_pod(struct world *w, const char *ports)
{
	world_put(
		w,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: default, labels: {app: "
		"web}}\nspec: {nodeName: node-1, containers: [{name: c, ports: [%s]}]}\n"
		"status: {podIP: " A ", phase: Running}\n",
		ports);
	world_sync(w);
}

static void host_ports_lead_to_their_pod_and_keep_the_client(void **state)
{
	struct world *w = *state;

	put_host_pod(w,
	             "{containerPort: 8080, hostPort: 9000, protocol: TCP}, "
	             "{containerPort: 5300, hostPort: 9000, protocol: UDP}, "
	             "{containerPort: 8080, hostPort: 9001, hostIP: 203.0.113.40, protocol: TCP}");
	assert_string_equal(probe(w, w->vpc, false, NODE_IP, 9000), "a 10.0.2.1");
	assert_string_equal(probe_name(w, w->vpc, true, NODE_IP, 9000), "a");
	expect(w, pod_ns(w, CLIENT), NODE_IP, 9000, "a");
	expect(w, pod_ns(w, A), NODE_IP, 9000, "a");
	expect(w, pod_ns(w, CLIENT), "203.0.113.40", 9001, "a");
	assert_string_equal(probe(w, w->vpc, false, NODE_IP, 9001), "refused");
	put_host_pod(w, "{containerPort: 8080}");
	assert_string_equal(probe(w, w->vpc, false, NODE_IP, 9000), "refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(point_1_no_endpoints_refuse_new_flows_only),
		cmocka_unit_test(point_1_a_local_policy_without_local_endpoints_drops),
		cmocka_unit_test(point_1_an_unused_address_drops_and_an_undefined_port_refuses),
		cmocka_unit_test(point_2_ports_meet_by_name_and_nil_conditions_mean_ready),
		cmocka_unit_test(point_2_a_named_port_may_have_other_numbers_in_other_pods),
		cmocka_unit_test(point_3_headless_is_pod_addresses_and_pod_ports),
		cmocka_unit_test(point_4_terminating_endpoints_stand_in_for_each_set_by_itself),
		cmocka_unit_test(point_4_policy_local_is_not_for_pods_and_the_node),
		cmocka_unit_test(point_5_source_ranges_guard_the_balancers_address_alone),
		cmocka_unit_test(point_5_proxy_mode_and_names_are_not_cut_short),
		cmocka_unit_test(point_6_affinity_is_by_address_and_one_for_all_addresses),
		cmocka_unit_test(point_6_each_connection_begins_the_affinitys_time_anew),
		cmocka_unit_test(point_6_a_pod_reaches_itself_by_every_address),
		cmocka_unit_test(point_7_udp_flows_follow_their_endpoints_both_ways),
		cmocka_unit_test(point_7_invalid_packets_do_not_leak_untranslated),
		cmocka_unit_test(point_7_answers_of_a_neighbour_come_from_the_service),
		cmocka_unit_test(traffic_stays_in_the_nodes_zone_as_hints_say),
		cmocka_unit_test(host_ports_lead_to_their_pod_and_keep_the_client),
	};

	return cmocka_run_group_tests_name("points", tests, setup, teardown);
}
