/* Why: what expectations mean, what is said when they fail, and that a wrong file is told with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/verify.h"
#include "application.h"

struct run {
	struct ports_pool *pool;
	struct application app;
	struct verify verify;
	struct err err;
	int result;
};

static void run(struct run *r, const char *manifests, const char *expectations)
{
	struct val *root = NULL;

	*r = (struct run){ .pool = ports_pool_new() };
	application_begin(&r->app, r->pool, "app.yaml", manifests);
	if (yaml_parse(&r->app.arena, slice_of(expectations), &root, &r->err) < 0) {
		fail_msg("%s in:\n%s", r->err.msg, expectations);
	}
	r->result = verify_run(&r->verify, r->app.subject, r->app.matrix, "e.yaml", root, &r->err);
}

static void run_end(struct run *r)
{
	verify_fini(&r->verify);
	application_end(&r->app);
	ports_pool_free(r->pool);
}

static void expect_cases(const char *manifests, const char *expectations, const char *wanted)
{
	struct run r;
	char found[64] = "";

	run(&r, manifests, expectations);
	if (r.result < 0) {
		fail_msg("%s in:\n%s", r.err.msg, expectations);
	}
	for (size_t i = 0; i < r.verify.cases.n && i < sizeof(found) - 1; i++) {
		found[i] = r.verify.cases.at[i].ok ? '+' : '-';
	}
	if (strcmp(found, wanted) != 0) {
		for (size_t i = 0; i < r.verify.cases.n; i++) {
			print_error("%s: %s\n", r.verify.cases.at[i].name,
			            r.verify.cases.at[i].why ? r.verify.cases.at[i].why : "ok");
		}
		fail_msg("wanted %s, found %s in:\n%s", wanted, found, expectations);
	}
	run_end(&r);
}

static void allow_deny_and_only_mean_what_they_say(void **state)
{
	(void)state;
	expect_cases(SHOP API_POLICY,
	             "flows:\n"
	             "- {from: shop/web, to: shop/api, port: 5000, expect: allow}\n"
	             "- {from: shop/web, to: shop/api, port: 9090, expect: allow}\n"
	             "- {from: shop/web, to: shop/api, port: 9090, expect: deny}\n"
	             "- {from: shop/db, to: shop/api, expect: deny}\n"
	             "- {from: shop/web, to: shop/api, expect: deny}\n"
	             "- {from: shop/web, to: shop/api, port: 5000, expect: only}\n"
	             "- {from: shop/web, to: shop/db, port: 3306, expect: only}\n"
	             "- {from: shop/web, to: shop/api, expect: allow}\n"
	             "- {from: shop/web, to: shop/db, expect: allow}\n",
	             "+-++-+--+");
}

static void ports_have_numbers_names_ranges_and_services(void **state)
{
	(void)state;
	expect_cases(SHOP API_POLICY,
	             "flows:\n"
	             "- {from: shop/web, to: shop/api, port: http, expect: allow}\n"
	             "- {from: shop/web, to: shop/api, port: metrics, expect: deny}\n"
	             "- {from: shop/web, to: shop/backend, port: 80, expect: allow}\n"
	             "- {from: shop/web, to: shop/backend, port: web, expect: allow}\n"
	             "- {from: shop/web, to: service shop/backend, expect: allow}\n"
	             "- {from: shop/db, to: shop/backend, expect: deny}\n"
	             "- {from: shop/web, to: shop/api, port: ['UDP 5000', 9090, '6000-7000'], "
	             "expect: deny}\n"
	             "- {from: shop/web, to: shop/api, port: '4999,5001', expect: deny}\n",
	             "++++++++");
}

static void places_have_many_names(void **state)
{
	(void)state;
	expect_cases(SHOP API_POLICY DB_POLICY,
	             "flows:\n"
	             "- {from: web, to: deployment shop/api, port: 5000, expect: allow}\n"
	             "- {from: {labels: {app: web}}, to: {namespace: shop, labels: {app: db}}, "
	             "expect: deny}\n"
	             "- {from: {namespaceLabels: {team: a}, labels: {app: api}}, to: db, port: "
	             "sql, expect: allow}\n"
	             "- {from: [shop/web, shop/db], to: shop/db, expect: deny}\n"
	             "- {from: 'shop/*', to: internet, expect: allow}\n"
	             "- {from: private networks, to: shop/api, expect: deny}\n"
	             "- {from: 203.0.113.7, to: shop/web, expect: deny}\n"
	             "- {from: node, to: 'shop/*', expect: allow}\n"
	             "- {from: every workload, to: outside, expect: allow}\n",
	             "+++++++++");
}

static void everything_else_is_what_nothing_speaks_of(void **state)
{
	(void)state;
	static const char closed[] =
		POLICY("shop", "closed", "podSelector: {}, policyTypes: [Ingress, Egress]")
			POLICY("shop", "web",
	                       "podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], "
	                       "egress: [{to: "
	                       "[{podSelector: {matchLabels: {app: api}}}], ports: [{port: 5000}, "
	                       "{port: 9090}]}]") POLICY("shop", "out",
	                                                 "podSelector: {matchLabels: {app: api}}, "
	                                                 "ingress: [{from: [{podSelector: {}}]}]");
	static const char flows[] =
		"flows: [{from: shop/web, to: shop/api, port: http, expect: allow}";
	scoped_strbuf struct strbuf all = { 0 }, text = { 0 };

	strbuf_adds(&all, SHOP);
	strbuf_adds(&all, closed);
	strbuf_addf(&text, "%s]\neverything else: {expect: deny, from: 'shop/*'}\n", flows);
	expect_cases(strbuf_str(&all), strbuf_str(&text), "+-");
	strbuf_reset(&text);
	strbuf_addf(&text,
	            "%s, {from: shop/web, to: shop/api, port: metrics, expect: allow}]\n"
	            "everything else: {expect: deny, from: 'shop/*'}\n",
	            flows);
	expect_cases(strbuf_str(&all), strbuf_str(&text), "+++");
	strbuf_reset(&text);
	strbuf_addf(&text, "%s]\neverything else: ignore\n", flows);
	expect_cases(strbuf_str(&all), strbuf_str(&text), "+");
}

static void a_failure_names_the_policy_and_the_label_that_differs(void **state)
{
	(void)state;
	struct run r;
	const char *why;

	run(&r,
	    SHOP POLICY("shop", "api",
	                "podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: "
	                "{matchLabels: {app: wob}}}]}]"),
	    "flows: [{from: shop/web, to: shop/api, port: 5000, expect: allow}]");
	assert_int_equal(r.result, 0);
	why = r.verify.cases.at[0].why;
	assert_non_null(why);
	assert_non_null(strstr(why, "shop/web -> shop/api: closed is TCP 5000"));
	assert_non_null(strstr(why, "policy shop/api isolates shop/api for ingress"));
	assert_non_null(strstr(why, "(app.yaml:"));
	assert_non_null(strstr(why, "label app is \"web\""));
	assert_non_null(strstr(why, "drops the flow"));
	run_end(&r);
}

static void what_a_matrix_says_of_itself_holds(void **state)
{
	(void)state;
	static const char out[] = POLICY("shop", "out",
	                                 "podSelector: {matchLabels: {app: web}}, policyTypes: "
	                                 "[Egress], egress: [{to: [{ipBlock: "
	                                 "{cidr: 10.0.0.0/8, except: [10.244.0.0/16]}}, {ipBlock: "
	                                 "{cidr: 203.0.113.0/24}}]}]");
	scoped_strbuf struct strbuf whole = { 0 }, part = { 0 };
	struct run r;
	scoped_strbuf struct strbuf text = { 0 };
	struct matrix_view *v;

	strbuf_addf(&whole, "%s%s", SHOP API_POLICY DB_POLICY, out);
	strbuf_addf(&part, "%s%s", SHOP API_POLICY, out);
	run(&r, strbuf_str(&whole), "everything else: ignore");
	v = matrix_view_new(r.app.matrix, NULL, NULL);
	verify_expectations(&text, v);
	matrix_view_free(v);
	run_end(&r);
	run(&r, strbuf_str(&whole), strbuf_str(&text));
	assert_int_equal(r.result, 0);
	assert_true(r.verify.cases.n > 3);
	assert_int_equal(r.verify.n_failed, 0);
	run_end(&r);
	run(&r, strbuf_str(&part), strbuf_str(&text)); /* one policy less */
	assert_int_equal(r.result, 0);
	assert_true(r.verify.n_failed > 0);
	run_end(&r);
}

static void expect_wrong(const char *expectations, const char *wanted)
{
	struct run r;

	run(&r, SHOP, expectations);
	if (r.result == 0) {
		fail_msg("accepted:\n%s", expectations);
	}
	if (!strstr(r.err.msg, wanted)) {
		fail_msg("wanted '%s', found '%s'", wanted, r.err.msg);
	}
	run_end(&r);
}

static void a_wrong_file_is_told_with_its_place(void **state)
{
	(void)state;
	expect_wrong("flows:\n- {from: shop/web, to: shop/apo, expect: deny}",
	             "e.yaml:2:20: to: there is no workload or "
	             "Service 'shop/apo'; did you mean");
	expect_wrong("flows:\n- {from: shop/web, to: shop/api, expect: maybe}",
	             "expect must be allow, deny or only");
	expect_wrong("flows:\n- {from: shop/web, to: shop/api}", "'expect' is missing");
	expect_wrong("flows:\n- {from: shop/web, expect: deny}", "'to' is missing");
	expect_wrong("flows:\n- {from: shop/web, to: shop/api, prot: 80, expect: deny}",
	             "e.yaml:2:34: 'prot' is not known");
	expect_wrong("flows:\n- {from: shop/web, to: shop/api, port: 99999, expect: deny}",
	             "1 to 65535");
	expect_wrong("flows:\n- {from: shop/web, to: shop/api, port: ftp, expect: deny}",
	             "neither a port");
	expect_wrong("flows:\n- {from: shop/web, to: shop/backend, port: 5000, expect: allow}",
	             "it has TCP 80");
	expect_wrong("flows:\n- {from: shop/web, to: shop/api, expect: only}",
	             "'only' needs a port");
	expect_wrong("flows: {a: b}", "flows must be a list");
	expect_wrong("flows: [text]", "a flow is a mapping");
	expect_wrong("[]", "expectations are a mapping");
	expect_wrong("{}", "nothing is expected");
	expect_wrong("everything else: perhaps", "deny or ignore");
	expect_wrong("flows: [{from: [[a]], to: shop/api, expect: deny}]", "holds no lists");
	expect_wrong("flows: [{from: {lables: {a: b}}, to: shop/api, expect: deny}]",
	             "'lables' is no part of a place");
	expect_wrong("flows: [{from: {labels: {a: b}}, to: shop/api, expect: deny}]",
	             "no workload has these labels");
	expect_wrong("flows: [{from: 'internet but x', to: shop/api, expect: deny}]", "no address");
}

static void reports_are_well_formed(void **state)
{
	(void)state;
	struct run r;
	scoped_strbuf struct strbuf tap = { 0 }, junit = { 0 }, text = { 0 };

	run(&r, SHOP API_POLICY,
	    "flows:\n- {from: shop/web, to: shop/api, port: 5000, expect: allow, name: 'a <b> & "
	    "#c'}\n"
	    "- {from: shop/db, to: shop/api, port: 5000, expect: allow}\n");
	verify_tap(&tap, &r.verify);
	verify_junit(&junit, &r.verify);
	verify_text(&text, &r.verify);
	assert_non_null(strstr(strbuf_str(&tap), "1..2\nok 1 - a <b> &  c\nnot ok 2 - shop/db -> "
	                                         "shop/api 5000: allow\n# e.yaml:3:3\n"));
	assert_non_null(strstr(strbuf_str(&junit), "name=\"a &lt;b&gt; &amp; #c\""));
	assert_non_null(strstr(strbuf_str(&junit), "failures=\"1\""));
	assert_non_null(strstr(strbuf_str(&text), "1 of 2 as expected"));
	run_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allow_deny_and_only_mean_what_they_say),
		cmocka_unit_test(ports_have_numbers_names_ranges_and_services),
		cmocka_unit_test(places_have_many_names),
		cmocka_unit_test(everything_else_is_what_nothing_speaks_of),
		cmocka_unit_test(a_failure_names_the_policy_and_the_label_that_differs),
		cmocka_unit_test(what_a_matrix_says_of_itself_holds),
		cmocka_unit_test(a_wrong_file_is_told_with_its_place),
		cmocka_unit_test(reports_are_well_formed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
