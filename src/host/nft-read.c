/* Why: what is in the kernel is read back, to compare it with what should be there. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "host/nft-priv.h"

struct nlmsghdr *nft_question(struct nft *n, uint16_t type, uint16_t table_attr)
{
	struct nlmsghdr *nlh;
	struct nfgenmsg *nf;

	must(n->n_changes == 0);
	nlh = netlink_begin(&n->nl, NFNL_SUBSYS_NFTABLES << 8 | type, 0, sizeof(*nf), ENOENT);
	nf = netlink_header(nlh);
	nf->nfgen_family = n->family;
	nf->version = NFNETLINK_V0;
	mnl_attr_put_strz(nlh, table_attr, n->table);
	return nlh;
}

/* Attributes of a message by type, those above 'max' left out. */
static void attributes(const struct nlmsghdr *nlh, const struct nlattr **ret, unsigned max)
{
	const struct nlattr *attr;

	memset(ret, 0, sizeof(*ret) * (max + 1));
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) <= max) {
			ret[mnl_attr_get_type(attr)] = attr;
		}
	}
}

static void nested(const struct nlattr *nest, const struct nlattr **ret, unsigned max)
{
	const struct nlattr *attr;

	memset(ret, 0, sizeof(*ret) * (max + 1));
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) <= max) {
			ret[mnl_attr_get_type(attr)] = attr;
		}
	}
}

static uint32_t u32_of(const struct nlattr *attr)
{
	return attr ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static uint64_t u64_of(const struct nlattr *attr)
{
	return attr ? be64toh(mnl_attr_get_u64(attr)) : 0;
}

static const char *text_of(const struct nlattr *attr)
{
	return attr ? mnl_attr_get_str(attr) : "";
}

/* A dump shows every table; ours is told by its name. */
static bool is_ours(const struct nft *n, const struct nlattr *table)
{
	return strcmp(text_of(table), n->table) == 0;
}

/* ---- elements ---- */

struct elements {
	const struct nft_set *set;
	nft_element_fn *fn;
	void (*restart)(void *arg);
	void *arg;
};

/* Copies a value into 'to', padded with zeros: a lone short field comes in its true length. */
static const void *value_of(const struct nlattr *nest, uint8_t *to, size_t size)
{
	const struct nlattr *a[NFTA_DATA_VERDICT + 1];
	size_t len;

	if (!nest) {
		return NULL;
	}
	nested(nest, a, NFTA_DATA_VERDICT);
	if (!a[NFTA_DATA_VALUE]) {
		return NULL;
	}
	len = mnl_attr_get_payload_len(a[NFTA_DATA_VALUE]);
	memset(to, 0, size);
	memcpy(to, mnl_attr_get_payload(a[NFTA_DATA_VALUE]), len < size ? len : size);
	return to;
}

static const char *chain_of(const struct nlattr *nest)
{
	const struct nlattr *a[NFTA_DATA_VERDICT + 1], *v[NFTA_VERDICT_CHAIN + 1];

	if (!nest) {
		return "";
	}
	nested(nest, a, NFTA_DATA_VERDICT);
	if (!a[NFTA_DATA_VERDICT]) {
		return "";
	}
	nested(a[NFTA_DATA_VERDICT], v, NFTA_VERDICT_CHAIN);
	return text_of(v[NFTA_VERDICT_CHAIN]);
}

static uint64_t packets_of(const struct nlattr *expression)
{
	const struct nlattr *e[NFTA_EXPR_DATA + 1], *c[NFTA_COUNTER_PACKETS + 1];

	if (!expression) {
		return 0;
	}
	nested(expression, e, NFTA_EXPR_DATA);
	if (!e[NFTA_EXPR_DATA]) {
		return 0;
	}
	nested(e[NFTA_EXPR_DATA], c, NFTA_COUNTER_PACKETS);
	return u64_of(c[NFTA_COUNTER_PACKETS]);
}

static void show_element(struct elements *e, const struct nlattr *nest)
{
	const struct nlattr *a[NFTA_SET_ELEM_KEY_END + 1];
	uint8_t key[NFT_KEY_MAX], key_end[NFT_KEY_MAX], data[NFT_KEY_MAX];
	size_t size = nft_set_key_size(e->set);
	struct nft_element element = { 0 };

	nested(nest, a, NFTA_SET_ELEM_KEY_END);
	element.key = value_of(a[NFTA_SET_ELEM_KEY], key, size);
	element.key_end = value_of(a[NFTA_SET_ELEM_KEY_END], key_end, size);
	if (e->set->verdicts) {
		element.chain = chain_of(a[NFTA_SET_ELEM_DATA]);
	} else {
		element.data = value_of(a[NFTA_SET_ELEM_DATA], data, nft_set_data_size(e->set));
	}
	element.timeout_ms = u64_of(a[NFTA_SET_ELEM_TIMEOUT]);
	element.expires_ms = u64_of(a[NFTA_SET_ELEM_EXPIRATION]);
	element.packets = e->set->counts ? packets_of(a[NFTA_SET_ELEM_EXPR]) : 0;
	if (element.key) {
		e->fn(e->arg, &element);
	}
}

static int show_elements(void *arg, const struct nlmsghdr *nlh)
{
	const struct nlattr *a[NFTA_SET_ELEM_LIST_ELEMENTS + 1], *nest;

	attributes(nlh, a, NFTA_SET_ELEM_LIST_ELEMENTS);
	if (a[NFTA_SET_ELEM_LIST_ELEMENTS]) {
		mnl_attr_for_each_nested(nest, a[NFTA_SET_ELEM_LIST_ELEMENTS])
		{
			show_element(arg, nest);
		}
	}
	return 0;
}

static void restart_elements(void *arg)
{
	struct elements *e = arg;

	if (e->restart) {
		e->restart(e->arg);
	}
}

int nft_each_element(struct nft *n, const struct nft_set *s, nft_element_fn *fn,
                     void (*restart)(void *arg), void *arg, struct err *err)
{
	struct elements e = { s, fn, restart, arg };
	struct nlmsghdr *nlh = nft_question(n, NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_TABLE);
	int r;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, s->name);
	r = netlink_dump(&n->nl, show_elements, restart_elements, &e, err);
	return r < 0 ? err_while(err, r, "read set %s", s->name) : 0;
}

/* ---- chains and rules ---- */

struct rules {
	struct nft *n;
	nft_rule_fn *fn;
	void (*restart)(void *arg);
	void *arg;
};

static int show_chain(void *arg, const struct nlmsghdr *nlh)
{
	const struct nlattr *a[NFTA_CHAIN_NAME + 1];
	struct rules *r = arg;

	attributes(nlh, a, NFTA_CHAIN_NAME);
	if (is_ours(r->n, a[NFTA_CHAIN_TABLE])) {
		r->fn(r->arg, text_of(a[NFTA_CHAIN_NAME]), NULL, 0);
	}
	return 0;
}

static int show_rule(void *arg, const struct nlmsghdr *nlh)
{
	const struct nlattr *a[NFTA_RULE_EXPRESSIONS + 1];
	struct rules *r = arg;

	attributes(nlh, a, NFTA_RULE_EXPRESSIONS);
	if (is_ours(r->n, a[NFTA_RULE_TABLE]) && a[NFTA_RULE_EXPRESSIONS]) {
		r->fn(r->arg, text_of(a[NFTA_RULE_CHAIN]),
		      mnl_attr_get_payload(a[NFTA_RULE_EXPRESSIONS]),
		      mnl_attr_get_payload_len(a[NFTA_RULE_EXPRESSIONS]));
	}
	return 0;
}

static void restart_rules(void *arg)
{
	struct rules *r = arg;

	if (r->restart) {
		r->restart(r->arg);
	}
}

int nft_each_chain(struct nft *n, nft_rule_fn *fn, void (*restart)(void *arg), void *arg,
                   struct err *err)
{
	struct rules all = { n, fn, restart, arg };
	int r;

	nft_question(n, NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE);
	r = netlink_dump(&n->nl, show_chain, restart_rules, &all, err);
	return r < 0 ? err_while(err, r, "read chains") : 0;
}

int nft_each_rule(struct nft *n, nft_rule_fn *fn, void (*restart)(void *arg), void *arg,
                  struct err *err)
{
	struct rules all = { n, fn, restart, arg };
	int r;

	nft_question(n, NFT_MSG_GETRULE, NFTA_RULE_TABLE);
	r = netlink_dump(&n->nl, show_rule, restart_rules, &all, err);
	return r < 0 ? err_while(err, r, "read rules") : 0;
}

/* ---- sets and counters ---- */

struct sets {
	struct nft *n;
	nft_set_fn *fn;
	void (*restart)(void *arg);
	void *arg;
};

static int show_set(void *arg, const struct nlmsghdr *nlh)
{
	const struct nlattr *a[NFTA_SET_DATA_LEN + 1];
	struct sets *s = arg;

	attributes(nlh, a, NFTA_SET_DATA_LEN);
	if (is_ours(s->n, a[NFTA_SET_TABLE])) {
		s->fn(s->arg, text_of(a[NFTA_SET_NAME]), u32_of(a[NFTA_SET_FLAGS]),
		      u32_of(a[NFTA_SET_KEY_LEN]), u32_of(a[NFTA_SET_DATA_LEN]));
	}
	return 0;
}

static void restart_sets(void *arg)
{
	struct sets *s = arg;

	if (s->restart) {
		s->restart(s->arg);
	}
}

int nft_each_set(struct nft *n, nft_set_fn *fn, void (*restart)(void *arg), void *arg,
                 struct err *err)
{
	struct sets s = { n, fn, restart, arg };
	int r;

	nft_question(n, NFT_MSG_GETSET, NFTA_SET_TABLE);
	r = netlink_dump(&n->nl, show_set, restart_sets, &s, err);
	return r < 0 ? err_while(err, r, "read sets") : 0;
}

struct counters {
	struct nft *n;
	nft_counter_fn *fn;
	void *arg;
};

static int show_counter(void *arg, const struct nlmsghdr *nlh)
{
	const struct nlattr *a[NFTA_OBJ_DATA + 1], *d[NFTA_COUNTER_PACKETS + 1];
	struct counters *c = arg;

	attributes(nlh, a, NFTA_OBJ_DATA);
	if (is_ours(c->n, a[NFTA_OBJ_TABLE]) && u32_of(a[NFTA_OBJ_TYPE]) == NFT_OBJECT_COUNTER &&
	    a[NFTA_OBJ_DATA]) {
		nested(a[NFTA_OBJ_DATA], d, NFTA_COUNTER_PACKETS);
		c->fn(c->arg, text_of(a[NFTA_OBJ_NAME]), u64_of(d[NFTA_COUNTER_PACKETS]),
		      u64_of(d[NFTA_COUNTER_BYTES]));
	}
	return 0;
}

int nft_each_counter(struct nft *n, nft_counter_fn *fn, void *arg, struct err *err)
{
	struct counters c = { n, fn, arg };
	struct nlmsghdr *nlh = nft_question(n, NFT_MSG_GETOBJ, NFTA_OBJ_TABLE);
	int r;

	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	r = netlink_dump(&n->nl, show_counter, NULL, &c, err);
	return r < 0 ? err_while(err, r, "read counters") : 0;
}
