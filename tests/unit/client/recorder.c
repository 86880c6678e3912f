/* Why: events say what happened, and repeats cost a count only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"
#include "fake.h"

struct site {
	struct fake fake;
	struct recorder *recorder;
	struct doc *pod;
};

static int set_up(void **state)
{
	struct site *s = NEW(struct site);

	fake_init(&s->fake);
	s->fake.status = 201;
	s->recorder = recorder_new(s->fake.client, "kubelet", "n1");
	assert_int_equal(
		json_parse_doc(SLICE("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{"
	                             "\"namespace\":\"d\",\"name\":\"p\",\"uid\":\"u1\","
	                             "\"resourceVersion\":\"5\"}}"),
	                       0, &s->pod, NULL),
		0);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct site *s = *state;

	s->recorder = recorder_free(s->recorder);
	fake_fini(&s->fake);
	doc_unref(s->pod);
	free(s);
	return 0;
}

/* What has been sent last. */
static struct doc *last_body(struct site *s)
{
	struct slice all = strbuf_slice(&s->fake.asked);
	ptrdiff_t line, at;
	struct doc *d = NULL;

	all.len--; /* the last line's end */
	line = slice_rfind(all, '\n');
	all = slice_from(all, (size_t)(line + 1));
	at = slice_find(all, '{');
	assert_true(at > 0);
	assert_int_equal(json_parse_doc(slice_from(all, (size_t)at), 0, &d, NULL), 0);
	return d;
}

static const char *str(const struct doc *d, const char *path)
{
	return val_cstr(val_path(d->root, path));
}

static void an_event_is_posted_with_all_that_describe_shows(void **state)
{
	struct site *s = *state;
	scoped_doc struct doc *e = NULL;

	recorder_event(s->recorder, s->pod->root, "Normal", "Started", "Started container %s", "c");
	fake_wait_asked(&s->fake, 1);
	assert_true(fake_was_asked(&s->fake, "POST /api/v1/namespaces/d/events {"));
	e = last_body(s);
	assert_string_equal(str(e, "reason"), "Started");
	assert_string_equal(str(e, "type"), "Normal");
	assert_string_equal(str(e, "message"), "Started container c");
	assert_string_equal(str(e, "involvedObject.kind"), "Pod");
	assert_string_equal(str(e, "involvedObject.uid"), "u1");
	assert_string_equal(str(e, "source.component"), "kubelet");
	assert_string_equal(str(e, "source.host"), "n1");
	assert_string_equal(str(e, "metadata.namespace"), "d");
	assert_memory_equal(str(e, "metadata.name"), "p.", 2);
	assert_int_equal(strlen(str(e, "metadata.name")), 18);
	assert_int_equal(val_int(val_get(e->root, "count"), 0), 1);
}

static void repeats_count_up(void **state)
{
	struct site *s = *state;
	scoped_doc struct doc *e = NULL;

	recorder_event(s->recorder, s->pod->root, "Warning", "BackOff", "again");
	/* while the first is under way: told together */
	recorder_event(s->recorder, s->pod->root, "Warning", "BackOff", "again");
	recorder_event(s->recorder, s->pod->root, "Warning", "BackOff", "again");
	fake_wait_asked(&s->fake, 2);
	assert_true(fake_was_asked(&s->fake, "PATCH /api/v1/namespaces/d/events/p."));
	e = last_body(s);
	assert_int_equal(val_int(val_get(e->root, "count"), 0), 3);
	fake_run_ms(&s->fake, 20);
	assert_int_equal(s->fake.n_asked, 2);
}

static void an_expired_event_is_posted_anew(void **state)
{
	struct site *s = *state;

	recorder_event(s->recorder, s->pod->root, "Warning", "BackOff", "again");
	fake_wait_asked(&s->fake, 1);
	fake_run_ms(&s->fake, 20);
	s->fake.status = 404;
	recorder_event(s->recorder, s->pod->root, "Warning", "BackOff", "again");
	fake_wait_asked(&s->fake, 3);
	assert_int_equal(s->fake.n_asked, 3);
	assert_non_null(strstr(strstr(strbuf_str(&s->fake.asked), "PATCH"), "\nPOST "));
}

static void many_different_messages_become_one(void **state)
{
	struct site *s = *state;
	scoped_doc struct doc *e = NULL;

	for (int i = 0; i < 13; i++) {
		recorder_event(s->recorder, s->pod->root, "Warning", "Unhealthy",
		               "probe failed: %d", i);
		fake_run_ms(&s->fake, 20);
	}
	assert_int_equal(s->fake.n_asked, 13);
	e = last_body(s);
	assert_string_equal(str(e, "message"), "(combined from similar events): probe failed: 12");
	assert_int_equal(val_int(val_get(e->root, "count"), 0), 3);
}

static void cluster_scoped_objects_are_told_in_default(void **state)
{
	struct site *s = *state;
	scoped_doc struct doc *node = NULL;

	assert_int_equal(json_parse_doc(SLICE("{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"}}"),
	                                0, &node, NULL),
	                 0);
	recorder_event(s->recorder, node->root, "Normal", "NodeReady", "ready");
	fake_wait_asked(&s->fake, 1);
	assert_true(fake_was_asked(&s->fake, "POST /api/v1/namespaces/default/events {"));
}

static void a_refused_event_is_dropped(void **state)
{
	struct site *s = *state;

	s->fake.status = 403;
	recorder_event(s->recorder, s->pod->root, "Normal", "Started", "x");
	fake_wait_asked(&s->fake, 1);
	fake_run_ms(&s->fake, 20);
	assert_int_equal(s->fake.n_asked, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(an_event_is_posted_with_all_that_describe_shows),
		T(repeats_count_up),
		T(an_expired_event_is_posted_anew),
		T(many_different_messages_become_one),
		T(cluster_scoped_objects_are_told_in_default),
		T(a_refused_event_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
