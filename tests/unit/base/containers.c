#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"

static void map_finds_what_was_set_among_thousands(void **state)
{
	scoped_map struct map m = { 0 };
	char key[32];
	size_t seen = 0;

	(void)state;
	for (uintptr_t i = 1; i <= 5000; i++) {
		snprintf(key, sizeof(key), "key-%lu", (unsigned long)i);
		assert_null(map_set(&m, slice_of(key), (void *)i));
	}
	assert_ptr_equal(map_find(&m, SLICE("key-4711")), (void *)4711);
	assert_ptr_equal(map_remove(&m, SLICE("key-4711")), (void *)4711);
	assert_null(map_find(&m, SLICE("key-4711")));
	for (struct map_iter it = { 0 }; map_next(&m, &it);) {
		seen++;
	}
	assert_int_equal(seen, 4999);
}

struct item {
	struct list_link in_list; /* in the test list */
	int n;
};

static void a_list_may_lose_the_visited_entry(void **state)
{
	struct item items[3] = { { .n = 1 }, { .n = 2 }, { .n = 3 } };
	struct list l = { 0 };
	int sum = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		list_push(&l, &items[i].in_list);
	}
	list_for_each (&l, it, struct item, in_list) {
		sum += it->n;
		list_unlink(&it->in_list);
	}
	assert_int_equal(sum, 6);
	assert_true(list_is_empty(&l));
}

static void a_vector_grows_and_closes_holes(void **state)
{
	VEC(int) v = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		vec_push(&v, i);
	}
	vec_remove(&v, 50);
	assert_int_equal(v.n, 99);
	assert_int_equal(v.at[50], 51);
	vec_fini(&v);
}

static void an_arena_past_its_limit_says_so(void **state)
{
	scoped_arena struct arena a = { .max = 4096 };

	(void)state;
	memset(arena_alloc(&a, 4000), 1, 4000);
	assert_false(a.overflowed);
	memset(arena_alloc(&a, 4000), 1, 4000);
	assert_true(a.overflowed);
}

static void an_arena_packs_texts_and_aligns_the_rest(void **state)
{
	scoped_arena struct arena a = { 0 };
	const char *one = arena_slice(&a, SLICE("ab")).p, *two = arena_slice(&a, SLICE("cd")).p;

	(void)state;
	assert_ptr_equal(one + 3, two);
	assert_int_equal((uintptr_t)ARENA_NEW(&a, uint64_t) % _Alignof(uint64_t), 0);
	(void)arena_slice(&a, SLICE("e"));
	assert_int_equal((uintptr_t)arena_alloc(&a, 1) % 16, 0);
	assert_string_equal(one, "ab");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_finds_what_was_set_among_thousands),
		cmocka_unit_test(a_list_may_lose_the_visited_entry),
		cmocka_unit_test(a_vector_grows_and_closes_holes),
		cmocka_unit_test(an_arena_past_its_limit_says_so),
		cmocka_unit_test(an_arena_packs_texts_and_aligns_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
