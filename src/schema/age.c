/* Why: the steps at which an age loses its smaller unit are part of what scripts and eyes expect of
 * kubectl's tables. */
#include "schema/age.h"

#include <stdio.h>

#include "base/clock.h"

struct unit {
	long long below; /* seconds: use this row under that age */
	long long big;
	const char *big_name;
	long long small;        /* 0: the big unit alone */
	const char *small_name; /* left out when zero */
};

#define MINUTE 60LL
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define YEAR   (365 * DAY)

static const struct unit units[] = {
	{ 2 * MINUTE, 1, "s", 0, NULL },    { 10 * MINUTE, MINUTE, "m", 1, "s" },
	{ 3 * HOUR, MINUTE, "m", 0, NULL }, { 8 * HOUR, HOUR, "h", MINUTE, "m" },
	{ 48 * HOUR, HOUR, "h", 0, NULL },  { 8 * DAY, DAY, "d", HOUR, "h" },
	{ 2 * YEAR, DAY, "d", 0, NULL },    { 8 * YEAR, YEAR, "y", DAY, "d" },
	{ INT64_MAX, YEAR, "y", 0, NULL },
};

const char *age_format(int64_t us, char *buf)
{
	long long s = us / US_PER_S;
	const struct unit *u = units;
	long long rest;

	if (s < -1) {
		snprintf(buf, AGE_TEXT_SIZE, "<invalid>");
		return buf;
	}
	s = s < 0 ? 0 : s;
	while (s >= u->below) {
		u++;
	}
	rest = u->small ? s % u->big / u->small : 0;
	if (rest) {
		snprintf(buf, AGE_TEXT_SIZE, "%lld%s%lld%s", s / u->big, u->big_name, rest,
		         u->small_name);
	} else {
		snprintf(buf, AGE_TEXT_SIZE, "%lld%s", s / u->big, u->big_name);
	}
	return buf;
}

const char *age_since(struct slice time, int64_t now_wall_us, char *buf)
{
	int64_t then;

	if (!time_parse(time, &then)) {
		snprintf(buf, AGE_TEXT_SIZE, "<unknown>");
		return buf;
	}
	return age_format(now_wall_us - then, buf);
}
