/* Why: what a program says stands in a file together with when and where it said it; see
 * logs-line.h and kubernetes-api.md 4.6. */
#include "node/logs-line.h"

#include "base/clock.h"

/* Years of four digits since 1970: everything else is no time of a log. */
static const int64_t last_wall_us = INT64_C(253402300799) * US_PER_S;

bool logs_line_parse(struct slice line, struct logs_line *ret)
{
	struct logs_line l = { 0 };
	struct slice stream, tags, tag, rest;

	if (!slice_cut(line, ' ', &l.time, &rest) || !time_parse(l.time, &l.wall_us) ||
	    l.wall_us < 0 || l.wall_us > last_wall_us || !slice_cut(rest, ' ', &stream, &rest)) {
		return false;
	}
	l.is_stderr = slice_is(stream, "stderr");
	if (!l.is_stderr && !slice_is(stream, "stdout")) {
		return false;
	}
	/* An empty line may lack the blank behind its tag. */
	slice_cut(rest, ' ', &tags, &l.text);
	slice_cut(tags, ':', &tag, &rest); /* more tags may follow; only the first has a meaning */
	l.is_partial = slice_is(tag, "P");
	if (!l.is_partial && !slice_is(tag, "F")) {
		return false;
	}
	*ret = l;
	return true;
}

/* The digits behind the seconds' point, as written. */
static struct slice fraction_of(struct slice time)
{
	ptrdiff_t point = slice_find(time, '.');
	struct slice digits = { 0 };

	if (point >= 0) {
		digits = slice_from(time, (size_t)point + 1);
		for (size_t i = 0; i < digits.len; i++) {
			if (digits.p[i] < '0' || digits.p[i] > '9') {
				return slice_head(digits, i);
			}
		}
	}
	return digits;
}

void logs_line_add_time(struct strbuf *out, const struct logs_line *line)
{
	struct slice digits = slice_head(fraction_of(line->time), 9);
	char buf[TIME_TEXT_SIZE];
	struct slice seconds = slice_of(time_format(line->wall_us, buf));

	strbuf_add_slice(out, slice_head(seconds, seconds.len - 1)); /* without its Z */
	strbuf_addc(out, '.');
	strbuf_add_slice(out, digits);
	for (size_t i = digits.len; i < 9; i++) {
		strbuf_addc(out, '0');
	}
	strbuf_addc(out, 'Z');
}
