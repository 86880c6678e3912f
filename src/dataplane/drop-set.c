/* Why: drops are noted where they happen, named the same everywhere, and read in one place. */
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
	[DROP_SPOOFED] = "drop-spoofed-source",
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

#define SET_OF(IP)                                                                                 \
	{                                                                                          \
		"drops", { NFT_FIELD_MARK, IP, IP, NFT_FIELD_PROTO, NFT_FIELD_PORT },              \
			.timeouts = true, .counts = true, .max = DROPS_MAX                         \
	}

const struct nft_set *drop_set(enum ip_family family)
{
	static const struct nft_set v4 = SET_OF(NFT_FIELD_IP4), v6 = SET_OF(NFT_FIELD_IP6);

	return family == IP_V6 ? &v6 : &v4;
}

static void load_key(struct nft *n, enum drop_reason reason, enum drop_key key)
{
	unsigned dst = 1 + nft_ip_regs(n), proto = dst + nft_ip_regs(n), port = proto + 1;

	/* By way of the packet's mark, which nobody reads any more: the nft program cannot list a key with a number in it. */
	nft_rule_u32(n, 0, (uint32_t)reason);
	nft_rule_set_mark(n, 0);
	nft_rule_meta(n, 0, NFT_META_MARK);
	nft_rule_meta(n, proto, NFT_META_L4PROTO);
	switch (key) {
	case DROP_KEY_FLOW:
		nft_rule_ct_saddr(n, 1, 0);
		nft_rule_ct_saddr(n, dst, 1);
		nft_rule_ct_dir(n, port, NFT_CT_PROTO_SRC, 1);
		break;
	case DROP_KEY_ORIGINAL:
		nft_rule_ct_saddr(n, 1, 0);
		nft_rule_ct_daddr(n, dst, 0);
		nft_rule_ct_dir(n, port, NFT_CT_PROTO_DST, 0);
		break;
	case DROP_KEY_PACKET:
		nft_rule_saddr(n, 1);
		nft_rule_daddr(n, dst);
		nft_rule_dport(n, port);
		break;
	}
}

void drop_note_queue(struct nft *n, const char *chain, enum drop_reason reason, enum drop_key key)
{
	uint8_t icmp = nft_family(n) == IP_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	/* A rule of its own: it ends when there is no room for one more. */
	nft_rule_begin(n, chain);
	if (key == DROP_KEY_PACKET) { /* what ICMP has there is no port */
		nft_rule_meta(n, 0, NFT_META_L4PROTO);
		nft_rule_not_equal(n, 0, &icmp, 1);
	}
	load_key(n, reason, key);
	nft_rule_tally(n, drop_set(nft_family(n)), 0, DROPS_MS);
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
	enum ip_family family;
};

static void show(void *arg, const struct nft_element *e)
{
	const struct reading *r = arg;
	const uint8_t *src = (const uint8_t *)e->key + 4, *dst = src + ip_size(r->family),
		      *proto = dst + ip_size(r->family);
	struct dropped d = { .packets = e->packets };
	uint32_t reason;

	memcpy(&reason, e->key, 4);
	if (reason >= DROP_REASONS) {
		return;
	}
	d.reason = (enum drop_reason)reason;
	d.flow = (struct flow){ .src = set_key_ip_at(src, r->family),
		                .dst = set_key_ip_at(dst, r->family),
		                .proto = *proto,
		                .dst_port = set_key_port_at(proto + 4) };
	d.age_ms = e->timeout_ms > e->expires_ms ? (int64_t)(e->timeout_ms - e->expires_ms) : 0;
	r->fn(r->arg, &d);
}

static int each_drop_in(struct nft *n, dataplane_drop_fn *fn, void *arg, struct err *err)
{
	struct reading reading = { fn, arg, nft_family(n) };

	return nft_each_element(n, drop_set(nft_family(n)), show, NULL, &reading, err);
}

int dataplane_each_drop(struct dataplane *d, dataplane_drop_fn *fn, void *arg, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < d->n_stacks && r == 0; i++) {
		r = each_drop_in(d->stacks[i].nft, fn, arg, err);
	}
	return r < 0 || !d->config.leads ? r : each_drop_in(d->vpc_nft, fn, arg, err);
}
