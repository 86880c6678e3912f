#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "edge/nginx-text.h"
#include "model/ingress.h"

struct example {
	const char *text;
	bool valid;
};

static void try_all(bool (*check)(struct slice), const struct example *examples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (check(slice_of(examples[i].text)) != examples[i].valid) {
			fail_msg("\"%s\" should be %s", examples[i].text,
			         examples[i].valid ? "valid" : "refused");
		}
	}
}
#define TRY(check, ...)                                                                            \
	do {                                                                                       \
		static const struct example examples_[] = { __VA_ARGS__ };                         \
		try_all(check, examples_, ARRAY_SIZE(examples_));                                  \
	} while (0)

static void hosts(void **state)
{
	(void)state;
	TRY(ingress_host_is_valid, { "a.example.com", true }, { "*.example.com", true },
	    { "localhost", true }, { "", false }, { "A.example.com", false }, { "a..b", false },
	    { "*.*.a", false }, { "a.*.b", false }, { "-a.b", false }, { "a.b;", false },
	    { "a b", false }, { "a\nb", false }, { "a.b.", false }, { "a_b.c", false },
	    { "*", false }, { "a.b:80", false });
}

static void strict_paths(void **state)
{
	(void)state;
	TRY(ingress_path_is_strict, { "/", true }, { "/api", true }, { "/a-b_c.d~e/", true },
	    { "/%20", true }, { "", false }, { "api", false }, { "/a//b", false },
	    { "/a/./b", false }, { "/a/../b", false }, { "/a/..", false }, { "/a%2fb", false },
	    { "/a b", false }, { "/a;", false }, { "/a{", false }, { "/a\"", false },
	    { "/a$b", false }, { "/a#b", false }, { "/a\\", false }, { "/a\nb", false });
}

static void regex_paths(void **state)
{
	(void)state;
	TRY(ingress_path_is_regex, { "/api(/|$)(.*)", true }, { "/[a-z]{1,3}/\\d+", true },
	    { "/a\\(b", true }, { "/[(]", true }, { "/[]a]", true }, { "/a(b", false },
	    { "/a)b", false }, { "/[a", false }, { "/a{2", false }, { "/a\\", false },
	    { "/a;b", false }, { "/a\"b", false }, { "/a b", false }, { "/a'b", false },
	    { "/a#b", false }, { "(/a)", false }, { "/a\x7f", false }, { "/a\n", false });
}

static void rewrite_targets(void **state)
{
	(void)state;
	TRY(nginx_target_is_valid, { "/", true }, { "/$2", true }, { "/v1/$1?x=$2", true },
	    { "$1", true }, { "https://a.b/$1", true }, { "/$host", false }, { "/$0", false },
	    { "/$", false }, { "/a;b", false }, { "/a b", false }, { "/{a}", false }, { "", false },
	    { "javascript:x", false });
}

static void redirects(void **state)
{
	(void)state;
	TRY(nginx_url_is_valid, { "https://www.example.com", true },
	    { "https://a.b$request_uri", true }, { "/new", true },
	    { "$scheme://x.y$request_uri", true }, { "http://$host$request_uri", true },
	    { "https://a.b$uri", false }, { "https://a.b$request_uri_x", false },
	    { "https://a.b;x", false }, { "ftp://a.b", false }, { "https://a.b\r\nX: y", false },
	    { "https://a.b\"", false }, { "https://a.b{}", false }, { "", false },
	    { "$host", false });
}

static void origins(void **state)
{
	(void)state;
	TRY(nginx_origin_is_valid, { "*", true }, { "https://a.b", true },
	    { "https://*.a.b", true }, { "http://localhost:3000", true }, { "a.b", false },
	    { "https://", false }, { "https://a.b/", false }, { "https://a.b)|.*", false },
	    { "null", false }, { "https://a.b;", false }, { "https://**", false });
}

static void values_and_numbers(void **state)
{
	(void)state;
	TRY(nginx_value_is_valid, { "Members only", true }, { "", true }, { "a$b", false },
	    { "a\"b", false }, { "a;b", false }, { "a}b", false }, { "a\\b", false },
	    { "a\tb", false });
	TRY(nginx_size_is_valid, { "8m", true }, { "0", true }, { "1G", true }, { "m", false },
	    { "8 m", false }, { "8mm", false }, { "8;", false }, { "", false });
	TRY(nginx_time_is_valid, { "60", true }, { "60s", true }, { "1h", true }, { "s", false },
	    { "1;", false });
	TRY(nginx_authority_is_valid, { "a.b", true }, { "a.b:80", true }, { "a.b:", false },
	    { "a.b:0", false }, { "$host", false }, { "a b", false }, { "", false });
	TRY(nginx_token_is_valid, { "X-Header", true }, { "", false }, { "a b", false },
	    { "a;", false }, { "a$", false });
	TRY(nginx_words_are_valid, { "TLSv1.2 TLSv1.3", true }, { "HIGH:!aNULL", true },
	    { "a;b", false }, { "a{", false }, { "", false });
}

static void the_encoder_lets_nothing_out_of_the_quotes(void **state)
{
	(void)state;
	scoped_strbuf struct strbuf out = { 0 };

	nginx_quote(&out, SLICE("a\"b\\c\nd;e}"));
	assert_string_equal(strbuf_str(&out), "\"a\\\"b\\\\cd;e}\"");
}

static void literal_regexes_match_only_themselves(void **state)
{
	(void)state;
	scoped_strbuf struct strbuf out = { 0 };

	nginx_quote_literal_regex(&out, SLICE(".a+b"));
	assert_string_equal(strbuf_str(&out), "\\\\.a\\\\+b");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts),
		cmocka_unit_test(strict_paths),
		cmocka_unit_test(regex_paths),
		cmocka_unit_test(rewrite_targets),
		cmocka_unit_test(redirects),
		cmocka_unit_test(origins),
		cmocka_unit_test(values_and_numbers),
		cmocka_unit_test(the_encoder_lets_nothing_out_of_the_quotes),
		cmocka_unit_test(literal_regexes_match_only_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
