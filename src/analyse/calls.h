/* What: who calls whom, by the values: references that a program opens connections to, with the workload that reads
 * them and whom they mean; read once for all families. */
#pragma once

#include "analyse/target.h"

struct call {
	const struct reference *r;
	const struct workload *from; /* who reads it */
	const struct object *by;     /* in which it is written */
	struct target to;
};
struct calls {
	VEC(struct call) at;
};
/* Calls from pods (no browsers, probes, builds), sure enough to be believed (confidence above low); in the order of the
 * values. Made at the first call. */
const struct calls *subject_calls(struct subject *s);
#define call_each(s, it)                                                                           \
	for (size_t it##_i = 0; it##_i < subject_calls(s)->at.n; it##_i++)                         \
		for (const struct call *it = &subject_calls(s)->at.at[it##_i]; it; it = NULL)

/* "http://backend:5000" without user, password and path; borrowed from out. */
const char *call_text(struct strbuf *out, const struct call *x);
