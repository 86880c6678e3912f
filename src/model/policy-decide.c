/* Why: decides one flow by the policies themselves, pod by pod and rule by rule, and tells how:
 * this is what the compiled table must agree with, and what 'explain' prints.
 *
 * Precedence (networking.md 3.1): a pod to itself passes; egress of the source is judged, then
 * ingress of the destination; a node reaches its own pods. A side that no policy isolates admits;
 * an isolated side admits what any rule of any isolating policy admits. Policies only add, so their
 * order is that of names, for the reader's sake. */
#include "model/model-priv.h"

#include "base/strbuf.h"

struct judge {
	const struct model *m;
	const struct flow *f;
	const struct trace *t; /* may be null */
	enum policy_direction dir;
	const struct pod *subject; /* whose policies are asked */
	const struct pod *peer;    /* the other end, null when it is no pod */
	struct ip peer_ip;
	const struct pod
		*target; /* the destination, whose named ports count; null when it is no pod */
};

static const char *direction_name(enum policy_direction dir)
{
	return dir == POLICY_EGRESS ? "egress" : "ingress";
}

/* ---- narration ---- */

static void say(const struct judge *j, const struct val *object, const struct val *at,
                const struct strbuf *text)
{
	if (at && j->t && j->t->at) {
		j->t->at(j->t->arg, at);
	}
	if (j->t && j->t->line) {
		j->t->line(j->t->arg, object, strbuf_str(text));
	}
}

static void add_pod(struct strbuf *b, const struct pod *p)
{
	strbuf_addf(b, "pod %s/" SLICE_FMT, p->space->name, SLICE_ARG(p->name));
}

static void add_peer(struct strbuf *b, const struct judge *j)
{
	char text[IP_TEXT_SIZE];

	if (j->peer) {
		add_pod(b, j->peer);
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
static void add_labels_asked(struct strbuf *b, const struct val *selector, const struct val *labels)
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

static void add_selector(struct strbuf *b, const struct selector *s)
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

static bool peer_matches(const struct judge *j, const struct policy_peer *p)
{
	switch (p->type) {
	case PEER_BLOCK:
		return block_matches(p, j->peer_ip);
	case PEER_PODS:
		return j->peer && space_matches(j, p) && pod_matches(j, p);
	case PEER_NOTHING:
		break;
	}
	return false;
}

/* Why the peer is not meant by this entry. */
static void add_peer_miss(struct strbuf *b, const struct judge *j, const struct policy_peer *p)
{
	char text[PREFIX_TEXT_SIZE];

	if (p->type == PEER_NOTHING) {
		strbuf_adds(b, "the entry names nobody");
	} else if (p->type == PEER_BLOCK && !prefix_contains(p->cidr, j->peer_ip)) {
		strbuf_addf(b, "not in ipBlock %s", prefix_format(p->cidr, text));
	} else if (p->type == PEER_BLOCK) {
		strbuf_addf(b, "excepted from ipBlock %s", prefix_format(p->cidr, text));
	} else if (!j->peer) {
		strbuf_adds(b, "selectors match pods only");
	} else if (!space_matches(j, p) && !p->spaces) {
		strbuf_addf(b, "namespace %s is not the policy's own", j->peer->space->name);
	} else if (!space_matches(j, p)) {
		strbuf_addf(b, "namespace %s does not match namespaceSelector ",
		            j->peer->space->name);
		add_selector(b, p->spaces);
		add_labels_asked(b, val_get(p->v, "namespaceSelector"), j->peer->space->labels);
	} else {
		strbuf_adds(b, "its labels do not match podSelector ");
		add_selector(b, p->pods);
		add_labels_asked(b, val_get(p->v, "podSelector"), j->peer->labels);
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

static const char *proto_name(unsigned proto)
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
	strbuf_addf(b, "%s ", proto_name(p->proto));
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

static bool rule_peer_matches(const struct judge *j, const struct policy_rule *r)
{
	for (size_t i = 0; i < r->n_peers; i++) {
		if (peer_matches(j, &r->peers[i])) {
			return true;
		}
	}
	return r->n_peers == 0;
}

static bool rule_port_matches(const struct judge *j, const struct policy_rule *r)
{
	for (size_t i = 0; i < r->n_ports; i++) {
		if (port_matches(j, &r->ports[i])) {
			return true;
		}
	}
	return r->n_ports == 0;
}

static void add_rule_miss(struct strbuf *b, const struct judge *j, const struct policy_rule *r,
                          bool peer_ok, bool port_ok)
{
	const char *sep = "";

	if (!peer_ok) {
		add_peer(b, j);
		strbuf_adds(b, " is not meant: ");
	}
	for (size_t i = 0; i < r->n_peers && !peer_ok; i++) {
		strbuf_adds(b, sep);
		add_peer_miss(b, j, &r->peers[i]);
		sep = "; ";
	}
	if (!port_ok) {
		strbuf_addf(b, "%s%s %u is not among ", peer_ok ? "" : "; and ",
		            proto_name(j->f->proto), j->f->dst_port);
	}
	sep = "";
	for (size_t i = 0; i < r->n_ports && !port_ok; i++) {
		strbuf_adds(b, sep);
		add_port(b, j, &r->ports[i]);
		sep = ", ";
	}
}

static bool rule_admits(const struct judge *j, const struct policy *p, size_t number)
{
	const struct policy_rule *r = &p->rules[j->dir][number];
	bool peer_ok = rule_peer_matches(j, r), port_ok = rule_port_matches(j, r);
	scoped_strbuf struct strbuf text = { 0 };

	if (!j->t) {
		return peer_ok && port_ok;
	}
	strbuf_addf(&text, "%s rule %zu of policy %s/" SLICE_FMT, direction_name(j->dir),
	            number + 1, p->space->name, SLICE_ARG(p->name));
	if (peer_ok && port_ok) {
		strbuf_adds(&text, " admits ");
		add_peer(&text, j);
		strbuf_addf(&text, " on %s %u", proto_name(j->f->proto), j->f->dst_port);
	} else {
		strbuf_adds(&text, peer_ok || port_ok ? " nearly admits: " : " does not admit: ");
		add_rule_miss(&text, j, r, peer_ok, port_ok);
	}
	say(j, p->doc->root, r->v, &text);
	return peer_ok && port_ok;
}

/* ---- policies ---- */

static void say_unselected(const struct judge *j, const struct policy *p)
{
	scoped_strbuf struct strbuf text = { 0 };

	if (!j->t) {
		return;
	}
	strbuf_addf(&text, "policy %s/" SLICE_FMT " does not select ", p->space->name,
	            SLICE_ARG(p->name));
	add_pod(&text, j->subject);
	strbuf_adds(&text, " for ");
	strbuf_adds(&text, direction_name(j->dir));
	if (p->isolates[j->dir]) {
		strbuf_adds(&text, ": podSelector ");
		add_selector(&text, p->subject);
		add_labels_asked(&text, val_path(p->doc->root, "spec.podSelector"),
		                 j->subject->labels);
	} else {
		strbuf_adds(&text, ": its policyTypes leave that direction out");
	}
	say(j, p->doc->root, val_path(p->doc->root, "spec.podSelector"), &text);
}

static void say_isolated(const struct judge *j, const struct policy *p)
{
	scoped_strbuf struct strbuf text = { 0 };

	if (!j->t) {
		return;
	}
	strbuf_addf(&text, "policy %s/" SLICE_FMT " isolates ", p->space->name, SLICE_ARG(p->name));
	add_pod(&text, j->subject);
	strbuf_addf(&text, " for %s with %zu rule%s", direction_name(j->dir), p->n_rules[j->dir],
	            p->n_rules[j->dir] == 1 ? "" : "s");
	say(j, p->doc->root, val_path(p->doc->root, "spec.podSelector"), &text);
}

static void say_outcome(const struct judge *j, bool isolated, bool admitted)
{
	scoped_strbuf struct strbuf text = { 0 };

	if (!j->t) {
		return;
	}
	strbuf_addf(&text, "%s of ", direction_name(j->dir));
	add_pod(&text, j->subject);
	strbuf_adds(&text, !isolated  ? " is open: no policy isolates it"
	                   : admitted ? " admits the flow"
	                              : " drops the flow: isolated, and no rule admits it");
	say(j, j->subject->doc->root, NULL, &text);
}

/* The first rule that admits ends it. */
static bool side_admits_unseen(const struct judge *j)
{
	const struct policy_selection *x = policy_selection_of(j->subject);

	for (size_t i = 0; i < x->isolating[j->dir].n; i++) {
		const struct policy *p = x->isolating[j->dir].at[i];

		for (size_t r = 0; r < p->n_rules[j->dir]; r++) {
			if (rule_admits(j, p, r)) {
				return true;
			}
		}
	}
	return !x->isolating[j->dir].n;
}

/* With a trace every policy and rule is considered. */
static bool side_admits(const struct judge *j)
{
	const struct space *s = j->subject->space;
	bool isolated = false, admitted = false;

	if (!j->t) {
		return side_admits_unseen(j);
	}
	for (size_t i = 0; i < s->policies.n; i++) {
		const struct policy *p = s->policies.at[i];

		if (!p->isolates[j->dir] || !policy_selects(p, j->subject)) {
			say_unselected(j, p);
			continue;
		}
		isolated = true;
		say_isolated(j, p);
		for (size_t r = 0; r < p->n_rules[j->dir]; r++) {
			admitted = rule_admits(j, p, r) || admitted;
		}
	}
	say_outcome(j, isolated, admitted);
	return !isolated || admitted;
}

static void say_plain(const struct trace *t, const struct pod *p, const char *why)
{
	if (t && t->line) {
		t->line(t->arg, p ? p->doc->root : NULL, why);
	}
}

struct ends {
	const struct pod *src, *dst; /* null: no pod of the pod network */
};

static bool egress_admits(const struct model *m, const struct flow *f, struct ends e,
                          const struct trace *t)
{
	const struct judge out = { m, f, t, POLICY_EGRESS, e.src, e.dst, f->dst, e.dst };

	if (!e.src) {
		say_plain(t, NULL,
		          "the source is no pod of the pod network: no egress policy applies");
	}
	return !e.src || side_admits(&out);
}

static bool ingress_admits(const struct model *m, const struct flow *f, struct ends e,
                           const struct trace *t)
{
	const struct judge in = { m, f, t, POLICY_INGRESS, e.dst, e.src, f->src, e.dst };

	if (e.dst && !e.src && node_has_ip(m, e.dst->node, f->src)) {
		say_plain(t, e.dst, "a node always reaches its own pods");
		return true;
	}
	if (!e.dst) {
		say_plain(
			t, NULL,
			"the destination is no pod of the pod network: no ingress policy applies");
	}
	return !e.dst || side_admits(&in);
}

static bool is_to_itself(const struct flow *f, struct ends e, const struct trace *t)
{
	if (!ip_eq(f->src, f->dst)) {
		return false;
	}
	say_plain(t, e.src, "same address on both ends: policies do not apply");
	return true;
}

bool policy_admits(const struct model *m, const struct flow *f, enum verdict side,
                   const struct trace *t)
{
	const struct ends e = { pod_at(m, f->src), pod_at(m, f->dst) };

	return is_to_itself(f, e, t) || (side == VERDICT_DENY_EGRESS ? egress_admits(m, f, e, t)
	                                                             : ingress_admits(m, f, e, t));
}

enum verdict policy_decide(const struct model *m, const struct flow *f, const struct trace *t)
{
	const struct ends e = { pod_at(m, f->src), pod_at(m, f->dst) };
	bool egress_ok, ingress_ok;

	if (is_to_itself(f, e, t)) {
		return VERDICT_ALLOW;
	}
	egress_ok = egress_admits(m, f, e, t);
	if (!egress_ok && !t) {
		return VERDICT_DENY_EGRESS;
	}
	ingress_ok = ingress_admits(m, f, e, t);
	if (!egress_ok) {
		return VERDICT_DENY_EGRESS;
	}
	return ingress_ok ? VERDICT_ALLOW : VERDICT_DENY_INGRESS;
}
