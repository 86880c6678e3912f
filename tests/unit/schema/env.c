#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/env.h"

static void references_expand_as_the_kubelet_does(void **state)
{
	static const char *const cases[][2] = {
		{ "a$(HOST)b", "adbb" },
		{ "$(HOST):$(PORT)", "db:3306" },
		{ "$$(HOST)", "$(HOST)" },
		{ "$(NONE)", "$(NONE)" },
		{ "$HOST ${HOST}", "$HOST ${HOST}" },
		{ "$(HOST", "$(HOST" },
		{ "$", "$" },
		{ "", "" },
	};
	scoped_arena struct arena a = { 0 };
	struct env e = { .arena = &a };

	(void)state;
	env_set(&e, SLICE("HOST"), SLICE("old"));
	env_set(&e, SLICE("PORT"), SLICE("3306"));
	env_set(&e, SLICE("HOST"), SLICE("db"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_string_equal(env_expand(&e, slice_of(cases[i][0])).p, cases[i][1]);
	}
}

static void keys_that_are_no_names_are_told(void **state)
{
	(void)state;
	assert_true(env_name_is_valid(SLICE("A_b.c-1")));
	assert_false(env_name_is_valid(SLICE("1A")));
	assert_false(env_name_is_valid(SLICE("a b")));
	assert_false(env_name_is_valid(SLICE("")));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_expand_as_the_kubelet_does),
		cmocka_unit_test(keys_that_are_no_names_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
