/* Why: the tiers of networking.md 3.4 one by one, in a world small enough to see why. Every
 * expectation is put to both ways to judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "model/policy-table.h"
#include "world.h"

#define WEB   "10.244.0.1" /* shop, app web, port "http" TCP 80 */
#define API   "10.244.0.2" /* shop, app api, port "http" TCP 8080 */
#define OTHER "10.244.0.3" /* namespace other */
#define NODE  "10.0.2.10"
#define DB    "10.0.3.7"

static const char objects[] =
	"{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}\n---\n"
	"{apiVersion: v1, kind: Namespace, metadata: {name: other}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, "
	"spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}, "
	"status: {podIP: 10.244.0.1}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: api, namespace: shop, labels: {app: api}}, "
	"spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: "
	"8080}]}]}, "
	"status: {podIP: 10.244.0.2}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: other, labels: {app: web}}, "
	"spec: {nodeName: n1}, status: {podIP: 10.244.0.3}}\n---\n"
	"{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {zone: a}}, "
	"status: {addresses: [{type: InternalIP, address: 10.0.2.10}]}}\n---\n"
	"{apiVersion: v1, kind: Node, metadata: {name: n2}, "
	"status: {addresses: [{type: InternalIP, address: 10.0.2.11}]}}\n---\n"
	"{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, metadata: {name: db, "
	"namespace: shop, annotations: {kennel.dev/vpc-address: 10.0.3.7}}, "
	"status: {endpoint: {address: db.abc.rds.amazonaws.com}}}\n";

static int setup(void **state)
{
	*state = model_new();
	put(*state, objects);
	return 0;
}

static int teardown(void **state)
{
	model_free(*state);
	return 0;
}

/* kind: "Admin" or "Baseline" (v1alpha1), "Cluster" (v1alpha2, spec has the tier). */
static void put_cluster(struct model *m, const char *kind, const char *name, const char *spec)
{
	scoped_strbuf struct strbuf b = { 0 };
	bool is_new = strcmp(kind, "Cluster") == 0, is_admin = strcmp(kind, "Admin") == 0;

	strbuf_addf(&b, "{apiVersion: policy.networking.k8s.io/%s, kind: %s%s, ",
	            is_new ? "v1alpha2" : "v1alpha1", is_new || is_admin ? kind : "BaselineAdmin",
	            "NetworkPolicy");
	strbuf_addf(&b, "metadata: {name: %s}, spec: {%s}}", name, spec);
	put(m, strbuf_str(&b));
}

static void put_namespaced(struct model *m, const char *spec)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_addf(&b,
	            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, "
	            "metadata: {name: p, namespace: shop}, spec: %s}",
	            spec);
	put(m, strbuf_str(&b));
}

static void expect(const struct model *m, const char *src, const char *dst, unsigned proto,
                   uint16_t port, enum verdict want)
{
	struct flow f = { ip_of(src), ip_of(dst), (enum proto)proto, port };

	assert_int_equal(policy_decide(m, &f, NULL), want);
	if (strcmp(src, NODE) != 0) {
		assert_int_equal(policy_table_decide(policy_table_of(m), &f), want);
	}
}
#define IN  VERDICT_DENY_INGRESS
#define OUT VERDICT_DENY_EGRESS
#define OK  VERDICT_ALLOW

#define SHOP      "subject: {namespaces: {matchLabels: {team: a}}}"
#define ANY_POD   "{namespaces: {}}"
#define OTHERS    "{namespaces: {matchLabels: {kubernetes.io/metadata.name: other}}}"
#define DENY_IN   "ingress: [{action: Deny, from: [" ANY_POD "]}]"
#define ALLOW_ALL "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}"

static void a_deny_stands_above_what_a_namespace_admits(void **state)
{
	put_namespaced(*state, ALLOW_ALL);
	put_cluster(*state, "Admin", "a",
	            "priority: 10, " SHOP ", ingress: [{action: Deny, from: [" OTHERS "]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, IN);
	expect(*state, OTHER, WEB, 1, 0, IN);
	expect(*state, API, WEB, PROTO_TCP, 80, OK);
	expect(*state, "192.0.2.1", WEB, PROTO_TCP, 80, OK);
	expect(*state, WEB, OTHER, PROTO_TCP, 80, OK);
	expect(*state, NODE, WEB, PROTO_TCP, 80, OK);
}

static void an_allow_stands_above_what_a_namespace_isolates(void **state)
{
	put_namespaced(*state, "{podSelector: {}, policyTypes: [Ingress, Egress]}");
	put_cluster(*state, "Admin", "a",
	            "priority: 10, " SHOP ", ingress: [{action: Allow, from: [" OTHERS
	            "], ports: [{portNumber: {port: 80}}]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, OK);
	expect(*state, OTHER, WEB, PROTO_TCP, 81, IN);
	expect(*state, OTHER, WEB, PROTO_UDP, 80, IN);
	expect(*state, API, WEB, PROTO_TCP, 80, OUT);
}

static void pass_leaves_it_to_the_namespace_and_then_to_the_baseline(void **state)
{
	put_cluster(*state, "Admin", "a",
	            "priority: 10, " SHOP ", ingress: [{action: Pass, from: [" OTHERS
	            "], ports: [{portNumber: {port: 80}}]}, {action: Deny, from: [" ANY_POD "]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, OK);
	expect(*state, OTHER, WEB, PROTO_TCP, 81, IN);
	put_cluster(*state, "Baseline", "default", SHOP ", " DENY_IN);
	expect(*state, OTHER, WEB, PROTO_TCP, 80, IN);
	put_namespaced(*state, ALLOW_ALL);
	expect(*state, OTHER, WEB, PROTO_TCP, 80, OK);
	expect(*state, OTHER, WEB, PROTO_TCP, 81, IN);
}

static void the_smaller_priority_is_asked_first_and_a_pass_ends_the_whole_tier(void **state)
{
	put_cluster(*state, "Admin", "a", "priority: 20, " SHOP ", " DENY_IN);
	put_cluster(*state, "Admin", "b",
	            "priority: 10, " SHOP ", ingress: [{action: Allow, from: [" OTHERS "]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, OK);
	expect(*state, API, WEB, PROTO_TCP, 80, IN);
	put_cluster(*state, "Admin", "b",
	            "priority: 30, " SHOP ", ingress: [{action: Allow, from: [" OTHERS "]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, IN);
	put_cluster(*state, "Admin", "b",
	            "priority: 0, " SHOP ", ingress: [{action: Pass, from: [" OTHERS "]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, OK);
}

static void equal_priorities_are_asked_in_the_order_of_names(void **state)
{
	put_cluster(*state, "Admin", "b",
	            "priority: 5, " SHOP ", ingress: [{action: Allow, from: [" ANY_POD "]}]");
	put_cluster(*state, "Admin", "a", "priority: 5, " SHOP ", " DENY_IN);
	expect(*state, OTHER, WEB, PROTO_TCP, 80, IN);
	put_cluster(*state, "Admin", "c", "priority: 5, " SHOP ", " DENY_IN);
	drop(*state, "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, "
	             "metadata: {name: a}}");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, OK);
}

static void the_first_rule_of_a_policy_that_matches_decides(void **state)
{
	put_cluster(*state, "Cluster", "a",
	            "tier: Admin, priority: 5, " SHOP ", ingress: ["
	            "{action: Accept, from: [" ANY_POD "], protocols: [{tcp: {destinationPort: "
	            "{range: {start: 80, end: 90}}}}]}, "
	            "{action: Deny, from: [" ANY_POD "], protocols: [{tcp: {destinationPort: "
	            "{range: {start: 85, end: 100}}}}, {udp: {}}]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 85, OK);
	expect(*state, OTHER, WEB, PROTO_TCP, 90, OK);
	expect(*state, OTHER, WEB, PROTO_TCP, 91, IN);
	expect(*state, OTHER, WEB, PROTO_TCP, 100, IN);
	expect(*state, OTHER, WEB, PROTO_TCP, 101, OK);
	expect(*state, OTHER, WEB, PROTO_UDP, 85, IN);
	expect(*state, OTHER, WEB, PROTO_SCTP, 85, OK);
	expect(*state, OTHER, WEB, 1, 0, OK);
}

static void the_baseline_is_not_asked_about_a_pod_that_its_namespace_isolates(void **state)
{
	put_cluster(*state, "Baseline", "default",
	            SHOP ", ingress: [{action: Allow, from: [" OTHERS
	                 "]}, {action: Deny, from: [" ANY_POD "]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, OK);
	expect(*state, API, WEB, PROTO_TCP, 80, IN);
	/* Isolated by its namespace, in that direction: the baseline's allow is gone, too. */
	put_namespaced(*state, "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], "
	                       "ingress: [{from: [{podSelector: {}}]}]}");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, IN);
	expect(*state, API, WEB, PROTO_TCP, 80, OK);
	/* Isolated for egress only: the baseline still rules its ingress. */
	put_namespaced(*state, "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], "
	                       "egress: [{}]}");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, OK);
	expect(*state, API, WEB, PROTO_TCP, 80, IN);
}

static void a_baseline_of_the_new_kind_has_priorities_and_may_pass(void **state)
{
	put_cluster(*state, "Cluster", "late", "tier: Baseline, priority: 9, " SHOP ", " DENY_IN);
	put_cluster(*state, "Cluster", "early",
	            "tier: Baseline, priority: 1, " SHOP ", ingress: [{action: Pass, from: [" OTHERS
	            "]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, OK);
	expect(*state, API, WEB, PROTO_TCP, 80, IN);
}

static void a_named_port_is_the_destinations_in_any_protocol(void **state)
{
	put_cluster(*state, "Admin", "a",
	            "priority: 1, " SHOP ", ingress: [{action: Deny, from: [" ANY_POD
	            "], ports: [{namedPort: http}]}], egress: [{action: Deny, to: [" ANY_POD
	            "], ports: [{namedPort: none}]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, IN);
	expect(*state, OTHER, WEB, PROTO_TCP, 8080, OK);
	expect(*state, OTHER, API, PROTO_TCP, 8080, IN);
	expect(*state, OTHER, API, PROTO_TCP, 80, OK);
	expect(*state, WEB, API, PROTO_TCP, 80, OK);
}

static void networks_mean_pods_and_hosts_alike(void **state)
{
	put_cluster(*state, "Admin", "a",
	            "priority: 1, " SHOP ", egress: [{action: Deny, to: [{networks: "
	            "[10.244.0.2/32, 192.0.2.0/24]}]}]");
	expect(*state, WEB, API, PROTO_TCP, 80, OUT);
	expect(*state, WEB, "192.0.2.200", 1, 0, OUT);
	expect(*state, WEB, OTHER, PROTO_TCP, 80, OK);
	expect(*state, WEB, "192.0.3.1", PROTO_TCP, 80, OK);
}

static void nodes_are_meant_by_their_labels_and_lose_an_address_with_them(void **state)
{
	put_cluster(*state, "Cluster", "a",
	            "tier: Admin, priority: 1, " SHOP
	            ", egress: [{action: Deny, to: [{nodes: {matchLabels: {zone: a}}}]}]");
	expect(*state, WEB, NODE, PROTO_TCP, 22, OUT);
	expect(*state, WEB, "10.0.2.11", PROTO_TCP, 22, OK);
	put(*state, "{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {zone: a}}, "
	            "status: {addresses: [{type: InternalIP, address: 10.0.2.11}]}}");
	expect(*state, WEB, "10.0.2.11", PROTO_TCP, 22, OUT);
	drop(*state, "{apiVersion: v1, kind: Node, metadata: {name: n2}}");
	expect(*state, WEB, "10.0.2.11", PROTO_TCP, 22, OK);
}

static void domain_names_admit_hosts_whose_address_is_known(void **state)
{
	put_cluster(*state, "Cluster", "a",
	            "tier: Admin, priority: 1, " SHOP
	            ", egress: [{action: Accept, to: [{domainNames: ['*.RDS.amazonaws.com.']}]}, "
	            "{action: Deny, to: [{networks: [0.0.0.0/0]}]}]");
	expect(*state, WEB, DB, PROTO_TCP, 3306, OK);
	expect(*state, WEB, "10.0.3.8", PROTO_TCP, 3306, OUT);
	put(*state, "{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, metadata: "
	            "{name: db, namespace: shop, annotations: {kennel.dev/vpc-address: 10.0.3.8}}, "
	            "status: {endpoint: {address: db.abc.rds.amazonaws.com}}}");
	expect(*state, WEB, DB, PROTO_TCP, 3306, OUT);
	expect(*state, WEB, "10.0.3.8", PROTO_TCP, 3306, OK);
	/* A pattern with '*' means names below, not the name itself. */
	put_cluster(*state, "Cluster", "a",
	            "tier: Admin, priority: 1, " SHOP
	            ", egress: [{action: Accept, to: [{domainNames: "
	            "['*.db.abc.rds.amazonaws.com']}]}, "
	            "{action: Deny, to: [{networks: [0.0.0.0/0]}]}]");
	expect(*state, WEB, "10.0.3.8", PROTO_TCP, 3306, OUT);
}

static void a_subject_of_pods_is_in_matching_namespaces_only(void **state)
{
	put_cluster(*state, "Admin", "a",
	            "priority: 1, subject: {pods: {namespaceSelector: {matchLabels: {team: a}}, "
	            "podSelector: {matchLabels: {app: web}}}}, " DENY_IN);
	expect(*state, API, WEB, PROTO_TCP, 80, IN);
	expect(*state, WEB, API, PROTO_TCP, 80, OK);
	expect(*state, WEB, OTHER, PROTO_TCP, 80, OK);
	put(*state,
	    "{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {team: a}}}");
	expect(*state, WEB, OTHER, PROTO_TCP, 80, IN);
}

static void what_nobody_knows_fails_closed(void **state)
{
	/* An allowing rule with it means nobody. */
	put_namespaced(*state, "{podSelector: {}, policyTypes: [Ingress]}");
	put_cluster(*state, "Admin", "a",
	            "priority: 1, " SHOP ", ingress: [{action: Allow, from: [" ANY_POD
	            ", {tomorrow: {}}]}]");
	expect(*state, OTHER, WEB, PROTO_TCP, 80, IN);
	/* Any other denies everything. */
	put_namespaced(*state, ALLOW_ALL);
	put_cluster(*state, "Admin", "a",
	            "priority: 1, " SHOP ", ingress: [{action: Pass, from: [{tomorrow: {}}], "
	            "ports: [{portNumber: {port: 80}}]}]");
	expect(*state, "192.0.2.1", WEB, PROTO_UDP, 9, IN);
	put_cluster(*state, "Admin", "a",
	            "priority: 1, " SHOP ", ingress: [{action: Log, from: [" OTHERS "]}]");
	expect(*state, API, WEB, PROTO_TCP, 80, IN);
}

static void rules_without_a_match_and_empty_lists_change_nothing(void **state)
{
	put_cluster(*state, "Admin", "a", "priority: 1, " SHOP ", ingress: []");
	put_cluster(*state, "Admin", "b",
	            "priority: 1, " SHOP ", ingress: [{action: Deny, from: [" OTHERS
	            "], ports: [{portNumber: {port: 9}}]}]");
	expect(*state, "192.0.2.1", WEB, PROTO_TCP, 9, OK);
	expect(*state, OTHER, WEB, PROTO_TCP, 80, OK);
	expect(*state, OTHER, WEB, PROTO_TCP, 9, IN);
}

/* ---- narration ---- */

static void write_line(void *arg, const struct val *object, const char *text)
{
	(void)object;
	strbuf_addf(arg, "%s\n", text);
}

static void the_trace_tells_tier_by_tier(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };
	struct flow f = { ip_of(OTHER), ip_of(WEB), PROTO_TCP, 81 };

	put_cluster(*state, "Admin", "a",
	            "priority: 1, subject: {namespaces: {matchLabels: {team: b}}}, " DENY_IN);
	put_cluster(*state, "Admin", "b",
	            "priority: 2, " SHOP ", ingress: [{name: web, action: Allow, from: [" OTHERS
	            "], ports: [{portNumber: {port: 80}}]}, {action: Pass, from: [" ANY_POD "]}]");
	put_cluster(*state, "Baseline", "default", SHOP ", " DENY_IN);
	assert_false(
		policy_admits(*state, &f, VERDICT_DENY_INGRESS, &(struct trace){ write_line, &b }));
	assert_string_equal(
		strbuf_str(&b),
		"AdminNetworkPolicy a does not select pod shop/web for ingress: namespace shop "
		"does not match team=b (label team is \"a\")\n"
		"ingress rule 1 (web) of AdminNetworkPolicy b nearly admits: TCP 81 is not among "
		"TCP 80\n"
		"ingress rule 2 of AdminNetworkPolicy b passes on pod other/x on TCP 81\n"
		"ingress rule 1 of BaselineAdminNetworkPolicy default denies pod other/x on TCP "
		"81\n"
		"ingress of pod shop/web drops the flow: BaselineAdminNetworkPolicy default denies "
		"it\n");
}

static void the_reason_is_the_policy_and_its_rule(void **state)
{
	struct flow f = { ip_of(OTHER), ip_of(WEB), PROTO_TCP, 81 };
	struct policy_reason why = policy_reason_of(*state, &f, VERDICT_DENY_INGRESS);

	assert_true(why.admits);
	assert_null(why.object);
	put_cluster(*state, "Admin", "b",
	            "priority: 2, " SHOP ", ingress: [{action: Allow, from: [" ANY_POD
	            "], ports: [{portNumber: {port: 80}}]}, {action: Deny, from: [" ANY_POD "]}]");
	why = policy_reason_of(*state, &f, VERDICT_DENY_INGRESS);
	assert_false(why.admits);
	assert_int_equal(why.tier, TIER_ADMIN);
	assert_ptr_equal(why.rule, val_at(val_path(why.object, "spec.ingress"), 1));
	put_namespaced(*state, "{podSelector: {}}");
	drop(*state, "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, "
	             "metadata: {name: b}}");
	why = policy_reason_of(*state, &f, VERDICT_DENY_INGRESS);
	assert_false(why.admits);
	assert_int_equal(why.tier, TIER_NAMESPACED);
	assert_null(why.rule);
	assert_string_equal(val_cstr(val_path(why.object, "metadata.name")), "p");
}

/* ---- the table ---- */

static void the_table_names_who_has_a_say_in_order(void **state)
{
	const struct policy_isolated *i;
	uint32_t id;

	put_cluster(*state, "Baseline", "default", SHOP ", " DENY_IN);
	put_cluster(*state, "Admin", "z", "priority: 1, " SHOP ", " DENY_IN);
	put_cluster(*state, "Admin", "a", "priority: 2, " SHOP ", " DENY_IN);
	id = policy_table_class(policy_table_of(*state), ip_of(WEB));
	i = policy_table_isolation(policy_table_of(*state), POLICY_INGRESS, id);
	assert_non_null(i);
	assert_int_equal(i->n_policies, 3);
	assert_string_equal(val_cstr(val_path(i->policies[0], "metadata.name")), "z");
	assert_string_equal(val_cstr(val_path(i->policies[1], "metadata.name")), "a");
	assert_string_equal(val_cstr(val_path(i->policies[2], "metadata.name")), "default");
	assert_null(policy_table_isolation(policy_table_of(*state), POLICY_EGRESS, id));
	put_namespaced(*state, "{podSelector: {}}");
	id = policy_table_class(policy_table_of(*state), ip_of(WEB));
	i = policy_table_isolation(policy_table_of(*state), POLICY_INGRESS, id);
	assert_int_equal(i->n_policies, 3);
	assert_string_equal(val_cstr(val_path(i->policies[2], "metadata.name")), "p");
}

static void one_deny_is_one_row(void **state)
{
	const struct policy_table *t;

	put_cluster(*state, "Admin", "a",
	            "priority: 1, subject: {pods: {namespaceSelector: {}, podSelector: "
	            "{matchLabels: {app: api}}}}, ingress: [{action: Deny, from: [" OTHERS "]}]");
	t = policy_table_of(*state);
	assert_int_equal(t->n_rows[POLICY_INGRESS], 2);
	assert_false(t->rows[POLICY_INGRESS][0].admits);
	assert_int_equal(t->rows[POLICY_INGRESS][0].proto, POLICY_PROTO_ANY);
	assert_true(t->rows[POLICY_INGRESS][1].admits);
	assert_int_equal(t->rows[POLICY_INGRESS][1].peer, POLICY_PEER_ANY);
	assert_int_equal(t->n_rows[POLICY_EGRESS], 0);
}

static void a_node_that_says_the_same_leaves_the_table_as_it_is(void **state)
{
	uint64_t before;

	put_cluster(*state, "Cluster", "a",
	            "tier: Admin, priority: 1, " SHOP
	            ", egress: [{action: Deny, to: [{nodes: {}}]}]");
	before = model_version(*state, MODEL_POLICIES);
	put(*state, "{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {conditions: "
	            "[{type: Ready}], addresses: [{type: InternalIP, address: 10.0.2.11}]}}");
	assert_int_equal(model_version(*state, MODEL_POLICIES), before);
	drop(*state, "{apiVersion: v1, kind: Node, metadata: {name: n2}}");
	assert_true(model_version(*state, MODEL_POLICIES) > before);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_deny_stands_above_what_a_namespace_admits),
		T(an_allow_stands_above_what_a_namespace_isolates),
		T(pass_leaves_it_to_the_namespace_and_then_to_the_baseline),
		T(the_smaller_priority_is_asked_first_and_a_pass_ends_the_whole_tier),
		T(equal_priorities_are_asked_in_the_order_of_names),
		T(the_first_rule_of_a_policy_that_matches_decides),
		T(the_baseline_is_not_asked_about_a_pod_that_its_namespace_isolates),
		T(a_baseline_of_the_new_kind_has_priorities_and_may_pass),
		T(a_named_port_is_the_destinations_in_any_protocol),
		T(networks_mean_pods_and_hosts_alike),
		T(nodes_are_meant_by_their_labels_and_lose_an_address_with_them),
		T(domain_names_admit_hosts_whose_address_is_known),
		T(a_subject_of_pods_is_in_matching_namespaces_only),
		T(what_nobody_knows_fails_closed),
		T(rules_without_a_match_and_empty_lists_change_nothing),
		T(the_trace_tells_tier_by_tier),
		T(the_reason_is_the_policy_and_its_rule),
		T(the_table_names_who_has_a_say_in_order),
		T(one_deny_is_one_row),
		T(a_node_that_says_the_same_leaves_the_table_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
