#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/options.h"
#include "base/mem.h"

static void reads_options(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct options o;

	(void)state;
	assert_int_equal(options_parse(&a,
	                               SLICE("limit=500&resourceVersion=7&labelSelector=a%3Db&"
	                                     "fieldSelector=metadata.name%3Dx&timeoutSeconds=30"),
	                               &o, NULL),
	                 0);
	assert_int_equal(o.limit, 500);
	assert_int_equal(o.revision, 7);
	assert_int_equal(o.timeout_s, 30);
	assert_true(slice_is(o.label_selector, "a=b"));
	assert_true(slice_is(o.field_selector, "metadata.name=x"));
	assert_int_equal(o.grace_s, -1);
	assert_false(o.watch);
	assert_int_equal(options_parse(&a,
	                               SLICE("watch=1&allowWatchBookmarks=true&dryRun=All&"
	                                     "fieldManager=me&fieldValidation=Strict&force=false"),
	                               &o, NULL),
	                 0);
	assert_true(o.watch && o.bookmarks && o.dry_run && o.has_force && !o.force);
	assert_int_equal(o.validation, VALIDATE_STRICT);
	assert_true(slice_is(o.manager, "me"));
}

static void refuses_what_is_wrong(void **state)
{
	static const struct {
		const char *query;
		int code;
		const char *part;
	} rows[] = {
		{ "limit=x", ERR_SYNTAX, "invalid syntax" },
		{ "resourceVersion=abc", ERR_SYNTAX, "Invalid value: \"abc\"" },
		{ "dryRun=Some", ERR_INVALID, "dryRun: Unsupported value" },
		{ "fieldValidation=Maybe", ERR_INVALID, "fieldValidation: Unsupported value" },
		{ "includeObject=All", ERR_SYNTAX, "unrecognized includeObject value: \"All\"" },
		{ "sendInitialEvents=true", ERR_INVALID, "forbidden for list" },
		{ "watch=1&sendInitialEvents=true", ERR_INVALID, "resourceVersionMatch" },
		{ "resourceVersionMatch=Exact", ERR_INVALID, "unless resourceVersion is provided" },
		{ "resourceVersionMatch=Exact&resourceVersion=0", ERR_INVALID, "\"Exact\"" },
		{ "resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=x", ERR_INVALID,
		  "continue" },
		{ "resourceVersionMatch=Older&resourceVersion=1", ERR_INVALID,
		  "Unsupported value" },
		{ "fieldManager=a%01b", ERR_INVALID, "printable" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		scoped_arena struct arena a = { 0 };
		struct options o;
		struct err err = { 0 };

		if (options_parse(&a, slice_of(rows[i].query), &o, &err) != -rows[i].code ||
		    !strstr(err.msg, rows[i].part)) {
			fail_msg("%s: found %d '%s'", rows[i].query, err.code, err.msg);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_options),
		cmocka_unit_test(refuses_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
