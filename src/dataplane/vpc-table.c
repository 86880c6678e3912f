/* Why: all rules of the VPC's router in one place. */
#include "dataplane/vpc-table.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

#include "dataplane/drop-set.h"
#include "host/nft-rule.h"

#define IP4   NFT_FIELD_IP4
#define PROTO NFT_FIELD_PROTO
#define PORT  NFT_FIELD_PORT

const struct nft_set vpc_sets[VPC_SETS] = {
	[VPC_HOSTS] = { "hosts", { IP4 } },
	[VPC_RULES] = { "rules", { IP4, IP4, PROTO, PORT }, .ranges = true },
	[VPC_HOSTS_OUT] = { "hosts_out", { IP4 } },
	[VPC_RULES_OUT] = { "rules_out", { IP4, IP4, PROTO, PORT }, .ranges = true },
	[VPC_WAYS] = { "ways", { IP4, IP4 }, .ranges = true },
};

/* Addresses that no internet gateway carries. */
static const struct {
	uint8_t base[4], len;
} private_ranges[] = {
	{ { 10, 0, 0, 0 }, 8 },    { { 172, 16, 0, 0 }, 12 },  { { 192, 168, 0, 0 }, 16 },
	{ { 100, 64, 0, 0 }, 10 }, { { 169, 254, 0, 0 }, 16 }, { { 127, 0, 0, 0 }, 8 },
};

static void ct_state(struct nft *n, uint32_t bits)
{
	static const uint32_t none;

	nft_rule_ct(n, 0, NFT_CT_STATE);
	nft_rule_mask(n, 0, &bits, sizeof(bits));
	nft_rule_not_equal(n, 0, &none, sizeof(none));
}

static void link_is(struct nft *n, enum nft_meta_keys key, const char *name)
{
	char padded[16] = { 0 };

	memcpy(padded, name, strlen(name));
	nft_rule_meta(n, 0, key);
	nft_rule_equal(n, 0, padded, sizeof(padded));
}

static void masked(struct nft *n, uint8_t len)
{
	uint32_t mask = htonl(len ? ~UINT32_C(0) << (32 - len) : 0);

	nft_rule_mask(n, 0, &mask, sizeof(mask));
}

static void drop_for(struct nft *n, enum drop_reason reason)
{
	nft_rule_goto(n, drop_reason_name(reason));
}

/* Rule changes leave tracked flows alone, as security groups do. */
static void hosts(struct nft *n, const char *chain)
{
	nft_rule_begin(n, chain);
	ct_state(n, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	nft_rule_accept(n);
	nft_rule_begin(n, chain);
	ct_state(n, NF_CT_STATE_INVALID_BIT);
	drop_for(n, DROP_INVALID);

	nft_rule_begin(n, chain);
	nft_rule_saddr(n, 0);
	nft_rule_in(n, 0, &vpc_sets[VPC_HOSTS_OUT]);
	nft_rule_saddr(n, 0);
	nft_rule_daddr(n, 1);
	nft_rule_meta(n, 2, NFT_META_L4PROTO);
	nft_rule_dport(n, 3);
	nft_rule_not_in(n, 0, &vpc_sets[VPC_RULES_OUT]);
	drop_for(n, DROP_SECURITY_GROUP);

	nft_rule_begin(n, chain);
	nft_rule_daddr(n, 0);
	nft_rule_saddr(n, 1);
	nft_rule_meta(n, 2, NFT_META_L4PROTO);
	nft_rule_dport(n, 3);
	nft_rule_in(n, 0, &vpc_sets[VPC_RULES]);
	nft_rule_accept(n);
	nft_rule_begin(n, chain);
	nft_rule_daddr(n, 0);
	nft_rule_in(n, 0, &vpc_sets[VPC_HOSTS]);
	drop_for(n, DROP_SECURITY_GROUP);
}

/* The answers of the host's resolvers reach every subnet, as those of a VPC's resolver do. */
static void routes(struct nft *n)
{
	static const char chain[] = "routes";

	nft_rule_begin(n, chain);
	link_is(n, NFT_META_OIFNAME, VPC_INTERNET_LINK);
	nft_rule_dport(n, 0);
	nft_rule_equal(n, 0, &(uint16_t){ htons(53) }, 2);
	nft_rule_accept(n);
	nft_rule_begin(n, chain);
	link_is(n, NFT_META_OIFNAME, VPC_INTERNET_LINK);
	nft_rule_saddr(n, 0);
	nft_rule_daddr(n, 1);
	nft_rule_not_in(n, 0, &vpc_sets[VPC_WAYS]);
	drop_for(n, DROP_NO_ROUTE);
}

static void internet(struct nft *n, const struct vpc_table_config *c)
{
	nft_rule_begin(n, "forward");
	link_is(n, NFT_META_IIFNAME, VPC_INTERNET_LINK);
	drop_for(n, DROP_INTERNET);
	nft_rule_begin(n, "forward");
	link_is(n, NFT_META_OIFNAME, VPC_INTERNET_LINK);
	nft_rule_goto(n, "leaving");

	nft_rule_begin(n, "leaving");
	nft_rule_saddr(n, 0);
	masked(n, c->vpc_range.len);
	nft_rule_not_equal(n, 0, c->vpc_range.ip.bytes, 4);
	drop_for(n, DROP_INTERNET);
	/* The host's resolvers may have any address. */
	nft_rule_begin(n, "leaving");
	nft_rule_dport(n, 0);
	nft_rule_equal(n, 0, &(uint16_t){ htons(53) }, 2);
	nft_rule_accept(n);
	for (size_t i = 0; i < sizeof(private_ranges) / sizeof(private_ranges[0]); i++) {
		nft_rule_begin(n, "leaving");
		nft_rule_daddr(n, 0);
		masked(n, private_ranges[i].len);
		nft_rule_equal(n, 0, private_ranges[i].base, 4);
		drop_for(n, DROP_INTERNET);
	}
}

void vpc_table_queue(struct nft *n, const struct vpc_table_config *c)
{
	nft_table_add(n);
	for (size_t i = 0; i < VPC_SETS; i++) {
		nft_set_add(n, &vpc_sets[i]);
	}
	nft_set_add(n, drop_set(IP_V4));
	drop_chain_queue(n, DROP_SECURITY_GROUP, DROP_KEY_ORIGINAL);
	drop_chain_queue(n, DROP_INTERNET, DROP_KEY_ORIGINAL);
	drop_chain_queue(n, DROP_NO_ROUTE, DROP_KEY_ORIGINAL);
	drop_chain_queue(n, DROP_NO_SERVICE, DROP_KEY_ORIGINAL);
	drop_chain_queue(n, DROP_INVALID, DROP_KEY_PACKET);
	nft_chain_add(n, "leaving", NULL);
	nft_chain_add(n, "routes", &(struct nft_hook){ "filter", NF_INET_FORWARD, -10 });
	nft_chain_add(n, "forward", &(struct nft_hook){ "filter", NF_INET_FORWARD, 0 });
	nft_chain_add(n, "output", &(struct nft_hook){ "filter", NF_INET_LOCAL_OUT, 0 });
	nft_chain_add(n, "postrouting", &(struct nft_hook){ "nat", NF_INET_POST_ROUTING, 100 });
	routes(n);
	hosts(n, "output");
	hosts(n, "forward");
	nft_rule_begin(n, "forward");
	nft_rule_daddr(n, 0);
	nft_rule_equal(n, 0, c->dns_ip.bytes, 4);
	drop_for(n, DROP_NO_SERVICE);
	internet(n, c);
	nft_rule_begin(n, "postrouting");
	link_is(n, NFT_META_OIFNAME, VPC_INTERNET_LINK);
	nft_rule_masquerade(n);
}
