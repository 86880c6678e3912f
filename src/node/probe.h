/* What: the state of a probe: results in, flips out. Pure. kubernetes-api.md section 8.3. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codec/value.h"

enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS, PROBE_KINDS };

struct probe_state {
	enum probe_kind kind;
	int64_t initial_delay_us, period_us, timeout_us; /* given */
	int failure_threshold, success_threshold;        /* given */
	bool passes; /* what the probe says now: liveness starts as true, the others as false */
	bool last;   /* result of the last try */
	int in_a_row;
};

enum probe_turn {
	PROBE_STAYS,
	PROBE_PASSES, /* now says yes */
	PROBE_FAILS,  /* now says no; liveness and startup: the container is to be killed */
};

/* spec: the Probe of the API, defaults included or not. */
void probe_init(struct probe_state *p, enum probe_kind kind, const struct val *spec);
enum probe_turn probe_result(struct probe_state *p, bool ok);
/* "Liveness", "Readiness", "Startup" */
const char *probe_kind_title(enum probe_kind k);
/* "livenessProbe", ... */
const char *probe_kind_field(enum probe_kind k);
