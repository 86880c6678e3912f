/* What: a host's security group as boxes that do not overlap, as the kernel's interval sets want
 * them. Pure. */
#pragma once

#include "base/vec.h"
#include "dataplane/dataplane.h"

struct host_box {          /* sources and ports, both ends included */
	uint32_t from, to; /* addresses in host order */
	uint8_t proto;
	uint16_t port_from, port_to;
};
typedef VEC(struct host_box) host_box_list;

/* The IPv4 part of the rules (any order, any overlap) as disjoint boxes, sorted by protocol and
 * address, joined where neighbours admit the same ports. Pushed to *ret. Cost: cubic in the number
 * of rules, which are few. */
void host_boxes(const struct host_rule *rules, size_t n, host_box_list *ret);
