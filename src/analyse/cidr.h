/* What: sets of addresses of both families, as a value with an algebra.
 *
 * A set is canonical: ranges ascending (IPv4 before IPv6), apart by at least one address, each
 * within one family; so equal sets look alike.
 *
 * Ownership: a set borrows its ranges from the arena it was made in. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/strbuf.h"

struct cidr_range {
	struct ip from, to; /* both included, of one family */
};
struct cidr_set {
	const struct cidr_range *at;
	size_t n;
};

struct cidr_set cidr_all(void); /* every address of both families */
struct cidr_set cidr_of(struct arena *a, struct prefix p);
struct cidr_set cidr_of_range(struct arena *a, struct ip from,
                              struct ip to); /* nothing when from is after to */
/* Of ranges in any order, overlapping or not; they are sorted in place. */
struct cidr_set cidr_of_ranges(struct arena *a, struct cidr_range *ranges, size_t n);

struct cidr_set cidr_union(struct arena *a, struct cidr_set x, struct cidr_set y);
struct cidr_set cidr_intersect(struct arena *a, struct cidr_set x, struct cidr_set y);
struct cidr_set cidr_minus(struct arena *a, struct cidr_set x,
                           struct cidr_set y); /* in x and not in y */

bool cidr_eq(struct cidr_set x, struct cidr_set y);
bool cidr_has(struct cidr_set x, struct ip ip);

/* The fewest prefixes that make up the set, in ascending order, passed one by one; stops when fn
 * says false. */
typedef bool cidr_prefix_fn(void *arg, struct prefix p);
void cidr_each_prefix(struct cidr_set x, cidr_prefix_fn *fn, void *arg);
/* "10.0.0.0/8,192.168.0.0/16", "none". At most 'max' prefixes (0: all), then ",+7 more". */
void cidr_format(struct strbuf *out, struct cidr_set x, size_t max);
/* Prefixes and addresses with commas between; "none". Failure: ERR_SYNTAX. */
MUST_USE int cidr_parse(struct arena *a, struct slice text, struct cidr_set *ret, struct err *err);
