#include <netinet/in.h>
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

enum { MAX = 6 };
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

/* The balancers of it; node ports come behind them. */
static struct lb_plan plan_at(const char *edge)
{
	struct ip_ranges ranges;
	struct lb_plan p;
	size_t n = 0;

	assert_true(ip_ranges_parse(slice_of(edge), &ranges));
	p = lb_plan_make(&arena, &ranges, (const struct doc *const *)docs, n_docs);
	while (n < p.n && p.services[n].balancer) {
		n++;
	}
	p.n = n;
	return p;
}

static struct lb_plan plan(void)
{
	return plan_at("127.0.0.1");
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

static void a_guest_takes_nothing_from_others(void **state)
{
	(void)state;
	service("names", 9, "\"kennel.dev/load-balancer-guest\":\"true\"",
	        "\"ports\":[{\"port\":53,\"nodePort\":30053},{\"port\":80,\"nodePort\":30054}]");
	service("web", 5, "", PORT(80, 30080));
	struct lb_plan p = plan_at("127.0.0.10-127.0.0.12");
	char text[IP_TEXT_SIZE];

	assert_true(slice_is(p.services[0].name, "web"));
	assert_string_equal(ip_format(p.services[0].ip, text), "127.0.0.10");
	assert_null(p.services[0].ports[0].error);
	assert_string_equal(ip_format(p.services[1].ip, text), "127.0.0.10");
	assert_null(p.services[1].ports[0].error);
	assert_string_equal(p.services[1].ports[1].error, LB_ERROR_TAKEN);
	service("more", 1, "", PORT(53, 30090));
	p = plan_at("127.0.0.10");
	assert_null(p.services[1].ports[0].error);
	assert_true(slice_is(p.services[2].name, "names"));
	assert_non_null(strstr(p.services[2].problem, "belongs to service shop/more"));
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
	/* The loser has its other port, and an error at the one it lost. */
	assert_null(p.services[1].problem);
	assert_int_equal(p.services[1].n_ports, 2);
	assert_string_equal(p.services[1].ports[0].error, LB_ERROR_TAKEN);
	assert_non_null(strstr(p.services[1].ports[0].why,
	                       "port 80 of the edge address belongs to service shop/old"));
	assert_null(p.services[1].ports[1].error);
	assert_non_null(strstr(p.services[2].problem, "port 81 of the edge address"));
	assert_int_equal(p.services[2].n_ports, 0);
}

static const char *address(const struct lb_service *s)
{
	static char text[IP_TEXT_SIZE];

	return ip_format(s->ip, text);
}

static const struct val *status_with(const char *ip)
{
	struct val *status = val_new_object(&arena), *lb, *entry;

	lb = val_need_object(&arena, status, "loadBalancer");
	entry = val_append(val_need_array(&arena, lb, "ingress"), val_new_object(&arena));
	val_set_cstr(&arena, entry, "ip", ip);
	return status;
}

static void each_service_has_an_address_of_its_own_and_keeps_it(void **state)
{
	(void)state;
	service("a", 9, "", PORT(80, 30080));
	service("b", 8, "", PORT(80, 30081));
	service("c", 7, "", PORT(80, 30082));
	struct lb_plan p = plan_at("127.0.0.10-127.0.0.50");

	assert_string_equal(address(&p.services[0]), "127.0.0.10");
	assert_string_equal(address(&p.services[1]), "127.0.0.11");
	assert_string_equal(address(&p.services[2]), "127.0.0.12");
	/* b had the first one, say because a came later: it stays */
	val_set(&docs[1]->arena, (struct val *)docs[1]->root, "status",
	        val_copy(&docs[1]->arena, status_with("127.0.0.10")));
	p = plan_at("127.0.0.10-127.0.0.50");
	assert_string_equal(address(&p.services[0]), "127.0.0.11");
	assert_string_equal(address(&p.services[1]), "127.0.0.10");
	/* an address that left the range is none */
	p = plan_at("127.0.1.0/29");
	assert_string_equal(address(&p.services[1]), "127.0.1.2");
}

static void an_address_can_be_asked_for(void **state)
{
	(void)state;
	service("a", 9, "", PORT(80, 30080));
	service("b", 8, "", "\"loadBalancerIP\":\"127.0.0.10\"," PORT(80, 30081));
	service("c", 7, "", "\"loadBalancerIP\":\"52.1.2.3\"," PORT(80, 30082));
	struct lb_plan p = plan_at("127.0.0.10-127.0.0.50");

	assert_string_equal(address(&p.services[0]), "127.0.0.11");
	assert_string_equal(address(&p.services[1]), "127.0.0.10");
	assert_string_equal(address(&p.services[2]), "127.0.0.12");
	assert_non_null(strstr(p.services[2].hint, "52.1.2.3 is no address of the edge"));
}

static void when_all_are_taken_an_address_is_shared_where_the_ports_are_free(void **state)
{
	(void)state;
	service("a", 9, "", PORT(80, 30080));
	service("b", 8, "", PORT(81, 30081));
	service("c", 7, "", PORT(80, 30082));
	struct lb_plan p = plan_at("127.0.0.10-127.0.0.11");

	assert_string_equal(address(&p.services[2]), "127.0.0.11");
	assert_null(p.services[2].problem);
}

static void node_ports_come_to_the_first_address_where_they_are_free(void **state)
{
	struct ip_ranges edge;
	struct lb_plan p;

	(void)state;
	service("lb", 9, "", PORT(30090, 30080));
	service("np", 8, "",
	        "\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30090},{\"port\":53,"
	        "\"nodePort\":30090,\"protocol\":\"UDP\"}]");
	service("ip", 7, "", "\"type\":\"ClusterIP\",\"ports\":[{\"port\":80}]");
	assert_true(ip_ranges_parse(SLICE("127.0.0.10-127.0.0.11"), &edge));
	p = lb_plan_make(&arena, &edge, (const struct doc *const *)docs, n_docs);
	assert_int_equal(p.n, 3);
	assert_true(p.services[0].balancer);
	assert_false(p.services[1].balancer);
	assert_int_equal(p.services[1].ports[0].port, 30080);
	assert_string_equal(address(&p.services[1]), "127.0.0.10");
	assert_int_equal(p.services[2].n_ports, 1); /* the balancer has the TCP one */
	assert_int_equal(p.services[2].ports[0].protocol, IPPROTO_UDP);
}

static void local_policies_are_checked_at_the_nodes_health_port(void **state)
{
	(void)state;
	service("a", 9, "",
	        "\"externalTrafficPolicy\":\"Local\",\"healthCheckNodePort\":30123," PORT(80,
	                                                                                  30080));
	service("b", 8,
	        "\"" LB_ANNOTATION "healthcheck-protocol\":\"http\",\"" LB_ANNOTATION
	        "healthcheck-path\":\"/ok\",\"" LB_ANNOTATION "healthcheck-port\":\"10254\"",
	        PORT(81, 30081));
	service("c", 7,
	        "\"" LB_ANNOTATION "healthcheck-protocol\":\"http\",\"" LB_ANNOTATION
	        "healthcheck-path\":\"/ x\"",
	        PORT(82, 30082));
	struct lb_plan p = plan();

	assert_int_equal(p.services[0].check_port, 30123);
	assert_string_equal(p.services[0].check_path, "/healthz");
	assert_false(p.services[0].own_check);
	assert_int_equal(p.services[1].check_port, 10254);
	assert_string_equal(p.services[1].check_path, "/ok");
	assert_string_equal(p.services[2].check_path, "/");
}

static void without_node_ports_pods_are_the_targets(void **state)
{
	(void)state;
	service("a", 9, "", "\"allocateLoadBalancerNodePorts\":false,\"ports\":[{\"port\":80}]");
	service("b", 8, "\"" LB_ANNOTATION "nlb-target-type\":\"ip\"", PORT(81, 30081));
	struct lb_plan p = plan();

	assert_null(p.services[0].problem);
	assert_false(p.services[0].waiting);
	assert_true(p.services[0].ports[0].to_pods);
	assert_true(p.services[1].ports[0].to_pods);
}

static void other_classes_and_types_are_not_ours(void **state)
{
	(void)state;
	service("a", 0, "", "\"loadBalancerClass\":\"example.com/x\"," PORT(80, 30080));
	service("b", 0, "", "\"loadBalancerClass\":\"service.k8s.aws/nlb\"," PORT(80, 30081));
	service("c", 0, "", "\"type\":\"ClusterIP\"," PORT(80, 30082));
	service("d", 0, "", "\"loadBalancerClass\":\"kennel.dev/lb\"," PORT(81, 30083));
	struct lb_plan p = plan();

	assert_int_equal(p.n, 2);
	assert_true(slice_is(p.services[0].name, "b"));
	assert_true(slice_is(p.services[1].name, "d"));
}

static void protocols_share_a_port_number(void **state)
{
	(void)state;
	service("dns", 0, "",
	        "\"ports\":[{\"port\":53,\"nodePort\":30053,\"protocol\":\"UDP\"},{\"port\":53,"
	        "\"nodePort\":30054}]");
	struct lb_plan p = plan();

	assert_null(p.services[0].problem);
	assert_int_equal(p.services[0].n_ports, 2);
	assert_null(p.services[0].ports[0].error);
	assert_int_equal(p.services[0].ports[0].protocol, IPPROTO_UDP);
	assert_int_equal(p.services[0].ports[0].idle_us, 120 * US_PER_S);
	assert_int_equal(p.services[0].ports[1].protocol, IPPROTO_TCP);
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
		T(a_guest_takes_nothing_from_others),
		T(the_oldest_keeps_a_port),
		T(other_classes_and_types_are_not_ours),
		T(protocols_share_a_port_number),
		T(each_service_has_an_address_of_its_own_and_keeps_it),
		T(an_address_can_be_asked_for),
		T(when_all_are_taken_an_address_is_shared_where_the_ports_are_free),
		T(node_ports_come_to_the_first_address_where_they_are_free),
		T(local_policies_are_checked_at_the_nodes_health_port),
		T(without_node_ports_pods_are_the_targets),
		T(node_ports_are_waited_for),
		T(a_deleted_service_gives_its_port_up),
		T(proxy_protocol_is_asked_for_in_three_ways),
		T(settings_have_bounds),
		T(source_ranges_come_from_field_or_annotation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
