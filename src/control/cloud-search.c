/* Why: what one object of a cloud's network asks of all others. See cloud-search.h. */
#include "control/cloud-search.h"

const struct val *cloud_spec(const struct val *object)
{
	return val_get(object, "spec");
}

static void ask(void *arg, const struct val *other)
{
	struct cloud_search *s = arg;
	bool is_made = !vpc_kind_info(s->kind)->id || vpc_id(s->kind, other).len;

	if (is_made && !s->found && !slice_eq(meta_uid(other), meta_uid(s->l->object)) &&
	    s->is_it(s, other)) {
		s->found = other;
	}
}

const struct val *cloud_search(struct cloud_search *s)
{
	s->found = NULL;
	vpc_each(s->l->all, s->kind, ask, s);
	return s->found;
}

bool cloud_is_of_vpc(struct cloud_search *s, const struct val *other)
{
	const struct val *vpc = vpc_of(s->l->all, other);

	return vpc && vpc == s->vpc;
}

bool cloud_uses_table(struct cloud_search *s, const struct val *subnet)
{
	for (size_t i = 0; i < vpc_n_linked(subnet, "routeTableRefs", "routeTables"); i++) {
		const struct val *table = vpc_linked_at(s->l->all, VPC_TABLE, subnet,
		                                        "routeTableRefs", "routeTables", i);

		if (table && slice_eq(meta_uid(table), meta_uid(s->l->object))) {
			return true;
		}
	}
	return false;
}

struct counting {
	struct prefix range;
	int64_t n;
};

static void count_store(void *arg, const struct val *store)
{
	struct counting *c = arg;
	struct ip ip;

	c->n += ip_parse(meta_annotation(store, HOST_ADDRESS_ANNOTATION), &ip) &&
	        prefix_contains(c->range, ip);
}

int64_t cloud_stores_in(const struct cloud_look *l, struct prefix range)
{
	struct counting c = { .range = range };

	vpc_each(l->all, VPC_DATABASE, count_store, &c);
	vpc_each(l->all, VPC_CACHE, count_store, &c);
	return c.n;
}

const struct val *cloud_address_of(const struct cloud_look *l, const struct val *nat)
{
	return vpc_linked(l->all, VPC_ADDRESS, nat, cloud_spec(nat), "allocationRef",
	                  "allocationID");
}
