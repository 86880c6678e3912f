/* What: deleting with the options that a client gives. */
#pragma once

#include "api/call.h"

/* Reads DeleteOptions (may be null) over those of the query. Failure: 400, 422. */
MUST_USE int remove_options(struct call *c, const struct val *given, struct store_delete_opts *ret);
/* Outcome: enum store_deleted; *ret_last is borrowed. Dry runs only look. Failure: a Status. */
MUST_USE int remove_run(struct call *c, struct key key, const struct store_delete_opts *o,
                        const struct doc **ret_last);
