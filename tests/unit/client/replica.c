/* Why: a replica converges, whatever the server does, and tells each difference once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "fake.h"

/* "+a1 ~a1>2 -a2 ! ": added, changed, deleted with their revisions, synced */
struct seen {
	struct fake fake;
	struct replica *replica;
	struct strbuf text;
	const char *want;
	bool frees; /* the replica, at the first change */
};

static const char *name_of(const struct doc *d)
{
	return val_cstr(val_path(d->root, "metadata.name"));
}

static const char *revision_of(const struct doc *d)
{
	return val_cstr(val_path(d->root, "metadata.resourceVersion"));
}

static void changed(void *arg, const struct doc *old, const struct doc *now)
{
	struct seen *s = arg;

	if (!old) {
		strbuf_addf(&s->text, "+%s%s ", name_of(now), revision_of(now));
	} else if (!now) {
		strbuf_addf(&s->text, "-%s%s ", name_of(old), revision_of(old));
	} else {
		strbuf_addf(&s->text, "~%s%s>%s ", name_of(old), revision_of(old),
		            revision_of(now));
	}
	if (s->frees) {
		s->replica = replica_free(s->replica);
	}
}

static void synced(void *arg)
{
	strbuf_adds(&((struct seen *)arg)->text, "! ");
}

static int set_up(void **state)
{
	struct seen *s = NEW(struct seen);

	fake_init(&s->fake);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct seen *s = *state;

	s->replica = replica_free(s->replica);
	fake_fini(&s->fake);
	strbuf_fini(&s->text);
	free(s);
	return 0;
}

#define LIST(revision, items)                                                                      \
	"{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":"           \
	"\"" revision "\"},\"items\":[" items "]}"
#define POD(name, uid, revision)                                                                   \
	"{\"metadata\":{\"namespace\":\"d\",\"name\":\"" name "\",\"uid\":\"" uid                  \
	"\",\"resourceVersion\":\"" revision "\"}}"

static void start(struct seen *s, const char *list)
{
	struct replica_spec spec = { .api_version = "v1",
		                     .plural = "pods",
		                     .changed = changed,
		                     .synced = synced,
		                     .arg = s };

	s->fake.body = list;
	s->replica = replica_new(s->fake.client, &spec);
}

static bool has_text(void *arg)
{
	struct seen *s = arg;

	return strcmp(strbuf_str(&s->text), s->want) == 0;
}

static void expect(struct seen *s, const char *text)
{
	s->want = text;
	fake_wait(&s->fake, has_text, s);
	strbuf_reset(&s->text);
}

static void it_lists_and_then_watches(void **state)
{
	struct seen *s = *state;
	const struct doc *d;

	start(s, LIST("7", POD("a", "u1", "3") "," POD("b", "u2", "5")));
	assert_false(replica_is_synced(s->replica));
	expect(s, "+a3 +b5 ! ");
	assert_true(replica_is_synced(s->replica));
	fake_wait_watch(&s->fake, 1);
	assert_true(fake_was_asked(
		&s->fake, "GET /api/v1/pods?watch=1&allowWatchBookmarks=true&resourceVersion=7&"));
	fake_event(&s->fake, "MODIFIED", POD("a", "u1", "8"));
	fake_event(&s->fake, "ADDED", POD("c", "u3", "9"));
	fake_event(&s->fake, "DELETED", POD("b", "u2", "10"));
	expect(s, "~a3>8 +c9 -b5 ");
	assert_int_equal(replica_count(s->replica), 2);
	d = replica_find(s->replica, SLICE("d"), SLICE("a"));
	assert_string_equal(revision_of(d), "8");
	assert_null(replica_find(s->replica, SLICE("d"), SLICE("b")));
}

static void items_know_their_kind(void **state)
{
	struct seen *s = *state;
	const struct doc *d;

	start(s, LIST("7", POD("a", "u1", "3")));
	expect(s, "+a3 ! ");
	d = replica_find(s->replica, SLICE("d"), SLICE("a"));
	assert_string_equal(val_cstr(val_get(d->root, "kind")), "Pod");
	assert_string_equal(val_cstr(val_get(d->root, "apiVersion")), "v1");
}

static void selectors_and_namespace_are_asked_for(void **state)
{
	struct seen *s = *state;
	struct replica_spec spec = { .api_version = "apps/v1",
		                     .plural = "deployments",
		                     .ns = "n",
		                     .field_selector = "metadata.name=x",
		                     .label_selector = "a in (b,c)" };

	s->fake.body = LIST("1", "");
	s->replica = replica_new(s->fake.client, &spec);
	fake_wait_watch(&s->fake, 1);
	assert_true(fake_was_asked(&s->fake,
	                           "GET /apis/apps/v1/namespaces/n/deployments?fieldSelector="
	                           "metadata.name%3Dx&labelSelector=a%20in%20%28b%2Cc%29 "));
	assert_true(fake_was_asked(&s->fake, "%29&watch=1&"));
}

static void an_event_may_come_in_pieces(void **state)
{
	struct seen *s = *state;

	start(s, LIST("1", ""));
	expect(s, "! ");
	fake_wait_watch(&s->fake, 1);
	fake_bytes(&s->fake, "{\"type\":\"ADDED\",\"obj");
	fake_run_ms(&s->fake, 5);
	fake_bytes(&s->fake,
	           "ect\":" POD("a", "u", "2") "}\n{\"type\":\"MODIFIED\",\"object\":" POD(
			   "a", "u", "3") "}");
	expect(s, "+a2 ");
	fake_bytes(&s->fake, "\n");
	expect(s, "~a2>3 ");
}

static void a_watch_that_ends_goes_on_from_its_last_revision(void **state)
{
	struct seen *s = *state;

	start(s, LIST("7", POD("a", "u1", "3")));
	fake_wait_watch(&s->fake, 1);
	fake_event(&s->fake, "MODIFIED", POD("a", "u1", "8"));
	expect(s, "+a3 ! ~a3>8 ");
	fake_end_watch(&s->fake);
	fake_wait_watch(&s->fake, 2);
	assert_true(fake_was_asked(&s->fake, "resourceVersion=8&"));
	assert_int_equal(s->fake.n_asked, 3); /* no second list */
}

static void bookmarks_move_the_revision(void **state)
{
	struct seen *s = *state;

	start(s, LIST("7", ""));
	fake_wait_watch(&s->fake, 1);
	fake_event(&s->fake, "BOOKMARK",
	           "{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"99\"}}");
	fake_run_ms(&s->fake, 5);
	fake_end_watch(&s->fake);
	fake_wait_watch(&s->fake, 2);
	assert_true(fake_was_asked(&s->fake, "resourceVersion=99&"));
	expect(s, "! ");
}

static void a_revision_that_is_too_old_lists_again_and_tells_the_difference(void **state)
{
	struct seen *s = *state;

	start(s, LIST("7", POD("a", "u1", "3") "," POD("b", "u2", "5") "," POD(
				   "c", "u3", "6") "," POD("x", "u9", "6")));
	fake_wait_watch(&s->fake, 1);
	expect(s, "+a3 +b5 +c6 +x6 ! ");
	s->fake.body = LIST("50", POD("a", "u1", "3") "," POD("b", "u2", "40") "," POD(
					  "d", "u4", "41") "," POD("x", "u10", "42"));
	fake_event(&s->fake, "ERROR",
	           "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"too "
	           "old\"}");
	expect(s, "~b5>40 +d41 -x6 +x42 -c6 ! ");
	fake_wait_watch(&s->fake, 2);
	assert_true(fake_was_asked(&s->fake, "resourceVersion=50&"));
}

static void a_watch_answered_410_lists_again(void **state)
{
	struct seen *s = *state;

	start(s, LIST("7", POD("a", "u1", "3")));
	fake_wait_watch(&s->fake, 1);
	expect(s, "+a3 ! ");
	s->fake.watch_status = 410;
	s->fake.body = LIST("50", "");
	fake_end_watch(&s->fake);
	expect(s, "-a3 ! ");
	s->fake.watch_status = 200;
	fake_wait_watch(&s->fake, 3);
}

static void a_server_that_dies_is_found_again(void **state)
{
	struct seen *s = *state;

	start(s, LIST("7", POD("a", "u1", "3")));
	fake_wait_watch(&s->fake, 1);
	expect(s, "+a3 ! ");
	fake_stop(&s->fake);
	fake_run_ms(&s->fake, 150);
	assert_int_equal(replica_count(s->replica), 1); /* the copy stays */
	fake_start(&s->fake);
	fake_wait_watch(&s->fake, 2);
	fake_event(&s->fake, "MODIFIED", POD("a", "u1", "8"));
	expect(s, "~a3>8 ");
}

static void a_list_that_fails_is_tried_again(void **state)
{
	struct seen *s = *state;

	s->fake.status = 500;
	start(s, "{}");
	fake_wait_asked(&s->fake, 3);
	assert_false(replica_is_synced(s->replica));
	s->fake.status = 200;
	s->fake.body = LIST("7", POD("a", "u1", "3"));
	expect(s, "+a3 ! ");
}

static void a_kind_that_is_not_served_is_empty_and_asked_for_again(void **state)
{
	struct seen *s = *state;
	int64_t before = clock_mono_us();

	s->fake.status = 404;
	start(s, "{}");
	expect(s, "! ");
	assert_true(replica_is_synced(s->replica));
	s->fake.status = 200;
	s->fake.body = LIST("7", POD("a", "u1", "3"));
	expect(s, "+a3 ! ");
	assert_true(clock_mono_us() - before > 4 * US_PER_S);
}

static void broken_events_list_again(void **state)
{
	static const char *const lines[] = { "{\"type\":\"ADDED\"\n", "{\"type\":\"ADDED\"}\n",
		                             "{\"type\":\"SURPRISE\",\"object\":{}}\n", "[]\n" };
	struct seen *s = *state;

	start(s, LIST("7", ""));
	expect(s, "! ");
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		fake_wait_watch(&s->fake, i + 1);
		fake_bytes(&s->fake, lines[i]);
		expect(s, "! ");
	}
}

static struct doc *parse(const char *json)
{
	struct doc *d = NULL;

	assert_int_equal(json_parse_doc(slice_of(json), 0, &d, NULL), 0);
	return d;
}

static void ones_own_write_is_seen_at_once_and_only_once(void **state)
{
	struct seen *s = *state;
	scoped_doc struct doc *newer = parse(POD("a", "u1", "8")),
			      *older = parse(POD("a", "u1", "2"));
	scoped_doc struct doc *created = parse(POD("n", "u5", "9")),
			      *gone = parse(POD("z", "u6", "4"));

	start(s, LIST("7", POD("a", "u1", "3")));
	fake_wait_watch(&s->fake, 1);
	expect(s, "+a3 ! ");
	replica_put(s->replica, newer);
	replica_put(s->replica, older);
	replica_put(s->replica, created);
	replica_put(s->replica,
	            gone); /* the list as of 7 did not have it: it has been deleted since */
	fake_event(&s->fake, "MODIFIED", POD("a", "u1", "8"));
	fake_event(&s->fake, "ADDED", POD("n", "u5", "9"));
	fake_event(&s->fake, "DELETED", POD("n", "u5", "11"));
	expect(s, "~a3>8 +n9 -n9 ");
}

static void a_replica_may_be_freed_while_it_tells(void **state)
{
	struct seen *s = *state;

	s->frees = true;
	start(s, LIST("7", POD("a", "u1", "3") "," POD("b", "u2", "5")));
	expect(s, "+a3 ");
	assert_null(s->replica);
	fake_run_ms(&s->fake, 5);
}

static void a_replica_may_be_freed_by_an_event(void **state)
{
	struct seen *s = *state;

	start(s, LIST("7", ""));
	fake_wait_watch(&s->fake, 1);
	s->frees = true;
	fake_bytes(&s->fake,
	           "{\"type\":\"ADDED\",\"object\":" POD(
			   "a", "u", "8") "}\n{\"type\":\"ADDED\",\"object\":" POD("b", "u",
	                                                                           "9") "}\n");
	expect(s, "! +a8 ");
	fake_run_ms(&s->fake, 5);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(it_lists_and_then_watches),
		T(items_know_their_kind),
		T(selectors_and_namespace_are_asked_for),
		T(an_event_may_come_in_pieces),
		T(a_watch_that_ends_goes_on_from_its_last_revision),
		T(bookmarks_move_the_revision),
		T(a_revision_that_is_too_old_lists_again_and_tells_the_difference),
		T(a_watch_answered_410_lists_again),
		T(a_server_that_dies_is_found_again),
		T(a_list_that_fails_is_tried_again),
		T(a_kind_that_is_not_served_is_empty_and_asked_for_again),
		T(broken_events_list_again),
		T(ones_own_write_is_seen_at_once_and_only_once),
		T(a_replica_may_be_freed_while_it_tells),
		T(a_replica_may_be_freed_by_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
