/* Why: see udp.h. Flows are kept in order of their last datagram, so the idle ones are in front. */
#include "edge/udp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "edge/listener.h"

enum { FLOWS_MAX = 16384, DATAGRAMS_A_TURN = 64, DATAGRAM_MAX = 65535 };

struct udp_client { /* the key of a flow: all its bytes count */
	struct ip ip;
	uint8_t zero;
	uint16_t port;
};
static_assert(sizeof(struct udp_client) == sizeof(struct ip) + 3, "a key has no padding");

struct flow {
	struct list_link by_use; /* in udp_port.flows */
	struct udp_port *port;   /* the owner */
	struct udp_client client;
	struct target_address to;
	int fd; /* connected to 'to'; owned */
	struct loop_fd *watch;
	int64_t used_us;
};

struct udp_port {
	struct loop *loop;
	struct udp_spec spec;
	struct prefix *sources;
	struct targets *targets;
	struct loop_fd *watch;
	struct map by_client; /* client -> struct flow, owned */
	struct list flows;    /* longest unused first */
	struct loop_timer idle;
	uint8_t *buf; /* DATAGRAM_MAX */
};

static struct slice key_of(const struct udp_client *c)
{
	return (struct slice){ (const char *)c, sizeof(*c) };
}

/* ---- a flow ---- */

static void flow_free(struct flow *f)
{
	(void)map_remove(&f->port->by_client, key_of(&f->client));
	list_unlink(&f->by_use);
	f->watch = loop_fd_close(f->watch);
	close(f->fd);
	free(f);
}

static void on_idle(struct loop_timer *t);

static void look_for_idle_ones(struct udp_port *p)
{
	int64_t now_us = loop_now_us(p->loop);

	list_for_each (&p->flows, f, struct flow, by_use) {
		int64_t left_us = f->used_us + p->spec.idle_us - now_us;

		if (left_us > 0) {
			loop_timer_start(p->loop, &p->idle, left_us, on_idle);
			return;
		}
		flow_free(f);
	}
}

static void on_idle(struct loop_timer *t)
{
	look_for_idle_ones(container_of(t, struct udp_port, idle));
}

static void flow_used(struct flow *f)
{
	f->used_us = loop_now_us(f->port->loop);
	list_unlink(&f->by_use);
	list_push(&f->port->flows, &f->by_use);
	if (!loop_timer_is_armed(&f->port->idle)) {
		loop_timer_start(f->port->loop, &f->port->idle, f->port->spec.idle_us, on_idle);
	}
}

static void on_answer(void *arg, int fd, unsigned events)
{
	struct flow *f = arg;
	struct udp_port *p = f->port;

	(void)events;
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		ssize_t n = recv(fd, p->buf, DATAGRAM_MAX, MSG_DONTWAIT);
		struct sockaddr_storage sa;
		socklen_t len = ip_to_sockaddr(f->client.ip, f->client.port, &sa);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			return;
		}
		if (n < 0) {
			flow_free(f); /* refused: the client's next datagram chooses anew */
			return;
		}
		flow_used(f);
		(void)sendto(p->spec.fd, p->buf, (size_t)n, MSG_DONTWAIT, (struct sockaddr *)&sa,
		             len);
	}
}

static struct flow *flow_new(struct udp_port *p, const struct udp_client *c)
{
	const struct target_address *to =
		targets_choose(p->targets, p->spec.sticky ? &c->ip : NULL);
	struct ip source = p->spec.sticky ? client_source(c->ip) : (struct ip){ 0 };
	struct flow *f;
	struct err err;

	if (!to) {
		return NULL;
	}
	if (p->by_client.n >= FLOWS_MAX) {
		flow_free(container_of(list_first(&p->flows), struct flow, by_use));
	}
	f = NEW(struct flow);
	*f = (struct flow){ .port = p, .client = *c, .to = *to };
	f->fd = target_open(*to, IPPROTO_UDP, p->spec.sticky ? &source : NULL);
	if (f->fd < 0) {
		log_odd("Target cannot be reached by UDP: %s", strerror(errno));
		free(f);
		return NULL;
	}
	(void)map_set(&p->by_client, key_of(&f->client), f);
	list_push(&p->flows, &f->by_use);
	if (loop_fd_open(p->loop, f->fd, LOOP_READ, on_answer, f, &f->watch, &err) < 0) {
		log_odd("Target cannot be heard by UDP: %s", err.msg);
		flow_free(f);
		return NULL;
	}
	return f;
}

/* ---- datagrams of clients ---- */

static void pass_on(struct udp_port *p, const struct udp_client *c, size_t n)
{
	struct flow *f = map_find(&p->by_client, key_of(c));

	/* A refusal that an earlier datagram met is told to the next one: that one goes again. */
	for (int i = 0; i < 2; i++) {
		f = f ? f : flow_new(p, c);
		if (!f || send(f->fd, p->buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
		    errno != ECONNREFUSED) {
			break;
		}
		flow_free(f);
		f = NULL;
	}
	if (f) {
		flow_used(f);
	}
}

static void on_datagram(void *arg, int fd, unsigned events)
{
	struct udp_port *p = arg;

	(void)events;
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		struct udp_client c;
		ssize_t n = recvfrom(fd, p->buf, DATAGRAM_MAX, MSG_DONTWAIT, (struct sockaddr *)&sa,
		                     &len);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			return;
		}
		c = (struct udp_client){ 0 };
		if (n >= 0 && ip_from_sockaddr((struct sockaddr *)&sa, &c.ip, &c.port) &&
		    source_may_come(p->sources, p->spec.n_sources, c.ip)) {
			pass_on(p, &c, (size_t)n);
		}
	}
}

/* ---- the port ---- */

static void keep_spec(struct udp_port *p, const struct udp_spec *s)
{
	int fd = p->sources ? p->spec.fd : s->fd;

	p->spec = *s;
	p->spec.fd = fd;
	free(p->sources);
	p->sources = mem_alloc((s->n_sources + 1) * sizeof(*p->sources));
	if (s->n_sources) {
		memcpy(p->sources, s->sources, s->n_sources * sizeof(*p->sources));
	}
	p->spec.sources = p->sources;
	p->spec.targets.at = NULL;
	p->spec.targets.check_path = NULL;
}

int udp_port_start(struct loop *l, const struct udp_spec *s, struct udp_port **ret_p,
                   struct err *err)
{
	struct udp_port *p = NEW(struct udp_port);
	int r;

	p->loop = l;
	list_init(&p->flows);
	p->targets = targets_new(l, &s->targets);
	p->buf = mem_alloc(DATAGRAM_MAX);
	keep_spec(p, s);
	r = loop_fd_open(l, s->fd, LOOP_READ, on_datagram, p, &p->watch, err);
	if (r < 0) {
		udp_port_free(p);
		return r;
	}
	*ret_p = p;
	return 0;
}

static bool is_listed(const struct udp_spec *s, struct target_address to)
{
	for (size_t i = 0; i < s->targets.n; i++) {
		if (target_address_eq(s->targets.at[i], to)) {
			return true;
		}
	}
	return false;
}

void udp_port_change(struct udp_port *p, const struct udp_spec *s)
{
	list_for_each (&p->flows, f, struct flow, by_use) {
		if (!is_listed(s, f->to) || s->sticky != p->spec.sticky ||
		    !source_may_come(s->sources, s->n_sources, f->client.ip)) {
			flow_free(f);
		}
	}
	targets_set(p->targets, &s->targets);
	keep_spec(p, s);
}

struct udp_port *udp_port_free(struct udp_port *p)
{
	if (p) {
		list_for_each (&p->flows, f, struct flow, by_use) {
			flow_free(f);
		}
		p->watch = loop_fd_close(p->watch);
		loop_timer_stop(&p->idle);
		p->targets = targets_free(p->targets);
		map_fini(&p->by_client);
		free(p->sources);
		free(p->buf);
		free(p);
	}
	return NULL;
}

size_t udp_port_flows(const struct udp_port *p)
{
	return p->by_client.n;
}
