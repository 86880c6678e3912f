/* Why: an answer out of memory must be the one that would have been made, for the very question that was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/memo.h"
#include "packet.h"

#define NAME "Web.shop.svc.cluster.local."

/* Keeps an answer of n records made up for the question. */
static void keep(struct memo *m, const struct ask *q, uint16_t rotate, uint16_t n, uint8_t mark)
{
	uint8_t bytes[512];
	size_t size = packet_of(q, bytes, sizeof(bytes));
	struct memo_key k;

	memo_key_make(&k, bytes, size);
	knot_wire_set_qr(bytes);
	knot_wire_set_ancount(bytes, n);
	bytes[size++] = mark;
	memo_put(m, &k, rotate, bytes, size);
}

/* The mark of the answer that is found; 0: none is. */
static uint8_t mark_of(struct memo *m, const struct ask *q, uint16_t rotate)
{
	uint8_t bytes[512], found[MEMO_ANSWER];
	size_t size = packet_of(q, bytes, sizeof(bytes));
	struct memo_key k;
	size_t n;

	memo_key_make(&k, bytes, size);
	n = memo_find(m, &k, bytes, rotate, found);
	if (!n) {
		return 0;
	}
	assert_int_equal(n, size + 1);
	assert_int_equal(knot_wire_get_id(found), knot_wire_get_id(bytes));
	/* the question comes back letter by letter */
	assert_memory_equal(found + KNOT_WIRE_HEADER_SIZE, bytes + KNOT_WIRE_HEADER_SIZE,
	                    size - KNOT_WIRE_HEADER_SIZE);
	return found[n - 1];
}

static void an_answer_is_found_for_the_same_question_only(void **state)
{
	(void)state;
	struct memo *m = memo_new();

	keep(m, &(struct ask){ .name = NAME, .type = 1 }, 0, 1, 'a');
	assert_int_equal(mark_of(m, &(struct ask){ .name = NAME, .type = 1 }, 0), 'a');
	assert_int_equal(
		mark_of(m,
	                &(struct ask){ .name = "wEB.SHOP.svc.Cluster.local.", .type = 1, .id = 7 },
	                5),
		'a');
	assert_int_equal(mark_of(m, &(struct ask){ .name = NAME, .type = 28 }, 0), 0);
	assert_int_equal(mark_of(m, &(struct ask){ .name = NAME, .type = 1, .edns = 1232 }, 0), 0);
	assert_int_equal(mark_of(m, &(struct ask){ .name = NAME, .type = 1, .qclass = 3 }, 0), 0);
	assert_int_equal(mark_of(m, &(struct ask){ .name = "web.shop.", .type = 1 }, 0), 0);
	keep(m, &(struct ask){ .name = NAME, .type = 1, .edns = 1232 }, 0, 1, 'e');
	assert_int_equal(mark_of(m, &(struct ask){ .name = NAME, .type = 1, .edns = 1232 }, 0),
	                 'e');
	assert_int_equal(mark_of(m, &(struct ask){ .name = NAME, .type = 1, .edns = 512 }, 0), 0);
	assert_int_equal(mark_of(m, &(struct ask){ .name = NAME, .type = 1 }, 0), 'a');
	memo_forget(m);
	assert_int_equal(mark_of(m, &(struct ask){ .name = NAME, .type = 1 }, 0), 0);
	keep(m, &(struct ask){ .name = NAME, .type = 1 }, 0, 1, 'b');
	assert_int_equal(mark_of(m, &(struct ask){ .name = NAME, .type = 1 }, 0), 'b');
	memo_free(m);
}

static void each_rotation_is_an_answer_of_its_own(void **state)
{
	(void)state;
	struct memo *m = memo_new();
	const struct ask q = { .name = NAME, .type = 1 }, many = { .name = "many.", .type = 1 };

	keep(m, &q, 0, 3, 'a');
	assert_int_equal(mark_of(m, &q, 0), 'a');
	assert_int_equal(mark_of(m, &q, 1), 0);
	keep(m, &q, 1, 3, 'b');
	keep(m, &q, 5, 3, 'c');
	assert_int_equal(mark_of(m, &q, 3), 'a');
	assert_int_equal(mark_of(m, &q, 1), 'b');
	assert_int_equal(mark_of(m, &q, 2), 'c');
	/* too many to keep them all: each is made */
	keep(m, &many, 0, 100, 'x');
	assert_int_equal(mark_of(m, &many, 0), 0);
	memo_free(m);
}

static void what_is_more_than_a_plain_question_is_not_kept(void **state)
{
	(void)state;
	uint8_t bytes[512];
	size_t size;
	struct memo_key k;

	size = packet_of(&(struct ask){ .name = NAME, .type = 1, .edns = 1232 }, bytes,
	                 sizeof(bytes));
	memo_key_make(&k, bytes, size);
	assert_true(k.size > 0);
	memo_key_make(&k, bytes, size - 1);
	assert_int_equal(k.size, 0);
	memo_key_make(&k, bytes, size + 1);
	assert_int_equal(k.size, 0);
	bytes[size - 1] = 4; /* an option follows */
	memo_key_make(&k, bytes, size);
	assert_int_equal(k.size, 0);
	size = packet_of(&(struct ask){ .name = NAME, .type = 1, .opcode = 5 }, bytes,
	                 sizeof(bytes));
	memo_key_make(&k, bytes, size);
	assert_int_equal(k.size, 0);
	size = packet_of(&(struct ask){ .name = NAME, .type = 1 }, bytes, sizeof(bytes));
	for (size_t i = 4; i < 12; i++) { /* other counts than one question */
		bytes[i] ^= 2;
		memo_key_make(&k, bytes, size);
		assert_int_equal(k.size, 0);
		bytes[i] ^= 2;
	}
	bytes[12] = 0xc0; /* a pointer where the name begins */
	memo_key_make(&k, bytes, size);
	assert_int_equal(k.size, 0);
	memo_key_make(&k, bytes, 3);
	assert_int_equal(k.size, 0);
}

static void memory_is_bounded(void **state)
{
	(void)state;
	struct memo *m = memo_new();
	uint8_t answer[MEMO_ANSWER] = { 0 };
	size_t found = 0;

	for (unsigned i = 0; i < 100000; i++) {
		struct ask q = { .name = NAME,
			         .type = (uint16_t)(i % 65000 + 1),
			         .edns = (uint16_t)(512 + i / 65000) };
		uint8_t bytes[512];
		struct memo_key k;

		memo_key_make(&k, bytes, packet_of(&q, bytes, sizeof(bytes)));
		memcpy(answer, bytes, 64);
		memo_put(m, &k, 0, answer, sizeof(answer));
		found += memo_find(m, &k, bytes, 0, answer) > 0;
	}
	assert_int_equal(found, 100000); /* the newest is always there */
	memo_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_found_for_the_same_question_only),
		cmocka_unit_test(each_rotation_is_an_answer_of_its_own),
		cmocka_unit_test(what_is_more_than_a_plain_question_is_not_kept),
		cmocka_unit_test(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
