/* Why: what the entries of one policy say together: its types, empty entries, entries that do nothing. */

#include "analyse/check-np-priv.h"
#include "analyse/limits.h"
#include "analyse/nearest.h"

/* ---- NP019, NP020, NP022: fields ---- */

static bool another_gives(struct check *c, const struct object *policy, enum policy_direction dir)
{
	scoped_selection struct selection pods = { 0 };

	subject_select_object(c->subject, subject_space(c->subject, policy->ns),
	                      np_pod_selector(policy), &pods);
	for (size_t i = 0; i < pods.at.n; i++) {
		const struct netpol_list *all = netpols_of(c->subject, pods.at.at[i], dir);

		for (size_t j = 0; j < all->at.n; j++) {
			if (val_len(netpol_rules(all->at.at[j], dir))) {
				return true;
			}
		}
	}
	return !pods.at.n;
}

static void judge_types(struct check *c, const struct object *policy, enum policy_direction dir)
{
	const struct val *types = val_get(object_spec(policy), "policyTypes"),
			 *rules = netpol_rules(policy, dir);
	enum policy_direction other = dir == POLICY_INGRESS ? POLICY_EGRESS : POLICY_INGRESS;
	const char *type = dir == POLICY_INGRESS ? "Ingress" : "Egress";
	struct finding *f;

	if (val_len(rules) && !netpol_isolates(policy, dir)) {
		f = check_found(
			c, policy, types,
			"NetworkPolicy " SLICE_FMT
			" has %s rules, and its policyTypes leave %s out: they have no effect.",
			SLICE_ARG(policy->name), netpol_side(dir), type);
		finding_shows(c, f, policy, rules, "are ignored.");
		finding_repair(c, f, "Add %s to policyTypes.", type);
	} else if (!val_len(types) && rules && !val_len(rules) && dir == POLICY_EGRESS) {
		f = check_found(
			c, policy, rules,
			"NetworkPolicy " SLICE_FMT
			" writes egress without rules and without policyTypes: egress stays open.",
			SLICE_ARG(policy->name));
		finding_repair(
			c, f,
			"Write policyTypes: [Ingress, Egress] to close it, or take egress out.");
	} else if (val_len(types) && netpol_isolates(policy, dir) && !rules &&
	           val_len(netpol_rules(policy, other)) && val_len(np_pod_selector(policy)) &&
	           dir == POLICY_EGRESS && !another_gives(c, policy, dir)) {
		f = check_found(c, policy, types,
		                "NetworkPolicy " SLICE_FMT " names Egress in policyTypes without a "
		                "rule for it: its pods may call nobody, "
		                "not even DNS.",
		                SLICE_ARG(policy->name));
		finding_repair(c, f,
		               "Add egress rules (DNS first), or take Egress out of policyTypes.");
	}
}

void np_rule_types(struct check *c)
{
	object_each(c->subject, OBJECT_NETWORKPOLICY, policy)
	{
		judge_types(c, policy, POLICY_INGRESS);
		judge_types(c, policy, POLICY_EGRESS);
	}
}

static bool means_every_space(const struct val *peer)
{
	const struct val *spaces = val_get(peer, "namespaceSelector");

	return spaces && spaces->type == VAL_OBJECT && !spaces->n &&
	       !val_len(val_get(peer, "podSelector"));
}

void np_rule_empty(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		const struct val *peers = netpol_peers(rule, dir);
		const char *side = dir == POLICY_INGRESS ? "from" : "to";
		struct finding *f;

		if (!netpol_isolates(policy, dir)) {
			continue;
		}
		if (!val_len(rule) && val_len(netpol_rules(policy, dir)) > 1) {
			f = check_found(c, policy, rule,
			                "An empty rule of NetworkPolicy " SLICE_FMT
			                " admits everything, so its other %s rules mean nothing.",
			                SLICE_ARG(policy->name), netpol_side(dir));
			finding_repair(c, f, "Take the empty rule out, or the others.");
		} else if (val_get(rule, side) && !val_len(peers)) {
			f = check_found(c, policy, val_get(rule, side),
			                "NetworkPolicy " SLICE_FMT
			                " writes %s: without entries, and that means everybody, "
			                "not nobody.",
			                SLICE_ARG(policy->name), side);
			finding_repair(c, f,
			               "Name the peers, or take the rule out to admit nobody.");
		}
		val_for_each (val_len(peers) > 1 ? peers : NULL, peer) {
			if (means_every_space(peer)) {
				f = check_found(c, policy, peer,
				                "namespaceSelector: {} in NetworkPolicy " SLICE_FMT
				                " means every pod of every namespace, so the "
				                "entries beside it mean nothing.",
				                SLICE_ARG(policy->name));
				finding_repair(
					c, f,
					"Name the namespaces, or take the narrower entries out.");
			}
		}
	}
}

/* ---- NP029 ---- */

static bool has_equal(const struct val *list, const struct val *x)
{
	val_for_each (list, it) {
		if (val_eq(it, x)) {
			return true;
		}
	}
	return false;
}

/* Does b admit whatever a admits, by its writing? */
static bool covers(const struct val *b, const struct val *a, enum policy_direction dir)
{
	const struct val *peers_b = netpol_peers(b, dir), *ports_b = val_get(b, "ports");

	if (val_len(peers_b)) {
		val_for_each (netpol_peers(a, dir), peer) {
			if (!has_equal(peers_b, peer)) {
				return false;
			}
		}
	}
	if (val_len(ports_b)) {
		val_for_each (val_get(a, "ports"), port) {
			if (!has_equal(ports_b, port)) {
				return false;
			}
		}
	}
	return (!val_len(peers_b) || val_len(netpol_peers(a, dir))) &&
	       (!val_len(ports_b) || val_len(val_get(a, "ports")));
}

static void shadowed(struct check *c, const struct object *policy, enum policy_direction dir,
                     const struct val *rule)
{
	unsigned looked = 0;
	bool behind = false; /* of two equal rules the later is said to be superfluous */

	val_for_each (netpol_rules(policy, dir), other) {
		struct finding *f;

		if (other == rule) {
			behind = true;
			continue;
		}
		if (looked++ == ANALYSE_RULES_MAX) {
			return;
		}
		if (!covers(other, rule, dir) || (behind && covers(rule, other, dir)) ||
		    !val_len(other)) {
			continue;
		}
		f = check_found(c, policy, rule,
		                "A rule of NetworkPolicy " SLICE_FMT
		                " admits nothing that another does not admit too.",
		                SLICE_ARG(policy->name));
		finding_shows(c, f, policy, other, "covers it.");
		return;
	}
}

static void nobody_there(struct check *c, const struct np_empty *e)
{
	const struct val *pairs = val_get(e->selector, "matchLabels");
	struct near_labels near = nearest_labels(e->space, pairs);
	scoped_strbuf struct strbuf b = { 0 };
	struct finding *f;

	if (e->outside || e->is_subject || !val_len(pairs)) {
		return;
	}
	labels_text(&b, pairs);
	f = check_found(c, e->policy, near.wanted ? near.wanted : e->selector,
	                "NetworkPolicy " SLICE_FMT
	                " admits pods labelled %s, and namespace " SLICE_FMT " has none.",
	                SLICE_ARG(e->policy->name), strbuf_str(&b), SLICE_ARG(e->policy->ns));
	if (near.workload && near.has) {
		finding_shows(c, f, near.workload->object, near.has,
		              "carries " SLICE_FMT "=" SLICE_FMT ".", SLICE_ARG(near.has->key),
		              SLICE_ARG(val_str(near.has)));
		f->severity = SEVERITY_WARN; /* a slip of the pen rather than a rest */
		if (!near.key_differs && near.n_wrong == 1) {
			finding_replace(c, f, e->policy, near.wanted, SLICE_FMT,
			                SLICE_ARG(val_str(near.has)));
		}
	}
}

void np_rule_idle(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		if (val_len(netpol_rules(policy, dir)) > 1 && netpol_isolates(policy, dir)) {
			shadowed(c, policy, dir, rule);
		}
	}
	np_each_empty(c, nobody_there);
}
