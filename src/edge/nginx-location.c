/* Why: one path of one host as nginx locations; see nginx.h. Source: ingress-nginx/annotations. */
#include <string.h>

#include "edge/nginx-priv.h"
#include "edge/nginx-text.h"

/* ---- request fields ---- */

void nginx_put_request_headers(struct strbuf *o, const char *indent, const char *module,
                               const struct ingress_settings *s)
{
	static const char *const lines[] = {
		"X-Request-ID $req_id",
		"X-Real-IP $remote_addr",
		"X-Forwarded-For $full_forwarded_for",
		"X-Forwarded-Host $best_http_host",
		"X-Forwarded-Port $pass_port",
		"X-Forwarded-Proto $pass_access_scheme",
		"X-Forwarded-Scheme $pass_access_scheme",
		"X-Scheme $pass_access_scheme",
		"X-Original-Forwarded-For $http_x_forwarded_for",
		"Proxy \"\"",
	};

	strbuf_addf(o, "%s%s_set_header Host ", indent, module);
	if (s && s->upstream_vhost.len) {
		nginx_quote(o, s->upstream_vhost);
	} else {
		strbuf_adds(o, "$best_http_host");
	}
	strbuf_adds(o, ";\n");
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		strbuf_addf(o, "%s%s_set_header %s;\n", indent, module, lines[i]);
	}
	if (strcmp(module, "proxy") == 0) {
		strbuf_addf(o,
		            "%sproxy_set_header Upgrade $http_upgrade;\n"
		            "%sproxy_set_header Connection $connection_upgrade;\n",
		            indent, indent);
	}
	if (s && s->forwarded_prefix.len) {
		strbuf_addf(o, "%s%s_set_header X-Forwarded-Prefix ", indent, module);
		nginx_quote(o, s->forwarded_prefix);
		strbuf_adds(o, ";\n");
	}
}

/* ---- small parts ---- */

static void put_quoted(struct strbuf *o, const char *directive, struct slice value)
{
	strbuf_addf(o, "\t\t\t%s ", directive);
	nginx_quote(o, value);
	strbuf_adds(o, ";\n");
}

static void put_sources(struct strbuf *o, const struct prefixes *deny, const struct prefixes *allow)
{
	char text[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < deny->n; i++) {
		strbuf_addf(o, "\t\t\tdeny %s;\n", prefix_format(deny->at[i], text));
	}
	for (size_t i = 0; i < allow->n; i++) {
		strbuf_addf(o, "\t\t\tallow %s;\n", prefix_format(allow->at[i], text));
	}
	if (allow->n) {
		strbuf_adds(o, "\t\t\tdeny all;\n");
	}
}

static void put_access(struct strbuf *o, const struct ingress_settings *s,
                       const struct nginx_settings *g, const struct nginx_layout *l)
{
	put_sources(o, s->deny.n ? &s->deny : &g->deny, s->allow.n ? &s->allow : &g->allow);
	if (s->auth.enabled) {
		put_quoted(o, "auth_basic",
		           s->auth.realm.len ? s->auth.realm : SLICE("Authentication Required"));
		strbuf_addf(o, "\t\t\tauth_basic_user_file %s/auth/%s;\n", l->dir, s->auth.file);
	}
}

static void put_zone_name(struct strbuf *o, struct slice ns, struct slice ingress)
{
	strbuf_addf(o, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(ns), SLICE_ARG(ingress));
}

static void put_limit_uses(struct strbuf *o, const struct route_location *loc)
{
	const struct ingress_settings *s = loc->settings;
	const int64_t rates[] = { s->limit.rps, s->limit.rpm };

	for (int i = 0; i < 2; i++) {
		if (rates[i]) {
			strbuf_adds(o, "\t\t\tlimit_req zone=");
			put_zone_name(o, loc->ns, loc->ingress);
			strbuf_addf(o, "/%s burst=%lld nodelay;\n", i ? "rpm" : "rps",
			            (long long)rates[i] * s->limit.burst);
		}
	}
	if (s->limit.connections) {
		strbuf_adds(o, "\t\t\tlimit_conn ");
		put_zone_name(o, loc->ns, loc->ingress);
		strbuf_addf(o, "/conn %lld;\n", (long long)s->limit.connections);
	}
	if (s->limit.rate.len) {
		put_quoted(o, "limit_rate", s->limit.rate);
	}
	if (s->limit.rate_after.len) {
		put_quoted(o, "limit_rate_after", s->limit.rate_after);
	}
}

/* ---- CORS ---- */

static void put_origin_regex(struct strbuf *o, struct slice origins)
{
	struct slice item;
	bool first = true;

	strbuf_adds(o, "\"^(");
	while (slice_next(&origins, ',', &item)) {
		ptrdiff_t star;

		item = slice_trim(item);
		if (item.len == 0) {
			continue;
		}
		if (!first) {
			strbuf_addc(o, '|');
		}
		first = false;
		star = slice_find(item, '*');
		nginx_quote_literal_regex(o, star < 0 ? item : slice_head(item, (size_t)star));
		if (star >= 0) {
			strbuf_adds(o, "[A-Za-z0-9.-]+");
			nginx_quote_literal_regex(o, slice_from(item, (size_t)star + 1));
		}
	}
	strbuf_adds(o, ")$\"");
}

static bool has_star(struct slice origins)
{
	struct slice item;

	while (slice_next(&origins, ',', &item)) {
		if (slice_is(slice_trim(item), "*")) {
			return true;
		}
	}
	return false;
}

static void put_cors_headers(struct strbuf *o, const struct ingress_settings *s, const char *indent,
                             bool preflight)
{
	strbuf_addf(o, "%sadd_header Access-Control-Allow-Origin $cors_origin always;\n", indent);
	if (s->cors.credentials) {
		strbuf_addf(o, "%sadd_header Access-Control-Allow-Credentials true always;\n",
		            indent);
	}
	strbuf_addf(o, "%sadd_header Access-Control-Allow-Methods ", indent);
	nginx_quote(o, s->cors.methods);
	strbuf_addf(o, " always;\n%sadd_header Access-Control-Allow-Headers ", indent);
	nginx_quote(o, s->cors.headers);
	strbuf_adds(o, " always;\n");
	if (s->cors.expose.len) {
		strbuf_addf(o, "%sadd_header Access-Control-Expose-Headers ", indent);
		nginx_quote(o, s->cors.expose);
		strbuf_adds(o, " always;\n");
	}
	strbuf_addf(o, "%sadd_header Access-Control-Max-Age %lld always;\n", indent,
	            (long long)s->cors.max_age);
	if (preflight) {
		strbuf_addf(o, "%sadd_header Content-Type \"text/plain charset=UTF-8\";\n", indent);
	}
}

static void put_hsts(struct strbuf *o, const struct nginx_settings *g, const char *indent)
{
	if (g->hsts) {
		strbuf_addf(o, "%sadd_header Strict-Transport-Security $hsts always;\n", indent);
	}
}

static void put_cors(struct strbuf *o, const struct ingress_settings *s,
                     const struct nginx_settings *g)
{
	if (!s->cors.enabled) {
		return;
	}
	if (has_star(s->cors.origins)) {
		strbuf_adds(o, "\t\t\tset $cors_origin \"*\";\n");
	} else {
		strbuf_adds(o, "\t\t\tset $cors_origin \"\";\n\t\t\tif ($http_origin ~* ");
		put_origin_regex(o, s->cors.origins);
		strbuf_adds(o, ") { set $cors_origin $http_origin; }\n");
	}
	strbuf_adds(o, "\t\t\tset $cors_preflight \"$request_method:$cors_origin\";\n"
	               "\t\t\tif ($cors_preflight ~ \"^OPTIONS:.\") {\n");
	put_cors_headers(o, s, "\t\t\t\t", true);
	put_hsts(o, g, "\t\t\t\t");
	strbuf_adds(o, "\t\t\t\treturn 204;\n\t\t\t}\n");
	put_cors_headers(o, s, "\t\t\t", false);
}

/* ---- towards the backend ---- */

static bool is_grpc(const struct ingress_settings *s)
{
	return s->protocol == BACKEND_GRPC || s->protocol == BACKEND_GRPCS;
}

static void put_timeouts(struct strbuf *o, const struct ingress_settings *s, const char *module)
{
	const struct {
		const char *name;
		int64_t s;
	} each[] = { { "connect", s->connect_s }, { "send", s->send_s }, { "read", s->read_s } };

	for (size_t i = 0; i < 3; i++) {
		if (each[i].s) {
			strbuf_addf(o, "\t\t\t%s_%s_timeout %llds;\n", module, each[i].name,
			            (long long)each[i].s);
		}
	}
}

static void put_retries(struct strbuf *o, const struct ingress_settings *s, const char *module)
{
	if (s->next_upstream.len) {
		strbuf_addf(o, "\t\t\t%s_next_upstream " SLICE_FMT ";\n", module,
		            SLICE_ARG(s->next_upstream));
	}
	if (s->next_tries != 3) {
		strbuf_addf(o, "\t\t\t%s_next_upstream_tries %lld;\n", module,
		            (long long)s->next_tries);
	}
	if (s->next_timeout_s) {
		strbuf_addf(o, "\t\t\t%s_next_upstream_timeout %llds;\n", module,
		            (long long)s->next_timeout_s);
	}
}

static void put_buffers(struct strbuf *o, const struct ingress_settings *s,
                        const struct nginx_settings *g)
{
	struct slice size = s->buffer_size.len ? s->buffer_size : g->proxy_buffer_size;

	if (s->body_size.len) {
		put_quoted(o, "client_max_body_size", s->body_size);
	}
	if (s->client_body_buffer_size.len) {
		put_quoted(o, "client_body_buffer_size", s->client_body_buffer_size);
	}
	if (is_grpc(s)) {
		return;
	}
	if (s->buffer_size.len || s->buffers_number != 4) {
		put_quoted(o, "proxy_buffer_size", size);
		strbuf_addf(o, "\t\t\tproxy_buffers %lld " SLICE_FMT ";\n",
		            (long long)s->buffers_number, SLICE_ARG(size));
		/* The default of busy buffers is computed from 8k ones, and could then be too
		 * small. */
		put_quoted(o, "proxy_busy_buffers_size", size);
	}
	if (s->buffering) {
		strbuf_adds(o, "\t\t\tproxy_buffering on;\n");
	}
	if (s->max_temp_file_size.len) {
		put_quoted(o, "proxy_max_temp_file_size", s->max_temp_file_size);
	}
	if (s->no_request_buffering) {
		strbuf_adds(o, "\t\t\tproxy_request_buffering off;\n");
	}
}

static bool needs_rewrite(const struct route_location *loc)
{
	return loc->settings->rewrite_target.len &&
	       !slice_eq(loc->settings->rewrite_target, loc->path);
}

static void put_rewrite(struct strbuf *o, const struct route_location *loc)
{
	scoped_strbuf struct strbuf pattern = { 0 };

	if (!needs_rewrite(loc)) {
		return;
	}
	strbuf_adds(&pattern, "(?i)");
	strbuf_add_slice(&pattern, loc->path);
	strbuf_adds(o, "\t\t\trewrite ");
	nginx_quote(o, strbuf_slice(&pattern));
	strbuf_addc(o, ' ');
	nginx_quote(o, loc->settings->rewrite_target);
	strbuf_adds(o, " break;\n");
}

static void put_pass(struct strbuf *o, const struct route_location *loc,
                     const struct nginx_settings *g)
{
	static const char *const schemes[] = { "http", "https", "grpc", "grpcs" };
	const struct ingress_settings *s = loc->settings;
	const char *module = is_grpc(s) ? "grpc" : "proxy";

	put_buffers(o, s, g);
	put_timeouts(o, s, module);
	put_retries(o, s, module);
	if (is_grpc(s) || s->upstream_vhost.len || s->forwarded_prefix.len ||
	    s->external.response_headers.len) {
		nginx_put_request_headers(o, "\t\t\t", module, s);
		nginx_put_auth_headers(o, module, s);
	}
	put_rewrite(o, loc);
	strbuf_addf(o, "\t\t\t%s_pass %s://upstream_balancer;\n", module, schemes[s->protocol]);
}

/* ---- canary and affinity: the Lua side reads them from variables ---- */

static void put_var(struct strbuf *o, const char *name, struct slice value)
{
	strbuf_addf(o, "\t\t\tset $%s ", name);
	nginx_quote(o, value);
	strbuf_adds(o, ";\n");
}

static void put_canary_vars(struct strbuf *o, const struct route_location *loc)
{
	const struct ingress_settings *c = loc->canary_settings;

	put_var(o, "canary_backend", loc->canary ? slice_of(loc->canary->key) : SLICE(""));
	if (!loc->canary) {
		return;
	}
	strbuf_addf(o, "\t\t\tset $canary_weight %lld;\n\t\t\tset $canary_total %lld;\n",
	            (long long)c->canary.weight, (long long)c->canary.weight_total);
	put_var(o, "canary_header", c->canary.header);
	put_var(o, "canary_value", c->canary.header_value);
	put_var(o, "canary_pattern",
	        c->canary.header_value.len ? SLICE("") : c->canary.header_pattern);
	put_var(o, "canary_cookie", c->canary.cookie);
}

static void put_cookie_vars(struct strbuf *o, const struct route_location *loc)
{
	const struct ingress_settings *s = loc->settings;
	scoped_strbuf struct strbuf tail = { 0 };

	put_var(o, "sticky_cookie", s->cookie.enabled ? s->cookie.name : SLICE(""));
	if (!s->cookie.enabled) {
		return;
	}
	strbuf_adds(&tail, "; Path=");
	/* A path that is an expression is no cookie path. */
	strbuf_add_slice(&tail, s->cookie.path.len                   ? s->cookie.path
	                        : s->use_regex || needs_rewrite(loc) ? SLICE("/")
	                                                             : loc->path);
	if (s->cookie.domain.len) {
		strbuf_addf(&tail, "; Domain=" SLICE_FMT, SLICE_ARG(s->cookie.domain));
	}
	if (s->cookie.max_age) {
		strbuf_addf(&tail, "; Max-Age=%lld", (long long)s->cookie.max_age);
	}
	strbuf_adds(&tail, "; HttpOnly");
	if (s->cookie.samesite.len) {
		strbuf_addf(&tail, "; SameSite=" SLICE_FMT, SLICE_ARG(s->cookie.samesite));
	}
	put_var(o, "sticky_tail", strbuf_slice(&tail));
	put_var(o, "sticky_secure", s->cookie.secure ? SLICE("1") : SLICE(""));
	put_var(o, "sticky_moves", s->cookie.change_on_failure ? SLICE("1") : SLICE(""));
}

static void put_backend(struct strbuf *o, const struct route_location *loc)
{
	if (loc->canary || loc->settings->cookie.enabled) {
		put_canary_vars(o, loc);
		put_cookie_vars(o, loc);
		strbuf_adds(o, "\t\t\trewrite_by_lua_block { edge.rewrite_by_request() }\n");
	}
}

/* ---- the location ---- */

void nginx_put_location_vars(struct strbuf *o, const struct route_location *loc)
{
	put_var(o, "namespace", loc->ns);
	put_var(o, "ingress_name", loc->ingress);
	if (!loc->denied) {
		put_var(o, "service_name", loc->backend->service);
		put_var(o, "proxy_upstream_name", slice_of(loc->backend->key));
	}
}

static void put_body(struct strbuf *o, const struct route_server *s,
                     const struct route_location *loc, const struct nginx_settings *g,
                     const struct nginx_layout *l)
{
	const struct ingress_settings *set = loc->settings;

	nginx_put_location_vars(o, loc);
	if (loc->denied) {
		strbuf_adds(o, "\t\t\treturn 503;\n");
		return;
	}
	if (set->no_access_log) {
		strbuf_adds(o, "\t\t\taccess_log off;\n");
	}
	if (set->force_ssl_redirect || (set->ssl_redirect && s->has_tls)) {
		strbuf_addf(o, "\t\t\tif ($to_https) { return %lld https://$host$request_uri; }\n",
		            (long long)g->redirect_code);
	}
	put_access(o, set, g, l);
	put_limit_uses(o, loc);
	put_hsts(o, g, "\t\t\t");
	if (set->redirect.len) {
		strbuf_addf(o, "\t\t\treturn %lld ", (long long)set->redirect_code);
		nginx_quote(o, set->redirect);
		strbuf_adds(o, ";\n");
		return;
	}
	nginx_put_auth_use(o, set, (size_t)(loc - s->locations));
	put_cors(o, set, g);
	put_backend(o, loc);
	put_pass(o, loc, g);
}

/* "= /foo", "/foo/" or "~* ^/foo". */
static void put_head(struct strbuf *o, const char *modifier, const char *before, struct slice path,
                     const char *after)
{
	scoped_strbuf struct strbuf text = { 0 };

	strbuf_adds(&text, before);
	strbuf_add_slice(&text, path);
	strbuf_adds(&text, after);
	strbuf_addf(o, "\t\tlocation %s", modifier);
	nginx_quote(o, strbuf_slice(&text));
	strbuf_adds(o, " {\n");
}

static void put_exact_regex(struct strbuf *o, struct slice path)
{
	strbuf_adds(o, "\t\tlocation ~ \"^");
	nginx_quote_literal_regex(o, path);
	strbuf_adds(o, "$\" {\n");
}

static bool has_exact(const struct route_server *s, struct slice path)
{
	for (size_t i = 0; i < s->n_locations; i++) {
		if (s->locations[i].match == PATH_EXACT && slice_eq(s->locations[i].path, path)) {
			return true;
		}
	}
	return false;
}

void nginx_put_location(struct strbuf *o, const struct route_server *s,
                        const struct route_location *loc, const struct nginx_settings *g,
                        const struct nginx_layout *l)
{
	bool root = slice_is(loc->path, "/");

	nginx_put_owner(o, loc->ns, loc->ingress);
	nginx_put_auth_locations(o, loc, (size_t)(loc - s->locations));
	if (!s->is_regex && loc->match == PATH_PREFIX && !root && !has_exact(s, loc->path)) {
		put_head(o, "= ", "", loc->path, "");
		put_body(o, s, loc, g, l);
		strbuf_adds(o, "\t\t}\n");
	}
	if (s->is_regex) {
		put_head(o, "~* ", "^", loc->path, "");
	} else if (loc->match == PATH_EXACT && !root && slice_has_suffix(loc->path, SLICE("/"))) {
		/* As "= /foo/" nginx would answer /foo by a redirect, which is not that path. */
		put_exact_regex(o, loc->path);
	} else if (loc->match == PATH_EXACT) {
		put_head(o, "= ", "", loc->path, "");
	} else {
		put_head(o, "", "", loc->path, loc->match == PATH_PREFIX && !root ? "/" : "");
	}
	put_body(o, s, loc, g, l);
	strbuf_adds(o, "\t\t}\n");
}

/* ---- limits, said once an Ingress ---- */

static void put_zone(struct strbuf *o, const struct route_location *loc, const char *directive,
                     const char *suffix, int64_t rate, const char *unit)
{
	strbuf_addf(o, "\t%s $limit_%s zone=", directive, suffix);
	put_zone_name(o, loc->ns, loc->ingress);
	strbuf_addf(o, "/%s:5m",
	            strcmp(unit, "") == 0      ? "conn"
	            : strcmp(unit, "r/s") == 0 ? "rps"
	                                       : "rpm");
	if (*unit) {
		strbuf_addf(o, " rate=%lld%s", (long long)rate, unit);
	}
	strbuf_adds(o, ";\n");
}

/* The key of an Ingress's zones: the client, or nothing (no limit) for the addresses it excepts. */
static void put_limit_key(struct strbuf *o, const struct route_location *loc, const char *suffix)
{
	const struct prefixes *except = &loc->settings->limit.whitelist;
	char text[PREFIX_TEXT_SIZE];

	strbuf_addf(o, "\tgeo $remote_addr $excepted_%s {\n\t\tdefault 0;\n", suffix);
	for (size_t i = 0; i < except->n; i++) {
		strbuf_addf(o, "\t\t%s 1;\n", prefix_format(except->at[i], text));
	}
	strbuf_addf(o, "\t}\n\tmap $excepted_%s $limit_%s { 0 $binary_remote_addr; 1 \"\"; }\n",
	            suffix, suffix);
}

static void put_zones_of(struct strbuf *o, const struct route_location *loc, size_t number)
{
	const struct ingress_settings *s = loc->settings;
	char suffix[24];

	snprintf(suffix, sizeof(suffix), "%zu", number);
	nginx_put_owner(o, loc->ns, loc->ingress);
	put_limit_key(o, loc, suffix);
	if (s->limit.rps) {
		put_zone(o, loc, "limit_req_zone", suffix, s->limit.rps, "r/s");
	}
	if (s->limit.rpm) {
		put_zone(o, loc, "limit_req_zone", suffix, s->limit.rpm, "r/m");
	}
	if (s->limit.connections) {
		put_zone(o, loc, "limit_conn_zone", suffix, 0, "");
	}
	strbuf_adds(o, "\t# nobody\n");
}

static bool has_limits(const struct route_location *loc)
{
	const struct ingress_settings *s = loc->settings;

	return !loc->denied && (s->limit.rps || s->limit.rpm || s->limit.connections);
}

/* Was this Ingress's set written by an earlier location? */
static bool is_repeated(const struct routes *r, size_t server, size_t location)
{
	const struct route_location *loc = &r->servers[server].locations[location];

	for (size_t i = 0; i <= server; i++) {
		for (size_t j = 0; j < (i == server ? location : r->servers[i].n_locations); j++) {
			const struct route_location *o = &r->servers[i].locations[j];

			if (has_limits(o) && slice_eq(o->ns, loc->ns) &&
			    slice_eq(o->ingress, loc->ingress)) {
				return true;
			}
		}
	}
	return false;
}

void nginx_put_zones(struct strbuf *o, const struct routes *r)
{
	size_t number = 0;

	for (size_t i = 0; i < r->n_servers; i++) {
		for (size_t j = 0; j < r->servers[i].n_locations; j++) {
			if (has_limits(&r->servers[i].locations[j]) && !is_repeated(r, i, j)) {
				put_zones_of(o, &r->servers[i].locations[j], number++);
			}
		}
	}
}
