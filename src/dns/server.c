/* Why: one place where a question becomes a reply, whichever way it came: at once from the model or
 * the cache, or later from upstream. */
#include "dns/server-priv.h"

#include "base/clock.h"
#include "base/mem.h"

/* A question that waits for upstream. */
struct pending {
	struct forward_waiter waiter;
	struct dns_server *server;
	struct list_link in_server; /* in dns_server.pending */
	struct asker who;
	struct dns_query q;
	size_t n_aliases;
	struct dns_alias aliases[];
};

static void forget(struct pending *p)
{
	list_unlink(&p->in_server);
	p->server->n_pending--;
	free(p);
}

static void count_wait(struct dns_waits *w, int64_t us)
{
	unsigned i = 0;

	while (i + 1 < DNS_WAIT_BUCKETS && us > (int64_t)DNS_WAIT_US << i) {
		i++;
	}
	w->buckets[i]++;
	w->sum_us += us > 0 ? (uint64_t)us : 0;
}

static void count_reply(struct dns_server *s, const struct asker *who, const uint8_t *bytes,
                        size_t size)
{
	if (size >= KNOT_WIRE_HEADER_SIZE) {
		unsigned rcode = knot_wire_get_rcode(bytes);

		rcode = rcode < DNS_RCODES ? rcode : 0;
		s->stats.responses[rcode]++;
		s->stats.truncated += knot_wire_get_tc(bytes) != 0;
		count_wait(&s->stats.waits[rcode], clock_mono_us() - who->since_us);
	}
}

static size_t max_of(const struct dns_query *q, const struct asker *who)
{
	return who->conn ? DNS_MESSAGE_SIZE : q->payload;
}

/* ---- upstream ---- */

static void upstream_answered(struct forward_waiter *w, const uint8_t *bytes, size_t size,
                              uint32_t age_s)
{
	struct pending *p = container_of(w, struct pending, waiter);
	struct dns_server *s = p->server;
	size_t max = max_of(&p->q, &p->who);
	scoped_free uint8_t *buf = mem_alloc(max);

	if (bytes) {
		size = relay_write(&p->q, p->aliases, p->n_aliases, bytes, size, age_s, buf, max);
	} else {
		size = reply_code(&p->q, KNOT_RCODE_SERVFAIL, buf, max);
	}
	struct asker who = p->who;

	count_reply(s, &who, buf, size);
	forget(p);
	if (who.conn) {
		tcp_reply(who.conn, buf, size);
	} else {
		udp_send(s->udp[who.view], &who, buf, size);
	}
}

static bool ask_upstream(struct dns_server *s, const struct asker *who, const struct dns_query *q,
                         const struct answer_next *next)
{
	struct pending *p;

	if (s->n_pending == DNS_PENDING) {
		return false;
	}
	p = mem_alloc(sizeof(*p) + next->n_aliases * sizeof(*p->aliases));
	p->server = s;
	p->who = *who;
	p->q = *q;
	p->n_aliases = next->n_aliases;
	if (next->n_aliases) {
		memcpy(p->aliases, next->aliases, next->n_aliases * sizeof(*p->aliases));
	}
	if (!forward_ask(s->forwarder, &next->next, &p->waiter, upstream_answered)) {
		free(p);
		return false;
	}
	list_push(&s->pending, &p->in_server);
	s->n_pending++;
	if (who->conn) {
		tcp_wait(who->conn);
	}
	return true;
}

static size_t forward(struct dns_server *s, const struct asker *who, const struct dns_query *q,
                      const struct answer_next *next, uint8_t *buf, size_t max)
{
	struct cached hit;
	bool found = forward_find(s->forwarder, &next->next, &hit);

	if ((!found || hit.is_stale) && ask_upstream(s, who, q, next)) {
		return 0;
	}
	if (!found) {
		return reply_code(q, KNOT_RCODE_SERVFAIL, buf, max);
	}
	return relay_write(q, next->aliases, next->n_aliases, hit.bytes, hit.size,
	                   hit.is_stale ? RELAY_STALE : hit.age_s, buf, max);
}

/* Spreads by the count's high bits: clients ask for A and AAAA in turns, so its low ones would pick
 * the same record every time. */
static uint16_t next_rotation(struct dns_server *s)
{
	return (uint16_t)(s->rotate++ * 0x9e3779b1u >> 16);
}

/* Makes an answer. *ret_keep: it is the model's own and made in full, and will be the same until that changes. */
static size_t answer(struct dns_server *s, const struct asker *who, const uint8_t *bytes,
                     size_t size, uint16_t rotate, uint8_t *buf, size_t max, bool *ret_keep)
{
	scoped_arena struct arena a = { 0 };
	const struct dns_engine *e = &s->engines[who->view];
	struct answer_next next;
	struct dns_query q;

	*ret_keep = false;
	if (!query_parse(&q, bytes, size)) {
		s->stats.dropped++;
		return 0;
	}
	s->stats.requests[who->conn != NULL]++;
	if (e->autopath && !who->conn) {
		uint16_t port;

		(void)ip_from_sockaddr((const struct sockaddr *)&who->from, &q.client, &port);
	}
	if (max > max_of(&q, who)) {
		max = max_of(&q, who);
	}
	if (answer_query(e, &q, rotate, &a, buf, max, &size, &next) == ANSWER_FORWARD) {
		size = forward(s, who, &q, &next, buf, max);
	} else {
		*ret_keep = e->synced && q.has_question && !q.refusal && !next.for_client;
	}
	count_reply(s, who, buf, size);
	return size;
}

size_t server_handle(struct dns_server *s, const struct asker *who, const uint8_t *bytes,
                     size_t size, uint8_t *buf, size_t max)
{
	uint64_t names = model_version(s->engines[VIEW_CLUSTER].model, MODEL_NAMES);
	uint16_t rotate = next_rotation(s);
	struct memo_key k;
	size_t n;
	bool keep;

	if (who->conn || who->view != VIEW_CLUSTER) {
		return answer(s, who, bytes, size, rotate, buf, max, &keep);
	}
	if (names != s->names) {
		s->names = names;
		memo_forget(s->memo);
	}
	memo_key_make(&k, bytes, size);
	n = max >= MEMO_ANSWER ? memo_find(s->memo, &k, bytes, rotate, buf) : 0;
	if (n) {
		s->stats.requests[0]++;
		s->stats.repeated++;
		count_reply(s, who, buf, n);
		return n;
	}
	n = answer(s, who, bytes, size, rotate, buf, max, &keep);
	if (keep && n) {
		memo_put(s->memo, &k, rotate, buf, n);
	}
	return n;
}

void server_forget(struct dns_server *s, const struct tcp_conn *conn)
{
	list_for_each (&s->pending, p, struct pending, in_server) {
		if (p->who.conn == conn) {
			forward_cancel(&p->waiter);
			forget(p);
		}
	}
}

/* ---- life ---- */

/* The address of our own service: a resolv.conf that leads back to us must not make a circle. */
static bool is_own_service(void *arg, struct ip ip)
{
	const struct dns_server *s = arg;
	scoped_arena struct arena a = { 0 };
	struct name_record *r;
	size_t n;
	const struct model *m = s->engines[VIEW_CLUSTER].model;
	struct slice domain = model_cluster_domain(m);
	const char *text =
		arena_printf(&a, "kube-dns.kube-system.svc." SLICE_FMT, SLICE_ARG(domain));

	(void)name_lookup(m, slice_of(text), ip.family == IP_V4 ? NAME_A : NAME_AAAA, &a, &r, &n);
	for (size_t i = 0; i < n; i++) {
		if (ip_eq(r[i].ip, ip)) {
			return true;
		}
	}
	return false;
}

/* Both transports on one port; when any port will do, one that is free for both. */
static int listen_both(struct dns_server *s, enum dns_view view, struct ip address, uint16_t port,
                       struct err *err)
{
	int r;

	for (int tries = 0;; tries++) {
		r = udp_listen(s, view, address, port, &s->udp[view], err);
		if (r < 0) {
			return r;
		}
		s->ports[view] = udp_port(s->udp[view]);
		r = tcp_listen(s, view, address, s->ports[view], &s->tcp[view], err);
		if (r == 0 || port || tries == 16) {
			return r;
		}
		s->udp[view] = udp_close(s->udp[view]);
	}
}

static int listen_all(struct dns_server *s, const struct dns_server_config *c, struct err *err)
{
	int r = listen_both(s, VIEW_CLUSTER, c->address, c->port, err);

	if (r == 0 && c->public_port) {
		r = listen_both(s, VIEW_PUBLIC, c->address, c->public_port, err);
	}
	return r;
}

int dns_server_new(const struct dns_server_config *c, struct dns_server **ret, struct err *err)
{
	struct dns_server *s = NEW(struct dns_server);
	int r;

	s->loop = c->loop;
	for (size_t i = 0; i < DNS_VIEWS; i++) {
		dns_engine_init(&s->engines[i], c->model, 0);
	}
	s->engines[VIEW_PUBLIC].is_public = true;
	s->memo = memo_new();
	list_init(&s->pending);
	s->forwarder = forwarder_new(c->loop);
	forwarder_set_zones(s->forwarder, c->zones, c->n_zones);
	forwarder_skip(s->forwarder, is_own_service, s);
	r = s->engines[VIEW_CLUSTER].soa_size
	            ? listen_all(s, c, err)
	            : err_raise(err, ERR_INVALID, "the cluster domain is no domain name");
	if (r < 0) {
		dns_server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct dns_server *dns_server_free(struct dns_server *s)
{
	if (!s) {
		return NULL;
	}
	for (size_t i = 0; i < DNS_VIEWS; i++) {
		s->udp[i] = udp_close(s->udp[i]);
		s->tcp[i] = tcp_close(s->tcp[i]);
	}
	list_for_each (&s->pending, p, struct pending, in_server) {
		forward_cancel(&p->waiter);
		forget(p);
	}
	forwarder_free(s->forwarder);
	memo_free(s->memo);
	free(s);
	return NULL;
}

void dns_server_set_synced(struct dns_server *s, bool synced)
{
	for (size_t i = 0; i < DNS_VIEWS; i++) {
		s->engines[i].synced = synced;
	}
	memo_forget(s->memo);
}

void dns_server_set_serial(struct dns_server *s, uint32_t serial)
{
	for (size_t i = 0; i < DNS_VIEWS; i++) {
		dns_engine_set_serial(&s->engines[i], serial);
	}
	memo_forget(s->memo);
}

size_t dns_server_pending(const struct dns_server *s)
{
	return s->n_pending;
}

uint16_t dns_server_port(const struct dns_server *s)
{
	return s->ports[VIEW_CLUSTER];
}

const struct dns_server_stats *dns_server_stats(const struct dns_server *s)
{
	return &s->stats;
}

void dns_server_set_zones(struct dns_server *s, const struct forward_zone *zones, size_t n)
{
	forwarder_set_zones(s->forwarder, zones, n);
}

void dns_server_set_autopath(struct dns_server *s, bool on)
{
	s->engines[VIEW_CLUSTER].autopath = on;
	memo_forget(s->memo);
}

const struct forwarder *dns_server_forwarder(const struct dns_server *s)
{
	return s->forwarder;
}
