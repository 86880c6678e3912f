/* Why: which endpoint stands in which slot decides how many elements a change costs. */
#include "dataplane/slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct set_key entry_key(struct ip ip, uint8_t proto, uint16_t port)
{
	struct set_key k = { 0 };

	set_key_ip(&k, ip);
	set_key_proto(&k, proto);
	set_key_port(&k, port);
	return k;
}

struct entry entry_of_key(const void *bytes, enum ip_family family)
{
	const uint8_t *at = bytes, *proto = at + ip_size(family);

	return (struct entry){ set_key_ip_at(at, family), *proto, set_key_port_at(proto + 4) };
}

#define POOL_V6 (1u << 31)

uint32_t pool_first(enum ip_family family)
{
	return family == IP_V6 ? POOL_V6 | 1 : 1;
}

enum ip_family pool_family(uint32_t pool)
{
	return pool & POOL_V6 ? IP_V6 : IP_V4;
}

struct set_key slot_key(uint32_t pool, uint32_t number)
{
	struct set_key k = { 0 };

	set_key_mark(&k, pool);
	set_key_mark(&k, number);
	return k;
}

struct set_key slot_value(struct slot s)
{
	struct set_key v = { 0 };

	set_key_ip(&v, s.ip);
	set_key_port(&v, s.port);
	return v;
}

struct slot slot_of_value(const void *bytes, enum ip_family family)
{
	const uint8_t *at = bytes;

	return (struct slot){ set_key_ip_at(at, family), set_key_port_at(at + ip_size(family)) };
}

int slot_cmp(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;
	int r = ip_cmp(x->ip, y->ip);

	return r ? r : (int)x->port - (int)y->port;
}

size_t slots_sort(struct slot *slots, size_t n)
{
	size_t used = 0;

	qsort(slots, n, sizeof(*slots), slot_cmp);
	for (size_t i = 0; i < n; i++) {
		if (used == 0 || slot_cmp(&slots[used - 1], &slots[i]) != 0) {
			slots[used++] = slots[i];
		}
	}
	return used;
}

bool slots_have(const struct slot *sorted, size_t n, struct slot s)
{
	return n > 0 && bsearch(&s, sorted, n, sizeof(s), slot_cmp) != NULL;
}

/* Moves slots from the end into the holes; returns what is left. */
static size_t close_holes(struct slot *slots, bool *stays, size_t used)
{
	for (size_t i = 0; i < used; i++) {
		while (used > i && !stays[used - 1]) {
			used--;
		}
		if (i < used && !stays[i]) {
			slots[i] = slots[--used];
			stays[i] = true;
		}
	}
	return used;
}

size_t slots_merge(struct slot *slots, size_t n, const struct slot *wanted, size_t n_wanted,
                   size_t *ret_kept)
{
	scoped_free bool *stays = mem_alloc(n + n_wanted + 1);
	scoped_free bool *placed = mem_alloc(n_wanted + 1);
	size_t hole = 0, used = n, kept = 0;

	for (size_t i = 0; i < n && n_wanted; i++) {
		const struct slot *w = bsearch(&slots[i], wanted, n_wanted, sizeof(*w), slot_cmp);

		if (w && !placed[w - wanted]) {
			placed[w - wanted] = stays[i] = true;
			kept++;
		}
	}
	for (size_t i = 0; i < n_wanted; i++) {
		if (placed[i]) {
			continue;
		}
		while (hole < n && stays[hole]) {
			hole++;
		}
		if (hole < n) {
			stays[hole] = true;
			slots[hole] = wanted[i];
		} else {
			stays[used] = true;
			slots[used++] = wanted[i];
		}
	}
	*ret_kept = kept;
	return close_holes(slots, stays, used);
}
