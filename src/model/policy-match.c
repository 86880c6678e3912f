/* Why: does one rule mean one flow, and if not, what is in the way: the same for every kind of
 * policy. Source: networking.md 3.2, 3.4 */
#include "model/model-priv.h"

/* ---- words ---- */

void match_add_pod(struct strbuf *b, const struct pod *p)
{
	strbuf_addf(b, "pod %s/" SLICE_FMT, p->space->name, SLICE_ARG(p->name));
}

void match_add_peer(struct strbuf *b, const struct judge *j)
{
	char text[IP_TEXT_SIZE];

	if (j->peer) {
		match_add_pod(b, j->peer);
	} else {
		strbuf_addf(b, "address %s", ip_format(j->peer_ip, text));
	}
}

static void add_label(struct strbuf *b, const struct val *labels, struct slice key)
{
	const struct val *v = val_get_slice(labels, key);

	if (v) {
		strbuf_addf(b, "label " SLICE_FMT " is \"" SLICE_FMT "\"", SLICE_ARG(key),
		            SLICE_ARG(val_str(v)));
	} else {
		strbuf_addf(b, "label " SLICE_FMT " is absent", SLICE_ARG(key));
	}
}

/* Names the labels that a selector speaks of, as they are. */
void match_add_labels(struct strbuf *b, const struct val *selector, const struct val *labels)
{
	const char *sep = " (";

	val_for_each (val_get(selector, "matchLabels"), it) {
		if (!val_eq(val_get_slice(labels, it->key), it)) {
			strbuf_adds(b, sep);
			add_label(b, labels, it->key);
			sep = ", ";
		}
	}
	val_for_each (val_get(selector, "matchExpressions"), it) {
		strbuf_adds(b, sep);
		add_label(b, labels, val_get_str(it, "key"));
		sep = ", ";
	}
	if (sep[0] == ',') {
		strbuf_addc(b, ')');
	}
}

void match_add_selector(struct strbuf *b, const struct selector *s)
{
	size_t before = b->size;

	if (s) {
		selector_format(b, s);
	}
	if (b->size == before) {
		strbuf_adds(b, "everything");
	}
}

/* ---- peers ---- */

static bool block_matches(const struct policy_peer *p, struct ip ip)
{
	if (!prefix_contains(p->cidr, ip)) {
		return false;
	}
	for (size_t i = 0; i < p->n_except; i++) {
		if (prefix_contains(p->except[i], ip)) {
			return false;
		}
	}
	return true;
}

static bool space_matches(const struct judge *j, const struct policy_peer *p)
{
	return p->spaces ? selector_matches(p->spaces, j->peer->space->labels)
	                 : j->peer->space == j->subject->space;
}

static bool pod_matches(const struct judge *j, const struct policy_peer *p)
{
	return !p->pods || selector_matches(p->pods, j->peer->labels);
}

struct address_search {
	struct ip ip;
	bool found;
};

static void look_for_address(void *arg, struct ip ip)
{
	struct address_search *s = arg;

	s->found |= ip_eq(s->ip, ip);
}

static bool is_among_addresses(const struct judge *j, const struct policy_peer *p)
{
	struct address_search s = { j->peer_ip, false };

	policy_peer_each_address(j->m, p, look_for_address, &s);
	return s.found;
}

static bool peer_matches(const struct judge *j, const struct policy_peer *p)
{
	switch (p->type) {
	case PEER_BLOCK:
		return block_matches(p, j->peer_ip);
	case PEER_PODS:
		return j->peer && space_matches(j, p) && pod_matches(j, p);
	case PEER_NODES:
	case PEER_NAMES:
		return is_among_addresses(j, p);
	case PEER_NOTHING:
		break;
	}
	return false;
}

/* Where the policy has the selector: a NetworkPolicy's entry, or one of the whole cluster. */
static const struct val *space_selector_of(const struct policy_peer *p)
{
	const struct val *own = val_get(p->v, "namespaceSelector"),
			 *spaces = val_get(p->v, "namespaces");

	return own ? own : spaces ? spaces : val_path(p->v, "pods.namespaceSelector");
}

static const struct val *pod_selector_of(const struct policy_peer *p)
{
	const struct val *own = val_get(p->v, "podSelector");

	return own ? own : val_path(p->v, "pods.podSelector");
}

static void add_names(struct strbuf *b, const struct val *names)
{
	const char *sep = "";

	val_for_each (names, it) {
		strbuf_addf(b, "%s" SLICE_FMT, sep, SLICE_ARG(val_str(it)));
		sep = ", ";
	}
}

static const char *block_word(const struct policy_peer *p)
{
	return val_get(p->v, "networks") ? "networks" : "ipBlock";
}

/* Why the peer is not meant by this entry. */
static void add_peer_miss(struct strbuf *b, const struct judge *j, const struct policy_peer *p)
{
	char text[PREFIX_TEXT_SIZE];

	if (p->type == PEER_NOTHING) {
		strbuf_adds(b, "the entry names nobody");
	} else if (p->type == PEER_NODES) {
		strbuf_adds(b, "no address of a node that matches nodes ");
		match_add_selector(b, p->nodes);
	} else if (p->type == PEER_NAMES) {
		strbuf_adds(b, "no address known to be that of ");
		add_names(b, p->names);
	} else if (p->type == PEER_BLOCK && !prefix_contains(p->cidr, j->peer_ip)) {
		strbuf_addf(b, "not in %s %s", block_word(p), prefix_format(p->cidr, text));
	} else if (p->type == PEER_BLOCK) {
		strbuf_addf(b, "excepted from %s %s", block_word(p), prefix_format(p->cidr, text));
	} else if (!j->peer) {
		strbuf_adds(b, "selectors match pods only");
	} else if (!space_matches(j, p) && !p->spaces) {
		strbuf_addf(b, "namespace %s is not the policy's own", j->peer->space->name);
	} else if (!space_matches(j, p)) {
		strbuf_addf(b, "namespace %s does not match %s ", j->peer->space->name,
		            val_get(p->v, "namespaces") ? "namespaces" : "namespaceSelector");
		match_add_selector(b, p->spaces);
		match_add_labels(b, space_selector_of(p), j->peer->space->labels);
	} else {
		strbuf_adds(b, "its labels do not match podSelector ");
		match_add_selector(b, p->pods);
		match_add_labels(b, pod_selector_of(p), j->peer->labels);
	}
}

/* ---- ports ---- */

static bool port_matches(const struct judge *j, const struct policy_port *p)
{
	if (!p->proto || p->proto != j->f->proto) {
		return false;
	}
	if (p->name.len) {
		/* only pods have named ports */
		return j->target &&
		       pod_named_port(j->target, p->name, p->proto) == j->f->dst_port &&
		       j->f->dst_port;
	}
	return j->f->dst_port >= p->from && j->f->dst_port <= p->to;
}

const char *match_proto_name(unsigned proto)
{
	switch (proto) {
	case PROTO_TCP:
		return "TCP";
	case PROTO_UDP:
		return "UDP";
	case PROTO_SCTP:
		return "SCTP";
	}
	return "another protocol";
}

static void add_port(struct strbuf *b, const struct judge *j, const struct policy_port *p)
{
	strbuf_addf(b, "%s ", match_proto_name(p->proto));
	if (p->name.len) {
		uint16_t number = j->target ? pod_named_port(j->target, p->name, p->proto) : 0;

		strbuf_addf(b, "\"" SLICE_FMT "\" ", SLICE_ARG(p->name));
		if (number) {
			strbuf_addf(b, "(%u there)", number);
		} else {
			strbuf_adds(b, "(no such port there)");
		}
	} else if (p->from == 0 && p->to == UINT16_MAX) {
		strbuf_adds(b, "any port");
	} else if (p->from == p->to) {
		strbuf_addf(b, "%u", p->from);
	} else {
		strbuf_addf(b, "%u-%u", p->from, p->to);
	}
}

/* ---- rules ---- */

bool rule_peer_matches(const struct judge *j, const struct policy_rule *r)
{
	for (size_t i = 0; i < r->n_peers; i++) {
		if (peer_matches(j, &r->peers[i])) {
			return true;
		}
	}
	return r->n_peers == 0;
}

bool rule_port_matches(const struct judge *j, const struct policy_rule *r)
{
	for (size_t i = 0; i < r->n_ports; i++) {
		if (port_matches(j, &r->ports[i])) {
			return true;
		}
	}
	return r->n_ports == 0;
}

void match_add_miss(struct strbuf *b, const struct judge *j, const struct policy_rule *r,
                    bool peer_ok, bool port_ok)
{
	const char *sep = "";

	if (!peer_ok) {
		match_add_peer(b, j);
		strbuf_adds(b, " is not meant: ");
	}
	for (size_t i = 0; i < r->n_peers && !peer_ok; i++) {
		strbuf_adds(b, sep);
		add_peer_miss(b, j, &r->peers[i]);
		sep = "; ";
	}
	if (!port_ok) {
		strbuf_addf(b, "%s%s %u is not among ", peer_ok ? "" : "; and ",
		            match_proto_name(j->f->proto), j->f->dst_port);
	}
	sep = "";
	for (size_t i = 0; i < r->n_ports && !port_ok; i++) {
		strbuf_adds(b, sep);
		add_port(b, j, &r->ports[i]);
		sep = ", ";
	}
}
