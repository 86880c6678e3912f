/* Why: what outlives an endpoint. A UDP flow is translated to its endpoint as long as datagrams
 * come, and a client with affinity is remembered; both are forgotten here when the endpoint went.
 * TCP flows are left to close. */
#include "dataplane/services-priv.h"

#include "host/conntrack.h"

#define TRIES 3 /* elements may end by themselves between reading and deleting */

/* ---- affinity ---- */

struct stale_memories {
	enum ip_family family;
	struct map valid; /* pool and slot, as a slot's key and value are written */
	VEC(struct set_key) stale;
};

static struct set_key placed(uint32_t pool, const struct slot *s)
{
	struct set_key k = { 0 };

	set_key_mark(&k, pool);
	set_key_ip(&k, s->ip);
	set_key_port(&k, s->port);
	return k;
}

static struct slice placed_slice(const struct set_key *k)
{
	return (struct slice){ (const char *)k->bytes, k->size };
}

/* What may be remembered: slots of the pools that have affinity, which are few. */
static void list_valid(struct balancer *b, struct map *ret)
{
	for (struct map_iter it = { 0 }; map_next(&b->pools, &it);) {
		struct port *port = it.value;

		for (int i = 0; i < POOLS; i++) {
			struct pool *pool = &port->pools[i];

			for (size_t k = 0;
			     k < pool->n && pool->chain && pool->chain->picker.timeout_s; k++) {
				struct set_key p = placed(pool->id, &pool->slots[k]);

				(void)map_set(ret, placed_slice(&p), port);
			}
		}
	}
}

static void look_at_memory(void *arg, const struct nft_element *e)
{
	struct stale_memories *s = arg;
	struct set_key key = { 0 }, k;
	struct slot slot = slot_of_value(e->data, s->family);
	uint32_t pool;

	memcpy(&pool, e->key, sizeof(pool));
	set_key_add(&key, e->key, 4 + ip_size(s->family));
	k = placed(pool, &slot);
	if (!map_has(&s->valid, placed_slice(&k))) {
		vec_push(&s->stale, key);
	}
}

static void restart_memories(void *arg)
{
	vec_clear(&((struct stale_memories *)arg)->stale);
}

static int forget_stale(struct balancer *b, struct stale_memories *s, struct err *err)
{
	const struct nft_set *affinity = node_set(b->stack->family, SET_AFFINITY);
	struct nft *n = b->stack->nft;
	int r = nft_each_element(n, affinity, look_at_memory, restart_memories, s, err);

	if (r < 0 || s->stale.n == 0) {
		return r;
	}
	for (size_t i = 0; i < s->stale.n; i++) {
		nft_element_delete(n, affinity,
		                   &(struct nft_element){ .key = s->stale.at[i].bytes });
	}
	vec_clear(&s->stale);
	return nft_commit(n, err);
}

static int check_affinity(struct balancer *b, struct err *err)
{
	struct stale_memories s = { .family = b->stack->family };
	int r = -1;

	list_valid(b, &s.valid);
	for (int i = 0; i < TRIES && r < 0; i++) {
		r = forget_stale(b, &s, err);
	}
	map_fini(&s.valid);
	vec_fini(&s.stale);
	return r;
}

/* ---- UDP flows ---- */

struct stale_flows {
	struct balancer *b;
	VEC(struct conntrack_flow) stale;
};

static bool is_gone_entry(const struct balancer *b, struct ip ip, uint16_t port)
{
	for (size_t i = 0; i < b->gone_udp.n; i++) {
		if (ip_eq(b->gone_udp.at[i].ip, ip) && b->gone_udp.at[i].port == port) {
			return true;
		}
	}
	return false;
}

static void look_at_flow(void *arg, const struct conntrack_flow *f)
{
	struct stale_flows *s = arg;
	struct set_key entry = entry_key(f->orig.dst, f->proto, f->orig.dport);
	struct mirror_key k = key_of(entry.bytes, entry.size);
	const uint32_t *id = mirror_wanted(&s->b->stack->mirrors[SET_ENTRIES], &k);
	const struct port *port = id ? map_find(&s->b->pools, id_slice(id)) : NULL;

	/* Without any serving endpoint nothing better can be had: an endpoint that is about to stop
	 * may answer. */
	if (port ? port->n_serving > 0 && !slots_have(port->serving, port->n_serving,
	                                              (struct slot){ f->reply.src, f->reply.sport })
	         : is_gone_entry(s->b, f->orig.dst, f->orig.dport)) {
		vec_push(&s->stale, *f);
	}
}

static int check_flows(struct balancer *b, struct err *err)
{
	struct stale_flows s = { .b = b };
	struct netlink *nl = &b->stack->d->node_flows;
	int r = conntrack_each(nl, b->stack->family, PROTO_UDP, look_at_flow, &s, err);

	for (size_t i = 0; r == 0 && i < s.stale.n; i++) {
		conntrack_queue_delete(nl, &s.stale.at[i]);
	}
	if (r == 0) {
		r = netlink_send(nl, err);
	}
	vec_fini(&s.stale);
	return r;
}

int service_flows_check(struct balancer *b, struct err *err)
{
	int r;

	if (b->check_affinity) {
		r = check_affinity(b, err);
		if (r < 0) {
			return r;
		}
		b->check_affinity = false;
	}
	if (b->check_flows) {
		r = check_flows(b, err);
		if (r < 0) {
			return r;
		}
		b->check_flows = false;
		vec_clear(&b->gone_udp);
	}
	return 0;
}
