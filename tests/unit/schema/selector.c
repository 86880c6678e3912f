#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"
#include "schema/selector.h"

static struct val *parse(struct arena *a, const char *text)
{
	struct val *v = NULL;

	assert_int_equal(json_parse(a, slice_of(text), 0, &v, NULL), 0);
	return v;
}

static void label_text_matches_as_documented(void **state)
{
	(void)state;
	static const struct {
		const char *text, *labels;
		bool match;
	} cases[] = {
		{ "", "{}", true },
		{ "a=b", "{\"a\":\"b\"}", true },
		{ "a==b", "{\"a\":\"c\"}", false },
		{ "a!=b", "{}", true },
		{ "a!=b", "{\"a\":\"b\"}", false },
		{ "a in (x, y)", "{\"a\":\"y\"}", true },
		{ "a in (x, y)", "{}", false },
		{ "a notin (x,y)", "{}", true },
		{ "a notin (x,y)", "{\"a\":\"x\"}", false },
		{ "a", "{\"a\":\"\"}", true },
		{ "!a", "{\"a\":\"\"}", false },
		{ "!a,b=1", "{\"b\":\"1\"}", true },
		{ "a>5", "{\"a\":\"6\"}", true },
		{ "a>5", "{\"a\":\"5\"}", false },
		{ "a<5", "{\"a\":\"x\"}", false },
		{ "a=", "{\"a\":\"\"}", true },
		{ "a in (,x)", "{\"a\":\"\"}", true },
		{ "in in (in)", "{\"in\":\"in\"}", true },
		{ "app.kubernetes.io/name = web , tier",
		  "{\"app.kubernetes.io/name\":\"web\",\"tier\":\"f\"}", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_arena struct arena a = { 0 };
		const struct selector *s;
		struct err err = { 0 };

		if (selector_parse(&a, slice_of(cases[i].text), &s, &err) < 0) {
			fail_msg("%s: %s", cases[i].text, err.msg);
		}
		if (selector_matches(s, parse(&a, cases[i].labels)) != cases[i].match) {
			fail_msg("%s on %s: expected %d", cases[i].text, cases[i].labels,
			         cases[i].match);
		}
	}
}

static void broken_label_text_is_refused_in_the_servers_words(void **state)
{
	(void)state;
	static const struct {
		const char *text, *begins;
	} cases[] = {
		{ "a=b=c", "found '=', expected: ',' or 'end of string'" },
		{ "a in b", "unable to parse requirement: found 'b' expected: '('" },
		{ ",a", "found ',', expected: !, identifier, or 'end of string'" },
		{ "a,", "found '', expected: identifier after ','" },
		{ "a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, "
		         "gt, lt" },
		{ "a in ()", "unable to parse requirement: values: Invalid value: []" },
		{ "a in (b", "unable to parse requirement: found '', expected: ',' or ')'" },
		{ "-a=b", "unable to parse requirement: key: Invalid value: \"-a\"" },
		{ "a=b!", "found '!', expected: ',' or 'end of string'" },
		{ "a=.", "unable to parse requirement: values[0][a]: Invalid value: \".\"" },
		{ "a>x", "unable to parse requirement: values[0]: Invalid value: \"x\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_arena struct arena a = { 0 };
		const struct selector *s;
		struct err err = { 0 };

		assert_int_equal(selector_parse(&a, slice_of(cases[i].text), &s, &err),
		                 -ERR_SYNTAX);
		if (!slice_has_prefix(slice_of(err.msg), slice_of(cases[i].begins))) {
			fail_msg("%s: expected '%s', found '%s'", cases[i].text, cases[i].begins,
			         err.msg);
		}
	}
}

static void canonical_text_is_sorted_and_parses_to_itself(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { 0 };
	scoped_strbuf struct strbuf again = { 0 };
	const struct selector *s;

	assert_int_equal(selector_parse(&a, SLICE("z,!y,b in (q, p,q),a == 1,c!=2,d>3"), &s, NULL),
	                 0);
	selector_format(&out, s);
	assert_string_equal(strbuf_str(&out), "a=1,b in (p,q),c!=2,d>3,!y,z");
	assert_int_equal(selector_parse(&a, strbuf_slice(&out), &s, NULL), 0);
	selector_format(&again, s);
	assert_string_equal(strbuf_str(&again), strbuf_str(&out));
}

static void label_selector_objects_tell_null_from_empty(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	const struct selector *s;
	struct err err;

	assert_int_equal(selector_of_object(&a, NULL, &s, NULL), 0);
	assert_false(selector_matches(s, NULL));
	assert_false(selector_is_everything(s));
	assert_int_equal(selector_of_object(&a, parse(&a, "{}"), &s, NULL), 0);
	assert_true(selector_matches(s, NULL));
	assert_true(selector_is_everything(s));
	assert_int_equal(
		selector_of_object(&a,
	                           parse(&a, "{\"matchLabels\":{\"a\":\"1\"},"
	                                     "\"matchExpressions\":[{\"key\":\"b\","
	                                     "\"operator\":\"NotIn\",\"values\":[\"x\"]}]}"),
	                           &s, NULL),
		0);
	assert_true(selector_matches(s, parse(&a, "{\"a\":\"1\"}")));
	assert_false(selector_matches(s, parse(&a, "{\"a\":\"1\",\"b\":\"x\"}")));
	assert_int_equal(selector_of_object(&a,
	                                    parse(&a, "{\"matchExpressions\":[{\"key\":\"b\","
	                                              "\"operator\":\"Like\"}]}"),
	                                    &s, &err),
	                 -ERR_INVALID);
	assert_string_equal(err.msg, "\"Like\" is not a valid label selector operator");
}

static const struct kind pod = { .group = "", .version = "v1", .kind = "Pod" };
static const struct kind event = { .group = "", .version = "v1", .kind = "Event" };

static void fields_of_the_kind_are_compared(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	const struct field_selector *s;
	const struct val *p = parse(&a, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\"},"
	                                "\"spec\":{\"nodeName\":\"k1\"},"
	                                "\"status\":{\"phase\":\"Running\"}}");

	assert_int_equal(field_selector_parse(&pod, &a,
	                                      SLICE("spec.nodeName=k1,status.phase!=Failed,"
	                                            "spec.hostNetwork=false,metadata.name==p"),
	                                      &s, NULL),
	                 0);
	assert_true(field_selector_matches(s, p));
	assert_true(slice_is(field_selector_wants(s, "metadata.name"), "p"));
	assert_true(slice_is(field_selector_wants(s, "status.phase"), ""));
	assert_int_equal(field_selector_parse(&pod, &a, SLICE("spec.nodeName="), &s, NULL), 0);
	assert_false(field_selector_matches(s, p));
	assert_int_equal(field_selector_parse(&event, &a, SLICE("source=kubelet"), &s, NULL), 0);
	assert_true(
		field_selector_matches(s, parse(&a, "{\"source\":{\"component\":\"kubelet\"}}")));
}

static void field_text_has_escapes_and_known_fields_only(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	const struct field_selector *s;
	struct err err;

	assert_int_equal(
		field_selector_parse(&pod, &a, SLICE("metadata.name=a\\,b\\=c\\\\"), &s, NULL), 0);
	assert_true(slice_is(field_selector_wants(s, "metadata.name"), "a,b=c\\"));
	assert_int_equal(field_selector_parse(&pod, &a, SLICE("spec.color=red"), &s, &err),
	                 -ERR_SYNTAX);
	assert_string_equal(err.msg, "field label not supported: spec.color");
	assert_int_equal(field_selector_parse(&pod, &a, SLICE("metadata.name"), &s, &err),
	                 -ERR_SYNTAX);
	assert_string_equal(err.msg, "invalid selector: 'metadata.name'; can't understand "
	                             "'metadata.name'");
	assert_int_equal(field_selector_parse(&pod, &a, SLICE("metadata.name=a\\q"), &s, &err),
	                 -ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(label_text_matches_as_documented),
		cmocka_unit_test(broken_label_text_is_refused_in_the_servers_words),
		cmocka_unit_test(canonical_text_is_sorted_and_parses_to_itself),
		cmocka_unit_test(label_selector_objects_tell_null_from_empty),
		cmocka_unit_test(fields_of_the_kind_are_compared),
		cmocka_unit_test(field_text_has_escapes_and_known_fields_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
