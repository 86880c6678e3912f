/* Why: the kernel's rule operations spelled once, so that a rule elsewhere reads as what it does.
 */
#include "host/nft-rule.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <string.h>

#include "host/nft-priv.h"

void nft_rule_begin(struct nft *n, const char *chain)
{
	struct nlmsghdr *nlh = nft_message(n, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, n->table);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, chain);
	n->list = mnl_attr_nest_start(nlh, NFTA_RULE_EXPRESSIONS);
}

struct operation {
	struct nlattr *whole, *data;
};

static struct operation begin(struct nft *n, const char *name)
{
	struct operation o;

	o.whole = mnl_attr_nest_start(n->open, NFTA_LIST_ELEM);
	mnl_attr_put_strz(n->open, NFTA_EXPR_NAME, name);
	o.data = mnl_attr_nest_start(n->open, NFTA_EXPR_DATA);
	return o;
}

static void end(struct nft *n, struct operation o)
{
	mnl_attr_nest_end(n->open, o.data);
	mnl_attr_nest_end(n->open, o.whole);
}

static void put_u32(struct nft *n, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(n->open, type, htonl(value));
}

static void put_reg(struct nft *n, uint16_t type, unsigned reg)
{
	put_u32(n, type, NFT_REG32_00 + reg);
}

static void put_value(struct nft *n, uint16_t type, const void *value, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(n->open, type);

	mnl_attr_put(n->open, NFTA_DATA_VALUE, size, value);
	mnl_attr_nest_end(n->open, nest);
}

/* ---- loading ---- */

static void payload(struct nft *n, unsigned reg, uint32_t base, uint32_t offset, uint32_t size)
{
	struct operation o = begin(n, "payload");

	put_reg(n, NFTA_PAYLOAD_DREG, reg);
	put_u32(n, NFTA_PAYLOAD_BASE, base);
	put_u32(n, NFTA_PAYLOAD_OFFSET, offset);
	put_u32(n, NFTA_PAYLOAD_LEN, size);
	end(n, o);
}

unsigned nft_ip_regs(const struct nft *n)
{
	return n->family == NFPROTO_IPV6 ? 4 : 1;
}

void nft_rule_saddr(struct nft *n, unsigned reg)
{
	bool v6 = n->family == NFPROTO_IPV6;

	payload(n, reg, NFT_PAYLOAD_NETWORK_HEADER,
	        v6 ? offsetof(struct ipv6hdr, saddr) : offsetof(struct iphdr, saddr), v6 ? 16 : 4);
}

void nft_rule_daddr(struct nft *n, unsigned reg)
{
	bool v6 = n->family == NFPROTO_IPV6;

	payload(n, reg, NFT_PAYLOAD_NETWORK_HEADER,
	        v6 ? offsetof(struct ipv6hdr, daddr) : offsetof(struct iphdr, daddr), v6 ? 16 : 4);
}

void nft_rule_sport(struct nft *n, unsigned reg)
{
	payload(n, reg, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2);
}

void nft_rule_dport(struct nft *n, unsigned reg)
{
	payload(n, reg, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
}

void nft_rule_meta(struct nft *n, unsigned reg, enum nft_meta_keys key)
{
	struct operation o = begin(n, "meta");

	put_reg(n, NFTA_META_DREG, reg);
	put_u32(n, NFTA_META_KEY, key);
	end(n, o);
}

void nft_rule_ct(struct nft *n, unsigned reg, enum nft_ct_keys key)
{
	struct operation o = begin(n, "ct");

	put_reg(n, NFTA_CT_DREG, reg);
	put_u32(n, NFTA_CT_KEY, key);
	end(n, o);
}

void nft_rule_ct_dir(struct nft *n, unsigned reg, enum nft_ct_keys key, uint8_t dir)
{
	struct operation o = begin(n, "ct");

	put_reg(n, NFTA_CT_DREG, reg);
	put_u32(n, NFTA_CT_KEY, key);
	mnl_attr_put_u8(n->open, NFTA_CT_DIRECTION, dir);
	end(n, o);
}

void nft_rule_ct_saddr(struct nft *n, unsigned reg, uint8_t dir)
{
	nft_rule_ct_dir(n, reg, n->family == NFPROTO_IPV6 ? NFT_CT_SRC_IP6 : NFT_CT_SRC_IP, dir);
}

void nft_rule_ct_daddr(struct nft *n, unsigned reg, uint8_t dir)
{
	nft_rule_ct_dir(n, reg, n->family == NFPROTO_IPV6 ? NFT_CT_DST_IP6 : NFT_CT_DST_IP, dir);
}

void nft_rule_way_back(struct nft *n, unsigned reg)
{
	struct operation o = begin(n, "fib");

	put_reg(n, NFTA_FIB_DREG, reg);
	put_u32(n, NFTA_FIB_RESULT, NFT_FIB_RESULT_OIF);
	put_u32(n, NFTA_FIB_FLAGS, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF);
	end(n, o);
}

void nft_rule_value(struct nft *n, unsigned reg, const void *value, size_t size)
{
	struct operation o = begin(n, "immediate");

	put_reg(n, NFTA_IMMEDIATE_DREG, reg);
	put_value(n, NFTA_IMMEDIATE_DATA, value, size);
	end(n, o);
}

void nft_rule_u32(struct nft *n, unsigned reg, uint32_t value)
{
	nft_rule_value(n, reg, &value, sizeof(value));
}

void nft_rule_counting(struct nft *n, unsigned reg, uint32_t modulus)
{
	struct operation o = begin(n, "numgen");

	put_reg(n, NFTA_NG_DREG, reg);
	put_u32(n, NFTA_NG_MODULUS, modulus);
	put_u32(n, NFTA_NG_TYPE, NFT_NG_INCREMENTAL);
	end(n, o);
}

void nft_rule_hash(struct nft *n, unsigned reg, unsigned n_regs, uint32_t modulus, unsigned ret_reg)
{
	struct operation o = begin(n, "hash");

	put_reg(n, NFTA_HASH_SREG, reg);
	put_reg(n, NFTA_HASH_DREG, ret_reg);
	put_u32(n, NFTA_HASH_LEN, n_regs * 4);
	put_u32(n, NFTA_HASH_MODULUS, modulus);
	put_u32(n, NFTA_HASH_SEED, 1);
	put_u32(n, NFTA_HASH_TYPE, NFT_HASH_JENKINS);
	end(n, o);
}

/* ---- conditions ---- */

static void compare(struct nft *n, unsigned reg, uint32_t op, const void *value, size_t size)
{
	struct operation o = begin(n, "cmp");

	put_reg(n, NFTA_CMP_SREG, reg);
	put_u32(n, NFTA_CMP_OP, op);
	put_value(n, NFTA_CMP_DATA, value, size);
	end(n, o);
}

void nft_rule_equal(struct nft *n, unsigned reg, const void *value, size_t size)
{
	compare(n, reg, NFT_CMP_EQ, value, size);
}

void nft_rule_not_equal(struct nft *n, unsigned reg, const void *value, size_t size)
{
	compare(n, reg, NFT_CMP_NEQ, value, size);
}

void nft_rule_mask(struct nft *n, unsigned reg, const void *mask, size_t size)
{
	static const uint8_t none[16];
	struct operation o = begin(n, "bitwise");

	put_reg(n, NFTA_BITWISE_SREG, reg);
	put_reg(n, NFTA_BITWISE_DREG, reg);
	put_u32(n, NFTA_BITWISE_LEN, (uint32_t)size);
	put_value(n, NFTA_BITWISE_MASK, mask, size);
	put_value(n, NFTA_BITWISE_XOR, none, size);
	end(n, o);
}

static void lookup(struct nft *n, unsigned reg, const struct nft_set *set, int ret_reg, bool invert)
{
	struct operation o = begin(n, "lookup");

	mnl_attr_put_strz(n->open, NFTA_LOOKUP_SET, set->name);
	put_reg(n, NFTA_LOOKUP_SREG, reg);
	if (set->verdicts) {
		put_u32(n, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
	} else if (ret_reg >= 0) {
		put_reg(n, NFTA_LOOKUP_DREG, (unsigned)ret_reg);
	}
	if (invert) {
		put_u32(n, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	}
	end(n, o);
}

void nft_rule_in(struct nft *n, unsigned reg, const struct nft_set *set)
{
	lookup(n, reg, set, -1, false);
}

void nft_rule_not_in(struct nft *n, unsigned reg, const struct nft_set *set)
{
	lookup(n, reg, set, -1, true);
}

void nft_rule_map(struct nft *n, unsigned reg, const struct nft_set *map, unsigned ret_reg)
{
	lookup(n, reg, map, (int)ret_reg, false);
}

void nft_rule_vmap(struct nft *n, unsigned reg, const struct nft_set *map)
{
	lookup(n, reg, map, -1, false);
}

/* ---- doing ---- */

static void set_meta(struct nft *n, unsigned reg, enum nft_meta_keys key)
{
	struct operation o = begin(n, "meta");

	put_reg(n, NFTA_META_SREG, reg);
	put_u32(n, NFTA_META_KEY, key);
	end(n, o);
}

void nft_rule_set_mark(struct nft *n, unsigned reg)
{
	set_meta(n, reg, NFT_META_MARK);
}

void nft_rule_set_priority(struct nft *n, unsigned reg)
{
	set_meta(n, reg, NFT_META_PRIORITY);
}

void nft_rule_set_ct_mark(struct nft *n, unsigned reg)
{
	struct operation o = begin(n, "ct");

	put_reg(n, NFTA_CT_SREG, reg);
	put_u32(n, NFTA_CT_KEY, NFT_CT_MARK);
	end(n, o);
}

void nft_rule_count(struct nft *n, const char *counter)
{
	struct operation o = begin(n, "objref");

	put_u32(n, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	mnl_attr_put_strz(n->open, NFTA_OBJREF_IMM_NAME, counter);
	end(n, o);
}

static struct operation begin_update(struct nft *n, const struct nft_set *set, unsigned key_reg,
                                     uint64_t timeout_ms)
{
	struct operation o = begin(n, "dynset");

	mnl_attr_put_strz(n->open, NFTA_DYNSET_SET_NAME, set->name);
	put_u32(n, NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	put_reg(n, NFTA_DYNSET_SREG_KEY, key_reg);
	mnl_attr_put_u64(n->open, NFTA_DYNSET_TIMEOUT, htobe64(timeout_ms));
	return o;
}

void nft_rule_learn(struct nft *n, const struct nft_set *map, unsigned key_reg, unsigned data_reg,
                    uint64_t timeout_ms)
{
	struct operation o = begin_update(n, map, key_reg, timeout_ms);

	put_reg(n, NFTA_DYNSET_SREG_DATA, data_reg);
	end(n, o);
}

void nft_rule_tally(struct nft *n, const struct nft_set *set, unsigned key_reg, uint64_t timeout_ms)
{
	struct operation o = begin_update(n, set, key_reg, timeout_ms);
	struct nlattr *counter = mnl_attr_nest_start(n->open, NFTA_DYNSET_EXPR);

	mnl_attr_put_strz(n->open, NFTA_EXPR_NAME, "counter");
	mnl_attr_nest_end(n->open, counter);
	end(n, o);
}

void nft_rule_dnat(struct nft *n, unsigned ip_reg, unsigned port_reg)
{
	struct operation o = begin(n, "nat");

	put_u32(n, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	put_u32(n, NFTA_NAT_FAMILY, n->family);
	put_reg(n, NFTA_NAT_REG_ADDR_MIN, ip_reg);
	put_reg(n, NFTA_NAT_REG_PROTO_MIN, port_reg);
	end(n, o);
}

void nft_rule_masquerade(struct nft *n)
{
	struct operation o = begin(n, "masq");

	/* NF_NAT_RANGE_PROTO_RANDOM_FULLY: two flows started at once do not race for one port. */
	put_u32(n, NFTA_MASQ_FLAGS, 1 << 4);
	end(n, o);
}

static void reject(struct nft *n, uint32_t type, uint8_t code)
{
	struct operation o = begin(n, "reject");

	put_u32(n, NFTA_REJECT_TYPE, type);
	mnl_attr_put_u8(n->open, NFTA_REJECT_ICMP_CODE, code);
	end(n, o);
}

void nft_rule_reject_tcp(struct nft *n)
{
	reject(n, NFT_REJECT_TCP_RST, 0);
}

void nft_rule_reject_icmp(struct nft *n)
{
	uint8_t v4_port = 3, v6_port = 4; /* each family's code for "port unreachable" */

	reject(n, NFT_REJECT_ICMP_UNREACH, n->family == NFPROTO_IPV6 ? v6_port : v4_port);
}

static void verdict(struct nft *n, uint32_t code, const char *chain)
{
	struct operation o = begin(n, "immediate");
	struct nlattr *data, *value;

	put_u32(n, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = mnl_attr_nest_start(n->open, NFTA_IMMEDIATE_DATA);
	value = mnl_attr_nest_start(n->open, NFTA_DATA_VERDICT);
	put_u32(n, NFTA_VERDICT_CODE, code);
	if (chain) {
		mnl_attr_put_strz(n->open, NFTA_VERDICT_CHAIN, chain);
	}
	mnl_attr_nest_end(n->open, value);
	mnl_attr_nest_end(n->open, data);
	end(n, o);
}

void nft_rule_goto(struct nft *n, const char *chain)
{
	verdict(n, (uint32_t)NFT_GOTO, chain);
}

void nft_rule_accept(struct nft *n)
{
	verdict(n, NF_ACCEPT, NULL);
}

void nft_rule_drop(struct nft *n)
{
	verdict(n, NF_DROP, NULL);
}
