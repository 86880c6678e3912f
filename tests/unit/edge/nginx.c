#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

static void has(const char *text, const char *part)
{
	if (!strstr(text, part)) {
		fail_msg("\"%s\" is not in\n%s", part, text);
	}
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part)) {
		fail_msg("\"%s\" is in\n%s", part, text);
	}
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, part)); p += strlen(part)) {
		n++;
	}
	return n;
}

/* Renders one Ingress of host h.example. */
static const char *one(struct objects *o, const char *annotations, const char *path,
                       const char *type)
{
	objects_ingress(o, "a", 1, annotations, objects_rule("h.example", path, type, "web"));
	return objects_render(o);
}

static void nothing_still_has_a_default_server(void **state)
{
	const char *text = objects_render(*state);

	has(text, "listen 80 default_server backlog=4096;");
	has(text, "listen 443 default_server backlog=4096 ssl http2;");
	has(text, "return 404 \"default backend - 404\"");
	has(text, "location = /healthz { access_log off; return 200; }");
	has(text, "return 200 \"7\"");
}

static void a_prefix_is_an_exact_and_a_prefix_location(void **state)
{
	const char *text = one(*state, "", "/foo", "Prefix");

	has(text, "server_name \"h.example\";");
	has(text, "location = \"/foo\" {");
	has(text, "location \"/foo/\" {");
	has_not(text, "location \"/foo\" {");
	has(text, "set $proxy_upstream_name \"shop/web:80\";");
}

static void the_root_prefix_is_one_location(void **state)
{
	const char *text = one(*state, "", "/", "Prefix");

	assert_int_equal(count(text, "location \"/\" {"), 1);
	assert_int_equal(count(text, "default backend - 404"), 1); /* of the default server */
}

static void exact_and_raw_paths_are_one_location_each(void **state)
{
	struct objects *o = *state;
	const char *text;

	objects_ingress(o, "b", 2, "",
	                objects_rule("h.example", "/raw", "ImplementationSpecific", "web"));
	text = one(o, "", "/foo", "Exact");
	has(text, "location = \"/foo\" {");
	has_not(text, "\"/foo/\"");
	has(text, "location \"/raw\" {");
}

static void an_exact_path_with_a_slash_does_not_speak_for_the_one_without(void **state)
{
	const char *text = one(*state, "", "/foo.x/", "Exact");

	has(text, "location ~ \"^/foo\\\\.x/$\" {");
	has_not(text, "location = \"/foo.x/\"");
}

static void an_exact_path_takes_its_half_of_the_prefix(void **state)
{
	struct objects *o = *state;
	const char *text;

	objects_ingress(o, "b", 2, "", objects_rule("h.example", "/foo", "Exact", "exact"));
	text = one(o, "", "/foo", "Prefix");
	assert_int_equal(count(text, "location = \"/foo\" {"), 1);
	assert_int_equal(count(text, "location \"/foo/\" {"), 1);
}

static void a_wildcard_host_takes_one_label(void **state)
{
	struct objects *o = *state;

	objects_ingress(o, "a", 1, "", objects_rule("*.w.example", "/", "Prefix", "web"));
	has(objects_render(o), "server_name \"~^[\\\\w-]+\\\\.w\\\\.example$\";");
}

static void a_rewrite_turns_to_regular_expressions(void **state)
{
	const char *text =
		one(*state, "rewrite-target: /$2", "/api(/|$)(.*)", "ImplementationSpecific");

	has(text, "location ~* \"^/api(/|$)(.*)\" {");
	has(text, "rewrite \"(?i)/api(/|$)(.*)\" \"/$2\" break;");
}

static void tls_hosts_are_redirected(void **state)
{
	struct objects *o = *state;
	char spec[1024];
	const char *text;

	snprintf(spec, sizeof(spec), "  tls:\n  - hosts: [h.example]\n    secretName: cert\n%s",
	         objects_rule("h.example", "/", "Prefix", "web"));
	objects_secret(o, "cert", "h.example");
	objects_ingress(o, "a", 1, "", spec);
	text = objects_render(o);
	has(text, "if ($to_https) { return 308 https://$host$request_uri; }");
	has(text, o->routes.certs[0].file);
	has(text, "add_header Strict-Transport-Security $hsts always;");
}

static void plain_hosts_are_redirected_only_when_forced(void **state)
{
	has_not(one(*state, "", "/", "Prefix"), "if ($to_https)");
	objects_free(*state);
	*state = objects_new();
	has(one(*state, "force-ssl-redirect: \"true\"", "/", "Prefix"), "if ($to_https)");
}

static void a_denied_route_answers_503_and_says_no_more(void **state)
{
	const char *text = one(*state, "permanent-redirect: 'https://a\"; evil'", "/x", "Exact");

	has(text,
	    "location = \"/x\" {\n\t\t\tset $namespace \"shop\";\n\t\t\tset $ingress_name \"a\";\n"
	    "\t\t\treturn 503;\n\t\t}");
	has_not(text, "evil");
}

static void annotations_become_directives(void **state)
{
	static const char *const examples[][2] = {
		{ "proxy-body-size: 8m", "client_max_body_size \"8m\";" },
		{ "proxy-read-timeout: \"300\"", "proxy_read_timeout 300s;" },
		{ "backend-protocol: HTTPS", "proxy_pass https://upstream_balancer;" },
		{ "backend-protocol: GRPC", "grpc_pass grpc://upstream_balancer;" },
		{ "whitelist-source-range: 10.0.0.0/8", "allow 10.0.0.0/8;\n\t\t\tdeny all;" },
		{ "denylist-source-range: 10.0.0.0/8", "deny 10.0.0.0/8;" },
		{ "permanent-redirect: https://x.y$request_uri",
		  "return 301 \"https://x.y$request_uri\";" },
		{ "app-root: /start",
		  "if ($uri = /) { return 302 \"$pass_access_scheme://$http_host/start\"; }" },
		{ "upstream-vhost: inner.example", "proxy_set_header Host \"inner.example\";" },
		{ "x-forwarded-prefix: /p", "proxy_set_header X-Forwarded-Prefix \"/p\";" },
		{ "limit-rps: \"5\"", "limit_req zone=shop/a/rps burst=25 nodelay;" },
		{ "limit-rps: \"5\"", "limit_req_zone $limit_0 zone=shop/a/rps:5m rate=5r/s;" },
		{ "limit-connections: \"3\"", "limit_conn shop/a/conn 3;" },
		{ "enable-cors: \"true\"",
		  "add_header Access-Control-Allow-Origin $cors_origin always;" },
		{ "affinity: cookie", "set $sticky_cookie \"INGRESSCOOKIE\";" },
		{ "proxy-next-upstream: error timeout http_502",
		  "proxy_next_upstream error timeout http_502;" },
		{ "auth-url: http://a.b:80/check", "auth_request /_auth/0;" },
		{ "auth-url: http://a.b:80/check", "set $auth_target \"http://a.b:80/check\";" },
		{ "auth-url: http://a.b:80/check", "proxy_set_header Host \"a.b:80\";" },
		{ "auth-url: https://a.b/x\nauth-response-headers: X-User",
		  "proxy_set_header \"X-User\" $auth_header_0;" },
		{ "auth-url: https://a.b/x\nauth-signin: https://a.b/in",
		  "return 302 "
		  "\"https://a.b/in?rd=$pass_access_scheme://$http_host$escaped_request_uri\";" },
		{ "proxy-request-buffering: \"off\"", "proxy_request_buffering off;" },
		{ "server-alias: x.example", "server_name \"h.example\" \"x.example\";" },
		{ "from-to-www-redirect: \"true\"", "server_name \"www.h.example\";" },
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		has(one(*state, examples[i][0], "/", "Prefix"), examples[i][1]);
		objects_free(*state);
		*state = objects_new();
	}
}

static void cors_origins_are_matched_whole(void **state)
{
	const char *text =
		one(*state, "enable-cors: \"true\"\ncors-allow-origin: https://a.b, https://*.c.d",
	            "/", "Prefix");

	has(text,
	    "if ($http_origin ~* \"^(https://a\\\\.b|https://[A-Za-z0-9.-]+\\\\.c\\\\.d)$\")");
}

static void the_configmap_shapes_the_frame(void **state)
{
	struct objects *o = *state;
	const char *text;

	o->global.use_proxy_protocol = true;
	o->global.use_http2 = false;
	o->global.bind_address = SLICE("127.0.0.1");
	text = objects_render(o);
	has(text, "listen 127.0.0.1:80 default_server backlog=4096 proxy_protocol;");
	has(text, "listen 127.0.0.1:443 default_server backlog=4096 proxy_protocol ssl;");
	has(text, "real_ip_header proxy_protocol;");
	has(text, "$pass_port { default $proxy_protocol_server_port; }");
}

static void the_same_objects_give_the_same_text(void **state)
{
	struct objects *o = *state;
	char *first;

	objects_ingress(o, "b", 2, "", objects_rule("i.example", "/y", "Prefix", "web"));
	first = strdup(one(o, "", "/x", "Prefix"));
	assert_string_equal(objects_render(o), first);
	free(first);
}

static void a_line_leads_to_its_ingress(void **state)
{
	struct objects *o = *state;
	struct slice ns, name, text, rest, row;
	size_t line = 0;

	objects_ingress(o, "b", 2, "", objects_rule("h.example", "/other", "Prefix", "web"));
	text = slice_of(one(o, "limit-rps: \"1\"", "/x", "Prefix"));
	rest = text;
	while (slice_next(&rest, '\n', &row)) {
		line++;
		if (slice_is(slice_trim(row), "location = \"/other\" {")) {
			break;
		}
	}
	assert_true(nginx_line_owner(text, line, &ns, &name));
	assert_true(slice_is(ns, "shop") && slice_is(name, "b"));
	assert_false(nginx_line_owner(text, 3, &ns, &name));
}

static void messages_of_nginx_are_understood(void **state)
{
	(void)state;
	struct slice text = nginx_message(SLICE("2026/01/01 00:00:00 [warn] 7#7: odd\n"
	                                        "2026/01/01 00:00:00 [emerg] 7#7: cannot load: x\n"
	                                        "nginx: test failed\n"));

	assert_true(slice_is(text, "cannot load: x"));

	assert_int_equal(
		nginx_error_line(SLICE("nginx: [warn] something\n"
	                               "nginx: [emerg] pcre2_compile() failed: missing ) in "
	                               "\"^/x(\" at \"\" "
	                               "in /tmp/nginx/nginx.conf.next:123\nnginx: test failed\n"),
	                         &text),
		123);
	assert_true(slice_is(text, "pcre2_compile() failed: missing ) in \"^/x(\" at \"\""));
	assert_int_equal(
		nginx_error_line(SLICE("2026/01/01 00:00:00 [emerg] 12#12: bind() failed\n"),
	                         &text),
		0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(nothing_still_has_a_default_server),
		T(a_prefix_is_an_exact_and_a_prefix_location),
		T(the_root_prefix_is_one_location),
		T(exact_and_raw_paths_are_one_location_each),
		T(an_exact_path_with_a_slash_does_not_speak_for_the_one_without),
		T(an_exact_path_takes_its_half_of_the_prefix),
		T(a_wildcard_host_takes_one_label),
		T(a_rewrite_turns_to_regular_expressions),
		T(tls_hosts_are_redirected),
		T(plain_hosts_are_redirected_only_when_forced),
		T(a_denied_route_answers_503_and_says_no_more),
		T(annotations_become_directives),
		T(cors_origins_are_matched_whole),
		T(the_configmap_shapes_the_frame),
		T(the_same_objects_give_the_same_text),
		T(a_line_leads_to_its_ingress),
		T(messages_of_nginx_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
