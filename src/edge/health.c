/* Why: see health.h; kept apart from sockets so that a test is a list of results. */
#include "edge/health.h"

const char *health_state_name(enum health_state s)
{
	static const char *const names[] = {
#define HEALTH_STATE(name, text) text,
		HEALTH_STATES(HEALTH_STATE)
#undef HEALTH_STATE
	};

	return names[s];
}

static bool set_state(struct health *h, enum health_state to)
{
	bool changed = h->state != to;

	h->state = to;
	h->run = 0;
	return changed;
}

bool health_result(struct health *h, const struct health_rule *r, bool good)
{
	unsigned needed = good ? r->healthy_after : r->unhealthy_after;

	if (h->state == (good ? HEALTH_HEALTHY : HEALTH_UNHEALTHY)) {
		h->run = 0; /* a single result to the contrary is forgotten */
		return false;
	}
	if (h->state == HEALTH_INITIAL && good) {
		return set_state(h, HEALTH_HEALTHY);
	}
	h->run++;
	return h->run >= needed && set_state(h, good ? HEALTH_HEALTHY : HEALTH_UNHEALTHY);
}

size_t health_choose(const struct health *const *targets, size_t n, size_t turn)
{
	size_t healthy = 0, nth;

	for (size_t i = 0; i < n; i++) {
		healthy += targets[i]->state == HEALTH_HEALTHY;
	}
	if (healthy == 0) {
		return n ? turn % n : 0;
	}
	nth = turn % healthy;
	for (size_t i = 0; i < n; i++) {
		if (targets[i]->state == HEALTH_HEALTHY && nth-- == 0) {
			return i;
		}
	}
	return 0;
}
