/* What: what can be done with a resource, one function a verb. Each runs a call that is allowed and
 * whose options are read; it answers or fails (fail.h). */
#pragma once

#include "api/call.h"

int read_get(struct call *c);
int read_list(struct call *c);
int watch_open(struct call *c);
int write_create(struct call *c);
int write_update(struct call *c);
int write_patch(struct call *c);
int remove_object(struct call *c);
int remove_collection(struct call *c);
/* POST of a kind that is never stored. */
int review_create(struct call *c);
/* GET of what is measured: metrics.k8s.io. */
int usage_read(struct call *c);
/* A path without a resource: discovery, OpenAPI, health, version, metrics. */
int path_answer(struct call *c);
