/* Why: security groups of pods count at both ends, and what files do not tell of them is not called closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/group-flow.h"
#include "base/mem.h"
#include "codec/yaml.h"

#define DEPLOYMENT(name)                                                                           \
	"{apiVersion: apps/v1, kind: Deployment, metadata: {name: " name ", namespace: shop}, "    \
	"spec: {selector: {matchLabels: {app: " name                                               \
	"}}, template: {metadata: {labels: {app: " name                                            \
	"}}, spec: {containers: [{name: c}]}}}}\n---\n"
#define GROUP(name, id, rules)                                                                     \
	"{apiVersion: ec2.services.k8s.aws/v1alpha1, kind: SecurityGroup, metadata: {name: " name  \
	", namespace: shop}, spec: {" rules "}, status: {id: " id "}}\n---\n"
#define GIVES(app, id)                                                                             \
	"{apiVersion: vpcresources.k8s.aws/v1beta1, kind: SecurityGroupPolicy, metadata: "         \
	"{name: " app ", namespace: shop}, spec: {podSelector: {matchLabels: {app: " app           \
	"}}, securityGroups: {groupIds: [" id "]}}}\n---\n"
#define OUT_ALL "egressRules: [{ipProtocol: '-1', ipRanges: [{cidrIP: 0.0.0.0/0}]}]"

struct fixture {
	struct arena arena;
	struct subject *subject;
};

static int add(void *arg, struct val *root, struct err *err)
{
	struct fixture *f = arg;

	(void)err;
	subject_add(f->subject, "world.yaml", root);
	return 0;
}

static void make(struct fixture *f, const char *more)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct err err = { 0 };

	*f = (struct fixture){ .subject = subject_new(profile_default()) };
	strbuf_addf(&text, "%s%s", DEPLOYMENT("web") DEPLOYMENT("api"), more);
	if (yaml_parse_all(&f->arena, strbuf_slice(&text), add, f, &err) != 0) {
		fail_msg("%s in:\n%s", err.msg, strbuf_str(&text));
	}
	subject_ready(f->subject);
}

static void fini(struct fixture *f)
{
	subject_free(f->subject);
	arena_fini(&f->arena);
}

static const struct workload *workload(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->subject->workloads.n; i++) {
		if (slice_is(f->subject->workloads.at[i]->name, name)) {
			return f->subject->workloads.at[i];
		}
	}
	return NULL;
}

static enum answer passes(const struct fixture *f, const char *from, const char *to,
                          enum proto proto, uint16_t port)
{
	const struct workload *w = from ? workload(f, from) : NULL;
	enum answer r = group_flow(f->subject, w, workload(f, to), proto, port).passes;
	struct arena a = { 0 };

	/* all ports at once say the same */
	assert_int_equal(ports_has(group_closed(&a, f->subject, w, workload(f, to)), proto, port),
	                 r == ANSWER_NO);
	arena_fini(&a);
	return r;
}

static void pods_without_groups_are_not_asked(void **state)
{
	struct fixture f;

	(void)state;
	make(&f, GROUP("a", "sg-1", ""));
	assert_false(group_has_say(f.subject));
	assert_int_equal(passes(&f, "web", "api", PROTO_TCP, 5000), ANSWER_YES);
	fini(&f);
}

static void a_group_without_rules_closes_both_ways(void **state)
{
	struct fixture f;
	struct group_ruling r;

	(void)state;
	make(&f, GROUP("a", "sg-1", "") GIVES("api", "sg-1"));
	assert_int_equal(passes(&f, "web", "api", PROTO_TCP, 5000), ANSWER_NO);
	assert_int_equal(passes(&f, NULL, "api", PROTO_TCP, 5000), ANSWER_NO);
	assert_int_equal(passes(&f, "api", "web", PROTO_UDP, 53), ANSWER_NO);
	r = group_flow(f.subject, workload(&f, "web"), workload(&f, "api"), PROTO_TCP, 5000);
	assert_true(slice_is(r.by->name, "a"));
	assert_string_equal(r.why, "has no ingress rule that lets it in");
	fini(&f);
}

static void a_group_admits_members_of_a_group_on_its_ports(void **state)
{
	struct fixture f;

	(void)state;
	make(&f, GROUP("a", "sg-1",
	               "ingressRules: [{ipProtocol: tcp, fromPort: 5000, toPort: 5001, "
	               "userIDGroupPairs: [{groupID: sg-2}]}]") GROUP("w", "sg-2", OUT_ALL)
	                 GIVES("api", "sg-1") GIVES("web", "sg-2"));
	assert_int_equal(passes(&f, "web", "api", PROTO_TCP, 5000), ANSWER_YES);
	assert_int_equal(passes(&f, "web", "api", PROTO_TCP, 5001), ANSWER_YES);
	assert_int_equal(passes(&f, "web", "api", PROTO_TCP, 5002), ANSWER_NO);
	assert_int_equal(passes(&f, "web", "api", PROTO_UDP, 5000), ANSWER_NO);
	/* web has no ingress rules, api no egress rules. */
	assert_int_equal(passes(&f, "api", "web", PROTO_TCP, 80), ANSWER_NO);
	fini(&f);
}

static void the_callers_egress_counts_too(void **state)
{
	struct fixture f;
	struct group_ruling r;

	(void)state;
	make(&f, GROUP("w", "sg-2",
	               "egressRules: [{ipProtocol: tcp, fromPort: 443, toPort: 443, ipRanges: "
	               "[{cidrIP: 0.0.0.0/0}]}]") GIVES("web", "sg-2"));
	assert_int_equal(passes(&f, "web", "api", PROTO_TCP, 443), ANSWER_YES);
	assert_int_equal(passes(&f, "web", "api", PROTO_TCP, 5000), ANSWER_NO);
	r = group_flow(f.subject, workload(&f, "web"), workload(&f, "api"), PROTO_TCP, 5000);
	assert_string_equal(r.why, "has no egress rule that lets it out");
	fini(&f);
}

static void what_files_do_not_tell_is_unknown(void **state)
{
	struct fixture f;

	(void)state;
	/* the group of nodes, perhaps */
	make(&f, GROUP("a", "sg-1",
	               "ingressRules: [{ipProtocol: '-1', userIDGroupPairs: [{groupID: sg-9}]}]")
	                 GIVES("api", "sg-1"));
	assert_int_equal(passes(&f, "web", "api", PROTO_TCP, 5000), ANSWER_UNKNOWN);
	fini(&f);
	/* a group that is not among the objects */
	make(&f, GIVES("api", "sg-7"));
	assert_int_equal(passes(&f, "web", "api", PROTO_TCP, 5000), ANSWER_UNKNOWN);
	fini(&f);
	/* a range of which the client may be */
	make(&f, GROUP("a", "sg-1",
	               "ingressRules: [{ipProtocol: tcp, fromPort: 80, toPort: 80, ipRanges: "
	               "[{cidrIP: 203.0.113.0/24}]}]") GIVES("api", "sg-1"));
	assert_int_equal(passes(&f, NULL, "api", PROTO_TCP, 80), ANSWER_UNKNOWN);
	assert_int_equal(passes(&f, NULL, "api", PROTO_TCP, 81), ANSWER_NO);
	fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_without_groups_are_not_asked),
		cmocka_unit_test(a_group_without_rules_closes_both_ways),
		cmocka_unit_test(a_group_admits_members_of_a_group_on_its_ports),
		cmocka_unit_test(the_callers_egress_counts_too),
		cmocka_unit_test(what_files_do_not_tell_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
