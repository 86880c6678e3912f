#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "world.h"

static const char web[] =
	"apiVersion: v1\n"
	"kind: Service\n"
	"metadata: {name: web, namespace: shop}\n"
	"spec:\n"
	"  clusterIP: 10.1.0.7\n"
	"  clusterIPs: [10.1.0.7]\n"
	"  ports: [{name: http, port: 80, targetPort: web}, {name: tls, port: 443}]\n";
static const char web_slice[] =
	"apiVersion: discovery.k8s.io/v1\n"
	"kind: EndpointSlice\n"
	"metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}\n"
	"addressType: IPv4\n"
	"ports: [{name: http, port: 8080, protocol: TCP}]\n"
	"endpoints:\n"
	"- {addresses: [10.244.0.9], nodeName: a, conditions: {ready: true}}\n"
	"- {addresses: [10.244.0.3], nodeName: b}\n"
	"- {addresses: [10.244.0.5], nodeName: a, conditions: {ready: false, serving: true, "
	"terminating: true}}\n";

struct seen {
	struct service_port ports[8];
	size_t n;
};

static bool see(void *arg, const struct service_port *p)
{
	struct seen *s = arg;

	assert_true(s->n < ARRAY_SIZE(s->ports));
	s->ports[s->n++] = *p;
	return true;
}

static struct seen look(const struct model *m)
{
	struct seen s = { 0 };

	model_each_service_port(m, see, &s);
	return s;
}

static void service_port_and_slice_port_meet_by_name(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct seen s;

	put(m, web);
	put(m, web_slice);
	s = look(m);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.ports[0].port, 80);
	assert_int_equal(s.ports[0].n_endpoints, 3);
	assert_int_equal(s.ports[0].endpoints[0].port, 8080);
	assert_true(ip_eq(s.ports[0].endpoints[0].ip, ip_of("10.244.0.3")));
	assert_true(ip_eq(s.ports[0].cluster_ips[0], ip_of("10.1.0.7")));
	assert_int_equal(s.ports[1].n_endpoints, 0);
	model_free(m);
}

static void absent_conditions_mean_ready(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct seen s;

	put(m, web);
	put(m, web_slice);
	s = look(m);
	assert_true(s.ports[0].endpoints[0].ready);
	assert_true(s.ports[0].endpoints[0].serving);
	assert_false(s.ports[0].endpoints[0].terminating);
	assert_false(s.ports[0].endpoints[1].ready);
	model_free(m);
}

static void an_endpoint_in_two_slices_is_one(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct seen s;

	put(m, web);
	put(m, web_slice);
	put(m, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-2, "
	       "namespace: shop, "
	       "labels: {kubernetes.io/service-name: web}}, addressType: IPv4, ports: [{name: "
	       "http, port: 8080}], "
	       "endpoints: [{addresses: [10.244.0.5]}, {addresses: [10.244.0.9], conditions: "
	       "{ready: false}}]}");
	s = look(m);
	assert_int_equal(s.ports[0].n_endpoints, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(s.ports[0].endpoints[i].ready);
	}
	model_free(m);
}

static void slices_of_other_protocols_names_and_families_do_not_count(void **state)
{
	(void)state;
	struct model *m = model_new();

	put(m, web);
	put(m, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, "
	       "namespace: shop, "
	       "labels: {kubernetes.io/service-name: web}}, addressType: IPv4, "
	       "ports: [{name: http, port: 1, protocol: UDP}, {name: other, port: 2}, {port: 3}], "
	       "endpoints: [{addresses: [10.244.0.5]}]}");
	put(m, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: b, "
	       "namespace: shop, "
	       "labels: {kubernetes.io/service-name: web}}, addressType: FQDN, ports: [{name: "
	       "http, port: 1}], "
	       "endpoints: [{addresses: [example.com]}]}");
	put(m, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: c, "
	       "namespace: other, "
	       "labels: {kubernetes.io/service-name: web}}, addressType: IPv4, ports: [{name: "
	       "http, port: 1}], "
	       "endpoints: [{addresses: [10.244.0.6]}]}");
	assert_int_equal(look(m).ports[0].n_endpoints, 0);
	model_free(m);
}

static void usable_prefers_ready_and_falls_back_to_serving_terminating(void **state)
{
	(void)state;
	struct endpoint all[] = {
		{ .ip = ip_v4(1), .ready = true, .serving = true, .node = SLICE("a") },
		{ .ip = ip_v4(2), .serving = true, .terminating = true, .node = SLICE("b") },
		{ .ip = ip_v4(3), .terminating = true, .node = SLICE("b") },
		{ .ip = ip_v4(4), .serving = true, .node = SLICE("b") },
	};
	struct service_port p = { .endpoints = all, .n_endpoints = 4 };
	const struct endpoint *use[4];

	assert_int_equal(service_usable(&p, false, SLICE("a"), use, 4), 1);
	assert_ptr_equal(use[0], &all[0]);
	all[0].ready = false;
	assert_int_equal(service_usable(&p, false, SLICE("a"), use, 4), 1);
	assert_ptr_equal(use[0], &all[1]);
	all[1].serving = false;
	assert_int_equal(service_usable(&p, false, SLICE("a"), use, 4), 0);
}

static void local_policies_choose_within_the_node_separately(void **state)
{
	(void)state;
	struct endpoint all[] = {
		{ .ip = ip_v4(1), .ready = true, .serving = true, .node = SLICE("a") },
		{ .ip = ip_v4(2), .serving = true, .terminating = true, .node = SLICE("b") },
		{ .ip = ip_v4(3), .ready = true, .serving = true, .node = SLICE("a") },
	};
	struct service_port p = { .endpoints = all, .n_endpoints = 3, .external_local = true };
	const struct endpoint *use[1];

	assert_int_equal(service_usable(&p, false, SLICE("b"), use, 1), 2);
	assert_int_equal(service_usable(&p, true, SLICE("b"), use, 1), 1);
	assert_ptr_equal(use[0], &all[1]);
	assert_int_equal(service_usable(&p, true, SLICE("c"), use, 1), 0);
	p.internal_local = true;
	assert_int_equal(service_usable(&p, false, SLICE("a"), use, 1), 2);
}

static const char zoned_slice[] =
	"apiVersion: discovery.k8s.io/v1\n"
	"kind: EndpointSlice\n"
	"metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}\n"
	"addressType: IPv4\n"
	"ports: [{name: http, port: 8080, protocol: TCP}]\n"
	"endpoints:\n"
	"- {addresses: [10.244.0.1], nodeName: a, hints: {forZones: [{name: east}], forNodes: "
	"[{name: a}]}}\n"
	"- {addresses: [10.244.0.2], nodeName: b, hints: {forZones: [{name: east}], forNodes: "
	"[{name: b}]}}\n"
	"- {addresses: [10.244.0.3], nodeName: c, hints: {forZones: [{name: west}]%s}}\n"
	"- {addresses: [10.244.0.4], nodeName: a, conditions: {ready: false, serving: false}}\n";

static void put_zoned(struct model *m, const char *third)
{
	char text[2048];

	snprintf(text, sizeof(text), zoned_slice, third);
	put(m, text);
}

static size_t usable_on(const struct model *m, const char *node, bool external)
{
	const struct endpoint *use[8];
	struct seen s = look(m);

	return service_usable(&s.ports[0], external, slice_of(node), use, 8);
}

static void hints_are_followed_when_every_ready_endpoint_has_one(void **state)
{
	(void)state;
	struct model *m = model_new();
	uint64_t before;

	put(m, web);
	put_zoned(m, "");
	assert_int_equal(usable_on(m, "d", false), 3); /* a node whose zone nobody knows */
	before = model_version(m, MODEL_SERVICES);
	put(m, "{apiVersion: v1, kind: Node, metadata: {name: d, labels: "
	       "{topology.kubernetes.io/zone: east}}}");
	assert_true(model_version(m, MODEL_SERVICES) > before);
	assert_false(
		model_each_changed_service(m, before, NULL, NULL)); /* all are to be looked at */
	assert_int_equal(usable_on(m, "d", false), 2);
	assert_int_equal(usable_on(m, "d", true), 2);
	put(m, "{apiVersion: v1, kind: Node, metadata: {name: a, labels: "
	       "{topology.kubernetes.io/zone: west}}}");
	assert_int_equal(usable_on(m, "a", false), 1); /* one without forNodes: by zone */
	put_zoned(m, ", forNodes: [{name: c}]");
	assert_int_equal(usable_on(m, "a", false), 1); /* its own, of another zone */
	assert_int_equal(usable_on(m, "d", false), 2); /* no node's: its zone's */
	put(m, "{apiVersion: v1, kind: Node, metadata: {name: d, labels: "
	       "{topology.kubernetes.io/zone: south}}}");
	assert_int_equal(usable_on(m, "d", false), 3); /* nobody's zone */
	model_free(m);
}

static void a_policy_local_looks_at_all_endpoints_whatever_their_hints(void **state)
{
	(void)state;
	struct model *m = model_new();

	put(m, "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: "
	       "{clusterIP: 10.1.0.7, internalTrafficPolicy: Local, ports: [{name: http, port: "
	       "80}]}}");
	put(m, "{apiVersion: v1, kind: Node, metadata: {name: a, labels: "
	       "{topology.kubernetes.io/zone: west}}}");
	put_zoned(m, "");
	assert_int_equal(usable_on(m, "a", false), 1);
	model_free(m);
}

#define HOST_POD(ip)                                                                               \
	"apiVersion: v1\n"                                                                         \
	"kind: Pod\n"                                                                              \
	"metadata: {name: edge, namespace: shop}\n"                                                \
	"spec:\n"                                                                                  \
	"  nodeName: a\n"                                                                          \
	"  containers:\n"                                                                          \
	"  - {name: c, ports: [{containerPort: 80, hostPort: 8080, protocol: TCP}, "               \
	"{containerPort: 53, hostPort: 5300, hostIP: 10.0.2.99, protocol: UDP}, "                  \
	"{containerPort: 81, protocol: TCP}]}\n"                                                   \
	"status: {podIP: " ip ", phase: Running}\n"

static void a_pods_host_ports_are_services_of_one_endpoint(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct seen s;
	uint64_t before;

	put(m, HOST_POD("\"\""));
	assert_int_equal(look(m).n, 0);
	put(m, HOST_POD("10.244.0.7"));
	s = look(m);
	assert_int_equal(s.n, 2);
	assert_true(slice_is(s.ports[0].service, "pod/edge"));
	assert_int_equal(s.ports[0].node_port, 8080);
	assert_int_equal(s.ports[0].endpoints[0].port, 80);
	assert_true(slice_is(s.ports[0].only_node, "a"));
	assert_int_equal(s.ports[1].node_port, 0);
	assert_int_equal(s.ports[1].proto, PROTO_UDP);
	assert_true(ip_eq(s.ports[1].external_ips[0], ip_of("10.0.2.99")));
	before = model_version(m, MODEL_SERVICES);
	drop(m, HOST_POD("10.244.0.7"));
	assert_int_equal(look(m).n, 0);
	assert_true(model_version(m, MODEL_SERVICES) > before);
	model_free(m);
}

static void balancer_fields_are_read(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct service_port p;

	put(m, "apiVersion: v1\n"
	       "kind: Service\n"
	       "metadata: {name: lb, namespace: shop}\n"
	       "spec:\n"
	       "  type: LoadBalancer\n"
	       "  clusterIP: 10.1.0.8\n"
	       "  externalTrafficPolicy: Local\n"
	       "  sessionAffinity: ClientIP\n"
	       "  loadBalancerSourceRanges: [10.0.0.0/8, ' 192.0.2.1/24']\n"
	       "  externalIPs: [203.0.113.5]\n"
	       "  ports: [{port: 53, nodePort: 30053, protocol: UDP}]\n"
	       "status: {loadBalancer: {ingress: [{ip: 127.0.0.1}, {ip: 127.0.0.2, ipMode: Proxy}, "
	       "{hostname: x}]}}\n");
	p = look(m).ports[0];
	assert_int_equal(p.proto, PROTO_UDP);
	assert_int_equal(p.node_port, 30053);
	assert_int_equal(p.affinity_s, 10800);
	assert_true(p.external_local);
	assert_false(p.internal_local);
	assert_int_equal(p.n_lb_ips, 1);
	assert_true(ip_eq(p.lb_ips[0], ip_of("127.0.0.1")));
	assert_int_equal(p.n_lb_sources, 2);
	assert_int_equal(p.n_external_ips, 1);
	model_free(m);
}

static void headless_and_external_names_have_no_addresses(void **state)
{
	(void)state;
	struct model *m = model_new();

	put(m, "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: shop}, "
	       "spec: {clusterIP: None, clusterIPs: [None], ports: [{port: 80}]}}");
	put(m, "{apiVersion: v1, kind: Service, metadata: {name: b, namespace: shop}, "
	       "spec: {type: ExternalName, externalName: x.example, ports: [{port: 80}]}}");
	assert_int_equal(look(m).n, 0);
	put(m,
	    "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a-1, "
	    "namespace: shop, "
	    "labels: {kubernetes.io/service-name: a}}, addressType: IPv4, ports: [{port: 8080}], "
	    "endpoints: [{addresses: [10.244.0.5]}]}");
	assert_int_equal(look(m).n, 1);
	assert_int_equal(look(m).ports[0].n_cluster_ips, 0);
	model_free(m);
}

/* ---- changes ---- */

static void note(void *arg, struct slice ns, struct slice service)
{
	strbuf_addf(arg, SLICE_FMT "/" SLICE_FMT " ", SLICE_ARG(ns), SLICE_ARG(service));
}

static void expect_changed(const struct model *m, uint64_t since, const char *names)
{
	scoped_strbuf struct strbuf b = { 0 };

	assert_true(model_each_changed_service(m, since, note, &b));
	assert_string_equal(strbuf_str(&b), names);
}

static void put_numbered(struct model *m, unsigned i, bool remove)
{
	char text[160];

	snprintf(text, sizeof(text),
	         "{apiVersion: v1, kind: Service, metadata: {name: s%u, namespace: ns}, "
	         "spec: {clusterIP: 10.1.%u.%u, ports: [{port: 80}]}}",
	         i, i / 256, i % 256);
	feed(m, text, remove);
}

static void the_change_log_names_each_service_once_oldest_first(void **state)
{
	(void)state;
	struct model *m = model_new();
	uint64_t before = model_version(m, MODEL_SERVICES), middle;

	put_numbered(m, 1, false);
	put_numbered(m, 2, false);
	middle = model_version(m, MODEL_SERVICES);
	put_numbered(m, 3, false);
	put_numbered(m, 1, true);
	expect_changed(m, before, "ns/s2 ns/s3 ns/s1 ");
	expect_changed(m, middle, "ns/s3 ns/s1 ");
	expect_changed(m, model_version(m, MODEL_SERVICES), "");
	model_free(m);
}

static void what_means_the_same_is_no_change(void **state)
{
	(void)state;
	struct model *m = model_new();
	uint64_t before;

	put(m, web);
	put(m, web_slice);
	before = model_version(m, MODEL_SERVICES);
	put(m, web);
	put(m, web_slice);
	assert_int_equal(model_version(m, MODEL_SERVICES), before);
	assert_int_equal(look(m).ports[0].n_endpoints, 3);
	drop(m, web_slice);
	assert_true(model_version(m, MODEL_SERVICES) > before);
	expect_changed(m, before, "shop/web ");
	assert_int_equal(look(m).ports[0].n_endpoints, 0);
	model_free(m);
}

static void a_log_that_is_too_short_says_so(void **state)
{
	(void)state;
	struct model *m = model_new();
	scoped_strbuf struct strbuf b = { 0 };

	for (unsigned i = 0; i < 5000; i++) {
		put_numbered(m, i, false);
		put_numbered(m, i, true);
	}
	assert_false(model_each_changed_service(m, 0, note, &b));
	assert_int_equal(b.size, 0);
	assert_true(model_each_changed_service(m, model_version(m, MODEL_SERVICES) - 10, note, &b));
	model_free(m);
}

static void a_slice_may_come_before_its_service_and_move_to_another(void **state)
{
	(void)state;
	struct model *m = model_new();

	put(m, web_slice);
	assert_int_equal(look(m).n, 0);
	put(m, web);
	assert_int_equal(look(m).ports[0].n_endpoints, 3);
	put(m, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, "
	       "namespace: shop, "
	       "labels: {kubernetes.io/service-name: other}}, addressType: IPv4, ports: [{name: "
	       "http, port: 1}]}");
	assert_int_equal(look(m).ports[0].n_endpoints, 0);
	drop(m, web);
	assert_int_equal(look(m).n, 0);
	model_free(m);
}

static void ports_come_in_order_of_namespace_name_and_port(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct seen s;

	put(m, "{apiVersion: v1, kind: Service, metadata: {name: b, namespace: yy}, "
	       "spec: {clusterIP: 10.1.0.1, ports: [{name: q, port: 9}, {name: p, port: 5}]}}");
	put(m, "{apiVersion: v1, kind: Service, metadata: {name: z, namespace: x}, "
	       "spec: {clusterIP: 10.1.0.2, ports: [{port: 7}]}}");
	put(m, "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: yy}, "
	       "spec: {clusterIP: 10.1.0.3, ports: [{name: d, port: 53, protocol: UDP}, {name: e, "
	       "port: 53}]}}");
	s = look(m);
	assert_int_equal(s.n, 5);
	assert_int_equal(s.ports[0].port, 7);
	assert_int_equal(s.ports[1].proto, PROTO_TCP);
	assert_int_equal(s.ports[2].proto, PROTO_UDP);
	assert_int_equal(s.ports[3].port, 5);
	assert_int_equal(s.ports[4].port, 9);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(service_port_and_slice_port_meet_by_name),
		cmocka_unit_test(absent_conditions_mean_ready),
		cmocka_unit_test(an_endpoint_in_two_slices_is_one),
		cmocka_unit_test(slices_of_other_protocols_names_and_families_do_not_count),
		cmocka_unit_test(usable_prefers_ready_and_falls_back_to_serving_terminating),
		cmocka_unit_test(local_policies_choose_within_the_node_separately),
		cmocka_unit_test(hints_are_followed_when_every_ready_endpoint_has_one),
		cmocka_unit_test(a_policy_local_looks_at_all_endpoints_whatever_their_hints),
		cmocka_unit_test(a_pods_host_ports_are_services_of_one_endpoint),
		cmocka_unit_test(balancer_fields_are_read),
		cmocka_unit_test(headless_and_external_names_have_no_addresses),
		cmocka_unit_test(the_change_log_names_each_service_once_oldest_first),
		cmocka_unit_test(what_means_the_same_is_no_change),
		cmocka_unit_test(a_log_that_is_too_short_says_so),
		cmocka_unit_test(a_slice_may_come_before_its_service_and_move_to_another),
		cmocka_unit_test(ports_come_in_order_of_namespace_name_and_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
