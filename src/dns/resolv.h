/* What: the servers named in a resolv.conf. Pure. */
#pragma once

#include <stdint.h>

#include "base/ip.h"
#include "dns/limits.h"

struct upstream {
	struct ip ip;
	uint16_t port;
};
/* Reads "nameserver ADDRESS" lines in order, each server once, at most FORWARD_SERVERS; everything
 * else is passed over, as resolvers do. Addresses on loopback are left out: inside a pod that is
 * ourselves. Returns how many. */
size_t resolv_parse(struct slice text, struct upstream *ret);
/* "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1". */
bool upstream_parse(struct slice text, struct upstream *ret);
