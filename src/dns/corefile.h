/* What: the part of a Corefile, CoreDNS's configuration, that says where names outside the cluster are asked, and whether search
 * paths are walked here (autopath). Pure.
 *
 *     example.org corp.internal {
 *         forward . 10.0.0.53 10.0.1.53:5353
 *     }
 *     . {
 *         forward . /etc/resolv.conf
 *     }
 *
 * What this server does anyway (kubernetes, cache, health, ready, prometheus, ...) is passed over; what it cannot do is
 * noted with its line. Source: the Corefile manual of CoreDNS */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/vec.h"
#include "dns/forward.h"

struct corefile {
	VEC(struct forward_zone) zones;
	bool autopath;           /* autopath @kubernetes */
	VEC(const char *) notes; /* "line 7: ... "; in the arena */
};
void corefile_fini(struct corefile *c);
/* others: what /etc/resolv.conf stands for. Failure: ERR_SYNTAX, "line 3: ..."; then *ret is empty. */
MUST_USE int corefile_parse(struct arena *a, struct slice text, const struct upstream *others,
                            size_t n_others, struct corefile *ret, struct err *err);
