/* Why: the algebra's laws hold for every set: random ones are held against bitmaps, in which an
 * operation is plain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/ports-pool.h"
#include "base/mem.h"
#include "dice.h"

enum { PORT_COUNT = 65536, PAIRS = 300 };

struct bitmap {
	bool has[PORTS_PROTOS][PORT_COUNT];
	bool others;
};

/* Edges are where mistakes live: ports near them come often. */
static unsigned random_port(struct dice *d)
{
	static const unsigned edges[] = { 1, 2, 3, 79, 80, 81, 65533, 65534, 65535 };

	return dice_roll(d, 3) ? edges[dice_roll(d, ARRAY_SIZE(edges))] : 1 + dice_roll(d, 65535);
}

static struct ports random_set(struct arena *a, struct dice *d, struct bitmap *b)
{
	struct ports set = ports_none();

	memset(b, 0, sizeof(*b));
	for (unsigned i = 0, n = dice_roll(d, 9); i < n; i++) {
		enum ports_proto p = (enum ports_proto)dice_roll(d, PORTS_PROTOS);
		unsigned from = random_port(d), to = dice_roll(d, 2) ? from : random_port(d);

		set = ports_union(a, set, ports_of(a, ports_proto_number(p), from, to));
		for (unsigned port = from; port <= to; port++) {
			b->has[p][port] = true;
		}
	}
	if (dice_roll(d, 6) == 0) {
		set = ports_union(a, set, ports_of(a, PROTO_TCP, 0, 65535));
		memset(b->has[PORTS_TCP] + 1, true, PORT_COUNT - 1);
	}
	if (dice_roll(d, 3) == 0) {
		set.others = b->others = true;
	}
	return set;
}

static void expect_canonical(struct ports x)
{
	for (int p = 0; p < PORTS_PROTOS; p++) {
		size_t n;
		const struct ports_range *r = ports_ranges(x, (enum ports_proto)p, &n);

		for (size_t i = 0; i < n; i++) {
			assert_true(r[i].from >= 1 && r[i].from <= r[i].to);
			assert_true(i == 0 || r[i - 1].to + 1u < r[i].from);
		}
	}
}

static void expect_bits(struct ports x, const struct bitmap *b)
{
	static struct bitmap found;

	memset(&found, 0, sizeof(found));
	expect_canonical(x);
	for (int p = 0; p < PORTS_PROTOS; p++) {
		size_t n;
		const struct ports_range *r = ports_ranges(x, (enum ports_proto)p, &n);

		for (size_t i = 0; i < n; i++) {
			memset(&found.has[p][r[i].from], true, r[i].to - r[i].from + 1u);
		}
	}
	found.others = x.others;
	assert_memory_equal(&found, b, sizeof(found));
}

static void operations_agree_with_bitmaps(void **state)
{
	(void)state;
	static struct bitmap bx, by, want;
	struct dice d;

	dice_seed(&d, 1);
	for (int i = 0; i < PAIRS; i++) {
		scoped_arena struct arena a = { 0 };
		struct ports x = random_set(&a, &d, &bx), y = random_set(&a, &d, &by);
		const bool *px = (const bool *)&bx, *py = (const bool *)&by;
		bool *pw = (bool *)&want;

		expect_bits(x, &bx);
		for (size_t k = 0; k < sizeof(want); k++) {
			pw[k] = px[k] || py[k];
		}
		expect_bits(ports_union(&a, x, y), &want);
		for (size_t k = 0; k < sizeof(want); k++) {
			pw[k] = px[k] && py[k];
		}
		expect_bits(ports_intersect(&a, x, y), &want);
		for (size_t k = 0; k < sizeof(want); k++) {
			pw[k] = px[k] && !py[k];
		}
		expect_bits(ports_minus(&a, x, y), &want);
	}
}

static void equal_sets_look_alike_however_they_were_made(void **state)
{
	(void)state;
	static struct bitmap bx, by;
	struct dice d;

	dice_seed(&d, 2);
	for (int i = 0; i < PAIRS; i++) {
		scoped_arena struct arena a = { 0 };
		struct ports x = random_set(&a, &d, &bx), y = random_set(&a, &d, &by);
		struct ports either = ports_union(&a, x, y), both = ports_intersect(&a, x, y);

		assert_true(ports_eq(either, ports_union(&a, y, x)));
		assert_true(ports_eq(both, ports_minus(&a, x, ports_minus(&a, x, y))));
		assert_true(ports_eq(either,
		                     ports_union(&a, ports_minus(&a, x, y),
		                                 ports_union(&a, ports_minus(&a, y, x), both))));
		assert_true(ports_is_none(ports_minus(&a, both, x)));
		assert_true(ports_is_all(ports_union(&a, x, ports_minus(&a, ports_all(), x))));
		assert_int_equal(ports_eq(x, y), memcmp(&bx, &by, sizeof(bx)) == 0);
	}
}

static void a_set_holds_what_its_bitmap_holds(void **state)
{
	(void)state;
	static struct bitmap b;
	struct dice d;

	dice_seed(&d, 3);
	for (int i = 0; i < PAIRS; i++) {
		scoped_arena struct arena a = { 0 };
		struct ports x = random_set(&a, &d, &b);
		enum proto proto;
		uint16_t first;

		for (int k = 0; k < 50; k++) {
			enum ports_proto p = (enum ports_proto)dice_roll(&d, PORTS_PROTOS);
			unsigned port = random_port(&d);

			assert_int_equal(ports_has(x, ports_proto_number(p), port), b.has[p][port]);
		}
		assert_int_equal(ports_has(x, (enum proto)1, 0), b.others);
		if (ports_first(x, &proto, &first)) {
			assert_true(ports_has(x, proto, first));
		}
	}
}

static void text_and_set_are_a_round_trip(void **state)
{
	(void)state;
	static struct bitmap b;
	struct dice d;

	dice_seed(&d, 4);
	for (int i = 0; i < PAIRS; i++) {
		scoped_arena struct arena a = { 0 };
		scoped_strbuf struct strbuf text = { 0 };
		struct ports x = random_set(&a, &d, &b), y;
		struct err err;

		ports_format(&text, x);
		if (ports_parse(&a, strbuf_slice(&text), &y, &err) < 0) {
			fail_msg("'%s': %s", strbuf_str(&text), err.msg);
		}
		if (!ports_eq(x, y)) {
			fail_msg("'%s' reads as another set", strbuf_str(&text));
		}
	}
}

static void expect_text(const char *given, const char *wanted)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct ports x;
	struct err err;

	if (ports_parse(&a, slice_of(given), &x, &err) < 0) {
		fail_msg("'%s': %s", given, err.msg);
	}
	ports_format(&text, x);
	assert_string_equal(strbuf_str(&text), wanted);
}

static void text_is_short_and_in_order(void **state)
{
	(void)state;
	expect_text("443, 80,8000-8010 , 81; udp 53", "TCP 80-81,443,8000-8010; UDP 53");
	expect_text("TCP", "TCP");
	expect_text("tcp 1-65535; UDP; sctp; others", "all");
	expect_text("all but TCP 22", "all but TCP 22");
	expect_text("All But others", "TCP; UDP; SCTP");
	expect_text("others", "others");
	expect_text("none", "none");
	expect_text("SCTP 9; TCP 7", "TCP 7; SCTP 9");
}

static void wrong_text_is_refused_with_what_is_wrong(void **state)
{
	(void)state;
	static const char *const wrong[] = { "",        "TCP 0",      "TCP 65536", "80-79",
		                             "x",       "TCP 80,,81", "TCP 80;",   "TCP UDP 80",
		                             "all but", "80 443",     "-80",       "80-" };
	scoped_arena struct arena a = { 0 };
	struct ports x;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct err err = { 0 };

		if (ports_parse(&a, slice_of(wrong[i]), &x, &err) != -ERR_SYNTAX) {
			fail_msg("'%s' was accepted", wrong[i]);
		}
		assert_true(err.msg[0] != '\0');
	}
}

static void a_pool_gives_equal_sets_one_number(void **state)
{
	(void)state;
	static struct bitmap b;
	struct ports_pool *pool = ports_pool_new();
	scoped_arena struct arena a = { 0 };
	struct dice d;
	enum { SETS = 60 };
	ports_id ids[SETS];

	dice_seed(&d, 5);
	for (int i = 0; i < SETS; i++) {
		ids[i] = ports_pool_id(pool, random_set(&a, &d, &b));
	}
	for (int i = 0; i < SETS; i++) {
		for (int k = 0; k < SETS; k++) {
			struct ports x = ports_pool_get(pool, ids[i]),
				     y = ports_pool_get(pool, ids[k]);

			assert_int_equal(ids[i] == ids[k], ports_eq(x, y));
			for (int again = 0; again < 2; again++) {
				assert_int_equal(ports_pool_union(pool, ids[i], ids[k]),
				                 ports_pool_id(pool, ports_union(&a, x, y)));
				assert_int_equal(ports_pool_intersect(pool, ids[i], ids[k]),
				                 ports_pool_id(pool, ports_intersect(&a, x, y)));
				assert_int_equal(ports_pool_minus(pool, ids[i], ids[k]),
				                 ports_pool_id(pool, ports_minus(&a, x, y)));
			}
		}
	}
	ports_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_agree_with_bitmaps),
		cmocka_unit_test(equal_sets_look_alike_however_they_were_made),
		cmocka_unit_test(a_set_holds_what_its_bitmap_holds),
		cmocka_unit_test(text_and_set_are_a_round_trip),
		cmocka_unit_test(text_is_short_and_in_order),
		cmocka_unit_test(wrong_text_is_refused_with_what_is_wrong),
		cmocka_unit_test(a_pool_gives_equal_sets_one_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
