#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"
#include "schema/object.h"

#include "shapes.h"

static struct val *parse(struct arena *a, const char *text)
{
	struct val *v = NULL;

	assert_int_equal(json_parse(a, slice_of(text), 0, &v, NULL), 0);
	return v;
}

typedef int patch_fn(struct arena *a, const struct val *object, const struct val *patch,
                     struct val **ret, struct err *err);

static void check(patch_fn *fn, const char *object, const char *patch, const char *want)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf got = { 0 };
	const struct val *before = parse(&a, object);
	struct val *v = NULL;
	struct err err = { 0 };

	if (fn(&a, before, parse(&a, patch), &v, &err) < 0) {
		fail_msg("%s with %s: %s", object, patch, err.msg);
	}
	json_write(&got, v);
	if (strcmp(strbuf_str(&got), want) != 0) {
		fail_msg("%s with %s: expected %s, found %s", object, patch, want,
		         strbuf_str(&got));
	}
	assert_true(val_eq(before, parse(&a, object)));
}

static void check_fails(patch_fn *fn, const char *object, const char *patch, int code,
                        const char *want)
{
	scoped_arena struct arena a = { 0 };
	struct val *v = NULL;
	struct err err = { 0 };
	int r = fn(&a, parse(&a, object), parse(&a, patch), &v, &err);

	if (r != -code || !strstr(err.msg, want)) {
		fail_msg("%s with %s: expected %d '%s', found %d '%s'", object, patch, -code, want,
		         r, err.msg);
	}
}

static void json_operations_do_as_rfc_6902_shows(void **state)
{
	(void)state;
	static const char *const cases[][3] = {
		{ "{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
		  "{\"foo\":\"bar\",\"baz\":\"qux\"}" },
		{ "{\"foo\":[\"bar\",\"baz\"]}",
		  "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
		  "{\"foo\":[\"bar\",\"qux\",\"baz\"]}" },
		{ "{\"foo\":[1]}",
		  "[{\"op\":\"add\",\"path\":\"/foo/0\",\"value\":0},"
		  "{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":2}]",
		  "{\"foo\":[0,1,2]}" },
		{ "{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]",
		  "{\"foo\":\"bar\"}" },
		{ "{\"foo\":[1,2,3]}", "[{\"op\":\"remove\",\"path\":\"/foo/2\"}]",
		  "{\"foo\":[1,2]}" },
		{ "{\"a\":1,\"b\":2}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[3]}]",
		  "{\"a\":[3],\"b\":2}" },
		{ "{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
		  "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
		  "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}" },
		{ "{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
		  "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
		  "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}" },
		{ "{\"a\":{\"x\":1}}",
		  "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"},"
		  "{\"op\":\"replace\",\"path\":\"/b/x\",\"value\":2}]",
		  "{\"a\":{\"x\":1},\"b\":{\"x\":2}}" },
		{ "{\"/\":9,\"~1\":10}",
		  "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10},"
		  "{\"op\":\"replace\",\"path\":\"/~1\",\"value\":0}]",
		  "{\"/\":0,\"~1\":10}" },
		{ "{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"b\":2}}]",
		  "{\"b\":2}" },
		{ "{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/absent\",\"value\":null}]",
		  "{\"a\":1}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		check(patch_json, cases[i][0], cases[i][1], cases[i][2]);
	}
}

static void json_operations_that_cannot_apply_are_invalid(void **state)
{
	(void)state;
	check_fails(patch_json, "{}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]",
	            ERR_INVALID,
	            "add operation does not apply: doc is missing path: \"/a/b\": missing value");
	check_fails(patch_json, "{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", ERR_INVALID,
	            "remove operation does not apply");
	check_fails(patch_json, "{}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1}]",
	            ERR_INVALID, "replace operation does not apply");
	check_fails(patch_json, "{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]",
	            ERR_INVALID, "testing value /a failed: test failed");
	check_fails(patch_json, "{\"a\":[]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]",
	            ERR_INVALID, "invalid index referenced");
	check_fails(patch_json, "{}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}]",
	            ERR_INVALID, "move operation does not apply");
}

static void malformed_json_patches_are_bad_requests(void **state)
{
	(void)state;
	check_fails(patch_json, "{}", "{}", ERR_SYNTAX, "must be an array");
	check_fails(patch_json, "{}", "[1]", ERR_SYNTAX, "must be an object");
	check_fails(patch_json, "{}", "[{\"op\":\"jump\",\"path\":\"/a\"}]", ERR_SYNTAX,
	            "Unexpected kind: jump");
	check_fails(patch_json, "{}", "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", ERR_SYNTAX,
	            "JSON pointer");
	check_fails(patch_json, "{}", "[{\"op\":\"add\",\"path\":\"/a\"}]", ERR_SYNTAX,
	            "needs \"value\"");
}

static void copies_that_double_stop_at_the_limit(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct val *v;
	struct err err;

	strbuf_addc(&text, '[');
	for (int i = 0; i < 64; i++) {
		strbuf_addf(&text, "%s{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/x%d\"}",
		            i ? "," : "", i);
	}
	strbuf_addc(&text, ']');
	assert_int_equal(
		patch_json(&a, parse(&a, "{\"a\":{}}"), parse(&a, strbuf_str(&text)), &v, &err),
		-ERR_LIMIT);
}

static void depth_that_grows_by_operations_stops_at_the_limit(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	scoped_strbuf struct strbuf path = { 0 };
	struct val *v;
	struct err err;

	strbuf_addc(&text, '[');
	for (int i = 0; i < 1200; i++) {
		strbuf_adds(&path, "/a");
		strbuf_addf(&text, "%s{\"op\":\"add\",\"path\":\"%s\",\"value\":{}}", i ? "," : "",
		            strbuf_str(&path));
	}
	strbuf_addc(&text, ']');
	assert_int_equal(patch_json(&a, parse(&a, "{}"), parse(&a, strbuf_str(&text)), &v, &err),
	                 -ERR_LIMIT);
}

static void merging_does_as_rfc_7386_shows(void **state)
{
	(void)state;
	static const char *const cases[][3] = {
		{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
		{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
		{ "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
		  "{\"a\":{\"b\":\"d\"}}" },
		{ "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
		{ "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
		{ "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
		{ "{\"a\":[]}", "{\"a\":{\"b\":null}}", "{\"a\":{}}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		check(patch_merge, cases[i][0], cases[i][1], cases[i][2]);
	}
	check_fails(patch_merge, "{}", "[]", ERR_SYNTAX, "must be an object");
}

static int strategic(struct arena *a, const struct val *object, const struct val *patch,
                     struct val **ret, struct err *err)
{
	return patch_strategic(&thing, a, object, patch, ret, err);
}

#define CONTAINERS(list) "{\"spec\":{\"containers\":[" list "]}}"

static void strategic_merges_lists_by_their_key(void **state)
{
	(void)state;
	/* kubectl set image */
	check(strategic,
	      CONTAINERS("{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"1\"}"),
	      "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"a\"},{\"name\":\"b\"}],"
	      "\"containers\":[{\"image\":\"2\",\"name\":\"b\"}]}}",
	      CONTAINERS("{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"2\"}"));
	check(strategic, CONTAINERS("{\"name\":\"a\",\"args\":[\"x\",\"y\"]}"),
	      CONTAINERS("{\"name\":\"a\",\"args\":[\"z\"]},{\"name\":\"c\"}"),
	      CONTAINERS("{\"name\":\"a\",\"args\":[\"z\"]},{\"name\":\"c\"}"));
	/* what is new comes first, as kubectl's users know it */
	check(strategic, CONTAINERS("{\"name\":\"a\",\"env\":[{\"name\":\"X\",\"value\":\"1\"}]}"),
	      CONTAINERS("{\"name\":\"a\",\"env\":[{\"name\":\"Y\",\"value\":\"2\"}]}"),
	      CONTAINERS("{\"name\":\"a\",\"env\":[{\"name\":\"Y\",\"value\":\"2\"},{\"name\":"
	                 "\"X\",\"value\":\"1\"}]}"));
	check_fails(strategic, CONTAINERS("{\"name\":\"a\"}"), CONTAINERS("{\"image\":\"1\"}"),
	            ERR_INVALID, "does not contain declared merge key: name");
}

static void strategic_directives_delete_and_replace(void **state)
{
	(void)state;
	static const char *const ab = CONTAINERS("{\"name\":\"a\"},{\"name\":\"b\"}");

	check(strategic, ab, CONTAINERS("{\"name\":\"a\",\"$patch\":\"delete\"}"),
	      CONTAINERS("{\"name\":\"b\"}"));
	check(strategic, ab, CONTAINERS("{\"name\":\"c\"},{\"$patch\":\"replace\"}"),
	      CONTAINERS("{\"name\":\"c\"}"));
	check(strategic, "{\"spec\":{\"strategy\":{\"type\":\"R\",\"rolling\":{\"a\":\"1\"}}}}",
	      "{\"spec\":{\"strategy\":{\"$patch\":\"replace\",\"type\":\"Q\"}}}",
	      "{\"spec\":{\"strategy\":{\"type\":\"Q\"}}}");
	check(strategic, "{\"spec\":{\"strategy\":{\"type\":\"R\",\"rolling\":{\"a\":\"1\"}}}}",
	      "{\"spec\":{\"strategy\":{\"$retainKeys\":[\"type\"],\"type\":\"Q\"}}}",
	      "{\"spec\":{\"strategy\":{\"type\":\"Q\"}}}");
	check(strategic, "{\"spec\":{\"selector\":{\"a\":\"1\"}}}",
	      "{\"spec\":{\"selector\":{\"b\":\"2\"}}}", "{\"spec\":{\"selector\":{\"b\":\"2\"}}}");
	check(strategic, "{\"spec\":{\"replicas\":1}}", "{\"spec\":{\"replicas\":null,\"x\":null}}",
	      "{\"spec\":{}}");
	check_fails(strategic, "{\"spec\":{\"strategy\":{}}}",
	            "{\"spec\":{\"strategy\":{\"$patch\":\"jump\"}}}", ERR_SYNTAX,
	            "unknown patch type found: jump");
	check_fails(strategic, "{\"spec\":{\"strategy\":{}}}",
	            "{\"spec\":{\"strategy\":{\"$retainKeys\":[\"a\"],\"type\":\"Q\"}}}",
	            ERR_SYNTAX, "retainKeys");
}

static void strategic_keeps_sets_of_scalars(void **state)
{
	(void)state;
	check(strategic, "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
	      "{\"metadata\":{\"finalizers\":[\"b\",\"c\"]}}",
	      "{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}");
	check(strategic, "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
	      "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"a\"]}}",
	      "{\"metadata\":{\"finalizers\":[\"b\"]}}");
}

static void strategic_orders_what_was_asked_and_keeps_the_servers_own_in_place(void **state)
{
	(void)state;
	check(strategic, CONTAINERS("{\"name\":\"a\"},{\"name\":\"server\"},{\"name\":\"b\"}"),
	      "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"a\"},{\"name\":\"n\"},"
	      "{\"name\":\"b\"}],\"containers\":[{\"name\":\"n\"}]}}",
	      CONTAINERS(
		      "{\"name\":\"a\"},{\"name\":\"n\"},{\"name\":\"server\"},{\"name\":\"b\"}"));
	check(strategic, CONTAINERS("{\"name\":\"a\"},{\"name\":\"b\"}"),
	      "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}",
	      CONTAINERS("{\"name\":\"b\"},{\"name\":\"a\"}"));
}

static void strategic_adds_without_directives(void **state)
{
	(void)state;
	check(strategic, "{}",
	      "{\"spec\":{\"$setElementOrder/"
	      "containers\":[{\"name\":\"a\"}],\"containers\":[{\"name\":"
	      "\"a\",\"image\":null,\"$setElementOrder/env\":[{\"name\":\"X\"}],\"env\":[{\"name\":"
	      "\"X\"}]},{\"name\":\"z\",\"$patch\":\"delete\"}]}}",
	      CONTAINERS("{\"name\":\"a\",\"env\":[{\"name\":\"X\"}]}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_operations_do_as_rfc_6902_shows),
		cmocka_unit_test(json_operations_that_cannot_apply_are_invalid),
		cmocka_unit_test(malformed_json_patches_are_bad_requests),
		cmocka_unit_test(copies_that_double_stop_at_the_limit),
		cmocka_unit_test(depth_that_grows_by_operations_stops_at_the_limit),
		cmocka_unit_test(merging_does_as_rfc_7386_shows),
		cmocka_unit_test(strategic_merges_lists_by_their_key),
		cmocka_unit_test(strategic_directives_delete_and_replace),
		cmocka_unit_test(strategic_keeps_sets_of_scalars),
		cmocka_unit_test(
			strategic_orders_what_was_asked_and_keeps_the_servers_own_in_place),
		cmocka_unit_test(strategic_adds_without_directives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
