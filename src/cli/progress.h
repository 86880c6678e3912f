/* What: progress of long work: one line that is rewritten on a terminal, plain lines elsewhere, so that nobody
 * waits for seconds without being told for what. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	int64_t start_us;
	int64_t said_us; /* when the last plain line was written */
	bool terminal;
	bool open;      /* a line without its end stands on the terminal */
	char last[160]; /* so that plain output says each thing once */
};

void progress_init(struct progress *p);
/* What is being done now; may be called often. Off a terminal it is a line when nothing else was said for five
 * seconds. */
void progress_now(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A thing that takes long begins: said everywhere. */
void progress_long(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A thing done: its own line, with the time since the start. */
void progress_done(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Clears the open line. */
void progress_end(struct progress *p);
