/* Why: policies of the administrator before those of a namespace. */

#include "analyse/check-np-priv.h"
#include "base/mem.h"

/* Does an admin policy's subject or peer pick the workload? Either namespaces: SELECTOR, or pods: {namespaceSelector,
 * podSelector}. */
static bool admin_picks(struct check *c, const struct val *x, const struct workload *w)
{
	const struct val *spaces = val_get(x, "namespaces"), *pods = val_get(x, "pods");
	scoped_arena struct arena a = { 0 };
	const struct selector *selector = NULL;
	struct err err = { 0 };

	if (spaces) {
		return space_matches(c->subject, w->space, spaces);
	}
	return pods && space_matches(c->subject, w->space, val_get(pods, "namespaceSelector")) &&
	       val_get(pods, "podSelector") &&
	       selector_of_object(&a, val_get(pods, "podSelector"), &selector, &err) == 0 &&
	       selector_matches(selector, w->labels);
}

static bool admin_peer_picks(struct check *c, const struct val *rule, enum policy_direction dir,
                             const struct workload *w)
{
	val_for_each (netpol_peers(rule, dir), peer) {
		if (admin_picks(c, peer, w)) {
			return true;
		}
	}
	return false;
}

/* The action of the first rule of the admin policy that speaks of this peer. */
static const struct val *admin_rule_for(struct check *c, const struct object *admin,
                                        enum policy_direction dir, const struct workload *peer)
{
	val_for_each (netpol_rules(admin, dir), rule) {
		if (admin_peer_picks(c, rule, dir, peer)) {
			return rule;
		}
	}
	return NULL;
}

static bool is_overridden(struct check *c, const struct object *admin, const struct object *policy,
                          enum policy_direction dir, const struct val *peer,
                          const struct workload *w)
{
	scoped_selection struct selection pods = { 0 };

	netpol_peer_pods(c->subject, policy, peer, &pods);
	for (size_t i = 0; i < pods.at.n; i++) {
		const struct val *rule = admin_rule_for(c, admin, dir, pods.at.at[i]);
		struct finding *f;

		if (!rule || !slice_is(val_get_str(rule, "action"), "Deny")) {
			continue;
		}
		f = check_found(c, policy, peer,
		                "NetworkPolicy " SLICE_FMT " admits " SLICE_FMT " " SLICE_FMT
		                ", and AdminNetworkPolicy " SLICE_FMT " denies it before.",
		                SLICE_ARG(policy->name), SLICE_ARG(pods.at.at[i]->object->kind),
		                SLICE_ARG(pods.at.at[i]->name), SLICE_ARG(admin->name));
		finding_shows(c, f, admin, val_get(rule, "action"),
		              "is judged first, for " SLICE_FMT " " SLICE_FMT ".",
		              SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
		return true;
	}
	return false;
}

void np_admin_first(struct check *c)
{
	object_each(c->subject, OBJECT_ADMINPOLICY, admin)
	{
		rule_of_each_policy(c, policy, dir, rule)
		{
			scoped_selection struct selection subjects = { 0 };
			const struct val *subject = val_get(object_spec(admin), "subject");
			bool said = false;

			subject_select_object(c->subject, subject_space(c->subject, policy->ns),
			                      np_pod_selector(policy), &subjects);
			for (size_t i = 0; !said && i < subjects.at.n; i++) {
				val_for_each (admin_picks(c, subject, subjects.at.at[i])
				                      ? netpol_peers(rule, dir)
				                      : NULL,
				              peer) {
					said = said || is_overridden(c, admin, policy, dir, peer,
					                             subjects.at.at[i]);
				}
			}
		}
	}
}
