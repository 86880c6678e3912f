/* What: what the files of family LB share; the table is in check-lb.c. */
#pragma once

#include "analyse/family.h"

#define service_each(c, it)                                                                        \
	for (size_t it##_i = 0; it##_i < (c)->subject->services.n; it##_i++)                       \
		for (const struct svc *it = (c)->subject->services.at[it##_i];                     \
		     it && !it->object->assumed; it = NULL)

/* Calls for each workload behind an Ingress, once per Ingress. */
typedef void behind_fn(struct check *c, const struct object *ingress, const struct workload *w);
void lb_each_behind(struct check *c, const struct object *ingress, behind_fn *fn);

/* check-lb-front.c */
void lb003(struct check *c);
void lb004(struct check *c);
void lb010(struct check *c);
void lb012(struct check *c);
void lb013(struct check *c);
void lb014(struct check *c);
/* check-lb-idle.c */
void lb011(struct check *c);
void lb018(struct check *c);
/* check-lb-cloud.c */
void lb002(struct check *c);
void lb005(struct check *c);
void lb006(struct check *c);
void lb007(struct check *c);
void lb009(struct check *c);
void lb015(struct check *c);
void lb016(struct check *c);
void lb017(struct check *c);
void lb020(struct check *c);
/* check-lb-range.c */
void lb008(struct check *c);
void lb019(struct check *c);
