#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/graph.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"

static const char world[] = "{apiVersion: v1, kind: Service, metadata: {name: api, namespace: "
			    "shop}, spec: {selector: {app: api}, ports: [{port: 80}]}}\n"
			    "---\n"
			    "{apiVersion: v1, kind: Service, metadata: {name: ext, namespace: "
			    "shop}, spec: {type: ExternalName, externalName: "
			    "main.x1.us-east-1.rds.amazonaws.com}}\n"
			    "---\n"
			    "{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, "
			    "metadata: {name: db, namespace: shop}, spec: "
			    "{dbInstanceIdentifier: main, engine: postgres}}\n"
			    "---\n"
			    "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}, "
			    "stringData: {QUEUE_URL: "
			    "'amqp://u:very-secret@mq.example.com/v'}}\n"
			    "---\n"
			    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, "
			    "namespace: shop}\nspec:\n  template:\n    metadata: "
			    "{labels: {app: web}}\n    spec:\n      containers:\n      - name: c\n "
			    "       image: x\n        envFrom: [{secretRef: "
			    "{name: s}}]\n        env:\n        - {name: API_URL, value: "
			    "'http://api.shop:81'}\n        - {name: DB_HOST, value: "
			    "ext}\n        - {name: CACHE_URL, value: 'redis://cache'}\n        - "
			    "{name: OWN_URL, value: 'http://localhost:1'}\n"
			    "---\n"
			    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: api, "
			    "namespace: shop}, spec: {template: {metadata: {labels: "
			    "{app: api}}, spec: {containers: [{name: c, image: x}]}}}}\n"
			    "---\n"
			    "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i, "
			    "namespace: shop}, spec: {rules: [{host: "
			    "a.example.com, http: {paths: [{backend: {service: {name: gone, port: "
			    "{number: 1}}}}]}}]}}\n";

static int add(void *arg, struct val *root, struct err *err)
{
	(void)err;
	subject_add(arg, "f.yaml", root);
	return 0;
}

struct fixture {
	struct arena arena;
	struct subject *subject;
	struct graph *graph;
	struct strbuf out;
};

static void start(struct fixture *f)
{
	*f = (struct fixture){ .subject = subject_new(profile_default()) };
	assert_int_equal(yaml_parse_all(&f->arena, slice_of(world), add, f->subject, NULL), 0);
	subject_ready(f->subject);
	f->graph = graph_new(f->subject, (struct slice){ "", 0 });
}

static void stop(struct fixture *f)
{
	graph_free(f->graph);
	subject_free(f->subject);
	arena_fini(&f->arena);
	strbuf_fini(&f->out);
}

static void edges_name_who_whom_and_where(void **state)
{
	static const char *const want[] = {
		"Deployment shop/web\n",
		"    calls Service shop/api  http :81  -- the Service has no port 81\n",
		"      API_URL (env), f.yaml:",
		"    calls Service shop/ext",
		"    calls nobody cache  redis :6379  -- there is no Service shop/cache\n",
		"    calls outside mq.example.com  amqp :5672\n",
		"      QUEUE_URL (env-from, secret), f.yaml:7:",
		"    names DBInstance shop/db\n",
		"    routes nobody shop/gone  -- there is no such Service\n",
		"Deployment shop/api\n    calls nobody\n",
	};
	struct fixture f;

	(void)state;
	start(&f);
	graph_text(&f.out, f.graph);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		if (!strstr(strbuf_str(&f.out), want[i])) {
			fail_msg("no \"%s\" in:\n%s", want[i], strbuf_str(&f.out));
		}
	}
	assert_null(strstr(strbuf_str(&f.out), "localhost"));
	stop(&f);
}

static void no_form_shows_a_secret(void **state)
{
	static void (*const forms[])(struct strbuf *,
	                             const struct graph *) = { graph_text, graph_json, graph_dot,
		                                               graph_svg, graph_html };
	struct fixture f;

	(void)state;
	start(&f);
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		strbuf_reset(&f.out);
		forms[i](&f.out, f.graph);
		assert_non_null(strstr(strbuf_str(&f.out), "mq.example.com"));
		assert_null(strstr(strbuf_str(&f.out), "very-secret"));
	}
	stop(&f);
}

static void json_edges_point_at_nodes(void **state)
{
	struct fixture f;
	struct val *v;

	(void)state;
	start(&f);
	graph_json(&f.out, f.graph);
	assert_int_equal(json_parse(&f.arena, strbuf_slice(&f.out), JSON_STRICT, &v, NULL), 0);
	val_for_each (val_get(v, "edges"), e) {
		assert_non_null(val_at(val_get(v, "nodes"), (size_t)val_int(val_get(e, "to"), -1)));
		assert_non_null(
			val_at(val_get(v, "nodes"), (size_t)val_int(val_get(e, "from"), -1)));
	}
	stop(&f);
}

static void hosts_are_read_as_the_pod_would(void **state)
{
	static const struct {
		const char *host;
		enum target_kind kind;
	} cases[] = {
		{ "api", TARGET_SERVICE },
		{ "api.shop", TARGET_SERVICE },
		{ "api.shop.svc", TARGET_SERVICE },
		{ "api.shop.svc.cluster.local", TARGET_SERVICE },
		{ "apo", TARGET_MISSING },
		{ "api.other.svc", TARGET_MISSING },
		{ "api.example.com", TARGET_OUTSIDE },
		{ "a.example.com", TARGET_EDGE },
		{ "main.abc.us-east-1.rds.amazonaws.com", TARGET_STORE },
		{ "other.abc.us-east-1.rds.amazonaws.com", TARGET_OUTSIDE },
		{ "localhost", TARGET_SELF },
		{ "127.0.0.5", TARGET_SELF },
		{ "203.0.113.5", TARGET_OUTSIDE },
		{ "", TARGET_UNKNOWN },
	};
	struct fixture f;

	(void)state;
	start(&f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct target t =
			target_of_host(f.subject, SLICE("shop"), slice_of(cases[i].host), 80);

		if (t.kind != cases[i].kind) {
			fail_msg("%s: %d, not %d", cases[i].host, t.kind, cases[i].kind);
		}
	}
	assert_int_equal(target_of_host(f.subject, SLICE("default"), SLICE("api"), 80).kind,
	                 TARGET_MISSING);
	stop(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_name_who_whom_and_where),
		cmocka_unit_test(no_form_shows_a_secret),
		cmocka_unit_test(json_edges_point_at_nodes),
		cmocka_unit_test(hosts_are_read_as_the_pod_would),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
