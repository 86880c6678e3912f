#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "world.h"

static const char world[] =
	"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Service\n"
	"metadata: {name: web, namespace: shop}\n"
	"spec: {clusterIP: 10.1.0.7, ports: [{name: http, port: 80}, {name: dns, port: 53, "
	"protocol: UDP}]}\n"
	"---\n"
	"apiVersion: discovery.k8s.io/v1\n"
	"kind: EndpointSlice\n"
	"metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}\n"
	"addressType: IPv4\n"
	"ports: [{name: http, port: 8080}]\n"
	"endpoints: [{addresses: [10.244.0.9]}]\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: solo, namespace: shop}, "
	"spec: {clusterIP: 10.1.0.8, ports: [{port: 6379}]}}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Service\n"
	"metadata: {name: db, namespace: shop}\n"
	"spec: {clusterIP: None, ports: [{name: sql, port: 3306}]}\n"
	"---\n"
	"apiVersion: discovery.k8s.io/v1\n"
	"kind: EndpointSlice\n"
	"metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}\n"
	"addressType: IPv4\n"
	"ports: [{name: sql, port: 13306}]\n"
	"endpoints:\n"
	"- {addresses: [10.244.0.20], hostname: db-0}\n"
	"- {addresses: [10.244.0.21]}\n"
	"- {addresses: [10.244.0.22], hostname: db-2, conditions: {ready: false}}\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: empty, namespace: shop}, spec: "
	"{clusterIP: None}}\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: six, namespace: shop}, "
	"spec: {clusterIP: 'fd01::7', ipFamilies: [IPv6], ports: [{port: 80}]}}\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: far, namespace: shop}, "
	"spec: {type: ExternalName, externalName: WWW.Example.com.}}\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system}, "
	"spec: {clusterIP: 10.0.0.10, ports: [{name: dns, port: 53, protocol: UDP}]}}\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: default}, "
	"spec: {clusterIP: 10.1.0.1, ports: [{name: https, port: 443}]}}\n"
	"---\n"
	"{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, metadata: {name: main, "
	"namespace: shop, "
	"annotations: {kennel.dev/vpc-address: 10.0.2.30}}, "
	"status: {endpoint: {address: main.abc.us-east-1.rds.amazonaws.com, port: 3306}}}\n"
	"---\n"
	"{apiVersion: elasticache.services.k8s.aws/v1alpha1, kind: CacheCluster, metadata: {name: "
	"main, "
	"namespace: shop, annotations: {kennel.dev/vpc-address: 10.0.3.31}}, "
	"status: {cacheNodes: [{endpoint: {address: main.abc.0001.use1.cache.amazonaws.com, port: "
	"6379}}]}}\n";

static int setup(void **state)
{
	struct model *m = model_new();

	put(m, world);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	model_free(*state);
	return 0;
}

/* One line: the result, then the records. */
static void expect(const struct model *m, enum name_type type, const char *name, const char *want)
{
	static const char *const results[] = { "found", "nodata", "missing", "foreign" };
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf b = { 0 };
	struct name_record *r;
	char ip[IP_TEXT_SIZE];
	size_t n;

	strbuf_adds(&b, results[name_lookup(m, slice_of(name), type, &a, &r, &n)]);
	for (size_t i = 0; i < n; i++) {
		strbuf_addf(&b, " %d:", r[i].type);
		if (r[i].ip.family) {
			strbuf_adds(&b, ip_format(r[i].ip, ip));
		}
		if (r[i].port) {
			strbuf_addf(&b, "%u/%u/", r[i].port, r[i].weight);
		}
		strbuf_add_slice(&b, r[i].target);
		assert_true(r[i].ttl > 0);
	}
	if (strcmp(strbuf_str(&b), want) != 0) {
		fail_msg("%s type %d: \"%s\", expected \"%s\"", name, type, strbuf_str(&b), want);
	}
}

static void a_service_has_its_cluster_ip(void **state)
{
	expect(*state, NAME_A, "web.shop.svc.cluster.local", "found 1:10.1.0.7");
	expect(*state, NAME_AAAA, "web.shop.svc.cluster.local", "nodata");
	expect(*state, NAME_TXT, "web.shop.svc.cluster.local", "nodata");
	expect(*state, NAME_A, "kubernetes.default.svc.cluster.local", "found 1:10.1.0.1");
	expect(*state, NAME_AAAA, "six.shop.svc.cluster.local", "found 28:fd01::7");
	expect(*state, NAME_A, "six.shop.svc.cluster.local", "nodata");
}

static void a_headless_service_has_its_ready_endpoints(void **state)
{
	expect(*state, NAME_A, "db.shop.svc.cluster.local", "found 1:10.244.0.20 1:10.244.0.21");
	expect(*state, NAME_AAAA, "db.shop.svc.cluster.local", "nodata");
	expect(*state, NAME_A, "empty.shop.svc.cluster.local", "missing");
	expect(*state, NAME_A, "db-0.db.shop.svc.cluster.local", "found 1:10.244.0.20");
	expect(*state, NAME_A, "db-2.db.shop.svc.cluster.local", "missing");
	expect(*state, NAME_A, "10-244-0-21.db.shop.svc.cluster.local", "found 1:10.244.0.21");
	expect(*state, NAME_A, "10-244-0-9.web.shop.svc.cluster.local", "found 1:10.244.0.9");
}

static void srv_gives_the_service_port_or_for_headless_the_endpoint_port(void **state)
{
	expect(*state, NAME_SRV, "_http._tcp.web.shop.svc.cluster.local",
	       "found 33:80/100/web.shop.svc.cluster.local.");
	expect(*state, NAME_SRV, "dns.udp.web.shop.svc.cluster.local",
	       "found 33:53/100/web.shop.svc.cluster.local.");
	expect(*state, NAME_SRV, "_http._udp.web.shop.svc.cluster.local", "missing");
	expect(*state, NAME_SRV, "_none._tcp.web.shop.svc.cluster.local", "missing");
	expect(*state, NAME_A, "_http._tcp.web.shop.svc.cluster.local", "nodata");
	expect(*state, NAME_SRV, "_sql._tcp.db.shop.svc.cluster.local",
	       "found 33:13306/50/10-244-0-21.db.shop.svc.cluster.local. "
	       "33:13306/50/db-0.db.shop.svc.cluster.local.");
	expect(*state, NAME_SRV, "solo.shop.svc.cluster.local",
	       "found 33:6379/100/solo.shop.svc.cluster.local.");
	expect(*state, NAME_SRV, "web.shop.svc.cluster.local",
	       "found 33:53/50/web.shop.svc.cluster.local. 33:80/50/web.shop.svc.cluster.local.");
}

static void an_external_name_is_a_cname_for_every_type(void **state)
{
	expect(*state, NAME_A, "far.shop.svc.cluster.local", "found 5:www.example.com.");
	expect(*state, NAME_CNAME, "far.shop.svc.cluster.local", "found 5:www.example.com.");
	expect(*state, NAME_SRV, "_a._tcp.far.shop.svc.cluster.local", "missing");
}

static void addresses_lead_back_to_names(void **state)
{
	expect(*state, NAME_PTR, "7.0.1.10.in-addr.arpa", "found 12:web.shop.svc.cluster.local.");
	expect(*state, NAME_PTR, "20.0.244.10.in-addr.arpa",
	       "found 12:db-0.db.shop.svc.cluster.local.");
	expect(*state, NAME_PTR, "9.0.244.10.in-addr.arpa",
	       "found 12:10-244-0-9.web.shop.svc.cluster.local.");
	expect(*state, NAME_PTR, "22.0.244.10.in-addr.arpa", "foreign");
	expect(*state, NAME_A, "7.0.1.10.in-addr.arpa", "nodata");
	expect(*state, NAME_PTR, "99.0.1.10.in-addr.arpa", "foreign");
	expect(*state, NAME_PTR, "0.1.10.in-addr.arpa", "foreign");
	expect(*state, NAME_PTR, "1.7.0.1.10.in-addr.arpa", "foreign");
	expect(*state, NAME_PTR,
	       "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.d.f.ip6.arpa",
	       "found 12:six.shop.svc.cluster.local.");
	expect(*state, NAME_PTR, "7.0.0.0.ip6.arpa", "foreign");
}

static void pod_names_say_their_address_in_known_namespaces(void **state)
{
	expect(*state, NAME_A, "10-244-0-3.shop.pod.cluster.local", "found 1:10.244.0.3");
	expect(*state, NAME_AAAA, "10-244-0-3.shop.pod.cluster.local", "nodata");
	expect(*state, NAME_AAAA, "fd00--3.shop.pod.cluster.local", "found 28:fd00::3");
	expect(*state, NAME_A, "10-244-0-3.nowhere.pod.cluster.local", "missing");
	expect(*state, NAME_A, "web.shop.pod.cluster.local", "missing");
	expect(*state, NAME_A, "10-244-0-300.shop.pod.cluster.local", "missing");
}

static void names_that_only_contain_others_exist(void **state)
{
	static const char *const names[] = { "cluster.local",          "svc.cluster.local",
		                             "pod.cluster.local",      "shop.svc.cluster.local",
		                             "shop.pod.cluster.local", "dns.cluster.local" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		expect(*state, NAME_A, names[i], "nodata");
	}
	expect(*state, NAME_A, "nowhere.svc.cluster.local", "missing");
	expect(*state, NAME_A, "other.cluster.local", "missing");
	expect(*state, NAME_A, "none.shop.svc.cluster.local", "missing");
	expect(*state, NAME_A, "a.b.c.d.e.svc.cluster.local", "missing");
	expect(*state, NAME_A, "*.shop.svc.cluster.local", "missing");
	expect(*state, NAME_TXT, "dns-version.cluster.local", "found 16:1.1.0");
	expect(*state, NAME_A, "ns.dns.cluster.local", "found 1:10.0.0.10");
}

static void names_of_others_are_foreign(void **state)
{
	expect(*state, NAME_A, "example.com", "foreign");
	expect(*state, NAME_A, "notcluster.local", "foreign");
	expect(*state, NAME_A, "local", "foreign");
	expect(*state, NAME_A, "", "foreign");
}

static void databases_and_caches_are_found_at_their_private_address(void **state)
{
	expect(*state, NAME_A, "main.abc.us-east-1.rds.amazonaws.com", "found 1:10.0.2.30");
	expect(*state, NAME_AAAA, "main.abc.us-east-1.rds.amazonaws.com", "nodata");
	expect(*state, NAME_A, "main.abc.0001.use1.cache.amazonaws.com", "found 1:10.0.3.31");
	expect(*state, NAME_A, "other.abc.us-east-1.rds.amazonaws.com", "foreign");
	drop(*state, "{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, "
	             "metadata: {name: main, namespace: shop}}");
	expect(*state, NAME_A, "main.abc.us-east-1.rds.amazonaws.com", "foreign");
	expect(*state, NAME_A, "main.abc.0001.use1.cache.amazonaws.com", "found 1:10.0.3.31");
}

static void answers_follow_changes(void **state)
{
	uint64_t before = model_version(*state, MODEL_NAMES);

	put(*state, "{apiVersion: v1, kind: Service, metadata: {name: far, namespace: shop}, "
	            "spec: {type: ClusterIP, clusterIP: 10.1.0.9, ports: [{port: 80}]}}");
	expect(*state, NAME_A, "far.shop.svc.cluster.local", "found 1:10.1.0.9");
	expect(*state, NAME_PTR, "9.0.1.10.in-addr.arpa", "found 12:far.shop.svc.cluster.local.");
	assert_true(model_version(*state, MODEL_NAMES) > before);
	drop(*state, "{apiVersion: v1, kind: Service, metadata: {name: far, namespace: shop}}");
	expect(*state, NAME_A, "far.shop.svc.cluster.local", "missing");
	expect(*state, NAME_PTR, "9.0.1.10.in-addr.arpa", "foreign");
	drop(*state, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
	expect(*state, NAME_A, "shop.svc.cluster.local", "missing");
	model_set_cluster_domain(*state, SLICE("Corp.Test."));
	expect(*state, NAME_A, "web.shop.svc.corp.test", "found 1:10.1.0.7");
	expect(*state, NAME_A, "web.shop.svc.cluster.local", "foreign");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_service_has_its_cluster_ip, setup, teardown),
		cmocka_unit_test_setup_teardown(a_headless_service_has_its_ready_endpoints, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(
			srv_gives_the_service_port_or_for_headless_the_endpoint_port, setup,
			teardown),
		cmocka_unit_test_setup_teardown(an_external_name_is_a_cname_for_every_type, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(addresses_lead_back_to_names, setup, teardown),
		cmocka_unit_test_setup_teardown(pod_names_say_their_address_in_known_namespaces,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(names_that_only_contain_others_exist, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(names_of_others_are_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(
			databases_and_caches_are_found_at_their_private_address, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_follow_changes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
