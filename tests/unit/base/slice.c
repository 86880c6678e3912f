#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

static void numbers_are_whole_and_in_range(void **state)
{
	int64_t v;

	(void)state;
	assert_true(slice_to_i64(SLICE("-9223372036854775808"), &v));
	assert_int_equal(v, INT64_MIN);
	assert_false(slice_to_i64(SLICE("9223372036854775808"), &v));
	assert_false(slice_to_i64(SLICE("12a"), &v));
	assert_false(slice_to_i64(SLICE(""), &v));
}

static void fields_are_taken_one_by_one(void **state)
{
	struct slice rest = SLICE("a,,b"), f;
	int n = 0;

	(void)state;
	while (slice_next(&rest, ',', &f)) {
		n++;
	}
	assert_int_equal(n, 3);
	assert_true(slice_is(f, "b"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(fields_are_taken_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
