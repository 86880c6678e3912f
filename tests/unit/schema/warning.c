/* Why: what is stored and still deserves a word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse.h"

static void warns(void **state)
{
#define POD(spec)    "{'metadata':{'name':'p'},'spec':" spec "}"
#define DEPLOY(spec) "{'metadata':{'name':'p'},'spec':{'template':{'spec':" spec "}}}"
	static const struct {
		const char *group, *kind, *object, *want;
	} rows[] = {
		{ "", "Pod", POD("{'containers':[{'name':'c'}]}"), "[]" },
		{ "", "Pod", POD("{'containers':[{'env':[{'name':'A'},{'name':'A'}]}]}"),
		  "['spec.containers[0].env[1]: hides previous definition of \\'A\\', which may be "
		  "dropped when using apply']" },
		{ "apps", "Deployment",
		  DEPLOY("{'containers':[{'ports':[{'containerPort':1,'protocol':'TCP'},"
		         "{'containerPort':1,'protocol':'TCP'}]}]}"),
		  "['spec.template.spec.containers[0].ports[1]: duplicate port definition with "
		  "spec.template.spec.containers[0].ports[0]']" },
		{ "", "Pod", POD("{'containers':[{'resources':{'limits':{'memory':'0.5'}}}]}"),
		  "['spec.containers[0].resources.limits[memory]: fractional byte value \\'0.5\\' "
		  "is "
		  "invalid, must be an integer']" },
		{ "", "Pod", POD("{'nodeSelector':{'beta.kubernetes.io/os':'linux'}}"),
		  "['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "
		  "\\'kubernetes.io/os\\' instead']" },
		{ "", "Pod", POD("{'hostAliases':[{'ip':'1.1.1.1'},{'ip':'1.1.1.1'}]}"),
		  "['spec.hostAliases[1].ip: duplicate ip \\'1.1.1.1\\'']" },
		{ "", "Pod", POD("{'topologySpreadConstraints':[{}]}"),
		  "['spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results "
		  "in "
		  "matching no pod']" },
		{ "", "Service", "{'spec':{'clusterIP':'None','sessionAffinity':'ClientIP'}}",
		  "['spec.SessionAffinity is ignored for headless services']" },
		{ "networking.k8s.io", "Ingress",
		  "{'metadata':{'annotations':{'kubernetes.io/ingress.class':'x'}}}",
		  "['annotation \\'kubernetes.io/ingress.class\\' is deprecated, please use "
		  "@spec.ingressClassName@ instead']" },
		{ "", "ConfigMap", "{'data':{}}", "[]" },
	};
	struct registry *r = registry_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		scoped_arena struct arena a = { 0 };
		scoped_strbuf struct strbuf text = { 0 };
		struct val *list = val_new_array(&a);

		object_warnings(find_kind(r, rows[i].group, "v1", rows[i].kind),
		                parse(&a, rows[i].object), &a, list);
		json_write(&text, list);
		for (char *p = text.p; *p; p++) { /* as parse.h wants it */
			*p = *p == '\'' ? '@' : *p == '"' ? '\'' : *p;
		}
		assert_text(&text, rows[i].want, rows[i].object);
	}
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(warns) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
