/* What: nftables of one namespace: our one table, changed in transactions, read back for
 * comparison.
 *
 * Why this way: raw netlink from a resident socket. An element change costs some microseconds,
 * where libnftables takes a hundred and the nft program ten thousand.
 *
 * How to use: queue changes in order (nft_..._add, ..._delete, rules by nft-rule.h), then
 * nft_commit carries out all of them or none. Changes are sticky builders: nothing fails before the
 * commit.
 *
 * Ownership: names are borrowed for the call. Limits: a rule fits into NETLINK_REQUEST_MAX. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

struct nft;

/* A resident socket for table 'table' (copied) of a family in the namespace netns_fd (borrowed; -1:
 * here). Failure: ERR_FORBIDDEN, ERR_IO. */
MUST_USE int nft_open(int netns_fd, enum ip_family family, const char *table, struct nft **ret,
                      struct err *err);
struct nft *
nft_close(struct nft *n); /* accepts null; returns null; forgets what was not committed */

enum ip_family nft_family(const struct nft *n);

/* ---- what a table holds ---- */

enum nft_field {
	NFT_FIELD_END,
	NFT_FIELD_IP4,
	NFT_FIELD_IP6,
	NFT_FIELD_PROTO,
	NFT_FIELD_PORT,
	NFT_FIELD_MARK
};
#define NFT_FIELDS_MAX 5
#define NFT_KEY_MAX    44 /* mark, two IPv6 addresses, protocol, port */
#define NFT_NAME_MAX   64

/* Keys are the fields one after another, each padded to a multiple of 4 bytes: address and port in network order,
 * protocol one byte, mark in the machine's order. */
struct nft_set {
	const char *name;
	uint8_t key[NFT_FIELDS_MAX + 1];  /* enum nft_field, ended by NFT_FIELD_END */
	uint8_t data[NFT_FIELDS_MAX + 1]; /* empty: a set, else a map */
	bool verdicts;                    /* a map to chains to go to */
	bool ranges;   /* elements are key..key_end, both included, field by field; two fields at
	                  least */
	bool timeouts; /* elements may end by themselves; rules may add elements */
	bool counts;   /* rules that add elements count packets in them */
	uint32_t max;  /* elements; 0: no limit. Needed with timeouts */
};
size_t nft_set_key_size(const struct nft_set *s);
size_t nft_set_data_size(const struct nft_set *s);

struct nft_hook {
	const char *type; /* "filter", "nat" */
	uint32_t hook;    /* NF_INET_... */
	int32_t priority;
};

struct nft_element {
	const void *key;
	const void *key_end; /* with ranges */
	const void *data;    /* of a map */
	const char *chain;   /* with verdicts: to go to */
	uint64_t timeout_ms; /* 0: stays */
	uint64_t expires_ms; /* reading: what is left of timeout_ms */
	uint64_t packets;    /* reading, with counts */
};

/* ---- changes ---- */

void nft_table_add(struct nft *n); /* fine when it exists */
void nft_table_delete(
	struct nft *n); /* queue nft_table_add before it, then it is fine when there was none */
void nft_chain_add(struct nft *n, const char *name,
                   const struct nft_hook *hook); /* hook null: gone to by rules */
void nft_chain_delete(struct nft *n, const char *name);
void nft_counter_add(struct nft *n, const char *name);
void nft_set_add(struct nft *n, const struct nft_set *s);
void nft_element_add(struct nft *n, const struct nft_set *s, const struct nft_element *e);
void nft_element_delete(struct nft *n, const struct nft_set *s, const struct nft_element *e);
/* A number that is equal for equal queues, whenever and by whomever they were made. */
uint64_t nft_changes_digest(struct nft *n);
void nft_forget_changes(struct nft *n);
/* Carries out what is queued and empties the queue, also on failure. Failure: ERR_IO and closer
 * codes, naming the first refused change; then nothing of it was done. */
MUST_USE int nft_commit(struct nft *n, struct err *err);

/* ---- reading; a table or set that does not exist is empty ---- */

typedef void nft_element_fn(void *arg, const struct nft_element *e);
/* restart: forget what you were shown, it starts anew. */
MUST_USE int nft_each_element(struct nft *n, const struct nft_set *s, nft_element_fn *fn,
                              void (*restart)(void *arg), void *arg, struct err *err);
typedef void nft_rule_fn(void *arg, const char *chain, const void *rule, size_t size);
MUST_USE int nft_each_chain(struct nft *n, nft_rule_fn *fn, void (*restart)(void *arg), void *arg,
                            struct err *err);
/* Rules with their operations as the kernel describes them, chain by chain in order; no two
 * descriptions of one rule differ, whatever passed through it. */
MUST_USE int nft_each_rule(struct nft *n, nft_rule_fn *fn, void (*restart)(void *arg), void *arg,
                           struct err *err);
/* Sets as the kernel describes them. */
typedef void nft_set_fn(void *arg, const char *name, uint32_t flags, size_t key_size,
                        size_t data_size);
MUST_USE int nft_each_set(struct nft *n, nft_set_fn *fn, void (*restart)(void *arg), void *arg,
                          struct err *err);
typedef void nft_counter_fn(void *arg, const char *name, uint64_t packets, uint64_t bytes);
MUST_USE int nft_each_counter(struct nft *n, nft_counter_fn *fn, void *arg, struct err *err);
