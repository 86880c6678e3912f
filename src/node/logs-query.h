/* What: what a request for logs asks for, out of its query. Pure. kubernetes-api.md 4.6. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum logs_source { LOGS_ALL, LOGS_STDOUT, LOGS_STDERR };

struct logs_query {
	bool follow, previous, timestamps;
	enum logs_source source;
	int64_t tail_lines;    /* -1: all */
	int64_t since_wall_us; /* lines of this time and later; INT64_MIN: all */
	int64_t limit_bytes;   /* -1: none */
};

/* query: raw, as in the request; texts are decoded into a. Parameters of others are passed over.
 * Failure: ERR_SYNTAX (not a number, time or boolean), ERR_INVALID (out of range, both since...).
 */
MUST_USE int logs_query_parse(struct arena *a, struct slice query, int64_t now_wall_us,
                              struct logs_query *ret, struct err *err);
/* A boolean parameter as Kubernetes' decoder reads it: absent, "0" and "false" in any case are
 * false, everything else is true. */
bool query_flag(struct arena *a, struct slice query, const char *name);
