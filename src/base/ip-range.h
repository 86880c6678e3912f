/* What: which addresses somebody may use, as a person writes them: single ones, ranges and
 * prefixes. */
#pragma once

#include <stddef.h>

#include "base/ip.h"

#define IP_RANGES_MAX 16

struct ip_range {
	struct ip first, last; /* of one family; first is not after last */
};
struct ip_ranges {
	struct ip_range at[IP_RANGES_MAX];
	size_t n;
};

/* "127.0.0.1", "127.0.0.10-127.0.0.50", "127.0.0.16/28", or several of them with commas between. Of
 * a v4 prefix shorter than /31 the first and last address are left out: they name the network and
 * its broadcast. False: not of that form, empty, or more than IP_RANGES_MAX. */
bool ip_ranges_parse(struct slice text, struct ip_ranges *ret);
bool ip_ranges_have(const struct ip_ranges *r, struct ip ip);
/* The n-th address, from 0, in the order written. False: there are not so many. */
bool ip_ranges_nth(const struct ip_ranges *r, size_t n, struct ip *ret);
