/* Why: what writes promise: names, revisions, generations, conflicts, deletion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "world.h"

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

static struct key key_of(const struct kind *k, const char *ns, const char *name)
{
	return (struct key){ k, slice_of(ns), slice_of(name) };
}

static int64_t number(const struct doc *d, const char *path)
{
	return val_int(val_path(d->root, path), -1);
}

/* ---- create ---- */

static void a_new_object_gets_its_metadata(void **state)
{
	struct world *w = *state;
	uint64_t before = store_revision(w->store);
	const struct doc *d = world_create(
		w, w->deployment,
		"{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"uid\":\"mine\","
		"\"generation\":7,"
		"\"deletionTimestamp\":\"2020-01-01T00:00:00Z\"},\"spec\":{\"replicas\":1}}");
	char revision[32];

	snprintf(revision, sizeof(revision), "%llu", (unsigned long long)before + 1);
	assert_string_equal(world_str(d, "metadata.resourceVersion"), revision);
	assert_int_equal(strlen(world_str(d, "metadata.uid")), 36);
	assert_string_equal(world_str(d, "metadata.creationTimestamp"), "2026-01-01T00:00:00Z");
	assert_null(val_path(d->root, "metadata.deletionTimestamp"));
	assert_int_equal(number(d, "metadata.generation"), 1);
	assert_string_equal(world_str(d, "apiVersion"), "apps/v1");
	assert_string_equal(world_str(d, "kind"), "Deployment");
	assert_ptr_equal(world_get(w, w->deployment, "default", "a"), d);
}

static void a_name_is_given_once(void **state)
{
	struct world *w = *state;
	const struct doc *d = world_configmap(w, "a", "1");
	struct err err = { 0 };

	assert_int_equal(store_create(w->store, w->configmap, d->root, NULL, &err), -ERR_EXISTS);
	assert_string_equal(err.msg, "configmaps \"a\" already exists");
}

static void generated_names_differ_and_fit(void **state)
{
	struct world *w = *state;
	const char *base = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmno-";
	const struct doc *one, *two;

	one = world_create(w, w->configmap,
	                   "{\"metadata\":{\"generateName\":\"%s\",\"namespace\":\"default\"}}",
	                   base);
	two = world_create(w, w->configmap,
	                   "{\"metadata\":{\"generateName\":\"%s\",\"namespace\":\"default\"}}",
	                   base);
	assert_int_equal(strlen(world_str(one, "metadata.name")), 63);
	assert_memory_equal(world_str(one, "metadata.name"), base, 58);
	assert_string_not_equal(world_str(one, "metadata.name"), world_str(two, "metadata.name"));
}

static void an_object_without_a_name_is_refused(void **state)
{
	struct world *w = *state;
	scoped_arena struct arena a = { 0 };
	struct val *v = val_new_object(&a);
	struct err err = { 0 };

	val_set_cstr(&a, val_need_object(&a, v, "metadata"), "namespace", "default");
	assert_int_equal(store_create(w->store, w->configmap, v, NULL, &err), -ERR_INVALID);
	assert_string_equal(err.msg, "name or generateName is required");
}

static void what_was_handed_in_stays_as_it_was(void **state)
{
	struct world *w = *state;
	scoped_arena struct arena a = { 0 };
	struct val *v = val_new_object(&a), *meta = val_need_object(&a, v, "metadata"), *before;

	val_set_cstr(&a, meta, "namespace", "default");
	val_set_cstr(&a, meta, "generateName", "x-");
	before = val_copy(&a, v);
	assert_int_equal(store_create(w->store, w->configmap, v, NULL, NULL), 0);
	assert_true(val_eq(v, before));
}

/* ---- reading ---- */

struct names {
	char text[256];
};

static bool add_name(void *arg, const struct doc *d)
{
	struct names *n = arg;
	size_t len = strlen(n->text);

	snprintf(n->text + len, sizeof(n->text) - len, "%s/%s ", world_str(d, "metadata.namespace"),
	         world_str(d, "metadata.name"));
	return true;
}

static bool add_one_name(void *arg, const struct doc *d)
{
	add_name(arg, d);
	return false;
}

static void objects_are_listed_by_namespace_and_name(void **state)
{
	static const char *const keys[][2] = {
		{ "b", "z" }, { "a", "m" }, { "b", "a" }, { "a", "b" }, { "ab", "c" }
	};
	struct world *w = *state;
	struct names all = { "" }, one = { "" }, first = { "" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		world_create(w, w->configmap,
		             "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\"}}", keys[i][0],
		             keys[i][1]);
	}
	store_each(w->store, w->configmap, SLICE(""), add_name, &all);
	assert_string_equal(all.text, "a/b a/m ab/c b/a b/z ");
	store_each(w->store, w->configmap, SLICE("b"), add_name, &one);
	assert_string_equal(one.text, "b/a b/z ");
	store_each(w->store, w->configmap, SLICE(""), add_one_name, &first);
	assert_string_equal(first.text, "a/b ");
	assert_int_equal(store_count(w->store, w->configmap, SLICE("")), 5);
	assert_int_equal(store_count(w->store, w->configmap, SLICE("a")), 2);
	assert_int_equal(store_count(w->store, w->configmap, SLICE("none")), 0);
	assert_int_equal(store_count(w->store, w->pod, SLICE("")), 0);
}

static void json_is_the_object(void **state)
{
	struct world *w = *state;
	const struct doc *d = world_configmap(w, "a", "1\\n2");
	scoped_arena struct arena a = { 0 };
	struct val *v;

	assert_int_equal(json_parse(&a, store_json(w->store, d), JSON_STRICT, &v, NULL), 0);
	assert_true(val_eq(v, d->root));
}

static void many_objects_are_found_again(void **state)
{
	struct world *w = *state;
	char name[32];

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%u", i * 2654435761u % 1000003u);
		world_configmap(w, name, "x");
	}
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%u", i * 2654435761u % 1000003u);
		assert_non_null(world_get(w, w->configmap, "default", name));
		if (i % 2) {
			struct store_delete_opts o = { .grace_s = -1 };

			assert_int_equal(store_delete(w->store,
			                              key_of(w->configmap, "default", name), &o,
			                              NULL, NULL),
			                 STORE_REMOVED);
			assert_null(world_get(w, w->configmap, "default", name));
		}
	}
	assert_int_equal(store_count(w->store, w->configmap, SLICE("default")), 2500);
}

/* ---- update ---- */

static void an_update_must_know_the_present_revision(void **state)
{
	struct world *w = *state;
	scoped_arena struct arena a = { 0 };
	const struct doc *d = world_create(
		w, w->deployment,
		"{\"metadata\":{\"name\":\"d\",\"namespace\":\"default\"},\"spec\":{}}");
	struct val *stale = val_copy(&a, d->root);
	struct err err = { 0 };

	assert_int_equal(
		world_update(w, w->deployment, "default", "d", "{\"spec\":{\"replicas\":2}}", NULL),
		0);
	assert_int_equal(store_update(w->store, w->deployment, stale, NULL, &err), -ERR_CONFLICT);
	assert_string_equal(
		err.msg,
		"Operation cannot be fulfilled on deployments.apps \"d\": the object has been "
		"modified; please apply your changes to the latest version and try again");
	val_remove(val_get(stale, "metadata"), "resourceVersion");
	assert_int_equal(store_update(w->store, w->deployment, stale, NULL, &err), 0);
}

static void an_update_of_another_incarnation_is_a_conflict(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };

	world_configmap(w, "a", "1");
	assert_int_equal(world_update(w, w->configmap, "default", "a",
	                              "{\"metadata\":{\"uid\":\"other\"}}", &err),
	                 -ERR_CONFLICT);
	assert_non_null(strstr(
		err.msg, "Precondition failed: UID in precondition: other, UID in object meta: "));
}

static void an_update_without_change_is_no_write(void **state)
{
	struct world *w = *state;
	const struct doc *d = world_configmap(w, "a", "1"), *now;
	uint64_t before = store_revision(w->store);

	assert_int_equal(store_update(w->store, w->configmap, d->root, &now, NULL), 0);
	assert_ptr_equal(now, d);
	assert_int_equal(store_revision(w->store), before);
}

static void generation_counts_wishes_only(void **state)
{
	struct world *w = *state;

	world_create(w, w->deployment,
	             "{\"metadata\":{\"name\":\"d\",\"namespace\":\"default\"},\"spec\":{"
	             "\"replicas\":1}}");
	assert_int_equal(world_update(w, w->deployment, "default", "d",
	                              "{\"status\":{\"replicas\":1}}", NULL),
	                 0);
	assert_int_equal(world_update(w, w->deployment, "default", "d",
	                              "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", NULL),
	                 0);
	assert_int_equal(number(world_get(w, w->deployment, "default", "d"), "metadata.generation"),
	                 1);
	assert_int_equal(
		world_update(w, w->deployment, "default", "d", "{\"spec\":{\"replicas\":2}}", NULL),
		0);
	assert_int_equal(number(world_get(w, w->deployment, "default", "d"), "metadata.generation"),
	                 2);
}

static void a_client_cannot_change_what_is_the_stores(void **state)
{
	struct world *w = *state;
	const struct doc *d = world_configmap(w, "a", "1");
	char uid[64];

	snprintf(uid, sizeof(uid), "%s", world_str(d, "metadata.uid"));
	assert_int_equal(
		world_update(w, w->configmap, "default", "a",
	                     "{\"metadata\":{\"creationTimestamp\":\"2000-01-01T00:00:00Z\","
	                     "\"deletionTimestamp\":\"2000-01-01T00:00:00Z\"},\"data\":{}}",
	                     NULL),
		0);
	d = world_get(w, w->configmap, "default", "a");
	assert_string_equal(world_str(d, "metadata.uid"), uid);
	assert_string_equal(world_str(d, "metadata.creationTimestamp"), "2026-01-01T00:00:00Z");
	assert_null(val_path(d->root, "metadata.deletionTimestamp"));
}

static void what_is_not_there_cannot_be_updated(void **state)
{
	struct world *w = *state;
	scoped_arena struct arena a = { 0 };
	struct val *v = val_new_object(&a);
	struct err err = { 0 };

	val_set_cstr(&a, val_need_object(&a, v, "metadata"), "name", "d");
	val_set_cstr(&a, val_get(v, "metadata"), "namespace", "default");
	assert_int_equal(store_update(w->store, w->deployment, v, NULL, &err), -ERR_NOTFOUND);
	assert_string_equal(err.msg, "deployments.apps \"d\" not found");
}

/* ---- delete ---- */

static int delete_pod(struct world *w, const char *name, int64_t grace_s)
{
	struct store_delete_opts o = { .grace_s = grace_s };

	return store_delete(w->store, key_of(w->pod, "default", name), &o, NULL, NULL);
}

static void put_pod(struct world *w, const char *name, const char *node, const char *phase)
{
	world_create(w, w->pod,
	             "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\"},\"spec\":{"
	             "\"nodeName\":\"%s\","
	             "\"terminationGracePeriodSeconds\":20},\"status\":{\"phase\":\"%s\"}}",
	             name, node, phase);
}

static void an_object_without_finalizers_goes_at_once(void **state)
{
	struct world *w = *state;
	struct store_delete_opts o = { .grace_s = -1, .propagation = "Background" };
	const struct doc *last = NULL;

	world_configmap(w, "a", "1");
	assert_int_equal(
		store_delete(w->store, key_of(w->configmap, "default", "a"), &o, &last, NULL),
		STORE_REMOVED);
	assert_null(world_get(w, w->configmap, "default", "a"));
	assert_string_equal(world_str(last, "data.v"), "1");
	assert_int_equal(
		store_delete(w->store, key_of(w->configmap, "default", "a"), &o, NULL, NULL),
		-ERR_NOTFOUND);
}

static void finalizers_hold_an_object_until_the_last_is_gone(void **state)
{
	struct world *w = *state;
	struct store_delete_opts o = { .grace_s = -1 };
	const struct doc *d = NULL;

	world_create(w, w->configmap,
	             "{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"finalizers\":[\"x/"
	             "y\",\"x/z\"]}}");
	assert_int_equal(store_delete(w->store, key_of(w->configmap, "default", "a"), &o, &d, NULL),
	                 STORE_MARKED);
	assert_string_equal(world_str(d, "metadata.deletionTimestamp"), "2026-01-01T00:00:00Z");
	assert_int_equal(number(d, "metadata.deletionGracePeriodSeconds"), 0);
	assert_int_equal(world_update(w, w->configmap, "default", "a",
	                              "{\"metadata\":{\"finalizers\":[\"x/z\"]}}", NULL),
	                 0);
	assert_non_null(world_get(w, w->configmap, "default", "a"));
	assert_int_equal(world_update(w, w->configmap, "default", "a",
	                              "{\"metadata\":{\"finalizers\":[]}}", NULL),
	                 0);
	assert_null(world_get(w, w->configmap, "default", "a"));
}

static void foreground_and_orphan_add_their_finalizer(void **state)
{
	struct world *w = *state;
	struct store_delete_opts o = { .grace_s = -1, .propagation = "Foreground" };
	const struct doc *d = NULL;

	world_configmap(w, "a", "1");
	assert_int_equal(store_delete(w->store, key_of(w->configmap, "default", "a"), &o, &d, NULL),
	                 STORE_MARKED);
	assert_string_equal(val_cstr(val_at(val_path(d->root, "metadata.finalizers"), 0)),
	                    "foregroundDeletion");
	o.propagation = "Orphan";
	assert_int_equal(store_delete(w->store, key_of(w->configmap, "default", "a"), &o, &d, NULL),
	                 STORE_MARKED);
	assert_int_equal(val_len(val_path(d->root, "metadata.finalizers")), 1);
	assert_string_equal(val_cstr(val_at(val_path(d->root, "metadata.finalizers"), 0)),
	                    "orphan");
}

static void preconditions_must_hold(void **state)
{
	struct world *w = *state;
	struct store_delete_opts o = { .grace_s = -1, .uid = SLICE("other") };
	struct err err = { 0 };

	world_configmap(w, "a", "1");
	assert_int_equal(
		store_delete(w->store, key_of(w->configmap, "default", "a"), &o, NULL, &err),
		-ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "UID in precondition: other"));
	o = (struct store_delete_opts){ .grace_s = -1, .revision = SLICE("999") };
	assert_int_equal(
		store_delete(w->store, key_of(w->configmap, "default", "a"), &o, NULL, &err),
		-ERR_CONFLICT);
	assert_non_null(world_get(w, w->configmap, "default", "a"));
}

static void a_running_pod_gets_its_time(void **state)
{
	struct world *w = *state;
	const struct doc *d;

	put_pod(w, "p", "n1", "Running");
	assert_int_equal(delete_pod(w, "p", -1), STORE_MARKED);
	d = world_get(w, w->pod, "default", "p");
	assert_string_equal(world_str(d, "metadata.deletionTimestamp"), "2026-01-01T00:00:20Z");
	assert_int_equal(number(d, "metadata.deletionGracePeriodSeconds"), 20);
	/* an update does not take it away */
	assert_int_equal(world_update(w, w->pod, "default", "p",
	                              "{\"status\":{\"phase\":\"Failed\"}}", NULL),
	                 0);
	assert_non_null(world_get(w, w->pod, "default", "p"));
	/* nor does time become more, but it may become less */
	assert_int_equal(delete_pod(w, "p", 60), STORE_MARKED);
	put_pod(w, "q", "n1", "Running");
	assert_int_equal(delete_pod(w, "q", 20), STORE_MARKED);
	w->wall_us += 3 * US_PER_S;
	assert_int_equal(delete_pod(w, "q", 5), STORE_MARKED);
	d = world_get(w, w->pod, "default", "q");
	assert_string_equal(world_str(d, "metadata.deletionTimestamp"), "2026-01-01T00:00:05Z");
	assert_int_equal(delete_pod(w, "q", 0), STORE_REMOVED);
}

static void a_pod_that_runs_nowhere_goes_at_once(void **state)
{
	struct world *w = *state;

	put_pod(w, "pending", "", "Pending");
	put_pod(w, "done", "n1", "Succeeded");
	assert_int_equal(delete_pod(w, "pending", 30), STORE_REMOVED);
	assert_int_equal(delete_pod(w, "done", -1), STORE_REMOVED);
}

static void a_namespace_waits_for_its_own_finalizers(void **state)
{
	struct world *w = *state;
	struct store_delete_opts o = { .grace_s = -1 };

	world_create(w, w->namespace,
	             "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"finalizers\":[\"kubernetes\"]}}");
	assert_int_equal(store_delete(w->store, key_of(w->namespace, "", "n"), &o, NULL, NULL),
	                 STORE_MARKED);
	assert_int_equal(
		world_update(w, w->namespace, "", "n", "{\"spec\":{\"finalizers\":[]}}", NULL), 0);
	assert_null(world_get(w, w->namespace, "", "n"));
}

/* ---- commits ---- */

struct waiting {
	struct store_wait wait;
	int *order, mine;
};

static void note_order(struct store_wait *w)
{
	struct waiting *x = container_of(w, struct waiting, wait);

	x->mine = ++*x->order;
}

static void answers_wait_for_the_commit_and_keep_their_order(void **state)
{
	struct world *w = *state;
	int order = 0;
	struct waiting one = { .wait.fn = note_order, .order = &order };
	struct waiting two = { .wait.fn = note_order, .order = &order };
	struct waiting none = { .wait.fn = note_order, .order = &order };

	world_configmap(w, "a", "1");
	store_after_commit(w->store, &one.wait);
	world_configmap(w, "b", "1");
	store_after_commit(w->store, &two.wait);
	assert_int_equal(order, 0);
	loop_run_once(w->loop);
	assert_int_equal(one.mine, 1);
	assert_int_equal(two.mine, 2);
	/* nothing to write: still not from inside the call */
	store_after_commit(w->store, &none.wait);
	assert_int_equal(none.mine, 0);
	loop_run_once(w->loop);
	assert_int_equal(none.mine, 3);
}

/* ---- by a value ---- */

static bool label_of(const struct val *object, struct strbuf *ret)
{
	const struct val *label = val_path(object, "metadata.labels.of");

	strbuf_add_slice(ret, val_str(label));
	return label;
}

static bool join_name(void *arg, const struct doc *d)
{
	char *names = arg;
	const char *name = world_str(d, "metadata.name");

	strncat(names, name, 8);
	return name[0] != 'z';
}

static const char *labelled(struct world *w, const char *ns, const char *value)
{
	static char names[256];

	names[0] = '\0';
	store_each_indexed(w->store, w->configmap, slice_of(ns), slice_of(value), join_name, names);
	return names;
}

static void make_labelled(struct world *w, const char *ns, const char *name, const char *labels)
{
	world_create(w, w->configmap,
	             "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"labels\":%s}}", name,
	             ns, labels);
}

static void objects_are_found_by_a_value(void **state)
{
	struct world *w = *state;

	make_labelled(w, "default", "a", "{\"of\":\"x\"}");
	store_index(w->store, w->configmap, label_of);
	make_labelled(w, "default", "b", "{\"of\":\"x\",\"other\":\"y\"}");
	make_labelled(w, "default", "c", "{\"other\":\"x\"}");
	make_labelled(w, "kube-system", "d", "{\"of\":\"x\"}");
	assert_string_equal(labelled(w, "default", "x"), "ab");
	assert_string_equal(labelled(w, "kube-system", "x"), "d");
	assert_string_equal(labelled(w, "default", "y"), "");
	/* The label changes, and goes. */
	assert_int_equal(world_update(w, w->configmap, "default", "a",
	                              "{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\","
	                              "\"labels\":{\"of\":\"y\"}}}",
	                              NULL),
	                 0);
	assert_string_equal(labelled(w, "default", "x"), "b");
	assert_string_equal(labelled(w, "default", "y"), "a");
	assert_int_equal(world_update(w, w->configmap, "default", "a",
	                              "{\"metadata\":{\"labels\":{}}}", NULL),
	                 0);
	assert_string_equal(labelled(w, "default", "y"), "");
	/* A change that leaves the label, and the object's end. */
	assert_int_equal(
		world_update(w, w->configmap, "default", "b", "{\"data\":{\"v\":\"2\"}}", NULL), 0);
	assert_string_equal(labelled(w, "default", "x"), "b");
	assert_int_equal(store_delete(w->store, key_of(w->configmap, "default", "b"),
	                              &(struct store_delete_opts){ .grace_s = -1 }, NULL, NULL),
	                 STORE_REMOVED);
	assert_string_equal(labelled(w, "default", "x"), "");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_new_object_gets_its_metadata),
		T(a_name_is_given_once),
		T(generated_names_differ_and_fit),
		T(an_object_without_a_name_is_refused),
		T(what_was_handed_in_stays_as_it_was),
		T(objects_are_listed_by_namespace_and_name),
		T(json_is_the_object),
		T(many_objects_are_found_again),
		T(an_update_must_know_the_present_revision),
		T(an_update_of_another_incarnation_is_a_conflict),
		T(an_update_without_change_is_no_write),
		T(generation_counts_wishes_only),
		T(a_client_cannot_change_what_is_the_stores),
		T(what_is_not_there_cannot_be_updated),
		T(an_object_without_finalizers_goes_at_once),
		T(finalizers_hold_an_object_until_the_last_is_gone),
		T(foreground_and_orphan_add_their_finalizer),
		T(preconditions_must_hold),
		T(a_running_pod_gets_its_time),
		T(a_pod_that_runs_nowhere_goes_at_once),
		T(a_namespace_waits_for_its_own_finalizers),
		T(answers_wait_for_the_commit_and_keep_their_order),
		T(objects_are_found_by_a_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
