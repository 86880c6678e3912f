#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"
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

#define SERVICE(name, spec)                                                                        \
	"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"" name               \
	"\"},\"spec\":{" spec "}}"

static void put_pod(struct world *w, const char *name, const char *labels, const char *spec)
{
	world_put(w,
	          "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\","
	          "\"labels\":{%s}},"
	          "\"spec\":{%s\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{"
	          "\"name\":\"http\","
	          "\"containerPort\":8080}]}]},\"status\":{\"phase\":\"Pending\"}}",
	          name, labels, spec);
}

static void put_web(struct world *w)
{
	world_put(w,
	          SERVICE("web",
	                  "\"clusterIP\":\"10.1.0.5\",\"selector\":{\"app\":\"web\"},\"ports\":[{"
	                  "\"name\":\"http\",\"port\":80,\"targetPort\":\"http\"}]"));
}

static const struct val *endpoint_of(const struct val *slice, const char *pod)
{
	val_for_each (val_get(slice, "endpoints"), it) {
		if (strcmp(world_str(it, "targetRef.name"), pod) == 0) {
			return it;
		}
	}
	return NULL;
}

static bool flag(const struct val *endpoint, const char *name)
{
	return val_bool(val_get(val_get(endpoint, "conditions"), name), false);
}

static void a_service_without_pods_has_one_empty_slice(void **state)
{
	struct world *w = *state;
	const struct val *slice;

	put_web(w);
	world_run_ms(w, 100);
	slice = world_only(w, w->slice, "default");
	assert_int_equal(val_len(val_get(slice, "endpoints")), 0);
	assert_string_equal(world_str(slice, "addressType"), "IPv4");
	assert_int_equal(val_len(val_get(world_get(w, w->endpoints, "default", "web"), "subsets")),
	                 0);
}

static void pods_become_endpoints_with_their_own_port_numbers(void **state)
{
	struct world *w = *state;
	const struct val *slice, *subset;

	put_web(w);
	put_pod(w, "a", "\"app\":\"web\"", "");
	put_pod(w, "b", "\"app\":\"web\"", "");
	put_pod(w, "other", "\"app\":\"db\"", "");
	world_run_ms(w, 1000);
	slice = world_only(w, w->slice, "default");
	assert_int_equal(val_len(val_get(slice, "endpoints")), 2);
	assert_int_equal(val_int(val_get(val_at(val_get(slice, "ports"), 0), "port"), 0), 8080);
	assert_string_equal(world_str(val_at(val_get(slice, "ports"), 0), "name"), "http");
	assert_true(flag(endpoint_of(slice, "a"), "ready"));
	assert_string_equal(world_str(endpoint_of(slice, "a"), "nodeName"), "n1");
	assert_string_equal(
		val_cstr(val_get(val_path(slice, "metadata.labels"), "kubernetes.io/service-name")),
		"web");
	subset = val_at(val_get(world_get(w, w->endpoints, "default", "web"), "subsets"), 0);
	assert_int_equal(val_len(val_get(subset, "addresses")), 2);
	assert_int_equal(val_int(val_get(val_at(val_get(subset, "ports"), 0), "port"), 0), 8080);
}

static void an_unready_pod_is_listed_as_not_ready(void **state)
{
	struct world *w = *state;
	const struct val *subset;

	put_web(w);
	put_pod(w, "a", "\"app\":\"web\"", "");
	world_run_ms(w, 1000);
	world_merge(w, w->pod, "default", "a",
	            "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}");
	world_run_ms(w, 100);
	assert_false(flag(endpoint_of(world_only(w, w->slice, "default"), "a"), "ready"));
	assert_false(flag(endpoint_of(world_only(w, w->slice, "default"), "a"), "serving"));
	subset = val_at(val_get(world_get(w, w->endpoints, "default", "web"), "subsets"), 0);
	assert_int_equal(val_len(val_get(subset, "addresses")), 0);
	assert_int_equal(val_len(val_get(subset, "notReadyAddresses")), 1);
}

static void a_terminating_pod_serves_and_is_not_ready(void **state)
{
	struct world *w = *state;
	const struct val *e;

	w->stop_us = 1000000;
	put_web(w);
	put_pod(w, "a", "\"app\":\"web\"", "");
	world_run_ms(w, 1000);
	world_delete(w, w->pod, "default", "a", NULL);
	world_run_ms(w, 100);
	e = endpoint_of(world_only(w, w->slice, "default"), "a");
	assert_non_null(e);
	assert_false(flag(e, "ready"));
	assert_true(flag(e, "serving"));
	assert_true(flag(e, "terminating"));
	assert_int_equal(val_len(val_get(world_get(w, w->endpoints, "default", "web"), "subsets")),
	                 0);
	world_run_ms(w, 2000);
	assert_int_equal(val_len(val_get(world_only(w, w->slice, "default"), "endpoints")), 0);
}

static void publish_not_ready_addresses_makes_all_ready(void **state)
{
	struct world *w = *state;

	w->pods_start = false;
	world_put(w,
	          SERVICE("web",
	                  "\"clusterIP\":\"None\",\"publishNotReadyAddresses\":true,\"selector\":{"
	                  "\"app\":\"web\"},\"ports\":[{\"port\":80}]"));
	put_pod(w, "a", "\"app\":\"web\"", "\"hostname\":\"h\",\"subdomain\":\"web\",");
	world_run_ms(w, 500);
	world_merge(w, w->pod, "default", "a", "{\"status\":{\"podIP\":\"10.244.0.9\"}}");
	world_run_ms(w, 100);
	assert_true(flag(endpoint_of(world_only(w, w->slice, "default"), "a"), "ready"));
	assert_string_equal(
		world_str(endpoint_of(world_only(w, w->slice, "default"), "a"), "hostname"), "h");
	assert_non_null(val_get(val_path(world_only(w, w->slice, "default"), "metadata.labels"),
	                        "service.kubernetes.io/headless"));
}

static void a_hostname_needs_the_services_subdomain(void **state)
{
	struct world *w = *state;

	put_web(w);
	put_pod(w, "a", "\"app\":\"web\"", "\"hostname\":\"h\",\"subdomain\":\"elsewhere\",");
	world_run_ms(w, 500);
	assert_null(val_get(endpoint_of(world_only(w, w->slice, "default"), "a"), "hostname"));
}

static void pods_with_other_numbers_for_a_named_port_go_to_another_slice(void **state)
{
	struct world *w = *state;

	put_web(w);
	put_pod(w, "a", "\"app\":\"web\"", "");
	world_put(
		w,
		"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"b\",\"labels\":{"
		"\"app\":\"web\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\","
		"\"ports\":[{"
		"\"name\":\"http\",\"containerPort\":9090}]}]}}");
	world_run_ms(w, 1000);
	assert_int_equal(world_count(w, w->slice, "default"), 2);
}

static void slices_hold_a_hundred_and_are_packed(void **state)
{
	struct world *w = *state;
	size_t total = 0;
	char name[16];

	world_merge(w, w->node, "", "n1", "{\"status\":{\"allocatable\":{\"pods\":\"500\"}}}");
	put_web(w);
	for (int i = 0; i < 130; i++) {
		snprintf(name, sizeof(name), "p%03d", i);
		put_pod(w, name, "\"app\":\"web\"", "");
	}
	world_run_ms(w, 2000);
	assert_int_equal(world_count(w, w->slice, "default"), 2);
	for (size_t i = 0; i < 2; i++) {
		size_t n = val_len(val_get(world_nth(w, w->slice, "default", i), "endpoints"));

		assert_true(n <= 100);
		total += n;
	}
	assert_int_equal(total, 130);
	/* one pod less changes one slice only */
	{
		const char *was[2];
		int changed = 0;
		scoped_free char *before[2] = { 0 };

		for (size_t i = 0; i < 2; i++) {
			was[i] = world_str(world_nth(w, w->slice, "default", i),
			                   "metadata.resourceVersion");
			before[i] = mem_strdup(was[i]);
		}
		w->stop_us = 1;
		world_delete(w, w->pod, "default", "p007", NULL);
		world_run_ms(w, 500);
		for (size_t i = 0; i < 2; i++) {
			changed += strcmp(before[i], world_str(world_nth(w, w->slice, "default", i),
			                                       "metadata.resourceVersion")) != 0;
			free(take(before[i]));
		}
		assert_int_equal(changed, 1);
	}
}

#define DUAL                                                                                       \
	"\"selector\":{\"app\":\"web\"},\"ports\":[{\"port\":80}],"                                \
	"\"ipFamilies\":[\"IPv6\",\"IPv4\"]"

static void put_dual_pod(struct world *w)
{
	put_pod(w, "a", "\"app\":\"web\"", "");
	world_run_ms(w, 1000);
	world_merge(w, w->pod, "default", "a",
	            "{\"status\":{\"podIP\":\"10.244.0.2\",\"podIPs\":[{\"ip\":\"10.244.0.2\"},"
	            "{\"ip\":\"fd00:10:244::2\"}]}}");
	world_run_ms(w, 100);
}

/* The slice of a type, which is to be the only one. */
static const struct val *slice_of_type(struct world *w, const char *type)
{
	const struct val *found = NULL;

	for (size_t i = 0; i < world_count(w, w->slice, "default"); i++) {
		const struct val *slice = world_nth(w, w->slice, "default", i);

		if (strcmp(world_str(slice, "addressType"), type) == 0) {
			assert_null(found);
			found = slice;
		}
	}
	return found;
}

static const char *first_address(const struct val *endpoint)
{
	return val_cstr(val_at(val_get(endpoint, "addresses"), 0));
}

static void each_family_has_slices_of_its_own(void **state)
{
	struct world *w = *state;
	const struct val *v4, *v6, *subset;

	world_put(w, SERVICE("two", "\"clusterIP\":\"fd00:10:1::9\"," DUAL));
	world_run_ms(w, 100);
	/* Nobody there yet: both say that somebody looked. */
	assert_non_null(slice_of_type(w, "IPv4"));
	assert_non_null(slice_of_type(w, "IPv6"));
	put_dual_pod(w);
	v4 = slice_of_type(w, "IPv4");
	v6 = slice_of_type(w, "IPv6");
	assert_string_equal(first_address(endpoint_of(v4, "a")), "10.244.0.2");
	assert_string_equal(first_address(endpoint_of(v6, "a")), "fd00:10:244::2");
	/* Endpoints know the primary family alone. */
	subset = val_at(val_get(world_get(w, w->endpoints, "default", "two"), "subsets"), 0);
	assert_int_equal(val_len(val_get(subset, "addresses")), 1);
	assert_string_equal(world_str(val_at(val_get(subset, "addresses"), 0), "ip"),
	                    "fd00:10:244::2");
}

static void a_family_that_is_given_up_takes_its_slices_along(void **state)
{
	struct world *w = *state;

	world_put(w, SERVICE("two", "\"clusterIP\":\"fd00:10:1::9\"," DUAL));
	put_dual_pod(w);
	world_merge(w, w->service, "default", "two", "{\"spec\":{\"ipFamilies\":[\"IPv6\"]}}");
	world_run_ms(w, 100);
	assert_null(slice_of_type(w, "IPv4"));
	assert_non_null(slice_of_type(w, "IPv6"));
}

static void a_removed_slice_comes_back(void **state)
{
	struct world *w = *state;
	char name[128];

	put_web(w);
	put_pod(w, "a", "\"app\":\"web\"", "");
	world_run_ms(w, 1000);
	snprintf(name, sizeof(name), "%s",
	         world_str(world_only(w, w->slice, "default"), "metadata.name"));
	world_delete(w, w->slice, "default", name, NULL);
	world_run_ms(w, 100);
	assert_int_equal(val_len(val_get(world_only(w, w->slice, "default"), "endpoints")), 1);
}

static void deleting_a_service_removes_what_it_published(void **state)
{
	struct world *w = *state;

	put_web(w);
	world_run_ms(w, 100);
	world_delete(w, w->service, "default", "web", "Background");
	world_run_ms(w, 100);
	assert_int_equal(world_count(w, w->slice, "default"), 0);
	assert_int_equal(world_count(w, w->endpoints, "default"), 0);
}

static void handmade_endpoints_are_mirrored_for_services_without_selector(void **state)
{
	struct world *w = *state;
	const struct val *slice;

	world_put(w, SERVICE("db", "\"clusterIP\":\"10.1.0.6\",\"ports\":[{\"port\":3306}]"));
	world_put(w, "{\"apiVersion\":\"v1\",\"kind\":\"Endpoints\",\"metadata\":{\"name\":\"db\"},"
	             "\"subsets\":[{"
	             "\"addresses\":[{\"ip\":\"10.0.3.20\"}],\"notReadyAddresses\":[{\"ip\":\"10.0."
	             "3.21\"}],"
	             "\"ports\":[{\"port\":3306,\"protocol\":\"TCP\"}]}]}");
	world_run_ms(w, 100);
	slice = world_only(w, w->slice, "default");
	assert_int_equal(val_len(val_get(slice, "endpoints")), 2);
	assert_true(flag(val_at(val_get(slice, "endpoints"), 0), "ready"));
	assert_false(flag(val_at(val_get(slice, "endpoints"), 1), "ready"));
	assert_string_equal(val_cstr(val_get(val_path(slice, "metadata.labels"),
	                                     "endpointslice.kubernetes.io/managed-by")),
	                    "endpointslicemirroring-controller.k8s.io");
	/* the user's own object is left alone, and stays when the Service goes */
	world_delete(w, w->service, "default", "db", "Background");
	world_run_ms(w, 100);
	assert_int_equal(world_count(w, w->slice, "default"), 0);
	assert_int_equal(world_count(w, w->endpoints, "default"), 1);
}

static void skip_mirror_is_honoured(void **state)
{
	struct world *w = *state;

	world_put(w, SERVICE("db", "\"clusterIP\":\"10.1.0.6\",\"ports\":[{\"port\":3306}]"));
	world_put(w, "{\"apiVersion\":\"v1\",\"kind\":\"Endpoints\",\"metadata\":{\"name\":\"db\","
	             "\"labels\":{"
	             "\"endpointslice.kubernetes.io/"
	             "skip-mirror\":\"true\"}},\"subsets\":[{\"addresses\":[{\"ip\":"
	             "\"10.0.3.20\"}]}]}");
	world_run_ms(w, 100);
	assert_int_equal(world_count(w, w->slice, "default"), 0);
}

/* ---- certificates ---- */

#define INGRESS(annotations, host)                                                                 \
	"{\"apiVersion\":\"networking.k8s.io/"                                                     \
	"v1\",\"kind\":\"Ingress\",\"metadata\":{\"name\":\"web\",\"annotations\":{" annotations   \
	"}},\"spec\":{\"tls\":[{\"hosts\":[\"" host "\"],\"secretName\":\"web-tls\"}]}}"
#define ISSUER "\"cert-manager.io/cluster-issuer\":\"ca\""

static void an_ingress_with_an_issuer_gets_its_secret(void **state)
{
	struct world *w = *state;
	const struct val *secret;

	world_put(w, INGRESS(ISSUER, "app.example.com"));
	world_run_ms(w, 100);
	secret = world_get(w, w->secret, "default", "web-tls");
	assert_non_null(secret);
	assert_string_equal(world_str(secret, "type"), "kubernetes.io/tls");
	assert_string_equal(val_cstr(val_get(val_get(secret, "data"), "tls.crt")),
	                    "Q0VSVCBhcHAuZXhhbXBsZS5jb20=");
	assert_int_equal(w->n_issued, 1);
	/* another host, another certificate; the same one, none */
	world_put(w, INGRESS(ISSUER, "app.example.com"));
	world_run_ms(w, 100);
	assert_int_equal(w->n_issued, 1);
	world_put(w, INGRESS(ISSUER, "b.example.com"));
	world_run_ms(w, 100);
	assert_int_equal(w->n_issued, 2);
	/* renewed before it runs out */
	world_run_ms(w, 61LL * 24 * 3600 * 1000);
	assert_int_equal(w->n_issued, 3);
	/* and made again when it is lost */
	world_delete(w, w->secret, "default", "web-tls", NULL);
	world_run_ms(w, 100);
	assert_int_equal(w->n_issued, 4);
}

static void secrets_of_users_and_other_ingresses_are_left_alone(void **state)
{
	struct world *w = *state;

	world_put(w, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"web-"
	             "tls\"},\"type\":"
	             "\"kubernetes.io/tls\"}");
	world_put(w, INGRESS(ISSUER, "app.example.com"));
	world_run_ms(w, 100);
	assert_int_equal(w->n_issued, 0);
	world_delete(w, w->secret, "default", "web-tls", NULL);
	world_put(w, INGRESS("", "app.example.com"));
	world_run_ms(w, 100);
	assert_int_equal(w->n_issued, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_service_without_pods_has_one_empty_slice),
		TEST(pods_become_endpoints_with_their_own_port_numbers),
		TEST(an_unready_pod_is_listed_as_not_ready),
		TEST(a_terminating_pod_serves_and_is_not_ready),
		TEST(publish_not_ready_addresses_makes_all_ready),
		TEST(a_hostname_needs_the_services_subdomain),
		TEST(pods_with_other_numbers_for_a_named_port_go_to_another_slice),
		TEST(slices_hold_a_hundred_and_are_packed),
		TEST(each_family_has_slices_of_its_own),
		TEST(a_family_that_is_given_up_takes_its_slices_along),
		TEST(a_removed_slice_comes_back),
		TEST(deleting_a_service_removes_what_it_published),
		TEST(handmade_endpoints_are_mirrored_for_services_without_selector),
		TEST(skip_mirror_is_honoured),
		TEST(an_ingress_with_an_issuer_gets_its_secret),
		TEST(secrets_of_users_and_other_ingresses_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
