#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/strbuf.h"

static void failure_sticks_and_nothing_more_is_added(void **state)
{
	scoped_strbuf struct strbuf b = { .max = 4 };

	(void)state;
	strbuf_adds(&b, "abc");
	strbuf_adds(&b, "de");
	strbuf_adds(&b, "f");
	assert_true(strbuf_failed(&b));
	assert_string_equal(strbuf_str(&b), "abc");
}

static void consuming_keeps_the_rest(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };

	(void)state;
	strbuf_addf(&b, "%d-%s", 42, "x");
	strbuf_consume(&b, 3);
	assert_string_equal(strbuf_str(&b), "x");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(failure_sticks_and_nothing_more_is_added),
		cmocka_unit_test(consuming_keeps_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
