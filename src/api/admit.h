/* What: admission: what is done to and asked about an object beyond its own kind's rules, because
 * of what else is in the cluster. Source: reference 3.1, 5.2, 7.1 */
#pragma once

#include "api/api.h"

/* May something be created in this namespace? Failure: ERR_NOTFOUND, ERR_FORBIDDEN. */
MUST_USE int admit_namespace(const struct api *api, struct slice ns, struct err *err);
/* Defaults, and what a new object gets from the cluster: the service account of a pod with its
 * token, tolerations, priority, default classes. Failure: ERR_FORBIDDEN (the reason alone). */
MUST_USE int admit_new(struct api *api, const struct kind *k, struct arena *a, struct val *object,
                       struct err *err);
/* Before validation: what a Service keeps from before (old may be null) and which IP families it
 * gets, as far as that can be said. */
void admit_service(struct api *api, struct arena *a, struct val *service, const struct val *old);
