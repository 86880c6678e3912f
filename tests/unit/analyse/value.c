#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/value.h"
#include "base/mem.h"
#include "base/vec.h"
#include "codec/yaml.h"

struct fixture {
	struct arena arena;
	VEC(const struct val *) objects;
	struct values values;
	struct strbuf out;
};

static int add(void *arg, struct val *root, struct err *err)
{
	struct fixture *f = arg;

	(void)err;
	vec_push(&f->objects, root);
	return 0;
}

static void start(struct fixture *f, const char *text)
{
	*f = (struct fixture){ 0 };
	assert_int_equal(yaml_parse_all(&f->arena, slice_of(text), add, f, NULL), 0);
	values_read(&f->values, f->objects.at, f->objects.n);
}

static void stop(struct fixture *f)
{
	values_fini(&f->values);
	vec_fini(&f->objects);
	strbuf_fini(&f->out);
	arena_fini(&f->arena);
}

static const char *references(struct fixture *f)
{
	static const char *const places[] = { "pod",  "browser", "build",
		                              "node", "ingress", "resolver" };
	static const char *const uses[] = { "", " origin", " self", " resolve" };

	strbuf_reset(&f->out);
	for (size_t i = 0; i < f->values.n_references; i++) {
		const struct reference *r = &f->values.references[i];

		strbuf_addf(&f->out, "%s %s %u:%u %s ", value_source_text(r->source), r->name,
		            r->where.line, r->where.col, places[r->place]);
		value_reference_format(&f->out, r);
		strbuf_addf(&f->out, "%s%s%s%s%s%s\n", r->url_path, uses[r->use],
		            r->is_secret ? " secret" : "", r->exported ? " exported" : "",
		            r->workload ? "" : " nobody", r->problem ? " problem" : "");
	}
	return strbuf_str(&f->out);
}

static const char *listenings(struct fixture *f)
{
	static const char *const scopes[] = { "any", "loopback", "address" };

	strbuf_reset(&f->out);
	for (size_t i = 0; i < f->values.n_listenings; i++) {
		const struct listening *l = &f->values.listenings[i];

		strbuf_addf(&f->out, "%s %s %u %s%s%s\n", value_source_text(l->source), l->name,
		            l->port, scopes[l->scope], l->proto == PROTO_UDP ? " udp" : "",
		            l->tls ? " tls" : "");
	}
	return strbuf_str(&f->out);
}

static void assert_references(const char *text, const char *want)
{
	struct fixture f;

	start(&f, text);
	assert_string_equal(references(&f), want);
	stop(&f);
}

static void assert_listenings(const char *text, const char *want)
{
	struct fixture f;

	start(&f, text);
	assert_string_equal(listenings(&f), want);
	stop(&f);
}

#define POD                                                                                        \
	"{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns}, spec: {containers: "      \
	"[{name: c, image: x, "

static void variables_expand_and_keep_their_place(void **state)
{
	(void)state;
	assert_references(
		"---\n"
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm, namespace: ns}\ndata:\n  "
		"DB_HOST: db\n  X: y\n"
		"---\n"
		"apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\ndata: {PW: "
		"cEBzcw==}\n"
		"---\n" POD "envFrom: [{configMapRef: {name: cm}, prefix: P_}],\n"
		"env: [{name: PW, valueFrom: {secretKeyRef: {name: s, key: PW}}},\n"
		"{name: P_DB_PORT, value: '3307'},\n"
		"{name: DATABASE_URL, value: 'mysql://u:$(PW)@$(P_DB_HOST):$(P_DB_PORT)/x?a=b'},\n"
		"{name: PLAIN_URL, value: 'http://$(P_DB_HOST)/p'}]}]}}\n",
		"env-from P_DB_HOST 6:3 pod db:3307\n"
		"env DATABASE_URL 17:22 pod mysql://db:3307 secret problem\n"
		"env PLAIN_URL 18:19 pod http://db:80/p\n" +
			0);
}

static void secrets_give_nothing_away(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, "---\n"
	          "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\nstringData:\n"
	          "  A_URL: redis://:geheim@cache:6379/7?token=geheim\n"
	          "  B_URL: mysql://u:ge/geheim@db/x\n"
	          "  PASSWORD: geheim:1234\n"
	          "  NOTE: geheim:1234\n"
	          "---\n" POD "envFrom: [{secretRef: {name: s}}]}]}}\n");
	assert_string_equal(references(&f), "env-from A_URL 6:3 pod redis://cache:6379 secret\n"
	                                    "env-from B_URL 7:3 pod mysql://? secret problem\n");
	for (size_t i = 0; i < f.values.n_references; i++) {
		assert_null(strstr(f.values.references[i].host, "geheim"));
		assert_string_equal(f.values.references[i].url_path, "");
	}
	stop(&f);
}

static void exported_keys_lead_to_their_source(void **state)
{
	(void)state;
	assert_references(
		"---\n"
		"apiVersion: services.k8s.aws/v1alpha1\nkind: FieldExport\nmetadata: {name: e, "
		"namespace: ns}\n"
		"spec: {to: {kind: configmap, name: cm, key: DB_HOST}}\n"
		"---\n" POD
		"env: [{name: DB_HOST, valueFrom: {configMapKeyRef: {name: cm, key: DB_HOST}}},\n"
		"{name: DATABASE_URL, value: 'mysql://u@$(DB_HOST)/x'}]}]}}\n",
		"env-key DB_HOST 2:1 pod ? exported\n"
		"env DATABASE_URL 8:22 pod mysql://?:3306/x exported\n");
}

static void the_browser_has_variables_of_its_own(void **state)
{
	(void)state;
	assert_references(POD "env: [{name: VITE_API_URL, value: 'http://backend:5000/api'}]}]}}\n",
	                  "env VITE_API_URL 1:132 browser http://backend:5000/api\n");
	assert_references("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: "
	                  "[{name: c, image: 'nginx:1', "
	                  "env: [{name: REACT_APP_API, value: 'http://backend'}]}]}}\n",
	                  "env REACT_APP_API 1:126 build http://backend:80\n");
	assert_true(value_is_browser_name(SLICE("NEXT_PUBLIC_WS")));
	assert_false(value_is_browser_name(SLICE("PUBLIC_URL")));
	assert_false(value_is_browser_name(SLICE("VITE_")));
}

static void files_know_line_and_column(void **state)
{
	static const char text[] = "apiVersion: v1\n"
				   "kind: ConfigMap\n"
				   "metadata: {name: cm, namespace: ns}\n"
				   "data:\n"
				   "  nginx.conf: |\n"
				   "    server {\n"
				   "      listen 8080;\n"
				   "      location / { proxy_pass http://web:80; }\n"
				   "    }\n"
				   "  app.yaml: |\n"
				   "    redis:\n"
				   "      host: cache\n"
				   "      port: 6380\n"
				   "---\n" POD "volumeMounts: [{name: v, mountPath: /etc/x}]}],\n"
				   "volumes: [{name: v, configMap: {name: cm}}]}}\n";

	(void)state;
	assert_references(text, "file proxy_pass 8:31 pod http://web:80\n"
	                        "file redis.host 12:7 pod redis://cache:6380\n");
	assert_listenings(text, "file listen 8080 any\n");
}

static void arguments_are_read_as_programs_do(void **state)
{
	(void)state;
	assert_references(
		POD "command: [sh, -c, 'until nc -z db 3306; do sleep 1; done; exec app "
		    "--upstream=http://u:1 "
		    "--redis-addr cache:6379 --image redis:7'], args: ['--peer', '$(X)']}]}}\n",
		"argument nc 1:123 pod mysql://db:3306\n"
		"argument --upstream 1:123 pod http://u:1\n"
		"argument --redis-addr 1:123 pod redis://cache:6379\n"
		"argument --peer 1:254 pod $(X)\n" +
			0);
	assert_listenings(POD
	                  "command: [uvicorn, 'main:app', --host, 127.0.0.1, --port, '8000']}]}}\n",
	                  "argument --host 0 loopback\nargument --port 8000 loopback\n");
	assert_listenings(POD "command: [gunicorn, -b, '0.0.0.0:8000', app]}]}}\n",
	                  "argument -b 8000 any\n");
	assert_listenings(POD "args: ['--web.listen-address=:9090']}]}}\n",
	                  "argument --web.listen-address 9090 any\n");
}

static void ports_and_probes_are_listenings(void **state)
{
	(void)state;
	assert_listenings(
		POD
		"env: [{name: PORT, value: '3000'}, {name: HOST, value: localhost}],\n"
		"ports: [{name: http, containerPort: 8080}, {containerPort: 53, protocol: UDP}],\n"
		"readinessProbe: {httpGet: {port: http, scheme: HTTPS}},\n"
		"livenessProbe: {tcpSocket: {port: 8081}}}]}}\n",
		"env PORT 3000 any\nenv HOST 0 loopback\nport http 8080 any\nport  53 any udp\n"
		"probe readinessProbe 8080 any tls\nprobe livenessProbe 8081 any\n");
}

static void the_edge_names_addresses_too(void **state)
{
	(void)state;
	assert_references(
		"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i\n  "
		"annotations:\n"
		"    nginx.ingress.kubernetes.io/auth-url: http://auth.ns.svc.cluster.local/check\n"
		"    nginx.ingress.kubernetes.io/cors-allow-origin: https://a.example, "
		"https://b.example\n"
		"---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: ExternalName, "
		"externalName: db.example.com}\n"
		"---\n"
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {X_URL: "
		"'http://unread'}\n",
		"annotation auth-url 6:5 ingress http://auth.ns.svc.cluster.local:80/check nobody\n"
		"annotation cors-allow-origin 7:5 browser https://a.example:443 origin nobody\n"
		"annotation cors-allow-origin 7:5 browser https://b.example:443 origin nobody\n"
		"external-name externalName 12:28 resolver db.example.com nobody\n"
		"key X_URL 17:8 pod http://unread:80 nobody\n");
}

static void settings_are_those_of_the_kubelet(void **state)
{
	struct fixture f;
	const struct val *container;
	const struct setting *s;

	(void)state;
	start(&f, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm, namespace: "
	          "ns}\ndata: {A: '1', B: '2', 1x: y}\n"
	          "---\n" POD
	          "envFrom: [{configMapRef: {name: cm}}], env: [{name: A, value: '3$(B)'},\n"
	          "{name: C, valueFrom: {configMapKeyRef: {name: none, key: x}}}]}]}}\n");
	container = val_at(val_path(f.objects.at[1], "spec.containers"), 0);
	assert_int_equal(f.values.n_settings, 3);
	assert_true(slice_is(values_setting(&f.values, container, "A")->value, "32"));
	s = values_setting(&f.values, container, "C");
	assert_false(s->is_known);
	assert_null(values_setting(&f.values, container, "1x"));
	stop(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(variables_expand_and_keep_their_place),
		cmocka_unit_test(secrets_give_nothing_away),
		cmocka_unit_test(exported_keys_lead_to_their_source),
		cmocka_unit_test(the_browser_has_variables_of_its_own),
		cmocka_unit_test(files_know_line_and_column),
		cmocka_unit_test(arguments_are_read_as_programs_do),
		cmocka_unit_test(ports_and_probes_are_listenings),
		cmocka_unit_test(the_edge_names_addresses_too),
		cmocka_unit_test(settings_are_those_of_the_kubelet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
