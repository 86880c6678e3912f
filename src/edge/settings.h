/* What: what annotations of an Ingress and the controller's ConfigMap ask for, as checked values.
 *
 * A wrong value never guesses: on an annotation it denies the Ingress's routes (they answer 503, as
 * ingress-nginx has it), in the ConfigMap the default stays; both are told in a warning.
 * Source: ingress-nginx/annotations, ingress-nginx/configmap. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "codec/value.h"

#define INGRESS_PREFIX "nginx.ingress.kubernetes.io/"

enum backend_protocol { BACKEND_HTTP, BACKEND_HTTPS, BACKEND_GRPC, BACKEND_GRPCS };

struct prefixes {
	struct prefix *at;
	size_t n;
};

/* The controller's ConfigMap. */
struct nginx_settings {
	bool use_proxy_protocol, use_forwarded_headers, compute_full_forwarded_for;
	struct prefixes real_ip_from; /* proxy-real-ip-cidr */
	struct slice bind_address;    /* empty: every address */
	struct slice proxy_body_size, proxy_buffer_size, client_header_buffer_size,
		client_body_buffer_size;
	struct slice large_header_buffers; /* "4 8k" */
	int64_t connect_s, read_s, send_s;
	bool ssl_redirect, force_ssl_redirect;
	int64_t redirect_code;
	bool hsts, hsts_subdomains, hsts_preload;
	int64_t hsts_max_age;
	struct slice ssl_protocols, ssl_ciphers;
	bool ssl_session_tickets, ssl_reject_handshake;
	bool use_http2;
	int64_t http2_streams;
	int64_t keep_alive_s, keep_alive_requests;
	int64_t upstream_connections, upstream_timeout_s, upstream_requests;
	bool gzip;
	int64_t gzip_level, gzip_min_length;
	struct slice worker_processes; /* "auto" or a number */
	int64_t worker_connections;
	struct slice worker_shutdown;
	bool server_tokens, underscores_in_headers, ignore_invalid_headers;
	int64_t limit_req_status, limit_conn_status;
	struct prefixes allow, deny;
	bool access_log;
};

/* The annotations of one Ingress. */
struct ingress_settings {
	const char *denied; /* why its routes answer 503; null: they serve */
	struct slice rewrite_target;
	bool use_regex;
	bool ssl_redirect, force_ssl_redirect;
	struct slice body_size, buffer_size, client_body_buffer_size,
		max_temp_file_size; /* empty: global */
	int64_t buffers_number;
	int64_t connect_s, read_s, send_s; /* 0: global */
	bool buffering, no_request_buffering;
	enum backend_protocol protocol;
	struct prefixes allow, deny;
	struct {
		bool enabled, credentials;
		struct slice origins, methods, headers, expose;
		int64_t max_age;
	} cors;
	struct {
		bool enabled, map; /* map: the Secret has a key a user */
		struct slice secret, realm;
		const char *file; /* set when the Secret was read (routes.c) */
	} auth;
	struct { /* another server decides who may pass */
		struct slice url, signin, method, response_headers;
	} external;
	struct {
		int64_t rps, rpm, connections, burst;
		struct slice rate, rate_after;
		struct prefixes whitelist;
	} limit;
	struct slice redirect; /* URL; empty: none */
	int64_t redirect_code;
	struct slice app_root, upstream_vhost, forwarded_prefix;
	struct {
		bool enabled, change_on_failure, secure;
		struct slice name, path, domain, samesite;
		int64_t max_age; /* 0: until the browser closes */
	} cookie;
	struct {
		bool enabled;
		struct slice header, header_value, header_pattern, cookie;
		int64_t weight, weight_total;
	} canary;
	struct slice next_upstream; /* words; empty: "error timeout" */
	int64_t next_tries, next_timeout_s;
	struct slice aliases; /* server-alias: checked host names, comma-separated */
	bool from_to_www;
	bool service_upstream;
	bool no_access_log;
};

/* Receives one sentence for each thing that is wrong or not done. */
typedef void settings_warn_fn(void *arg, const char *text);

/* configmap may be null. Everything lives in a. */
struct nginx_settings nginx_settings_read(struct arena *a, const struct val *configmap,
                                          settings_warn_fn *warn, void *arg);
struct ingress_settings ingress_settings_read(struct arena *a, const struct val *ingress,
                                              const struct nginx_settings *global,
                                              settings_warn_fn *warn, void *arg);
