#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/convert.h"
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

static void check(const char *group_from, const char *version_from, const char *group_to,
                  const char *version_to, const char *kind, const char *from, const char *to)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct registry *r = registry_new();
	const struct kind *f =
		registry_find(r, slice_of(group_from), slice_of(version_from), slice_of(kind));
	const struct kind *t =
		registry_find(r, slice_of(group_to), slice_of(version_to), slice_of(kind));
	const struct val *got;

	assert_non_null(f);
	assert_non_null(t);
	got = convert_object(&a, f, t, parse(&a, from));
	json_write(&text, got);
	if (!val_eq(got, parse(&a, to))) {
		fail_msg("expected %s, found %s", to, strbuf_str(&text));
	}
	registry_free(r);
}

static void converts_events(void **state)
{
	static const char core[] = "{'apiVersion':'v1','metadata':{'name':'e'},"
				   "'involvedObject':{'name':'p'},'message':'m','count':2,"
				   "'source':{'component':'c'},'reason':'r'}";
	static const char newer[] = "{'apiVersion':'events.k8s.io/v1','metadata':{'name':'e'},"
				    "'regarding':{'name':'p'},'note':'m','deprecatedCount':2,"
				    "'deprecatedSource':{'component':'c'},'reason':'r'}";

	(void)state;
	check("", "v1", "events.k8s.io", "v1", "Event", core, newer);
	check("events.k8s.io", "v1", "", "v1", "Event", newer, core);
}

static void converts_autoscalers(void **state)
{
	static const char v1[] = "{'apiVersion':'autoscaling/v1','metadata':{'name':'h'},"
				 "'spec':{'maxReplicas':3,'targetCPUUtilizationPercentage':50}}";
	static const char v2[] =
		"{'apiVersion':'autoscaling/v2','metadata':{'name':'h'},'spec':{'maxReplicas':3,"
		"'metrics':[{'type':'Resource','resource':{'name':'cpu','target':"
		"{'type':'Utilization','averageUtilization':50}}}]}}";

	(void)state;
	check("autoscaling", "v1", "autoscaling", "v2", "HorizontalPodAutoscaler", v1, v2);
	check("autoscaling", "v2", "autoscaling", "v1", "HorizontalPodAutoscaler", v2, v1);
}

static void keeps_what_v1_cannot_say(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct registry *r = registry_new();
	const struct kind *v1 = registry_find(r, SLICE("autoscaling"), SLICE("v1"),
	                                      SLICE("HorizontalPodAutoscaler"));
	const struct kind *v2 = registry_find(r, SLICE("autoscaling"), SLICE("v2"),
	                                      SLICE("HorizontalPodAutoscaler"));
	const struct val *full = parse(
		&a,
		"{'apiVersion':'autoscaling/v2','metadata':{'name':'h'},'spec':{'maxReplicas':3,"
		"'metrics':[{'type':'Resource','resource':{'name':'memory','target':"
		"{'type':'Utilization','averageUtilization':80}}}],"
		"'behavior':{'scaleUp':{'stabilizationWindowSeconds':1}}}}");
	const struct val *back;

	(void)state;
	back = convert_object(&a, v1, v2, convert_object(&a, v2, v1, full));
	assert_true(val_eq(back, full));
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converts_events),
		cmocka_unit_test(converts_autoscalers),
		cmocka_unit_test(keeps_what_v1_cannot_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
