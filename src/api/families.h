/* What: which IP families a Service gets: ipFamilyPolicy, ipFamilies and, with them, how many cluster
 * IPs. Pure. Source: networking.md 1.1; the API server's own rules, word for word. */
#pragma once

#include "schema/object.h"

/* After validation: fills in what the service leaves open and takes away what a policy of SingleStack
 * gives up. old: as stored, null on create. dual: the cluster carries both families. Findings go to
 * 'wrong', and then the service is as it was or half done. */
void service_families(struct arena *arena, struct val *service, const struct val *old, bool dual,
                      struct field_errors *wrong);
