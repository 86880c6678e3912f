/* Why: kept in step with the table by the table itself; see index.h. */
#include "store/index.h"

#include "base/mem.h"
#include "base/strbuf.h"

struct index *index_new(store_index_fn *value_of)
{
	struct index *x = NEW(struct index);

	x->value_of = value_of;
	return x;
}

static void free_place(struct index_place *p)
{
	vec_fini(&p->objects);
	free(p);
}

struct index *index_free(struct index *x)
{
	if (x) {
		for (struct map_iter it = { 0 }; map_next(&x->places, &it);) {
			free_place(it.value);
		}
		map_fini(&x->places);
		free(x);
	}
	return NULL;
}

/* Before the value. */
static void begin_place(struct strbuf *ret, struct slice ns)
{
	strbuf_add_slice(ret, ns);
	strbuf_addc(ret, '/'); /* no namespace has one in its name */
}

/* Appends the name of the object's place; false: it has none. */
static bool place_of(const struct index *x, const struct stored *o, struct strbuf *ret)
{
	begin_place(ret, o->ns);
	return x->value_of(o->doc.root, ret);
}

void index_add(struct index *x, const struct stored *o)
{
	scoped_strbuf struct strbuf name = { 0 };
	struct index_place *p;

	if (!place_of(x, o, &name)) {
		return;
	}
	p = map_find(&x->places, strbuf_slice(&name));
	if (!p) {
		p = NEW(struct index_place);
		(void)map_set(&x->places, strbuf_slice(&name), p);
	}
	vec_push(&p->objects, o);
}

void index_remove(struct index *x, const struct stored *o)
{
	scoped_strbuf struct strbuf name = { 0 };
	struct index_place *p;

	if (!place_of(x, o, &name) || !(p = map_find(&x->places, strbuf_slice(&name)))) {
		return;
	}
	for (size_t i = 0; i < p->objects.n; i++) {
		if (p->objects.at[i] == o) {
			p->objects.at[i] = p->objects.at[--p->objects.n];
			break;
		}
	}
	if (p->objects.n == 0) {
		(void)map_remove(&x->places, strbuf_slice(&name));
		free_place(p);
	}
}

const struct index_place *index_find(const struct index *x, struct slice ns, struct slice value)
{
	scoped_strbuf struct strbuf name = { 0 };

	begin_place(&name, ns);
	strbuf_add_slice(&name, value);
	return map_find(&x->places, strbuf_slice(&name));
}
