#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/authorize.h"
#include "base/mem.h"
#include "codec/json.h"

static struct val *parse(struct arena *a, const char *text)
{
	char *copy = arena_strdup(a, text);
	struct val *v = NULL;

	for (char *p = copy; *p; p++) {
		*p = *p == '\'' ? '"' : *p;
	}
	assert_int_equal(json_parse(a, slice_of(copy), 0, &v, NULL), 0);
	return v;
}

static void matches_rules(void **state)
{
#define PODS "{'apiGroups':[''],'resources':['pods'],'verbs':['get']}"
	static const struct {
		const char *rule, *verb, *group, *resource, *sub, *name, *path;
		bool want;
	} rows[] = {
		{ PODS, "get", "", "pods", "", "", "", true },
		{ PODS, "list", "", "pods", "", "", "", false },
		{ PODS, "get", "apps", "pods", "", "", "", false },
		{ PODS, "get", "", "pods", "log", "", "", false },
		{ PODS, "get", "", "secrets", "", "", "", false },
		{ "{'apiGroups':['*'],'resources':['*'],'verbs':['*']}", "delete", "x.y", "z", "w",
		  "n", "", true },
		{ "{'apiGroups':[''],'resources':['pods/log'],'verbs':['get']}", "get", "", "pods",
		  "log", "", "", true },
		{ "{'apiGroups':['apps'],'resources':['*/scale'],'verbs':['get']}", "get", "apps",
		  "deployments", "scale", "", "", true },
		{ "{'apiGroups':['apps'],'resources':['*/scale'],'verbs':['get']}", "get", "apps",
		  "deployments", "status", "", "", false },
		{ "{'apiGroups':[''],'resources':['cms'],'resourceNames':['a'],'verbs':['get']}",
		  "get", "", "cms", "", "a", "", true },
		{ "{'apiGroups':[''],'resources':['cms'],'resourceNames':['a'],'verbs':['get']}",
		  "get", "", "cms", "", "b", "", false },
		{ "{'apiGroups':[''],'resources':['cms'],'resourceNames':['a'],'verbs':['list']}",
		  "list", "", "cms", "", "", "", false },
		{ "{'nonResourceURLs':['/api/*'],'verbs':['get']}", "get", "", "", "", "",
		  "/api/v1", true },
		{ "{'nonResourceURLs':['/api/*'],'verbs':['get']}", "get", "", "", "", "", "/api",
		  false },
		{ "{'nonResourceURLs':['*'],'verbs':['*']}", "get", "", "", "", "", "/x", true },
		{ PODS, "get", "", "", "", "", "/pods", false },
		{ "{'nonResourceURLs':['*'],'verbs':['*']}", "get", "", "pods", "", "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		scoped_arena struct arena a = { 0 };
		struct access x = { .verb = slice_of(rows[i].verb),
			            .group = slice_of(rows[i].group),
			            .resource = slice_of(rows[i].resource),
			            .subresource = slice_of(rows[i].sub),
			            .name = slice_of(rows[i].name),
			            .path = slice_of(rows[i].path) };

		if (rule_allows(parse(&a, rows[i].rule), &x) != rows[i].want) {
			fail_msg("row %zu: %s %s", i, rows[i].rule, rows[i].verb);
		}
	}
}

static void words_refusals(void **state)
{
	struct user u = { .name = SLICE("bob") };
	struct access x = { .user = &u,
		            .verb = SLICE("get"),
		            .group = SLICE("apps"),
		            .resource = SLICE("deployments"),
		            .subresource = SLICE("scale"),
		            .ns = SLICE("x") };
	scoped_strbuf struct strbuf text = { 0 };

	(void)state;
	access_refusal(&text, &x);
	assert_string_equal(strbuf_str(&text),
	                    "User \"bob\" cannot get resource \"deployments/scale\" in API group "
	                    "\"apps\" in the namespace \"x\"");
	strbuf_reset(&text);
	x.ns = SLICE("");
	x.subresource = SLICE("");
	access_refusal(&text, &x);
	assert_string_equal(strbuf_str(&text),
	                    "User \"bob\" cannot get resource \"deployments\" in "
	                    "API group \"apps\" at the cluster scope");
	strbuf_reset(&text);
	x.path = SLICE("/metrics");
	access_refusal(&text, &x);
	assert_string_equal(strbuf_str(&text), "User \"bob\" cannot get path \"/metrics\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_rules),
		cmocka_unit_test(words_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
