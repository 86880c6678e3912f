/* What: expectations held against packets through a running instance (live.h). */
#pragma once

#include "analyse/verify.h"
#include "cli/analysis.h"
#include "cli/live.h"

struct verify_live {
	size_t n_flows;    /* tried */
	size_t n_disagree; /* came out other than predicted */
	size_t n_skipped; /* pairs with an end that has no pod here (outside, nothing running), requests likewise */
	size_t n_silent; /* UDP without an answer: says nothing */
};
/* Tries the flows of every case of v, from a pod of the source to a pod of the destination, and marks cases that came
 * out other than expected. A flow that was expected open and came to nothing is tried once more with more patience.
 * Failure: the instance could not be asked. */
MUST_USE int verify_live(struct verify *v, struct subject *s, struct matrix *m, struct live *live,
                         int timeout_ms, struct verify_live *ret, struct err *err);
/* Sends the requests among the cases: from outside through the edge, from a workload out of one of its pods. */
MUST_USE int verify_live_requests(struct verify *v, struct subject *s,
                                  const struct cli_instance *instance, const struct cli_ops *ops,
                                  struct verify_live *ret, struct err *err);
/* The same as `kennel verify --live` does it, with its options; the sum of what was seen on standard error. */
MUST_USE int verify_running(struct verify *v, struct analysis *a, const struct cli_parsed *p,
                            const struct cli_ops *ops, struct err *err);
