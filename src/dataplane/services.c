/* Why: services as elements of nftables maps. A service port has one or two pools of endpoints
 * (all, and those of this node when a policy says Local); entries (addresses and ports that clients
 * use) name a pool; a pool's chain picks one of its slots. An endpoint that comes or goes changes a
 * slot and the pool's chain, whatever the number of entries, services and endpoints.
 *
 * Order without a moment's miss: what a packet looks up first (pool) never promises more slots than
 * there are. A pool that shrinks keeps its spare slots, filled with a living endpoint, until
 * packets that read the larger number are through (settle). */
#include "dataplane/services-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define ENDPOINTS_MAX 8192 /* of one pool; more are left out with a log line */

/* ---- elements of a service ---- */

static void own_put(struct service *s, enum node_set set, const struct set_key *key,
                    const void *value)
{
	struct own o = { &s->b->stack->mirrors[set], key_of(key->bytes, key->size) };

	mirror_put(o.mirror, &o.key, value, s);
	vec_push(&s->own, o);
}

static int own_cmp(const void *a, const void *b)
{
	const struct own *x = a, *y = b;

	if (x->mirror != y->mirror) {
		return x->mirror < y->mirror ? -1 : 1;
	}
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static void note_gone_udp(struct service *s, const struct own *o)
{
	struct entry e = entry_of_key(o->key.bytes, s->b->stack->family);

	if (o->mirror == &s->b->stack->mirrors[SET_ENTRIES] && e.proto == PROTO_UDP) {
		vec_push(&s->b->gone_udp, e);
		s->b->check_flows = true;
	}
}

/* Drops what the service had before and has not put again. */
static void own_sweep(struct service *s)
{
	if (s->own.n) {
		qsort(s->own.at, s->own.n, sizeof(*s->own.at), own_cmp);
	}
	for (size_t i = 0; i < s->before.n; i++) {
		struct own *o = &s->before.at[i];

		if (s->own.n == 0 || !bsearch(o, s->own.at, s->own.n, sizeof(*o), own_cmp)) {
			note_gone_udp(s, o);
			mirror_drop(o->mirror, &o->key, s);
		}
	}
	vec_clear(&s->before);
}

/* ---- pools ---- */

static struct mirror_key slot_mirror_key(uint32_t id, size_t number)
{
	struct set_key k = slot_key(id, (uint32_t)number);

	return key_of(k.bytes, k.size);
}

/* The port with just the endpoints of a family, which the caller frees: families choose among their
 * own, so one that is without ready endpoints asks those that leave, whatever the other has. */
static struct service_port of_family(const struct service_port *p, enum ip_family family,
                                     struct endpoint **ret)
{
	struct service_port q = *p;

	*ret = mem_realloc(NULL, p->n_endpoints + 1, sizeof(**ret));
	q.endpoints = *ret;
	q.n_endpoints = 0;
	for (size_t i = 0; i < p->n_endpoints; i++) {
		if (p->endpoints[i].ip.family == family) {
			(*ret)[q.n_endpoints++] = p->endpoints[i];
		}
	}
	return q;
}

/* Endpoints as sorted slots, each once. The caller frees *ret. */
static size_t usable_slots(const struct service_port *p, bool local, struct slice node,
                           struct slot **ret)
{
	struct service_port q = *p;
	const struct endpoint **found =
		mem_realloc(NULL, p->n_endpoints + 1, sizeof(const struct endpoint *));
	size_t n, n_slots = 0;

	q.internal_local = q.external_local = local;
	n = service_usable(&q, true, node, found, p->n_endpoints);
	if (n > ENDPOINTS_MAX) {
		log_odd("Service has more endpoints than a pool holds service=" SLICE_FMT
		        "/" SLICE_FMT " max=%d",
		        SLICE_ARG(p->ns), SLICE_ARG(p->service), ENDPOINTS_MAX);
		n = ENDPOINTS_MAX;
	}
	*ret = mem_realloc(NULL, n + 1, sizeof(**ret));
	for (size_t i = 0; i < n; i++) {
		(*ret)[n_slots++] = (struct slot){ found[i]->ip, found[i]->port };
	}
	free(found);
	return slots_sort(*ret, n_slots);
}

/* A pool met for the first time takes over what the kernel has under its id. */
static void pool_adopt_slots(struct balancer *b, struct pool *pool)
{
	VEC(struct slot) slots = { 0 };

	for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
		struct mirror_key k = slot_mirror_key(pool->id, i);
		const void *value = mirror_in_kernel(&b->stack->mirrors[SET_SLOTS], &k);

		if (!value) {
			break;
		}
		vec_push(&slots, slot_of_value(value, b->stack->family));
	}
	pool->slots = slots.at;
	pool->n = slots.n;
}

static uint32_t id_new(struct balancer *b)
{
	enum ip_family family = b->stack->family;

	for (;; b->next_id++) {
		if (b->next_id == 0 || pool_family(b->next_id) != family) {
			b->next_id = pool_first(family);
		}
		if (!map_has(&b->pools, id_slice(&b->next_id))) {
			return b->next_id++;
		}
	}
}

/* Gives the pool an id: the one that the kernel's entry names, unless another pool has it. */
static void pool_open(struct port *port, int which, enum node_set set, const struct set_key *entry)
{
	struct balancer *b = port->service->b;
	struct pool *pool = &port->pools[which];
	struct mirror_key k = key_of(entry->bytes, entry->size);
	const uint32_t *had = mirror_in_kernel(&b->stack->mirrors[set], &k);

	if (pool->id) {
		return;
	}
	if (had && *had && !map_has(&b->pools, id_slice(had))) {
		pool->id = *had;
		pool_adopt_slots(b, pool);
	} else {
		pool->id = id_new(b);
	}
	(void)map_set(&b->pools, id_slice(&pool->id), port);
}

static void pool_close(struct balancer *b, struct pool *pool)
{
	if (pool->id) {
		(void)map_remove(&b->pools, id_slice(&pool->id));
	}
	pickers_release(b, pool->chain);
	free(pool->slots);
	*pool = (struct pool){ 0 };
}

static void put_slot(struct service *s, uint32_t id, size_t number, const struct slot *slot)
{
	struct set_key k = slot_key(id, (uint32_t)number), value = slot_value(*slot);

	own_put(s, SET_SLOTS, &k, value.bytes);
}

static void put_pool(struct service *s, uint32_t id, const struct picker_number *number)
{
	struct set_key k = { 0 };

	set_key_mark(&k, id);
	own_put(s, SET_POOLS, &k, number);
}

static bool has_affinity(const struct pool *pool)
{
	return pool->chain && pool->chain->picker.timeout_s > 0;
}

/* Brings the pool's slots to the wanted ones (sorted) and puts its elements. */
static void pool_fill(struct port *port, struct pool *pool, const struct slot *wanted,
                      size_t n_wanted, unsigned timeout_s, struct picker_number when_empty)
{
	struct service *s = port->service;
	size_t had = pool->n + pool->n_spare, before = pool->n, kept;
	struct picker_number number;
	bool had_affinity;

	pool->slots = mem_realloc(pool->slots, pool->n + n_wanted + 1, sizeof(*pool->slots));
	pool->n = slots_merge(pool->slots, pool->n, wanted, n_wanted, &kept);
	/* An empty pool refuses before any slot is asked for; its last slot may go at once. */
	pool->n_spare = pool->n && had > pool->n ? had - pool->n : 0;
	s->b->spares |= pool->n_spare > 0;
	had_affinity = has_affinity(pool);
	s->b->check_flows |=
		port->proto == PROTO_UDP && (kept < before || (before == 0 && pool->n > 0));
	pickers_choose(s->b, pool, timeout_s, port->proto == PROTO_UDP && timeout_s == 0);
	/* Memories are kept right while they are in use; those from an earlier use may be stale. */
	s->b->check_affinity |= had_affinity ? kept < before : has_affinity(pool);
	number = pool->chain ? picker_number(&pool->chain->picker) : when_empty;
	put_pool(s, pool->id, &number);
	for (size_t i = 0; i < pool->n + pool->n_spare; i++) {
		put_slot(s, pool->id, i, i < pool->n ? &pool->slots[i] : &pool->slots[0]);
	}
}

/* ---- a port of a service ---- */

static struct port *port_need(struct service *s, const struct service_port *p)
{
	struct port *port;

	list_for_each (&s->ports, it, struct port, in_ports) {
		if (it->number == p->port && it->proto == p->proto) {
			return it;
		}
	}
	port = NEW(struct port);
	port->service = s;
	port->number = p->port;
	port->proto = (uint8_t)p->proto;
	list_push(&s->ports, &port->in_ports);
	return port;
}

static void port_free(struct port *port)
{
	for (int i = 0; i < POOLS; i++) {
		pool_close(port->service->b, &port->pools[i]);
	}
	list_unlink(&port->in_ports);
	free(port->serving);
	free(port);
}

typedef VEC(struct set_key) entry_list;

static bool is_loopback(struct ip ip)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return ip.family == IP_V4 ? ip.bytes[0] == 127 : memcmp(ip.bytes, v6, sizeof(v6)) == 0;
}

static bool is_unspecified(struct ip ip)
{
	static const uint8_t none[16];

	return memcmp(ip.bytes, none, sizeof(none)) == 0;
}

static void add_entry(entry_list *list, const struct service *s, struct ip ip, uint8_t proto,
                      uint16_t port)
{
	/* A loopback address names another machine in every namespace. */
	if (ip.family == s->b->stack->family && !is_loopback(ip) && !is_unspecified(ip)) {
		vec_push(list, entry_key(ip, proto, port));
	}
}

static void put_guard(struct service *s, const struct service_port *p, struct ip ip)
{
	struct set_key k = entry_key(ip, (uint8_t)p->proto, p->port);

	own_put(s, SET_GUARDED, &k, NULL);
	for (size_t i = 0; i < p->n_lb_sources; i++) {
		struct prefix at = p->lb_sources[i];
		struct set_key range = k;
		bool covered = at.ip.family != ip.family;

		/* Ranges of one entry must not overlap; prefixes do so only by lying inside each
		 * other. */
		for (size_t j = 0; j < p->n_lb_sources && !covered; j++) {
			struct prefix other = p->lb_sources[j];

			covered = j != i && prefix_contains(other, at.ip) &&
			          (other.len < at.len || (other.len == at.len && j < i));
		}
		if (covered) {
			continue;
		}
		set_key_ip(&range, at.ip);
		set_key_add(&range, k.bytes, k.size);
		set_key_ip(&range, prefix_last(at));
		own_put(s, SET_SOURCES, &range, NULL);
	}
}

/* The families of a Service are those of its cluster addresses, of a pod's host port those of its endpoints. */
static bool has_family(const struct service_port *p, enum ip_family family)
{
	for (size_t i = 0; i < p->n_cluster_ips; i++) {
		if (p->cluster_ips[i].family == family) {
			return true;
		}
	}
	for (size_t i = 0; p->only_node.len && i < p->n_endpoints; i++) {
		if (p->endpoints[i].ip.family == family) {
			return true;
		}
	}
	return false;
}

/* Entries by cluster address, and those that clients outside use. */
static void list_entries(struct service *s, const struct service_port *p, entry_list *inside,
                         entry_list *outside)
{
	uint8_t proto = (uint8_t)p->proto;

	if (!has_family(p, s->b->stack->family)) {
		return;
	}
	for (size_t i = 0; i < p->n_cluster_ips; i++) {
		add_entry(inside, s, p->cluster_ips[i], proto, p->port);
	}
	if (p->node_port) {
		add_entry(outside, s, s->b->stack->node_ip, proto, p->node_port);
	}
	for (size_t i = 0; i < p->n_external_ips; i++) {
		add_entry(outside, s, p->external_ips[i], proto, p->port);
	}
	for (size_t i = 0; i < p->n_lb_ips; i++) {
		size_t before = outside->n;

		add_entry(outside, s, p->lb_ips[i], proto, p->port);
		if (outside->n > before && p->n_lb_sources > 0) {
			put_guard(s, p, p->lb_ips[i]);
		}
	}
}

static void put_entries(struct port *port, const struct service_port *p, const entry_list *inside,
                        const entry_list *outside)
{
	uint32_t all = port->pools[POOL_ALL].id, local = port->pools[POOL_LOCAL].id;
	struct service *s = port->service;

	for (size_t i = 0; i < inside->n; i++) {
		struct set_key address = { 0 };

		set_key_ip(&address, set_key_ip_at(inside->at[i].bytes, s->b->stack->family));
		own_put(s, SET_ENTRIES, &inside->at[i], p->internal_local ? &local : &all);
		own_put(s, SET_CLUSTER_IPS, &address, NULL);
	}
	for (size_t i = 0; i < outside->n; i++) {
		own_put(s, SET_ENTRIES, &outside->at[i], p->external_local ? &local : &all);
		if (p->external_local) {
			/* Local is a promise to clients outside; those inside take the short cut to
			 * all. */
			own_put(s, SET_ENTRIES_INSIDE, &outside->at[i], &all);
		} else {
			own_put(s, SET_MASQUERADED, &outside->at[i], NULL);
		}
	}
}

static void note_serving(struct port *port, const struct service_port *p)
{
	size_t n = 0;

	free(port->serving);
	port->serving = NULL;
	port->n_serving = 0;
	if (port->proto != PROTO_UDP) {
		return;
	}
	port->serving = mem_realloc(NULL, p->n_endpoints + 1, sizeof(*port->serving));
	for (size_t i = 0; i < p->n_endpoints; i++) {
		const struct endpoint *e = &p->endpoints[i];

		if (e->serving || e->ready) {
			port->serving[n++] = (struct slot){ e->ip, e->port };
		}
	}
	port->n_serving = slots_sort(port->serving, n);
}

static void fill_pools(struct port *port, const struct service_port *p, const entry_list *inside,
                       const entry_list *outside)
{
	struct slice node = slice_of(port->service->b->stack->d->node_name);
	unsigned timeout_s = p->affinity_s > 0 ? (unsigned)p->affinity_s : 0;
	bool want_all = (inside->n && !p->internal_local) || outside->n;
	bool want_local = (inside->n && p->internal_local) || (outside->n && p->external_local);
	scoped_free struct slot *all = NULL, *local = NULL;
	size_t n_all = usable_slots(p, false, node, &all), n_local;

	if (want_all) {
		bool by_inside = inside->n && !p->internal_local;

		pool_open(port, POOL_ALL,
		          by_inside || !p->external_local ? SET_ENTRIES : SET_ENTRIES_INSIDE,
		          by_inside ? &inside->at[0] : &outside->at[0]);
		pool_fill(port, &port->pools[POOL_ALL], all, n_all, timeout_s, picker_refuse);
	} else {
		pool_close(port->service->b, &port->pools[POOL_ALL]);
	}
	if (want_local) {
		n_local = usable_slots(p, true, node, &local);
		pool_open(port, POOL_LOCAL, SET_ENTRIES,
		          inside->n && p->internal_local ? &inside->at[0] : &outside->at[0]);
		/* Endpoints elsewhere, none here: silence, since a refusal would be taken as final.
		 */
		pool_fill(port, &port->pools[POOL_LOCAL], local, n_local, timeout_s,
		          n_all ? picker_discard : picker_refuse);
	} else {
		pool_close(port->service->b, &port->pools[POOL_LOCAL]);
	}
}

static bool plan_port(void *arg, const struct service_port *p)
{
	struct service *s = arg;
	entry_list inside = { 0 }, outside = { 0 };

	if (p->only_node.len && !slice_is(p->only_node, s->b->stack->d->node_name)) {
		return true;
	}
	list_entries(s, p, &inside, &outside);
	if (inside.n + outside.n > 0) {
		struct port *port = port_need(s, p);
		scoped_free struct endpoint *endpoints;
		struct service_port own = of_family(p, s->b->stack->family, &endpoints);

		port->seen = true;
		note_serving(port, &own);
		fill_pools(port, &own, &inside, &outside);
		put_entries(port, p, &inside, &outside);
	}
	vec_fini(&inside);
	vec_fini(&outside);
	return true;
}

/* ---- services ---- */

static struct service *service_need(struct balancer *b, struct slice ns, struct slice name)
{
	scoped_free char *key = mem_printf(SLICE_FMT "/" SLICE_FMT, SLICE_ARG(ns), SLICE_ARG(name));
	struct service *s = map_find(&b->services, slice_of(key));

	if (!s) {
		s = NEW(struct service);
		s->b = b;
		s->key = take(key);
		list_init(&s->ports);
		(void)map_set(&b->services, slice_of(s->key), s);
	}
	return s;
}

static void service_begin(struct service *s)
{
	own_list had = s->own;

	s->own = s->before;
	s->before = had;
	vec_clear(&s->own);
	list_for_each (&s->ports, port, struct port, in_ports) {
		port->seen = false;
	}
	s->seen = true;
}

static void service_free(struct service *s)
{
	list_for_each (&s->ports, port, struct port, in_ports) {
		port_free(port);
	}
	vec_fini(&s->own);
	vec_fini(&s->before);
	free(s->key);
	free(s);
}

/* Drops what was not planned again, and the service when nothing is left of it. */
static void service_end(struct service *s)
{
	list_for_each (&s->ports, port, struct port, in_ports) {
		if (!port->seen) {
			port_free(port);
		}
	}
	own_sweep(s);
	if (list_is_empty(&s->ports)) {
		(void)map_remove(&s->b->services, slice_of(s->key));
		service_free(s);
	}
}

static void plan_changed(void *arg, struct slice ns, struct slice name)
{
	struct balancer *b = arg;
	struct service *s = service_need(b, ns, name);

	service_begin(s);
	model_each_port_of(b->stack->d->config.model, ns, name, plan_port, s);
	service_end(s);
}

struct plan_all {
	struct balancer *b;
	struct service *s; /* whose ports are coming */
};

static bool plan_any_port(void *arg, const struct service_port *p)
{
	struct plan_all *all = arg;
	struct service *s = service_need(all->b, p->ns, p->service);

	if (s != all->s) {
		if (all->s) {
			service_end(all->s);
		}
		service_begin(s);
		all->s = s;
	}
	return plan_port(s, p);
}

static void plan_everything(struct balancer *b)
{
	struct plan_all all = { b, NULL };

	for (struct map_iter it = { 0 }; map_next(&b->services, &it);) {
		((struct service *)it.value)->seen = false;
	}
	model_each_service_port(b->stack->d->config.model, plan_any_port, &all);
	if (all.s) {
		service_end(all.s);
	}
	for (struct map_iter it = { 0 }; map_next(&b->services, &it);) {
		struct service *s = it.value;

		if (!s->seen) {
			service_begin(s);
			service_end(s);
		}
	}
}

/* ---- the provider ---- */

static void *start(struct stack *stack)
{
	struct balancer *b = NEW(struct balancer);

	b->stack = stack;
	b->next_id = pool_first(stack->family);
	pickers_start(b);
	return b;
}

static void stop(void *state)
{
	struct balancer *b = state;

	for (struct map_iter it = { 0 }; map_next(&b->services, &it);) {
		service_free(it.value);
	}
	map_fini(&b->services);
	map_fini(&b->pools);
	pickers_fini(b);
	vec_fini(&b->gone_udp);
	free(b);
}

static void note_id(void *arg, const struct mirror_key *k, const void *value)
{
	struct balancer *b = arg;
	uint32_t id;

	(void)value;
	memcpy(&id, k->bytes, sizeof(id));
	if (id >= b->next_id) {
		b->next_id = id + 1;
	}
}

static void plan(void *state, bool all)
{
	struct balancer *b = state;
	const struct model *m = b->stack->d->config.model;
	uint64_t now = model_version(m, MODEL_SERVICES);

	if (all) {
		/* Ids that the kernel knows are not given anew: clients' memories name them. */
		mirror_each_in_kernel(&b->stack->mirrors[SET_POOLS], note_id, b);
		b->check_affinity = b->check_flows = true;
	}
	if (all ||
	    (now != b->version && !model_each_changed_service(m, b->version, plan_changed, b))) {
		plan_everything(b);
	}
	b->version = now;
}

static void queue(void *state)
{
	pickers_queue(state);
}

static int committed(void *state, struct err *err)
{
	pickers_committed(state);
	return service_flows_check(state, err);
}

static void drop_spares(struct balancer *b, struct port *port)
{
	for (int i = 0; i < POOLS; i++) {
		struct pool *pool = &port->pools[i];

		for (; pool->n_spare > 0; pool->n_spare--) {
			struct mirror_key k =
				slot_mirror_key(pool->id, pool->n + pool->n_spare - 1);

			mirror_drop(&b->stack->mirrors[SET_SLOTS], &k, port->service);
		}
	}
}

static bool settle(void *state)
{
	struct balancer *b = state;
	bool any = pickers_settle(b) || b->spares;

	if (b->spares) {
		for (struct map_iter it = { 0 }; map_next(&b->pools, &it);) {
			drop_spares(b, it.value);
		}
	}
	b->spares = false;
	return any;
}

static bool has_to_settle(void *state)
{
	const struct balancer *b = state;

	return b->spares || b->unlisted;
}

static bool has_to_follow_up(void *state)
{
	const struct balancer *b = state;

	return b->check_affinity || b->check_flows;
}

static void forget(void *state)
{
	pickers_forget(state);
}

static bool found_chain(void *state, const char *name, size_t n_rules)
{
	return pickers_found(state, name, n_rules);
}

const struct balancer_provider balancer_nft = {
	.name = "nftables",
	.start = start,
	.stop = stop,
	.plan = plan,
	.queue = queue,
	.committed = committed,
	.has_to_follow_up = has_to_follow_up,
	.has_to_settle = has_to_settle,
	.settle = settle,
	.forget = forget,
	.found_chain = found_chain,
};
