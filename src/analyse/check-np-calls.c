/* Why: NP, third part: what policies do to calls that values tell of. */
#include <stdlib.h>

#include "analyse/calls.h"
#include "analyse/check-np-priv.h"
#include "analyse/policies.h"
#include "base/mem.h"

#define WORKLOAD_FMT    SLICE_FMT " " SLICE_FMT
#define WORKLOAD_ARG(w) SLICE_ARG((w)->object->kind), SLICE_ARG((w)->name)

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

	for (size_t i = 0; x->to.kind == TARGET_SERVICE && x->to.port && i < x->to.service->n_pods; i++) {
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
	call_each (c->subject, other) {
		if (other->from != x->from && other->to.kind == TARGET_SERVICE && other->to.service == x->to.service &&
		    other->to.port == x->to.port && !other->from->ends && closed_to(c, other).verdict == VERDICT_ALLOW) {
			return other;
		}
	}
	return NULL;
}

static struct finding *say_closed(struct check *c, const struct call *x, const struct closed *r)
{
	enum policy_direction dir = r->verdict == VERDICT_DENY_EGRESS ? POLICY_EGRESS : POLICY_INGRESS;
	const struct workload *w = dir == POLICY_EGRESS ? x->from : r->to;
	const struct object *policy = netpol_to_change(c->subject, w, dir);
	scoped_strbuf struct strbuf b = { 0 };
	struct finding *f;

	if (!policy) {
		return NULL;
	}
	f = check_found(c, policy, side_at(policy, dir),
			"NetworkPolicy " SLICE_FMT " closes the %s of " WORKLOAD_FMT ": " WORKLOAD_FMT
			" calls it at %s and is not let through to port %u of " WORKLOAD_FMT ".",
			SLICE_ARG(policy->name), netpol_side(dir), WORKLOAD_ARG(w), WORKLOAD_ARG(x->from), call_text(&b, x), r->port,
			WORKLOAD_ARG(r->to));
	finding_shows(c, f, x->by, x->r->where.node, "%s asks for %s.", x->r->name, call_text(&b, x));
	finding_shows(c, f, x->to.service->object, val_get(x->to.port->v, "port"), "leads to port %u of " WORKLOAD_FMT ".", r->port,
		      WORKLOAD_ARG(r->to));
	finding_repair(c, f, "Add an %s rule %s " WORKLOAD_FMT " on port %u.", netpol_side(dir),
		       dir == POLICY_EGRESS ? "to the pods of" : "from the pods of",
		       WORKLOAD_ARG(dir == POLICY_EGRESS ? r->to : x->from), r->port);
	return f;
}

void np_calls(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each (c->subject, x) {
		struct closed r = closed_to(c, x);

		if (r.to && !(x->from->ends && admitted_peer(c, x)) && !said_already(&said, x->from, r.to, r.port)) {
			(void)say_closed(c, x, &r);
		}
	}
}

/* ---- NP008, NP010: what is outside ---- */

static bool is_outside(const struct call *x)
{
	return (x->to.kind == TARGET_OUTSIDE || x->to.kind == TARGET_STORE) && x->r->port;
}

/* With an address the model decides; of a name it is only known that no selector means it. */
static bool may_leave(struct check *c, const struct call *x)
{
	struct flow f = { x->from->ip, x->r->ip, PROTO_TCP, x->r->port };

	if (x->r->ip.family) {
		return policy_decide(subject_model(c->subject), &f, NULL) == VERDICT_ALLOW;
	}
	return netpol_admits_outside(c->subject, x->from, POLICY_EGRESS, PROTO_TCP, x->r->port);
}

static const struct call *same_outside(struct check *c, const struct call *x)
{
	call_each (c->subject, other) {
		if (other->from != x->from && is_outside(other) && other->r->port == x->r->port && !other->from->ends &&
		    slice_eq(slice_of(other->r->host), slice_of(x->r->host)) && other->to.object == x->to.object &&
		    may_leave(c, other)) {
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
			"NetworkPolicy " SLICE_FMT " closes the egress of " WORKLOAD_FMT " to port %u, on which it calls " SLICE_FMT ".",
			SLICE_ARG(policy->name), WORKLOAD_ARG(x->from), x->r->port,
			SLICE_ARG(*x->r->host || !x->to.object ? slice_of(x->r->host) : x->to.object->name));
	finding_shows(c, f, x->by, x->r->where.node, "%s names it.", x->r->name);
	if (x->to.object) {
		finding_shows(c, f, x->to.object, NULL, "is what it calls, outside the cluster.");
	}
	finding_repair(c, f, "Add an egress rule: ipBlock of %s, port %u.",
		       x->to.kind == TARGET_STORE ? "the database's subnets" : "its addresses", x->r->port);
	return f;
}

/* The except that takes the address out of a rule, or null. */
static const struct val *excepted(struct check *c, const struct call *x, struct prefix private_range, const struct object **ret)
{
	const struct netpol_list *all = netpols_of(c->subject, x->from, POLICY_EGRESS);

	for (size_t i = 0; i < all->at.n; i++) {
		val_for_each (netpol_rules(all->at.at[i], POLICY_EGRESS), rule) {
			if (!netpol_ports_hold(rule, NULL, PROTO_TCP, x->r->port)) {
				continue;
			}
			val_for_each (netpol_peers(rule, POLICY_EGRESS), peer) {
				val_for_each (val_path(peer, "ipBlock.except"), at) {
					struct prefix p;

					if (prefix_parse(val_str(at), &p) &&
					    (x->r->ip.family ? prefix_contains(p, x->r->ip) :
							       p.len <= private_range.len && prefix_contains(p, private_range.ip))) {
						*ret = all->at.at[i];
						return at;
					}
				}
			}
		}
	}
	return NULL;
}

/* Is a rule left that holds the range and does not except it? */
static bool holds_range(struct check *c, const struct call *x, struct prefix range)
{
	const struct netpol_list *all = netpols_of(c->subject, x->from, POLICY_EGRESS);

	for (size_t i = 0; i < all->at.n; i++) {
		val_for_each (netpol_rules(all->at.at[i], POLICY_EGRESS), rule) {
			const struct val *peers = netpol_peers(rule, POLICY_EGRESS);

			if (!netpol_ports_hold(rule, NULL, PROTO_TCP, x->r->port)) {
				continue;
			}
			val_for_each (peers, peer) {
				struct prefix p, q;
				bool out = false;

				val_for_each (val_path(peer, "ipBlock.except"), at) {
					out = out || (prefix_parse(val_str(at), &q) && prefix_overlaps(q, range));
				}
				if (!out && prefix_parse(val_str(val_path(peer, "ipBlock.cidr")), &p) && prefix_overlaps(p, range)) {
					return true;
				}
			}
			if (!val_len(peers)) {
				return true;
			}
		}
	}
	return false;
}

/* The network in which the set's managed services are. */
static struct prefix private_range_of(const struct subject *s)
{
	struct prefix p = { 0 };

	object_each (s, OBJECT_VPC, o) {
		if (prefix_parse(val_str(val_first(val_get(object_spec(o), "cidrBlocks"))), &p)) {
			return p;
		}
	}
	(void)prefix_parse(SLICE("10.0.0.0/8"), &p);
	return p;
}

static bool is_excepted(struct check *c, const struct call *x, const struct val **ret_at, const struct object **ret_policy)
{
	struct prefix range = private_range_of(c->subject);

	*ret_at = excepted(c, x, range, ret_policy);
	if (!*ret_at) {
		return false;
	}
	return x->r->ip.family ? !may_leave(c, x) : x->to.kind == TARGET_STORE && !holds_range(c, x, range);
}

void np_outside(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each (c->subject, x) {
		const struct object *policy = NULL;
		const struct val *at = NULL;

		if (is_outside(x) && netpols_of(c->subject, x->from, POLICY_EGRESS)->at.n && !may_leave(c, x) &&
		    !is_excepted(c, x, &at, &policy) && !(x->from->ends && same_outside(c, x)) &&
		    !said_already(&said, x->from, netpol_to_change(c->subject, x->from, POLICY_EGRESS), x->r->port)) {
			(void)say_cannot_leave(c, x);
		}
	}
}

void np_except(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each (c->subject, x) {
		const struct object *policy = NULL;
		const struct val *at = NULL;
		struct finding *f;

		if (!is_outside(x) || !netpols_of(c->subject, x->from, POLICY_EGRESS)->at.n || !is_excepted(c, x, &at, &policy) ||
		    said_already(&said, x->from, at, x->r->port)) {
			continue;
		}
		f = check_found(c, policy, at,
				"except " SLICE_FMT " of NetworkPolicy " SLICE_FMT " takes out what " WORKLOAD_FMT " calls on port %u.",
				SLICE_ARG(val_str(at)), SLICE_ARG(policy->name), WORKLOAD_ARG(x->from), x->r->port);
		finding_shows(c, f, x->by, x->r->where.node, "%s names it.", x->r->name);
		if (x->to.object) {
			finding_shows(c, f, x->to.object, NULL, "has an address in a private range.");
		}
		finding_repair(c, f, "Add a rule for that range and port %u.", x->r->port);
	}
}

/* ---- NP024 ---- */

void np_helpers(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each (c->subject, x) {
		struct closed r = x->from->ends ? closed_to(c, x) : (struct closed){ 0 };
		const struct call *other = r.to ? admitted_peer(c, x) : NULL;
		struct finding *f = NULL;

		if (other && !said_already(&said, x->from, r.to, r.port)) {
			f = say_closed(c, x, &r);
		} else if (x->from->ends && is_outside(x) && netpols_of(c->subject, x->from, POLICY_EGRESS)->at.n &&
			   !may_leave(c, x) && (other = same_outside(c, x)) &&
			   !said_already(&said, x->from, other->from, x->r->port)) {
			f = say_cannot_leave(c, x);
		}
		if (f) {
			finding_shows(c, f, other->from->object, other->from->labels, "calls the same and is let through, by its labels.");
			finding_repair(c, f, "Give both a common label and admit that.");
		}
	}
}
