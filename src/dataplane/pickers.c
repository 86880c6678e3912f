/* Why: turns are counted per chain, so two services with the same number of endpoints that are used
 * alternately would each see the same endpoint for ever if they shared one. A chain is therefore
 * lent to one pool as long as there are enough, and kept for the next one afterwards. */
#include "dataplane/services-priv.h"

#define PICKERS_EACH     8   /* chains with the same number of slots before they are shared */
#define IDLE_PICKERS_MAX 128 /* unused chains kept for the next change */

static struct picker_chain *need(struct balancer *b, const struct picker *p)
{
	char name[PICKER_NAME_SIZE];
	struct picker_chain *c;

	picker_name(p, name);
	c = map_find(&b->chains, slice_of(name));
	if (!c) {
		c = NEW(struct picker_chain);
		c->picker = *p;
		memcpy(c->name, name, sizeof(name));
		(void)map_set(&b->chains, slice_of(name), c);
	}
	return c;
}

static void list_chain(struct balancer *b, struct picker_number number, const char *name)
{
	struct mirror_key k = key_of(&number, sizeof(number));

	mirror_put(&b->stack->mirrors[SET_PICKERS], &k, name, b);
}

static struct picker_chain *lend(struct balancer *b, struct picker_chain *c)
{
	c->users++;
	c->unlisted = c->leaving = false;
	list_chain(b, picker_number(&c->picker), c->name);
	return c;
}

static void unlist(struct balancer *b, struct picker_chain *c)
{
	struct picker_number number = picker_number(&c->picker);
	struct mirror_key k = key_of(&number, sizeof(number));

	mirror_drop(&b->stack->mirrors[SET_PICKERS], &k, b);
	c->unlisted = true;
}

void pickers_start(struct balancer *b)
{
	list_chain(b, picker_refuse, CHAIN_REFUSE);
	list_chain(b, picker_discard, drop_reason_name(DROP_NO_LOCAL_ENDPOINT));
}

/* A chain of that kind that nobody uses, or the least used one. */
static struct picker_chain *take_chain(struct balancer *b, struct picker kind)
{
	/* Without turns to count one chain does for all. */
	unsigned each = kind.slots == 1 || kind.by_client ? 1 : PICKERS_EACH;
	struct picker_chain *best = NULL;

	for (; kind.number < each && (!best || best->users > 0); kind.number++) {
		struct picker_chain *c = need(b, &kind);

		if (!best || c->users < best->users) {
			best = c;
		}
	}
	return lend(b, best);
}

static bool is_kind(const struct picker *p, const struct picker *kind)
{
	return p->slots == kind->slots && p->timeout_s == kind->timeout_s &&
	       p->by_client == kind->by_client;
}

void pickers_release(struct balancer *b, struct picker_chain *c)
{
	if (!c) {
		return;
	}
	c->users--;
	if (c->users == 0 && !c->in_kernel) {
		unlist(b, c); /* it will not be made */
	}
}

void pickers_choose(struct balancer *b, struct pool *pool, unsigned timeout_s, bool by_client)
{
	struct picker kind = { .slots = (unsigned)pool->n,
		               .timeout_s = timeout_s,
		               .by_client = by_client };
	struct picker_chain *old = pool->chain;
	struct mirror_key k = key_of(&pool->id, sizeof(pool->id));
	const struct picker_number *had =
		old ? NULL : mirror_in_kernel(&b->stack->mirrors[SET_POOLS], &k);
	struct picker p;

	if (old && is_kind(&old->picker, &kind)) {
		return;
	}
	pool->chain = NULL;
	if (pool->n > 0 && had && picker_from_number(*had, &p) && is_kind(&p, &kind)) {
		pool->chain = lend(b, need(b, &p));
	} else if (pool->n > 0) {
		pool->chain = take_chain(b, kind);
	}
	pickers_release(b, old);
}

void pickers_queue(struct balancer *b)
{
	for (struct map_iter it = { 0 }; map_next(&b->chains, &it);) {
		struct picker_chain *c = it.value;

		if (!c->in_kernel && c->users > 0) {
			picker_queue(b->stack->nft, &c->picker);
		} else if (c->leaving && c->users == 0 && c->in_kernel) {
			nft_chain_delete(b->stack->nft, c->name);
		}
	}
}

void pickers_committed(struct balancer *b)
{
	for (struct map_iter it = { 0 }; map_next(&b->chains, &it);) {
		struct picker_chain *c = it.value;

		if (c->users > 0) {
			c->in_kernel = true;
		} else if (c->leaving || !c->in_kernel) {
			(void)map_remove(&b->chains, it.key);
			free(c);
		}
	}
}

/* Two steps, since older kernels do not delete a chain in the transaction that deletes its last
 * mention. */
bool pickers_settle(struct balancer *b)
{
	size_t idle = 0;
	bool any = false;

	b->unlisted = false;
	for (struct map_iter it = { 0 }; map_next(&b->chains, &it);) {
		struct picker_chain *c = it.value;

		if (c->users > 0 || !c->in_kernel) {
			continue;
		}
		if (c->unlisted) {
			c->leaving = any = true;
		} else if (++idle > IDLE_PICKERS_MAX) {
			unlist(b, c);
			b->unlisted = any = true;
		}
	}
	return any;
}

void pickers_forget(struct balancer *b)
{
	for (struct map_iter it = { 0 }; map_next(&b->chains, &it);) {
		struct picker_chain *c = it.value;

		if (c->users == 0) {
			unlist(b, c);
		}
		c->in_kernel = c->leaving = false;
	}
}

bool pickers_found(struct balancer *b, const char *name, size_t n_rules)
{
	struct picker p;

	if (!picker_parse(name, &p) || picker_rules(&p) != n_rules) {
		return false;
	}
	need(b, &p)->in_kernel = true;
	list_chain(b, picker_number(&p), name);
	return true;
}

void pickers_fini(struct balancer *b)
{
	for (struct map_iter it = { 0 }; map_next(&b->chains, &it);) {
		free(it.value);
	}
	map_fini(&b->chains);
}
