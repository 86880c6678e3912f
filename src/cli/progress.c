/* Why: long work shows where it is; see progress.h. */
#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"

static const int64_t quiet_us = 5 * US_PER_S;

void progress_init(struct progress *p)
{
	int64_t now_us = clock_mono_us();

	*p = (struct progress){
		.start_us = now_us,
		.said_us = now_us,
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

/* One plain line, with the time since the start. */
static void say(struct progress *p, const char *text)
{
	p->said_us = clock_mono_us();
	printf("%6.1f s  %s\n", (double)(p->said_us - p->start_us) / 1e6, text);
	fflush(stdout);
}

static void show(struct progress *p, const char *text)
{
	snprintf(p->last, sizeof(p->last), "%s", text);
	printf("\r\033[K  %.140s", text);
	fflush(stdout);
	p->open = true;
}

void progress_now(struct progress *p, const char *fmt, ...)
{
	char text[sizeof(p->last)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strcmp(text, p->last) == 0) {
		return;
	}
	if (p->terminal) {
		show(p, text);
	} else if (clock_mono_us() - p->said_us > quiet_us) {
		snprintf(p->last, sizeof(p->last), "%s", text);
		say(p, text);
	}
}

void progress_long(struct progress *p, const char *fmt, ...)
{
	char text[sizeof(p->last)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (p->terminal) {
		show(p, text);
	} else {
		say(p, text);
	}
}

void progress_done(struct progress *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	progress_end(p);
	say(p, text);
}
