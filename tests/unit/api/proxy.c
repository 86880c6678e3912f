#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/proxy.h"

static void expect(const char *text, const char *scheme, const char *name, const char *port)
{
	struct slice got[3];

	assert_true(proxy_name_split(slice_of(text), &got[0], &got[1], &got[2]));
	assert_true(slice_is(got[0], scheme));
	assert_true(slice_is(got[1], name));
	assert_true(slice_is(got[2], port));
}

static void names_carry_scheme_and_port(void **state)
{
	struct slice a, b, c;

	(void)state;
	expect("web", "", "web", "");
	expect("web:80", "", "web", "80");
	expect("web:http", "", "web", "http");
	expect("https:web:", "https", "web", "");
	expect("http:web:8080", "http", "web", "8080");
	assert_false(proxy_name_split(SLICE("ftp:web:21"), &a, &b, &c));
	assert_false(proxy_name_split(SLICE(":80"), &a, &b, &c));
	assert_false(proxy_name_split(SLICE(""), &a, &b, &c));
	assert_false(proxy_name_split(SLICE("https:web:80:9"), &a, &b, &c));
}

static void the_path_behind_the_proxy_stays_as_it_was_sent(void **state)
{
	(void)state;
#define BASE "/api/v1/namespaces/n/services/web:80/proxy"
	assert_true(slice_is(proxy_path(SLICE(BASE)), ""));
	assert_true(slice_is(proxy_path(SLICE(BASE "?a=/b")), ""));
	assert_true(slice_is(proxy_path(SLICE(BASE "/")), "/"));
	assert_true(slice_is(proxy_path(SLICE(BASE "/a%2Fb//c?d=/e")), "/a%2Fb//c"));
	assert_true(slice_is(proxy_path(SLICE("/short")), ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_carry_scheme_and_port),
		cmocka_unit_test(the_path_behind_the_proxy_stays_as_it_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
