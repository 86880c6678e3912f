/* Why: all rules of the node in one place, to be read top to bottom as a packet meets them. */
#include "dataplane/node-table.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/drop-set.h"
#include "host/nft-rule.h"

#define PROTO NFT_FIELD_PROTO
#define PORT  NFT_FIELD_PORT
#define MARK  NFT_FIELD_MARK

/* The sets of a family whose addresses are fields IP. */
#define SETS_OF(IP)                                                                                \
	{                                                                                          \
		[SET_ENTRIES] = { "entries", { IP, PROTO, PORT }, { MARK } },                      \
		[SET_ENTRIES_INSIDE] = { "entries_inside", { IP, PROTO, PORT }, { MARK } },        \
		[SET_POOLS] = { "pools", { MARK }, { MARK, MARK } },                               \
		[SET_PICKERS] = { "pickers", { MARK, MARK }, .verdicts = true },                   \
		[SET_SLOTS] = { "slots", { MARK, MARK }, { IP, PORT } },                           \
		[SET_CLUSTER_IPS] = { "cluster_ips", { IP } },                                     \
		[SET_MASQUERADED] = { "masqueraded", { IP, PROTO, PORT } },                        \
		[SET_GUARDED] = { "guarded", { IP, PROTO, PORT } },                                \
		[SET_SOURCES] = { "sources", { IP, PROTO, PORT, IP }, .ranges = true },            \
		[SET_PODS] = { "pods", { IP }, { MARK } }, [SET_SAME] = { "same", { IP, IP } },    \
		[SET_BLOCKS] = { "blocks", { IP, PROTO }, { MARK }, .ranges = true },              \
		[SET_ISOLATED_INGRESS] = { "isolated_ingress", { MARK } },                         \
		[SET_ISOLATED_EGRESS] = { "isolated_egress", { MARK } },                           \
		[SET_ROWS_INGRESS] = { "rows_ingress",                                             \
			               { MARK, MARK, PROTO, PORT },                                \
			               .ranges = true },                                           \
		[SET_ROWS_EGRESS] = { "rows_egress",                                               \
			              { MARK, MARK, PROTO, PORT },                                 \
			              .ranges = true },                                            \
		[SET_DENIED_INGRESS] = { "denied_ingress",                                         \
			                 { MARK, MARK, PROTO, PORT },                              \
			                 .ranges = true },                                         \
		[SET_DENIED_EGRESS] = { "denied_egress",                                           \
			                { MARK, MARK, PROTO, PORT },                               \
			                .ranges = true },                                          \
		[SET_ANY_INGRESS] = { "any_ingress", { MARK, PROTO, PORT }, .ranges = true },      \
		[SET_ANY_EGRESS] = { "any_egress", { MARK, PROTO, PORT }, .ranges = true },        \
		[SET_SETTLED] = { "settled", { MARK } },                                           \
		[SET_GENERATION] = { "generation", { MARK }, { MARK } },                           \
		[SET_AFFINITY] = {                                                                 \
			"affinity", { MARK, IP }, { IP, PORT }, .timeouts = true, .max = 65536     \
		},                                                                                 \
	}

static const struct nft_set sets4[NODE_SETS_ALL] = SETS_OF(NFT_FIELD_IP4);
static const struct nft_set sets6[NODE_SETS_ALL] = SETS_OF(NFT_FIELD_IP6);

const struct nft_set *node_set(enum ip_family family, enum node_set set)
{
	return family == IP_V6 ? &sets6[set] : &sets4[set];
}

static const struct nft_set *set_of(const struct nft *n, enum node_set set)
{
	return node_set(nft_family(n), set);
}

#define ORIGINAL 0
#define REPLY    1

/* ---- pieces of rules ---- */

/* From r0 on: daddr . proto . dport. Returns the register behind them. */
static unsigned load_entry_key(struct nft *n)
{
	unsigned behind = nft_ip_regs(n);

	nft_rule_daddr(n, 0);
	nft_rule_meta(n, behind, NFT_META_L4PROTO);
	nft_rule_dport(n, behind + 1);
	return behind + 2;
}

static void from_link_with_prefix(struct nft *n, const char *prefix)
{
	nft_rule_meta(n, 0, NFT_META_IIFNAME);
	nft_rule_equal(n, 0, prefix, strlen(prefix));
}

static void to_link_with_prefix(struct nft *n, const char *prefix)
{
	nft_rule_meta(n, 0, NFT_META_OIFNAME);
	nft_rule_equal(n, 0, prefix, strlen(prefix));
}

static void link_is(struct nft *n, enum nft_meta_keys key, const char *name)
{
	char padded[16] = { 0 };

	memcpy(padded, name, strlen(name));
	nft_rule_meta(n, 0, key);
	nft_rule_equal(n, 0, padded, sizeof(padded));
}

static void ct_state(struct nft *n, uint32_t bits)
{
	static const uint32_t none;

	nft_rule_ct(n, 0, NFT_CT_STATE);
	nft_rule_mask(n, 0, &bits, sizeof(bits));
	nft_rule_not_equal(n, 0, &none, sizeof(none));
}

static void ct_is_translated(struct nft *n)
{
	static const uint32_t none, dnat = IPS_DST_NAT;

	nft_rule_ct(n, 0, NFT_CT_STATUS);
	nft_rule_mask(n, 0, &dnat, sizeof(dnat));
	nft_rule_not_equal(n, 0, &none, sizeof(none));
}

/* The address in reg r0 lies in p (inside) or not. */
static void in_prefix(struct nft *n, struct prefix p, bool inside)
{
	size_t size = 4 * nft_ip_regs(n);
	uint8_t mask[16] = { 0 };

	for (unsigned bit = 0; bit < p.len; bit++) {
		mask[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	}
	nft_rule_mask(n, 0, mask, size);
	if (inside) {
		nft_rule_equal(n, 0, p.ip.bytes, size);
	} else {
		nft_rule_not_equal(n, 0, p.ip.bytes, size);
	}
}

static void drop_for(struct nft *n, enum drop_reason reason)
{
	nft_rule_goto(n, drop_reason_name(reason));
}

/* ---- services ---- */

static void find_entry(struct nft *n, const char *chain, enum node_set set, bool from_pods)
{
	nft_rule_begin(n, chain);
	if (from_pods) {
		from_link_with_prefix(n, POD_LINK_PREFIX);
	}
	(void)load_entry_key(n);
	nft_rule_map(n, 0, set_of(n, set), 0);
	nft_rule_set_mark(n, 0);
}

static void translate(struct nft *n, const char *chain, bool from_pods)
{
	nft_rule_begin(n, chain);
	nft_rule_u32(n, 0, 0);
	nft_rule_set_mark(n, 0);
	find_entry(n, chain, SET_ENTRIES, false);
	find_entry(n, chain, SET_ENTRIES_INSIDE, from_pods);
	nft_rule_begin(n, chain);
	nft_rule_goto(n, "services");
}

static void services(struct nft *n, const struct node_table_config *c)
{
	nft_rule_begin(n, "services");
	nft_rule_saddr(n, load_entry_key(n));
	nft_rule_in(n, 0, set_of(n, SET_GUARDED));
	nft_rule_not_in(n, 0, set_of(n, SET_SOURCES));
	drop_for(n, DROP_CLIENT_RANGE);

	nft_rule_begin(n, "services");
	nft_rule_meta(n, 0, NFT_META_MARK);
	nft_rule_map(n, 0, set_of(n, SET_POOLS), 0);
	nft_rule_vmap(n, 0, set_of(n, SET_PICKERS));

	/* A port that the service does not have is refused, an address that no service has gets no
	 * answer. */
	nft_rule_begin(n, "services");
	nft_rule_daddr(n, 0);
	nft_rule_in(n, 0, set_of(n, SET_CLUSTER_IPS));
	nft_rule_goto(n, CHAIN_REFUSE);
	nft_rule_begin(n, "services");
	nft_rule_daddr(n, 0);
	in_prefix(n, c->service_range, true);
	drop_for(n, DROP_NO_SERVICE);
	if (c->dns_ip.family) {
		nft_rule_begin(n, "services");
		nft_rule_daddr(n, 0);
		nft_rule_equal(n, 0, c->dns_ip.bytes, 4 * nft_ip_regs(n));
		drop_for(n, DROP_NO_SERVICE);
	}

	drop_note_queue(n, CHAIN_REFUSE, DROP_NO_ENDPOINT, DROP_KEY_ORIGINAL);
	nft_rule_begin(n, CHAIN_REFUSE);
	nft_rule_meta(n, 0, NFT_META_L4PROTO);
	nft_rule_equal(n, 0, &(uint8_t){ IPPROTO_TCP }, 1);
	nft_rule_reject_tcp(n);
	nft_rule_begin(n, CHAIN_REFUSE);
	nft_rule_reject_icmp(n);
}

/* ---- who is hidden behind the node's address ---- */

static void masquerading(struct nft *n, const struct node_table_config *c)
{
	static const char chain[] = "postrouting";

	/* A pod that reaches itself must not see its own address as the client's. */
	nft_rule_begin(n, chain);
	ct_is_translated(n);
	nft_rule_saddr(n, 0);
	nft_rule_daddr(n, nft_ip_regs(n));
	nft_rule_in(n, 0, set_of(n, SET_SAME));
	nft_rule_masquerade(n);

	nft_rule_begin(n, chain);
	ct_is_translated(n);
	nft_rule_ct_daddr(n, 0, ORIGINAL);
	nft_rule_meta(n, nft_ip_regs(n), NFT_META_L4PROTO);
	nft_rule_ct_dir(n, nft_ip_regs(n) + 1, NFT_CT_PROTO_DST, ORIGINAL);
	nft_rule_in(n, 0, set_of(n, SET_MASQUERADED));
	nft_rule_masquerade(n);

	/* A client from outside that was routed to a cluster IP: its answers must come back this
	 * way. */
	nft_rule_begin(n, chain);
	ct_is_translated(n);
	nft_rule_ct_daddr(n, 0, ORIGINAL);
	nft_rule_in(n, 0, set_of(n, SET_CLUSTER_IPS));
	nft_rule_saddr(n, 0);
	nft_rule_not_equal(n, 0, c->node_ip.bytes, 4 * nft_ip_regs(n));
	in_prefix(n, c->cluster_range, false);
	nft_rule_masquerade(n);

	/* Pods leave the cluster by the node's address; among themselves, on whatever node, they
	 * are seen as who they are. */
	nft_rule_begin(n, chain);
	link_is(n, NFT_META_OIFNAME, NODE_LINK);
	nft_rule_saddr(n, 0);
	in_prefix(n, c->cluster_range, true);
	nft_rule_daddr(n, 0);
	in_prefix(n, c->cluster_range, false);
	nft_rule_masquerade(n);
}

/* ---- policies ---- */

/* The class of the client is kept in the packet's mark, that of the server in its priority, until
 * it is admitted: the two numbers a packet carries along. */
#define CLIENT_CLASS NFT_META_MARK
#define SERVER_CLASS NFT_META_PRIORITY

struct direction {
	const char *chain, *next;
	enum drop_reason reason;
	enum node_set isolated, rows, denied, any;
	enum nft_meta_keys subject, peer;
};

static void set_class(struct nft *n, enum nft_meta_keys where)
{
	if (where == CLIENT_CLASS) {
		nft_rule_set_mark(n, 0);
	} else {
		nft_rule_set_priority(n, 0);
	}
}

static void load_proto_port(struct nft *n, unsigned reg)
{
	nft_rule_meta(n, reg, NFT_META_L4PROTO);
	nft_rule_ct_dir(n, reg + 1, NFT_CT_PROTO_SRC, REPLY);
}

/* From r0 on: the flow's client . its server. */
static void load_both_ends(struct nft *n)
{
	nft_rule_ct_saddr(n, 0, ORIGINAL);
	nft_rule_ct_saddr(n, nft_ip_regs(n), REPLY);
}

/* The class of whom the flow's tuple of that direction names as source; a miss ends a rule and
 * keeps what was. */
static void classify(struct nft *n, uint8_t dir, enum nft_meta_keys where)
{
	nft_rule_begin(n, "policies");
	nft_rule_u32(n, 0, 0);
	set_class(n, where);
	nft_rule_begin(n, "policies");
	nft_rule_ct_saddr(n, 0, dir);
	nft_rule_meta(n, nft_ip_regs(n), NFT_META_L4PROTO);
	nft_rule_map(n, 0, set_of(n, SET_BLOCKS), 0);
	set_class(n, where);
	nft_rule_begin(n, "policies");
	nft_rule_ct_saddr(n, 0, dir);
	nft_rule_map(n, 0, set_of(n, SET_PODS), 0);
	set_class(n, where);
}

/* What a set of rows about subject and peer says of the flow. */
static void by_peer(struct nft *n, const struct direction *dir, enum node_set set, const char *to)
{
	nft_rule_begin(n, dir->chain);
	nft_rule_meta(n, 0, dir->subject);
	nft_rule_meta(n, 1, dir->peer);
	load_proto_port(n, 2);
	nft_rule_in(n, 0, set_of(n, set));
	nft_rule_goto(n, to);
}

static void judge(struct nft *n, const struct direction *dir)
{
	nft_rule_begin(n, dir->chain);
	nft_rule_meta(n, 0, dir->subject);
	nft_rule_not_in(n, 0, set_of(n, dir->isolated));
	nft_rule_goto(n, dir->next);
	by_peer(n, dir, dir->rows, dir->next);
	by_peer(n, dir, dir->denied, drop_reason_name(dir->reason));

	nft_rule_begin(n, dir->chain);
	nft_rule_meta(n, 0, dir->subject);
	load_proto_port(n, 1);
	nft_rule_in(n, 0, set_of(n, dir->any));
	nft_rule_goto(n, dir->next);
	nft_rule_begin(n, dir->chain);
	drop_for(n, dir->reason);
}

static void unknown_pods(struct nft *n)
{
	nft_rule_begin(n, "policies");
	from_link_with_prefix(n, POD_LINK_PREFIX);
	nft_rule_saddr(n, 0);
	nft_rule_saddr(n, nft_ip_regs(n));
	nft_rule_not_in(n, 0, set_of(n, SET_SAME));
	drop_for(n, DROP_UNKNOWN_POD);
	nft_rule_begin(n, "policies");
	to_link_with_prefix(n, POD_LINK_PREFIX);
	nft_rule_daddr(n, 0);
	nft_rule_daddr(n, nft_ip_regs(n));
	nft_rule_not_in(n, 0, set_of(n, SET_SAME));
	drop_for(n, DROP_UNKNOWN_POD);
}

static void policies(struct nft *n)
{
	static const struct direction egress = {
		.chain = "egress",
		.next = "ingress",
		.reason = DROP_EGRESS,
		.isolated = SET_ISOLATED_EGRESS,
		.rows = SET_ROWS_EGRESS,
		.denied = SET_DENIED_EGRESS,
		.any = SET_ANY_EGRESS,
		.subject = CLIENT_CLASS,
		.peer = SERVER_CLASS,
	};
	static const struct direction ingress = {
		.chain = "ingress",
		.next = "admit",
		.reason = DROP_INGRESS,
		.isolated = SET_ISOLATED_INGRESS,
		.rows = SET_ROWS_INGRESS,
		.denied = SET_DENIED_INGRESS,
		.any = SET_ANY_INGRESS,
		.subject = SERVER_CLASS,
		.peer = CLIENT_CLASS,
	};

	unknown_pods(n);
	nft_rule_begin(n, "policies");
	load_both_ends(n);
	nft_rule_in(n, 0, set_of(n, SET_SAME));
	nft_rule_goto(n, "admit");
	classify(n, ORIGINAL, CLIENT_CLASS);
	classify(n, REPLY, SERVER_CLASS);
	nft_rule_begin(n, "policies");
	nft_rule_goto(n, "egress");
	judge(n, &egress);
	judge(n, &ingress);

	nft_rule_begin(n, "admit");
	nft_rule_u32(n, 0, 0);
	nft_rule_set_mark(n, 0);
	nft_rule_set_priority(n, 0);
	nft_rule_map(n, 0, set_of(n, SET_GENERATION), 0);
	nft_rule_set_ct_mark(n, 0);
	nft_rule_begin(n, "admit");
	ct_state(n, NF_CT_STATE_BIT(IP_CT_NEW));
	nft_rule_count(n, COUNT_ACCEPT);
	nft_rule_begin(n, "admit");
	nft_rule_accept(n);
}

/* What needs no judging: flows of the present generation, and errors about flows that passed. */
static void known_flows(struct nft *n, const char *chain)
{
	nft_rule_begin(n, chain);
	nft_rule_ct(n, 0, NFT_CT_MARK);
	nft_rule_in(n, 0, set_of(n, SET_SETTLED));
	nft_rule_accept(n);
	nft_rule_begin(n, chain);
	ct_state(n, NF_CT_STATE_BIT(IP_CT_RELATED));
	nft_rule_accept(n);
}

static void filters(struct nft *n)
{
	/* Invalid: would pass untranslated. Untracked: neighbour discovery, which nobody forwards. */
	nft_rule_begin(n, "forward");
	ct_state(n, NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT);
	drop_for(n, DROP_INVALID);
	known_flows(n, "forward");
	nft_rule_begin(n, "forward");
	nft_rule_goto(n, "policies");

	nft_rule_begin(n, "input");
	link_is(n, NFT_META_IIFNAME, "lo");
	nft_rule_accept(n);
	known_flows(n, "input");
	/* Neighbour discovery and multicast listeners: what the kernel does not track is that alone. */
	nft_rule_begin(n, "input");
	ct_state(n, NF_CT_STATE_UNTRACKED_BIT);
	nft_rule_accept(n);
	/* Answers to what the node itself opened: a node always reaches its pods. */
	nft_rule_begin(n, "input");
	nft_rule_ct(n, 0, NFT_CT_DIRECTION);
	nft_rule_equal(n, 0, &(uint8_t){ IP_CT_DIR_REPLY }, 1);
	nft_rule_accept(n);
	nft_rule_begin(n, "input");
	nft_rule_goto(n, "policies");
}

/* A pod that sends with another's address is not heard. IPv4 has a setting of its own for that
 * (rp_filter). */
static void spoofing(struct nft *n)
{
	nft_chain_add(n, "spoofing", &(struct nft_hook){ "filter", NF_INET_PRE_ROUTING, -300 });
	nft_rule_begin(n, "spoofing");
	from_link_with_prefix(n, POD_LINK_PREFIX);
	nft_rule_way_back(n, 0);
	nft_rule_equal(n, 0, &(uint32_t){ 0 }, sizeof(uint32_t));
	drop_for(n, DROP_SPOOFED);
}

void node_table_queue(struct nft *n, const struct node_table_config *c)
{
	static const char *const plain[] = { "services", CHAIN_REFUSE, "policies",
		                             "egress",   "ingress",    "admit" };
	static const struct {
		enum drop_reason reason;
		enum drop_key key;
	} drops[] = {
		{ DROP_EGRESS, DROP_KEY_FLOW },
		{ DROP_INGRESS, DROP_KEY_FLOW },
		{ DROP_UNKNOWN_POD, DROP_KEY_FLOW },
		{ DROP_INVALID, DROP_KEY_PACKET },
		{ DROP_SPOOFED, DROP_KEY_PACKET },
		{ DROP_CLIENT_RANGE, DROP_KEY_ORIGINAL },
		{ DROP_NO_SERVICE, DROP_KEY_ORIGINAL },
		{ DROP_NO_LOCAL_ENDPOINT, DROP_KEY_ORIGINAL },
		{ DROP_ENDPOINT_GONE, DROP_KEY_ORIGINAL },
	};

	nft_table_add(n);
	nft_counter_add(n, COUNT_ACCEPT);
	nft_counter_add(n, drop_reason_name(DROP_NO_ENDPOINT));
	for (enum node_set i = 0; i < NODE_SETS_ALL; i++) {
		nft_set_add(n, set_of(n, i));
	}
	nft_set_add(n, drop_set(nft_family(n)));
	for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
		drop_chain_queue(n, drops[i].reason, drops[i].key);
	}
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		nft_chain_add(n, plain[i], NULL);
	}
	nft_chain_add(n, "prerouting", &(struct nft_hook){ "nat", NF_INET_PRE_ROUTING, -100 });
	nft_chain_add(n, "output", &(struct nft_hook){ "nat", NF_INET_LOCAL_OUT, -100 });
	nft_chain_add(n, "postrouting", &(struct nft_hook){ "nat", NF_INET_POST_ROUTING, 100 });
	nft_chain_add(n, "forward", &(struct nft_hook){ "filter", NF_INET_FORWARD, 0 });
	nft_chain_add(n, "input", &(struct nft_hook){ "filter", NF_INET_LOCAL_IN, 0 });
	if (nft_family(n) == IP_V6) {
		spoofing(n);
	}
	services(n, c);
	translate(n, "prerouting", true);
	translate(n, "output", false);
	masquerading(n, c);
	policies(n);
	filters(n);
}

/* ---- pickers ---- */

const char *picker_name(const struct picker *p, char *buf)
{
	if (p->timeout_s) {
		snprintf(buf, PICKER_NAME_SIZE, "a%u.%u.%u", p->slots, p->timeout_s, p->number);
	} else if (p->by_client) {
		snprintf(buf, PICKER_NAME_SIZE, "u%u", p->slots);
	} else {
		snprintf(buf, PICKER_NAME_SIZE, "n%u.%u", p->slots, p->number);
	}
	return buf;
}

bool picker_parse(const char *name, struct picker *ret)
{
	struct slice rest = slice_from(slice_of(name), 1), field;
	uint64_t part[3] = { 0 };
	size_t n = 0, want = name[0] == 'a' ? 3 : name[0] == 'n' ? 2 : name[0] == 'u' ? 1 : 0;
	char canonical[PICKER_NAME_SIZE];

	while (n < want && slice_next(&rest, '.', &field)) {
		if (!slice_to_u64(field, &part[n]) || part[n++] > 99999) {
			return false;
		}
	}
	if (want == 0 || n != want) {
		return false;
	}
	*ret = (struct picker){ .slots = (unsigned)part[0],
		                .timeout_s = want == 3 ? (unsigned)part[1] : 0,
		                .number = want > 1 ? (unsigned)part[want - 1] : 0,
		                .by_client = want == 1 };
	return strcmp(picker_name(ret, canonical), name) == 0;
}

enum { KIND_REFUSE = 1, KIND_DISCARD, KIND_TURNS, KIND_CLIENT, KIND_AFFINITY };
#define KIND_SHIFT   24
#define NUMBER_SHIFT 16

const struct picker_number picker_refuse = { KIND_REFUSE << KIND_SHIFT, 0 };
const struct picker_number picker_discard = { KIND_DISCARD << KIND_SHIFT, 0 };

struct picker_number picker_number(const struct picker *p)
{
	uint32_t kind = p->timeout_s ? KIND_AFFINITY : p->by_client ? KIND_CLIENT : KIND_TURNS;

	return (struct picker_number){ kind << KIND_SHIFT | p->number << NUMBER_SHIFT | p->slots,
		                       p->timeout_s };
}

bool picker_from_number(struct picker_number n, struct picker *ret)
{
	uint32_t kind = n.kind >> KIND_SHIFT;

	*ret = (struct picker){ .slots = n.kind & 0xffff,
		                .number = n.kind >> NUMBER_SHIFT & 0xff,
		                .timeout_s = n.timeout_s,
		                .by_client = kind == KIND_CLIENT };
	return kind >= KIND_TURNS && kind <= KIND_AFFINITY &&
	       (n.timeout_s > 0) == (kind == KIND_AFFINITY);
}

size_t picker_rules(const struct picker *p)
{
	return p->timeout_s ? 4 : 2;
}

/* From r(to) on: the next slot of the pool in the packet's mark, address and port. Uses the first
 * registers. */
static void pick(struct nft *n, const struct picker *p, unsigned to)
{
	if (p->by_client) {
		nft_rule_saddr(n, 0);
		nft_rule_sport(n, nft_ip_regs(n));
		nft_rule_hash(n, 0, nft_ip_regs(n) + 1, p->slots, 1);
	} else {
		nft_rule_counting(n, 1, p->slots);
	}
	nft_rule_meta(n, 0, NFT_META_MARK);
	nft_rule_map(n, 0, set_of(n, SET_SLOTS), to);
}

static void load_client(struct nft *n)
{
	nft_rule_meta(n, 0, NFT_META_MARK);
	nft_rule_saddr(n, 1);
}

void picker_queue(struct nft *n, const struct picker *p)
{
	char name[PICKER_NAME_SIZE];
	unsigned slot = 1 + nft_ip_regs(n); /* behind pool and client */
	uint64_t timeout_ms = (uint64_t)p->timeout_s * 1000;

	picker_name(p, name);
	nft_chain_add(n, name, NULL);
	if (p->timeout_s) {
		nft_rule_begin(n, name);
		load_client(n);
		nft_rule_map(n, 0, set_of(n, SET_AFFINITY), slot);
		nft_rule_learn(n, set_of(n, SET_AFFINITY), 0, slot, timeout_ms);
		nft_rule_dnat(n, slot, slot + nft_ip_regs(n));

		nft_rule_begin(n, name);
		pick(n, p, slot);
		load_client(n);
		nft_rule_learn(n, set_of(n, SET_AFFINITY), 0, slot, timeout_ms);
		nft_rule_dnat(n, slot, slot + nft_ip_regs(n));
	}
	/* Also when the memory of clients is full. */
	nft_rule_begin(n, name);
	pick(n, p, 0);
	nft_rule_dnat(n, 0, nft_ip_regs(n));
	/* A slot that is not there (yet): the client tries again. */
	nft_rule_begin(n, name);
	drop_for(n, DROP_ENDPOINT_GONE);
}
