/* Why: an expectations file is written by hand and read in pipelines: whatever stands in it is judged or refused with a
 * place, and every report of it can be written. */
#include <stdint.h>

#include "analyse/verify.h"
#include "base/must.h"
#include "codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char shop[] =
	"{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, "
	"spec: {containers: "
	"[{name: c, ports: [{name: http, containerPort: 80}]}]}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: api, namespace: shop, labels: {app: api}}, "
	"spec: {containers: "
	"[{name: c}]}}\n---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: "
	"{app: web}, ports: "
	"[{port: 80}]}}\n---\n"
	"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: "
	"shop}, spec: "
	"{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}}\n";

static int add(void *arg, struct val *root, struct err *err)
{
	(void)err;
	subject_add(arg, "shop.yaml", root);
	return 0;
}

static void judge(struct arena *a, struct subject *s, struct matrix *m, const struct val *root)
{
	scoped_strbuf struct strbuf out = { 0 };
	struct verify v = { 0 };
	struct err err = { 0 };

	(void)a;
	if (verify_run(&v, s, m, "e.yaml", root, &err) < 0) {
		must(err.msg[0] == 'e' && err.msg[6] == ':');
	} else {
		verify_text(&out, &v);
		verify_tap(&out, &v);
		verify_junit(&out, &v);
		verify_json(&out, &v);
	}
	verify_fini(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { 0 };
	struct subject *s = subject_new(profile_default());
	struct ports_pool *pool = ports_pool_new();
	struct matrix *m;
	struct val *root = NULL;

	must(yaml_parse_all(&a, slice_of(shop), add, s, NULL) == 0);
	subject_ready(s);
	m = matrix_new(pool, matrix_world_of_subject(&a, s));
	if (size <= 16384 &&
	    yaml_parse(&a, (struct slice){ (const char *)data, size }, &root, NULL) == 0) {
		judge(&a, s, m, root);
	}
	matrix_free(m);
	ports_pool_free(pool);
	subject_free(s);
	return 0;
}
