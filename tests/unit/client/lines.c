/* Why: events must not depend on how their bytes were cut on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/limits.h"
#include "client/lines.h"

static int add(void *arg, struct slice line, struct err *err)
{
	(void)err;
	strbuf_addf(arg, "[" SLICE_FMT "]", SLICE_ARG(line));
	return slice_is(line, "stop") ? 7 : 0;
}

static void cuts_do_not_matter(void **state)
{
	static const char text[] = "one\ntwo\r\n\n\nthree\nfour";

	(void)state;
	for (size_t cut = 1; cut < sizeof(text); cut++) {
		struct lines l = { 0 };
		scoped_strbuf struct strbuf out = { 0 };

		for (size_t at = 0; at < sizeof(text) - 1; at += cut) {
			size_t n = sizeof(text) - 1 - at < cut ? sizeof(text) - 1 - at : cut;

			assert_int_equal(
				lines_feed(&l, (struct slice){ text + at, n }, add, &out, NULL), 0);
		}
		assert_string_equal(strbuf_str(&out), "[one][two][three]");
		lines_fini(&l);
	}
}

static void an_outcome_ends_it(void **state)
{
	struct lines l = { 0 };
	scoped_strbuf struct strbuf out = { 0 };

	(void)state;
	assert_int_equal(lines_feed(&l, SLICE("a\nstop\nb\n"), add, &out, NULL), 7);
	assert_string_equal(strbuf_str(&out), "[a][stop]");
	lines_fini(&l);
}

static void a_line_without_end_is_refused(void **state)
{
	struct lines l = { 0 };
	static char block[1 << 20];
	struct err err = { 0 };
	int r = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	for (size_t i = 0; i < (LINE_MAX_BYTES >> 20) + 1 && r == 0; i++) {
		r = lines_feed(&l, (struct slice){ block, sizeof(block) }, add, NULL, &err);
	}
	assert_int_equal(r, -ERR_LIMIT);
	lines_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_do_not_matter),
		cmocka_unit_test(an_outcome_ends_it),
		cmocka_unit_test(a_line_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
