#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
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

static void put_web(struct world *w, const char *image, int replicas, const char *more)
{
	world_put(w,
	          "{\"apiVersion\":\"apps/"
	          "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
	          "\"annotations\":{\"kubernetes.io/change-cause\":\"%s\"}},"
	          "\"spec\":{\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},%s"
	          "\"progressDeadlineSeconds\":600,\"revisionHistoryLimit\":10,"
	          "\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{"
	          "\"containers\":[{"
	          "\"name\":\"c\",\"image\":\"%s\"}]}}}}",
	          image, replicas, more, image);
}

#define ROLLING(surge, unavailable)                                                                \
	"\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":" surge          \
	",\"maxUnavailable\":" unavailable "}},"

static void set_image(struct world *w, const char *image)
{
	char patch[256];

	snprintf(patch, sizeof(patch),
	         "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"%"
	         "s\"}]}}}}",
	         image);
	world_merge(w, w->deployment, "default", "web", patch);
}

static const struct val *web(struct world *w)
{
	return world_get(w, w->deployment, "default", "web");
}

static int64_t status(struct world *w, const char *field)
{
	return val_int(val_get(val_get(web(w), "status"), field), 0);
}

static const char *condition(struct world *w, const char *type, const char *field)
{
	val_for_each (val_path(web(w), "status.conditions"), it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return val_cstr(val_get(it, field));
		}
	}
	return "(none)";
}

/* As `kubectl rollout status` decides. */
static bool is_rolled_out(struct world *w)
{
	int64_t wish = val_int(val_path(web(w), "spec.replicas"), 0);

	return status(w, "observedGeneration") >=
	               val_int(val_path(web(w), "metadata.generation"), 0) &&
	       status(w, "updatedReplicas") == wish && status(w, "replicas") == wish &&
	       status(w, "availableReplicas") == wish;
}

static void a_new_deployment_gets_its_pods(void **state)
{
	struct world *w = *state;

	put_web(w, "a", 3, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	assert_int_equal(world_tally(w, "default", "a").ready, 3);
	assert_true(is_rolled_out(w));
	assert_string_equal(condition(w, "Available", "status"), "True");
	assert_string_equal(condition(w, "Progressing", "reason"), "NewReplicaSetAvailable");
	assert_string_equal(val_cstr(val_get(val_path(web(w), "metadata.annotations"),
	                                     "deployment.kubernetes.io/revision")),
	                    "1");
	assert_int_equal(world_events(w, "SuccessfulCreate"), 3);
	assert_int_equal(world_events(w, "ScalingReplicaSet"), 1);
	assert_int_equal(world_events(w, "Scheduled"), 3);
	/* the set carries the cause of the change, for `kubectl rollout history` */
	assert_string_equal(val_cstr(val_get(val_path(world_only(w, w->replicaset, "default"),
	                                              "metadata.annotations"),
	                                     "kubernetes.io/change-cause")),
	                    "a");
}

static void nothing_is_written_once_at_rest(void **state)
{
	struct world *w = *state;
	uint64_t revision;

	put_web(w, "a", 3, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	revision = store_revision(w->store);
	world_run_ms(w, 20000);
	assert_int_equal(store_revision(w->store), revision);
}

struct bounds {
	size_t most, least;
	bool active;
};

static void check_bounds(struct world *w)
{
	struct bounds *b = w->arg;
	struct tally t = world_tally(w, "default", NULL);

	if (!b->active) {
		return;
	}
	if (t.active > b->most || t.ready < b->least) {
		fail_msg("%zu pods (at most %zu), %zu ready (at least %zu)", t.active, b->most,
		         t.ready, b->least);
	}
}

static void roll_within(struct world *w, int replicas, const char *strategy, size_t most,
                        size_t least)
{
	struct bounds b = { .most = most, .least = least };

	put_web(w, "a", replicas, strategy);
	world_run_ms(w, 2000);
	assert_true(is_rolled_out(w));
	w->arg = &b;
	w->each_change = check_bounds;
	b.active = true;
	set_image(w, "b");
	for (int i = 0;
	     i < 100 && !(is_rolled_out(w) &&
	                  world_tally(w, "default", "b").active_of_image == (size_t)replicas);
	     i++) {
		world_run_ms(w, 50);
	}
	b.active = false;
	assert_true(is_rolled_out(w));
	assert_int_equal(world_tally(w, "default", "b").active_of_image, replicas);
	assert_int_equal(world_count(w, w->replicaset, "default"), 2);
}

static void a_rollout_keeps_its_bounds_at_every_change(void **state)
{
	roll_within(*state, 3, ROLLING("1", "0"), 4, 3);
}

static void a_rollout_without_surge_keeps_its_bounds(void **state)
{
	roll_within(*state, 4, ROLLING("0", "1"), 4, 3);
}

static void percentages_round_surge_up_and_unavailability_down(void **state)
{
	roll_within(*state, 10, ROLLING("\"25%\"", "\"25%\""), 13, 8);
}

static void bounds_hold_while_creations_fail(void **state)
{
	struct world *w = *state;
	struct bounds b = { .most = 4, .least = 3 };

	put_web(w, "a", 3, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	w->arg = &b;
	w->each_change = check_bounds;
	b.active = true;
	w->fail_creates = 5;
	set_image(w, "b");
	world_run_ms(w, 30000);
	b.active = false;
	assert_int_equal(w->fail_creates, 0);
	assert_true(is_rolled_out(w));
	assert_int_equal(world_tally(w, "default", "b").active_of_image, 3);
	assert_true(world_events(w, "FailedCreate") >= 1);
	assert_string_equal(condition(w, "ReplicaFailure", "status"), "(none)");
}

static void recreate_never_runs_two_templates_at_once(void **state)
{
	struct world *w = *state;

	put_web(w, "a", 3, "\"strategy\":{\"type\":\"Recreate\"},");
	world_run_ms(w, 1000);
	set_image(w, "b");
	for (int i = 0; i < 60; i++) {
		struct tally t = world_tally(w, "default", "b");

		/* terminating pods of the old template count too */
		assert_true(t.active_of_image == 0 || t.all == t.active_of_image + 0);
		world_run_ms(w, 20);
	}
	assert_true(is_rolled_out(w));
	assert_int_equal(world_tally(w, "default", "b").active_of_image, 3);
}

struct changes {
	size_t n;
};

static void count_change(struct world *w)
{
	if (++((struct changes *)w->arg)->n > 500) {
		fail_msg("the controllers do not come to rest");
	}
}

static void a_template_without_its_defaults_is_still_one_template(void **state)
{
	struct world *w = *state;
	scoped_arena struct arena a = { 0 };
	struct changes changes = { 0 };
	struct val *d, *c;

	put_web(w, "a", 2, ROLLING("1", "0"));
	d = val_copy(&a, web(w));
	c = val_at(val_path(d, "spec.template.spec.containers"), 0);
	val_set_cstr(&a, c, "image", "b");
	val_remove(c, "terminationMessagePath"); /* as an older release may have stored it */
	w->arg = &changes;
	w->each_change = count_change;
	assert_int_equal(store_update(w->store, w->deployment, d, NULL, NULL), 0);
	world_run_ms(w, 3000);
	assert_true(is_rolled_out(w));
	assert_int_equal(world_count(w, w->replicaset, "default"), 1);
}

static void undo_uses_the_old_set_again(void **state)
{
	struct world *w = *state;
	const struct val *set;

	put_web(w, "a", 2, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	set_image(w, "b");
	world_run_ms(w, 3000);
	assert_true(is_rolled_out(w));
	set_image(w, "a"); /* what `kubectl rollout undo` patches */
	world_run_ms(w, 3000);
	assert_true(is_rolled_out(w));
	assert_int_equal(world_count(w, w->replicaset, "default"), 2);
	assert_int_equal(world_tally(w, "default", "a").active_of_image, 2);
	assert_string_equal(val_cstr(val_get(val_path(web(w), "metadata.annotations"),
	                                     "deployment.kubernetes.io/revision")),
	                    "3");
	for (size_t i = 0; (set = world_nth(w, w->replicaset, "default", i)); i++) {
		if (val_int(val_path(set, "spec.replicas"), 0) == 2) {
			assert_string_equal(
				val_cstr(val_get(val_path(set, "metadata.annotations"),
			                         "deployment.kubernetes.io/revision-history")),
				"1");
		}
	}
}

static void a_restart_annotation_rolls_all_pods(void **state)
{
	struct world *w = *state;

	put_web(w, "a", 2, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	world_merge(w, w->deployment, "default", "web",
	            "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{"
	            "\"kubectl.kubernetes.io/restartedAt\":\"2026-01-01T00:00:00Z\"}}}}}");
	world_run_ms(w, 3000);
	assert_true(is_rolled_out(w));
	assert_int_equal(world_count(w, w->replicaset, "default"), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_non_null(val_get(
			val_path(world_nth(w, w->pod, "default", i), "metadata.annotations"),
			"kubectl.kubernetes.io/restartedAt"));
	}
}

static void a_paused_deployment_scales_and_does_not_roll(void **state)
{
	struct world *w = *state;

	put_web(w, "a", 2, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	world_merge(w, w->deployment, "default", "web", "{\"spec\":{\"paused\":true}}");
	set_image(w, "b");
	world_merge(w, w->deployment, "default", "web", "{\"spec\":{\"replicas\":4}}");
	world_run_ms(w, 2000);
	assert_int_equal(world_tally(w, "default", "a").active_of_image, 4);
	assert_int_equal(world_count(w, w->replicaset, "default"), 1);
	assert_string_equal(condition(w, "Progressing", "reason"), "DeploymentPaused");
	world_merge(w, w->deployment, "default", "web", "{\"spec\":{\"paused\":false}}");
	world_run_ms(w, 5000);
	assert_true(is_rolled_out(w));
	assert_int_equal(world_tally(w, "default", "b").active_of_image, 4);
}

static void a_stuck_rollout_says_so_after_its_deadline_and_keeps_the_old_pods(void **state)
{
	struct world *w = *state;

	put_web(w, "a", 3, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	world_merge(w, w->deployment, "default", "web",
	            "{\"spec\":{\"progressDeadlineSeconds\":30}}");
	w->broken = "bad";
	set_image(w, "bad");
	world_run_ms(w, 25000);
	assert_string_equal(condition(w, "Progressing", "status"), "True");
	world_run_ms(w, 10000);
	assert_string_equal(condition(w, "Progressing", "reason"), "ProgressDeadlineExceeded");
	assert_int_equal(world_tally(w, "default", "a").active_of_image, 3);
	assert_string_equal(condition(w, "Available", "status"), "True");
	/* a better template gets it going again */
	set_image(w, "good");
	world_run_ms(w, 5000);
	assert_true(is_rolled_out(w));
	assert_string_equal(condition(w, "Progressing", "reason"), "NewReplicaSetAvailable");
	assert_int_equal(world_tally(w, "default", "good").active_of_image, 3);
}

static void scaling_amid_a_rollout_is_shared_by_proportion(void **state)
{
	struct world *w = *state;
	struct tally bad, good;

	put_web(w, "a", 10, ROLLING("3", "2"));
	world_run_ms(w, 2000);
	w->broken = "bad";
	set_image(w, "bad");
	world_run_ms(w, 1000);
	bad = world_tally(w, "default", "bad");
	good = world_tally(w, "default", "a");
	assert_int_equal(good.active_of_image, 8);
	assert_int_equal(bad.active_of_image, 5);
	/* the documented example: 10 to 15 in the middle gives 11 and 7 */
	world_merge(w, w->deployment, "default", "web", "{\"spec\":{\"replicas\":15}}");
	world_run_ms(w, 1000);
	assert_int_equal(world_tally(w, "default", "a").active_of_image, 11);
	assert_int_equal(world_tally(w, "default", "bad").active_of_image, 7);
}

static void scale_to_zero_and_back(void **state)
{
	struct world *w = *state;

	put_web(w, "a", 3, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	world_merge(w, w->deployment, "default", "web", "{\"spec\":{\"replicas\":0}}");
	world_run_ms(w, 1000);
	assert_int_equal(world_tally(w, "default", NULL).all, 0);
	assert_true(is_rolled_out(w));
	world_merge(w, w->deployment, "default", "web", "{\"spec\":{\"replicas\":2}}");
	world_run_ms(w, 1000);
	assert_int_equal(world_tally(w, "default", NULL).ready, 2);
}

static void old_sets_beyond_the_history_limit_go(void **state)
{
	struct world *w = *state;
	char image[8];

	put_web(w, "a", 1, ROLLING("1", "0"));
	world_merge(w, w->deployment, "default", "web", "{\"spec\":{\"revisionHistoryLimit\":2}}");
	for (int i = 0; i < 5; i++) {
		snprintf(image, sizeof(image), "v%d", i);
		set_image(w, image);
		world_run_ms(w, 3000);
	}
	assert_int_equal(world_count(w, w->replicaset, "default"), 3);
}

static void unready_pods_go_first_on_scale_down(void **state)
{
	struct world *w = *state;
	char name[128];

	put_web(w, "a", 3, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	snprintf(name, sizeof(name), "%s",
	         world_str(world_nth(w, w->pod, "default", 1), "metadata.name"));
	world_merge(w, w->pod, "default", name,
	            "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}");
	world_run_ms(w, 10);
	world_merge(w, w->deployment, "default", "web", "{\"spec\":{\"replicas\":2}}");
	world_run_ms(w, 1000);
	assert_int_equal(world_tally(w, "default", NULL).ready, 2);
	assert_null(world_get(w, w->pod, "default", name));
}

static void a_deleted_pod_is_replaced(void **state)
{
	struct world *w = *state;
	char name[128];

	put_web(w, "a", 2, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	snprintf(name, sizeof(name), "%s",
	         world_str(world_nth(w, w->pod, "default", 0), "metadata.name"));
	world_delete(w, w->pod, "default", name, NULL);
	world_run_ms(w, 1000);
	assert_int_equal(world_tally(w, "default", NULL).ready, 2);
	assert_null(world_get(w, w->pod, "default", name));
}

static void pods_whose_labels_left_are_released_and_orphans_adopted(void **state)
{
	struct world *w = *state;
	char name[128];

	put_web(w, "a", 2, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	snprintf(name, sizeof(name), "%s",
	         world_str(world_nth(w, w->pod, "default", 0), "metadata.name"));
	world_merge(w, w->pod, "default", name, "{\"metadata\":{\"labels\":{\"app\":\"debug\"}}}");
	world_run_ms(w, 1000);
	assert_int_equal(world_tally(w, "default", NULL).ready, 3);
	assert_int_equal(val_len(val_path(world_get(w, w->pod, "default", name),
	                                  "metadata.ownerReferences")),
	                 0);
	/* back again: one too many, so one goes */
	world_merge(w, w->pod, "default", name, "{\"metadata\":{\"labels\":{\"app\":\"web\"}}}");
	world_run_ms(w, 1000);
	assert_true(world_tally(w, "default", NULL).ready >= 2);
}

static void deleting_a_deployment_removes_sets_and_pods(void **state)
{
	struct world *w = *state;

	put_web(w, "a", 3, ROLLING("1", "0"));
	world_run_ms(w, 1000);
	world_delete(w, w->deployment, "default", "web", "Background");
	world_run_ms(w, 1000);
	assert_int_equal(world_count(w, w->replicaset, "default"), 0);
	assert_int_equal(world_count(w, w->pod, "default"), 0);
}

static void min_ready_seconds_delays_availability(void **state)
{
	struct world *w = *state;

	put_web(w, "a", 1, ROLLING("1", "0") "\"minReadySeconds\":5,");
	world_run_ms(w, 3000);
	assert_int_equal(status(w, "readyReplicas"), 1);
	assert_int_equal(status(w, "availableReplicas"), 0);
	world_run_ms(w, 4000);
	assert_int_equal(status(w, "availableReplicas"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_deployment_gets_its_pods),
		TEST(nothing_is_written_once_at_rest),
		TEST(a_template_without_its_defaults_is_still_one_template),
		TEST(a_rollout_keeps_its_bounds_at_every_change),
		TEST(a_rollout_without_surge_keeps_its_bounds),
		TEST(percentages_round_surge_up_and_unavailability_down),
		TEST(bounds_hold_while_creations_fail),
		TEST(recreate_never_runs_two_templates_at_once),
		TEST(undo_uses_the_old_set_again),
		TEST(a_restart_annotation_rolls_all_pods),
		TEST(a_paused_deployment_scales_and_does_not_roll),
		TEST(a_stuck_rollout_says_so_after_its_deadline_and_keeps_the_old_pods),
		TEST(scaling_amid_a_rollout_is_shared_by_proportion),
		TEST(scale_to_zero_and_back),
		TEST(old_sets_beyond_the_history_limit_go),
		TEST(unready_pods_go_first_on_scale_down),
		TEST(a_deleted_pod_is_replaced),
		TEST(pods_whose_labels_left_are_released_and_orphans_adopted),
		TEST(deleting_a_deployment_removes_sets_and_pods),
		TEST(min_ready_seconds_delays_availability),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
