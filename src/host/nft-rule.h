/* What: one nftables rule as a row of small operations on registers, in the kernel's own terms.
 *
 * How to use: nft_rule_begin, then operations; a condition that fails ends the rule and the next
 * one is tried. Registers are 32 bits each, numbered 0 to 15; a longer value takes those that
 * follow. */
#pragma once

#include <linux/netfilter/nf_tables.h>

#include "host/nft.h"

void nft_rule_begin(struct nft *n, const char *chain);

/* ---- loading ---- */
/* Addresses take as many registers as nft_ip_regs says: 1 (IPv4) or 4 (IPv6). */
unsigned nft_ip_regs(const struct nft *n);
void nft_rule_saddr(struct nft *n, unsigned reg); /* of the IP header */
void nft_rule_daddr(struct nft *n, unsigned reg);
void nft_rule_sport(struct nft *n, unsigned reg);
void nft_rule_dport(struct nft *n, unsigned reg);
void nft_rule_meta(struct nft *n, unsigned reg, enum nft_meta_keys key);
void nft_rule_ct(struct nft *n, unsigned reg, enum nft_ct_keys key); /* of the flow as such */
/* Of one direction's tuple: IP_CT_DIR_ORIGINAL (0), IP_CT_DIR_REPLY (1). */
void nft_rule_ct_dir(struct nft *n, unsigned reg, enum nft_ct_keys key, uint8_t dir);
/* The source address in that direction's tuple; the destination. */
void nft_rule_ct_saddr(struct nft *n, unsigned reg, uint8_t dir);
void nft_rule_ct_daddr(struct nft *n, unsigned reg, uint8_t dir);
void nft_rule_value(struct nft *n, unsigned reg, const void *value, size_t size);
void nft_rule_u32(struct nft *n, unsigned reg, uint32_t value); /* in the machine's order */
void nft_rule_counting(struct nft *n, unsigned reg,
                       uint32_t modulus); /* 0, 1, .. modulus-1, 0: one a packet */
/* ret_reg := a number below modulus that only depends on the n_regs registers from reg on. */
void nft_rule_hash(struct nft *n, unsigned reg, unsigned n_regs, uint32_t modulus,
                   unsigned ret_reg);

/* reg := the link by which an answer to the packet's source would leave, if that is the one it came
 * by; else 0. */
void nft_rule_way_back(struct nft *n, unsigned reg);

/* ---- conditions ---- */
void nft_rule_equal(struct nft *n, unsigned reg, const void *value, size_t size);
void nft_rule_not_equal(struct nft *n, unsigned reg, const void *value, size_t size);
void nft_rule_mask(struct nft *n, unsigned reg, const void *mask,
                   size_t size); /* reg = reg & mask */
void nft_rule_in(struct nft *n, unsigned reg, const struct nft_set *set);
void nft_rule_not_in(struct nft *n, unsigned reg, const struct nft_set *set);
void nft_rule_map(struct nft *n, unsigned reg, const struct nft_set *map,
                  unsigned ret_reg); /* a miss ends the rule */

/* ---- doing ---- */
void nft_rule_set_mark(struct nft *n, unsigned reg); /* of the packet */
void nft_rule_set_priority(struct nft *n,
                           unsigned reg); /* of the packet; a second place for a number */
void nft_rule_set_ct_mark(struct nft *n, unsigned reg); /* of the flow */
void nft_rule_count(struct nft *n, const char *counter);
/* Adds or refreshes an element that ends after timeout_ms. */
void nft_rule_learn(struct nft *n, const struct nft_set *map, unsigned key_reg, unsigned data_reg,
                    uint64_t timeout_ms);
/* The same for a set that counts: one more packet in the element. */
void nft_rule_tally(struct nft *n, const struct nft_set *set, unsigned key_reg,
                    uint64_t timeout_ms);
void nft_rule_dnat(struct nft *n, unsigned ip_reg, unsigned port_reg); /* ends the chain */
void nft_rule_masquerade(struct nft *n);
void nft_rule_reject_tcp(struct nft *n);  /* a reset */
void nft_rule_reject_icmp(struct nft *n); /* port unreachable */
void nft_rule_goto(struct nft *n, const char *chain);
void nft_rule_vmap(struct nft *n, unsigned reg,
                   const struct nft_set *map); /* goes where the map says */
void nft_rule_accept(struct nft *n);
void nft_rule_drop(struct nft *n);
