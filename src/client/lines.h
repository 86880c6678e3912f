/* What: cuts a stream of bytes into lines, as a watch sends its events.
 *
 * Limits: a line of more than LINE_MAX_BYTES is a failure. Empty lines are passed over; a last line
 * without an end is never told: it is half an event. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"

struct lines {
	struct strbuf rest; /* the beginning of a line */
};

void lines_fini(struct lines *l);
/* Called for each complete line, without its end; a failure, or an outcome above 0, ends it. */
typedef int lines_fn(void *arg, struct slice line, struct err *err);
/* Returns what fn returned when it ended it. Failure: ERR_LIMIT. */
MUST_USE int lines_feed(struct lines *l, struct slice bytes, lines_fn *fn, void *arg,
                        struct err *err);
