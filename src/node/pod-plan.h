/* What: what to do next with the containers of a pod. Pure: the wish out of spec and facts.
 * kubernetes-api.md sections 8.2 and 8.5. */
#pragma once

#include "base/backoff.h"
#include "node/container-facts.h"

enum plan_verb {
	PLAN_KEEP,     /* as it is */
	PLAN_START,    /* now */
	PLAN_BACK_OFF, /* it failed; CrashLoopBackOff until restart_at_us */
	PLAN_STOP,     /* a sidecar that nobody needs any more */
};

enum plan_outcome { PLAN_GOES_ON, PLAN_SUCCEEDED, PLAN_FAILED };

struct plan {
	enum plan_outcome outcome;
	bool is_initialized; /* every init container is passed */
	int64_t wake_us;     /* monotonic: when a back-off ends; 0: nothing to wait for */
};

/* facts: init containers, then containers, then ephemeral ones, each in spec order. verbs: n of
 * them, written. */
void pod_plan(const struct val *pod, const struct container_facts *facts, size_t n, int64_t now_us,
              enum plan_verb *verbs, struct plan *ret);

/* Back-off of one container: the first restart is immediate, then 10 s doubling to 5 min, forgotten
 * after a run of 10 min. */
struct restart_backoff {
	int64_t delay_us; /* state: of the last restart; 0: none yet */
};
/* A run ended at now_us after ran_us: when may the next one start? */
int64_t restart_backoff_next(struct restart_backoff *b, int64_t now_us, int64_t ran_us);
