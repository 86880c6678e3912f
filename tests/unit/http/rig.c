/* Why: connections are tested over real sockets, from both ends in one process. See rig.h. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/clock.h"

enum { QUICK_TURNS = 250 }; /* without waiting; then a millisecond each */

int rig_set_up(void **state)
{
	struct rig *r = NEW(struct rig);

	r->loop = loop_new();
	r->fd = -1;
	*state = r;
	return 0;
}

int rig_tear_down(void **state)
{
	struct rig *r = *state;

	rig_hang_up(r);
	r->server = http_server_free(r->server);
	for (int i = 0; i < 3; i++) {
		loop_run_once(r->loop); /* closed streams free themselves at the end of a turn */
	}
	loop_free(r->loop);
	strbuf_fini(&r->got);
	free(r);
	return 0;
}

int rig_listen(uint16_t *ret_port)
{
	struct sockaddr_storage at;
	socklen_t size = ip_to_sockaddr(ip_v4(0x7f000001), *ret_port, &at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
	struct ip ip;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(fd, 16), 0);
	size = sizeof(at);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	assert_true(ip_from_sockaddr((struct sockaddr *)&at, &ip, ret_port));
	return fd;
}

void rig_serve(struct rig *r, const struct http_server_config *config)
{
	int fd = rig_listen(&r->port);

	r->server = http_server_new(r->loop, config);
	assert_int_equal(http_server_listen(r->server, fd, NULL), 0);
}

void rig_hang_up(struct rig *r)
{
	if (r->fd >= 0) {
		close(take_fd(&r->fd));
	}
	r->ended = r->was_reset = false;
	strbuf_reset(&r->got);
}

void rig_dial(struct rig *r)
{
	struct sockaddr_storage to;
	socklen_t size = ip_to_sockaddr(ip_v4(0x7f000001), r->port, &to);

	rig_hang_up(r);
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(r->fd, (struct sockaddr *)&to, size), 0);
	assert_int_equal(fcntl(r->fd, F_SETFL, O_NONBLOCK), 0);
}

int rig_pair(struct rig *r)
{
	int ends[2];

	rig_hang_up(r);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
	                 0);
	r->fd = ends[0];
	return ends[1];
}

static void on_tick(struct loop_timer *t)
{
	loop_stop(container_of(t, struct rig, tick)->loop);
}

void rig_turn_only(struct rig *r)
{
	if (r->idle++ < QUICK_TURNS) {
		loop_run_once(r->loop);
		return;
	}
	loop_timer_start(r->loop, &r->tick, US_PER_MS, on_tick);
	loop_run(r->loop);
}

static void read_what_is_there(struct rig *r)
{
	char buf[64 << 10];
	ssize_t n;

	while (r->fd >= 0 && !r->ended && (n = recv(r->fd, buf, sizeof(buf), 0)) != -1) {
		strbuf_add(&r->got, buf, (size_t)n);
		r->ended = n == 0;
	}
	if (r->fd >= 0 && !r->ended && errno != EAGAIN) {
		r->ended = r->was_reset = true;
	}
}

void rig_turn(struct rig *r)
{
	rig_turn_only(r);
	read_what_is_there(r);
}

void rig_send(struct rig *r, struct slice bytes)
{
	r->idle = 0;
	while (bytes.len && !r->was_reset) {
		ssize_t n = send(r->fd, bytes.p, bytes.len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN) {
			r->ended = r->was_reset = true;
			return;
		}
		bytes = slice_from(bytes, n > 0 ? (size_t)n : 0);
		if (bytes.len) {
			rig_turn(r);
			assert_true(r->idle < 40000);
		}
	}
}

void rig_send_text(struct rig *r, const char *text)
{
	rig_send(r, slice_of(text));
}

bool rig_has(const struct rig *r, const char *text)
{
	return r->got.size && memmem(r->got.p, r->got.size, text, strlen(text));
}

void rig_want(struct rig *r, const char *text)
{
	char *at;

	r->idle = 0;
	while (!rig_has(r, text)) {
		rig_turn(r);
		if (r->idle > 40000 || (r->ended && !rig_has(r, text))) {
			fail_msg("waited in vain to read \"%s\"; read: \"%.400s\"%s", text,
			         strbuf_str(&r->got), r->ended ? " and the end" : "");
		}
	}
	at = memmem(r->got.p, r->got.size, text, strlen(text));
	strbuf_consume(&r->got, (size_t)(at - r->got.p) + strlen(text));
}

void rig_want_end(struct rig *r)
{
	RIG_WAIT(r, r->ended);
}
