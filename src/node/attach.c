/* Why: conmon holds the container's streams and hands what comes to any number of attached clients;
 * see attach.h. Its socket (SOCK_SEQPACKET) gives packets of one byte (2 stdout, 3 stderr) and
 * data; what is sent goes to stdin; ending our direction ends stdin for a container with stdinOnce.
 *
 *   ACCEPTED --ready--> ATTACHED --conmon ends--> ENDED --flushed--> (gone)
 *      |                   |                                           ^
 *      +-------------------+------------- client gone -----------------+
 */
#include "node/attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "codec/json.h"
#include "node/exec.h"
#include "node/server-priv.h"

enum {
	PACKET_MAX = 32 << 10, /* conmon sends 8 KiB and a byte */
	SEND_MAX = 8 << 10,    /* bytes of one packet to conmon */
	PACKETS_A_TURN = 32,
};

struct attach {
	struct loop *loop;       /* borrowed */
	struct runtime *runtime; /* borrowed */
	struct channels *channels;
	struct loop_fd *w; /* null: not connected */
	int fd;            /* owned; -1 */
	struct channel_ask ask;
	char id[RUNTIME_ID_SIZE]; /* of the container */
	struct strbuf input;      /* to be sent; the client is paused while there is some */
	struct strbuf status;     /* what it ended with, while the client is full */
	bool input_ended, client_full;
};

static void update_events(struct attach *x)
{
	if (x->w) {
		loop_fd_set(x->w,
		            (x->client_full ? 0 : LOOP_READ) | (x->input.size ? LOOP_WRITE : 0));
	}
}

static void detach(struct attach *x)
{
	x->w = loop_fd_close(x->w);
	if (x->fd >= 0) {
		close(take_fd(&x->fd));
	}
}

/* why null: the container has ended. */
static void end(struct attach *x, const struct err *why)
{
	detach(x);
	exec_status(&x->status, &(struct runtime_exec_result){ .why = why });
	channel_pause(x->channels, false);
	if (!channel_is_full(x->channels)) {
		channel_finish(x->channels, strbuf_slice(&x->status));
	}
}

/* ---- to the container ---- */

static void send_input(struct attach *x)
{
	while (x->input.size) {
		size_t size = x->input.size < SEND_MAX ? x->input.size : SEND_MAX;
		ssize_t n = send(x->fd, x->input.p, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR) {
				strbuf_reset(&x->input); /* its end is read soon */
			}
			break;
		}
		strbuf_consume(&x->input, (size_t)n);
	}
	if (!x->input.size && x->input_ended) {
		(void)shutdown(x->fd, SHUT_WR);
	}
	channel_pause(x->channels, x->input.size > 0);
	update_events(x);
}

/* ---- from the container ---- */

static void receive(struct attach *x)
{
	char buf[PACKET_MAX];

	for (int i = 0; i < PACKETS_A_TURN && !x->client_full; i++) {
		ssize_t n = recv(x->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			return;
		}
		if (n <= 0) {
			end(x, NULL);
			return;
		}
		channel_write(x->channels, buf[0] == 3 ? CHANNEL_STDERR : CHANNEL_STDOUT,
		              (struct slice){ buf + 1, (size_t)n - 1 });
		x->client_full = channel_is_full(x->channels);
	}
	update_events(x);
}

static void on_socket(void *arg, int fd, unsigned events)
{
	struct attach *x = arg;

	(void)fd;
	if (events & LOOP_WRITE) {
		send_input(x);
	}
	if (events & LOOP_READ) {
		receive(x);
	}
}

/* ---- from the client ---- */

static int connect_to(struct attach *x, const char *path, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sa.sun_path)) {
		return err_raise(err, ERR_LIMIT, "path of socket %s is too long", path);
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	x->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (x->fd < 0 || connect(x->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		return err_sys(err, "attach to container");
	}
	return loop_fd_open(x->loop, x->fd, LOOP_READ, on_socket, x, &x->w, err);
}

static void on_ready(void *arg, struct channels *c)
{
	struct attach *x = arg;
	struct runtime_container *container = runtime_find(x->runtime, x->id);
	struct err err;
	int r;

	x->channels = c;
	if (!container || runtime_state(container) != RUNTIME_RUNNING) {
		r = err_raise(&err, ERR_NOTFOUND, "container is not running");
	} else {
		r = connect_to(x, runtime_attach_path(container), &err);
	}
	if (r < 0) {
		end(x, &err);
	}
}

static void on_input(void *arg, enum channel_id id, struct slice bytes)
{
	struct attach *x = arg;

	(void)id;
	if (x->w && !x->input_ended) {
		strbuf_add_slice(&x->input, bytes);
		send_input(x);
	}
}

static void on_input_end(void *arg, enum channel_id id)
{
	struct attach *x = arg;

	(void)id;
	if (x->w) {
		x->input_ended = true;
		send_input(x);
	}
}

static void on_resize(void *arg, uint16_t width, uint16_t height)
{
	struct attach *x = arg;
	struct runtime_container *container = runtime_find(x->runtime, x->id);

	if (container && runtime_has_tty(container)) {
		runtime_resize(container, width, height);
	}
}

static void on_client_drain(void *arg)
{
	struct attach *x = arg;

	x->client_full = false;
	if (x->status.size) {
		channel_finish(x->channels, strbuf_slice(&x->status));
	} else {
		update_events(x);
	}
}

static void attach_free(struct attach *x)
{
	detach(x);
	strbuf_fini(&x->input);
	strbuf_fini(&x->status);
	free(x);
}

static void on_client_gone(void *arg)
{
	attach_free(arg);
}

static const struct channel_events client_events = {
	.ready = on_ready,
	.data = on_input,
	.eof = on_input_end,
	.resize = on_resize,
	.drain = on_client_drain,
	.gone = on_client_gone,
};

void attach_serve(struct server *s, struct http_request *r, const struct server_target *t)
{
	struct pod_container_view c;
	struct channel_ask ask;
	struct attach *x;

	if (!server_channel_ask(r, &ask) || !server_running_container(r, t, &c)) {
		return;
	}
	if (ask.tty != runtime_has_tty(c.runtime)) {
		/* A terminal cannot be had or left out afterwards; kubectl looks at the spec first.
		 */
		ask.tty = runtime_has_tty(c.runtime);
		ask.stderr_ = ask.stderr_ && !ask.tty;
	}
	x = NEW(struct attach);
	x->loop = s->agent->loop;
	x->runtime = s->agent->runtime;
	x->fd = -1;
	x->ask = ask;
	snprintf(x->id, sizeof(x->id), "%s", runtime_id(c.runtime));
	x->channels = channel_accept(r, &ask, &client_events, x);
	if (!x->channels) {
		attach_free(x);
	}
}
