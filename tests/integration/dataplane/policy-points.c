/* Why: what policies do not say but everybody relies on: who always passes, who is no pod to them, what becomes of pods
 * that end and of their addresses, and how a denial looks. (What policies do say is in cases/.) */
#include "world.h"

#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/conntrack.h"
#include "host/netlink.h"

#define A "10.244.0.2"
#define B "10.244.0.3"
#define C "10.244.0.4"

static int setup(void **state)
{
	struct world *w = world_new();
	static const char *const names[] = { "a", "b", "c" };
	static const char *const ips[] = { A, B, C };

	*state = w;
	for (int i = 0; i < 3; i++) {
		char labels[32];
		int ns;

		snprintf(labels, sizeof(labels), "{app: %s}", names[i]);
		ns = add_pod(w, "default", names[i], ips[i], labels);
		serve(w, ns, names[i], false, 80);
		serve(w, ns, names[i], true, 53);
	}
	serve(w, w->node, "node", false, 9000);
	put_service(w, "b",
	            "{clusterIP: 10.1.0.20, clusterIPs: [10.1.0.20], ports: [{name: http, port: "
	            "8000}, {name: dns, "
	            "port: 53, protocol: UDP}]}");
	world_put(w, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: b, "
	             "namespace: default, "
	             "labels: {kubernetes.io/service-name: b}}\naddressType: IPv4\nports: [{name: "
	             "http, port: 80}, {name: "
	             "dns, port: 53, protocol: UDP}]\nendpoints: [{addresses: [" B
	             "], nodeName: node-1, conditions: {ready: true}}]\n");
	world_sync(w);
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static void policy(struct world *w, const char *name, const char *spec)
{
	world_put(w,
	          "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: %s, "
	          "namespace: "
	          "default}\nspec: %s\n",
	          name, spec);
}

static int without_policies(void **state)
{
	static const char *const names[] = { "p", "q" };

	for (int i = 0; i < 2; i++) {
		world_remove(*state,
		             "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: "
		             "{name: %s, "
		             "namespace: default}}",
		             names[i]);
	}
	world_sync(*state);
	return 0;
}

#define REACHES(from, to, port, who) assert_string_equal(probe_name(w, from, false, to, port), who)
#define DROPPED(from, to, port)      assert_string_equal(probe_name(w, from, false, to, port), "timeout")

/* ---- who always passes ---- */

static void a_node_always_reaches_its_pods(void **state)
{
	struct world *w = *state;

	policy(w, "p", "{podSelector: {}, policyTypes: [Ingress, Egress]}");
	world_sync(w);
	REACHES(w->node, A, 80, "a");
	assert_string_equal(probe_name(w, w->node, true, A, 53), "a");
	REACHES(w->node, "10.1.0.20", 8000, "b");
	/* The other way round the node is a peer like any other. */
	DROPPED(pod_ns(w, A), NODE_IP, 9000);
}

static void replies_always_pass(void **state)
{
	struct world *w = *state;

	policy(w, "p", "{podSelector: {matchLabels: {app: b}}, policyTypes: [Egress]}");
	policy(w, "q", "{podSelector: {matchLabels: {app: a}}, policyTypes: [Ingress]}");
	world_sync(w);
	/* b may send nothing and a may be sent nothing, of their own accord. */
	REACHES(pod_ns(w, A), B, 80, "b");
	assert_string_equal(probe_name(w, pod_ns(w, A), true, B, 53), "b");
	DROPPED(pod_ns(w, B), A, 80);
	DROPPED(pod_ns(w, C), A, 80);
	/* Errors about what was admitted come back, too: nobody serves that port. */
	assert_string_equal(probe(w, pod_ns(w, A), true, B, 54), "refused");
	assert_string_equal(probe(w, pod_ns(w, A), false, B, 81), "refused");
}

static void a_pod_always_reaches_itself(void **state)
{
	struct world *w = *state;

	policy(w, "p", "{podSelector: {}, policyTypes: [Ingress, Egress]}");
	world_sync(w);
	REACHES(pod_ns(w, B), B, 80, "b");
	REACHES(pod_ns(w, B), "10.1.0.20", 8000, "b");
	assert_string_equal(probe_name(w, pod_ns(w, B), true, "10.1.0.20", 53), "b");
	DROPPED(pod_ns(w, A), "10.1.0.20", 8000);
}

/* ---- who is no pod to policies ---- */

static void a_pod_on_the_nodes_network_is_neither_subject_nor_peer(void **state)
{
	struct world *w = *state;

	world_put(w, "apiVersion: v1\nkind: Pod\nmetadata: {name: h, namespace: default, uid: "
	             "uid-h, labels: {app: "
	             "h}}\nspec: {nodeName: node-1, hostNetwork: true, containers: [{name: "
	             "main}]}\nstatus: {phase: "
	             "Running, podIP: " NODE_IP ", podIPs: [{ip: " NODE_IP "}]}\n");
	/* Not a subject: */
	policy(w, "p", "{podSelector: {matchLabels: {app: h}}, policyTypes: [Ingress, Egress]}");
	world_sync(w);
	REACHES(pod_ns(w, A), NODE_IP, 9000, "node");
	/* Not to be selected, but an address like any other: */
	policy(w, "p",
	       "{podSelector: {matchLabels: {app: a}}, policyTypes: [Egress], egress: [{to: "
	       "[{podSelector: "
	       "{matchLabels: {app: h}}}]}]}");
	world_sync(w);
	DROPPED(pod_ns(w, A), NODE_IP, 9000);
	policy(w, "p",
	       "{podSelector: {matchLabels: {app: a}}, policyTypes: [Egress], egress: [{to: "
	       "[{ipBlock: {cidr: " NODE_IP "/32}}]}]}");
	world_sync(w);
	REACHES(pod_ns(w, A), NODE_IP, 9000, "node");
	world_remove(w, "{apiVersion: v1, kind: Pod, metadata: {name: h, namespace: default}}");
	world_sync(w);
}

/* ---- where it is judged ---- */

static void a_service_is_judged_by_its_endpoint_and_the_sender_before_it_is_hidden(void **state)
{
	struct world *w = *state;

	/* Egress to the Service's own address and port admits nothing; to the endpoint's it does. */
	policy(w, "p",
	       "{podSelector: {matchLabels: {app: a}}, policyTypes: [Egress], egress: [{to: "
	       "[{ipBlock: {cidr: "
	       "10.1.0.20/32}}], ports: [{port: 8000}]}]}");
	world_sync(w);
	DROPPED(pod_ns(w, A), "10.1.0.20", 8000);
	policy(w, "p",
	       "{podSelector: {matchLabels: {app: a}}, policyTypes: [Egress], egress: [{to: "
	       "[{ipBlock: {cidr: " B "/32}}], ports: [{port: 80}]}]}");
	world_sync(w);
	REACHES(pod_ns(w, A), "10.1.0.20", 8000, "b");
	/* To the world outside the sender is hidden behind the node, after it was judged as the pod it is. */
	assert_int_equal(
		dataplane_host_rules(w->d, SLICE("outside"), ip_of("10.0.0.20"),
	                             &(struct host_rule){ { ip_v4(0), 0 }, PROTO_TCP, 0, 65535 }, 1,
	                             NULL),
		0);
	serve(w, w->outside, "outside", false, 80);
	assert_string_equal(probe(w, pod_ns(w, C), false, "10.0.0.20", 80), "outside " NODE_IP);
	DROPPED(pod_ns(w, A), "10.0.0.20", 80);
	stop_serving(w, "outside");
}

/* ---- pods that end, and their addresses ---- */

static void put_phase(struct world *w, const char *name, const char *ip, const char *phase)
{
	world_put(w,
	          "apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: default, uid: "
	          "uid-default-%s, labels: "
	          "{app: %s}}\nspec: {nodeName: node-1, containers: [{name: main}]}\nstatus: "
	          "{phase: %s, podIP: %s, "
	          "podIPs: [{ip: %s}]}\n",
	          name, name, name, phase, ip, ip);
	world_sync(w);
}

static void a_finished_pod_leaves_the_sets(void **state)
{
	struct world *w = *state;

	policy(w, "p",
	       "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: "
	       "{matchLabels: {app: "
	       "a}}}]}]}");
	world_sync(w);
	REACHES(pod_ns(w, A), B, 80, "b");
	put_phase(w, "a", A, "Succeeded");
	DROPPED(pod_ns(w, A), B, 80);
	/* Not by its labels, and not as somebody nobody isolates either: it has no network any more. */
	DROPPED(pod_ns(w, A), C, 80);
	put_phase(w, "a", A, "Running");
	REACHES(pod_ns(w, A), B, 80, "b");
}

struct naming {
	struct ip ip;
	size_t n;
};

static void count_flow(void *arg, const struct conntrack_flow *f)
{
	struct naming *naming = arg;

	naming->n += ip_eq(f->orig.src, naming->ip) || ip_eq(f->orig.dst, naming->ip) ||
	             ip_eq(f->reply.src, naming->ip) || ip_eq(f->reply.dst, naming->ip);
}

static size_t flows_of(struct world *w, const char *ip)
{
	scoped_netlink struct netlink nl = { 0 };
	struct naming naming = { .ip = ip_of(ip) };

	assert_int_equal(netlink_open(&nl, NETLINK_NETFILTER, w->node, 0, NULL), 0);
	assert_int_equal(conntrack_each(&nl, IP_V4, PROTO_UDP, count_flow, &naming, NULL), 0);
	assert_int_equal(conntrack_each(&nl, IP_V4, PROTO_TCP, count_flow, &naming, NULL), 0);
	return naming.n;
}

static void
an_address_that_is_used_again_starts_without_flows_and_with_its_own_policies(void **state)
{
	struct world *w = *state;
	int ns = add_pod(w, "default", "first", "10.244.0.30", "{app: open}"), fd;

	policy(w, "p", "{podSelector: {matchLabels: {app: closed}}, policyTypes: [Ingress]}");
	world_sync(w);
	serve(w, ns, "first", true, 53);
	fd = open_connection(w, pod_ns(w, A), true, "10.244.0.30", 53);
	assert_string_equal(ask(w, fd), "first " A);
	assert_true(flows_of(w, "10.244.0.30") > 0);
	stop_serving(w, "first");
	remove_pod(w, "default", "first");
	while (flows_of(w, "10.244.0.30") > 0) {
		world_wait_ms(w, 10);
	}
	/* The same address for a pod that is closed: the old flow's datagrams do not reach it. */
	ns = add_pod(w, "default", "second", "10.244.0.30", "{app: closed}");
	serve(w, ns, "second", true, 53);
	(void)ask(w, fd); /* whatever its socket still holds */
	assert_string_equal(ask(w, fd), "timeout");
	assert_int_equal(served(w, "second"), 0);
	without_policies(state);
	assert_string_equal(ask(w, fd), "second " A);
	close(fd);
	stop_serving(w, "second");
	remove_pod(w, "default", "second");
}

static void nothing_is_open_while_the_dataplane_is_away(void **state)
{
	struct world *w = *state;

	policy(w, "p", "{podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress]}");
	world_sync(w);
	w->d = dataplane_free(w->d);
	DROPPED(pod_ns(w, A), B, 80);
	REACHES(pod_ns(w, A), C, 80, "c");
	world_start_dataplane(w);
	DROPPED(pod_ns(w, A), B, 80);
	world_sync(w);
	DROPPED(pod_ns(w, A), B, 80);
}

/* ---- how a denial looks ---- */

static void a_denial_is_silence(void **state)
{
	struct world *w = *state;

	policy(w, "p", "{podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress]}");
	policy(w, "q", "{podSelector: {matchLabels: {app: c}}, policyTypes: [Egress]}");
	world_sync(w);
	DROPPED(pod_ns(w, A), B, 80);
	DROPPED(pod_ns(w, A), B, 81); /* nobody serves it: not even that can be told */
	assert_string_equal(probe(w, pod_ns(w, A), true, B, 54), "timeout");
	DROPPED(pod_ns(w, C), A, 80);
	DROPPED(pod_ns(w, C), A, 81);
	assert_string_equal(probe(w, pod_ns(w, C), true, A, 54), "timeout");
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup(test, without_policies)
	const struct CMUnitTest tests[] = {
		FRESH(a_node_always_reaches_its_pods),
		FRESH(replies_always_pass),
		FRESH(a_pod_always_reaches_itself),
		FRESH(a_pod_on_the_nodes_network_is_neither_subject_nor_peer),
		FRESH(a_service_is_judged_by_its_endpoint_and_the_sender_before_it_is_hidden),
		FRESH(a_finished_pod_leaves_the_sets),
		FRESH(an_address_that_is_used_again_starts_without_flows_and_with_its_own_policies),
		FRESH(nothing_is_open_while_the_dataplane_is_away),
		FRESH(a_denial_is_silence),
	};

	return cmocka_run_group_tests_name("policy points", tests, setup, teardown);
}
