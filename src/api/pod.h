/* What: the subresources of pods that change the pod: binding, eviction, ephemeralcontainers,
 * resize. */
#pragma once

#include "api/call.h"

int pod_bind(struct call *c);
int pod_evict(struct call *c);
int pod_ephemeral(struct call *c);
int pod_resize(struct call *c);
/* POST of a Binding to the namespace's bindings. */
int pod_bind_by_name(struct call *c);
