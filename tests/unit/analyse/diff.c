/* Why: what a change opens, closes and alters, and that the object that did it is named and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/diff.h"
#include "application.h"

struct run {
	struct ports_pool *pool;
	struct application old, new;
	struct diff diff;
	struct strbuf text;
};

static void run(struct run *r, const char *before, const char *after)
{
	*r = (struct run){ .pool = ports_pool_new() };
	application_begin(&r->old, r->pool, "old.yaml", before);
	application_begin(&r->new, r->pool, "new.yaml", after);
	diff_run(&r->diff, &(struct diff_side){ r->old.subject, r->old.matrix },
	         &(struct diff_side){ r->new.subject, r->new.matrix });
	diff_text(&r->text, &r->diff);
}

static void run_end(struct run *r)
{
	strbuf_fini(&r->text);
	diff_fini(&r->diff);
	application_end(&r->old);
	application_end(&r->new);
	ports_pool_free(r->pool);
}

static void says(const struct run *r, const char *wanted)
{
	if (!strstr(strbuf_str(&r->text), wanted)) {
		fail_msg("wanted '%s' in:\n%s", wanted, strbuf_str(&r->text));
	}
}

static void does_not_say(const struct run *r, const char *unwanted)
{
	if (strstr(strbuf_str(&r->text), unwanted)) {
		fail_msg("did not want '%s' in:\n%s", unwanted, strbuf_str(&r->text));
	}
}

static void the_same_is_no_change(void **state)
{
	(void)state;
	struct run r;

	run(&r, SHOP API_POLICY DB_POLICY, SHOP DB_POLICY API_POLICY);
	assert_int_equal(r.diff.changes.n, 0);
	assert_false(r.diff.opens || r.diff.closes);
	says(&r, "No flow is opened, closed or altered");
	run_end(&r);
}

static void a_new_policy_closes_and_is_named(void **state)
{
	(void)state;
	struct run r;

	run(&r, SHOP API_POLICY, SHOP API_POLICY DB_POLICY);
	assert_true(r.diff.closes);
	assert_false(r.diff.opens);
	says(&r, "NetworkPolicy shop/db is added (new.yaml:");
	says(&r, "altered  shop/api -> shop/db: all => TCP 3306");
	does_not_say(&r, "shop/api changed");
	run_end(&r);
	run(&r, SHOP API_POLICY DB_POLICY, SHOP API_POLICY);
	assert_true(r.diff.opens);
	assert_false(r.diff.closes);
	says(&r, "NetworkPolicy shop/db is removed (old.yaml:");
	run_end(&r);
}

static void a_changed_port_alters(void **state)
{
	(void)state;
	struct run r;

	run(&r, SHOP API_POLICY,
	    SHOP POLICY("shop", "api",
	                "podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: "
	                "{matchLabels: {app: web}}}], ports: [{port: 9090}]}]"));
	assert_true(r.diff.opens && r.diff.closes);
	says(&r, "NetworkPolicy shop/api changed");
	says(&r, "altered  shop/web -> shop/api: TCP 5000 => TCP 9090");
	assert_int_equal(r.diff.changes.n, 1);
	run_end(&r);
}

#define SHOP_WITH(labels)                                                                          \
	SPACE("shop", "team: a")                                                                   \
	APP("shop", "web", labels, "{name: http, containerPort: 8080}")                            \
	APP("shop", "api", "app: api", "{name: http, containerPort: 5000}")

static void labels_are_to_blame_only_when_selectors_speak_of_them(void **state)
{
	(void)state;
	struct run r;

	run(&r, SHOP_WITH("app: web") API_POLICY, SHOP_WITH("app: web, version: '2'") API_POLICY);
	assert_int_equal(r.diff.changes.n, 0);
	run_end(&r);
	run(&r, SHOP_WITH("app: web") API_POLICY, SHOP_WITH("app: wob") API_POLICY);
	says(&r, "Deployment shop/web has other labels (new.yaml:");
	says(&r, "closed   shop/web -> shop/api: TCP 5000");
	does_not_say(&r, "NetworkPolicy");
	run_end(&r);
}

static void a_namespace_that_loses_its_label_is_named(void **state)
{
	(void)state;
	static const char policy[] = POLICY("shop", "api",
	                                    "podSelector: {}, ingress: [{from: "
	                                    "[{namespaceSelector: {matchLabels: {team: b}}}]}]");
	static const char spy[] = APP("other", "spy", "app: spy", "");
	scoped_strbuf struct strbuf before = { 0 }, after = { 0 };
	struct run r;

	strbuf_addf(&before, "%s%s%s%s", SHOP_WITH("app: web"), policy, spy,
	            SPACE("other", "team: b"));
	strbuf_addf(&after, "%s%s%s%s", SHOP_WITH("app: web"), policy, spy,
	            SPACE("other", "team: c"));
	run(&r, strbuf_str(&before), strbuf_str(&after));
	says(&r, "Namespace other has other labels (new.yaml:");
	says(&r, "closed   other/spy -> shop/web, shop/api: all");
	assert_int_equal(r.diff.n[DIFF_OPENED], 0);
	run_end(&r);
}

static void a_named_port_that_moves_is_the_workloads_doing(void **state)
{
	(void)state;
	struct run r;

	run(&r, SHOP_WITH("app: web") API_POLICY,
	    SPACE("shop", "team: a") APP("shop", "web", "app: web",
	                                 "{name: http, containerPort: 8080}")
	            APP("shop", "api", "app: api", "{name: http, containerPort: 5001}") API_POLICY);
	says(&r, "Deployment shop/api has other container ports");
	says(&r, "altered  shop/web -> shop/api: TCP 5000 => TCP 5001");
	run_end(&r);
}

static void who_comes_opens(void **state)
{
	(void)state;
	struct run r;

	run(&r, SHOP API_POLICY, SHOP API_POLICY APP("shop", "spy", "app: spy", ""));
	says(&r, "Deployment shop/spy is added (new.yaml:");
	assert_true(r.diff.opens);
	assert_false(r.diff.closes);
	run_end(&r);
}

static void a_balancer_opens_to_the_internet(void **state)
{
	(void)state;
	struct run r;

	run(&r, SHOP,
	    SHOP SERVICE("shop", "public",
	                 "type: LoadBalancer, selector: {app: web}, ports: [{port: 80, "
	                 "targetPort: 8080}]"));
	says(&r, "Service shop/public is added (new.yaml:");
	says(&r, "opened   internet -> shop/web: TCP 8080");
	assert_int_equal(r.diff.changes.n, 1);
	run_end(&r);
}

static void markdown_cannot_be_broken_out_of(void **state)
{
	(void)state;
	struct run r;
	scoped_strbuf struct strbuf md = { 0 };

	run(&r, SHOP API_POLICY, SHOP API_POLICY APP("shop", "'a|b<img>'", "app: spy", ""));
	diff_markdown(&md, &r.diff);
	assert_non_null(strstr(strbuf_str(&md), "shop/a\\|b\\<img\\>"));
	run_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_is_no_change),
		cmocka_unit_test(a_new_policy_closes_and_is_named),
		cmocka_unit_test(a_changed_port_alters),
		cmocka_unit_test(labels_are_to_blame_only_when_selectors_speak_of_them),
		cmocka_unit_test(a_namespace_that_loses_its_label_is_named),
		cmocka_unit_test(a_named_port_that_moves_is_the_workloads_doing),
		cmocka_unit_test(who_comes_opens),
		cmocka_unit_test(a_balancer_opens_to_the_internet),
		cmocka_unit_test(markdown_cannot_be_broken_out_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
