/* Why: sorted arrays; see table.h. */
#include "store/table.h"

#include "base/mem.h"

/* The first place whose key is not below; *found: it is that very key. */
static size_t find_space(const struct table *t, struct slice ns, bool *found)
{
	size_t low = 0, high = t->spaces.n;

	*found = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int c = slice_cmp(slice_of(t->spaces.at[middle]->name), ns);

		if (c == 0) {
			*found = true;
			return middle;
		}
		if (c < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static size_t find_object(const struct table_ns *s, struct slice name, bool *found)
{
	size_t low = 0, high = s->objects.n;

	*found = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int c = slice_cmp(s->objects.at[middle]->name, name);

		if (c == 0) {
			*found = true;
			return middle;
		}
		if (c < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static void free_space(struct table_ns *s)
{
	for (size_t i = 0; i < s->objects.n; i++) {
		stored_unref(s->objects.at[i]);
	}
	vec_fini(&s->objects);
	free(s->name);
	free(s);
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->spaces.n; i++) {
		free_space(t->spaces.at[i]);
	}
	vec_fini(&t->spaces);
	t->index = index_free(t->index);
	t->n = 0;
}

const struct table_ns *table_space(const struct table *t, struct slice ns)
{
	bool found;
	size_t i = find_space(t, ns, &found);

	return found ? t->spaces.at[i] : NULL;
}

const struct stored *table_find(const struct table *t, struct slice ns, struct slice name)
{
	const struct table_ns *s = table_space(t, ns);
	bool found;
	size_t i;

	if (!s) {
		return NULL;
	}
	i = find_object(s, name, &found);
	return found ? s->objects.at[i] : NULL;
}

static struct table_ns *need_space(struct table *t, struct slice ns)
{
	bool found;
	size_t i = find_space(t, ns, &found);
	struct table_ns *s;

	if (found) {
		return t->spaces.at[i];
	}
	s = NEW(struct table_ns);
	s->name = slice_dup(ns);
	vec_push(&t->spaces, NULL);
	memmove(&t->spaces.at[i + 1], &t->spaces.at[i],
	        (t->spaces.n - 1 - i) * sizeof(*t->spaces.at));
	t->spaces.at[i] = s;
	return s;
}

void table_put_take(struct table *t, const struct stored *o)
{
	struct table_ns *s = need_space(t, o->ns);
	bool found;
	size_t i = find_object(s, o->name, &found);

	if (t->index && found) {
		index_remove(t->index, s->objects.at[i]);
	}
	if (t->index) {
		index_add(t->index, o);
	}
	if (found) {
		stored_unref(s->objects.at[i]);
		s->objects.at[i] = o;
		return;
	}
	vec_push(&s->objects, NULL);
	memmove(&s->objects.at[i + 1], &s->objects.at[i],
	        (s->objects.n - 1 - i) * sizeof(*s->objects.at));
	s->objects.at[i] = o;
	t->n++;
}

void table_remove(struct table *t, struct slice ns, struct slice name)
{
	bool found;
	size_t at = find_space(t, ns, &found), i;
	struct table_ns *s;

	if (!found) {
		return;
	}
	s = t->spaces.at[at];
	i = find_object(s, name, &found);
	if (!found) {
		return;
	}
	if (t->index) {
		index_remove(t->index, s->objects.at[i]);
	}
	stored_unref(s->objects.at[i]);
	vec_remove(&s->objects, i);
	t->n--;
	if (!s->objects.n) {
		vec_remove(&t->spaces, at);
		free_space(s);
	}
}

void table_append_take(struct table *t, const struct stored *o)
{
	vec_push(&need_space(t, o->ns)->objects, o);
	t->n++;
	if (t->index) {
		index_add(t->index, o);
	}
}

void table_index(struct table *t, store_index_fn *value_of)
{
	if (t->index) {
		return;
	}
	t->index = index_new(value_of);
	for (size_t i = 0; i < t->spaces.n; i++) {
		const struct table_ns *s = t->spaces.at[i];

		for (size_t k = 0; k < s->objects.n; k++) {
			index_add(t->index, s->objects.at[k]);
		}
	}
}

static int by_name(const void *a, const void *b)
{
	const struct stored *const *x = a, *const *y = b;

	return slice_cmp((*x)->name, (*y)->name);
}

void table_sort(struct table *t)
{
	for (size_t i = 0; i < t->spaces.n; i++) {
		struct table_ns *s = t->spaces.at[i];

		if (s->objects.n) {
			qsort(s->objects.at, s->objects.n, sizeof(*s->objects.at), by_name);
		}
	}
}
