/* Why: what must be there after closing, after a crash, and what a file must be to be opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "store/limits.h"
#include "world.h"

static int set_up(void **state)
{
	struct world *w = NEW(struct world);

	world_init_file(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static void set_value(struct world *w, const char *name, unsigned value)
{
	char json[64];

	snprintf(json, sizeof(json), "{\"data\":{\"v\":\"%u\"}}", value);
	assert_int_equal(world_update(w, w->configmap, "default", name, json, NULL), 0);
}

static void remove_one(struct world *w, const char *name)
{
	struct store_delete_opts o = { .grace_s = -1 };

	assert_int_equal(
		store_delete(w->store,
	                     (struct key){ w->configmap, SLICE("default"), slice_of(name) }, &o,
	                     NULL, NULL),
		STORE_REMOVED);
}

static void objects_are_there_after_reopening(void **state)
{
	struct world *w = *state;
	scoped_doc struct doc *before = NULL;
	uint64_t revision;

	before = doc_ref(world_configmap(w, "a", "1"));
	world_configmap(w, "gone", "1");
	world_configmap(w, "changed", "1");
	set_value(w, "changed", 2);
	remove_one(w, "gone");
	revision = store_revision(w->store);
	world_reopen(w);
	assert_true(val_eq(world_get(w, w->configmap, "default", "a")->root, before->root));
	assert_string_equal(world_str(world_get(w, w->configmap, "default", "changed"), "data.v"),
	                    "2");
	assert_null(world_get(w, w->configmap, "default", "gone"));
	assert_int_equal(store_count(w->store, w->configmap, SLICE("")), 2);
	assert_true(store_revision(w->store) > revision);
}

static void a_name_can_be_used_again_across_reopening(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 3; i++) {
		world_configmap(w, "a", "1");
		world_reopen(w);
		remove_one(w, "a");
		world_reopen(w);
		assert_null(world_get(w, w->configmap, "default", "a"));
	}
}

static void folded_objects_are_there_after_reopening(void **state)
{
	struct world *w = *state;
	char name[16];

	for (unsigned i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "early-%u", i);
		world_configmap(w, name, "1");
	}
	remove_one(w, "early-7");
	world_configmap(w, "hot", "0");
	for (unsigned i = 1; i < HISTORY_KEEP + 3 * HISTORY_FOLD; i++) {
		set_value(w, "hot", i);
		if (i % 500 == 0) {
			store_commit(w->store);
		}
	}
	remove_one(w, "early-9"); /* long after it was folded */
	world_reopen(w);
	assert_int_equal(store_count(w->store, w->configmap, SLICE("")), 49);
	assert_null(world_get(w, w->configmap, "default", "early-7"));
	assert_null(world_get(w, w->configmap, "default", "early-9"));
	assert_string_equal(world_str(world_get(w, w->configmap, "default", "hot"), "data.v"),
	                    "12999");
	world_crash(w);
	assert_int_equal(store_count(w->store, w->configmap, SLICE("")), 49);
}

static void a_crash_loses_only_what_was_not_committed(void **state)
{
	struct world *w = *state;
	uint64_t lost;

	world_configmap(w, "kept", "1");
	store_commit(w->store);
	world_configmap(w, "lost", "1");
	lost = store_revision(w->store);
	world_crash(w);
	assert_non_null(world_get(w, w->configmap, "default", "kept"));
	assert_null(world_get(w, w->configmap, "default", "lost"));
	assert_true(store_revision(w->store) > lost);
}

static void ignore(void *arg, const struct store_event *e)
{
	(void)arg;
	(void)e;
}

static void a_revision_lost_in_a_crash_cannot_be_watched_from(void **state)
{
	struct world *w = *state;
	struct store_watch *watch = NULL;
	uint64_t committed, lost;

	world_configmap(w, "kept", "1");
	store_commit(w->store);
	committed = store_revision(w->store);
	world_configmap(w, "lost", "1");
	lost = store_revision(w->store);
	world_crash(w);
	world_configmap(w, "after", "1");
	store_commit(w->store);
	assert_int_equal(store_watch(w->store, NULL, lost, ignore, NULL, &watch, NULL), -ERR_GONE);
	assert_int_equal(store_watch(w->store, NULL, committed, ignore, NULL, &watch, NULL), 0);
	store_unwatch(watch);
}

static void note(void *arg, const struct store_event *e)
{
	strbuf_addf(arg, "%c%s%s ", "+~-"[e->type], world_str(e->object, "metadata.name"),
	            world_str(e->object, "data.v"));
	if (e->old) {
		strbuf_addf(arg, "(%s) ", world_str(e->old, "data.v"));
	}
}

static void the_history_survives_reopening(void **state)
{
	struct world *w = *state;
	scoped_strbuf struct strbuf text = { 0 };
	struct store_watch *watch = NULL;
	uint64_t from;

	world_configmap(w, "a", "1");
	store_commit(w->store);
	from = store_revision(w->store);
	set_value(w, "a", 2);
	world_reopen(w);
	set_value(w, "a", 3);
	remove_one(w, "a");
	world_reopen(w);
	assert_int_equal(store_watch(w->store, w->configmap, from, note, &text, &watch, NULL), 0);
	loop_advance_us(w->loop, 1);
	assert_string_equal(strbuf_str(&text), "~a2 (1) ~a3 (2) -a3 (3) ");
	store_unwatch(watch);
}

static void an_idle_watcher_goes_on_after_reopening(void **state)
{
	struct world *w = *state;
	struct store_watch *watch = NULL;
	uint64_t from = store_revision(w->store);

	world_reopen(w);
	world_reopen(w);
	assert_int_equal(store_watch(w->store, NULL, from, ignore, NULL, &watch, NULL), 0);
	store_unwatch(watch);
}

static void kinds_of_stored_definitions_are_known_before_their_objects(void **state)
{
	struct world *w = *state;
	const struct kind *crd = registry_find(w->registry, SLICE("apiextensions.k8s.io"),
	                                       SLICE("v1"), SLICE("CustomResourceDefinition"));
	const struct kind *k;
	const struct doc *d;

	d = world_create(
		w, crd,
		"{\"metadata\":{\"name\":\"dogs.example.com\"},\"spec\":{\"group\":\"example.com\","
		"\"scope\":\"Namespaced\",\"names\":{\"kind\":\"Dog\",\"plural\":\"dogs\"},"
		"\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
		"\"openAPIV3Schema\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":"
		"true}}}]}}");
	assert_int_equal(registry_add_crd(w->registry, d->root, NULL), 0);
	k = registry_find(w->registry, SLICE("example.com"), SLICE("v1"), SLICE("Dog"));
	assert_non_null(k);
	world_create(
		w, k,
		"{\"metadata\":{\"name\":\"rex\",\"namespace\":\"default\"},\"spec\":{\"age\":3}}");
	world_reopen(w);
	k = registry_find(w->registry, SLICE("example.com"), SLICE("v1"), SLICE("Dog"));
	assert_non_null(k);
	assert_non_null(world_get(w, k, "default", "rex"));
}

/* ---- files ---- */

static void the_file_is_private(void **state)
{
	struct world *w = *state;
	static const char *const files[] = { "", "-wal", "-lock" };

	world_configmap(w, "a", "1");
	store_commit(w->store);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		scoped_free char *path = mem_printf("%s%s", w->path, files[i]);
		struct stat st;

		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
}

static void a_second_store_on_the_same_file_is_refused(void **state)
{
	struct world *w = *state;
	struct world second = { .loop = w->loop, .path = w->path };
	struct err err = { 0 };

	assert_int_equal(world_open(&second, &err), -ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "in use by another process"));
}

static void overwrite(struct world *w, off_t at, const char *bytes, size_t size, bool cut)
{
	scoped_fd int fd = open(w->path, O_WRONLY | O_CLOEXEC | (cut ? O_TRUNC : 0));

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, size, at), size);
}

static void expect_refused(struct world *w, enum err_code code, const char *text)
{
	struct err err = { 0 };

	assert_int_equal(world_open(w, &err), -(int)code);
	if (!strstr(err.msg, text)) {
		fail_msg("'%s' lacks '%s'", err.msg, text);
	}
}

static void a_file_of_something_else_is_refused_and_left_alone(void **state)
{
	struct world *w = *state;
	static const char text[] = "this is a letter to a friend, and not a database at all";
	char back[sizeof(text)];
	scoped_fd int fd = -1;

	world_close(w);
	overwrite(w, 0, text, sizeof(text), true);
	expect_refused(w, ERR_SYNTAX, "is not a kennel store");
	fd = open(w->path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, back, sizeof(back)), sizeof(text));
	assert_memory_equal(back, text, sizeof(text));
}

static void another_programs_database_is_refused(void **state)
{
	struct world *w = *state;

	world_close(w);
	overwrite(w, 68, "\0\0\0\1", 4, false); /* application_id */
	expect_refused(w, ERR_SYNTAX, "not a kennel store");
}

static void a_store_of_the_future_is_refused(void **state)
{
	struct world *w = *state;

	world_close(w);
	overwrite(w, 60, "\0\0\0\11", 4, false); /* user_version */
	expect_refused(w, ERR_SYNTAX, "has format 9");
}

static void a_damaged_file_is_refused(void **state)
{
	struct world *w = *state;
	char noise[4096];

	for (unsigned i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%u", i);
		world_configmap(w, name, "some text so that there are pages");
	}
	world_close(w);
	memset(noise, 0xa5, sizeof(noise));
	overwrite(w, 2 * 4096, noise, sizeof(noise), false);
	overwrite(w, 3 * 4096, noise, sizeof(noise), false);
	expect_refused(w, ERR_SYNTAX, "damaged");
}

static void a_folder_that_is_not_there_is_said(void **state)
{
	struct world *w = *state;
	char *path = w->path;

	world_close(w);
	w->path = mem_printf("%s/none/store.db", w->folder);
	expect_refused(w, ERR_NOTFOUND, "/none/store.db");
	free(w->path);
	w->path = path;
}

/* ---- a disk that is full ---- */

static void limit_file_size(rlim_t size)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

struct answer {
	struct store_wait wait;
	bool is_there;
};

static void answered(struct store_wait *w)
{
	container_of(w, struct answer, wait)->is_there = true;
}

static void a_full_disk_answers_nobody_until_it_has_room_again(void **state)
{
	struct world *w = *state;
	struct answer a = { .wait.fn = answered };
	scoped_arena struct arena arena = { 0 };
	struct err err = { 0 };
	struct rlimit limit;
	char *big = arena_alloc(&arena, 200001);

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	memset(big, 'x', 200000);
	world_configmap(w, "before", "1");
	store_commit(w->store);
	limit_file_size(100000);
	world_configmap(w, "a", big);
	store_after_commit(w->store, &a.wait);
	loop_advance_us(w->loop, 1);
	assert_false(a.is_there);
	assert_int_equal(store_create(w->store, w->configmap,
	                              world_get(w, w->configmap, "default", "before")->root, NULL,
	                              &err),
	                 -ERR_IO);
	assert_non_null(strstr(err.msg, "the disk takes no writes"));
	limit_file_size(limit.rlim_cur);
	loop_advance_us(w->loop, 2 * RETRY_US);
	assert_true(a.is_there);
	world_configmap(w, "b", "1");
	world_crash(w);
	assert_non_null(world_get(w, w->configmap, "default", "a"));
}

/* ---- the writer's thread ---- */

static void stop_loop(struct store_wait *w)
{
	struct answer *a = container_of(w, struct answer, wait);

	a->is_there = true;
}

static void a_thread_writes_while_the_loop_goes_on(void **state)
{
	struct world *w = *state;
	struct answer answers[50] = { 0 };
	struct answer last = { .wait.fn = stop_loop };

	world_close(w);
	loop_free(w->loop);
	w->loop = loop_new();
	assert_int_equal(world_open(w, NULL), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(answers); i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%u", i);
		world_configmap(w, name, "1");
		answers[i].wait.fn = answered;
		store_after_commit(w->store, &answers[i].wait);
		if (i % 7 == 0) {
			loop_run_once(w->loop);
		}
	}
	store_after_commit(w->store, &last.wait);
	loop_run(w->loop); /* ends by itself: an idle store keeps no loop running */
	assert_true(last.is_there);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		assert_true(answers[i].is_there);
	}
	world_configmap(w, "under-way", "1");
	loop_run_once(w->loop);
	world_configmap(w, "pending", "1");
	world_reopen(w); /* closing waits for both */
	assert_non_null(world_get(w, w->configmap, "default", "under-way"));
	assert_non_null(world_get(w, w->configmap, "default", "pending"));
	assert_int_equal(store_count(w->store, w->configmap, SLICE("")), 52);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(objects_are_there_after_reopening),
		T(a_name_can_be_used_again_across_reopening),
		T(folded_objects_are_there_after_reopening),
		T(a_crash_loses_only_what_was_not_committed),
		T(a_revision_lost_in_a_crash_cannot_be_watched_from),
		T(the_history_survives_reopening),
		T(an_idle_watcher_goes_on_after_reopening),
		T(kinds_of_stored_definitions_are_known_before_their_objects),
		T(the_file_is_private),
		T(a_second_store_on_the_same_file_is_refused),
		T(a_file_of_something_else_is_refused_and_left_alone),
		T(another_programs_database_is_refused),
		T(a_store_of_the_future_is_refused),
		T(a_damaged_file_is_refused),
		T(a_folder_that_is_not_there_is_said),
		T(a_full_disk_answers_nobody_until_it_has_room_again),
		T(a_thread_writes_while_the_loop_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
