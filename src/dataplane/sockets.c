/* Why: a second place for the same elements. What services.c wishes for nftables is written to the
 * maps of the socket programs as well, in an order in which whoever looks in between finds a living
 * endpoint, or nothing and goes on to nftables: endpoints first, then how many there are, then who
 * leads to them; what goes, the other way round. See sockets.h. */
#include "dataplane/sockets.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/dataplane-priv.h"
#include "dataplane/slots.h"
#include "dataplane/socket-address.h"
#include "dataplane/socket-programs.h"
#include "host/netns.h"

struct sockets {
	struct dataplane *d; /* given */
	struct stack *stack; /* whose mirrors are being looked at */
	struct socket_programs programs;
	uint32_t epoch;      /* last given to a pool */
	VEC(uint32_t) moved; /* pools whose epoch has to change */
	bool in_doubt, renumbered;
	int failed;     /* the first failure of this round, or 0 */
	struct err why; /* of it */
};

static struct mirror *mirror_of(const struct sockets *s, enum node_set set)
{
	return &s->stack->mirrors[set];
}

static int map_of(const struct sockets *s, enum socket_map map)
{
	return s->programs.maps[map];
}

/* ---- writing one element ---- */

static void put(struct sockets *s, enum socket_map map, const void *key, const void *value)
{
	int r = bpf_map_put(map_of(s, map), key, value, s->failed ? NULL : &s->why);

	s->failed = s->failed ? s->failed : r;
}

static void drop(struct sockets *s, enum socket_map map, const void *key)
{
	int r = bpf_map_drop(map_of(s, map), key, s->failed ? NULL : &s->why);

	s->failed = s->failed ? s->failed : r;
}

/* Never one that was in use before, by an earlier process either. */
static uint32_t next_epoch(struct sockets *s)
{
	uint32_t now = (uint32_t)(clock_mono_us() / US_PER_MS);

	s->epoch = (int32_t)(now - s->epoch) > 0 ? now : s->epoch + 1;
	return s->epoch;
}

/* ---- what nftables has, as the maps have it ---- */

static struct socket_entry entry_of(const struct sockets *s, const struct mirror_key *k)
{
	struct entry e = entry_of_key(k->bytes, s->stack->family);

	return (struct socket_entry){ socket_end_of(e.ip, e.port), e.proto };
}

static struct mirror_key key_of_entry(const struct socket_entry *e)
{
	struct set_key k =
		entry_key(socket_ip_of(&e->end), (uint8_t)e->proto, ntohs(e->end.port_be));

	return key_of(k.bytes, k.size);
}

static struct socket_end end_of(const struct sockets *s, const void *value)
{
	struct slot slot = slot_of_value(value, s->stack->family);

	return socket_end_of(slot.ip, slot.port);
}

/* The pool that sockets inside are led to; false: nftables alone decides. */
static bool pool_of_entry(const struct sockets *s, const struct mirror_key *k, uint32_t *ret)
{
	const uint32_t *pool = mirror_wanted(mirror_of(s, SET_ENTRIES_INSIDE), k);

	if (!pool) {
		pool = mirror_wanted(mirror_of(s, SET_ENTRIES), k);
	}
	if (!pool || mirror_wanted(mirror_of(s, SET_GUARDED), k)) {
		return false;
	}
	*ret = *pool;
	return true;
}

/* How the pool is chosen from, its epoch left open; false: nftables refuses or is silent. */
static bool pool_value(const void *number, struct socket_pool *ret)
{
	struct picker p;
	struct picker_number n;

	if (!number) {
		return false;
	}
	memcpy(&n, number, sizeof(n));
	if (!picker_from_number(n, &p)) {
		return false;
	}
	*ret = (struct socket_pool){ .slots = p.slots,
		                     .timeout_s = p.timeout_s,
		                     .by_socket = p.by_client };
	return true;
}

/* ---- a transaction's changes ---- */

static void put_new_slot(void *arg, const struct mirror_key *k, const void *wanted,
                         const void *in_kernel)
{
	struct sockets *s = arg;
	uint32_t pool;

	if (wanted) {
		struct socket_end end = end_of(s, wanted);

		put(s, SOCKET_MAP_SLOTS, k->bytes, &end);
	}
	if (in_kernel) {
		memcpy(&pool, k->bytes, sizeof(pool));
		vec_push(&s->moved, pool);
	}
}

static void put_pool(struct sockets *s, const struct mirror_key *k)
{
	struct socket_pool value;

	if (pool_value(mirror_wanted(mirror_of(s, SET_POOLS), k), &value)) {
		value.epoch = next_epoch(s);
		put(s, SOCKET_MAP_POOLS, k->bytes, &value);
	} else {
		drop(s, SOCKET_MAP_POOLS, k->bytes);
	}
}

static void put_changed_pool(void *arg, const struct mirror_key *k, const void *wanted,
                             const void *in_kernel)
{
	(void)in_kernel;
	if (wanted) {
		put_pool(arg, k);
	}
}

static void put_moved_pools(struct sockets *s)
{
	uint32_t last = 0;

	for (size_t i = 0; i < s->moved.n; i++) {
		struct mirror_key k = key_of(&s->moved.at[i], sizeof(last));

		if (s->moved.at[i] != last) { /* a pool's slots mostly come in a row */
			put_pool(s, &k);
		}
		last = s->moved.at[i];
	}
	vec_clear(&s->moved);
}

static void put_changed_entry(void *arg, const struct mirror_key *k, const void *wanted,
                              const void *in_kernel)
{
	struct sockets *s = arg;
	struct socket_entry entry = entry_of(s, k);
	uint32_t pool;

	(void)wanted;
	(void)in_kernel;
	if (pool_of_entry(s, k, &pool)) {
		put(s, SOCKET_MAP_ENTRIES, &entry, &pool);
	} else {
		drop(s, SOCKET_MAP_ENTRIES, &entry);
	}
}

static void drop_gone_pool(void *arg, const struct mirror_key *k, const void *wanted,
                           const void *in_kernel)
{
	(void)in_kernel;
	if (!wanted) {
		drop(arg, SOCKET_MAP_POOLS, k->bytes);
	}
}

static void drop_gone_slot(void *arg, const struct mirror_key *k, const void *wanted,
                           const void *in_kernel)
{
	(void)in_kernel;
	if (!wanted) {
		drop(arg, SOCKET_MAP_SLOTS, k->bytes);
	}
}

void sockets_commit(struct sockets *s, struct stack *stack)
{
	if (s->in_doubt) {
		return;
	}
	s->stack = stack;
	s->failed = 0;
	mirror_each_dirty(mirror_of(s, SET_SLOTS), put_new_slot, s);
	mirror_each_dirty(mirror_of(s, SET_POOLS), put_changed_pool, s);
	put_moved_pools(s);
	mirror_each_dirty(mirror_of(s, SET_ENTRIES), put_changed_entry, s);
	mirror_each_dirty(mirror_of(s, SET_ENTRIES_INSIDE), put_changed_entry, s);
	mirror_each_dirty(mirror_of(s, SET_GUARDED), put_changed_entry, s);
	mirror_each_dirty(mirror_of(s, SET_POOLS), drop_gone_pool, s);
	mirror_each_dirty(mirror_of(s, SET_SLOTS), drop_gone_slot, s);
	if (s->failed) {
		log_odd("Services of sockets were not brought up to date and are compared anew "
		        "error=%s",
		        s->why.msg);
		s->in_doubt = true;
	}
}

/* ---- comparing all ---- */

typedef void key_fn(struct sockets *s, const void *key);

/* fn may delete the element it is given. */
static void each_key(struct sockets *s, enum socket_map map, key_fn *fn)
{
	uint8_t keys[2][64];
	int now = 0;
	bool any = bpf_map_next(map_of(s, map), NULL, keys[now]);

	while (any) {
		any = bpf_map_next(map_of(s, map), keys[now], keys[!now]);
		fn(s, keys[now]);
		now = !now;
	}
}

static void drop_wrong_entry(struct sockets *s, const void *key)
{
	const struct socket_entry *e = key;
	struct mirror_key k = key_of_entry(e);
	uint32_t pool, wanted;

	s->stack = stack_of(s->d, socket_ip_of(&e->end).family);
	if (!s->stack || !bpf_map_read(map_of(s, SOCKET_MAP_ENTRIES), key, &pool) ||
	    !pool_of_entry(s, &k, &wanted) || pool != wanted) {
		drop(s, SOCKET_MAP_ENTRIES, key);
	}
}

static void drop_memory(struct sockets *s, const void *key)
{
	drop(s, SOCKET_MAP_AFFINITY, key);
}

/* Pools of all families share the maps. */
static void look_at_pool(struct sockets *s, const void *number)
{
	uint32_t pool;

	memcpy(&pool, number, sizeof(pool));
	s->stack = stack_of(s->d, pool_family(pool));
}

static void drop_unwanted_pool(struct sockets *s, const void *key)
{
	struct mirror_key k = key_of(key, sizeof(uint32_t));
	struct socket_pool value;

	look_at_pool(s, key);
	if (!s->stack || !pool_value(mirror_wanted(mirror_of(s, SET_POOLS), &k), &value)) {
		drop(s, SOCKET_MAP_POOLS, key);
	}
}

static void drop_unwanted_slot(struct sockets *s, const void *key)
{
	struct mirror_key k = key_of(key, sizeof(struct socket_slot));

	look_at_pool(s, key);
	if (!s->stack || !mirror_wanted(mirror_of(s, SET_SLOTS), &k)) {
		drop(s, SOCKET_MAP_SLOTS, key);
	}
}

static void mend_slot(void *arg, const struct mirror_key *k, const void *wanted)
{
	struct sockets *s = arg;
	struct socket_end end = end_of(s, wanted), had;
	bool has = bpf_map_read(map_of(s, SOCKET_MAP_SLOTS), k->bytes, &had);

	if (!has || memcmp(&end, &had, sizeof(end)) != 0) {
		put_new_slot(s, k, wanted, has ? &had : NULL);
	}
}

static void mend_pool(void *arg, const struct mirror_key *k, const void *wanted)
{
	struct sockets *s = arg;
	struct socket_pool value, had = { 0 };

	if (!pool_value(wanted, &value)) {
		return;
	}
	if (!bpf_map_read(map_of(s, SOCKET_MAP_POOLS), k->bytes, &had) ||
	    had.slots != value.slots || had.timeout_s != value.timeout_s ||
	    had.by_socket != value.by_socket) {
		put_pool(s, k);
	}
}

static void mend_entry(void *arg, const struct mirror_key *k, const void *wanted)
{
	struct sockets *s = arg;
	struct socket_entry entry = entry_of(s, k);
	uint32_t pool, had;

	(void)wanted;
	if (pool_of_entry(s, k, &pool) &&
	    (!bpf_map_read(map_of(s, SOCKET_MAP_ENTRIES), &entry, &had) || had != pool)) {
		put(s, SOCKET_MAP_ENTRIES, &entry, &pool);
	}
}

int sockets_mend(struct sockets *s, struct err *err)
{
	s->failed = 0;
	each_key(s, SOCKET_MAP_ENTRIES, drop_wrong_entry);
	if (s->renumbered) {
		each_key(s, SOCKET_MAP_AFFINITY, drop_memory);
	}
	for (size_t i = 0; i < s->d->n_stacks; i++) {
		s->stack = &s->d->stacks[i];
		mirror_each_wanted(mirror_of(s, SET_SLOTS), mend_slot, s);
		mirror_each_wanted(mirror_of(s, SET_POOLS), mend_pool, s);
		put_moved_pools(s);
		mirror_each_wanted(mirror_of(s, SET_ENTRIES), mend_entry, s);
		mirror_each_wanted(mirror_of(s, SET_ENTRIES_INSIDE), mend_entry, s);
	}
	each_key(s, SOCKET_MAP_POOLS, drop_unwanted_pool);
	each_key(s, SOCKET_MAP_SLOTS, drop_unwanted_slot);
	if (s->failed) {
		return err_raise(err, ERR_IO, "services of sockets: %s", s->why.msg);
	}
	s->in_doubt = s->renumbered = false;
	return socket_programs_attach(&s->programs, err);
}

void sockets_doubt(struct sockets *s, bool renumbered)
{
	s->in_doubt = true;
	s->renumbered |= renumbered;
}

bool sockets_is_in_doubt(const struct sockets *s)
{
	return s->in_doubt;
}

/* ---- life ---- */

int sockets_open(struct dataplane *d, int cgroup_fd, struct sockets **ret, struct err *err)
{
	struct sockets *s = NEW(struct sockets);
	int r = socket_programs_open(cgroup_fd, d->config.node_ip, &s->programs, err);

	if (r < 0) {
		free(s);
		return r;
	}
	s->d = d;
	s->in_doubt = true;
	*ret = s;
	return 0;
}

struct sockets *sockets_close(struct sockets *s)
{
	if (s) {
		socket_programs_close(&s->programs);
		vec_fini(&s->moved);
		free(s);
	}
	return NULL;
}

int sockets_serve(struct sockets *s, int netns_fd, bool is_node, struct err *err)
{
	uint32_t kind = is_node ? SOCKET_CLIENT_NODE : SOCKET_CLIENT_POD;
	uint64_t cookie;
	int r = netns_cookie(netns_fd, &cookie, err);

	return r < 0 ? r : bpf_map_put(map_of(s, SOCKET_MAP_CLIENTS), &cookie, &kind, err);
}

uint64_t sockets_balanced(const struct sockets *s)
{
	uint32_t key = SOCKET_COUNT_BALANCED;

	return bpf_map_sum(map_of(s, SOCKET_MAP_COUNTS), &key);
}
