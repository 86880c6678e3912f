/* Why: both families at once: a pod with two addresses, a Service with two, policies over both, and
 * what only IPv6 has (neighbour discovery, sources that are not the pod's). */
#include "world.h"

#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/link.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "host/route.h"

#define A4   "10.244.0.2"
#define A6   POD_IP(2)
#define B4   "10.244.0.3"
#define B6   POD_IP(3)
#define VIP4 "10.1.0.20"
#define VIP6 SERVICE_IP(20)

static void put_slices(struct world *w, const char *v4, const char *v6)
{
	put_slice(w, "web", "TCP", 8080, v6);
	world_put(w,
	          "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	          "metadata: {name: web-v4, namespace: default, labels: "
	          "{kubernetes.io/service-name: web}}\n"
	          "addressType: IPv4\nports: [{name: '', protocol: TCP, port: 8080}]\nendpoints: "
	          "%s\n",
	          v4);
	world_sync(w);
}

static int setup(void **state)
{
	struct world *w = world_new();

	*state = w;
	add_dual_pod(w, "default", "a", A4, A6, "{app: a}");
	serve(w, add_dual_pod(w, "default", "b", B4, B6, "{app: b}"), "b", false, 8080);
	put_service(w, "web",
	            "{clusterIP: " VIP4 ", clusterIPs: [" VIP4 ", " VIP6
	            "], type: NodePort, ports: [{port: 80, nodePort: 30080}]}");
	put_slices(w, "[{addresses: [" B4 "], conditions: {ready: true}}]",
	           "[{addresses: [" B6 "], conditions: {ready: true}}]");
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static void put_policy(struct world *w, const char *spec)
{
	world_put(w,
	          "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
	          "metadata: {name: p, namespace: default}\nspec: %s\n",
	          spec);
	world_sync(w);
}

static int without_policy(void **state)
{
	struct world *w = *state;

	world_remove(w,
	             "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, "
	             "namespace: default}}");
	world_sync(w);
	return 0;
}

static void a_pod_is_reached_on_both_addresses(void **state)
{
	struct world *w = *state;

	assert_string_equal(probe(w, pod_ns(w, A4), false, B4, 8080), "b " A4);
	assert_string_equal(probe(w, pod_ns(w, A4), false, B6, 8080), "b " A6);
}

static void a_service_answers_on_both_addresses_and_node_ports(void **state)
{
	struct world *w = *state;

	assert_string_equal(probe(w, pod_ns(w, A4), false, VIP4, 80), "b " A4);
	assert_string_equal(probe(w, pod_ns(w, A4), false, VIP6, 80), "b " A6);
	assert_string_equal(probe_name(w, w->outside, false, "10.0.2.10", 30080), "b");
	assert_string_equal(probe_name(w, w->outside, false, NODE_IP, 30080), "b");
	/* Itself, through both. */
	assert_string_equal(probe_name(w, pod_ns(w, B4), false, VIP4, 80), "b");
	assert_string_equal(probe_name(w, pod_ns(w, B4), false, VIP6, 80), "b");
}

static uint64_t counted;

static void find_balanced(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	(void)arg;
	(void)bytes;
	if (strcmp(name, "balance-socket") == 0) {
		counted = packets;
	}
}

static void sockets_of_both_families_are_balanced(void **state)
{
	struct world *w = *state;
	uint64_t before;

	if (!world_has_sockets()) {
		skip();
	}
	assert_int_equal(dataplane_each_counter(w->d, find_balanced, NULL, NULL), 0);
	before = counted;
	assert_string_equal(probe_name(w, pod_ns(w, A4), false, VIP6, 80), "b");
	assert_int_equal(dataplane_each_counter(w->d, find_balanced, NULL, NULL), 0);
	assert_int_equal(counted, before + 1);
	assert_string_equal(probe_name(w, pod_ns(w, A4), false, VIP4, 80), "b");
	assert_int_equal(dataplane_each_counter(w->d, find_balanced, NULL, NULL), 0);
	assert_int_equal(counted, before + 2);
}

static void a_family_without_endpoints_is_refused_alone(void **state)
{
	struct world *w = *state;

	put_slices(w, "[{addresses: [" B4 "], conditions: {ready: true}}]", "[]");
	assert_string_equal(probe(w, pod_ns(w, A4), false, VIP6, 80), "refused");
	assert_string_equal(probe_name(w, pod_ns(w, A4), false, VIP4, 80), "b");
	put_slices(w, "[{addresses: [" B4 "], conditions: {ready: true}}]",
	           "[{addresses: [" B6 "], conditions: {ready: false, serving: true, terminating: "
	           "true}}]");
	/* The last one that still serves, whatever the other family has. */
	assert_string_equal(probe_name(w, pod_ns(w, A4), false, VIP6, 80), "b");
	put_slices(w, "[{addresses: [" B4 "], conditions: {ready: true}}]",
	           "[{addresses: [" B6 "], conditions: {ready: true}}]");
}

static void a_service_of_one_family_opens_no_node_port_of_the_other(void **state)
{
	struct world *w = *state;

	put_service(w, "one",
	            "{clusterIP: 10.1.0.30, clusterIPs: [10.1.0.30], type: NodePort, ports: "
	            "[{port: 80, nodePort: 30090}]}");
	world_sync(w);
	assert_string_equal(probe(w, w->outside, false, "10.0.2.10", 30090), "refused");
	serve(w, w->node, "host", false, 30090);
	/* Nobody took the port from the node itself. */
	assert_string_equal(probe_name(w, pod_ns(w, A4), false, NODE_IP, 30090), "host");
	stop_serving(w, "host");
	world_remove(w,
	             "{apiVersion: v1, kind: Service, metadata: {name: one, namespace: default}}");
	world_sync(w);
}

static void a_policy_over_pods_holds_for_both_addresses(void **state)
{
	struct world *w = *state;

	put_policy(w, "{podSelector: {matchLabels: {app: b}}, ingress: []}");
	assert_string_equal(probe(w, pod_ns(w, A4), false, B4, 8080), "timeout");
	assert_string_equal(probe(w, pod_ns(w, A4), false, B6, 8080), "timeout");
	assert_string_equal(probe(w, pod_ns(w, A4), false, VIP6, 80), "timeout");
	put_policy(w, "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: "
	              "{matchLabels: {app: a}}}]}]}");
	assert_string_equal(probe_name(w, pod_ns(w, A4), false, B4, 8080), "b");
	assert_string_equal(probe_name(w, pod_ns(w, A4), false, VIP6, 80), "b");
}

static void a_block_of_one_family_says_nothing_of_the_other(void **state)
{
	struct world *w = *state;

	put_policy(w, "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{ipBlock: {cidr: "
	              "\"::/0\", except: [" POD_IP(9) "/128]}}]}]}");
	assert_string_equal(probe(w, pod_ns(w, A4), false, B4, 8080), "timeout");
	assert_string_equal(probe_name(w, pod_ns(w, A4), false, B6, 8080), "b");
	put_policy(w, "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{ipBlock: {cidr: "
	              "0.0.0.0/0}}]}]}");
	assert_string_equal(probe_name(w, pod_ns(w, A4), false, B4, 8080), "b");
	assert_string_equal(probe(w, pod_ns(w, A4), false, B6, 8080), "timeout");
}

/* Neighbours forget each other after a while; a default deny must not keep them from asking again. */
static void neighbour_discovery_passes_a_default_deny(void **state)
{
	struct world *w = *state;
	scoped_netlink struct netlink nl = { 0 };
	struct link_info bridge;

	put_policy(w,
	           "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: "
	           "{cidr: " OUTSIDE_IP "/128}}]}]}");
	/* The router has to ask who the node is. */
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, w->vpc, 0, NULL), 0);
	assert_int_equal(link_find(&nl, "subnet2", &bridge, NULL), 0);
	neighbour_queue_delete(&nl, bridge.index, ip_of(NODE_IP));
	assert_int_equal(netlink_send(&nl, NULL), 0);
	assert_string_equal(probe_name(w, w->outside, false, NODE_IP, 30080), "b");
	assert_string_equal(probe(w, pod_ns(w, A4), false, B6, 8080), "timeout");
}

static uint64_t spoofed;

static void find_spoofed(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	(void)arg;
	(void)bytes;
	if (strcmp(name, "drop-spoofed-source") == 0) {
		spoofed = packets;
	}
}

static void a_source_that_is_not_the_pods_is_not_heard(void **state)
{
	struct world *w = *state;
	scoped_netlink struct netlink nl = { 0 };
	struct link_info eth0;
	struct sockaddr_storage from, to;
	socklen_t size = ip_to_sockaddr(ip_of(POD_IP(9)), 0, &from);
	scoped_visit struct netns_visit v = { -1 };
	int fd;

	serve(w, pod_ns(w, B4), "udp", true, 5300);
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, pod_ns(w, A4), 0, NULL), 0);
	assert_int_equal(link_find(&nl, "eth0", &eth0, NULL), 0);
	address_queue(&nl, eth0.index, ip_of(POD_IP(9)), 128);
	assert_int_equal(netlink_send(&nl, NULL), 0);
	assert_int_equal(netns_enter(&v, pod_ns(w, A4), NULL), 0);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, size), 0);
	size = ip_to_sockaddr(ip_of(B6), 5300, &to);
	assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, size), 5);
	close(fd);
	assert_int_equal(dataplane_each_counter(w->d, find_spoofed, NULL, NULL), 0);
	assert_int_equal(spoofed, 1);
	world_wait_ms(w, 50);
	assert_int_equal(served(w, "udp"), 0);
	stop_serving(w, "udp");
}

struct seen {
	bool v4, v6;
};

static void note_drop(void *arg, const struct dropped *d)
{
	const struct flow *f = &d->flow;
	struct seen *seen = arg;

	if (f->dst_port == 8080 && d->reason == DROP_INGRESS) {
		seen->v4 |= ip_eq(f->src, ip_of(A4)) && ip_eq(f->dst, ip_of(B4));
		seen->v6 |= ip_eq(f->src, ip_of(A6)) && ip_eq(f->dst, ip_of(B6));
	}
}

static void drops_name_both_families(void **state)
{
	struct world *w = *state;
	struct seen seen = { 0 };

	put_policy(w, "{podSelector: {matchLabels: {app: b}}, ingress: []}");
	assert_string_equal(probe(w, pod_ns(w, A4), false, B4, 8080), "timeout");
	assert_string_equal(probe(w, pod_ns(w, A4), false, B6, 8080), "timeout");
	assert_int_equal(dataplane_each_drop(w->d, note_drop, &seen, NULL), 0);
	assert_true(seen.v4);
	assert_true(seen.v6);
}

static void a_restart_finds_both_families_right(void **state)
{
	struct world *w = *state;
	struct dataplane_stats s;
	int v4, v6;

	world_wait_ms(w, 200);
	v4 = open_connection(w, pod_ns(w, A4), false, VIP4, 80);
	v6 = open_connection(w, pod_ns(w, A4), false, VIP6, 80);
	s = world_restart(w);
	assert_int_equal(s.rebuilds, 0);
	assert_int_equal(s.elements, 0);
	assert_string_equal(ask(w, v4), "b " A4);
	assert_string_equal(ask(w, v6), "b " A6);
	close(v4);
	close(v6);
}

static void a_pod_that_goes_takes_both_addresses_along(void **state)
{
	struct world *w = *state;

	add_dual_pod(w, "default", "c", "10.244.0.40", POD_IP(40), "{app: c}");
	assert_string_equal(probe(w, pod_ns(w, A4), false, POD_IP(40), 81), "refused");
	remove_pod(w, "default", "c");
	assert_string_not_equal(probe(w, pod_ns(w, A4), false, POD_IP(40), 81), "refused");
	assert_string_not_equal(probe(w, pod_ns(w, A4), false, "10.244.0.40", 81), "refused");
}

static void two_addresses_of_one_family_are_refused(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };

	assert_true(dataplane_pod_attach(w->d, SLICE("x"),
	                                 (struct ip_pair){ { ip_of(A6), ip_of(B6) } },
	                                 pod_ns(w, A4), &err) < 0);
	assert_non_null(strstr(err.msg, "two addresses of one family"));
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup(test, without_policy)
	const struct CMUnitTest tests[] = {
		FRESH(a_pod_is_reached_on_both_addresses),
		FRESH(a_service_answers_on_both_addresses_and_node_ports),
		FRESH(sockets_of_both_families_are_balanced),
		FRESH(a_family_without_endpoints_is_refused_alone),
		FRESH(a_service_of_one_family_opens_no_node_port_of_the_other),
		FRESH(a_policy_over_pods_holds_for_both_addresses),
		FRESH(a_block_of_one_family_says_nothing_of_the_other),
		FRESH(neighbour_discovery_passes_a_default_deny),
		FRESH(drops_name_both_families),
		FRESH(a_restart_finds_both_families_right),
		FRESH(a_pod_that_goes_takes_both_addresses_along),
		FRESH(two_addresses_of_one_family_are_refused),
		/* The last one: it leaves the pod with a wrong address. */
		FRESH(a_source_that_is_not_the_pods_is_not_heard),
	};

	return cmocka_run_group_tests_name("dual", tests, setup, teardown);
}
