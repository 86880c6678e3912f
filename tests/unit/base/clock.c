#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static void times_are_read_with_offset_and_fraction(void **state)
{
	int64_t t;

	(void)state;
	assert_true(time_parse(SLICE("2026-01-02T03:04:05Z"), &t));
	assert_int_equal(t, INT64_C(1767323045000000));
	assert_true(time_parse(SLICE("2026-01-02T05:04:05.25+02:00"), &t));
	assert_int_equal(t, INT64_C(1767323045250000));
}

static void format_and_parse_are_each_others_inverse(void **state)
{
	char buf[TIME_TEXT_SIZE];
	int64_t t;

	(void)state;
	assert_string_equal(time_format_micro(INT64_C(1767323045250001), buf),
	                    "2026-01-02T03:04:05.250001Z");
	assert_true(time_parse(slice_of(buf), &t));
	assert_int_equal(t, INT64_C(1767323045250001));
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = { "",
		                           "2026",
		                           "2026-13-01T00:00:00Z",
		                           "2026-01-02 03:04:05Z",
		                           "2026-01-02T03:04:05",
		                           "2026-01-02T25:04:05Z" };
	int64_t t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(time_parse(slice_of(bad[i]), &t));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read_with_offset_and_fraction),
		cmocka_unit_test(format_and_parse_are_each_others_inverse),
		cmocka_unit_test(what_is_no_time_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
