/* What: the inside of a diff, shared by diff.c (what changed), diff-cause.c (who did it) and
 * diff-report.c. */
#pragma once

#include "analyse/diff.h"
#include "base/map.h"

#define DIFF_NOBODY UINT32_MAX /* an end or workload that one side does not have */

struct twin { /* a workload before and after; one of them may be null */
	const struct workload *was, *is;
};
struct joint {                  /* what neither side can tell apart */
	uint32_t before, after; /* ends; or DIFF_NOBODY */
	VEC(struct twin) workloads;
	struct cidr_set addresses; /* outside */
	struct slice name;         /* made when asked for */
};

struct causes { /* finds who is to blame */
	struct diff *d;
	const struct diff_side *sides[2]; /* before, after */
	struct map found;                 /* ids with commas -> cause list index + 1 */
	VEC(const char *) texts;          /* of objects that changed */
	struct map text_ids;              /* text -> index + 1 */
	struct map blamed;        /* objects before and after, and what of them -> the same */
	struct map selector_keys; /* label keys that any policy speaks of */
};
void causes_init(struct causes *c, struct diff *d, const struct diff_side *before,
                 const struct diff_side *after);
void causes_fini(struct causes *c);
/* Sets causes, n_causes and cause_id for the flow from one joint to another. */
void causes_of(struct causes *c, const struct joint *from, const struct joint *to,
               struct diff_change *ret);
