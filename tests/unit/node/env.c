#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/yaml.h"
#include "node/env.h"

static const char OBJECTS[] = "{ConfigMap/cm: {data: {A: a, 1bad: x, FROM: cm}}, Secret/s: {data: "
			      "{P: c2VjcmV0, FROM: cw==}}, services: ["
			      "{metadata: {name: web-1, namespace: ns}, spec: {clusterIP: "
			      "10.1.0.5, ports: [{name: http, port: 80}, {name: dns, "
			      "port: 53, protocol: UDP}]}}, {metadata: {name: kubernetes, "
			      "namespace: default}, spec: {clusterIP: 10.1.0.1, ports: "
			      "[{port: 443}]}}, {metadata: {name: headless, namespace: ns}, spec: "
			      "{clusterIP: None, ports: [{port: 1}]}}]}";

struct fixture {
	struct arena arena;
	struct val *objects;
	struct pod_facts facts;
	struct env env;
};

static const struct val *find(void *arg, const char *kind, struct slice ns, struct slice name)
{
	const struct fixture *f = arg;
	scoped_free char *key = mem_printf("%s/" SLICE_FMT, kind, SLICE_ARG(name));

	assert_true(slice_is(ns, "ns"));
	return val_get(f->objects, key);
}

static void services(void *arg, struct slice ns, void (*visit)(void *, const struct val *),
                     void *visit_arg)
{
	const struct fixture *f = arg;

	(void)ns;
	val_for_each (val_get(f->objects, "services"), it) {
		visit(visit_arg, it);
	}
}

static int build(struct fixture *f, const char *pod_spec, struct strbuf *skipped, struct err *err)
{
	scoped_free char *text = mem_printf("{metadata: {name: p, namespace: ns, uid: u, labels: "
	                                    "{app: x, tier: 'a\"b'}}, spec: "
	                                    "%s}",
	                                    pod_spec);
	struct val *pod;

	*f = (struct fixture){ 0 };
	assert_int_equal(yaml_parse(&f->arena, slice_of(OBJECTS), &f->objects, NULL), 0);
	assert_int_equal(yaml_parse(&f->arena, slice_of(text), &pod, NULL), 0);
	f->facts = (struct pod_facts){ .pod = pod,
		                       .node_name = SLICE("node"),
		                       .host_ips = "10.0.2.10",
		                       .pod_ips = "10.244.0.9,fd00:10:244::9",
		                       .node_cpu_milli = 2000,
		                       .node_memory_bytes = INT64_C(1) << 30,
		                       .find = find,
		                       .services = services,
		                       .arg = f };
	f->env.arena = &f->arena;
	return env_build(&f->env, &f->facts, val_at(val_path(pod, "spec.containers"), 0), skipped,
	                 err);
}

static void assert_env(const struct fixture *f, const char *name, const char *want)
{
	struct slice got = env_find(&f->env, slice_of(name));

	if (!got.p || !slice_is(got, want)) {
		fail_msg("%s: wanted \"%s\", found \"" SLICE_FMT "\"", name, want, SLICE_ARG(got));
	}
}

static void later_sources_win_and_references_expand(void **state)
{
	scoped_strbuf struct strbuf skipped = { 0 };
	struct fixture f;

	(void)state;
	assert_int_equal(build(&f,
	                       "{containers: [{name: c, envFrom: [{configMapRef: {name: cm}}, "
	                       "{secretRef: {name: s}}, {prefix: X_, "
	                       "configMapRef: {name: cm}}], env: [{name: V, value: "
	                       "'$(A)/$(NO)/$$(A)/$'}, {name: A, value: b}, "
	                       "{name: W, value: '$(A)'}]}]}",
	                       &skipped, NULL),
	                 0);
	assert_env(&f, "FROM", "s");
	assert_env(&f, "P", "secret");
	assert_env(&f, "V", "a/$(NO)/$(A)/$");
	assert_env(&f, "W", "b");
	assert_env(&f, "X_A", "a");
	assert_string_equal(strbuf_str(&skipped), "1bad");
	arena_fini(&f.arena);
}

static void services_of_the_namespace_are_there_when_wanted(void **state)
{
	struct fixture f;

	(void)state;
	assert_int_equal(build(&f, "{containers: [{name: c}]}", NULL, NULL), 0);
	assert_env(&f, "WEB_1_SERVICE_HOST", "10.1.0.5");
	assert_env(&f, "WEB_1_SERVICE_PORT", "80");
	assert_env(&f, "WEB_1_SERVICE_PORT_DNS", "53");
	assert_env(&f, "WEB_1_PORT_53_UDP", "udp://10.1.0.5:53");
	assert_env(&f, "WEB_1_PORT_80_TCP_ADDR", "10.1.0.5");
	assert_env(&f, "KUBERNETES_SERVICE_PORT", "443");
	assert_null(env_find(&f.env, SLICE("HEADLESS_SERVICE_HOST")).p);
	arena_fini(&f.arena);
	assert_int_equal(
		build(&f, "{enableServiceLinks: false, containers: [{name: c}]}", NULL, NULL), 0);
	assert_null(env_find(&f.env, SLICE("WEB_1_SERVICE_HOST")).p);
	assert_env(&f, "KUBERNETES_SERVICE_HOST", "10.1.0.1");
	arena_fini(&f.arena);
}

static void what_is_missing_is_named_unless_optional(void **state)
{
	static const struct {
		const char *env, *want;
	} cases[] = {
		{ "envFrom: [{configMapRef: {name: gone}}]", "configmap \"gone\" not found" },
		{ "envFrom: [{secretRef: {name: gone}}]", "secret \"gone\" not found" },
		{ "env: [{name: V, valueFrom: {configMapKeyRef: {name: cm, key: gone}}}]",
		  "couldn't find key gone in ConfigMap ns/cm" },
		{ "env: [{name: V, valueFrom: {secretKeyRef: {name: s, key: gone}}}]",
		  "couldn't find key gone in Secret ns/s" },
		{ "envFrom: [{configMapRef: {name: gone, optional: true}}]", NULL },
		{ "env: [{name: V, valueFrom: {configMapKeyRef: {name: cm, key: gone, optional: "
		  "true}}}]",
		  NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_free char *spec = mem_printf("{containers: [{name: c, %s}]}", cases[i].env);
		struct err err = { 0 };
		struct fixture f;
		int r = build(&f, spec, NULL, &err);

		assert_int_equal(r, cases[i].want ? -ERR_NOTFOUND : 0);
		assert_string_equal(err.msg, cases[i].want ? cases[i].want : "");
		arena_fini(&f.arena);
	}
}

static void the_pod_tells_about_itself(void **state)
{
	struct fixture f;

	(void)state;
	assert_int_equal(build(&f,
	                       "{serviceAccountName: sa, containers: [{name: c, resources: "
	                       "{limits: {cpu: 1500m}}, env: ["
	                       "{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, "
	                       "{name: IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}, "
	                       "{name: L, valueFrom: {fieldRef: "
	                       "{fieldPath: \"metadata.labels['app']\"}}}, {name: ND, valueFrom: "
	                       "{fieldRef: {fieldPath: "
	                       "spec.nodeName}}}, {name: C, valueFrom: {resourceFieldRef: "
	                       "{resource: limits.cpu}}}, {name: M, "
	                       "valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: "
	                       "1Mi}}}, {name: R, valueFrom: "
	                       "{resourceFieldRef: {resource: requests.memory}}}]}]}",
	                       NULL, NULL),
	                 0);
	assert_env(&f, "IP", "10.244.0.9");
	assert_env(&f, "IPS", "10.244.0.9,fd00:10:244::9");
	assert_env(&f, "L", "x");
	assert_env(&f, "ND", "node");
	assert_env(&f, "C", "2");    /* rounded up */
	assert_env(&f, "M", "1024"); /* the node's */
	assert_env(&f, "R", "0");
	{
		struct slice labels;

		assert_int_equal(
			downward_field(&f.arena, &f.facts, SLICE("metadata.labels"), &labels, NULL),
			0);
		assert_true(slice_is(labels, "app=\"x\"\ntier=\"a\\\"b\""));
	}
	arena_fini(&f.arena);
}

static void the_image_stands_behind_the_pod(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct env own = { .arena = &a }, all = { .arena = &a };
	struct val *config;

	(void)state;
	assert_int_equal(yaml_parse(&a, SLICE("{Env: ['PATH=/x', 'LANG=C']}"), &config, NULL), 0);
	env_set(&own, SLICE("LANG"), SLICE("de"));
	env_with_image(&all, &own, config);
	assert_true(slice_is(env_find(&all, SLICE("PATH")), "/x"));
	assert_true(slice_is(env_find(&all, SLICE("LANG")), "de"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_sources_win_and_references_expand),
		cmocka_unit_test(services_of_the_namespace_are_there_when_wanted),
		cmocka_unit_test(what_is_missing_is_named_unless_optional),
		cmocka_unit_test(the_pod_tells_about_itself),
		cmocka_unit_test(the_image_stands_behind_the_pod),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
