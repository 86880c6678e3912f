/* Why: the query of a log request has rules of its own, worth testing apart; see logs-query.h. */
#include "node/logs-query.h"

#include "base/clock.h"
#include "http/message.h"

bool query_flag(struct arena *a, struct slice query, const char *name)
{
	struct slice v = http_query_get(a, query, name, 0);

	return v.p && !slice_eq_nocase(v, SLICE("false")) && !slice_is(v, "0");
}

/* A number of at least 'least'; 'otherwise' when absent or empty. */
static int number_of(struct arena *a, struct slice query, const char *name, int64_t least,
                     int64_t otherwise, int64_t *ret, struct err *err)
{
	struct slice v = http_query_get(a, query, name, 0);
	int64_t n;

	*ret = otherwise;
	if (v.len == 0) {
		return 0;
	}
	if (!slice_to_i64(v, &n)) {
		return err_raise(err, ERR_SYNTAX, "%s: \"" SLICE_FMT "\" is not a number", name,
		                 SLICE_ARG(slice_head(v, 64)));
	}
	if (n < least) {
		return err_raise(err, ERR_INVALID,
		                 "%s: Invalid value: %lld: must be greater than or equal to %lld",
		                 name, (long long)n, (long long)least);
	}
	*ret = n;
	return 0;
}

static int since_of(struct arena *a, struct slice query, int64_t now_wall_us, int64_t *ret,
                    struct err *err)
{
	struct slice time = http_query_get(a, query, "sinceTime", 0);
	int64_t seconds;
	int r = number_of(a, query, "sinceSeconds", 1, 0, &seconds, err);

	if (r < 0) {
		return r;
	}
	*ret = INT64_MIN;
	if (time.len > 0 && seconds > 0) {
		return err_raise(err, ERR_INVALID,
		                 "at most one of `sinceTime` or `sinceSeconds` may be specified");
	}
	if (time.len > 0 && !time_parse(time, ret)) {
		return err_raise(err, ERR_SYNTAX, "sinceTime: \"" SLICE_FMT "\" is not a time",
		                 SLICE_ARG(slice_head(time, 64)));
	}
	if (seconds > 0) {
		int64_t back;

		if (__builtin_mul_overflow(seconds, US_PER_S, &back) || back > now_wall_us) {
			back = now_wall_us;
		}
		*ret = now_wall_us - back;
	}
	return 0;
}

static int stream_of(struct arena *a, struct slice query, enum logs_source *ret, struct err *err)
{
	struct slice v = http_query_get(a, query, "stream", 0);

	*ret = LOGS_ALL;
	if (slice_is(v, "Stdout")) {
		*ret = LOGS_STDOUT;
	} else if (slice_is(v, "Stderr")) {
		*ret = LOGS_STDERR;
	} else if (v.len > 0 && !slice_is(v, "All")) {
		return err_raise(err, ERR_INVALID,
		                 "stream: Unsupported value: \"" SLICE_FMT
		                 "\": supported values: \"All\", \"Stderr\", \"Stdout\"",
		                 SLICE_ARG(slice_head(v, 64)));
	}
	return 0;
}

int logs_query_parse(struct arena *a, struct slice query, int64_t now_wall_us,
                     struct logs_query *ret, struct err *err)
{
	struct logs_query q = {
		.follow = query_flag(a, query, "follow"),
		.previous = query_flag(a, query, "previous"),
		.timestamps = query_flag(a, query, "timestamps"),
	};
	int r = number_of(a, query, "tailLines", 0, -1, &q.tail_lines, err);

	if (r == 0) {
		r = number_of(a, query, "limitBytes", 1, -1, &q.limit_bytes, err);
	}
	if (r == 0) {
		r = since_of(a, query, now_wall_us, &q.since_wall_us, err);
	}
	if (r == 0) {
		r = stream_of(a, query, &q.source, err);
	}
	if (r == 0) {
		*ret = q;
	}
	return r;
}
