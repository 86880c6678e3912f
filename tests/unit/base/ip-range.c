#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ip-range.h"

static const char *nth(const char *text, size_t n)
{
	static char buf[IP_TEXT_SIZE];
	struct ip_ranges r;
	struct ip ip;

	assert_true(ip_ranges_parse(slice_of(text), &r));
	return ip_ranges_nth(&r, n, &ip) && ip_ranges_have(&r, ip) ? ip_format(ip, buf) : "none";
}

static void addresses_ranges_and_prefixes_are_counted_in_the_order_written(void **state)
{
	(void)state;
	assert_string_equal(nth("127.0.0.1", 0), "127.0.0.1");
	assert_string_equal(nth("127.0.0.1", 1), "none");
	assert_string_equal(nth("127.0.0.250-127.0.1.5", 6), "127.0.1.0");
	assert_string_equal(nth("127.0.0.250-127.0.1.5", 11), "127.0.1.5");
	assert_string_equal(nth("127.0.0.250-127.0.1.5", 12), "none");
	assert_string_equal(nth("127.0.0.16/28", 0), "127.0.0.17");
	assert_string_equal(nth("127.0.0.16/28", 13), "127.0.0.30");
	assert_string_equal(nth("127.0.0.16/28", 14), "none");
	assert_string_equal(nth("10.0.0.4/31", 1), "10.0.0.5");
	assert_string_equal(nth("127.0.0.9, 127.0.0.2-127.0.0.3 ,::1", 2), "127.0.0.3");
	assert_string_equal(nth("127.0.0.9,127.0.0.2-127.0.0.3,::1", 3), "::1");
	assert_string_equal(nth("fd00::/64", 256), "fd00::100");
}

static void what_is_no_range_is_refused(void **state)
{
	static const char *const wrong[] = { "",
		                             "127.0.0.1,",
		                             "x",
		                             "127.0.0.9-127.0.0.2",
		                             "127.0.0.1-::1",
		                             "127.0.0.1-",
		                             "127.0.0.0/40",
		                             "1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,"
		                             "1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,"
		                             "1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1" };
	struct ip_ranges r;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_false(ip_ranges_parse(slice_of(wrong[i]), &r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_ranges_and_prefixes_are_counted_in_the_order_written),
		cmocka_unit_test(what_is_no_range_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
