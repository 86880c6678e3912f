/* Why: the two clocks and RFC 3339; see clock.h. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

static const char *format(int64_t wall_us, int decimals, char *buf)
{
	time_t s = (time_t)(wall_us / US_PER_S);
	int us = (int)(wall_us % US_PER_S);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(buf, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	if (decimals == 6) {
		snprintf(buf + n, TIME_TEXT_SIZE - n, ".%06dZ", us);
	} else if (decimals == 9) {
		snprintf(buf + n, TIME_TEXT_SIZE - n, ".%06d000Z", us);
	} else {
		snprintf(buf + n, TIME_TEXT_SIZE - n, "Z");
	}
	return buf;
}

const char *time_format(int64_t wall_us, char *buf)
{
	return format(wall_us, 0, buf);
}

const char *time_format_micro(int64_t wall_us, char *buf)
{
	return format(wall_us, 6, buf);
}

const char *time_format_nano(int64_t wall_us, char *buf)
{
	return format(wall_us, 9, buf);
}

/* Reads exactly 'digits' digits and the byte 'then' (0: none) behind them. */
static bool number(struct slice *s, size_t digits, char then, int *ret)
{
	uint64_t v;

	if (s->len < digits + (then ? 1 : 0) || !slice_to_u64(slice_head(*s, digits), &v) ||
	    (then && s->p[digits] != then)) {
		return false;
	}
	*ret = (int)v;
	*s = slice_from(*s, digits + (then ? 1 : 0));
	return true;
}

bool time_parse(struct slice s, int64_t *ret)
{
	struct tm tm = { 0 };
	int64_t us = 0, offset = 0;

	if (!number(&s, 4, '-', &tm.tm_year) || !number(&s, 2, '-', &tm.tm_mon) ||
	    !number(&s, 2, 0, &tm.tm_mday) || s.len == 0 || (s.p[0] != 'T' && s.p[0] != 't')) {
		return false;
	}
	s = slice_from(s, 1);
	if (!number(&s, 2, ':', &tm.tm_hour) || !number(&s, 2, ':', &tm.tm_min) ||
	    !number(&s, 2, 0, &tm.tm_sec) || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60) {
		return false;
	}
	if (s.len > 0 && s.p[0] == '.') {
		int64_t unit = 100000;

		for (s = slice_from(s, 1); s.len && s.p[0] >= '0' && s.p[0] <= '9';
		     s = slice_from(s, 1), unit /= 10) {
			us += unit * (s.p[0] - '0');
		}
	}
	if (s.len > 0 && (s.p[0] == '+' || s.p[0] == '-')) {
		int sign = s.p[0] == '-' ? 1 : -1, hours, minutes;

		s = slice_from(s, 1);
		if (!number(&s, 2, ':', &hours) || !number(&s, 2, 0, &minutes) || s.len) {
			return false;
		}
		offset = sign * (hours * 3600 + minutes * 60);
	} else if (s.len != 1 || (s.p[0] != 'Z' && s.p[0] != 'z')) {
		return false;
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret = ((int64_t)timegm(&tm) + offset) * US_PER_S + us;
	return true;
}
