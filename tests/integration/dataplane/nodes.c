/* Why: two nodes with real packets: pods of both see each other as who they are, services and policies hold across them,
 * node-local ones stay local, and one node's restart is no other's affair. */
#include "world.h"

#include <string.h>
#include <unistd.h>

#include "host/link.h"
#include "host/netlink.h"
#include "host/netns.h"

#include <linux/netlink.h>

#define A       "10.244.0.2" /* on the first node */
#define B       "10.244.1.2" /* on the second one */
#define B2      "10.244.1.3"
#define SECOND  "10.0.3.10"
#define OUTSIDE "10.0.0.20"

struct pair {
	struct world *w;
	int node, b, b2; /* namespaces of the second node and its pods */
	struct dataplane *d;
};

static void start_second(struct pair *p)
{
	struct dataplane_config c = {
		.instance = "test",
		.vpc_ns = p->w->vpc,
		.node_ns = p->node,
		.link = "node2",
		.node_name = SLICE("node-2"),
		.node_ip = ip_of(SECOND),
		.pod_range = prefix_of("10.244.1.0/24"),
		.cluster_range = prefix_of("10.244.0.0/16"),
		.service_range = prefix_of("10.1.0.0/16"),
		.dns_ip = ip_of("10.0.0.10"),
		.api_ip = ip_of(NODE_IP),
		.model = p->w->m,
	};
	struct err err = { 0 };

	if (dataplane_new(p->w->loop, &c, &p->d, &err) != 0) {
		fail_msg("%s", err.msg);
	}
}

static void sync_both(struct pair *p)
{
	struct err err = { 0 };

	world_sync(p->w);
	if (dataplane_sync(p->d, &err) != 0) {
		fail_msg("%s", err.msg);
	}
	world_wait_ms(p->w, 20);
}

static void put_second(struct pair *p, const char *name, const char *ip)
{
	world_put(
		p->w,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: default, uid: uid-%s, "
		"labels: {app: %s}}\nspec: {nodeName: node-2, containers: [{name: main}]}\n"
		"status: {phase: Running, podIP: %s, podIPs: [{ip: %s}]}\n",
		name, name, name, ip, ip);
}

static int add_second(struct pair *p, const char *name, const char *ip)
{
	scoped_free char *uid = mem_printf("uid-%s", name);
	struct err err = { 0 };
	int ns;

	put_second(p, name, ip);
	assert_int_equal(netns_new(&ns, &err), 0);
	if (dataplane_pod_attach(p->d, slice_of(uid), (struct ip_pair){ { ip_of(ip) } }, ns,
	                         &err) != 0) {
		fail_msg("%s", err.msg);
	}
	return ns;
}

static int setup(void **state)
{
	struct pair *p = NEW(struct pair);
	scoped_netlink struct netlink nl = { 0 };
	struct err err = { 0 };

	*state = p;
	p->w = world_new();
	assert_int_equal(netns_new(&p->node, &err), 0);
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, p->node, 0, &err), 0);
	link_queue_up(&nl, 1);
	assert_int_equal(netlink_send(&nl, &err), 0);
	start_second(p);
	sync_both(p);
	add_pod(p->w, "default", "a", A, "{app: a}");
	p->b = add_second(p, "b", B);
	p->b2 = add_second(p, "b2", B2);
	sync_both(p);
	serve(p->w, pod_ns(p->w, A), "a", false, 80);
	serve(p->w, p->b, "b", false, 80);
	serve(p->w, p->b2, "b2", false, 80);
	serve(p->w, p->b, "udp", true, 80);
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	dataplane_free(p->d);
	world_free(p->w);
	close(p->node);
	close(p->b);
	close(p->b2);
	free(p);
	return 0;
}

static void pods_of_two_nodes_see_each_others_addresses(void **state)
{
	struct pair *p = *state;

	assert_string_equal(probe(p->w, pod_ns(p->w, A), false, B, 80), "b " A);
	assert_string_equal(probe(p->w, p->b, false, A, 80), "a " B);
	assert_string_equal(probe(p->w, pod_ns(p->w, A), true, B, 80), "udp " A);
	assert_string_equal(probe(p->w, p->b, false, B2, 80), "b2 " B);
	/* A node reaches pods of the other one, as itself. */
	assert_string_equal(probe(p->w, p->w->node, false, B, 80), "b " NODE_IP);
	/* Towards others a pod is its node. */
	serve(p->w, p->w->outside, "outside", false, 80);
	assert_int_equal(dataplane_host_open(p->w->d, ip_of(OUTSIDE), NULL), 0);
	assert_string_equal(probe(p->w, p->b, false, OUTSIDE, 80), "outside " SECOND);
	/* An address of the pods' that nobody has is looked for nowhere else. */
	assert_string_not_equal(probe(p->w, p->b, false, "10.244.7.7", 80), "b " B);
}

static void services_lead_to_both(void **state)
{
	struct pair *p = *state;
	bool saw_a = false, saw_b = false;

	put_service(p->w, "web",
	            "{clusterIP: 10.1.0.5, clusterIPs: [10.1.0.5], type: NodePort, ports: [{port: "
	            "80, nodePort: 30080}]}");
	put_slice(p->w, "web", "TCP", 80,
	          "[{addresses: [" A "], nodeName: node-1}, {addresses: [" B
	          "], nodeName: node-2}]");
	sync_both(p);
	for (int i = 0; i < 8; i++) {
		const char *said = probe(p->w, p->b2, false, "10.1.0.5", 80);

		saw_a |= strcmp(said, "a " B2) == 0;
		saw_b |= strcmp(said, "b " B2) == 0;
	}
	assert_true(saw_a && saw_b);
	/* A node port answers on every node, whoever serves; the client is hidden. */
	saw_a = saw_b = false;
	for (int i = 0; i < 8; i++) {
		const char *said = probe(p->w, p->w->outside, false, SECOND, 30080);

		saw_a |= strcmp(said, "a " SECOND) == 0;
		saw_b |= strncmp(said, "b ", 2) == 0;
	}
	assert_true(saw_a && saw_b);
	assert_string_not_equal(probe_name(p->w, p->w->outside, false, NODE_IP, 30080), "timeout");
}

static void local_means_this_node(void **state)
{
	struct pair *p = *state;

	put_service(
		p->w, "near",
		"{clusterIP: 10.1.0.6, clusterIPs: [10.1.0.6], type: NodePort, "
		"internalTrafficPolicy: Local, externalTrafficPolicy: Local, ports: [{port: 80, "
		"nodePort: 30081}]}");
	put_slice(p->w, "near", "TCP", 80, "[{addresses: [" B "], nodeName: node-2}]");
	sync_both(p);
	for (int i = 0; i < 4; i++) {
		assert_string_equal(probe(p->w, p->b2, false, "10.1.0.6", 80), "b " B2);
		assert_string_equal(probe(p->w, p->w->outside, false, SECOND, 30081), "b " OUTSIDE);
	}
	assert_string_equal(probe(p->w, pod_ns(p->w, A), false, "10.1.0.6", 80), "timeout");
	assert_string_equal(probe(p->w, p->w->outside, false, NODE_IP, 30081), "timeout");
}

static void policy(struct pair *p, const char *spec)
{
	world_put(p->w,
	          "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, "
	          "namespace: default}\nspec: %s\n",
	          spec);
	sync_both(p);
}

static void policies_hold_across_nodes_and_on_both_sides(void **state)
{
	struct pair *p = *state;

	policy(p, "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: "
	          "{matchLabels: {app: a}}}]}]}");
	assert_string_equal(probe(p->w, pod_ns(p->w, A), false, B, 80), "b " A);
	assert_string_equal(probe(p->w, p->b2, false, B, 80), "timeout");
	assert_string_equal(probe(p->w, p->w->node, false, B, 80), "timeout");
	policy(p, "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: "
	          "{matchLabels: {app: b2}}}]}]}");
	assert_string_equal(probe(p->w, pod_ns(p->w, A), false, B, 80), "timeout");
	policy(p, "{podSelector: {matchLabels: {app: a}}, policyTypes: [Egress], egress: [{to: "
	          "[{podSelector: {matchLabels: {app: b2}}}]}]}");
	assert_string_equal(probe(p->w, pod_ns(p->w, A), false, B2, 80), "b2 " A);
	assert_string_equal(probe(p->w, pod_ns(p->w, A), false, B, 80), "timeout");
	world_remove(p->w,
	             "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: "
	             "p, namespace: default}}");
	sync_both(p);
	assert_string_equal(probe(p->w, pod_ns(p->w, A), false, B, 80), "b " A);
}

static void one_nodes_restart_is_no_others_affair(void **state)
{
	struct pair *p = *state;
	int fd = open_connection(p->w, pod_ns(p->w, A), false, B, 80);

	assert_string_equal(ask(p->w, fd), "b " A);
	p->d = dataplane_free(p->d);
	assert_string_equal(ask(p->w, fd), "b " A);
	assert_string_equal(probe(p->w, pod_ns(p->w, A), false, B, 80), "b " A);
	start_second(p);
	sync_both(p);
	assert_int_equal(dataplane_stats(p->d).rebuilds, 0);
	assert_string_equal(ask(p->w, fd), "b " A);
	/* The one that leads likewise: the second keeps its link and its routes. */
	(void)world_restart(p->w);
	assert_string_equal(ask(p->w, fd), "b " A);
	assert_string_equal(probe(p->w, p->b, false, A, 80), "a " B);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_of_two_nodes_see_each_others_addresses),
		cmocka_unit_test(services_lead_to_both),
		cmocka_unit_test(local_means_this_node),
		cmocka_unit_test(policies_hold_across_nodes_and_on_both_sides),
		cmocka_unit_test(one_nodes_restart_is_no_others_affair),
	};

	return cmocka_run_group_tests_name("nodes", tests, setup, teardown);
}
