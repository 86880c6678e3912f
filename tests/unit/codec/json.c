#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/json.h"

static const char *reason(const char *text, unsigned flags)
{
	static struct err err;
	scoped_arena struct arena a = { 0 };
	struct val *v;

	err.msg[0] = 0;
	assert_int_not_equal(json_parse(&a, slice_of(text), flags, &v, &err), 0);
	return err.msg;
}

static void assert_round(const char *text, const char *expected)
{
	scoped_strbuf struct strbuf out = { 0 };
	scoped_doc struct doc *d = NULL;
	struct err err;

	if (json_parse_doc(slice_of(text), 0, &d, &err) < 0) {
		fail_msg("%s: %s", text, err.msg);
	}
	json_write(&out, d->root);
	assert_string_equal(strbuf_str(&out), expected);
}

static void values_are_written_as_they_were_read(void **state)
{
	(void)state;
	assert_round(" { \"b\" : [ 1 , 2.50, -3e+2, true,false,null ] , \"a\":{ } } ",
	             "{\"b\":[1,2.50,-3e+2,true,false,null],\"a\":{}}");
	assert_round("\"<&>\\/\\b\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\\"\"",
	             "\"<&>/\\u0008A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\\"\"");
	assert_round("\"\\ud800x\"", "\"\xef\xbf\xbdx\"");
	assert_round("[-9223372036854775808, 9223372036854775808, -0]",
	             "[-9223372036854775808,9223372036854775808,0]");
	assert_round("\"a long text of plain letters \xc3\xa9 and \\t more after it, and more\"",
	             "\"a long text of plain letters \xc3\xa9 and \\t more after it, and more\"");
}

static void numbers_know_their_type(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *v;

	(void)state;
	assert_int_equal(
		json_parse(&a, SLICE("[1, 1.0, 1e2, 9223372036854775807, 1e300]"), 0, &v, NULL), 0);
	assert_int_equal(val_at(v, 0)->type, VAL_INT);
	assert_int_equal(val_at(v, 1)->type, VAL_FLOAT);
	assert_int_equal(val_int(val_at(v, 2), 0), 100);
	assert_true(val_int(val_at(v, 3), 0) == INT64_MAX);
	assert_int_equal(val_int(val_at(v, 4), 7), 7);
	assert_true(val_eq(val_at(v, 0), val_at(v, 1)));
}

static void made_floats_are_short(void **state)
{
	static const struct {
		double d;
		const char *text;
	} cases[] = {
		{ 0.1, "0.1" },
		{ 1, "1" },
		{ 1e20, "100000000000000000000" },
		{ 1e21, "1e+21" },
		{ 1.5e-7, "1.5e-7" },
		{ 1e-6, "0.000001" },
		{ -2.25, "-2.25" },
		{ 123456.789, "123456.789" },
		{ 0, "0" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ 1000, "1000" },
		{ 999999999999999.9, "999999999999999.9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scoped_arena struct arena a = { 0 };
		scoped_strbuf struct strbuf out = { 0 };

		json_write(&out, val_new_float(&a, cases[i].d));
		assert_string_equal(strbuf_str(&out), cases[i].text);
	}
}

static void failures_name_their_place(void **state)
{
	(void)state;
	assert_string_equal(reason("{\n  \"a\": 1\n  \"b\": 2}", 0),
	                    "line 3, column 3: expected ',' or '}', found '\"'");
	assert_string_equal(reason("[1,]", 0), "line 1, column 4: expected a value, found ']'");
	assert_string_equal(
		reason("{\"a\":1,}", 0),
		"line 1, column 8: expected a string in double quotes as a name, found '}'");
	assert_string_equal(reason("[\"\xc3\xa9\xc3\xa9\", x]", 0),
	                    "line 1, column 8: expected a value, found 'x'");
	assert_string_equal(reason("", 0),
	                    "line 1, column 1: unexpected end of text, expected a value");
	assert_string_equal(reason("[1", 0),
	                    "line 1, column 3: unexpected end of text, expected ',' or ']'");
	assert_string_equal(reason("\"abc", 0),
	                    "line 1, column 5: unexpected end of text in a string");
	assert_string_equal(reason("1 2", 0),
	                    "line 1, column 3: expected the end of the text, found '2'");
	assert_string_equal(reason("{\"a\":1,\"b\":2,\"a\":3}", JSON_STRICT),
	                    "line 1, column 14: duplicate key \"a\"");
}

static void what_is_not_json_is_refused(void **state)
{
	static const char *const bad[] = {
		"01",
		"-",
		"1.",
		".5",
		"+1",
		"1e",
		"0x10",
		"NaN",
		"nul",
		"truex",
		"'a'",
		"[1 2]",
		"{1:2}",
		"{\"a\" 1}",
		"\"\\x\"",
		"\"\\u12g4\"",
		"\"a\nb\"",
		"\"\x01\"",
		"\"\xff\"",
		"\"\xc0\x80\"",
		"\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"",
		"\"\xe2\x82\"",
		"]",
		"1e400",
		"\xef\xbb\xbf{}",
		"/**/1",
		"[}",
		"{]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		scoped_arena struct arena a = { 0 };
		struct val *v = NULL;

		if (json_parse(&a, slice_of(bad[i]), 0, &v, NULL) != -ERR_SYNTAX) {
			fail_msg("accepted: %s", bad[i]);
		}
		assert_null(v);
	}
	{
		scoped_arena struct arena a = { 0 };
		struct val *v = NULL;

		assert_int_equal(json_parse(&a, SLICE("[1\0]"), 0, &v, NULL), -ERR_SYNTAX);
	}
}

static void the_last_of_duplicates_stays(void **state)
{
	scoped_strbuf struct strbuf text = { 0 };
	scoped_doc struct doc *d = NULL;

	(void)state;
	assert_round("{\"a\":1,\"b\":2,\"a\":3,\"a\":4}", "{\"b\":2,\"a\":4}");
	/* many members take another way */
	strbuf_addc(&text, '{');
	for (int i = 0; i < 1000; i++) {
		strbuf_addf(&text, "\"k%d\":%d,", i % 500, i);
	}
	strbuf_adds(&text, "\"last\":0}");
	assert_int_equal(json_parse_doc(strbuf_slice(&text), 0, &d, NULL), 0);
	assert_int_equal(val_len(d->root), 501);
	assert_int_equal(val_int(val_get(d->root, "k7"), 0), 507);
	assert_int_equal(val_get(d->root, "k7")->flags, 0);
	assert_int_equal(json_parse(&d->arena, strbuf_slice(&text), JSON_STRICT, &d->root, NULL),
	                 -ERR_SYNTAX);
}

static void depth_and_size_have_limits(void **state)
{
	scoped_strbuf struct strbuf deep = { 0 };
	scoped_arena struct arena small = { .max = 4096 };
	scoped_arena struct arena a = { 0 };
	struct val *v;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		strbuf_addc(&deep, '[');
	}
	for (int i = 0; i < 1000; i++) {
		strbuf_addc(&deep, ']');
	}
	assert_int_equal(json_parse(&a, strbuf_slice(&deep), 0, &v, NULL), 0);
	assert_int_equal(json_parse(&small, strbuf_slice(&deep), 0, &v, NULL), -ERR_LIMIT);
	strbuf_reset(&deep);
	for (int i = 0; i < 1001; i++) {
		strbuf_addc(&deep, '[');
	}
	assert_int_equal(json_parse(&a, strbuf_slice(&deep), 0, &v, NULL), -ERR_LIMIT);
}

static void nodes_know_line_and_column(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *v;

	(void)state;
	assert_int_equal(
		json_parse(&a, SLICE("{\n \"a\": {\"\xc3\xa9\": 1, \"b\":\n 2},\n\"c\": [ 5]}"), 0,
	                   &v, NULL),
		0);
	assert_int_equal(val_get(v, "a")->line, 2);
	assert_int_equal(val_get(v, "a")->col, 2);
	assert_int_equal(val_path(v, "a.b")->line, 2);
	assert_int_equal(val_path(v, "a.b")->col, 16);
	assert_int_equal(val_at(val_get(v, "c"), 0)->line, 4);
	assert_int_equal(val_at(val_get(v, "c"), 0)->col, 8);
}

static void pretty_text_has_two_spaces(void **state)
{
	scoped_strbuf struct strbuf out = { 0 };
	scoped_doc struct doc *d = NULL;

	(void)state;
	assert_int_equal(json_parse_doc(SLICE("{\"a\":[1,{}],\"b\":{\"c\":null}}"), 0, &d, NULL),
	                 0);
	json_write_pretty(&out, d->root);
	assert_string_equal(strbuf_str(&out), "{\n  \"a\": [\n    1,\n    {}\n  ],\n"
	                                      "  \"b\": {\n    \"c\": null\n  }\n}");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_written_as_they_were_read),
		cmocka_unit_test(numbers_know_their_type),
		cmocka_unit_test(made_floats_are_short),
		cmocka_unit_test(failures_name_their_place),
		cmocka_unit_test(what_is_not_json_is_refused),
		cmocka_unit_test(the_last_of_duplicates_stays),
		cmocka_unit_test(depth_and_size_have_limits),
		cmocka_unit_test(nodes_know_line_and_column),
		cmocka_unit_test(pretty_text_has_two_spaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
