/* Why: a drop is told to whom it concerns, in words that name peer, port, direction and who says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "node/drop-story.h"

static const char objects[] =
	"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, "
	"spec: {nodeName: node-1}, "
	"status: {phase: Running, podIP: 10.244.0.2, podIPs: [{ip: 10.244.0.2}]}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, "
	"spec: {nodeName: node-1}, "
	"status: {phase: Running, podIP: 10.244.0.3, podIPs: [{ip: 10.244.0.3}]}}\n---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: cache, namespace: shop}, spec: "
	"{clusterIP: 10.1.0.5, "
	"clusterIPs: [10.1.0.5], ports: [{port: 80}]}}\n---\n"
	"{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, metadata: {name: db, "
	"namespace: shop, "
	"annotations: {kennel.dev/vpc-address: 10.0.3.7}}}\n---\n"
	"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: closed, "
	"namespace: shop}, spec: "
	"{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}}\n---\n"
	"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: all, namespace: "
	"shop}, spec: "
	"{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [], egress: []}}\n";

static const char admins[] = "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: "
			     "AdminNetworkPolicy, metadata: {name: wall}, spec: "
			     "{priority: 5, subject: {namespaces: {}}, ingress: [{action: Pass, "
			     "from: [{namespaces: {matchLabels: {x: y1}}}]}, "
			     "{name: no-web, action: Deny, from: [{pods: {namespaceSelector: {}, "
			     "podSelector: {matchLabels: {app: web}}}}]}]}}";

static int feed_one(void *arg, struct val *root, struct err *err)
{
	scoped_doc struct doc *d = doc_copy_of(root);

	(void)err;
	model_put(arg, d);
	return 0;
}

static int setup(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct model *m = model_new();

	*state = m;
	return yaml_parse_all(&a, slice_of(objects), feed_one, m, NULL);
}

static int teardown(void **state)
{
	model_free(*state);
	return 0;
}

static struct dropped drop(enum drop_reason reason, const char *src, const char *dst,
                           enum proto proto)
{
	struct dropped d = { .reason = reason,
		             .flow = { .proto = proto, .dst_port = 80 },
		             .packets = 3 };

	assert_true(ip_parse(slice_of(src), &d.flow.src));
	assert_true(ip_parse(slice_of(dst), &d.flow.dst));
	return d;
}

static void told(const struct model *m, struct dropped d, const char *subject, const char *event,
                 const char *wanted)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct drop_story s;

	drop_story_make(m, &d, &s);
	drop_story_tell(&s, &text);
	assert_string_equal(strbuf_str(&text), wanted);
	assert_string_equal(val_cstr(val_path(s.subject, "metadata.name")), subject);
	if (event) {
		assert_string_equal(drop_story_event(&s), event);
	} else {
		assert_null(drop_story_event(&s));
	}
}

static void policies_are_named_to_the_pod_they_isolate(void **state)
{
	told(*state, drop(DROP_INGRESS, "10.244.0.2", "10.244.0.3", PROTO_TCP), "db",
	     "NetworkPolicyDrop",
	     "ingress from pod shop/web (10.244.0.2) to TCP port 80 was dropped: isolated by "
	     "NetworkPolicy shop/all "
	     "and shop/closed, no rule of theirs admits it");
	told(*state, drop(DROP_EGRESS, "10.244.0.2", "192.0.2.1", PROTO_UDP), "web",
	     "NetworkPolicyDrop",
	     "egress to address 192.0.2.1 at UDP port 80 was dropped: isolated by NetworkPolicy "
	     "shop/all, none of its "
	     "rules admits it");
	told(*state, drop(DROP_EGRESS, "10.244.0.2", "10.244.0.3", 1), "web", "NetworkPolicyDrop",
	     "egress to pod shop/db (10.244.0.3) at protocol 1 was dropped: isolated by "
	     "NetworkPolicy shop/all, none "
	     "of its rules admits it");
}

static void a_rule_that_denies_is_named(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *root;
	scoped_doc struct doc *d = NULL;

	assert_int_equal(yaml_parse(&a, slice_of(admins), &root, NULL), 0);
	d = doc_copy_of(root);
	model_put(*state, d);
	told(*state, drop(DROP_INGRESS, "10.244.0.2", "10.244.0.3", PROTO_TCP), "db",
	     "NetworkPolicyDrop",
	     "ingress from pod shop/web (10.244.0.2) to TCP port 80 was dropped: denied by rule 2 "
	     "(no-web) of "
	     "AdminNetworkPolicy wall");
	/* Where no rule of it matches, the namespace's policies are what denies. */
	told(*state, drop(DROP_INGRESS, "192.0.2.1", "10.244.0.3", PROTO_TCP), "db",
	     "NetworkPolicyDrop",
	     "ingress from address 192.0.2.1 to TCP port 80 was dropped: isolated by NetworkPolicy "
	     "shop/all and "
	     "shop/closed, no rule of theirs admits it");
	model_remove(*state, d);
}

static void policies_that_are_gone_are_not_made_up(void **state)
{
	told(*state, drop(DROP_INGRESS, "10.244.0.2", "10.244.0.9", PROTO_TCP), "", NULL,
	     "ingress from pod shop/web (10.244.0.2) to address 10.244.0.9 at TCP port 80 was "
	     "dropped: the policies "
	     "that denied it are gone");
}

static void other_reasons_are_told_to_who_sent_or_was_meant(void **state)
{
	told(*state, drop(DROP_NO_ENDPOINT, "10.244.0.2", "10.1.0.5", PROTO_TCP), "web",
	     "ServiceRefused",
	     "egress to Service shop/cache (10.1.0.5) at TCP port 80 was refused: the Service has "
	     "no ready endpoint "
	     "for this port, or no such port");
	told(*state, drop(DROP_NO_SERVICE, "10.244.0.2", "10.1.0.6", PROTO_TCP), "web",
	     "NoSuchService",
	     "egress to address 10.1.0.6 at TCP port 80 was dropped: no Service has this address");
	told(*state, drop(DROP_CLIENT_RANGE, "192.0.2.1", "10.1.0.5", PROTO_TCP), "cache",
	     "SourceRangeDrop",
	     "ingress from address 192.0.2.1 to TCP port 80 was dropped: the client is in none of "
	     "the Service's "
	     "loadBalancerSourceRanges");
	told(*state, drop(DROP_SECURITY_GROUP, "192.0.2.1", "10.0.3.7", PROTO_TCP), "db",
	     "SecurityGroupDrop",
	     "ingress from address 192.0.2.1 to TCP port 80 was dropped: no rule of the host's "
	     "security group "
	     "admits it");
	told(*state, drop(DROP_INVALID, "192.0.2.1", "192.0.2.2", PROTO_TCP), "", NULL,
	     "ingress from address 192.0.2.1 to address 192.0.2.2 at TCP port 80 was dropped: the "
	     "packet belongs to "
	     "no connection");
}

static void as_data_it_says_the_same(void **state)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct dropped d = drop(DROP_INGRESS, "192.0.2.1", "10.244.0.3", PROTO_SCTP);
	struct drop_story s;

	d.age_ms = 1500;
	drop_story_make(*state, &d, &s);
	json_write(&text, drop_story_value(&s, &a));
	assert_string_equal(
		strbuf_str(&text),
		"{\"reason\":\"drop-ingress\",\"direction\":\"ingress\",\"protocol\":\"SCTP\","
		"\"subject\":{\"kind\":\"Pod\",\"namespace\":\"shop\",\"name\":\"db\"},"
		"\"source\":{\"ip\":\"192.0.2.1\"},"
		"\"destination\":{\"ip\":\"10.244.0.3\",\"kind\":\"Pod\",\"namespace\":\"shop\","
		"\"name\":\"db\",\"port\":80},"
		"\"policies\":[{\"kind\":\"NetworkPolicy\",\"namespace\":\"shop\",\"name\":\"all\"}"
		","
		"{\"kind\":\"NetworkPolicy\",\"namespace\":\"shop\",\"name\":\"closed\"}],"
		"\"packets\":3,\"ageMs\":1500,\"message\":\"ingress from address 192.0.2.1 to SCTP "
		"port 80 was dropped: "
		"isolated by NetworkPolicy shop/all and shop/closed, no rule of theirs admits "
		"it\"}");
}

static void every_reason_has_words(void **state)
{
	for (int reason = 0; reason < DROP_REASONS; reason++) {
		struct dropped d =
			drop((enum drop_reason)reason, "192.0.2.1", "192.0.2.2", PROTO_TCP);
		scoped_strbuf struct strbuf text = { 0 };
		struct drop_story s;

		drop_story_make(*state, &d, &s);
		drop_story_tell(&s, &text);
		assert_non_null(strstr(strbuf_str(&text), "at TCP port 80 was "));
		assert_true((strstr(strbuf_str(&text), "policies") != NULL) ==
		            (reason == DROP_EGRESS || reason == DROP_INGRESS));
		assert_true(strlen(drop_reason_name(d.reason)) > 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_are_named_to_the_pod_they_isolate),
		cmocka_unit_test(a_rule_that_denies_is_named),
		cmocka_unit_test(policies_that_are_gone_are_not_made_up),
		cmocka_unit_test(other_reasons_are_told_to_who_sent_or_was_meant),
		cmocka_unit_test(as_data_it_says_the_same),
		cmocka_unit_test(every_reason_has_words),
	};

	return cmocka_run_group_tests_name("drop story", tests, setup, teardown);
}
