/* What: one JSON object a line on standard output. Values that came from outside are escaped by it.
 */
#pragma once

#include <stdbool.h>

void log_set_level(int level); /* 0 error ... 3 debug */
void log_write(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One answered request: info, or debug when it is routine. The path only: queries and headers may
 * be private. */
void log_request(bool routine, const char *method, const char *path, int status, double seconds);
#define log_error(...) log_write(0, __VA_ARGS__)
#define log_warn(...)  log_write(1, __VA_ARGS__)
#define log_info(...)  log_write(2, __VA_ARGS__)
#define log_debug(...) log_write(3, __VA_ARGS__)
