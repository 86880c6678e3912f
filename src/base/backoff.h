/* What: how long to wait before the next try. Pure: the caller passes the chance. */
#pragma once

#include <stdint.h>

struct backoff {
	int64_t floor_us;   /* given: first delay */
	int64_t ceiling_us; /* given: no delay is longer */
	int64_t next_us;    /* state: 0 before the first try */
};

/* The delay to wait now; the following one doubles until the ceiling. 'chance' in 0..2^32-1 shortens
 * it by less than a quarter; 0 leaves it whole. */
int64_t backoff_next_us(struct backoff *b, uint32_t chance);
void backoff_reset(struct backoff *b);
