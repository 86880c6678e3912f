#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/yaml.h"
#include "objects.h"

static char warned[2048];

static void on_warning(void *arg, const char *text)
{
	(void)arg;
	snprintf(warned + strlen(warned), sizeof(warned) - strlen(warned), "%s\n", text);
}

static struct nginx_settings global_of(struct arena *a, const char *data)
{
	struct val *v;

	warned[0] = '\0';
	assert_int_equal(yaml_parse(a, slice_of(data), &v, NULL), 0);
	return nginx_settings_read(a, v, on_warning, NULL);
}

static struct ingress_settings ingress_of(struct arena *a, const char *key, const char *value)
{
	struct nginx_settings g = nginx_settings_read(a, NULL, on_warning, NULL);
	struct val *v = val_new_object(a), *meta = val_need_object(a, v, "metadata");
	char name[128];

	warned[0] = '\0';
	snprintf(name, sizeof(name), INGRESS_PREFIX "%s", key);
	val_set_cstr(a, meta, "namespace", "shop");
	val_set_cstr(a, val_need_object(a, meta, "annotations"), name, value);
	return ingress_settings_read(a, v, &g, on_warning, NULL);
}

static void a_configmap_changes_what_it_names(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct nginx_settings g =
		global_of(&a, "data: {use-proxy-protocol: \"true\", proxy-body-size: 8m, "
	                      "keep-alive: \"10\", proxy-real-ip-cidr: \"10.0.0.0/16,192.0.2.1\"}");

	assert_true(g.use_proxy_protocol);
	assert_true(slice_is(g.proxy_body_size, "8m"));
	assert_int_equal(g.keep_alive_s, 10);
	assert_int_equal(g.real_ip_from.n, 2);
	assert_int_equal(g.real_ip_from.at[1].len, 32);
	assert_int_equal(g.redirect_code, 308);
	assert_string_equal(warned, "");
}

static void wrong_keys_and_values_leave_the_default(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct nginx_settings g =
		global_of(&a, "data: {keep-alive: lots, ssl-protocols: \"TLSv1.2; user root\", "
	                      "nonsense: x, allow-snippet-annotations: \"true\"}");

	assert_int_equal(g.keep_alive_s, 75);
	assert_true(slice_is(g.ssl_protocols, "TLSv1.2 TLSv1.3"));
	assert_non_null(strstr(warned, "keep-alive: a number from 0 to 86400 is wanted"));
	assert_non_null(strstr(warned, "nonsense: this controller does not know the key"));
	assert_non_null(strstr(warned, "snippets are never allowed"));
}

static void every_annotation_is_read_into_its_place(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };

	assert_true(slice_is(ingress_of(&a, "rewrite-target", "/$1").rewrite_target, "/$1"));
	assert_true(ingress_of(&a, "use-regex", "true").use_regex);
	assert_false(ingress_of(&a, "ssl-redirect", "false").ssl_redirect);
	assert_int_equal(ingress_of(&a, "proxy-read-timeout", "120s").read_s, 120);
	assert_int_equal(ingress_of(&a, "backend-protocol", "grpc").protocol, BACKEND_GRPC);
	assert_int_equal(ingress_of(&a, "whitelist-source-range", "10.0.0.0/8, 1.2.3.4").allow.n,
	                 2);
	assert_true(ingress_of(&a, "enable-cors", "true").cors.enabled);
	assert_int_equal(ingress_of(&a, "limit-rps", "5").limit.rps, 5);
	assert_true(ingress_of(&a, "affinity", "cookie").cookie.enabled);
	assert_true(ingress_of(&a, "proxy-request-buffering", "off").no_request_buffering);
	assert_int_equal(ingress_of(&a, "permanent-redirect", "https://x.y").redirect_code, 301);
	assert_int_equal(ingress_of(&a, "temporal-redirect", "https://x.y").redirect_code, 302);
	assert_true(slice_is(ingress_of(&a, "upstream-vhost", "a.b:80").upstream_vhost, "a.b:80"));
	assert_string_equal(warned, "");
}

static void wrong_values_deny(void **state)
{
	(void)state;
	static const char *const wrong[][2] = {
		{ "rewrite-target", "/x;return 200 y" },
		{ "proxy-body-size", "8mb" },
		{ "backend-protocol", "SMTP" },
		{ "permanent-redirect", "https://a\";}" },
		{ "upstream-vhost", "$host" },
		{ "whitelist-source-range", "10.0.0.0/8,x" },
		{ "auth-realm", "a\"b" },
		{ "auth-type", "digest" },
		{ "app-root", "x" },
		{ "use-regex", "yes" },
		{ "session-cookie-name", "a b" },
		{ "cors-allow-origin", "https://x.y)" },
		{ "server-alias", "a;b" },
		{ "limit-rps", "-1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		scoped_arena struct arena a = { 0 };

		if (!ingress_of(&a, wrong[i][0], wrong[i][1]).denied) {
			fail_msg("%s: %s was taken", wrong[i][0], wrong[i][1]);
		}
	}
}

static void snippets_and_unknown_guards_are_never_ignored(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };

	assert_non_null(ingress_of(&a, "configuration-snippet", "return 200;").denied);
	assert_non_null(ingress_of(&a, "server-snippet", "").denied);
	assert_non_null(ingress_of(&a, "auth-url", "/auth").denied);
	assert_non_null(ingress_of(&a, "auth-url", "https://x.y$uri").denied);
	assert_null(ingress_of(&a, "auth-url", "https://x.y/auth").denied);
	assert_non_null(ingress_of(&a, "auth-tls-verify-client", "on").denied);
	assert_non_null(ingress_of(&a, "auth-tls-secret", "a/b").denied);
}

static void harmless_unknown_annotations_are_told(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };

	assert_null(ingress_of(&a, "mirror-target", "https://x.y").denied);
	assert_non_null(strstr(warned, "mirror-target is not supported and has no effect"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configmap_changes_what_it_names),
		cmocka_unit_test(wrong_keys_and_values_leave_the_default),
		cmocka_unit_test(every_annotation_is_read_into_its_place),
		cmocka_unit_test(wrong_values_deny),
		cmocka_unit_test(snippets_and_unknown_guards_are_never_ignored),
		cmocka_unit_test(harmless_unknown_annotations_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
