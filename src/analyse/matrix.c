/* Why: turns the policy table's rows into rows of who reaches whom; see matrix.h. The ends are made
 * in matrix-ends.c.
 *
 * For a source s and a destination d (classes of the table):
 *
 *     cell(s, d) = egress(s, d) and ingress(d, s)
 *     side(subject, peer) = everything            when no policy isolates the subject
 *                         = any(subject), and what rows of this peer admit and deny    else
 *
 * 'any' is one number per class; 'own' are the few peers that rows name. Egress is kept by source.
 * Ingress is kept by peer, that is by source too, so that a row of the matrix is one pass over all
 * classes and one over what s is named in. */
#include "analyse/matrix-priv.h"

#include <string.h>

#include "base/mem.h"
#include "base/must.h"

/* ---- reading the table ---- */

static struct ports ports_of_row(struct arena *a, const struct policy_row *r)
{
	struct ports others = { .others = true };

	switch (r->proto) {
	case POLICY_PROTO_ANY:
		return ports_all();
	case POLICY_PROTO_OTHERS:
		return others;
	default:
		return ports_of(a, (enum proto)r->proto, r->port_from, r->port_to);
	}
}

/* What those rows say that admit, or those that deny. */
static ports_id set_of_rows(struct matrix *m, const struct policy_row *rows, size_t n, bool admits)
{
	struct arena a = { 0 };
	struct ports set = ports_none();
	ports_id id;

	for (size_t i = 0; i < n; i++) {
		if (rows[i].admits == admits) {
			set = ports_union(&a, set, ports_of_row(&a, &rows[i]));
		}
	}
	id = ports_pool_id(m->pool, set);
	arena_fini(&a);
	return id;
}

static bool same_ports(const struct policy_row *a, const struct policy_row *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i].proto != b[i].proto || a[i].port_from != b[i].port_from ||
		    a[i].port_to != b[i].port_to || a[i].admits != b[i].admits) {
			return false;
		}
	}
	return true;
}

struct row_group { /* rows of one subject with one peer */
	const struct policy_row *rows;
	size_t n;
};

/* Rows of one rule follow each other with the same ports: they are interned once. */
struct row_reader {
	struct matrix *m;
	struct row_group last;
	ports_id admitted, denied;
};

/* What the group makes of what everybody gets. */
static ports_id read_group(struct row_reader *r, const struct row_group *g, ports_id any)
{
	if (r->last.n != g->n || !same_ports(r->last.rows, g->rows, g->n)) {
		r->admitted = set_of_rows(r->m, g->rows, g->n, true);
		r->denied = set_of_rows(r->m, g->rows, g->n, false);
		r->last = *g;
	}
	return ports_pool_minus(r->m->pool, ports_pool_union(r->m->pool, any, r->admitted),
	                        r->denied);
}

static bool next_group(const struct policy_table *t, enum policy_direction dir, size_t *at,
                       struct row_group *ret)
{
	const struct policy_row *rows = t->rows[dir];
	size_t from = *at, to = from;

	while (to < t->n_rows[dir] && rows[to].subject == rows[from].subject &&
	       rows[to].peer == rows[from].peer) {
		to++;
	}
	*ret = (struct row_group){ rows + from, to - from };
	*at = to;
	return to > from;
}

static void read_any(struct matrix *m, enum policy_direction dir)
{
	struct matrix_sides *s = &m->sides[dir];
	struct row_reader reader = { .m = m };
	struct row_group g;

	s->any = ARENA_ARRAY(&m->arena, ports_id, m->n_classes);
	for (uint32_t i = 0; i < m->n_classes; i++) {
		s->any[i] = PORTS_ALL;
	}
	for (size_t i = 0; i < m->table->n_isolated[dir] && !m->world.no_policies; i++) {
		s->any[m->table->isolated[dir][i].class_id] = PORTS_NONE;
	}
	for (size_t at = 0; next_group(m->table, dir, &at, &g);) {
		if (g.rows->peer == POLICY_PEER_ANY && !m->world.no_policies) {
			s->any[g.rows->subject] = read_group(&reader, &g, PORTS_NONE);
		}
	}
}

/* The source a group is about: on egress the subject, on ingress the peer. */
static uint32_t source_of(enum policy_direction dir, const struct policy_row *r)
{
	return dir == POLICY_EGRESS ? r->subject : r->peer;
}

static void read_own(struct matrix *m, enum policy_direction dir)
{
	struct matrix_sides *s = &m->sides[dir];
	struct row_reader reader = { .m = m };
	struct row_group g;
	uint32_t *filled;

	s->start = ARENA_ARRAY(&m->arena, uint32_t, m->n_classes + 1);
	for (size_t at = 0; next_group(m->table, dir, &at, &g);) {
		if (g.rows->peer != POLICY_PEER_ANY) {
			s->start[source_of(dir, g.rows) + 1]++;
		}
	}
	for (uint32_t i = 0; i < m->n_classes; i++) {
		s->start[i + 1] += s->start[i];
	}
	s->own = ARENA_ARRAY(&m->arena, struct matrix_own, s->start[m->n_classes] + 1);
	filled = mem_alloc(m->n_classes * sizeof(*filled));
	for (size_t at = 0; next_group(m->table, dir, &at, &g);) {
		uint32_t subject = g.rows->subject, source = source_of(dir, g.rows);

		if (g.rows->peer != POLICY_PEER_ANY) {
			s->own[s->start[source] + filled[source]++] = (struct matrix_own){
				dir == POLICY_EGRESS ? g.rows->peer : subject,
				read_group(&reader, &g, s->any[subject]),
			};
		}
	}
	free(filled);
}

/* Ids are small numbers: arrays by id are cheap. */
static void count_classes(struct matrix *m)
{
	const struct policy_table *t = m->table;
	uint32_t max = 0;

	for (size_t i = 0; i < t->n_pods; i++) {
		max = t->pods[i].class_id > max ? t->pods[i].class_id : max;
	}
	for (size_t i = 0; i < t->n_blocks; i++) {
		max = t->blocks[i].class_id > max ? t->blocks[i].class_id : max;
	}
	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		for (size_t i = 0; i < t->n_isolated[dir]; i++) {
			max = t->isolated[dir][i].class_id > max ? t->isolated[dir][i].class_id
			                                         : max;
		}
		for (size_t i = 0; i < t->n_rows[dir]; i++) {
			uint32_t peer = t->rows[dir][i].peer;

			max = peer != POLICY_PEER_ANY && peer > max ? peer : max;
		}
	}
	m->n_classes = max + 1;
}

/* ---- life ---- */

struct matrix *matrix_new(struct ports_pool *pool, const struct matrix_world *w)
{
	struct matrix *m = NEW(struct matrix);

	m->pool = pool;
	m->world = *w;
	m->table = policy_table_of(w->model);
	m->row_of = UINT32_MAX;
	count_classes(m);
	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		read_any(m, (enum policy_direction)dir);
		read_own(m, (enum policy_direction)dir);
	}
	matrix_make_ends(m);
	m->out = ARENA_ARRAY(&m->arena, ports_id, m->n_classes);
	m->in = ARENA_ARRAY(&m->arena, ports_id, m->n_classes);
	m->row = ARENA_ARRAY(&m->arena, ports_id, m->n_ends + 1);
	return m;
}

struct matrix *matrix_free(struct matrix *m)
{
	if (m) {
		arena_fini(&m->arena);
		free(m);
	}
	return NULL;
}

/* ---- rows ---- */

static void spread(const struct matrix *m, enum policy_direction dir, uint32_t source, ports_id *to)
{
	const struct matrix_sides *s = &m->sides[dir];

	for (uint32_t i = 0; i < m->n_classes; i++) {
		to[i] = dir == POLICY_EGRESS ? s->any[source] : s->any[i];
	}
	for (uint32_t i = s->start[source]; i < s->start[source + 1]; i++) {
		to[s->own[i].peer] = s->own[i].ports;
	}
}

static bool is_outside(const struct matrix_end *e)
{
	return e->kind != MATRIX_PODS;
}

/* What balancers let in from this part of the internet and policies admit. */
static void add_exposures(struct matrix *m, uint32_t from)
{
	const struct matrix_end *e = &m->ends[from];
	struct arena a = { 0 };

	for (size_t i = 0; i < m->world.n_exposures; i++) {
		const struct matrix_exposure *x = &m->world.exposures[i];
		uint32_t to = matrix_end_of(m, x->workload);
		uint32_t seen_as = x->keeps_source ? e->class_id : m->node_class;

		if (to == UINT32_MAX || !cidr_intersect(&a, e->addresses, x->sources).n) {
			continue;
		}
		spread(m, POLICY_INGRESS, seen_as, m->in);
		m->row[to] = ports_pool_union(
			m->pool, m->row[to],
			ports_pool_intersect(
				m->pool, m->in[m->ends[to].class_id],
				ports_pool_id(m->pool, ports_of(&a, x->proto, x->port, x->port))));
	}
	arena_fini(&a);
}

static ports_id cell_of(struct matrix *m, const struct matrix_end *from,
                        const struct matrix_end *to)
{
	uint32_t d = to->class_id;

	if (is_outside(from) && (is_outside(to) || from->kind == MATRIX_INTERNET)) {
		return PORTS_NONE;
	}
	if (from->kind == MATRIX_NODE) {
		return PORTS_ALL;
	}
	return ports_pool_intersect(m->pool, m->out[d], m->in[d]);
}

static void take_closed(struct matrix *m, const struct matrix_end *from)
{
	uint32_t source = from->kind == MATRIX_PODS ? from->workloads[0] : UINT32_MAX;
	struct arena a = { 0 };

	for (uint32_t i = 0; i < m->n_ends && from->kind != MATRIX_NODE; i++) {
		const struct matrix_end *to = &m->ends[i];

		if (to->kind == MATRIX_PODS && m->row[i] != PORTS_NONE) {
			struct ports closed =
				m->world.closed(m->world.closed_arg, &a, source, to->workloads[0]);

			m->row[i] = ports_pool_minus(m->pool, m->row[i],
			                             ports_pool_id(m->pool, closed));
		}
	}
	arena_fini(&a);
}

const ports_id *matrix_row(struct matrix *m, uint32_t from)
{
	const struct matrix_end *e = &m->ends[from];

	must(from < m->n_ends);
	if (m->row_of == from) {
		return m->row;
	}
	spread(m, POLICY_EGRESS, e->class_id, m->out);
	spread(m, POLICY_INGRESS, e->class_id, m->in);
	for (uint32_t to = 0; to < m->n_ends; to++) {
		m->row[to] = cell_of(m, e, &m->ends[to]);
	}
	if (e->kind == MATRIX_INTERNET) {
		add_exposures(m, from);
	}
	if (m->world.closed) {
		take_closed(m, e);
	}
	m->row_of = from;
	return m->row;
}

ports_id matrix_cell(struct matrix *m, uint32_t from, uint32_t to)
{
	must(to < m->n_ends);
	return matrix_row(m, from)[to];
}

ports_id matrix_side(struct matrix *m, enum policy_direction dir, uint32_t from, uint32_t to)
{
	const struct matrix_end *subject = &m->ends[dir == POLICY_EGRESS ? from : to];
	uint32_t s, d;

	must(from < m->n_ends && to < m->n_ends);
	if (is_outside(subject)) {
		return PORTS_ALL;
	}
	s = m->ends[from].class_id;
	d = m->ends[to].class_id;
	for (uint32_t i = m->sides[dir].start[s]; i < m->sides[dir].start[s + 1]; i++) {
		if (m->sides[dir].own[i].peer == d) {
			return m->sides[dir].own[i].ports;
		}
	}
	return m->sides[dir].any[dir == POLICY_EGRESS ? s : d];
}

/* ---- questions ---- */

const struct matrix_end *matrix_ends(const struct matrix *m, size_t *ret_n)
{
	*ret_n = m->n_ends;
	return m->ends;
}

const struct matrix_world *matrix_world_of(const struct matrix *m)
{
	return &m->world;
}

uint32_t matrix_end_of(const struct matrix *m, uint32_t workload)
{
	must(workload < m->world.n_workloads);
	return m->end_of[workload];
}

static bool lives_in(const struct matrix *m, const struct matrix_end *e, struct ip ip)
{
	for (size_t i = 0; i < e->n_workloads && e->kind == MATRIX_PODS; i++) {
		const struct matrix_workload *w = &m->world.workloads[e->workloads[i]];

		for (size_t k = 0; k < w->n_ips; k++) {
			if (ip_eq(w->ips[k], ip)) {
				return true;
			}
		}
	}
	return e->kind != MATRIX_PODS && cidr_has(e->addresses, ip);
}

uint32_t matrix_end_at(const struct matrix *m, struct ip ip)
{
	uint32_t class_id = policy_table_class(m->table, ip);

	for (uint32_t i = 0; i < m->n_ends; i++) {
		if (m->ends[i].class_id == class_id && lives_in(m, &m->ends[i], ip)) {
			return i;
		}
	}
	return UINT32_MAX;
}

const struct policy_isolated *matrix_isolation(const struct matrix *m, enum policy_direction dir,
                                               uint32_t end)
{
	must(end < m->n_ends);
	return is_outside(&m->ends[end])
	               ? NULL
	               : policy_table_isolation(m->table, dir, m->ends[end].class_id);
}

struct ports_pool *matrix_pool(const struct matrix *m)
{
	return m->pool;
}
