/* What: one line of a container's log as conmon writes it (CRI format). Pure.
 *
 *   2024-01-02T03:04:05.123456789+00:00 stdout F text of the line
 *
 * Tag F ends a line of the program's, P says that the rest comes in the next one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/strbuf.h"

enum { LOGS_LINE_MAX = 256 << 10 }; /* bytes of a line in the file; conmon cuts at 8 KiB */

struct logs_line {
	int64_t wall_us;
	struct slice time; /* as written */
	bool is_stderr;
	bool is_partial;   /* the next line of this stream goes on */
	struct slice text; /* without line end */
};

/* line: without its newline. False for what is no such line; ret points into it. */
bool logs_line_parse(struct slice line, struct logs_line *ret);
/* Appends the time as RFC 3339 in UTC with nine decimals, whatever zone it was written in. */
void logs_line_add_time(struct strbuf *out, const struct logs_line *line);
