#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "world.h"

#define INGRESS(name, annotations, spec, status)                                                   \
	"{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: " name                 \
	", namespace: shop, annotations: {" annotations "}}, spec: {" spec                         \
	"}, status: {loadBalancer: {ingress: [" status "]}}}\n"
#define SERVICE(name, annotations, spec, status)                                                   \
	"{apiVersion: v1, kind: Service, metadata: {name: " name                                   \
	", namespace: shop, annotations: {" annotations "}}, spec: {" spec                         \
	"}, status: {loadBalancer: {ingress: [" status "]}}}\n"
#define DNS  "external-dns.alpha.kubernetes.io/"
#define EDGE "{ip: 127.0.0.1}"

static int setup(void **state)
{
	*state = model_new();
	return 0;
}

static int teardown(void **state)
{
	model_free(*state);
	return 0;
}

/* One line: the result, then TYPE:TTL:VALUE of each record. */
static void expect(const struct model *m, enum name_type type, const char *name, const char *want)
{
	static const char *const results[] = { "found", "nodata", "missing", "foreign" };
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf b = { 0 };
	struct name_record *r;
	char ip[IP_TEXT_SIZE];
	size_t n;

	strbuf_adds(&b, results[public_lookup(m, slice_of(name), type, &a, &r, &n)]);
	for (size_t i = 0; i < n; i++) {
		strbuf_addf(&b, " %d:%u:%s" SLICE_FMT, r[i].type, r[i].ttl,
		            r[i].ip.family ? ip_format(r[i].ip, ip) : "", SLICE_ARG(r[i].target));
	}
	if (strcmp(strbuf_str(&b), want) != 0) {
		fail_msg("%s type %d: \"%s\", expected \"%s\"", name, type, strbuf_str(&b), want);
	}
}

static void hosts_of_an_ingress_lead_to_its_status(void **state)
{
	put(*state, INGRESS("a", "",
	                    "rules: [{host: App.example.com}, {http: {}}], "
	                    "tls: [{hosts: [tls.example.com]}]",
	                    EDGE ", {ip: 'fd00::1'}"));
	expect(*state, NAME_A, "app.example.com", "found 1:60:127.0.0.1");
	expect(*state, NAME_AAAA, "app.example.com", "found 28:60:fd00::1");
	expect(*state, NAME_ANY, "app.example.com", "found 1:60:127.0.0.1 28:60:fd00::1");
	expect(*state, NAME_A, "tls.example.com", "found 1:60:127.0.0.1");
	expect(*state, NAME_TXT, "app.example.com", "nodata");
	expect(*state, NAME_A, "example.com", "foreign");
	expect(*state, NAME_A, "x.app.example.com", "foreign");
	put(*state, INGRESS("a", "", "rules: [{host: app.example.com}]", ""));
	expect(*state, NAME_A, "app.example.com", "foreign");
	put(*state, INGRESS("a", "", "rules: [{host: app.example.com}]", "{hostname: x.elb.net}"));
	expect(*state, NAME_A, "app.example.com", "found 5:60:x.elb.net.");
	drop(*state, INGRESS("a", "", "", ""));
	expect(*state, NAME_A, "app.example.com", "foreign");
}

static void a_wildcard_gives_way_to_nearer_names(void **state)
{
	put(*state,
	    INGRESS("a", "", "rules: [{host: '*.example.com'}, {host: a.b.example.com}]", EDGE));
	expect(*state, NAME_A, "x.example.com", "found 1:60:127.0.0.1");
	expect(*state, NAME_A, "x.y.example.com", "found 1:60:127.0.0.1");
	expect(*state, NAME_A, "a.b.example.com", "found 1:60:127.0.0.1");
	expect(*state, NAME_A, "c.b.example.com", "foreign");
	expect(*state, NAME_A, "example.com", "foreign");
	expect(*state, NAME_AAAA, "x.example.com", "nodata");
}

static void a_load_balancer_has_the_names_of_its_annotation(void **state)
{
	put(*state, SERVICE("s", DNS "hostname: 'a.example.com., B.example.com,,bad_name'",
	                    "type: LoadBalancer", EDGE));
	expect(*state, NAME_A, "a.example.com", "found 1:60:127.0.0.1");
	expect(*state, NAME_A, "b.example.com", "found 1:60:127.0.0.1");
	expect(*state, NAME_A, "bad_name", "foreign");
	put(*state, SERVICE("s", DNS "hostname: a.example.com",
	                    "type: LoadBalancer, externalIPs: [192.0.2.1]", EDGE));
	expect(*state, NAME_A, "a.example.com", "found 1:60:192.0.2.1");
	expect(*state, NAME_A, "b.example.com", "foreign");
	put(*state, SERVICE("s", DNS "hostname: a.example.com", "type: ClusterIP", EDGE));
	expect(*state, NAME_A, "a.example.com", "foreign");
	put(*state, SERVICE("s", "", "type: LoadBalancer", EDGE));
	expect(*state, NAME_A, "a.example.com", "foreign");
	put(*state, SERVICE("s", DNS "hostname: a.example.com, " DNS "controller: other",
	                    "type: LoadBalancer", EDGE));
	expect(*state, NAME_A, "a.example.com", "foreign");
}

static void the_time_to_live_is_seconds_or_a_duration(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "90", "90" },        { "1m30s", "90" }, { "1.5h", "5400" },     { "1500ms", "1" },
		{ "0", "60" },         { "-1", "60" },    { "2x", "60" },         { "m", "60" },
		{ "99999999h", "60" }, { "1.", "60" },    { "4294967296", "60" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_free char *object =
			mem_printf(SERVICE("s", DNS "hostname: a.example.com, " DNS "ttl: '%s'",
		                           "type: LoadBalancer", EDGE),
		                   cases[i].text);
		scoped_free char *want = mem_printf("found 1:%s:127.0.0.1", cases[i].want);

		put(*state, object);
		expect(*state, NAME_A, "a.example.com", want);
	}
}

static void annotations_name_targets_and_where_hosts_come_from(void **state)
{
	put(*state,
	    INGRESS("a", DNS "target: '192.0.2.1, 192.0.2.2', " DNS "hostname: n.example.com",
	            "rules: [{host: app.example.com}]", EDGE));
	expect(*state, NAME_A, "app.example.com", "found 1:60:192.0.2.1 1:60:192.0.2.2");
	expect(*state, NAME_A, "n.example.com", "found 1:60:192.0.2.1 1:60:192.0.2.2");
	put(*state,
	    INGRESS("a",
	            DNS "ingress-hostname-source: annotation-only, " DNS "hostname: n.example.com",
	            "rules: [{host: app.example.com}]", EDGE));
	expect(*state, NAME_A, "app.example.com", "foreign");
	expect(*state, NAME_A, "n.example.com", "found 1:60:127.0.0.1");
	put(*state, INGRESS("a",
	                    DNS "ingress-hostname-source: defined-hosts-only, " DNS
	                        "hostname: n.example.com",
	                    "rules: [{host: app.example.com}]", EDGE));
	expect(*state, NAME_A, "app.example.com", "found 1:60:127.0.0.1");
	expect(*state, NAME_A, "n.example.com", "foreign");
	put(*state,
	    INGRESS("a", "external-dns.kubernetes.io/target: 192.0.2.3, " DNS "target: 192.0.2.4",
	            "rules: [{host: app.example.com}]", EDGE));
	expect(*state, NAME_A, "app.example.com", "found 1:60:192.0.2.3");
}

static void objects_share_a_name_and_addresses_go_before_aliases(void **state)
{
	put(*state,
	    INGRESS("b", DNS "target: z.example.net", "rules: [{host: a.example.com}]", EDGE));
	put(*state,
	    INGRESS("c", DNS "target: y.example.net", "rules: [{host: a.example.com}]", EDGE));
	expect(*state, NAME_A, "a.example.com", "found 5:60:y.example.net.");
	put(*state, INGRESS("d", "", "rules: [{host: a.example.com}]", EDGE));
	put(*state, INGRESS("e", "", "rules: [{host: a.example.com}]", EDGE ", {ip: 127.0.0.2}"));
	expect(*state, NAME_A, "a.example.com", "found 1:60:127.0.0.1 1:60:127.0.0.2");
	put(*state,
	    INGRESS("f", DNS "target: x.example.net", "rules: [{host: a.example.com}]", EDGE));
	expect(*state, NAME_A, "a.example.com", "found 1:60:127.0.0.1 1:60:127.0.0.2");
}

static void the_cluster_is_not_public(void **state)
{
	put(*state, SERVICE("web", DNS "hostname: web.shop.svc.cluster.local",
	                    "type: LoadBalancer, clusterIP: 10.1.0.7, ports: [{port: 80}]", EDGE));
	expect(*state, NAME_A, "web.shop.svc.cluster.local", "missing");
	expect(*state, NAME_A, "cluster.local", "missing");
	expect(*state, NAME_A, "mycluster.local", "foreign");
	expect(*state, NAME_PTR, "7.0.1.10.in-addr.arpa", "foreign");
}

static void the_version_tells_of_what_matters(void **state)
{
	uint64_t before;

	put(*state, INGRESS("a", "", "rules: [{host: a.example.com}]", EDGE));
	before = model_version(*state, MODEL_NAMES);
	put(*state, INGRESS("a", "", "rules: [{host: a.example.com}]", EDGE));
	assert_int_equal(model_version(*state, MODEL_NAMES), before);
	put(*state, INGRESS("a", "", "rules: [{host: b.example.com}]", EDGE));
	assert_true(model_version(*state, MODEL_NAMES) > before);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(hosts_of_an_ingress_lead_to_its_status),
		T(a_wildcard_gives_way_to_nearer_names),
		T(a_load_balancer_has_the_names_of_its_annotation),
		T(the_time_to_live_is_seconds_or_a_duration),
		T(annotations_name_targets_and_where_hosts_come_from),
		T(objects_share_a_name_and_addresses_go_before_aliases),
		T(the_cluster_is_not_public),
		T(the_version_tells_of_what_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
