/* Why: nftables changes as transactions over one resident socket. */
#include "host/nft.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/must.h"
#include "host/nft-priv.h"

/* A message of elements is closed past this size; attribute lengths are 16 bits. */
#define ELEMENTS_BYTES 32768

int nft_open(int netns_fd, enum ip_family family, const char *table, struct nft **ret,
             struct err *err)
{
	struct nft *n = NEW(struct nft);
	int r = netlink_open(&n->nl, NETLINK_NETFILTER, netns_fd, 0, err);

	if (r < 0) {
		free(n);
		return err_while(err, r, "nftables");
	}
	n->family = family == IP_V6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	must(strlen(table) < NFT_NAME_MAX);
	memcpy(n->table, table, strlen(table) + 1);
	n->scratch = mem_alloc(2 * NETLINK_REQUEST_MAX);
	*ret = n;
	return 0;
}

struct nft *nft_close(struct nft *n)
{
	if (n) {
		netlink_close(&n->nl);
		strbuf_fini(&n->batch);
		free(n->scratch);
		free(n);
	}
	return NULL;
}

enum ip_family nft_family(const struct nft *n)
{
	return n->family == NFPROTO_IPV6 ? IP_V6 : IP_V4;
}

/* ---- types ---- */

static const struct {
	uint32_t id; /* as the nft program knows the type, so that it prints sets readably */
	uint32_t size;
} fields[] = {
	[NFT_FIELD_IP4] = { 7, 4 },   [NFT_FIELD_IP6] = { 8, 16 },  [NFT_FIELD_PROTO] = { 12, 1 },
	[NFT_FIELD_PORT] = { 13, 2 }, [NFT_FIELD_MARK] = { 19, 4 },
};

static size_t padded_size(const uint8_t *list)
{
	size_t size = 0;

	for (; *list != NFT_FIELD_END; list++) {
		size += fields[*list].size == 16 ? 16 : 4;
	}
	return size;
}

size_t nft_set_key_size(const struct nft_set *s)
{
	return padded_size(s->key);
}

size_t nft_set_data_size(const struct nft_set *s)
{
	return padded_size(s->data);
}

static uint32_t type_of(const uint8_t *list)
{
	uint32_t type = 0;

	for (; *list != NFT_FIELD_END; list++) {
		type = type << 6 | fields[*list].id;
	}
	return type;
}

/* A lone field has its true length, joined fields are padded. */
static uint32_t length_of(const uint8_t *list)
{
	return list[1] == NFT_FIELD_END ? fields[list[0]].size : (uint32_t)padded_size(list);
}

/* ---- messages ---- */

static void put_header(struct nlmsghdr *nlh, uint16_t type, uint16_t flags, uint32_t seq,
                       uint8_t family, uint16_t res)
{
	struct nfgenmsg *nf;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags | NLM_F_REQUEST;
	nlh->nlmsg_seq = seq;
	nf = mnl_nlmsg_put_extra_header(nlh, sizeof(*nf));
	nf->nfgen_family = family;
	nf->version = NFNETLINK_V0;
	nf->res_id = htons(res);
}

static void add_batch_mark(struct nft *n, uint16_t type)
{
	char space[MNL_ALIGN(sizeof(struct nlmsghdr)) + MNL_ALIGN(sizeof(struct nfgenmsg))] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(space);

	put_header(nlh, type, 0, ++n->nl.seq, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	strbuf_add(&n->batch, nlh, nlh->nlmsg_len);
}

void nft_finish_message(struct nft *n)
{
	if (!n->open) {
		return;
	}
	if (n->list) {
		mnl_attr_nest_end(n->open, n->list);
	}
	must(n->open->nlmsg_len <= NETLINK_REQUEST_MAX);
	strbuf_add(&n->batch, n->open, NLMSG_ALIGN(n->open->nlmsg_len));
	n->open = NULL;
	n->list = NULL;
	n->elements_type = 0;
}

struct nlmsghdr *nft_message(struct nft *n, uint16_t type, uint16_t flags)
{
	nft_finish_message(n);
	if (n->n_changes++ == 0) {
		add_batch_mark(n, NFNL_MSG_BATCH_BEGIN);
	}
	n->open = mnl_nlmsg_put_header(n->scratch);
	put_header(n->open, NFNL_SUBSYS_NFTABLES << 8 | type, flags, ++n->nl.seq, n->family, 0);
	return n->open;
}

uint64_t nft_changes_digest(struct nft *n)
{
	uint64_t digest = 0;
	int left;

	nft_finish_message(n);
	left = (int)n->batch.size;
	for (struct nlmsghdr *nlh = (void *)n->batch.p; n->batch.size && mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left)) {
		struct slice body = { mnl_nlmsg_get_payload(nlh), mnl_nlmsg_get_payload_len(nlh) };

		digest = (digest ^ slice_hash(body) ^ nlh->nlmsg_type) *
		         UINT64_C(0x9e3779b97f4a7c15);
	}
	return digest;
}

void nft_forget_changes(struct nft *n)
{
	nft_finish_message(n);
	strbuf_reset(&n->batch);
	n->n_changes = 0;
	n->n_sets = 0;
}

static const char *change_name(unsigned type)
{
	switch (type & 0xff) {
	case NFT_MSG_NEWTABLE:
		return "add table";
	case NFT_MSG_DELTABLE:
		return "delete table";
	case NFT_MSG_NEWCHAIN:
		return "add chain";
	case NFT_MSG_DELCHAIN:
		return "delete chain";
	case NFT_MSG_NEWRULE:
		return "add rule to";
	case NFT_MSG_NEWSET:
		return "add set";
	case NFT_MSG_NEWSETELEM:
		return "add elements to";
	case NFT_MSG_DELSETELEM:
		return "delete elements from";
	case NFT_MSG_NEWOBJ:
		return "add counter";
	default:
		return "change";
	}
}

/* Which change had this sequence number, for the sentence: the second string attribute names chain
 * or set. */
static int raise_refused(const struct nft *n, const struct nlmsghdr *answer, int code,
                         struct err *err)
{
	int left = (int)n->batch.size;

	for (struct nlmsghdr *nlh = (void *)n->batch.p; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left)) {
		const struct nlattr *attr;
		const char *name = "";

		if (nlh->nlmsg_seq != answer->nlmsg_seq) {
			continue;
		}
		mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
		{
			if (mnl_attr_get_type(attr) == 2) {
				name = mnl_attr_get_str(attr);
			}
		}
		errno = code;
		return err_sys(err, "nftables: %s %s", change_name(nlh->nlmsg_type), name);
	}
	errno = code;
	return err_sys(err, "nftables");
}

static int send_batch(struct nft *n, struct err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t sent;

	if (strbuf_failed(&n->batch)) {
		return err_raise(err, ERR_NOMEM, "nftables: transaction too large");
	}
	do {
		sent = sendto(n->nl.fd, n->batch.p, n->batch.size, 0, (struct sockaddr *)&kernel,
		              sizeof(kernel));
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? err_sys(err, "nftables: send %zu bytes", n->batch.size) : 0;
}

/* The kernel works a transaction off before sendto returns; refusals are waiting then, success says
 * nothing. */
static int read_refusals(struct nft *n, struct err *err)
{
	int result = 0;

	for (;;) {
		ssize_t got = recv(n->nl.fd, n->scratch, 2 * NETLINK_REQUEST_MAX, MSG_DONTWAIT);
		int left = (int)got;

		if (got < 0) {
			if (errno == EINTR) {
				continue;
			}
			if (errno == EAGAIN || errno == EWOULDBLOCK) {
				return result;
			}
			return result < 0 ? result : err_sys(err, "nftables: receive");
		}
		for (struct nlmsghdr *nlh = (void *)n->scratch; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type == NLMSG_ERROR && e->error && result == 0) {
				result = raise_refused(n, nlh, -e->error, err);
			}
		}
	}
}

int nft_commit(struct nft *n, struct err *err)
{
	int r = 0;

	nft_finish_message(n);
	if (n->n_changes > 0) {
		add_batch_mark(n, NFNL_MSG_BATCH_END);
		r = send_batch(n, err);
		if (r == 0) {
			r = read_refusals(n, err);
		}
	}
	nft_forget_changes(n);
	return r;
}

/* ---- changes ---- */

void nft_table_add(struct nft *n)
{
	mnl_attr_put_strz(nft_message(n, NFT_MSG_NEWTABLE, NLM_F_CREATE), NFTA_TABLE_NAME,
	                  n->table);
}

void nft_table_delete(struct nft *n)
{
	mnl_attr_put_strz(nft_message(n, NFT_MSG_DELTABLE, 0), NFTA_TABLE_NAME, n->table);
}

void nft_chain_add(struct nft *n, const char *name, const struct nft_hook *hook)
{
	struct nlmsghdr *nlh = nft_message(n, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	struct nlattr *nest;

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, n->table);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
	if (!hook) {
		return;
	}
	nest = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(hook->hook));
	mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, htonl((uint32_t)hook->priority));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_put_u32(nlh, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, hook->type);
}

void nft_chain_delete(struct nft *n, const char *name)
{
	struct nlmsghdr *nlh = nft_message(n, NFT_MSG_DELCHAIN, 0);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, n->table);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
}

void nft_counter_add(struct nft *n, const char *name)
{
	struct nlmsghdr *nlh = nft_message(n, NFT_MSG_NEWOBJ, NLM_F_CREATE);

	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, n->table);
	mnl_attr_put_strz(nlh, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	mnl_attr_nest_end(nlh, mnl_attr_nest_start(nlh, NFTA_OBJ_DATA));
}

static uint32_t flags_of(const struct nft_set *s)
{
	uint32_t flags = 0;

	flags |= s->verdicts || s->data[0] ? NFT_SET_MAP : 0;
	flags |= s->timeouts ? NFT_SET_TIMEOUT | NFT_SET_EVAL : 0;
	flags |= s->ranges ? NFT_SET_INTERVAL : 0;
	flags |= s->key[1] ? NFT_SET_CONCAT : 0;
	return flags;
}

static void put_description(struct nlmsghdr *nlh, const struct nft_set *s)
{
	struct nlattr *desc = mnl_attr_nest_start(nlh, NFTA_SET_DESC), *concat;

	if (s->max) {
		mnl_attr_put_u32(nlh, NFTA_SET_DESC_SIZE, htonl(s->max));
	}
	if (s->key[1]) {
		concat = mnl_attr_nest_start(nlh, NFTA_SET_DESC_CONCAT);
		for (const uint8_t *f = s->key; *f; f++) {
			struct nlattr *field = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);

			mnl_attr_put_u32(nlh, NFTA_SET_FIELD_LEN, htonl(fields[*f].size));
			mnl_attr_nest_end(nlh, field);
		}
		mnl_attr_nest_end(nlh, concat);
	}
	mnl_attr_nest_end(nlh, desc);
}

void nft_set_add(struct nft *n, const struct nft_set *s)
{
	struct nlmsghdr *nlh = nft_message(n, NFT_MSG_NEWSET, NLM_F_CREATE);

	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, n->table);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, s->name);
	mnl_attr_put_u32(nlh, NFTA_SET_ID, htonl(++n->n_sets));
	mnl_attr_put_u32(nlh, NFTA_SET_FLAGS, htonl(flags_of(s)));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_TYPE, htonl(type_of(s->key)));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_LEN, htonl(length_of(s->key)));
	if (s->verdicts) {
		mnl_attr_put_u32(nlh, NFTA_SET_DATA_TYPE, htonl(NFT_DATA_VERDICT));
		mnl_attr_put_u32(nlh, NFTA_SET_DATA_LEN, htonl(0));
	} else if (s->data[0]) {
		mnl_attr_put_u32(nlh, NFTA_SET_DATA_TYPE, htonl(type_of(s->data)));
		mnl_attr_put_u32(nlh, NFTA_SET_DATA_LEN, htonl(length_of(s->data)));
	}
	put_description(nlh, s);
	if (s->counts) {
		struct nlattr *counter = mnl_attr_nest_start(nlh, NFTA_SET_EXPR);

		mnl_attr_put_strz(nlh, NFTA_EXPR_NAME, "counter");
		mnl_attr_nest_end(nlh, counter);
	}
}

static void put_value(struct nlmsghdr *nlh, uint16_t type, const void *value, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put(nlh, NFTA_DATA_VALUE, size, value);
	mnl_attr_nest_end(nlh, nest);
}

static void put_goto(struct nlmsghdr *nlh, const char *chain)
{
	struct nlattr *data = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(nlh, NFTA_DATA_VERDICT);

	mnl_attr_put_u32(nlh, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_GOTO));
	mnl_attr_put_strz(nlh, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(nlh, verdict);
	mnl_attr_nest_end(nlh, data);
}

/* Joins elements of one kind of change of one set into one message. */
static struct nlmsghdr *elements_message(struct nft *n, const struct nft_set *s, uint16_t type)
{
	if (n->open && n->elements_type == type + 1 && strcmp(n->elements_set, s->name) == 0 &&
	    n->open->nlmsg_len < ELEMENTS_BYTES) {
		return n->open;
	}
	nft_message(n, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
	mnl_attr_put_strz(n->open, NFTA_SET_ELEM_LIST_TABLE, n->table);
	mnl_attr_put_strz(n->open, NFTA_SET_ELEM_LIST_SET, s->name);
	n->list = mnl_attr_nest_start(n->open, NFTA_SET_ELEM_LIST_ELEMENTS);
	n->elements_type = (uint16_t)(type + 1);
	must(strlen(s->name) < NFT_NAME_MAX);
	memcpy(n->elements_set, s->name, strlen(s->name) + 1);
	return n->open;
}

static void element_change(struct nft *n, const struct nft_set *s, const struct nft_element *e,
                           uint16_t type)
{
	struct nlmsghdr *nlh = elements_message(n, s, type);
	struct nlattr *nest = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	size_t size = length_of(s->key);

	put_value(nlh, NFTA_SET_ELEM_KEY, e->key, size);
	if (s->ranges) {
		put_value(nlh, NFTA_SET_ELEM_KEY_END, e->key_end, size);
	}
	if (type == NFT_MSG_NEWSETELEM) {
		if (s->verdicts) {
			put_goto(nlh, e->chain);
		} else if (s->data[0]) {
			put_value(nlh, NFTA_SET_ELEM_DATA, e->data, length_of(s->data));
		}
		if (e->timeout_ms) {
			mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT, htobe64(e->timeout_ms));
		}
	}
	mnl_attr_nest_end(nlh, nest);
}

void nft_element_add(struct nft *n, const struct nft_set *s, const struct nft_element *e)
{
	element_change(n, s, e, NFT_MSG_NEWSETELEM);
}

void nft_element_delete(struct nft *n, const struct nft_set *s, const struct nft_element *e)
{
	element_change(n, s, e, NFT_MSG_DELSETELEM);
}
