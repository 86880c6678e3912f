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

static struct prefix prefix_of(const char *text)
{
	struct prefix p = { 0 };

	assert_true(prefix_parse(slice_of(text), &p));
	return p;
}

static void addresses_are_counted_in_both_families(void **state)
{
	char buf[IP_TEXT_SIZE];

	(void)state;
	assert_string_equal(ip_format(prefix_nth(prefix_of("10.244.0.0/16"), 258), buf),
	                    "10.244.1.2");
	assert_string_equal(ip_format(prefix_nth(prefix_of("fd00:10:1::/112"), 0xffff), buf),
	                    "fd00:10:1::ffff");
	assert_string_equal(ip_format(prefix_nth(prefix_of("fd00::ffff:0/112"), 0x10000), buf),
	                    "fd00::1:0:0");
	assert_string_equal(ip_format(prefix_last(prefix_of("10.0.2.0/23")), buf), "10.0.3.255");
	assert_string_equal(ip_format(prefix_last(prefix_of("fd00::/65")), buf),
	                    "fd00::7fff:ffff:ffff:ffff");
	assert_string_equal(ip_format(prefix_last(prefix_of("fd00::1/128")), buf), "fd00::1");
}

static void pairs_are_of_two_families_or_one_address(void **state)
{
	static const char *const good[] = { "10.0.0.1", "fd00::1", "10.0.0.1,fd00::1",
		                            "fd00::1,10.0.0.1" };
	static const char *const bad[] = {
		"", ",", "10.0.0.1,", ",fd00::1", "10.0.0.1,10.0.0.2", "10.0.0.1,fd00::1,fd00::2"
	};
	char buf[IP_PAIR_TEXT_SIZE];
	struct ip_pair ips;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(ip_pair_parse(slice_of(good[i]), &ips));
		assert_string_equal(ip_pair_format(ips, buf), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(ip_pair_parse(slice_of(bad[i]), &ips));
	}
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
		cmocka_unit_test(addresses_are_counted_in_both_families),
		cmocka_unit_test(pairs_are_of_two_families_or_one_address),
		cmocka_unit_test(malformed_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
