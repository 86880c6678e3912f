/* Why: each set once, each operation once; see ports-pool.h. */
#include "analyse/ports-pool.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"

enum operation { OP_NONE, OP_UNION, OP_INTERSECT, OP_MINUS };

struct known { /* an operation that was worked out */
	uint32_t op;
	ports_id x, y, result;
};
enum { RECENT = 1024 }; /* a power of two */

struct ports_pool {
	struct arena arena;
	VEC(struct ports) sets;
	struct map ids;              /* bytes of a set -> id + 1 */
	struct map results;          /* operation and operands -> result + 1 */
	struct known recent[RECENT]; /* by hash: spares most look-ups */
};

struct ports_pool *ports_pool_new(void)
{
	struct ports_pool *p = NEW(struct ports_pool);

	must(ports_pool_id(p, ports_none()) == PORTS_NONE);
	must(ports_pool_id(p, ports_all()) == PORTS_ALL);
	return p;
}

struct ports_pool *ports_pool_free(struct ports_pool *p)
{
	if (p) {
		map_fini(&p->ids);
		map_fini(&p->results);
		vec_fini(&p->sets);
		arena_fini(&p->arena);
		free(p);
	}
	return NULL;
}

ports_id ports_pool_id(struct ports_pool *p, struct ports x)
{
	scoped_strbuf struct strbuf key = { 0 };
	size_t n = (size_t)x.n[PORTS_TCP] + x.n[PORTS_UDP] + x.n[PORTS_SCTP];
	uintptr_t id;

	strbuf_add(&key, x.n, sizeof(x.n));
	strbuf_addc(&key, (char)x.others);
	strbuf_add(&key, x.ranges, n * sizeof(*x.ranges));
	id = (uintptr_t)map_find(&p->ids, strbuf_slice(&key));
	if (!id) {
		x.ranges = arena_dup(&p->arena, x.ranges, n * sizeof(*x.ranges));
		vec_push(&p->sets, x);
		id = p->sets.n;
		map_set(&p->ids, strbuf_slice(&key), (void *)id);
	}
	return (ports_id)id - 1;
}

struct ports ports_pool_get(const struct ports_pool *p, ports_id id)
{
	must(id < p->sets.n);
	return p->sets.at[id];
}

static ports_id work_out(struct ports_pool *p, enum operation op, ports_id x, ports_id y)
{
	struct arena a = { 0 };
	struct ports sx = p->sets.at[x], sy = p->sets.at[y];
	struct ports result = op == OP_UNION       ? ports_union(&a, sx, sy)
	                      : op == OP_INTERSECT ? ports_intersect(&a, sx, sy)
	                                           : ports_minus(&a, sx, sy);
	ports_id id = ports_pool_id(p, result);

	arena_fini(&a);
	return id;
}

static ports_id look_up(struct ports_pool *p, enum operation op, ports_id x, ports_id y)
{
	struct known *k = &p->recent[(x * 0x9e3779b1u ^ y * 0x85ebca6bu ^ op) >> 7 & (RECENT - 1)];
	const uint32_t parts[] = { op, x, y };
	struct slice key = { (const char *)parts, sizeof(parts) };
	uintptr_t found;

	if (k->op == op && k->x == x && k->y == y) {
		return k->result;
	}
	found = (uintptr_t)map_find(&p->results, key);
	if (!found) {
		found = (uintptr_t)work_out(p, op, x, y) + 1;
		map_set(&p->results, key, (void *)found);
	}
	*k = (struct known){ op, x, y, (ports_id)found - 1 };
	return k->result;
}

ports_id ports_pool_union(struct ports_pool *p, ports_id x, ports_id y)
{
	if (x == y || y == PORTS_NONE || x == PORTS_ALL) {
		return x;
	}
	return x == PORTS_NONE || y == PORTS_ALL ? y : look_up(p, OP_UNION, x, y);
}

ports_id ports_pool_intersect(struct ports_pool *p, ports_id x, ports_id y)
{
	if (x == y || x == PORTS_NONE || y == PORTS_ALL) {
		return x;
	}
	return y == PORTS_NONE || x == PORTS_ALL ? y : look_up(p, OP_INTERSECT, x, y);
}

ports_id ports_pool_minus(struct ports_pool *p, ports_id x, ports_id y)
{
	if (x == y || x == PORTS_NONE || y == PORTS_ALL) {
		return PORTS_NONE;
	}
	return y == PORTS_NONE ? x : look_up(p, OP_MINUS, x, y);
}
