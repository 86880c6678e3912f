/* What: counters in the Prometheus text format. */
#pragma once

#include <stdatomic.h>

enum { METRICS_BUCKETS = 8 };

struct metrics {
	atomic_ulong requests[6]; /* by status class: 1xx ... 5xx at its hundred */
	atomic_ulong bucket[METRICS_BUCKETS];
	atomic_ulong microseconds;
	atomic_int in_flight;
	atomic_ulong cache_hits, cache_misses, applications;
};

void metrics_count(struct metrics *m, int status, double seconds);
/* The page, to be freed. */
char *metrics_text(struct metrics *m, int db_open, int db_busy);
