/* Why: the algebra of addresses, held against a look at each address of small ranges at the edges
 * of both families. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/cidr.h"
#include "base/mem.h"
#include "dice.h"

enum { SPOTS = 6, WIDTH = 64, PAIRS = 400 };

/* Where ranges are made: around the ends of both families and where a byte turns over. */
static struct ip spot(unsigned i, unsigned offset)
{
	static const uint8_t low[SPOTS][2] = { { 0, 0 }, { 0, 224 }, { 255, 192 },
		                               { 0, 0 }, { 0, 224 }, { 255, 192 } };
	struct ip ip = { .family = i < 3 ? IP_V4 : IP_V6 };
	unsigned n = i < 3 ? 4 : 16, value = low[i][1] + offset;

	if (low[i][0] == 255) {
		memset(ip.bytes, 255, n);
	}
	ip.bytes[n - 1] = (uint8_t)value;
	if (value > 255) {
		ip.bytes[n - 2] = (uint8_t)(ip.bytes[n - 2] + 1);
	}
	return ip;
}

static struct cidr_set random_set(struct arena *a, struct dice *d)
{
	struct cidr_set set = { 0 };

	for (unsigned i = 0, n = dice_roll(d, 6); i < n; i++) {
		unsigned where = dice_roll(d, SPOTS), x = dice_roll(d, WIDTH),
			 y = dice_roll(d, WIDTH);

		set = cidr_union(
			a, set,
			cidr_of_range(a, spot(where, x < y ? x : y), spot(where, x < y ? y : x)));
	}
	if (dice_roll(d, 8) == 0) {
		set = cidr_minus(a, cidr_all(), set);
	}
	return set;
}

static void expect_canonical(struct cidr_set x)
{
	for (size_t i = 0; i < x.n; i++) {
		assert_int_equal(x.at[i].from.family, x.at[i].to.family);
		assert_true(ip_cmp(x.at[i].from, x.at[i].to) <= 0);
		assert_true(i == 0 || ip_cmp(x.at[i - 1].to, x.at[i].from) < 0);
	}
}

static void operations_agree_address_by_address(void **state)
{
	(void)state;
	struct dice d;

	dice_seed(&d, 1);
	for (int i = 0; i < PAIRS; i++) {
		scoped_arena struct arena a = { 0 };
		struct cidr_set x = random_set(&a, &d), y = random_set(&a, &d);
		struct cidr_set either = cidr_union(&a, x, y), both = cidr_intersect(&a, x, y),
				less = cidr_minus(&a, x, y);

		expect_canonical(either);
		expect_canonical(both);
		expect_canonical(less);
		for (unsigned where = 0; where < SPOTS; where++) {
			for (unsigned k = 0; k < WIDTH; k++) {
				struct ip ip = spot(where, k);
				bool in_x = cidr_has(x, ip), in_y = cidr_has(y, ip);

				assert_int_equal(cidr_has(either, ip), in_x || in_y);
				assert_int_equal(cidr_has(both, ip), in_x && in_y);
				assert_int_equal(cidr_has(less, ip), in_x && !in_y);
			}
		}
	}
}

static void equal_sets_look_alike_however_they_were_made(void **state)
{
	(void)state;
	struct dice d;

	dice_seed(&d, 2);
	for (int i = 0; i < PAIRS; i++) {
		scoped_arena struct arena a = { 0 };
		struct cidr_set x = random_set(&a, &d), y = random_set(&a, &d),
				both = cidr_intersect(&a, x, y);

		assert_true(cidr_eq(cidr_union(&a, x, y), cidr_union(&a, y, x)));
		assert_true(cidr_eq(both, cidr_minus(&a, x, cidr_minus(&a, x, y))));
		assert_true(cidr_eq(cidr_all(), cidr_union(&a, x, cidr_minus(&a, cidr_all(), x))));
		assert_int_equal(cidr_intersect(&a, x, cidr_minus(&a, cidr_all(), x)).n, 0);
	}
}

struct cover {
	struct arena *a;
	struct cidr_set sum;
	struct prefix last;
};

static bool add_prefix(void *arg, struct prefix p)
{
	struct cover *c = arg;

	assert_int_equal(cidr_intersect(c->a, c->sum, cidr_of(c->a, p)).n, 0);
	c->sum = cidr_union(c->a, c->sum, cidr_of(c->a, p));
	/* two halves of one prefix would be one */
	assert_false(
		c->last.len == p.len && p.len && c->last.ip.family == p.ip.family &&
		prefix_contains((struct prefix){ c->last.ip, (uint8_t)(p.len - 1) }, p.ip) &&
		prefix_contains((struct prefix){ c->last.ip, (uint8_t)(p.len - 1) }, c->last.ip));
	c->last = p;
	return true;
}

static void prefixes_cover_a_set_exactly_and_with_no_pair_of_halves(void **state)
{
	(void)state;
	struct dice d;

	dice_seed(&d, 3);
	for (int i = 0; i < PAIRS; i++) {
		scoped_arena struct arena a = { 0 };
		struct cidr_set x = random_set(&a, &d);
		struct cover c = { .a = &a };

		cidr_each_prefix(x, add_prefix, &c);
		assert_true(cidr_eq(c.sum, x));
	}
}

static void text_and_set_are_a_round_trip(void **state)
{
	(void)state;
	struct dice d;

	dice_seed(&d, 4);
	for (int i = 0; i < PAIRS; i++) {
		scoped_arena struct arena a = { 0 };
		scoped_strbuf struct strbuf text = { 0 };
		struct cidr_set x = random_set(&a, &d), y;
		struct err err;

		cidr_format(&text, x, 0);
		if (cidr_parse(&a, strbuf_slice(&text), &y, &err) < 0) {
			fail_msg("'%s': %s", strbuf_str(&text), err.msg);
		}
		assert_true(cidr_eq(x, y));
	}
}

static void expect_text(const char *given, size_t max, const char *wanted)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct cidr_set x;

	assert_int_equal(cidr_parse(&a, slice_of(given), &x, NULL), 0);
	cidr_format(&text, x, max);
	assert_string_equal(strbuf_str(&text), wanted);
}

static void text_is_the_fewest_prefixes(void **state)
{
	(void)state;
	expect_text("10.0.1.0/24, 10.0.0.0/24", 0, "10.0.0.0/23");
	expect_text("10.0.0.7", 0, "10.0.0.7/32");
	expect_text("0.0.0.0/1,128.0.0.0/1,::/0", 0, "0.0.0.0/0,::/0");
	expect_text("fd00::1,fd00::", 0, "fd00::/127");
	expect_text("10.0.0.1,10.0.0.3,10.0.0.5", 2, "10.0.0.1/32,10.0.0.3/32,+1 more");
	expect_text("none", 2, "none");
}

static void wrong_text_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = { "",       "x",     "10.0.0.0/33", "10.0.0.0/8,",
		                             "10.0.0", "::/129" };
	scoped_arena struct arena a = { 0 };
	struct cidr_set x;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (cidr_parse(&a, slice_of(wrong[i]), &x, NULL) != -ERR_SYNTAX) {
			fail_msg("'%s' was accepted", wrong[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_agree_address_by_address),
		cmocka_unit_test(equal_sets_look_alike_however_they_were_made),
		cmocka_unit_test(prefixes_cover_a_set_exactly_and_with_no_pair_of_halves),
		cmocka_unit_test(text_and_set_are_a_round_trip),
		cmocka_unit_test(text_is_the_fewest_prefixes),
		cmocka_unit_test(wrong_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
