/* Why: thresholds are counted in one place and without a network. */
#include "node/probe.h"

#include "base/clock.h"

static int64_t seconds(const struct val *spec, const char *key, int64_t otherwise)
{
	return val_int(val_get(spec, key), otherwise) * US_PER_S;
}

static int at_least_one(const struct val *spec, const char *key, int otherwise)
{
	int64_t n = val_int(val_get(spec, key), otherwise);

	return n < 1 ? 1 : n > 1000000 ? 1000000 : (int)n;
}

void probe_init(struct probe_state *p, enum probe_kind kind, const struct val *spec)
{
	*p = (struct probe_state){
		.kind = kind,
		.initial_delay_us = seconds(spec, "initialDelaySeconds", 0),
		.period_us = seconds(spec, "periodSeconds", 10),
		.timeout_us = seconds(spec, "timeoutSeconds", 1),
		.failure_threshold = at_least_one(spec, "failureThreshold", 3),
		.success_threshold = at_least_one(spec, "successThreshold", 1),
		.passes = kind == PROBE_LIVENESS,
	};
}

enum probe_turn probe_result(struct probe_state *p, bool ok)
{
	p->in_a_row = ok == p->last && p->in_a_row > 0 ? p->in_a_row + 1 : 1;
	p->last = ok;
	if (p->in_a_row < (ok ? p->success_threshold : p->failure_threshold)) {
		return PROBE_STAYS;
	}
	if (!ok && p->kind != PROBE_READINESS) {
		p->in_a_row = 0; /* the container is killed; the next one counts anew */
		p->passes = false;
		return PROBE_FAILS;
	}
	if (ok == p->passes) {
		return PROBE_STAYS;
	}
	p->passes = ok;
	return ok ? PROBE_PASSES : PROBE_FAILS;
}

const char *probe_kind_title(enum probe_kind k)
{
	static const char *const titles[PROBE_KINDS] = { "Startup", "Liveness", "Readiness" };

	return titles[k];
}

const char *probe_kind_field(enum probe_kind k)
{
	static const char *const fields[PROBE_KINDS] = { "startupProbe", "livenessProbe",
		                                         "readinessProbe" };

	return fields[k];
}
