/* Why: every door to the kernel's network configuration speaks netlink; requests, answers, dumps
 * and the kernel's error sentences are handled once, here. */
#include "host/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "base/mem.h"
#include "base/must.h"
#include "host/netns.h"

#define ANSWER_BYTES 65536
#define DUMP_TRIES   5

#ifndef NLMSGERR_ATTR_MSG
#define NLMSGERR_ATTR_MSG 1
#endif

int netlink_open(struct netlink *nl, int protocol, int netns_fd, unsigned groups, struct err *err)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = groups };
	socklen_t len = sizeof(addr);
	scoped_visit struct netns_visit visit = { -1 };
	int on = 1, room = 64 << 20;
	int r;

	*nl = (struct netlink){ .fd = -1 };
	r = netns_enter(&visit, netns_fd, err);
	if (r < 0) {
		return r;
	}
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (nl->fd < 0) {
		return err_sys(err, "open netlink");
	}
	/* Without the right to force it the kernel's default does, up to some thousand elements a
	 * transaction. */
	if (setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0) {
		(void)setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	}
	if (setsockopt(nl->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0) {
		(void)setsockopt(nl->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	}
	(void)setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(nl->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (bind(nl->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    getsockname(nl->fd, (struct sockaddr *)&addr, &len) < 0) {
		r = err_sys(err, "bind netlink");
		netlink_close(nl);
		return r;
	}
	nl->portid = addr.nl_pid;
	nl->scratch = mem_alloc(2 * NETLINK_REQUEST_MAX);
	return 0;
}

void netlink_close(struct netlink *nl)
{
	if (nl->scratch) {
		close(nl->fd);
	}
	strbuf_fini(&nl->out);
	free(nl->tolerated);
	free(nl->scratch);
	*nl = (struct netlink){ .fd = -1 };
}

static void finish_open(struct netlink *nl)
{
	if (nl->open) {
		must(nl->open->nlmsg_len <= NETLINK_REQUEST_MAX);
		strbuf_add(&nl->out, nl->open, NLMSG_ALIGN(nl->open->nlmsg_len));
		nl->open = NULL;
	}
}

struct nlmsghdr *netlink_begin(struct netlink *nl, uint16_t type, uint16_t flags,
                               size_t header_size, int tolerate_errno)
{
	struct nlmsghdr *nlh;

	finish_open(nl);
	if (nl->n_queued == nl->room) {
		nl->room = nl->room ? nl->room * 2 : 16;
		nl->tolerated = mem_realloc(nl->tolerated, nl->room, sizeof(*nl->tolerated));
	}
	nl->tolerated[nl->n_queued++] = tolerate_errno;
	nlh = mnl_nlmsg_put_header(nl->scratch);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags | NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++nl->seq;
	mnl_nlmsg_put_extra_header(nlh, header_size);
	nl->open = nlh;
	return nlh;
}

/* The kernel's sentence about a refused request, or null. Borrowed from the message. */
static const char *refusal_text(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*e);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS)) {
		return NULL;
	}
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		skip += e->msg.nlmsg_len - sizeof(struct nlmsghdr);
	}
	mnl_attr_for_each(attr, nlh, skip)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG) {
			return mnl_attr_get_str(attr);
		}
	}
	return NULL;
}

static int raise_refusal(const struct nlmsghdr *nlh, int code, struct err *err)
{
	const char *text = refusal_text(nlh);

	errno = code;
	return text ? err_sys(err, "netlink: %s", text) : err_sys(err, "netlink");
}

static int send_all(struct netlink *nl, struct err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	finish_open(nl);
	if (strbuf_failed(&nl->out)) {
		return err_raise(err, ERR_NOMEM, "netlink requests too large");
	}
	do {
		n = sendto(nl->fd, nl->out.p, nl->out.size, 0, (struct sockaddr *)&kernel,
		           sizeof(kernel));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(err, "send to netlink") : 0;
}

static ssize_t receive(struct netlink *nl, char *buf, struct err *err)
{
	ssize_t n;

	do {
		n = recv(nl->fd, buf, ANSWER_BYTES, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return err_sys(err, "receive from netlink");
	}
	return n;
}

/* Reads answers until the last of the queued requests (sequence numbers first_seq...) has its own.
 */
static int read_answers(struct netlink *nl, uint32_t first_seq, struct err *err)
{
	char *buf = nl->scratch;
	int result = 0;
	size_t open = nl->n_queued;

	while (open > 0) {
		ssize_t got = receive(nl, buf, err);
		int left = (int)got;

		if (got < 0) {
			return (int)got;
		}
		for (struct nlmsghdr *nlh = (void *)buf; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
			uint32_t index = nlh->nlmsg_seq - first_seq;

			if (nlh->nlmsg_type != NLMSG_ERROR || index >= nl->n_queued) {
				continue;
			}
			open--;
			if (e->error && -e->error != nl->tolerated[index] && result == 0) {
				result = raise_refusal(nlh, -e->error, err);
			}
		}
	}
	return result;
}

int netlink_send(struct netlink *nl, struct err *err)
{
	uint32_t first_seq = nl->seq - (uint32_t)nl->n_queued + 1;
	int r = 0;

	if (nl->n_queued > 0) {
		r = send_all(nl, err);
		if (r == 0) {
			r = read_answers(nl, first_seq, err);
		}
	}
	strbuf_reset(&nl->out);
	nl->n_queued = 0;
	return r;
}

/* One try; 1: interrupted, look again. */
static int dump_once(struct netlink *nl, netlink_message_fn *fn, void *arg, struct err *err)
{
	bool interrupted = false;
	scoped_free char *buf = mem_alloc(ANSWER_BYTES);
	int result = 0;

	for (;;) {
		ssize_t got = receive(nl, buf, err);
		int left = (int)got;

		if (got < 0) {
			return (int)got;
		}
		for (struct nlmsghdr *nlh = (void *)buf; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq != nl->seq) {
				continue;
			}
			interrupted |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (nlh->nlmsg_type == NLMSG_DONE) {
				const int *code = mnl_nlmsg_get_payload(nlh);

				if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(*code) && *code < 0 &&
				    -*code != nl->tolerated[0]) {
					errno = -*code;
					return err_sys(err, "netlink: list");
				}
				return result < 0 ? result : interrupted;
			}
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

				if (e->error && -e->error != nl->tolerated[0]) {
					return raise_refusal(nlh, -e->error, err);
				}
				return result < 0 ? result : interrupted;
			}
			if (result == 0) {
				result = fn(arg, nlh);
			}
		}
	}
}

int netlink_ask(struct netlink *nl, netlink_message_fn *fn, void *arg, struct err *err)
{
	int r;

	must(nl->open && nl->n_queued == 1);
	r = send_all(nl, err);
	if (r == 0) {
		r = dump_once(nl, fn, arg, err);
	}
	strbuf_reset(&nl->out);
	nl->n_queued = 0;
	return r;
}

int netlink_dump(struct netlink *nl, netlink_message_fn *fn, void (*restart)(void *arg), void *arg,
                 struct err *err)
{
	int r = 0;

	must(nl->open && nl->n_queued == 1);
	nl->open->nlmsg_flags = (uint16_t)((nl->open->nlmsg_flags & ~NLM_F_ACK) | NLM_F_DUMP);
	finish_open(nl);
	for (int i = 0; i < DUMP_TRIES; i++) {
		if (i > 0) {
			((struct nlmsghdr *)nl->out.p)->nlmsg_seq = ++nl->seq;
			if (restart) {
				restart(arg);
			}
		}
		r = send_all(nl, err);
		if (r == 0) {
			r = dump_once(nl, fn, arg, err);
		}
		if (r <= 0) {
			break;
		}
	}
	strbuf_reset(&nl->out);
	nl->n_queued = 0;
	return r > 0 ? err_raise(err, ERR_IO,
	                         "netlink: the list changed too often while it was read")
	             : r;
}
