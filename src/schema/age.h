/* What: durations as kubectl's columns show them. */
#pragma once

#include <stdint.h>

#include "base/slice.h"

#define AGE_TEXT_SIZE 32
/* "5s", "3m20s", "2d4h"; "<invalid>" when more than a second below zero. Returns buf. */
const char *age_format(int64_t us, char *buf);
/* How long ago an RFC 3339 time was; "<unknown>" when it is empty or no time. Returns buf. */
const char *age_since(struct slice time, int64_t now_wall_us, char *buf);
