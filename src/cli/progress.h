/* What: progress of long work: one line that is rewritten on a terminal, plain lines elsewhere. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	int64_t start_us;
	bool terminal;
	bool open;      /* a line without its end stands on the terminal */
	char last[160]; /* so that plain output says each thing once */
};

void progress_init(struct progress *p);
/* What is being done now; may be called often. */
void progress_now(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A thing done: its own line, with the time since the start. */
void progress_done(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Clears the open line. */
void progress_end(struct progress *p);
