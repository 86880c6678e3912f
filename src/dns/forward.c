/* Why: names of others are asked of others, and others fail; see forward.h.
 *
 * Life of a question:
 *
 *              answer is cut             connected, sent, read
 *     UDP ---------------------> TCP ---------------------------+
 *      |  \                       |                             v
 *      |   +-- timeout, refused, servfail: next server --+    done: waiters told, cached
 *      |                          +----------------------+      ^
 *      +--------------------------------------------------------+
 *     after FORWARD_TRIES: done with the last answer, or without one
 */
#include "dns/forward.h"

#include <errno.h>

#include "base/chance.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define DOWN_US 5000000 /* us for which a failing server is asked last */

struct server {
	struct upstream at;
	unsigned failures; /* in a row */
	int64_t down_until_us;
};

struct zone {
	uint8_t name[DNS_NAME_SIZE];
	struct server servers[FORWARD_SERVERS];
	size_t n;
};

struct asking {
	struct forwarder *f;
	struct dns_query q;
	struct cache_key key;
	struct list waiters;           /* forward_waiter.in_asking */
	struct list_link in_forwarder; /* in forwarder.askings */
	struct loop_timer timer;       /* ends a try */
	struct loop_timer patience; /* ends the wait of clients for whom there is a stale answer */
	struct loop_fd *watch;
	int fd;
	uint16_t id;
	unsigned tries;
	bool is_plain;         /* without EDNS, which some servers do not know */
	struct upstream at;    /* which is asked now */
	struct server *server; /* likewise; null: it is none of ours any more */
	struct strbuf out, in; /* TCP */
	size_t sent;
	struct strbuf last; /* an answer that says failure, if nothing better comes */
};

struct forwarder {
	struct loop *loop;
	struct cache *cache;
	struct map by_key; /* key -> struct asking */
	struct list askings;
	struct zone *zones; /* owned */
	size_t n_zones;
	bool (*is_own)(void *arg, struct ip ip);
	void *is_own_arg;
	struct forward_stats stats;
};

static void next_try(struct asking *a);

/* ---- life ---- */

struct forwarder *forwarder_new(struct loop *l)
{
	struct forwarder *f = NEW(struct forwarder);

	f->loop = l;
	f->cache = cache_new(CACHE_ENTRIES, CACHE_BYTES);
	list_init(&f->askings);
	return f;
}

void forwarder_set_zones(struct forwarder *f, const struct forward_zone *zones, size_t n)
{
	list_for_each (&f->askings, a, struct asking, in_forwarder) {
		a->server = NULL;
	}
	free(f->zones);
	f->zones = mem_alloc(n * sizeof(*f->zones));
	f->n_zones = n;
	for (size_t i = 0; i < n; i++) {
		struct zone *z = &f->zones[i];

		memcpy(z->name, zones[i].name, sizeof(z->name));
		for (; z->n < zones[i].n && z->n < FORWARD_SERVERS; z->n++) {
			z->servers[z->n].at = zones[i].servers[z->n];
		}
	}
	cache_free(f->cache);
	f->cache = cache_new(CACHE_ENTRIES, CACHE_BYTES);
}

void forwarder_skip(struct forwarder *f, bool (*is_own)(void *arg, struct ip ip), void *arg)
{
	f->is_own = is_own;
	f->is_own_arg = arg;
}

const struct forward_stats *forwarder_stats(const struct forwarder *f)
{
	return &f->stats;
}

size_t forwarder_pending(const struct forwarder *f)
{
	return f->by_key.n;
}

size_t forwarder_cached(const struct forwarder *f)
{
	return cache_count(f->cache);
}

static void close_try(struct asking *a)
{
	loop_timer_stop(&a->timer);
	a->watch = loop_fd_close(a->watch);
	if (a->fd >= 0) {
		close(a->fd);
	}
	a->fd = -1;
	strbuf_reset(&a->out);
	strbuf_reset(&a->in);
	a->sent = 0;
}

static struct slice key_slice(const struct cache_key *k)
{
	return (struct slice){ (const char *)k->bytes, k->size };
}

/* Whoever is told may cancel others that wait here. */
static void tell(struct asking *a, const uint8_t *bytes, size_t size, uint32_t age_s)
{
	struct list_link *first;

	while ((first = list_first(&a->waiters))) {
		struct forward_waiter *w = container_of(first, struct forward_waiter, in_asking);

		list_unlink(first);
		w->done(w, bytes, size, age_s);
	}
}

/* Everybody waits no longer. */
static void finish(struct asking *a, const uint8_t *bytes, size_t size)
{
	close_try(a);
	loop_timer_stop(&a->patience);
	map_remove(&a->f->by_key, key_slice(&a->key));
	list_unlink(&a->in_forwarder);
	tell(a, bytes, size, 0);
	strbuf_fini(&a->out);
	strbuf_fini(&a->in);
	strbuf_fini(&a->last);
	free(a);
}

struct forwarder *forwarder_free(struct forwarder *f)
{
	if (f) {
		list_for_each (&f->askings, a, struct asking, in_forwarder) {
			finish(a, NULL, 0);
		}
		map_fini(&f->by_key);
		cache_free(f->cache);
		free(f->zones);
		free(f);
	}
	return NULL;
}

/* ---- which server ---- */

static bool is_down(const struct forwarder *f, const struct server *s)
{
	return s->failures >= FORWARD_DOWN_AFTER && loop_now_us(f->loop) < s->down_until_us;
}

/* The longest that the name is in; null: none. */
static struct zone *zone_of(const struct forwarder *f, const uint8_t *qname)
{
	struct zone *best = NULL;

	for (size_t i = 0; i < f->n_zones; i++) {
		struct zone *z = &f->zones[i];

		if (knot_dname_in_bailiwick(qname, z->name) >= 0 &&
		    (!best || knot_dname_size(z->name) > knot_dname_size(best->name))) {
			best = z;
		}
	}
	return best;
}

/* Those that work in the order given, then the others; try n takes the n-th, round and round. */
static struct server *server_of_try(struct forwarder *f, const struct dns_query *q, unsigned try)
{
	uint8_t lower[DNS_NAME_SIZE];
	struct server *order[FORWARD_SERVERS];
	struct zone *z;
	size_t n = 0;

	memcpy(lower, q->qname, q->qname_size);
	knot_dname_to_lower(lower);
	z = zone_of(f, lower);
	for (int down = 0; z && down < 2; down++) {
		for (size_t i = 0; i < z->n; i++) {
			struct server *s = &z->servers[i];

			if (is_down(f, s) == (down == 1) &&
			    !(f->is_own && f->is_own(f->is_own_arg, s->at.ip))) {
				order[n++] = s;
			}
		}
	}
	return n ? order[try % n] : NULL;
}

static void server_failed(struct asking *a)
{
	if (a->server) {
		a->server->failures++;
		a->server->down_until_us = loop_now_us(a->f->loop) + DOWN_US;
	}
}

/* ---- for want of a better ---- */

/* True: everybody got an answer whose time is over. */
static bool tell_stale(struct asking *a)
{
	struct cached c;

	if (!cache_find(a->f->cache, &a->key, loop_now_us(a->f->loop), &c) || !c.is_stale) {
		return false;
	}
	for (struct list_link *at = list_first(&a->waiters); at; at = list_after(&a->waiters, at)) {
		a->f->stats.stale++;
	}
	tell(a, c.bytes, c.size, RELAY_STALE);
	return true;
}

static void patience_over(struct loop_timer *t)
{
	(void)tell_stale(container_of(t, struct asking, patience));
}

/* ---- one try ---- */

static void try_timed_out(struct loop_timer *t)
{
	struct asking *a = container_of(t, struct asking, timer);

	server_failed(a);
	next_try(a);
}

/* Never from inside the call that started it. */
static void try_later(struct asking *a)
{
	close_try(a);
	loop_timer_start(a->f->loop, &a->timer, 0, try_timed_out);
}

static int open_socket(const struct upstream *to, int type)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(to->ip, to->port, &sa);
	int fd = socket(sa.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool says_failure(const uint8_t *bytes)
{
	unsigned rcode = knot_wire_get_rcode(bytes);

	return rcode != KNOT_RCODE_NOERROR && rcode != KNOT_RCODE_NXDOMAIN;
}

static bool is_puzzled(const uint8_t *bytes)
{
	unsigned rcode = knot_wire_get_rcode(bytes);

	return rcode == KNOT_RCODE_FORMERR || rcode == KNOT_RCODE_NOTIMPL;
}

/* A whole message from the server that was asked. */
static void take_answer(struct asking *a, const uint8_t *bytes, size_t size)
{
	if (says_failure(bytes)) {
		strbuf_reset(&a->last);
		strbuf_add(&a->last, bytes, size);
		if (is_puzzled(bytes) && !a->is_plain) {
			a->is_plain = true;
			a->tries--; /* the same server again */
		}
		next_try(a);
		return;
	}
	if (a->server) {
		a->server->failures = 0;
	}
	a->f->stats.answered++;
	cache_put(a->f->cache, &a->key, bytes, size, loop_now_us(a->f->loop));
	finish(a, bytes, size);
}

/* ---- TCP ---- */

static void read_tcp(struct asking *a)
{
	char *to = strbuf_reserve(&a->in, DNS_MESSAGE_SIZE + 2 - a->in.size);
	ssize_t n = to ? recv(a->fd, to, DNS_MESSAGE_SIZE + 2 - a->in.size, 0) : 0;
	const uint8_t *in;
	size_t size;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		server_failed(a);
		next_try(a);
		return;
	}
	strbuf_added(&a->in, (size_t)n);
	in = (const uint8_t *)a->in.p;
	size = a->in.size >= 2 ? (size_t)(in[0] << 8 | in[1]) : SIZE_MAX;
	if (size == SIZE_MAX || a->in.size < size + 2) {
		return;
	}
	if (!answer_fits(&a->q, a->id, in + 2, size)) {
		next_try(a);
		return;
	}
	/* the buffer goes with the try: keep the bytes while waiters read them */
	struct strbuf kept = a->in;

	a->in = (struct strbuf){ 0 };
	take_answer(a, (const uint8_t *)kept.p + 2, size);
	strbuf_fini(&kept);
}

static void on_tcp(void *arg, int fd, unsigned events)
{
	struct asking *a = arg;
	ssize_t n;

	if (events & LOOP_WRITE && a->sent < a->out.size) {
		n = send(fd, a->out.p + a->sent, a->out.size - a->sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOTCONN) {
			server_failed(a);
			next_try(a);
			return;
		}
		a->sent += n > 0 ? (size_t)n : 0;
		if (a->sent == a->out.size) {
			loop_fd_set(a->watch, LOOP_READ);
		}
	}
	if (events & LOOP_READ && a->sent == a->out.size) {
		read_tcp(a);
	}
}

static void start_tcp(struct asking *a)
{
	uint8_t buf[DNS_UDP_PLAIN + 2];
	size_t size;

	close_try(a);
	a->id = (uint16_t)chance_u32();
	size = question_write(&a->q, a->id, !a->is_plain, buf + 2, DNS_UDP_PLAIN);
	buf[0] = (uint8_t)(size >> 8);
	buf[1] = (uint8_t)size;
	strbuf_add(&a->out, buf, size + 2);
	a->fd = open_socket(&a->at, SOCK_STREAM);
	if (!size || a->fd < 0 ||
	    loop_fd_open(a->f->loop, a->fd, LOOP_WRITE, on_tcp, a, &a->watch, NULL) < 0) {
		try_later(a);
		return;
	}
	a->f->stats.asked++;
	loop_timer_start(a->f->loop, &a->timer, FORWARD_TCP_US, try_timed_out);
}

/* ---- UDP ---- */

static void on_udp(void *arg, int fd, unsigned events)
{
	struct asking *a = arg;
	uint8_t buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n < 0) { /* ICMP: nobody listens there */
		server_failed(a);
		next_try(a);
		return;
	}
	if (!answer_fits(&a->q, a->id, buf, (size_t)n)) {
		return; /* somebody guesses; the true answer may still come */
	}
	if (message_is_truncated(buf)) {
		start_tcp(a);
	} else {
		take_answer(a, buf, (size_t)n);
	}
}

static bool start_udp(struct asking *a)
{
	uint8_t buf[DNS_UDP_PLAIN];
	size_t size;

	a->id = (uint16_t)chance_u32();
	size = question_write(&a->q, a->id, !a->is_plain, buf, sizeof(buf));
	a->fd = open_socket(&a->at, SOCK_DGRAM);
	if (!size || a->fd < 0 || send(a->fd, buf, size, MSG_NOSIGNAL) < 0) {
		return false;
	}
	return loop_fd_open(a->f->loop, a->fd, LOOP_READ, on_udp, a, &a->watch, NULL) == 0;
}

static void next_try(struct asking *a)
{
	close_try(a);
	a->server = server_of_try(a->f, &a->q, a->tries);
	if (a->tries++ == FORWARD_TRIES || !a->server) {
		a->f->stats.failed++;
		(void)tell_stale(a);
		struct strbuf last = a->last;

		a->last = (struct strbuf){ 0 };
		finish(a, (const uint8_t *)last.p, last.size);
		strbuf_fini(&last);
		return;
	}
	a->at = a->server->at;
	a->f->stats.asked++;
	if (!start_udp(a)) {
		try_later(a);
		return;
	}
	loop_timer_start(a->f->loop, &a->timer, FORWARD_TRY_US, try_timed_out);
}

/* ---- the door ---- */

static struct asking *asking_new(struct forwarder *f, const struct dns_query *q,
                                 const struct cache_key *key)
{
	struct asking *a = NEW(struct asking);

	a->f = f;
	a->q = *q;
	a->key = *key;
	a->fd = -1;
	list_init(&a->waiters);
	map_set(&f->by_key, key_slice(key), a);
	list_push(&f->askings, &a->in_forwarder);
	loop_timer_start(f->loop, &a->patience, CACHE_PATIENCE_US, patience_over);
	return a;
}

static bool may_ask(struct forwarder *f, const struct dns_query *q)
{
	return f->by_key.n < FORWARD_PENDING && server_of_try(f, q, 0);
}

/* Nobody waits for it but the cache. */
static void refresh(struct forwarder *f, const struct dns_query *q, const struct cache_key *key)
{
	if (!map_find(&f->by_key, key_slice(key)) && may_ask(f, q)) {
		f->stats.prefetched++;
		next_try(asking_new(f, q, key));
	}
}

bool forward_find(struct forwarder *f, const struct dns_query *q, struct cached *ret)
{
	struct cache_key key;
	bool found;

	cache_key_make(&key, q);
	found = cache_find(f->cache, &key, loop_now_us(f->loop), ret);
	f->stats.hits += found && !ret->is_stale;
	f->stats.misses += !found || ret->is_stale;
	if (found && ret->is_wanted) {
		refresh(f, q, &key);
	}
	return found;
}

static size_t count_waiters(const struct asking *a)
{
	size_t n = 0;

	for (struct list_link *at = list_first(&a->waiters); at; at = list_after(&a->waiters, at)) {
		n++;
	}
	return n;
}

bool forward_ask(struct forwarder *f, const struct dns_query *q, struct forward_waiter *w,
                 forward_done_fn *done)
{
	struct cache_key key;
	struct asking *a;

	cache_key_make(&key, q);
	a = map_find(&f->by_key, key_slice(&key));
	if ((!a && !may_ask(f, q)) || (a && count_waiters(a) == FORWARD_WAITERS)) {
		f->stats.refused++;
		return false;
	}
	w->done = done;
	if (a) {
		f->stats.joined++;
		list_push(&a->waiters, &w->in_asking);
		return true;
	}
	a = asking_new(f, q, &key);
	list_push(&a->waiters, &w->in_asking);
	next_try(a);
	return true;
}

/* The question goes on: its answer will be in the cache. */
void forward_cancel(struct forward_waiter *w)
{
	list_unlink(&w->in_asking);
}
