/* Why: two matrices over the joint of their ends; see diff.h. */
#include "analyse/diff-priv.h"

#include <stdlib.h>

#include "base/mem.h"

typedef VEC(struct joint) joint_vec;

struct comparing {
	struct diff *d;
	const struct diff_side *sides[2];
	joint_vec joints;
	struct causes causes;
};

/* ---- joints ---- */

static struct joint *joint_need(struct comparing *c, struct map *known, uint32_t before,
                                uint32_t after)
{
	const uint32_t key[] = { before, after };
	struct slice k = { (const char *)key, sizeof(key) };
	uintptr_t at = (uintptr_t)map_find(known, k);

	if (!at) {
		vec_push(&c->joints, ((struct joint){ .before = before, .after = after }));
		at = c->joints.n;
		map_set(known, k, (void *)at);
	}
	return &c->joints.at[at - 1];
}

static const struct workload *counterpart(const struct subject *s, const struct workload *w)
{
	const struct object *o = subject_find(s, w->object->id, w->ns, w->name);

	return o ? subject_workload(s, o) : NULL;
}

static uint32_t end_of(const struct diff_side *side, const struct workload *w)
{
	return w && !w->host_network ? matrix_end_of(side->matrix, w->id) : DIFF_NOBODY;
}

static void join_workload(struct comparing *c, struct map *known, const struct workload *was,
                          const struct workload *is)
{
	uint32_t before = end_of(c->sides[0], was), after = end_of(c->sides[1], is);
	struct joint *j;

	if (before == DIFF_NOBODY && after == DIFF_NOBODY) {
		return;
	}
	j = joint_need(c, known, before, after);
	vec_push(&j->workloads, ((struct twin){ before == DIFF_NOBODY ? NULL : was,
	                                        after == DIFF_NOBODY ? NULL : is }));
}

static void join_workloads(struct comparing *c)
{
	struct map known = { 0 };
	const struct subject *old = c->sides[0]->subject, *new = c->sides[1]->subject;

	for (size_t i = 0; i < new->workloads.n; i++) {
		join_workload(c, &known, counterpart(old, new->workloads.at[i]),
		              new->workloads.at[i]);
	}
	for (size_t i = 0; i < old->workloads.n; i++) {
		if (!counterpart(new, old->workloads.at[i])) {
			join_workload(c, &known, old->workloads.at[i], NULL);
		}
	}
	map_fini(&known);
}

static void join_outside(struct comparing *c)
{
	size_t n[2];
	const struct matrix_end *ends[2] = { matrix_ends(c->sides[0]->matrix, &n[0]),
		                             matrix_ends(c->sides[1]->matrix, &n[1]) };

	for (uint32_t i = 0; i < n[0]; i++) {
		for (uint32_t k = 0; k < n[1] && ends[0][i].kind != MATRIX_PODS; k++) {
			struct cidr_set both;

			if (ends[1][k].kind == MATRIX_PODS) {
				continue;
			}
			both = cidr_intersect(&c->d->arena, ends[0][i].addresses,
			                      ends[1][k].addresses);
			if (both.n) {
				vec_push(&c->joints,
				         ((struct joint){
						 .before = i, .after = k, .addresses = both }));
			}
		}
	}
}

static void add_workload_names(struct strbuf *b, const struct joint *j)
{
	for (size_t i = 0; i < j->workloads.n; i++) {
		const struct twin *t = &j->workloads.at[i];
		const struct workload *w = t->is ? t->is : t->was;

		strbuf_addf(b, "%s" SLICE_FMT "/" SLICE_FMT, i ? ", " : "", SLICE_ARG(w->ns),
		            SLICE_ARG(w->name));
	}
}

/* Made once; that of an end outside is what one of the sides calls it, if it is all of it. */
static struct slice name_of_joint(struct comparing *c, struct joint *j)
{
	scoped_strbuf struct strbuf b = { 0 };

	for (int side = 1; side >= 0 && !j->name.len && !j->workloads.n; side--) {
		size_t n;
		const struct matrix_end *e =
			&matrix_ends(c->sides[side]->matrix, &n)[side ? j->after : j->before];

		if (cidr_eq(e->addresses, j->addresses)) {
			j->name = slice_of(e->name);
		}
	}
	if (!j->name.len) {
		if (j->workloads.n) {
			add_workload_names(&b, j);
		} else {
			cidr_format(&b, j->addresses, 3);
		}
		j->name = arena_slice(&c->d->arena, strbuf_slice(&b));
	}
	return j->name;
}

/* ---- comparing ---- */

struct delta { /* one pair of joints that is not as before */
	uint32_t from, to, cause_id;
	ports_id before, after;
};
typedef VEC(struct delta) delta_vec;

/* The row of one side, spread over the joints. */
static void spread(const struct comparing *c, int side, const struct joint *from, ports_id *to)
{
	uint32_t end = side ? from->after : from->before;
	const ports_id *row = end == DIFF_NOBODY ? NULL : matrix_row(c->sides[side]->matrix, end);

	for (size_t i = 0; i < c->joints.n; i++) {
		uint32_t column = side ? c->joints.at[i].after : c->joints.at[i].before;

		to[i] = row && column != DIFF_NOBODY ? row[column] : PORTS_NONE;
	}
}

struct blame { /* by cause_id */
	const char *const *causes;
	size_t n;
};
typedef VEC(struct blame) blame_vec;

static void compare(struct comparing *c, delta_vec *deltas, blame_vec *blames)
{
	ports_id *was = mem_alloc((c->joints.n + 1) * sizeof(*was)),
		 *is = mem_alloc((c->joints.n + 1) * sizeof(*is));

	for (uint32_t f = 0; f < c->joints.n; f++) {
		spread(c, 0, &c->joints.at[f], was);
		spread(c, 1, &c->joints.at[f], is);
		for (uint32_t t = 0; t < c->joints.n; t++) {
			struct diff_change blamed = { 0 };

			if (was[t] == is[t]) {
				continue;
			}
			causes_of(&c->causes, &c->joints.at[f], &c->joints.at[t], &blamed);
			while (blames->n <= blamed.cause_id) {
				vec_push(blames, ((struct blame){ 0 }));
			}
			blames->at[blamed.cause_id] =
				(struct blame){ blamed.causes, blamed.n_causes };
			vec_push(deltas, ((struct delta){ f, t, blamed.cause_id, was[t], is[t] }));
			c->d->opens = c->d->opens ||
			              ports_pool_minus(c->d->pool, is[t], was[t]) != PORTS_NONE;
			c->d->closes = c->d->closes ||
			               ports_pool_minus(c->d->pool, was[t], is[t]) != PORTS_NONE;
		}
	}
	free(was);
	free(is);
}

/* ---- grouping: by cause and ports, destinations of one source, then sources with the same
 * destinations ---- */

static int cmp(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int by_source(const void *a, const void *b)
{
	const struct delta *x = a, *y = b;
	int r = cmp(x->cause_id, y->cause_id);

	r = r ? r : cmp(x->before, y->before);
	r = r ? r : cmp(x->after, y->after);
	r = r ? r : cmp(x->from, y->from);
	return r ? r : cmp(x->to, y->to);
}

struct group { /* destinations of one source */
	const struct delta *first;
	size_t n;
	uint64_t hash; /* of the destinations */
};
typedef VEC(struct group) group_vec;

static bool same_line(const struct delta *a, const struct delta *b)
{
	return a->cause_id == b->cause_id && a->before == b->before && a->after == b->after &&
	       a->from == b->from;
}

static bool same_targets(const struct group *a, const struct group *b)
{
	if (a->n != b->n || a->first->cause_id != b->first->cause_id ||
	    a->first->before != b->first->before || a->first->after != b->first->after) {
		return false;
	}
	for (size_t i = 0; i < a->n; i++) {
		if (a->first[i].to != b->first[i].to) {
			return false;
		}
	}
	return true;
}

static int by_targets(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	int r = cmp(x->first->cause_id, y->first->cause_id);

	r = r ? r : cmp(x->first->before, y->first->before);
	r = r ? r : cmp(x->first->after, y->first->after);
	r = r ? r : x->hash < y->hash ? -1 : x->hash > y->hash;
	return r ? r : cmp(x->first->from, y->first->from);
}

static void make_groups(const delta_vec *deltas, group_vec *groups)
{
	for (size_t i = 0; i < deltas->n;) {
		struct group g = { &deltas->at[i], 0, 0x9e3779b97f4a7c15u };

		while (i < deltas->n && same_line(g.first, &deltas->at[i])) {
			g.hash = (g.hash ^ deltas->at[i].to) * 0x100000001b3u;
			g.n++;
			i++;
		}
		vec_push(groups, g);
	}
	if (groups->n) {
		qsort(groups->at, groups->n, sizeof(*groups->at), by_targets);
	}
}

static void add_name(struct comparing *c, struct strbuf *out, uint32_t joint, size_t nth)
{
	strbuf_adds(out, nth ? ", " : "");
	strbuf_add_slice(out, name_of_joint(c, &c->joints.at[joint]));
}

static void add_change(struct comparing *c, const struct group *groups, size_t n,
                       const struct blame *blame)
{
	scoped_strbuf struct strbuf from = { 0 }, to = { 0 };
	const struct delta *d = groups->first;
	struct diff_change change = {
		.kind = d->before == PORTS_NONE  ? DIFF_OPENED
		        : d->after == PORTS_NONE ? DIFF_CLOSED
		                                 : DIFF_ALTERED,
		.before = d->before,
		.after = d->after,
		.n_pairs = n * groups->n,
		.causes = blame->causes,
		.n_causes = blame->n,
		.cause_id = d->cause_id,
	};

	for (size_t i = 0; i < n; i++) {
		add_name(c, &from, groups[i].first->from, i);
	}
	for (size_t i = 0; i < groups->n; i++) {
		add_name(c, &to, d[i].to, i);
	}
	change.from = arena_strdup(&c->d->arena, strbuf_str(&from));
	change.to = arena_strdup(&c->d->arena, strbuf_str(&to));
	c->d->n[change.kind] += change.n_pairs;
	vec_push(&c->d->changes, change);
}

static int by_cause_and_kind(const void *a, const void *b)
{
	const struct diff_change *x = a, *y = b;
	int r = cmp(x->cause_id, y->cause_id);

	r = r ? r : cmp(x->kind, y->kind);
	r = r ? r : strcmp(x->from, y->from);
	return r ? r : strcmp(x->to, y->to);
}

static void group(struct comparing *c, delta_vec *deltas, const blame_vec *blames)
{
	group_vec groups = { 0 };

	if (deltas->n) {
		qsort(deltas->at, deltas->n, sizeof(*deltas->at), by_source);
	}
	make_groups(deltas, &groups);
	for (size_t i = 0; i < groups.n;) {
		size_t end = i + 1;

		while (end < groups.n && same_targets(&groups.at[i], &groups.at[end])) {
			end++;
		}
		add_change(c, &groups.at[i], end - i, &blames->at[groups.at[i].first->cause_id]);
		i = end;
	}
	if (c->d->changes.n) {
		qsort(c->d->changes.at, c->d->changes.n, sizeof(*c->d->changes.at),
		      by_cause_and_kind);
	}
	vec_fini(&groups);
}

/* ---- together ---- */

static bool has_line(const struct matrix_notes *n, const char *line)
{
	for (size_t i = 0; i < n->n; i++) {
		if (strcmp(n->lines[i], line) == 0) {
			return true;
		}
	}
	return false;
}

static void join_notes(struct diff *d, const struct subject *before, const struct subject *after)
{
	struct matrix_notes x = matrix_notes_of_subject(&d->arena, before),
			    y = matrix_notes_of_subject(&d->arena, after);
	const char **lines = ARENA_ARRAY(&d->arena, const char *, x.n + y.n + 1);

	d->notes = (struct matrix_notes){ lines, x.n };
	memcpy(lines, x.lines, x.n * sizeof(*lines));
	for (size_t i = 0; i < y.n; i++) {
		if (!has_line(&d->notes, y.lines[i])) {
			lines[d->notes.n++] = y.lines[i];
		}
	}
}

void diff_run(struct diff *d, const struct diff_side *before, const struct diff_side *after)
{
	struct comparing c = { .d = d, .sides = { before, after } };
	delta_vec deltas = { 0 };
	blame_vec blames = { 0 };

	d->pool = matrix_pool(after->matrix);
	join_workloads(&c);
	join_outside(&c);
	causes_init(&c.causes, d, before, after);
	compare(&c, &deltas, &blames);
	group(&c, &deltas, &blames);
	causes_fini(&c.causes);
	join_notes(d, before->subject, after->subject);
	for (size_t i = 0; i < c.joints.n; i++) {
		vec_fini(&c.joints.at[i].workloads);
	}
	vec_fini(&c.joints);
	vec_fini(&deltas);
	vec_fini(&blames);
}

void diff_fini(struct diff *d)
{
	vec_fini(&d->changes);
	arena_fini(&d->arena);
}
