#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "world.h"

/* Besides n1 (which no zone has) nodes a1, a2 in zone a and b1 in zone b, all alike. */
static void put_node(struct world *w, const char *name, const char *zone)
{
	world_put(
		w,
		"{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\",\"labels\":"
		"{"
		"\"kubernetes.io/hostname\":\"%s\",\"topology.kubernetes.io/zone\":\"%s\"}},"
		"\"spec\":{\"providerID\":\"kennel://test/%s\"},"
		"\"status\":{\"allocatable\":{\"cpu\":\"8\",\"memory\":\"16Gi\",\"pods\":\"100\"},"
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
		name, name, zone, name);
}

static int setup(void **state)
{
	struct world *w = NEW(struct world);

	world_init(w);
	world_delete(w, w->node, "", "n1", NULL);
	put_node(w, "a1", "a");
	put_node(w, "a2", "a");
	put_node(w, "b1", "b");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static void put_pod(struct world *w, const char *name, const char *app, const char *spec)
{
	world_put(
		w,
		"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"labels\":{"
		"\"app\":\"%s\"}},\"spec\":{%s%s\"containers\":[{\"name\":\"c\"}]},\"status\":{"
		"\"phase\":\"Pending\"}}",
		name, app, spec, *spec ? "," : "");
	world_run_ms(w, 50);
}

static const char *node_of(struct world *w, const char *name)
{
	return world_str(world_get(w, w->pod, "default", name), "spec.nodeName");
}

static const char *zone_of(struct world *w, const char *pod)
{
	const char *node = node_of(w, pod);

	return node[0] == 'a' ? "a" : node[0] == 'b' ? "b" : "(no node)";
}

static const char *why(struct world *w, const char *name)
{
	val_for_each (val_path(world_get(w, w->pod, "default", name), "status.conditions"), it) {
		if (strcmp(world_str(it, "type"), "PodScheduled") == 0) {
			return world_str(it, "message");
		}
	}
	return "(no condition)";
}

static size_t pods_on(struct world *w, const char *node)
{
	size_t n = 0;

	for (size_t i = 0; i < world_count(w, w->pod, "default"); i++) {
		const struct val *pod = world_nth(w, w->pod, "default", i);

		n += strcmp(world_str(pod, "spec.nodeName"), node) == 0 &&
		     !val_path(pod, "metadata.deletionTimestamp");
	}
	return n;
}

#define TERM(app, key)                                                                             \
	"{\"labelSelector\":{\"matchLabels\":{\"app\":\"" app "\"}},\"topologyKey\":\"" key "\"}"
#define NODE "kubernetes.io/hostname"
#define ZONE "topology.kubernetes.io/zone"
#define REQUIRED(which, term)                                                                      \
	"\"affinity\":{\"" which "\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[" term   \
	"]}}"
#define PREFERRED(which, term)                                                                     \
	"\"affinity\":{\"" which                                                                   \
	"\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":100,"                \
	"\"podAffinityTerm\":" term "}]}}"

static void replicas_that_avoid_each_other_take_a_node_each(void **state)
{
	struct world *w = *state;
	const char *spec = REQUIRED("podAntiAffinity", TERM("x", NODE));

	put_pod(w, "x1", "x", spec);
	put_pod(w, "x2", "x", spec);
	put_pod(w, "x3", "x", spec);
	put_pod(w, "x4", "x", spec);
	assert_int_equal(pods_on(w, "a1"), 1);
	assert_int_equal(pods_on(w, "a2"), 1);
	assert_int_equal(pods_on(w, "b1"), 1);
	assert_string_equal(node_of(w, "x4"), "");
	assert_string_equal(
		why(w, "x4"),
		"0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.");
}

static void who_is_there_already_may_refuse_newcomers(void **state)
{
	struct world *w = *state;

	put_pod(w, "shy", "shy",
	        "\"nodeSelector\":{\"" ZONE
	        "\":\"a\"}," REQUIRED("podAntiAffinity", TERM("loud", ZONE)));
	put_pod(w, "loud1", "loud", "");
	assert_string_equal(node_of(w, "loud1"), "b1");
	world_merge(w, w->node, "", "b1", "{\"spec\":{\"unschedulable\":true}}");
	world_run_ms(w, 50);
	put_pod(w, "loud2", "loud", "");
	assert_string_equal(why(w, "loud2"),
	                    "0/3 nodes are available: 2 node(s) didn't satisfy existing pods "
	                    "anti-affinity rules, 1 node(s) were unschedulable.");
}

static void pods_that_belong_together_are_put_together(void **state)
{
	struct world *w = *state;

	/* nobody is there yet whom it could be near, and it is none of them itself */
	put_pod(w, "early", "web", REQUIRED("podAffinity", TERM("db", ZONE)));
	assert_string_equal(why(w, "early"),
	                    "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.");
	put_pod(w, "db", "db", "\"nodeSelector\":{\"" ZONE "\":\"b\"}");
	world_run_ms(w, 1000);
	assert_string_equal(node_of(w, "db"), "b1");
	assert_string_equal(node_of(w, "early"), "b1");
	/* the first of a group that wants to be together may be anywhere; the others follow */
	put_pod(w, "g1", "g", REQUIRED("podAffinity", TERM("g", NODE)));
	put_pod(w, "g2", "g", REQUIRED("podAffinity", TERM("g", NODE)));
	assert_string_not_equal(node_of(w, "g1"), "");
	assert_string_equal(node_of(w, "g2"), node_of(w, "g1"));
}

static void a_preference_is_followed_where_it_can_be(void **state)
{
	struct world *w = *state;

	put_pod(w, "p", "p", "\"nodeName\":\"a2\"");
	put_pod(w, "near", "q", PREFERRED("podAffinity", TERM("p", NODE)));
	assert_string_equal(node_of(w, "near"), "a2");
	put_pod(w, "far", "q", PREFERRED("podAntiAffinity", TERM("p", ZONE)));
	assert_string_equal(node_of(w, "far"), "b1");
	put_pod(w, "zoned", "z",
	        "\"affinity\":{\"nodeAffinity\":{"
	        "\"preferredDuringSchedulingIgnoredDuringExecution\":"
	        "[{\"weight\":50,\"preference\":{\"matchExpressions\":[{\"key\":\"" ZONE
	        "\",\"operator\":\"In\",\"values\":[\"b\"]}]}}]}}");
	assert_string_equal(node_of(w, "zoned"), "b1");
	/* nowhere: it is but a wish */
	put_pod(w, "wish", "z",
	        "\"affinity\":{\"nodeAffinity\":{"
	        "\"preferredDuringSchedulingIgnoredDuringExecution\":"
	        "[{\"weight\":50,\"preference\":{\"matchExpressions\":[{\"key\":\"disk\","
	        "\"operator\":\"Exists\"}]}}]}}");
	assert_string_not_equal(node_of(w, "wish"), "");
}

#define SPREAD(key, skew, when, more)                                                              \
	"\"topologySpreadConstraints\":[{\"maxSkew\":" skew ",\"topologyKey\":\"" key              \
	"\",\"whenUnsatisfiable\":\"" when                                                         \
	"\",\"labelSelector\":{\"matchLabels\":{\"app\":\"s\"}}" more "}]"

static void hard_spreading_keeps_the_skew(void **state)
{
	struct world *w = *state;
	const char *spec = SPREAD(ZONE, "1", "DoNotSchedule", "");
	size_t in_a, in_b;
	char name[8];

	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		put_pod(w, name, "s", spec);
		in_a = pods_on(w, "a1") + pods_on(w, "a2");
		in_b = pods_on(w, "b1");
		assert_true(in_a <= in_b + 1 && in_b <= in_a + 1);
	}
	assert_int_equal(in_a + in_b, 6);
	/* zone b is closed: zone a may get one more than b has, not two */
	world_merge(w, w->node, "", "b1", "{\"spec\":{\"unschedulable\":true}}");
	world_run_ms(w, 50);
	put_pod(w, "t1", "s", spec);
	put_pod(w, "t2", "s", spec);
	assert_string_equal(zone_of(w, "t1"), "a");
	assert_string_equal(why(w, "t2"),
	                    "0/3 nodes are available: 2 node(s) didn't match pod topology spread "
	                    "constraints, 1 node(s) were unschedulable.");
}

static void fewer_places_than_wanted_count_as_an_empty_one(void **state)
{
	struct world *w = *state;
	const char *spec = SPREAD(ZONE, "1", "DoNotSchedule", ",\"minDomains\":3");

	put_pod(w, "s1", "s", spec);
	put_pod(w, "s2", "s", spec);
	put_pod(w, "s3", "s", spec);
	assert_string_not_equal(zone_of(w, "s1"), zone_of(w, "s2"));
	assert_string_equal(why(w, "s3"),
	                    "0/3 nodes are available: 3 node(s) didn't match pod topology spread "
	                    "constraints.");
}

static void a_node_without_the_label_is_no_place(void **state)
{
	struct world *w = *state;

	put_pod(w, "s1", "s", SPREAD("rack", "1", "DoNotSchedule", ""));
	assert_string_equal(why(w, "s1"),
	                    "0/3 nodes are available: 3 node(s) didn't match pod topology spread "
	                    "constraints (missing required label).");
	put_pod(w, "s2", "s", SPREAD("rack", "1", "ScheduleAnyway", ""));
	assert_string_not_equal(node_of(w, "s2"), "");
}

static void replicas_spread_by_themselves(void **state)
{
	struct world *w = *state;

	world_put(
		w,
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\"},"
		"\"spec\":{\"replicas\":3,\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
		"\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{"
		"\"name\":\"c\",\"image\":\"i\"}]}}}}");
	world_run_ms(w, 500);
	assert_int_equal(pods_on(w, "a1"), 1);
	assert_int_equal(pods_on(w, "a2"), 1);
	assert_int_equal(pods_on(w, "b1"), 1);
}

static void a_soft_taint_is_avoided(void **state)
{
	struct world *w = *state;

	world_merge(w, w->node, "", "a1",
	            "{\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"PreferNoSchedule\"}]}}");
	world_merge(w, w->node, "", "a2",
	            "{\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"PreferNoSchedule\"}]}}");
	for (int i = 0; i < 4; i++) {
		char name[8];

		snprintf(name, sizeof(name), "p%d", i);
		put_pod(w, name, "p", "");
		assert_string_equal(node_of(w, name), "b1");
	}
}

/* ---- nodes that fall silent ---- */

static void beat(struct world *w, const char *node, int n)
{
	world_put(w,
	          "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{"
	          "\"name\":\"%s\",\"namespace\":\"kube-node-lease\"},\"spec\":{\"holderIdentity\":"
	          "\"%d\"}}",
	          node, n);
}

/* All but 'silent' (null: none) beat for that long. */
static void live(struct world *w, int seconds, const char *silent)
{
	static const char *const nodes[] = { "a1", "a2", "b1" };
	static int n;

	for (int t = 0; t < seconds; t += 10) {
		for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
			if (!silent || strcmp(silent, nodes[i]) != 0) {
				beat(w, nodes[i], n++);
			}
		}
		world_run_ms(w, 10000);
	}
}

static const char *ready(struct world *w, const char *pod)
{
	val_for_each (val_path(world_get(w, w->pod, "default", pod), "status.conditions"), it) {
		if (strcmp(world_str(it, "type"), "Ready") == 0) {
			return world_str(it, "status");
		}
	}
	return "(no condition)";
}

#define TOLERATES(key, seconds)                                                                    \
	"{\"key\":\"node.kubernetes.io/" key                                                       \
	"\",\"operator\":\"Exists\",\"effect\":\"NoExecute\","                                     \
	"\"tolerationSeconds\":" seconds "}"

static void pods_of_a_silent_node_are_doubted_and_later_sent_away(void **state)
{
	struct world *w = *state;

	w->pods_start = true;
	put_pod(w, "stays", "p",
	        "\"nodeSelector\":{\"" NODE
	        "\":\"b1\"},\"tolerations\":[{\"operator\":\"Exists\"}]");
	put_pod(w, "goes", "p",
	        "\"nodeSelector\":{\"" NODE "\":\"b1\"},\"tolerations\":[" TOLERATES(
			"unreachable", "300") "," TOLERATES("not-ready", "300") "]");
	put_pod(w, "other", "p", "\"nodeSelector\":{\"" NODE "\":\"a1\"}");
	live(w, 60, NULL);
	assert_string_equal(ready(w, "goes"), "True");
	w->stop_us = 3600 * US_PER_S; /* nobody is there to end pods */
	live(w, 60, "b1");
	assert_string_equal(ready(w, "goes"), "False");
	assert_string_equal(ready(w, "other"), "True");
	assert_null(
		val_path(world_get(w, w->pod, "default", "goes"), "metadata.deletionTimestamp"));
	live(w, 250, "b1");
	assert_null(
		val_path(world_get(w, w->pod, "default", "goes"), "metadata.deletionTimestamp"));
	live(w, 60, "b1");
	assert_non_null(
		val_path(world_get(w, w->pod, "default", "goes"), "metadata.deletionTimestamp"));
	assert_null(
		val_path(world_get(w, w->pod, "default", "stays"), "metadata.deletionTimestamp"));
	assert_int_equal(world_events(w, "TaintManagerEviction"), 1);
}

static void when_every_node_is_silent_pods_stay(void **state)
{
	struct world *w = *state;

	w->pods_start = true;
	world_delete(w, w->node, "", "a2", NULL);
	world_delete(w, w->node, "", "b1", NULL);
	put_pod(w, "p", "p", "");
	live(w, 20, NULL);
	world_run_ms(w, 600 * 1000);
	assert_string_equal(ready(w, "p"), "True");
	assert_null(val_path(world_get(w, w->pod, "default", "p"), "metadata.deletionTimestamp"));
	assert_int_equal(val_len(val_path(world_get(w, w->node, "", "a1"), "spec.taints")), 1);
}

static void a_taint_that_forbids_running_ends_pods_at_once(void **state)
{
	struct world *w = *state;

	w->pods_start = true;
	put_pod(w, "p", "p", "\"nodeName\":\"a1\"");
	put_pod(w, "q", "p",
	        "\"nodeName\":\"a1\",\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}]");
	world_run_ms(w, 500);
	world_merge(w, w->node, "", "a1",
	            "{\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"NoExecute\"}]}}");
	world_run_ms(w, 1000);
	assert_null(world_get(w, w->pod, "default", "p"));
	assert_non_null(world_get(w, w->pod, "default", "q"));
}

/* ---- one on every node ---- */

static void put_set(struct world *w, const char *image)
{
	world_put(
		w,
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"d\"},"
		"\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"updateStrategy\":{"
		"\"type\":\"RollingUpdate\"},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
		"\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"%s\"}]}}}}",
		image);
}

static int64_t count_of(struct world *w, const char *field)
{
	const struct kind *k =
		registry_find(w->registry, SLICE("apps"), SLICE("v1"), SLICE("DaemonSet"));

	return val_int(val_get(val_get(world_get(w, k, "default", "d"), "status"), field), -1);
}

static void a_daemon_runs_on_every_node_that_will_have_it(void **state)
{
	struct world *w = *state;

	w->pods_start = true;
	world_merge(w, w->node, "", "b1",
	            "{\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"NoSchedule\"}]}}");
	/* cordoned, and still looked after */
	world_merge(w, w->node, "", "a2", "{\"spec\":{\"unschedulable\":true}}");
	world_run_ms(w, 50);
	put_set(w, "one");
	world_run_ms(w, 1000);
	assert_int_equal(pods_on(w, "a1"), 1);
	assert_int_equal(pods_on(w, "a2"), 1);
	assert_int_equal(pods_on(w, "b1"), 0);
	assert_int_equal(count_of(w, "desiredNumberScheduled"), 2);
	assert_int_equal(count_of(w, "numberReady"), 2);
	put_node(w, "c1", "c");
	world_merge(w, w->node, "", "b1", "{\"spec\":{\"taints\":null}}");
	world_run_ms(w, 1000);
	assert_int_equal(pods_on(w, "b1"), 1);
	assert_int_equal(pods_on(w, "c1"), 1);
	assert_int_equal(count_of(w, "numberAvailable"), 4);
	/* what may not run there any more goes */
	world_merge(w, w->node, "", "c1",
	            "{\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"NoExecute\"}]}}");
	world_run_ms(w, 1000);
	assert_int_equal(pods_on(w, "c1"), 0);
	assert_int_equal(count_of(w, "desiredNumberScheduled"), 3);
}

static void never_below(struct world *w)
{
	struct tally t = world_tally(w, "default", "two");

	if (t.active_of_image > 0 && t.ready < 2) {
		fail_msg("%zu of 3 are ready", t.ready);
	}
}

static void a_daemon_is_replaced_node_by_node(void **state)
{
	struct world *w = *state;

	w->pods_start = true;
	put_set(w, "one");
	world_run_ms(w, 1000);
	assert_int_equal(world_tally(w, "default", "one").active_of_image, 3);
	w->each_change = never_below;
	put_set(w, "two");
	world_run_ms(w, 5000);
	w->each_change = NULL;
	assert_int_equal(world_tally(w, "default", "two").active_of_image, 3);
	assert_int_equal(count_of(w, "updatedNumberScheduled"), 3);
	assert_int_equal(count_of(w, "numberAvailable"), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(replicas_that_avoid_each_other_take_a_node_each),
		TEST(who_is_there_already_may_refuse_newcomers),
		TEST(pods_that_belong_together_are_put_together),
		TEST(a_preference_is_followed_where_it_can_be),
		TEST(hard_spreading_keeps_the_skew),
		TEST(fewer_places_than_wanted_count_as_an_empty_one),
		TEST(a_node_without_the_label_is_no_place),
		TEST(replicas_spread_by_themselves),
		TEST(a_soft_taint_is_avoided),
		TEST(pods_of_a_silent_node_are_doubted_and_later_sent_away),
		TEST(when_every_node_is_silent_pods_stay),
		TEST(a_taint_that_forbids_running_ends_pods_at_once),
		TEST(a_daemon_runs_on_every_node_that_will_have_it),
		TEST(a_daemon_is_replaced_node_by_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
