/* Why: whatever is typed for SRC and DST is refused with a sentence or explained, in every format, and the answer
 * does not depend on the format. Input: SRC, a line's end, DST. */
#include <stdint.h>
#include <stdlib.h>

#include "analyse/explain.h"
#include "base/must.h"
#include "codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char world[] =
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n"
	"spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{ports: "
	"[{containerPort: 80}]}]}}}\n---\n"
	"apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: "
	"{app: web}, ports: [{port: 80}]}\n---\n"
	"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: shop}\n"
	"spec: {ingressClassName: nginx, rules: [{host: a.example, http: {paths: [{path: /, "
	"pathType: Prefix, backend: "
	"{service: {name: web, port: {number: 80}}}}]}}]}\n---\n"
	"apiVersion: rds.services.k8s.aws/v1alpha1\nkind: DBInstance\nmetadata: {name: db, "
	"namespace: shop}\nspec: {engine: mysql}\n";

static int add(void *arg, struct val *root, struct err *err)
{
	(void)err;
	subject_add(arg, "world.yaml", root);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct explain_style all = { .everything = true, .colours = true };
	struct subject *s = subject_new(profile_default());
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { .max = 1 << 22 };
	struct explanation x = { 0 };
	struct slice src, dst;
	struct err err = { 0 };

	must(yaml_parse_all(&a, slice_of(world), add, s, &err) == 0);
	subject_ready(s);
	(void)slice_cut((struct slice){ (const char *)data, size }, '\n', &src, &dst);
	if (explain_make(s, src, dst, &x, &err) < 0) {
		must(err.msg[0]);
	} else {
		must(x.source && x.target && x.paths.n);
		explain_text(&out, &x, &all);
		explain_json(&out, &x, &all);
		explain_yaml(&out, &x, &all);
		explain_markdown(&out, &x, &all);
		must(out.size);
	}
	explanation_fini(&x);
	subject_free(s);
	return 0;
}
