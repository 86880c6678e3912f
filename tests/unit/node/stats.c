#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "node/stats.h"

static void the_rate_is_known_a_second_after_the_first_sample(void **state)
{
	struct stats_sample s = { .rate = -1 };

	(void)state;
	assert_int_equal(stats_rate(&s, 5 * US_PER_S, 1000), -1);
	assert_int_equal(stats_rate(&s, 5 * US_PER_S + 999999, 500000), -1);
	assert_int_equal(stats_rate(&s, 7 * US_PER_S, 1000 + 1000000000), 500000000);
	/* too soon for a new one: the old one stands */
	assert_int_equal(stats_rate(&s, 7 * US_PER_S + 1, 1000 + 1000000000), 500000000);
	assert_int_equal(stats_rate(&s, 17 * US_PER_S, 1000 + 1000000000), 0);
}

static void a_counter_that_went_back_begins_anew(void **state)
{
	struct stats_sample s = { .rate = -1 };

	(void)state;
	(void)stats_rate(&s, US_PER_S, 1000);
	assert_int_equal(stats_rate(&s, 9 * US_PER_S, 10), -1);
	assert_int_equal(stats_rate(&s, 10 * US_PER_S, 20), 10);
}

static void interfaces_are_read(void **state)
{
	struct slice text = SLICE(
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
		"packets "
		"errs drop fifo colls carrier compressed\n"
		"    lo:     100       1    0    0    0     0          0         0      100       "
		"1 "
		"   0    0    0     0       0          0\n"
		"  eth0:1234567      10    3    0    0     0          0         0  7654321      20 "
		"   4    0    0     0       0          0\n");
	struct stats_traffic t;

	(void)state;
	assert_true(stats_next_interface(&text, &t) && slice_is(t.interface, "lo"));
	assert_true(stats_next_interface(&text, &t) && slice_is(t.interface, "eth0"));
	assert_int_equal(t.rx_bytes, 1234567);
	assert_int_equal(t.rx_errors, 3);
	assert_int_equal(t.tx_bytes, 7654321);
	assert_int_equal(t.tx_errors, 4);
	assert_false(stats_next_interface(&text, &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_is_known_a_second_after_the_first_sample),
		cmocka_unit_test(a_counter_that_went_back_begins_anew),
		cmocka_unit_test(interfaces_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
