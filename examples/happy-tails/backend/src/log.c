/* Why: logs are read by machines first. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

static int most = 2;

void log_set_level(int level)
{
	most = level;
}

void log_write(int level, const char *fmt, ...)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char text[1024], when[32];
	struct timespec now;
	struct tm tm;
	va_list ap;
	json_t *line;
	char *out;

	if (level > most) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	line = json_pack("{s:s,s:s,s:s}", "time", when, "level", names[level], "msg", text);
	out = line ? json_dumps(line, JSON_COMPACT) : NULL;
	if (out) {
		printf("%s\n", out);
		fflush(stdout);
	}
	free(out);
	json_decref(line);
}
