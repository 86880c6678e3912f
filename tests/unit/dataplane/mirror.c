/* Why: what a mirror thinks differs is what is written to the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/mirror.h"
#include "dataplane/node-table.h"

static const struct nft_set map_set_def = { "m", { NFT_FIELD_MARK }, { NFT_FIELD_MARK } };

static struct mirror_key key(uint32_t n)
{
	struct mirror_key k = { 0 };

	memcpy(k.bytes, &n, sizeof(n));
	return k;
}

static bool put(struct mirror *m, uint32_t n, uint32_t value, const void *owner)
{
	struct mirror_key k = key(n);

	return mirror_put(m, &k, &value, owner);
}

static size_t queued(struct mirror *m)
{
	struct nft *n;
	size_t count;

	assert_int_equal(nft_open(-1, IP_V4, "test", &n, NULL), 0);
	count = mirror_queue(m, n);
	nft_close(n);
	return count;
}

static void only_differences_are_written(void **state)
{
	struct mirror m;

	(void)state;
	mirror_init(&m, &map_set_def);
	assert_true(put(&m, 1, 10, NULL));
	assert_false(put(&m, 1, 10, NULL));
	assert_int_equal(queued(&m), 1);
	/* A failed commit: the same again. */
	assert_int_equal(queued(&m), 1);
	mirror_committed(&m);
	assert_false(mirror_is_dirty(&m));
	assert_int_equal(queued(&m), 0);
	/* Another value is a deletion and an addition; back again is nothing. */
	assert_true(put(&m, 1, 11, NULL));
	assert_int_equal(queued(&m), 2);
	assert_true(put(&m, 1, 10, NULL));
	assert_int_equal(queued(&m), 0);
	mirror_fini(&m);
}

static void an_element_is_dropped_by_its_owner_only(void **state)
{
	struct mirror m;
	struct mirror_key k = key(1);
	int a, b;

	(void)state;
	mirror_init(&m, &map_set_def);
	put(&m, 1, 10, &a);
	mirror_committed(&m);
	put(&m, 1, 20, &b);
	assert_false(mirror_drop(&m, &k, &a));
	assert_int_equal(*(const uint32_t *)mirror_wanted(&m, &k), 20);
	assert_int_equal(*(const uint32_t *)mirror_in_kernel(&m, &k), 10);
	assert_true(mirror_drop(&m, &k, &b));
	assert_null(mirror_wanted(&m, &k));
	assert_int_equal(queued(&m), 1);
	mirror_committed(&m);
	assert_null(mirror_in_kernel(&m, &k));
	mirror_fini(&m);
}

static void what_a_round_does_not_repeat_goes(void **state)
{
	struct mirror m;

	(void)state;
	mirror_init(&m, &map_set_def);
	put(&m, 1, 1, NULL);
	put(&m, 2, 2, NULL);
	mirror_committed(&m);
	mirror_begin_all(&m);
	put(&m, 2, 2, NULL);
	put(&m, 3, 3, NULL);
	assert_true(mirror_end_all(&m));
	assert_int_equal(m.n_wanted, 2);
	assert_int_equal(queued(&m), 2);
	mirror_committed(&m);
	mirror_begin_all(&m);
	put(&m, 2, 2, NULL);
	put(&m, 3, 3, NULL);
	assert_false(mirror_end_all(&m));
	mirror_fini(&m);
}

static void a_set_made_anew_gets_everything(void **state)
{
	struct mirror m;

	(void)state;
	mirror_init(&m, &map_set_def);
	put(&m, 1, 1, NULL);
	put(&m, 2, 2, NULL);
	mirror_committed(&m);
	mirror_assume_empty(&m);
	assert_int_equal(queued(&m), 2);
	mirror_fini(&m);
}

static void names_of_pickers_round_trip(void **state)
{
	static const char *const good[] = { "n1.0", "n30.7", "u2", "a3.10800.1", "a3.86400.0" };
	static const char *const bad[] = {
		"",     "n",     "n1",   "n1.0.2",   "a1.2",  "u",
		"u2.1", "n01.0", "x1.0", "services", "n1.0x", "n100000.0"
	};
	char buf[PICKER_NAME_SIZE];
	struct picker p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(picker_parse(good[i], &p));
		assert_string_equal(picker_name(&p, buf), good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (picker_parse(bad[i], &p)) {
			fail_msg("%s is no picker", bad[i]);
		}
	}
}

struct seen {
	int n_new, n_changed, n_gone, n_wanted;
};

static void note_change(void *arg, const struct mirror_key *k, const void *wanted,
                        const void *in_kernel)
{
	struct seen *seen = arg;

	(void)k;
	seen->n_new += wanted && !in_kernel;
	seen->n_changed += wanted && in_kernel;
	seen->n_gone += !wanted && in_kernel;
}

static void note_wish(void *arg, const struct mirror_key *k, const void *value)
{
	(void)k;
	((struct seen *)arg)->n_wanted += value != NULL;
}

static void a_second_place_is_told_the_same_differences(void **state)
{
	struct mirror m;
	struct mirror_key k = key(2);
	struct seen seen = { 0 };

	(void)state;
	mirror_init(&m, &map_set_def);
	put(&m, 1, 10, NULL);
	put(&m, 2, 20, NULL);
	put(&m, 3, 30, NULL);
	mirror_committed(&m);
	put(&m, 1, 11, NULL);
	mirror_drop(&m, &k, NULL);
	put(&m, 4, 40, NULL);
	mirror_each_dirty(&m, note_change, &seen);
	mirror_each_wanted(&m, note_wish, &seen);
	assert_int_equal(seen.n_new, 1);
	assert_int_equal(seen.n_changed, 1);
	assert_int_equal(seen.n_gone, 1);
	assert_int_equal(seen.n_wanted, 3);
	mirror_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_differences_are_written),
		cmocka_unit_test(an_element_is_dropped_by_its_owner_only),
		cmocka_unit_test(what_a_round_does_not_repeat_goes),
		cmocka_unit_test(a_set_made_anew_gets_everything),
		cmocka_unit_test(names_of_pickers_round_trip),
		cmocka_unit_test(a_second_place_is_told_the_same_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
