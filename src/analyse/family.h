/* What: shorthand that the families of checks share. */
#pragma once

#include "analyse/rule.h"

/* "Deployment web" */
#define OBJECT_FMT    SLICE_FMT " " SLICE_FMT
#define OBJECT_ARG(o) SLICE_ARG((o)->kind), SLICE_ARG((o)->name)

/* Objects of a kind that somebody wrote: not those the profile brings. */
static inline const struct object *written_from(const struct object *o)
{
	while (o && o->assumed) {
		o = o->next;
	}
	return o;
}
#define written_each(s, id, it)                                                                    \
	for (const struct object *it = written_from((s)->first[id]); it;                           \
	     it = written_from(it->next))
