/* What: counts and times of requests, for /metrics. */
#pragma once

#include "api/call.h"

void metric_count(struct call *c, int status);
void metrics_write(struct api *api, struct strbuf *out);
void metrics_fini(struct api *api);
