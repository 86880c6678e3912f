/* Why: three different questions: does the process run (live), may it get traffic (ready), how is
 * everything (health). */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "app.h"

struct answer health_live(struct request *r)
{
	(void)r;
	return answer_json(200, json_pack("{s:s}", "status", "alive"));
}

struct answer health_ready(struct request *r)
{
	if (atomic_load(&r->app->draining)) {
		return answer_error(503, "draining", "The server is shutting down.");
	}
	if (!atomic_load(&r->app->migrated) || !db_is_up(r->app->db)) {
		return answer_away();
	}
	return answer_json(200, json_pack("{s:s}", "status", "ready"));
}

struct answer health_full(struct request *r)
{
	double ms = db_ping(r->app->db);
	bool cache = r->app->cache && cache_ping(r->app->cache);
	char host[256] = "";
	json_t *json;

	gethostname(host, sizeof(host) - 1);
	json = json_pack("{s:s, s:s, s:I, s:{s:s, s:f}, s:{s:s}}", "status",
	                 ms < 0                    ? "unhealthy"
	                 : cache || !r->app->cache ? "healthy"
	                                           : "degraded",
	                 "host", host, "uptimeSeconds", (json_int_t)(time(NULL) - r->app->started),
	                 "database", "status", ms < 0 ? "disconnected" : "connected", "latencyMs",
	                 ms < 0 ? 0.0 : ms, "cache", "status",
	                 !r->app->cache ? "none"
	                 : cache        ? "connected"
	                                : "disconnected");
	return answer_json(ms < 0 ? 503 : 200, json);
}

struct answer health_metrics(struct request *r)
{
	int open, busy;

	db_stats(r->app->db, &open, &busy);
	return (struct answer){ .status = 200,
		                .text = metrics_text(&r->app->metrics, open, busy),
		                .text_type = "text/plain; version=0.0.4" };
}
