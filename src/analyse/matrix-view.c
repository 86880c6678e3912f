/* Why: a thousand rows that say the same are one sentence; see matrix-view.h. */
#include "analyse/matrix-view.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/vec.h"

enum { BUT_MAX = 3 }; /* so many exceptions still read better than a list */

typedef VEC(uint32_t) id_vec;

struct row_key {
	uint64_t hash;
	uint32_t from;
	uint32_t group; /* index of the first row that says the same, in order of 'from' */
};

static struct ends every_end(struct arena *a, size_t n)
{
	uint32_t *ids = ARENA_ARRAY(a, uint32_t, n + 1);

	for (uint32_t i = 0; i < n; i++) {
		ids[i] = i;
	}
	return (struct ends){ ids, n };
}

/* The cells of a row at the columns asked for, in order. */
static void pick_row(struct matrix *m, uint32_t from, struct ends columns, ports_id *to)
{
	const ports_id *row = matrix_row(m, from);

	for (size_t i = 0; i < columns.n; i++) {
		to[i] = row[columns.at[i]];
	}
}

static int by_hash(const void *a, const void *b)
{
	const struct row_key *x = a, *y = b;

	if (x->hash != y->hash) {
		return x->hash < y->hash ? -1 : 1;
	}
	return x->from < y->from ? -1 : x->from > y->from;
}

static int by_group(const void *a, const void *b)
{
	const struct row_key *x = a, *y = b;

	if (x->group != y->group) {
		return x->group < y->group ? -1 : 1;
	}
	return x->from < y->from ? -1 : x->from > y->from;
}

/* Rows in an order in which those that say the same stand together, the groups by their first row.
 */
static struct row_key *group_rows(struct matrix *m, struct ends rows, struct ends columns)
{
	struct row_key *keys = mem_alloc((rows.n + 1) * sizeof(*keys));
	ports_id *one = mem_alloc((columns.n + 1) * sizeof(*one)),
		 *two = mem_alloc((columns.n + 1) * sizeof(*two));
	size_t size = columns.n * sizeof(*one);

	for (size_t i = 0; i < rows.n; i++) {
		pick_row(m, rows.at[i], columns, one);
		keys[i] = (struct row_key){ slice_hash((struct slice){ (const char *)one, size }),
			                    rows.at[i], rows.at[i] };
	}
	qsort(keys, rows.n, sizeof(*keys), by_hash);
	for (size_t i = 1, first = 0; i < rows.n; i++) {
		if (keys[i].hash != keys[first].hash) {
			first = i;
			continue;
		}
		pick_row(m, keys[first].from, columns, one);
		pick_row(m, keys[i].from, columns, two);
		if (memcmp(one, two, size) == 0) {
			keys[i].group = keys[first].from;
		}
	}
	qsort(keys, rows.n, sizeof(*keys), by_group);
	free(one);
	free(two);
	return keys;
}

struct cell {
	ports_id ports;
	uint32_t to;
	uint32_t rank; /* the first destination with these ports */
};

static int by_ports(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	if (x->ports != y->ports) {
		return x->ports < y->ports ? -1 : 1;
	}
	return x->to < y->to ? -1 : x->to > y->to;
}

static int by_rank(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	if (x->rank != y->rank) {
		return x->rank < y->rank ? -1 : 1;
	}
	return x->to < y->to ? -1 : x->to > y->to;
}

typedef VEC(struct view_entry) entry_vec;

/* The destinations of one row, those with the same ports together. */
static void add_entries(struct matrix_view *v, struct ends from, struct ends columns,
                        entry_vec *entries)
{
	const ports_id *row = matrix_row(v->matrix, from.at[0]);
	struct cell *cells = mem_alloc((columns.n + 1) * sizeof(*cells));
	size_t n = 0;

	for (size_t i = 0; i < columns.n; i++) {
		if (row[columns.at[i]] != PORTS_NONE) {
			cells[n++] = (struct cell){ row[columns.at[i]], columns.at[i], 0 };
		}
	}
	qsort(cells, n, sizeof(*cells), by_ports);
	for (size_t i = 0; i < n; i++) {
		cells[i].rank =
			i && cells[i].ports == cells[i - 1].ports ? cells[i - 1].rank : cells[i].to;
	}
	qsort(cells, n, sizeof(*cells), by_rank);
	for (size_t i = 0; i < n;) {
		size_t end = i;
		uint32_t *to;

		while (end < n && cells[end].rank == cells[i].rank) {
			end++;
		}
		to = ARENA_ARRAY(&v->arena, uint32_t, end - i);
		for (size_t k = i; k < end; k++) {
			to[k - i] = cells[k].to;
		}
		vec_push(entries, ((struct view_entry){ from, { to, end - i }, cells[i].ports }));
		i = end;
	}
	free(cells);
}

struct matrix_view *matrix_view_new(struct matrix *m, const struct ends *from,
                                    const struct ends *to)
{
	struct matrix_view *v = NEW(struct matrix_view);
	entry_vec entries = { 0 };
	id_vec silent = { 0 };
	struct ends rows, columns;
	struct row_key *keys;
	size_t n;

	(void)matrix_ends(m, &n);
	v->matrix = m;
	rows = from ? *from : every_end(&v->arena, n);
	columns = to ? *to : every_end(&v->arena, n);
	keys = group_rows(m, rows, columns);
	for (size_t i = 0; i < rows.n;) {
		size_t end = i, before = entries.n;
		uint32_t *ids;

		while (end < rows.n && keys[end].group == keys[i].group) {
			end++;
		}
		ids = ARENA_ARRAY(&v->arena, uint32_t, end - i);
		for (size_t k = i; k < end; k++) {
			ids[k - i] = keys[k].from;
		}
		add_entries(v, (struct ends){ ids, end - i }, columns, &entries);
		for (size_t k = i; k < end && entries.n == before; k++) {
			vec_push(&silent, keys[k].from);
		}
		i = end;
	}
	v->entries = arena_dup(&v->arena, entries.at, entries.n * sizeof(*entries.at));
	v->n_entries = entries.n;
	v->silent = (struct ends){ arena_dup(&v->arena, silent.at, silent.n * sizeof(*silent.at)),
		                   silent.n };
	vec_fini(&entries);
	vec_fini(&silent);
	free(keys);
	return v;
}

struct matrix_view *matrix_view_free(struct matrix_view *v)
{
	if (v) {
		arena_fini(&v->arena);
		free(v);
	}
	return NULL;
}

/* ---- names of sets ---- */

static bool has(struct ends ends, uint32_t id)
{
	size_t low = 0, high = ends.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ends.at[mid] < id) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low < ends.n && ends.at[low] == id;
}

static void list(struct strbuf *out, const struct matrix_end *all, struct ends ends, size_t from,
                 size_t to)
{
	const char *between = "";

	for (size_t i = 0; i < ends.n; i++) {
		if (ends.at[i] >= from && ends.at[i] < to) {
			strbuf_addf(out, "%s%s", between, all[ends.at[i]].name);
			between = ", ";
		}
	}
}

/* One half of the ends (pods, or outside): its name if nearly all of it is meant, else its members.
 */
static void format_half(struct strbuf *out, const struct matrix_end *all, struct ends ends,
                        size_t from, size_t to, const char *whole)
{
	size_t n = 0;
	const char *between = " but ";

	for (size_t i = from; i < to; i++) {
		n += has(ends, (uint32_t)i);
	}
	if (to - from < 2 || (to - from) - n > BUT_MAX || n <= (to - from) - n) {
		list(out, all, ends, from, to);
		return;
	}
	strbuf_adds(out, whole);
	for (size_t i = from; i < to; i++) {
		if (!has(ends, (uint32_t)i)) {
			strbuf_addf(out, "%s%s", between, all[i].name);
			between = ", ";
		}
	}
}

void ends_format(struct strbuf *out, const struct matrix *m, struct ends ends)
{
	size_t n, pods = 0, before = out->size;
	const struct matrix_end *all = matrix_ends(m, &n);

	while (pods < n && all[pods].kind == MATRIX_PODS) {
		pods++;
	}
	if (ends.n == n && n > 1) {
		strbuf_adds(out, "everything");
		return;
	}
	if (!ends.n) {
		strbuf_adds(out, "nobody");
		return;
	}
	if (ends.at[0] < pods) {
		format_half(out, all, ends, 0, pods, "every workload");
	}
	if (ends.at[ends.n - 1] >= pods) {
		strbuf_adds(out, out->size > before ? ", " : "");
		format_half(out, all, ends, pods, n, "everything outside");
	}
}
