/* Why: NetworkPolicies with real packets: who is admitted, from the first packet on, after every
 * change, on flows that are open, over a restart; and the kernel's answer against the model's for
 * random policies. */
#include "world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "host/nft-rule.h"

#define A POD_IP(2)
#define B POD_IP(3)
#define C POD_IP(4)
#define X POD_IP(5) /* in namespace other */

static int setup(void **state)
{
	struct world *w = world_new();
	static const char *const names[] = { "a", "b", "c", "x" };
	static const char *const ips[] = { A, B, C, X };

	*state = w;
	for (int i = 0; i < 4; i++) {
		char labels[32];
		int ns;

		snprintf(labels, sizeof(labels), "{app: %s}", names[i]);
		ns = add_pod(w, i < 3 ? "default" : "other", names[i], ips[i], labels);
		serve(w, ns, names[i], false, 80);
		serve(w, ns, names[i], false, 81);
		serve(w, ns, names[i], true, 53);
	}
	serve(w, w->node, "node", false, 9000);
	serve(w, w->outside, "outside", false, 80);
	assert_int_equal(
		dataplane_host_rules(w->d, SLICE("outside"), ip_of("10.0.0.20"),
	                             &(struct host_rule){ { ip_v4(0), 0 }, PROTO_TCP, 0, 65535 }, 1,
	                             NULL),
		0);
	put_service(w, "b",
	            "{clusterIP: " SERVICE_IP(20) ", clusterIPs: [" SERVICE_IP(
			    20) "], type: NodePort, "
	                        "ports: [{port: 8000, targetPort: 80, nodePort: 30080}]}");
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

static void policy(struct world *w, const char *name, const char *spec)
{
	world_put(w,
	          "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: %s, "
	          "namespace: default}\n"
	          "spec: %s\n",
	          name, spec);
}

static int without_policies(void **state)
{
	struct world *w = *state;
	static const char *const names[] = { "p", "q", "r" };

	for (int i = 0; i < 3; i++) {
		world_remove(w,
		             "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: "
		             "{name: %s, namespace: "
		             "default}}",
		             names[i]);
	}
	world_sync(w);
	return 0;
}

/* "b" when from reaches it, "timeout" when a policy drops. */
#define REACHES(from, to, port, name)                                                              \
	assert_string_equal(probe_name(w, from, false, to, port), name)
#define DROPPED(from, to, port) assert_string_equal(probe_name(w, from, false, to, port), "timeout")

static void deny_all_drops_from_everybody_but_the_node(void **state)
{
	struct world *w = *state;

	policy(w, "p", "{podSelector: {}, policyTypes: [Ingress]}");
	world_sync(w);
	DROPPED(pod_ns(w, A), B, 80);
	DROPPED(pod_ns(w, X), B, 80);
	DROPPED(pod_ns(w, A), SERVICE_IP(20), 8000);
	DROPPED(w->outside, NODE_IP, 30080);
	REACHES(w->node, B, 80, "b");
	REACHES(w->node, SERVICE_IP(20), 8000, "b");
	REACHES(pod_ns(w, A), X, 80, "x");
	REACHES(pod_ns(w, A), NODE_IP, 9000, "node");
	/* Itself, by its own address and through its service. */
	REACHES(pod_ns(w, B), SERVICE_IP(20), 8000, "b");
}

static void ingress_by_label_and_port_is_judged_behind_the_service(void **state)
{
	struct world *w = *state;

	policy(w, "p",
	       "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: "
	       "{matchLabels: {app: a}}}], "
	       "ports: [{port: 80}]}]}");
	world_sync(w);
	REACHES(pod_ns(w, A), B, 80, "b");
	REACHES(pod_ns(w, A), SERVICE_IP(20), 8000, "b");
	DROPPED(pod_ns(w, A), B, 81);
	assert_string_equal(probe_name(w, pod_ns(w, A), true, B, 53), "timeout");
	DROPPED(pod_ns(w, C), B, 80);
	DROPPED(pod_ns(w, C), SERVICE_IP(20), 8000);
	DROPPED(pod_ns(w, X), B, 80);
	/* Others are not isolated, and its own way out is not. */
	REACHES(pod_ns(w, C), A, 80, "a");
	REACHES(pod_ns(w, B), C, 80, "c");
}

static void namespaces_and_labels_join_within_an_entry(void **state)
{
	struct world *w = *state;

	policy(w, "p",
	       "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{namespaceSelector: "
	       "{matchLabels: "
	       "{kubernetes.io/metadata.name: other}}, podSelector: {matchLabels: {app: a}}}]}]}");
	world_sync(w);
	DROPPED(pod_ns(w, X), B, 80);
	DROPPED(pod_ns(w, A), B, 80);
	policy(w, "p",
	       "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{namespaceSelector: "
	       "{matchLabels: "
	       "{kubernetes.io/metadata.name: other}}}, {podSelector: {matchLabels: {app: "
	       "a}}}]}]}");
	world_sync(w);
	REACHES(pod_ns(w, X), B, 80, "b");
	REACHES(pod_ns(w, A), B, 80, "b");
	DROPPED(pod_ns(w, C), B, 80);
}

static void egress_is_judged_on_the_translated_destination(void **state)
{
	struct world *w = *state;

	policy(w, "p",
	       "{podSelector: {matchLabels: {app: a}}, policyTypes: [Egress], egress: [{to: "
	       "[{podSelector: "
	       "{matchLabels: {app: b}}}], ports: [{port: 80}]}, {to: [{ipBlock: "
	       "{cidr: " OUTSIDE_SUBNET ", except: [" EXCEPT_OTHERS "]}}]}]}");
	world_sync(w);
	REACHES(pod_ns(w, A), B, 80, "b");
	REACHES(pod_ns(w, A), SERVICE_IP(20), 8000, "b");
	DROPPED(pod_ns(w, A), C, 80);
	DROPPED(pod_ns(w, A), B, 81);
	REACHES(pod_ns(w, A), OUTSIDE_IP, 80, "outside");
	/* The node is a peer like any other. */
	DROPPED(pod_ns(w, A), NODE_IP, 9000);
	/* Answers to admitted flows pass. */
	REACHES(pod_ns(w, C), A, 80, "a");
	policy(w, "p",
	       "{podSelector: {matchLabels: {app: a}}, policyTypes: [Egress], egress: [{to: "
	       "[{ipBlock: {cidr: " OUTSIDE_SUBNET ", except: [" EXCEPT_OUTSIDE "]}}]}]}");
	world_sync(w);
	DROPPED(pod_ns(w, A), OUTSIDE_IP, 80);
}

static void a_block_admits_pods_and_hosts_alike(void **state)
{
	struct world *w = *state;

	policy(w, "p",
	       "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{ipBlock: {cidr: " POD_IP(
		       4) PAIR "}}, "
	                       "{ipBlock: {cidr: " VPC_RANGE "}}]}]}");
	world_sync(w);
	REACHES(pod_ns(w, C), B, 80, "b");
	REACHES(pod_ns(w, X), B, 80, "b");
	DROPPED(pod_ns(w, A), B, 80);
	REACHES(w->outside, NODE_IP, 30080, "b");
}

static void a_change_reaches_flows_that_are_open(void **state)
{
	struct world *w = *state;
	int fd = open_connection(w, pod_ns(w, A), false, B, 80),
	    other = open_connection(w, pod_ns(w, C), false, B, 80);

	/* Long enough for the flows to be believed. */
	world_wait_ms(w, 150);
	assert_string_equal(ask(w, fd), "b " A);
	assert_string_equal(ask(w, other), "b " C);
	policy(w, "p",
	       "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: "
	       "{matchLabels: {app: c}}}]}]}");
	world_sync(w);
	assert_string_equal(ask(w, fd), "timeout");
	assert_string_equal(ask(w, other), "b " C);
	world_wait_ms(w, 150);
	assert_string_equal(ask(w, other), "b " C);
	DROPPED(pod_ns(w, A), B, 80);
	without_policies(state);
	REACHES(pod_ns(w, A), B, 80, "b");
	close(fd);
	close(other);
}

static void a_label_moves_a_pod_between_peers(void **state)
{
	struct world *w = *state;
	int fd;

	policy(w, "p",
	       "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: "
	       "{matchLabels: {app: a}}}]}]}");
	world_sync(w);
	world_wait_ms(w, 150);
	fd = open_connection(w, pod_ns(w, A), false, B, 80);
	assert_string_equal(ask(w, fd), "b " A);
	put_pod(w, "default", "a", A, "{app: gone}");
	world_sync(w);
	assert_string_equal(ask(w, fd), "timeout");
	DROPPED(pod_ns(w, A), B, 80);
	put_pod(w, "default", "a", A, "{app: a}");
	world_sync(w);
	REACHES(pod_ns(w, A), B, 80, "b");
	close(fd);
}

static void a_new_pod_is_isolated_from_its_first_packet(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };
	int ns;

	policy(w, "p", "{podSelector: {matchLabels: {app: late}}, policyTypes: [Ingress, Egress]}");
	/* No sync: attach does it. */
	ns = add_pod(w, "default", "late", POD_IP(40), "{app: late}");
	DROPPED(ns, B, 80);
	serve(w, ns, "late", false, 80);
	DROPPED(pod_ns(w, A), POD_IP(40), 80);
	stop_serving(w, "late");
	/* A pod the model does not know gets no network; one it forgets loses what it had. */
	assert_true(dataplane_pod_attach(w->d, SLICE("stranger"),
	                                 (struct ip_pair){ { ip_of(POD_IP(41)) } }, ns, &err) < 0);
	assert_non_null(strstr(err.msg, "no pod in the model has the address"));
	without_policies(state);
	REACHES(ns, B, 80, "b");
	world_remove(w, "{apiVersion: v1, kind: Pod, metadata: {name: late, namespace: default}}");
	world_sync(w);
	DROPPED(ns, B, 80);
	remove_pod(w, "default", "late");
}

struct counting {
	uint64_t egress, ingress;
};

static void add_counter(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	struct counting *c = arg;

	(void)bytes;
	if (strcmp(name, "drop-egress") == 0) {
		c->egress = packets;
	} else if (strcmp(name, "drop-ingress") == 0) {
		c->ingress = packets;
	}
}

static struct counting counters(struct world *w)
{
	struct counting c = { 0 };

	assert_int_equal(dataplane_each_counter(w->d, add_counter, &c, NULL), 0);
	return c;
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
		assert_true(dropped->age_ms >= 0);
		d->packets += dropped->packets;
	}
}

static void drops_are_counted_by_direction_and_flow(void **state)
{
	struct world *w = *state;
	struct counting before = counters(w), after;
	struct drop out = { ip_of(A), ip_of(B), DROP_EGRESS, 0 },
		    in = { ip_of(C), ip_of(B), DROP_INGRESS, 0 };

	policy(w, "p", "{podSelector: {matchLabels: {app: a}}, policyTypes: [Egress]}");
	policy(w, "q", "{podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress]}");
	world_sync(w);
	DROPPED(pod_ns(w, A), B, 82);
	DROPPED(pod_ns(w, C), B, 82);
	after = counters(w);
	assert_true(after.egress > before.egress);
	assert_true(after.ingress > before.ingress);
	assert_int_equal(dataplane_each_drop(w->d, find_drop, &out, NULL), 0);
	assert_int_equal(dataplane_each_drop(w->d, find_drop, &in, NULL), 0);
	assert_true(out.packets >= 1);
	assert_true(in.packets >= 1);
}

static void a_restart_keeps_flows_and_writes_nothing(void **state)
{
	struct world *w = *state;
	struct dataplane_stats s;
	int fd;

	policy(w, "p",
	       "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: "
	       "{matchLabels: {app: a}}}, "
	       "{ipBlock: {cidr: " ALL_PRIVATE ", except: [" ALL_PODS "]}}], ports: [{port: 80, "
	       "endPort: 90}]}]}");
	policy(w, "q",
	       "{podSelector: {matchLabels: {app: c}}, policyTypes: [Ingress, Egress], egress: "
	       "[{}]}");
	world_sync(w);
	fd = open_connection(w, pod_ns(w, A), false, B, 80);
	assert_string_equal(ask(w, fd), "b " A);
	world_wait_ms(w, 200);
	s = world_restart(w);
	assert_int_equal(s.elements, 0);
	assert_int_equal(s.rebuilds, 0);
	assert_string_equal(ask(w, fd), "b " A);
	DROPPED(pod_ns(w, C), B, 80);
	close(fd);
}

static void a_policy_made_while_nobody_watched_reaches_open_flows(void **state)
{
	struct world *w = *state;
	int fd = open_connection(w, pod_ns(w, A), false, B, 80);

	world_wait_ms(w, 150);
	assert_string_equal(ask(w, fd), "b " A);
	w->d = dataplane_free(w->d);
	policy(w, "p", "{podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress]}");
	world_start_dataplane(w);
	assert_string_equal(ask(w, fd), "b " A);
	world_sync(w);
	assert_string_equal(ask(w, fd), "timeout");
	close(fd);
}

static void damage_table(int ns)
{
	struct nft *n;

	assert_int_equal(nft_open(ns, WORLD_FAMILY, "kennel", &n, NULL), 0);
	nft_rule_begin(n, "refuse");
	nft_rule_accept(n);
	assert_int_equal(nft_commit(n, NULL), 0);
	nft_close(n);
}

static const struct nft_set isolated = { "isolated_ingress", { NFT_FIELD_MARK } };

static void take_first(void *arg, const struct nft_element *e)
{
	memcpy(arg, e->key, 4);
}

static void lose_an_element(int ns)
{
	struct nft *n;
	uint32_t class_id = 0;

	assert_int_equal(nft_open(ns, WORLD_FAMILY, "kennel", &n, NULL), 0);
	assert_int_equal(nft_each_element(n, &isolated, take_first, NULL, &class_id, NULL), 0);
	nft_element_delete(n, &isolated, &(struct nft_element){ .key = &class_id });
	assert_int_equal(nft_commit(n, NULL), 0);
	nft_close(n);
}

static void a_lost_element_is_put_back_and_what_it_let_in_is_judged_again(void **state)
{
	struct world *w = *state;
	struct dataplane_stats s;
	int fd;

	policy(w, "p", "{podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress]}");
	world_sync(w);
	world_wait_ms(w, 150);
	lose_an_element(w->node);
	fd = open_connection(w, pod_ns(w, C), false, B, 80);
	assert_true(fd >= 0);
	assert_string_equal(ask(w, fd), "b " C);
	s = world_restart(w);
	assert_int_equal(s.rebuilds, 0);
	assert_string_equal(ask(w, fd), "timeout");
	DROPPED(pod_ns(w, C), B, 80);
	close(fd);
}

static void a_damaged_table_is_written_anew(void **state)
{
	struct world *w = *state;
	int fd = open_connection(w, pod_ns(w, A), false, B, 80);
	struct dataplane_stats s;

	policy(w, "p",
	       "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: "
	       "{matchLabels: {app: a}}}]}]}");
	world_sync(w);
	damage_table(w->node);
	s = world_restart(w);
	assert_int_equal(s.rebuilds, 1);
	DROPPED(pod_ns(w, C), B, 80);
	REACHES(pod_ns(w, A), SERVICE_IP(20), 8000, "b");
	assert_string_equal(ask(w, fd), "b " A);
	world_wait_ms(w, 150);
	s = world_restart(w);
	assert_int_equal(s.elements + s.rebuilds, 0);
	close(fd);
}

/* ---- two answers to one question ---- */

static unsigned next(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % below;
}

static void random_rule(unsigned *seed, bool ingress, struct strbuf *out)
{
	static const char *const peers[] = {
		"{podSelector: {matchLabels: {app: a}}}",
		"{podSelector: {}}",
		"{namespaceSelector: {}}",
		"{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}, "
		"podSelector: {matchLabels: {app: x}}}",
		"{ipBlock: {cidr: " POD_IP(0) FOUR "}}",
		"{ipBlock: {cidr: " NODE_PODS ", except: [" POD_IP(4) ALONE "]}}",
	};
	static const char *const ports[] = { "",
		                             ", ports: [{port: 80}]",
		                             ", ports: [{port: 80, endPort: 81}]",
		                             ", ports: [{protocol: UDP, port: 53}]",
		                             ", ports: [{port: web}]",
		                             ", ports: [{protocol: UDP}]" };
	unsigned peer = next(seed, ARRAY_SIZE(peers) + 1);

	strbuf_addf(out, "%s: [{%s: [%s]%s}]", ingress ? "ingress" : "egress",
	            ingress ? "from" : "to", peer < ARRAY_SIZE(peers) ? peers[peer] : "",
	            ports[next(seed, ARRAY_SIZE(ports))]);
}

static void random_policy(struct world *w, unsigned *seed, const char *name)
{
	static const char *const subjects[] = {
		"{}", "{matchLabels: {app: a}}", "{matchLabels: {app: b}}",
		"{matchExpressions: [{key: app, operator: NotIn, values: [c]}]}"
	};
	scoped_strbuf struct strbuf spec = { 0 };

	strbuf_addf(&spec, "{podSelector: %s, policyTypes: [%s], ",
	            subjects[next(seed, ARRAY_SIZE(subjects))],
	            next(seed, 2) ? "Ingress" : "Ingress, Egress");
	random_rule(seed, true, &spec);
	strbuf_adds(&spec, ", ");
	random_rule(seed, false, &spec);
	strbuf_adds(&spec, "}");
	policy(w, name, strbuf_str(&spec));
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
			bool want = i == k || policy_decide(w->m, &f, NULL) == VERDICT_ALLOW;

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
	unsigned seed = 20;

	for (int round = 0; round < 12; round++) {
		random_policy(w, &seed, "p");
		random_policy(w, &seed, "q");
		random_policy(w, &seed, "r");
		world_sync(w);
		check_door(w, ips, ARRAY_SIZE(ips), false, 80);
		check_door(w, ips, ARRAY_SIZE(ips), false, 81);
		check_door(w, ips, ARRAY_SIZE(ips), true, 53);
	}
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup(test, without_policies)
	const struct CMUnitTest tests[] = {
		FRESH(deny_all_drops_from_everybody_but_the_node),
		FRESH(ingress_by_label_and_port_is_judged_behind_the_service),
		FRESH(namespaces_and_labels_join_within_an_entry),
		FRESH(egress_is_judged_on_the_translated_destination),
		FRESH(a_block_admits_pods_and_hosts_alike),
		FRESH(a_change_reaches_flows_that_are_open),
		FRESH(a_label_moves_a_pod_between_peers),
		FRESH(a_new_pod_is_isolated_from_its_first_packet),
		FRESH(drops_are_counted_by_direction_and_flow),
		FRESH(a_restart_keeps_flows_and_writes_nothing),
		FRESH(a_policy_made_while_nobody_watched_reaches_open_flows),
		FRESH(a_lost_element_is_put_back_and_what_it_let_in_is_judged_again),
		FRESH(a_damaged_table_is_written_anew),
		FRESH(the_kernel_answers_as_the_model_does),
	};

	return cmocka_run_group_tests_name("policies", tests, setup, teardown);
}
