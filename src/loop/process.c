/* Why: every program kennel runs is started here: no shell, no descriptor or ignored signal that
 * slips in, namespaces entered in the child. The child shares our memory until it executes (as
 * vfork's), so that starting is quick however large we are; it therefore does nothing but system
 * calls. */
#include "loop/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/mem.h"

enum { MAX_PASS_FDS = 64, CHILD_STACK = 128 * 1024, READ_SIZE = 16 * 1024 };
/* CLOSE_RANGE_CLOEXEC of close_range(2) */
#define CLOSE_ON_EXEC      4
#define DEFAULT_MAX_OUTPUT ((size_t)1 << 20)

struct output {
	struct strbuf text;
	struct loop_fd *watch; /* owned; null when given or ended */
	int fd;                /* owned reading end, or -1 */
	size_t max;
};

struct process {
	struct loop_child *child; /* owned; null once ended */
	struct output out, err;
	struct loop_timer timeout;
	pid_t pid;
	bool timed_out;
	process_done_fn *done;
	void *arg;
};

/* ---- the child ---- */

struct child {
	const struct process_spec *spec;
	int fds[3 + MAX_PASS_FDS]; /* what becomes 0, 1, 2, 3... */
	int n_fds;
	sigset_t mask;         /* signals blocked by the parent before */
	const char *failed_at; /* set by the child when it cannot go on */
	int failed_errno;
};

static int move_fds(struct child *c)
{
	int high[3 + MAX_PASS_FDS];

	/* first all out of the way, then all into place */
	for (int i = 0; i < c->n_fds; i++) {
		high[i] = fcntl(c->fds[i], F_DUPFD_CLOEXEC, c->n_fds);
		if (high[i] < 0) {
			return -1;
		}
	}
	for (int i = 0; i < c->n_fds; i++) {
		if (dup2(high[i], i) < 0) {
			return -1;
		}
	}
	/* ours close on exec anyway; this is for those we were started with. Linux before 5.11
	 * lacks it */
	(void)syscall(SYS_close_range, c->n_fds, ~0u, CLOSE_ON_EXEC);
	return 0;
}

static int become_user(const struct process_spec *s)
{
	/* the raw calls: glibc's would change every thread of the parent as well */
	if (syscall(SYS_setgroups, 0, NULL) < 0 ||
	    syscall(SYS_setresgid, s->gid, s->gid, s->gid) < 0 ||
	    syscall(SYS_setresuid, s->uid, s->uid, s->uid) < 0) {
		return -1;
	}
	return 0;
}

/* The kernel's own call: glibc's refuses 32 and 33, which it uses for threads, and whoever started us
 * may have left them ignored. */
static void reset_signals(void)
{
	static const struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} by_default = { .handler = NULL };

	for (int i = 1; i < NSIG; i++) {
		(void)syscall(SYS_rt_sigaction, i, &by_default, NULL, sizeof(by_default.mask));
	}
}

static int fail_in_child(struct child *c, const char *at)
{
	c->failed_errno = errno;
	c->failed_at = at;
	_exit(127);
}

static int run_child(void *arg)
{
	struct child *c = arg;
	const struct process_spec *s = c->spec;

	reset_signals();
	if (s->new_session && setsid() < 0) {
		return fail_in_child(c, "setsid");
	}
	if (s->netns_fd > 0 && setns(s->netns_fd, CLONE_NEWNET) < 0) {
		return fail_in_child(c, "enter network namespace");
	}
	if (s->mntns_fd > 0 && setns(s->mntns_fd, CLONE_NEWNS) < 0) {
		return fail_in_child(c, "enter mount namespace");
	}
	if (s->cwd && chdir(s->cwd) < 0) {
		return fail_in_child(c, "chdir");
	}
	if (move_fds(c) < 0) {
		return fail_in_child(c, "arrange descriptors");
	}
	if (s->uid > 0 && become_user(s) < 0) {
		return fail_in_child(c, "change user");
	}
	sigprocmask(SIG_SETMASK, &c->mask, NULL);
	if (s->env) {
		execvpe(s->argv[0], (char *const *)(uintptr_t)s->argv,
		        (char *const *)(uintptr_t)s->env);
	} else {
		execvp(s->argv[0], (char *const *)(uintptr_t)s->argv);
	}
	return fail_in_child(c, "execute");
}

/* Runs the child up to its exec. *ret_pid is then a program, or the failure is told. */
static int spawn(struct child *c, pid_t *ret_pid, struct err *err)
{
	sigset_t all;
	char *stack;
	pid_t pid;
	int saved;

	stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED) {
		return err_sys(err, "stack for a child");
	}
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &c->mask);
	sigset_t ours = c->mask;

	sigemptyset(&c->mask); /* the program begins with nothing blocked */
	pid = clone(run_child, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, c);
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &ours, NULL);
	munmap(stack, CHILD_STACK);
	if (pid < 0) {
		errno = saved;
		return err_sys(err, "clone");
	}
	if (c->failed_at) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
		}
		errno = c->failed_errno;
		return err_sys(err, "%s: %s", c->spec->argv[0], c->failed_at);
	}
	*ret_pid = pid;
	return 0;
}

/* ---- what the child reads and writes ---- */

/* The descriptor that becomes standard input; the caller owns it. */
static int open_input(const struct process_spec *s, int *ret_fd, struct err *err)
{
	scoped_fd int fd = -1;

	if (s->input.len == 0) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			return err_sys(err, "open /dev/null");
		}
		*ret_fd = take_fd(&fd);
		return 0;
	}
	/* a file in memory: no pipe to be fed while the program runs */
	fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0) {
		return err_sys(err, "memfd_create");
	}
	for (size_t done = 0; done < s->input.len;) {
		ssize_t n = pwrite(fd, s->input.p + done, s->input.len - done, (off_t)done);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return err_sys(err, "keep input of %s", s->argv[0]);
		}
		done += (size_t)n;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

static void take_bytes(struct output *o, const char *bytes, size_t n)
{
	size_t room = o->max - o->text.size;

	strbuf_add(&o->text, bytes, n < room ? n : room);
}

static void close_output(struct output *o)
{
	o->watch = loop_fd_close(o->watch);
	if (o->fd >= 0) {
		close(take_fd(&o->fd));
	}
}

/* Reads what is there; closes at the end of the stream. */
static void read_output(struct output *o)
{
	char buf[READ_SIZE];

	while (o->fd >= 0) {
		ssize_t n = read(o->fd, buf, sizeof(buf));

		if (n > 0) {
			take_bytes(o, buf, (size_t)n);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else {
			close_output(o);
		}
	}
}

static void on_output(void *arg, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	read_output(arg);
}

/* A pipe whose writing end the child gets, unless one is given. */
static int open_output(struct loop *l, struct output *o, int given, int *ret_write, int *ret_owned,
                       struct err *err)
{
	int ends[2];
	int r;

	if (given > 0) {
		*ret_write = given;
		return 0;
	}
	if (pipe2(ends, O_CLOEXEC) < 0) {
		return err_sys(err, "pipe");
	}
	o->fd = ends[0];
	*ret_write = *ret_owned = ends[1];
	r = loop_fd_open(l, o->fd, LOOP_READ, on_output, o, &o->watch, err);
	return r;
}

/* ---- life ---- */

static void process_free(struct process *p)
{
	loop_timer_stop(&p->timeout);
	loop_child_close(p->child);
	close_output(&p->out);
	close_output(&p->err);
	strbuf_fini(&p->out.text);
	strbuf_fini(&p->err.text);
	free(p);
}

static void scoped_process_fn(struct process **p)
{
	if (*p) {
		process_free(*p);
	}
}

static void on_child_end(void *arg, pid_t pid, int status)
{
	struct process *p = arg;
	struct process_result result;

	(void)pid;
	p->child = NULL;
	loop_timer_stop(&p->timeout);
	read_output(&p->out);
	read_output(&p->err);
	result = (struct process_result){
		.status = status,
		.timed_out = p->timed_out,
		.out = strbuf_str(&p->out.text),
		.out_size = p->out.text.size,
		.err = strbuf_str(&p->err.text),
		.err_size = p->err.text.size,
	};
	if (p->done) {
		p->done(p->arg, &result);
	}
	process_free(p);
}

static void on_timeout(struct loop_timer *t)
{
	struct process *p = container_of(t, struct process, timeout);

	p->timed_out = true;
	process_kill(p, SIGKILL);
}

static int gather_fds(const struct process_spec *s, struct child *c, struct err *err)
{
	c->n_fds = 3;
	for (const int *fd = s->pass_fds; fd && *fd >= 0; fd++) {
		if (c->n_fds == 3 + MAX_PASS_FDS) {
			return err_raise(err, ERR_LIMIT, "more than %d descriptors to pass",
			                 MAX_PASS_FDS);
		}
		c->fds[c->n_fds++] = *fd;
	}
	return 0;
}

int process_start(struct loop *l, const struct process_spec *spec, process_done_fn *done, void *arg,
                  struct process **ret_p, struct err *err)
{
	__attribute__((cleanup(scoped_process_fn))) struct process *p = NEW(struct process);
	scoped_fd int in = -1, out = -1, err_out = -1;
	struct child c = { .spec = spec };
	int r;

	p->out.fd = p->err.fd = -1;
	p->out.max = p->err.max = spec->max_output ? spec->max_output : DEFAULT_MAX_OUTPUT;
	p->done = done;
	p->arg = arg;
	r = gather_fds(spec, &c, err);
	if (r < 0) {
		return r;
	}
	c.fds[0] = spec->stdin_fd;
	if (spec->stdin_fd <= 0) {
		r = open_input(spec, &in, err);
		if (r < 0) {
			return r;
		}
		c.fds[0] = in;
	}
	r = open_output(l, &p->out, spec->stdout_fd, &c.fds[1], &out, err);
	if (r == 0) {
		r = open_output(l, &p->err, spec->stderr_fd, &c.fds[2], &err_out, err);
	}
	if (r == 0) {
		r = spawn(&c, &p->pid, err);
	}
	if (r < 0) {
		return r;
	}
	r = loop_child_open(l, p->pid, on_child_end, p, &p->child, err);
	if (r < 0) {
		kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) {
		}
		return r;
	}
	if (spec->timeout_us > 0) {
		loop_timer_start(l, &p->timeout, spec->timeout_us, on_timeout);
	}
	*ret_p = p;
	p = NULL;
	return 0;
}

pid_t process_pid(const struct process *p)
{
	return p->pid;
}

void process_kill(struct process *p, int signum)
{
	if (p->child) { /* not reaped yet: the number is still its own */
		kill(p->pid, signum);
	}
}

void process_forget(struct process *p)
{
	p->done = NULL;
}

/* ---- the blocking twin ---- */

struct run {
	struct strbuf *out, *err_out;
	int status;
	bool timed_out;
};

static void on_run_done(void *arg, const struct process_result *r)
{
	struct run *run = arg;

	run->status = r->status;
	run->timed_out = r->timed_out;
	if (run->out) {
		strbuf_add(run->out, r->out, r->out_size);
	}
	if (run->err_out) {
		strbuf_add(run->err_out, r->err, r->err_size);
	}
}

int process_run(const struct process_spec *spec, struct strbuf *out, struct strbuf *err_out,
                int *ret_status, struct err *err)
{
	struct run run = { .out = out, .err_out = err_out };
	struct loop *l = loop_new();
	struct process *p;
	int r = process_start(l, spec, on_run_done, &run, &p, err);

	if (r == 0) {
		loop_run(l);
	}
	loop_free(l);
	if (r < 0) {
		return r;
	}
	if (run.timed_out) {
		return err_raise(err, ERR_TIMEOUT, "%s did not end in time", spec->argv[0]);
	}
	*ret_status = run.status;
	return 0;
}
