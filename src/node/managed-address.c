/* Why: where a server is: a free address of a subnet that it may be in. Addresses are kept in the objects, so nobody else
 * has to remember them. */
#include "base/mem.h"
#include "base/must.h"
#include "node/cloud.h"
#include "node/managed-priv.h"

/* The first addresses of a subnet are the VPC's own; those of a /24 next are the nodes'. */
enum { FIRST_HOST = 4, FIRST_HOST_OF_LARGE = 32, LARGE = 256, LAST_HOST = 250 };
static const char default_subnet[] = "10.0.3.0/24"; /* the second private one */

struct addresses {
	const struct managed_item *not_of;
	VEC(struct ip) used;
};

static bool address_of(const struct doc *d, struct ip *ret)
{
	return ip_parse(
		val_get_str(val_path(d->root, "metadata.annotations"), HOST_ADDRESS_ANNOTATION),
		ret);
}

static bool note_object(void *arg, const struct doc *d)
{
	struct addresses *u = arg;
	struct ip ip;

	if (d != u->not_of->doc && address_of(d, &ip)) {
		vec_push(&u->used, ip);
	}
	return true;
}

static void list_used(const struct managed *m, struct addresses *u)
{
	list_for_each (&m->items, other, struct managed_item, in_managed) {
		if (other != u->not_of && other->ip.family != IP_NONE) {
			vec_push(&u->used, other->ip);
		}
	}
	for (int k = 0; k < MANAGED_KINDS; k++) {
		replica_each(m->objects[k], note_object, u);
	}
}

static bool is_used(const struct addresses *u, struct ip ip)
{
	for (size_t i = 0; i < u->used.n; i++) {
		if (ip_eq(u->used.at[i], ip)) {
			return true;
		}
	}
	return false;
}

static uint32_t first_host(struct prefix subnet)
{
	return UINT32_C(1) << (32 - subnet.len) >= LARGE ? FIRST_HOST_OF_LARGE : FIRST_HOST;
}

static uint32_t last_host(struct prefix subnet)
{
	uint32_t size = UINT32_C(1) << (32 - subnet.len);

	return size > LAST_HOST ? LAST_HOST : size - 2;
}

static bool may_have(struct prefix subnet, struct ip ip)
{
	uint32_t host = ip_to_v4(ip) - ip_to_v4(subnet.ip);

	return ip.family == IP_V4 && prefix_contains(subnet, ip) && host >= first_host(subnet) &&
	       host <= last_host(subnet);
}

static struct ip choose(const struct addresses *u, const prefix_list *places)
{
	struct ip own = { 0 };

	if (u->not_of->doc && address_of(u->not_of->doc, &own)) {
		for (size_t i = 0; i < places->n; i++) {
			if (may_have(places->at[i], own) && !is_used(u, own)) {
				return own;
			}
		}
	}
	for (size_t i = 0; i < places->n; i++) {
		for (uint32_t host = first_host(places->at[i]); host <= last_host(places->at[i]);
		     host++) {
			if (!is_used(u, prefix_nth(places->at[i], host))) {
				return prefix_nth(places->at[i], host);
			}
		}
	}
	return (struct ip){ 0 };
}

static const char *list_places(const struct managed_item *i, prefix_list *ret)
{
	const struct cloud *cloud = i->m->agent->cloud;
	const char *none = cloud && i->doc ? cloud_places(cloud, i->doc->root, ret) : NULL;
	struct prefix subnet;

	if (!none && !ret->n) {
		must(prefix_parse(slice_of(default_subnet), &subnet));
		vec_push(ret, subnet);
	}
	return none;
}

const char *managed_no_place(const struct managed_item *i)
{
	prefix_list places = { 0 };
	const char *none = list_places(i, &places);

	vec_fini(&places);
	return none;
}

struct ip managed_address(const struct managed *m, const struct managed_item *i)
{
	struct addresses u = { .not_of = i };
	prefix_list places = { 0 };
	struct ip ip = { 0 };

	list_used(m, &u);
	if (!list_places(i, &places)) {
		ip = choose(&u, &places);
	}
	vec_fini(&places);
	vec_fini(&u.used);
	return ip;
}
