/* What: the halves of family POD: the program, its probes and its port (check-pod.c, with the table); what a pod needs to
 * start and what it is given (check-pod-needs.c). */
#pragma once

#include "analyse/rule.h"

#define WORKLOAD_FMT    SLICE_FMT " " SLICE_FMT
#define WORKLOAD_ARG(w) SLICE_ARG((w)->object->kind), SLICE_ARG((w)->name)
/* For each workload that somebody wrote. */
#define workload_each(c, it)                                                                       \
	for (size_t it##_i = 0; it##_i < (c)->subject->workloads.n; it##_i++)                      \
		for (const struct workload *it = (c)->subject->workloads.at[it##_i];               \
		     it && !it->object->assumed; it = NULL)

void pod_references(struct check *c);  /* POD007 */
void pod_image(struct check *c);       /* POD008 */
void pod_quota(struct check *c);       /* POD009 */
void pod_start_order(struct check *c); /* POD011 */
void pod_low_port(struct check *c);    /* POD012 */
void pod_damaged(struct check *c);     /* POD013 */
void pod_urls(struct check *c);        /* POD014 */
