#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "codec/json.h"
#include "edge/lb-plan.h"

enum { MAX = 4 };
static struct arena arena;
static struct doc *docs[MAX];
static size_t n_docs;

static int setup(void **state)
{
	(void)state;
	n_docs = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (n_docs) {
		doc_unref(docs[--n_docs]);
	}
	arena_fini(&arena);
	return 0;
}

static void service(const char *name, int age, const char *annotations, const char *spec)
{
	char text[2048];
	struct err err;

	snprintf(text, sizeof(text),
	         "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\",\"uid\":\"u-%s\","
	         "\"creationTimestamp\":\"2026-01-01T00:00:%02dZ\",\"annotations\":{%s}},"
	         "\"spec\":{\"type\":\"LoadBalancer\",%s}}",
	         name, name, 59 - age, annotations, spec);
	if (json_parse_doc(slice_of(text), 0, &docs[n_docs++], &err) < 0) {
		fail_msg("%s: %s", text, err.msg);
	}
}

static struct lb_plan plan(void)
{
	return lb_plan_make(&arena, (const struct doc *const *)docs, n_docs);
}

#define PORT(p, n) "\"ports\":[{\"port\":" #p ",\"nodePort\":" #n "}]"

static void a_service_gets_its_ports(void **state)
{
	(void)state;
	service("web", 0, "",
	        "\"ports\":[{\"port\":80,\"nodePort\":30080},{\"port\":443,\"nodePort\":30443}]");
	struct lb_plan p = plan();

	assert_int_equal(p.n, 1);
	assert_null(p.services[0].problem);
	assert_int_equal(p.services[0].n_ports, 2);
	assert_int_equal(p.services[0].ports[1].port, 443);
	assert_int_equal(p.services[0].ports[1].node_port, 30443);
	assert_false(p.services[0].ports[0].proxy_protocol);
	assert_int_equal(p.services[0].ports[0].idle_us, 350 * US_PER_S);
	assert_int_equal(p.services[0].health.unhealthy_after, 3);
}

static void the_oldest_keeps_a_port(void **state)
{
	(void)state;
	service("young", 1, "",
	        "\"ports\":[{\"port\":80,\"nodePort\":30080},{\"port\":81,\"nodePort\":30081}]");
	service("old", 9, "", PORT(80, 30090));
	service("third", 0, "", PORT(81, 30091));
	struct lb_plan p = plan();

	assert_true(slice_is(p.services[0].name, "old"));
	assert_null(p.services[0].problem);
	assert_non_null(strstr(p.services[1].problem,
	                       "port 80 of the edge address belongs to service shop/old"));
	assert_int_equal(p.services[1].n_ports, 0);
	/* The loser holds nothing, so its other port is free. */
	assert_null(p.services[2].problem);
	assert_int_equal(p.services[2].n_ports, 1);
}

static void other_classes_and_types_are_not_ours(void **state)
{
	(void)state;
	service("a", 0, "", "\"loadBalancerClass\":\"example.com/x\"," PORT(80, 30080));
	service("b", 0, "", "\"loadBalancerClass\":\"service.k8s.aws/nlb\"," PORT(80, 30081));
	service("c", 0, "", "\"type\":\"ClusterIP\"," PORT(80, 30082));
	struct lb_plan p = plan();

	assert_int_equal(p.n, 1);
	assert_true(slice_is(p.services[0].name, "b"));
}

static void udp_is_named_and_left_out(void **state)
{
	(void)state;
	service("dns", 0, "",
	        "\"ports\":[{\"port\":53,\"nodePort\":30053,\"protocol\":\"UDP\"},{\"port\":53,"
	        "\"nodePort\":30054}]");
	struct lb_plan p = plan();

	assert_null(p.services[0].problem);
	assert_non_null(strstr(p.services[0].hint, "53/UDP is not served"));
	assert_int_equal(p.services[0].n_ports, 1);
}

static void only_udp_is_a_problem(void **state)
{
	(void)state;
	service("dns", 0, "", "\"ports\":[{\"port\":53,\"nodePort\":30053,\"protocol\":\"UDP\"}]");
	struct lb_plan p = plan();

	assert_non_null(p.services[0].problem);
	assert_int_equal(p.services[0].n_ports, 0);
}

static void node_ports_are_waited_for(void **state)
{
	(void)state;
	service("web", 5, "", "\"ports\":[{\"port\":80}]");
	service("later", 1, "", PORT(80, 30080));
	struct lb_plan p = plan();

	assert_true(p.services[0].waiting);
	assert_null(p.services[0].problem);
	assert_int_equal(p.services[0].n_ports, 0);
	assert_non_null(p.services[1].problem); /* the port is spoken for all the same */
}

static void a_deleted_service_gives_its_port_up(void **state)
{
	(void)state;
	service("old", 9, "", PORT(80, 30080));
	service("new", 1, "", PORT(80, 30081));
	val_set_cstr(&docs[0]->arena, val_get(docs[0]->root, "metadata"), "deletionTimestamp",
	             "2026-01-02T00:00:00Z");
	struct lb_plan p = plan();

	assert_false(p.services[0].wanted);
	assert_int_equal(p.services[0].n_ports, 0);
	assert_null(p.services[1].problem);
}

static void proxy_protocol_is_asked_for_in_three_ways(void **state)
{
	(void)state;
	service("a", 9, "\"" LB_ANNOTATION "proxy-protocol\":\"*\"", PORT(1, 30001));
	service("b", 8, "\"" LB_ANNOTATION "proxy-protocol-per-target-group\":\"7, 2\"",
	        "\"ports\":[{\"port\":2,\"nodePort\":30002},{\"port\":3,\"nodePort\":30003}]");
	service("c", 7,
	        "\"" LB_ANNOTATION
	        "target-group-attributes\":\"a=b, proxy_protocol_v2.enabled=true\"",
	        PORT(4, 30004));
	struct lb_plan p = plan();

	assert_true(p.services[0].ports[0].proxy_protocol);
	assert_true(p.services[1].ports[0].proxy_protocol);
	assert_false(p.services[1].ports[1].proxy_protocol);
	assert_true(p.services[2].ports[0].proxy_protocol);
}

static void settings_have_bounds(void **state)
{
	(void)state;
	service("a", 9,
	        "\"" LB_ANNOTATION "healthcheck-interval\":\"5\",\"" LB_ANNOTATION
	        "healthcheck-unhealthy-threshold\":\"99\",\"" LB_ANNOTATION
	        "listener-attributes.TCP-80\":\"tcp.idle_timeout.seconds=60\"",
	        PORT(80, 30080));
	struct lb_plan p = plan();

	assert_int_equal(p.services[0].health.interval_us, 5 * US_PER_S);
	assert_int_equal(p.services[0].health.unhealthy_after, 3);
	assert_int_equal(p.services[0].ports[0].idle_us, 60 * US_PER_S);
}

static void source_ranges_come_from_field_or_annotation(void **state)
{
	(void)state;
	service("a", 9, "",
	        "\"loadBalancerSourceRanges\":[\"10.0.0.0/8\",\"192.0.2.1/32\"]," PORT(80, 30080));
	service("b", 8,
	        "\"service.beta.kubernetes.io/load-balancer-source-ranges\":\"10.0.0.0/8, "
	        "172.16.0.0/12\"",
	        PORT(81, 30081));
	service("c", 7, "", "\"loadBalancerSourceRanges\":[\"nonsense\"]," PORT(82, 30082));
	struct lb_plan p = plan();

	assert_int_equal(p.services[0].n_sources, 2);
	assert_int_equal(p.services[1].n_sources, 2);
	/* A range that cannot be read must not open the port to everybody. */
	assert_non_null(strstr(p.services[2].problem, "\"nonsense\" is not a CIDR"));
	assert_int_equal(p.services[2].n_ports, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(a_service_gets_its_ports),
		T(the_oldest_keeps_a_port),
		T(other_classes_and_types_are_not_ours),
		T(udp_is_named_and_left_out),
		T(only_udp_is_a_problem),
		T(node_ports_are_waited_for),
		T(a_deleted_service_gives_its_port_up),
		T(proxy_protocol_is_asked_for_in_three_ways),
		T(settings_have_bounds),
		T(source_ranges_come_from_field_or_annotation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
