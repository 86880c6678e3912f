/* What: is what was applied up yet, and if not, what is missing: one sentence. Pure. */
#pragma once

#include "base/strbuf.h"
#include "codec/value.h"

/* True when an object has nothing more to wait for; else a few words why go to missing ("1 of 3
 * available"). Kinds without a notion of readiness are ready. */
bool readiness_of(const struct val *object, struct strbuf *missing);
/* True when a pod's status tells of an earlier life of the instance: it claims to be ready with a container
 * that was started before since_wall_us. */
bool readiness_is_stale(const struct val *pod, int64_t since_wall_us);
/* True when an event of the list, not older than since_wall_us, says that a load balancer cannot be had (its port
 * is taken): waiting does not help. Its message is appended to out. */
bool readiness_is_refused(const struct val *event_list, int64_t since_wall_us, struct strbuf *out);
/* The first reason that a pod of a list gives for not running ("backend-x: ImagePullBackOff: ..."),
 * appended to out; nothing when none does. */
void readiness_why(const struct val *pod_list, struct strbuf *out);
