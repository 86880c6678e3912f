#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/json.h"
#include "codec/value.h"

static struct val *parse(struct arena *a, const char *text)
{
	struct val *v = NULL;

	assert_int_equal(json_parse(a, slice_of(text), 0, &v, NULL), 0);
	return v;
}

static void assert_text(const struct val *v, const char *expected)
{
	scoped_strbuf struct strbuf out = { 0 };

	json_write(&out, v);
	assert_string_equal(strbuf_str(&out), expected);
}

static void readers_accept_what_is_absent(void **state)
{
	(void)state;
	assert_null(val_get(val_get(NULL, "spec"), "nodeName"));
	assert_string_equal(val_cstr(NULL), "");
	assert_int_equal(val_int(NULL, 5), 5);
	assert_true(val_bool(NULL, true));
	assert_true(val_is_null(NULL));
	assert_int_equal(val_len(NULL), 0);
	assert_null(val_first(NULL));
	assert_null(val_at(NULL, 0));
	assert_null(val_copy(NULL, NULL));
	val_for_each (NULL, it) {
		fail();
	}
}

static void paths_walk_members(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *v = parse(&a, "{\"spec\":{\"template\":{\"x\":\"y\"}}}");

	(void)state;
	assert_string_equal(val_cstr(val_path(v, "spec.template.x")), "y");
	assert_null(val_path(v, "spec.templates.x"));
	assert_null(val_path(v, "spec.template.x.z"));
}

static void members_are_set_in_place(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *v = parse(&a, "{\"a\":1,\"b\":2,\"c\":3}");

	(void)state;
	val_set_cstr(&a, v, "b", "two");
	val_set_int(&a, v, "c", 4);
	val_set_bool(&a, v, "d", true);
	val_append(val_need_array(&a, v, "e"), val_new_null(&a));
	val_set_cstr(&a, val_need_object(&a, v, "a"), "was", "int");
	assert_text(v, "{\"a\":{\"was\":\"int\"},\"b\":\"two\",\"c\":4,\"d\":true,\"e\":[null]}");
	assert_int_equal(val_len(v), 5);
}

static void children_can_be_taken_out(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *v = parse(&a, "{\"a\":1,\"b\":2,\"c\":3}");

	(void)state;
	assert_true(val_remove(v, "c"));
	assert_false(val_remove(v, "c"));
	val_set_int(&a, v, "d", 4); /* the end is still known */
	assert_true(val_remove(v, "a"));
	assert_text(v, "{\"b\":2,\"d\":4}");
	assert_true(val_unlink(v, val_get(v, "b")));
	assert_true(val_remove(v, "d"));
	assert_text(v, "{}");
	val_set_int(&a, v, "e", 5);
	assert_text(v, "{\"e\":5}");
}

static void equality_ignores_order_of_members_only(void **state)
{
	scoped_arena struct arena a = { 0 };

	(void)state;
	assert_true(
		val_eq(parse(&a, "{\"a\":1,\"b\":[1,2]}"), parse(&a, "{\"b\":[1.0,2],\"a\":1}")));
	assert_false(
		val_eq(parse(&a, "{\"a\":1,\"b\":[1,2]}"), parse(&a, "{\"b\":[2,1],\"a\":1}")));
	assert_false(val_eq(parse(&a, "{\"a\":1}"), parse(&a, "{\"a\":1,\"b\":null}")));
	assert_false(val_eq(parse(&a, "{\"a\":1,\"b\":1}"), parse(&a, "{\"a\":1,\"c\":1}")));
	assert_false(val_eq(parse(&a, "\"1\""), parse(&a, "1")));
	assert_true(val_eq(NULL, parse(&a, "null")));
	assert_false(val_eq(parse(&a, "false"), parse(&a, "null")));
}

static void copies_are_deep(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *v = parse(&a, "{\"a\":{\"b\":[1,2.5,true,null,\"x\"]}}");
	scoped_doc struct doc *d = doc_copy_of(v);

	(void)state;
	val_remove(v, "a");
	assert_text(v, "{}");
	assert_text(d->root, "{\"a\":{\"b\":[1,2.5,true,null,\"x\"]}}");
}

static void only_strings_and_numbers_have_a_text(void **state)
{
	scoped_arena struct arena a = { 0 };
	const struct val *v = parse(&a, "[\"x\", 1.50, -7, true, null, [1, 2], {\"a\": 1}]");
	static const char *const texts[] = { "x", "1.50", "-7", "", "", "", "" };

	(void)state;
	for (size_t i = 0; i < val_len(v); i++) {
		assert_true(slice_is(val_text(val_at(v, i)), texts[i]));
	}
	assert_true(slice_is(val_text(NULL), ""));
}

static void documents_live_as_long_as_a_share(void **state)
{
	struct doc *d = doc_new(), *again;

	(void)state;
	d->root = val_new_strf(&d->arena, "%d-%s", 7, "x");
	again = doc_ref(d);
	assert_null(doc_unref(d));
	assert_string_equal(val_cstr(again->root), "7-x");
	assert_null(doc_unref(again));
	assert_null(doc_unref(NULL));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_accept_what_is_absent),
		cmocka_unit_test(paths_walk_members),
		cmocka_unit_test(members_are_set_in_place),
		cmocka_unit_test(children_can_be_taken_out),
		cmocka_unit_test(equality_ignores_order_of_members_only),
		cmocka_unit_test(copies_are_deep),
		cmocka_unit_test(only_strings_and_numbers_have_a_text),
		cmocka_unit_test(documents_live_as_long_as_a_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
