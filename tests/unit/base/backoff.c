#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/backoff.h"

static void delay_doubles_until_the_ceiling(void **state)
{
	struct backoff b = { .floor_us = 100, .ceiling_us = 500 };
	static const int64_t want[] = { 100, 200, 400, 500, 500 };

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(backoff_next_us(&b, 0), want[i]);
	}
}

static void jitter_only_shortens_and_by_less_than_a_quarter(void **state)
{
	struct backoff b = { .floor_us = 1000, .ceiling_us = 1000 };
	int64_t d;

	(void)state;
	d = backoff_next_us(&b, UINT32_MAX);
	assert_true(d > 750 && d <= 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(delay_doubles_until_the_ceiling),
		cmocka_unit_test(jitter_only_shortens_and_by_less_than_a_quarter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
