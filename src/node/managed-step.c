/* Why: what happens to somebody's database is decided here, where it can be tested without one; see
 * managed-step.h. */
#include "node/managed-step.h"

#define TO(s) (1u << MANAGED_##s)
static const uint32_t moves[MANAGED_STATE_COUNT] = {
	[MANAGED_WAITING] = TO(CLAIMING) | TO(REMOVING),
	[MANAGED_CLAIMING] = TO(WAITING) | TO(PREPARING) | TO(REMOVING),
	[MANAGED_PREPARING] = TO(STARTING) | TO(STOPPING) | TO(RESTING) | TO(REMOVING),
	[MANAGED_STARTING] = TO(RUNNING) | TO(STOPPING) | TO(RESTING),
	[MANAGED_RUNNING] = TO(STOPPING) | TO(RESTING),
	[MANAGED_RESTING] = TO(PREPARING) | TO(REMOVING),
	[MANAGED_STOPPING] = TO(PREPARING) | TO(REMOVING),
	[MANAGED_REMOVING] = TO(RELEASING),
	[MANAGED_RELEASING] = TO(GONE),
	[MANAGED_GONE] = 0,
};

bool managed_can_move(enum managed_state from, enum managed_state to)
{
	return moves[from] & (1u << to);
}

const char *managed_state_name(enum managed_state s)
{
	static const char *const names[] = {
#define MANAGED_STATE(name, text) [MANAGED_##name] = #name,
		MANAGED_STATES(MANAGED_STATE)
#undef MANAGED_STATE
	};

	return names[s];
}

static enum managed_state while_preparing(const struct managed_facts *f)
{
	if (f->busy) {
		return MANAGED_PREPARING;
	}
	if (f->process) { /* adopted: it ran before we did */
		return f->wanted && !f->stale ? MANAGED_STARTING : MANAGED_STOPPING;
	}
	if (!f->wanted) {
		return MANAGED_REMOVING;
	}
	if (f->failed) {
		return MANAGED_RESTING;
	}
	return f->prepared ? MANAGED_STARTING : MANAGED_PREPARING;
}

static enum managed_state while_process(enum managed_state now, const struct managed_facts *f)
{
	if (!f->process) {
		return MANAGED_RESTING;
	}
	if (!f->wanted || f->stale) {
		return MANAGED_STOPPING;
	}
	return f->answers ? MANAGED_RUNNING : now;
}

enum managed_state managed_step(enum managed_state now, const struct managed_facts *f)
{
	switch (now) {
	case MANAGED_WAITING:
		if (!f->wanted) {
			return MANAGED_REMOVING;
		}
		return f->acceptable ? MANAGED_CLAIMING : MANAGED_WAITING;
	case MANAGED_CLAIMING:
		if (!f->wanted) {
			return MANAGED_REMOVING;
		}
		if (!f->acceptable) {
			return MANAGED_WAITING;
		}
		return f->claimed ? MANAGED_PREPARING : MANAGED_CLAIMING;
	case MANAGED_PREPARING:
		return while_preparing(f);
	case MANAGED_STARTING:
	case MANAGED_RUNNING:
		return while_process(now, f);
	case MANAGED_RESTING:
		if (!f->wanted) {
			return MANAGED_REMOVING;
		}
		return f->rested ? MANAGED_PREPARING : MANAGED_RESTING;
	case MANAGED_STOPPING:
		if (f->process) {
			return MANAGED_STOPPING;
		}
		return f->wanted ? MANAGED_PREPARING : MANAGED_REMOVING;
	case MANAGED_REMOVING:
		return f->removed ? MANAGED_RELEASING : MANAGED_REMOVING;
	case MANAGED_RELEASING:
		return f->released ? MANAGED_GONE : MANAGED_RELEASING;
	case MANAGED_GONE:
	case MANAGED_STATE_COUNT:
		break;
	}
	return MANAGED_GONE;
}
