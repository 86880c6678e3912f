/* Why: slots decide how many elements a change of endpoints costs, and whether a connection can
 * miss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/slots.h"

#include <stdlib.h>
#include <string.h>

static struct slot slot(uint32_t n)
{
	return (struct slot){ ip_v4(0x0af40000 + n), 80 };
}

/* Slots and wishes as strings of letters; returns the result as one. */
static const char *merged(const char *had, const char *wanted, size_t *ret_kept)
{
	static char text[64];
	struct slot slots[64], wish[64];
	size_t n = strlen(had), n_wish = strlen(wanted);

	for (size_t i = 0; i < n; i++) {
		slots[i] = slot((uint8_t)had[i]);
	}
	for (size_t i = 0; i < n_wish; i++) {
		wish[i] = slot((uint8_t)wanted[i]);
	}
	n_wish = slots_sort(wish, n_wish);
	n = slots_merge(slots, n, wish, n_wish, ret_kept);
	for (size_t i = 0; i < n; i++) {
		text[i] = (char)slots[i].ip.bytes[3];
	}
	text[n] = '\0';
	return text;
}

static void who_stays_keeps_its_number(void **state)
{
	size_t kept;

	(void)state;
	assert_string_equal(merged("abc", "cba", &kept), "abc");
	assert_int_equal(kept, 3);
	assert_string_equal(merged("", "ba", &kept), "ab");
	assert_int_equal(kept, 0);
	assert_string_equal(merged("ab", "abc", &kept), "abc");
	assert_string_equal(merged("abc", "", &kept), "");
}

static void a_hole_is_filled_by_a_new_one_else_from_the_end(void **state)
{
	size_t kept;

	(void)state;
	assert_string_equal(merged("abc", "adc", &kept), "adc");
	assert_int_equal(kept, 2);
	assert_string_equal(merged("abcd", "bcd", &kept), "dbc");
	assert_string_equal(merged("abcd", "ac", &kept), "ac");
	assert_string_equal(merged("abcd", "d", &kept), "d");
	assert_string_equal(merged("abcd", "abc", &kept), "abc");
}

static void doubles_are_one(void **state)
{
	size_t kept;

	(void)state;
	assert_string_equal(merged("aab", "ab", &kept), "ab");
	assert_string_equal(merged("a", "aab", &kept), "ab");
}

static void random_changes_end_with_just_what_is_wanted(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 500; round++) {
		char had[27], wanted[27];
		size_t n_had = 0, n_wanted = 0, kept;
		const char *got;

		for (char c = 'a'; c <= 'z'; c++) {
			seed = seed * 1103515245 + 12345;
			if (seed >> 16 & 1) {
				had[n_had++] = c;
			}
			if (seed >> 17 & 1) {
				wanted[n_wanted++] = c;
			}
		}
		had[n_had] = wanted[n_wanted] = '\0';
		got = merged(had, wanted, &kept);
		assert_int_equal(strlen(got), n_wanted);
		for (size_t i = 0; i < n_wanted; i++) {
			assert_non_null(strchr(got, wanted[i]));
		}
		for (size_t i = 0; i < n_wanted && i < n_had; i++) {
			if (strchr(wanted, had[i])) {
				assert_int_equal(got[i], had[i]);
			}
		}
	}
}

static void keys_are_as_the_kernel_has_them(void **state)
{
	static const uint8_t v4[12] = { 10, 1, 0, 20, 6, 0, 0, 0, 0x1f, 0x90, 0, 0 },
			     v6[24] = { 0xfd, [15] = 0x14, [16] = 6, [20] = 0x1f, [21] = 0x90 };
	struct set_key k = entry_key(ip_v4(0x0a010014), 6, 8080);
	struct ip ip6 = { IP_V6, { 0xfd, [15] = 0x14 } };
	struct entry e;

	(void)state;
	assert_int_equal(k.size, sizeof(v4));
	assert_memory_equal(k.bytes, v4, sizeof(v4));
	k = entry_key(ip6, 6, 8080);
	assert_int_equal(k.size, sizeof(v6));
	assert_memory_equal(k.bytes, v6, sizeof(v6));
	e = entry_of_key(k.bytes, IP_V6);
	assert_true(ip_eq(e.ip, ip6));
	assert_int_equal(e.proto, 6);
	assert_int_equal(e.port, 8080);
}

static void a_slot_comes_back_from_its_value(void **state)
{
	struct slot v4 = slot(7), v6 = { { IP_V6, { 0xfd, [7] = 9, [15] = 2 } }, 5432 }, back;
	struct set_key value = slot_value(v4);

	(void)state;
	back = slot_of_value(value.bytes, IP_V4);
	assert_int_equal(slot_cmp(&v4, &back), 0);
	assert_int_equal(value.size, 8);
	value = slot_value(v6);
	back = slot_of_value(value.bytes, IP_V6);
	assert_int_equal(slot_cmp(&v6, &back), 0);
	assert_int_equal(value.size, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_stays_keeps_its_number),
		cmocka_unit_test(a_hole_is_filled_by_a_new_one_else_from_the_end),
		cmocka_unit_test(doubles_are_one),
		cmocka_unit_test(random_changes_end_with_just_what_is_wanted),
		cmocka_unit_test(keys_are_as_the_kernel_has_them),
		cmocka_unit_test(a_slot_comes_back_from_its_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
