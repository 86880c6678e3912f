/* Why: one back-off for everybody who retries; see backoff.h. */
#include "base/backoff.h"

int64_t backoff_next_us(struct backoff *b, uint32_t chance)
{
	int64_t delay = b->next_us ? b->next_us : b->floor_us;

	if (delay > b->ceiling_us) {
		delay = b->ceiling_us;
	}
	b->next_us = delay > b->ceiling_us / 2 ? b->ceiling_us : delay * 2;
	return delay - (int64_t)(((__int128)(delay / 4) * chance) >> 32);
}

void backoff_reset(struct backoff *b)
{
	b->next_us = 0;
}
