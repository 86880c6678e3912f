#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "objects.h"

static int setup(void **state)
{
	*state = objects_new();
	return 0;
}

static int teardown(void **state)
{
	objects_free(*state);
	return 0;
}

static const char *backend_of(struct objects *o, const char *host, const char *path)
{
	const struct route_location *l = objects_location(o, host, path);

	return l && l->backend ? l->backend->key : "none";
}

static void rules_of_one_host_are_merged(void **state)
{
	struct objects *o = *state;

	objects_ingress(o, "a", 1, "", objects_rule("h.example", "/", "Prefix", "front"));
	objects_ingress(o, "b", 2, "", objects_rule("h.example", "/api", "Prefix", "back"));
	objects_route(o);
	assert_int_equal(o->routes.n_servers, 1);
	assert_string_equal(backend_of(o, "h.example", "/"), "shop/front:80");
	assert_string_equal(backend_of(o, "h.example", "/api"), "shop/back:80");
	assert_int_equal(o->routes.n_problems, 0);
}

static void the_oldest_rule_wins_and_the_other_is_told(void **state)
{
	struct objects *o = *state;

	objects_ingress(o, "new", 5, "", objects_rule("h.example", "/x", "Prefix", "second"));
	objects_ingress(o, "old", 1, "", objects_rule("h.example", "/x/", "Prefix", "first"));
	objects_route(o);
	assert_string_equal(backend_of(o, "h.example", "/x"), "shop/first:80");
	assert_true(objects_has_problem(o, "PathIgnored", "older ingress shop/old"));
}

static void exact_and_prefix_of_one_path_live_together(void **state)
{
	struct objects *o = *state;

	objects_ingress(o, "a", 1, "", objects_rule("h.example", "/x", "Prefix", "one"));
	objects_ingress(o, "b", 2, "", objects_rule("h.example", "/x", "Exact", "two"));
	objects_route(o);
	assert_int_equal(objects_server(o, "h.example")->n_locations, 2);
	assert_int_equal(o->routes.n_problems, 0);
}

static void a_raw_path_that_would_be_the_same_location_is_a_conflict(void **state)
{
	struct objects *o = *state;

	objects_ingress(o, "a", 1, "", objects_rule("h.example", "/x", "Prefix", "one"));
	objects_ingress(o, "b", 2, "",
	                objects_rule("h.example", "/x/", "ImplementationSpecific", "two"));
	objects_ingress(o, "c", 3, "",
	                objects_rule("h.example", "/", "ImplementationSpecific", "three"));
	objects_ingress(o, "d", 4, "", objects_rule("h.example", "/", "Prefix", "four"));
	objects_route(o);
	assert_int_equal(objects_server(o, "h.example")->n_locations, 2);
	assert_string_equal(backend_of(o, "h.example", "/"), "shop/three:80");
	assert_int_equal(o->routes.n_problems, 2);
}

static void class_is_by_field_annotation_or_default(void **state)
{
	struct objects *o = *state;

	objects_add(o, "kind: IngressClass\nmetadata: {name: other}\nspec: {controller: "
	               "example.com/other}\n");
	objects_add(o, "kind: Ingress\nmetadata: {namespace: s, name: field}\nspec: "
	               "{ingressClassName: nginx}\n");
	objects_add(o, "kind: Ingress\nmetadata: {namespace: s, name: foreign}\nspec: "
	               "{ingressClassName: other}\n");
	objects_add(o, "kind: Ingress\nmetadata: {namespace: s, name: missing}\nspec: "
	               "{ingressClassName: gone}\n");
	objects_add(o, "kind: Ingress\nmetadata: {namespace: s, name: old, "
	               "annotations: {kubernetes.io/ingress.class: nginx}}\nspec: {}\n");
	objects_add(o, "kind: Ingress\nmetadata: {namespace: s, name: none}\nspec: {}\n");
	objects_route(o);
	assert_int_equal(o->routes.n_ingresses, 2);
	objects_add(o, "kind: IngressClass\nmetadata: {name: std, annotations: "
	               "{ingressclass.kubernetes.io/is-default-class: \"true\"}}\n"
	               "spec: {controller: k8s.io/ingress-nginx}\n");
	objects_route(o);
	assert_int_equal(o->routes.n_ingresses, 3);
}

static void a_certificate_that_lists_and_covers_the_host_is_used(void **state)
{
	struct objects *o = *state;
	char spec[1024];

	snprintf(spec, sizeof(spec), "  tls:\n  - hosts: [H.example]\n    secretName: cert\n%s",
	         objects_rule("h.example", "/", "Prefix", "web"));
	objects_secret(o, "cert", "h.example");
	objects_ingress(o, "a", 1, "", spec);
	objects_route(o);
	assert_true(objects_server(o, "h.example")->has_tls);
	assert_non_null(objects_server(o, "h.example")->cert);
	assert_int_equal(o->routes.n_certs, 1);
}

static void a_broken_certificate_costs_only_itself(void **state)
{
	struct objects *o = *state;
	char spec[1024];

	snprintf(spec, sizeof(spec), "  tls:\n  - hosts: [h.example]\n    secretName: wrong\n%s",
	         objects_rule("h.example", "/", "Prefix", "web"));
	objects_secret(o, "wrong", "somebody.else");
	objects_ingress(o, "a", 1, "", spec);
	snprintf(spec, sizeof(spec), "  tls:\n  - hosts: [i.example]\n    secretName: missing\n%s",
	         objects_rule("i.example", "/", "Prefix", "web"));
	objects_ingress(o, "b", 2, "", spec);
	objects_route(o);
	assert_null(objects_server(o, "h.example")->cert);
	assert_true(objects_server(o, "h.example")->has_tls);
	assert_true(objects_has_problem(o, "CertificateProblem", "does not name host h.example"));
	assert_true(
		objects_has_problem(o, "CertificateProblem", "secret missing: it does not exist"));
	assert_string_equal(backend_of(o, "h.example", "/"), "shop/web:80");
}

static void a_wildcard_certificate_covers_one_label(void **state)
{
	struct objects *o = *state;
	char spec[1024];

	snprintf(spec, sizeof(spec), "  tls:\n  - secretName: star\n%s",
	         objects_rule("a.wild.example", "/", "Prefix", "web"));
	objects_secret(o, "star", "*.wild.example");
	objects_ingress(o, "a", 1, "", spec);
	snprintf(spec, sizeof(spec),
	         "  tls:\n  - hosts: ['*.wild.example']\n    secretName: star\n%s",
	         objects_rule("*.wild.example", "/", "Prefix", "web"));
	objects_ingress(o, "b", 2, "", spec);
	objects_route(o);
	assert_non_null(objects_server(o, "a.wild.example")->cert);
	assert_non_null(objects_server(o, "*.wild.example")->cert);
	assert_int_equal(o->routes.n_problems, 0);
}

static void default_backends_take_the_rest(void **state)
{
	struct objects *o = *state;
	char spec[1024];

	objects_ingress(o, "all", 1, "",
	                "  defaultBackend: {service: {name: rest, port: {name: http}}}\n");
	snprintf(spec, sizeof(spec),
	         "  defaultBackend: {service: {name: own, port: {number: 1}}}\n%s",
	         objects_rule("h.example", "/x", "Prefix", "web"));
	objects_ingress(o, "host", 2, "", spec);
	objects_route(o);
	assert_string_equal(backend_of(o, "", "/"), "shop/rest:http");
	assert_string_equal(backend_of(o, "h.example", "/"), "shop/own:1");
}

static void one_rewrite_makes_the_host_regular_expressions(void **state)
{
	struct objects *o = *state;
	const struct route_server *s;

	objects_ingress(o, "a", 1, "", objects_rule("h.example", "/foo", "Prefix", "web"));
	objects_ingress(
		o, "b", 2, "rewrite-target: /$2",
		objects_rule("h.example", "/long(/|$)(.*)", "ImplementationSpecific", "web"));
	objects_ingress(o, "c", 3, "", objects_rule("i.example", "/foo", "Prefix", "web"));
	objects_route(o);
	s = objects_server(o, "h.example");
	assert_true(s->is_regex);
	assert_true(
		slice_is(s->locations[0].path, "/long(/|$)(.*)")); /* the longest is tried first */
	assert_false(objects_server(o, "i.example")->is_regex);
}

static void wrong_annotations_close_their_own_routes(void **state)
{
	struct objects *o = *state;

	objects_ingress(o, "a", 1, "proxy-body-size: 8mb",
	                objects_rule("h.example", "/a", "Prefix", "web"));
	objects_ingress(o, "b", 2, "", objects_rule("h.example", "/b", "Prefix", "web"));
	objects_ingress(o, "c", 3, "auth-tls-secret: shop/ca",
	                objects_rule("h.example", "/c", "Prefix", "web"));
	objects_route(o);
	assert_non_null(objects_location(o, "h.example", "/a")->denied);
	assert_null(objects_location(o, "h.example", "/b")->denied);
	assert_non_null(objects_location(o, "h.example", "/c")->denied);
}

static void paths_that_cannot_be_written_are_left_out(void **state)
{
	struct objects *o = *state;

	objects_ingress(o, "a", 1, "", objects_rule("h.example", "/x{", "Prefix", "web"));
	objects_ingress(o, "b", 2, "", objects_rule("h.example", "/ok", "Prefix", "web"));
	objects_route(o);
	assert_int_equal(objects_server(o, "h.example")->n_locations, 1);
	assert_true(objects_has_problem(o, "InvalidPath", "/x{"));
}

static void a_canary_hangs_on_to_its_main_path(void **state)
{
	struct objects *o = *state;
	const struct route_location *l;

	objects_ingress(o, "canary", 1, "canary: \"true\"\ncanary-weight: \"20\"",
	                objects_rule("h.example", "/", "Prefix", "new"));
	objects_ingress(o, "main", 2, "", objects_rule("h.example", "/", "Prefix", "old"));
	objects_ingress(o, "lost", 3, "canary: \"true\"",
	                objects_rule("i.example", "/", "Prefix", "new"));
	objects_route(o);
	l = objects_location(o, "h.example", "/");
	assert_string_equal(l->backend->key, "shop/old:80");
	assert_string_equal(l->canary->key, "shop/new:80");
	assert_int_equal(l->canary_settings->canary.weight, 20);
	assert_null(objects_server(o, "i.example"));
	assert_true(objects_has_problem(o, "CanaryIgnored", "no other Ingress has the path"));
}

static void an_auth_secret_that_is_missing_keeps_the_route_shut(void **state)
{
	struct objects *o = *state;

	objects_ingress(o, "a", 1, "auth-type: basic\nauth-secret: users",
	                objects_rule("h.example", "/", "Prefix", "web"));
	objects_route(o);
	assert_non_null(objects_location(o, "h.example", "/")->denied);
	objects_add(
		o,
		"kind: Secret\nmetadata: {namespace: shop, name: users}\ndata: {auth: dTpwCg==}\n");
	objects_route(o);
	assert_null(objects_location(o, "h.example", "/")->denied);
	assert_int_equal(o->routes.n_auths, 1);
	assert_true(slice_is(o->routes.auths[0].text, "u:p\n"));
}

static void secrets_of_other_namespaces_are_refused(void **state)
{
	struct objects *o = *state;

	objects_add(o, "kind: Secret\nmetadata: {namespace: other, name: users}\ndata: {auth: "
	               "dTpwCg==}\n");
	objects_ingress(o, "a", 1, "auth-type: basic\nauth-secret: other/users",
	                objects_rule("h.example", "/", "Prefix", "web"));
	objects_route(o);
	assert_non_null(objects_location(o, "h.example", "/")->denied);
}

static bool refuse_a(void *arg, struct slice ns, struct slice name, const char **ret_why)
{
	(void)arg;
	(void)ns;
	*ret_why = "no";
	return slice_is(name, "a");
}

static void what_the_engine_refused_is_denied(void **state)
{
	struct objects *o = *state;

	o->in.refused = refuse_a;
	objects_ingress(o, "a", 1, "", objects_rule("h.example", "/a", "Prefix", "web"));
	objects_ingress(o, "b", 2, "", objects_rule("h.example", "/b", "Prefix", "web"));
	objects_route(o);
	assert_string_equal(objects_location(o, "h.example", "/a")->denied, "no");
	assert_null(objects_location(o, "h.example", "/b")->denied);
	assert_true(objects_has_problem(o, "Rejected", "nginx refuses"));
}

static void aliases_and_www_do_not_take_names_that_have_rules(void **state)
{
	struct objects *o = *state;
	const struct route_server *s;

	objects_ingress(o, "a", 1,
	                "server-alias: b.example, c.example\nfrom-to-www-redirect: \"true\"",
	                objects_rule("a.example", "/", "Prefix", "web"));
	objects_ingress(o, "b", 2, "", objects_rule("b.example", "/", "Prefix", "web"));
	objects_route(o);
	s = objects_server(o, "a.example");
	assert_int_equal(s->n_aliases, 1);
	assert_true(slice_is(s->aliases[0], "c.example"));
	assert_true(slice_is(s->redirect_from, "www.a.example"));
	objects_ingress(o, "w", 3, "", objects_rule("www.a.example", "/", "Prefix", "web"));
	objects_route(o);
	assert_int_equal(objects_server(o, "a.example")->redirect_from.len, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(rules_of_one_host_are_merged),
		T(the_oldest_rule_wins_and_the_other_is_told),
		T(exact_and_prefix_of_one_path_live_together),
		T(a_raw_path_that_would_be_the_same_location_is_a_conflict),
		T(class_is_by_field_annotation_or_default),
		T(a_certificate_that_lists_and_covers_the_host_is_used),
		T(a_broken_certificate_costs_only_itself),
		T(a_wildcard_certificate_covers_one_label),
		T(default_backends_take_the_rest),
		T(one_rewrite_makes_the_host_regular_expressions),
		T(wrong_annotations_close_their_own_routes),
		T(paths_that_cannot_be_written_are_left_out),
		T(a_canary_hangs_on_to_its_main_path),
		T(an_auth_secret_that_is_missing_keeps_the_route_shut),
		T(secrets_of_other_namespaces_are_refused),
		T(what_the_engine_refused_is_denied),
		T(aliases_and_www_do_not_take_names_that_have_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
