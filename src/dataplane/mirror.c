/* Why: an endpoint or pod that changes must cost the elements that changed, and a restart must
 * write nothing that is right already; so each set of ours is known here as the kernel has it and
 * as it should be. */
#include "dataplane/mirror.h"

#include <string.h>

#include "base/mem.h"

struct mirror_element {
	struct list_link in_dirty; /* in mirror.dirty */
	const void *owner;         /* who wishes it; only compared */
	unsigned round;            /* last mirror_begin_all that repeated it */
	bool in_kernel, wanted;
	struct mirror_key key;
	/* Numbers in them are read in place. */
	_Alignas(4) uint8_t kernel_value[MIRROR_VALUE_MAX];
	_Alignas(4) uint8_t wanted_value[MIRROR_VALUE_MAX];
};

static struct slice key_slice(const struct mirror *m, const struct mirror_key *k)
{
	size_t size = nft_set_key_size(m->set);

	return (struct slice){ (const char *)k->bytes, m->set->ranges ? 2 * size : size };
}

void mirror_init(struct mirror *m, const struct nft_set *set)
{
	*m = (struct mirror){ .set = set };
	list_init(&m->dirty);
}

void mirror_fini(struct mirror *m)
{
	for (struct map_iter it = { 0 }; map_next(&m->elements, &it);) {
		free(it.value);
	}
	map_fini(&m->elements);
	*m = (struct mirror){ 0 };
}

static struct mirror_element *find(const struct mirror *m, const struct mirror_key *k)
{
	return map_find(&m->elements, key_slice(m, k));
}

static struct mirror_element *need(struct mirror *m, const struct mirror_key *k)
{
	struct mirror_element *e = find(m, k);

	if (!e) {
		e = NEW(struct mirror_element);
		e->key = *k;
		(void)map_set(&m->elements, key_slice(m, k), e);
	}
	return e;
}

static bool differs(const struct mirror_element *e)
{
	return e->in_kernel != e->wanted ||
	       (e->wanted && memcmp(e->kernel_value, e->wanted_value, MIRROR_VALUE_MAX) != 0);
}

static void judge(struct mirror *m, struct mirror_element *e)
{
	list_unlink(&e->in_dirty);
	if (differs(e)) {
		list_push(&m->dirty, &e->in_dirty);
	}
}

static void copy_value(const struct mirror *m, uint8_t *to, const void *value)
{
	memset(to, 0, MIRROR_VALUE_MAX);
	if (m->set->verdicts) {
		memcpy(to, value, strnlen(value, MIRROR_VALUE_MAX - 1));
	} else if (m->set->data[0]) {
		memcpy(to, value, nft_set_data_size(m->set));
	}
}

bool mirror_put(struct mirror *m, const struct mirror_key *k, const void *value, const void *owner)
{
	struct mirror_element *e = need(m, k);
	uint8_t padded[MIRROR_VALUE_MAX];
	bool changes;

	copy_value(m, padded, value);
	changes = !e->wanted || memcmp(padded, e->wanted_value, sizeof(padded)) != 0;
	m->n_wanted += !e->wanted;
	e->wanted = true;
	e->owner = owner;
	e->round = m->round;
	memcpy(e->wanted_value, padded, sizeof(padded));
	judge(m, e);
	return changes;
}

static void unwish(struct mirror *m, struct mirror_element *e)
{
	m->n_wanted -= e->wanted;
	e->wanted = false;
	e->owner = NULL;
	judge(m, e);
	if (!e->in_kernel) {
		(void)map_remove(&m->elements, key_slice(m, &e->key));
		free(e);
	}
}

bool mirror_drop(struct mirror *m, const struct mirror_key *k, const void *owner)
{
	struct mirror_element *e = find(m, k);

	if (!e || !e->wanted || e->owner != owner) {
		return false;
	}
	unwish(m, e);
	return true;
}

const void *mirror_wanted(const struct mirror *m, const struct mirror_key *k)
{
	const struct mirror_element *e = find(m, k);

	return e && e->wanted ? e->wanted_value : NULL;
}

const void *mirror_in_kernel(const struct mirror *m, const struct mirror_key *k)
{
	const struct mirror_element *e = find(m, k);

	return e && e->in_kernel ? e->kernel_value : NULL;
}

void mirror_begin_all(struct mirror *m)
{
	m->round++;
}

bool mirror_end_all(struct mirror *m)
{
	bool any = false;

	for (struct map_iter it = { 0 }; map_next(&m->elements, &it);) {
		struct mirror_element *e = it.value;

		if (e->wanted && e->round != m->round) {
			any = true;
			unwish(m, e);
		}
	}
	return any;
}

void mirror_forget_unwanted(struct mirror *m)
{
	for (struct map_iter it = { 0 }; map_next(&m->elements, &it);) {
		judge(m, it.value);
	}
}

/* ---- the kernel's side ---- */

void mirror_assume_empty(struct mirror *m)
{
	for (struct map_iter it = { 0 }; map_next(&m->elements, &it);) {
		struct mirror_element *e = it.value;

		e->in_kernel = false;
		judge(m, e);
		if (!e->wanted) {
			(void)map_remove(&m->elements, key_slice(m, &e->key));
			free(e);
		}
	}
}

static void load_element(void *arg, const struct nft_element *ne)
{
	struct mirror *m = arg;
	size_t size = nft_set_key_size(m->set);
	struct mirror_key k = { 0 };
	struct mirror_element *e;

	memcpy(k.bytes, ne->key, size);
	if (m->set->ranges) {
		memcpy(k.bytes + size, ne->key_end ? ne->key_end : ne->key, size);
	}
	e = need(m, &k);
	e->in_kernel = true;
	copy_value(m, e->kernel_value, m->set->verdicts ? (const void *)ne->chain : ne->data);
	if (e->wanted) {
		judge(m, e);
	}
}

static void restart_load(void *arg)
{
	mirror_assume_empty(arg);
}

int mirror_load(struct mirror *m, struct nft *n, struct err *err)
{
	mirror_assume_empty(m);
	return nft_each_element(n, m->set, load_element, restart_load, m, err);
}

bool mirror_is_dirty(const struct mirror *m)
{
	return !list_is_empty(&m->dirty);
}

size_t mirror_queue(struct mirror *m, struct nft *n)
{
	size_t size = nft_set_key_size(m->set), count = 0;

	list_for_each (&m->dirty, e, struct mirror_element, in_dirty) {
		if (e->in_kernel) {
			nft_element_delete(n, m->set,
			                   &(struct nft_element){ .key = e->key.bytes,
			                                          .key_end = e->key.bytes + size });
			count++;
		}
	}
	list_for_each (&m->dirty, e, struct mirror_element, in_dirty) {
		if (e->wanted) {
			nft_element_add(
				n, m->set,
				&(struct nft_element){ .key = e->key.bytes,
			                               .key_end = e->key.bytes + size,
			                               .data = e->wanted_value,
			                               .chain = (const char *)e->wanted_value });
			count++;
		}
	}
	return count;
}

void mirror_committed(struct mirror *m)
{
	list_for_each (&m->dirty, e, struct mirror_element, in_dirty) {
		list_unlink(&e->in_dirty);
		e->in_kernel = e->wanted;
		memcpy(e->kernel_value, e->wanted_value, MIRROR_VALUE_MAX);
		if (!e->wanted) {
			(void)map_remove(&m->elements, key_slice(m, &e->key));
			free(e);
		}
	}
}

void mirror_each_dirty(const struct mirror *m, mirror_change_fn *fn, void *arg)
{
	list_for_each (&m->dirty, e, struct mirror_element, in_dirty) {
		fn(arg, &e->key, e->wanted ? e->wanted_value : NULL,
		   e->in_kernel ? e->kernel_value : NULL);
	}
}

void mirror_each_in_kernel(const struct mirror *m, mirror_fn *fn, void *arg)
{
	for (struct map_iter it = { 0 }; map_next(&m->elements, &it);) {
		const struct mirror_element *e = it.value;

		if (e->in_kernel) {
			fn(arg, &e->key, e->kernel_value);
		}
	}
}

void mirror_each_wanted(const struct mirror *m, mirror_fn *fn, void *arg)
{
	for (struct map_iter it = { 0 }; map_next(&m->elements, &it);) {
		const struct mirror_element *e = it.value;

		if (e->wanted) {
			fn(arg, &e->key, e->wanted_value);
		}
	}
}
