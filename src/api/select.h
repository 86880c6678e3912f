/* What: which objects a list, watch or deletecollection is about. */
#pragma once

#include "api/call.h"
#include "schema/selector.h"

struct selection {
	const struct kind *kind;             /* as the URL names it */
	const struct selector *labels;       /* null: all */
	const struct field_selector *fields; /* null: all */
	struct slice ns;                     /* empty: all */
	struct slice name;                   /* the only one; empty: all */
};

/* Reads the call's selectors. Failure: 400. */
MUST_USE int selection_read(struct call *c, struct arena *a, struct selection *ret);
bool selection_has(const struct selection *s, const struct val *stored);
bool selection_is_everything(const struct selection *s);
/* Visits what is selected, in key order; stops when fn returns false. */
void selection_each(const struct selection *s, const struct store *store, store_visit_fn *fn,
                    void *arg);
