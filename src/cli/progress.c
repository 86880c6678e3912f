/* Why: long work shows where it is; see progress.h. */
#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"

void progress_init(struct progress *p)
{
	*p = (struct progress){
		.start_us = clock_mono_us(),
		.terminal = cli_is_terminal(STDOUT_FILENO),
	};
}

void progress_end(struct progress *p)
{
	if (p->open) {
		fputs("\r\033[K", stdout);
		fflush(stdout);
		p->open = false;
	}
}

void progress_now(struct progress *p, const char *fmt, ...)
{
	char text[sizeof(p->last)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strcmp(text, p->last) == 0 || !p->terminal) {
		return;
	}
	memcpy(p->last, text, sizeof(text));
	printf("\r\033[K  %.140s", text);
	fflush(stdout);
	p->open = true;
}

void progress_done(struct progress *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	progress_end(p);
	printf("%6.1f s  %s\n", (double)(clock_mono_us() - p->start_us) / 1e6, text);
	fflush(stdout);
}
