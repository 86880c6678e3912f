/* Why: drops are noted where they happen, named the same everywhere, and read in one place. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/dataplane-priv.h"
#include "dataplane/drop-set.h"
#include "host/nft-rule.h"

static const char *const names[DROP_REASONS] = {
	[DROP_EGRESS] = "drop-egress",
	[DROP_INGRESS] = "drop-ingress",
	[DROP_UNKNOWN_POD] = "drop-unknown-pod",
	[DROP_INVALID] = "drop-invalid",
	[DROP_CLIENT_RANGE] = "drop-client-not-in-range",
	[DROP_NO_SERVICE] = "drop-no-such-service",
	[DROP_NO_ENDPOINT] = "refuse-no-endpoint",
	[DROP_NO_LOCAL_ENDPOINT] = "drop-no-local",
	[DROP_ENDPOINT_GONE] = "drop-endpoint-gone",
	[DROP_SECURITY_GROUP] = "drop-security-group",
	[DROP_INTERNET] = "drop-internet",
	[DROP_NO_ROUTE] = "drop-no-route",
};

const char *drop_reason_name(enum drop_reason reason)
{
	return names[reason];
}

/* ---- writing ---- */

const struct nft_set drop_set = { "drops",
	                          { NFT_FIELD_MARK, NFT_FIELD_IP4, NFT_FIELD_IP4, NFT_FIELD_PROTO,
	                            NFT_FIELD_PORT },
	                          .timeouts = true,
	                          .counts = true,
	                          .max = DROPS_MAX };

static void load_key(struct nft *n, enum drop_reason reason, enum drop_key key)
{
	/* By way of the packet's mark, which nobody reads any more: the nft program cannot list a key with a number in it. */
	nft_rule_u32(n, 0, (uint32_t)reason);
	nft_rule_set_mark(n, 0);
	nft_rule_meta(n, 0, NFT_META_MARK);
	nft_rule_meta(n, 3, NFT_META_L4PROTO);
	switch (key) {
	case DROP_KEY_FLOW:
		nft_rule_ct_dir(n, 1, NFT_CT_SRC_IP, 0);
		nft_rule_ct_dir(n, 2, NFT_CT_SRC_IP, 1);
		nft_rule_ct_dir(n, 4, NFT_CT_PROTO_SRC, 1);
		break;
	case DROP_KEY_ORIGINAL:
		nft_rule_ct_dir(n, 1, NFT_CT_SRC_IP, 0);
		nft_rule_ct_dir(n, 2, NFT_CT_DST_IP, 0);
		nft_rule_ct_dir(n, 4, NFT_CT_PROTO_DST, 0);
		break;
	case DROP_KEY_PACKET:
		nft_rule_saddr(n, 1);
		nft_rule_daddr(n, 2);
		nft_rule_dport(n, 4);
		break;
	}
}

void drop_note_queue(struct nft *n, const char *chain, enum drop_reason reason, enum drop_key key)
{
	/* A rule of its own: it ends when there is no room for one more. */
	nft_rule_begin(n, chain);
	if (key == DROP_KEY_PACKET) { /* what ICMP has there is no port */
		nft_rule_meta(n, 0, NFT_META_L4PROTO);
		nft_rule_not_equal(n, 0, &(uint8_t){ IPPROTO_ICMP }, 1);
	}
	load_key(n, reason, key);
	nft_rule_tally(n, &drop_set, 0, DROPS_MS);
	nft_rule_begin(n, chain);
	nft_rule_count(n, names[reason]);
}

void drop_chain_queue(struct nft *n, enum drop_reason reason, enum drop_key key)
{
	nft_counter_add(n, names[reason]);
	nft_chain_add(n, names[reason], NULL);
	drop_note_queue(n, names[reason], reason, key);
	nft_rule_begin(n, names[reason]);
	nft_rule_drop(n);
}

/* ---- reading ---- */

struct reading {
	dataplane_drop_fn *fn;
	void *arg;
};

static void show(void *arg, const struct nft_element *e)
{
	const struct reading *r = arg;
	const uint8_t *key = e->key;
	struct dropped d = { .packets = e->packets };
	uint32_t reason;
	uint16_t port_be;

	memcpy(&reason, key, 4);
	if (reason >= DROP_REASONS) {
		return;
	}
	d.reason = (enum drop_reason)reason;
	d.flow = (struct flow){ .src = { .family = IP_V4 },
		                .dst = { .family = IP_V4 },
		                .proto = key[12] };
	memcpy(d.flow.src.bytes, key + 4, 4);
	memcpy(d.flow.dst.bytes, key + 8, 4);
	memcpy(&port_be, key + 16, sizeof(port_be));
	d.flow.dst_port = ntohs(port_be);
	d.age_ms = e->timeout_ms > e->expires_ms ? (int64_t)(e->timeout_ms - e->expires_ms) : 0;
	r->fn(r->arg, &d);
}

int dataplane_each_drop(struct dataplane *d, dataplane_drop_fn *fn, void *arg, struct err *err)
{
	struct reading reading = { fn, arg };
	int r = nft_each_element(d->node_nft, &drop_set, show, NULL, &reading, err);

	return r < 0 || !d->config.leads
	               ? r
	               : nft_each_element(d->vpc_nft, &drop_set, show, NULL, &reading, err);
}
