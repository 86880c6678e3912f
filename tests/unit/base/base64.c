#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"

/* RFC 4648 section 10 test vectors. */
static const char *const pairs[][2] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
};

static void vectors_of_the_rfc_go_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		scoped_strbuf struct strbuf enc = { 0 }, dec = { 0 };

		base64_encode(&enc, slice_of(pairs[i][0]));
		assert_string_equal(strbuf_str(&enc), pairs[i][1]);
		assert_true(base64_decode(&dec, slice_of(pairs[i][1])));
		assert_string_equal(strbuf_str(&dec), pairs[i][0]);
	}
}

static void every_byte_survives_the_url_alphabet(void **state)
{
	scoped_strbuf struct strbuf in = { 0 }, enc = { 0 }, dec = { 0 };

	(void)state;
	for (int i = 0; i < 256; i++) {
		strbuf_addc(&in, (char)i);
	}
	base64url_encode(&enc, strbuf_slice(&in));
	assert_null(strchr(strbuf_str(&enc), '+'));
	assert_true(base64_decode(&dec, strbuf_slice(&enc)));
	assert_true(slice_eq(strbuf_slice(&in), strbuf_slice(&dec)));
}

static void garbage_is_refused_and_adds_nothing(void **state)
{
	scoped_strbuf struct strbuf dec = { 0 };

	(void)state;
	assert_false(base64_decode(&dec, SLICE("Zm9v!")));
	assert_false(base64_decode(&dec, SLICE("Zm9vY")));
	assert_false(base64_decode(&dec, SLICE("Zg==Zg==")));
	assert_int_equal(dec.size, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_rfc_go_both_ways),
		cmocka_unit_test(every_byte_survives_the_url_alphabet),
		cmocka_unit_test(garbage_is_refused_and_adds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
