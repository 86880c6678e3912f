/* Why: probes and hooks ask a container the same four questions; each is one attempt with one end.
 */
#include "node/check.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/client.h"
#include "http/tls.h"
#include "node/grpc-health.h"

enum { BODY_MAX = 10 << 10, OUTPUT_MAX = 10 << 10, GRPC_MAX = 64 << 10 };

struct check {
	struct container *container;
	struct loop *loop;
	check_done_fn *done;
	void *arg;
	bool is_over; /* done was called or never will be; freed when nothing refers to it */
	struct loop_timer timeout;
	struct loop_defer finish;
	bool is_finishing;
	bool ok;
	struct strbuf why;
	struct ip ip; /* whom it asks */
	uint16_t port;
	/* exec */
	struct runtime_exec *exec;
	struct strbuf output;
	/* http */
	struct http_client *http;
	struct tls_client *tls;
	char *url; /* owned */
	/* tcp and grpc */
	struct stream *stream;
	bool is_open, is_grpc;
	struct strbuf answer;
	size_t answer_done;
};

static void free_check(struct check *k)
{
	loop_timer_stop(&k->timeout);
	loop_defer_cancel(&k->finish);
	http_client_free(k->http);
	tls_client_free(k->tls);
	strbuf_fini(&k->why);
	strbuf_fini(&k->output);
	strbuf_fini(&k->answer);
	free(k->url);
	free(k);
}

/* Streams and programs end later than the check: it lives until they do. */
static void release(struct check *k)
{
	if (k->is_over && !k->stream && !k->exec) {
		free_check(k);
	}
}

static void on_finish(struct loop_defer *d)
{
	struct check *k = container_of(d, struct check, finish);
	bool was_over = k->is_over;

	k->is_over = true;
	loop_timer_stop(&k->timeout);
	if (k->exec) {
		runtime_exec_drop(k->exec); /* its events never come any more */
		k->exec = NULL;
	}
	if (k->stream) {
		stream_abort(k->stream);
	}
	if (!was_over) {
		k->done(k->arg, k->ok, k->ok ? NULL : strbuf_str(&k->why));
	}
	release(k);
}

static void finish(struct check *k, bool ok)
{
	if (k->is_finishing || k->is_over) {
		return;
	}
	k->is_finishing = true;
	k->ok = ok;
	loop_defer(k->loop, &k->finish, on_finish);
}

struct check *check_cancel(struct check *k)
{
	if (k && !k->is_over) {
		k->is_over = true;
		loop_timer_stop(&k->timeout);
		loop_defer(k->loop, &k->finish, on_finish);
	}
	return NULL;
}

/* ---- exec ---- */

static void on_exec_data(void *arg, int stream, struct slice bytes)
{
	struct check *k = arg;

	(void)stream;
	if (k->output.size < OUTPUT_MAX) {
		strbuf_add_slice(&k->output, slice_head(bytes, OUTPUT_MAX - k->output.size));
	}
}

static void on_exec_done(void *arg, const struct runtime_exec_result *r)
{
	struct check *k = arg;

	k->exec = NULL;
	if (k->is_over) {
		release(k);
		return;
	}
	if (r->timed_out) {
		strbuf_addf(&k->why, "command timed out");
	} else if (r->why) {
		strbuf_adds(&k->why, r->why->msg);
	} else {
		strbuf_add_slice(&k->why, slice_trim(strbuf_slice(&k->output)));
	}
	finish(k, !r->timed_out && !r->why && r->code == 0);
}

static void start_exec(struct check *k, const struct val *exec, int64_t timeout_us)
{
	static const struct runtime_exec_events events = { on_exec_data, NULL, on_exec_done };

	k->exec = runtime_exec(k->container->runtime,
	                       &(struct runtime_exec_spec){ .args = val_get(exec, "command"),
	                                                    .stdout_open = true,
	                                                    .stderr_open = true,
	                                                    .timeout_us = timeout_us },
	                       &events, k);
}

/* ---- where to ---- */

/* A port is a number, or the name of one of the container's. 0: none of that name. */
static uint16_t port_of(const struct check *k, const struct val *port)
{
	int64_t n;

	if (port && port->type == VAL_INT) {
		return (uint16_t)port->i;
	}
	if (slice_to_i64(val_str(port), &n) && n > 0 && n < 65536) {
		return (uint16_t)n;
	}
	val_for_each (val_get(k->container->facts.spec, "ports"), it) {
		if (slice_eq(val_get_str(it, "name"), val_str(port))) {
			return (uint16_t)val_int(val_get(it, "containerPort"), 0);
		}
	}
	return 0;
}

static bool target_of(struct check *k, const struct val *handler, struct stream_target *to)
{
	struct slice host = val_get_str(handler, "host");

	to->port = k->port = port_of(k, val_get(handler, "port"));
	to->ip = k->container->pod->ips.at[0];
	if (host.len > 0 && !ip_parse(host, &to->ip)) {
		strbuf_addf(&k->why, "host \"" SLICE_FMT "\" is no address", SLICE_ARG(host));
		return false;
	}
	if (to->port == 0) {
		strbuf_adds(&k->why, "no such port");
		return false;
	}
	k->ip = to->ip;
	return true;
}

static void add_dial_error(struct check *k, const struct err *why)
{
	char ip[IP_TEXT_SIZE];

	strbuf_addf(&k->why, "dial tcp %s:%u: %s", ip_format(k->ip, ip), k->port,
	            why->sys == ECONNREFUSED   ? "connect: connection refused"
	            : why->sys == EHOSTUNREACH ? "connect: no route to host"
	            : why->code == ERR_TIMEOUT ? "i/o timeout"
	                                       : why->msg);
}

/* ---- HTTP ---- */

static void on_http(void *arg, const struct http_answer *a)
{
	struct check *k = arg;

	if (k->is_over) {
		return;
	}
	if (a->status == 0) {
		strbuf_addf(&k->why, "Get \"%s\": ", k->url);
		if (a->why && (a->why->sys == ECONNREFUSED || a->why->sys == EHOSTUNREACH)) {
			add_dial_error(k, a->why);
		} else if (a->why && a->why->code == ERR_TIMEOUT) {
			strbuf_adds(&k->why, "context deadline exceeded (Client.Timeout exceeded "
			                     "while awaiting headers)");
		} else {
			strbuf_adds(&k->why, a->why ? a->why->msg : "EOF");
		}
	} else if (a->status < 200 || a->status >= 400) {
		strbuf_addf(&k->why, "HTTP probe failed with statuscode: %d", a->status);
	}
	finish(k, a->status >= 200 && a->status < 400);
}

static void start_http(struct check *k, const struct val *get, int64_t timeout_us)
{
	struct stream_target to = { .timeout_us = timeout_us };
	bool is_tls = slice_eq_nocase(val_get_str(get, "scheme"), SLICE("HTTPS"));
	scoped_strbuf struct strbuf headers = { 0 }, host = { 0 };
	struct slice path = val_get_str(get, "path");
	scoped_free char *target = NULL;
	char ip[IP_TEXT_SIZE];

	if (!target_of(k, get, &to)) {
		finish(k, false);
		return;
	}
	target = mem_printf("%s" SLICE_FMT, path.len && path.p[0] == '/' ? "" : "/",
	                    SLICE_ARG(path));
	strbuf_addf(&host, "%s:%u", ip_format(to.ip, ip), to.port);
	k->url = mem_printf("%s://%s%s", is_tls ? "https" : "http", strbuf_str(&host), target);
	strbuf_adds(&headers,
	            "User-Agent: kube-probe/1.27\r\nAccept: */*\r\nConnection: close\r\n");
	val_for_each (val_get(get, "httpHeaders"), it) {
		if (slice_eq_nocase(val_get_str(it, "name"), SLICE("Host"))) {
			strbuf_reset(&host);
			strbuf_add_slice(&host, val_get_str(it, "value"));
		} else {
			strbuf_addf(&headers, SLICE_FMT ": " SLICE_FMT "\r\n",
			            SLICE_ARG(val_get_str(it, "name")),
			            SLICE_ARG(val_get_str(it, "value")));
		}
	}
	if (is_tls) {
		struct err err = { 0 };

		if (tls_client_new(&(struct tls_client_config){ .insecure = true }, &k->tls, &err) <
		    0) {
			strbuf_adds(&k->why, err.msg);
			finish(k, false);
			return;
		}
		to.tls = k->tls;
	}
	k->http = http_client_new(k->loop, &(struct http_client_config){ .target = to,
	                                                                 .host = strbuf_str(&host),
	                                                                 .max_connections = 1 });
	(void)http_call(k->http,
	                &(struct http_call_spec){ .method = "GET",
	                                          .target = target,
	                                          .headers = strbuf_str(&headers),
	                                          .timeout_us = timeout_us },
	                on_http, k);
}

/* ---- TCP and gRPC ---- */

static void on_stream_close(void *arg, const struct err *why)
{
	struct check *k = arg;

	k->stream = NULL;
	if (k->is_over) {
		release(k);
		return;
	}
	if (k->is_grpc && !k->is_finishing) {
		strbuf_addf(&k->why, "connection closed before the health check was answered%s%s",
		            why ? ": " : "", why ? why->msg : "");
		finish(k, false);
	}
}

static void on_stream_data(void *arg, struct slice bytes)
{
	struct check *k = arg;
	scoped_strbuf struct strbuf reply = { 0 };
	int status = 0;

	if (k->is_over || !k->is_grpc) {
		return;
	}
	strbuf_add_slice(&k->answer, bytes);
	switch (k->answer.size > GRPC_MAX ? GRPC_FAILED
	                                  : grpc_health_answer(strbuf_slice(&k->answer),
	                                                       &k->answer_done, &reply, &status)) {
	case GRPC_MORE:
		if (reply.size && k->stream) {
			stream_write(k->stream, strbuf_slice(&reply));
		}
		return;
	case GRPC_SERVING:
		k->is_grpc = false;
		finish(k, true);
		return;
	case GRPC_NOT_SERVING:
		k->is_grpc = false;
		strbuf_addf(&k->why, "service unhealthy (responded with \"%s\")",
		            status == 2   ? "NOT_SERVING"
		            : status == 3 ? "SERVICE_UNKNOWN"
		                          : "UNKNOWN");
		finish(k, false);
		return;
	case GRPC_FAILED:
		k->is_grpc = false;
		strbuf_adds(&k->why, "service does not answer grpc.health.v1");
		finish(k, false);
		return;
	}
}

static void on_open(void *arg, const struct err *why)
{
	struct check *k = arg;

	if (why) {
		k->stream = NULL;
		if (k->is_over) {
			release(k);
			return;
		}
		add_dial_error(k, why);
		finish(k, false);
		return;
	}
	k->is_open = true;
	if (!k->is_over && !k->is_grpc) {
		finish(k, true);
	}
}

static void start_stream(struct check *k, const struct val *handler, int64_t timeout_us)
{
	static const struct stream_events events = { .on_data = on_stream_data,
		                                     .on_close = on_stream_close };
	struct stream_target to = { .timeout_us = timeout_us };
	scoped_strbuf struct strbuf request = { 0 };
	char ip[IP_TEXT_SIZE], authority[IP_TEXT_SIZE + 8];

	if (!target_of(k, handler, &to)) {
		finish(k, false);
		return;
	}
	k->stream = stream_connect(k->loop, &to, on_open, &events, k);
	if (k->is_grpc) {
		snprintf(authority, sizeof(authority), "%s:%u", ip_format(to.ip, ip), to.port);
		grpc_health_request(&request, authority, val_get_str(handler, "service"));
		stream_write(k->stream, strbuf_slice(&request));
	}
}

/* ---- any ---- */

static void on_timeout(struct loop_timer *t)
{
	struct check *k = container_of(t, struct check, timeout);

	if (k->why.size == 0) {
		if (k->http) {
			strbuf_addf(&k->why,
			            "Get \"%s\": context deadline exceeded (Client.Timeout "
			            "exceeded while awaiting headers)",
			            k->url);
		} else {
			strbuf_adds(&k->why, "command timed out");
		}
	}
	finish(k, false);
}

struct check *check_start(struct container *c, const struct val *handler, int64_t timeout_us,
                          check_done_fn *done, void *arg)
{
	struct check *k = NEW(struct check);
	const struct val *h;

	k->container = c;
	k->loop = c->pod->pods->agent->loop;
	k->done = done;
	k->arg = arg;
	if ((h = val_get(handler, "exec"))) {
		start_exec(k, h, timeout_us);
		return k; /* the runtime keeps its time */
	}
	if ((h = val_get(handler, "httpGet"))) {
		start_http(k, h, timeout_us);
	} else if ((h = val_get(handler, "tcpSocket"))) {
		start_stream(k, h, timeout_us);
	} else if ((h = val_get(handler, "grpc"))) {
		k->is_grpc = true;
		start_stream(k, h, timeout_us);
	} else {
		strbuf_adds(&k->why, "nothing to check");
		finish(k, false);
	}
	if (timeout_us > 0) {
		loop_timer_start(k->loop, &k->timeout, timeout_us, on_timeout);
	}
	return k;
}
