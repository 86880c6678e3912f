/* Why: headers and queries are looked up the same way everywhere, and bad escapes are nobody's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/message.h"

static struct http_header lines[] = {
	{ { "Accept", 6 }, { "a, b;q=1", 8 } },
	{ { "CONNECTION", 10 }, { "keep-alive", 10 } },
	{ { "connection", 10 }, { "x ,\tUpgrade", 11 } },
};
static const struct http_headers headers = { lines, 3 };

static void headers_are_found_in_any_case(void **state)
{
	(void)state;
	assert_true(slice_is(http_header_get(&headers, "accept"), "a, b;q=1"));
	assert_true(slice_is(http_header_get(&headers, "Connection"), "keep-alive"));
	assert_null(http_header_get(&headers, "Accep").p);
}

static void tokens_are_found_in_every_line_of_a_header(void **state)
{
	(void)state;
	assert_true(http_header_has_token(&headers, "Connection", "upgrade"));
	assert_true(http_header_has_token(&headers, "Connection", "Keep-Alive"));
	assert_false(http_header_has_token(&headers, "Connection", "keep"));
	assert_false(http_header_has_token(&headers, "Accept", "b"));
	assert_false(http_header_has_token(&headers, "Nothing", ""));
}

static void assert_param(const char *query, const char *name, size_t nth, const char *want)
{
	scoped_arena struct arena a = { 0 };
	struct slice got = http_query_get(&a, slice_of(query), name, nth);

	if (!want) {
		assert_null(got.p);
		return;
	}
	assert_non_null(got.p);
	assert_true(slice_is(got, want));
}

static void query_parameters_are_decoded(void **state)
{
	(void)state;
	assert_param("a=1&b=x%20y+z%2B&a=2", "b", 0, "x y z+");
	assert_param("a=1&b=x&a=2", "a", 1, "2");
	assert_param("a=1&b=x&a=2", "a", 2, NULL);
	assert_param("%61=1", "a", 0, "1");
	assert_param("a", "a", 0, "");
	assert_param("a==b", "a", 0, "=b");
	assert_param("", "a", 0, NULL);
	assert_param("&&a=1", "a", 0, "1");
}

static void a_bad_escape_is_no_value(void **state)
{
	(void)state;
	assert_param("a=%", "a", 0, NULL);
	assert_param("a=%2", "a", 0, NULL);
	assert_param("a=%g0", "a", 0, NULL);
	assert_param("%zz=1&a=2", "a", 0, "2");
}

static void what_is_encoded_decodes_to_itself(void **state)
{
	char all[256];
	scoped_strbuf struct strbuf text = { 0 };
	scoped_arena struct arena a = { 0 };
	struct slice back;

	(void)state;
	for (int i = 0; i < 256; i++) {
		all[i] = (char)i;
	}
	http_percent_encode(&text, (struct slice){ all, sizeof(all) });
	assert_true(http_percent_decode(&a, strbuf_slice(&text), true, &back));
	assert_true(slice_eq(back, (struct slice){ all, sizeof(all) }));
	assert_null(strpbrk(strbuf_str(&text), " /?#&=+\r\n"));
}

static void a_plus_is_a_blank_in_queries_only(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct slice back;

	(void)state;
	assert_true(http_percent_decode(&a, SLICE("a+b"), false, &back));
	assert_true(slice_is(back, "a+b"));
	assert_false(http_percent_decode(&a, SLICE("a%"), false, &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_found_in_any_case),
		cmocka_unit_test(tokens_are_found_in_every_line_of_a_header),
		cmocka_unit_test(query_parameters_are_decoded),
		cmocka_unit_test(a_bad_escape_is_no_value),
		cmocka_unit_test(what_is_encoded_decodes_to_itself),
		cmocka_unit_test(a_plus_is_a_blank_in_queries_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
