/* What: time as int64_t microseconds. Wall-clock time exists only in API objects and logs.
 *
 * Code that decides takes the time as an argument; only roles and the loop read these clocks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define US_PER_MS INT64_C(1000)
#define US_PER_S  INT64_C(1000000)

int64_t clock_mono_us(void);
int64_t clock_wall_us(void); /* since the epoch */

#define TIME_TEXT_SIZE 40
/* RFC 3339 in UTC with whole seconds, metav1.Time: "2026-01-02T03:04:05Z". Returns buf. */
const char *time_format(int64_t wall_us, char *buf);
/* With six decimals, metav1.MicroTime. */
const char *time_format_micro(int64_t wall_us, char *buf);
/* With nine decimals, as CRI logs have. */
const char *time_format_nano(int64_t wall_us, char *buf);
/* Reads RFC 3339 with optional fraction and offset. */
bool time_parse(struct slice text, int64_t *ret_wall_us);
