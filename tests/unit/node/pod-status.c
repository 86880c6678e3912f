#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/yaml.h"
#include "node/pod-status.h"

static const struct val *pod_of(struct arena *a, const char *yaml)
{
	struct val *v;

	assert_int_equal(yaml_parse(a, slice_of(yaml), &v, NULL), 0);
	return v;
}

static const struct val *condition(const struct val *status, const char *type)
{
	val_for_each (val_get(status, "conditions"), it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return it;
		}
	}
	return NULL;
}

#define assert_text(v, path, want) assert_string_equal(val_cstr(val_path(v, path)), want)
#define assert_condition(status, type, want, reason_)                                              \
	do {                                                                                       \
		assert_string_equal(val_cstr(val_get(condition(status, type), "status")), want);   \
		assert_string_equal(val_cstr(val_get(condition(status, type), "reason")),          \
		                    reason_);                                                      \
	} while (0)

static const char ONE[] = "{metadata: {name: p}, spec: {containers: [{name: a, image: nginx}]}}";

static struct val *compute(struct arena *a, const struct val *pod,
                           const struct container_facts *facts, size_t n, const char *phase)
{
	return pod_status_compute(
		a, &(struct pod_status_input){ .pod = pod,
	                                       .facts = facts,
	                                       .n = n,
	                                       .host_ips = "10.0.2.10",
	                                       .pod_ips = "10.244.0.7,fd00:10:244::7",
	                                       .has_sandbox = true,
	                                       .is_initialized = true,
	                                       .phase = phase,
	                                       .start_us = US_PER_S,
	                                       .now_us = 5 * US_PER_S });
}

static void a_pod_that_is_being_made_says_so(void **state)
{
	scoped_arena struct arena a = { 0 };
	const struct val *pod = pod_of(&a, ONE);
	struct container_facts f = { .spec = val_at(val_path(pod, "spec.containers"), 0),
		                     .list = POD_APP };
	const struct val *s = compute(&a, pod, &f, 1, NULL),
			 *c = val_at(val_get(s, "containerStatuses"), 0);

	(void)state;
	assert_text(s, "phase", "Pending");
	assert_text(c, "state.waiting.reason", "ContainerCreating");
	assert_condition(s, "Ready", "False", "ContainersNotReady");
	assert_text(condition(s, "Ready"), "message", "containers with unready status: [a]");
	assert_condition(s, "Initialized", "True", "");
	assert_text(s, "podIP", "10.244.0.7");
	assert_int_equal(val_len(val_get(s, "podIPs")), 2);
	assert_text(val_at(val_get(s, "podIPs"), 1), "ip", "fd00:10:244::7");
	assert_int_equal(val_len(val_get(s, "hostIPs")), 1);
	assert_text(s, "startTime", "1970-01-01T00:00:01Z");
	assert_text(s, "qosClass", "BestEffort");
}

static void a_running_and_ready_one_is_ready(void **state)
{
	scoped_arena struct arena a = { 0 };
	const struct val *pod = pod_of(&a, ONE), *s, *c;
	struct container_facts f = { .spec = val_at(val_path(pod, "spec.containers"), 0),
		                     .list = POD_APP,
		                     .phase = CONTAINER_RUNNING,
		                     .started_us = 2 * US_PER_S,
		                     .id = "abc",
		                     .is_started = true,
		                     .is_ready = true };

	(void)state;
	s = compute(&a, pod, &f, 1, NULL);
	c = val_at(val_get(s, "containerStatuses"), 0);
	assert_text(s, "phase", "Running");
	assert_condition(s, "Ready", "True", "");
	assert_condition(s, "ContainersReady", "True", "");
	assert_text(c, "state.running.startedAt", "1970-01-01T00:00:02Z");
	assert_text(c, "containerID", "crun://abc");
	assert_true(val_bool(val_get(c, "ready"), false) && val_bool(val_get(c, "started"), false));
}

static void a_crashed_one_keeps_running_as_a_pod(void **state)
{
	scoped_arena struct arena a = { 0 };
	const struct val *pod = pod_of(&a, ONE), *s, *c;
	struct container_facts f = {
		.spec = val_at(val_path(pod, "spec.containers"), 0),
		.list = POD_APP,
		.phase = CONTAINER_WAITING,
		.reason = "CrashLoopBackOff",
		.restarts = 3,
		.last = { .code = 1, .reason = "Error", .id = "old", .finished_us = 9 }
	};

	(void)state;
	s = compute(&a, pod, &f, 1, NULL);
	c = val_at(val_get(s, "containerStatuses"), 0);
	assert_text(s, "phase", "Running");
	assert_text(c, "lastState.terminated.reason", "Error");
	assert_text(c, "containerID", "crun://old");
	assert_int_equal(val_int(val_get(c, "restartCount"), 0), 3);
}

static void the_end_depends_on_codes_and_policy(void **state)
{
	static const struct {
		const char *policy;
		int code;
		const char *phase;
	} cases[] = { { "Never", 0, "Succeeded" },
		      { "Never", 2, "Failed" },
		      { "OnFailure", 2, "Running" },
		      { "Always", 0, "Running" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_arena struct arena a = { 0 };
		scoped_free char *text = mem_printf(
			"{spec: {restartPolicy: %s, containers: [{name: a}]}}", cases[i].policy);
		const struct val *pod = pod_of(&a, text), *s;
		struct container_facts f = { .spec = val_at(val_path(pod, "spec.containers"), 0),
			                     .list = POD_APP,
			                     .phase = CONTAINER_TERMINATED,
			                     .end = { .code = cases[i].code, .reason = "x" } };

		s = compute(&a, pod, &f, 1, NULL);
		assert_text(s, "phase", cases[i].phase);
		if (strcmp(cases[i].phase, "Succeeded") == 0) {
			assert_condition(s, "Ready", "False", "PodCompleted");
			assert_condition(s, "Initialized", "True", "PodCompleted");
		}
	}
}

static void init_containers_hold_the_others_back(void **state)
{
	scoped_arena struct arena a = { 0 };
	const struct val *
		pod = pod_of(
		       &a,
		       "{spec: {initContainers: [{name: i}, {name: j}], containers: [{name: a}]}}"),
	       *s;
	struct container_facts f[3] = { { .list = POD_INIT,
		                          .phase = CONTAINER_TERMINATED,
		                          .end = { .reason = "Completed" } },
		                        { .list = POD_INIT, .phase = CONTAINER_RUNNING },
		                        { .list = POD_APP } };

	(void)state;
	f[0].spec = val_at(val_path(pod, "spec.initContainers"), 0);
	f[1].spec = val_at(val_path(pod, "spec.initContainers"), 1);
	f[2].spec = val_at(val_path(pod, "spec.containers"), 0);
	s = pod_status_compute(
		&a, &(struct pod_status_input){
			    .pod = pod, .facts = f, .n = 3, .host_ips = "h", .pod_ips = "" });
	assert_text(s, "phase", "Pending");
	assert_condition(s, "Initialized", "False", "ContainersNotInitialized");
	assert_text(condition(s, "Initialized"), "message",
	            "containers with incomplete status: [j]");
	assert_text(val_at(val_get(s, "containerStatuses"), 0), "state.waiting.reason",
	            "PodInitializing");
	assert_true(
		val_bool(val_get(val_at(val_get(s, "initContainerStatuses"), 0), "ready"), false));
}

static void times_of_conditions_change_with_their_status_only(void **state)
{
	scoped_arena struct arena a = { 0 };
	const struct val *pod = pod_of(&a, "{spec: {containers: [{name: a}]}, status: {conditions: "
	                                   "[{type: Ready, status: "
	                                   "'False', lastTransitionTime: '2020-01-01T00:00:00Z'}, "
	                                   "{type: Initialized, status: "
	                                   "'False', lastTransitionTime: '2020-01-01T00:00:00Z'}, "
	                                   "{type: example.com/x, status: "
	                                   "'True'}]}}"),
			 *s;
	struct container_facts f = { .spec = val_at(val_path(pod, "spec.containers"), 0),
		                     .list = POD_APP };

	(void)state;
	s = compute(&a, pod, &f, 1, NULL);
	assert_text(condition(s, "Ready"), "lastTransitionTime", "2020-01-01T00:00:00Z");
	assert_text(condition(s, "Initialized"), "lastTransitionTime", "1970-01-01T00:00:05Z");
	assert_text(condition(s, "example.com/x"), "status", "True"); /* foreign ones stay */
}

static void readiness_gates_count(void **state)
{
	scoped_arena struct arena a = { 0 };
	const struct val *pod = pod_of(&a, "{spec: {readinessGates: [{conditionType: lb/ok}], "
	                                   "containers: [{name: a}]}}"),
			 *s;
	struct container_facts f = { .spec = val_at(val_path(pod, "spec.containers"), 0),
		                     .list = POD_APP,
		                     .phase = CONTAINER_RUNNING,
		                     .is_ready = true };

	(void)state;
	s = compute(&a, pod, &f, 1, NULL);
	assert_condition(s, "ContainersReady", "True", "");
	assert_condition(s, "Ready", "False", "ReadinessGatesNotReady");
	assert_text(condition(s, "Ready"), "message",
	            "corresponding condition of pod readiness gate \"lb/ok\" does not exist.");
}

static void the_same_status_is_recognised(void **state)
{
	scoped_arena struct arena a = { 0 };
	const struct val *pod = pod_of(&a, ONE);
	struct container_facts f = { .spec = val_at(val_path(pod, "spec.containers"), 0),
		                     .list = POD_APP };
	const struct val *one = compute(&a, pod, &f, 1, NULL);
	struct val *with = val_copy(&a, pod);

	(void)state;
	assert_false(pod_status_is_same(NULL, one));
	val_set(&a, with, "status", val_copy(&a, one));
	val_remove(val_get(with, "status"), "reason"); /* the server keeps no nulls */
	val_remove(val_get(with, "status"), "message");
	assert_true(pod_status_is_same(val_get(with, "status"), compute(&a, with, &f, 1, NULL)));
	f.phase = CONTAINER_RUNNING;
	assert_false(pod_status_is_same(val_get(with, "status"), compute(&a, with, &f, 1, NULL)));
	assert_false(
		pod_status_is_same(val_get(with, "status"), compute(&a, with, &f, 1, "Failed")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_that_is_being_made_says_so),
		cmocka_unit_test(a_running_and_ready_one_is_ready),
		cmocka_unit_test(a_crashed_one_keeps_running_as_a_pod),
		cmocka_unit_test(the_end_depends_on_codes_and_policy),
		cmocka_unit_test(init_containers_hold_the_others_back),
		cmocka_unit_test(times_of_conditions_change_with_their_status_only),
		cmocka_unit_test(readiness_gates_count),
		cmocka_unit_test(the_same_status_is_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
