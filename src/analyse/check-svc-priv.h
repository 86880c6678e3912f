/* What: the parts of family SVC, a file for each noun; the table is in check-svc.c. */
#pragma once

#include "analyse/rule.h"

/* For each Service that somebody wrote. */
#define service_each(c, it)                                                                        \
	for (size_t it##_i = 0; it##_i < (c)->subject->services.n; it##_i++)                       \
		for (const struct svc *it = (c)->subject->services.at[it##_i];                     \
		     it && !it->object->assumed; it = NULL)

/* check-svc-selector.c */
void svc_selector_nobody(struct check *c);    /* SVC001 */
void svc_selector_elsewhere(struct check *c); /* SVC002 */
void svc_selector_strangers(struct check *c); /* SVC003 */
void svc_selector_own(struct check *c);       /* SVC004 */
/* check-svc-port.c */
void svc_port_number(struct check *c);   /* SVC005 */
void svc_port_name(struct check *c);     /* SVC006 */
void svc_port_protocol(struct check *c); /* SVC008 */
void svc_port_taken(struct check *c);    /* SVC019 */
/* check-svc-caller.c */
void svc_caller_port(struct check *c);      /* SVC007 */
void svc_caller_headless(struct check *c);  /* SVC009 */
void svc_caller_host(struct check *c);      /* SVC017 */
void svc_caller_alias(struct check *c);     /* SVC018 */
void svc_caller_variables(struct check *c); /* SVC020 */
/* check-svc-peers.c */
void svc_peers_governing(struct check *c); /* SVC010 */
void svc_peers_unready(struct check *c);   /* SVC011 */
/* check-svc-traffic.c */
void svc_traffic_affinity(struct check *c); /* SVC012 */
void svc_traffic_external(struct check *c); /* SVC013 */
void svc_traffic_internal(struct check *c); /* SVC014 */
void svc_traffic_families(struct check *c); /* SVC021 */
/* check-svc-endpoints.c */
void svc_endpoints_none(struct check *c);       /* SVC015 */
void svc_endpoints_unroutable(struct check *c); /* SVC016 */

/* Where the Service's selector stands. */
const struct val *svc_selector_at(const struct svc *x);
/* Adds to the finding what the Service selects. */
void svc_show_selector(struct check *c, struct finding *f, const struct svc *x);
