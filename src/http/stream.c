/* Why: sockets with and without TLS behind one interface, with back-pressure and an end that is told
 * exactly once; see stream.h.
 *
 *   CONNECTING --> HANDSHAKE --> OPEN --> CLOSING --> LINGER --> DEAD (told at the end of the turn)
 *
 * CLOSING flushes what is queued (FLUSH_US without progress); LINGER then waits for the peer's end (at most
 * LINGER_US), because closing a socket with unread bytes resets the connection and may destroy the
 * answer that is still on its way. DEAD: the descriptor is closed and nothing but the last callback
 * comes; it runs from a deferred call, so no callback ever finds its stream freed under it. */
#include "http/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "http/stream-priv.h"
#include "http/tls-priv.h"

enum {
	READ_SIZE = 64 << 10,
	READS_A_TURN = 4,           /* then others get their turn */
	HIGH_WATER = 256 << 10,     /* stream_is_full above */
	LOW_WATER = HIGH_WATER / 2, /* on_drain below */
	QUEUE_MAX = 512 << 20,      /* a writer that ignores back-pressure loses the stream */
};

#define CONNECT_US (10 * US_PER_S)
#define FLUSH_US   (30 * US_PER_S) /* without a byte taken */
#define LINGER_US  (1 * US_PER_S)

enum state { CONNECTING, HANDSHAKE, OPEN, CLOSING, LINGER, DEAD };

struct stream {
	SSL *ssl;            /* owned; null: plain */
	struct loop_fd *w;   /* owned */
	struct strbuf out;   /* queued bytes from out_at on */
	struct strbuf again; /* bytes given back by stream_unread */
	struct loop_timer timer;
	struct loop_defer turn; /* tells the end, or reads what is already here */
	struct loop *loop;      /* borrowed */
	struct stream_events events;
	void *arg;
	stream_open_fn *on_open; /* null once told */
	const struct tls_client *tls;
	char *tls_name; /* owned; until the handshake began */
	struct err why;
	struct tls_peer peer;
	size_t out_at;
	int fd; /* owned; -1 when dead */
	enum state state;
	bool failed; /* why is set */
	bool paused;
	bool read_ended;           /* the peer ended its direction */
	bool end_wanted, end_sent; /* ours */
	bool full_told;            /* stream_is_full was true: on_drain is owed */
	bool write_wants_read;     /* TLS: the write goes on when the socket is readable */
	bool read_wants_write;     /* TLS: the other way round */
	bool has_peer;
};

static void on_turn(struct loop_defer *d);
static void on_timer(struct loop_timer *t);
static void on_fd(void *arg, int fd, unsigned events);

static struct stream *stream_new(struct loop *l, const struct stream_events *events, void *arg)
{
	struct stream *s = NEW(struct stream);

	s->loop = l;
	s->fd = -1;
	s->events = *events;
	s->arg = arg;
	s->out.max = QUEUE_MAX;
	return s;
}

static void stream_release(struct stream *s)
{
	loop_timer_stop(&s->timer);
	loop_defer_cancel(&s->turn);
	strbuf_fini(&s->out);
	strbuf_fini(&s->again);
	free(s->tls_name);
	free(s);
}

/* Gives the descriptor back and lets the last callback come at the end of the turn. */
static void die(struct stream *s)
{
	if (s->state == DEAD) {
		return;
	}
	s->state = DEAD;
	s->w = loop_fd_close(s->w);
	loop_timer_stop(&s->timer);
	SSL_free(s->ssl);
	s->ssl = NULL;
	if (s->fd >= 0) {
		close(take_fd(&s->fd));
	}
	loop_defer(s->loop, &s->turn, on_turn);
}

static void fail(struct stream *s, const struct err *why)
{
	if (s->state != DEAD && !s->failed) {
		s->why = *why;
		s->failed = true;
	}
	die(s);
}

static size_t queued(const struct stream *s)
{
	return s->out.size - s->out_at;
}

static void update_events(struct stream *s)
{
	unsigned events = 0;

	if (!s->w) {
		return;
	}
	switch (s->state) {
	case CONNECTING:
		events = LOOP_WRITE;
		break;
	case HANDSHAKE:
		events = SSL_want_write(s->ssl) ? LOOP_WRITE : LOOP_READ;
		break;
	case OPEN:
	case CLOSING:
	case LINGER:
		if (!s->read_ended && (!s->paused || s->state != OPEN) && !s->again.size) {
			events |= s->read_wants_write ? LOOP_WRITE : LOOP_READ;
		}
		if (queued(s) || (s->end_wanted && !s->end_sent)) {
			events |= s->write_wants_read ? LOOP_READ : LOOP_WRITE;
		}
		break;
	case DEAD:
		break;
	}
	loop_fd_set(s->w, events);
}

/* ---- writing ---- */

/* > 0: bytes taken; 0: the socket is full; < 0: failed. */
static ssize_t push(struct stream *s, const char *p, size_t size, struct err *err)
{
	ssize_t n;

	if (!s->ssl) {
		n = send(s->fd, p, size, MSG_NOSIGNAL);
		if (n >= 0) {
			return n;
		}
		if (errno == EAGAIN || errno == EINTR) {
			return 0;
		}
		return err_sys(err, "write");
	}
	ERR_clear_error();
	errno = 0;
	s->write_wants_read = false;
	n = SSL_write(s->ssl, p, (int)(size > INT32_MAX ? INT32_MAX : size));
	if (n > 0) {
		return n;
	}
	switch (SSL_get_error(s->ssl, (int)n)) {
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_WANT_READ:
		s->write_wants_read = true;
		return 0;
	default:
		return tls_session_err(s->ssl, "write", err);
	}
}

static void send_end(struct stream *s)
{
	if (s->ssl) {
		ERR_clear_error();
		SSL_shutdown(s->ssl); /* close_notify; never waited for */
		ERR_clear_error();
	} else {
		shutdown(s->fd, SHUT_WR);
	}
	s->end_sent = true;
}

/* Everything is flushed and ended, and we are closing: wait a little for the peer's end. */
static void closing_flushed(struct stream *s)
{
	if (s->read_ended) {
		die(s);
		return;
	}
	s->state = LINGER;
	if (s->ssl) {
		shutdown(s->fd, SHUT_WR);
	}
	loop_timer_start(s->loop, &s->timer, LINGER_US, on_timer);
}

static void flush(struct stream *s)
{
	struct err err;

	while (queued(s)) {
		ssize_t n = push(s, s->out.p + s->out_at, queued(s), &err);

		if (n < 0) {
			fail(s, &err);
			return;
		}
		if (n == 0) {
			break;
		}
		s->out_at += (size_t)n;
		if (s->state == CLOSING) {
			loop_timer_start(s->loop, &s->timer, FLUSH_US, on_timer);
		}
	}
	if (!queued(s)) {
		s->out_at = 0;
		if (s->out.room > HIGH_WATER) {
			strbuf_fini(&s->out); /* one big answer must not hold memory for ever */
		} else {
			strbuf_reset(&s->out);
		}
		if (s->end_wanted && !s->end_sent) {
			send_end(s);
		}
		if (s->state == CLOSING) {
			closing_flushed(s);
		}
	} else if (s->out_at > s->out.size / 2) {
		strbuf_consume(&s->out, s->out_at);
		s->out_at = 0;
	}
}

static void tell_drain(struct stream *s)
{
	if (s->state == OPEN && s->full_told && queued(s) <= LOW_WATER) {
		s->full_told = false;
		if (s->events.on_drain) {
			s->events.on_drain(s->arg);
		}
	}
}

void stream_write(struct stream *s, struct slice bytes)
{
	struct err err;

	if (s->state >= CLOSING || s->end_wanted || !bytes.len) {
		return;
	}
	if (s->state == OPEN && !queued(s)) {
		ssize_t n = push(s, bytes.p, bytes.len, &err);

		if (n < 0) {
			fail(s, &err);
			return;
		}
		bytes = slice_from(bytes, (size_t)n);
	}
	if (bytes.len) {
		strbuf_add_slice(&s->out, bytes);
		if (strbuf_failed(&s->out)) {
			(void)err_raise(&err, ERR_LIMIT, "more than %d MiB queued",
			                QUEUE_MAX >> 20);
			fail(s, &err);
			return;
		}
		if (queued(s) > HIGH_WATER) {
			s->full_told = true;
		}
		update_events(s);
	}
}

void stream_end(struct stream *s)
{
	if (s->state >= CLOSING || s->end_wanted) {
		return;
	}
	s->end_wanted = true;
	if (s->state == OPEN) {
		flush(s);
		update_events(s);
	}
}

bool stream_is_full(const struct stream *s)
{
	return queued(s) > HIGH_WATER;
}

size_t stream_queued(const struct stream *s)
{
	return queued(s);
}

/* ---- reading ---- */

static void peer_ended(struct stream *s)
{
	if (s->read_ended) {
		return;
	}
	s->read_ended = true;
	switch (s->state) {
	case OPEN:
		if (s->events.on_end) {
			s->events.on_end(s->arg);
		} else {
			stream_close(s);
		}
		break;
	case LINGER:
		die(s);
		break;
	default:
		break;
	}
}

/* > 0: bytes; 0: nothing now; -1: ended; below: failed. */
enum { PULL_END = -1, PULL_FAILED = -2 };
static ssize_t pull(struct stream *s, char *to, size_t room, struct err *err)
{
	ssize_t n;

	if (!s->ssl) {
		n = recv(s->fd, to, room, 0);
		if (n > 0) {
			return n;
		}
		if (n == 0) {
			return PULL_END;
		}
		if (errno == EAGAIN || errno == EINTR) {
			return 0;
		}
		(void)err_sys(err, "read");
		return PULL_FAILED;
	}
	ERR_clear_error();
	errno = 0;
	s->read_wants_write = false;
	n = SSL_read(s->ssl, to, (int)room);
	if (n > 0) {
		return n;
	}
	switch (SSL_get_error(s->ssl, (int)n)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_WANT_WRITE:
		s->read_wants_write = true;
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return PULL_END;
	default:
		(void)tls_session_err(s->ssl, "read", err);
		return PULL_FAILED;
	}
}

static bool may_read(const struct stream *s)
{
	/* when closing, what still comes is read and thrown away */
	return !s->read_ended &&
	       (s->state == CLOSING || s->state == LINGER || (s->state == OPEN && !s->paused));
}

static void read_some(struct stream *s)
{
	char buf[READ_SIZE];
	struct err err;

	if (s->again.size && s->state == OPEN && !s->paused) {
		struct strbuf given = s->again;

		s->again = (struct strbuf){ 0 };
		s->events.on_data(s->arg, strbuf_slice(&given));
		strbuf_fini(&given);
	}
	for (int i = 0; may_read(s); i++) {
		ssize_t n;

		if (i == READS_A_TURN) {
			/* TLS may hold decrypted bytes that no descriptor event will announce */
			if (s->ssl && SSL_pending(s->ssl)) {
				loop_defer(s->loop, &s->turn, on_turn);
			}
			break;
		}
		n = pull(s, buf, sizeof(buf), &err);
		if (n == 0) {
			break;
		}
		if (n == PULL_END) {
			peer_ended(s);
			break;
		}
		if (n == PULL_FAILED) {
			fail(s, &err);
			break;
		}
		if (s->state == OPEN) {
			s->events.on_data(s->arg, (struct slice){ buf, (size_t)n });
		}
		if (!s->ssl && (size_t)n < sizeof(buf)) {
			break; /* the socket is empty: spare the call that would say so */
		}
	}
}

void stream_unread(struct stream *s, struct slice bytes)
{
	if (bytes.len && s->state == OPEN) {
		strbuf_add_slice(&s->again, bytes);
		loop_defer(s->loop, &s->turn, on_turn);
		update_events(s);
	}
}

void stream_pause(struct stream *s)
{
	if (!s->paused) {
		s->paused = true;
		update_events(s);
	}
}

void stream_resume(struct stream *s)
{
	if (s->paused) {
		s->paused = false;
		update_events(s);
		if (s->state == OPEN && (s->again.size || (s->ssl && SSL_pending(s->ssl)))) {
			loop_defer(s->loop, &s->turn, on_turn);
		}
	}
}

/* ---- opening ---- */

static void tell_open(struct stream *s, const struct err *why)
{
	stream_open_fn *fn = take(s->on_open);

	if (fn) {
		fn(s->arg, why);
	}
}

static void opened(struct stream *s)
{
	loop_timer_stop(&s->timer);
	s->state = OPEN;
	tell_open(s, NULL);
	if (s->state == OPEN) {
		flush(s);
	}
	if (s->state == OPEN && s->ssl && SSL_pending(s->ssl)) {
		loop_defer(s->loop, &s->turn, on_turn);
	}
}

static void shake_hands(struct stream *s)
{
	struct err err;
	int n;

	ERR_clear_error();
	errno = 0;
	n = SSL_do_handshake(s->ssl);
	if (n == 1) {
		s->has_peer = SSL_is_server(s->ssl) && tls_session_peer(s->ssl, &s->peer);
		opened(s);
		return;
	}
	switch (SSL_get_error(s->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		break;
	default:
		if (errno == 0 && ERR_peek_error() == 0) {
			(void)err_raise(&err, ERR_IO, "TLS handshake: peer closed the connection");
		} else {
			(void)tls_session_err(s->ssl, "TLS handshake", &err);
		}
		fail(s, &err);
		break;
	}
}

static void connected(struct stream *s)
{
	struct err err;

	if (!s->tls) {
		opened(s);
		return;
	}
	s->ssl = tls_client_session(s->tls, s->fd, s->tls_name);
	if (!s->ssl) {
		(void)err_raise(&err, ERR_INVALID, "TLS name \"%s\" is not usable", s->tls_name);
		fail(s, &err);
		return;
	}
	s->state = HANDSHAKE;
	shake_hands(s);
}

static void finish_connect(struct stream *s)
{
	struct err err;
	int e = 0;
	socklen_t size = sizeof(e);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &size) == 0 && e == 0) {
		connected(s);
		return;
	}
	errno = e;
	(void)err_sys(&err, "connect");
	fail(s, &err);
}

static void on_fd(void *arg, int fd, unsigned events)
{
	struct stream *s = arg;

	(void)fd;
	switch (s->state) {
	case CONNECTING:
		finish_connect(s);
		break;
	case HANDSHAKE:
		shake_hands(s);
		break;
	default:
		if (queued(s) || (s->end_wanted && !s->end_sent)) {
			flush(s);
			tell_drain(s);
		}
		if (events & (LOOP_READ | (s->read_wants_write ? LOOP_WRITE : 0))) {
			read_some(s);
		}
		break;
	}
	update_events(s);
}

static void on_turn(struct loop_defer *d)
{
	struct stream *s = container_of(d, struct stream, turn);
	const struct err *why = s->failed ? &s->why : NULL;

	if (s->state != DEAD) {
		read_some(s);
		update_events(s);
		return;
	}
	if (s->on_open) {
		struct err canceled;

		(void)err_raise(&canceled, ERR_CANCELED, "closed before it was open");
		tell_open(s, why ? why : &canceled);
	} else if (s->events.on_close) {
		s->events.on_close(s->arg, why);
	}
	stream_release(s);
}

static void on_timer(struct loop_timer *t)
{
	struct stream *s = container_of(t, struct stream, timer);
	struct err err;

	switch (s->state) {
	case CONNECTING:
	case HANDSHAKE:
		(void)err_raise(&err, ERR_TIMEOUT, "%s timed out",
		                s->state == CONNECTING ? "connect" : "TLS handshake");
		fail(s, &err);
		break;
	case CLOSING:
		(void)err_raise(&err, ERR_TIMEOUT, "peer did not take the last %zu bytes",
		                queued(s));
		fail(s, &err);
		break;
	default:
		die(s);
		break;
	}
}

/* ---- ends ---- */

void stream_close(struct stream *s)
{
	if (s->state >= CLOSING) {
		return;
	}
	if (s->state != OPEN) {
		die(s);
		return;
	}
	s->state = CLOSING;
	s->end_wanted = true;
	loop_timer_start(s->loop, &s->timer, FLUSH_US, on_timer);
	flush(s);
	update_events(s);
}

void stream_abort(struct stream *s)
{
	die(s);
}

void stream_set_events(struct stream *s, const struct stream_events *events, void *arg)
{
	s->events = *events;
	s->arg = arg;
}

bool stream_peer(const struct stream *s, struct ip *ret_ip, uint16_t *ret_port)
{
	struct sockaddr_storage ss;
	socklen_t size = sizeof(ss);

	if (s->fd < 0 || getpeername(s->fd, (struct sockaddr *)&ss, &size) < 0) {
		return false;
	}
	return ip_from_sockaddr((struct sockaddr *)&ss, ret_ip, ret_port);
}

const struct tls_peer *stream_tls_peer(const struct stream *s)
{
	return s->has_peer ? &s->peer : NULL;
}

/* Takes fd and watches it; on failure the stream dies with the reason. */
static void adopt(struct stream *s, int fd, enum state state)
{
	int one = 1;
	struct err err;

	s->fd = fd;
	s->state = state;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0) {
		errno = 0; /* a unix socket */
	}
	if (loop_fd_open(s->loop, fd, 0, on_fd, s, &s->w, &err) < 0) {
		fail(s, &err);
		return;
	}
	update_events(s);
}

struct stream *stream_accept(struct loop *l, int fd, const struct tls_server *tls,
                             const struct stream_events *events, void *arg)
{
	struct stream *s = stream_new(l, events, arg);
	struct err err;

	if (!tls) {
		adopt(s, fd, OPEN);
		return s;
	}
	s->ssl = tls_server_session(tls, fd);
	if (!s->ssl) {
		s->fd = fd;
		(void)err_raise(&err, ERR_NOMEM, "TLS session");
		fail(s, &err);
		return s;
	}
	adopt(s, fd, HANDSHAKE);
	if (s->state == HANDSHAKE) {
		loop_timer_start(l, &s->timer, CONNECT_US, on_timer);
	}
	return s;
}

struct stream *stream_of_fd(struct loop *l, int fd, const struct stream_events *events, void *arg)
{
	struct stream *s = stream_new(l, events, arg);

	adopt(s, fd, OPEN);
	return s;
}

/* The socket and its address; *ret_len 0 with a failure in err. */
static int open_target(const struct stream_target *to, struct sockaddr_storage *ss,
                       socklen_t *ret_len, struct err *err)
{
	struct sockaddr_un *un = (struct sockaddr_un *)ss;
	int fd;

	if (to->unix_path) {
		if (strlen(to->unix_path) >= sizeof(un->sun_path)) {
			return err_raise(err, ERR_LIMIT, "socket path %s is too long",
			                 to->unix_path);
		}
		*ss = (struct sockaddr_storage){ .ss_family = AF_UNIX };
		memcpy(un->sun_path, to->unix_path, strlen(to->unix_path));
		*ret_len = sizeof(*un);
	} else if (to->ip.family != IP_NONE) {
		*ret_len = ip_to_sockaddr(to->ip, to->port, ss);
	} else {
		return err_raise(err, ERR_INVALID, "no address to connect to");
	}
	fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd >= 0 ? fd : err_sys(err, "socket");
}

struct stream *stream_connect(struct loop *l, const struct stream_target *to, stream_open_fn *fn,
                              const struct stream_events *events, void *arg)
{
	struct stream *s = stream_new(l, events, arg);
	struct sockaddr_storage ss;
	socklen_t len = 0;
	struct err err;
	char text[IP_TEXT_SIZE];
	int fd;

	s->on_open = fn;
	s->tls = to->tls;
	if (to->tls) {
		s->tls_name = mem_strdup(to->tls_name    ? to->tls_name
		                         : to->unix_path ? "localhost"
		                                         : ip_format(to->ip, text));
	}
	fd = open_target(to, &ss, &len, &err);
	if (fd < 0) {
		fail(s, &err);
		return s;
	}
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		if (to->unix_path) {
			(void)err_sys(&err, "connect to %s", to->unix_path);
		} else {
			(void)err_sys(&err, "connect to %s port %d", ip_format(to->ip, text),
			              to->port);
		}
		s->fd = fd;
		fail(s, &err);
		return s;
	}
	/* Also when it succeeded at once: the socket is writable then, and on_open stays outside. */
	adopt(s, fd, CONNECTING);
	if (s->state == CONNECTING) {
		loop_timer_start(l, &s->timer, to->timeout_us > 0 ? to->timeout_us : CONNECT_US,
		                 on_timer);
	}
	return s;
}

struct loop *stream_loop(const struct stream *s)
{
	return s->loop;
}
