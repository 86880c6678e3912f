/* Why: the arithmetic and the parsing of stats.h, apart from where the figures come from. */
#include "node/stats.h"

#include "base/clock.h"
#include "base/mem.h"

int64_t stats_rate(struct stats_sample *s, int64_t now_us, int64_t cpu_ns)
{
	int64_t passed = now_us - s->at_us;

	if (s->at_us == 0 || cpu_ns < s->cpu_ns) { /* new, or begun anew */
		*s = (struct stats_sample){ now_us, cpu_ns, -1, s->mark };
	} else if (passed >= US_PER_S) {
		__int128 used = (__int128)(cpu_ns - s->cpu_ns) * US_PER_S;

		*s = (struct stats_sample){ now_us, cpu_ns, (int64_t)(used / passed), s->mark };
	}
	return s->rate;
}

/* The next number of a line of /proc/net/dev; 0 when there is none. */
static int64_t next_number(struct slice *rest)
{
	struct slice field;
	int64_t n = 0;

	while (slice_next(rest, ' ', &field)) {
		if (field.len > 0) {
			return slice_to_i64(field, &n) ? n : 0;
		}
	}
	return 0;
}

bool stats_next_interface(struct slice *text, struct stats_traffic *ret)
{
	struct slice line, name, rest;

	while (slice_next(text, '\n', &line)) {
		int64_t fields[11];

		if (!slice_cut(line, ':', &name, &rest)) {
			continue; /* the two lines of headings */
		}
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			fields[i] = next_number(&rest);
		}
		*ret = (struct stats_traffic){ slice_trim(name), fields[0], fields[2], fields[8],
			                       fields[10] };
		return true;
	}
	return false;
}
