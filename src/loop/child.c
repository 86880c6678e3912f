/* Why: the end of a process as an event, by pidfd: works for any process and never mistakes one
 * that reuses the number. */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "loop/loop.h"

/* glibc of Debian 12 knows the name P_PIDFD, older headers do not. */
#define ID_PIDFD ((idtype_t)3)

struct loop_child {
	struct loop_fd *watch; /* owned */
	int pidfd;             /* owned */
	pid_t pid;
	loop_child_fn *fn;
	void *arg;
};

struct loop_child *loop_child_close(struct loop_child *c)
{
	if (c) {
		loop_fd_close(c->watch);
		close(c->pidfd);
		free(c);
	}
	return NULL;
}

/* The end of our child in waitpid's words; -1 when it is not ours. */
static int reap(int pidfd)
{
	siginfo_t info = { 0 };
	int r;

	do {
		r = waitid(ID_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
	} while (r < 0 && errno == EINTR);
	if (r < 0 || info.si_pid == 0) {
		return -1;
	}
	switch (info.si_code) {
	case CLD_EXITED:
		return (info.si_status & 0xff) << 8;
	case CLD_DUMPED:
		return info.si_status | 0x80;
	default:
		return info.si_status;
	}
}

static void on_exit_of(void *arg, int pidfd, unsigned events)
{
	struct loop_child *c = arg;
	loop_child_fn *fn = c->fn;
	void *to = c->arg;
	pid_t pid = c->pid;
	int status = reap(pidfd);

	(void)events;
	loop_child_close(c);
	fn(to, pid, status);
}

int loop_child_open(struct loop *l, pid_t pid, loop_child_fn *fn, void *arg,
                    struct loop_child **ret_c, struct err *err)
{
	scoped_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
	struct loop_child *c;
	int r;

	if (pidfd < 0) {
		return errno == ESRCH ? err_raise(err, ERR_NOTFOUND, "no process %d", (int)pid)
		                      : err_sys(err, "pidfd_open %d", (int)pid);
	}
	c = NEW(struct loop_child);
	r = loop_fd_open(l, pidfd, LOOP_READ, on_exit_of, c, &c->watch, err);
	if (r < 0) {
		free(c);
		return err_while(err, r, "wait for process %d", (int)pid);
	}
	c->pidfd = take_fd(&pidfd);
	c->pid = pid;
	c->fn = fn;
	c->arg = arg;
	*ret_c = c;
	return 0;
}
