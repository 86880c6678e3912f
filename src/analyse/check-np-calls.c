/* Why: NP, third part: what policies do to calls that values tell of. */
#include <stdlib.h>

#include "analyse/calls.h"
#include "analyse/check-np-priv.h"
#include "analyse/cidr.h"
#include "analyse/cloud.h"
#include "analyse/policies.h"
#include "base/mem.h"

static const struct val *side_at(const struct object *policy, enum policy_direction dir)
{
	const struct val *rules = netpol_rules(policy, dir);

	return rules ? rules : val_get(object_spec(policy), "podSelector");
}

static bool said_already(struct map *said, const void *a, const void *b, unsigned port)
{
	scoped_free char *key = mem_printf("%p %p %u", a, b, port);

	return map_set(said, slice_of(key), said) != NULL;
}

/* ---- calls of Services ---- */

/* The first pod behind the Service that the policies keep from the caller. */
struct closed {
	const struct workload *to;
	uint16_t port;
	enum verdict verdict;
};

static struct closed closed_to(struct check *c, const struct call *x)
{
	struct closed r = { .verdict = VERDICT_ALLOW };

	for (size_t i = 0; x->to.kind == TARGET_SERVICE && x->to.port && i < x->to.service->n_pods;
	     i++) {
		const struct workload *to = x->to.service->pods[i];
		uint16_t port = svc_port_target(x->to.port, to);

		if (!port || to == x->from) {
			continue;
		}
		r.verdict = subject_flow(c->subject, x->from, to, x->to.port->proto, port);
		if (r.verdict != VERDICT_ALLOW) {
			r.to = to;
			r.port = port;
			return r;
		}
	}
	return r;
}

/* Somebody else calls the same and is let through: the rules are there, the labels are not. */
static const struct call *admitted_peer(struct check *c, const struct call *x)
{
	call_each(c->subject, other)
	{
		if (other->from != x->from && other->to.kind == TARGET_SERVICE &&
		    other->to.service == x->to.service && other->to.port == x->to.port &&
		    !other->from->ends && closed_to(c, other).verdict == VERDICT_ALLOW) {
			return other;
		}
	}
	return NULL;
}

static struct finding *say_closed(struct check *c, const struct call *x, const struct closed *r)
{
	enum policy_direction dir =
		r->verdict == VERDICT_DENY_EGRESS ? POLICY_EGRESS : POLICY_INGRESS;
	const struct workload *w = dir == POLICY_EGRESS ? x->from : r->to;
	const struct object *policy = netpol_to_change(c->subject, w, dir);
	scoped_strbuf struct strbuf b = { 0 };
	struct finding *f;

	if (!policy) {
		return NULL;
	}
	f = check_found(c, policy, side_at(policy, dir),
	                "NetworkPolicy " SLICE_FMT " closes the %s of " WORKLOAD_FMT
	                ": " WORKLOAD_FMT
	                " calls it at %s and is not let through to port %u of " WORKLOAD_FMT ".",
	                SLICE_ARG(policy->name), netpol_side(dir), WORKLOAD_ARG(w),
	                WORKLOAD_ARG(x->from), call_text(&b, x), r->port, WORKLOAD_ARG(r->to));
	finding_shows(c, f, x->by, x->r->where.node, "%s asks for %s.", x->r->name,
	              call_text(&b, x));
	finding_shows(c, f, x->to.service->object, val_get(x->to.port->v, "port"),
	              "leads to port %u of " WORKLOAD_FMT ".", r->port, WORKLOAD_ARG(r->to));
	np_show_idle(c, f, w, dir);
	finding_repair(c, f, "Add an %s rule %s " WORKLOAD_FMT " on port %u.", netpol_side(dir),
	               dir == POLICY_EGRESS ? "to the pods of" : "from the pods of",
	               WORKLOAD_ARG(dir == POLICY_EGRESS ? r->to : x->from), r->port);
	return f;
}

void np_calls(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		struct closed r = closed_to(c, x);

		if (r.to && !(x->from->ends && admitted_peer(c, x)) &&
		    !said_already(&said, x->from, r.to, r.port)) {
			(void)say_closed(c, x, &r);
		}
	}
}

/* ---- NP008, NP010: what is outside ---- */

/* As written, else the engine's own: a FieldExport may write the port. */
static uint16_t port_of(const struct call *x)
{
	return x->r->port                                   ? x->r->port
	       : x->to.kind == TARGET_STORE && x->to.object ? target_store_port(x->to.object)
	                                                    : 0;
}

static bool is_outside(const struct call *x)
{
	return (x->to.kind == TARGET_OUTSIDE || x->to.kind == TARGET_STORE) && port_of(x);
}

/* Where a managed database or cache is, as far as files tell: the subnets of its group; of a group that nobody wrote and that
 * is named as kennel's own, kennel's private ones; else nothing. */
#define KENNEL_GROUP   "private"
#define KENNEL_SUBNETS "10.0.2.0/23"

static struct cidr_set store_range(struct check *c, struct arena *a, const struct object *store)
{
	scoped_cloud_list struct cloud_list subnets = { 0 };
	const struct val *spec = object_spec(store);
	struct cidr_set range = { 0 };
	struct prefix p;

	cloud_store_subnets(c->subject, store, &subnets);
	for (size_t i = 0; i < subnets.at.n; i++) {
		if (prefix_parse(val_get_str(object_spec(subnets.at.at[i]), "cidrBlock"), &p)) {
			range = cidr_union(a, range, cidr_of(a, p));
		}
	}
	if (!cloud_store_subnet_group(c->subject, store) &&
	    !val_bool(val_get(spec, "publiclyAccessible"), false) &&
	    (slice_is(val_get_str(spec, "dbSubnetGroupName"), KENNEL_GROUP) ||
	     slice_is(val_get_str(spec, "cacheSubnetGroupName"), KENNEL_GROUP)) &&
	    prefix_parse(SLICE(KENNEL_SUBNETS), &p)) {
		range = cidr_of(a, p);
	}
	return range;
}

/* The addresses a peer admits; with or without what it excepts. */
static struct cidr_set peer_range(struct arena *a, const struct val *peer, bool with_except)
{
	struct cidr_set set = { 0 };
	struct prefix p;

	if (prefix_parse(val_str(val_path(peer, "ipBlock.cidr")), &p)) {
		set = cidr_of(a, p);
	}
	val_for_each (with_except ? val_path(peer, "ipBlock.except") : NULL, at) {
		if (prefix_parse(val_str(at), &p)) {
			set = cidr_minus(a, set, cidr_of(a, p));
		}
	}
	return set;
}

/* All addresses that the pods may call on the port, by the writing of their policies. */
static struct cidr_set admitted_range(struct check *c, struct arena *a, const struct call *x,
                                      bool with_except)
{
	const struct netpol_list *all = netpols_of(c->subject, x->from, POLICY_EGRESS);
	struct cidr_set set = { 0 };

	for (size_t i = 0; i < all->at.n; i++) {
		val_for_each (netpol_rules(all->at.at[i], POLICY_EGRESS), rule) {
			const struct val *peers = netpol_peers(rule, POLICY_EGRESS);

			if (!netpol_ports_hold(rule, NULL, PROTO_TCP, port_of(x))) {
				continue;
			}
			if (!val_len(peers)) {
				return cidr_all();
			}
			val_for_each (peers, peer) {
				set = cidr_union(a, set, peer_range(a, peer, with_except));
			}
		}
	}
	return set;
}

enum leaving { LEAVES, STAYS, EXCEPTED };

static enum leaving leaving_of_store(struct check *c, struct arena *a, const struct call *x)
{
	struct cidr_set range = store_range(c, a, x->to.object),
			wide = admitted_range(c, a, x, false),
			tight = admitted_range(c, a, x, true);
	struct prefix p;

	if (range.n) {
		return cidr_minus(a, range, wide).n    ? STAYS
		       : cidr_minus(a, range, tight).n ? EXCEPTED
		                                       : LEAVES;
	}
	/* It is not known where: at least some private network should be left. */
	(void)prefix_parse(SLICE("10.0.0.0/8"), &p);
	range = cidr_of(a, p);
	return !wide.n                                                                  ? STAYS
	       : cidr_intersect(a, range, wide).n && !cidr_intersect(a, range, tight).n ? EXCEPTED
	                                                                                : LEAVES;
}

/* With an address the model decides; a database's subnets may be known; of another name it is only known that no selector
 * means it. */
static enum leaving leaving_of(struct check *c, const struct call *x)
{
	scoped_arena struct arena a = { 0 };
	struct flow f = { x->from->ip, x->r->ip, PROTO_TCP, port_of(x) };

	if (!netpols_of(c->subject, x->from, POLICY_EGRESS)->at.n) {
		return LEAVES;
	}
	if (x->r->ip.family) {
		return subject_decide(c->subject, &f) == VERDICT_ALLOW       ? LEAVES
		       : cidr_has(admitted_range(c, &a, x, false), x->r->ip) ? EXCEPTED
		                                                             : STAYS;
	}
	if (x->to.kind == TARGET_STORE && x->to.object) {
		return leaving_of_store(c, &a, x);
	}
	return netpol_admits_outside(c->subject, x->from, POLICY_EGRESS, PROTO_TCP, port_of(x))
	               ? LEAVES
	               : STAYS;
}

static bool may_leave(struct check *c, const struct call *x)
{
	return leaving_of(c, x) == LEAVES;
}

static const struct call *same_outside(struct check *c, const struct call *x)
{
	call_each(c->subject, other)
	{
		if (other->from != x->from && is_outside(other) && port_of(other) == port_of(x) &&
		    !other->from->ends &&
		    slice_eq(slice_of(other->r->host), slice_of(x->r->host)) &&
		    other->to.object == x->to.object && may_leave(c, other)) {
			return other;
		}
	}
	return NULL;
}

static struct finding *say_cannot_leave(struct check *c, const struct call *x)
{
	const struct object *policy = netpol_to_change(c->subject, x->from, POLICY_EGRESS);
	struct finding *f;

	if (!policy) {
		return NULL;
	}
	f = check_found(c, policy, side_at(policy, POLICY_EGRESS),
	                "NetworkPolicy " SLICE_FMT " closes the egress of " WORKLOAD_FMT
	                " to port %u, on which it calls " SLICE_FMT ".",
	                SLICE_ARG(policy->name), WORKLOAD_ARG(x->from), port_of(x),
	                SLICE_ARG(*x->r->host || !x->to.object ? slice_of(x->r->host)
	                                                       : x->to.object->name));
	finding_shows(c, f, x->by, x->r->where.node, "%s names it.", x->r->name);
	if (x->to.object) {
		finding_shows(c, f, x->to.object, NULL, "is what it calls, outside the cluster.");
	}
	{
		scoped_arena struct arena a = { 0 };
		scoped_strbuf struct strbuf b = { 0 };
		struct cidr_set range =
			x->to.object ? store_range(c, &a, x->to.object) : (struct cidr_set){ 0 };

		cidr_format(&b, range, 4);
		finding_repair(c, f, "Add an egress rule: ipBlock of %s, port %u.",
		               range.n                      ? strbuf_str(&b)
		               : x->to.kind == TARGET_STORE ? "the database's subnets"
		                                            : "its addresses",
		               port_of(x));
	}
	return f;
}

/* The except that takes the address (or a part of the database's range) out of a rule, or null. */
static const struct val *except_of(struct check *c, const struct call *x, const struct object **ret)
{
	const struct netpol_list *all = netpols_of(c->subject, x->from, POLICY_EGRESS);
	scoped_arena struct arena a = { 0 };
	struct cidr_set range =
		x->to.object ? store_range(c, &a, x->to.object) : (struct cidr_set){ 0 };

	for (size_t i = 0; i < all->at.n; i++) {
		val_for_each (netpol_rules(all->at.at[i], POLICY_EGRESS), rule) {
			val_for_each (netpol_ports_hold(rule, NULL, PROTO_TCP, port_of(x))
			                      ? netpol_peers(rule, POLICY_EGRESS)
			                      : NULL,
			              peer) {
				val_for_each (val_path(peer, "ipBlock.except"), at) {
					struct prefix p;

					if (prefix_parse(val_str(at), &p) &&
					    (x->r->ip.family
					             ? prefix_contains(p, x->r->ip)
					             : !range.n || cidr_intersect(&a, range,
					                                          cidr_of(&a, p))
					                                   .n)) {
						*ret = all->at.at[i];
						return at;
					}
				}
			}
		}
	}
	return NULL;
}

void np_outside(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		if (is_outside(x) && leaving_of(c, x) == STAYS &&
		    !(x->from->ends && same_outside(c, x)) &&
		    !said_already(&said, x->from,
		                  netpol_to_change(c->subject, x->from, POLICY_EGRESS),
		                  port_of(x))) {
			(void)say_cannot_leave(c, x);
		}
	}
}

void np_except(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		const struct object *policy = NULL;
		const struct val *at = is_outside(x) && leaving_of(c, x) == EXCEPTED
		                               ? except_of(c, x, &policy)
		                               : NULL;
		struct finding *f;

		if (!at || said_already(&said, x->from, at, port_of(x))) {
			continue;
		}
		f = check_found(c, policy, at,
		                "except " SLICE_FMT " of NetworkPolicy " SLICE_FMT
		                " takes out what " WORKLOAD_FMT " calls on port %u.",
		                SLICE_ARG(val_str(at)), SLICE_ARG(policy->name),
		                WORKLOAD_ARG(x->from), port_of(x));
		finding_shows(c, f, x->by, x->r->where.node, "%s names it.", x->r->name);
		if (x->to.object) {
			finding_shows(c, f, x->to.object, NULL, "may have its address there.");
		}
		finding_repair(c, f, "Add a rule for that range and port %u.", port_of(x));
	}
}

/* ---- NP024 ---- */

void np_helpers(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		struct closed r = x->from->ends ? closed_to(c, x) : (struct closed){ 0 };
		const struct call *other = r.to ? admitted_peer(c, x) : NULL;
		struct finding *f = NULL;

		if (other && !said_already(&said, x->from, r.to, r.port)) {
			f = say_closed(c, x, &r);
		} else if (x->from->ends && is_outside(x) && !may_leave(c, x) &&
		           (other = same_outside(c, x)) &&
		           !said_already(&said, x->from, other->from, port_of(x))) {
			f = say_cannot_leave(c, x);
		}
		if (f) {
			finding_shows(c, f, other->from->object, other->from->labels,
			              "calls the same and is let through, by its labels.");
			finding_repair(c, f, "Give both a common label and admit that.");
		}
	}
}
