/* What: rules of a security group, as elements of ingressRules and egressRules (SecurityGroup,
 * ec2.services.k8s.aws): what one covers, and what a list of them admits. Pure; kernel and analyser read rules here.
 * Source: networking.md 6.4 */
#pragma once

#include "base/ip.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "codec/value.h"
#include "model/model.h"

/* Does the rule cover the port? Port 0: any. */
bool sg_rule_covers(const struct val *rule, enum proto proto, uint16_t port);
bool sg_rule_is_open(const struct val *rule);                       /* from everywhere */
bool sg_rule_admits_net(const struct val *rule, struct prefix net); /* some of it, by range */
bool sg_rule_admits_ip(const struct val *rule, struct ip ip);       /* by range */
/* Groups or prefix lists: peers that are no range. */
bool sg_rule_names_groups(const struct val *rule);
/* "tcp 80-443" */
void sg_rule_text(struct strbuf *out, const struct val *rule);

/* What rules admit, as pieces: with a peer, by a protocol, at ports. */
struct sg_piece {
	struct prefix peer;
	enum proto proto;
	uint16_t port_from, port_to;
};
typedef VEC(struct sg_piece) sg_piece_list;
typedef VEC(struct prefix) prefix_list;

/* Appends the addresses of the interfaces that are in the group an element of userIDGroupPairs names. */
typedef void sg_members_fn(void *arg, const struct val *pair, prefix_list *ret);
/* Appends all pieces of a list of rules; protocols other than TCP, UDP and SCTP have no ports and are left out. */
void sg_rules_expand(const struct val *rules, sg_members_fn *members, void *arg,
                     sg_piece_list *ret);
bool sg_pieces_admit(const sg_piece_list *l, struct ip peer, enum proto proto, uint16_t port);
