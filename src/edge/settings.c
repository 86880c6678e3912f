/* Why: every annotation and ConfigMap key that we know, in two tables; see settings.h. */
#include "edge/settings.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "edge/field.h"
#include "edge/nginx-text.h"
#include "model/ingress.h"

/* ---- checks of single values ---- */

static bool is_next_upstream(struct slice s)
{
	static const char *const words[] = { "error",    "timeout",  "invalid_header", "http_500",
		                             "http_502", "http_503", "http_504",       "http_403",
		                             "http_404", "http_429", "non_idempotent", "off" };
	struct slice word;

	while (slice_next(&s, ' ', &word)) {
		bool known = word.len == 0;

		for (size_t i = 0; !known && i < ARRAY_SIZE(words); i++) {
			known = slice_is(word, words[i]);
		}
		if (!known) {
			return false;
		}
	}
	return true;
}

static bool is_list_of(struct slice s, bool (*check)(struct slice item))
{
	struct slice item;
	bool any = false;

	while (slice_next(&s, ',', &item)) {
		item = slice_trim(item);
		if (item.len && !check(item)) {
			return false;
		}
		any |= item.len > 0;
	}
	return any;
}

static bool are_origins(struct slice s)
{
	return is_list_of(s, nginx_origin_is_valid);
}

static bool is_token_or_star(struct slice s)
{
	return slice_is(s, "*") || nginx_token_is_valid(s);
}

static bool are_tokens(struct slice s)
{
	return is_list_of(s, is_token_or_star);
}

static bool is_auth_url(struct slice s)
{
	return nginx_url_is_valid(s) && s.p[0] != '/';
}

static bool is_method(struct slice s)
{
	static const char *const methods[] = { "GET",    "HEAD",    "POST", "PUT",
		                               "DELETE", "OPTIONS", "PATCH" };

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (slice_is(s, methods[i])) {
			return true;
		}
	}
	return false;
}

static bool are_hosts(struct slice s)
{
	return is_list_of(s, ingress_host_is_valid);
}

static bool is_app_root(struct slice s)
{
	return s.len > 0 && s.p[0] == '/' && nginx_target_is_valid(s) && slice_find(s, '$') < 0;
}

static bool is_prefix_value(struct slice s)
{
	return nginx_value_is_valid(s) && s.len > 0;
}

static bool is_samesite(struct slice s)
{
	return slice_eq_nocase(s, SLICE("None")) || slice_eq_nocase(s, SLICE("Lax")) ||
	       slice_eq_nocase(s, SLICE("Strict"));
}

/* A PCRE for Lua's eyes: it reaches nginx only as a quoted value, so '$' (a variable there) may not
 * be in it. */
static bool is_pattern(struct slice s)
{
	if (s.len == 0 || s.len > 512) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '$') {
			return false;
		}
	}
	return true;
}

static bool is_workers(struct slice s)
{
	uint64_t n;

	return slice_is(s, "auto") || (slice_to_u64(s, &n) && n >= 1 && n <= 64);
}

static bool is_header_buffers(struct slice s)
{
	struct slice count, size;
	uint64_t n;

	return slice_cut(s, ' ', &count, &size) && slice_to_u64(count, &n) && n >= 1 && n <= 64 &&
	       nginx_size_is_valid(slice_trim(size));
}

static bool is_address(struct slice s)
{
	struct ip ip;

	return ip_parse(s, &ip);
}

/* ---- the ConfigMap ---- */

#define A(key)                                                                                     \
	{                                                                                          \
		key, FIELD_ASIDE, 0                                                                \
	}
#define G(key, type_, member, ...)                                                                 \
	{                                                                                          \
		key, type_, offsetof(struct nginx_settings, member), ##__VA_ARGS__                 \
	}
#define TEXT_OF(check_) .check = check_

static const struct field global_fields[] = {
	G("use-proxy-protocol", FIELD_BOOL, use_proxy_protocol),
	G("use-forwarded-headers", FIELD_BOOL, use_forwarded_headers),
	G("compute-full-forwarded-for", FIELD_BOOL, compute_full_forwarded_for),
	G("proxy-real-ip-cidr", FIELD_PREFIXES, real_ip_from),
	G("bind-address", FIELD_TEXT, bind_address, TEXT_OF(is_address)),
	G("proxy-body-size", FIELD_TEXT, proxy_body_size, TEXT_OF(nginx_size_is_valid)),
	G("proxy-buffer-size", FIELD_TEXT, proxy_buffer_size, TEXT_OF(nginx_size_is_valid)),
	G("client-header-buffer-size", FIELD_TEXT, client_header_buffer_size,
	  TEXT_OF(nginx_size_is_valid)),
	G("client-body-buffer-size", FIELD_TEXT, client_body_buffer_size,
	  TEXT_OF(nginx_size_is_valid)),
	G("large-client-header-buffers", FIELD_TEXT, large_header_buffers,
	  TEXT_OF(is_header_buffers)),
	G("proxy-connect-timeout", FIELD_NUMBER, connect_s, 1, 3600),
	G("proxy-read-timeout", FIELD_NUMBER, read_s, 1, 86400),
	G("proxy-send-timeout", FIELD_NUMBER, send_s, 1, 86400),
	G("ssl-redirect", FIELD_BOOL, ssl_redirect),
	G("force-ssl-redirect", FIELD_BOOL, force_ssl_redirect),
	G("http-redirect-code", FIELD_NUMBER, redirect_code, 301, 308),
	G("hsts", FIELD_BOOL, hsts),
	G("hsts-include-subdomains", FIELD_BOOL, hsts_subdomains),
	G("hsts-preload", FIELD_BOOL, hsts_preload),
	G("hsts-max-age", FIELD_NUMBER, hsts_max_age, 0, INT32_MAX),
	G("ssl-protocols", FIELD_TEXT, ssl_protocols, TEXT_OF(nginx_words_are_valid)),
	G("ssl-ciphers", FIELD_TEXT, ssl_ciphers, TEXT_OF(nginx_words_are_valid)),
	G("ssl-session-tickets", FIELD_BOOL, ssl_session_tickets),
	G("ssl-reject-handshake", FIELD_BOOL, ssl_reject_handshake),
	G("use-http2", FIELD_BOOL, use_http2),
	G("http2-max-concurrent-streams", FIELD_NUMBER, http2_streams, 1, 65535),
	G("keep-alive", FIELD_NUMBER, keep_alive_s, 0, 86400),
	G("keep-alive-requests", FIELD_NUMBER, keep_alive_requests, 1, 10000000),
	G("upstream-keepalive-connections", FIELD_NUMBER, upstream_connections, 0, 65535),
	G("upstream-keepalive-timeout", FIELD_NUMBER, upstream_timeout_s, 1, 86400),
	G("upstream-keepalive-requests", FIELD_NUMBER, upstream_requests, 1, 10000000),
	G("use-gzip", FIELD_BOOL, gzip),
	G("gzip-level", FIELD_NUMBER, gzip_level, 1, 9),
	G("gzip-min-length", FIELD_NUMBER, gzip_min_length, 0, INT32_MAX),
	G("worker-processes", FIELD_TEXT, worker_processes, TEXT_OF(is_workers)),
	G("max-worker-connections", FIELD_NUMBER, worker_connections, 64, 1000000),
	G("worker-shutdown-timeout", FIELD_TEXT, worker_shutdown, TEXT_OF(nginx_time_is_valid)),
	G("server-tokens", FIELD_BOOL, server_tokens),
	G("enable-underscores-in-headers", FIELD_BOOL, underscores_in_headers),
	G("ignore-invalid-headers", FIELD_BOOL, ignore_invalid_headers),
	G("limit-req-status-code", FIELD_NUMBER, limit_req_status, 400, 599),
	G("limit-conn-status-code", FIELD_NUMBER, limit_conn_status, 400, 599),
	G("whitelist-source-range", FIELD_PREFIXES, allow),
	G("denylist-source-range", FIELD_PREFIXES, deny),
	A("disable-access-log"),
	A("allow-snippet-annotations"),
};

static const char ciphers[] =
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

static const struct nginx_settings global_defaults = {
	.proxy_body_size = SLICE("1m"),
	.proxy_buffer_size = SLICE("4k"),
	.client_header_buffer_size = SLICE("1k"),
	.client_body_buffer_size = SLICE("8k"),
	.large_header_buffers = SLICE("4 8k"),
	.connect_s = 5,
	.read_s = 60,
	.send_s = 60,
	.ssl_redirect = true,
	.redirect_code = 308,
	.hsts = true,
	.hsts_subdomains = true,
	.hsts_max_age = 31536000,
	.ssl_protocols = SLICE("TLSv1.2 TLSv1.3"),
	.ssl_ciphers = SLICE(ciphers),
	.use_http2 = true,
	.http2_streams = 128,
	.keep_alive_s = 75,
	.keep_alive_requests = 1000,
	.upstream_connections = 320,
	.upstream_timeout_s = 60,
	.upstream_requests = 10000,
	.gzip_level = 1,
	.gzip_min_length = 256,
	.worker_processes = SLICE("auto"),
	.worker_connections = 16384,
	.worker_shutdown = SLICE("240s"),
	.ignore_invalid_headers = true,
	.limit_req_status = 503,
	.limit_conn_status = 503,
	.access_log = true,
};

static void read_global(struct arena *a, struct nginx_settings *s, struct slice key,
                        struct slice value, settings_warn_fn *warn, void *arg)
{
	const struct field *f = field_find(global_fields, ARRAY_SIZE(global_fields), key);
	const char *wrong = f ? field_set(a, f, s, value) : "this controller does not know the key";

	if (slice_is(key, "disable-access-log")) {
		s->access_log = !slice_is(value, "true");
	} else if (slice_is(key, "allow-snippet-annotations") && slice_is(value, "true")) {
		wrong = "snippets are never allowed here";
	}
	if (wrong) {
		warn(arg, arena_printf(a, SLICE_FMT ": %s", SLICE_ARG(key), wrong));
	}
}

struct nginx_settings nginx_settings_read(struct arena *a, const struct val *configmap,
                                          settings_warn_fn *warn, void *arg)
{
	struct nginx_settings s = global_defaults;

	val_for_each (val_get(configmap, "data"), it) {
		read_global(a, &s, it->key, val_str(it), warn, arg);
	}
	return s;
}

/* ---- annotations ---- */

#define I(key, type_, member, ...)                                                                 \
	{                                                                                          \
		key, type_, offsetof(struct ingress_settings, member), ##__VA_ARGS__               \
	}

static const char *const protocols[] = { "HTTP", "HTTPS", "GRPC", "GRPCS", NULL };

static const struct field ingress_fields[] = {
	I("rewrite-target", FIELD_TEXT, rewrite_target, TEXT_OF(nginx_target_is_valid)),
	I("use-regex", FIELD_BOOL, use_regex),
	I("ssl-redirect", FIELD_BOOL, ssl_redirect),
	I("force-ssl-redirect", FIELD_BOOL, force_ssl_redirect),
	I("proxy-body-size", FIELD_TEXT, body_size, TEXT_OF(nginx_size_is_valid)),
	I("proxy-buffer-size", FIELD_TEXT, buffer_size, TEXT_OF(nginx_size_is_valid)),
	I("client-body-buffer-size", FIELD_TEXT, client_body_buffer_size,
	  TEXT_OF(nginx_size_is_valid)),
	I("proxy-max-temp-file-size", FIELD_TEXT, max_temp_file_size, TEXT_OF(nginx_size_is_valid)),
	I("proxy-buffers-number", FIELD_NUMBER, buffers_number, 2, 1024),
	I("proxy-connect-timeout", FIELD_NUMBER, connect_s, 1, 3600),
	I("proxy-read-timeout", FIELD_NUMBER, read_s, 1, 86400),
	I("proxy-send-timeout", FIELD_NUMBER, send_s, 1, 86400),
	I("backend-protocol", FIELD_ENUM, protocol, .names = protocols),
	I("whitelist-source-range", FIELD_PREFIXES, allow),
	I("allowlist-source-range", FIELD_PREFIXES, allow),
	I("denylist-source-range", FIELD_PREFIXES, deny),
	I("enable-cors", FIELD_BOOL, cors.enabled),
	I("cors-allow-credentials", FIELD_BOOL, cors.credentials),
	I("cors-allow-origin", FIELD_TEXT, cors.origins, TEXT_OF(are_origins)),
	I("cors-allow-methods", FIELD_TEXT, cors.methods, TEXT_OF(are_tokens)),
	I("cors-allow-headers", FIELD_TEXT, cors.headers, TEXT_OF(are_tokens)),
	I("cors-expose-headers", FIELD_TEXT, cors.expose, TEXT_OF(are_tokens)),
	I("cors-max-age", FIELD_NUMBER, cors.max_age, 0, INT32_MAX),
	A("auth-secret"),
	A("auth-type"),
	A("auth-secret-type"),
	I("auth-url", FIELD_TEXT, external.url, TEXT_OF(is_auth_url)),
	I("auth-signin", FIELD_TEXT, external.signin, TEXT_OF(nginx_url_is_valid)),
	I("auth-method", FIELD_TEXT, external.method, TEXT_OF(is_method)),
	I("auth-response-headers", FIELD_TEXT, external.response_headers, TEXT_OF(are_tokens)),
	I("auth-realm", FIELD_TEXT, auth.realm, TEXT_OF(nginx_value_is_valid)),
	I("limit-rps", FIELD_NUMBER, limit.rps, 0, 1000000),
	I("limit-rpm", FIELD_NUMBER, limit.rpm, 0, 1000000),
	I("limit-connections", FIELD_NUMBER, limit.connections, 0, 65535),
	I("limit-burst-multiplier", FIELD_NUMBER, limit.burst, 1, 1000),
	I("limit-rate", FIELD_TEXT, limit.rate, TEXT_OF(nginx_size_is_valid)),
	I("limit-rate-after", FIELD_TEXT, limit.rate_after, TEXT_OF(nginx_size_is_valid)),
	I("limit-whitelist", FIELD_PREFIXES, limit.whitelist),
	A("permanent-redirect"),
	A("permanent-redirect-code"),
	A("temporal-redirect"),
	A("temporal-redirect-code"),
	I("app-root", FIELD_TEXT, app_root, TEXT_OF(is_app_root)),
	I("upstream-vhost", FIELD_TEXT, upstream_vhost, TEXT_OF(nginx_authority_is_valid)),
	I("x-forwarded-prefix", FIELD_TEXT, forwarded_prefix, TEXT_OF(is_prefix_value)),
	A("affinity"),
	A("affinity-mode"),
	A("affinity-canary-behavior"),
	I("session-cookie-name", FIELD_TEXT, cookie.name, TEXT_OF(nginx_token_is_valid)),
	I("session-cookie-path", FIELD_TEXT, cookie.path, TEXT_OF(ingress_path_is_strict)),
	I("session-cookie-domain", FIELD_TEXT, cookie.domain, TEXT_OF(nginx_token_is_valid)),
	I("session-cookie-samesite", FIELD_TEXT, cookie.samesite, TEXT_OF(is_samesite)),
	I("session-cookie-secure", FIELD_BOOL, cookie.secure),
	I("session-cookie-max-age", FIELD_NUMBER, cookie.max_age, 0, INT32_MAX),
	I("session-cookie-expires", FIELD_NUMBER, cookie.max_age, 0, INT32_MAX),
	I("session-cookie-change-on-failure", FIELD_BOOL, cookie.change_on_failure),
	I("canary", FIELD_BOOL, canary.enabled),
	I("canary-by-header", FIELD_TEXT, canary.header, TEXT_OF(nginx_token_is_valid)),
	I("canary-by-header-value", FIELD_TEXT, canary.header_value, TEXT_OF(nginx_value_is_valid)),
	I("canary-by-header-pattern", FIELD_TEXT, canary.header_pattern, TEXT_OF(is_pattern)),
	I("canary-by-cookie", FIELD_TEXT, canary.cookie, TEXT_OF(nginx_token_is_valid)),
	I("canary-weight", FIELD_NUMBER, canary.weight, 0, INT32_MAX),
	I("canary-weight-total", FIELD_NUMBER, canary.weight_total, 1, INT32_MAX),
	A("proxy-buffering"),
	A("proxy-request-buffering"),
	I("proxy-next-upstream", FIELD_TEXT, next_upstream, TEXT_OF(is_next_upstream)),
	I("proxy-next-upstream-tries", FIELD_NUMBER, next_tries, 0, 100),
	I("proxy-next-upstream-timeout", FIELD_NUMBER, next_timeout_s, 0, 3600),
	A("proxy-http-version"),
	A("load-balance"),
	I("server-alias", FIELD_TEXT, aliases, TEXT_OF(are_hosts)),
	I("from-to-www-redirect", FIELD_BOOL, from_to_www),
	I("service-upstream", FIELD_BOOL, service_upstream),
	A("enable-access-log"),
};

/* What decides who gets in must not be left out in silence: such a route does not open. */
static const char *const guards[] = {
	"auth-tls-secret",     "auth-tls-verify-client", "auth-tls-match-cn", "enable-modsecurity",
	"modsecurity-snippet", "enable-global-auth",     "satisfy",           "ssl-passthrough",
};

struct reading {
	struct arena *a;
	const struct val *annotations;
	struct slice ns; /* of the Ingress */
	struct ingress_settings *s;
	settings_warn_fn *warn;
	void *arg;
};

static struct slice annotation(const struct reading *r, const char *name)
{
	char key[128];

	snprintf(key, sizeof(key), INGRESS_PREFIX "%s", name);
	return slice_trim(val_get_str(r->annotations, key));
}

static void deny(struct reading *r, const char *name, const char *why)
{
	r->s->denied = arena_printf(r->a, INGRESS_PREFIX "%s: %s", name, why);
	r->warn(r->arg, arena_printf(r->a, "%s; the routes answer 503 until it is put right",
	                             r->s->denied));
}

static bool is_one_of(struct slice s, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_is(s, names[i])) {
			return true;
		}
	}
	return false;
}

static void read_one(struct reading *r, struct slice name, struct slice value)
{
	const struct field *f = field_find(ingress_fields, ARRAY_SIZE(ingress_fields), name);
	const char *wrong, *known_name = arena_slice(r->a, name).p;

	if (slice_has_suffix(name, SLICE("-snippet"))) {
		deny(r, known_name, "snippets are not allowed");
	} else if (is_one_of(name, guards, ARRAY_SIZE(guards))) {
		deny(r, known_name, "this protection is not supported");
	} else if (!f) {
		r->warn(r->arg,
		        arena_printf(r->a, INGRESS_PREFIX "%s is not supported and has no effect",
		                     known_name));
	} else if (f->type != FIELD_ASIDE && (wrong = field_set(r->a, f, r->s, value))) {
		deny(r, known_name, wrong);
	}
}

static void read_auth(struct reading *r)
{
	struct slice type = annotation(r, "auth-type"), secret = annotation(r, "auth-secret");
	struct slice form = annotation(r, "auth-secret-type"), ns, name;

	if (type.len == 0) {
		return;
	}
	if (!slice_is(type, "basic")) {
		deny(r, "auth-type", "only basic is supported");
		return;
	}
	if (slice_cut(secret, '/', &ns, &name)) {
		if (!slice_eq(ns, r->ns)) {
			deny(r, "auth-secret", "a Secret of another namespace is refused");
			return;
		}
		secret = name;
	}
	if (!nginx_name_is_valid(secret)) {
		deny(r, "auth-secret", "it is not the name of a Secret");
		return;
	}
	r->s->auth.enabled = true;
	r->s->auth.secret = arena_slice(r->a, secret);
	r->s->auth.map = slice_is(form, "auth-map");
}

static void read_redirect(struct reading *r)
{
	bool permanent = annotation(r, "permanent-redirect").len > 0;
	const char *name = permanent ? "permanent-redirect" : "temporal-redirect";
	const char *code_name = permanent ? "permanent-redirect-code" : "temporal-redirect-code";
	struct slice url = annotation(r, name), code = annotation(r, code_name);

	if (url.len == 0) {
		return;
	}
	if (!nginx_url_is_valid(url)) {
		deny(r, name, "it is no URL that can be redirected to");
		return;
	}
	r->s->redirect_code = permanent ? 301 : 302;
	if (code.len && (!slice_to_i64(code, &r->s->redirect_code) || r->s->redirect_code < 300 ||
	                 r->s->redirect_code > (permanent ? 308 : 307))) {
		deny(r, code_name, "it is no redirect code");
		return;
	}
	r->s->redirect = arena_slice(r->a, url);
}

static bool is_on(struct reading *r, const char *name, bool otherwise)
{
	struct slice v = annotation(r, name);

	if (v.len == 0) {
		return otherwise;
	}
	if (!slice_is(v, "on") && !slice_is(v, "off") && !slice_is(v, "true") &&
	    !slice_is(v, "false")) {
		deny(r, name, "on or off is wanted");
	}
	return slice_is(v, "on") || slice_is(v, "true");
}

static void read_affinity(struct reading *r)
{
	struct slice type = annotation(r, "affinity"), balance = annotation(r, "load-balance");

	if (type.len && !slice_is(type, "cookie")) {
		deny(r, "affinity", "only cookie is supported");
	}
	r->s->cookie.enabled = slice_is(type, "cookie");
	if (balance.len && !slice_is(balance, "round_robin")) {
		r->warn(r->arg,
		        INGRESS_PREFIX "load-balance: only round_robin is supported, and used");
	}
}

struct ingress_settings ingress_settings_read(struct arena *a, const struct val *ingress,
                                              const struct nginx_settings *global,
                                              settings_warn_fn *warn, void *arg)
{
	struct ingress_settings s = {
		.ssl_redirect = global->ssl_redirect,
		.force_ssl_redirect = global->force_ssl_redirect,
		.limit = { .burst = 5 },
		.cors = { .credentials = true,
		          .max_age = 1728000,
		          .origins = SLICE("*"),
		          .methods = SLICE("GET, PUT, POST, DELETE, PATCH, OPTIONS"),
		          .headers = SLICE(
				  "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,"
				  "Cache-Control,Content-Type,Range,Authorization") },
		.cookie = { .name = SLICE("INGRESSCOOKIE") },
		.canary = { .weight_total = 100 },
		.next_tries = 3,
		.buffers_number = 4,
	};
	struct reading r = { a,
		             val_path(ingress, "metadata.annotations"),
		             val_str(val_path(ingress, "metadata.namespace")),
		             &s,
		             warn,
		             arg };
	struct slice prefix = SLICE(INGRESS_PREFIX);

	val_for_each (r.annotations, it) {
		if (slice_has_prefix(it->key, prefix)) {
			read_one(&r, slice_from(it->key, prefix.len), val_str(it));
		}
	}
	read_auth(&r);
	read_redirect(&r);
	read_affinity(&r);
	s.buffering = is_on(&r, "proxy-buffering", false);
	s.no_request_buffering = !is_on(&r, "proxy-request-buffering", true);
	s.no_access_log = !is_on(&r, "enable-access-log", true);
	return s;
}
