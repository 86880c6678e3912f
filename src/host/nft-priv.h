/* What: the inside of struct nft, shared by nft.c (changes), nft-rule.c (operations) and
 * nft-read.c. */
#pragma once

#include <libmnl/libmnl.h>

#include "host/netlink.h"
#include "host/nft.h"

struct nft {
	struct netlink nl;
	uint8_t family; /* NFPROTO_IPV4, NFPROTO_IPV6 */
	char table[NFT_NAME_MAX];
	/* state: the transaction */
	struct strbuf batch;    /* finished messages */
	char *scratch;          /* the message being filled; owned */
	struct nlmsghdr *open;  /* in scratch; null: none */
	struct nlattr *list;    /* open nest of rule expressions or set elements; null: none */
	uint16_t elements_type; /* NFT_MSG_..SETELEM while elements are being listed, else 0 */
	char elements_set[NFT_NAME_MAX];
	uint32_t n_changes;
	uint32_t n_sets; /* ids given in this transaction */
};

/* Finishes what is open and starts a message; flags beyond NLM_F_REQUEST. */
struct nlmsghdr *nft_message(struct nft *n, uint16_t type, uint16_t flags);
void nft_finish_message(struct nft *n);
/* A question outside any transaction, ready for netlink_dump. */
struct nlmsghdr *nft_question(struct nft *n, uint16_t type, uint16_t table_attr);
