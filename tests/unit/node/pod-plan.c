#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/yaml.h"
#include "node/pod-plan.h"

/* A pod's containers by name and list, moved through their lives by hand. */
struct scene {
	struct arena arena;
	const struct val *pod;
	struct container_facts at[6];
	enum plan_verb verbs[6];
	size_t n;
	struct plan plan;
};

static void scene_init(struct scene *s, const char *spec)
{
	static const char *const lists[] = { "initContainers", "containers" };
	struct val *v;

	*s = (struct scene){ 0 };
	assert_int_equal(yaml_parse(&s->arena, slice_of(spec), &v, NULL), 0);
	s->pod = v;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_get(val_get(v, "spec"), lists[i]), it) {
			s->at[s->n++] =
				(struct container_facts){ .spec = it,
				                          .list = (enum pod_container_list)i };
		}
	}
}

static void look(struct scene *s, int64_t now_us)
{
	pod_plan(s->pod, s->at, s->n, now_us, s->verbs, &s->plan);
}

static void run(struct container_facts *c)
{
	c->phase = CONTAINER_RUNNING;
	c->is_started = c->has_begun = true;
}

static void stop(struct container_facts *c, int code, int64_t restart_at_us)
{
	c->phase = CONTAINER_TERMINATED;
	c->is_started = false;
	c->end = (struct container_end){ .code = code, .reason = code ? "Error" : "Completed" };
	c->restart_at_us = restart_at_us;
}

static void app_containers_start_together(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, "{spec: {containers: [{name: a}, {name: b}]}}");
	look(&s, 1);
	assert_int_equal(s.verbs[0], PLAN_START);
	assert_int_equal(s.verbs[1], PLAN_START);
	assert_true(s.plan.is_initialized);
	arena_fini(&s.arena);
}

static void init_containers_go_one_by_one_before_the_others(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, "{spec: {initContainers: [{name: i}, {name: j}], containers: [{name: a}]}}");
	look(&s, 1);
	assert_int_equal(s.verbs[0], PLAN_START);
	assert_int_equal(s.verbs[1], PLAN_KEEP);
	assert_int_equal(s.verbs[2], PLAN_KEEP);
	run(&s.at[0]);
	look(&s, 1);
	assert_int_equal(s.verbs[1], PLAN_KEEP);
	stop(&s.at[0], 0, 0);
	look(&s, 1);
	assert_int_equal(s.verbs[0], PLAN_KEEP);
	assert_int_equal(s.verbs[1], PLAN_START);
	assert_false(s.plan.is_initialized);
	run(&s.at[1]);
	stop(&s.at[1], 0, 0);
	look(&s, 1);
	assert_int_equal(s.verbs[2], PLAN_START);
	assert_true(s.plan.is_initialized);
	arena_fini(&s.arena);
}

static void a_failed_init_container_is_tried_again_or_fails_the_pod(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, "{spec: {initContainers: [{name: i}], containers: [{name: a}]}}");
	run(&s.at[0]);
	stop(&s.at[0], 1, 50);
	look(&s, 10);
	assert_int_equal(s.verbs[0], PLAN_BACK_OFF);
	assert_int_equal(s.plan.wake_us, 50);
	look(&s, 50);
	assert_int_equal(s.verbs[0], PLAN_START);
	arena_fini(&s.arena);
	scene_init(&s, "{spec: {restartPolicy: Never, initContainers: [{name: i}], containers: "
	               "[{name: a}]}}");
	run(&s.at[0]);
	stop(&s.at[0], 1, 0);
	look(&s, 10);
	assert_int_equal(s.plan.outcome, PLAN_FAILED);
	assert_int_equal(s.verbs[1], PLAN_KEEP);
	arena_fini(&s.arena);
}

static void a_sidecar_lets_the_next_one_go_when_it_is_started(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, "{spec: {initContainers: [{name: s, restartPolicy: Always}, {name: i}], "
	               "containers: [{name: a}]}}");
	run(&s.at[0]);
	s.at[0].is_started = false;
	look(&s, 1);
	assert_int_equal(s.verbs[1], PLAN_KEEP);
	s.at[0].is_started = true;
	look(&s, 1);
	assert_int_equal(s.verbs[1], PLAN_START);
	arena_fini(&s.arena);
}

static void a_sidecar_restarts_beside_running_containers(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, "{spec: {initContainers: [{name: s, restartPolicy: Always}], containers: "
	               "[{name: a}]}}");
	run(&s.at[0]);
	run(&s.at[1]);
	stop(&s.at[0], 0, 0);
	look(&s, 1);
	assert_int_equal(s.verbs[0], PLAN_START);
	assert_int_equal(s.verbs[1], PLAN_KEEP);
	assert_int_equal(s.plan.outcome, PLAN_GOES_ON);
	arena_fini(&s.arena);
}

static void sidecars_end_after_the_work_and_do_not_fail_it(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, "{spec: {restartPolicy: Never, initContainers: [{name: s, restartPolicy: "
	               "Always}, {name: t, "
	               "restartPolicy: Always}], containers: [{name: a}]}}");
	run(&s.at[0]);
	run(&s.at[1]);
	run(&s.at[2]);
	stop(&s.at[2], 0, 0);
	look(&s, 1);
	assert_int_equal(s.verbs[1], PLAN_STOP); /* the last one first */
	assert_int_equal(s.verbs[0], PLAN_KEEP);
	assert_int_equal(s.plan.outcome, PLAN_GOES_ON);
	stop(&s.at[1], 143, 0);
	look(&s, 1);
	assert_int_equal(s.verbs[0], PLAN_STOP);
	stop(&s.at[0], 137, 0);
	look(&s, 1);
	assert_int_equal(s.plan.outcome, PLAN_SUCCEEDED);
	arena_fini(&s.arena);
}

static void policies_decide_about_every_end(void **state)
{
	static const struct {
		const char *policy;
		int code;
		enum plan_verb verb;
		enum plan_outcome outcome;
	} cases[] = {
		{ "Always", 0, PLAN_START, PLAN_GOES_ON },
		{ "Always", 1, PLAN_START, PLAN_GOES_ON },
		{ "OnFailure", 0, PLAN_KEEP, PLAN_SUCCEEDED },
		{ "OnFailure", 1, PLAN_START, PLAN_GOES_ON },
		{ "Never", 0, PLAN_KEEP, PLAN_SUCCEEDED },
		{ "Never", 1, PLAN_KEEP, PLAN_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_free char *spec = mem_printf(
			"{spec: {restartPolicy: %s, containers: [{name: a}]}}", cases[i].policy);
		struct scene s;

		scene_init(&s, spec);
		run(&s.at[0]);
		stop(&s.at[0], cases[i].code, 0);
		look(&s, 1);
		assert_int_equal(s.verbs[0], cases[i].verb);
		assert_int_equal(s.plan.outcome, cases[i].outcome);
		arena_fini(&s.arena);
	}
}

static void nothing_is_decided_about_what_is_under_way(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, "{spec: {containers: [{name: a}]}}");
	s.at[0].is_busy = true;
	look(&s, 1);
	assert_int_equal(s.verbs[0], PLAN_KEEP);
	arena_fini(&s.arena);
}

static void init_containers_do_not_run_again_for_a_crash_of_another(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, "{spec: {initContainers: [{name: i}], containers: [{name: a}]}}");
	s.at[0].phase = CONTAINER_WAITING; /* its end is forgotten */
	s.at[1].has_begun = true;
	stop(&s.at[1], 1, 0);
	look(&s, 1);
	assert_int_equal(s.verbs[0], PLAN_KEEP);
	assert_int_equal(s.verbs[1], PLAN_START);
	arena_fini(&s.arena);
}

static void restarts_wait_longer_and_longer_until_a_long_run(void **state)
{
	static const int64_t want_s[] = { 0, 10, 20, 40, 80, 160, 300, 300 };
	struct restart_backoff b = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want_s); i++) {
		assert_int_equal(restart_backoff_next(&b, 1000, US_PER_S),
		                 1000 + want_s[i] * US_PER_S);
	}
	assert_int_equal(restart_backoff_next(&b, 0, 600 * US_PER_S), 0);
	assert_int_equal(restart_backoff_next(&b, 0, 0), 10 * US_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(app_containers_start_together),
		cmocka_unit_test(init_containers_go_one_by_one_before_the_others),
		cmocka_unit_test(a_failed_init_container_is_tried_again_or_fails_the_pod),
		cmocka_unit_test(a_sidecar_lets_the_next_one_go_when_it_is_started),
		cmocka_unit_test(a_sidecar_restarts_beside_running_containers),
		cmocka_unit_test(sidecars_end_after_the_work_and_do_not_fail_it),
		cmocka_unit_test(policies_decide_about_every_end),
		cmocka_unit_test(nothing_is_decided_about_what_is_under_way),
		cmocka_unit_test(init_containers_do_not_run_again_for_a_crash_of_another),
		cmocka_unit_test(restarts_wait_longer_and_longer_until_a_long_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
