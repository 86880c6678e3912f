/* What: the matrix of a subject: its workloads, its balancers as ways in, its profile's networks.
 */
#pragma once

#include "analyse/matrix-view.h"
#include "analyse/subject.h"

/* Allocated in 'a'; origin of each workload is its struct workload, index its id. The subject must
 * outlive it. */
const struct matrix_world *matrix_world_of_subject(struct arena *a, struct subject *s);
/* What a reader of the matrix has to know beside it: kinds not considered, policies nobody
 * enforces. */
struct matrix_notes matrix_notes_of_subject(struct arena *a, const struct subject *s);
/* Container ports of a workload. */
struct ports workload_ports(struct arena *a, const struct workload *w);
