/* Why: the bytes of every connection through the balancer pass here; see relay.h for the promises.
 *
 * One direction of a relay:
 *
 *   from --recv--> shared buffer --send--> to          small talk: nothing is kept
 *                       | what was not taken
 *                       v
 *                     held  ------send--> to           stalled: 'from' is not read
 *   from --splice--> pipe --splice--> to               bulk, after a few full buffers in a row
 */
#include "edge/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"

enum {
	CLIENT,
	TARGET, /* sides; half[s] carries what comes from side s */
	SPARE_PIPES = 32,
	PIPE_BYTES = 256 << 10,
	FULL_READS_FOR_SPLICE = 4,
	ROUNDS = 16, /* reads of one side in one go, so that others get their turn */
};
static const int64_t busy_us = 200 * US_PER_MS;

struct pipe_pair {
	int r, w;
};

struct relay_pool {
	struct loop *loop;
	char *buf; /* RELAY_PREFIX_MAX + RELAY_HELD */
	struct pipe_pair spare[SPARE_PIPES];
	size_t n_spare;
	uint64_t bytes;
};

struct half {
	char *held; /* owned; null unless stalled */
	size_t start, end;
	struct pipe_pair pipe; /* r < 0: none */
	size_t in_pipe;
	unsigned full_reads; /* in a row */
	bool ended;          /* the from side sent its FIN */
	bool shut;           /* and it was passed on */
};

struct side {
	struct relay *relay;
	int fd;
	struct loop_fd *watch;
	unsigned events; /* what is watched */
};

struct relay {
	struct relay_pool *pool;
	struct side side[2];
	struct half half[2];
	char prefix[RELAY_PREFIX_MAX];
	size_t prefix_size; /* still to be sent to the target */
	struct loop_timer idle;
	int64_t idle_us;
	int64_t last_us; /* when bytes came last */
	int last_from;   /* the side they came from */
	relay_done_fn *done;
	void *arg;
	struct loop_defer first; /* the first turn, so that nothing happens inside relay_start */
};

/* ---- the pool ---- */

struct relay_pool *relay_pool_new(struct loop *l)
{
	struct relay_pool *p = NEW(struct relay_pool);

	p->loop = l;
	p->buf = mem_alloc(RELAY_PREFIX_MAX + RELAY_HELD);
	return p;
}

static void close_pipe(struct pipe_pair *p)
{
	if (p->r >= 0) {
		close(p->r);
		close(p->w);
		p->r = p->w = -1;
	}
}

struct relay_pool *relay_pool_free(struct relay_pool *p)
{
	if (p) {
		while (p->n_spare) {
			close_pipe(&p->spare[--p->n_spare]);
		}
		free(p->buf);
		free(p);
	}
	return NULL;
}

uint64_t relay_bytes(const struct relay_pool *p)
{
	return p->bytes;
}

static bool take_pipe(struct relay_pool *p, struct pipe_pair *ret)
{
	int fds[2];

	if (p->n_spare) {
		*ret = p->spare[--p->n_spare];
		return true;
	}
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0) {
		return false;
	}
	(void)fcntl(fds[0], F_SETPIPE_SZ,
	            PIPE_BYTES); /* refused past the user's share: 64 KiB do too */
	*ret = (struct pipe_pair){ fds[0], fds[1] };
	return true;
}

/* Only an empty pipe may serve another relay. */
static void give_pipe(struct relay_pool *p, struct pipe_pair *pipe, bool is_empty)
{
	if (pipe->r >= 0 && is_empty && p->n_spare < SPARE_PIPES) {
		p->spare[p->n_spare++] = *pipe;
		pipe->r = pipe->w = -1;
	}
	close_pipe(pipe);
}

/* ---- ending ---- */

void relay_reset_fd(int fd)
{
	struct linger now = { .l_onoff = 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void finish(struct relay *r, enum relay_end how)
{
	relay_done_fn *done = r->done;
	void *arg = r->arg;

	loop_timer_stop(&r->idle);
	loop_defer_cancel(&r->first);
	for (int s = CLIENT; s <= TARGET; s++) {
		r->side[s].watch = loop_fd_close(r->side[s].watch);
		if (how == RELAY_DONE) {
			close(r->side[s].fd);
		} else {
			relay_reset_fd(r->side[s].fd);
		}
		give_pipe(r->pool, &r->half[s].pipe, r->half[s].in_pipe == 0);
		free(r->half[s].held);
	}
	free(r);
	if (done) {
		done(arg, how);
	}
}

void relay_abort(struct relay *r)
{
	finish(r, RELAY_ABORTED);
}

/* ---- one direction ---- */

enum moved {
	MOVED_ALL,  /* nothing is held, the from side may be read on */
	MOVED_SOME, /* the to side is full */
	MOVED_FAIL,
};

static void note_bytes(struct relay *r, int from, size_t n)
{
	r->pool->bytes += n;
	r->last_us = loop_now_us(r->pool->loop);
	r->last_from = from;
}

static enum moved flush_held(struct half *h, int to)
{
	while (h->start < h->end) {
		ssize_t n = send(to, h->held + h->start, h->end - h->start, MSG_NOSIGNAL);

		if (n < 0) {
			return errno == EAGAIN ? MOVED_SOME : MOVED_FAIL;
		}
		h->start += (size_t)n;
	}
	free(h->held);
	h->held = NULL;
	h->start = h->end = 0;
	return MOVED_ALL;
}

static enum moved flush_pipe(struct half *h, int to)
{
	while (h->in_pipe) {
		ssize_t n = splice(h->pipe.r, NULL, to, NULL, h->in_pipe,
		                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n <= 0) {
			return n < 0 && errno == EAGAIN ? MOVED_SOME : MOVED_FAIL;
		}
		h->in_pipe -= (size_t)n;
	}
	return MOVED_ALL;
}

/* Sends bytes of the shared buffer; keeps what is not taken. */
static enum moved send_or_hold(struct half *h, int to, const char *p, size_t size)
{
	ssize_t n = send(to, p, size, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		return MOVED_FAIL;
	}
	n = n < 0 ? 0 : n;
	if ((size_t)n == size) {
		return MOVED_ALL;
	}
	h->held = mem_alloc(size - (size_t)n);
	memcpy(h->held, p + n, size - (size_t)n);
	h->start = 0;
	h->end = size - (size_t)n;
	return MOVED_SOME;
}

enum step { STEP_AGAIN, STEP_WAIT, STEP_FAIL };

static enum step step_of(enum moved m)
{
	return m == MOVED_ALL ? STEP_AGAIN : m == MOVED_SOME ? STEP_WAIT : STEP_FAIL;
}

static enum step pass_end(struct relay *r, int from)
{
	r->half[from].ended = true;
	return STEP_WAIT;
}

/* One read of the from side through the shared buffer. */
static enum step copy_once(struct relay *r, int from)
{
	struct half *h = &r->half[from];
	size_t ahead = from == CLIENT ? r->prefix_size : 0;
	char *p = r->pool->buf + RELAY_PREFIX_MAX;
	ssize_t n = recv(r->side[from].fd, p, RELAY_HELD, 0);
	enum moved m;

	if (n < 0 && errno != EAGAIN) {
		return STEP_FAIL;
	}
	if (n <= 0 && !ahead) {
		return n == 0 ? pass_end(r, from) : STEP_WAIT;
	}
	if (n == 0) {
		(void)pass_end(r, from);
	}
	n = n < 0 ? 0 : n;
	memcpy(p - ahead, r->prefix, ahead);
	r->prefix_size -= ahead;
	m = send_or_hold(h, r->side[!from].fd, p - ahead, (size_t)n + ahead);
	if (n) {
		note_bytes(r, from, (size_t)n);
	}
	h->full_reads = n == RELAY_HELD ? h->full_reads + 1 : 0;
	if (h->full_reads >= FULL_READS_FOR_SPLICE && m == MOVED_ALL && h->pipe.r < 0) {
		(void)take_pipe(r->pool,
		                &h->pipe); /* without descriptors to spare copying goes on */
	}
	/* A short read emptied the socket: what comes next wakes us. */
	return m == MOVED_ALL && n < RELAY_HELD ? STEP_WAIT : step_of(m);
}

static enum step splice_once(struct relay *r, int from)
{
	struct half *h = &r->half[from];
	ssize_t n = splice(r->side[from].fd, NULL, h->pipe.w, NULL, PIPE_BYTES,
	                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0 && errno != EAGAIN) {
		return STEP_FAIL;
	}
	if (n <= 0) {
		h->full_reads = 0;
		give_pipe(r->pool, &h->pipe, true);
		return n == 0 ? pass_end(r, from) : STEP_WAIT;
	}
	h->in_pipe = (size_t)n;
	note_bytes(r, from, (size_t)n);
	return step_of(flush_pipe(h, r->side[!from].fd));
}

static bool is_stalled(const struct half *h)
{
	return h->held || h->in_pipe;
}

/* Moves what can be moved from one side; false when the relay has to be reset. */
static bool pump(struct relay *r, int from)
{
	struct half *h = &r->half[from];
	int to = r->side[!from].fd;
	enum step step = STEP_AGAIN;

	if (is_stalled(h)) {
		step = step_of(h->held ? flush_held(h, to) : flush_pipe(h, to));
	}
	for (int round = 0; step == STEP_AGAIN && !h->ended && round < ROUNDS; round++) {
		step = h->pipe.r >= 0 ? splice_once(r, from) : copy_once(r, from);
	}
	if (step == STEP_FAIL) {
		return false;
	}
	if (h->ended && !h->shut && !is_stalled(h)) {
		h->shut = true;
		(void)shutdown(to, SHUT_WR);
	}
	return true;
}

/* ---- the two together ---- */

static void set_watches(struct relay *r)
{
	for (int s = CLIENT; s <= TARGET; s++) {
		struct side *side = &r->side[s];
		unsigned events = 0;

		if (!r->half[s].ended && !is_stalled(&r->half[s])) {
			events |= LOOP_READ;
		}
		if (is_stalled(&r->half[!s])) {
			events |= LOOP_WRITE;
		}
		if (events != side->events) {
			loop_fd_set(side->watch, events);
			side->events = events;
		}
	}
}

/* After a failure of one direction the other may still hold an answer that was sent before the
 * reset: pass on what is there. */
static void fail_from(struct relay *r, int from)
{
	if (!r->half[!from].ended) {
		(void)pump(r, !from);
	}
	finish(r, RELAY_RESET);
}

static void go_on(struct relay *r)
{
	if (r->half[CLIENT].shut && r->half[TARGET].shut) {
		finish(r, RELAY_DONE);
		return;
	}
	set_watches(r);
}

static void on_events(void *arg, int fd, unsigned events)
{
	struct side *side = arg;
	struct relay *r = side->relay;
	int s = side == &r->side[TARGET] ? TARGET : CLIENT;

	(void)fd;
	if ((events & LOOP_WRITE) && is_stalled(&r->half[!s]) && !pump(r, !s)) {
		fail_from(r, !s);
		return;
	}
	if ((events & LOOP_READ) && !r->half[s].ended && !is_stalled(&r->half[s]) && !pump(r, s)) {
		fail_from(r, s);
		return;
	}
	go_on(r);
}

static void on_idle(struct loop_timer *t)
{
	struct relay *r = container_of(t, struct relay, idle);
	int64_t left_us = r->last_us + r->idle_us - loop_now_us(r->pool->loop);

	if (left_us <= 0) {
		finish(r, RELAY_IDLE);
		return;
	}
	loop_timer_start(r->pool->loop, &r->idle, left_us, on_idle);
}

static void on_first(struct loop_defer *d)
{
	struct relay *r = container_of(d, struct relay, first);

	/* The client's first bytes are usually there already and leave together with the prefix. */
	for (int s = CLIENT; s <= TARGET; s++) {
		if (!pump(r, s)) {
			fail_from(r, s);
			return;
		}
	}
	go_on(r);
}

bool relay_is_busy(const struct relay *r)
{
	return r->last_from == CLIENT || loop_now_us(r->pool->loop) - r->last_us < busy_us;
}

static void init(struct relay *r, struct relay_pool *p, const struct relay_spec *s)
{
	must(s->prefix_size <= RELAY_PREFIX_MAX);
	r->pool = p;
	r->idle_us = s->idle_us;
	r->last_us = loop_now_us(p->loop);
	r->last_from = TARGET;
	r->done = s->done;
	r->arg = s->arg;
	r->side[CLIENT] = (struct side){ r, s->client_fd, NULL, 0 };
	r->side[TARGET] = (struct side){ r, s->target_fd, NULL, 0 };
	r->half[CLIENT].pipe = r->half[TARGET].pipe = (struct pipe_pair){ -1, -1 };
	if (s->prefix) {
		memcpy(r->prefix, s->prefix, s->prefix_size);
		r->prefix_size = s->prefix_size;
	}
}

int relay_start(struct relay_pool *p, const struct relay_spec *s, struct relay **ret_r,
                struct err *err)
{
	struct relay *r = NEW(struct relay);

	init(r, p, s);
	for (int i = CLIENT; i <= TARGET; i++) {
		int ret = loop_fd_open(p->loop, r->side[i].fd, 0, on_events, &r->side[i],
		                       &r->side[i].watch, err);

		if (ret < 0) {
			r->done = NULL;
			finish(r, RELAY_ABORTED);
			return ret;
		}
	}
	loop_timer_start(p->loop, &r->idle, r->idle_us, on_idle);
	loop_defer(p->loop, &r->first, on_first);
	*ret_r = r;
	return 0;
}
