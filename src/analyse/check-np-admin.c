/* Why: policies of the administrator stand before those of a namespace, the baseline behind them; who is kept out by
 * either looks for the reason in the wrong place. What decides a flow is asked of model/. */

#include "analyse/calls.h"
#include "analyse/check-np-priv.h"
#include "base/mem.h"

static const struct val *reason_at(const struct policy_reason *why)
{
	return why->rule ? val_get(why->rule, "action") : NULL;
}

/* ---- rules of a namespace that have no effect ---- */

struct question {
	struct check *c;
	const struct object *policy; /* a NetworkPolicy */
	enum policy_direction dir;
	const struct val *rule, *peer;
};

/* True: the administrator's tier denies what the rule admits; told. */
static bool is_denied(const struct question *q, const struct workload *w,
                      const struct workload *peer, enum proto proto, uint16_t port)
{
	bool in = q->dir == POLICY_INGRESS;
	struct flow f = { in ? peer->ip : w->ip, in ? w->ip : peer->ip, proto, port };
	struct policy_reason why = policy_reason_of(
		subject_model(q->c->subject), &f, in ? VERDICT_DENY_INGRESS : VERDICT_DENY_EGRESS);
	const struct object *admin = policy_object(q->c->subject, why.object);
	struct finding *x;

	if (why.admits || why.tier != TIER_ADMIN || !admin) {
		return false;
	}
	x = check_found(q->c, q->policy, q->peer,
	                "NetworkPolicy " SLICE_FMT " admits " SLICE_FMT " " SLICE_FMT
	                ", and " SLICE_FMT " " SLICE_FMT " denies it before.",
	                SLICE_ARG(q->policy->name), SLICE_ARG(peer->object->kind),
	                SLICE_ARG(peer->name), SLICE_ARG(admin->kind), SLICE_ARG(admin->name));
	finding_shows(q->c, x, admin, reason_at(&why),
	              "is judged first, for " SLICE_FMT " " SLICE_FMT ".",
	              SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
	return true;
}

/* Ports that the rule admits and the receiving end declares. */
static bool asks_ports(const struct question *q, const struct workload *w,
                       const struct workload *peer)
{
	const struct workload *target = q->dir == POLICY_INGRESS ? w : peer;

	container_each(target->spec, container)
	{
		val_for_each (val_get(container, "ports"), p) {
			int64_t port = val_int(val_get(p, "containerPort"), 0);

			if (port > 0 && port <= UINT16_MAX &&
			    netpol_ports_hold(q->rule, target->spec, proto_of(p), (uint16_t)port) &&
			    is_denied(q, w, peer, proto_of(p), (uint16_t)port)) {
				return true;
			}
		}
	}
	return false;
}

static bool asks_peers(struct question *q, const struct selection *subjects)
{
	scoped_selection struct selection pods = { 0 };

	netpol_peer_pods(q->c->subject, q->policy, q->peer, &pods);
	for (size_t i = 0; i < subjects->at.n; i++) {
		for (size_t k = 0; k < pods.at.n; k++) {
			if (subjects->at.at[i] != pods.at.at[k] &&
			    asks_ports(q, subjects->at.at[i], pods.at.at[k])) {
				return true;
			}
		}
	}
	return false;
}

static void rules_without_effect(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		scoped_selection struct selection subjects = { 0 };
		struct question q = { c, policy, dir, rule, NULL };

		subject_select_object(c->subject, subject_space(c->subject, policy->ns),
		                      np_pod_selector(policy), &subjects);
		val_for_each (netpol_peers(rule, dir), peer) {
			q.peer = peer;
			if (asks_peers(&q, &subjects)) {
				break;
			}
		}
	}
}

/* ---- calls that are denied ---- */

static bool call_is_denied(struct check *c, const struct call *x, const struct workload *to,
                           uint16_t port)
{
	static const enum verdict sides[] = { VERDICT_DENY_EGRESS, VERDICT_DENY_INGRESS };
	struct flow f = { x->from->ip, to->ip, x->to.port->proto, port };

	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		struct policy_reason why =
			policy_reason_of(subject_model(c->subject), &f, sides[i]);
		const struct object *policy = policy_object(c->subject, why.object);
		scoped_strbuf struct strbuf b = { 0 };
		struct finding *found;

		if (why.admits || why.tier == TIER_NAMESPACED || !policy) {
			continue;
		}
		found = check_found(
			c, policy, reason_at(&why),
			SLICE_FMT " " SLICE_FMT " denies what " WORKLOAD_FMT
				  " calls at %s: port %u of " WORKLOAD_FMT "%s.",
			SLICE_ARG(policy->kind), SLICE_ARG(policy->name), WORKLOAD_ARG(x->from),
			call_text(&b, x), port, WORKLOAD_ARG(to),
			why.tier == TIER_ADMIN ? "" : ", as no NetworkPolicy isolates the pod");
		finding_shows(c, found, x->by, x->r->where.node, "%s asks for %s.", x->r->name,
		              call_text(&b, x));
		return true;
	}
	return false;
}

static void calls_denied(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		for (size_t i = 0;
		     x->to.kind == TARGET_SERVICE && x->to.port && i < x->to.service->n_pods; i++) {
			const struct workload *to = x->to.service->pods[i];
			uint16_t port = svc_port_target(x->to.port, to);
			const void *const parts[] = { x->from, to, (void *)(uintptr_t)port };
			struct slice key = { (const char *)parts, sizeof(parts) };

			if (port && to != x->from && !map_has(&said, key) &&
			    call_is_denied(c, x, to, port)) {
				map_set(&said, key, &said);
				break;
			}
		}
	}
}

void np_admin_first(struct check *c)
{
	const struct subject *s = c->subject;

	if (s->n[OBJECT_ADMINPOLICY] + s->n[OBJECT_CLUSTERPOLICY]) {
		rules_without_effect(c);
	}
	if (s->n[OBJECT_ADMINPOLICY] + s->n[OBJECT_CLUSTERPOLICY] + s->n[OBJECT_BASELINEPOLICY]) {
		calls_denied(c);
	}
}
