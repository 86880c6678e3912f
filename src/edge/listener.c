/* Why: what happens between a client's SYN and the first byte passed; see listener.h.
 *
 *   accepted --source refused--> reset
 *      |
 *      v              refused, unreachable, silent
 *   DIALLING <-------------------------------------- try again after 10, 20, ... 250 ms,
 *      |    \                                        perhaps elsewhere; nothing was sent yet
 *      |     `-- 5 s are over --> reset
 *      v connected
 *   RELAYED (relay.c)
 */
#include "edge/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "edge/proxy-protocol.h"

enum { ACCEPTS_A_TURN = 64, CONNECTIONS_MAX = 50000 };
static const int64_t dial_total_us = 5 * US_PER_S, dial_once_us = 2 * US_PER_S,
		     retry_floor_us = 10 * US_PER_MS, retry_ceiling_us = 250 * US_PER_MS,
		     starved_us = 100 * US_PER_MS;

struct connection {
	struct list_link in_listener; /* in listener.connections */
	struct listener *listener;
	int client_fd; /* -1 once it is the relay's */
	struct ip client_ip;
	uint16_t client_port;
	int target_fd;
	struct loop_fd *watch;
	struct loop_timer timer; /* next try, or limit of this one */
	int64_t until_us;
	struct backoff backoff;
	struct relay *relay;
};

struct listener {
	struct relay_pool *pool;
	struct loop *loop;
	struct listener_spec spec;
	struct prefix *sources;
	struct targets *targets;
	struct loop_fd *watch; /* null: accepts no more */
	struct loop_timer starved, grace;
	struct list connections;
	size_t n_connections;
	bool stopping;
	void (*gone)(void *arg);
	void *gone_arg;
	struct loop_defer end;
};

static void dial(struct connection *c);

/* ---- who a target sees ---- */

/* One of 65,000 addresses of its own for each client, which the router keeps for this (see
 * dataplane/vpc.c): those who remember clients by address can tell them apart behind the balancer. */
struct ip client_source(struct ip client)
{
	uint32_t h = 0x811c9dc5;

	for (size_t i = 0; i < sizeof(client.bytes); i++) {
		h = (h ^ client.bytes[i]) * 0x01000193;
	}
	return ip_v4(LB_CLIENT_RANGE | (1 + (h ^ h >> 16) % 0xfffe));
}

/* ---- connections ---- */

static void on_end(struct loop_defer *d)
{
	struct listener *l = container_of(d, struct listener, end);
	void (*gone)(void *) = l->gone;
	void *arg = l->gone_arg;

	if (l->n_connections == 0) {
		listener_free(l);
		if (gone) {
			gone(arg);
		}
	}
}

static void connection_free(struct connection *c)
{
	struct listener *l = c->listener;

	loop_timer_stop(&c->timer);
	c->watch = loop_fd_close(c->watch);
	if (c->target_fd >= 0) {
		close(c->target_fd);
	}
	if (c->client_fd >= 0) {
		relay_reset_fd(c->client_fd);
	}
	list_unlink(&c->in_listener);
	l->n_connections--;
	free(c);
	if (l->stopping && l->n_connections == 0) {
		loop_defer(l->loop, &l->end, on_end);
	}
}

static void on_relay_done(void *arg, enum relay_end how)
{
	struct connection *c = arg;

	(void)how;
	c->relay = NULL;
	connection_free(c);
}

static void relay(struct connection *c)
{
	struct listener *l = c->listener;
	uint8_t header[PROXY_HEADER_MAX];
	size_t size = 0;
	struct err err;

	if (l->spec.proxy_protocol) {
		size = proxy_header_format(c->client_ip, c->client_port, l->spec.ip, l->spec.port,
		                           header);
	}
	loop_timer_stop(&c->timer);
	c->watch = loop_fd_close(c->watch);
	int r = relay_start(l->pool,
	                    &(struct relay_spec){ .client_fd = take_fd(&c->client_fd),
	                                          .target_fd = take_fd(&c->target_fd),
	                                          .prefix = size ? header : NULL,
	                                          .prefix_size = size,
	                                          .idle_us = l->spec.idle_us,
	                                          .done = on_relay_done,
	                                          .arg = c },
	                    &c->relay, &err);
	if (r < 0) {
		log_odd("Connection cannot be relayed: %s", err.msg);
		connection_free(c);
	}
}

static void on_retry(struct loop_timer *t)
{
	dial(container_of(t, struct connection, timer));
}

static void dial_failed(struct connection *c, int error)
{
	struct listener *l = c->listener;
	int64_t wait_us = backoff_next_us(&c->backoff, chance_u32());

	c->watch = loop_fd_close(c->watch);
	if (c->target_fd >= 0) {
		close(take_fd(&c->target_fd));
	}
	if (loop_now_us(l->loop) + wait_us >= c->until_us) {
		log_odd("No target takes the connection port=%u: %s", l->spec.port,
		        strerror(error));
		connection_free(c);
		return;
	}
	loop_timer_start(l->loop, &c->timer, wait_us, on_retry);
}

static void on_dial_late(struct loop_timer *t)
{
	dial_failed(container_of(t, struct connection, timer), ETIMEDOUT);
}

static void on_connected(void *arg, int fd, unsigned events)
{
	struct connection *c = arg;
	int error = target_socket_error(fd);

	(void)events;
	if (error) {
		dial_failed(c, error);
		return;
	}
	relay(c);
}

static void dial(struct connection *c)
{
	struct listener *l = c->listener;
	const struct target_address *t =
		targets_choose(l->targets, l->spec.sticky ? &c->client_ip : NULL);
	struct ip source = l->spec.sticky ? client_source(c->client_ip) : (struct ip){ 0 };
	struct err err;

	c->target_fd = t ? target_open(*t, l->spec.protocol, l->spec.sticky ? &source : NULL) : -1;
	if (c->target_fd < 0) {
		dial_failed(c, t ? errno : EHOSTUNREACH);
		return;
	}
	if (loop_fd_open(l->loop, c->target_fd, LOOP_WRITE, on_connected, c, &c->watch, &err) < 0) {
		log_odd("Target cannot be dialled: %s", err.msg);
		connection_free(c);
		return;
	}
	loop_timer_start(l->loop, &c->timer, dial_once_us, on_dial_late);
}

bool source_may_come(const struct prefix *sources, size_t n, struct ip client)
{
	bool may = n == 0;

	for (size_t i = 0; !may && i < n; i++) {
		may = prefix_contains(sources[i], client);
	}
	return may;
}

static void take_in(struct listener *l, int fd, const struct sockaddr *sa)
{
	struct connection *c;
	struct ip ip = { 0 };
	uint16_t port = 0;
	int on = 1;

	if (!ip_from_sockaddr(sa, &ip, &port) ||
	    !source_may_come(l->sources, l->spec.n_sources, ip) ||
	    l->n_connections >= CONNECTIONS_MAX) {
		relay_reset_fd(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c = NEW(struct connection);
	*c = (struct connection){
		.listener = l,
		.client_fd = fd,
		.client_ip = ip,
		.client_port = port,
		.target_fd = -1,
		.until_us = loop_now_us(l->loop) + dial_total_us,
		.backoff = { .floor_us = retry_floor_us, .ceiling_us = retry_ceiling_us },
	};
	list_push(&l->connections, &c->in_listener);
	l->n_connections++;
	dial(c);
}

/* ---- accepting ---- */

static void on_fed(struct loop_timer *t)
{
	struct listener *l = container_of(t, struct listener, starved);

	if (l->watch) {
		loop_fd_set(l->watch, LOOP_READ);
	}
}

static void on_accept(void *arg, int fd, unsigned events)
{
	struct listener *l = arg;

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		int conn = accept4(fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (conn < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
			/* The client waits in the backlog; trying at once would only spin. */
			log_odd("Connection has to wait port=%u: %s", l->spec.port,
			        strerror(errno));
			loop_fd_set(l->watch, 0);
			loop_timer_start(l->loop, &l->starved, starved_us, on_fed);
			return;
		}
		if (conn < 0 && (errno == EAGAIN || errno == EINTR)) {
			return;
		}
		if (conn >= 0) {
			take_in(l, conn, (struct sockaddr *)&sa);
		}
	}
}

static void keep_spec(struct listener *l, const struct listener_spec *s)
{
	l->spec = *s;
	free(l->sources);
	l->sources = mem_alloc((s->n_sources + 1) * sizeof(*l->sources));
	if (s->n_sources) {
		memcpy(l->sources, s->sources, s->n_sources * sizeof(*l->sources));
	}
	l->spec.sources = l->sources;
	l->spec.targets.at = NULL;
	l->spec.targets.check_path = NULL;
}

int listener_start(struct relay_pool *p, struct loop *loop, const struct listener_spec *s,
                   struct listener **ret_l, struct err *err)
{
	struct listener *l = NEW(struct listener);
	int r;

	l->pool = p;
	l->loop = loop;
	l->targets = targets_new(loop, &s->targets);
	keep_spec(l, s);
	r = loop_fd_open(loop, s->fd, LOOP_READ, on_accept, l, &l->watch, err);
	if (r < 0) {
		listener_free(l);
		return r;
	}
	*ret_l = l;
	return 0;
}

void listener_change(struct listener *l, const struct listener_spec *s)
{
	int fd = l->spec.fd;

	targets_set(l->targets, &s->targets);
	keep_spec(l, s);
	l->spec.fd = fd;
}

static void on_grace(struct loop_timer *t)
{
	struct listener *l = container_of(t, struct listener, grace);

	list_for_each (&l->connections, c, struct connection, in_listener) {
		if (c->relay) {
			relay_abort(c->relay);
		} else {
			connection_free(c);
		}
	}
}

void listener_pause(struct listener *l)
{
	l->watch = loop_fd_close(l->watch);
	loop_timer_stop(&l->starved);
}

void listener_stop(struct listener *l, int64_t grace_us, void (*gone)(void *arg), void *arg)
{
	listener_pause(l);
	l->stopping = true;
	l->gone = gone;
	l->gone_arg = arg;
	if (l->n_connections == 0) {
		loop_defer(l->loop, &l->end, on_end);
		return;
	}
	loop_timer_start(l->loop, &l->grace, grace_us, on_grace);
}

struct listener *listener_free(struct listener *l)
{
	if (l) {
		l->stopping = false;
		l->watch = loop_fd_close(l->watch);
		loop_timer_stop(&l->starved);
		loop_timer_stop(&l->grace);
		on_grace(&l->grace);
		loop_defer_cancel(&l->end);
		l->targets = targets_free(l->targets);
		free(l->sources);
		free(l);
	}
	return NULL;
}

size_t listener_connections(const struct listener *l)
{
	return l->n_connections;
}

size_t listener_busy(const struct listener *l)
{
	size_t n = 0;

	list_for_each (&l->connections, c, struct connection, in_listener) {
		n += !c->relay || relay_is_busy(c->relay);
	}
	return n;
}
