/* Why: both families look into the same maps, so their addresses must never meet. */
#include "dataplane/socket-address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	assert_true(ip_parse(slice_of(text), &ip));
	return ip;
}

static void ipv4_is_mapped(void **state)
{
	struct socket_end e = socket_end_of(ip_of("10.1.0.20"), 80);
	struct in6_addr mapped;

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:10.1.0.20", &mapped), 1);
	assert_memory_equal(e.ip, &mapped, sizeof(e.ip));
	assert_int_equal(e.port_be, htons(80));
	assert_int_equal(e.pad, 0);
}

static void ipv6_is_itself(void **state)
{
	struct socket_end e = socket_end_of(ip_of("fd00::10:1"), 65535);
	struct in6_addr same;

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "fd00::10:1", &same), 1);
	assert_memory_equal(e.ip, &same, sizeof(e.ip));
	assert_int_equal(e.port_be, 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_is_mapped),
		cmocka_unit_test(ipv6_is_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
