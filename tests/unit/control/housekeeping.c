#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "control/queue.h"
#include "world.h"

static int setup(void **state)
{
	struct world *w = NEW(struct world);

	world_init(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

/* ---- namespaces and accounts ---- */

static void put_namespace(struct world *w, const char *name)
{
	world_put(w,
	          "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"},"
	          "\"spec\":{"
	          "\"finalizers\":[\"kubernetes\"]}}",
	          name);
}

static void a_namespace_gets_its_label_account_and_ca(void **state)
{
	struct world *w = *state;
	const struct val *ns;

	put_namespace(w, "x");
	world_run_ms(w, 100);
	ns = world_get(w, w->namespace, "", "x");
	assert_string_equal(world_str(ns, "status.phase"), "Active");
	assert_string_equal(
		val_cstr(val_get(val_path(ns, "metadata.labels"), "kubernetes.io/metadata.name")),
		"x");
	assert_non_null(world_get(w, w->serviceaccount, "x", "default"));
	assert_string_equal(
		val_cstr(val_get(
			val_get(world_get(w, w->configmap, "x", "kube-root-ca.crt"), "data"),
			"ca.crt")),
		"CLUSTER CA");
	world_delete(w, w->serviceaccount, "x", "default", NULL);
	world_delete(w, w->configmap, "x", "kube-root-ca.crt", NULL);
	world_run_ms(w, 100);
	assert_non_null(world_get(w, w->serviceaccount, "x", "default"));
	assert_non_null(world_get(w, w->configmap, "x", "kube-root-ca.crt"));
}

static void a_deleted_namespace_takes_its_content_along_and_waits_for_pods(void **state)
{
	struct world *w = *state;

	w->stop_us = 1000000;
	put_namespace(w, "x");
	world_put(w, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\","
	             "\"namespace\":\"x\"},"
	             "\"spec\":{\"containers\":[{\"name\":\"c\"}]}}");
	world_put(w, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\","
	             "\"namespace\":\"x\"}}");
	world_run_ms(w, 500);
	world_delete(w, w->namespace, "", "x", "Background");
	world_run_ms(w, 100);
	assert_string_equal(world_str(world_get(w, w->namespace, "", "x"), "status.phase"),
	                    "Terminating");
	assert_int_equal(world_count(w, w->pod, "x"), 1);
	assert_int_equal(world_count(w, w->secret, "x"), 0);
	world_run_ms(w, 2000);
	assert_null(world_get(w, w->namespace, "", "x"));
	assert_int_equal(world_count(w, w->configmap, "x"), 0);
	assert_int_equal(world_count(w, w->serviceaccount, "x"), 0);
}

static void nothing_outlives_its_namespace(void **state)
{
	struct world *w = *state;

	put_namespace(w, "x");
	world_put(
		w,
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\","
		"\"namespace\":\"x\"},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{"
		"\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
		"\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}");
	world_run_ms(w, 500);
	assert_int_equal(world_count(w, w->pod, "x"), 2);
	world_delete(w, w->namespace, "", "x", "Background");
	world_run_ms(w, 2000);
	assert_null(world_get(w, w->namespace, "", "x"));
	assert_int_equal(world_count(w, w->event, "x"), 0);
	assert_int_equal(world_count(w, w->replicaset, "x"), 0);
}

/* ---- garbage ---- */

static const char *uid_of(struct world *w, const struct kind *k, const char *name)
{
	return world_str(world_get(w, k, "default", name), "metadata.uid");
}

static void put_config(struct world *w, const char *name, const char *owner, const char *owner_uid,
                       const char *flags)
{
	world_put(
		w,
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\","
		"\"ownerReferences\":[{"
		"\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"%s\",\"uid\":\"%s\"%s}]}}",
		name, owner, owner_uid, flags);
}

static void put_owner(struct world *w)
{
	world_put(
		w,
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"owner\"}}");
}

static void dependents_follow_a_deleted_owner(void **state)
{
	struct world *w = *state;

	put_owner(w);
	put_config(w, "child", "owner", uid_of(w, w->configmap, "owner"), "");
	put_config(w, "grandchild", "child", uid_of(w, w->configmap, "child"), "");
	world_run_ms(w, 100);
	assert_non_null(world_get(w, w->configmap, "default", "grandchild"));
	world_delete(w, w->configmap, "default", "owner", "Background");
	world_run_ms(w, 100);
	assert_null(world_get(w, w->configmap, "default", "child"));
	assert_null(world_get(w, w->configmap, "default", "grandchild"));
}

static void foreground_deletion_waits_for_blocking_dependents(void **state)
{
	struct world *w = *state;

	put_owner(w);
	put_config(w, "child", "owner", uid_of(w, w->configmap, "owner"),
	           ",\"blockOwnerDeletion\":true");
	world_merge(w, w->configmap, "default", "child",
	            "{\"metadata\":{\"finalizers\":[\"x/y\"]}}");
	world_run_ms(w, 100);
	world_delete(w, w->configmap, "default", "owner", "Foreground");
	world_run_ms(w, 100);
	assert_non_null(world_get(w, w->configmap, "default", "owner"));
	assert_non_null(val_path(world_get(w, w->configmap, "default", "child"),
	                         "metadata.deletionTimestamp"));
	world_merge(w, w->configmap, "default", "child", "{\"metadata\":{\"finalizers\":null}}");
	world_run_ms(w, 100);
	assert_null(world_get(w, w->configmap, "default", "child"));
	assert_null(world_get(w, w->configmap, "default", "owner"));
}

static void orphaned_dependents_stay_and_forget_their_owner(void **state)
{
	struct world *w = *state;

	put_owner(w);
	put_config(w, "child", "owner", uid_of(w, w->configmap, "owner"), "");
	world_run_ms(w, 100);
	world_delete(w, w->configmap, "default", "owner", "Orphan");
	world_run_ms(w, 100);
	assert_null(world_get(w, w->configmap, "default", "owner"));
	assert_non_null(world_get(w, w->configmap, "default", "child"));
	assert_int_equal(val_len(val_path(world_get(w, w->configmap, "default", "child"),
	                                  "metadata.ownerReferences")),
	                 0);
}

static void owners_are_told_by_uid_and_an_absent_one_means_garbage(void **state)
{
	struct world *w = *state;

	put_owner(w);
	put_config(w, "child", "owner", "00000000-0000-4000-8000-000000000000", "");
	world_run_ms(w, 100);
	assert_null(world_get(w, w->configmap, "default", "child"));
}

static void one_living_owner_is_enough(void **state)
{
	struct world *w = *state;

	put_owner(w);
	world_put(w,
	          "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"child\","
	          "\"ownerReferences\":[{"
	          "\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"gone\",\"uid\":\"1\"},{"
	          "\"apiVersion\":\"v1\","
	          "\"kind\":\"ConfigMap\",\"name\":\"owner\",\"uid\":\"%s\"}]}}",
	          uid_of(w, w->configmap, "owner"));
	world_run_ms(w, 100);
	assert_int_equal(val_len(val_path(world_get(w, w->configmap, "default", "child"),
	                                  "metadata.ownerReferences")),
	                 1);
}

static void owners_of_unknown_kinds_are_believed(void **state)
{
	struct world *w = *state;

	world_put(w, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
	             "\"child\",\"ownerReferences\":[{"
	             "\"apiVersion\":\"x.io/v1\",\"kind\":\"Y\",\"name\":\"z\",\"uid\":\"1\"}]}}");
	world_run_ms(w, 100);
	assert_non_null(world_get(w, w->configmap, "default", "child"));
}

/* ---- scheduling ---- */

static void put_pod(struct world *w, const char *name, const char *spec)
{
	world_put(w,
	          "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\"},\"spec\":"
	          "{%s},\"status\":{"
	          "\"phase\":\"Pending\"}}",
	          name, spec);
}

static const char *why_unscheduled(struct world *w, const char *name)
{
	val_for_each (val_path(world_get(w, w->pod, "default", name), "status.conditions"), it) {
		if (strcmp(world_str(it, "type"), "PodScheduled") == 0) {
			return world_str(it, "message");
		}
	}
	return "(no condition)";
}

static const char *node_of(struct world *w, const char *name)
{
	return world_str(world_get(w, w->pod, "default", name), "spec.nodeName");
}

#define CPU(n) "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"" n "\"}}}]"

static void a_pod_waits_until_there_is_room(void **state)
{
	struct world *w = *state;

	put_pod(w, "a", CPU("3"));
	world_run_ms(w, 100);
	put_pod(w, "b", CPU("1500m"));
	world_run_ms(w, 100);
	assert_string_equal(node_of(w, "a"), "n1");
	assert_string_equal(node_of(w, "b"), "");
	assert_string_equal(why_unscheduled(w, "b"),
	                    "0/1 nodes are available: 1 Insufficient cpu.");
	assert_int_equal(world_events(w, "FailedScheduling"), 1);
	world_delete(w, w->pod, "default", "a", NULL);
	world_run_ms(w, 1000);
	assert_string_equal(node_of(w, "b"), "n1");
}

static void a_pod_that_is_removed_at_once_makes_room(void **state)
{
	struct world *w = *state;
	struct store_delete_opts o = { .grace_s = 0 };

	put_pod(w, "a", CPU("3"));
	world_run_ms(w, 500);
	put_pod(w, "b", CPU("1500m"));
	world_run_ms(w, 100);
	assert_string_equal(node_of(w, "b"), "");
	assert_int_equal(store_delete(w->store,
	                              (struct key){ w->pod, SLICE("default"), SLICE("a") }, &o,
	                              NULL, NULL),
	                 STORE_REMOVED);
	world_run_ms(w, 100);
	assert_string_equal(node_of(w, "b"), "n1");
}

static void selectors_and_taints_keep_pods_away(void **state)
{
	struct world *w = *state;

	put_pod(w, "far", "\"nodeSelector\":{\"disk\":\"ssd\"},\"containers\":[{\"name\":\"c\"}]");
	world_run_ms(w, 100);
	assert_string_equal(
		why_unscheduled(w, "far"),
		"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.");
	world_merge(w, w->node, "", "n1", "{\"metadata\":{\"labels\":{\"disk\":\"ssd\"}}}");
	world_run_ms(w, 100);
	assert_string_equal(node_of(w, "far"), "n1");

	world_merge(w, w->node, "", "n1",
	            "{\"spec\":{\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":"
	            "\"NoSchedule\"}]}}");
	world_run_ms(w, 100);
	put_pod(w, "plain", "\"containers\":[{\"name\":\"c\"}]");
	put_pod(w, "tolerant",
	        "\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}],\"containers\":[{"
	        "\"name\":\"c\"}]");
	world_run_ms(w, 100);
	assert_string_equal(why_unscheduled(w, "plain"),
	                    "0/1 nodes are available: 1 node(s) had untolerated taint {k: v}.");
	assert_string_equal(node_of(w, "tolerant"), "n1");
}

static void a_cordoned_node_takes_no_pods(void **state)
{
	struct world *w = *state;

	world_merge(w, w->node, "", "n1", "{\"spec\":{\"unschedulable\":true}}");
	world_run_ms(w, 100);
	put_pod(w, "p", "\"containers\":[{\"name\":\"c\"}]");
	world_run_ms(w, 100);
	assert_string_equal(why_unscheduled(w, "p"),
	                    "0/1 nodes are available: 1 node(s) were unschedulable.");
	world_merge(w, w->node, "", "n1", "{\"spec\":{\"unschedulable\":null}}");
	world_run_ms(w, 100);
	assert_string_equal(node_of(w, "p"), "n1");
	assert_int_equal(val_len(val_path(world_get(w, w->node, "", "n1"), "spec.taints")), 0);
}

static void without_nodes_pods_wait_for_the_first(void **state)
{
	struct world *w = *state;

	world_delete(w, w->node, "", "n1", NULL);
	put_pod(w, "p", "\"containers\":[{\"name\":\"c\"}]");
	world_run_ms(w, 100);
	assert_string_equal(why_unscheduled(w, "p"), "no nodes available to schedule pods");
	world_put(w, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n2\"},"
	             "\"status\":{\"conditions\":[{"
	             "\"type\":\"Ready\",\"status\":\"True\"}]}}");
	world_run_ms(w, 100);
	assert_string_equal(node_of(w, "p"), "n2");
}

/* ---- nodes and pods without one ---- */

static const char *ready_of(struct world *w)
{
	return world_str(val_at(val_path(world_get(w, w->node, "", "n1"), "status.conditions"), 0),
	                 "status");
}

static void beat(struct world *w, int n)
{
	world_put(w,
	          "{\"apiVersion\":\"coordination.k8s.io/"
	          "v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"n1\",\"namespace\":"
	          "\"kube-node-lease\"},\"spec\":{\"holderIdentity\":\"%d\"}}",
	          n);
}

static void a_silent_node_is_unknown_after_forty_seconds(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 10; i++) {
		beat(w, i);
		world_run_ms(w, 10000);
	}
	assert_string_equal(ready_of(w), "True");
	world_run_ms(w, 29000);
	assert_string_equal(ready_of(w), "True");
	world_run_ms(w, 2000);
	assert_string_equal(ready_of(w), "Unknown");
	assert_string_equal(
		world_str(val_at(val_path(world_get(w, w->node, "", "n1"), "spec.taints"), 0),
	                  "key"),
		"node.kubernetes.io/unreachable");
	/* the node speaks again: it sets its condition itself, the taint follows */
	beat(w, 99);
	world_merge(w, w->node, "", "n1",
	            "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}");
	world_run_ms(w, 100);
	assert_int_equal(val_len(val_path(world_get(w, w->node, "", "n1"), "spec.taints")), 0);
}

static void pods_of_a_vanished_node_are_removed_after_a_while(void **state)
{
	struct world *w = *state;

	put_pod(w, "p", "\"containers\":[{\"name\":\"c\"}]");
	world_run_ms(w, 500);
	world_delete(w, w->node, "", "n1", NULL);
	world_run_ms(w, 30000);
	assert_non_null(world_get(w, w->pod, "default", "p"));
	world_run_ms(w, 11000);
	assert_null(world_get(w, w->pod, "default", "p"));
}

static void events_go_after_an_hour(void **state)
{
	struct world *w = *state;

	put_pod(w, "p", "\"containers\":[{\"name\":\"c\"}]");
	world_run_ms(w, 500);
	assert_int_equal(world_events(w, "Scheduled"), 1);
	world_run_ms(w, 3500 * 1000);
	assert_int_equal(world_events(w, "Scheduled"), 1);
	world_run_ms(w, 200 * 1000);
	assert_int_equal(world_events(w, "Scheduled"), 0);
}

/* ---- the queue ---- */

struct looks {
	int n, fail;
	int64_t again_us, last_us;
	struct loop *loop;
	struct queue queue;
};

static enum queue_result look(void *arg, struct slice key, int64_t *again_us)
{
	struct looks *l = arg;

	assert_true(slice_is(key, "k"));
	l->n++;
	l->last_us = loop_now_us(l->loop);
	*again_us = l->again_us;
	l->again_us = 0;
	if (l->fail) {
		l->fail--;
		return QUEUE_FAILED;
	}
	return QUEUE_DONE;
}

static void a_key_asked_for_often_is_looked_at_once(void **state)
{
	(void)state;
	struct looks l = { .loop = loop_new_manual() };

	queue_init(&l.queue, l.loop, look, &l);
	for (int i = 0; i < 5; i++) {
		queue_add(&l.queue, SLICE("k"));
	}
	loop_advance_us(l.loop, 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.queue.items.n, 0);
	queue_fini(&l.queue);
	loop_free(l.loop);
}

static void failures_are_repeated_with_growing_delay(void **state)
{
	(void)state;
	struct looks l = { .loop = loop_new_manual(), .fail = 3 };
	int64_t start_us = loop_now_us(l.loop);

	queue_init(&l.queue, l.loop, look, &l);
	queue_add(&l.queue, SLICE("k"));
	loop_advance_us(l.loop, US_PER_S);
	assert_int_equal(l.n, 4);
	assert_int_equal(l.last_us - start_us, 70 * US_PER_MS); /* 10 + 20 + 40 */
	queue_fini(&l.queue);
	loop_free(l.loop);
}

static void a_planned_look_is_overtaken_by_an_event(void **state)
{
	(void)state;
	struct looks l = { .loop = loop_new_manual(), .again_us = US_PER_S };

	queue_init(&l.queue, l.loop, look, &l);
	queue_add(&l.queue, SLICE("k"));
	loop_advance_us(l.loop, US_PER_MS);
	queue_add_after(&l.queue, SLICE("k"), 5 * US_PER_S);
	queue_add(&l.queue, SLICE("k"));
	loop_advance_us(l.loop, US_PER_MS);
	assert_int_equal(l.n, 2);
	loop_advance_us(l.loop, 10 * US_PER_S);
	assert_int_equal(l.n, 2);
	queue_fini(&l.queue);
	loop_free(l.loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_namespace_gets_its_label_account_and_ca),
		TEST(a_deleted_namespace_takes_its_content_along_and_waits_for_pods),
		TEST(nothing_outlives_its_namespace),
		TEST(dependents_follow_a_deleted_owner),
		TEST(foreground_deletion_waits_for_blocking_dependents),
		TEST(orphaned_dependents_stay_and_forget_their_owner),
		TEST(owners_are_told_by_uid_and_an_absent_one_means_garbage),
		TEST(one_living_owner_is_enough),
		TEST(owners_of_unknown_kinds_are_believed),
		TEST(a_pod_waits_until_there_is_room),
		TEST(a_pod_that_is_removed_at_once_makes_room),
		TEST(selectors_and_taints_keep_pods_away),
		TEST(a_cordoned_node_takes_no_pods),
		TEST(without_nodes_pods_wait_for_the_first),
		TEST(a_silent_node_is_unknown_after_forty_seconds),
		TEST(pods_of_a_vanished_node_are_removed_after_a_while),
		TEST(events_go_after_an_hour),
		cmocka_unit_test(a_key_asked_for_often_is_looked_at_once),
		cmocka_unit_test(failures_are_repeated_with_growing_delay),
		cmocka_unit_test(a_planned_look_is_overtaken_by_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
