/* Why: see policies.h. Source: networking.md 3.1, 3.2 */
#include "analyse/policies.h"

#include "analyse/subject-priv.h"

static bool lists(const struct val *types, const char *type)
{
	val_for_each (types, it) {
		if (slice_is(val_str(it), type)) {
			return true;
		}
	}
	return false;
}

const struct object *policy_object(const struct subject *s, const struct val *of_model)
{
	static const struct {
		const char *kind;
		enum object_kind id;
	} kinds[] = { { "NetworkPolicy", OBJECT_NETWORKPOLICY },
		      { "AdminNetworkPolicy", OBJECT_ADMINPOLICY },
		      { "BaselineAdminNetworkPolicy", OBJECT_BASELINEPOLICY },
		      { "ClusterNetworkPolicy", OBJECT_CLUSTERPOLICY } };
	const struct val *meta = val_get(of_model, "metadata");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (slice_is(val_get_str(of_model, "kind"), kinds[i].kind)) {
			return subject_find(s, kinds[i].id, val_get_str(meta, "namespace"),
			                    val_get_str(meta, "name"));
		}
	}
	return NULL;
}

bool netpol_isolates(const struct object *policy, enum policy_direction dir)
{
	const struct val *types = val_get(object_spec(policy), "policyTypes");

	if (val_len(types)) {
		return lists(types, dir == POLICY_INGRESS ? "Ingress" : "Egress");
	}
	return dir == POLICY_INGRESS || val_len(val_get(object_spec(policy), "egress"));
}

const struct val *netpol_rules(const struct object *policy, enum policy_direction dir)
{
	return val_get(object_spec(policy), netpol_side(dir));
}

const struct val *netpol_peers(const struct val *rule, enum policy_direction dir)
{
	return val_get(rule, dir == POLICY_INGRESS ? "from" : "to");
}

const char *netpol_side(enum policy_direction dir)
{
	return dir == POLICY_INGRESS ? "ingress" : "egress";
}

/* ---- who isolates whom ---- */

static void isolate(struct subject *s, const struct object *policy)
{
	scoped_selection struct selection pods = { 0 };
	const struct val *selector = val_get(object_spec(policy), "podSelector");

	if (selector) {
		subject_select_object(s, subject_space(s, policy->ns), selector, &pods);
	}
	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		for (size_t i = 0; netpol_isolates(policy, dir) && i < pods.at.n; i++) {
			if (!pods.at.at[i]->host_network) {
				vec_push(&s->index->netpols[dir][pods.at.at[i]->id].at, policy);
			}
		}
	}
}

const struct netpol_list *netpols_of(struct subject *s, const struct workload *w,
                                     enum policy_direction dir)
{
	if (!s->index->netpols[0]) {
		for (int d = 0; d < POLICY_DIRECTIONS; d++) {
			s->index->netpols[d] =
				ARENA_ARRAY(&s->arena, struct netpol_list, s->workloads.n + 1);
		}
		object_each(s, OBJECT_NETWORKPOLICY, policy)
		{
			isolate(s, policy);
		}
	}
	return &s->index->netpols[dir][w->id];
}

void subject_forget_policies(struct subject *s)
{
	for (int d = 0; d < POLICY_DIRECTIONS; d++) {
		for (size_t i = 0; s->index->netpols[d] && i < s->workloads.n; i++) {
			vec_fini(&s->index->netpols[d][i].at);
		}
	}
}

/* ---- rules ---- */

bool netpol_ports_hold(const struct val *rule, const struct val *target, enum proto proto,
                       uint16_t port)
{
	const struct val *ports = val_get(rule, "ports");

	val_for_each (ports, p) {
		const struct val *number = val_get(p, "port");
		int64_t from = val_int(number, 0), to = val_int(val_get(p, "endPort"), from);

		if (proto_of(p) != proto) {
			continue;
		}
		if (val_is_null(number) || (from && port >= from && port <= to)) {
			return true;
		}
		if (number->type == VAL_STRING && target &&
		    val_int(val_get(pod_port_named(target, number->s, proto), "containerPort"),
		            0) == port) {
			return true;
		}
	}
	return !val_len(ports);
}

void netpol_peer_pods(struct subject *s, const struct object *policy, const struct val *peer,
                      struct selection *ret)
{
	static const struct val everything = { .type = VAL_OBJECT };
	const struct val *spaces = val_get(peer, "namespaceSelector"),
			 *pods = val_get(peer, "podSelector");
	struct slice only;

	if (!val_is_null(val_get(peer, "ipBlock")) || (val_is_null(spaces) && val_is_null(pods))) {
		return;
	}
	pods = val_is_null(pods) ? &everything : pods;
	if (val_is_null(spaces)) {
		subject_select_object(s, subject_space(s, policy->ns), pods, ret);
		return;
	}
	only = val_get_str(val_get(spaces, "matchLabels"), "kubernetes.io/metadata.name");
	for (size_t i = 0; !only.len && i < s->spaces.n; i++) {
		if (space_matches(s, s->spaces.at[i], spaces)) {
			subject_select_object(s, s->spaces.at[i], pods, ret);
		}
	}
	if (only.len && subject_space(s, only) &&
	    space_matches(s, subject_space(s, only), spaces)) {
		subject_select_object(s, subject_space(s, only), pods, ret);
	}
}

static bool is_open_to_addresses(const struct val *rule, enum policy_direction dir)
{
	const struct val *peers = netpol_peers(rule, dir);

	val_for_each (peers, peer) {
		if (!val_is_null(val_get(peer, "ipBlock"))) {
			return true;
		}
	}
	return !val_len(peers);
}

bool netpol_admits_outside(struct subject *s, const struct workload *w, enum policy_direction dir,
                           enum proto proto, uint16_t port)
{
	const struct netpol_list *all = netpols_of(s, w, dir);

	for (size_t i = 0; i < all->at.n; i++) {
		val_for_each (netpol_rules(all->at.at[i], dir), rule) {
			if (is_open_to_addresses(rule, dir) &&
			    netpol_ports_hold(rule, dir == POLICY_INGRESS ? w->spec : NULL, proto,
			                      port)) {
				return true;
			}
		}
	}
	return !all->at.n;
}

const struct object *netpol_to_change(struct subject *s, const struct workload *w,
                                      enum policy_direction dir)
{
	const struct netpol_list *all = netpols_of(s, w, dir);
	const struct object *best = all->at.n ? all->at.at[0] : NULL;
	unsigned best_rank = 0;

	for (size_t i = 0; i < all->at.n; i++) {
		const struct object *policy = all->at.at[i];
		unsigned rank = 2 * (val_len(val_path(policy->v, "spec.podSelector")) > 0) +
		                (val_len(netpol_rules(policy, dir)) > 0);

		if (rank > best_rank) {
			best = policy;
			best_rank = rank;
		}
	}
	return best;
}
