/* Why: writes the rows of the policy table, class by class, and reads them as the kernel does; see
 * policy-table.h for the form and policy-class.h for the classes. */
#include "model/policy-class.h"

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

/* ---- writing rows ---- */

typedef VEC(struct policy_row) row_vec;
typedef VEC(const struct class *) class_vec;

struct writer {
	struct policy_compiler *c;
	enum policy_direction dir;
	const struct class *subject;
	row_vec rows;        /* of the subject, as they come */
	class_vec *by_group; /* classes in each group */
	class_vec *by_block; /* classes in each block */
};

static void emit(struct writer *w, uint32_t peer, unsigned proto, uint16_t from, uint16_t to)
{
	vec_push(&w->rows, ((struct policy_row){ w->subject->id, peer, from, to, (uint8_t)proto }));
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
	const class_vec *classes = p->type == PEER_PODS    ? &w->by_group[p->group]
	                           : p->type == PEER_BLOCK ? &w->by_block[p->block]
	                                                   : NULL;

	for (size_t i = 0; classes && i < classes->n; i++) {
		if (p->type != PEER_BLOCK || !is_excepted(classes->at[i], p)) {
			emit_ports(w, classes->at[i], r);
		}
	}
}

static void emit_policy(struct writer *w, const struct policy *p)
{
	for (size_t i = 0; i < p->n_rules[w->dir]; i++) {
		const struct policy_rule *r = &p->rules[w->dir][i];

		if (!r->n_peers) {
			emit_ports(w, NULL, r);
		}
		for (size_t k = 0; k < r->n_peers; k++) {
			emit_peer(w, &r->peers[k], r);
		}
	}
}

/* ---- canonical rows ---- */

static int cmp_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int by_row(const void *a, const void *b)
{
	const struct policy_row *x = a, *y = b;
	int r = cmp_u32(x->subject, y->subject);

	r = r ? r : cmp_u32(x->peer, y->peer);
	r = r ? r : (int)x->proto - (int)y->proto;
	r = r ? r : (int)x->port_from - (int)y->port_from;
	return r ? r : (int)x->port_to - (int)y->port_to;
}

static bool same_line(const struct policy_row *a, const struct policy_row *b)
{
	return a->subject == b->subject && a->peer == b->peer && a->proto == b->proto;
}

/* Sorted rows: overlapping and adjoining intervals become one. */
static void merge_intervals(row_vec *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++) {
		struct policy_row *last = n ? &v->at[n - 1] : NULL, row = v->at[i];

		if (last && same_line(last, &row) && row.port_from <= (unsigned)last->port_to + 1) {
			last->port_to = row.port_to > last->port_to ? row.port_to : last->port_to;
		} else {
			v->at[n++] = row;
		}
	}
	v->n = n;
}

/* The row of (subject, peer, proto) that holds 'port', or null. */
static const struct policy_row *row_find(const struct policy_row *rows, size_t n, uint32_t subject,
                                         uint32_t peer, unsigned proto, uint16_t port)
{
	struct policy_row want = { subject, peer, port, UINT16_MAX, (uint8_t)proto };
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (by_row(&rows[mid], &want) <= 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low && same_line(&rows[low - 1], &want) && rows[low - 1].port_to >= port
	               ? &rows[low - 1]
	               : NULL;
}

static bool is_covered(const row_vec *v, const struct policy_row *r, uint32_t peer, unsigned proto)
{
	const struct policy_row *by = row_find(v->at, v->n, r->subject, peer, proto, r->port_from);

	return by && by != r && by->port_to >= r->port_to;
}

/* Appends the rows without those that one of any peer, or of any protocol, makes needless. */
static void add_uncovered(const row_vec *v, row_vec *out)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct policy_row *r = &v->at[i];

		if (!is_covered(v, r, POLICY_PEER_ANY, POLICY_PROTO_ANY) &&
		    !is_covered(v, r, POLICY_PEER_ANY, r->proto) &&
		    !is_covered(v, r, r->peer, POLICY_PROTO_ANY)) {
			vec_push(out, *r);
		}
	}
}

/* ---- the table ---- */

static int by_name(const void *a, const void *b)
{
	const struct policy *x = *(const struct policy *const *)a,
			    *y = *(const struct policy *const *)b;
	int r = strcmp(x->space->name, y->space->name);

	return r ? r : slice_cmp(x->name, y->name);
}

static int by_class_id(const void *a, const void *b)
{
	return cmp_u32((*(const struct class *const *)a)->id,
	               (*(const struct class *const *)b)->id);
}

typedef VEC(struct policy_isolated) isolated_vec;

static void write_class(struct writer *w, struct arena *a, isolated_vec *isolated)
{
	const struct class *k = w->subject;
	VEC(const struct policy *) by = { 0 };
	const struct val **docs;

	for (size_t i = 0; i < k->n_groups; i++) {
		const struct group *g = &w->c->groups.at[k->groups[i]];

		for (size_t n = 0; n < g->policies.n; n++) {
			if (g->policies.at[n]->isolates[w->dir]) {
				vec_push(&by, g->policies.at[n]);
			}
		}
	}
	if (by.n) {
		qsort(by.at, by.n, sizeof(*by.at), by_name);
		docs = ARENA_ARRAY(a, const struct val *, by.n);
		for (size_t i = 0; i < by.n; i++) {
			docs[i] = by.at[i]->doc->root;
			emit_policy(w, by.at[i]);
		}
		vec_push(isolated, ((struct policy_isolated){ k->id, docs, by.n }));
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
		if (by_row(&a->at[i], &b[i]) != 0) {
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
		vec_clear(&w->rows);
		write_class(w, a, &isolated);
		if (w->rows.n) {
			qsort(w->rows.at, w->rows.n, sizeof(*w->rows.at), by_row);
		}
		merge_intervals(&w->rows);
		add_uncovered(&w->rows, &rows);
	}
	vec_fini(&w->rows);
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

static bool admits(const struct policy_table *t, enum policy_direction dir, uint32_t subject,
                   uint32_t peer, const struct flow *f)
{
	const uint32_t peers[] = { POLICY_PEER_ANY, peer };
	const unsigned protos[] = { POLICY_PROTO_ANY, f->proto };

	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(protos); k++) {
			if (row_find(t->rows[dir], t->n_rows[dir], subject, peers[i], protos[k],
			             f->dst_port)) {
				return true;
			}
		}
	}
	return !policy_table_isolation(t, dir, subject);
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
