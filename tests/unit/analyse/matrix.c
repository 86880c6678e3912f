/* Why: two answers to one question. In random worlds every cell is held against policy_decide, pod
 * by pod and address by address; and what a matrix says of small known worlds is what a person
 * would say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../model/random-world.h"
#include "analyse/matrix.h"

enum { WORLDS = 60, FLOWS_PER_PAIR = 12 };

/* ---- a matrix over a model ---- */

struct fixture {
	struct arena arena;
	struct matrix_workload *workloads;
	struct ip (*ips)[2];
	struct matrix_world world;
	struct ports_pool *pool;
	struct matrix *matrix;
};

static void fixture_begin(struct fixture *f, const struct model *m, size_t n_workloads)
{
	*f = (struct fixture){ .pool = ports_pool_new() };
	f->workloads = ARENA_ARRAY(&f->arena, struct matrix_workload, n_workloads + 1);
	f->ips = arena_alloc(&f->arena, (n_workloads + 1) * sizeof(*f->ips));
	f->world = (struct matrix_world){ .model = m, .workloads = f->workloads, .ipv6 = true };
}

static void add_workload(struct fixture *f, const char *ns, const char *name, const char *ip,
                         const char *ip6)
{
	struct matrix_workload *w = &f->workloads[f->world.n_workloads];
	struct ip *ips = f->ips[f->world.n_workloads++];

	*w = (struct matrix_workload){ SLICE("Pod"), slice_of(arena_strdup(&f->arena, ns)),
		                       slice_of(arena_strdup(&f->arena, name)), ips, 1 };
	ips[0] = ip_of(ip);
	if (ip6) {
		ips[w->n_ips++] = ip_of(ip6);
	}
}

static void fixture_end(struct fixture *f)
{
	matrix_free(f->matrix);
	ports_pool_free(f->pool);
	arena_fini(&f->arena);
}

/* ---- random worlds ---- */

static void every_address_of_the_world(struct fixture *f)
{
	for (unsigned i = 0; i < PODS; i++) {
		char name[16], ip[32], ip6[32];

		snprintf(name, sizeof(name), "p%u", i);
		snprintf(ip, sizeof(ip), "10.244.0.%u", i);
		snprintf(ip6, sizeof(ip6), "fd00::%x", i);
		add_workload(f, "n", name, ip, ip6);
	}
	assert_int_equal(cidr_parse(&f->arena, SLICE("10.0.2.10"), &f->world.nodes, NULL), 0);
}

static void expect_cell(const struct random_world *w, struct fixture *f, struct ip src,
                        struct ip dst)
{
	static const unsigned protos[] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP, 1 };
	static const uint16_t ports[] = { 1, 53, 60, 80, 81, 85, 443, 8080, 65535 };
	uint32_t from = matrix_end_at(f->matrix, src), to = matrix_end_at(f->matrix, dst);
	struct ports said;

	assert_true(from != UINT32_MAX && to != UINT32_MAX);
	said = ports_pool_get(f->pool, matrix_cell(f->matrix, from, to));
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(ports); k++) {
			struct flow flow = { src, dst, protos[i], ports[k] };
			bool decided = policy_decide(w->m, &flow, NULL) == VERDICT_ALLOW;

			if (decided != ports_has(said, protos[i], ports[k])) {
				scoped_strbuf struct strbuf text = { 0 };
				char a[IP_TEXT_SIZE], b[IP_TEXT_SIZE];

				for (unsigned p = 0; p < POLICIES; p++) {
					print_error("%s\n", w->policies[p] ? w->policies[p] : "");
				}
				ports_format(&text, said);
				fail_msg(
					"%s -> %s proto %u port %u: decided %d, the matrix says %s",
					ip_format(src, a), ip_format(dst, b), protos[i], ports[k],
					decided, strbuf_str(&text));
			}
		}
	}
}

static bool has_pod(const struct fixture *f, struct ip ip)
{
	size_t n;
	uint32_t at = matrix_end_at(f->matrix, ip);
	const struct matrix_end *ends = matrix_ends(f->matrix, &n);

	return at != UINT32_MAX && ends[at].kind == MATRIX_PODS;
}

static void every_cell_is_what_the_policies_decide(void **state)
{
	(void)state;
	struct random_world w;

	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct fixture f;

		begin(&w, seed);
		fixture_begin(&f, w.m, PODS);
		every_address_of_the_world(&f);
		f.matrix = matrix_new(f.pool, &f.world);
		for (unsigned i = 0; i < 200; i++) {
			struct ip src = random_address(&w), dst = random_address(&w);
			bool inside = has_pod(&f, src) || has_pod(&f, dst);

			/* the matrix is about other pods, about the world as balancers let it in,
			 * and not about addresses at which nobody answers */
			if (ip_eq(src, dst) || !inside ||
			    matrix_end_at(f.matrix, src) == UINT32_MAX ||
			    matrix_end_at(f.matrix, dst) == UINT32_MAX) {
				continue;
			}
			if (has_pod(&f, src)) {
				expect_cell(&w, &f, src, dst);
			} else {
				size_t n;
				enum matrix_kind kind =
					matrix_ends(f.matrix, &n)[matrix_end_at(f.matrix, src)]
						.kind;

				if (kind == MATRIX_RANGE || kind == MATRIX_NODE) {
					expect_cell(&w, &f, src, dst);
				}
			}
		}
		fixture_end(&f);
		end(&w);
	}
}

/* Nobody is counted twice and nobody is forgotten. */
static void ends_part_the_world(void **state)
{
	(void)state;
	struct random_world w;

	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		scoped_arena struct arena a = { 0 };
		struct cidr_set sum = { 0 }, nobody;
		struct fixture f;
		size_t n;
		const struct matrix_end *ends;

		begin(&w, seed);
		fixture_begin(&f, w.m, PODS);
		every_address_of_the_world(&f);
		f.matrix = matrix_new(f.pool, &f.world);
		ends = matrix_ends(f.matrix, &n);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(cidr_intersect(&a, sum, ends[i].addresses).n, 0);
			sum = cidr_union(&a, sum, ends[i].addresses);
			for (size_t k = 0; k < n; k++) {
				assert_true(i == k || strcmp(ends[i].name, ends[k].name) != 0 ||
				            ends[i].kind == MATRIX_PODS);
			}
		}
		assert_int_equal(cidr_parse(&a,
		                            SLICE("0.0.0.0/8,127.0.0.0/8,224.0.0.0/3,::/127,fe80::/"
		                                  "10,ff00::/8"),
		                            &nobody, NULL),
		                 0);
		assert_true(cidr_eq(cidr_minus(&a, cidr_all(), sum), nobody));
		fixture_end(&f);
		end(&w);
	}
}

/* ---- known worlds ---- */

static const char shop[] =
	"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, "
	"spec: {containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}, status: "
	"{podIP: 10.244.0.1}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: api, namespace: shop, labels: {app: api}}, "
	"spec: {containers: [{name: c, ports: [{name: http, containerPort: 5000}]}]}, status: "
	"{podIP: 10.244.0.2}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: old, namespace: shop, labels: {app: api}}, "
	"spec: {containers: [{name: c, ports: [{name: http, containerPort: 5000}]}]}, status: "
	"{podIP: 10.244.0.3}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: spy, namespace: other}, status: {podIP: "
	"10.244.0.4}}\n";

#define POLICY(name, spec)                                                                         \
	"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: " name           \
	", namespace: shop}, "                                                                     \
	"spec: {" spec "}}"

static void shop_begin(struct fixture *f, struct model *m)
{
	put(m, shop);
	fixture_begin(f, m, 4);
	add_workload(f, "shop", "web", "10.244.0.1", NULL);
	add_workload(f, "shop", "api", "10.244.0.2", NULL);
	add_workload(f, "shop", "old", "10.244.0.3", NULL);
	add_workload(f, "other", "spy", "10.244.0.4", NULL);
	f->world.ipv6 = false;
	assert_int_equal(cidr_parse(&f->arena, SLICE("10.0.2.10"), &f->world.nodes, NULL), 0);
	assert_int_equal(cidr_parse(&f->arena, SLICE("10.244.0.0/16"), &f->world.pods, NULL), 0);
	assert_int_equal(cidr_parse(&f->arena, SLICE("10.1.0.0/16"), &f->world.services, NULL), 0);
}

static uint32_t end_named(const struct fixture *f, const char *name)
{
	size_t n;
	const struct matrix_end *ends = matrix_ends(f->matrix, &n);

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(ends[i].name, name) == 0) {
			return i;
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		print_error("end %u: %s\n", i, ends[i].name);
	}
	fail_msg("no end is called '%s'", name);
	return 0;
}

static void expect_ports(struct fixture *f, const char *from, const char *to, const char *wanted)
{
	scoped_strbuf struct strbuf text = { 0 };

	ports_format(&text, ports_pool_get(f->pool, matrix_cell(f->matrix, end_named(f, from),
	                                                        end_named(f, to))));
	if (strcmp(strbuf_str(&text), wanted) != 0) {
		fail_msg("%s -> %s: wanted %s, found %s", from, to, wanted, strbuf_str(&text));
	}
}

static void without_policies_everybody_reaches_everybody(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct fixture f;
	size_t n;

	shop_begin(&f, m);
	f.matrix = matrix_new(f.pool, &f.world);
	(void)matrix_ends(f.matrix, &n);
	assert_int_equal(n, 4);
	expect_ports(&f, "other/spy, shop/*", "other/spy, shop/*", "all");
	expect_ports(&f, "other/spy, shop/*", "internet", "all");
	expect_ports(&f, "private networks", "other/spy, shop/*", "all");
	expect_ports(&f, "internet", "other/spy, shop/*", "none");
	expect_ports(&f, "internet", "private networks", "none");
	fixture_end(&f);
	model_free(m);
}

static void workloads_that_policies_cannot_tell_apart_are_one_end(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct fixture f;

	put(m, POLICY("api", "podSelector: {matchLabels: {app: api}}, "
	                     "ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: "
	                     "[{port: http}]}]"));
	shop_begin(&f, m);
	f.matrix = matrix_new(f.pool, &f.world);
	expect_ports(&f, "shop/web", "shop/api, shop/old", "TCP 5000");
	expect_ports(&f, "other/spy", "shop/api, shop/old", "none");
	expect_ports(&f, "shop/api, shop/old", "shop/api, shop/old", "none");
	expect_ports(&f, "shop/api, shop/old", "shop/web", "all");
	expect_ports(&f, "node", "shop/api, shop/old", "all");
	expect_ports(&f, "private networks", "shop/api, shop/old", "none");
	assert_int_equal(matrix_end_of(f.matrix, 1), matrix_end_of(f.matrix, 2));
	assert_non_null(matrix_isolation(f.matrix, POLICY_INGRESS, matrix_end_of(f.matrix, 1)));
	assert_null(matrix_isolation(f.matrix, POLICY_EGRESS, matrix_end_of(f.matrix, 1)));
	fixture_end(&f);
	model_free(m);
}

static void ranges_have_the_names_their_authors_gave_them(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct fixture f;

	put(m,
	    POLICY("out", "podSelector: {matchLabels: {app: api}}, policyTypes: [Egress], egress: ["
	                  "{to: [{ipBlock: {cidr: 10.0.2.0/23}}], ports: [{port: 3306}]}, "
	                  "{to: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 443}]}]"));
	shop_begin(&f, m);
	f.matrix = matrix_new(f.pool, &f.world);
	expect_ports(&f, "shop/api, shop/old", "10.0.2.0/23", "TCP 3306");
	expect_ports(&f, "shop/api, shop/old", "internet 203.0.113.0/24", "TCP 443");
	expect_ports(&f, "shop/api, shop/old", "internet", "none");
	expect_ports(&f, "shop/api, shop/old", "other private networks", "none");
	expect_ports(&f, "shop/api, shop/old", "node", "TCP 3306");
	expect_ports(&f, "other/spy, shop/web", "internet", "all");
	fixture_end(&f);
	model_free(m);
}

static void a_balancer_leads_to_its_own_pods_only(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct fixture f;
	struct matrix_exposure way = { "Service shop/api", 1, PROTO_TCP, 5000, cidr_all(), false };

	shop_begin(&f, m);
	f.world.exposures = &way;
	f.world.n_exposures = 1;
	f.matrix = matrix_new(f.pool, &f.world);
	expect_ports(&f, "internet", "shop/api", "TCP 5000");
	expect_ports(&f, "internet", "other/spy, shop/old, shop/web", "none");
	expect_ports(&f, "shop/api", "other/spy, shop/old, shop/web", "all");
	fixture_end(&f);
	model_free(m);
}

static void the_internet_comes_by_balancers_only_and_policies_see_who_comes(void **state)
{
	(void)state;
	struct model *m = model_new();
	struct fixture f;
	struct matrix_exposure ways[2] = {
		{ "Service shop/web", 0, PROTO_TCP, 80, cidr_all(), false },
		{ "Service shop/api", 1, PROTO_TCP, 5000, cidr_all(), true },
	};

	put(m, POLICY("web", "podSelector: {matchLabels: {app: web}}, "
	                     "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/16}}]}]"));
	put(m, POLICY("api", "podSelector: {matchLabels: {app: api}}, "
	                     "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/16}}]}]"));
	shop_begin(&f, m);
	f.world.exposures = ways;
	f.world.n_exposures = 2;
	f.matrix = matrix_new(f.pool, &f.world);
	expect_ports(&f, "internet", "shop/web", "TCP 80");
	expect_ports(&f, "internet", "shop/api", "none");
	expect_ports(&f, "internet", "shop/old", "none");
	expect_ports(&f, "internet", "other/spy", "none");
	expect_ports(&f, "10.0.0.0/16", "shop/web", "all");
	fixture_end(&f);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_is_what_the_policies_decide),
		cmocka_unit_test(ends_part_the_world),
		cmocka_unit_test(without_policies_everybody_reaches_everybody),
		cmocka_unit_test(workloads_that_policies_cannot_tell_apart_are_one_end),
		cmocka_unit_test(ranges_have_the_names_their_authors_gave_them),
		cmocka_unit_test(a_balancer_leads_to_its_own_pods_only),
		cmocka_unit_test(the_internet_comes_by_balancers_only_and_policies_see_who_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
