#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/authenticate.h"
#include "api/token.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"

static struct val *parse(struct arena *a, const char *text)
{
	char *copy = arena_strdup(a, text);
	struct val *v = NULL;

	for (char *p = copy; *p; p++) {
		*p = *p == '\'' ? '"' : *p;
	}
	assert_int_equal(json_parse(a, slice_of(copy), 0, &v, NULL), 0);
	return v;
}

static void reads_claims(void **state)
{
#define ISS "'iss':'" TOKEN_ISSUER "',"
#define WHO "'kubernetes.io':{'namespace':'x','serviceaccount':{'name':'a','uid':'u'}}"
	static const struct {
		const char *claims, *wrong;
	} rows[] = {
		{ "{" ISS "'exp':1100,'nbf':900," WHO "}", "" },
		{ "{" ISS "'exp':995,'nbf':900," WHO "}", "" }, /* within the leeway */
		{ "{" ISS "'exp':980,'nbf':900," WHO "}", "service account token has expired" },
		{ "{" ISS "'exp':1100,'nbf':1050," WHO "}",
		  "service account token is not valid yet" },
		{ "{'iss':'me','exp':1100,'nbf':900," WHO "}", "token is from another issuer" },
		{ "{" ISS "'exp':1100,'nbf':900}", "token names no service account" },
		{ "{" ISS "'exp':'x','nbf':900," WHO "}", "service account token has expired" },
		{ "[]", "token is from another issuer" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		scoped_arena struct arena a = { 0 };
		struct token_claims claims;
		struct err err = { 0 };
		int r = token_claims_read(parse(&a, rows[i].claims), 1000 * US_PER_S, &claims,
		                          &err);

		assert_int_equal(r, *rows[i].wrong ? -ERR_UNAUTHORIZED : 0);
		assert_string_equal(err.msg, rows[i].wrong);
	}
}

static void finds_tokens_of_browsers(void **state)
{
	scoped_arena struct arena a = { 0 };

	(void)state;
	assert_true(slice_is(
		token_of_protocols(
			&a, SLICE("v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj")),
		"abc"));
	assert_true(slice_is(token_of_protocols(&a, SLICE("v5.channel.k8s.io")), ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_claims),
		cmocka_unit_test(finds_tokens_of_browsers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
