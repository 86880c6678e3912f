/* What: whether a target is fit for new connections, out of the results of its checks. Pure.
 *
 *            healthy_after in a row
 *   INITIAL ------------------------> HEALTHY <----------------+
 *      |                                 | unhealthy_after     | healthy_after
 *      | unhealthy_after                 v in a row            | in a row
 *      +----------------------------> UNHEALTHY ---------------+
 *
 * A target that was never checked counts as usable only when no target is healthy (fail open), as
 * one that failed does. Source: aws/nlb#target-group-health-checks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEALTH_STATES(X)                                                                           \
	X(INITIAL, "initial") /* not checked enough */                                             \
	X(HEALTHY, "healthy")                                                                      \
	X(UNHEALTHY, "unhealthy")

enum health_state {
#define HEALTH_STATE(name, text) HEALTH_##name,
	HEALTH_STATES(HEALTH_STATE)
#undef HEALTH_STATE
};

struct health_rule {
	int64_t interval_us, timeout_us;
	unsigned healthy_after, unhealthy_after; /* results in a row; at least 1 */
};
/* As the AWS load balancer controller asks for: every 10 s, 10 s, 3 and 3. */
#define HEALTH_RULE_DEFAULT                                                                        \
	(struct health_rule)                                                                       \
	{                                                                                          \
		10000000, 10000000, 3, 3                                                           \
	}

struct health {
	enum health_state state;
	unsigned run; /* results in a row that speak for a change */
};

const char *health_state_name(enum health_state s);
/* Takes one result in; true when the state changed. A new target needs one good result only, so
 * that it serves at once. */
bool health_result(struct health *h, const struct health_rule *r, bool good);
/* Chooses among n targets for the 'turn'-th connection: the next healthy one in turn; when none is
 * healthy the next of all. n of 0 gives 0. */
size_t health_choose(const struct health *const *targets, size_t n, size_t turn);
