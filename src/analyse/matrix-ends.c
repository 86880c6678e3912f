/* Why: who the rows and columns of a matrix are, and what a person calls them; see matrix.h.
 *
 * Outside, every class of addresses is cut into the nodes, what is private and what is the
 * internet. Left out are addresses at which nobody answers from afar (loopback, link-local of IPv6,
 * multicast, reserved) and the networks of pods and services, where only those live that the table
 * knows one by one. */
#include "analyse/matrix-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"

enum { NAMES_MAX = 4, PREFIXES_MAX = 3 };

typedef VEC(struct matrix_end) end_vec;

const char *matrix_kind_text(enum matrix_kind k)
{
	static const char *const texts[] = { "pods", "node", "range", "internet" };

	return texts[k];
}

/* ---- pods ---- */

static int by_ns_and_name(const void *a, const void *b, void *workloads)
{
	const struct matrix_workload *all = workloads;
	const struct matrix_workload *x = &all[*(const uint32_t *)a],
				     *y = &all[*(const uint32_t *)b];
	int r = slice_cmp(x->ns, y->ns);

	r = r ? r : slice_cmp(x->name, y->name);
	return r ? r : slice_cmp(x->kind, y->kind);
}

struct namer {
	const struct matrix_world *w;
	const uint32_t *order; /* all workloads by namespace and name */
	uint32_t *in_ns;       /* by workload: how many of its namespace have pods of their own */
};

static bool same_ns(const struct namer *n, uint32_t a, uint32_t b)
{
	return slice_eq(n->w->workloads[a].ns, n->w->workloads[b].ns);
}

static bool has_namesake(const struct namer *n, uint32_t workload)
{
	const struct matrix_workload *w = &n->w->workloads[workload];
	size_t low = 0, high = n->w->n_workloads, found = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct matrix_workload *at = &n->w->workloads[n->order[mid]];
		int r = slice_cmp(at->ns, w->ns);

		r = r ? r : slice_cmp(at->name, w->name);
		if (r < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	for (; low < n->w->n_workloads && found < 2; low++) {
		const struct matrix_workload *at = &n->w->workloads[n->order[low]];

		if (!slice_eq(at->ns, w->ns) || !slice_eq(at->name, w->name)) {
			break;
		}
		found++;
	}
	return found > 1;
}

/* "shop/web, shop/api, other/ *": a whole namespace (of more than one) is named as such. */
static char *name_workloads(struct arena *a, const struct namer *n, const uint32_t *at,
                            size_t count)
{
	scoped_strbuf struct strbuf b = { 0 };
	size_t named = 0, left = count;

	for (size_t i = 0; i < count && named < NAMES_MAX; named++) {
		const struct matrix_workload *w = &n->w->workloads[at[i]];
		size_t run = i + 1;

		while (run < count && same_ns(n, at[i], at[run])) {
			run++;
		}
		strbuf_adds(&b, named ? ", " : "");
		if (run - i > 1 && run - i == n->in_ns[at[i]]) {
			strbuf_addf(&b, SLICE_FMT "/*", SLICE_ARG(w->ns));
			left -= run - i;
			i = run;
			continue;
		}
		if (has_namesake(n, at[i])) {
			strbuf_addf(&b, SLICE_FMT " ", SLICE_ARG(w->kind));
		}
		strbuf_addf(&b, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(w->ns), SLICE_ARG(w->name));
		left--;
		i++;
	}
	if (left) {
		strbuf_addf(&b, ", +%zu more", left);
	}
	return arena_strdup(a, strbuf_str(&b));
}

struct member {
	uint32_t class_id;
	uint32_t way;   /* the same for those whom the same balancers lead to; 0: none does */
	uint32_t place; /* in the order of names */
};

static int by_class_then_place(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->class_id != y->class_id) {
		return x->class_id < y->class_id ? -1 : 1;
	}
	if (x->way != y->way) {
		return x->way < y->way ? -1 : 1;
	}
	return x->place < y->place ? -1 : x->place > y->place;
}

/* The class of a pod's address; 0 when no pod is there. */
static uint32_t pod_class_at(const struct policy_table *t, struct ip ip)
{
	size_t low = 0, high = t->n_pods;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ip_cmp(t->pods[mid].ip, ip) < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low < t->n_pods && ip_eq(t->pods[low].ip, ip) ? t->pods[low].class_id
	                                                     : POLICY_CLASS_NONE;
}

typedef VEC(struct member) member_vec;

static void add_exposure_key(struct strbuf *key, const struct matrix_exposure *x)
{
	strbuf_addf(key, "%d/%u/%d:", x->proto, x->port, x->keeps_source);
	cidr_format(key, x->sources, 0);
	strbuf_addc(key, ';');
}

/* By workload: a number for the ways in from the internet that lead to it, and its kin. Policies may not tell two workloads
 * apart of which only one has a balancer. */
static uint32_t *number_ways(struct matrix *m)
{
	struct strbuf *keys = mem_alloc((m->world.n_workloads + 1) * sizeof(*keys));
	uint32_t *ways = ARENA_ARRAY(&m->arena, uint32_t, m->world.n_workloads + 1);
	struct map known = { 0 };

	for (size_t i = 0; i < m->world.n_exposures; i++) {
		add_exposure_key(&keys[m->world.exposures[i].workload], &m->world.exposures[i]);
	}
	for (size_t i = 0; i < m->world.n_workloads; i++) {
		strbuf_add_slice(&keys[i], m->world.workloads[i].kin);
	}
	for (size_t i = 0; i < m->world.n_workloads; i++) {
		uintptr_t id =
			keys[i].size ? (uintptr_t)map_find(&known, strbuf_slice(&keys[i])) : 0;

		if (keys[i].size && !id) {
			id = known.n + 1;
			map_set(&known, strbuf_slice(&keys[i]), (void *)id);
		}
		ways[i] = (uint32_t)id;
		strbuf_fini(&keys[i]);
	}
	map_fini(&known);
	free(keys);
	return ways;
}

static void collect_members(struct matrix *m, const uint32_t *order, member_vec *ret)
{
	const uint32_t *ways = number_ways(m);

	for (uint32_t place = 0; place < m->world.n_workloads; place++) {
		const struct matrix_workload *w = &m->world.workloads[order[place]];

		for (size_t k = 0; k < w->n_ips && !w->host_network; k++) {
			uint32_t class_id = pod_class_at(m->table, w->ips[k]);

			if (class_id) {
				vec_push(ret,
				         ((struct member){ class_id, ways[order[place]], place }));
			}
		}
	}
	if (ret->n) {
		qsort(ret->at, ret->n, sizeof(*ret->at), by_class_then_place);
	}
}

static void add_pod_end(struct matrix *m, const struct namer *n, const struct member *at,
                        size_t count, end_vec *ends)
{
	struct matrix_end e = { .kind = MATRIX_PODS, .class_id = at->class_id };
	uint32_t *ids = ARENA_ARRAY(&m->arena, uint32_t, count);

	for (size_t i = 0; i < count; i++) {
		if (i == 0 || at[i].place != at[i - 1].place) {
			ids[e.n_workloads++] = n->order[at[i].place];
		}
	}
	e.workloads = ids;
	e.name = name_workloads(&m->arena, n, ids, e.n_workloads);
	e.sample = m->world.workloads[ids[0]].ips[0];
	for (size_t k = 0; k < m->world.workloads[ids[0]].n_ips; k++) {
		if (pod_class_at(m->table, m->world.workloads[ids[0]].ips[k]) == e.class_id) {
			e.sample = m->world.workloads[ids[0]].ips[k];
			break;
		}
	}
	vec_push(ends, e);
}

static int by_first_workload(const void *a, const void *b, void *workloads)
{
	const struct matrix_end *x = a, *y = b;
	int r = by_ns_and_name(x->workloads, y->workloads, workloads);

	return r ? r : ip_cmp(x->sample, y->sample);
}

static void make_pod_ends(struct matrix *m, const struct namer *n, end_vec *ends)
{
	member_vec members = { 0 };

	collect_members(m, n->order, &members);
	for (size_t i = 0; i < members.n;) {
		size_t end = i;

		while (end < members.n && members.at[end].class_id == members.at[i].class_id &&
		       members.at[end].way == members.at[i].way) {
			end++;
		}
		add_pod_end(m, n, &members.at[i], end - i, ends);
		i = end;
	}
	vec_fini(&members);
	if (ends->n) {
		qsort_r(ends->at, ends->n, sizeof(*ends->at), by_first_workload,
		        (void *)(uintptr_t)m->world.workloads);
	}
}

/* ---- outside ---- */

static struct cidr_set parse(struct arena *a, const char *text)
{
	struct cidr_set set = { 0 };

	must(cidr_parse(a, slice_of(text), &set, NULL) == 0);
	return set;
}

struct outside {
	struct matrix *m;
	struct cidr_set nobody, private, nodes;
	end_vec nodes_ends, ranges, internet;
};

static void add_outside(end_vec *to, enum matrix_kind kind, uint32_t class_id,
                        struct cidr_set addresses)
{
	if (addresses.n) {
		vec_push(to, ((struct matrix_end){ .kind = kind,
		                                   .addresses = addresses,
		                                   .sample = addresses.at[0].from,
		                                   .class_id = class_id }));
	}
}

static void cut_class(struct outside *o, uint32_t class_id, struct cidr_set all)
{
	struct arena *a = &o->m->arena;
	struct cidr_set rest = cidr_minus(a, all, o->nobody);
	struct cidr_set not_node = cidr_minus(a, rest, o->nodes);

	add_outside(&o->nodes_ends, MATRIX_NODE, class_id, cidr_intersect(a, all, o->nodes));
	add_outside(&o->ranges, MATRIX_RANGE, class_id, cidr_intersect(a, not_node, o->private));
	add_outside(&o->internet, MATRIX_INTERNET, class_id, cidr_minus(a, not_node, o->private));
}

struct block_part {
	uint32_t class_id;
	struct cidr_range range;
};

static int by_part(const void *a, const void *b)
{
	const struct block_part *x = a, *y = b;

	if (x->class_id != y->class_id) {
		return x->class_id < y->class_id ? -1 : 1;
	}
	return ip_cmp(x->range.from, y->range.from);
}

/* Every class of addresses outside, then what no block holds. */
static void cut_classes(struct outside *o)
{
	const struct policy_table *t = o->m->table;
	struct arena *a = &o->m->arena;
	struct block_part *parts = ARENA_ARRAY(a, struct block_part, t->n_blocks + 1);
	struct cidr_range *ranges = ARENA_ARRAY(a, struct cidr_range, t->n_blocks + 1);

	for (size_t i = 0; i < t->n_blocks; i++) {
		parts[i] = (struct block_part){ t->blocks[i].class_id,
			                        { t->blocks[i].from, t->blocks[i].to } };
		ranges[i] = parts[i].range;
	}
	cut_class(o, POLICY_CLASS_NONE,
	          cidr_minus(a, cidr_all(), cidr_of_ranges(a, ranges, t->n_blocks)));
	qsort(parts, t->n_blocks, sizeof(*parts), by_part);
	for (size_t i = 0; i < t->n_blocks;) {
		size_t n = 0;

		while (i + n < t->n_blocks && parts[i + n].class_id == parts[i].class_id) {
			ranges[n] = parts[i + n].range;
			n++;
		}
		cut_class(o, parts[i].class_id, cidr_of_ranges(a, ranges, n));
		i += n;
	}
}

static double size_of(struct cidr_set set)
{
	double sum = 0;

	for (size_t i = 0; i < set.n && set.at[i].from.family == IP_V4; i++) {
		sum += (double)ip_to_v4(set.at[i].to) - (double)ip_to_v4(set.at[i].from) + 1;
	}
	return sum;
}

static int by_size(const void *a, const void *b)
{
	const struct matrix_end *x = a, *y = b;
	double sx = size_of(x->addresses), sy = size_of(y->addresses);

	return sx != sy ? (sx > sy ? -1 : 1) : ip_cmp(x->sample, y->sample);
}

static char *name_addresses(struct arena *a, const char *before, struct cidr_set set)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_adds(&b, before);
	cidr_format(&b, set, PREFIXES_MAX);
	return arena_strdup(a, strbuf_str(&b));
}

struct filling {
	struct arena *a;
	const struct matrix_end *e;
	struct cidr_set sum;
};

static bool keep_meant(void *arg, struct prefix p)
{
	struct filling *f = arg;
	struct cidr_set one = cidr_of(f->a, p);

	if (cidr_intersect(f->a, one, f->e->addresses).n) {
		f->sum = cidr_union(f->a, f->sum, one);
	}
	return true;
}

static bool count_prefix(void *arg, struct prefix p)
{
	(void)p;
	return ++*(size_t *)arg <= PREFIXES_MAX;
}

static bool is_short(struct cidr_set set)
{
	size_t n = 0;

	cidr_each_prefix(set, count_prefix, &n);
	return n <= PREFIXES_MAX;
}

/* The blocks of a class as policies have them. */
static struct cidr_set blocks_of(struct arena *a, const struct policy_table *t, uint32_t class_id)
{
	struct cidr_range *ranges = ARENA_ARRAY(a, struct cidr_range, t->n_blocks + 1);
	size_t n = 0;

	for (size_t i = 0; i < t->n_blocks; i++) {
		if (t->blocks[i].class_id == class_id) {
			ranges[n++] = (struct cidr_range){ t->blocks[i].from, t->blocks[i].to };
		}
	}
	return cidr_of_ranges(a, ranges, n);
}

/* What a policy's author would call a range: the block as written; if that is cut to pieces, what it is without the
 * holes that nodes, pods and services make. */
static const char *name_range(struct matrix *m, const struct matrix_end *e)
{
	struct arena scratch = { 0 };
	struct cidr_set holes = cidr_union(&scratch, m->world.nodes,
	                                   cidr_union(&scratch, m->world.pods, m->world.services));
	struct cidr_set blocks = blocks_of(&scratch, m->table, e->class_id);
	struct filling f = { .a = &scratch, .e = e };
	const char *name;

	if (is_short(blocks) && cidr_eq(cidr_minus(&scratch, blocks, holes), e->addresses)) {
		name = name_addresses(&m->arena, "", blocks);
	} else {
		cidr_each_prefix(cidr_union(&scratch, e->addresses, holes), keep_meant, &f);
		name = name_addresses(&m->arena, "", f.sum);
	}
	arena_fini(&scratch);
	return name;
}

static void name_ranges(struct matrix *m, end_vec *v)
{
	for (size_t i = 0; i < v->n; i++) {
		struct matrix_end *e = &v->at[i];

		e->name = e->class_id != POLICY_CLASS_NONE ? name_range(m, e)
		          : v->n == 1                      ? "private networks"
		                                           : "other private networks";
	}
}

static void name_internet(struct matrix *m, end_vec *v)
{
	for (size_t i = 0; i < v->n; i++) {
		struct matrix_end *e = &v->at[i];

		e->name =
			i == 0 ? "internet" : name_addresses(&m->arena, "internet ", e->addresses);
	}
}

static void name_nodes(struct matrix *m, end_vec *v, const struct namer *n)
{
	VEC(uint32_t) hosted = { 0 };

	for (uint32_t i = 0; i < m->world.n_workloads; i++) {
		if (m->world.workloads[n->order[i]].host_network) {
			vec_push(&hosted, n->order[i]);
		}
	}
	for (size_t i = 0; i < v->n; i++) {
		struct matrix_end *e = &v->at[i];

		e->name = v->n == 1 ? "node" : name_addresses(&m->arena, "node ", e->addresses);
		e->workloads = arena_dup(&m->arena, hosted.at, hosted.n * sizeof(*hosted.at));
		e->n_workloads = hosted.n;
	}
	vec_fini(&hosted);
}

static void append(end_vec *to, end_vec *from)
{
	for (size_t i = 0; i < from->n; i++) {
		vec_push(to, from->at[i]);
	}
	vec_fini(from);
}

static void make_outside_ends(struct matrix *m, const struct namer *n, end_vec *ends)
{
	static const char nobody[] = "0.0.0.0/8,127.0.0.0/8,224.0.0.0/3,::/127,fe80::/10,ff00::/8";
	static const char private[] =
		"10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,169.254.0.0/16,fc00::/7";
	struct arena *a = &m->arena;
	struct outside o = { .m = m,
		             .nobody = parse(a, nobody),
		             .private = parse(a, private),
		             .nodes = m->world.nodes };

	o.nobody = cidr_union(a, o.nobody, cidr_union(a, m->world.pods, m->world.services));
	if (!m->world.ipv6) {
		o.nobody = cidr_union(a, o.nobody, parse(a, "::/0"));
	}
	cut_classes(&o);
	if (o.ranges.n) {
		qsort(o.ranges.at, o.ranges.n, sizeof(*o.ranges.at), by_size);
	}
	if (o.internet.n) {
		qsort(o.internet.at, o.internet.n, sizeof(*o.internet.at), by_size);
	}
	name_nodes(m, &o.nodes_ends, n);
	name_ranges(m, &o.ranges);
	name_internet(m, &o.internet);
	append(ends, &o.nodes_ends);
	append(ends, &o.ranges);
	append(ends, &o.internet);
}

/* ---- together ---- */

static void count_namespaces(struct namer *n)
{
	for (size_t i = 0; i < n->w->n_workloads;) {
		size_t end = i;
		uint32_t count = 0;

		while (end < n->w->n_workloads && same_ns(n, n->order[i], n->order[end])) {
			count += !n->w->workloads[n->order[end]].host_network;
			end++;
		}
		for (; i < end; i++) {
			n->in_ns[n->order[i]] = count;
		}
	}
}

void matrix_make_ends(struct matrix *m)
{
	size_t n = m->world.n_workloads;
	uint32_t *order = ARENA_ARRAY(&m->arena, uint32_t, n + 1);
	struct namer namer = { &m->world, order, ARENA_ARRAY(&m->arena, uint32_t, n + 1) };
	end_vec ends = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		order[i] = i;
	}
	if (n) {
		qsort_r(order, n, sizeof(*order), by_ns_and_name,
		        (void *)(uintptr_t)m->world.workloads);
	}
	count_namespaces(&namer);
	make_pod_ends(m, &namer, &ends);
	make_outside_ends(m, &namer, &ends);
	m->ends = arena_dup(&m->arena, ends.at, ends.n * sizeof(*ends.at));
	m->n_ends = ends.n;
	vec_fini(&ends);
	m->end_of = ARENA_ARRAY(&m->arena, uint32_t, n + 1);
	memset(m->end_of, 0xff, n * sizeof(*m->end_of));
	for (uint32_t i = (uint32_t)m->n_ends; i-- > 0;) {
		const struct matrix_end *e = &m->ends[i];

		for (size_t k = 0; k < e->n_workloads; k++) {
			m->end_of[e->workloads[k]] = i;
		}
		if (e->kind == MATRIX_NODE) {
			m->node_class = e->class_id;
		}
	}
}
