/* Why: a pod's socket that asks for a service is given one of its endpoints in the system call, so
 * that no packet of it is ever translated. Compiled for the kernel's BPF machine (dev/embed-bpf),
 * run by it at connect(2), sendmsg(2), recvmsg(2) and getpeername(2) of every process in the
 * instance's cgroup. Sources: bpf(2), linux/bpf.h (struct bpf_sock_addr).
 *
 * Only TCP and datagrams sent with an address are balanced here. A UDP socket that connects stays
 * with nftables: when its endpoint goes, the kernel's flow can be led to another one, the
 * socket could not. */
#include <linux/bpf.h>

#include "dataplane/bpf/abi.h"

#define ALWAYS       static inline __attribute__((always_inline))
#define SEARCH_MAX   1024u /* slots looked through for a remembered endpoint */
#define NS_PER_S     1000000000ull
#define HOST_IS_LE   (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#define BE32(number) (HOST_IS_LE ? __builtin_bswap32(number) : (number))

/* linux/in.h, whose inclusion would need a C library */
enum { TCP = 6, UDP = 17 };

struct map; /* opaque: the loader puts a map's descriptor here */
extern struct map entries, pools, slots, clients, affinity, peers, senders, turns, counts, config;

static void *(*const map_find)(struct map *m, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const map_put)(struct map *m, const void *key, const void *value,
                             __u64 flags) = (void *)BPF_FUNC_map_update_elem;
static __u64 (*const now_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;
static __u64 (*const socket_cookie)(struct bpf_sock_addr *ctx) = (void *)BPF_FUNC_get_socket_cookie;
static __u64 (*const netns_cookie)(struct bpf_sock_addr *ctx) = (void *)BPF_FUNC_get_netns_cookie;

ALWAYS int is_same(const struct socket_end *a, const struct socket_end *b)
{
	return a->ip[0] == b->ip[0] && a->ip[1] == b->ip[1] && a->ip[2] == b->ip[2] &&
	       a->ip[3] == b->ip[3] && a->port_be == b->port_be;
}

ALWAYS void copy_end(struct socket_end *to, const struct socket_end *from)
{
	to->ip[0] = from->ip[0];
	to->ip[1] = from->ip[1];
	to->ip[2] = from->ip[2];
	to->ip[3] = from->ip[3];
	to->port_be = from->port_be;
	to->pad = 0;
}

/* ---- the socket's address ---- */

ALWAYS void read_v4(const struct bpf_sock_addr *ctx, struct socket_end *ret)
{
	ret->ip[0] = ret->ip[1] = 0;
	ret->ip[2] = BE32(0xffff);
	ret->ip[3] = ctx->user_ip4;
	ret->port_be = (__u16)ctx->user_port;
	ret->pad = 0;
}

ALWAYS void write_v4(struct bpf_sock_addr *ctx, const struct socket_end *end)
{
	ctx->user_ip4 = end->ip[3];
	ctx->user_port = end->port_be;
}

ALWAYS void read_v6(const struct bpf_sock_addr *ctx, struct socket_end *ret)
{
	ret->ip[0] = ctx->user_ip6[0];
	ret->ip[1] = ctx->user_ip6[1];
	ret->ip[2] = ctx->user_ip6[2];
	ret->ip[3] = ctx->user_ip6[3];
	ret->port_be = (__u16)ctx->user_port;
	ret->pad = 0;
}

ALWAYS void write_v6(struct bpf_sock_addr *ctx, const struct socket_end *end)
{
	ctx->user_ip6[0] = end->ip[0];
	ctx->user_ip6[1] = end->ip[1];
	ctx->user_ip6[2] = end->ip[2];
	ctx->user_ip6[3] = end->ip[3];
	ctx->user_port = end->port_be;
}

ALWAYS int is_loopback_v4(const struct socket_end *end)
{
	return end->ip[0] == 0 && end->ip[1] == 0 && end->ip[2] == BE32(0xffff) &&
	       (end->ip[3] & BE32(0xff000000)) == BE32(0x7f000000);
}

/* ---- choosing ---- */

ALWAYS int take_slot(__u32 pool, __u32 number, struct socket_end *ret)
{
	struct socket_slot key = { pool, number };
	const struct socket_end *end = map_find(&slots, &key);

	if (end) {
		copy_end(ret, end);
	}
	return end != 0;
}

ALWAYS __u32 next_turn(__u32 pool)
{
	__u32 key = pool % SOCKET_TURNS, *turn = map_find(&turns, &key);

	return turn ? __sync_fetch_and_add(turn, 1) : 0;
}

ALWAYS int choose(struct bpf_sock_addr *ctx, __u32 pool, const struct socket_pool *p,
                  struct socket_end *ret)
{
	/* The high bits of a multiple of the golden ratio are well spread (Knuth, 6.4). */
	__u32 turn = p->by_socket ? (__u32)(socket_cookie(ctx) * 0x9e3779b97f4a7c15ull >> 32)
	                          : next_turn(pool);

	return take_slot(pool, turn % p->slots, ret);
}

/* Whether what is remembered still belongs to the pool; if so it is noted as of now. */
ALWAYS int recall(__u32 pool, const struct socket_pool *p, struct socket_memory *m, __u64 now,
                  struct socket_end *ret)
{
	copy_end(ret, &m->end);
	if (m->epoch != p->epoch) {
		struct socket_end end;
		__u32 i;

		for (i = 0; i < SEARCH_MAX; i++) {
			if (i >= p->slots || !take_slot(pool, i, &end)) {
				return 0;
			}
			if (is_same(&end, ret)) {
				break;
			}
		}
		if (i == SEARCH_MAX) {
			return 0;
		}
		m->epoch = p->epoch;
	}
	m->used_ns = now;
	return 1;
}

ALWAYS int choose_sticky(struct bpf_sock_addr *ctx, __u64 netns, __u32 pool,
                         const struct socket_pool *p, struct socket_end *ret)
{
	struct socket_client key = { netns, pool, 0 };
	struct socket_memory *m = map_find(&affinity, &key), fresh = { 0 };
	__u64 now = now_ns();

	if (m && now - m->used_ns < p->timeout_s * NS_PER_S && recall(pool, p, m, now, ret)) {
		return 1;
	}
	if (!choose(ctx, pool, p, ret)) {
		return 0;
	}
	fresh.used_ns = now;
	fresh.epoch = p->epoch;
	copy_end(&fresh.end, ret);
	map_put(&affinity, &key, &fresh, BPF_ANY);
	return 1;
}

/* The endpoint for a socket that asks for 'asked'; 0: none, leave the socket alone. */
ALWAYS int balance(struct bpf_sock_addr *ctx, __u32 proto, const struct socket_end *asked,
                   struct socket_end *ret)
{
	struct socket_entry entry = { .proto = proto };
	__u64 netns = netns_cookie(ctx);
	const __u32 *client = map_find(&clients, &netns), *pool;
	const struct socket_pool *found;
	struct socket_pool p;
	__u32 zero = 0;

	if (!client) {
		return 0;
	}
	copy_end(&entry.end, asked);
	if (*client == SOCKET_CLIENT_NODE && is_loopback_v4(asked)) {
		const struct socket_config *c = map_find(&config, &zero);

		if (!c) {
			return 0;
		}
		entry.end.ip[0] = c->node_ip[0];
		entry.end.ip[1] = c->node_ip[1];
		entry.end.ip[2] = c->node_ip[2];
		entry.end.ip[3] = c->node_ip[3];
	}
	pool = map_find(&entries, &entry);
	found = pool ? map_find(&pools, pool) : 0;
	if (!found) {
		return 0;
	}
	p.slots = found->slots;
	p.timeout_s = found->timeout_s;
	p.epoch = found->epoch;
	p.by_socket = found->by_socket;
	if (p.slots == 0) {
		return 0;
	}
	return p.timeout_s ? choose_sticky(ctx, netns, *pool, &p, ret)
	                   : choose(ctx, *pool, &p, ret);
}

ALWAYS void count(__u32 what)
{
	__u64 *n = map_find(&counts, &what);

	if (n) {
		*n += 1;
	}
}

/* ---- what the program behind the socket is to see ---- */

ALWAYS void remember(struct bpf_sock_addr *ctx, struct map *m, const struct socket_end *end,
                     const struct socket_end *asked)
{
	struct socket_peer key = { .cookie = socket_cookie(ctx) };
	const struct socket_end *had;

	copy_end(&key.end, end);
	had = m == &senders ? map_find(m, &key) : 0;
	if (!had || !is_same(had, asked)) {
		map_put(m, &key, asked, BPF_ANY);
	}
}

ALWAYS int recollect(struct bpf_sock_addr *ctx, struct map *m, struct socket_end *end)
{
	struct socket_peer key = { .cookie = socket_cookie(ctx) };
	const struct socket_end *asked;

	copy_end(&key.end, end);
	asked = map_find(m, &key);
	if (asked) {
		copy_end(end, asked);
	}
	return asked != 0;
}

/* ---- the programs; all let the call go on ---- */

int connect4(struct bpf_sock_addr *ctx);
int connect4(struct bpf_sock_addr *ctx)
{
	struct socket_end asked, end;

	if (ctx->protocol != TCP) {
		return 1;
	}
	read_v4(ctx, &asked);
	if (balance(ctx, TCP, &asked, &end)) {
		remember(ctx, &peers, &end, &asked);
		write_v4(ctx, &end);
		count(SOCKET_COUNT_BALANCED);
	}
	return 1;
}

int connect6(struct bpf_sock_addr *ctx);
int connect6(struct bpf_sock_addr *ctx)
{
	struct socket_end asked, end;

	if (ctx->protocol != TCP) {
		return 1;
	}
	read_v6(ctx, &asked);
	if (balance(ctx, TCP, &asked, &end)) {
		remember(ctx, &peers, &end, &asked);
		write_v6(ctx, &end);
		count(SOCKET_COUNT_BALANCED);
	}
	return 1;
}

int sendmsg4(struct bpf_sock_addr *ctx);
int sendmsg4(struct bpf_sock_addr *ctx)
{
	struct socket_end asked, end;

	if (ctx->protocol != UDP) {
		return 1;
	}
	read_v4(ctx, &asked);
	if (balance(ctx, UDP, &asked, &end)) {
		remember(ctx, &senders, &end, &asked);
		write_v4(ctx, &end);
		count(SOCKET_COUNT_BALANCED);
	}
	return 1;
}

int sendmsg6(struct bpf_sock_addr *ctx);
int sendmsg6(struct bpf_sock_addr *ctx)
{
	struct socket_end asked, end;

	if (ctx->protocol != UDP) {
		return 1;
	}
	read_v6(ctx, &asked);
	if (balance(ctx, UDP, &asked, &end)) {
		remember(ctx, &senders, &end, &asked);
		write_v6(ctx, &end);
		count(SOCKET_COUNT_BALANCED);
	}
	return 1;
}

int recvmsg4(struct bpf_sock_addr *ctx);
int recvmsg4(struct bpf_sock_addr *ctx)
{
	struct socket_end end;

	read_v4(ctx, &end);
	if (recollect(ctx, &senders, &end)) {
		write_v4(ctx, &end);
	}
	return 1;
}

int recvmsg6(struct bpf_sock_addr *ctx);
int recvmsg6(struct bpf_sock_addr *ctx)
{
	struct socket_end end;

	read_v6(ctx, &end);
	if (recollect(ctx, &senders, &end)) {
		write_v6(ctx, &end);
	}
	return 1;
}

int getpeername4(struct bpf_sock_addr *ctx);
int getpeername4(struct bpf_sock_addr *ctx)
{
	struct socket_end end;

	read_v4(ctx, &end);
	if (recollect(ctx, &peers, &end)) {
		write_v4(ctx, &end);
	}
	return 1;
}

int getpeername6(struct bpf_sock_addr *ctx);
int getpeername6(struct bpf_sock_addr *ctx)
{
	struct socket_end end;

	read_v6(ctx, &end);
	if (recollect(ctx, &peers, &end)) {
		write_v6(ctx, &end);
	}
	return 1;
}
