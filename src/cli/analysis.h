/* What: what the commands on the matrix share (matrix, diff, verify): the profile asked for, problems of the input,
 * writing an answer. */
#pragma once

#include "analyse/matrix-subject.h"
#include "cli/gather.h"

#define ANALYSIS_PROFILE_HELP                                                                      \
	"facts of the target: eks, eks-strict, calico, cilium, k3s, kind or none"

/* --profile. Failure: ERR_USAGE with the names there are. */
MUST_USE int analysis_profile(const struct cli_parsed *p, const struct profile **ret,
                              struct err *err);
/* Prints what could not be read, one line each, on standard error; true when there was something. */
bool analysis_tell_problems(const struct gathered *g);

struct analysis { /* zeroed before use */
	struct arena arena;
	struct gathered gathered;
	struct ports_pool *pool; /* owned unless given to analysis_of */
	struct matrix *matrix;
	bool owns_pool;
};
/* Makes the matrix of what was gathered. pool: to be shared with another; null: its own. */
void analysis_make(struct analysis *a, struct ports_pool *pool);
void analysis_fini(struct analysis *a); /* accepts zeroed and half-made */

/* Writes all of it to standard output. Failure: ERR_IO. */
MUST_USE int analysis_print(const struct strbuf *out, struct err *err);
