/* Why: the rules of networking.md 3 one by one, in worlds small enough to see why; and what the
 * table promises to keep still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "model/policy-table.h"
#include "world.h"

static const char pods[] =
	"{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}\n"
	"---\n"
	"{apiVersion: v1, kind: Namespace, metadata: {name: other}}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: backend, namespace: shop, labels: {app: backend}}\n"
	"spec: {nodeName: node, containers: [{name: c, ports: [{name: api, containerPort: "
	"5000}]}]}\n"
	"status: {phase: Running, podIP: 10.244.0.1}\n"
	"---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: frontend, namespace: shop, labels: {app: "
	"frontend}}, "
	"spec: {nodeName: node}, status: {phase: Running, podIP: 10.244.0.2}}\n"
	"---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: stranger, namespace: other, labels: {app: "
	"frontend}}, "
	"spec: {nodeName: node}, status: {phase: Running, podIP: 10.244.0.3}}\n"
	"---\n"
	"{apiVersion: v1, kind: Node, metadata: {name: node}, status: {addresses: [{type: "
	"InternalIP, "
	"address: 10.0.2.10}]}}\n";

#define BACKEND  "10.244.0.1"
#define FRONTEND "10.244.0.2"
#define STRANGER "10.244.0.3"

static int setup(void **state)
{
	*state = model_new();
	put(*state, pods);
	return 0;
}

static int teardown(void **state)
{
	model_free(*state);
	return 0;
}

static void put_policy(struct model *m, const char *spec)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_addf(&b,
	            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, "
	            "metadata: {name: p, namespace: shop}, spec: %s}",
	            spec);
	put(m, strbuf_str(&b));
}

static void expect(const struct model *m, const char *src, const char *dst, enum proto proto,
                   uint16_t port, enum verdict want)
{
	struct flow f = { ip_of(src), ip_of(dst), proto, port };

	assert_int_equal(policy_decide(m, &f, NULL), want);
	if (strcmp(src, "10.0.2.10") != 0) {
		assert_int_equal(policy_table_decide(policy_table_of(m), &f), want);
	}
}

static void without_policies_everything_passes(void **state)
{
	expect(*state, STRANGER, BACKEND, PROTO_TCP, 5000, VERDICT_ALLOW);
	expect(*state, "192.0.2.1", BACKEND, PROTO_SCTP, 1, VERDICT_ALLOW);
}

static void an_empty_policy_isolates_for_ingress_only(void **state)
{
	put_policy(*state, "{podSelector: {}}");
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 5000, VERDICT_DENY_INGRESS);
	expect(*state, BACKEND, STRANGER, PROTO_TCP, 1, VERDICT_ALLOW);
	expect(*state, BACKEND, BACKEND, PROTO_TCP, 5000, VERDICT_ALLOW);
	expect(*state, "10.0.2.10", BACKEND, PROTO_TCP, 5000, VERDICT_ALLOW);
	expect(*state, "10.0.2.11", BACKEND, PROTO_TCP, 5000, VERDICT_DENY_INGRESS);
}

static void egress_type_alone_ignores_ingress_rules(void **state)
{
	put_policy(
		*state,
		"{podSelector: {}, policyTypes: [Egress], ingress: [{from: [{podSelector: {}}]}]}");
	expect(*state, STRANGER, BACKEND, PROTO_TCP, 5000, VERDICT_ALLOW);
	expect(*state, BACKEND, STRANGER, PROTO_TCP, 5000, VERDICT_DENY_EGRESS);
}

static void selectors_in_one_entry_are_anded_and_entries_ored(void **state)
{
	put_policy(*state, "{podSelector: {matchLabels: {app: backend}}, ingress: [{from: "
	                   "[{namespaceSelector: {matchLabels: {team: a}}, podSelector: "
	                   "{matchLabels: {app: frontend}}}]}]}");
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 5000, VERDICT_ALLOW);
	expect(*state, STRANGER, BACKEND, PROTO_TCP, 5000, VERDICT_DENY_INGRESS);
	put_policy(*state, "{podSelector: {matchLabels: {app: backend}}, ingress: [{from: "
	                   "[{namespaceSelector: {matchLabels: {team: b}}}, {namespaceSelector: "
	                   "{matchLabels: {kubernetes.io/metadata.name: other}}}]}]}");
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 5000, VERDICT_DENY_INGRESS);
	expect(*state, STRANGER, BACKEND, PROTO_TCP, 5000, VERDICT_ALLOW);
}

static void every_namespace_is_not_every_address(void **state)
{
	put_policy(*state, "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}");
	expect(*state, STRANGER, BACKEND, PROTO_TCP, 1, VERDICT_ALLOW);
	expect(*state, "192.0.2.1", BACKEND, PROTO_TCP, 1, VERDICT_DENY_INGRESS);
}

static void a_port_entry_without_protocol_is_tcp_and_no_ports_is_everything(void **state)
{
	put_policy(*state, "{podSelector: {}, ingress: [{ports: [{}]}]}");
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 9, VERDICT_ALLOW);
	expect(*state, FRONTEND, BACKEND, PROTO_UDP, 9, VERDICT_DENY_INGRESS);
	put_policy(*state, "{podSelector: {}, ingress: [{}]}");
	expect(*state, "192.0.2.1", BACKEND, PROTO_SCTP, 9, VERDICT_ALLOW);
	expect(*state, "192.0.2.1", BACKEND, (enum proto)1, 0, VERDICT_ALLOW);
}

static void named_ports_are_the_destinations(void **state)
{
	put_policy(*state,
	           "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: api}]}]}");
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 5000, VERDICT_ALLOW);
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 5001, VERDICT_DENY_EGRESS);
	expect(*state, FRONTEND, "192.0.2.1", PROTO_TCP, 5000, VERDICT_DENY_EGRESS);
	put_policy(*state, "{podSelector: {}, ingress: [{ports: [{port: api}]}]}");
	expect(*state, STRANGER, BACKEND, PROTO_TCP, 5000, VERDICT_ALLOW);
	expect(*state, STRANGER, BACKEND, PROTO_UDP, 5000, VERDICT_DENY_INGRESS);
	expect(*state, STRANGER, FRONTEND, PROTO_TCP, 5000, VERDICT_DENY_INGRESS);
}

static void an_exception_holds_for_its_own_entry_only(void **state)
{
	put_policy(*state, "{podSelector: {}, policyTypes: [Egress], egress: [{to: "
	                   "[{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]}");
	expect(*state, BACKEND, "192.0.2.1", PROTO_TCP, 443, VERDICT_ALLOW);
	expect(*state, BACKEND, "10.0.2.30", PROTO_TCP, 443, VERDICT_DENY_EGRESS);
	put_policy(*state, "{podSelector: {}, policyTypes: [Egress], egress: [{to: "
	                   "[{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}, {ipBlock: {cidr: "
	                   "10.0.2.30/32}}]}]}");
	expect(*state, BACKEND, "10.0.2.30", PROTO_TCP, 443, VERDICT_ALLOW);
	expect(*state, BACKEND, "10.0.2.31", PROTO_TCP, 443, VERDICT_DENY_EGRESS);
}

static void host_bits_of_a_cidr_mean_the_network_and_blocks_match_pods(void **state)
{
	put_policy(*state,
	           "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.244.0.3/31}}]}]}");
	expect(*state, STRANGER, BACKEND, PROTO_TCP, 1, VERDICT_ALLOW);
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 1, VERDICT_ALLOW);
	expect(*state, "10.244.0.4", BACKEND, PROTO_TCP, 1, VERDICT_DENY_INGRESS);
}

static void end_port_is_inclusive(void **state)
{
	put_policy(*state, "{podSelector: {}, ingress: [{ports: [{port: 100, endPort: 102}]}]}");
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 99, VERDICT_DENY_INGRESS);
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 100, VERDICT_ALLOW);
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 102, VERDICT_ALLOW);
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 103, VERDICT_DENY_INGRESS);
}

static void finished_pods_leave_their_address(void **state)
{
	put_policy(*state, "{podSelector: {}}");
	put(*state, "{apiVersion: v1, kind: Pod, metadata: {name: backend, namespace: shop, "
	            "labels: {app: backend}}, "
	            "status: {phase: Succeeded, podIP: 10.244.0.1}}");
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 1, VERDICT_ALLOW);
	assert_int_equal(policy_table_class(policy_table_of(*state), ip_of(BACKEND)),
	                 POLICY_CLASS_NONE);
}

static void labels_of_namespaces_take_effect_at_once(void **state)
{
	put_policy(*state, "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: "
	                   "{team: b}}}]}]}");
	expect(*state, STRANGER, BACKEND, PROTO_TCP, 1, VERDICT_DENY_INGRESS);
	put(*state,
	    "{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {team: b}}}");
	expect(*state, STRANGER, BACKEND, PROTO_TCP, 1, VERDICT_ALLOW);
}

/* ---- narration ---- */

static void write_line(void *arg, const struct val *object, const char *text)
{
	(void)object;
	strbuf_addf(arg, "%s\n", text);
}

static void the_trace_names_near_misses_and_why(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };
	struct flow f = { ip_of(STRANGER), ip_of(BACKEND), PROTO_TCP, 5000 };

	put_policy(*state,
	           "{podSelector: {matchLabels: {app: backend}}, ingress: [{from: "
	           "[{namespaceSelector: "
	           "{matchLabels: {team: a}}}], ports: [{port: 5000}]}, {ports: [{port: 80}]}]}");
	assert_int_equal(policy_decide(*state, &f, &(struct trace){ write_line, &b }),
	                 VERDICT_DENY_INGRESS);
	assert_string_equal(
		strbuf_str(&b),
		"egress of pod other/stranger is open: no policy isolates it\n"
		"policy shop/p isolates pod shop/backend for ingress with 2 rules\n"
		"ingress rule 1 of policy shop/p nearly admits: pod other/stranger is not meant: "
		"namespace "
		"other does not match namespaceSelector team=a (label team is absent)\n"
		"ingress rule 2 of policy shop/p nearly admits: TCP 5000 is not among TCP 80\n"
		"ingress of pod shop/backend drops the flow: isolated, and no rule admits it\n");
}

/* ---- what the table keeps still ---- */

static void put_replica(struct model *m, unsigned i, bool remove)
{
	char text[256];

	snprintf(text, sizeof(text),
	         "{apiVersion: v1, kind: Pod, metadata: {name: r%u, namespace: shop, labels: {app: "
	         "frontend, n: n%u}}, "
	         "status: {phase: Running, podIP: 10.244.1.%u}}",
	         i, i, i);
	feed(m, text, remove);
}

static void a_pod_of_a_known_class_changes_pods_only(void **state)
{
	struct policy_table before;
	const struct policy_table *t;

	put_policy(*state, "{podSelector: {matchLabels: {app: backend}}, ingress: [{from: "
	                   "[{podSelector: {matchLabels: {app: frontend}}}]}]}");
	before = *policy_table_of(*state);
	for (unsigned i = 1; i < 100; i++) {
		put_replica(*state, i, false);
		t = policy_table_of(*state);
		assert_int_equal(t->rules_version, before.rules_version);
		assert_int_equal(policy_table_class(t, ip_of("10.244.1.1")),
		                 policy_table_class(t, ip_of(FRONTEND)));
	}
	assert_true(t->pods_version > before.pods_version);
	for (unsigned i = 1; i < 100; i++) {
		put_replica(*state, i, true);
	}
	drop(*state, "{apiVersion: v1, kind: Pod, metadata: {name: frontend, namespace: shop}}");
	t = policy_table_of(*state);
	assert_int_equal(t->rules_version, before.rules_version);
	assert_int_equal(t->n_pods, 2);
}

static void class_ids_survive_a_policy_that_tells_nobody_apart(void **state)
{
	uint32_t backend, frontend;

	put_policy(*state, "{podSelector: {matchLabels: {app: backend}}}");
	backend = policy_table_class(policy_table_of(*state), ip_of(BACKEND));
	frontend = policy_table_class(policy_table_of(*state), ip_of(FRONTEND));
	assert_true(backend != frontend);
	put(*state, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: q, "
	            "namespace: shop}, "
	            "spec: {podSelector: {matchLabels: {app: frontend}}}}");
	assert_int_equal(policy_table_class(policy_table_of(*state), ip_of(BACKEND)), backend);
	assert_int_equal(policy_table_class(policy_table_of(*state), ip_of(FRONTEND)), frontend);
	assert_non_null(policy_table_isolation(policy_table_of(*state), POLICY_INGRESS, frontend));
}

static void isolation_names_the_policies(void **state)
{
	const struct policy_isolated *i;
	uint32_t id;

	put_policy(*state, "{podSelector: {matchLabels: {app: backend}}}");
	put(*state, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a, "
	            "namespace: shop}, "
	            "spec: {podSelector: {}}}");
	id = policy_table_class(policy_table_of(*state), ip_of(BACKEND));
	i = policy_table_isolation(policy_table_of(*state), POLICY_INGRESS, id);
	assert_non_null(i);
	assert_int_equal(i->n_policies, 2);
	assert_string_equal(val_cstr(val_path(i->policies[0], "metadata.name")), "a");
	assert_string_equal(val_cstr(val_path(i->policies[1], "metadata.name")), "p");
	assert_null(policy_table_isolation(policy_table_of(*state), POLICY_EGRESS, id));
}

static void nothing_changed_is_the_same_table(void **state)
{
	uint64_t rules, pods_version;

	put_policy(*state, "{podSelector: {}}");
	rules = policy_table_of(*state)->rules_version;
	pods_version = policy_table_of(*state)->pods_version;
	put(*state, pods);
	assert_int_equal(policy_table_of(*state)->rules_version, rules);
	assert_int_equal(policy_table_of(*state)->pods_version, pods_version);
}

/* What selects a kind of pods is kept between questions. */
static void a_policy_that_comes_changes_or_goes_takes_effect_at_once(void **state)
{
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 5000, VERDICT_ALLOW);
	put_policy(*state, "{podSelector: {matchLabels: {app: backend}}}");
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 5000, VERDICT_DENY_INGRESS);
	put_policy(*state, "{podSelector: {matchLabels: {app: frontend}}}");
	expect(*state, FRONTEND, BACKEND, PROTO_TCP, 5000, VERDICT_ALLOW);
	expect(*state, BACKEND, FRONTEND, PROTO_TCP, 80, VERDICT_DENY_INGRESS);
	drop(*state, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, "
	             "metadata: {name: p, namespace: shop}}");
	expect(*state, BACKEND, FRONTEND, PROTO_TCP, 80, VERDICT_ALLOW);
}

static void a_pod_with_other_labels_is_selected_anew(void **state)
{
	put_policy(*state, "{podSelector: {matchLabels: {app: backend}}}");
	for (int i = 0; i < 200; i++) { /* more kinds than pods: those of the past are forgotten */
		scoped_strbuf struct strbuf b = { 0 };

		strbuf_addf(
			&b,
			"{apiVersion: v1, kind: Pod, metadata: {name: backend, namespace: shop, "
			"labels: {app: %s, nth: \"%d\"}}, spec: {nodeName: node}, "
			"status: {phase: Running, podIP: " BACKEND "}}",
			i % 2 ? "backend" : "other", i);
		put(*state, strbuf_str(&b));
		expect(*state, FRONTEND, BACKEND, PROTO_TCP, 5000,
		       i % 2 ? VERDICT_DENY_INGRESS : VERDICT_ALLOW);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(without_policies_everything_passes),
		T(an_empty_policy_isolates_for_ingress_only),
		T(egress_type_alone_ignores_ingress_rules),
		T(selectors_in_one_entry_are_anded_and_entries_ored),
		T(every_namespace_is_not_every_address),
		T(a_port_entry_without_protocol_is_tcp_and_no_ports_is_everything),
		T(named_ports_are_the_destinations),
		T(an_exception_holds_for_its_own_entry_only),
		T(host_bits_of_a_cidr_mean_the_network_and_blocks_match_pods),
		T(end_port_is_inclusive),
		T(finished_pods_leave_their_address),
		T(labels_of_namespaces_take_effect_at_once),
		T(a_policy_that_comes_changes_or_goes_takes_effect_at_once),
		T(a_pod_with_other_labels_is_selected_anew),
		T(the_trace_names_near_misses_and_why),
		T(a_pod_of_a_known_class_changes_pods_only),
		T(class_ids_survive_a_policy_that_tells_nobody_apart),
		T(isolation_names_the_policies),
		T(nothing_changed_is_the_same_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
