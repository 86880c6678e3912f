/* Why: what `kennel up` waits for, and what it must not believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cli/readiness.h"
#include "codec/yaml.h"

static struct doc *parse(const char *text)
{
	struct doc *d = doc_new();
	struct err err = { 0 };

	if (yaml_parse(&d->arena, slice_of(text), &d->root, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	return d;
}

static void expect(const char *text, bool is_ready, const char *missing)
{
	scoped_strbuf struct strbuf said = { 0 };
	scoped_doc struct doc *d = parse(text);

	assert_int_equal(readiness_of(d->root, &said), is_ready);
	assert_string_equal(strbuf_str(&said), missing);
}

static void a_deployment_is_ready_when_all_replicas_are_available_and_new(void **state)
{
	(void)state;
	expect("{kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3},\n"
	       " status: {observedGeneration: 2, availableReplicas: 3, updatedReplicas: 3}}",
	       true, "");
	expect("{kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3},\n"
	       " status: {observedGeneration: 2, availableReplicas: 1, updatedReplicas: 3}}",
	       false, "1 of 3 available");
	expect("{kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3},\n"
	       " status: {observedGeneration: 1, availableReplicas: 3, updatedReplicas: 3}}",
	       false, "not yet seen by its controller");
}

static void a_balancer_is_ready_when_it_has_an_address(void **state)
{
	(void)state;
	expect("{kind: Service, spec: {type: ClusterIP}}", true, "");
	expect("{kind: Service, spec: {type: LoadBalancer}}", false, "no address yet");
	expect("{kind: Service, spec: {type: LoadBalancer},\n"
	       " status: {loadBalancer: {ingress: [{ip: 127.0.0.1}]}}}",
	       true, "");
}

static bool is_stale(const char *ready, const char *started_at)
{
	char text[512];
	int64_t since_us;

	snprintf(text, sizeof(text),
	         "{status: {conditions: [{type: Ready, status: '%s'}],\n"
	         " containerStatuses: [{state: {running: {startedAt: '%s'}}}]}}",
	         ready, started_at);
	scoped_doc struct doc *d = parse(text);

	assert_true(time_parse(SLICE("2026-01-02T03:04:05Z"), &since_us));
	return readiness_is_stale(d->root, since_us + 700000);
}

static void a_pod_that_claims_to_run_since_before_the_start_is_not_believed(void **state)
{
	(void)state;
	assert_true(is_stale("True", "2026-01-02T03:04:04Z"));
	assert_false(is_stale("True", "2026-01-02T03:04:05Z")); /* whole seconds are all there is */
	assert_false(is_stale("True", "2026-01-02T03:05:00Z"));
	assert_false(is_stale("False", "2026-01-02T03:00:00Z"));
}

static void a_port_that_is_taken_ends_the_wait(void **state)
{
	scoped_strbuf struct strbuf why = { 0 };
	scoped_doc struct doc *events =
		parse("items:\n- {reason: EnsuringLoadBalancer, message: x, lastTimestamp: "
	              "'2026-01-02T03:04:06Z'}\n"
	              "- {reason: SyncLoadBalancerFailed, message: port 443 is taken,\n"
	              "   lastTimestamp: '2026-01-02T03:04:05Z'}\n");
	int64_t at_us;

	(void)state;
	assert_true(time_parse(SLICE("2026-01-02T03:04:05Z"), &at_us));
	assert_false(
		readiness_is_refused(events->root, at_us + US_PER_S, &why)); /* of an earlier up */
	assert_true(readiness_is_refused(events->root, at_us, &why));
	assert_string_equal(strbuf_str(&why), "port 443 is taken");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deployment_is_ready_when_all_replicas_are_available_and_new),
		cmocka_unit_test(a_balancer_is_ready_when_it_has_an_address),
		cmocka_unit_test(a_port_that_is_taken_ends_the_wait),
		cmocka_unit_test(a_pod_that_claims_to_run_since_before_the_start_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
