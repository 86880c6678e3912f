#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/proxy-protocol.h"

static struct ip ip(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(slice_of(text), &ip));
	return ip;
}

#define SIGNATURE 0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a

static void ipv4_takes_28_bytes(void **state)
{
	(void)state;
	static const uint8_t want[] = { SIGNATURE, 0x21, 0x11, 0, 12,   192, 0,    2,   1,
		                        10,        1,    2,    3, 0xd9, 3,   0x01, 0xbb };
	uint8_t got[PROXY_HEADER_MAX];

	assert_int_equal(proxy_header_format(ip("192.0.2.1"), 55555, ip("10.1.2.3"), 443, got),
	                 sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
}

static void ipv6_takes_52_bytes(void **state)
{
	(void)state;
	uint8_t got[PROXY_HEADER_MAX];

	assert_int_equal(proxy_header_format(ip("2001:db8::1"), 1, ip("2001:db8::2"), 2, got), 52);
	assert_int_equal(got[13], 0x21);
	assert_int_equal(got[15], 36);
	assert_int_equal(got[31], 1);
	assert_int_equal(got[47], 2);
	assert_int_equal(got[51], 2);
}

static void mixed_families_say_nothing_of_addresses(void **state)
{
	(void)state;
	static const uint8_t want[] = { SIGNATURE, 0x21, 0x00, 0, 0 };
	uint8_t got[PROXY_HEADER_MAX];

	assert_int_equal(proxy_header_format(ip("192.0.2.1"), 1, ip("::1"), 2, got), sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
}

static void a_health_check_is_local(void **state)
{
	(void)state;
	static const uint8_t want[] = { SIGNATURE, 0x20, 0x00, 0, 0 };
	uint8_t got[PROXY_HEADER_MAX];

	assert_int_equal(proxy_header_format_local(got), sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_takes_28_bytes),
		cmocka_unit_test(ipv6_takes_52_bytes),
		cmocka_unit_test(mixed_families_say_nothing_of_addresses),
		cmocka_unit_test(a_health_check_is_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
