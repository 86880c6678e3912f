#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "codec/yaml.h"
#include "model/ingress.h"

struct world {
	struct arena arena;
	struct ingress_reading in[8];
	size_t n;
	struct strbuf problems, trace;
	struct ingress_table table;
};

static int keep(void *arg, struct val *root, struct err *err)
{
	struct world *w = arg;

	(void)err;
	assert_true(w->n < ARRAY_SIZE(w->in));
	w->in[w->n++] = ingress_reading_of(val_copy(&w->arena, root));
	return 0;
}

static void problem(void *arg, const struct ingress_reading *of, const struct val *at,
                    const char *reason, const char *text)
{
	struct world *w = arg;

	assert_non_null(at);
	strbuf_addf(&w->problems, SLICE_FMT " %s: %s\n", SLICE_ARG(of->name), reason, text);
}

static void make(struct world *w, const char *yaml)
{
	scoped_arena struct arena a = { 0 };
	struct err err = { 0 };

	if (yaml_parse_all(&a, slice_of(yaml), keep, w, &err) != 0) {
		fail_msg("%s", err.msg);
	}
	w->table = ingress_table_make(&w->arena, w->in, w->n, problem, w);
}

static void fini(struct world *w)
{
	strbuf_fini(&w->problems);
	strbuf_fini(&w->trace);
	arena_fini(&w->arena);
}

static void line(void *arg, const struct val *object, const char *text)
{
	struct world *w = arg;

	assert_non_null(object);
	strbuf_addf(&w->trace, "%s\n", text);
}

/* Service that answers, "404" or "none"; the narration stays in w->trace. */
static const char *ask(struct world *w, const char *host, const char *path)
{
	const struct trace t = { line, w };
	struct ingress_choice c;

	strbuf_reset(&w->trace);
	c = ingress_choose(&w->table, slice_of(host), slice_of(path), &t);
	if (!c.host) {
		return "none";
	}
	return c.redirects ? "redirect"
	       : c.path    ? val_cstr(val_path(c.path->backend, "service.name"))
	                   : "404";
}

static void assert_told(struct world *w, const char *part)
{
	if (!strstr(strbuf_str(&w->trace), part)) {
		fail_msg("not told: %s\nin:\n%s", part, strbuf_str(&w->trace));
	}
}

#define PATH(path, type, service)                                                                  \
	"{path: " path ", pathType: " type ", backend: {service: {name: " service                  \
	", port: {number: 80}}}}"
#define INGRESS(name, annotations, host, paths)                                                    \
	"kind: Ingress\nmetadata: {namespace: shop, name: " name ", annotations: {" annotations    \
	"}}\nspec: {rules: [{host: \"" host "\", http: {paths: [" paths "]}}]}\n---\n"

static void the_closest_path_answers(void **state)
{
	(void)state;
	struct world w = { 0 };

	make(&w, INGRESS("a", "", "h.example",
	                 PATH("/", "Prefix", "root") "," PATH("/api", "Prefix", "api") "," PATH(
				 "/api/pets", "Exact",
				 "pets") "," PATH("/raw", "ImplementationSpecific", "raw")));
	assert_string_equal(ask(&w, "h.example", "/"), "root");
	assert_string_equal(ask(&w, "h.example", "/apix"), "root");
	assert_told(&w, "Prefix /api of ingress shop/a does not answer /apix: pathType Prefix "
	                "compares whole elements");
	assert_string_equal(ask(&w, "h.example", "/api"), "api");
	assert_string_equal(ask(&w, "h.example", "/api/"), "api");
	assert_string_equal(ask(&w, "h.example", "/api/pets"), "pets");
	assert_told(&w, "Prefix /api of ingress shop/a would answer, a closer path takes it");
	assert_string_equal(ask(&w, "h.example", "/api/pets/7"), "api");
	assert_told(&w, "pathType Exact takes nothing below it");
	assert_string_equal(ask(&w, "h.example", "/rawhide"), "raw");
	assert_string_equal(ask(&w, "h.example", "/API"), "root");
	assert_told(&w, "upper and lower case differ");
	fini(&w);
}

static void a_host_without_the_path_answers_404(void **state)
{
	(void)state;
	struct world w = { 0 };

	make(&w, INGRESS("a", "", "h.example", PATH("/api/v1", "Prefix", "api")));
	assert_string_equal(ask(&w, "h.example", "/api"), "404");
	assert_told(&w, "it is longer than the request's path");
	fini(&w);
}

static void a_star_is_one_label_and_the_exact_host_is_preferred(void **state)
{
	(void)state;
	struct world w = { 0 };

	make(&w, INGRESS("a", "", "*.example.com", PATH("/", "Prefix", "star"))
	                 INGRESS("b", "", "app.example.com", PATH("/", "Prefix", "app")));
	assert_string_equal(ask(&w, "app.example.com", "/"), "app");
	assert_string_equal(ask(&w, "x.example.com", "/"), "star");
	assert_string_equal(ask(&w, "a.b.example.com", "/"), "none");
	assert_told(&w, "the star stands for one label, not for several");
	assert_string_equal(ask(&w, "example.com", "/"), "none");
	assert_told(&w, "the star stands for one label, not for none");
	assert_string_equal(ask(&w, "ap.example.com.evil", "/"), "none");
	fini(&w);
}

static void a_host_that_nearly_matches_is_named(void **state)
{
	(void)state;
	struct world w = { 0 };

	make(&w, INGRESS("a", "", "app.happytails.com", PATH("/", "Prefix", "web")));
	assert_string_equal(ask(&w, "app.happy-tails.com", "/"), "none");
	assert_told(&w, "host app.happytails.com of ingress shop/a is not app.happy-tails.com");
	fini(&w);
}

static void what_no_host_takes_goes_to_the_rule_without_one(void **state)
{
	(void)state;
	struct world w = { 0 };

	make(&w, INGRESS("a", "", "", PATH("/", "Prefix", "rest"))
	                 INGRESS("b", "", "h.example", PATH("/x", "Prefix", "x")));
	assert_string_equal(ask(&w, "other.example", "/"), "rest");
	assert_string_equal(ask(&w, "h.example", "/y"), "404");
	fini(&w);
}

static void expressions_are_tried_longest_first_and_ignore_case(void **state)
{
	(void)state;
	struct world w = { 0 };

	make(&w, INGRESS("a", "nginx.ingress.kubernetes.io/rewrite-target: /$2", "h.example",
	                 PATH("/api(/|$)(.*)", "ImplementationSpecific",
	                      "api") "," PATH("/", "Prefix", "root")));
	assert_string_equal(ask(&w, "h.example", "/API/pets"), "api");
	assert_string_equal(ask(&w, "h.example", "/apix"), "root");
	assert_told(&w, "the expression does not match");
	fini(&w);
}

static void an_expression_that_is_not_understood_is_said_so(void **state)
{
	(void)state;
	struct world w = { 0 };
	struct ingress_choice c;

	make(&w, INGRESS("a", "nginx.ingress.kubernetes.io/use-regex: 'true'", "h.example",
	                 PATH("/(?!api).*", "ImplementationSpecific", "odd")));
	c = ingress_choose(&w.table, SLICE("h.example"), SLICE("/x"), NULL);
	assert_null(c.path);
	assert_true(c.unsure);
	fini(&w);
}

static void aliases_and_the_www_twin_are_hosts_too(void **state)
{
	(void)state;
	struct world w = { 0 };

	make(&w, INGRESS("a",
	                 "nginx.ingress.kubernetes.io/server-alias: 'b.example, *.c.example',"
	                 "nginx.ingress.kubernetes.io/from-to-www-redirect: 'true'",
	                 "a.example", PATH("/", "Prefix", "web")));
	assert_string_equal(ask(&w, "b.example", "/"), "web");
	assert_string_equal(ask(&w, "x.c.example", "/"), "web");
	assert_string_equal(ask(&w, "www.a.example", "/"), "redirect");
	fini(&w);
}

static void the_earlier_ingress_keeps_the_path(void **state)
{
	(void)state;
	struct world w = { 0 };

	make(&w, INGRESS("a", "", "h.example", PATH("/x", "Prefix", "first"))
	                 INGRESS("b", "", "h.example", PATH("/x/", "Prefix", "second")));
	assert_string_equal(ask(&w, "h.example", "/x"), "first");
	assert_non_null(strstr(strbuf_str(&w.problems),
	                       "b PathIgnored: path /x of host \"h.example\" belongs"));
	fini(&w);
}

static struct val *parse(struct arena *a, const char *yaml)
{
	struct val *v = NULL;
	struct err err;

	if (yaml_parse(a, slice_of(yaml), &v, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	return v;
}

static void the_class_is_claimed_or_why_not(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	const struct val *classes[] = {
		parse(&a, "{metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}"),
		parse(&a, "{metadata: {name: alb}, spec: {controller: ingress.k8s.aws/alb}}"),
	};
	const struct ingress_classes c = {
		.at = classes, .n = 2, .controller = "k8s.io/ingress-nginx", .class_name = "nginx"
	};

	assert_int_equal(ingress_claim_of(&c, parse(&a, "{spec: {ingressClassName: nginx}}")),
	                 INGRESS_OURS);
	assert_int_equal(ingress_claim_of(&c, parse(&a, "{spec: {ingressClassName: alb}}")),
	                 INGRESS_CLASS_FOREIGN);
	assert_int_equal(ingress_claim_of(&c, parse(&a, "{spec: {ingressClassName: ngnix}}")),
	                 INGRESS_CLASS_MISSING);
	assert_int_equal(ingress_claim_of(&c, parse(&a, "{spec: {}}")), INGRESS_UNCLAIMED);
	assert_int_equal(
		ingress_claim_of(&c, parse(&a, "{metadata: {annotations: "
	                                       "{kubernetes.io/ingress.class: traefik}}}")),
		INGRESS_WORD_FOREIGN);
}

static void the_tls_entry_that_lists_the_host_is_taken(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	const struct val *i = parse(&a, "{spec: {tls: [{hosts: [b.example], secretName: b}, "
	                                "{hosts: [A.example], secretName: a}]}}");

	assert_true(slice_is(
		val_get_str(ingress_tls_for(i, SLICE("a.example"), NULL, NULL), "secretName"),
		"a"));
	assert_null(ingress_tls_for(i, SLICE("c.example"), NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_closest_path_answers),
		cmocka_unit_test(a_host_without_the_path_answers_404),
		cmocka_unit_test(a_star_is_one_label_and_the_exact_host_is_preferred),
		cmocka_unit_test(a_host_that_nearly_matches_is_named),
		cmocka_unit_test(what_no_host_takes_goes_to_the_rule_without_one),
		cmocka_unit_test(expressions_are_tried_longest_first_and_ignore_case),
		cmocka_unit_test(an_expression_that_is_not_understood_is_said_so),
		cmocka_unit_test(aliases_and_the_www_twin_are_hosts_too),
		cmocka_unit_test(the_earlier_ingress_keeps_the_path),
		cmocka_unit_test(the_class_is_claimed_or_why_not),
		cmocka_unit_test(the_tls_entry_that_lists_the_host_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
