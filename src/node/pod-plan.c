/* Why: restart policies, order of init containers and sidecars meet in one function over plain
 * data, so that every combination can be tried in a test. */
#include "node/pod-plan.h"

#include "base/clock.h"

bool container_is_sidecar(const struct container_facts *c)
{
	return c->list == POD_INIT && slice_is(val_get_str(c->spec, "restartPolicy"), "Always");
}

bool container_has_succeeded(const struct container_facts *c)
{
	return c->phase == CONTAINER_TERMINATED && c->end.code == 0;
}

bool container_is_passed(const struct container_facts *c)
{
	if (c->list != POD_INIT) {
		return true;
	}
	return container_is_sidecar(c) ? c->phase == CONTAINER_RUNNING && c->is_started
	                               : container_has_succeeded(c);
}

enum restart { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };

static enum restart policy_of(const struct val *pod)
{
	struct slice s = val_str(val_path(pod, "spec.restartPolicy"));

	return slice_is(s, "Never")       ? RESTART_NEVER
	       : slice_is(s, "OnFailure") ? RESTART_ON_FAILURE
	                                  : RESTART_ALWAYS;
}

static bool will_restart(const struct container_facts *c, enum restart policy)
{
	if (container_is_sidecar(c)) {
		return true;
	}
	if (c->list == POD_EPHEMERAL) {
		return false;
	}
	if (c->list == POD_INIT) { /* Always means "until it succeeds" */
		return c->end.code != 0 && policy != RESTART_NEVER;
	}
	return policy == RESTART_ALWAYS || (policy == RESTART_ON_FAILURE && c->end.code != 0);
}

/* A container that should run: start it now, or later. */
static enum plan_verb start_or_wait(const struct container_facts *c, int64_t now_us, struct plan *p)
{
	if (c->restart_at_us <= now_us) {
		return PLAN_START;
	}
	if (!p->wake_us || c->restart_at_us < p->wake_us) {
		p->wake_us = c->restart_at_us;
	}
	return PLAN_BACK_OFF;
}

static enum plan_verb verb_of(const struct container_facts *c, enum restart policy, int64_t now_us,
                              struct plan *p)
{
	if (c->is_busy || c->phase == CONTAINER_RUNNING) {
		return PLAN_KEEP;
	}
	if (c->phase == CONTAINER_TERMINATED && !will_restart(c, policy)) {
		return PLAN_KEEP;
	}
	return start_or_wait(c, now_us, p);
}

/* Init containers one by one; returns true when all are passed. */
static bool plan_init(const struct container_facts *facts, size_t n, enum restart policy,
                      int64_t now_us, enum plan_verb *verbs, struct plan *p)
{
	bool apps_began = false;
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		apps_began = apps_began ||
		             (facts[i].list == POD_APP && (facts[i].has_begun || facts[i].is_busy));
	}
	for (size_t i = 0; i < n && facts[i].list == POD_INIT; i++) {
		const struct container_facts *c = &facts[i];

		if (apps_began && !container_is_sidecar(c)) {
			continue; /* done once, for the life of the pod */
		}
		if (container_is_passed(c)) {
			continue;
		}
		if (!container_is_sidecar(c) && c->phase == CONTAINER_TERMINATED &&
		    !will_restart(c, policy)) {
			p->outcome = PLAN_FAILED;
			return false;
		}
		verbs[i] = verb_of(c, policy, now_us, p);
		all = all && apps_began;
		if (!apps_began) {
			return false; /* the next one waits for this */
		}
	}
	return all || apps_began;
}

/* When every container has ended for good, sidecars go, the last one first. */
static void plan_end(const struct container_facts *facts, size_t n, enum restart policy,
                     enum plan_verb *verbs, struct plan *p)
{
	bool failed = false;

	for (size_t i = 0; i < n; i++) {
		const struct container_facts *c = &facts[i];

		if (c->list != POD_APP) {
			continue;
		}
		if (c->is_busy || c->phase != CONTAINER_TERMINATED || will_restart(c, policy)) {
			return;
		}
		failed = failed || c->end.code != 0;
	}
	for (size_t i = n; i-- > 0;) {
		if (!container_is_sidecar(&facts[i])) {
			continue;
		}
		if (facts[i].phase == CONTAINER_RUNNING || facts[i].is_busy) {
			verbs[i] = PLAN_STOP;
			return;
		}
		verbs[i] = PLAN_KEEP;
	}
	p->wake_us = 0;
	p->outcome = failed ? PLAN_FAILED : PLAN_SUCCEEDED;
}

void pod_plan(const struct val *pod, const struct container_facts *facts, size_t n, int64_t now_us,
              enum plan_verb *verbs, struct plan *ret)
{
	enum restart policy = policy_of(pod);
	struct plan p = { 0 };

	for (size_t i = 0; i < n; i++) {
		verbs[i] = PLAN_KEEP;
	}
	p.is_initialized = plan_init(facts, n, policy, now_us, verbs, &p);
	for (size_t i = 0; i < n; i++) {
		if (facts[i].list == POD_EPHEMERAL ||
		    (facts[i].list == POD_APP && p.is_initialized)) {
			verbs[i] = verb_of(&facts[i], policy, now_us, &p);
		}
	}
	if (p.is_initialized) {
		plan_end(facts, n, policy, verbs, &p);
	}
	*ret = p;
}

int64_t restart_backoff_next(struct restart_backoff *b, int64_t now_us, int64_t ran_us)
{
	static const int64_t floor_us = 10 * US_PER_S, ceiling_us = 300 * US_PER_S,
			     forget_us = 600 * US_PER_S;
	int64_t delay = ran_us >= forget_us ? 0 : b->delay_us;

	/* the delay that applies now was set by the restart before */
	b->delay_us = delay == 0 ? floor_us : delay * 2 > ceiling_us ? ceiling_us : delay * 2;
	return now_us + delay;
}
