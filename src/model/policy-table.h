/* What: policies of all tiers compiled to a table that a kernel can look up in constant time per
 * connection, whatever the number of pods and policies (networking.md 3.5).
 *
 * The idea: addresses that no policy can tell apart form a class. A pod's address has a class by
 * the selectors that match the pod, the blocks that hold the address and the numbers of the named
 * ports that policies mention; any other address has a class by the blocks that hold it. Class 0 is
 * every address that is in neither list: an address nobody names.
 *
 * Reading it, for the first packet of a connection, after DNAT and before SNAT (the reference
 * reader is policy_table_decide, the tests hold it against policy_decide):
 *
 *     same address on both ends -> admitted (hairpin)
 *     s = class of source, d = class of destination: 'pods' first, else 'blocks', else 0
 *     egress asks about subject s and peer d, then ingress about subject d and peer s:
 *         subject not isolated                              -> admitted
 *         a row of subject and peer                         -> what the row says
 *         a row of subject and POLICY_PEER_ANY              -> admitted
 *         else                                              -> denied
 *
 * A row matches with its protocol equal, POLICY_PROTO_ANY, or POLICY_PROTO_OTHERS and the flow's
 * neither TCP, UDP nor SCTP; and the destination port inside port_from..port_to. The order of tiers
 * and rules is worked out here, once: no two rows of one subject and peer overlap.
 *
 * Not in the table, because it is not the policies' business: a node always reaches its own pods
 * (let the node's own output pass), replies and ICMP errors of admitted connections pass,
 * hostNetwork pods are plain node addresses.
 *
 * Change: a class keeps its id as long as it exists, and an empty class is kept until policies
 * change. So a pod coming or going is one element of 'pods' per address and nothing else, unless it
 * brings a class that never was. All arrays are sorted, so two tables are compared by one walk side
 * by side. */
#pragma once

#include "model/model.h"

enum policy_direction { POLICY_INGRESS, POLICY_EGRESS, POLICY_DIRECTIONS };

#define POLICY_CLASS_NONE 0u         /* an address that no policy and no ipBlock names */
#define POLICY_PEER_ANY   UINT32_MAX /* row.peer: every address, class 0 too */
/* row.proto; ports are then 0..65535 */
#define POLICY_PROTO_ANY    0   /* every protocol, ICMP too */
#define POLICY_PROTO_OTHERS 255 /* all but TCP, UDP and SCTP */

struct policy_pod { /* exact address of a pod */
	struct ip ip;
	uint32_t class_id; /* never 0 */
};

struct policy_block { /* addresses from..to, both included, of one family; disjoint from other
	                 blocks */
	struct ip from, to;
	uint32_t class_id; /* never 0 */
};

struct policy_isolated { /* a class about which policies are asked in that direction */
	uint32_t class_id;
	/* those that have a say, in order of precedence; the baseline's only when none of its
	 * namespace has */
	const struct val *const *policies;
	size_t n_policies;
};

struct policy_row {
	uint32_t subject;
	uint32_t peer;
	uint16_t port_from, port_to;
	uint8_t proto; /* enum proto, POLICY_PROTO_ANY or POLICY_PROTO_OTHERS */
	bool admits;   /* false: denied, though rows of POLICY_PEER_ANY admit */
};

struct policy_table {
	/* by address (ip_cmp). Holds every pod that has an address, is not hostNetwork and not
	 * finished. */
	const struct policy_pod *pods;
	size_t n_pods;
	/* by 'from'. A pod's address may lie inside; 'pods' is asked first. */
	const struct policy_block *blocks;
	size_t n_blocks;
	/* by class_id */
	const struct policy_isolated *isolated[POLICY_DIRECTIONS];
	size_t n_isolated[POLICY_DIRECTIONS];
	/* by subject, peer, proto, port_from. Rows of one subject with one peer never overlap, and
	 * say only what those of POLICY_PEER_ANY do not; these may surround them, so give them a
	 * set of their own in the kernel (keyed without peer). */
	const struct policy_row *rows[POLICY_DIRECTIONS];
	size_t n_rows[POLICY_DIRECTIONS];
	/* grow when that part changed */
	uint64_t pods_version;
	uint64_t rules_version; /* blocks, isolated, rows */
};

/* The table for the objects as they are. Borrowed until the model's next change. Cheap when nothing
 * changed. */
const struct policy_table *policy_table_of(const struct model *m);

/* The class of an address. */
uint32_t policy_table_class(const struct policy_table *t, struct ip ip);

/* Reads the table as the kernel does. */
enum verdict policy_table_decide(const struct policy_table *t, const struct flow *f);

/* Policies that isolate a class in a direction; null when it is not isolated. For naming who
 * dropped. */
const struct policy_isolated *policy_table_isolation(const struct policy_table *t,
                                                     enum policy_direction dir, uint32_t class_id);
