/* Why: most questions come as datagrams, many at once; they are taken and answered by the batch.
 * Source: networking.md 5.7 */
#include "dns/server-priv.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dns/any.h"

#define QUESTION_SIZE 1500 /* bytes; longer datagrams are no questions */

struct udp_listener {
	struct dns_server *server; /* borrowed */
	enum dns_view view;
	int fd;
	uint16_t port;
	struct loop_fd *watch;
	struct asker askers[DNS_UDP_BATCH];
	uint8_t in[DNS_UDP_BATCH][QUESTION_SIZE];
	uint8_t out[DNS_UDP_BATCH][DNS_UDP_EDNS];
	struct mmsghdr messages[DNS_UDP_BATCH], replies[DNS_UDP_BATCH];
	struct iovec in_iov[DNS_UDP_BATCH], out_iov[DNS_UDP_BATCH];
};

static int receive(struct udp_listener *u)
{
	for (size_t i = 0; i < DNS_UDP_BATCH; i++) {
		u->in_iov[i] = (struct iovec){ u->in[i], QUESTION_SIZE };
		u->messages[i].msg_hdr = (struct msghdr){ .msg_name = &u->askers[i].from,
			                                  .msg_namelen = sizeof(u->askers[i].from),
			                                  .msg_iov = &u->in_iov[i],
			                                  .msg_iovlen = 1 };
	}
	return recvmmsg(u->fd, u->messages, DNS_UDP_BATCH, MSG_DONTWAIT, NULL);
}

/* What the kernel does not take is lost, as datagrams may be. */
static void send_all(struct udp_listener *u, size_t n)
{
	size_t sent = 0;

	while (sent < n) {
		int r = sendmmsg(u->fd, u->replies + sent, (unsigned)(n - sent),
		                 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r < 0 && errno == EAGAIN) {
			log_odd("The socket takes no more answers lost=%zu", n - sent);
			return;
		}
		sent += r > 0 ? (size_t)r
		              : 1; /* one that cannot be sent does not hold up the others */
	}
}

static void answer_batch(struct udp_listener *u, size_t n)
{
	int64_t now_us = clock_mono_us();
	size_t ready = 0;

	for (size_t i = 0; i < n; i++) {
		struct msghdr *m = &u->messages[i].msg_hdr;
		size_t size;

		u->askers[i].view = u->view;
		u->askers[i].conn = NULL;
		u->askers[i].since_us = now_us;
		u->askers[i].from_size = m->msg_namelen;
		if (m->msg_flags & MSG_TRUNC) {
			u->server->stats.dropped++;
			continue;
		}
		size = server_handle(u->server, &u->askers[i], u->in[i], u->messages[i].msg_len,
		                     u->out[ready], DNS_UDP_EDNS);
		if (!size) {
			continue;
		}
		u->out_iov[ready] = (struct iovec){ u->out[ready], size };
		u->replies[ready].msg_hdr = (struct msghdr){ .msg_name = &u->askers[i].from,
			                                     .msg_namelen = u->askers[i].from_size,
			                                     .msg_iov = &u->out_iov[ready],
			                                     .msg_iovlen = 1 };
		ready++;
	}
	send_all(u, ready);
}

static void on_readable(void *arg, int fd, unsigned events)
{
	struct udp_listener *u = arg;

	(void)fd;
	(void)events;
	for (unsigned i = 0; i < DNS_UDP_BATCHES; i++) {
		int n = receive(u);

		if (n <= 0) {
			return;
		}
		answer_batch(u, (size_t)n);
	}
}

void udp_send(struct udp_listener *u, const struct asker *who, const uint8_t *bytes, size_t size)
{
	if (sendto(u->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL,
	           (const struct sockaddr *)&who->from, who->from_size) < 0) {
		log_debug("An answer could not be sent errno=%d", errno);
	}
}

uint16_t udp_port(const struct udp_listener *u)
{
	return u->port;
}

static int open_bound(struct ip address, uint16_t port, int *ret_fd, struct err *err)
{
	struct ip any = address.family ? address : any_address();
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(any, port, &sa);
	scoped_fd int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int room = 4 << 20;
	char text[IP_TEXT_SIZE];

	if (fd < 0) {
		return err_sys(err, "make a UDP socket");
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room,
	                 sizeof(room)); /* bursts are kept, as far as allowed */
	if (bind(fd, (struct sockaddr *)&sa, len) < 0) {
		return err_sys(err, "listen on UDP %s port %u", ip_format(any, text), port);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int udp_listen(struct dns_server *s, enum dns_view view, struct ip address, uint16_t port,
               struct udp_listener **ret, struct err *err)
{
	struct udp_listener *u = NEW(struct udp_listener);
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct ip ip;
	int r;

	u->server = s;
	u->view = view;
	u->fd = -1;
	r = open_bound(address, port, &u->fd, err);
	if (r == 0 && getsockname(u->fd, (struct sockaddr *)&sa, &len) < 0) {
		r = err_sys(err, "name of the UDP socket");
	}
	if (r == 0) {
		(void)ip_from_sockaddr((struct sockaddr *)&sa, &ip, &u->port);
		r = loop_fd_open(s->loop, u->fd, LOOP_READ, on_readable, u, &u->watch, err);
	}
	if (r < 0) {
		udp_close(u);
		return r;
	}
	*ret = u;
	return 0;
}

struct udp_listener *udp_close(struct udp_listener *u)
{
	if (u) {
		if (u->watch) {
			on_readable(u, u->fd, LOOP_READ);
		}
		loop_fd_close(u->watch);
		if (u->fd >= 0) {
			close(u->fd);
		}
		free(u);
	}
	return NULL;
}
