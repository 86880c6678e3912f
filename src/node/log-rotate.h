/* What: one log file that has grown is put aside. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Renames PATH to PATH.<time>, removes the oldest beyond 'keep'. True: rotated; the writer has to
 * open it again. */
bool log_rotate(const char *path, int64_t max_bytes, int keep, int64_t now_wall_us);
/* Removes a log and what was put aside of it. */
void log_discard(const char *path);
