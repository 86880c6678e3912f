/* Why: a program that listens on its pod's localhost only must be reachable by port-forward as
 * well; see portforward.h and kubernetes-api.md 4.5.
 *
 *                refused: the other family        open
 *   DIALING_4 ----------------------> DIALING_6 -------+
 *      | open                            | refused     v
 *      +------------------------> OPEN <-|-------------+
 *                                  |     v
 *                                  |   (text on the error stream)
 *                                  +--> ends by either side --> (gone when both have ended)
 *
 * A socket belongs to the network namespace in which it was made, whoever uses it: the process is
 * in the pod's namespace for one system call. */
#include "node/portforward.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "http/stream.h"
#include "node/server-priv.h"

#define DIAL_US (10 * US_PER_S)

struct portforward {
	struct loop *loop; /* borrowed */
	char *pod;         /* name; owned */
	int netns;         /* owned; -1: our own */
};

struct portforward_conn {
	struct portforward *pf;  /* null once the client is gone */
	struct loop *loop;       /* borrowed */
	struct forward_conn *fc; /* null once it is closed */
	struct stream *stream;   /* null: not open, or over */
	struct loop_fd *w;       /* while dialing */
	struct loop_timer timer; /* while dialing */
	int fd;                  /* owned while dialing; -1 */
	uint16_t port;
	bool is_v6;
	bool is_over;       /* the pod's side has ended, and was told */
	bool client_ended;  /* before it was open */
	char v4_failed[96]; /* why 127.0.0.1 did not answer */
};

static void dial(struct portforward_conn *c);

/* ---- life ---- */

static void stop_dialing(struct portforward_conn *c)
{
	loop_timer_stop(&c->timer);
	c->w = loop_fd_close(c->w);
	if (c->fd >= 0) {
		close(take_fd(&c->fd));
	}
}

/* Freed when neither side knows it any more. */
static void conn_unref(struct portforward_conn *c)
{
	if (!c->fc && !c->stream) {
		stop_dialing(c);
		free(c);
	}
}

/* ---- an open connection ---- */

static void on_pod_data(void *arg, struct slice bytes)
{
	struct portforward_conn *c = arg;

	if (!c->fc) {
		return;
	}
	forward_write(c->fc, bytes);
	if (forward_is_full(c->fc)) {
		stream_pause(c->stream);
	}
}

static void pod_ended(struct portforward_conn *c)
{
	if (c->fc && !c->is_over) {
		c->is_over = true;
		forward_eof(c->fc);
	}
}

static void on_pod_end(void *arg)
{
	pod_ended(arg);
}

static void on_pod_drain(void *arg)
{
	struct portforward_conn *c = arg;

	if (c->fc) {
		forward_pause(c->fc, false);
	}
}

static void on_pod_close(void *arg, const struct err *why)
{
	struct portforward_conn *c = arg;

	(void)why;
	c->stream = NULL;
	pod_ended(c);
	if (c->fc) {
		forward_pause(c->fc, false); /* what still comes goes nowhere */
	}
	conn_unref(c);
}

static const struct stream_events pod_events = {
	.on_data = on_pod_data,
	.on_end = on_pod_end,
	.on_drain = on_pod_drain,
	.on_close = on_pod_close,
};

/* ---- dialing ---- */

static void dial_failed(struct portforward_conn *c, const char *why)
{
	char text[512];

	stop_dialing(c);
	if (!c->is_v6) {
		snprintf(c->v4_failed, sizeof(c->v4_failed), "%s", why);
		c->is_v6 = true;
		dial(c);
		return;
	}
	snprintf(text, sizeof(text),
	         "error forwarding port %u to pod %s: failed to connect to localhost:%u inside the "
	         "pod, "
	         "IPv4: dial tcp4 127.0.0.1:%u: connect: %s IPv6: dial tcp6 [::1]:%u: connect: %s",
	         c->port, c->pf->pod, c->port, c->port, c->v4_failed, c->port, why);
	forward_fail(c->fc, text);
}

/* As Go words them. */
static const char *dial_error_text(int number)
{
	return number == ECONNREFUSED ? "connection refused"
	       : number == ETIMEDOUT  ? "i/o timeout"
	                              : strerror(number);
}

static void dialed(struct portforward_conn *c)
{
	loop_timer_stop(&c->timer);
	c->w = loop_fd_close(c->w);
	c->stream = stream_of_fd(c->loop, take_fd(&c->fd), &pod_events, c);
	if (c->client_ended) {
		stream_end(c->stream);
	}
	forward_pause(c->fc, false); /* what came meanwhile was kept for us */
}

static void on_dialed(void *arg, int fd, unsigned events)
{
	struct portforward_conn *c = arg;
	int failed = 0;
	socklen_t size = sizeof(failed);

	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0) {
		failed = errno;
	}
	if (failed) {
		dial_failed(c, dial_error_text(failed));
	} else {
		dialed(c);
	}
}

static void on_dial_timeout(struct loop_timer *t)
{
	dial_failed(container_of(t, struct portforward_conn, timer), dial_error_text(ETIMEDOUT));
}

/* A TCP socket made inside the namespace; -1 with errno. */
static int socket_in(int netns, int family)
{
	scoped_fd int home = -1;
	int fd, saved;

	if (netns < 0) {
		return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || setns(netns, CLONE_NEWNET) < 0) {
		return -1;
	}
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	saved = errno;
	must(setns(home, CLONE_NEWNET) == 0); /* we would speak for the pod from now on */
	errno = saved;
	return fd;
}

static void dial(struct portforward_conn *c)
{
	struct sockaddr_storage sa;
	struct ip ip;
	socklen_t size;
	struct err err;

	must(ip_parse(c->is_v6 ? SLICE("::1") : SLICE("127.0.0.1"), &ip));
	size = ip_to_sockaddr(ip, c->port, &sa);
	c->fd = socket_in(c->pf->netns, c->is_v6 ? AF_INET6 : AF_INET);
	if (c->fd < 0 ||
	    (connect(c->fd, (struct sockaddr *)&sa, size) < 0 && errno != EINPROGRESS)) {
		dial_failed(c, dial_error_text(errno));
		return;
	}
	if (loop_fd_open(c->loop, c->fd, LOOP_WRITE, on_dialed, c, &c->w, &err) < 0) {
		dial_failed(c, err.msg);
		return;
	}
	loop_timer_start(c->loop, &c->timer, DIAL_US, on_dial_timeout);
}

/* ---- from the client ---- */

static void on_open(void *arg, struct forward_conn *fc, uint16_t port)
{
	struct portforward *pf = arg;
	struct portforward_conn *c = NEW(struct portforward_conn);

	c->pf = pf;
	c->loop = pf->loop;
	c->fc = fc;
	c->fd = -1;
	c->port = port;
	forward_set_user(fc, c);
	forward_pause(fc, true); /* until it is open */
	dial(c);
}

static void on_client_data(void *user, struct slice bytes)
{
	struct portforward_conn *c = user;

	if (c->stream) {
		stream_write(c->stream, bytes);
		forward_pause(c->fc, stream_is_full(c->stream));
	}
}

static void on_client_eof(void *user)
{
	struct portforward_conn *c = user;

	if (c->stream) {
		stream_end(c->stream);
	} else {
		c->client_ended = true;
	}
}

static void on_client_drain(void *user)
{
	struct portforward_conn *c = user;

	if (c->stream) {
		stream_resume(c->stream);
	}
}

static void on_client_closed(void *user)
{
	struct portforward_conn *c = user;

	c->fc = NULL;
	c->pf = NULL;
	stop_dialing(c);
	if (c->stream) {
		stream_resume(c->stream);
		stream_close(
			c->stream); /* what the client had sent still arrives; on_close unrefs */
	} else {
		conn_unref(c);
	}
}

static void portforward_free(struct portforward *pf)
{
	if (pf->netns >= 0) {
		close(pf->netns);
	}
	free(pf->pod);
	free(pf);
}

static void on_client_gone(void *arg)
{
	portforward_free(arg);
}

static const struct forward_events client_events = {
	.open = on_open,
	.data = on_client_data,
	.eof = on_client_eof,
	.drain = on_client_drain,
	.closed = on_client_closed,
	.gone = on_client_gone,
};

void portforward_serve(struct server *s, struct http_request *r, const struct server_target *t)
{
	bool host_network = val_bool(val_path(t->view.doc->root, "spec.hostNetwork"), false);
	struct portforward *pf;

	if (!host_network && !t->view.netns_path) {
		server_refuse(r, 500, "InternalError",
		              "unable to do port forwarding: pod \"" SLICE_FMT "\" is not running",
		              SLICE_ARG(t->pod));
		return;
	}
	pf = NEW(struct portforward);
	pf->loop = s->agent->loop;
	pf->pod = slice_dup(t->pod);
	pf->netns = -1;
	if (!host_network) {
		pf->netns = open(t->view.netns_path, O_RDONLY | O_CLOEXEC);
		if (pf->netns < 0) {
			server_refuse(r, 500, "InternalError",
			              "unable to do port forwarding: network of pod \"" SLICE_FMT
			              "\": %s",
			              SLICE_ARG(t->pod), strerror(errno));
			portforward_free(pf);
			return;
		}
	}
	if (!forward_accept(r, &client_events, pf)) {
		portforward_free(pf);
	}
}
