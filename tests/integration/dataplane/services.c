/* Why: services with real packets: spread, refusal and silence, affinity, hairpin, doors from
 * outside, UDP's memory, restarts. */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define A      POD_IP(2)
#define B      POD_IP(3)
#define C      POD_IP(4)
#define CLIENT POD_IP(9)
#define VIP    SERVICE_IP(20)

#define READY(ip)                                                                                  \
	"{addresses: [" ip                                                                         \
	"], nodeName: node-1, conditions: {ready: true, serving: true, terminating: false}}"
#define ENDING(ip)                                                                                 \
	"{addresses: [" ip                                                                         \
	"], nodeName: node-1, conditions: {ready: false, serving: true, terminating: true}}"
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
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

/* Every test starts from this: one service of three. */
static int three(void **state)
{
	struct world *w = *state;

	put_service(w, "web",
	            "{clusterIP: " VIP ", clusterIPs: [" VIP
	            "], ports: [{port: 80, protocol: TCP}]}");
	put_slice(w, "web", "TCP", 8080, "[" READY(A) ", " READY(B) ", " READY(C) "]");
	world_sync(w);
	return 0;
}

static void count(struct world *w, int ns, const char *ip, int port, int n, int *ret)
{
	memset(ret, 0, 3 * sizeof(*ret));
	for (int i = 0; i < n; i++) {
		const char *name = probe_name(w, ns, false, ip, port);

		if (strlen(name) != 1 || name[0] < 'a' || name[0] > 'c') {
			fail_msg("connection %d to %s:%d: %s", i, ip, port, name);
		}
		ret[name[0] - 'a']++;
	}
}

static void a_pod_reaches_a_pod_with_its_own_address(void **state)
{
	struct world *w = *state;

	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, A, 8080), "a " CLIENT);
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, A, 81), "refused");
}

static void connections_go_round(void **state)
{
	struct world *w = *state;
	int n[3];

	count(w, pod_ns(w, CLIENT), VIP, 80, 12, n);
	assert_int_equal(n[0], 4);
	assert_int_equal(n[1], 4);
	assert_int_equal(n[2], 4);
	assert_string_equal(strchr(probe(w, pod_ns(w, CLIENT), false, VIP, 80), ' '), " " CLIENT);
}

static void services_used_in_turn_do_not_share_a_turn(void **state)
{
	struct world *w = *state;
	int n[3] = { 0 };

	put_service(w, "web2",
	            "{clusterIP: " SERVICE_IP(21) ", clusterIPs: [" SERVICE_IP(
			    21) "], ports: [{port: 80}]}");
	put_slice(w, "web2", "TCP", 8080, "[" READY(A) ", " READY(B) "]");
	put_slice(w, "web", "TCP", 8080, "[" READY(A) ", " READY(B) "]");
	world_sync(w);
	for (int i = 0; i < 8; i++) {
		n[probe_name(w, pod_ns(w, CLIENT), false, VIP, 80)[0] - 'a']++;
		probe_name(w, pod_ns(w, CLIENT), false, SERVICE_IP(21), 80);
	}
	assert_int_equal(n[0], 4);
	assert_int_equal(n[1], 4);
	world_remove(w,
	             "{apiVersion: v1, kind: Service, metadata: {name: web2, namespace: default}}");
}

static void the_node_itself_reaches_services(void **state)
{
	struct world *w = *state;
	int n[3];

	count(w, w->node, VIP, 80, 6, n);
	assert_int_equal(n[0] + n[1] + n[2], 6);
	assert_string_equal(strchr(probe(w, w->node, false, VIP, 80), ' '), " " NODE_IP);
}

static void without_endpoints_new_connections_are_refused_and_old_ones_live(void **state)
{
	struct world *w = *state;
	int fd = open_connection(w, pod_ns(w, CLIENT), false, VIP, 80);
	char before[64];

	assert_true(fd >= 0);
	snprintf(before, sizeof(before), "%s", ask(w, fd));
	put_slice(w, "web", "TCP", 8080, "[]");
	world_sync(w);
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, VIP, 80), "refused");
	assert_string_equal(probe(w, w->node, false, VIP, 80), "refused");
	assert_string_equal(ask(w, fd), before);
	close(fd);
}

static void an_unknown_port_is_refused_and_an_unknown_address_is_silent(void **state)
{
	struct world *w = *state;

	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, VIP, 81), "refused");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), true, VIP, 80), "refused");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, SERVICE_IP(99), 80), "timeout");
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, DNS_IP, 53), "timeout");
}

static void a_change_of_endpoints_is_a_change_of_few_elements(void **state)
{
	struct world *w = *state;
	struct dataplane_stats before = dataplane_stats(w->d), after;
	int n[3];

	put_slice(w, "web", "TCP", 8080, "[" READY(B) ", " READY(C) "]");
	world_sync(w);
	count(w, pod_ns(w, CLIENT), VIP, 80, 6, n);
	assert_int_equal(n[0], 0);
	assert_int_equal(n[1], 3);
	after = dataplane_stats(w->d);
	assert_int_equal(after.rebuilds, before.rebuilds);
	/* A hole filled from the end and the pool's chain (each is deleted and added), and a spare
	 * slot to go. */
	assert_in_range(after.elements - before.elements, 1, 7);
	world_wait_ms(w, 150);
	count(w, pod_ns(w, CLIENT), VIP, 80, 6, n);
	assert_int_equal(n[1], 3);
}

static void changes_between_syncs_leave_no_trace(void **state)
{
	struct world *w = *state;
	struct dataplane_stats before = dataplane_stats(w->d);
	int n[3];

	put_slice(w, "web", "TCP", 8080,
	          "[" READY(A) ", " READY(B) ", " READY(C) ", " READY(CLIENT) "]");
	put_slice(w, "web", "TCP", 8080, "[" READY(A) "]");
	put_slice(w, "web", "TCP", 8080, "[" READY(A) ", " READY(B) ", " READY(C) "]");
	world_sync(w);
	assert_int_equal(dataplane_stats(w->d).rebuilds, before.rebuilds);
	count(w, pod_ns(w, CLIENT), VIP, 80, 6, n);
	assert_int_equal(n[0], 2);
}

static void a_second_sync_writes_nothing(void **state)
{
	struct world *w = *state;
	struct dataplane_stats before, after;

	world_wait_ms(w, 150);
	before = dataplane_stats(w->d);
	world_sync(w);
	put_slice(w, "web", "TCP", 8080, "[" READY(C) ", " READY(B) ", " READY(A) "]");
	world_sync(w);
	after = dataplane_stats(w->d);
	assert_int_equal(after.transactions, before.transactions);
}

static void affinity_keeps_a_client_and_lets_go_of_a_lost_endpoint(void **state)
{
	struct world *w = *state;
	static const char *const spec =
		"{clusterIP: " VIP ", clusterIPs: [" VIP
		"], ports: [{port: 80}], type: NodePort, sessionAffinity: %s}";
	char first[8], text[256];
	int n[3], kept;

	snprintf(text, sizeof(text), spec,
	         "ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}");
	put_service(w, "web", text);
	world_sync(w);
	snprintf(first, sizeof(first), "%s", probe_name(w, pod_ns(w, CLIENT), false, VIP, 80));
	count(w, pod_ns(w, CLIENT), VIP, 80, 6, n);
	kept = first[0] - 'a';
	assert_int_equal(n[kept], 6);

	/* Kept over a restart, and over endpoints that others lose. */
	(void)world_restart(w);
	count(w, pod_ns(w, CLIENT), VIP, 80, 3, n);
	assert_int_equal(n[kept], 3);
	put_slice(w, "web", "TCP", 8080,
	          kept == 0 ? "[" READY(A) ", " READY(C) "]" : "[" READY(B) ", " READY(C) "]");
	world_sync(w);
	count(w, pod_ns(w, CLIENT), VIP, 80, 3, n);
	assert_int_equal(n[kept], 3);
	put_slice(w, "web", "TCP", 8080, "[" READY(A) ", " READY(B) ", " READY(C) "]");
	world_sync(w);
	count(w, pod_ns(w, CLIENT), VIP, 80, 3, n);
	assert_int_equal(n[kept], 3);

	put_slice(w, "web", "TCP", 8080,
	          kept == 0   ? "[" READY(B) ", " READY(C) "]"
	          : kept == 1 ? "[" READY(A) ", " READY(C) "]"
	                      : "[" READY(A) ", " READY(B) "]");
	world_sync(w);
	count(w, pod_ns(w, CLIENT), VIP, 80, 3, n);
	assert_int_equal(n[kept], 0);

	/* Switched off, new connections go round again. */
	three(state);
	count(w, pod_ns(w, CLIENT), VIP, 80, 6, n);
	assert_int_equal(n[0], 2);
}

static void affinity_ends_after_its_time(void **state)
{
	struct world *w = *state;
	int n[3];

	put_service(w, "web",
	            "{clusterIP: " VIP ", clusterIPs: [" VIP
	            "], ports: [{port: 80}], sessionAffinity: ClientIP, "
	            "sessionAffinityConfig: {clientIP: {timeoutSeconds: 1}}}");
	world_sync(w);
	count(w, pod_ns(w, CLIENT), VIP, 80, 3, n);
	assert_true(n[0] == 3 || n[1] == 3 || n[2] == 3);
	for (int i = 0; i < 3; i++) {
		world_wait_ms(w, 1100);
		n[probe_name(w, pod_ns(w, CLIENT), false, VIP, 80)[0] - 'a'] += 10;
	}
	assert_true(n[0] < 30 && n[1] < 30 && n[2] < 30);
}

static void a_pod_reaches_itself_through_its_service(void **state)
{
	struct world *w = *state;

	put_slice(w, "web", "TCP", 8080, "[" READY(A) "]");
	world_sync(w);
	assert_string_equal(probe_name(w, pod_ns(w, A), false, VIP, 80), "a");
}

static void node_ports_serve_the_vpc_behind_the_nodes_address(void **state)
{
	struct world *w = *state;
	int n[3];

	put_service(w, "web",
	            "{clusterIP: " VIP ", clusterIPs: [" VIP
	            "], type: NodePort, ports: [{port: 80, nodePort: 30080}]}");
	world_sync(w);
	count(w, w->outside, NODE_IP, 30080, 6, n);
	assert_int_equal(n[0], 2);
	assert_string_not_equal(strchr(probe(w, w->outside, false, NODE_IP, 30080), ' '),
	                        " " OUTSIDE_IP);
	count(w, w->vpc, NODE_IP, 30080, 3, n);
	count(w, pod_ns(w, CLIENT), NODE_IP, 30080, 3, n);
	count(w, w->node, NODE_IP, 30080, 3, n);
	assert_string_equal(probe(w, w->outside, false, NODE_IP, 30081), "refused");
	put_slice(w, "web", "TCP", 8080, "[]");
	world_sync(w);
	assert_string_equal(probe(w, w->outside, false, NODE_IP, 30080), "refused");
}

static void policy_local_keeps_the_client_and_is_silent_without_local_endpoints(void **state)
{
	struct world *w = *state;

	put_service(w, "web",
	            "{clusterIP: " VIP ", clusterIPs: [" VIP
	            "], type: NodePort, externalTrafficPolicy: Local, "
	            "ports: [{port: 80, nodePort: 30080}]}");
	put_slice(w, "web", "TCP", 8080, "[" READY(A) ", " ELSEWHERE(OUTSIDE_IP) "]");
	serve(w, w->outside, "elsewhere", false, 8080);
	assert_int_equal(
		dataplane_host_rules(w->d, SLICE("outside"), ip_of("10.0.0.20"),
	                             &(struct host_rule){ { ip_v4(0), 0 }, PROTO_TCP, 0, 65535 }, 1,
	                             NULL),
		0);
	world_sync(w);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(probe(w, w->vpc, false, NODE_IP, 30080), "a " NEAR_ROUTER_IP);
	}
	put_slice(w, "web", "TCP", 8080, "[" ELSEWHERE(OUTSIDE_IP) "]");
	world_sync(w);
	assert_string_equal(probe(w, w->vpc, false, NODE_IP, 30080), "timeout");
	/* Inside takes the short cut to all endpoints. */
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, NODE_IP, 30080),
	                    "elsewhere " NODE_IP);
	put_service(w, "web",
	            "{clusterIP: " VIP ", clusterIPs: [" VIP
	            "], internalTrafficPolicy: Local, ports: [{port: 80}]}");
	world_sync(w);
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, VIP, 80), "timeout");
	put_slice(w, "web", "TCP", 8080, "[]");
	world_sync(w);
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, VIP, 80), "refused");
	stop_serving(w, "elsewhere");
}

static void balancer_and_external_addresses_lead_in_and_guard(void **state)
{
	struct world *w = *state;
	int n[3];

	world_put(w, "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: default}\n"
	             "spec: {clusterIP: " VIP ", clusterIPs: [" VIP
	             "], type: LoadBalancer, externalIPs: [" EDGE_IP(
			     9) "],\n"
	                        "  loadBalancerSourceRanges: [" POD_IP(2) ALONE ", " POD_IP(2) PAIR
	          "], ports: [{port: "
	          "80, nodePort: 30080}]}\n"
	          "status: {loadBalancer: {ingress: [{ip: " EDGE_IP(7) "}]}}\n");
	world_sync(w);
	count(w, pod_ns(w, A), EDGE_IP(7), 80, 3, n);
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, EDGE_IP(7), 80), "timeout");
	count(w, pod_ns(w, CLIENT), EDGE_IP(9), 80, 3, n);
	count(w, pod_ns(w, CLIENT), NODE_IP, 30080, 3, n);
}

static void terminating_endpoints_serve_when_no_other_does(void **state)
{
	struct world *w = *state;
	int n[3];

	put_slice(w, "web", "TCP", 8080, "[" READY(A) ", " ENDING(B) "]");
	world_sync(w);
	count(w, pod_ns(w, CLIENT), VIP, 80, 4, n);
	assert_int_equal(n[0], 4);
	put_slice(w, "web", "TCP", 8080, "[" ENDING(B) "]");
	world_sync(w);
	count(w, pod_ns(w, CLIENT), VIP, 80, 4, n);
	assert_int_equal(n[1], 4);
}

static void a_cluster_address_inside_the_vpc_range_works(void **state)
{
	struct world *w = *state;

	put_service(w, "dns",
	            "{clusterIP: " DNS_IP ", clusterIPs: [" DNS_IP
	            "], ports: [{port: 53, protocol: "
	            "UDP}]}");
	put_slice(w, "dns", "UDP", 5300, "[" READY(A) "]");
	world_sync(w);
	assert_string_equal(probe(w, pod_ns(w, CLIENT), true, DNS_IP, 53), "a " CLIENT);
	assert_string_equal(probe(w, w->node, true, DNS_IP, 53), "a " NODE_IP);
}

static void datagrams_of_one_socket_go_to_one_endpoint(void **state)
{
	struct world *w = *state;
	int n[2] = { 0 };

	put_slice(w, "dns", "UDP", 5300, "[" READY(A) ", " READY(B) "]");
	world_sync(w);
	for (int i = 0; i < 24; i++) {
		n[probe_name(w, pod_ns(w, CLIENT), true, DNS_IP, 53)[0] == 'a']++;
	}
	assert_true(n[0] > 3 && n[1] > 3);
	put_slice(w, "dns", "UDP", 5300, "[" READY(A) "]");
	world_sync(w);
}

static void the_node_is_an_endpoint_like_others(void **state)
{
	struct world *w = *state;

	serve(w, w->node, "api", false, 6443);
	put_service(w, "api",
	            "{clusterIP: " SERVICE_IP(1) ", clusterIPs: [" SERVICE_IP(
			    1) "], ports: [{port: 443, targetPort: "
	                       "6443}]}");
	put_slice(w, "api", "TCP", 6443, "[{addresses: [" NODE_IP "], conditions: {ready: true}}]");
	world_sync(w);
	assert_string_equal(probe(w, pod_ns(w, CLIENT), false, SERVICE_IP(1), 443), "api " CLIENT);
	assert_string_equal(probe(w, w->node, false, SERVICE_IP(1), 443), "api " NODE_IP);
	stop_serving(w, "api");
}

static void headless_services_get_nothing(void **state)
{
	struct world *w = *state;
	struct dataplane_stats before = dataplane_stats(w->d);

	put_service(w, "bare", "{clusterIP: None, clusterIPs: [None], ports: [{port: 8080}]}");
	put_slice(w, "bare", "TCP", 8080, "[" READY(A) "]");
	world_sync(w);
	assert_int_equal(dataplane_stats(w->d).elements, before.elements);
}

static void an_address_no_pod_has_is_unreachable_at_once(void **state)
{
	struct world *w = *state;

	int fd = open_connection(w, pod_ns(w, CLIENT), true, POD_IP(77), 80), on = 1;

	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	assert_string_equal(ask(w, fd), "unreachable");
	close(fd);
}

static void udp_flows_leave_an_endpoint_that_is_gone(void **state)
{
	struct world *w = *state;
	int fd = open_connection(w, pod_ns(w, CLIENT), true, DNS_IP, 53);

	assert_string_equal(ask(w, fd), "a " CLIENT);
	put_slice(w, "dns", "UDP", 5300, "[" READY(B) "]");
	world_sync(w);
	assert_string_equal(ask(w, fd), "b " CLIENT);
	close(fd);
	/* None, then some: what was untranslated must not stay so. */
	put_slice(w, "dns", "UDP", 5300, "[]");
	world_sync(w);
	fd = open_connection(w, pod_ns(w, CLIENT), true, DNS_IP, 53);
	assert_string_equal(ask(w, fd), "refused");
	put_slice(w, "dns", "UDP", 5300, "[" READY(A) "]");
	world_sync(w);
	assert_string_equal(ask(w, fd), "a " CLIENT);
	world_remove(w,
	             "{apiVersion: v1, kind: Service, metadata: {name: dns, namespace: default}}");
	world_sync(w);
	assert_string_equal(ask(w, fd), "timeout");
	close(fd);
}

static void a_restart_writes_nothing_and_cuts_nothing(void **state)
{
	struct world *w = *state;
	int fd;
	char before[64];
	struct dataplane_stats s;

	world_wait_ms(w, 200);
	fd = open_connection(w, pod_ns(w, CLIENT), false, VIP, 80);
	snprintf(before, sizeof(before), "%s", ask(w, fd));
	s = world_restart(w);
	assert_int_equal(s.rebuilds, 0);
	assert_int_equal(s.elements, 0);
	assert_string_equal(ask(w, fd), before);
	close(fd);
}

/* The lists of the API come one after another; until all are here nothing may change. */
static void a_restart_with_half_a_model_leaves_everything_as_it_is(void **state)
{
	struct world *w = *state;
	struct model *whole = w->m;
	int fd, n[3];
	char before[64];

	world_wait_ms(w, 200);
	fd = open_connection(w, pod_ns(w, CLIENT), false, VIP, 80);
	snprintf(before, sizeof(before), "%s", ask(w, fd));
	w->d = dataplane_free(w->d);
	w->m = model_new();
	world_start_dataplane(w);
	assert_int_equal(dataplane_pod_attach(w->d, SLICE("uid-default-a"),
	                                      (struct ip_pair){ { ip_of(A) } }, pod_ns(w, A), NULL),
	                 0);
	count(w, pod_ns(w, CLIENT), VIP, 80, 6, n);
	assert_int_equal(n[0], 2);
	assert_string_equal(ask(w, fd), before);
	assert_int_equal(dataplane_stats(w->d).transactions, 0);
	w->d = dataplane_free(w->d);
	model_free(w->m);
	w->m = whole;
	world_start_dataplane(w);
	world_sync(w);
	assert_int_equal(dataplane_stats(w->d).elements, 0);
	assert_string_equal(ask(w, fd), before);
	close(fd);
}

static void a_restart_mends_what_others_changed(void **state)
{
	struct world *w = *state;
	struct dataplane_stats s;
	int n[3];

	/* Changed while nobody watched. */
	w->d = dataplane_free(w->d);
	put_slice(w, "web", "TCP", 8080, "[" READY(C) "]");
	world_start_dataplane(w);
	world_sync(w);
	count(w, pod_ns(w, CLIENT), VIP, 80, 2, n);
	assert_int_equal(n[2], 2);
	s = dataplane_stats(w->d);
	assert_int_equal(s.rebuilds, 0);
	assert_in_range(s.elements, 1, 8);
}

/* A child that changes endpoints as fast as it can is killed at some point; whoever comes after
 * finds it mended. */
static void killed_at_any_point_the_kernel_follows_the_model(void **state)
{
	struct world *w = *state;

	w->d = dataplane_free(w->d);
	for (int i = 0; i < 8; i++) {
		pid_t child = fork();
		int n[3];

		if (child == 0) {
			world_start_dataplane(w);
			for (unsigned k = 0;; k++) {
				put_slice(w, "web", "TCP", 8080,
				          k % 3 == 0 ? "[" READY(A) "]"
				          : k % 3 == 1
				                  ? "[" READY(A) ", " READY(B) ", " READY(C) "]"
				                  : "[]");
				world_sync(w);
				loop_run_once(w->loop);
			}
		}
		usleep((useconds_t)(1000 + i * 3771));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		world_start_dataplane(w);
		world_sync(w);
		count(w, pod_ns(w, CLIENT), VIP, 80, 3, n);
		assert_int_equal(n[0] + n[1] + n[2], 3);
		assert_int_equal(n[0], 1);
		world_wait_ms(w, 150);
		assert_int_equal(world_restart(w).elements, 0);
		w->d = dataplane_free(w->d);
	}
	world_start_dataplane(w);
	world_sync(w);
}

static void a_new_pod_with_an_old_address_inherits_nothing(void **state)
{
	struct world *w = *state;
	int fd;

	serve(w, add_pod(w, "default", "old", POD_IP(30), "{app: x}"), "old", true, 5300);
	put_service(w, "x",
	            "{clusterIP: " SERVICE_IP(30) ", clusterIPs: [" SERVICE_IP(
			    30) "], ports: [{port: 53, protocol: "
	                        "UDP}]}");
	put_slice(w, "x", "UDP", 5300, "[" READY(POD_IP(30)) "]");
	world_sync(w);
	fd = open_connection(w, pod_ns(w, CLIENT), true, SERVICE_IP(30), 53);
	assert_string_equal(ask(w, fd), "old " CLIENT);
	put_slice(w, "x", "UDP", 5300, "[]");
	stop_serving(w, "old");
	remove_pod(w, "default", "old");
	serve(w, add_pod(w, "default", "new", POD_IP(30), "{app: y}"), "new", true, 5300);
	assert_string_equal(ask(w, fd), "refused");
	close(fd);
	stop_serving(w, "new");
	remove_pod(w, "default", "new");
	world_wait_ms(w, 100);
}

static void many(struct world *w, int n, bool remove)
{
	for (int i = 0; i < n; i++) {
		char name[16], spec[160];

		snprintf(name, sizeof(name), "m%d", i);
		if (remove) {
			world_remove(w,
			             "{apiVersion: v1, kind: Service, metadata: {name: %s, "
			             "namespace: default}}",
			             name);
			continue;
		}
		snprintf(spec, sizeof(spec),
		         "{clusterIP: %s, clusterIPs: [%s], ports: [{port: 80}]}",
		         nth_service_ip(i), nth_service_ip(i));
		put_service(w, name, spec);
		put_slice(w, name, "TCP", 8080, "[" READY(A) ", " READY(B) "]");
	}
}

static void among_thousands_a_change_is_as_small(void **state)
{
	enum { MANY = 2000 };
	struct world *w = *state;
	struct dataplane_stats before, after;
	int64_t start;
	int n[3];

	many(w, MANY, false);
	start = clock_mono_us();
	world_sync(w);
	print_message("# %d services take %d us\n", MANY, (int)(clock_mono_us() - start));
	world_wait_ms(w, 150);
	count(w, pod_ns(w, CLIENT), nth_service_ip(1849), 80, 4, n);
	assert_int_equal(n[0], 2);
	before = dataplane_stats(w->d);
	put_slice(w, "m1849", "TCP", 8080, "[" READY(A) ", " READY(B) ", " READY(C) "]");
	start = clock_mono_us();
	world_sync(w);
	print_message("# one more endpoint takes %d us\n", (int)(clock_mono_us() - start));
	after = dataplane_stats(w->d);
	assert_int_equal(after.transactions - before.transactions, 1);
	/* A slot, the pool's picker deleted and added, and that picker if it is a new one. */
	assert_in_range(after.elements - before.elements, 3, 4);
	count(w, pod_ns(w, CLIENT), nth_service_ip(1849), 80, 6, n);
	assert_int_equal(n[2], 2);
	start = clock_mono_us();
	assert_int_equal(world_restart(w).elements, 0);
	print_message("# a restart takes %d us\n", (int)(clock_mono_us() - start));
	many(w, MANY, true);
	world_sync(w);
	world_wait_ms(w, 150);
}

int main(void)
{
#define FROM_THREE(test) cmocka_unit_test_setup(test, three)
	const struct CMUnitTest tests[] = {
		FROM_THREE(a_pod_reaches_a_pod_with_its_own_address),
		FROM_THREE(connections_go_round),
		FROM_THREE(services_used_in_turn_do_not_share_a_turn),
		FROM_THREE(the_node_itself_reaches_services),
		FROM_THREE(without_endpoints_new_connections_are_refused_and_old_ones_live),
		FROM_THREE(an_unknown_port_is_refused_and_an_unknown_address_is_silent),
		FROM_THREE(a_change_of_endpoints_is_a_change_of_few_elements),
		FROM_THREE(changes_between_syncs_leave_no_trace),
		FROM_THREE(a_second_sync_writes_nothing),
		FROM_THREE(affinity_keeps_a_client_and_lets_go_of_a_lost_endpoint),
		FROM_THREE(affinity_ends_after_its_time),
		FROM_THREE(a_pod_reaches_itself_through_its_service),
		FROM_THREE(node_ports_serve_the_vpc_behind_the_nodes_address),
		FROM_THREE(policy_local_keeps_the_client_and_is_silent_without_local_endpoints),
		FROM_THREE(balancer_and_external_addresses_lead_in_and_guard),
		FROM_THREE(terminating_endpoints_serve_when_no_other_does),
		FROM_THREE(a_cluster_address_inside_the_vpc_range_works),
		cmocka_unit_test(datagrams_of_one_socket_go_to_one_endpoint),
		FROM_THREE(the_node_is_an_endpoint_like_others),
		FROM_THREE(headless_services_get_nothing),
		FROM_THREE(an_address_no_pod_has_is_unreachable_at_once),
		cmocka_unit_test(udp_flows_leave_an_endpoint_that_is_gone),
		FROM_THREE(a_restart_writes_nothing_and_cuts_nothing),
		FROM_THREE(a_restart_with_half_a_model_leaves_everything_as_it_is),
		FROM_THREE(a_restart_mends_what_others_changed),
		FROM_THREE(killed_at_any_point_the_kernel_follows_the_model),
		FROM_THREE(among_thousands_a_change_is_as_small),
		FROM_THREE(a_new_pod_with_an_old_address_inherits_nothing),
	};

	return cmocka_run_group_tests_name("services", tests, setup, teardown);
}
