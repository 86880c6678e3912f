/* What: what one object of a cloud's network asks of all others; shared by the files that speak for the kinds. */
#pragma once

#include "control/cloud.h"

/* Refuses the spec, in the service's words. */
#define CLOUD_REFUSE(l, ...) ((l)->terminal = arena_printf((l)->w->arena, __VA_ARGS__))

const struct val *cloud_spec(const struct val *object);

/* Another object of a kind that came to life: what is asked of each. */
struct cloud_search {
	struct cloud_look *l;
	enum vpc_kind kind;
	bool (*is_it)(struct cloud_search *s, const struct val *other);
	const struct val *vpc; /* for is_it */
	struct prefix range;   /* likewise */
	struct slice text;     /* likewise */
	const struct val *found;
};
/* The first other one that came to life and is it; null: none. */
const struct val *cloud_search(struct cloud_search *s);
bool cloud_is_of_vpc(struct cloud_search *s, const struct val *other); /* it belongs to s->vpc */
bool cloud_uses_table(struct cloud_search *s,
                      const struct val *subnet); /* it is associated with the look's table */
/* How many databases and caches have an address there. */
int64_t cloud_stores_in(const struct cloud_look *l, struct prefix range);
const struct val *cloud_address_of(const struct cloud_look *l, const struct val *nat);

/* ---- what each kind asks for and tells ---- */
void cloud_fill_internet(struct cloud_look *l);
void cloud_fill_address(struct cloud_look *l);
void cloud_fill_nat(struct cloud_look *l);
void cloud_fill_group(struct cloud_look *l);
