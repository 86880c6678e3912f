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

static void many_variables_are_found(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct env e = { .arena = &a };

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 500; i++) {
			env_set(&e, slice_of(arena_printf(&a, "V%d", i)),
			        slice_of(arena_printf(&a, "%d", i + round)));
		}
	}
	assert_int_equal(e.n, 500);
	for (int i = 0; i < 500; i++) {
		assert_string_equal(env_find(&e, slice_of(arena_printf(&a, "V%d", i))).p,
		                    arena_printf(&a, "%d", i + 1));
	}
	assert_null(env_find(&e, SLICE("V500")).p);
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
		cmocka_unit_test(many_variables_are_found),
		cmocka_unit_test(keys_that_are_no_names_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
