/* Why: one place where a path becomes a pod and a container, or a sentence why not; see server.h.
 */
#include "node/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "http/channel.h"
#include "node/attach.h"
#include "node/dial.h"
#include "node/drops.h"
#include "node/exec.h"
#include "node/logs-query.h"
#include "node/logs-watch.h"
#include "node/logs.h"
#include "node/portforward.h"
#include "node/probe-flow.h"
#include "node/server-priv.h"
#include "node/stats.h"

/* ---- answers ---- */

void server_refuse(struct http_request *r, int status, const char *reason, const char *fmt, ...)
{
	scoped_strbuf struct strbuf body = { 0 };
	char message[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	strbuf_adds(&body, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
	                   "\"status\":\"Failure\",\"message\":");
	json_write_str(&body, slice_of(message));
	strbuf_addf(&body, ",\"reason\":\"%s\",\"code\":%d}\n", reason, status);
	http_reply(r, status, "application/json", NULL, strbuf_slice(&body));
}

void server_refuse_err(struct http_request *r, const struct err *why)
{
	server_refuse(r, err_code_http(why->code), err_code_reason(why->code), "%s", why->msg);
}

bool server_running_container(struct http_request *r, const struct server_target *t,
                              struct pod_container_view *ret)
{
	struct err err;

	if (pods_container(&t->view, t->container, ret, &err) < 0) {
		server_refuse(r, 404, "NotFound", "%s", err.msg);
		return false;
	}
	if (!ret->runtime || runtime_state(ret->runtime) != RUNTIME_RUNNING) {
		server_refuse(r, 500, "InternalError", "container not found (\"" SLICE_FMT "\")",
		              SLICE_ARG(val_get_str(ret->spec, "name")));
		return false;
	}
	return true;
}

bool server_channel_ask(struct http_request *r, struct channel_ask *ret)
{
	struct channel_ask ask = {
		.stdin_ = query_flag(&r->arena, r->query, "stdin"),
		.stdout_ = query_flag(&r->arena, r->query, "stdout"),
		.stderr_ = query_flag(&r->arena, r->query, "stderr"),
		.tty = query_flag(&r->arena, r->query, "tty"),
	};

	ask.stderr_ = ask.stderr_ && !ask.tty; /* a terminal is one stream */
	if (!ask.stdin_ && !ask.stdout_ && !ask.stderr_) {
		server_refuse(r, 400, "BadRequest",
		              "you must specify at least 1 of stdin, stdout, stderr");
		return false;
	}
	*ret = ask;
	return true;
}

/* ---- routes ---- */

static void serve_health(struct server *s, struct http_request *r)
{
	(void)s;
	http_reply(r, 200, "text/plain; charset=utf-8", NULL, SLICE("ok"));
}

static bool add_pod(void *arg, const struct pod_view *v)
{
	struct strbuf *out = arg;

	if (out->p[out->size - 1] == '}') {
		strbuf_addc(out, ',');
	}
	json_write(out, v->doc->root);
	return true;
}

static void serve_pods(struct server *s, struct http_request *r)
{
	scoped_strbuf struct strbuf body = { 0 };

	strbuf_adds(&body,
	            "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
	pods_each(s->agent->pods, add_pod, &body);
	strbuf_adds(&body, "]}\n");
	http_reply(r, 200, "application/json", NULL, strbuf_slice(&body));
}

static void serve_stats(struct server *s, struct http_request *r)
{
	scoped_strbuf struct strbuf body = { 0 };

	stats_summary(s->stats, &body);
	http_reply(r, 200, "application/json", NULL, strbuf_slice(&body));
}

enum { ROUTE_MAX_PARTS = 5 }; /* "exec", namespace, pod, [uid,] container */

static const struct route {
	const char *name;
	bool get_only;
	void (*serve)(struct server *s, struct http_request *r); /* fixed path */
	void (*serve_pod)(struct server *s, struct http_request *r,
	                  const struct server_target *t); /* path below names a pod */
} routes[] = {
	{ "containerLogs", .get_only = true, .serve_pod = logs_serve },
	{ "exec", .serve_pod = exec_serve },
	{ "attach", .serve_pod = attach_serve },
	{ "portForward", .serve_pod = portforward_serve },
	{ "dial", .get_only = true, .serve_pod = dial_serve },
	{ "probe", .serve_pod = probe_flow_serve },
	{ "probeNode", .serve = probe_flow_serve_node },
	{ "probeVpc", .serve = probe_flow_serve_vpc },
	{ "drops", .get_only = true, .serve = drops_serve },
	{ "metrics", .get_only = true, .serve = drops_serve_metrics },
	{ "healthz", .get_only = true, .serve = serve_health },
	{ "pods", .get_only = true, .serve = serve_pods },
	{ "stats/summary", .get_only = true, .serve = serve_stats },
};

/* "/NS/POD[/CONTAINER]" */
static bool target_parse(struct slice rest, struct server_target *t)
{
	struct slice empty = { 0 };

	if (rest.len == 0 || rest.p[0] != '/') {
		return false;
	}
	rest = slice_from(rest, 1);
	slice_cut(rest, '/', &t->ns, &rest);
	slice_cut(rest, '/', &t->pod, &rest);
	slice_cut(rest, '/', &t->container, &empty);
	return t->ns.len > 0 && t->pod.len > 0 && empty.len == 0;
}

static void serve_target(struct server *s, struct http_request *r, const struct route *route,
                         struct slice rest)
{
	struct server_target t = { 0 };

	if (!target_parse(rest, &t)) {
		server_refuse(r, 400, "BadRequest", "path must be /%s/NAMESPACE/POD/CONTAINER",
		              route->name);
	} else if (!pods_find(s->agent->pods, t.ns, t.pod, &t.view)) {
		server_refuse(r, 404, "NotFound", "pods \"" SLICE_FMT "\" not found",
		              SLICE_ARG(t.pod));
	} else {
		route->serve_pod(s, r, &t);
	}
}

static void on_request(void *arg, struct http_request *r)
{
	struct server *s = arg;
	struct slice path = slice_from(r->path, 1), rest;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		const struct route *route = &routes[i];

		if (!slice_has_prefix(path, slice_of(route->name))) {
			continue;
		}
		rest = slice_from(path, strlen(route->name));
		if (rest.len > 0 && (route->serve || rest.p[0] != '/')) {
			continue;
		}
		if (route->get_only && !slice_is(r->method, "GET")) {
			server_refuse(r, 405, "MethodNotAllowed",
			              "the server does not allow this method on the requested "
			              "resource");
		} else if (route->serve) {
			route->serve(s, r);
		} else {
			serve_target(s, r, route, rest);
		}
		return;
	}
	server_refuse(r, 404, "NotFound", "the server could not find the requested resource");
}

/* ---- life ---- */

static int listen_unix(const char *path, uid_t owner, int *ret_fd, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	scoped_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before;
	int bound;

	if (fd < 0) {
		return err_sys(err, "make a socket");
	}
	if (strlen(path) >= sizeof(sa.sun_path)) {
		return err_raise(err, ERR_LIMIT, "path of socket %s is longer than %zu bytes", path,
		                 sizeof(sa.sun_path) - 1);
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (unlink(path) < 0 && errno != ENOENT) {
		return err_sys(err, "replace %s", path);
	}
	before = umask(0177);
	bound = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(before);
	if (bound < 0 || (owner && chown(path, owner, owner) < 0) || listen(fd, 256) < 0) {
		return err_sys(err, "listen on %s", path);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int server_new(struct agent *a, const char *path, struct server **ret, struct err *err)
{
	struct server *s = NEW(struct server);
	int fd = -1, r;

	s->agent = a;
	s->http = http_server_new(a->loop, &(struct http_server_config){
						   .on_request = on_request,
						   .arg = s,
						   .max_body = 64 << 10,
						   .name = "the kubelet's socket",
					   });
	s->stats = stats_new(a);
	s->drops = drops_new(a);
	r = logs_watch_new(a->loop, &s->watch, err);
	if (r == 0) {
		r = listen_unix(path, a->api_uid, &fd, err);
	}
	if (r == 0) {
		s->path = mem_strdup(path);
		r = http_server_listen(s->http, fd, err);
	}
	if (r < 0) {
		server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct server *server_free(struct server *s)
{
	if (!s) {
		return NULL;
	}
	http_server_free(s->http);
	logs_detach_all(s);
	logs_watch_free(s->watch);
	stats_free(s->stats);
	drops_free(s->drops);
	if (s->path) {
		(void)unlink(s->path);
	}
	free(s->path);
	free(s);
	return NULL;
}
