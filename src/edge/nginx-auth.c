/* Why: external authentication: before a request reaches its backend, a question to somebody else's
 * server; what that one does not answer by 2xx does not pass. See nginx.h.
 *
 *   location /x   --auth_request--> location = /_auth/N  --> auth-url
 *        | 401                            (internal)
 *        +--error_page--> location @signin_N --> 302 auth-signin
 * Source: ingress-nginx/annotations#external-authentication. */
#include <string.h>

#include "edge/nginx-priv.h"
#include "edge/nginx-text.h"

/* Host part of a URL, for the Host field: auth-url may name variables there as well. */
static struct slice authority_of(struct slice url)
{
	const char *begin = memmem(url.p, url.len, "://", 3);
	struct slice rest = slice_from(url, (size_t)(begin - url.p) + 3);

	for (size_t i = 0; i < rest.len; i++) {
		if (rest.p[i] == '/' || rest.p[i] == '?') {
			return slice_head(rest, i);
		}
	}
	return rest;
}

/* The nth of the header names, trimmed; false when there is none. */
static bool header_name(struct slice list, size_t nth, struct slice *ret)
{
	struct slice item;

	while (slice_next(&list, ',', &item)) {
		item = slice_trim(item);
		if (item.len && nth-- == 0) {
			*ret = item;
			return true;
		}
	}
	return false;
}

void nginx_put_auth_use(struct strbuf *o, const struct ingress_settings *s, size_t number)
{
	struct slice name;

	if (s->external.url.len == 0) {
		return;
	}
	strbuf_addf(o,
	            "\t\t\tauth_request /_auth/%zu;\n"
	            "\t\t\tauth_request_set $auth_cookie $upstream_http_set_cookie;\n"
	            "\t\t\tadd_header Set-Cookie $auth_cookie;\n",
	            number);
	for (size_t i = 0; header_name(s->external.response_headers, i, &name); i++) {
		strbuf_addf(o, "\t\t\tauth_request_set $auth_header_%zu $upstream_http_", i);
		for (size_t j = 0; j < name.len; j++) {
			char c = name.p[j];

			strbuf_addc(o, c == '-' || c == '.'   ? '_'
			               : c >= 'A' && c <= 'Z' ? (char)(c + 32)
			                                      : c);
		}
		strbuf_adds(o, ";\n");
	}
	if (s->external.signin.len) {
		strbuf_addf(o, "\t\t\terror_page 401 = @signin_%zu;\n", number);
	}
}

void nginx_put_auth_headers(struct strbuf *o, const char *module, const struct ingress_settings *s)
{
	struct slice name;

	for (size_t i = 0; header_name(s->external.response_headers, i, &name); i++) {
		strbuf_addf(o, "\t\t\t%s_set_header ", module);
		nginx_quote(o, name);
		strbuf_addf(o, " $auth_header_%zu;\n", i);
	}
}

static void put_question(struct strbuf *o, const struct route_location *loc, size_t number)
{
	const struct ingress_settings *s = loc->settings;

	/* Subrequests run the server's own settings of variables again, and share them with the
	 * request: those of the location have to be set once more. */
	strbuf_addf(o, "\t\tlocation = /_auth/%zu {\n\t\t\tinternal;\n\t\t\taccess_log off;\n",
	            number);
	nginx_put_location_vars(o, loc);
	strbuf_adds(o, "\t\t\tset $auth_target ");
	nginx_quote(o, s->external.url);
	strbuf_adds(o, ";\n\t\t\trewrite_by_lua_block { return }\n"
	               "\t\t\tproxy_pass_request_body off;\n"
	               "\t\t\tproxy_set_header Content-Length \"\";\n"
	               "\t\t\tproxy_set_header Connection \"\";\n"
	               "\t\t\tproxy_set_header Proxy \"\";\n"
	               "\t\t\tproxy_set_header X-Forwarded-Proto \"\";\n"
	               "\t\t\tproxy_set_header X-Request-ID $req_id;\n"
	               "\t\t\tproxy_set_header X-Real-IP $remote_addr;\n"
	               "\t\t\tproxy_set_header X-Forwarded-For $full_forwarded_for;\n"
	               "\t\t\tproxy_set_header X-Original-URL "
	               "$pass_access_scheme://$http_host$request_uri;\n"
	               "\t\t\tproxy_set_header X-Original-Method $request_method;\n"
	               "\t\t\tproxy_set_header X-Sent-From nginx-ingress-controller;\n"
	               "\t\t\tproxy_set_header X-Auth-Request-Redirect $request_uri;\n"
	               "\t\t\tproxy_set_header Host ");
	nginx_quote(o, authority_of(s->external.url));
	strbuf_adds(o, ";\n\t\t\tproxy_ssl_server_name on;\n");
	if (s->external.method.len) {
		strbuf_addf(o, "\t\t\tproxy_method " SLICE_FMT ";\n",
		            SLICE_ARG(s->external.method));
	}
	strbuf_adds(o, "\t\t\tproxy_pass $auth_target;\n\t\t}\n");
}

static void put_signin(struct strbuf *o, const struct ingress_settings *s, size_t number)
{
	scoped_strbuf struct strbuf url = { 0 };

	if (s->external.signin.len == 0) {
		return;
	}
	strbuf_add_slice(&url, s->external.signin);
	if (!memmem(url.p, url.size, "rd=", 3)) {
		strbuf_adds(&url, slice_find(s->external.signin, '?') >= 0 ? "&" : "?");
		strbuf_adds(&url, "rd=$pass_access_scheme://$http_host$escaped_request_uri");
	}
	strbuf_addf(
		o,
		"\t\tlocation @signin_%zu {\n\t\t\tset_by_lua_block $escaped_request_uri { return "
		"ngx.escape_uri(ngx.var.request_uri) }\n\t\t\tadd_header Set-Cookie "
		"$auth_cookie;\n\t\t\treturn 302 ",
		number);
	nginx_quote(o, strbuf_slice(&url));
	strbuf_adds(o, ";\n\t\t}\n");
}

void nginx_put_auth_locations(struct strbuf *o, const struct route_location *loc, size_t number)
{
	if (!loc->denied && loc->settings->external.url.len) {
		put_question(o, loc, number);
		put_signin(o, loc->settings, number);
	}
}
