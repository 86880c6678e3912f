/* What: the set in which rules note whose packets they dropped and why, one in each table, and the rules that note it.
 * Packets that pass never come here. */
#pragma once

#include "dataplane/dataplane.h"
#include "host/nft.h"

/* Of tables of a family: reason . source . destination . protocol . port, counted; rules write it. When it is full the
 * counters still count. */
const struct nft_set *drop_set(enum ip_family family);
#define DROPS_MAX 8192
#define DROPS_MS  (10 * 60 * 1000)

/* How the flow is named. */
enum drop_key {
	DROP_KEY_FLOW,     /* source as it came, destination as translated: what policies judge */
	DROP_KEY_ORIGINAL, /* as the client sent it */
	DROP_KEY_PACKET,   /* the packet's header: where no flow is known */
};
/* Queues a chain of that reason's name (drop_reason_name) and its counter: notes, counts, drops. Rules goto it. */
void drop_chain_queue(struct nft *n, enum drop_reason reason, enum drop_key key);
/* The same rules in another chain, and the packet goes on. The counter must be there. */
void drop_note_queue(struct nft *n, const char *chain, enum drop_reason reason, enum drop_key key);
