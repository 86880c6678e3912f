/* What: what node, pods and containers use, as the kubelet's /stats/summary has it: CPU and memory
 * from control groups, traffic from the pods' interfaces.
 *
 * usageNanoCores is the mean since a sample at least a second old; samples are taken every 15
 * seconds. A container younger than the first sample counts from its start. */
#pragma once

#include "base/strbuf.h"
#include "node/agent.h"

struct stats;

/* Borrowed: the agent. Never fails: without control groups the figures are left out. */
struct stats *stats_new(struct agent *a);
struct stats *stats_free(struct stats *s); /* accepts null */
/* Appends the Summary object (JSON). */
void stats_summary(struct stats *s, struct strbuf *out);

/* ---- pure parts ---- */

struct stats_sample {
	int64_t at_us;  /* of cpu_ns; 0: none yet */
	int64_t cpu_ns; /* counter */
	int64_t rate;   /* nanoseconds of CPU per second; -1: not known */
	unsigned mark;  /* of the last round that saw it */
};
/* Takes a reading in; renews the sample when it is at least a second old. Returns the rate. */
int64_t stats_rate(struct stats_sample *s, int64_t now_us, int64_t cpu_ns);

struct stats_traffic {
	struct slice interface; /* points into the text */
	int64_t rx_bytes, rx_errors, tx_bytes, tx_errors;
};
/* Takes the next interface off *text (/proc/net/dev); false at the end. */
bool stats_next_interface(struct slice *text, struct stats_traffic *ret);
