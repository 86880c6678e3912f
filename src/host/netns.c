/* Why: sockets and sysctls belong to the namespace the thread is in when it opens them; this is the
 * one place that moves a thread. */
#include "host/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"

#define SELF "/proc/thread-self/ns/net"

int netns_open(const char *path, int *ret_fd, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		return err_sys(err, "open %s", path);
	}
	*ret_fd = fd;
	return 0;
}

int netns_new(int *ret_fd, struct err *err)
{
	struct netns_visit v = { -1 };
	int fd, r;

	r = netns_open(SELF, &v.home_fd, err);
	if (r < 0) {
		return r;
	}
	if (unshare(CLONE_NEWNET) < 0) {
		r = err_sys(err, "make a network namespace");
		close(take_fd(&v.home_fd));
		return r;
	}
	r = netns_open(SELF, &fd, err);
	netns_leave(&v);
	if (r < 0) {
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int netns_enter(struct netns_visit *v, int fd, struct err *err)
{
	int r;

	v->home_fd = -1;
	if (fd < 0) {
		return 0;
	}
	r = netns_open(SELF, &v->home_fd, err);
	if (r < 0) {
		return r;
	}
	if (setns(fd, CLONE_NEWNET) < 0) {
		r = err_sys(err, "enter network namespace");
		close(take_fd(&v->home_fd));
	}
	return r;
}

void netns_leave(struct netns_visit *v)
{
	if (v->home_fd < 0) {
		return;
	}
	must(setns(v->home_fd, CLONE_NEWNET) == 0);
	close(take_fd(&v->home_fd));
}

int netns_cookie(int fd, uint64_t *ret, struct err *err)
{
	scoped_visit struct netns_visit v = { -1 };
	scoped_fd int any = -1;
	socklen_t size = sizeof(*ret);
	int r = netns_enter(&v, fd, err);

	if (r < 0) {
		return r;
	}
	any = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return any < 0 || getsockopt(any, SOL_SOCKET, SO_NETNS_COOKIE, ret, &size) < 0
	               ? err_sys(err, "ask a network namespace for its number")
	               : 0;
}
