/* What: the seam between the records of Services (service.c) and what they mean (service-derive.c).
 */
#pragma once

#include "model/model-priv.h"

#define SOURCE_RANGES_ANNOTATION "service.beta.kubernetes.io/load-balancer-source-ranges"

/* Derives ports, endpoints, hosts and addresses of s anew from its documents. */
void service_derive(struct model *m, struct service *s);
/* Takes s out of the index of addresses. */
void service_forget(struct model *m, struct service *s);
