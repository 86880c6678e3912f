/* Why: see drop-story.h. */
#include "node/drop-story.h"

#include "base/mem.h"

static const struct {
	const char *event; /* null: none */
	const char *why;
} reasons[DROP_REASONS] = {
	[DROP_EGRESS] = { "NetworkPolicyDrop", NULL },
	[DROP_INGRESS] = { "NetworkPolicyDrop", NULL },
	[DROP_UNKNOWN_POD] = { NULL, "no pod has the address on its link" },
	[DROP_INVALID] = { NULL, "the packet belongs to no connection" },
	[DROP_CLIENT_RANGE] = { "SourceRangeDrop",
	                        "the client is in none of the Service's loadBalancerSourceRanges" },
	[DROP_NO_SERVICE] = { "NoSuchService", "no Service has this address" },
	[DROP_NO_ENDPOINT] = { "ServiceRefused",
	                       "the Service has no ready endpoint for this port, or no such port" },
	[DROP_NO_LOCAL_ENDPOINT] = { "NoLocalEndpoint", "the Service's traffic policy is Local and "
	                                                "no endpoint is on this node" },
	[DROP_ENDPOINT_GONE] = { NULL, "the endpoint went in the moment it was chosen" },
	[DROP_SECURITY_GROUP] = { "SecurityGroupDrop",
	                          "no rule of the host's security group admits it" },
	[DROP_INTERNET] = { "NoRoute", "no gateway carries it to that address" },
	[DROP_SPOOFED] = { NULL, "a pod sent it with an address that is not its own" },
	[DROP_NO_ROUTE] = { "NoRoute", "no route of its subnet leads there, or only a black hole" },
};

static bool is_kind(const struct val *object, const char *kind)
{
	return object && slice_is(val_get_str(object, "kind"), kind);
}

static void choose_subject(struct drop_story *s)
{
	switch (s->drop->reason) {
	case DROP_EGRESS:
		s->subject = s->src;
		break;
	case DROP_INGRESS:
		s->subject = s->dst;
		break;
	default:
		s->subject = is_kind(s->src, "Pod")    ? s->src
		             : is_kind(s->dst, "Node") ? NULL
		                                       : s->dst;
	}
	s->is_egress = s->drop->reason == DROP_EGRESS || (s->subject && s->subject == s->src);
}

static void put_down_to_policies(const struct model *m, struct drop_story *s)
{
	const struct flow *f = &s->drop->flow;
	bool egress = s->drop->reason == DROP_EGRESS;
	struct policy_reason why =
		policy_reason_of(m, f, egress ? VERDICT_DENY_EGRESS : VERDICT_DENY_INGRESS);
	const struct policy_table *t = policy_table_of(m);
	const struct policy_isolated *isolated =
		policy_table_isolation(t, egress ? POLICY_EGRESS : POLICY_INGRESS,
	                               policy_table_class(t, egress ? f->src : f->dst));

	if (why.admits) {
		return; /* by now */
	}
	if (why.rule) {
		s->denied_by = why.object;
		s->rule = why.rule;
		return;
	}
	s->policies = isolated ? isolated->policies : NULL;
	s->n_policies = isolated ? isolated->n_policies : 0;
	/* Those of the whole cluster come first and last and left it to the namespace's. */
	while (s->n_policies && !is_kind(s->policies[0], "NetworkPolicy")) {
		s->policies++;
		s->n_policies--;
	}
	while (s->n_policies && !is_kind(s->policies[s->n_policies - 1], "NetworkPolicy")) {
		s->n_policies--;
	}
}

void drop_story_make(const struct model *m, const struct dropped *d, struct drop_story *ret)
{
	*ret = (struct drop_story){ .drop = d,
		                    .src = model_owner_of(m, d->flow.src),
		                    .dst = model_owner_of(m, d->flow.dst) };
	choose_subject(ret);
	if (d->reason == DROP_EGRESS || d->reason == DROP_INGRESS) {
		put_down_to_policies(m, ret);
	}
}

/* ---- words ---- */

static const char *proto_name(enum proto proto)
{
	return proto == PROTO_TCP    ? "TCP"
	       : proto == PROTO_UDP  ? "UDP"
	       : proto == PROTO_SCTP ? "SCTP"
	                             : NULL;
}

static void add_name(struct strbuf *out, const struct val *object)
{
	struct slice ns = val_str(val_path(object, "metadata.namespace"));

	strbuf_addf(out, SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(ns), ns.len ? "/" : "",
	            SLICE_ARG(val_str(val_path(object, "metadata.name"))));
}

static void add_end(struct strbuf *out, const struct val *owner, struct ip ip)
{
	char text[IP_TEXT_SIZE];

	if (!owner) {
		strbuf_addf(out, "address %s", ip_format(ip, text));
		return;
	}
	if (is_kind(owner, "Pod")) {
		strbuf_adds(out, "pod ");
	} else {
		strbuf_addf(out, SLICE_FMT " ", SLICE_ARG(val_get_str(owner, "kind")));
	}
	add_name(out, owner);
	strbuf_addf(out, " (%s)", ip_format(ip, text));
}

static void add_port(struct strbuf *out, const struct flow *f)
{
	const char *proto = proto_name(f->proto);

	if (proto) {
		strbuf_addf(out, "%s port %u", proto, f->dst_port);
	} else {
		strbuf_addf(out, "protocol %d", (int)f->proto);
	}
}

/* Among the rules of its direction, from 1. */
static size_t rule_number(const struct drop_story *s)
{
	const struct val *rules =
		val_path(s->denied_by, s->is_egress ? "spec.egress" : "spec.ingress");
	size_t n = 1;

	for (const struct val *it = val_first(rules); it && it != s->rule; it = it->next) {
		n++;
	}
	return n;
}

static void add_rule_name(struct strbuf *out, const struct drop_story *s)
{
	struct slice name = val_get_str(s->rule, "name");

	if (name.len) {
		strbuf_addf(out, " (" SLICE_FMT ")", SLICE_ARG(name));
	}
}

static void add_policies(struct strbuf *out, const struct drop_story *s)
{
	if (s->denied_by) {
		strbuf_addf(out, "denied by rule %zu", rule_number(s));
		add_rule_name(out, s);
		strbuf_addf(out, " of " SLICE_FMT " ",
		            SLICE_ARG(val_get_str(s->denied_by, "kind")));
		add_name(out, s->denied_by);
		return;
	}
	if (!s->n_policies) {
		strbuf_adds(out, "the policies that denied it are gone");
		return;
	}
	strbuf_adds(out, "isolated by NetworkPolicy ");
	for (size_t i = 0; i < s->n_policies; i++) {
		strbuf_adds(out, i == 0 ? "" : i + 1 < s->n_policies ? ", " : " and ");
		add_name(out, s->policies[i]);
	}
	strbuf_adds(out, s->n_policies == 1 ? ", none of its rules admits it"
	                                    : ", no rule of theirs admits it");
}

void drop_story_tell(const struct drop_story *s, struct strbuf *out)
{
	const struct flow *f = &s->drop->flow;
	enum drop_reason reason = s->drop->reason;
	const char *done = reason == DROP_NO_ENDPOINT ? "refused" : "dropped";

	if (s->is_egress) {
		strbuf_adds(out, "egress to ");
		add_end(out, s->dst, f->dst);
		strbuf_adds(out, " at ");
	} else {
		strbuf_adds(out, "ingress from ");
		add_end(out, s->src, f->src);
		strbuf_adds(out, " to ");
	}
	if (!s->subject) {
		add_end(out, s->dst, f->dst);
		strbuf_adds(out, " at ");
	}
	add_port(out, f);
	strbuf_addf(out, " was %s: ", done);
	if (reasons[reason].why) {
		strbuf_adds(out, reasons[reason].why);
	} else {
		add_policies(out, s);
	}
}

const char *drop_story_event(const struct drop_story *s)
{
	return s->subject ? reasons[s->drop->reason].event : NULL;
}

/* ---- data ---- */

static struct val *name_value(struct arena *a, struct val *into, const struct val *object)
{
	static const char *const parts[] = { "metadata.namespace", "metadata.name" };
	static const char *const keys[] = { "namespace", "name" };

	val_set_str(a, into, "kind", val_get_str(object, "kind"));
	for (int i = 0; i < 2; i++) {
		struct slice s = val_str(val_path(object, parts[i]));

		if (s.len) {
			val_set_str(a, into, keys[i], s);
		}
	}
	return into;
}

static struct val *end_value(struct arena *a, const struct val *owner, struct ip ip)
{
	struct val *end = val_new_object(a);
	char text[IP_TEXT_SIZE];

	val_set_cstr(a, end, "ip", ip_format(ip, text));
	return owner ? name_value(a, end, owner) : end;
}

struct val *drop_story_value(const struct drop_story *s, struct arena *a)
{
	const struct dropped *d = s->drop;
	scoped_strbuf struct strbuf message = { 0 };
	struct val *v = val_new_object(a), *policies;
	const char *proto = proto_name(d->flow.proto);

	val_set_cstr(a, v, "reason", drop_reason_name(d->reason));
	val_set_cstr(a, v, "direction", s->is_egress ? "egress" : "ingress");
	if (proto) {
		val_set_cstr(a, v, "protocol", proto);
	} else {
		val_set(a, v, "protocol", val_new_strf(a, "%d", (int)d->flow.proto));
	}
	if (s->subject) {
		name_value(a, val_need_object(a, v, "subject"), s->subject);
	}
	val_set(a, v, "source", end_value(a, s->src, d->flow.src));
	val_set(a, v, "destination", end_value(a, s->dst, d->flow.dst));
	val_set_int(a, val_get(v, "destination"), "port", d->flow.dst_port);
	policies = val_need_array(a, v, "policies");
	if (s->denied_by) {
		val_set_int(a, name_value(a, val_append(policies, val_new_object(a)), s->denied_by),
		            "rule", (int64_t)rule_number(s));
	}
	for (size_t i = 0; i < s->n_policies; i++) {
		name_value(a, val_append(policies, val_new_object(a)), s->policies[i]);
	}
	val_set_int(a, v, "packets", (int64_t)d->packets);
	val_set_int(a, v, "ageMs", d->age_ms);
	drop_story_tell(s, &message);
	val_set_cstr(a, v, "message", strbuf_str(&message));
	return v;
}
