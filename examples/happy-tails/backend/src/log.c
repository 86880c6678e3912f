/* Why: logs are read by machines first. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

enum { DEBUG = 3, INFO = 2 };

static int most = INFO;

void log_set_level(int level)
{
	most = level;
}

/* Text of any bytes: what is not UTF-8 is shown as question marks. */
static json_t *text_json(const char *text)
{
	json_t *json = json_string(text);
	char *copy = json ? NULL : strdup(text);

	for (char *c = copy; c && *c; c++) {
		*c = (*c & 0x80) ? '?' : *c;
	}
	json = json ? json : json_string(copy ? copy : "");
	free(copy);
	return json;
}

/* Takes over line. A line is one write, so that threads do not mix. */
static void put(int level, json_t *line)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char when[32] = "", stamp[48];
	struct timespec now;
	struct tm tm;
	json_t *whole;
	char *out;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(stamp, sizeof(stamp), "%s.%03dZ", when, (int)(now.tv_nsec / 1000000));
	whole = json_pack("{s:s, s:s}", "time", stamp, "level", names[level]);
	json_object_update(whole, line);
	out = json_dumps(whole, JSON_COMPACT | JSON_REAL_PRECISION(6));
	if (out) {
		printf("%s\n", out);
		fflush(stdout);
	}
	free(out);
	json_decref(whole);
	json_decref(line);
}

void log_write(int level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (level > most) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(level, json_pack("{s:o}", "msg", text_json(text)));
}

void log_request(bool routine, const char *method, const char *path, int status, double seconds)
{
	int level = routine ? DEBUG : INFO;

	if (level <= most) {
		put(level, json_pack("{s:s, s:o, s:o, s:i, s:f}", "msg", "request", "method",
		                     text_json(method), "path", text_json(path), "status", status,
		                     "ms", (double)(long)(seconds * 1e6) / 1e3));
	}
}
