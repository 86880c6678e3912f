/* What: what clients ask for (entries) and what they get (slots), as values and as nftables keeps
 * them, and how a pool's slots follow its endpoints. */
#pragma once

#include <stddef.h>

#include "dataplane/set-key.h"

struct entry {
	struct ip ip;
	uint8_t proto;
	uint16_t port;
};
struct slot {
	struct ip ip;
	uint16_t port;
};

struct set_key entry_key(struct ip ip, uint8_t proto, uint16_t port);
struct entry entry_of_key(const void *bytes, enum ip_family family);
/* Numbers of pools tell their family, since what is not nftables has them all in one place. Those of
 * a family begin with: */
uint32_t pool_first(enum ip_family family);
enum ip_family pool_family(uint32_t pool);
struct set_key slot_key(uint32_t pool, uint32_t number);
struct set_key slot_value(struct slot s);
struct slot slot_of_value(const void *bytes, enum ip_family family);
int slot_cmp(const void *a, const void *b); /* for qsort and bsearch */
/* Sorts, leaves each once; returns how many. */
size_t slots_sort(struct slot *slots, size_t n);
bool slots_have(const struct slot *sorted, size_t n, struct slot s);

/* Brings n slots (room for n + n_wanted) to hold just the wanted ones (sorted, each once), moving
 * as few as can be: who stays keeps its number, new ones fill holes first, left holes are closed
 * from the end. Returns the new number of slots; *ret_kept: how many stayed. */
size_t slots_merge(struct slot *slots, size_t n, const struct slot *wanted, size_t n_wanted,
                   size_t *ret_kept);
