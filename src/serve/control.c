/* Why: roles without rights get what they need by asking; see control.h. */
#include "serve/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"

enum {
	PACKET_MAX = 64 * 1024,
	PEERS_MAX = 64,
	ROLE_PEERS_MAX = 32
}; /* roles cannot lock root out */

struct peer {
	struct control_door *door;
	int fd;
	uid_t uid;
	struct loop_fd *watch;
	struct list_link in_door; /* in door.peers */
};

struct control_door {
	struct control_door_config c;
	int fd;
	struct loop_fd *watch;
	struct list peers; /* struct peer; owned */
	size_t n_peers;
	char *path;
};

static void peer_free(struct peer *p)
{
	loop_fd_close(p->watch);
	close(p->fd);
	list_unlink(&p->in_door);
	p->door->n_peers--;
	free(p);
}

static void answer(struct peer *p, const struct val *v, int pass_fd)
{
	scoped_strbuf struct strbuf text = { .max = PACKET_MAX };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	json_write(&text, v);
	iov = (struct iovec){ text.p, text.size };
	if (pass_fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	if (sendmsg(p->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		log_odd("Answer on the control socket is lost: %s", strerror(errno));
	}
}

static bool parse_protocol(struct slice text, int *ret)
{
	*ret = slice_is(text, "udp")    ? IPPROTO_UDP
	       : slice_is(text, "sctp") ? IPPROTO_SCTP
	                                : IPPROTO_TCP;
	return *ret != IPPROTO_TCP || text.len == 0 || slice_is(text, "tcp");
}

/* "127.0.0.1:443" or "[::1]:443", with "/udp" or "/sctp" behind it. */
static bool parse_address(struct slice text, struct ip *ret_ip, int *ret_protocol,
                          uint16_t *ret_port)
{
	ptrdiff_t colon;
	uint64_t port;
	struct slice host, protocol;

	slice_cut(text, '/', &text, &protocol);
	if (!parse_protocol(protocol, ret_protocol)) {
		return false;
	}
	colon = slice_rfind(text, ':');
	if (colon < 0 || !slice_to_u64(slice_from(text, (size_t)colon + 1), &port) || port == 0 ||
	    port > 65535) {
		return false;
	}
	host = slice_head(text, (size_t)colon);
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']') {
		host = slice_head(slice_from(host, 1), host.len - 2);
	}
	*ret_port = (uint16_t)port;
	return ip_parse(host, ret_ip);
}

static int handle(struct peer *p, struct arena *a, const struct val *request, struct val *reply,
                  int *ret_fd, struct err *err)
{
	const struct control_door_config *c = &p->door->c;
	struct slice listen_at = val_get_str(request, "listen"),
		     close_at = val_get_str(request, "close");
	struct ip ip;
	uint16_t port;
	int protocol;

	if (listen_at.len || close_at.len) {
		if (!parse_address(listen_at.len ? listen_at : close_at, &ip, &protocol, &port)) {
			return err_raise(err, ERR_SYNTAX, "not an address with port");
		}
		if (!ip_ranges_have(&c->edge, ip)) {
			return err_raise(err, ERR_FORBIDDEN, "not an address of the edge");
		}
		if (protocol == IPPROTO_TCP && listeners_is_reserved(c->listeners, ip, port)) {
			return err_raise(err, ERR_EXISTS,
			                 "port %u is the instance's own API server's", port);
		}
		if (listen_at.len) {
			return listeners_open(c->listeners, ip, protocol, port, false, ret_fd, err);
		}
		listeners_close(c->listeners, ip, protocol, port);
		return 0;
	}
	if (p->uid != 0) {
		return err_raise(err, ERR_FORBIDDEN, "only root may ask this");
	}
	if (val_bool(val_get(request, "status"), false)) {
		c->status(c->arg, a, reply);
		return 0;
	}
	if (val_bool(val_get(request, "stop"), false)) {
		c->stop(c->arg);
		return 0;
	}
	return err_raise(err, ERR_USAGE, "unknown request");
}

static void on_packet(void *arg, int fd, unsigned events)
{
	struct peer *p = arg;
	scoped_arena struct arena a = { .max = 1 << 20 };
	char buf[PACKET_MAX];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
	struct val *request = NULL, *reply = val_new_object(&a);
	struct err err = { 0 };
	int pass_fd = -1, r;

	(void)events;
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			peer_free(p);
		}
		return;
	}
	r = (size_t)n > sizeof(buf) /* what was cut off must not go missing */
	            ? err_raise(&err, ERR_LIMIT, "request is larger than %d bytes", PACKET_MAX)
	            : json_parse(&a, (struct slice){ buf, (size_t)n }, 0, &request, &err);
	if (r == 0) {
		r = handle(p, &a, request, reply, &pass_fd, &err);
	}
	if (r < 0) {
		val_set_cstr(&a, reply, "error", err.msg);
		if (err.code == ERR_UNSUPPORTED) {
			val_set_cstr(&a, reply, "code", "UNSUPPORTED");
		}
	} else {
		val_set_bool(&a, reply, "ok", true);
	}
	answer(p, reply, r < 0 ? -1 : pass_fd);
}

static bool may_come_in(const struct control_door *d, uid_t uid)
{
	size_t n_roles = 0;

	list_for_each (&d->peers, p, struct peer, in_door) {
		n_roles += p->uid != 0;
	}
	if (uid == 0) {
		return d->n_peers < PEERS_MAX;
	}
	return uid == d->c.home->lb_uid && n_roles < ROLE_PEERS_MAX;
}

static void on_connect(void *arg, int fd, unsigned events)
{
	struct control_door *d = arg;
	struct ucred who = { 0 };
	socklen_t len = sizeof(who);
	scoped_fd int peer_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct peer *p;
	struct err err;

	(void)events;
	if (peer_fd < 0 || getsockopt(peer_fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0) {
		return;
	}
	if (!may_come_in(d, who.uid)) {
		log_odd("Caller on the control socket refused uid=%u pid=%d", who.uid, who.pid);
		return;
	}
	p = NEW(struct peer);
	*p = (struct peer){ .door = d, .fd = peer_fd, .uid = who.uid };
	if (loop_fd_open(d->c.loop, peer_fd, LOOP_READ, on_packet, p, &p->watch, &err) < 0) {
		log_broken("Control socket: %s", err.msg);
		free(p);
		return;
	}
	(void)take_fd(&peer_fd);
	list_push(&d->peers, &p->in_door);
	d->n_peers++;
}

static int address_of(const char *path, struct sockaddr_un *ret, struct err *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path)) {
		return err_raise(err, ERR_LIMIT,
		                 "path of a socket is longer than %zu characters: %s; use a "
		                 "shorter --home",
		                 sizeof(ret->sun_path) - 1, path);
	}
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

int control_door_open(const struct control_door_config *c, struct control_door **ret,
                      struct err *err)
{
	scoped_free char *path = home_file(c->home, "run/serve.sock");
	scoped_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct control_door *d;
	struct sockaddr_un at;
	int r = address_of(path, &at, err);

	if (r < 0) {
		return r;
	}
	(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    chown(path, 0, c->home->lb_uid) < 0 || chmod(path, 0660) < 0 || listen(fd, 64) < 0) {
		return err_sys(err, "listen on %s", path);
	}
	d = NEW(struct control_door);
	*d = (struct control_door){ .c = *c, .fd = fd, .path = take(path) };
	r = loop_fd_open(c->loop, fd, LOOP_READ, on_connect, d, &d->watch, err);
	if (r < 0) {
		free(d->path);
		free(d);
		return r;
	}
	(void)take_fd(&fd);
	*ret = d;
	return 0;
}

struct control_door *control_door_close(struct control_door *d)
{
	if (d) {
		list_for_each (&d->peers, p, struct peer, in_door) {
			peer_free(p);
		}
		loop_fd_close(d->watch);
		close(d->fd);
		(void)unlink(d->path);
		free(d->path);
		free(d);
	}
	return NULL;
}

int control_ask(const struct home *h, const char *request, int64_t timeout_us, struct strbuf *out,
                int *ret_fd, struct err *err)
{
	scoped_free char *path = home_file(h, "run/serve.sock");
	scoped_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un at;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char *buf = strbuf_reserve(out, PACKET_MAX);
	struct iovec iov = { buf, PACKET_MAX };
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = control.bytes,
		              .msg_controllen = sizeof(control.bytes) };
	int got_fd = -1;
	ssize_t n;
	int r = address_of(path, &at, err);

	if (r < 0) {
		return r;
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		return err_raise(err, ERR_UNAVAILABLE, "instance %s is not running", h->name);
	}
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
		return err_sys(err, "ask the supervisor");
	}
	r = poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, (int)(timeout_us / US_PER_MS));
	if (r <= 0) {
		return err_raise(err, ERR_TIMEOUT, "the supervisor of %s does not answer", h->name);
	}
	n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	if (n <= 0) {
		return err_raise(err, ERR_UNAVAILABLE, "the supervisor of %s went away", h->name);
	}
	strbuf_added(out, (size_t)n);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			memcpy(&got_fd, CMSG_DATA(c), sizeof(int));
		}
	}
	if (ret_fd) {
		*ret_fd = got_fd;
	} else if (got_fd >= 0) {
		close(got_fd);
	}
	return 0;
}
