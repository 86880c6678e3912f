/* Why: what watchers are promised: every committed change once, in order, from any revision still
 * held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "store/limits.h"
#include "world.h"

struct seen {
	struct world *world;
	struct store_watch *watch;
	struct strbuf text; /* "+a ~a -a " */
	size_t n;
	uint64_t last;
	bool stop;          /* unwatch at the first event */
	struct seen *stops; /* unwatch that one at the first event */
	bool writes;        /* create an object at the first event */
};

static int set_up(void **state)
{
	struct world *w = NEW(struct world);

	world_init(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static void see(void *arg, const struct store_event *e)
{
	struct seen *s = arg;
	scoped_arena struct arena a = { 0 };
	char revision[32];
	struct val *v;

	assert_true(e->revision > s->last);
	s->last = e->revision;
	s->n++;
	strbuf_addf(&s->text, "%c%s ", "+~-"[e->type], world_str(e->object, "metadata.name"));
	assert_int_equal(e->old == NULL, e->type == STORE_ADDED);
	snprintf(revision, sizeof(revision), "%llu", (unsigned long long)e->revision);
	assert_string_equal(world_str(e->object, "metadata.resourceVersion"), revision);
	assert_int_equal(json_parse(&a, e->json, 0, &v, NULL), 0);
	assert_true(val_eq(v, e->object->root));
	if (e->old) {
		assert_string_equal(world_str(e->old, "metadata.uid"),
		                    world_str(e->object, "metadata.uid"));
		assert_string_not_equal(world_str(e->old, "metadata.resourceVersion"), revision);
	}
	if (s->stop) {
		s->watch = store_unwatch(s->watch);
	}
	if (s->stops) {
		s->stops->watch = store_unwatch(s->stops->watch);
		s->stops = NULL;
	}
	if (s->writes) {
		s->writes = false;
		world_configmap(s->world, "from-inside", "1");
	}
}

static void start(struct world *w, struct seen *s, const struct kind *k, uint64_t from)
{
	s->world = w;
	assert_int_equal(store_watch(w->store, k, from, see, s, &s->watch, NULL), 0);
}

static void end(struct seen *s, const char *want)
{
	assert_string_equal(strbuf_str(&s->text), want);
	s->watch = store_unwatch(s->watch);
	strbuf_fini(&s->text);
}

static void delete_one(struct world *w, const char *name)
{
	struct store_delete_opts o = { .grace_s = -1 };

	assert_int_equal(
		store_delete(w->store,
	                     (struct key){ w->configmap, SLICE("default"), slice_of(name) }, &o,
	                     NULL, NULL),
		STORE_REMOVED);
}

static void set_value(struct world *w, const char *name, unsigned value)
{
	char json[64];

	snprintf(json, sizeof(json), "{\"data\":{\"v\":\"%u\"}}", value);
	assert_int_equal(world_update(w, w->configmap, "default", name, json, NULL), 0);
}

static void changes_are_told_when_they_are_committed(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 }, all = { 0 }, pods = { 0 };

	start(w, &s, w->configmap, store_revision(w->store));
	start(w, &all, NULL, store_revision(w->store));
	start(w, &pods, w->pod, store_revision(w->store));
	world_configmap(w, "a", "1");
	world_create(w, w->namespace, "{\"metadata\":{\"name\":\"n\"}}");
	set_value(w, "a", 2);
	delete_one(w, "a");
	assert_int_equal(s.n, 0);
	loop_run_once(w->loop);
	end(&s, "+a ~a -a ");
	end(&all, "+a +n ~a -a ");
	end(&pods, "");
}

static void a_watch_from_the_past_gets_what_it_missed(void **state)
{
	struct world *w = *state;
	uint64_t start_revision = store_revision(w->store), middle;
	struct seen from_start = { 0 }, from_middle = { 0 };

	world_configmap(w, "a", "1");
	set_value(w, "a", 2);
	store_commit(w->store);
	middle = store_revision(w->store);
	world_configmap(w, "b", "1");
	delete_one(w, "a");
	store_commit(w->store);
	start(w, &from_start, w->configmap, start_revision);
	start(w, &from_middle, w->configmap, middle);
	assert_int_equal(from_start.n, 0); /* never from inside the call */
	set_value(w, "b", 2);
	loop_run_once(w->loop);
	loop_run_once(w->loop);
	set_value(w, "b", 3);
	loop_run_once(w->loop);
	end(&from_start, "+a ~a +b -a ~b ~b ");
	end(&from_middle, "+b -a ~b ~b ");
}

static void a_watch_from_an_uncommitted_revision_gets_what_follows(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };

	world_configmap(w, "a", "1");
	start(w, &s, w->configmap, store_revision(w->store));
	world_configmap(w, "b", "1");
	loop_run_once(w->loop);
	end(&s, "+b ");
}

static void what_is_too_old_is_gone(void **state)
{
	struct world *w = *state;
	uint64_t first = store_revision(w->store), kept;
	struct store_watch *watch = NULL;
	struct seen s = { 0 };
	struct err err = { 0 };
	char want[80];

	world_configmap(w, "a", "0");
	for (unsigned i = 1; i < HISTORY_KEEP + 2 * HISTORY_FOLD; i++) {
		set_value(w, "a", i);
		if (i % 100 == 0) {
			store_commit(w->store);
		}
	}
	store_commit(w->store);
	assert_int_equal(store_watch(w->store, w->configmap, first, see, &s, &watch, &err),
	                 -ERR_GONE);
	snprintf(want, sizeof(want), "too old resource version: %llu (", (unsigned long long)first);
	assert_memory_equal(err.msg, want, strlen(want));
	kept = store_revision(w->store) - HISTORY_KEEP;
	start(w, &s, w->configmap, kept);
	loop_advance_us(w->loop, 1);
	assert_int_equal(s.n, HISTORY_KEEP);
	assert_int_equal(s.last, store_revision(w->store));
	s.watch = store_unwatch(s.watch);
	strbuf_fini(&s.text);
}

static void the_future_is_gone_too(void **state)
{
	struct world *w = *state;
	struct store_watch *watch = NULL;

	assert_int_equal(
		store_watch(w->store, NULL, store_revision(w->store) + 1, see, NULL, &watch, NULL),
		-ERR_GONE);
}

static void watchers_may_end_themselves_and_each_other(void **state)
{
	struct world *w = *state;
	struct seen itself = { .stop = true }, other = { 0 }, victim = { 0 },
		    late = { .stop = true };
	uint64_t first = store_revision(w->store);

	other.stops = &victim;
	start(w, &itself, NULL, first);
	start(w, &other, NULL, first);
	start(w, &victim, NULL, first);
	world_configmap(w, "a", "1");
	world_configmap(w, "b", "1");
	loop_run_once(w->loop);
	start(w, &late, NULL, first); /* reads the history */
	loop_run_once(w->loop);
	end(&itself, "+a ");
	end(&other, "+a +b ");
	end(&victim, "");
	end(&late, "+a ");
}

static void writes_from_inside_come_with_the_next_commit(void **state)
{
	struct world *w = *state;
	struct seen s = { .writes = true };

	start(w, &s, NULL, store_revision(w->store));
	world_configmap(w, "a", "1");
	loop_advance_us(w->loop, 1);
	end(&s, "+a +from-inside ");
}

static void a_watch_may_outlive_its_store(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };

	start(w, &s, NULL, store_revision(w->store));
	world_configmap(w, "a", "1");
	w->store = store_close(w->store); /* commits */
	end(&s, "+a ");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(changes_are_told_when_they_are_committed),
		T(a_watch_from_the_past_gets_what_it_missed),
		T(a_watch_from_an_uncommitted_revision_gets_what_follows),
		T(what_is_too_old_is_gone),
		T(the_future_is_gone_too),
		T(watchers_may_end_themselves_and_each_other),
		T(writes_from_inside_come_with_the_next_commit),
		T(a_watch_may_outlive_its_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
