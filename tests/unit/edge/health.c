#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/health.h"

static const struct health_rule rule = { .healthy_after = 3, .unhealthy_after = 2 };

static void a_new_target_serves_after_one_good_check(void **state)
{
	(void)state;
	struct health h = { 0 };

	assert_true(health_result(&h, &rule, true));
	assert_int_equal(h.state, HEALTH_HEALTHY);
}

static void unhealthy_takes_failures_in_a_row(void **state)
{
	(void)state;
	struct health h = { .state = HEALTH_HEALTHY };

	assert_false(health_result(&h, &rule, false));
	assert_false(health_result(&h, &rule, true)); /* forgets the one before */
	assert_false(health_result(&h, &rule, false));
	assert_int_equal(h.state, HEALTH_HEALTHY);
	assert_true(health_result(&h, &rule, false));
	assert_int_equal(h.state, HEALTH_UNHEALTHY);
}

static void healthy_again_takes_successes_in_a_row(void **state)
{
	(void)state;
	struct health h = { .state = HEALTH_UNHEALTHY };

	assert_false(health_result(&h, &rule, true));
	assert_false(health_result(&h, &rule, true));
	assert_true(health_result(&h, &rule, true));
	assert_int_equal(h.state, HEALTH_HEALTHY);
}

static void a_new_target_that_never_answers_is_unhealthy(void **state)
{
	(void)state;
	struct health h = { 0 };

	assert_false(health_result(&h, &rule, false));
	assert_true(health_result(&h, &rule, false));
	assert_int_equal(h.state, HEALTH_UNHEALTHY);
}

static void healthy_targets_take_turns(void **state)
{
	(void)state;
	struct health a = { HEALTH_HEALTHY, 0 }, b = { HEALTH_UNHEALTHY, 0 },
		      c = { HEALTH_HEALTHY, 0 };
	const struct health *const all[] = { &a, &b, &c };
	static const size_t want[] = { 0, 2, 0, 2 };

	for (size_t turn = 0; turn < 4; turn++) {
		assert_int_equal(health_choose(all, 3, turn), want[turn]);
	}
}

static void all_are_used_when_none_is_healthy(void **state)
{
	(void)state;
	struct health a = { HEALTH_UNHEALTHY, 0 }, b = { HEALTH_INITIAL, 0 };
	const struct health *const all[] = { &a, &b };

	assert_int_equal(health_choose(all, 2, 0), 0);
	assert_int_equal(health_choose(all, 2, 1), 1);
	assert_int_equal(health_choose(all, 2, 2), 0);
	assert_int_equal(health_choose(all, 0, 5), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_target_serves_after_one_good_check),
		cmocka_unit_test(unhealthy_takes_failures_in_a_row),
		cmocka_unit_test(healthy_again_takes_successes_in_a_row),
		cmocka_unit_test(a_new_target_that_never_answers_is_unhealthy),
		cmocka_unit_test(healthy_targets_take_turns),
		cmocka_unit_test(all_are_used_when_none_is_healthy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
