#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../model/world.h"
#include "base/mem.h"
#include "packet.h"

static const char world[] =
	"{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}, spec: {nodeName: n}, "
	"status: {podIP: 10.244.0.5, phase: Running}}\n"
	"---\n"
	"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Service\n"
	"metadata: {name: web, namespace: shop}\n"
	"spec: {clusterIP: 10.1.0.7, ports: [{name: http, port: 80}, {name: https, port: 443}]}\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, "
	"spec: {clusterIP: None, ports: [{name: sql, port: 3306}]}}\n"
	"---\n"
	"apiVersion: discovery.k8s.io/v1\n"
	"kind: EndpointSlice\n"
	"metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}\n"
	"addressType: IPv4\n"
	"ports: [{name: sql, port: 13306}]\n"
	"endpoints: [{addresses: [10.244.0.20], hostname: db-0}, {addresses: [10.244.0.21]}]\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: far, namespace: shop}, "
	"spec: {type: ExternalName, externalName: www.example.com}}\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: near, namespace: shop}, "
	"spec: {type: ExternalName, externalName: web.shop.svc.cluster.local}}\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: lost, namespace: shop}, "
	"spec: {type: ExternalName, externalName: none.shop.svc.cluster.local}}\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: circle, namespace: shop}, "
	"spec: {type: ExternalName, externalName: circle.shop.svc.cluster.local}}\n"
	"---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system}, "
	"spec: {clusterIP: 10.0.0.10, ports: [{name: dns, port: 53, protocol: UDP}]}}\n"
	"---\n"
	"{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, metadata: {name: main, "
	"namespace: shop, "
	"annotations: {kennel.dev/vpc-address: 10.0.2.30}}, "
	"status: {endpoint: {address: main.abc.us-east-1.rds.amazonaws.com}}}\n";

#define SOA                                                                                        \
	"ns cluster.local. 30 6 ns.dns.cluster.local. hostmaster.cluster.local. 77 7200 1800 "     \
	"86400 "                                                                                   \
	"30\n"

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

/* The reply as text; "forward NAME" with aliases before when it is somebody else's. */
static void ask(const struct model *m, bool public, const struct ask *q, struct strbuf *out)
{
	struct dns_engine e;
	scoped_arena struct arena a = { 0 };
	uint8_t packet[512], buf[65535];
	struct answer_next next;
	struct dns_query query;
	size_t size;

	dns_engine_init(&e, m, 1);
	dns_engine_set_serial(&e, 77);
	e.synced = true;
	e.is_public = public;
	assert_true(query_parse(&query, packet, packet_of(q, packet, sizeof(packet))));
	e.autopath = q->client != 0;
	query.client = q->client ? ip_v4(q->client) : (struct ip){ 0 };
	if (answer_query(&e, &query, q->rotate, &a, buf, q->max ? q->max : query.payload, &size,
	                 &next) == ANSWER_DONE) {
		assert_int_equal(knot_wire_get_id(buf), q->id ? q->id : 0x1234);
		text_of(out, buf, size);
		return;
	}
	for (size_t i = 0; i < next.n_aliases; i++) {
		strbuf_adds(out, "alias ");
	}
	strbuf_addf(out, "forward " SLICE_FMT "\n", SLICE_ARG(query_name(&next.next)));
}

static void expect_view(const struct model *m, bool public, struct ask q, const char *want)
{
	scoped_strbuf struct strbuf b = { 0 };

	ask(m, public, &q, &b);
	if (strcmp(strbuf_str(&b), want) != 0) {
		fail_msg("%s type %u:\n%sexpected:\n%s", q.name, q.type, strbuf_str(&b), want);
	}
}

static void expect_ask(const struct model *m, struct ask q, const char *want)
{
	expect_view(m, false, q, want);
}

static void expect(const struct model *m, const char *name, uint16_t type, const char *want)
{
	expect_ask(m, (struct ask){ .name = name, .type = type }, want);
}

static void a_service_is_answered_with_authority(void **state)
{
	expect(*state, "web.shop.svc.cluster.local.", NAME_A,
	       "NOERROR aa\nan web.shop.svc.cluster.local. 30 1 10.1.0.7\n");
}

static void a_name_without_the_type_is_nodata_with_soa(void **state)
{
	expect(*state, "web.shop.svc.cluster.local.", NAME_AAAA, "NOERROR aa\n" SOA);
	expect(*state, "shop.svc.cluster.local.", NAME_A, "NOERROR aa\n" SOA);
	expect(*state, "cluster.local.", NAME_A, "NOERROR aa\n" SOA);
	expect(*state, "main.abc.us-east-1.rds.amazonaws.com.", NAME_AAAA,
	       "NOERROR aa\nns main.abc.us-east-1.rds.amazonaws.com. 30 6 ns.dns.cluster.local. "
	       "hostmaster.cluster.local. 77 7200 1800 86400 30\n");
}

static void search_path_misses_are_nxdomain_with_soa(void **state)
{
	expect(*state, "api.example.com.shop.svc.cluster.local.", NAME_A, "NXDOMAIN aa\n" SOA);
	expect(*state, "api.example.com.svc.cluster.local.", NAME_AAAA, "NXDOMAIN aa\n" SOA);
	expect(*state, "api.example.com.cluster.local.", NAME_A, "NXDOMAIN aa\n" SOA);
	expect(*state, "api.example.com.", NAME_A, "forward api.example.com\n");
}

#define POD 0x0af40005u /* in shop */

static void expect_walk(const struct model *m, const char *name, uint16_t type, uint32_t client,
                        const char *want)
{
	expect_ask(m, (struct ask){ .name = name, .type = type, .client = client }, want);
}

static void the_search_path_of_a_pod_is_walked_for_it(void **state)
{
	expect_walk(*state, "api.example.com.shop.svc.cluster.local.", NAME_A, POD,
	            "alias forward api.example.com\n");
	expect_walk(*state, "web.shop.shop.svc.cluster.local.", NAME_A, POD,
	            "NOERROR aa\nan web.shop.shop.svc.cluster.local. 30 5 "
	            "web.shop.svc.cluster.local.\n"
	            "an web.shop.svc.cluster.local. 30 1 10.1.0.7\n");
	expect_walk(*state, "web.shop.svc.shop.svc.cluster.local.", NAME_AAAA, POD,
	            "NOERROR aa\nan web.shop.svc.shop.svc.cluster.local. 30 5 "
	            "web.shop.svc.cluster.local.\n" SOA);
	expect_walk(
		*state, "main.abc.us-east-1.rds.amazonaws.com.shop.svc.cluster.local.", NAME_A, POD,
		"NOERROR aa\nan main.abc.us-east-1.rds.amazonaws.com.shop.svc.cluster.local. 30 "
		"5 main.abc.us-east-1.rds.amazonaws.com.\n"
		"an main.abc.us-east-1.rds.amazonaws.com. 5 1 10.0.2.30\n");
}

static void only_the_first_step_of_its_own_path_is_walked(void **state)
{
	/* another namespace's, a later step, a name that is no search for one outside, a stranger */
	expect_walk(*state, "api.example.com.other.svc.cluster.local.", NAME_A, POD,
	            "NXDOMAIN aa\n" SOA);
	expect_walk(*state, "api.example.com.svc.cluster.local.", NAME_A, POD, "NXDOMAIN aa\n" SOA);
	expect_walk(*state, "nothing.shop.svc.cluster.local.", NAME_A, POD, "NXDOMAIN aa\n" SOA);
	expect_walk(*state, "api.example.com.shop.svc.cluster.local.", NAME_TXT, POD,
	            "NXDOMAIN aa\n" SOA);
	expect_walk(*state, "api.example.com.shop.svc.cluster.local.", NAME_A, POD + 1,
	            "NXDOMAIN aa\n" SOA);
}

static void letters_come_back_as_asked(void **state)
{
	expect(*state, "WeB.sHop.SVC.cluster.LOCAL.", NAME_A,
	       "NOERROR aa\nan WeB.sHop.SVC.cluster.LOCAL. 30 1 10.1.0.7\n");
}

static void srv_brings_the_addresses_of_its_targets(void **state)
{
	expect_ask(*state,
	           (struct ask){ "_sql._tcp.db.shop.svc.cluster.local.", NAME_SRV, .edns = 4096 },
	           "NOERROR aa\n"
	           "an _sql._tcp.db.shop.svc.cluster.local. 30 33 0 50 13306 "
	           "db-0.db.shop.svc.cluster.local.\n"
	           "an _sql._tcp.db.shop.svc.cluster.local. 30 33 0 50 13306 "
	           "10-244-0-21.db.shop.svc.cluster.local.\n"
	           "ar 10-244-0-21.db.shop.svc.cluster.local. 30 1 10.244.0.21\n"
	           "ar db-0.db.shop.svc.cluster.local. 30 1 10.244.0.20\n"
	           "ar OPT 1232\n");
	expect_ask(*state, (struct ask){ "web.shop.svc.cluster.local.", NAME_SRV, .edns = 4096 },
	           "NOERROR aa\n"
	           "an web.shop.svc.cluster.local. 30 33 0 50 80 web.shop.svc.cluster.local.\n"
	           "an web.shop.svc.cluster.local. 30 33 0 50 443 web.shop.svc.cluster.local.\n"
	           "ar web.shop.svc.cluster.local. 30 1 10.1.0.7\n"
	           "ar OPT 1232\n");
}

static void an_address_leads_to_its_name(void **state)
{
	expect(*state, "7.0.1.10.in-addr.arpa.", NAME_PTR,
	       "NOERROR aa\nan 7.0.1.10.in-addr.arpa. 30 12 web.shop.svc.cluster.local.\n");
	expect(*state, "8.8.8.8.in-addr.arpa.", NAME_PTR, "forward 8.8.8.8.in-addr.arpa\n");
}

static void aliases_are_followed_inside_and_handed_over_outside(void **state)
{
	expect(*state, "near.shop.svc.cluster.local.", NAME_A,
	       "NOERROR aa\n"
	       "an near.shop.svc.cluster.local. 30 5 web.shop.svc.cluster.local.\n"
	       "an web.shop.svc.cluster.local. 30 1 10.1.0.7\n");
	expect(*state, "near.shop.svc.cluster.local.", NAME_CNAME,
	       "NOERROR aa\nan near.shop.svc.cluster.local. 30 5 web.shop.svc.cluster.local.\n");
	expect(*state, "near.shop.svc.cluster.local.", NAME_AAAA,
	       "NOERROR aa\nan near.shop.svc.cluster.local. 30 5 "
	       "web.shop.svc.cluster.local.\n" SOA);
	expect(*state, "lost.shop.svc.cluster.local.", NAME_A,
	       "NXDOMAIN aa\nan lost.shop.svc.cluster.local. 30 5 "
	       "none.shop.svc.cluster.local.\n" SOA);
	expect(*state, "far.shop.svc.cluster.local.", NAME_A, "alias forward www.example.com\n");
	expect(*state, "far.shop.svc.cluster.local.", NAME_CNAME,
	       "NOERROR aa\nan far.shop.svc.cluster.local. 30 5 www.example.com.\n");
	expect(*state, "circle.shop.svc.cluster.local.", NAME_A, "SERVFAIL\n");
}

static void the_apex_has_soa_ns_and_the_version(void **state)
{
	expect(*state, "cluster.local.", NAME_SOA,
	       "NOERROR aa\nan cluster.local. 30 6 ns.dns.cluster.local. hostmaster.cluster.local. "
	       "77 7200 1800 "
	       "86400 30\n");
	expect(*state, "cluster.local.", NAME_NS,
	       "NOERROR aa\nan cluster.local. 30 2 ns.dns.cluster.local.\nar ns.dns.cluster.local. "
	       "30 1 10.0.0.10\n");
	expect(*state, "dns-version.cluster.local.", NAME_TXT,
	       "NOERROR aa\nan dns-version.cluster.local. 28800 16 \"1.1.0\"\n");
	expect(*state, "web.shop.svc.cluster.local.", NAME_NS, "NOERROR aa\n" SOA);
}

static void what_is_no_question_for_us_is_refused(void **state)
{
	const char *web = "web.shop.svc.cluster.local.";

	expect(*state, "cluster.local.", 252, "REFUSED\n");
	expect_ask(*state, (struct ask){ web, NAME_A, .qclass = 3 }, "REFUSED\n");
	expect_ask(*state, (struct ask){ web, NAME_A, .opcode = 5 }, "NOTIMPL\n");
	expect_ask(*state, (struct ask){ web, NAME_A, .edns = 1232, .version = 1 },
	           "BADVERS\nar OPT 1232\n");
}

static void any_is_answered_minimally(void **state)
{
	expect(*state, "web.shop.svc.cluster.local.", NAME_ANY,
	       "NOERROR aa\nan web.shop.svc.cluster.local. 30 13 \"RFC8482\" \"\"\n");
	expect(*state, "none.shop.svc.cluster.local.", NAME_ANY, "NXDOMAIN aa\n" SOA);
}

static void edns_is_sent_to_those_who_sent_it(void **state)
{
	expect_ask(*state, (struct ask){ "web.shop.svc.cluster.local.", NAME_A, .edns = 4096 },
	           "NOERROR aa\nan web.shop.svc.cluster.local. 30 1 10.1.0.7\nar OPT 1232\n");
}

static void put_many(struct model *m, unsigned n)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_adds(&b, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: "
	                "db-2, namespace: shop, "
	                "labels: {kubernetes.io/service-name: db}}, addressType: IPv4, ports: [], "
	                "endpoints: [");
	for (unsigned i = 0; i < n; i++) {
		strbuf_addf(&b, "{addresses: [10.244.9.%u]}, ", i);
	}
	strbuf_adds(&b, "]}");
	put(m, strbuf_str(&b));
}

static void what_does_not_fit_is_cut_whole_and_fits_by_tcp(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };

	put_many(*state, 200);
	expect(*state, "db.shop.svc.cluster.local.", NAME_A, "NOERROR aa tc\n");
	expect_ask(*state, (struct ask){ "db.shop.svc.cluster.local.", NAME_A, .edns = 65000 },
	           "NOERROR aa tc\nar OPT 1232\n");
	ask(*state, false, &(struct ask){ "db.shop.svc.cluster.local.", NAME_A, .max = 65535 }, &b);
	assert_non_null(strstr(strbuf_str(&b), "10.244.9.199\n"));
	assert_non_null(strstr(strbuf_str(&b), "10.244.0.20\n"));
	assert_null(strstr(strbuf_str(&b), " tc"));
}

static void owner_names_are_compressed(void **state)
{
	struct dns_engine e;
	scoped_arena struct arena a = { 0 };
	uint8_t packet[512], buf[512];
	struct ask q = { "db.shop.svc.cluster.local.", NAME_A };
	size_t asked = packet_of(&q, packet, sizeof(packet)), size;
	struct answer_next next;
	struct dns_query query;

	dns_engine_init(&e, *state, 1);
	e.synced = true;
	assert_true(query_parse(&query, packet, asked));
	assert_int_equal(answer_query(&e, &query, 0, &a, buf, 512, &size, &next), ANSWER_DONE);
	assert_int_equal(size, asked + 2 * 16);
	assert_int_equal(buf[asked], 0xc0);
	assert_int_equal(buf[asked + 1], 0x0c);
}

static void addresses_take_turns(void **state)
{
	expect_ask(*state, (struct ask){ "db.shop.svc.cluster.local.", NAME_A, .rotate = 4 },
	           "NOERROR aa\nan db.shop.svc.cluster.local. 30 1 10.244.0.20\n"
	           "an db.shop.svc.cluster.local. 30 1 10.244.0.21\n");
	expect_ask(*state, (struct ask){ "db.shop.svc.cluster.local.", NAME_A, .rotate = 5 },
	           "NOERROR aa\nan db.shop.svc.cluster.local. 30 1 10.244.0.21\n"
	           "an db.shop.svc.cluster.local. 30 1 10.244.0.20\n");
}

static void before_the_replicas_are_synced_it_is_servfail(void **state)
{
	struct dns_engine e;
	scoped_arena struct arena a = { 0 };
	uint8_t packet[512], buf[512];
	struct ask q = { "none.shop.svc.cluster.local.", NAME_A };
	struct answer_next next;
	struct dns_query query;
	size_t size;

	dns_engine_init(&e, *state, 1);
	assert_true(query_parse(&query, packet, packet_of(&q, packet, sizeof(packet))));
	assert_int_equal(answer_query(&e, &query, 0, &a, buf, 512, &size, &next), ANSWER_DONE);
	assert_int_equal(knot_wire_get_rcode(buf), KNOT_RCODE_SERVFAIL);
}

static void broken_questions_are_formerr_and_replies_are_not_answered(void **state)
{
	(void)state;
	uint8_t packet[512], buf[512];
	struct ask q = { "web.shop.svc.cluster.local.", NAME_A };
	size_t size = packet_of(&q, packet, sizeof(packet));
	struct dns_query query;

	assert_true(query_parse(&query, packet, size - 3));
	assert_int_equal(query.refusal, KNOT_RCODE_FORMERR);
	assert_int_equal(reply_code(&query, query.refusal, buf, sizeof(buf)), 12);
	assert_int_equal(knot_wire_get_rcode(buf), KNOT_RCODE_FORMERR);
	knot_wire_set_qdcount(packet, 2);
	assert_true(query_parse(&query, packet, size));
	assert_int_equal(query.refusal, KNOT_RCODE_FORMERR);
	knot_wire_set_qr(packet);
	assert_false(query_parse(&query, packet, size));
	assert_false(query_parse(&query, packet, 11));
}

static void who_asks_from_outside_gets_public_names_only(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ "App.example.com.", "NOERROR aa\nan App.example.com. 60 1 127.0.0.1\n" },
		{ "www.example.com.", "alias forward www.example.net\n" },
		{ "in.example.com.", "NXDOMAIN aa\n"
		                     "an in.example.com. 60 5 web.shop.svc.cluster.local.\n" SOA },
		{ "web.shop.svc.cluster.local.", "REFUSED\n" },
		{ "cluster.local.", "REFUSED\n" },
		{ "main.abc.us-east-1.rds.amazonaws.com.",
		  "forward main.abc.us-east-1.rds.amazonaws.com\n" },
		{ "7.0.1.10.in-addr.arpa.", "forward 7.0.1.10.in-addr.arpa\n" },
	};

	put(*state, "apiVersion: networking.k8s.io/v1\n"
	            "kind: Ingress\n"
	            "metadata: {name: a, namespace: shop}\n"
	            "spec: {rules: [{host: app.example.com}]}\n"
	            "status: {loadBalancer: {ingress: [{ip: 127.0.0.1}]}}\n"
	            "---\n"
	            "apiVersion: networking.k8s.io/v1\n"
	            "kind: Ingress\n"
	            "metadata: {name: b, namespace: shop, annotations: "
	            "{external-dns.alpha.kubernetes.io/target: www.example.net}}\n"
	            "spec: {rules: [{host: www.example.com}]}\n"
	            "---\n"
	            "apiVersion: networking.k8s.io/v1\n"
	            "kind: Ingress\n"
	            "metadata: {name: c, namespace: shop, annotations: "
	            "{external-dns.alpha.kubernetes.io/target: web.shop.svc.cluster.local}}\n"
	            "spec: {rules: [{host: in.example.com}]}\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		expect_view(*state, true, (struct ask){ cases[i].name, NAME_A }, cases[i].want);
	}
	expect(*state, "app.example.com.", NAME_A, "forward app.example.com\n");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_service_is_answered_with_authority),
		T(a_name_without_the_type_is_nodata_with_soa),
		T(search_path_misses_are_nxdomain_with_soa),
		T(the_search_path_of_a_pod_is_walked_for_it),
		T(only_the_first_step_of_its_own_path_is_walked),
		T(letters_come_back_as_asked),
		T(srv_brings_the_addresses_of_its_targets),
		T(an_address_leads_to_its_name),
		T(aliases_are_followed_inside_and_handed_over_outside),
		T(the_apex_has_soa_ns_and_the_version),
		T(what_is_no_question_for_us_is_refused),
		T(who_asks_from_outside_gets_public_names_only),
		T(any_is_answered_minimally),
		T(edns_is_sent_to_those_who_sent_it),
		T(what_does_not_fit_is_cut_whole_and_fits_by_tcp),
		T(owner_names_are_compressed),
		T(addresses_take_turns),
		T(before_the_replicas_are_synced_it_is_servfail),
		T(broken_questions_are_formerr_and_replies_are_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
