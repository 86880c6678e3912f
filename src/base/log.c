/* Why: the only I/O of base; see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static const char *const names[] = { "trace", "debug", "info", "odd", "broken" };

static struct {
	const char *role;
	enum log_level least;
} logger = { "kennel", LOG_INFO };

enum { WINDOW_LINES = 20 };
static const int64_t window_us = 10 * US_PER_S;

void log_init(const char *role, enum log_level least)
{
	logger.role = role;
	logger.least = least;
}

int log_level_parse(const char *name)
{
	for (int i = 0; i <= LOG_BROKEN; i++) {
		if (strcmp(names[i], name) == 0) {
			return i;
		}
	}
	return -1;
}

void log_at(struct log_site *site, enum log_level level, const char *fmt, ...)
{
	char line[2048], when[TIME_TEXT_SIZE];
	int64_t now = clock_mono_us();
	va_list ap;
	int n;

	if (level < logger.least) {
		return;
	}
	if (now - site->window_us > window_us) {
		site->window_us = now;
		site->n = 0;
	}
	if (++site->n > WINDOW_LINES) {
		site->swallowed++;
		return;
	}
	n = snprintf(line, sizeof(line), "%s %-6s %s: ", time_format_micro(clock_wall_us(), when),
	             names[level], logger.role);
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	if (site->swallowed && n < (int)sizeof(line)) {
		n += snprintf(line + n, sizeof(line) - (size_t)n, " swallowed=%d", site->swallowed);
		site->swallowed = 0;
	}
	if (n > (int)sizeof(line) - 1) {
		n = sizeof(line) - 1;
	}
	for (int i = 0; i < n; i++) {
		if ((unsigned char)line[i] < 0x20) {
			line[i] = ' '; /* one event, one line, whatever the text holds */
		}
	}
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)n);
}
