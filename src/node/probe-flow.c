/* Why: what the analyser predicts is worth what packets say; see probe-flow.h.
 *
 * A socket belongs to the network namespace in which it was made: the process is in the pod's for that system call only,
 * and watches many of them from its loop.
 *
 *   WAITING --a place is free--> TRYING --answer, error or time--> DONE
 *
 * When the client goes, what is under way is closed and the request's memory goes with it. */
#include "node/probe-flow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "host/netns.h"
#include "node/server-priv.h"

struct flow_probe {
	struct probing *of;
	struct ip ip; /* given */
	uint16_t port;
	int type, protocol; /* of the socket */
	int fd;             /* owned while trying; -1 */
	struct loop_fd *w;
	struct loop_timer timer;
	int64_t began_us, took_us;
	struct slice send;      /* in the request's arena; may be empty */
	bool wants;             /* what comes back */
	bool connected;         /* TCP: open, and waiting for that */
	struct strbuf received; /* owned */
	const char *outcome;    /* null until done */
	int failed;             /* errno behind it */
};

struct probing { /* in the request's arena; descriptors and timers are its own */
	struct http_request *r;
	struct loop *loop;
	int netns; /* owned; -1: our own */
	int64_t timeout_us;
	struct flow_probe *flows;
	size_t n, next, n_done;
	struct loop_defer more;
};

/* A question for the root's name servers, so that whoever speaks DNS has something to answer. */
static const uint8_t question[] = { 0x6b, 0x6e, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1 };

static void go_on(struct probing *p);

/* ---- the end ---- */

static void stop(struct flow_probe *f)
{
	loop_timer_stop(&f->timer);
	f->w = loop_fd_close(f->w);
	if (f->fd >= 0) {
		close(take_fd(&f->fd));
	}
}

static void probing_fini(struct probing *p)
{
	for (size_t i = 0; i < p->n; i++) {
		stop(&p->flows[i]);
		strbuf_fini(&p->flows[i].received);
	}
	loop_defer_cancel(&p->more);
	if (p->netns >= 0) {
		close(take_fd(&p->netns));
	}
}

static void on_gone(struct http_request *r)
{
	probing_fini(r->user);
}

static void reply(struct probing *p)
{
	scoped_strbuf struct strbuf body = { 0 };
	struct http_request *r = p->r;

	strbuf_adds(&body, "{\"results\":[");
	for (size_t i = 0; i < p->n; i++) {
		const struct flow_probe *f = &p->flows[i];

		strbuf_addf(&body, "%s{\"outcome\":\"%s\",\"ms\":%.3f", i ? "," : "", f->outcome,
		            (double)f->took_us / US_PER_MS);
		if (f->failed && f->failed != ECONNREFUSED && f->failed != ETIMEDOUT) {
			strbuf_adds(&body, ",\"why\":");
			json_write_str(&body, slice_of(strerror(f->failed)));
		}
		if (f->wants) {
			strbuf_adds(&body, ",\"received\":\"");
			base64_encode(&body, strbuf_slice(&f->received));
			strbuf_addc(&body, '"');
		}
		strbuf_addc(&body, '}');
	}
	strbuf_adds(&body, "]}\n");
	probing_fini(p);
	r->on_gone = NULL;
	http_reply(r, 200, "application/json", NULL, strbuf_slice(&body));
}

/* ---- one flow ---- */

static void done(struct flow_probe *f, int failed)
{
	f->took_us = clock_mono_us() - f->began_us;
	f->failed = failed;
	f->outcome = failed == 0              ? "connected"
	             : failed == ECONNREFUSED ? "refused"
	             : failed == ETIMEDOUT    ? "timeout"
	                                      : "unreachable";
	stop(f);
	f->of->n_done++;
	go_on(f->of);
}

static void on_timeout(struct loop_timer *t)
{
	struct flow_probe *f = container_of(t, struct flow_probe, timer);

	done(f, f->connected ? 0 : ETIMEDOUT);
}

/* What came, or errno; EAGAIN: nothing yet. */
static int receive(struct flow_probe *f, int fd)
{
	char *to = strbuf_reserve(&f->received, PROBE_RECEIVE_MAX);
	ssize_t n = to ? recv(fd, to, PROBE_RECEIVE_MAX, MSG_DONTWAIT) : -1;

	if (n < 0) {
		return to ? errno : ENOMEM;
	}
	strbuf_added(&f->received, (size_t)n);
	return 0;
}

/* Open: says what it has to, and waits for an answer when one is wanted. */
static void converse(struct flow_probe *f, int fd)
{
	if (f->send.len && send(fd, f->send.p, f->send.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		done(f, errno);
	} else if (!f->wants) {
		done(f, 0);
	} else {
		f->connected = true;
		loop_fd_set(f->w, LOOP_READ);
	}
}

static void on_ready(void *arg, int fd, unsigned events)
{
	struct flow_probe *f = arg;
	int failed = 0;
	socklen_t size = sizeof(failed);

	(void)events;
	if (f->type == SOCK_DGRAM || f->connected) {
		failed = receive(f, fd);
		if (failed != EAGAIN && failed != EWOULDBLOCK) {
			done(f, f->connected ? 0 : failed);
		}
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0) {
		failed = errno;
	}
	if (failed) {
		done(f, failed);
	} else {
		converse(f, fd);
	}
}

/* 0 or errno. */
static int open_socket(struct flow_probe *f)
{
	struct netns_visit visit;
	int failed;

	if (netns_enter(&visit, f->of->netns, NULL) < 0) {
		return EPERM;
	}
	f->fd = socket(f->ip.family == IP_V6 ? AF_INET6 : AF_INET,
	               f->type | SOCK_CLOEXEC | SOCK_NONBLOCK, f->protocol);
	failed = f->fd < 0 ? errno : 0;
	netns_leave(&visit);
	return failed;
}

static int try_now(struct flow_probe *f)
{
	struct sockaddr_storage sa;
	socklen_t size = ip_to_sockaddr(f->ip, f->port, &sa);
	int failed = open_socket(f);

	if (failed) {
		return failed;
	}
	if (connect(f->fd, (struct sockaddr *)&sa, size) < 0 && errno != EINPROGRESS) {
		return errno;
	}
	if (f->type == SOCK_DGRAM &&
	    send(f->fd, f->send.len ? f->send.p : (const char *)question,
	         f->send.len ? f->send.len : sizeof(question), MSG_NOSIGNAL) < 0) {
		return errno;
	}
	if (loop_fd_open(f->of->loop, f->fd, f->type == SOCK_DGRAM ? LOOP_READ : LOOP_WRITE,
	                 on_ready, f, &f->w, NULL) < 0) {
		return EMFILE;
	}
	loop_timer_start(f->of->loop, &f->timer, f->of->timeout_us, on_timeout);
	return 0;
}

static void start_more(struct loop_defer *d)
{
	struct probing *p = container_of(d, struct probing, more);

	while (p->next < p->n && p->next - p->n_done < PROBE_FLOWS_AT_ONCE) {
		struct flow_probe *f = &p->flows[p->next++];
		int failed;

		f->began_us = clock_mono_us();
		failed = try_now(f);
		if (failed) {
			done(f, failed);
		}
	}
	if (p->n_done == p->n) {
		reply(p);
	}
}

/* Never from inside a flow's callback: the last one ends the request. */
static void go_on(struct probing *p)
{
	loop_defer(p->loop, &p->more, start_more);
}

/* ---- what is asked ---- */

static bool read_flow(struct arena *a, const struct val *v, struct flow_probe *f)
{
	struct slice proto = val_get_str(v, "proto"), send = val_get_str(v, "send");
	int64_t port = val_int(val_get(v, "port"), 0);
	scoped_strbuf struct strbuf bytes = { .max = PROBE_SEND_MAX + 4 };

	if (send.len && (!base64_decode(&bytes, send) || bytes.size > PROBE_SEND_MAX)) {
		return false;
	}
	f->send = arena_slice(a, strbuf_slice(&bytes));
	f->wants = val_bool(val_get(v, "receive"), false);

	f->port = (uint16_t)port;
	f->fd = -1;
	f->type = slice_is(proto, "UDP") ? SOCK_DGRAM : SOCK_STREAM;
	f->protocol = slice_is(proto, "SCTP") ? IPPROTO_SCTP : 0;
	return ip_parse(val_get_str(v, "ip"), &f->ip) && port >= 1 && port <= UINT16_MAX &&
	       (slice_is(proto, "TCP") || slice_is(proto, "UDP") || slice_is(proto, "SCTP"));
}

/* Null: the request is answered already. */
static struct probing *read_request(struct server *s, struct http_request *r)
{
	struct probing *p = ARENA_NEW(&r->arena, struct probing);
	struct val *root = NULL;
	const struct val *flows;
	int64_t timeout_ms;
	struct err err;

	if (!slice_is(r->method, "POST")) {
		server_refuse(r, 405, "MethodNotAllowed", "flows are probed by POST");
		return NULL;
	}
	if (json_parse(&r->arena, r->body, 0, &root, &err) < 0) {
		server_refuse_err(r, &err);
		return NULL;
	}
	flows = val_get(root, "flows");
	timeout_ms = val_int(val_get(root, "timeoutMs"), PROBE_TIMEOUT_MS);
	if (!val_len(flows) || val_len(flows) > PROBE_FLOWS_MAX || timeout_ms < 1 ||
	    timeout_ms > PROBE_TIMEOUT_MAX) {
		server_refuse(r, 400, "BadRequest", "flows: 1 to %u; timeoutMs: 1 to %d",
		              PROBE_FLOWS_MAX, PROBE_TIMEOUT_MAX);
		return NULL;
	}
	*p = (struct probing){
		.r = r, .loop = s->agent->loop, .netns = -1, .timeout_us = timeout_ms * US_PER_MS
	};
	p->flows = ARENA_ARRAY(&r->arena, struct flow_probe, val_len(flows));
	val_for_each (flows, it) {
		struct flow_probe *f = &p->flows[p->n++];

		f->of = p;
		if (!read_flow(&r->arena, it, f)) {
			server_refuse(r, 400, "BadRequest",
			              "flow %zu: proto must be TCP, UDP or SCTP, ip an address, "
			              "port 1 to 65535, send base64 "
			              "of at most %u bytes",
			              p->n, PROBE_SEND_MAX);
			return NULL;
		}
	}
	return p;
}

static void begin(struct probing *p)
{
	p->r->user = p;
	p->r->on_gone = on_gone;
	go_on(p);
}

void probe_flow_serve(struct server *s, struct http_request *r, const struct server_target *t)
{
	bool host_network = val_bool(val_path(t->view.doc->root, "spec.hostNetwork"), false);
	struct probing *p = read_request(s, r);
	struct err err;

	if (!p) {
		return;
	}
	if (!host_network && !t->view.netns_path) {
		server_refuse(r, 409, "Conflict",
		              "pod \"" SLICE_FMT "\" has no network: it is not running",
		              SLICE_ARG(t->pod));
		return;
	}
	if (!host_network && netns_open(t->view.netns_path, &p->netns, &err) < 0) {
		server_refuse_err(r, &err);
		return;
	}
	begin(p);
}

void probe_flow_serve_node(struct server *s, struct http_request *r)
{
	struct probing *p = read_request(s, r);

	if (p) {
		begin(p);
	}
}

void probe_flow_serve_vpc(struct server *s, struct http_request *r)
{
	scoped_free char *path = mem_printf("%s/netns/vpc", s->agent->instance_dir);
	struct probing *p = read_request(s, r);
	struct err err;

	if (p && netns_open(path, &p->netns, &err) < 0) {
		server_refuse_err(r, &err);
	} else if (p) {
		begin(p);
	}
}
