#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/accept.h"
#include "base/mem.h"
#include "base/strbuf.h"

static void chooses_a_shape(void **state)
{
	static const struct {
		const char *header;
		bool has_views;
		const char *want;
	} rows[] = {
		{ "", true, "object v1" },
		{ "application/json", true, "object v1" },
		{ "*/*", true, "object v1" },
		{ "application/json;as=Table;v=v1;g=meta.k8s.io,application/json", true,
		  "table v1" },
		{ "application/json;as=Table;v=v1beta1;g=meta.k8s.io", true, "table v1beta1" },
		{ "application/json;as=Table;v=v1;g=meta.k8s.io, application/json", false,
		  "object v1" },
		{ "application/json;as=Table;v=v1;g=meta.k8s.io", false, "none" },
		{ "application/json;as=Table;v=v3;g=meta.k8s.io", true, "none" },
		{ "application/vnd.kubernetes.protobuf,application/json", true, "object v1" },
		{ "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;"
		  "v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
		  "application/json",
		  true, "partial v1" },
		{ "application/json, */*;q=0.8", true, "object v1" },
		{ "application/json;q=0.1,application/yaml;q=0.9", true, "object v1 yaml" },
		{ "application/json;stream=watch", true, "object v1" },
		{ "application/json;pretty=1", true, "object v1 pretty" },
		{ "application/json;q=0", true, "none" },
		{ "application/vnd.kubernetes.protobuf", true, "none" },
		{ "text/html", true, "none" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const char *const forms[] = { "object", "table", "partial" };
		scoped_strbuf struct strbuf got = { 0 };
		struct wanted w;

		if (accept_choose(slice_of(rows[i].header), rows[i].has_views, &w)) {
			strbuf_addf(&got, "%s %s%s%s", forms[w.form], w.meta_version + 12,
			            w.is_yaml ? " yaml" : "", w.is_pretty ? " pretty" : "");
		} else {
			strbuf_adds(&got, "none");
		}
		if (strcmp(strbuf_str(&got), rows[i].want) != 0) {
			fail_msg("%s: expected '%s', found '%s'", rows[i].header, rows[i].want,
			         strbuf_str(&got));
		}
	}
}

static void tells_aggregated_discovery(void **state)
{
#define GROUPS(v) "application/json;g=apidiscovery.k8s.io;v=" v ";as=APIGroupDiscoveryList"
	static const struct {
		const char *header, *want;
	} rows[] = {
		{ GROUPS("v2beta1") ",application/json", "v2beta1" },
		{ GROUPS("v2") "," GROUPS("v2beta1") ",application/json", "v2" },
		{ "application/"
		  "json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io;profile=nopeer",
		  "v2" },
		{ GROUPS("v9") ",application/json", "" },
		{ "application/json, */*", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = accept_discovery(slice_of(rows[i].header));

		assert_string_equal(got ? got : "", rows[i].want);
	}
}

static void names_types(void **state)
{
	(void)state;
	assert_true(accept_has(SLICE("a/b, application/json;q=1"), "application/json", false));
	assert_true(accept_has(SLICE("*/*"), "application/json", true));
	assert_false(accept_has(SLICE("*/*"), "application/json", false));
	assert_true(accept_has(SLICE(""), "application/json", true));
	assert_false(accept_has(SLICE("text/html"), "application/json", true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_a_shape),
		cmocka_unit_test(tells_aggregated_discovery),
		cmocka_unit_test(names_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
