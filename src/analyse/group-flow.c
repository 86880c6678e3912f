/* Why: see group-flow.h. Source: reference (cloud-kinds) 11; AWS, security groups for pods */
#include "analyse/group-flow.h"

#include "analyse/cloud.h"
#include "base/mem.h"
#include "schema/selector.h"

/* ---- who has which groups ---- */

static bool matches(const struct val *selector, const struct val *labels)
{
	scoped_arena struct arena a = { 0 };
	const struct selector *x = NULL;

	return selector_of_object(&a, selector, &x, NULL) == 0 && selector_matches(x, labels);
}

static bool selects(const struct subject *s, const struct object *policy, const struct workload *w)
{
	const struct val *pods = val_get(object_spec(policy), "podSelector"),
			 *accounts = val_get(object_spec(policy), "serviceAccountSelector");
	struct slice name = val_get_str(w->spec, "serviceAccountName");
	const struct object *account;

	if (pods || !accounts) {
		return pods && matches(pods, w->labels);
	}
	account = subject_find(s, OBJECT_SERVICEACCOUNT, w->ns, name.len ? name : SLICE("default"));
	return account && matches(accounts, object_labels(account));
}

struct side {                        /* one end of a flow */
	const struct workload *w;    /* null: outside */
	struct cloud_list groups;    /* owned */
	const struct object *policy; /* the first that gives them; null: none */
};

static void side_init(struct side *x, const struct subject *s, const struct workload *w)
{
	*x = (struct side){ .w = w };
	if (!w || w->host_network) {
		return;
	}
	object_each_in(s, OBJECT_SECURITYGROUPPOLICY, w->ns, policy)
	{
		if (selects(s, policy, w)) {
			x->policy = x->policy ? x->policy : policy;
			cloud_links(s, policy, val_get(object_spec(policy), "securityGroups"),
			            "groupRefs", "groupIds", "id", OBJECT_SECURITYGROUP,
			            &x->groups);
		}
	}
}

static void side_fini(struct side *x)
{
	vec_fini(&x->groups.at);
}

/* ---- rules ---- */

/* Does a range hold the address of the peer's pods, of which only the network is known? */
static enum answer range_holds(const struct subject *s, struct slice text, const struct side *peer)
{
	struct prefix range, net;

	if (!prefix_parse(text, &range)) {
		return ANSWER_NO;
	}
	if (!peer->w || !s->profile->pod_cidr ||
	    !prefix_parse(slice_of(s->profile->pod_cidr), &net)) {
		return ANSWER_UNKNOWN;
	}
	if (prefix_contains(range, net.ip) && range.len <= net.len) {
		return ANSWER_YES;
	}
	return prefix_overlaps(range, net) ? ANSWER_UNKNOWN : ANSWER_NO;
}

static enum answer rule_means(const struct subject *s, const struct object *group,
                              const struct val *rule, const struct side *peer)
{
	enum answer r = answer_of(sg_rule_is_open(rule));

	for (size_t i = 0; i < peer->groups.at.n; i++) {
		r = answer_or(
			r, answer_of(sg_rule_admits_group(s, group, rule, peer->groups.at.at[i])));
	}
	/* the groups of nodes, and lists of prefixes, are not told by files */
	if (sg_rule_names_groups(rule) && (!peer->policy || !peer->groups.complete)) {
		r = answer_or(r, ANSWER_UNKNOWN);
	}
	val_for_each (val_get(rule, "ipRanges"), it) {
		r = answer_or(r, range_holds(s, val_get_str(it, "cidrIP"), peer));
	}
	return r;
}

/* ---- one side ---- */

static const struct val *rules_of(const struct object *group, bool egress)
{
	return val_get(object_spec(group), egress ? "egressRules" : "ingressRules");
}

static enum answer side_admits(const struct subject *s, const struct side *own,
                               const struct side *peer, bool egress, enum proto proto,
                               uint16_t port)
{
	enum answer r = own->groups.complete ? ANSWER_NO : ANSWER_UNKNOWN;

	if (!own->policy) {
		return ANSWER_YES;
	}
	for (size_t i = 0; i < own->groups.at.n; i++) {
		val_for_each (rules_of(own->groups.at.at[i], egress), rule) {
			if (sg_rule_covers(rule, proto, port)) {
				r = answer_or(r, rule_means(s, own->groups.at.at[i], rule, peer));
			}
		}
	}
	return r;
}

static struct group_ruling ruling_of(const struct side *own, enum answer passes, bool egress)
{
	const struct object *by = own->groups.at.n ? own->groups.at.at[0] : own->policy;

	if (passes == ANSWER_YES) {
		return (struct group_ruling){ passes, by, NULL };
	}
	if (passes == ANSWER_UNKNOWN) {
		return (struct group_ruling){ passes, by,
			                      "admits addresses or groups of which files do not "
			                      "tell whether this is one" };
	}
	return (struct group_ruling){ passes, by,
		                      egress ? "has no egress rule that lets it out"
		                             : "has no ingress rule that lets it in" };
}

struct group_ruling group_flow(const struct subject *s, const struct workload *from,
                               const struct workload *to, enum proto proto, uint16_t port)
{
	struct side a, b;
	enum answer out, in;
	struct group_ruling r;

	side_init(&a, s, from);
	side_init(&b, s, to);
	out = side_admits(s, &a, &b, true, proto, port);
	in = side_admits(s, &b, &a, false, proto, port);
	/* the side that decides: one that is closed, else one that is open to doubt */
	r = out == ANSWER_NO || (out == ANSWER_UNKNOWN && in != ANSWER_NO) || !b.policy
	            ? ruling_of(&a, out, true)
	            : ruling_of(&b, in, false);
	side_fini(&a);
	side_fini(&b);
	return r;
}

bool group_has_say(const struct subject *s)
{
	return s->n[OBJECT_SECURITYGROUPPOLICY] > 0;
}

/* ---- all ports at once ---- */

static struct ports ports_of_rule(struct arena *a, const struct val *rule)
{
	static const enum proto protos[] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP };
	int64_t from = val_int(val_get(rule, "fromPort"), -1),
		to = val_int(val_get(rule, "toPort"), -1);
	struct ports sum = ports_none();

	if (slice_is(val_get_str(rule, "ipProtocol"), "-1")) {
		return ports_all();
	}
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (sg_rule_covers(rule, protos[i], 0)) {
			sum = ports_union(a, sum,
			                  ports_of(a, protos[i], from < 1 ? 1 : (unsigned)from,
			                           from < 0 ? UINT16_MAX
			                           : to < 0 ? (unsigned)from
			                                    : (unsigned)to));
		}
	}
	return sum;
}

/* Ports that the side may let pass. */
static struct ports side_open(struct arena *a, const struct subject *s, const struct side *own,
                              const struct side *peer, bool egress)
{
	struct ports sum = ports_none();

	if (!own->policy || !own->groups.complete) {
		return ports_all();
	}
	for (size_t i = 0; i < own->groups.at.n; i++) {
		val_for_each (rules_of(own->groups.at.at[i], egress), rule) {
			if (rule_means(s, own->groups.at.at[i], rule, peer) != ANSWER_NO) {
				sum = ports_union(a, sum, ports_of_rule(a, rule));
			}
		}
	}
	return sum;
}

struct ports group_closed(struct arena *a, const struct subject *s, const struct workload *from,
                          const struct workload *to)
{
	struct side x, y;
	struct ports open;

	side_init(&x, s, from);
	side_init(&y, s, to);
	open = ports_intersect(a, side_open(a, s, &x, &y, true), side_open(a, s, &y, &x, false));
	side_fini(&x);
	side_fini(&y);
	return ports_minus(a, ports_all(), open);
}

void group_add_kin(struct strbuf *out, const struct subject *s, const struct workload *w)
{
	struct side x;

	side_init(&x, s, w);
	strbuf_addf(out, "|%d %d ", x.policy != NULL, x.groups.complete);
	for (size_t i = 0; i < x.groups.at.n; i++) {
		strbuf_add(out, &x.groups.at.at[i], sizeof(x.groups.at.at[i]));
	}
	side_fini(&x);
}
