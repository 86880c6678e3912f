/* What: the seam between the records of Services (service.c) and what they mean (service-derive.c).
 */
#pragma once

#include "model/model-priv.h"

#define SOURCE_RANGES_ANNOTATION "service.beta.kubernetes.io/load-balancer-source-ranges"

/* Derives ports, endpoints, hosts and addresses of s anew from its documents. */
void service_derive(struct model *m, struct service *s);
/* Takes s out of the index of addresses. */
void service_forget(struct model *m, struct service *s);
/* The record of that name means what d says from now on (same: which is what it said before). */
void service_hold(struct model *m, struct slice ns, struct slice name, const struct doc *d,
                  bool same);
void service_let_go(struct model *m, struct slice ns, struct slice name);
uint16_t port_number(const struct val *v); /* 0: none */

/* ---- host-port.c ---- */
bool is_host_port_record(const struct service *s);
void host_ports_derive(struct model *m, struct service *s);
