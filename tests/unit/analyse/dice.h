/* What: chance that repeats: a small generator with a given seed, for the tests of this room. */
#pragma once

#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline void dice_seed(struct dice *d, uint64_t seed)
{
	d->state = seed * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < 8; i++) {
		d->state ^= d->state << 13;
		d->state ^= d->state >> 7;
		d->state ^= d->state << 17;
	}
}

static inline unsigned dice_roll(struct dice *d, unsigned n)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (unsigned)((d->state >> 11) % n);
}
