/* Why: writes the rows of the policy table, class by class, and reads them as the kernel does; see
 * policy-table.h for the form, policy-class.h for the classes, policy-rows.h for how rules of
 * several tiers become rows. */
#include "model/policy-class.h"
#include "model/policy-rows.h"

/* ---- life ---- */

struct policy_compiler *policy_compiler_new(void)
{
	struct policy_compiler *c = NEW(struct policy_compiler);

	c->rules_changed = true;
	c->epoch = 1;
	return c;
}

void policy_compiler_free(struct policy_compiler *c)
{
	for (size_t i = 0; i < c->groups.n; i++) {
		vec_fini(&c->groups.at[i].policies);
	}
	for (struct map_iter it = { 0 }; map_next(&c->space_groups, &it);) {
		id_vec *list = it.value;

		vec_fini(list);
		free(list);
	}
	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		vec_fini(&c->isolated[dir]);
		vec_fini(&c->rows[dir]);
	}
	map_fini(&c->space_groups);
	map_fini(&c->group_ids);
	map_fini(&c->block_ids);
	map_fini(&c->class_by_key);
	map_fini(&c->memo);
	vec_fini(&c->dirty);
	vec_fini(&c->groups);
	vec_fini(&c->wide_groups);
	vec_fini(&c->blocks);
	vec_fini(&c->named);
	vec_fini(&c->atoms);
	vec_fini(&c->classes);
	vec_fini(&c->id_epochs);
	vec_fini(&c->pods);
	vec_fini(&c->table_blocks);
	arena_fini(&c->arena);
	arena_fini(&c->isolated_arena);
	free(c);
}

void policy_compiler_rules_changed(struct policy_compiler *c)
{
	c->rules_changed = true;
}

void policy_compiler_address_changed(struct policy_compiler *c, struct ip ip)
{
	if (c->rules_changed) {
		return;
	}
	if (c->dirty.n == MODEL_DIRTY_MAX) {
		c->rules_changed =
			true; /* nobody asks for the table: start over when somebody does */
		vec_clear(&c->dirty);
		return;
	}
	vec_push(&c->dirty, ip);
}

/* ---- what policies claim ---- */

typedef VEC(const struct class *) class_vec;

struct writer {
	struct policy_compiler *c;
	enum policy_direction dir;
	const struct class *subject;
	uint32_t rank; /* of the rule that is being read */
	enum policy_action action;
	claim_vec claims;    /* about the subject, as they come */
	class_vec *by_group; /* classes in each group */
	class_vec *by_block; /* classes in each block */
};

static void emit(struct writer *w, uint32_t peer, unsigned proto, uint16_t from, uint16_t to)
{
	vec_push(&w->claims, ((struct policy_claim){ peer, w->rank, from, to, (uint8_t)proto,
	                                             (uint8_t)w->action }));
}

/* Named ports belong to the destination: the subject on ingress, the peer on egress. */
static void emit_named(struct writer *w, const struct class *peer, const struct policy_port *p)
{
	const struct class *target = w->dir == POLICY_INGRESS ? w->subject : peer;
	uint16_t number = class_port_number(target, p->named);

	if (number) {
		emit(w, peer ? peer->id : POLICY_PEER_ANY, p->proto, number, number);
	}
}

static void emit_named_anywhere(struct writer *w, const struct policy_port *p)
{
	if (w->dir == POLICY_INGRESS) {
		emit_named(w, NULL, p);
		return;
	}
	for (size_t i = 0; i < w->c->classes.n; i++) {
		emit_named(w, w->c->classes.at[i], p);
	}
}

/* peer null: any. */
static void emit_ports(struct writer *w, const struct class *peer, const struct policy_rule *r)
{
	uint32_t id = peer ? peer->id : POLICY_PEER_ANY;

	if (!r->n_ports) {
		emit(w, id, POLICY_PROTO_ANY, 0, UINT16_MAX);
	}
	for (size_t i = 0; i < r->n_ports; i++) {
		const struct policy_port *p = &r->ports[i];

		if (!p->proto) {
			continue;
		}
		if (!p->name.len) {
			emit(w, id, p->proto, p->from, p->to);
		} else if (peer) {
			emit_named(w, peer, p);
		} else {
			emit_named_anywhere(w, p);
		}
	}
}

static bool is_excepted(const struct class *k, const struct policy_peer *p)
{
	for (size_t i = 0; i < p->n_except; i++) {
		if (class_has_block(k, p->except_blocks[i])) {
			return true;
		}
	}
	return false;
}

static void emit_peer(struct writer *w, const struct policy_peer *p, const struct policy_rule *r)
{
	const class_vec *pods = p->type == PEER_PODS ? &w->by_group[p->group] : NULL;

	for (size_t i = 0; pods && i < pods->n; i++) {
		emit_ports(w, pods->at[i], r);
	}
	for (size_t b = 0; p->type != PEER_PODS && b < p->n_blocks; b++) {
		const class_vec *classes = &w->by_block[p->blocks[b]];

		for (size_t i = 0; i < classes->n; i++) {
			if (!is_excepted(classes->at[i], p)) {
				emit_ports(w, classes->at[i], r);
			}
		}
	}
}

static void emit_rule(struct writer *w, const struct policy_rule *r)
{
	w->action = r->action;
	if (!r->n_peers) {
		emit_ports(w, NULL, r);
	}
	for (size_t k = 0; k < r->n_peers; k++) {
		emit_peer(w, &r->peers[k], r);
	}
}

/* After all tiers, where no policy of the pod's namespace isolates it. */
static void emit_open(struct writer *w)
{
	w->rank = ((uint32_t)TIER_BASELINE + 1) << RANK_TIER_SHIFT;
	w->action = POLICY_ALLOW;
	emit(w, POLICY_PEER_ANY, POLICY_PROTO_ANY, 0, UINT16_MAX);
}

/* Rules of namespaced policies have no order among them: all get the same rank. */
static void emit_policy(struct writer *w, const struct policy *p)
{
	if (w->rank >> RANK_TIER_SHIFT != (uint32_t)p->tier) {
		w->rank = (uint32_t)p->tier << RANK_TIER_SHIFT;
	}
	for (size_t i = 0; i < p->n_rules[w->dir]; i++) {
		w->rank += p->tier != TIER_NAMESPACED;
		emit_rule(w, &p->rules[w->dir][i]);
	}
}

/* ---- the table ---- */

static int by_precedence(const void *a, const void *b)
{
	return policy_cmp(*(const struct policy *const *)a, *(const struct policy *const *)b);
}

static int by_class_id(const void *a, const void *b)
{
	uint32_t x = (*(const struct class *const *)a)->id,
		 y = (*(const struct class *const *)b)->id;

	return x < y ? -1 : x > y;
}

typedef VEC(struct policy_isolated) isolated_vec;

typedef VEC(const struct policy *) policy_vec;

/* Policies that have a say about the subject, in order of precedence. */
static void list_policies(const struct writer *w, policy_vec *ret)
{
	const struct class *k = w->subject;
	bool isolated = false;

	for (size_t i = 0; i < k->n_groups; i++) {
		const struct group *g = &w->c->groups.at[k->groups[i]];

		for (size_t n = 0; n < g->policies.n; n++) {
			if (g->policies.at[n]->isolates[w->dir]) {
				vec_push(ret, g->policies.at[n]);
				isolated |= g->policies.at[n]->tier == TIER_NAMESPACED;
			}
		}
	}
	if (ret->n) {
		qsort(ret->at, ret->n, sizeof(*ret->at), by_precedence);
	}
	while (isolated && ret->at[ret->n - 1]->tier == TIER_BASELINE) {
		ret->n--;
	}
}

static void write_class(struct writer *w, struct arena *a, isolated_vec *isolated, row_vec *rows)
{
	policy_vec by = { 0 };
	const struct val **docs;
	bool is_isolated = false;

	list_policies(w, &by);
	if (by.n) {
		docs = ARENA_ARRAY(a, const struct val *, by.n);
		w->rank = 0;
		vec_clear(&w->claims);
		for (size_t i = 0; i < by.n; i++) {
			docs[i] = by.at[i]->doc->root;
			is_isolated |= by.at[i]->tier == TIER_NAMESPACED;
			emit_policy(w, by.at[i]);
		}
		if (!is_isolated) {
			emit_open(w);
		}
		vec_push(isolated, ((struct policy_isolated){ w->subject->id, docs, by.n }));
		rows_of_claims(w->subject->id, &w->claims, rows);
	}
	vec_fini(&by);
}

static bool same_isolated(const isolated_vec *a, const struct policy_isolated *b, size_t n)
{
	if (a->n != n) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const struct policy_isolated *x = &a->at[i], *y = &b[i];

		if (x->class_id != y->class_id || x->n_policies != y->n_policies ||
		    memcmp(x->policies, y->policies, x->n_policies * sizeof(struct val *)) != 0) {
			return false;
		}
	}
	return true;
}

static bool same_rows(const row_vec *a, const struct policy_row *b, size_t n)
{
	for (size_t i = 0; a->n == n && i < n; i++) {
		if (row_cmp(&a->at[i], &b[i]) != 0 || a->at[i].admits != b[i].admits) {
			return false;
		}
	}
	return a->n == n;
}

/* Writes one direction; true when it is not as before. */
static bool write_direction(struct writer *w, const class_vec *order, struct arena *a)
{
	struct policy_compiler *c = w->c;
	isolated_vec isolated = { 0 };
	row_vec rows = { 0 };
	bool changed;

	/* Subjects come in order, so what one of them needs can be made canonical by itself: the
	 * raw rows are never there all at once. */
	for (size_t i = 0; i < order->n; i++) {
		w->subject = order->at[i];
		write_class(w, a, &isolated, &rows);
	}
	vec_fini(&w->claims);
	changed = !same_isolated(&isolated, c->isolated[w->dir].at, c->isolated[w->dir].n) ||
	          !same_rows(&rows, c->rows[w->dir].at, c->rows[w->dir].n);
	vec_fini(&c->isolated[w->dir]);
	vec_fini(&c->rows[w->dir]);
	c->isolated[w->dir].at = isolated.at;
	c->isolated[w->dir].n = isolated.n;
	c->isolated[w->dir].room = isolated.room;
	c->rows[w->dir].at = rows.at;
	c->rows[w->dir].n = rows.n;
	c->rows[w->dir].room = rows.room;
	return changed;
}

static void list_classes(struct writer *w, class_vec *order)
{
	struct policy_compiler *c = w->c;

	w->by_group = mem_alloc((c->groups.n + 1) * sizeof(*w->by_group));
	w->by_block = mem_alloc((c->blocks.n + 1) * sizeof(*w->by_block));
	for (size_t i = 0; i < c->classes.n; i++) {
		const struct class *k = c->classes.at[i];

		for (size_t g = 0; g < k->n_groups; g++) {
			vec_push(&w->by_group[k->groups[g]], k);
		}
		for (size_t b = 0; b < k->n_blocks; b++) {
			vec_push(&w->by_block[k->blocks[b]], k);
		}
		if (k->is_pod) {
			vec_push(order, k);
		}
	}
	if (order->n) {
		qsort(order->at, order->n, sizeof(*order->at), by_class_id);
	}
}

static void write_rows(struct policy_compiler *c)
{
	struct writer w = { .c = c };
	class_vec order = { 0 };
	struct arena arena = { 0 };
	bool changed = false;

	list_classes(&w, &order);
	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		w.dir = (enum policy_direction)dir;
		changed = write_direction(&w, &order, &arena) || changed;
	}
	arena_fini(&c->isolated_arena);
	c->isolated_arena = arena;
	c->table.rules_version += (uint64_t)changed;
	for (size_t i = 0; i < c->groups.n; i++) {
		vec_fini(&w.by_group[i]);
	}
	for (size_t i = 0; i < c->blocks.n; i++) {
		vec_fini(&w.by_block[i]);
	}
	free(w.by_group);
	free(w.by_block);
	vec_fini(&order);
	c->rows_stale = false;
}

const struct policy_table *policy_table_of(const struct model *m)
{
	struct policy_compiler *c = m->compiler;

	if (c->rules_changed) {
		class_rebuild(c, m);
	} else if (c->dirty.n) {
		class_update(c, m);
	}
	if (c->rows_stale) {
		write_rows(c);
	}
	c->table.pods = c->pods.at;
	c->table.n_pods = c->pods.n;
	c->table.blocks = c->table_blocks.at;
	c->table.n_blocks = c->table_blocks.n;
	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		c->table.isolated[dir] = c->isolated[dir].at;
		c->table.n_isolated[dir] = c->isolated[dir].n;
		c->table.rows[dir] = c->rows[dir].at;
		c->table.n_rows[dir] = c->rows[dir].n;
	}
	return &c->table;
}

/* ---- reading ---- */

static uint32_t class_in_pods(const struct policy_table *t, struct ip ip)
{
	size_t low = 0, high = t->n_pods;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int r = ip_cmp(t->pods[mid].ip, ip);

		if (r == 0) {
			return t->pods[mid].class_id;
		}
		if (r < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return POLICY_CLASS_NONE;
}

static uint32_t class_in_blocks(const struct policy_table *t, struct ip ip)
{
	size_t low = 0, high = t->n_blocks;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ip_cmp(t->blocks[mid].to, ip) < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low < t->n_blocks && ip_cmp(t->blocks[low].from, ip) <= 0 ? t->blocks[low].class_id
	                                                                 : POLICY_CLASS_NONE;
}

uint32_t policy_table_class(const struct policy_table *t, struct ip ip)
{
	uint32_t id = class_in_pods(t, ip);

	return id ? id : class_in_blocks(t, ip);
}

const struct policy_isolated *policy_table_isolation(const struct policy_table *t,
                                                     enum policy_direction dir, uint32_t class_id)
{
	size_t low = 0, high = t->n_isolated[dir];

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct policy_isolated *i = &t->isolated[dir][mid];

		if (i->class_id == class_id) {
			return i;
		}
		if (i->class_id < class_id) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return NULL;
}

static const struct policy_row *row_of(const struct policy_table *t, enum policy_direction dir,
                                       uint32_t subject, uint32_t peer, const struct flow *f)
{
	bool is_other = f->proto != PROTO_TCP && f->proto != PROTO_UDP && f->proto != PROTO_SCTP;
	const struct policy_row *r = row_find(t->rows[dir], t->n_rows[dir], subject, peer,
	                                      POLICY_PROTO_ANY, f->dst_port);

	return r ? r
	         : row_find(t->rows[dir], t->n_rows[dir], subject, peer,
	                    is_other ? POLICY_PROTO_OTHERS : (unsigned)f->proto, f->dst_port);
}

static bool admits(const struct policy_table *t, enum policy_direction dir, uint32_t subject,
                   uint32_t peer, const struct flow *f)
{
	const struct policy_row *r;

	if (!policy_table_isolation(t, dir, subject)) {
		return true;
	}
	r = row_of(t, dir, subject, peer, f);
	r = r ? r : row_of(t, dir, subject, POLICY_PEER_ANY, f);
	return r && r->admits;
}

enum verdict policy_table_decide(const struct policy_table *t, const struct flow *f)
{
	uint32_t s = policy_table_class(t, f->src), d = policy_table_class(t, f->dst);

	if (ip_eq(f->src, f->dst)) {
		return VERDICT_ALLOW;
	}
	if (!admits(t, POLICY_EGRESS, s, d, f)) {
		return VERDICT_DENY_EGRESS;
	}
	return admits(t, POLICY_INGRESS, d, s, f) ? VERDICT_ALLOW : VERDICT_DENY_INGRESS;
}
