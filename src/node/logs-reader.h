/* What: a log file read forwards from where a query says, line by line, across rotation.
 *
 * How to use: logs_reader_open, then logs_reader_read until it says LOGS_READER_END; for followers
 * ask again when the file changed, after logs_reader_reopen. Reads block as files do: 64 KiB at a
 * time. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"
#include "node/logs-query.h"

enum { LOGS_READER_PIECE = 64 << 10 }; /* bytes of the file that one read takes */

struct logs_reader {
	int fd;                  /* owned; -1: no file (yet) */
	struct logs_query query; /* given; limit_bytes counts down */
	int64_t offset;          /* of the next read */
	struct strbuf held;      /* the beginning of a line that has not come whole */
	bool is_skipping;        /* inside a line longer than LOGS_LINE_MAX */
	bool is_inside;          /* the last line was a partial one: no time in front of the next */
	unsigned malformed;      /* lines passed over */
};

enum logs_reader_outcome {
	LOGS_READER_MORE = 0, /* ask again */
	LOGS_READER_END = 1,  /* the file has no more for now */
	LOGS_READER_FULL = 2, /* limit_bytes is reached: nothing will come any more */
};

/* Opens 'path' and finds where tail_lines begins. Failure: ERR_NOTFOUND, ERR_IO. */
MUST_USE int logs_reader_open(struct logs_reader *r, const char *path, const struct logs_query *q,
                              struct err *err);
void logs_reader_fini(struct logs_reader *r);
/* Appends what the next piece of the file says. Returns a logs_reader_outcome. Failure: ERR_IO. */
MUST_USE int logs_reader_read(struct logs_reader *r, struct strbuf *out, struct err *err);
/* At the end of the file: when 'path' is another file by now (rotated) or was cut short, goes on at
 * its start. True when there is something new to read. */
bool logs_reader_reopen(struct logs_reader *r, const char *path);
