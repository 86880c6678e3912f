#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/dns-question.h"

static const char reply[] = "\x12\x34\x81\x80\0\1\0\2\0\0\0\0"
			    "\1a\2bc\0\0\1\0\1"
			    "\xc0\x0c\0\5\0\1\0\0\0\5\0\2\xc0\x0e"
			    "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x0a\1\0\7";

static void a_question_is_written_as_the_standard_has_it(void **state)
{
	static const char want[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\2bc\0\0\1\0\1";
	scoped_strbuf struct strbuf b = { 0 };

	(void)state;
	assert_true(dns_question_write(&b, SLICE("a.bc"), 0x1234));
	assert_int_equal(b.size, sizeof(want) - 1);
	assert_memory_equal(b.p, want, b.size);
	assert_false(dns_question_write(&b, SLICE(""), 1));
	assert_false(dns_question_write(&b, SLICE("a..b"), 1));
	assert_false(dns_question_write(
		&b, SLICE("0123456789012345678901234567890123456789012345678901234567890123.a"),
		1));
}

static void an_address_behind_an_alias_is_found(void **state)
{
	struct dns_reply r;
	char text[IP_TEXT_SIZE];

	(void)state;
	assert_true(dns_reply_read((struct slice){ reply, sizeof(reply) - 1 }, 0x1234, &r));
	assert_int_equal(r.rcode, 0);
	assert_int_equal(r.n, 1);
	assert_string_equal(ip_format(r.ip, text), "10.1.0.7");
}

static void what_is_cut_or_meant_for_others_is_no_answer(void **state)
{
	struct dns_reply r;

	(void)state;
	for (size_t n = 0; n < sizeof(reply) - 1; n++) {
		assert_false(dns_reply_read((struct slice){ reply, n }, 0x1234, &r));
	}
	assert_false(dns_reply_read((struct slice){ reply, sizeof(reply) - 1 }, 0x1235, &r));
	/* our own question, sent back */
	assert_false(dns_reply_read(SLICE("\x12\x34\1\0\0\0\0\0\0\0\0\0"), 0x1234, &r));
	assert_true(dns_reply_read(SLICE("\x12\x34\x81\x83\0\0\0\0\0\0\0\0"), 0x1234, &r));
	assert_int_equal(r.rcode, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_written_as_the_standard_has_it),
		cmocka_unit_test(an_address_behind_an_alias_is_found),
		cmocka_unit_test(what_is_cut_or_meant_for_others_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
