/* What: which cluster IPs and node ports are taken, and by which service.
 *
 * What is asked for is reserved at once, so that two writes of one turn cannot get the same; what a
 * service gives back is free when its change is committed. The state is made from the services in
 * the store at start: nothing is remembered elsewhere. */
#pragma once

#include "base/ip.h"
#include "base/map.h"
#include "schema/object.h"

struct addresses {
	struct map ips;   /* "10.1.2.3", canonical, to the owner's "ns/name"; owned texts */
	struct map ports; /* "30080" likewise */
	bool dual_stack;  /* given: services may have an address of each family */
};

#define SERVICE_RANGE  "10.1.0.0/16"
#define SERVICE_RANGE6 "fd00:10:1::/112"
#define NODE_PORT_MIN  30000
#define NODE_PORT_MAX  32767

void addresses_fini(struct addresses *a);
/* A service is there, or not any more, with what it holds. */
void addresses_note(struct addresses *a, const struct val *service);
void addresses_forget(struct addresses *a, const struct val *service);
/* Before validation: what an update leaves out and the service has already (its address, its node
 * ports), and what a change of type takes away. old may be null. */
void service_carry_over(struct arena *arena, struct val *service, const struct val *old);
/* After validation, families (families.h) and all: gives the service an address of each of its
 * families, what else it lacks, and checks what it asks for; reserves unless
 * is_trial. Findings go to 'wrong'. */
void addresses_assign(struct addresses *a, struct arena *arena, struct val *service, bool is_trial,
                      struct field_errors *wrong);
