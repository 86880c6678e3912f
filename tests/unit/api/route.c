#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/route.h"
#include "base/mem.h"
#include "base/strbuf.h"

static void describe(struct strbuf *out, const char *method, const char *path, bool is_watch)
{
	struct route r;

	if (!route_parse(slice_of(method), slice_of(path), is_watch, &r)) {
		strbuf_adds(out, "none");
	} else if (!r.is_resource) {
		strbuf_addf(out, "path %s", verb_name(r.verb));
	} else {
		strbuf_addf(out, "%s " SLICE_FMT "/" SLICE_FMT " ns=" SLICE_FMT " " SLICE_FMT,
		            verb_name(r.verb), SLICE_ARG(r.group), SLICE_ARG(r.version),
		            SLICE_ARG(r.ns), SLICE_ARG(r.resource));
		strbuf_addf(out, " " SLICE_FMT " sub=" SLICE_FMT " rest=" SLICE_FMT,
		            SLICE_ARG(r.name), SLICE_ARG(r.subresource), SLICE_ARG(r.rest));
	}
}

static void takes_urls_apart(void **state)
{
	static const struct {
		const char *method, *path;
		bool is_watch;
		const char *want;
	} rows[] = {
		{ "GET", "/api/v1/pods", false, "list /v1 ns= pods  sub= rest=" },
		{ "GET", "/api/v1/pods", true, "watch /v1 ns= pods  sub= rest=" },
		{ "GET", "/api/v1/watch/pods", false, "watch /v1 ns= pods  sub= rest=" },
		{ "GET", "/api/v1/watch/namespaces/x/pods/p", false,
		  "watch /v1 ns=x pods p sub= rest=" },
		{ "GET", "/api/v1/namespaces", false, "list /v1 ns= namespaces  sub= rest=" },
		{ "GET", "/api/v1/namespaces/x", false, "get /v1 ns=x namespaces x sub= rest=" },
		{ "PUT", "/api/v1/namespaces/x/finalize", false,
		  "update /v1 ns=x namespaces x sub=finalize rest=" },
		{ "PATCH", "/api/v1/namespaces/x/status", false,
		  "patch /v1 ns=x namespaces x sub=status rest=" },
		{ "GET", "/api/v1/namespaces/x/status/a", false,
		  "get /v1 ns=x status a sub= rest=" },
		{ "POST", "/api/v1/namespaces/x/pods", false, "create /v1 ns=x pods  sub= rest=" },
		{ "POST", "/api/v1/namespaces/x/pods/p/exec", false,
		  "create /v1 ns=x pods p sub=exec rest=" },
		{ "GET", "/api/v1/namespaces/x/pods/p/exec", true,
		  "get /v1 ns=x pods p sub=exec rest=" },
		{ "DELETE", "/api/v1/namespaces/x/pods", false,
		  "deletecollection /v1 ns=x pods  sub= rest=" },
		{ "DELETE", "/apis/apps/v1/namespaces/x/deployments/d", false,
		  "delete apps/v1 ns=x deployments d sub= rest=" },
		{ "PATCH", "/apis/apps/v1/namespaces/x/deployments/d/scale", false,
		  "patch apps/v1 ns=x deployments d sub=scale rest=" },
		{ "HEAD", "/apis/apps/v1/deployments", false,
		  "list apps/v1 ns= deployments  sub= rest=" },
		{ "PUT", "/api/v1/pods", false, " /v1 ns= pods  sub= rest=" },
		{ "OPTIONS", "/api/v1/namespaces/x/pods/p", false, " /v1 ns=x pods p sub= rest=" },
		{ "GET", "/api/v1/namespaces/x/services/s/proxy/a//b", false,
		  "get /v1 ns=x services s sub=proxy rest=/a//b" },
		{ "GET", "/api/v1/namespaces/x/services/s/proxy", false,
		  "get /v1 ns=x services s sub=proxy rest=" },
		{ "GET", "/api/v1/namespaces/x/pods/p/log/more", false, "none" },
		{ "GET", "/api/v1//pods", false, "none" },
		{ "GET", "/api", false, "path get" },
		{ "GET", "/api/v1", false, "path get" },
		{ "GET", "/apis/apps/v1", false, "path get" },
		{ "GET", "/healthz", false, "path get" },
		{ "POST", "/version", false, "path create" },
		{ "GET", "", false, "none" },
		{ "GET", "x", false, "none" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		scoped_strbuf struct strbuf got = { 0 };

		describe(&got, rows[i].method, rows[i].path, rows[i].is_watch);
		if (strcmp(strbuf_str(&got), rows[i].want) != 0) {
			fail_msg("%s %s: expected '%s', found '%s'", rows[i].method, rows[i].path,
			         rows[i].want, strbuf_str(&got));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(takes_urls_apart) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
