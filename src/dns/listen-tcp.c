/* Why: answers that do not fit a datagram, and clients that prefer it: DNS over TCP (RFC 7766).
 * Several questions at once, answers as they come; who reads slowly or asks too much is read more
 * slowly. */
#include "dns/server-priv.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "dns/any.h"

struct tcp_conn {
	struct tcp_listener *listener; /* borrowed */
	struct list_link in_listener;  /* in tcp_listener.conns, longest idle first */
	int fd;
	struct loop_fd *watch;
	struct loop_timer idle;
	struct strbuf in, out;
	unsigned pending; /* questions upstream */
	bool ended;       /* the client sends no more */
};

struct tcp_listener {
	struct dns_server *server; /* borrowed */
	enum dns_view view;
	int fd;
	struct loop_fd *watch;
	struct list conns;
	size_t n_conns;
	uint8_t reply[DNS_MESSAGE_SIZE];
};

/* ---- connections ---- */

static void conn_free(struct tcp_conn *c)
{
	struct tcp_listener *t = c->listener;

	server_forget(t->server, c);
	loop_timer_stop(&c->idle);
	loop_fd_close(c->watch);
	close(c->fd);
	list_unlink(&c->in_listener);
	t->n_conns--;
	strbuf_fini(&c->in);
	strbuf_fini(&c->out);
	free(c);
}

static void idle_too_long(struct loop_timer *timer)
{
	struct tcp_conn *c = container_of(timer, struct tcp_conn, idle);

	conn_free(c);
}

static bool is_full(const struct tcp_conn *c)
{
	return c->pending >= DNS_TCP_PENDING || c->out.size >= DNS_TCP_BACKLOG;
}

static void was_active(struct tcp_conn *c)
{
	list_unlink(&c->in_listener);
	list_push(&c->listener->conns, &c->in_listener);
	loop_timer_start(c->listener->server->loop, &c->idle, DNS_TCP_IDLE_US, idle_too_long);
}

/* Writes what it can. False: the connection is broken. */
static bool flush(struct tcp_conn *c)
{
	while (c->out.size) {
		ssize_t n = send(c->fd, c->out.p, c->out.size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0) {
			return errno == EAGAIN || errno == EINTR;
		}
		strbuf_consume(&c->out, (size_t)n);
	}
	return true;
}

static void add_reply(struct tcp_conn *c, const uint8_t *bytes, size_t size)
{
	uint8_t head[2] = { (uint8_t)(size >> 8), (uint8_t)size };

	strbuf_add(&c->out, head, sizeof(head));
	strbuf_add(&c->out, bytes, size);
}

/* Takes questions out of the buffer as long as there is room for answers. */
static void take_questions(struct tcp_conn *c)
{
	struct tcp_listener *t = c->listener;
	struct asker who = { .view = t->view, .conn = c, .since_us = clock_mono_us() };
	size_t at = 0;

	while (!is_full(c) && c->in.size - at >= 2) {
		const uint8_t *p = (const uint8_t *)c->in.p + at;
		size_t size = (size_t)(p[0] << 8 | p[1]), reply;

		if (c->in.size - at < size + 2) {
			break;
		}
		reply = server_handle(t->server, &who, p + 2, size, t->reply, sizeof(t->reply));
		if (reply) {
			add_reply(c, t->reply, reply);
		}
		at += size + 2;
		was_active(c);
	}
	strbuf_consume(&c->in, at);
}

/* Goes on with the connection in whatever state it is; it may be gone afterwards. */
static void advance(struct tcp_conn *c)
{
	unsigned events = 0;

	take_questions(c);
	if (!flush(c) || (c->ended && !c->pending && !c->out.size)) {
		conn_free(c);
		return;
	}
	events |= c->ended || is_full(c) ? 0 : LOOP_READ;
	events |= c->out.size ? LOOP_WRITE : 0;
	loop_fd_set(c->watch, events);
}

static void read_some(struct tcp_conn *c)
{
	char *to = strbuf_reserve(&c->in, 4096);
	ssize_t n = to ? recv(c->fd, to, 4096, MSG_DONTWAIT) : -1;

	if (n > 0) {
		strbuf_added(&c->in, (size_t)n);
	} else if (n == 0 || !to || (errno != EAGAIN && errno != EINTR)) {
		c->ended = true;
	}
}

static void on_conn(void *arg, int fd, unsigned events)
{
	struct tcp_conn *c = arg;

	(void)fd;
	if (events & LOOP_READ && !c->ended && !is_full(c)) {
		read_some(c);
	}
	advance(c);
}

void tcp_wait(struct tcp_conn *c)
{
	c->pending++;
}

void tcp_reply(struct tcp_conn *c, const uint8_t *bytes, size_t size)
{
	c->pending--;
	add_reply(c, bytes, size);
	was_active(c);
	advance(c);
}

/* ---- accepting ---- */

static void conn_new(struct tcp_listener *t, int fd)
{
	struct tcp_conn *c = NEW(struct tcp_conn);

	c->listener = t;
	c->fd = fd;
	c->in.max = DNS_MESSAGE_SIZE + 2 + 4096;
	list_push(&t->conns, &c->in_listener);
	t->n_conns++;
	t->server->stats.connections++;
	if (loop_fd_open(t->server->loop, fd, LOOP_READ, on_conn, c, &c->watch, NULL) < 0) {
		conn_free(c);
		return;
	}
	was_active(c);
}

static void on_accept(void *arg, int listen_fd, unsigned events)
{
	struct tcp_listener *t = arg;
	int fd;

	(void)events;
	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (t->n_conns == DNS_TCP_CONNECTIONS) {
			conn_free(
				container_of(list_first(&t->conns), struct tcp_conn, in_listener));
		}
		conn_new(t, fd);
	}
	if (errno == EMFILE || errno == ENFILE) {
		log_odd("No descriptors left for connections");
		if (t->n_conns) {
			conn_free(
				container_of(list_first(&t->conns), struct tcp_conn, in_listener));
		}
	}
}

static int open_listening(struct ip address, uint16_t port, int *ret_fd, struct err *err)
{
	struct ip any = address.family ? address : any_address();
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(any, port, &sa);
	scoped_fd int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[IP_TEXT_SIZE];
	int on = 1;

	if (fd < 0) {
		return err_sys(err, "make a TCP socket");
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, SOMAXCONN) < 0) {
		return err_sys(err, "listen on TCP %s port %u", ip_format(any, text), port);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int tcp_listen(struct dns_server *s, enum dns_view view, struct ip address, uint16_t port,
               struct tcp_listener **ret, struct err *err)
{
	struct tcp_listener *t = NEW(struct tcp_listener);
	int r;

	t->server = s;
	t->view = view;
	t->fd = -1;
	list_init(&t->conns);
	r = open_listening(address, port, &t->fd, err);
	if (r == 0) {
		r = loop_fd_open(s->loop, t->fd, LOOP_READ, on_accept, t, &t->watch, err);
	}
	if (r < 0) {
		tcp_close(t);
		return r;
	}
	*ret = t;
	return 0;
}

struct tcp_listener *tcp_close(struct tcp_listener *t)
{
	if (t) {
		list_for_each (&t->conns, c, struct tcp_conn, in_listener) {
			conn_free(c);
		}
		loop_fd_close(t->watch);
		if (t->fd >= 0) {
			close(t->fd);
		}
		free(t);
	}
	return NULL;
}
