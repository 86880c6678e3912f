/* What: do the security groups that pods have of their own (SecurityGroupPolicy) let a flow pass. Both ends count: the
 * egress rules of the caller's groups, the ingress rules of the other's. Pods without such groups are not asked.
 *
 * Unknown: a rule names ranges in which the pod may or may not have its address, or groups of nodes, or the policy
 * names a group that is not among the objects. */
#pragma once

#include "analyse/answer.h"
#include "analyse/ports.h"
#include "analyse/subject.h"

struct group_ruling {
	enum answer passes;
	const struct object *by; /* group that decided, or the policy; null: no groups */
	const char *why;         /* a clause about 'by', static; null when it passes */
};
/* From a workload (null: from outside) to a port of a workload's pods, after service translation. */
struct group_ruling group_flow(const struct subject *s, const struct workload *from,
                               const struct workload *to, enum proto proto, uint16_t port);
/* Are there any such policies? */
bool group_has_say(const struct subject *s);
/* Ports that are certainly closed. */
struct ports group_closed(struct arena *a, const struct subject *s, const struct workload *from,
                          const struct workload *to);
/* Workloads with the same groups have equal texts. */
void group_add_kin(struct strbuf *out, const struct subject *s, const struct workload *w);
