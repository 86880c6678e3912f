/* Why: what cannot be seen cannot be run. */
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>

static const double bounds[METRICS_BUCKETS] = { 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5 };

void metrics_count(struct metrics *m, int status, double seconds)
{
	if (status >= 100 && status < 600) {
		atomic_fetch_add(&m->requests[status / 100], 1);
	}
	for (int i = 0; i < METRICS_BUCKETS; i++) {
		if (seconds <= bounds[i]) {
			atomic_fetch_add(&m->bucket[i], 1);
		}
	}
	atomic_fetch_add(&m->microseconds, (unsigned long)(seconds * 1e6));
}

char *metrics_text(struct metrics *m, int db_open, int db_busy)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	unsigned long total = 0;

	if (!f) {
		return NULL;
	}
	fprintf(f, "# HELP http_requests_total Requests answered, by class of status.\n"
	           "# TYPE http_requests_total counter\n");
	for (int i = 1; i < 6; i++) {
		unsigned long n = atomic_load(&m->requests[i]);

		total += n;
		fprintf(f, "http_requests_total{code=\"%dxx\"} %lu\n", i, n);
	}
	fprintf(f, "# HELP http_request_duration_seconds Time from request to answer.\n"
	           "# TYPE http_request_duration_seconds histogram\n");
	for (int i = 0; i < METRICS_BUCKETS; i++) {
		fprintf(f, "http_request_duration_seconds_bucket{le=\"%g\"} %lu\n", bounds[i],
		        atomic_load(&m->bucket[i]));
	}
	fprintf(f, "http_request_duration_seconds_bucket{le=\"+Inf\"} %lu\n", total);
	fprintf(f,
	        "http_request_duration_seconds_sum %g\nhttp_request_duration_seconds_count %lu\n",
	        (double)atomic_load(&m->microseconds) / 1e6, total);
	fprintf(f,
	        "# HELP http_requests_in_flight Requests being answered now.\n"
	        "# TYPE http_requests_in_flight gauge\nhttp_requests_in_flight %d\n",
	        atomic_load(&m->in_flight));
	fprintf(f,
	        "# HELP database_connections Connections of the pool.\n"
	        "# TYPE database_connections gauge\ndatabase_connections{state=\"open\"} %d\n"
	        "database_connections{state=\"busy\"} %d\n",
	        db_open, db_busy);
	fprintf(f,
	        "# HELP cache_requests_total Pet lists asked of the cache.\n"
	        "# TYPE cache_requests_total counter\ncache_requests_total{result=\"hit\"} %lu\n"
	        "cache_requests_total{result=\"miss\"} %lu\n",
	        atomic_load(&m->cache_hits), atomic_load(&m->cache_misses));
	fprintf(f,
	        "# HELP adoption_applications_total Adoption applications filed here.\n"
	        "# TYPE adoption_applications_total counter\nadoption_applications_total %lu\n",
	        atomic_load(&m->applications));
	fclose(f);
	return text;
}
