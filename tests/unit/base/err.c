#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void context_is_put_in_front(void **state)
{
	struct err err;
	int r;

	(void)state;
	errno = ENOENT;
	r = err_sys(&err, "open %s", "/x");
	r = err_while(&err, r, "prepare sandbox %s", "web-0");
	assert_int_equal(r, -ERR_NOTFOUND);
	assert_string_equal(err.msg, "prepare sandbox web-0: open /x: No such file or directory");
}

static void a_long_sentence_is_cut_not_overrun(void **state)
{
	struct err err;
	char text[1000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	(void)err_raise(&err, ERR_INVALID, "%s", text);
	(void)err_while(&err, -ERR_INVALID, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(context_is_put_in_front),
		cmocka_unit_test(a_long_sentence_is_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
