/* Why: exec probes, hooks and `kubectl exec` run a program in a container through crun; their
 * streams and their end come from several descriptors, and done has to come once, after all of
 * them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "node/file.h"
#include "node/runtime-priv.h"
#include "node/spec.h"

enum { QUEUE_FULL = 256 << 10, FD_IN = 0, FD_OUT = 1, FD_ERR = 2, FD_COUNT = 3 };
static const int64_t linger_us =
	200 * US_PER_MS; /* what is left in pipes that somebody else keeps open */

struct runtime_exec {
	struct runtime_container *container; /* null: it has gone */
	struct runtime *rt;
	struct list_link in_container; /* in runtime_container.execs */
	struct runtime_exec_events events;
	void *arg;
	char *base;       /* owned: "RUN/c/<id>/exec-7"; .json .pid .log .tty follow */
	int fd[FD_COUNT]; /* ours; -1 closed. With a tty FD_OUT is the terminal, both ways */
	struct loop_fd *watch[FD_COUNT];
	int listen_fd; /* waits for crun to hand over the terminal */
	struct loop_fd *listener;
	struct strbuf queue; /* for stdin */
	bool eof_wanted, is_paused, is_tty, was_full, is_dropped;
	bool has_ended; /* the program */
	uint16_t columns, rows;
	int status;
	bool timed_out;
	struct err why;
	struct loop_timer timeout, linger;
	struct loop_defer finish;
};

static void on_out(void *arg, int fd, unsigned events);
static void check_end(struct runtime_exec *e);

static void close_fd(struct runtime_exec *e, int which)
{
	e->watch[which] = loop_fd_close(e->watch[which]);
	if (e->fd[which] >= 0) {
		close(take_fd(&e->fd[which]));
	}
}

static void close_listener(struct runtime_exec *e)
{
	e->listener = loop_fd_close(e->listener);
	if (e->listen_fd >= 0) {
		close(take_fd(&e->listen_fd));
	}
}

static void exec_free(struct runtime_exec *e)
{
	static const char *const files[] = { "json", "pid", "log", "tty" };

	for (int i = 0; i < FD_COUNT; i++) {
		close_fd(e, i);
	}
	close_listener(e);
	loop_timer_stop(&e->timeout);
	loop_timer_stop(&e->linger);
	loop_defer_cancel(&e->finish);
	list_unlink(&e->in_container);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		scoped_free char *path = mem_printf("%s.%s", e->base, files[i]);

		(void)unlink(path);
	}
	strbuf_fini(&e->queue);
	free(e->base);
	free(e);
}

static void on_finish(struct loop_defer *d)
{
	struct runtime_exec *e = container_of(d, struct runtime_exec, finish);
	struct runtime_exec_result r = {
		.code = WIFEXITED(e->status) ? WEXITSTATUS(e->status) : 128 + WTERMSIG(e->status),
		.timed_out = e->timed_out,
		.why = e->why.code ? &e->why : NULL,
	};

	if (!e->is_dropped && e->events.done) {
		e->events.done(e->arg, &r);
	}
	exec_free(e);
}

static void check_end(struct runtime_exec *e)
{
	if (e->has_ended && e->fd[FD_OUT] < 0 && e->fd[FD_ERR] < 0) {
		loop_defer(e->rt->loop, &e->finish, on_finish);
	}
}

static void on_linger(struct loop_timer *t)
{
	struct runtime_exec *e = container_of(t, struct runtime_exec, linger);

	if (e->is_paused) { /* the reader is slow, not the pipe */
		loop_timer_start(e->rt->loop, &e->linger, linger_us, on_linger);
		return;
	}
	close_fd(e, FD_OUT);
	close_fd(e, FD_ERR);
	check_end(e);
}

/* ---- streams ---- */

static void set_interest(struct runtime_exec *e)
{
	int in = e->is_tty ? FD_OUT : FD_IN;

	for (int i = 0; i < FD_COUNT; i++) {
		unsigned events = i != FD_IN && !e->is_paused ? LOOP_READ : 0;

		if (i == in && e->queue.size > 0) {
			events |= LOOP_WRITE;
		}
		if (e->watch[i]) {
			loop_fd_set(e->watch[i], events);
		}
	}
}

static void flush(struct runtime_exec *e)
{
	int which = e->is_tty ? FD_OUT : FD_IN;

	while (e->fd[which] >= 0 && e->queue.size > 0) {
		ssize_t n = write(e->fd[which], e->queue.p, e->queue.size);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			break;
		}
		if (n < 0) {
			strbuf_reset(&e->queue); /* nobody reads it any more */
			if (!e->is_tty) {
				close_fd(e, FD_IN);
			}
			break;
		}
		strbuf_consume(&e->queue, (size_t)n);
	}
	if (e->eof_wanted && e->queue.size == 0 && !e->is_tty) {
		close_fd(e, FD_IN);
	}
	set_interest(e);
}

static void flush_and_tell(struct runtime_exec *e)
{
	flush(e);
	if (e->was_full && !runtime_exec_is_full(e)) {
		e->was_full = false;
		if (e->events.drain && !e->is_dropped) {
			e->events.drain(e->arg);
		}
	}
}

static void on_in(void *arg, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	flush_and_tell(arg);
}

static void on_out(void *arg, int fd, unsigned events)
{
	struct runtime_exec *e = arg;
	int which = fd == e->fd[FD_OUT] ? FD_OUT : FD_ERR;
	char buf[32768];
	ssize_t n;

	if (events & LOOP_WRITE) {
		flush_and_tell(e);
	}
	if (!(events & LOOP_READ) || e->is_paused) {
		return;
	}
	n = read(fd, buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) { /* a terminal without programs says EIO */
		close_fd(e, which);
		check_end(e);
		return;
	}
	if (e->events.data && !e->is_dropped) {
		e->events.data(e->arg, which, (struct slice){ buf, (size_t)n });
	}
}

static void resize(struct runtime_exec *e)
{
	struct winsize size = { .ws_row = e->rows, .ws_col = e->columns };

	if (e->is_tty && e->fd[FD_OUT] >= 0 && e->rows > 0) {
		(void)ioctl(e->fd[FD_OUT], TIOCSWINSZ, &size);
	}
}

/* crun sends the terminal as SCM_RIGHTS. */
static int receive_fd(int fd)
{
	char byte[256], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = byte, .iov_len = sizeof(byte) };
	struct msghdr m = { .msg_iov = &iov,
		            .msg_iovlen = 1,
		            .msg_control = control,
		            .msg_controllen = sizeof(control) };
	const struct cmsghdr *h;
	int got = -1;

	if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC) < 0) {
		return -1;
	}
	h = CMSG_FIRSTHDR(&m);
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
		memcpy(&got, CMSG_DATA(h), sizeof(got));
	}
	return got;
}

static void on_terminal(void *arg, int fd, unsigned events)
{
	struct runtime_exec *e = arg;
	struct timeval limit = { .tv_sec = 1 };
	scoped_fd int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	int got;

	(void)events;
	if (peer < 0) {
		return;
	}
	(void)setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	got = receive_fd(peer);
	close_listener(e);
	if (got < 0) {
		return;
	}
	e->fd[FD_OUT] = got;
	if (loop_fd_open(e->rt->loop, got, LOOP_READ, on_out, e, &e->watch[FD_OUT], NULL) < 0) {
		close_fd(e, FD_OUT);
		return;
	}
	resize(e);
	flush(e);
}

/* ---- the program ---- */

static void on_end(void *arg, const struct process_result *r)
{
	struct runtime_exec *e = arg;
	scoped_free char *log = mem_printf("%s.log", e->base);
	scoped_strbuf struct strbuf said = { 0 };

	e->has_ended = true;
	e->status = r->status;
	loop_timer_stop(&e->timeout);
	close_listener(e);
	if (!e->timed_out && file_read(log, 65536, &said, NULL) == 0 && said.size > 0 &&
	    WIFEXITED(r->status) && WEXITSTATUS(r->status) != 0) {
		scoped_doc struct doc *d = NULL;
		struct slice line, rest = strbuf_slice(&said);

		slice_cut(rest, '\n', &line, &rest);
		if (json_parse_doc(line, 0, &d, NULL) == 0) {
			line = val_get_str(d->root, "msg");
		}
		(void)err_raise(&e->why, ERR_NOTFOUND, SLICE_FMT, SLICE_ARG(line));
	}
	if (e->is_dropped) {
		loop_defer(e->rt->loop, &e->finish, on_finish);
		return;
	}
	loop_timer_start(e->rt->loop, &e->linger, linger_us, on_linger);
	check_end(e);
}

static void on_timeout(struct loop_timer *t)
{
	struct runtime_exec *e = container_of(t, struct runtime_exec, timeout);
	scoped_free char *path = mem_printf("%s.pid", e->base);
	scoped_strbuf struct strbuf text = { 0 };
	int64_t pid;

	e->timed_out = true;
	if (file_read(path, 64, &text, NULL) == 0 &&
	    slice_to_i64(slice_trim(strbuf_slice(&text)), &pid) && pid > 1) {
		(void)kill((pid_t)pid, SIGKILL);
	}
}

static int listen_for_terminal(struct runtime_exec *e, const char *path, struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(to.sun_path)) {
		return err_raise(err, ERR_LIMIT, "%s is too long for a socket", path);
	}
	memcpy(to.sun_path, path, strlen(path) + 1);
	e->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (e->listen_fd < 0 || bind(e->listen_fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    listen(e->listen_fd, 1) < 0) {
		return err_sys(err, "listen on %s", path);
	}
	return loop_fd_open(e->rt->loop, e->listen_fd, LOOP_READ, on_terminal, e, &e->listener,
	                    err);
}

/* Makes a pipe; ours is watched, *theirs is for the program. */
static int open_pipe(struct runtime_exec *e, int which, int *theirs, struct err *err)
{
	int p[2], ours = which == FD_IN ? 1 : 0;

	if (pipe2(p, O_CLOEXEC) < 0) {
		return err_sys(err, "make a pipe");
	}
	e->fd[which] = p[ours];
	*theirs = p[!ours];
	return loop_fd_open(e->rt->loop, p[ours], which == FD_IN ? 0 : LOOP_READ,
	                    which == FD_IN ? on_in : on_out, e, &e->watch[which], err);
}

static int open_streams(struct runtime_exec *e, const struct runtime_exec_spec *s, int *theirs,
                        struct err *err)
{
	bool wanted[FD_COUNT] = { s->stdin_open, s->stdout_open, s->stderr_open };
	int r = 0;

	for (int i = 0; r == 0 && i < FD_COUNT; i++) {
		if (wanted[i] && !s->tty) {
			r = open_pipe(e, i, &theirs[i], err);
		} else {
			theirs[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
			r = theirs[i] < 0 ? err_sys(err, "open /dev/null") : 0;
		}
	}
	return r;
}

/* The container's own process description with other arguments, in a file for crun. */
static int write_process(const struct runtime_exec *e, const struct runtime_exec_spec *s,
                         const char *to, struct err *err)
{
	scoped_free char *config = mem_printf("%s/config.json", e->container->dir);
	scoped_strbuf struct strbuf text = { 0 }, out = { 0 };
	scoped_doc struct doc *d = NULL;
	int r = file_read(config, 0, &text, err);

	if (r >= 0) {
		r = json_parse_doc(strbuf_slice(&text), 0, &d, err);
	}
	if (r < 0) {
		return r;
	}
	json_write(&out, spec_exec_process(&d->arena, d->root, s->args, s->tty));
	return file_write(to, strbuf_slice(&out), 0600, err);
}

static int start(struct runtime_exec *e, const struct runtime_exec_spec *s, struct err *err)
{
	struct runtime *rt = e->rt;
	scoped_free char *process = mem_printf("%s.json", e->base),
			 *tty = mem_printf("%s.tty", e->base), *pid = mem_printf("%s.pid", e->base),
			 *log = mem_printf("--log=%s.log", e->base),
			 *root = mem_printf("--root=%s", rt->crun_root);
	const char *argv[16] = { rt->crun, root,        log,     "--log-format=json",
		                 "exec",   "--process", process, "--pid-file",
		                 pid };
	int theirs[FD_COUNT] = { -1, -1, -1 };
	struct process *p;
	size_t n = 9;
	int r = write_process(e, s, process, err);

	if (r == 0 && s->tty) {
		r = listen_for_terminal(e, tty, err);
		argv[n++] = "--tty";
		argv[n++] = "--console-socket";
		argv[n++] = tty;
	}
	argv[n] = e->container->id;
	if (r == 0) {
		r = open_streams(e, s, theirs, err);
	}
	if (r == 0) {
		r = process_start(rt->loop,
		                  &(struct process_spec){ .argv = argv,
		                                          .cwd = "/",
		                                          .stdin_fd = theirs[0],
		                                          .stdout_fd = theirs[1],
		                                          .stderr_fd = theirs[2] },
		                  on_end, e, &p, err);
	}
	for (int i = 0; i < FD_COUNT; i++) {
		if (theirs[i] >= 0) {
			close(theirs[i]);
		}
	}
	return r;
}

struct runtime_exec *runtime_exec(struct runtime_container *c, const struct runtime_exec_spec *s,
                                  const struct runtime_exec_events *events, void *arg)
{
	struct runtime_exec *e = NEW(struct runtime_exec);
	int r;

	e->container = c;
	e->rt = c->rt;
	e->events = *events;
	e->arg = arg;
	e->base = mem_printf("%s/exec-%u", c->dir, c->n_execs++);
	e->is_tty = s->tty;
	e->listen_fd = -1;
	for (int i = 0; i < FD_COUNT; i++) {
		e->fd[i] = -1;
	}
	list_push(&c->execs, &e->in_container);
	if (c->state != RUNTIME_RUNNING) {
		r = err_raise(&e->why, ERR_NOTFOUND, "container is not running");
	} else {
		r = start(e, s, &e->why);
	}
	if (r < 0) {
		e->status = 126 << 8;
		e->has_ended = true;
		loop_defer(e->rt->loop, &e->finish, on_finish);
	} else if (s->timeout_us > 0) {
		loop_timer_start(e->rt->loop, &e->timeout, s->timeout_us, on_timeout);
	}
	return e;
}

void runtime_exec_write(struct runtime_exec *e, struct slice bytes)
{
	if (!e->has_ended && !e->eof_wanted) {
		strbuf_add_slice(&e->queue, bytes);
		e->was_full = e->was_full || runtime_exec_is_full(e);
		flush(e);
	}
}

bool runtime_exec_is_full(const struct runtime_exec *e)
{
	return e->queue.size > QUEUE_FULL;
}

void runtime_exec_eof(struct runtime_exec *e)
{
	e->eof_wanted = true;
	flush(e);
}

void runtime_exec_pause(struct runtime_exec *e, bool paused)
{
	e->is_paused = paused;
	set_interest(e);
}

void runtime_exec_resize(struct runtime_exec *e, uint16_t columns, uint16_t rows)
{
	e->columns = columns;
	e->rows = rows;
	resize(e);
}

void runtime_exec_drop(struct runtime_exec *e)
{
	e->is_dropped = true;
	for (int i = 0; i < FD_COUNT; i++) {
		close_fd(e, i);
	}
	close_listener(e);
}

/* crun exec ends by itself when the container's processes are gone; only the file names die here.
 */
void runtime_exec_abandon(struct runtime_container *c)
{
	list_for_each (&c->execs, e, struct runtime_exec, in_container) {
		list_unlink(&e->in_container);
		e->container = NULL;
	}
}
