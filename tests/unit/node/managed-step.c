#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "node/managed-step.h"

/* Steps until nothing changes; every move must be one of the drawing. */
static enum managed_state settle(enum managed_state s, const struct managed_facts *f)
{
	for (int i = 0; i < 20; i++) {
		enum managed_state next = managed_step(s, f);

		if (next == s) {
			return s;
		}
		assert_true(managed_can_move(s, next));
		s = next;
	}
	fail_msg("it goes round in circles at %s", managed_state_name(s));
	return s;
}

static void a_new_one_comes_up_step_by_step(void **state)
{
	struct managed_facts f = { .wanted = true };

	(void)state;
	assert_int_equal(settle(MANAGED_WAITING, &f), MANAGED_WAITING);
	f.acceptable = true;
	assert_int_equal(settle(MANAGED_WAITING, &f), MANAGED_CLAIMING);
	f.claimed = true;
	assert_int_equal(settle(MANAGED_CLAIMING, &f), MANAGED_PREPARING);
	f.prepared = true;
	assert_int_equal(managed_step(MANAGED_PREPARING, &f), MANAGED_STARTING);
	f.process = true;
	assert_int_equal(settle(MANAGED_STARTING, &f), MANAGED_STARTING);
	f.answers = true;
	assert_int_equal(settle(MANAGED_STARTING, &f), MANAGED_RUNNING);
}

static void one_that_dies_rests_and_is_started_again(void **state)
{
	struct managed_facts f = {
		.wanted = true, .acceptable = true, .claimed = true, .prepared = true
	};

	(void)state;
	assert_int_equal(settle(MANAGED_RUNNING, &f), MANAGED_RESTING);
	f.rested = true;
	f.prepared = false;
	assert_int_equal(settle(MANAGED_RESTING, &f), MANAGED_PREPARING);
	f.failed = true;
	f.rested = false;
	assert_int_equal(settle(MANAGED_PREPARING, &f), MANAGED_RESTING);
}

static void other_settings_mean_a_restart(void **state)
{
	struct managed_facts f = { .wanted = true,
		                   .acceptable = true,
		                   .claimed = true,
		                   .process = true,
		                   .answers = true,
		                   .stale = true };

	(void)state;
	assert_int_equal(settle(MANAGED_RUNNING, &f), MANAGED_STOPPING);
	f.process = f.answers = false;
	assert_int_equal(settle(MANAGED_STOPPING, &f), MANAGED_PREPARING);
}

static void a_wish_that_cannot_be_fulfilled_leaves_a_running_server_alone(void **state)
{
	struct managed_facts f = {
		.wanted = true, .claimed = true, .process = true, .answers = true
	};

	(void)state;
	assert_int_equal(settle(MANAGED_RUNNING, &f), MANAGED_RUNNING);
}

static void an_adopted_one_goes_on(void **state)
{
	struct managed_facts f = { .wanted = true,
		                   .acceptable = true,
		                   .claimed = true,
		                   .prepared = true,
		                   .process = true,
		                   .answers = true };

	(void)state;
	assert_int_equal(settle(MANAGED_PREPARING, &f), MANAGED_RUNNING);
	f.wanted = false;
	assert_int_equal(settle(MANAGED_PREPARING, &f), MANAGED_STOPPING);
}

/* Whatever the facts are: no move that is not in the drawing, no circle, and from every state it
 * gets to GONE once it is not wanted and the host does its part. */
static void every_state_leads_to_the_end(void **state)
{
	(void)state;
	for (int s = 0; s < MANAGED_STATE_COUNT; s++) {
		for (unsigned bits = 0; bits < 1u << 12; bits++) {
			struct managed_facts f = {
				.wanted = bits & 1,
				.acceptable = bits & 2,
				.claimed = bits & 4,
				.busy = bits & 8,
				.prepared = bits & 16,
				.failed = bits & 32,
				.process = bits & 64,
				.answers = bits & 128,
				.stale = bits & 256,
				.rested = bits & 512,
				.removed = bits & 1024,
				.released = bits & 2048,
			};
			enum managed_state next = managed_step((enum managed_state)s, &f);

			assert_true((int)next == s ||
			            managed_can_move((enum managed_state)s, next));
			f.wanted = f.busy = f.process = false;
			f.removed = f.released = true;
			assert_int_equal(settle((enum managed_state)s, &f), MANAGED_GONE);
		}
	}
}

static void nothing_is_removed_while_it_is_wanted(void **state)
{
	(void)state;
	for (int s = 0; s < MANAGED_REMOVING; s++) {
		for (unsigned bits = 0; bits < 1u << 11; bits++) {
			struct managed_facts f = {
				.wanted = true,
				.acceptable = bits & 2,
				.claimed = bits & 4,
				.busy = bits & 8,
				.prepared = bits & 16,
				.failed = bits & 32,
				.process = bits & 64,
				.answers = bits & 128,
				.stale = bits & 256,
				.rested = bits & 512,
				.removed = bits & 1024,
				.released = bits & 1,
			};

			assert_true(managed_step((enum managed_state)s, &f) < MANAGED_REMOVING);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_one_comes_up_step_by_step),
		cmocka_unit_test(one_that_dies_rests_and_is_started_again),
		cmocka_unit_test(other_settings_mean_a_restart),
		cmocka_unit_test(a_wish_that_cannot_be_fulfilled_leaves_a_running_server_alone),
		cmocka_unit_test(an_adopted_one_goes_on),
		cmocka_unit_test(every_state_leads_to_the_end),
		cmocka_unit_test(nothing_is_removed_while_it_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
