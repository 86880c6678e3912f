/* What: keys and values of service elements as nftables keeps them, and how a pool's slots follow
 * its endpoints. */
#pragma once

#include <stddef.h>

#include "base/ip.h"

/* Both as the kernel's maps have them: fields padded to four bytes. */
struct entry_key {
	uint8_t ip[4];
	uint8_t proto, pad[3];
	uint16_t port_be, pad2;
};
struct slot {
	uint8_t ip[4];
	uint16_t port_be, pad;
};
struct slot_key {
	uint32_t pool, number;
};

struct entry_key entry_key_of(struct ip ip, uint8_t proto, uint16_t port); /* v4 */
struct slot slot_of(struct ip ip, uint16_t port);                          /* v4 */
int slot_cmp(const void *a, const void *b); /* for qsort and bsearch */
/* Sorts, leaves each once; returns how many. */
size_t slots_sort(struct slot *slots, size_t n);
bool slots_have(const struct slot *sorted, size_t n, struct slot s);

/* Brings n slots (room for n + n_wanted) to hold just the wanted ones (sorted, each once), moving
 * as few as can be: who stays keeps its number, new ones fill holes first, left holes are closed
 * from the end. Returns the new number of slots; *ret_kept: how many stayed. */
size_t slots_merge(struct slot *slots, size_t n, const struct slot *wanted, size_t n_wanted,
                   size_t *ret_kept);
