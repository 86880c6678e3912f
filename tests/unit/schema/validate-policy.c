/* Why: policies of the whole cluster are refused where the definitions of the working group refuse
 * them, with the field named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse.h"

static struct registry *r;

static int start(void **state)
{
	(void)state;
	r = registry_new();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	r = registry_free(r);
	return 0;
}

static void expect(const char *text, const char *want)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf found = { 0 };
	struct field_errors wrong = { .arena = &a }, unknown = { .arena = &a };
	struct val *v = parse(&a, text);
	const struct kind *k = registry_kind_of(r, v);
	struct err err = { 0 };

	assert_non_null(k);
	assert_int_equal(object_decode(k, &a, v, &wrong, &unknown, &err), 0);
	object_default(k, &a, v);
	object_validate(k, v, NULL, &wrong);
	add_findings(&found, &wrong, true);
	assert_text(&found, want, text);
}

#define META(version, kind, name)                                                                  \
	"{'apiVersion':'policy.networking.k8s.io/" version "','kind':'" kind                       \
	"','metadata':{'name':'" name "'},"
#define SUBJECT "'subject':{'namespaces':{}}"
/* spec of an AdminNetworkPolicy, after priority and subject */
#define ADMIN(more)                                                                                \
	META("v1alpha1", "AdminNetworkPolicy", "a")                                                \
	"'spec':{'priority':5," SUBJECT "," more "}}"
#define CLUSTER(more)                                                                              \
	META("v1alpha2", "ClusterNetworkPolicy", "a")                                              \
	"'spec':{'tier':'Admin','priority':5," SUBJECT "," more "}}"
#define DENY(peers) "'ingress':[{'action':'Deny','from':[" peers "]}]"
#define OUT(peers)  "'egress':[{'action':'Deny','to':[" peers "]}]"

static void what_is_whole_is_taken(void **state)
{
	(void)state;
	expect(ADMIN(DENY("{'namespaces':{}}")), "");
	expect(ADMIN("'ingress':[{'name':'n','action':'Pass','from':[{'pods':"
	             "{'namespaceSelector':{},'podSelector':{}}}],'ports':[{'portNumber':{'port':1}"
	             "},"
	             "{'portRange':{'start':1,'end':65535}},{'namedPort':'web'}]}]"),
	       "");
	expect(CLUSTER("'egress':[{'action':'Accept','to':[{'domainNames':['*.a.org','b.org.']},"
	               "{'networks':['10.0.0.0/8','fd00::/8']},{'nodes':{}}],'protocols':"
	               "[{'tcp':{'destinationPort':{'number':1}}},"
	               "{'sctp':{'destinationPort':{'range':{'start':1,'end':2}}}}]}]"),
	       "");
	expect(META("v1alpha1", "BaselineAdminNetworkPolicy", "default") "'spec':{" SUBJECT "}}",
	       "");
	expect(META("v1beta1", "ClusterNetworkPolicy",
	            "x") "'spec':{'tier':'Baseline','priority':0," SUBJECT "}}",
	       "");
}

static void a_spec_says_tier_priority_and_subject(void **state)
{
	(void)state;
	expect(META("v1alpha2", "ClusterNetworkPolicy", "a") "'spec':{}}",
	       "spec.tier: Required value\nspec.priority: Required value\nspec.subject: Required "
	       "value");
	expect(META("v1alpha1", "AdminNetworkPolicy", "a") "'status':{}}", "spec: Required value");
	expect(META("v1alpha1", "AdminNetworkPolicy", "a") "'spec':{'priority':1001," SUBJECT "}}",
	       "spec.priority: Invalid value: 1001: must be between 0 and 1000, inclusive");
	expect(META("v1alpha2", "ClusterNetworkPolicy",
	            "a") "'spec':{'tier':'Top','priority':-1," SUBJECT "}}",
	       "spec.tier: Unsupported value: \"Top\": supported values: \"Admin\", "
	       "\"Baseline\"\nspec.priority: Invalid value: -1: must be between 0 and 1000, "
	       "inclusive");
}

static void subject_and_peers_are_one_thing_each(void **state)
{
	(void)state;
	expect(META("v1alpha1", "AdminNetworkPolicy", "a") "'spec':{'priority':0,'subject':{}}}",
	       "spec.subject: Invalid value: 0: should have at least 1 properties");
	expect(META("v1alpha1", "AdminNetworkPolicy",
	            "a") "'spec':{'priority':0,'subject':{'namespaces':{},'pods':{"
	                 "'namespaceSelector':{},'podSelector':{}}}}}",
	       "spec.subject: Too many: 2: must have at most 1 items");
	expect(ADMIN(DENY("{}")),
	       "spec.ingress[0].from[0]: Invalid value: 0: should have at least 1 properties");
	expect(ADMIN(OUT("{'namespaces':{},'networks':['10.0.0.0/8']}")),
	       "spec.egress[0].to[0]: Too many: 2: must have at most 1 items");
	expect(ADMIN(DENY("{'pods':{'podSelector':{}}}")),
	       "spec.ingress[0].from[0].pods.namespaceSelector: Required value");
	expect(CLUSTER(DENY("{'pods':{'podSelector':{}}}")), "");
	expect(ADMIN(DENY("")), "spec.ingress[0].from: Required value");
}

static void a_rule_has_an_action_of_its_kind(void **state)
{
	(void)state;
	expect(CLUSTER("'ingress':[{'action':'Allow','from':[{'namespaces':{}}]}]"),
	       "spec.ingress[0].action: Unsupported value: \"Allow\": supported values: "
	       "\"Accept\", \"Deny\", \"Pass\"");
	expect(META("v1alpha1", "BaselineAdminNetworkPolicy",
	            "default") "'spec':{" SUBJECT
	                       ",'ingress':[{'action':'Pass','from':[{'namespaces':{}}]}]}}",
	       "spec.ingress[0].action: Unsupported value: \"Pass\": supported values: \"Allow\", "
	       "\"Deny\"");
	expect(ADMIN("'ingress':[{'from':[{'namespaces':{}}]}]"),
	       "spec.ingress[0].action: Required value");
}

static void there_is_one_baseline_of_the_old_kind(void **state)
{
	(void)state;
	expect(META("v1alpha1", "BaselineAdminNetworkPolicy", "mine") "'spec':{" SUBJECT "}}",
	       "metadata.name: Invalid value: \"mine\": Only one baseline admin network policy "
	       "with "
	       "metadata.name=\"default\" can be created in the cluster");
}

static void addresses_and_names_are_well_formed(void **state)
{
	(void)state;
	expect(ADMIN(OUT("{'networks':['10.0.0.0']}")),
	       "spec.egress[0].to[0].networks[0]: Invalid value: \"10.0.0.0\": must be a valid "
	       "CIDR "
	       "value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
	expect(ADMIN(OUT("{'networks':[]}")),
	       "spec.egress[0].to[0].networks: Invalid value: 0: should have at least 1 items");
	expect(CLUSTER("'egress':[{'action':'Accept','to':[{'domainNames':['a.*.org']}]}]"),
	       "spec.egress[0].to[0].domainNames[0]: Invalid value: \"a.*.org\": must be a domain "
	       "name of two labels or more, '*.' may stand in front of it");
	expect(CLUSTER(OUT("{'domainNames':['a.org']}")),
	       "spec.egress[0]: Invalid value: "
	       "{\"action\":\"Deny\",\"to\":[{\"domainNames\":[\"a.org\"]}]}: domainNames peer may "
	       "only be used in Accept rules");
}

static void ports_are_one_thing_each(void **state)
{
	(void)state;
	expect(ADMIN("'ingress':[{'action':'Deny','from':[{'namespaces':{}}],'ports':[{}]}]"),
	       "spec.ingress[0].ports[0]: Invalid value: 0: should have at least 1 properties");
	expect(ADMIN("'ingress':[{'action':'Deny','from':[{'namespaces':{}}],'ports':"
	             "[{'portNumber':{'port':0}}]}]"),
	       "spec.ingress[0].ports[0].portNumber.port: Required value");
	expect(CLUSTER("'ingress':[{'action':'Deny','from':[{'namespaces':{}}],'protocols':"
	               "[{'tcp':{}},{'udp':{'destinationPort':{'range':{'start':5,'end':5}}}}]}]"),
	       "spec.ingress[0].protocols[0].tcp: Invalid value: 0: should have at least 1 "
	       "properties\nspec.ingress[0].protocols[1].udp.destinationPort.range: Invalid value: "
	       "{\"start\":5,\"end\":5}: Start port must be less than End port");
	expect(ADMIN("'egress':[{'action':'Deny','to':[{'nodes':{}}],'ports':[{'namedPort':'x'}]}"
	             "]"),
	       "spec.egress[0]: Invalid value: "
	       "{\"action\":\"Deny\",\"to\":[{\"nodes\":{}}],\"ports\":[{\"namedPort\":\"x\"}]}: "
	       "networks/nodes/domainNames peer cannot be set with namedPorts since there are no "
	       "namedPorts for networks/nodes/domainNames");
}

static void there_are_limits_of_number_and_length(void **state)
{
	scoped_strbuf struct strbuf b = { 0 }, rule = { 0 };

	(void)state;
	for (int i = 0; i < 26; i++) {
		strbuf_addf(&b, "%s{'action':'Deny','from':[{'namespaces':{}}]}", i ? "," : "");
	}
	strbuf_addf(&rule, CLUSTER("'ingress':[%s]"), strbuf_str(&b));
	expect(strbuf_str(&rule), "spec.ingress: Too many: 26: must have at most 25 items");
	strbuf_reset(&rule);
	strbuf_addf(&rule, ADMIN("'ingress':[%s]"), strbuf_str(&b));
	expect(strbuf_str(&rule), "");
	strbuf_reset(&rule);
	strbuf_addf(&rule,
	            ADMIN("'ingress':[{'name':'%0101d','action':'Deny','from':[{'namespaces':"
	                  "{}}]}]"),
	            0);
	expect(strbuf_str(&rule), "spec.ingress[0].name: Too long: must have at most 100 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_whole_is_taken),
		cmocka_unit_test(a_spec_says_tier_priority_and_subject),
		cmocka_unit_test(subject_and_peers_are_one_thing_each),
		cmocka_unit_test(a_rule_has_an_action_of_its_kind),
		cmocka_unit_test(there_is_one_baseline_of_the_old_kind),
		cmocka_unit_test(addresses_and_names_are_well_formed),
		cmocka_unit_test(ports_are_one_thing_each),
		cmocka_unit_test(there_are_limits_of_number_and_length),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
