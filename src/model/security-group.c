/* Why: what a rule admits is decided once, for the kernel and for those who explain it. See security-group.h. */
#include "model/security-group.h"

/* Ports of a rule that is about this protocol; false: it is not. Absent or -1: all of them. */
static bool ports_of(const struct val *rule, enum proto proto, uint16_t *ret_from, uint16_t *ret_to)
{
	struct slice p = val_get_str(rule, "ipProtocol");
	int64_t number = 0, from = val_int(val_get(rule, "fromPort"), -1),
		to = val_int(val_get(rule, "toPort"), -1);

	*ret_from = 0;
	*ret_to = UINT16_MAX;
	if (slice_is(p, "-1")) {
		return true; /* everything: ports are ignored */
	}
	(void)slice_to_i64(p, &number);
	if (number != proto && !(slice_is(p, "tcp") && proto == PROTO_TCP) &&
	    !(slice_is(p, "udp") && proto == PROTO_UDP)) {
		return false;
	}
	if (from >= 0 && from <= UINT16_MAX) {
		*ret_from = (uint16_t)from;
		*ret_to = to < 0 || to > UINT16_MAX ? (uint16_t)from : (uint16_t)to;
	}
	return *ret_from <= *ret_to;
}

bool sg_rule_covers(const struct val *rule, enum proto proto, uint16_t port)
{
	uint16_t from, to;

	return ports_of(rule, proto, &from, &to) && (!port || (port >= from && port <= to));
}

static bool range_is_any(struct slice text)
{
	struct prefix p;

	return prefix_parse(text, &p) && p.len == 0;
}

bool sg_rule_is_open(const struct val *rule)
{
	val_for_each (val_get(rule, "ipRanges"), r) {
		if (range_is_any(val_get_str(r, "cidrIP"))) {
			return true;
		}
	}
	val_for_each (val_get(rule, "ipv6Ranges"), r) {
		if (range_is_any(val_get_str(r, "cidrIPv6"))) {
			return true;
		}
	}
	return false;
}

bool sg_rule_admits_net(const struct val *rule, struct prefix net)
{
	val_for_each (val_get(rule, "ipRanges"), r) {
		struct prefix p;

		if (prefix_parse(val_get_str(r, "cidrIP"), &p) && prefix_overlaps(p, net)) {
			return true;
		}
	}
	return false;
}

bool sg_rule_admits_ip(const struct val *rule, struct ip ip)
{
	return sg_rule_admits_net(rule, (struct prefix){ ip, ip.family == IP_V4 ? 32 : 128 });
}

bool sg_rule_names_groups(const struct val *rule)
{
	return val_len(val_get(rule, "userIDGroupPairs")) ||
	       val_len(val_get(rule, "prefixListIDs"));
}

void sg_rule_text(struct strbuf *out, const struct val *rule)
{
	struct slice p = val_get_str(rule, "ipProtocol");
	long long from = (long long)val_int(val_get(rule, "fromPort"), -1),
		  to = (long long)val_int(val_get(rule, "toPort"), from);

	if (slice_is(p, "-1")) {
		strbuf_adds(out, "everything");
		return;
	}
	strbuf_add_slice(out, p);
	if (from >= 0) {
		strbuf_addf(out, from == to ? " %lld" : " %lld-%lld", from, to);
	}
}

/* ---- as pieces ---- */

static void list_peers(const struct val *rule, sg_members_fn *members, void *arg, prefix_list *ret)
{
	struct prefix p;

	val_for_each (val_get(rule, "ipRanges"), it) {
		if (prefix_parse(val_get_str(it, "cidrIP"), &p)) {
			vec_push(ret, p);
		}
	}
	val_for_each (val_get(rule, "ipv6Ranges"), it) {
		if (prefix_parse(val_get_str(it, "cidrIPv6"), &p)) {
			vec_push(ret, p);
		}
	}
	val_for_each (val_get(rule, "userIDGroupPairs"), it) {
		members(arg, it, ret);
	}
}

void sg_rules_expand(const struct val *rules, sg_members_fn *members, void *arg, sg_piece_list *ret)
{
	static const enum proto protos[] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP };
	prefix_list peers = { 0 };

	val_for_each (rules, rule) {
		vec_clear(&peers);
		list_peers(rule, members, arg, &peers);
		for (size_t p = 0; p < sizeof(protos) / sizeof(protos[0]); p++) {
			struct sg_piece piece = { .proto = protos[p] };

			if (!ports_of(rule, protos[p], &piece.port_from, &piece.port_to)) {
				continue;
			}
			for (size_t i = 0; i < peers.n; i++) {
				piece.peer = peers.at[i];
				vec_push(ret, piece);
			}
		}
	}
	vec_fini(&peers);
}

bool sg_pieces_admit(const sg_piece_list *l, struct ip peer, enum proto proto, uint16_t port)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct sg_piece *p = &l->at[i];

		if (p->proto == proto && port >= p->port_from && port <= p->port_to &&
		    prefix_contains(p->peer, peer)) {
			return true;
		}
	}
	return false;
}
