/* One JSON object a line on standard output. */
#pragma once

void log_set_level(int level); /* 0 error ... 3 debug */
void log_write(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_write(0, __VA_ARGS__)
#define log_warn(...) log_write(1, __VA_ARGS__)
#define log_info(...) log_write(2, __VA_ARGS__)
#define log_debug(...) log_write(3, __VA_ARGS__)
