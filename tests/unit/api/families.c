/* Why: who gets how many families, from every place to start from; words as the API server's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/families.h"
#include "base/mem.h"
#include "codec/json.h"

static struct val *service(struct arena *a, const char *spec)
{
	char *copy = arena_printf(a, "{'spec':%s}", spec);
	struct val *v = NULL;

	for (char *p = copy; *p; p++) {
		*p = *p == '\'' ? '"' : *p;
	}
	assert_int_equal(json_parse(a, slice_of(copy), 0, &v, NULL), 0);
	return v;
}

static const char *list(struct arena *a, const struct val *v)
{
	const char *text = "";

	val_for_each (v, it) {
		text = arena_printf(a, "%s%s" SLICE_FMT, text, *text ? "," : "",
		                    SLICE_ARG(val_str(it)));
	}
	return text;
}

/* "policy families addresses", or the first finding. */
static const char *outcome(struct arena *a, const char *spec, const char *old, bool dual)
{
	struct field_errors wrong = { .arena = a };
	struct val *v = service(a, spec);

	service_families(a, v, old ? service(a, old) : NULL, dual, &wrong);
	if (wrong.n) {
		return arena_printf(a, "%s: %s", wrong.at[0].path, wrong.at[0].detail);
	}
	return arena_printf(
		a, SLICE_FMT " %s %s", SLICE_ARG(val_str(val_path(v, "spec.ipFamilyPolicy"))),
		list(a, val_path(v, "spec.ipFamilies")), list(a, val_path(v, "spec.clusterIPs")));
}

struct row {
	const char *spec, *old, *want;
	bool dual;
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		scoped_arena struct arena a = { 0 };
		const char *got = outcome(&a, rows[i].spec, rows[i].old, rows[i].dual);

		if (strcmp(got, rows[i].want) != 0) {
			fail_msg("%s after %s:\n  got  %s\n  want %s", rows[i].spec,
			         rows[i].old ? rows[i].old : "nothing", got, rows[i].want);
		}
	}
}

static void new_services_get_what_they_ask_for(void **state)
{
	static const struct row rows[] = {
		{ "{'type':'ClusterIP'}", NULL, "SingleStack IPv4 ", true },
		{ "{'type':'ClusterIP','ipFamilyPolicy':'PreferDualStack'}", NULL,
		  "PreferDualStack IPv4,IPv6 ", true },
		{ "{'type':'ClusterIP','ipFamilyPolicy':'PreferDualStack'}", NULL,
		  "PreferDualStack IPv4 ", false },
		{ "{'type':'ClusterIP','ipFamilyPolicy':'RequireDualStack'}", NULL,
		  "RequireDualStack IPv4,IPv6 ", true },
		{ "{'type':'ClusterIP','ipFamilyPolicy':'RequireDualStack'}", NULL,
		  "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not "
		  "configured for dual-stack services",
		  false },
		{ "{'type':'ClusterIP','ipFamilies':['IPv6']}", NULL, "SingleStack IPv6 ", true },
		{ "{'type':'ClusterIP','ipFamilies':['IPv6']}", NULL,
		  "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster",
		  false },
		{ "{'type':'ClusterIP','ipFamilies':['IPv6'],'ipFamilyPolicy':'PreferDualStack'}",
		  NULL, "PreferDualStack IPv6,IPv4 ", true },
		{ "{'type':'ClusterIP','ipFamilies':['IPv4','IPv6']}", NULL,
		  "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be RequireDualStack "
		  "or "
		  "PreferDualStack when multiple IP families are specified",
		  true },
		{ "{'type':'ClusterIP','clusterIP':'fd00:10:1::9','clusterIPs':['fd00:10:1::9']}",
		  NULL, "SingleStack IPv6 fd00:10:1::9", true },
		{ "{'type':'ClusterIP','clusterIP':'fd00:10:1::9','clusterIPs':['fd00:10:1::9']}",
		  NULL,
		  "spec.clusterIPs[0]: Invalid value: [\"fd00:10:1::9\"]: IPv6 is not configured "
		  "on "
		  "this cluster",
		  false },
		{ "{'type':'ClusterIP','clusterIPs':['fd00:10:1::9','10.1.0.9']}", NULL,
		  "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be RequireDualStack "
		  "or "
		  "PreferDualStack when multiple cluster IPs are specified",
		  true },
		{ "{'type':'ClusterIP','ipFamilyPolicy':'PreferDualStack','clusterIPs':["
		  "'fd00:10:1::9','10.1.0.9']}",
		  NULL, "PreferDualStack IPv6,IPv4 fd00:10:1::9,10.1.0.9", true },
		{ "{'type':'ExternalName','externalName':'a.b'}", NULL, "  ", true },
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

static void headless_ones_follow_their_selector(void **state)
{
	static const struct row rows[] = {
		{ "{'type':'ClusterIP','clusterIP':'None','clusterIPs':['None'],'selector':{'a':'b'"
		  "}}",
		  NULL, "SingleStack IPv4 None", true },
		/* Whoever writes the endpoints may write both families, on any cluster. */
		{ "{'type':'ClusterIP','clusterIP':'None','clusterIPs':['None']}", NULL,
		  "RequireDualStack IPv4,IPv6 None", true },
		{ "{'type':'ClusterIP','clusterIP':'None','clusterIPs':['None']}", NULL,
		  "RequireDualStack IPv4,IPv6 None", false },
		{ "{'type':'ClusterIP','clusterIP':'None','clusterIPs':['None'],"
		  "'ipFamilyPolicy':'SingleStack'}",
		  NULL, "SingleStack IPv4 None", true },
		{ "{'type':'ClusterIP','clusterIP':'None','clusterIPs':['None'],'selector':{'a':'b'"
		  "},"
		  "'ipFamilyPolicy':'PreferDualStack'}",
		  NULL, "PreferDualStack IPv4,IPv6 None", true },
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

#define ONE                                                                                        \
	"'type':'ClusterIP','clusterIP':'10.1.0.9','clusterIPs':['10.1.0.9'],"                     \
	"'ipFamilies':['IPv4']"
#define TWO                                                                                        \
	"'type':'ClusterIP','clusterIP':'10.1.0.9','clusterIPs':['10.1.0.9','fd00:10:1::9'],"      \
	"'ipFamilies':['IPv4','IPv6']"

static void a_second_family_comes_and_goes_by_the_policy(void **state)
{
	static const struct row rows[] = {
		{ "{" ONE ",'ipFamilyPolicy':'PreferDualStack'}",
		  "{" ONE ",'ipFamilyPolicy':'SingleStack'}", "PreferDualStack IPv4,IPv6 10.1.0.9",
		  true },
		{ "{" TWO ",'ipFamilyPolicy':'SingleStack'}",
		  "{" TWO ",'ipFamilyPolicy':'PreferDualStack'}", "SingleStack IPv4 10.1.0.9",
		  true },
		/* Without a word it stays as it was. */
		{ "{" TWO "}", "{" TWO ",'ipFamilyPolicy':'PreferDualStack'}",
		  "PreferDualStack IPv4,IPv6 10.1.0.9,fd00:10:1::9", true },
		/* Nobody is upgraded because the cluster was. */
		{ "{" ONE ",'ipFamilyPolicy':'PreferDualStack'}",
		  "{" ONE ",'ipFamilyPolicy':'PreferDualStack'}", "PreferDualStack IPv4 10.1.0.9",
		  true },
		{ "{'type':'ClusterIP','clusterIP':'10.1.0.9','clusterIPs':['10.1.0.9'],"
		  "'ipFamilies':['IPv4','IPv6'],'ipFamilyPolicy':'RequireDualStack'}",
		  "{" TWO ",'ipFamilyPolicy':'RequireDualStack'}",
		  "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' "
		  "to "
		  "release the secondary cluster IP",
		  true },
		{ "{'type':'ClusterIP','clusterIP':'10.1.0.9','clusterIPs':['10.1.0.9',"
		  "'fd00:10:1::9'],'ipFamilies':['IPv4'],'ipFamilyPolicy':'PreferDualStack'}",
		  "{" TWO ",'ipFamilyPolicy':'PreferDualStack'}",
		  "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be 'SingleStack' "
		  "to "
		  "release the secondary IP family",
		  true },
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

static void asking_twice_changes_nothing(void **state)
{
	static const struct {
		const char *spec, *old;
	} rows[] = {
		{ "{" ONE ",'ipFamilyPolicy':'PreferDualStack'}",
		  "{" ONE ",'ipFamilyPolicy':'SingleStack'}" },
		{ "{" TWO ",'ipFamilyPolicy':'SingleStack'}",
		  "{" TWO ",'ipFamilyPolicy':'PreferDualStack'}" },
		{ "{'type':'ClusterIP','clusterIP':'None','clusterIPs':['None']}", NULL },
		{ "{'type':'NodePort'}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		scoped_arena struct arena a = { 0 };
		struct field_errors wrong = { .arena = &a };
		struct val *v = service(&a, rows[i].spec),
			   *old = rows[i].old ? service(&a, rows[i].old) : NULL, *once;

		service_families(&a, v, old, true, &wrong);
		once = val_copy(&a, v);
		service_families(&a, v, old, true, &wrong);
		assert_int_equal(wrong.n, 0);
		assert_true(val_eq(v, once));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_services_get_what_they_ask_for),
		cmocka_unit_test(headless_ones_follow_their_selector),
		cmocka_unit_test(a_second_family_comes_and_goes_by_the_policy),
		cmocka_unit_test(asking_twice_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
