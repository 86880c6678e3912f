/* Why: policies of the whole cluster with real packets: the administrator's tier above the policies
 * of a namespace, the baseline below them, every change on flows that are open, over a restart; and
 * the kernel's answer against the model's for random policies of all tiers. */
#include "world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"

#define A "10.244.0.2"
#define B "10.244.0.3"
#define C "10.244.0.4"
#define X "10.244.0.5" /* in namespace other */

static int setup(void **state)
{
	struct world *w = world_new();
	static const char *const names[] = { "a", "b", "c", "x" };
	static const char *const ips[] = { A, B, C, X };

	*state = w;
	for (int i = 0; i < 4; i++) {
		const char *ns = i < 3 ? "default" : "other";
		char labels[32];
		int fd;

		snprintf(labels, sizeof(labels), "{app: %s}", names[i]);
		fd = add_pod(w, ns, names[i], ips[i], labels);
		serve(w, fd, names[i], false, 80);
		serve(w, fd, names[i], false, 81);
		serve(w, fd, names[i], true, 53);
	}
	serve(w, w->node, "node", false, 9000);
	serve(w, w->outside, "outside", false, 80);
	assert_int_equal(
		dataplane_host_rules(w->d, SLICE("outside"), ip_of("10.0.0.20"),
	                             &(struct host_rule){ { ip_v4(0), 0 }, PROTO_TCP, 0, 65535 }, 1,
	                             NULL),
		0);
	world_put(w, "{apiVersion: v1, kind: Node, metadata: {name: node-1, labels: {zone: a}}, "
	             "status: {addresses: [{type: InternalIP, address: " NODE_IP "}]}}");
	put_service(w, "b",
	            "{clusterIP: 10.1.0.20, clusterIPs: [10.1.0.20], "
	            "ports: [{port: 8000, targetPort: 80}]}");
	put_slice(w, "b", "TCP", 80,
	          "[{addresses: [" B "], nodeName: node-1, conditions: {ready: true}}]");
	world_sync(w);
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

#define ALL   "namespaces: {}"
#define OTHER "namespaces: {matchLabels: {kubernetes.io/metadata.name: other}}"
#define POD_B "subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: b}}}}"

/* tier: "Admin" or "Baseline"; more: the rest of spec. */
static void cluster_policy(struct world *w, const char *name, const char *tier, int priority,
                           const char *more)
{
	world_put(w,
	          "{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, "
	          "metadata: {name: %s}, spec: {tier: %s, priority: %d, %s}}",
	          name, tier, priority, more);
}

static void admin_policy(struct world *w, const char *name, int priority, const char *more)
{
	world_put(w,
	          "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, "
	          "metadata: {name: %s}, spec: {priority: %d, %s}}",
	          name, priority, more);
}

static void policy(struct world *w, const char *spec)
{
	world_put(w,
	          "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, "
	          "namespace: default}, spec: %s}",
	          spec);
}

static int without_policies(void **state)
{
	struct world *w = *state;
	static const char *const names[] = { "k", "l", "m" };

	for (int i = 0; i < 3; i++) {
		world_remove(w,
		             "{apiVersion: policy.networking.k8s.io/v1alpha2, kind: "
		             "ClusterNetworkPolicy, metadata: {name: %s}}",
		             names[i]);
		world_remove(w,
		             "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: "
		             "AdminNetworkPolicy, metadata: {name: %s}}",
		             names[i]);
	}
	world_remove(w, "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: "
	                "BaselineAdminNetworkPolicy, metadata: {name: default}}");
	world_remove(w, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: "
	                "p, namespace: default}}");
	world_sync(w);
	return 0;
}

/* "b" when from reaches it, "timeout" when a policy drops. */
#define REACHES(from, to, port, name)                                                              \
	assert_string_equal(probe_name(w, from, false, to, port), name)
#define DROPPED(from, to, port) assert_string_equal(probe_name(w, from, false, to, port), "timeout")

static void a_deny_stands_above_what_a_namespace_admits(void **state)
{
	struct world *w = *state;

	policy(w, "{podSelector: {}, ingress: [{}]}");
	admin_policy(w, "k", 5, POD_B ", ingress: [{action: Deny, from: [{" OTHER "}]}]");
	world_sync(w);
	DROPPED(pod_ns(w, X), B, 80);
	DROPPED(pod_ns(w, X), "10.1.0.20", 8000);
	assert_string_equal(probe_name(w, pod_ns(w, X), true, B, 53), "timeout");
	REACHES(pod_ns(w, A), B, 80, "b");
	REACHES(pod_ns(w, X), C, 80, "c");
	/* What it opens itself is answered; a node reaches its own pods; a pod itself. */
	REACHES(pod_ns(w, B), X, 80, "x");
	REACHES(w->node, B, 80, "b");
	REACHES(pod_ns(w, B), "10.1.0.20", 8000, "b");
}

static void an_accept_stands_above_what_a_namespace_isolates(void **state)
{
	struct world *w = *state;

	policy(w, "{podSelector: {}, policyTypes: [Ingress, Egress]}");
	cluster_policy(w, "k", "Admin", 5,
	               POD_B ", ingress: [{action: Accept, from: [{" ALL
	                     "}], protocols: [{tcp: {destinationPort: {number: 80}}}]}]");
	world_sync(w);
	REACHES(pod_ns(w, X), B, 80, "b");
	DROPPED(pod_ns(w, X), B, 81);
	assert_string_equal(probe_name(w, pod_ns(w, X), true, B, 53), "timeout");
	/* The client's own namespace still closes its egress. */
	DROPPED(pod_ns(w, A), B, 80);
	cluster_policy(w, "l", "Admin", 5,
	               "subject: {namespaces: {}}, egress: [{action: Accept, to: [{" ALL "}]}]");
	world_sync(w);
	REACHES(pod_ns(w, A), B, 80, "b");
	DROPPED(pod_ns(w, A), B, 81);
	DROPPED(pod_ns(w, A), "10.0.0.20", 80);
}

static void pass_leaves_it_to_the_namespace_and_then_to_the_baseline(void **state)
{
	struct world *w = *state;

	admin_policy(w, "k", 5,
	             POD_B ", ingress: [{action: Pass, from: [{" OTHER
	                   "}], ports: [{portNumber: {protocol: TCP, port: 80}}]}, {action: Deny, "
	                   "from: [{" ALL "}]}]");
	world_sync(w);
	REACHES(pod_ns(w, X), B, 80, "b");
	DROPPED(pod_ns(w, X), B, 81);
	DROPPED(pod_ns(w, A), B, 80);
	cluster_policy(w, "l", "Baseline", 1,
	               POD_B ", ingress: [{action: Deny, from: [{" ALL "}]}]");
	world_sync(w);
	DROPPED(pod_ns(w, X), B, 80);
	policy(w, "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{namespaceSelector: "
	          "{}}]}]}");
	world_sync(w);
	REACHES(pod_ns(w, X), B, 80, "b");
	DROPPED(pod_ns(w, X), B, 81);
}

static void the_smaller_priority_is_asked_first(void **state)
{
	struct world *w = *state;

	admin_policy(w, "k", 20, POD_B ", ingress: [{action: Deny, from: [{" ALL "}]}]");
	admin_policy(w, "l", 10, POD_B ", ingress: [{action: Allow, from: [{" OTHER "}]}]");
	world_sync(w);
	REACHES(pod_ns(w, X), B, 80, "b");
	DROPPED(pod_ns(w, A), B, 80);
	admin_policy(w, "l", 30, POD_B ", ingress: [{action: Allow, from: [{" OTHER "}]}]");
	world_sync(w);
	DROPPED(pod_ns(w, X), B, 80);
	/* Of equal ones, names decide; old and new kind share the tier. */
	admin_policy(w, "l", 20, POD_B ", ingress: [{action: Allow, from: [{" OTHER "}]}]");
	world_sync(w);
	DROPPED(pod_ns(w, X), B, 80);
	cluster_policy(w, "m", "Admin", 19,
	               POD_B ", ingress: [{action: Accept, from: [{" OTHER "}]}]");
	world_sync(w);
	REACHES(pod_ns(w, X), B, 80, "b");
}

static void the_first_rule_that_matches_decides_and_ranges_are_exact(void **state)
{
	struct world *w = *state;

	cluster_policy(w, "k", "Admin", 5,
	               POD_B ", ingress: [{action: Accept, from: [{" OTHER
	                     "}], protocols: [{tcp: {destinationPort: {number: 80}}}]}, "
	                     "{action: Deny, from: [{" ALL
	                     "}], protocols: [{tcp: {destinationPort: {range: {start: 70, end: "
	                     "80}}}}]}]");
	world_sync(w);
	REACHES(pod_ns(w, X), B, 80, "b");
	DROPPED(pod_ns(w, A), B, 80);
	REACHES(pod_ns(w, A), B, 81, "b");
	REACHES(pod_ns(w, X), B, 81, "b");
	assert_string_equal(probe_name(w, pod_ns(w, A), true, B, 53), "b");
}

static void the_baseline_is_not_asked_about_an_isolated_pod(void **state)
{
	struct world *w = *state;

	world_put(w,
	          "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: "
	          "BaselineAdminNetworkPolicy, metadata: {name: default}, spec: {%s}}",
	          "subject: {namespaces: {}}, ingress: [{action: Allow, from: [{" OTHER
	          "}]}, {action: Deny, from: [{" ALL "}]}]");
	world_sync(w);
	REACHES(pod_ns(w, X), B, 80, "b");
	DROPPED(pod_ns(w, A), B, 80);
	policy(w, "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: {}}]}]}");
	world_sync(w);
	DROPPED(pod_ns(w, X), B, 80);
	REACHES(pod_ns(w, A), B, 80, "b");
	/* c is not isolated: the baseline has it. */
	REACHES(pod_ns(w, X), C, 80, "c");
	DROPPED(pod_ns(w, A), C, 80);
}

static void a_named_port_is_the_pods(void **state)
{
	struct world *w = *state;

	/* The port's name comes with the pod, and goes. */
	admin_policy(w, "k", 5,
	             POD_B ", ingress: [{action: Deny, from: [{" ALL
	                   "}], ports: [{namedPort: web}]}]");
	world_put(w,
	          "{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: default, uid: "
	          "default-b, labels: {app: b}}, spec: {nodeName: node-1, containers: [{name: c, "
	          "ports: [{name: web, containerPort: 81}]}]}, status: {phase: Running, podIP: " B
	          ", podIPs: [{ip: " B "}]}}");
	world_sync(w);
	DROPPED(pod_ns(w, A), B, 81);
	REACHES(pod_ns(w, A), B, 80, "b");
	put_pod(w, "default", "b", B, "{app: b}");
	world_sync(w);
	REACHES(pod_ns(w, A), B, 81, "b");
}

static void egress_may_name_networks_and_nodes(void **state)
{
	struct world *w = *state;

	cluster_policy(w, "k", "Admin", 5,
	               "subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: "
	               "{matchLabels: {zone: a}}}, {networks: [10.0.0.16/28]}]}]");
	world_sync(w);
	DROPPED(pod_ns(w, A), NODE_IP, 9000);
	DROPPED(pod_ns(w, A), "10.0.0.20", 80);
	REACHES(pod_ns(w, A), B, 80, "b");
	world_put(w, "{apiVersion: v1, kind: Node, metadata: {name: node-1}, "
	             "status: {addresses: [{type: InternalIP, address: " NODE_IP "}]}}");
	world_sync(w);
	REACHES(pod_ns(w, A), NODE_IP, 9000, "node");
	DROPPED(pod_ns(w, A), "10.0.0.20", 80);
	world_put(w, "{apiVersion: v1, kind: Node, metadata: {name: node-1, labels: {zone: a}}, "
	             "status: {addresses: [{type: InternalIP, address: " NODE_IP "}]}}");
}

static void a_name_opens_the_way_to_the_host_that_has_it(void **state)
{
	struct world *w = *state;

	cluster_policy(
		w, "k", "Admin", 5,
		"subject: {namespaces: {}}, egress: [{action: Accept, to: [{domainNames: "
		"['*.rds.amazonaws.com']}]}, {action: Deny, to: [{networks: [0.0.0.0/0]}]}]");
	world_sync(w);
	DROPPED(pod_ns(w, A), "10.0.0.20", 80);
	world_put(w,
	          "{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, metadata: {name: "
	          "db, namespace: default, annotations: {kennel.dev/vpc-address: 10.0.0.20}}, "
	          "status: {endpoint: {address: db.x.rds.amazonaws.com}}}");
	world_sync(w);
	REACHES(pod_ns(w, A), "10.0.0.20", 80, "outside");
	world_remove(w, "{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, metadata: "
	                "{name: db, namespace: default}}");
	world_sync(w);
	DROPPED(pod_ns(w, A), "10.0.0.20", 80);
}

static void a_change_reaches_flows_that_are_open(void **state)
{
	struct world *w = *state;
	int fd = open_connection(w, pod_ns(w, X), false, B, 80),
	    other = open_connection(w, pod_ns(w, A), false, B, 80);

	/* Long enough for the flows to be believed. */
	world_wait_ms(w, 150);
	assert_string_equal(ask(w, fd), "b " X);
	assert_string_equal(ask(w, other), "b " A);
	admin_policy(w, "k", 5, POD_B ", ingress: [{action: Deny, from: [{" OTHER "}]}]");
	world_sync(w);
	assert_string_equal(ask(w, fd), "timeout");
	assert_string_equal(ask(w, other), "b " A);
	/* A rule before it lets the flow live again, if it has not given up. */
	admin_policy(w, "k", 5,
	             POD_B ", ingress: [{action: Allow, from: [{" OTHER
	                   "}]}, {action: Deny, from: [{" ALL "}]}]");
	world_sync(w);
	assert_string_equal(ask(w, other), "timeout");
	REACHES(pod_ns(w, X), B, 80, "b");
	close(fd);
	close(other);
}

static void a_new_pod_is_judged_from_its_first_packet(void **state)
{
	struct world *w = *state;
	int ns;

	admin_policy(w, "k", 5,
	             "subject: {namespaces: {}}, egress: [{action: Deny, to: [{" ALL "}]}]");
	ns = add_pod(w, "default", "late", "10.244.0.40", "{app: late}");
	DROPPED(ns, B, 80);
	without_policies(state);
	REACHES(ns, B, 80, "b");
	remove_pod(w, "default", "late");
}

struct drop {
	struct ip src, dst;
	enum drop_reason reason;
	uint64_t packets;
};

static void find_drop(void *arg, const struct dropped *dropped)
{
	struct drop *d = arg;

	if (ip_eq(dropped->flow.src, d->src) && ip_eq(dropped->flow.dst, d->dst) &&
	    dropped->flow.dst_port == 82 && dropped->reason == d->reason) {
		d->packets += dropped->packets;
	}
}

static void a_drop_is_put_down_to_its_rule(void **state)
{
	struct world *w = *state;
	struct drop d = { ip_of(X), ip_of(B), DROP_INGRESS, 0 };
	struct flow f = { ip_of(X), ip_of(B), PROTO_TCP, 82 };
	struct policy_reason why;

	admin_policy(w, "k", 5,
	             POD_B ", ingress: [{action: Allow, from: [{" OTHER
	                   "}], ports: [{portNumber: {port: 80}}]}, {name: rest, action: Deny, "
	                   "from: [{" OTHER "}]}]");
	world_sync(w);
	DROPPED(pod_ns(w, X), B, 82);
	assert_int_equal(dataplane_each_drop(w->d, find_drop, &d, NULL), 0);
	assert_true(d.packets >= 1);
	why = policy_reason_of(w->m, &f, VERDICT_DENY_INGRESS);
	assert_false(why.admits);
	assert_string_equal(val_cstr(val_get(why.rule, "name")), "rest");
	assert_string_equal(val_cstr(val_path(why.object, "metadata.name")), "k");
}

static void a_restart_keeps_flows_and_writes_nothing(void **state)
{
	struct world *w = *state;
	struct dataplane_stats s;
	int fd;

	admin_policy(w, "k", 5,
	             POD_B ", ingress: [{action: Deny, from: [{" OTHER
	                   "}], ports: [{portRange: {start: 80, end: 90}}]}], egress: [{action: "
	                   "Deny, to: [{networks: [10.0.0.0/16]}]}]");
	cluster_policy(w, "l", "Baseline", 5,
	               "subject: {namespaces: {}}, ingress: [{action: Deny, from: [{" OTHER
	               "}], protocols: [{udp: {destinationPort: {number: 53}}}]}]");
	world_sync(w);
	fd = open_connection(w, pod_ns(w, A), false, B, 80);
	assert_string_equal(ask(w, fd), "b " A);
	world_wait_ms(w, 200);
	s = world_restart(w);
	assert_int_equal(s.elements, 0);
	assert_int_equal(s.rebuilds, 0);
	assert_string_equal(ask(w, fd), "b " A);
	DROPPED(pod_ns(w, X), B, 80);
	assert_string_equal(probe_name(w, pod_ns(w, X), true, B, 53), "timeout");
	close(fd);
}

/* ---- two answers to one question ---- */

static unsigned next(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % below;
}
#define PICK(seed, ...)                                                                            \
	((const char *const[]){ __VA_ARGS__ })[next(                                               \
		seed, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))]

static void random_cluster_policy(struct world *w, unsigned *seed, const char *name)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_addf(&b, "subject: {%s}",
	            PICK(seed, ALL, OTHER,
	                 "pods: {namespaceSelector: {}, podSelector: {matchExpressions: [{key: "
	                 "app, operator: In, values: [a, b]}]}}"));
	for (int dir = 0; dir < 2; dir++) {
		strbuf_addf(&b, ", %s: [", dir ? "egress" : "ingress");
		for (unsigned i = 0, n = next(seed, 4); i < n; i++) {
			strbuf_addf(&b, "{action: %s, %s: [{%s}]",
			            PICK(seed, "Accept", "Deny", "Deny", "Pass"),
			            dir ? "to" : "from",
			            next(seed, 3) || !dir
			                    ? PICK(seed, ALL, OTHER,
			                           "pods: {podSelector: {matchLabels: {app: a}}}")
			                    : PICK(seed, "networks: [10.244.0.0/30]",
			                           "networks: [10.244.0.4/32, 10.0.0.0/8]"));
			strbuf_adds(
				&b,
				PICK(seed, "}, ",
			             ", protocols: [{tcp: {destinationPort: {number: 80}}}]}, ",
			             ", protocols: [{tcp: {destinationPort: {range: {start: 81, "
			             "end: 90}}}}, {udp: {destinationPort: {number: 53}}}]}, "));
		}
		strbuf_adds(&b, "]");
	}
	cluster_policy(w, name, PICK(seed, "Admin", "Baseline"), (int)next(seed, 3),
	               strbuf_str(&b));
}

static void random_policies(struct world *w, unsigned *seed)
{
	random_cluster_policy(w, seed, "k");
	random_cluster_policy(w, seed, "l");
	random_cluster_policy(w, seed, "m");
	policy(w, PICK(seed, "{podSelector: {matchLabels: {app: nobody}}}",
	               "{podSelector: {matchLabels: {app: b}}, ingress: [{from: "
	               "[{namespaceSelector: {}}], ports: [{port: 80}]}]}",
	               "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: "
	               "[{to: [{podSelector: {}}]}]}"));
	world_sync(w);
}

/* All pairs at one door at once: every connection is started, then one wait for all. */
static void check_door(struct world *w, const char *const *ips, int n, bool udp, uint16_t port)
{
	int fds[16][16];

	for (int i = 0; i < n; i++) {
		for (int k = 0; k < n; k++) {
			fds[i][k] = start_connection(w, pod_ns(w, ips[i]), udp, ips[k], port);
		}
	}
	world_wait_ms(w, 100);
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < n; k++) {
			struct flow f = { ip_of(ips[i]), ip_of(ips[k]), udp ? PROTO_UDP : PROTO_TCP,
				          port };
			bool want = policy_decide(w->m, &f, NULL) == VERDICT_ALLOW;

			if (has_arrived(fds[i][k], udp) != want) {
				fail_msg("%s -> %s %s %d: the model says %d", ips[i], ips[k],
				         udp ? "UDP" : "TCP", port, want);
			}
			close(fds[i][k]);
		}
	}
}

static void the_kernel_answers_as_the_model_does(void **state)
{
	static const char *const ips[] = { A, B, C, X };
	struct world *w = *state;
	unsigned seed = 7;

	for (int round = 0; round < 15; round++) {
		random_policies(w, &seed);
		check_door(w, ips, ARRAY_SIZE(ips), false, 80);
		check_door(w, ips, ARRAY_SIZE(ips), false, 81);
		check_door(w, ips, ARRAY_SIZE(ips), true, 53);
	}
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup(test, without_policies)
	const struct CMUnitTest tests[] = {
		FRESH(a_deny_stands_above_what_a_namespace_admits),
		FRESH(an_accept_stands_above_what_a_namespace_isolates),
		FRESH(pass_leaves_it_to_the_namespace_and_then_to_the_baseline),
		FRESH(the_smaller_priority_is_asked_first),
		FRESH(the_first_rule_that_matches_decides_and_ranges_are_exact),
		FRESH(the_baseline_is_not_asked_about_an_isolated_pod),
		FRESH(a_named_port_is_the_pods),
		FRESH(egress_may_name_networks_and_nodes),
		FRESH(a_name_opens_the_way_to_the_host_that_has_it),
		FRESH(a_change_reaches_flows_that_are_open),
		FRESH(a_new_pod_is_judged_from_its_first_packet),
		FRESH(a_drop_is_put_down_to_its_rule),
		FRESH(a_restart_keeps_flows_and_writes_nothing),
		FRESH(the_kernel_answers_as_the_model_does),
	};

	return cmocka_run_group_tests_name("cluster-policies", tests, setup, teardown);
}
