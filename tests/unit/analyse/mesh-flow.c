/* Why: the mesh's objects together give one answer for a flow: each rule of their reference once, and the matrix takes
 * away exactly what is closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/matrix-subject.h"
#include "analyse/mesh-flow.h"
#include "base/mem.h"
#include "codec/yaml.h"

#define DEPLOYMENT(name, ns)                                                                       \
	"{apiVersion: apps/v1, kind: Deployment, metadata: {name: " name ", namespace: " ns        \
	"}, spec: {selector: {matchLabels: {app: " name                                            \
	"}}, template: {metadata: {labels: {app: " name "}}, spec: {serviceAccountName: " name     \
	", containers: [{name: c, ports: "                                                         \
	"[{containerPort: 5000}]}]}}}}\n---\n"

/* shop is in the mesh, old is not. */
static const char world[] =
	"{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: "
	"enabled}}}\n---\n"
	"{apiVersion: v1, kind: Namespace, metadata: {name: old}}\n---\n" DEPLOYMENT("web", "shop")
		DEPLOYMENT("job", "shop") DEPLOYMENT("api", "shop") DEPLOYMENT(
			"legacy", "old") "{apiVersion: v1, kind: Service, metadata: {name: api, "
					 "namespace: shop}, spec: {selector: "
					 "{app: api}, ports: [{name: http, port: 80, targetPort: "
					 "5000}]}}\n---\n";

struct fixture {
	struct arena arena;
	struct subject *subject;
};

static int add(void *arg, struct val *root, struct err *err)
{
	struct fixture *f = arg;

	(void)err;
	subject_add(f->subject, "world.yaml", root);
	return 0;
}

static void make(struct fixture *f, const char *more)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct err err = { 0 };

	*f = (struct fixture){ .subject = subject_new(profile_default()) };
	strbuf_addf(&text, "%s%s", world, more);
	if (yaml_parse_all(&f->arena, strbuf_slice(&text), add, f, &err) != 0) {
		fail_msg("%s in:\n%s", err.msg, strbuf_str(&text));
	}
	subject_ready(f->subject);
}

static void fini(struct fixture *f)
{
	subject_free(f->subject);
	arena_fini(&f->arena);
}

static const struct workload *workload(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->subject->workloads.n; i++) {
		if (slice_is(f->subject->workloads.at[i]->name, name)) {
			return f->subject->workloads.at[i];
		}
	}
	return NULL;
}

/* from null: outside */
static enum mesh_says says(const struct fixture *f, const char *from, uint16_t port)
{
	return mesh_flow(f->subject, from ? workload(f, from) : NULL, workload(f, "api"), PROTO_TCP,
	                 port)
	        .says;
}

#define POLICY(name, spec)                                                                         \
	"{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: " name     \
	", namespace: shop}, spec: {selector: {matchLabels: {app: api}}, " spec "}}\n---\n"
#define STRICT(more)                                                                               \
	"{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, "        \
	"namespace: shop}, spec: {selector: {matchLabels: {app: api}}, mtls: {mode: STRICT}" more  \
	"}}\n---\n"
#define WEB "from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]"

static void without_objects_everything_passes(void **state)
{
	struct fixture f;

	(void)state;
	make(&f, "");
	assert_false(mesh_has_say(f.subject));
	assert_int_equal(says(&f, NULL, 5000), MESH_PASSES);
	fini(&f);
}

static void strict_takes_callers_with_a_proxy_only_port_by_port(void **state)
{
	struct fixture f;

	(void)state;
	make(&f, STRICT(", portLevelMtls: {9090: {mode: PERMISSIVE}}"));
	assert_int_equal(says(&f, "web", 5000), MESH_PASSES);
	assert_int_equal(says(&f, "legacy", 5000), MESH_CLOSED);
	assert_int_equal(says(&f, NULL, 5000), MESH_CLOSED);
	assert_int_equal(says(&f, "legacy", 9090), MESH_PASSES);
	assert_int_equal(
		mesh_flow(f.subject, workload(&f, "legacy"), workload(&f, "api"), PROTO_UDP, 5000)
			.says,
		MESH_PASSES);
	/* Whoever is outside the mesh demands nothing. */
	assert_int_equal(mesh_flow(f.subject, NULL, workload(&f, "legacy"), PROTO_TCP, 5000).says,
	                 MESH_PASSES);
	fini(&f);
}

static void a_destination_rule_may_keep_a_proxy_from_mutual_tls(void **state)
{
	struct fixture f;
	struct mesh_ruling r;

	(void)state;
	make(&f, STRICT("") "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: "
	                    "{name: d, namespace: shop}, spec: {host: api, trafficPolicy: {tls: "
	                    "{mode: DISABLE}}}}\n");
	r = mesh_flow(f.subject, workload(&f, "web"), workload(&f, "api"), PROTO_TCP, 5000);
	assert_int_equal(r.says, MESH_CLOSED);
	assert_true(slice_is(r.by->kind, "DestinationRule"));
	fini(&f);
}

static void with_an_allowing_policy_the_rest_is_refused(void **state)
{
	struct fixture f;
	struct mesh_ruling r;

	(void)state;
	make(&f, POLICY("a", "rules: [{" WEB ", to: [{operation: {ports: ['5000']}}]}]"));
	assert_int_equal(says(&f, "web", 5000), MESH_PASSES);
	assert_int_equal(says(&f, "web", 5001), MESH_CLOSED);
	assert_int_equal(says(&f, "job", 5000), MESH_CLOSED);
	assert_int_equal(says(&f, "legacy", 5000), MESH_CLOSED);
	r = mesh_flow(f.subject, workload(&f, "job"), workload(&f, "api"), PROTO_TCP, 5000);
	assert_true(slice_is(r.by->name, "a"));
	fini(&f);
	/* One without rules admits nobody, one with an empty rule everybody. */
	make(&f, POLICY("a", "action: ALLOW"));
	assert_int_equal(says(&f, "web", 5000), MESH_CLOSED);
	fini(&f);
	make(&f, POLICY("a", "rules: [{}]"));
	assert_int_equal(says(&f, NULL, 5000), MESH_PASSES);
	fini(&f);
}

static void a_denying_rule_stands_above_an_allowing_one(void **state)
{
	struct fixture f;

	(void)state;
	make(&f, POLICY("a", "rules: [{}]")
	                 POLICY("d", "action: DENY, rules: [{from: [{source: {notPrincipals: "
	                             "[cluster.local/ns/shop/sa/web]}}]}]"));
	assert_int_equal(says(&f, "web", 5000), MESH_PASSES);
	assert_int_equal(says(&f, "job", 5000), MESH_CLOSED);
	assert_int_equal(says(&f, NULL, 5000), MESH_CLOSED);
	fini(&f);
}

static void what_requests_decide_is_said_to_depend(void **state)
{
	static const char *const rules[] = {
		"rules: [{to: [{operation: {methods: [GET]}}]}]",
		"rules: [{from: [{source: {requestPrincipals: ['*']}}]}]",
		"rules: [{when: [{key: 'request.headers[x]', values: [y]}]}]",
		"rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]",
		"action: CUSTOM, provider: {name: p}, rules: [{}]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		scoped_strbuf struct strbuf more = { 0 };
		struct fixture f;

		strbuf_addf(&more, POLICY("a", "%s"), rules[i]);
		make(&f, strbuf_str(&more));
		assert_int_equal(says(&f, "web", 5000), MESH_DEPENDS);
		assert_true(mesh_depends_on_requests(f.subject->first[OBJECT_AUTHORIZATIONPOLICY]));
		fini(&f);
	}
}

static void a_certain_rule_beside_one_that_depends_decides(void **state)
{
	struct fixture f;

	(void)state;
	make(&f, POLICY("a", "rules: [{to: [{operation: {paths: [/x]}}]}, {" WEB "}]"));
	assert_int_equal(says(&f, "web", 5000), MESH_PASSES);
	assert_int_equal(says(&f, "job", 5000), MESH_DEPENDS);
	fini(&f);
}

static void the_matrix_leaves_out_what_the_mesh_closes(void **state)
{
	struct fixture f;
	struct arena a = { 0 };
	const struct matrix_world *w;
	struct ports_pool *pool = ports_pool_new();
	struct matrix *m;
	struct ports cell;

	(void)state;
	make(&f, POLICY("a", "rules: [{" WEB ", to: [{operation: {ports: ['5000']}}]}]"));
	w = matrix_world_of_subject(&a, f.subject);
	m = matrix_new(pool, w);
#define CELL(from, to)                                                                             \
	ports_pool_get(pool, matrix_cell(m, matrix_end_of(m, workload(&f, from)->id),              \
	                                 matrix_end_of(m, workload(&f, to)->id)))
	cell = CELL("web", "api");
	assert_true(ports_has(cell, PROTO_TCP, 5000));
	assert_false(ports_has(cell, PROTO_TCP, 5001));
	assert_true(ports_has(cell, PROTO_UDP, 5001));
	assert_false(ports_has(CELL("job", "api"), PROTO_TCP, 5000));
	assert_true(ports_is_all(CELL("api", "web")));
	/* Every cell is what mesh_flow says. */
	for (size_t i = 0; i < w->n_workloads; i++) {
		for (size_t k = 0; k < w->n_workloads; k++) {
			const struct workload *from = f.subject->workloads.at[i],
					      *to = f.subject->workloads.at[k];

			for (uint16_t port = 4999; i != k && port < 5003; port++) {
				cell = ports_pool_get(pool,
				                      matrix_cell(m, matrix_end_of(m, (uint32_t)i),
				                                  matrix_end_of(m, (uint32_t)k)));
				assert_int_equal(
					ports_has(cell, PROTO_TCP, port),
					mesh_flow(f.subject, from, to, PROTO_TCP, port).says !=
						MESH_CLOSED);
			}
		}
	}
	matrix_free(m);
	ports_pool_free(pool);
	arena_fini(&a);
	fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_objects_everything_passes),
		cmocka_unit_test(strict_takes_callers_with_a_proxy_only_port_by_port),
		cmocka_unit_test(a_destination_rule_may_keep_a_proxy_from_mutual_tls),
		cmocka_unit_test(with_an_allowing_policy_the_rest_is_refused),
		cmocka_unit_test(a_denying_rule_stands_above_an_allowing_one),
		cmocka_unit_test(what_requests_decide_is_said_to_depend),
		cmocka_unit_test(a_certain_rule_beside_one_that_depends_decides),
		cmocka_unit_test(the_matrix_leaves_out_what_the_mesh_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
