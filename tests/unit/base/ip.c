#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ip.h"

static void prefixes_lose_their_host_bits(void **state)
{
	char buf[PREFIX_TEXT_SIZE];
	struct prefix p;

	(void)state;
	assert_true(prefix_parse(SLICE("10.0.3.7/23"), &p));
	assert_string_equal(prefix_format(p, buf), "10.0.2.0/23");
	assert_true(prefix_parse(SLICE("fd00::1/64"), &p));
	assert_string_equal(prefix_format(p, buf), "fd00::/64");
}

static void containment_respects_family_and_length(void **state)
{
	struct prefix p;
	struct ip ip;

	(void)state;
	assert_true(prefix_parse(SLICE("10.0.0.0/8"), &p));
	assert_true(ip_parse(SLICE("10.255.1.1"), &ip));
	assert_true(prefix_contains(p, ip));
	assert_true(ip_parse(SLICE("11.0.0.1"), &ip));
	assert_false(prefix_contains(p, ip));
	assert_true(ip_parse(SLICE("::ffff:10.0.0.1"), &ip));
	assert_false(prefix_contains(p, ip));
}

static void malformed_text_is_refused(void **state)
{
	static const char *const bad[] = { "",          "10.0.0", "10.0.0.256", "10.0.0.0/33",
		                           "10.0.0.0/", "x/8" };
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(prefix_parse(slice_of(bad[i]), &p));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_lose_their_host_bits),
		cmocka_unit_test(containment_respects_family_and_length),
		cmocka_unit_test(malformed_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
