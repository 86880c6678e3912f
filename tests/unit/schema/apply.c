#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "codec/json.h"
#include "schema/fieldset.h"
#include "schema/object.h"

#include "shapes.h"

static struct val *parse(struct arena *a, const char *text)
{
	struct val *v = NULL;
	struct err err = { 0 };

	if (json_parse(a, slice_of(text), 0, &v, &err) < 0) {
		fail_msg("%s: %s", text, err.msg);
	}
	return v;
}

static void assert_text(const struct val *v, const char *want)
{
	scoped_strbuf struct strbuf got = { 0 };

	json_write(&got, v);
	if (strcmp(strbuf_str(&got), want) != 0) {
		fail_msg("expected %s\n   found %s", want, strbuf_str(&got));
	}
}

/* The object without its records. */
static void assert_object(struct arena *a, const struct val *v, const char *want)
{
	struct val *copy = val_copy(a, v);

	val_remove(val_get(copy, "metadata"), "managedFields");
	assert_text(copy, want);
}

static const struct val *fields_of(const struct val *v, const char *manager, const char *operation)
{
	val_for_each (val_path(v, "metadata.managedFields"), it) {
		if (slice_is(val_get_str(it, "manager"), manager) &&
		    slice_is(val_get_str(it, "operation"), operation)) {
			return val_get(it, "fieldsV1");
		}
	}
	return NULL;
}

static struct val *apply(struct arena *a, const struct val *live, const char *manager,
                         const char *text)
{
	struct val *out = NULL, *conflicts = val_new_array(a);
	struct err err = { 0 };

	if (apply_merge(&thing, a, live, parse(a, text), manager, false, 1000 * US_PER_S, &out,
	                conflicts, &err) < 0) {
		fail_msg("%s: %s", text, err.msg);
	}
	return out;
}

#define THING(spec) "{\"metadata\":{\"name\":\"x\"},\"spec\":{" spec "}}"

static void sets_follow_the_shape_of_lists_and_maps(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct val *v = parse(
		&a, "{\"metadata\":{\"labels\":{\"a\":\"1\"},\"finalizers\":[\"f\"]},\"spec\":{"
		    "\"replicas\":1,\"selector\":{\"a\":\"1\"},\"containers\":[{\"name\":\"c\","
		    "\"args\":["
		    "\"x\"],\"ports\":[{\"containerPort\":80}]}]}}");

	assert_text(
		fieldset_format(&a, fieldset_of(&a, &t_thing, v)),
		"{\"f:metadata\":{\"f:finalizers\":{\"v:\\\"f\\\"\":{}},\"f:labels\":{\"f:a\":{}}},"
		"\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{\".\":{},\"f:args\":"
		"{},"
		"\"f:name\":{},\"f:ports\":{\"k:{\\\"containerPort\\\":80,\\\"protocol\\\":"
		"\\\"TCP\\\"}\":{"
		"\".\":{},\"f:containerPort\":{}}}}},\"f:replicas\":{},\"f:selector\":{}}}");
}

static void fields_v1_survive_reading_and_writing(void **state)
{
	(void)state;
	static const char *const text =
		"{\"f:a\":{\".\":{},\"f:b\":{}},\"k:{\\\"n\\\":1}\":{},\"v:1\":{}}";
	scoped_arena struct arena a = { 0 };
	struct val *set;

	assert_int_equal(fieldset_parse(&a, parse(&a, text), &set, NULL), 0);
	assert_text(fieldset_format(&a, set), text);
	assert_int_equal(fieldset_parse(&a, parse(&a, "{\"x:a\":{}}"), &set, NULL), -ERR_INVALID);
	assert_int_equal(fieldset_parse(&a, parse(&a, "{\"f:a\":1}"), &set, NULL), -ERR_INVALID);
}

static void changes_are_told_apart(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct fieldset_changes c = fieldset_compare(
		&a, &t_thing, parse(&a, THING("\"replicas\":1,\"strategy\":{\"type\":\"R\"}")),
		parse(&a, THING("\"replicas\":2,\"containers\":[{\"name\":\"c\"}]")));

	assert_text(fieldset_format(&a, c.modified), "{\"f:spec\":{\"f:replicas\":{}}}");
	assert_text(fieldset_format(&a, c.added),
	            "{\"f:spec\":{\"f:containers\":{\".\":{},\"k:{\\\"name\\\":\\\"c\\\"}\":{\".\":"
	            "{},\"f:name\":{}"
	            "}}}}");
	assert_text(fieldset_format(&a, c.removed),
	            "{\"f:spec\":{\"f:strategy\":{\".\":{},\"f:type\":{}}}}");
}

static void applying_creates_and_records(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct val *v = apply(&a, NULL, "tool", THING("\"replicas\":1"));

	assert_object(&a, v, THING("\"replicas\":1"));
	assert_text(fields_of(v, "tool", "Apply"), "{\"f:spec\":{\"f:replicas\":{}}}");
	assert_text(val_get(val_at(val_path(v, "metadata.managedFields"), 0), "apiVersion"),
	            "\"apps/v1\"");
	assert_text(val_get(val_at(val_path(v, "metadata.managedFields"), 0), "time"),
	            "\"1970-01-01T00:16:40Z\"");
}

static void what_is_no_longer_applied_goes_unless_others_own_it(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct val *v = apply(&a, NULL, "one",
	                      THING("\"replicas\":1,\"strategy\":{\"type\":\"R\"},\"containers\":[{"
	                            "\"name\":\"c\"},"
	                            "{\"name\":\"d\"}]"));

	v = apply(&a, v, "two", THING("\"containers\":[{\"name\":\"d\"}]"));
	v = apply(&a, v, "one", THING("\"replicas\":1"));
	assert_object(&a, v, THING("\"replicas\":1,\"containers\":[{\"name\":\"d\"}]"));
	v = apply(&a, v, "two", "{\"metadata\":{\"name\":\"x\"}}");
	assert_object(&a, v, THING("\"replicas\":1"));
	assert_null(fields_of(v, "two", "Apply"));
}

static void another_managers_field_is_a_conflict_unless_forced_or_equal(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct val *v =
		apply(&a, NULL, "one", THING("\"replicas\":1,\"strategy\":{\"type\":\"R\"}"));
	struct val *out = NULL, *conflicts = val_new_array(&a);
	struct err err;

	/* the same value is shared */
	v = apply(&a, v, "two", THING("\"replicas\":1"));
	assert_text(fields_of(v, "two", "Apply"), "{\"f:spec\":{\"f:replicas\":{}}}");
	assert_non_null(val_path(fields_of(v, "one", "Apply"), "f:spec.f:replicas"));

	assert_int_equal(apply_merge(&thing, &a, v,
	                             parse(&a, THING("\"strategy\":{\"type\":\"Q\"}")), "two",
	                             false, 0, &out, conflicts, &err),
	                 -ERR_CONFLICT);
	assert_string_equal(err.msg, "Apply failed with 1 conflict: conflict with \"one\" using "
	                             "apps/v1: .spec.strategy.type");
	assert_text(val_get(val_at(conflicts, 0), "field"), "\".spec.strategy.type\"");
	conflicts = val_new_array(&a);
	assert_int_equal(
		apply_merge(&thing, &a, v,
	                    parse(&a, THING("\"replicas\":5,\"strategy\":{\"type\":\"Q\"}")), "two",
	                    false, 0, &out, conflicts, &err),
		-ERR_CONFLICT);
	apply_conflict_message(&text, conflicts);
	assert_string_equal(strbuf_str(&text),
	                    "Apply failed with 2 conflicts: conflicts with \"one\" using "
	                    "apps/v1:\n- .spec.replicas\n- .spec.strategy.type");
	assert_int_equal(apply_merge(&thing, &a, v, parse(&a, THING("\"replicas\":5")), "two", true,
	                             0, &out, conflicts, &err),
	                 0);
	assert_object(&a, out, THING("\"replicas\":5,\"strategy\":{\"type\":\"R\"}"));
	assert_text(fields_of(out, "one", "Apply"),
	            "{\"f:spec\":{\"f:strategy\":{\"f:type\":{}}}}");
}

static void an_update_takes_what_it_changes(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct val *v =
		apply(&a, NULL, "one", THING("\"replicas\":1,\"strategy\":{\"type\":\"R\"}"));
	struct val *now = val_copy(&a, v), *out, *conflicts = val_new_array(&a);

	val_set_int(&a, val_get(now, "spec"), "replicas", 3); /* kubectl scale */
	apply_track_update(&thing, &a, v, now, "kubectl", "scale", 2000 * US_PER_S);
	assert_text(fields_of(now, "kubectl", "Update"), "{\"f:spec\":{\"f:replicas\":{}}}");
	assert_text(fields_of(now, "one", "Apply"),
	            "{\"f:spec\":{\"f:strategy\":{\"f:type\":{}}}}");
	/* applying the old number again is a conflict now */
	assert_int_equal(apply_merge(&thing, &a, now, parse(&a, THING("\"replicas\":1")), "one",
	                             false, 0, &out, conflicts, NULL),
	                 -ERR_CONFLICT);
	assert_text(
		val_get(val_at(conflicts, 0), "message"),
		"\"conflict with \\\"kubectl\\\" with subresource \\\"scale\\\" using apps/v1\"");
	/* one who leaves the number out does not touch it */
	out = apply(&a, now, "one", THING("\"strategy\":{\"type\":\"R\"}"));
	assert_object(&a, out, THING("\"replicas\":3,\"strategy\":{\"type\":\"R\"}"));
}

static void an_update_that_changes_nothing_keeps_the_records(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct val *v = apply(&a, NULL, "one", THING("\"replicas\":1"));
	struct val *now = val_copy(&a, v);

	apply_track_update(&thing, &a, v, now, "two", NULL, 5000 * US_PER_S);
	assert_true(val_eq(v, now));
	/* and applying the same again is no change either */
	assert_true(val_eq(v, apply(&a, v, "one", THING("\"replicas\":1"))));
}

static void clients_may_clear_the_records(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct val *v = apply(&a, NULL, "one", THING("\"replicas\":1"));
	struct val *now = val_copy(&a, v);

	val_set(&a, val_get(now, "metadata"), "managedFields", parse(&a, "[{}]"));
	apply_track_update(&thing, &a, v, now, "two", NULL, 0);
	assert_null(val_path(now, "metadata.managedFields"));
	/* what nobody owns belongs to the past */
	now = apply(&a, now, "two", "{\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"1\"}}}");
	assert_text(fields_of(now, "before-first-apply", "Update"),
	            "{\"f:spec\":{\"f:replicas\":{}}}");
}

static void ports_of_both_protocols_are_two_elements(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct val *v =
		apply(&a, NULL, "one",
	              THING("\"containers\":[{\"name\":\"c\",\"ports\":[{\"containerPort\":53},{"
	                    "\"containerPort\":53,\"protocol\":\"UDP\"}]}]"));

	v = apply(&a, v, "one",
	          THING("\"containers\":[{\"name\":\"c\",\"ports\":[{\"containerPort\":53,"
	                "\"protocol\":\"UDP\"}]}]"));
	assert_object(&a, v,
	              THING("\"containers\":[{\"name\":\"c\",\"ports\":[{\"containerPort\":53,"
	                    "\"protocol\":\"UDP\"}]}]"));
}

static void applied_order_wins_and_the_servers_own_keep_their_place(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct val *v =
		apply(&a, NULL, "one", THING("\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]"));

	v = apply(&a, v, "two", THING("\"containers\":[{\"name\":\"b\"},{\"name\":\"n\"}]"));
	assert_object(&a, v,
	              THING("\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"n\"}]"));
}

static void custom_objects_without_a_type_merge_maps_and_replace_lists(void **state)
{
	(void)state;
	static const struct kind custom = {
		.group = "x.io", .version = "v1", .kind = "X", .is_custom = true
	};
	scoped_arena struct arena a = { 0 };
	struct val *out, *conflicts = val_new_array(&a);

	assert_int_equal(apply_merge(&custom, &a, parse(&a, "{\"spec\":{\"a\":1,\"l\":[1,2]}}"),
	                             parse(&a, "{\"spec\":{\"b\":2,\"l\":[3]}}"), "m", true, 0,
	                             &out, conflicts, NULL),
	                 0);
	val_remove(out, "metadata");
	assert_text(out, "{\"spec\":{\"a\":1,\"l\":[3],\"b\":2}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_follow_the_shape_of_lists_and_maps),
		cmocka_unit_test(fields_v1_survive_reading_and_writing),
		cmocka_unit_test(changes_are_told_apart),
		cmocka_unit_test(applying_creates_and_records),
		cmocka_unit_test(what_is_no_longer_applied_goes_unless_others_own_it),
		cmocka_unit_test(another_managers_field_is_a_conflict_unless_forced_or_equal),
		cmocka_unit_test(an_update_takes_what_it_changes),
		cmocka_unit_test(an_update_that_changes_nothing_keeps_the_records),
		cmocka_unit_test(clients_may_clear_the_records),
		cmocka_unit_test(ports_of_both_protocols_are_two_elements),
		cmocka_unit_test(applied_order_wins_and_the_servers_own_keep_their_place),
		cmocka_unit_test(custom_objects_without_a_type_merge_maps_and_replace_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
