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
		     initial_check_us = US_PER_S, starved_us = 100 * US_PER_MS;

struct target {
	struct listener *listener; /* the owner */
	struct ip ip;
	struct health health;
	struct loop_timer next; /* check, or its time limit */
	int fd;                 /* of the check under way, or -1 */
	struct loop_fd *watch;
};

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
	struct target *targets;
	size_t n_targets;
	struct loop_fd *watch; /* null: accepts no more */
	struct loop_timer starved, grace;
	struct list connections;
	size_t n_connections;
	size_t turn;
	bool stopping;
	void (*gone)(void *arg);
	void *gone_arg;
	struct loop_defer end;
};

static void dial(struct connection *c);

/* ---- health ---- */

static void check_start(struct loop_timer *t);

/* A new target is looked at more often, so that it is known soon. */
static int64_t until_next_check(const struct target *t)
{
	int64_t interval_us = t->listener->spec.health.interval_us;

	return t->health.state == HEALTH_INITIAL && interval_us > initial_check_us
	               ? initial_check_us
	               : interval_us;
}

static void check_done(struct target *t, bool good)
{
	struct listener *l = t->listener;

	t->watch = loop_fd_close(t->watch);
	if (t->fd >= 0) {
		relay_reset_fd(take_fd(&t->fd)); /* spares the target a connection in TIME_WAIT */
	}
	if (health_result(&t->health, &l->spec.health, good)) {
		char text[IP_TEXT_SIZE];

		log_info("Target is %s target=%s:%u port=%u", health_state_name(t->health.state),
		         ip_format(t->ip, text), l->spec.target_port, l->spec.port);
		if (l->spec.changed) {
			l->spec.changed(l->spec.arg, t->ip, t->health.state);
		}
	}
	loop_timer_start(l->loop, &t->next, until_next_check(t), check_start);
}

static void check_late(struct loop_timer *timer)
{
	check_done(container_of(timer, struct target, next), false);
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

static void check_connected(void *arg, int fd, unsigned events)
{
	struct target *t = arg;
	int error = socket_error(fd);
	uint8_t header[PROXY_HEADER_MAX];

	(void)events;
	if (!error && t->listener->spec.proxy_protocol) {
		(void)send(fd, header, proxy_header_format_local(header),
		           MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	check_done(t, error == 0);
}

static int open_towards(struct ip ip, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(ip, port, &sa);
	scoped_fd int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0) {
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS) {
		return -1;
	}
	return take_fd(&fd);
}

static void check_start(struct loop_timer *timer)
{
	struct target *t = container_of(timer, struct target, next);
	struct listener *l = t->listener;

	t->fd = open_towards(t->ip, l->spec.target_port);
	if (t->fd < 0 ||
	    loop_fd_open(l->loop, t->fd, LOOP_WRITE, check_connected, t, &t->watch, NULL) < 0) {
		check_done(t, false);
		return;
	}
	loop_timer_start(l->loop, &t->next, l->spec.health.timeout_us, check_late);
}

static void targets_free(struct listener *l)
{
	for (size_t i = 0; i < l->n_targets; i++) {
		struct target *t = &l->targets[i];

		loop_timer_stop(&t->next);
		t->watch = loop_fd_close(t->watch);
		if (t->fd >= 0) {
			close(t->fd);
		}
	}
	free(l->targets);
	l->targets = NULL;
	l->n_targets = 0;
}

static void targets_make(struct listener *l)
{
	l->n_targets = l->spec.n_targets;
	l->targets = mem_alloc((l->n_targets + 1) * sizeof(*l->targets));
	for (size_t i = 0; i < l->n_targets; i++) {
		struct target *t = &l->targets[i];

		*t = (struct target){ .listener = l, .ip = l->spec.targets[i], .fd = -1 };
		/* The first check at once, spread a little so that many ports do not check
		 * together. */
		loop_timer_start(l->loop, &t->next, (int64_t)(chance_u32() % 20) * US_PER_MS,
		                 check_start);
	}
}

static struct target *choose(struct listener *l)
{
	const struct health *healths[64];
	size_t n = l->n_targets < ARRAY_SIZE(healths) ? l->n_targets : ARRAY_SIZE(healths);

	for (size_t i = 0; i < n; i++) {
		healths[i] = &l->targets[i].health;
	}
	return n ? &l->targets[health_choose(healths, n, l->turn++)] : NULL;
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
	int error = socket_error(fd);

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
	const struct target *t = choose(l);
	struct err err;

	c->target_fd = t ? open_towards(t->ip, l->spec.target_port) : -1;
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

static bool may_come(const struct listener *l, struct ip ip)
{
	bool may = l->spec.n_sources == 0;

	for (size_t i = 0; !may && i < l->spec.n_sources; i++) {
		may = prefix_contains(l->sources[i], ip);
	}
	return may;
}

static void take_in(struct listener *l, int fd, const struct sockaddr *sa)
{
	struct connection *c;
	struct ip ip = { 0 };
	uint16_t port = 0;
	int on = 1;

	if (!ip_from_sockaddr(sa, &ip, &port) || !may_come(l, ip) ||
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
}

int listener_start(struct relay_pool *p, struct loop *loop, const struct listener_spec *s,
                   struct listener **ret_l, struct err *err)
{
	struct listener *l = NEW(struct listener);
	int r;

	l->pool = p;
	l->loop = loop;
	keep_spec(l, s);
	r = loop_fd_open(loop, s->fd, LOOP_READ, on_accept, l, &l->watch, err);
	if (r < 0) {
		listener_free(l);
		return r;
	}
	targets_make(l);
	*ret_l = l;
	return 0;
}

static bool same_targets(const struct listener *l, const struct listener_spec *s)
{
	bool same = l->n_targets == s->n_targets && l->spec.target_port == s->target_port;

	for (size_t i = 0; same && i < s->n_targets; i++) {
		same = ip_eq(l->targets[i].ip, s->targets[i]);
	}
	return same;
}

void listener_change(struct listener *l, const struct listener_spec *s)
{
	bool same = same_targets(l, s);
	int fd = l->spec.fd;

	keep_spec(l, s);
	l->spec.fd = fd;
	if (!same) {
		targets_free(l);
		targets_make(l);
	}
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
		targets_free(l);
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
