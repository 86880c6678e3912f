/* What: NetworkPolicies as somebody wrote them, for rules that judge the writing. Whether a flow passes is
 * decided by model/ alone (subject_flow). */
#pragma once

#include "analyse/subject.h"
#include "model/policy-table.h" /* enum policy_direction */

/* What a policy of the model, of whatever tier, was made of; null: it is none of the manifests'. */
const struct object *policy_object(const struct subject *s, const struct val *of_model);

/* By policyTypes, or what their absence means. */
bool netpol_isolates(const struct object *policy, enum policy_direction dir);
/* spec.ingress or spec.egress (may be null); its elements' from or to; "ingress". */
const struct val *netpol_rules(const struct object *policy, enum policy_direction dir);
const struct val *netpol_peers(const struct val *rule, enum policy_direction dir);
const char *netpol_side(enum policy_direction dir);

/* Policies that isolate the pods of a workload, in the order of reading; none for hostNetwork pods. */
struct netpol_list {
	VEC(const struct object *) at;
};
const struct netpol_list *netpols_of(struct subject *s, const struct workload *w,
                                     enum policy_direction dir);

/* Do the rule's ports hold this one? A named port is looked up in 'target' (a PodSpec, may be null). */
bool netpol_ports_hold(const struct val *rule, const struct val *target, enum proto proto,
                       uint16_t port);
/* The workloads a peer picks; nothing for an ipBlock. */
void netpol_peer_pods(struct subject *s, const struct object *policy, const struct val *peer,
                      struct selection *ret);
/* Does a rule for these pods and this port admit addresses that are no pods: no peers, or an ipBlock? */
bool netpol_admits_outside(struct subject *s, const struct workload *w, enum policy_direction dir,
                           enum proto proto, uint16_t port);
/* The policy a person would change for these pods: one that names them and has rules for this side, else the first that
 * isolates; null when none does. */
const struct object *netpol_to_change(struct subject *s, const struct workload *w,
                                      enum policy_direction dir);
