#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/snapshot.h"
#include "base/mem.h"

static void pages_round_trip(void **state)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct page page = {
		.id = 7, .at = 500, .revision = 12345, .ns = SLICE("x"), .name = SLICE("a\"b")
	};
	struct page got;

	(void)state;
	page_format(&text, &page);
	assert_int_equal(strcspn(strbuf_str(&text), "+/= &"), text.size); /* safe in a URL */
	assert_true(page_parse(&a, strbuf_slice(&text), &got));
	assert_int_equal(got.id, 7);
	assert_int_equal(got.at, 500);
	assert_int_equal(got.revision, 12345);
	assert_true(slice_is(got.ns, "x") && slice_is(got.name, "a\"b"));
}

static void refuses_broken_tokens(void **state)
{
	static const char *const tokens[] = { "",       "x",          "e30",
		                              "bnVsbA", "eyJ2IjoyfQ", "eyJ2IjoxLCJpZCI6LTF9" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
		scoped_arena struct arena a = { 0 };
		struct page got;

		assert_false(page_parse(&a, slice_of(tokens[i]), &got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_round_trip),
		cmocka_unit_test(refuses_broken_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
