/* Why: the frame of nginx.conf: what is said once for all servers, and each server's own part;
 * the locations are nginx-location.c's. See nginx.h. */
#include "edge/nginx.h"

#include <string.h>

#include "edge/nginx-priv.h"
#include "edge/nginx-text.h"

#define MODULES "/usr/lib/nginx/modules"

/* ---- the top ---- */

static void put_main(struct strbuf *o, const struct nginx_settings *g, const struct nginx_layout *l)
{
	strbuf_addf(o,
	            "# Written by the ingress controller; changes are lost.\n"
	            "load_module " MODULES "/ndk_http_module.so;\n"
	            "load_module " MODULES "/ngx_http_lua_module.so;\n"
	            "daemon off;\n"
	            "pid %s/nginx.pid;\n"
	            "lock_file %s/nginx.lock;\n"
	            "error_log stderr warn;\n"
	            "worker_processes " SLICE_FMT ";\n"
	            "worker_shutdown_timeout " SLICE_FMT ";\n"
	            "pcre_jit on;\n",
	            l->dir, l->dir, SLICE_ARG(g->worker_processes), SLICE_ARG(g->worker_shutdown));
	if (l->as_root) {
		strbuf_adds(o, "user root root;\n");
	}
	strbuf_addf(o,
	            "events {\n\tmulti_accept on;\n\tworker_connections %lld;\n\tuse epoll;\n}\n",
	            (long long)g->worker_connections);
}

static void put_files(struct strbuf *o, const struct nginx_layout *l)
{
	static const char *const kinds[] = { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		strbuf_addf(o, "\t%s_temp_path %s/temp/%s;\n", kinds[i], l->dir, kinds[i]);
	}
}

static void put_lua(struct strbuf *o, const struct nginx_layout *l)
{
	strbuf_addf(
		o,
		"\tlua_package_path \"%s/lua/?.lua;/usr/share/lua/5.1/?.lua;;\";\n"
		"\tlua_shared_dict kennel_backends 32m;\n"
		"\tlua_shared_dict kennel_counts 4m;\n"
		"%s%s%s"
		"\tinit_by_lua_block { require(\"resty.core\"); edge = require(\"balancer\") }\n",
		l->dir, l->resolver ? "\tresolver " : "", l->resolver ? l->resolver : "",
		l->resolver ? " valid=30s ipv6=off;\n" : "");
}

/* ---- what holds for every request ---- */

static const char *on_off(bool on)
{
	return on ? "on" : "off";
}

static void put_limits(struct strbuf *o, const struct nginx_settings *g)
{
	strbuf_addf(o,
	            "\tserver_tokens %s;\n"
	            "\tunderscores_in_headers %s;\n"
	            "\tignore_invalid_headers %s;\n"
	            "\tkeepalive_timeout %llds;\n"
	            "\tkeepalive_requests %lld;\n"
	            "\tclient_header_timeout 60s;\n"
	            "\tclient_body_timeout 60s;\n"
	            "\tclient_header_buffer_size " SLICE_FMT ";\n"
	            "\tlarge_client_header_buffers " SLICE_FMT ";\n"
	            "\tclient_body_buffer_size " SLICE_FMT ";\n"
	            "\tclient_max_body_size " SLICE_FMT ";\n",
	            on_off(g->server_tokens), on_off(g->underscores_in_headers),
	            on_off(g->ignore_invalid_headers), (long long)g->keep_alive_s,
	            (long long)g->keep_alive_requests, SLICE_ARG(g->client_header_buffer_size),
	            SLICE_ARG(g->large_header_buffers), SLICE_ARG(g->client_body_buffer_size),
	            SLICE_ARG(g->proxy_body_size));
	strbuf_adds(o, "\treset_timedout_connection on;\n"
	               "\ttcp_nopush on;\n"
	               "\ttcp_nodelay on;\n"
	               "\tdefault_type text/html;\n"
	               "\tserver_name_in_redirect off;\n"
	               "\tport_in_redirect off;\n"
	               "\tserver_names_hash_bucket_size 512;\n"
	               "\tmap_hash_bucket_size 128;\n"
	               "\tvariables_hash_max_size 2048;\n");
	strbuf_addf(o,
	            "\thttp2_max_concurrent_streams %lld;\n\tlimit_req_status "
	            "%lld;\n\tlimit_conn_status %lld;\n",
	            (long long)g->http2_streams, (long long)g->limit_req_status,
	            (long long)g->limit_conn_status);
	if (g->gzip) {
		strbuf_addf(
			o,
			"\tgzip on;\n\tgzip_comp_level %lld;\n\tgzip_http_version 1.1;\n"
			"\tgzip_min_length %lld;\n\tgzip_proxied any;\n\tgzip_vary on;\n"
			"\tgzip_types application/atom+xml application/javascript application/json "
			"application/rss+xml application/xml font/opentype image/svg+xml "
			"image/x-icon "
			"text/css text/javascript text/plain text/x-component;\n",
			(long long)g->gzip_level, (long long)g->gzip_min_length);
	}
}

static void put_tls(struct strbuf *o, const struct nginx_settings *g, const struct nginx_layout *l)
{
	strbuf_adds(o, "\tssl_protocols ");
	strbuf_add_slice(o, g->ssl_protocols);
	strbuf_adds(o, ";\n\tssl_ciphers ");
	nginx_quote(o, g->ssl_ciphers);
	strbuf_addf(o,
	            ";\n\tssl_prefer_server_ciphers on;\n"
	            "\tssl_session_cache shared:SSL:10m;\n"
	            "\tssl_session_timeout 10m;\n"
	            "\tssl_session_tickets %s;\n"
	            "\tssl_early_data off;\n"
	            "\tssl_buffer_size 4k;\n"
	            "\tssl_certificate %s/ssl/%s;\n"
	            "\tssl_certificate_key %s/ssl/%s;\n",
	            on_off(g->ssl_session_tickets), l->dir, l->default_cert, l->dir,
	            l->default_cert);
}

/* Who the client is: the peer, what a trusted PROXY header says, or what trusted fields say. */
static void put_real_ip(struct strbuf *o, const struct nginx_settings *g)
{
	char text[PREFIX_TEXT_SIZE];

	if (!g->use_proxy_protocol && !g->use_forwarded_headers) {
		return;
	}
	strbuf_addf(o, "\treal_ip_header %s;\n\treal_ip_recursive on;\n",
	            g->use_proxy_protocol ? "proxy_protocol" : "X-Forwarded-For");
	for (size_t i = 0; i < g->real_ip_from.n; i++) {
		strbuf_addf(o, "\tset_real_ip_from %s;\n",
		            prefix_format(g->real_ip_from.at[i], text));
	}
	if (g->real_ip_from.n == 0) {
		strbuf_adds(o, "\tset_real_ip_from 0.0.0.0/0;\n\tset_real_ip_from ::/0;\n");
	}
}

static void put_maps(struct strbuf *o, const struct nginx_settings *g)
{
	const char *port = g->use_proxy_protocol ? "$proxy_protocol_server_port" : "$server_port";

	strbuf_adds(o, "\tmap $http_upgrade $connection_upgrade { default upgrade; \"\" \"\"; }\n"
	               "\tmap $http_x_request_id $req_id { default $http_x_request_id; \"\" "
	               "$request_id; }\n");
	if (g->use_forwarded_headers) {
		strbuf_addf(o,
		            "\tmap $http_x_forwarded_proto $pass_access_scheme { default "
		            "$http_x_forwarded_proto; \"\" $scheme; }\n"
		            "\tmap $http_x_forwarded_port $pass_port { default "
		            "$http_x_forwarded_port; \"\" %s; }\n"
		            "\tmap $http_x_forwarded_host $best_http_host { default "
		            "$http_x_forwarded_host; "
		            "\"\" $http_host; }\n",
		            port);
	} else {
		strbuf_addf(o,
		            "\tmap \"\" $pass_access_scheme { default $scheme; }\n"
		            "\tmap \"\" $pass_port { default %s; }\n"
		            "\tmap \"\" $best_http_host { default $http_host; }\n",
		            port);
	}
	if (g->use_forwarded_headers && g->compute_full_forwarded_for) {
		strbuf_adds(o, "\tmap $http_x_forwarded_for $full_forwarded_for { default "
		               "\"$http_x_forwarded_for, $realip_remote_addr\"; \"\" "
		               "$realip_remote_addr; }\n");
	} else {
		strbuf_adds(o, "\tmap \"\" $full_forwarded_for { default $remote_addr; }\n");
	}
	/* Known everywhere, so that nobody's URL can name what nginx does not know; set where it
	 * counts. */
	strbuf_adds(o, "\tmap \"\" $escaped_request_uri { default \"\"; }\n");
	/* What has to go to https; certificates are fetched over http. */
	strbuf_adds(o, "\tmap \"$pass_access_scheme:$uri\" $to_https { default 0; "
	               "\"~^http:(?!/\\.well-known/acme-challenge)\" 1; }\n");
	strbuf_addf(o, "\tmap $scheme $hsts { default \"\"; https \"max-age=%lld%s%s\"; }\n",
	            (long long)g->hsts_max_age, g->hsts_subdomains ? "; includeSubDomains" : "",
	            g->hsts_preload ? "; preload" : "");
}

static void put_log(struct strbuf *o, const struct nginx_settings *g, const struct nginx_layout *l)
{
	strbuf_adds(o, "\tlog_format upstreaminfo '$remote_addr - $remote_user [$time_local] "
	               "\"$request\" '\n"
	               "\t\t'$status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" '\n"
	               "\t\t'$request_length $request_time [$proxy_upstream_name] "
	               "[$proxy_alternative_upstream_name] '\n"
	               "\t\t'$upstream_addr $upstream_response_length $upstream_response_time '\n"
	               "\t\t'$upstream_status $req_id';\n");
	strbuf_adds(o, g->access_log && l->can_log ? "\taccess_log /dev/stdout upstreaminfo;\n"
	                                           : "\taccess_log off;\n");
}

static void put_upstream(struct strbuf *o, const struct nginx_settings *g)
{
	strbuf_adds(o, "\tupstream upstream_balancer {\n"
	               "\t\tserver 0.0.0.1;\n" /* never used: the balancer names the peer */
	               "\t\tbalancer_by_lua_block { edge.balance() }\n");
	if (g->upstream_connections) {
		strbuf_addf(o,
		            "\t\tkeepalive %lld;\n\t\tkeepalive_time 1h;\n\t\tkeepalive_timeout "
		            "%llds;\n"
		            "\t\tkeepalive_requests %lld;\n",
		            (long long)g->upstream_connections, (long long)g->upstream_timeout_s,
		            (long long)g->upstream_requests);
	}
	strbuf_adds(o, "\t}\n");
}

static void put_proxy(struct strbuf *o, const struct nginx_settings *g)
{
	strbuf_addf(o,
	            "\tproxy_http_version 1.1;\n"
	            "\tproxy_connect_timeout %llds;\n\tproxy_send_timeout "
	            "%llds;\n\tproxy_read_timeout %llds;\n"
	            "\tgrpc_connect_timeout %llds;\n\tgrpc_send_timeout "
	            "%llds;\n\tgrpc_read_timeout %llds;\n"
	            "\tproxy_buffering off;\n"
	            "\tproxy_buffer_size " SLICE_FMT ";\n\tproxy_buffers 4 " SLICE_FMT ";\n",
	            (long long)g->connect_s, (long long)g->send_s, (long long)g->read_s,
	            (long long)g->connect_s, (long long)g->send_s, (long long)g->read_s,
	            SLICE_ARG(g->proxy_buffer_size), SLICE_ARG(g->proxy_buffer_size));
	strbuf_adds(o, "\tproxy_redirect off;\n"
	               "\tproxy_next_upstream error timeout;\n\tproxy_next_upstream_tries 3;\n"
	               "\tgrpc_next_upstream error timeout;\n\tgrpc_next_upstream_tries 3;\n"
	               "\tproxy_pass_header Server;\n\tproxy_pass_header Date;\n"
	               "\tproxy_ssl_server_name off;\n");
	if (g->hsts) { /* ours instead of the backend's, not both */
		strbuf_adds(o, "\tproxy_hide_header Strict-Transport-Security;\n"
		               "\tgrpc_hide_header Strict-Transport-Security;\n");
	}
	nginx_put_request_headers(o, "\t", "proxy", NULL);
}

/* ---- the controller's own door ---- */

static void put_control(struct strbuf *o, const struct nginx_layout *l)
{
	strbuf_addf(o,
	            "\tserver {\n"
	            "\t\tlisten unix:%s/control.sock;\n"
	            "\t\taccess_log off;\n"
	            "\t\tclient_max_body_size 64m;\n\t\tclient_body_buffer_size 8m;\n"
	            "\t\tset $proxy_upstream_name \"\";\n\t\tset $proxy_alternative_upstream_name "
	            "\"\";\n"
	            "\t\tdefault_type text/plain;\n"
	            "\t\tlocation = /generation { return 200 \"%u\"; }\n"
	            "\t\tlocation = /backends { content_by_lua_block { edge.receive() } }\n"
	            "\t\tlocation = /drain { content_by_lua_block { edge.drain() } }\n"
	            "\t\tlocation = /metrics { content_by_lua_block { edge.metrics() } }\n"
	            "\t\tlocation / { return 404; }\n"
	            "\t}\n",
	            l->dir, l->generation);
}

/* ---- servers ---- */

static void put_listen(struct strbuf *o, const struct nginx_settings *g,
                       const struct nginx_layout *l, bool is_default)
{
	struct slice address = g->bind_address;
	bool v6 = slice_find(address, ':') >= 0;
	const char *rest = is_default ? " default_server backlog=4096" : "";
	const char *proxy = g->use_proxy_protocol ? " proxy_protocol" : "";
	char at[IP_TEXT_SIZE + 4] = "";

	if (address.len) {
		snprintf(at, sizeof(at), v6 ? "[%.*s]:" : "%.*s:", SLICE_ARG(address));
	}
	strbuf_addf(o, "\t\tlisten %s%u%s%s;\n\t\tlisten %s%u%s%s ssl%s;\n", at, l->http_port, rest,
	            proxy, at, l->https_port, rest, proxy, g->use_http2 ? " http2" : "");
}

static void put_server_name(struct strbuf *o, struct slice host)
{
	if (host.len && host.p[0] == '*') {
		/* The star is one label, where nginx's own would be any number of them. */
		strbuf_adds(o, " \"~^[\\\\w-]+");
		nginx_quote_literal_regex(o, slice_from(host, 1));
		strbuf_adds(o, "$\"");
		return;
	}
	strbuf_addc(o, ' ');
	nginx_quote(o, host.len ? host : SLICE("_"));
}

static void put_certificate(struct strbuf *o, const struct route_server *s,
                            const struct nginx_layout *l)
{
	if (s->cert) {
		strbuf_addf(o,
		            "\t\tssl_certificate %s/ssl/%s;\n\t\tssl_certificate_key %s/ssl/%s;\n",
		            l->dir, s->cert->file, l->dir, s->cert->file);
	}
}

/* Variables that the log and Lua read, set here so that they exist in answers made by nginx itself.
 */
static void put_server_vars(struct strbuf *o)
{
	strbuf_adds(o, "\t\tset $proxy_upstream_name \"\";\n\t\tset "
	               "$proxy_alternative_upstream_name \"\";\n"
	               "\t\tset $ingress_name \"\";\n\t\tset $namespace \"\";\n\t\tset "
	               "$service_name \"\";\n");
}

static bool has_path(const struct route_server *s, const char *path, enum ingress_match match)
{
	for (size_t i = 0; i < s->n_locations; i++) {
		if (s->locations[i].match == match && slice_is(s->locations[i].path, path)) {
			return true;
		}
	}
	return false;
}

static void put_nowhere(struct strbuf *o, const struct route_server *s, bool is_default)
{
	bool has_root = s && (has_path(s, "/", PATH_PREFIX) || has_path(s, "/", PATH_RAW));

	if (is_default) {
		strbuf_adds(o, "\t\tlocation = /healthz { access_log off; return 200; }\n");
	}
	if (!has_root || s->is_regex) {
		strbuf_adds(o, "\t\tlocation / { default_type text/plain; return 404 \"default "
		               "backend - 404\"; }\n");
	}
}

static void put_www(struct strbuf *o, const struct route_server *s, const struct nginx_settings *g,
                    const struct nginx_layout *l)
{
	if (s->redirect_from.len == 0) {
		return;
	}
	strbuf_adds(o, "\tserver {\n");
	put_listen(o, g, l, false);
	strbuf_adds(o, "\t\tserver_name");
	put_server_name(o, s->redirect_from);
	strbuf_adds(o, ";\n");
	put_server_vars(o);
	put_certificate(o, s, l);
	strbuf_addf(o, "\t\treturn %lld $pass_access_scheme://" SLICE_FMT "$request_uri;\n\t}\n",
	            (long long)g->redirect_code, SLICE_ARG(s->host));
}

static void put_server(struct strbuf *o, const struct route_server *s,
                       const struct nginx_settings *g, const struct nginx_layout *l)
{
	bool is_default = !s || s->host.len == 0;

	if (s) {
		nginx_put_owner(o, s->ns, s->ingress);
	}
	strbuf_adds(o, "\tserver {\n");
	put_listen(o, g, l, is_default);
	strbuf_adds(o, "\t\tserver_name");
	put_server_name(o, s ? s->host : SLICE(""));
	for (size_t i = 0; s && i < s->n_aliases; i++) {
		put_server_name(o, s->aliases[i]);
	}
	strbuf_adds(o, ";\n");
	if (is_default && g->ssl_reject_handshake) {
		strbuf_adds(o, "\t\tssl_reject_handshake on;\n");
	} else if (s) {
		put_certificate(o, s, l);
	}
	put_server_vars(o);
	strbuf_adds(o, "\t\trewrite_by_lua_block { edge.rewrite() }\n\t\tlog_by_lua_block { "
	               "edge.log() }\n");
	if (s && s->app_root.len) {
		strbuf_adds(o, "\t\tif ($uri = /) { return 302 ");
		scoped_strbuf struct strbuf url = { 0 };

		strbuf_adds(&url, "$pass_access_scheme://$http_host");
		strbuf_add_slice(&url, s->app_root);
		nginx_quote(o, strbuf_slice(&url));
		strbuf_adds(o, "; }\n");
	}
	for (size_t i = 0; s && i < s->n_locations; i++) {
		nginx_put_location(o, s, &s->locations[i], g, l);
	}
	if (s) {
		nginx_put_owner(o, s->ns, s->ingress);
	}
	put_nowhere(o, s, is_default);
	strbuf_adds(o, "\t}\n");
	if (s) {
		put_www(o, s, g, l);
	}
}

void nginx_render(struct strbuf *o, const struct routes *r, const struct nginx_settings *g,
                  const struct nginx_layout *l)
{
	size_t names = 512;

	for (size_t i = 0; i < r->n_servers; i++) {
		names += 2 + r->servers[i].n_aliases;
	}
	put_main(o, g, l);
	strbuf_adds(o, "http {\n");
	put_files(o, l);
	put_lua(o, l);
	put_limits(o, g);
	strbuf_addf(o, "\tserver_names_hash_max_size %zu;\n", 2 * names);
	put_tls(o, g, l);
	put_real_ip(o, g);
	put_maps(o, g);
	put_log(o, g, l);
	put_proxy(o, g);
	put_upstream(o, g);
	nginx_put_zones(o, r);
	put_control(o, l);
	if (r->n_servers == 0 || r->servers[0].host.len) {
		put_server(o, NULL, g, l);
	}
	for (size_t i = 0; i < r->n_servers; i++) {
		put_server(o, &r->servers[i], g, l);
	}
	strbuf_adds(o, "}\n");
}

/* ---- reading nginx's complaints ---- */

static const char owner_mark[] = "# ingress ";

void nginx_put_owner(struct strbuf *o, struct slice ns, struct slice name)
{
	strbuf_addf(o, "\t%s" SLICE_FMT "/" SLICE_FMT "\n", owner_mark, SLICE_ARG(ns),
	            SLICE_ARG(name));
}

bool nginx_line_owner(struct slice text, size_t line, struct slice *ret_ns, struct slice *ret_name)
{
	struct slice row;
	bool found = false;

	for (size_t n = 1; n <= line && slice_next(&text, '\n', &row); n++) {
		row = slice_trim(row);
		if (slice_has_prefix(row, SLICE(owner_mark))) {
			found = slice_cut(slice_from(row, sizeof(owner_mark) - 1), '/', ret_ns,
			                  ret_name);
		} else if (slice_is(row, "# nobody")) {
			found = false;
		}
	}
	return found;
}

/* A row of nginx's without time, level and process: what is after "[emerg] 12#12: ". */
static bool read_message(struct slice row, struct slice *ret)
{
	const char *in = row.len ? memmem(row.p, row.len, "] ", 2) : NULL;
	struct slice process, rest, text;

	if (!in) {
		return false;
	}
	text = slice_from(row, (size_t)(in - row.p) + 2);
	if (slice_cut(text, ':', &process, &rest) && slice_find(process, '#') > 0 &&
	    slice_find(process, ' ') < 0) {
		text = slice_trim(rest);
	}
	*ret = text;
	return true;
}

struct slice nginx_message(struct slice output)
{
	struct slice row, text = { "", 0 }, all = output;

	while (slice_next(&output, '\n', &row)) {
		if (row.len && memmem(row.p, row.len, "[emerg]", 7) && read_message(row, &text)) {
			return text;
		}
	}
	return slice_trim(all);
}

size_t nginx_error_line(struct slice output, struct slice *ret_text)
{
	struct slice row, text;
	uint64_t line;

	while (slice_next(&output, '\n', &row)) {
		ptrdiff_t colon = slice_rfind(row, ':');

		if (colon < 0 || !read_message(row, &text) ||
		    !slice_to_u64(slice_trim(slice_from(row, (size_t)colon + 1)), &line)) {
			continue;
		}
		for (size_t i = 0; i + 4 < text.len; i++) {
			if (memcmp(text.p + i, " in /", 5) == 0) {
				*ret_text = slice_head(text, i);
				return line;
			}
		}
	}
	return 0;
}
