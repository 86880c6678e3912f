/* What: the rules of the node's namespace, for one family. They never change while it runs; all that
 * varies is in the sets.
 *
 * A packet's way (table "kennel" of family ip or ip6):
 *
 *   prerouting, output (nat; first packet of a flow)
 *       mark := entries[daddr . proto . dport]             which set of endpoints ("pool"), or 0
 *       from inside: mark := entries_inside[...]           external entries with policy Local seen
 * from inside guarded and the client not in sources -> drop      loadBalancerSourceRanges mark vmap
 * pools                                    to the pool's chain: picks a slot and translates daddr
 * in cluster_ips -> refuse; in the service range -> drop forward (filter), input likewise invalid
 * -> drop; flow's mark in settled -> accept; related -> accept a pod's link with an address that is
 * no pod's -> drop  (nothing passes before its policies are there) class of source and destination
 * by pods, else blocks; egress: rows of the peer admit or deny, else rows of any peer admit, else drop; ingress
 * likewise accepted: flow's mark := generation so
 * that its further packets need one look-up postrouting (nat) hairpin, external entries, clients
 * from outside, pods leaving -> masquerade
 *
 * Policies read the flow's own tuples (source as it came, destination as translated), not the
 * packet's header, so both directions of a flow are judged alike, and a change of policies reaches
 * established flows: it takes the generation away, every packet is judged again, and a new
 * generation comes when nothing is on its way any more. */
#pragma once

#include "base/ip.h"
#include "host/nft.h"

#define NODE_TABLE      "kennel"
#define POD_LINK_PREFIX "pod"
#define NODE_LINK       "eth0"

enum node_set {
	SET_ENTRIES,        /* address . protocol . port -> pool */
	SET_ENTRIES_INSIDE, /* the same, for clients inside, where it differs */
	SET_POOLS,          /* pool -> picker's number, two parts */
	SET_PICKERS,        /* picker's number -> chain */
	SET_SLOTS,          /* pool . number -> address . port */
	SET_CLUSTER_IPS,
	SET_MASQUERADED, /* entries whose clients are hidden from endpoints */
	SET_GUARDED,     /* entries that only some clients may use */
	SET_SOURCES,     /* entry . client */
	SET_PODS,        /* address -> class */
	SET_SAME,        /* a pod's address twice: hairpin, and "is a pod" */
	SET_BLOCKS,      /* address range . any protocol -> class */
	SET_ISOLATED_INGRESS,
	SET_ISOLATED_EGRESS,
	SET_ROWS_INGRESS, /* subject . peer . protocol . port */
	SET_ROWS_EGRESS,
	SET_DENIED_INGRESS, /* the same: denied, though from every other peer it would pass */
	SET_DENIED_EGRESS,
	SET_ANY_INGRESS, /* subject . protocol . port: from every peer */
	SET_ANY_EGRESS,
	SET_SETTLED,              /* the generation */
	SET_GENERATION,           /* 0 -> the generation */
	NODE_SETS,                /* those above are ours to fill; rules write those below */
	SET_AFFINITY = NODE_SETS, /* pool . client -> endpoint */
	NODE_SETS_ALL
};
const struct nft_set *node_set(enum ip_family family, enum node_set set);

#define CHAIN_REFUSE "refuse" /* notes and rejects */
#define COUNT_ACCEPT "accept-new"

struct node_table_config {
	struct prefix cluster_range, service_range; /* pods of all nodes; services */
	struct ip node_ip;
	struct ip dns_ip; /* outside service_range, for a service alone; may be none */
};
/* Queues table, sets, chains and rules. */
void node_table_queue(struct nft *n, const struct node_table_config *c);

/* A chain that picks one of n slots of the packet's pool: in turn; or by the client's address and
 * port (by_client, for UDP: datagrams sent at once from one socket must not be translated to two
 * endpoints, the kernel would lose one of them); or, with timeout_s > 0, that which the client got
 * in the last timeout_s. Named "n<slots>.<number>", "u<slots>", "a<slots>.<timeout>.<number>". */
struct picker {
	unsigned slots, timeout_s, number;
	bool by_client;
};
#define PICKER_NAME_SIZE 20
const char *picker_name(const struct picker *p, char *buf);
bool picker_parse(const char *name, struct picker *ret);
/* How a pool names its picker. Not the chain itself: the kernel walks all of a map of chains when
 * one of its elements changes, so that map holds kinds of pickers, not pools. */
struct picker_number {
	uint32_t kind, timeout_s;
};
struct picker_number picker_number(const struct picker *p);
bool picker_from_number(struct picker_number n,
                        struct picker *ret); /* false: refuse, discard, or none */
extern const struct picker_number picker_refuse, picker_discard;
size_t picker_rules(const struct picker *p); /* how many rules such a chain has */
void picker_queue(struct nft *n, const struct picker *p);
