/* Why: sorts addresses into classes, see policy-class.h. */
#include "model/policy-class.h"

#include "base/must.h"

/* ---- numbering groups, blocks and named ports ---- */

static void add_selector_key(struct strbuf *key, const struct selector *s)
{
	if (!s || selector_is_everything(s)) {
		strbuf_addc(key, '*');
	} else {
		selector_format(key, s);
	}
}

static uint32_t group_need(struct policy_compiler *c, const struct space *scope,
                           const struct selector *spaces, const struct selector *pods)
{
	scoped_strbuf struct strbuf key = { 0 };
	struct group g = { .space = spaces ? NULL : scope, .spaces = spaces, .pods = pods };
	uintptr_t id;
	id_vec *list;

	strbuf_adds(&key, spaces ? "@" : scope->name);
	if (spaces) {
		add_selector_key(&key, spaces);
	}
	strbuf_addc(&key, '|');
	add_selector_key(&key, pods);
	id = (uintptr_t)map_find(&c->group_ids, strbuf_slice(&key));
	if (id) {
		return (uint32_t)id - 1;
	}
	vec_push(&c->groups, g);
	id = c->groups.n;
	map_set(&c->group_ids, strbuf_slice(&key), (void *)id);
	list = spaces ? &c->wide_groups : map_find(&c->space_groups, slice_of(scope->name));
	if (!list) {
		list = NEW(id_vec);
		map_set(&c->space_groups, slice_of(scope->name), list);
	}
	vec_push(list, (uint32_t)id - 1);
	return (uint32_t)id - 1;
}

static uint32_t block_need(struct policy_compiler *c, struct prefix p)
{
	struct slice key = { (const char *)&p, sizeof(p) };
	uintptr_t id = (uintptr_t)map_find(&c->block_ids, key);

	if (!id) {
		vec_push(&c->blocks, p);
		id = c->blocks.n;
		map_set(&c->block_ids, key, (void *)id);
	}
	return (uint32_t)id - 1;
}

static uint32_t named_need(struct policy_compiler *c, struct slice name, enum proto proto)
{
	for (size_t i = 0; i < c->named.n; i++) {
		if (c->named.at[i].proto == proto && slice_eq(c->named.at[i].name, name)) {
			return (uint32_t)i;
		}
	}
	vec_push(&c->named, ((struct named_port){ name, proto }));
	return (uint32_t)c->named.n - 1;
}

struct address_blocks {
	struct policy_compiler *c;
	id_vec ids;
};

/* An address of a node or of a named host is a block of one. */
static void add_address_block(void *arg, struct ip ip)
{
	struct address_blocks *b = arg;
	uint32_t id = block_need(b->c, (struct prefix){ ip, ip.family == IP_V4 ? 32 : 128 });

	for (size_t i = 0; i < b->ids.n; i++) {
		if (b->ids.at[i] == id) {
			return;
		}
	}
	vec_push(&b->ids, id);
}

static void number_peer(struct policy_compiler *c, const struct model *m, const struct policy *p,
                        struct policy_peer *peer)
{
	if (peer->type == PEER_PODS) {
		peer->group = group_need(c, p->space, peer->spaces, peer->pods);
	} else if (peer->type == PEER_NODES || peer->type == PEER_NAMES) {
		struct address_blocks b = { .c = c };

		policy_peer_each_address(m, peer, add_address_block, &b);
		peer->blocks = arena_dup(&c->arena, b.ids.at, b.ids.n * sizeof(*b.ids.at));
		peer->n_blocks = b.ids.n;
		vec_fini(&b.ids);
	} else if (peer->type == PEER_BLOCK) {
		uint32_t id = block_need(c, peer->cidr);

		peer->blocks = arena_dup(&c->arena, &id, sizeof(id));
		peer->n_blocks = 1;
		for (size_t i = 0; i < peer->n_except; i++) {
			peer->except_blocks[i] = block_need(c, peer->except[i]);
		}
	}
}

static void number_rule(struct policy_compiler *c, const struct model *m, const struct policy *p,
                        struct policy_rule *r)
{
	for (size_t i = 0; i < r->n_peers; i++) {
		number_peer(c, m, p, &r->peers[i]);
	}
	for (size_t i = 0; i < r->n_ports; i++) {
		if (r->ports[i].proto && r->ports[i].name.len) {
			r->ports[i].named = named_need(c, r->ports[i].name, r->ports[i].proto);
		}
	}
}

static void number_policy(struct policy_compiler *c, const struct model *m, struct policy *p)
{
	if (!p->subject) {
		return;
	}
	p->group = group_need(c, p->space, p->subject_spaces, p->subject);
	vec_push(&c->groups.at[p->group].policies, p);
	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		for (size_t i = 0; i < p->n_rules[dir] && p->isolates[dir]; i++) {
			number_rule(c, m, p, &p->rules[dir][i]);
		}
	}
}

/* ---- cutting the address line at the blocks' ends ---- */

/* False: there is none after it. */
static bool ip_step(struct ip *ip, int by)
{
	int n = ip->family == IP_V4 ? 4 : 16;

	for (int i = n - 1; i >= 0; i--) {
		ip->bytes[i] = (uint8_t)(ip->bytes[i] + by);
		if (ip->bytes[i] != (by > 0 ? 0 : 255)) {
			return true;
		}
	}
	return false;
}

struct cutter {
	struct policy_compiler *c;
	id_vec open; /* blocks around the current address, widest first: prefixes nest or are apart
	              */
	struct ip at;
	bool past; /* 'at' went past the last address there is */
};

static int by_id(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void cut_atom(struct cutter *k, struct ip to)
{
	struct atom a = { k->at, to, NULL, k->open.n };
	uint32_t *ids;

	if (k->past || !k->open.n || ip_cmp(k->at, to) > 0) {
		return;
	}
	ids = arena_dup(&k->c->arena, k->open.at, k->open.n * sizeof(*ids));
	qsort(ids, k->open.n, sizeof(*ids), by_id);
	a.blocks = ids;
	vec_push(&k->c->atoms, a);
}

static void close_block(struct cutter *k)
{
	struct ip last = prefix_last(k->c->blocks.at[k->open.at[k->open.n - 1]]);

	cut_atom(k, last);
	k->open.n--;
	k->at = last;
	k->past = !ip_step(&k->at, 1);
}

static void open_block(struct cutter *k, uint32_t id)
{
	struct prefix p = k->c->blocks.at[id];
	struct ip before = p.ip;

	while (k->open.n &&
	       ip_cmp(prefix_last(k->c->blocks.at[k->open.at[k->open.n - 1]]), p.ip) < 0) {
		close_block(k);
	}
	if (k->open.n && ip_step(&before, -1)) {
		cut_atom(k, before);
	}
	vec_push(&k->open, id);
	k->at = p.ip;
	k->past = false;
}

static int by_prefix(const void *a, const void *b, void *blocks)
{
	const struct prefix *all = blocks;
	const struct prefix *x = &all[*(const uint32_t *)a], *y = &all[*(const uint32_t *)b];
	int r = ip_cmp(x->ip, y->ip);

	return r ? r : (int)x->len - (int)y->len;
}

static void cut_atoms(struct policy_compiler *c)
{
	struct cutter k = { .c = c };
	id_vec order = { 0 };

	vec_clear(&c->atoms);
	for (uint32_t i = 0; i < c->blocks.n; i++) {
		vec_push(&order, i);
	}
	if (order.n) {
		qsort_r(order.at, order.n, sizeof(*order.at), by_prefix, c->blocks.at);
	}
	for (size_t i = 0; i < order.n; i++) {
		open_block(&k, order.at[i]);
	}
	while (k.open.n) {
		close_block(&k);
	}
	vec_fini(&k.open);
	vec_fini(&order);
}

static const struct atom *atom_at(const struct policy_compiler *c, struct ip ip)
{
	size_t low = 0, high = c->atoms.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ip_cmp(c->atoms.at[mid].to, ip) < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low < c->atoms.n && ip_cmp(c->atoms.at[low].from, ip) <= 0 ? &c->atoms.at[low]
	                                                                  : NULL;
}

/* ---- classes ---- */

uint16_t class_port_number(const struct class *k, uint32_t named)
{
	for (size_t i = 0; i < k->n_ports; i++) {
		if (k->ports[i].named == named) {
			return k->ports[i].number;
		}
	}
	return 0;
}

bool class_has_block(const struct class *k, uint32_t block)
{
	for (size_t i = 0; i < k->n_blocks; i++) {
		if (k->blocks[i] == block) {
			return true;
		}
	}
	return false;
}

static bool id_is_free(const struct policy_compiler *c, uint32_t id, bool also_from_before)
{
	uint32_t used = id < c->id_epochs.n ? c->id_epochs.at[id] : 0;

	return used != c->epoch && !(also_from_before && used && used == c->epoch - 1);
}

/* The id an address had before if no other class has taken it; else the smallest that is neither in
 * use now nor was before the last change of policies. */
static uint32_t take_id(struct policy_compiler *c, uint32_t wish)
{
	uint32_t id = wish;

	if (!wish || !id_is_free(c, wish, false)) {
		while (!id_is_free(c, c->id_scan, true)) {
			c->id_scan++;
		}
		id = c->id_scan;
	}
	must(id < MODEL_CLASS_MAX);
	while (c->id_epochs.n <= id) {
		vec_push(&c->id_epochs, 0u);
	}
	c->id_epochs.at[id] = c->epoch;
	return id;
}

static struct slice class_key(struct strbuf *b, const struct class *k)
{
	uint32_t head[] = { k->is_pod, (uint32_t)k->n_groups, (uint32_t)k->n_blocks };

	strbuf_add(b, head, sizeof(head));
	strbuf_add(b, k->groups, k->n_groups * sizeof(*k->groups));
	strbuf_add(b, k->blocks, k->n_blocks * sizeof(*k->blocks));
	for (size_t i = 0; i < k->n_ports; i++) {
		strbuf_add(b, &k->ports[i].named, sizeof(k->ports[i].named));
		strbuf_add(b, &k->ports[i].number, sizeof(k->ports[i].number));
	}
	return strbuf_slice(b);
}

static const struct class *class_need(struct policy_compiler *c, const struct class *like,
                                      uint32_t wish)
{
	scoped_strbuf struct strbuf key = { 0 };
	struct class *k = map_find(&c->class_by_key, class_key(&key, like));

	if (!k) {
		k = arena_dup(&c->arena, like, sizeof(*like));
		k->groups =
			arena_dup(&c->arena, like->groups, like->n_groups * sizeof(*like->groups));
		k->blocks =
			arena_dup(&c->arena, like->blocks, like->n_blocks * sizeof(*like->blocks));
		k->ports = arena_dup(&c->arena, like->ports, like->n_ports * sizeof(*like->ports));
		k->id = take_id(c, wish);
		map_set(&c->class_by_key, strbuf_slice(&key), k);
		vec_push(&c->classes, k);
		c->rows_stale = true;
	}
	return k;
}

static bool group_holds(const struct group *g, const struct pod *p)
{
	if (g->spaces ? !selector_matches(g->spaces, p->space->labels) : g->space != p->space) {
		return false;
	}
	return !g->pods || selector_matches(g->pods, p->labels);
}

static void add_groups(const struct policy_compiler *c, const id_vec *list, const struct pod *p,
                       id_vec *out)
{
	for (size_t i = 0; list && i < list->n; i++) {
		if (group_holds(&c->groups.at[list->at[i]], p)) {
			vec_push(out, list->at[i]);
		}
	}
}

/* The class of a pod at an address within an atom (or none). */
static const struct class *work_out(struct policy_compiler *c, const struct pod *p,
                                    const struct atom *atom, uint32_t wish)
{
	struct class like = { .is_pod = true };
	VEC(struct class_port) ports = { 0 };
	id_vec groups = { 0 };
	const struct class *k;

	add_groups(c, map_find(&c->space_groups, slice_of(p->space->name)), p, &groups);
	add_groups(c, &c->wide_groups, p, &groups);
	if (groups.n) {
		qsort(groups.at, groups.n, sizeof(*groups.at), by_id);
	}
	for (uint32_t i = 0; i < c->named.n; i++) {
		uint16_t number = pod_named_port(p, c->named.at[i].name, c->named.at[i].proto);

		if (number) {
			vec_push(&ports, ((struct class_port){ i, number }));
		}
	}
	like.groups = groups.at;
	like.n_groups = groups.n;
	like.blocks = atom ? atom->blocks : NULL;
	like.n_blocks = atom ? atom->n_blocks : 0;
	like.ports = ports.at;
	like.n_ports = ports.n;
	k = class_need(c, &like, wish);
	vec_fini(&groups);
	vec_fini(&ports);
	return k;
}

/* The class of a pod at one of its addresses. */
static uint32_t classify(struct policy_compiler *c, const struct pod *p, struct ip ip,
                         uint32_t wish)
{
	const struct atom *atom = atom_at(c, ip);
	const uint64_t parts[] = { p->space->id, p->kind->id,
		                   atom ? (uint64_t)(atom - c->atoms.at) + 1 : 0 };
	struct slice key = { (const char *)parts, sizeof(parts) };
	const struct class *k = map_find(&c->memo, key);

	if (!k) {
		if (c->memo.n == MODEL_MEMO_MAX) {
			map_fini(&c->memo);
		}
		k = work_out(c, p, atom, wish);
		map_set(&c->memo, key, (void *)(uintptr_t)k);
	}
	return k->id;
}

/* ---- the pods of the table ---- */

static int by_ip(const void *a, const void *b)
{
	return ip_cmp(((const struct policy_pod *)a)->ip, ((const struct policy_pod *)b)->ip);
}

/* Where ip is, or would be. */
static size_t pod_place(const struct policy_compiler *c, struct ip ip)
{
	size_t low = 0, high = c->pods.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ip_cmp(c->pods.at[mid].ip, ip) < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

static bool update_address(struct policy_compiler *c, const struct model *m, struct ip ip)
{
	const struct pod *p = pod_at(m, ip);
	size_t at = pod_place(c, ip);
	bool here = at < c->pods.n && ip_eq(c->pods.at[at].ip, ip);
	struct policy_pod now = { ip, p ? classify(c, p, ip, 0) : 0 };

	if (!p) {
		if (here) {
			vec_remove(&c->pods, at);
		}
		return here;
	}
	if (here) {
		bool same = c->pods.at[at].class_id == now.class_id;

		c->pods.at[at] = now;
		return !same;
	}
	vec_push(&c->pods, now);
	memmove(&c->pods.at[at + 1], &c->pods.at[at], (c->pods.n - at - 1) * sizeof(now));
	c->pods.at[at] = now;
	return true;
}

/* All of them anew; their classes of before are kept where that says something. True: something
 * changed. */
static bool update_all(struct policy_compiler *c, const struct model *m)
{
	VEC(struct policy_pod) now = { 0 };
	bool changed;

	for (struct map_iter it = { 0 }; map_next(&m->pod_by_ip, &it);) {
		vec_push(&now, ((struct policy_pod){ ((struct pod_address *)it.value)->ip, 0 }));
	}
	if (now.n) {
		qsort(now.at, now.n, sizeof(*now.at), by_ip);
	}
	for (size_t i = 0; i < now.n; i++) {
		size_t at = pod_place(c, now.at[i].ip);
		bool here = at < c->pods.n && ip_eq(c->pods.at[at].ip, now.at[i].ip);

		now.at[i].class_id = classify(c, pod_at(m, now.at[i].ip), now.at[i].ip,
		                              here ? c->pods.at[at].class_id : 0);
	}
	changed = now.n != c->pods.n;
	for (size_t i = 0; i < now.n && !changed; i++) {
		changed = !ip_eq(now.at[i].ip, c->pods.at[i].ip) ||
		          now.at[i].class_id != c->pods.at[i].class_id;
	}
	vec_fini(&c->pods);
	c->pods.at = now.at;
	c->pods.n = now.n;
	c->pods.room = now.room;
	return changed;
}

void class_update(struct policy_compiler *c, const struct model *m)
{
	bool changed = false;

	if (c->dirty.n > c->pods.n / 8 + 64) {
		changed = update_all(c, m);
	} else {
		for (size_t i = 0; i < c->dirty.n; i++) {
			changed = update_address(c, m, c->dirty.at[i]) || changed;
		}
	}
	vec_clear(&c->dirty);
	c->table.pods_version += (uint64_t)changed;
}

/* ---- the whole ---- */

static void forget(struct policy_compiler *c)
{
	for (size_t i = 0; i < c->groups.n; i++) {
		vec_fini(&c->groups.at[i].policies);
	}
	for (struct map_iter it = { 0 }; map_next(&c->space_groups, &it);) {
		id_vec *list = it.value;

		vec_fini(list);
		free(list);
	}
	map_fini(&c->space_groups);
	map_fini(&c->group_ids);
	map_fini(&c->block_ids);
	map_fini(&c->class_by_key);
	map_fini(&c->memo);
	vec_clear(&c->groups);
	vec_clear(&c->wide_groups);
	vec_clear(&c->blocks);
	vec_clear(&c->named);
	vec_clear(&c->atoms);
	vec_clear(&c->classes);
	arena_reset(&c->arena);
}

/* The class that the addresses of an atom had, if one block of before began at the same place. */
static uint32_t former_block_class(const struct policy_block *old, size_t n, struct ip from)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ip_cmp(old[mid].to, from) < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low < n && ip_cmp(old[low].from, from) <= 0 ? old[low].class_id : 0;
}

static void classify_atoms(struct policy_compiler *c)
{
	VEC(struct policy_block) now = { 0 };
	bool changed;

	for (size_t i = 0; i < c->atoms.n; i++) {
		const struct atom *a = &c->atoms.at[i];
		struct class like = { .blocks = a->blocks, .n_blocks = a->n_blocks };
		uint32_t wish = former_block_class(c->table_blocks.at, c->table_blocks.n, a->from);
		uint32_t id = class_need(c, &like, wish)->id;

		vec_push(&now, ((struct policy_block){ a->from, a->to, id }));
	}
	changed = now.n != c->table_blocks.n;
	for (size_t i = 0; i < now.n && !changed; i++) {
		const struct policy_block *a = &now.at[i], *b = &c->table_blocks.at[i];

		changed = !ip_eq(a->from, b->from) || !ip_eq(a->to, b->to) ||
		          a->class_id != b->class_id;
	}
	c->table.rules_version += (uint64_t)changed;
	vec_fini(&c->table_blocks);
	c->table_blocks.at = now.at;
	c->table_blocks.n = now.n;
	c->table_blocks.room = now.room;
}

static int by_precedence(const void *a, const void *b)
{
	return policy_cmp(*(struct policy *const *)a, *(struct policy *const *)b);
}

void class_rebuild(struct policy_compiler *c, const struct model *m)
{
	VEC(struct policy *) all = { 0 };

	forget(c);
	for (size_t i = 0; i < m->by_precedence.n; i++) {
		vec_push(&all, m->by_precedence.at[i]);
	}
	for (struct map_iter it = { 0 }; map_next(&m->policies, &it);) {
		vec_push(&all, (struct policy *)it.value);
	}
	if (all.n) {
		qsort(all.at, all.n, sizeof(*all.at), by_precedence);
	}
	for (size_t i = 0; i < all.n; i++) {
		number_policy(c, m, all.at[i]);
	}
	vec_fini(&all);
	cut_atoms(c);
	c->epoch++;
	c->id_scan = 1;
	c->table.pods_version += (uint64_t)update_all(c, m);
	classify_atoms(c);
	vec_clear(&c->dirty);
	c->rules_changed = false;
	c->rows_stale = true;
}
