/* Why: what is dialled in vain costs the client time, so targets are looked at beforehand; see
 * targets.h.
 *
 *   WAITING --interval--> CONNECTING --open, path given--> ASKING
 *      ^                      | open, no path: good           | status 200 to 399: good
 *      +----------------------+-------------------------------+  else, or too late: bad
 */
#include "edge/targets.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "edge/proxy-protocol.h"
#include "edge/relay.h"

static const int64_t initial_check_us = US_PER_S;

struct target {
	struct targets *all; /* the owner */
	struct target_address at;
	struct health health;
	struct loop_timer next; /* check, or its time limit */
	int fd;                 /* of the check under way, or -1 */
	struct loop_fd *watch;
	char status[13]; /* of the answer so far: "HTTP/1.1 200" */
	size_t n_status;
};

struct targets {
	struct loop *loop;
	struct targets_spec spec; /* without 'at' */
	char *path;               /* owned; null: none */
	struct target **at;       /* owned, and what they point to */
	size_t n;
	const struct health **healths; /* scratch of n; owned */
	size_t turn;
};

bool target_address_eq(struct target_address a, struct target_address b)
{
	return a.port == b.port && ip_eq(a.ip, b.ip);
}

/* ---- sockets ---- */

int target_socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

/* Best effort: without its own address the connection still comes through. */
static void bind_source(int fd, const struct ip *source)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(*source, 0, &sa);
	int on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, len) < 0) {
		log_odd("A client's own address cannot be given to its connection: %s",
		        strerror(errno));
	}
}

int target_open(struct target_address to, int protocol, const struct ip *source)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(to.ip, to.port, &sa);
	int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, on = 1;
	scoped_fd int fd = socket(sa.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd < 0) {
		return -1;
	}
	if (source && source->family == to.ip.family) {
		bind_source(fd, source);
	}
	if (protocol == IPPROTO_TCP) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	if (connect(fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS) {
		return -1;
	}
	return take_fd(&fd);
}

/* ---- checks ---- */

static void check_start(struct loop_timer *t);

/* A new target is looked at more often, so that it is known soon. */
static int64_t until_next_check(const struct target *t)
{
	int64_t interval_us = t->all->spec.health.interval_us;

	return t->health.state == HEALTH_INITIAL && interval_us > initial_check_us
	               ? initial_check_us
	               : interval_us;
}

static void check_done(struct target *t, bool good)
{
	struct targets *all = t->all;

	t->watch = loop_fd_close(t->watch);
	if (t->fd >= 0) {
		relay_reset_fd(take_fd(&t->fd)); /* spares the target a connection in TIME_WAIT */
	}
	if (health_result(&t->health, &all->spec.health, good)) {
		char text[IP_TEXT_SIZE];

		log_info("Target is %s target=%s:%u", health_state_name(t->health.state),
		         ip_format(t->at.ip, text), t->at.port);
		if (all->spec.changed) {
			all->spec.changed(all->spec.arg, t->at.ip, t->health.state);
		}
	}
	loop_timer_start(all->loop, &t->next, until_next_check(t), check_start);
}

static void check_late(struct loop_timer *timer)
{
	check_done(container_of(timer, struct target, next), false);
}

/* "HTTP/1.1 200", of which the number counts. */
static void check_answered(void *arg, int fd, unsigned events)
{
	struct target *t = arg;
	ssize_t n = recv(fd, t->status + t->n_status, sizeof(t->status) - 1 - t->n_status,
	                 MSG_DONTWAIT);
	uint64_t code = 0;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	t->n_status += n > 0 ? (size_t)n : 0;
	if (n > 0 && t->n_status < sizeof(t->status) - 1) {
		return;
	}
	check_done(t, t->n_status == sizeof(t->status) - 1 &&
	                      memcmp(t->status, "HTTP/1.", 7) == 0 && t->status[8] == ' ' &&
	                      slice_to_u64((struct slice){ t->status + 9, 3 }, &code) &&
	                      code >= 200 && code <= 399);
}

static void ask(struct target *t)
{
	char ip[IP_TEXT_SIZE];
	scoped_free char *request =
		mem_printf("GET %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: ELB-HealthChecker/2.0\r\n"
	                   "Connection: close\r\n\r\n",
	                   t->all->path, ip_format(t->at.ip, ip), t->at.port);

	t->n_status = 0;
	t->watch = loop_fd_close(t->watch);
	if (send(t->fd, request, strlen(request), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ||
	    loop_fd_open(t->all->loop, t->fd, LOOP_READ, check_answered, t, &t->watch, NULL) < 0) {
		check_done(t, false);
	}
}

static void check_connected(void *arg, int fd, unsigned events)
{
	struct target *t = arg;
	int error = target_socket_error(fd);
	uint8_t header[PROXY_HEADER_MAX];

	(void)events;
	if (!error && t->all->path) {
		ask(t);
		return;
	}
	if (!error && t->all->spec.proxy_protocol) {
		(void)send(fd, header, proxy_header_format_local(header),
		           MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	check_done(t, error == 0);
}

static void check_start(struct loop_timer *timer)
{
	struct target *t = container_of(timer, struct target, next);
	struct targets *all = t->all;
	struct target_address at = t->at;

	at.port = all->spec.check_port ? all->spec.check_port : at.port;
	t->fd = target_open(at, all->path ? IPPROTO_TCP : all->spec.protocol, NULL);
	if (t->fd < 0 ||
	    loop_fd_open(all->loop, t->fd, LOOP_WRITE, check_connected, t, &t->watch, NULL) < 0) {
		check_done(t, false);
		return;
	}
	loop_timer_start(all->loop, &t->next, all->spec.health.timeout_us, check_late);
}

/* ---- life ---- */

static void target_free(struct target *t)
{
	loop_timer_stop(&t->next);
	t->watch = loop_fd_close(t->watch);
	if (t->fd >= 0) {
		close(t->fd);
	}
	free(t);
}

static struct target *target_new(struct targets *all, struct target_address at)
{
	struct target *t = NEW(struct target);

	*t = (struct target){ .all = all, .at = at, .fd = -1 };
	if (all->spec.unchecked) {
		t->health.state = HEALTH_HEALTHY;
	} else {
		/* The first check at once, spread a little so that many ports do not check together. */
		loop_timer_start(all->loop, &t->next, (int64_t)(chance_u32() % 20) * US_PER_MS,
		                 check_start);
	}
	return t;
}

static void forget_all(struct targets *t)
{
	for (size_t i = 0; i < t->n; i++) {
		target_free(t->at[i]);
	}
	free(t->at);
	free(t->healths);
	t->at = NULL;
	t->healths = NULL;
	t->n = 0;
}

static struct target *take_over(struct targets *t, struct target_address at)
{
	for (size_t i = 0; i < t->n; i++) {
		if (target_address_eq(t->at[i]->at, at)) {
			struct target *found = t->at[i];

			t->at[i] = t->at[--t->n];
			return found;
		}
	}
	return NULL;
}

static bool checks_alike(const struct targets *t, const struct targets_spec *s)
{
	return t->spec.unchecked == s->unchecked && t->spec.check_port == s->check_port &&
	       t->spec.protocol == s->protocol && !t->path == !s->check_path &&
	       (!t->path || strcmp(t->path, s->check_path) == 0);
}

void targets_set(struct targets *t, const struct targets_spec *s)
{
	struct target **now = mem_alloc((s->n + 1) * sizeof(struct target *));

	if (!checks_alike(t, s)) {
		forget_all(t);
		free(t->path);
		t->path = mem_strdup(s->check_path);
	}
	t->spec = *s;
	t->spec.at = NULL;
	t->spec.check_path = NULL;
	for (size_t i = 0; i < s->n; i++) {
		struct target *old = take_over(t, s->at[i]);

		now[i] = old ? old : target_new(t, s->at[i]);
	}
	forget_all(t);
	t->at = now;
	t->n = s->n;
	t->healths = mem_alloc((t->n + 1) * sizeof(struct health *));
}

struct targets *targets_new(struct loop *l, const struct targets_spec *s)
{
	struct targets *t = NEW(struct targets);

	t->loop = l;
	targets_set(t, s);
	return t;
}

struct targets *targets_free(struct targets *t)
{
	if (t) {
		forget_all(t);
		free(t->path);
		free(t);
	}
	return NULL;
}

/* ---- choosing ---- */

static uint64_t mix(uint64_t h, const void *bytes, size_t n) /* FNV-1a */
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	}
	return h;
}

/* How much a target wants a client: the highest has it, and a target that goes takes along only its
 * own clients (rendezvous hashing). */
static uint64_t weight(const struct target *t, const struct ip *client)
{
	uint64_t h = mix(UINT64_C(0xcbf29ce484222325), client->bytes, sizeof(client->bytes));

	h = mix(h, t->at.ip.bytes, sizeof(t->at.ip.bytes));
	h = mix(h, &t->at.port, sizeof(t->at.port));
	return h ^ h >> 29;
}

static const struct target *choose_by_client(const struct targets *t, const struct ip *client)
{
	const struct target *best = NULL;
	uint64_t best_weight = 0;

	for (int pass = 0; pass < 2 && !best; pass++) {
		for (size_t i = 0; i < t->n; i++) {
			uint64_t w = weight(t->at[i], client);

			if ((pass || t->at[i]->health.state == HEALTH_HEALTHY) &&
			    (!best || w > best_weight)) {
				best = t->at[i];
				best_weight = w;
			}
		}
	}
	return best;
}

const struct target_address *targets_choose(struct targets *t, const struct ip *client)
{
	if (t->n == 0) {
		return NULL;
	}
	if (client) {
		return &choose_by_client(t, client)->at;
	}
	for (size_t i = 0; i < t->n; i++) {
		t->healths[i] = &t->at[i]->health;
	}
	return &t->at[health_choose(t->healths, t->n, t->turn++)]->at;
}
