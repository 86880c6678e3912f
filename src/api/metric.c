/* Why: one wants to see what a server is busy with, in the names that Prometheus' dashboards for
 * Kubernetes know. */
#include "api/metric.h"

#include <inttypes.h>

#include "api/api-priv.h"
#include "base/clock.h"
#include "base/mem.h"

struct metric {
	uint64_t n, us;
};

enum {
	METRICS_MAX = 2000
}; /* combinations of verb, resource and code; names come from the registry */

void metric_count(struct call *c, int status)
{
	scoped_strbuf struct strbuf key = { 0 };
	struct metric *m;
	bool is_known = c->kind != NULL;

	strbuf_addf(&key,
	            "verb=\"%s\",group=\"%s\",resource=\"%s\",subresource=\"" SLICE_FMT
	            "\",code=\"%d\"",
	            c->route.is_resource ? verb_name(c->route.verb) : "path",
	            is_known ? c->kind->group : "", is_known ? c->kind->plural : "",
	            SLICE_ARG(c->sub ? c->route.subresource : SLICE("")), status);
	m = map_find(&c->api->metrics, strbuf_slice(&key));
	if (!m) {
		if (c->api->metrics.n >= METRICS_MAX) {
			return;
		}
		m = NEW(struct metric);
		map_set(&c->api->metrics, strbuf_slice(&key), m);
	}
	m->n++;
	m->us += (uint64_t)(clock_mono_us() - c->started_us);
}

void metrics_write(struct api *api, struct strbuf *out)
{
	strbuf_adds(out, "# TYPE apiserver_request_total counter\n");
	for (struct map_iter it = { 0 }; map_next(&api->metrics, &it);) {
		strbuf_addf(out, "apiserver_request_total{" SLICE_FMT "} %" PRIu64 "\n",
		            SLICE_ARG(it.key), ((struct metric *)it.value)->n);
	}
	strbuf_adds(out, "# TYPE apiserver_request_duration_seconds summary\n");
	for (struct map_iter it = { 0 }; map_next(&api->metrics, &it);) {
		const struct metric *m = it.value;

		strbuf_addf(out,
		            "apiserver_request_duration_seconds_sum{" SLICE_FMT "} %.6f\n"
		            "apiserver_request_duration_seconds_count{" SLICE_FMT "} %" PRIu64 "\n",
		            SLICE_ARG(it.key), (double)m->us / 1e6, SLICE_ARG(it.key), m->n);
	}
	strbuf_addf(out,
	            "# TYPE apiserver_longrunning_requests gauge\n"
	            "apiserver_longrunning_requests{verb=\"WATCH\"} %zu\n"
	            "apiserver_longrunning_requests{verb=\"CONNECT\"} %zu\n"
	            "# TYPE apiserver_storage_revision gauge\n"
	            "apiserver_storage_revision %" PRIu64 "\n",
	            api->n_watches, api->n_tunnels, store_revision(api->store));
}

void metrics_fini(struct api *api)
{
	for (struct map_iter it = { 0 }; map_next(&api->metrics, &it);) {
		free(it.value);
	}
	map_fini(&api->metrics);
}
