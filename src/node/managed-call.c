/* Why: see managed-call.h. The socket is reached through its folder's descriptor, since a home
 * folder may be deeper than the 107 bytes that a socket's path has. */
#include "node/managed-call.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { STATEMENTS_MAX = 8 };
#define CALL_US (10 * US_PER_S)

struct managed_call {
	struct loop *loop; /* borrowed */
	struct loop_fd *w; /* owned; null until connected */
	int fd;            /* owned; -1 */
	struct loop_timer timer;
	struct loop_defer ended;
	struct managed_dialog dialog;
	const char *statements[STATEMENTS_MAX + 1];
	char *text; /* of all statements; owned */
	managed_call_fn *done;
	void *arg;
	bool is_over;
	struct err why; /* code 0: fine */
};

static void call_free(struct managed_call *c)
{
	loop_timer_stop(&c->timer);
	loop_defer_cancel(&c->ended);
	loop_fd_close(c->w);
	if (c->fd >= 0) {
		close(c->fd);
	}
	managed_dialog_fini(&c->dialog);
	free(c->text);
	free(c);
}

static void on_ended(struct loop_defer *d)
{
	struct managed_call *c = container_of(d, struct managed_call, ended);
	managed_call_fn *done = c->done;
	void *arg = c->arg;
	struct err why = c->why;

	call_free(c);
	done(arg, why.code ? &why : NULL);
}

static void end(struct managed_call *c)
{
	if (!c->is_over) {
		c->is_over = true;
		loop_defer(c->loop, &c->ended, on_ended);
	}
}

static void say(struct managed_call *c)
{
	/* A few hundred bytes on a fresh socket: they always fit. */
	if (c->dialog.out.size && send(c->fd, c->dialog.out.p, c->dialog.out.size, MSG_NOSIGNAL) !=
	                                  (ssize_t)c->dialog.out.size) {
		(void)err_sys(&c->why, "talk to server");
		end(c);
	}
	strbuf_reset(&c->dialog.out);
}

static void on_readable(void *arg, int fd, unsigned events)
{
	struct managed_call *c = arg;
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));
	int r;

	(void)events;
	if (c->is_over || (n < 0 && (errno == EAGAIN || errno == EINTR))) {
		return;
	}
	if (n <= 0) {
		(void)err_raise(&c->why, ERR_UNAVAILABLE, "server closed the connection");
		end(c);
		return;
	}
	r = managed_dialog_feed(&c->dialog, (struct slice){ buf, (size_t)n }, &c->why);
	if (r >= 0) {
		say(c);
	}
	if (r != MANAGED_DIALOG_MORE) {
		end(c);
	}
}

static void on_timer(struct loop_timer *t)
{
	struct managed_call *c = container_of(t, struct managed_call, timer);

	(void)err_raise(&c->why, ERR_TIMEOUT, "server does not answer");
	end(c);
}

static int connect_to(struct managed_call *c, const char *folder, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	scoped_fd int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0) {
		return err_sys(err, "open %s", folder);
	}
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/server.sock", dir);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		return err_sys(err, "connect to server");
	}
	return loop_fd_open(c->loop, c->fd, LOOP_READ, on_readable, c, &c->w, err);
}

struct managed_call *managed_call_start(struct loop *l, const char *folder,
                                        enum managed_dialog_kind kind, struct slice statements,
                                        managed_call_fn *done, void *arg)
{
	struct managed_call *c = NEW(struct managed_call);
	size_t n = 0;

	c->loop = l;
	c->fd = -1;
	c->done = done;
	c->arg = arg;
	c->text = slice_dup(statements);
	for (char *at = c->text, *end; n < STATEMENTS_MAX && *at; at = end + 1) {
		end = strchrnul(at, '\n');
		c->statements[n++] = at;
		if (!*end) {
			break;
		}
		*end = '\0';
	}
	managed_dialog_init(&c->dialog, kind, c->statements);
	if (connect_to(c, folder, &c->why) < 0) {
		end(c);
		return c;
	}
	loop_timer_start(l, &c->timer, CALL_US, on_timer);
	say(c);
	return c;
}

struct managed_call *managed_call_cancel(struct managed_call *c)
{
	if (c) {
		call_free(c);
	}
	return NULL;
}
