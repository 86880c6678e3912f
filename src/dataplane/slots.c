/* Why: which endpoint stands in which slot decides how many elements a change costs. */
#include "dataplane/slots.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct entry_key entry_key_of(struct ip ip, uint8_t proto, uint16_t port)
{
	struct entry_key k = { .proto = proto, .port_be = htons(port) };

	memcpy(k.ip, ip.bytes, sizeof(k.ip));
	return k;
}

struct slot slot_of(struct ip ip, uint16_t port)
{
	struct slot s = { .port_be = htons(port) };

	memcpy(s.ip, ip.bytes, sizeof(s.ip));
	return s;
}

int slot_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct slot));
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
