/* Why: NP: NetworkPolicies. Here: what their writing says against what is there; check-np-flows.c: what they do to flows.
 * The table of the family is at the end. */
#include <stdlib.h>

#include "analyse/check-np-priv.h"
#include "analyse/ingress.h"
#include "analyse/nearest.h"
#include "analyse/policies.h"
#include "base/mem.h"

/* For each rule of each policy somebody wrote, in both directions. */
#define rule_of_each_policy(c, policy, dir, rule)                                                  \
	object_each((c)->subject, OBJECT_NETWORKPOLICY,                                            \
	            policy) for (enum policy_direction dir = POLICY_INGRESS;                       \
	                         dir < POLICY_DIRECTIONS; dir++)                                   \
		val_for_each (netpol_rules(policy, dir), rule)

static const struct val *pod_selector(const struct object *policy)
{
	return val_get(object_spec(policy), "podSelector");
}

/* The pods at the receiving end of a rule. */
static void targets_of(struct check *c, const struct object *policy, enum policy_direction dir,
                       const struct val *rule, struct selection *ret)
{
	if (dir == POLICY_INGRESS) {
		subject_select_object(c->subject, subject_space(c->subject, policy->ns),
		                      pod_selector(policy), ret);
		return;
	}
	val_for_each (netpol_peers(rule, dir), peer) {
		netpol_peer_pods(c->subject, policy, peer, ret);
	}
}

/* ---- NP002 ---- */

/* The namespace that was probably meant by a label's value. */
static const struct space *meant_space(const struct subject *s, struct slice value)
{
	const struct space *best = NULL;

	for (size_t i = 0; value.len && i < s->spaces.n; i++) {
		unsigned d = edit_distance(value, s->spaces.at[i]->name, 2);

		if (!d) {
			return s->spaces.at[i];
		}
		best = d <= 2 && value.len > 4 ? s->spaces.at[i] : best;
	}
	return best;
}

static bool all_declared(const struct subject *s)
{
	for (size_t i = 0; i < s->spaces.n; i++) {
		if (!s->spaces.at[i]->object) {
			return false;
		}
	}
	return true;
}

static bool matches_a_space(struct subject *s, const struct val *selector)
{
	for (size_t i = 0; i < s->spaces.n; i++) {
		if (space_matches(s, s->spaces.at[i], selector)) {
			return true;
		}
	}
	return false;
}

static void label_absent(struct check *c, const struct object *policy, const struct val *selector)
{
	const struct val *pair = val_first(val_get(selector, "matchLabels"));
	const struct space *meant = meant_space(c->subject, val_str(pair));
	bool automatic = pair && slice_is(pair->key, "kubernetes.io/metadata.name");
	struct finding *f;

	/* A namespace that is not among the files may well have the label. */
	if (!meant && (automatic || !all_declared(c->subject))) {
		return;
	}
	if (pair) {
		f = check_found(c, policy, pair,
		                "No namespace carries the label " SLICE_FMT "=" SLICE_FMT
		                ", which NetworkPolicy " SLICE_FMT " asks for.",
		                SLICE_ARG(pair->key), SLICE_ARG(val_str(pair)),
		                SLICE_ARG(policy->name));
	} else {
		f = check_found(c, policy, selector,
		                "The namespaceSelector of NetworkPolicy " SLICE_FMT
		                " matches no namespace.",
		                SLICE_ARG(policy->name));
	}
	if (!meant) {
		return;
	}
	if (meant->object) {
		scoped_strbuf struct strbuf b = { 0 };

		labels_text(&b, meant->labels);
		finding_shows(c, f, meant->object, val_path(meant->object->v, "metadata.labels"),
		              "carries %s.", strbuf_str(&b));
	}
	finding_repair(c, f,
	               "Write kubernetes.io/metadata.name: " SLICE_FMT
	               ", a label every namespace has, or label the "
	               "namespace.",
	               SLICE_ARG(meant->name));
	if (automatic) {
		finding_replace(c, f, policy, pair, SLICE_FMT, SLICE_ARG(meant->name));
	} else if (slice_eq(val_str(pair), meant->name)) {
		finding_rename(c, f, policy, pair, "kubernetes.io/metadata.name");
	}
}

static void np002(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		val_for_each (netpol_peers(rule, dir), peer) {
			const struct val *selector = val_get(peer, "namespaceSelector");

			if (val_len(selector) && !matches_a_space(c->subject, selector)) {
				label_absent(c, policy, selector);
			}
		}
	}
}

/* ---- NP003 ---- */

static bool is_spaces_only(const struct val *peer)
{
	return val_len(val_get(peer, "namespaceSelector")) && !val_get(peer, "podSelector");
}

static bool is_pods_only(const struct val *peer)
{
	return val_len(val_get(peer, "podSelector")) && !val_get(peer, "namespaceSelector");
}

/* Two items mean "or": the pods of the second are looked for in the policy's namespace, where there are none, though the
 * namespaces of the first have some. */
static bool meant_as_one(struct check *c, const struct object *policy, const struct val *spaces,
                         const struct val *pods)
{
	scoped_selection struct selection own = { 0 }, other = { 0 };

	netpol_peer_pods(c->subject, policy, pods, &own);
	for (size_t i = 0; !own.at.n && i < c->subject->spaces.n; i++) {
		if (space_matches(c->subject, c->subject->spaces.at[i],
		                  val_get(spaces, "namespaceSelector"))) {
			subject_select_object(c->subject, c->subject->spaces.at[i],
			                      val_get(pods, "podSelector"), &other);
		}
	}
	return other.at.n > 0;
}

/* One item means "and": there is no such pod in those namespaces, though the policy's own has some. */
static bool meant_as_two(struct check *c, const struct object *policy, const struct val *peer)
{
	scoped_selection struct selection both = { 0 }, own = { 0 };
	bool peopled = false;

	netpol_peer_pods(c->subject, policy, peer, &both);
	if (both.at.n || !val_len(val_get(peer, "namespaceSelector"))) {
		return false;
	}
	for (size_t i = 0; i < c->subject->spaces.n; i++) {
		const struct space *space = c->subject->spaces.at[i];

		peopled = peopled ||
		          (space->classes.n && !slice_eq(space->name, policy->ns) &&
		           space_matches(c->subject, space, val_get(peer, "namespaceSelector")));
	}
	subject_select_object(c->subject, subject_space(c->subject, policy->ns),
	                      val_get(peer, "podSelector"), &own);
	return peopled && own.at.n > 0;
}

static void np003(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		val_for_each (netpol_peers(rule, dir), peer) {
			const struct val *next = peer->next,
					 *spaces = is_spaces_only(peer) ? peer : next;
			const struct val *pods = spaces == peer ? next : peer;
			struct finding *f;

			if (next && is_spaces_only(spaces) && is_pods_only(pods) &&
			    meant_as_one(c, policy, spaces, pods)) {
				f = check_found(c, policy, next,
				                "NetworkPolicy " SLICE_FMT
				                " lists namespaceSelector and podSelector as two "
				                "items: that is "
				                "all pods of those namespaces, or such pods of "
				                "namespace " SLICE_FMT ", which has none.",
				                SLICE_ARG(policy->name), SLICE_ARG(policy->ns));
				finding_repair(c, f,
				               "Take the dash away before the second, so that both "
				               "are one item.");
			} else if (val_get(peer, "podSelector") && meant_as_two(c, policy, peer)) {
				f = check_found(c, policy, peer,
				                "NetworkPolicy " SLICE_FMT
				                " asks for such pods in those namespaces, which "
				                "have none; namespace " SLICE_FMT " has them.",
				                SLICE_ARG(policy->name), SLICE_ARG(policy->ns));
				finding_repair(c, f,
				               "Make two items of it, each with its own dash, if "
				               "either is to be admitted.");
			}
		}
	}
}

/* ---- NP004, NP021, NP023: ports ---- */

static bool any_declares(const struct selection *pods)
{
	for (size_t i = 0; i < pods->at.n; i++) {
		if (pod_has_ports(pods->at.at[i]->spec)) {
			return true;
		}
	}
	return false;
}

static bool any_has(const struct selection *pods, uint16_t port, enum proto proto)
{
	for (size_t i = 0; i < pods->at.n; i++) {
		if (pod_port_numbered(pods->at.at[i]->spec, port, proto)) {
			return true;
		}
	}
	return false;
}

static void service_port_in_rule(struct check *c, const struct object *policy, const struct val *at,
                                 const struct selection *pods)
{
	uint16_t port = (uint16_t)val_int(at, 0);

	for (size_t i = 0; i < pods->at.n; i++) {
		const struct svc_list *services = subject_services_of(c->subject, pods->at.at[i]);

		for (size_t j = 0; j < services->at.n; j++) {
			const struct svc_port *p = svc_port_numbered(services->at.at[j], port, 0);
			uint16_t target = p ? svc_port_target(p, pods->at.at[i]) : 0;
			struct finding *f;

			if (!target || target == port) {
				continue;
			}
			f = check_found(c, policy, at,
			                "NetworkPolicy " SLICE_FMT
			                " opens port %u, which is the port of Service " SLICE_FMT
			                "; its pods listen on %u, and that is what a policy sees.",
			                SLICE_ARG(policy->name), port,
			                SLICE_ARG(services->at.at[j]->name), target);
			finding_shows(c, f, services->at.at[j]->object, val_get(p->v, "port"),
			              "translates port %u to %u.", port, target);
			finding_repair(c, f, "Write port %u.", target);
			finding_replace(c, f, policy, at, "%u", target);
			return;
		}
	}
}

static void np004(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		scoped_selection struct selection pods = { 0 };

		val_for_each (val_get(rule, "ports"), p) {
			const struct val *at = val_get(p, "port");
			int64_t number = val_int(at, 0);

			if (!pods.at.n) {
				targets_of(c, policy, dir, rule, &pods);
			}
			if (number > 0 && number <= UINT16_MAX && !val_get(p, "endPort") &&
			    any_declares(&pods) && !any_has(&pods, (uint16_t)number, 0)) {
				service_port_in_rule(c, policy, at, &pods);
			}
		}
	}
}

static const struct val *nearest_port_name(const struct selection *pods, struct slice name)
{
	const struct val *best = NULL;
	unsigned best_d = 3;

	for (size_t i = 0; i < pods->at.n; i++) {
		container_each(pods->at.at[i]->spec, k)
		{
			val_for_each (val_get(k, "ports"), p) {
				unsigned d = edit_distance(name, val_get_str(p, "name"), 2);

				if (val_get(p, "name") && d < best_d) {
					best = p;
					best_d = d;
				}
			}
		}
	}
	return best;
}

static void np021(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		scoped_selection struct selection pods = { 0 };

		targets_of(c, policy, dir, rule, &pods);
		val_for_each (pods.at.n ? val_get(rule, "ports") : NULL, p) {
			const struct val *at = val_get(p, "port"), *near;
			bool found = false;
			struct finding *f;

			for (size_t i = 0; i < pods.at.n; i++) {
				found = found || pod_port_named(pods.at.at[i]->spec, val_str(at),
				                                proto_of(p));
			}
			if (!val_str(at).len || found) {
				continue;
			}
			f = check_found(c, policy, at,
			                "NetworkPolicy " SLICE_FMT
			                " opens the port named " SLICE_FMT
			                ", and no pod it is about has a port of that name.",
			                SLICE_ARG(policy->name), SLICE_ARG(val_str(at)));
			near = nearest_port_name(&pods, val_str(at));
			finding_shows(c, f, pods.at.at[0]->object,
			              near ? val_get(near, "name") : pods.at.at[0]->spec,
			              near ? "has a port with a similar name." : "is such a pod.");
			if (near) {
				finding_repair(c, f, "Write " SLICE_FMT ", or the port's number.",
				               SLICE_ARG(val_get_str(near, "name")));
				finding_replace(c, f, policy, at, SLICE_FMT,
				                SLICE_ARG(val_get_str(near, "name")));
			}
		}
	}
}

static void np023(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		scoped_selection struct selection pods = { 0 };

		targets_of(c, policy, dir, rule, &pods);
		val_for_each (pods.at.n ? val_get(rule, "ports") : NULL, p) {
			const struct val *at = val_get(p, "port");
			int64_t number = val_int(at, 0);
			bool also = false;
			struct finding *f;

			val_for_each (val_get(rule, "ports"), q) {
				also = also || (val_int(val_get(q, "port"), 0) == number &&
				                proto_of(q) == PROTO_UDP);
			}
			if (number <= 0 || number > UINT16_MAX || proto_of(p) != PROTO_TCP ||
			    also || any_has(&pods, (uint16_t)number, PROTO_TCP) ||
			    !any_has(&pods, (uint16_t)number, PROTO_UDP)) {
				continue;
			}
			f = check_found(c, policy,
			                val_get(p, "protocol") ? val_get(p, "protocol") : at,
			                "NetworkPolicy " SLICE_FMT
			                " opens TCP %lld%s, the pods listen on UDP %lld.",
			                SLICE_ARG(policy->name), (long long)number,
			                val_get(p, "protocol")
			                        ? ""
			                        : " (no protocol is written, and that means TCP)",
			                (long long)number);
			for (size_t i = 0; i < pods.at.n; i++) {
				const struct val *declared = pod_port_numbered(
					pods.at.at[i]->spec, (uint16_t)number, PROTO_UDP);

				if (declared) {
					finding_shows(c, f, pods.at.at[i]->object, declared,
					              "declares the port with protocol UDP.");
					break;
				}
			}
			if (val_get(p, "protocol")) {
				finding_replace(c, f, policy, val_get(p, "protocol"), "UDP");
			} else {
				finding_insert(c, f, policy, at, "protocol: UDP");
			}
		}
	}
}

/* ---- NP005, NP006: nobody is selected ---- */

/* Labels of pods that come and go by the work of controllers. */
static bool is_passing(const struct val *selector)
{
	static const char *const keys[] = { "acme.cert-manager.io/http01-solver", "job-name",
		                            "batch.kubernetes.io/job-name",
		                            "batch.kubernetes.io/controller-uid" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (val_get(val_get(selector, "matchLabels"), keys[i])) {
			return true;
		}
	}
	return false;
}

/* The workload that carries the labels itself without giving them to its pods. */
static const struct workload *labelled_outside(const struct subject *s, const struct space *space,
                                               const struct val *pairs)
{
	(void)s;
	for (size_t i = 0; val_len(pairs) && i < space->classes.n; i++) {
		for (size_t j = 0; j < space->classes.at[i]->workloads.n; j++) {
			const struct workload *w = space->classes.at[i]->workloads.at[j];

			if (w->object->id != OBJECT_POD &&
			    labels_have(object_labels(w->object), pairs)) {
				return w;
			}
		}
	}
	return NULL;
}

struct empty_selection { /* a selector in a policy that picks nobody */
	const struct object *policy;
	const struct val *selector;
	const struct space *space;
	const struct workload *outside; /* whose own labels would fit */
	bool is_subject;
};
typedef void empty_fn(struct check *c, const struct empty_selection *e);

static void judge_selector(struct check *c, const struct object *policy, const struct val *selector,
                           bool is_subject, empty_fn *fn)
{
	struct empty_selection e = { policy, selector, subject_space(c->subject, policy->ns), NULL,
		                     is_subject };
	scoped_selection struct selection pods = { 0 };

	if (!val_len(selector) || is_passing(selector)) {
		return;
	}
	subject_select_object(c->subject, e.space, selector, &pods);
	if (!pods.at.n && !space_has_strangers(c->subject, policy->ns)) {
		e.outside = labelled_outside(c->subject, e.space, val_get(selector, "matchLabels"));
		fn(c, &e);
	}
}

static void each_empty(struct check *c, empty_fn *fn)
{
	object_each(c->subject, OBJECT_NETWORKPOLICY, policy)
	{
		judge_selector(c, policy, pod_selector(policy), true, fn);
	}
	rule_of_each_policy(c, policy, dir, rule)
	{
		val_for_each (netpol_peers(rule, dir), peer) {
			if (!val_get(peer, "namespaceSelector")) {
				judge_selector(c, policy, val_get(peer, "podSelector"), false, fn);
			}
		}
	}
}

static void selects_nobody(struct check *c, const struct empty_selection *e)
{
	const struct val *pairs = val_get(e->selector, "matchLabels");
	struct near_labels near = nearest_labels(e->space, pairs);
	scoped_strbuf struct strbuf b = { 0 };
	struct finding *f;

	if (e->outside || !e->is_subject) {
		return; /* NP006, NP029 */
	}
	labels_text(&b, pairs);
	f = check_found(
		c, e->policy, near.wanted ? near.wanted : e->selector,
		"NetworkPolicy " SLICE_FMT " selects no pod of namespace " SLICE_FMT "%s%s.",
		SLICE_ARG(e->policy->name), SLICE_ARG(e->policy->ns),
		val_len(pairs) ? ": none is labelled " : "", val_len(pairs) ? strbuf_str(&b) : "");
	if (near.workload && near.has) {
		finding_shows(c, f, near.workload->object, near.has,
		              "its pods carry " SLICE_FMT "=" SLICE_FMT ".",
		              SLICE_ARG(near.has->key), SLICE_ARG(val_str(near.has)));
		finding_repair(c, f, "Select " SLICE_FMT "=" SLICE_FMT ".",
		               SLICE_ARG(near.has->key), SLICE_ARG(val_str(near.has)));
		if (!near.key_differs && near.n_wrong == 1) {
			finding_replace(c, f, e->policy, near.wanted, SLICE_FMT,
			                SLICE_ARG(val_str(near.has)));
		}
	}
}

static void np005(struct check *c)
{
	each_empty(c, selects_nobody);
}

static void labels_are_outside(struct check *c, const struct empty_selection *e)
{
	const struct workload *w = e->outside;
	const struct val *first = val_first(val_get(e->selector, "matchLabels"));
	struct finding *f;

	if (!w) {
		return;
	}
	f = check_found(c, e->policy, first,
	                "NetworkPolicy " SLICE_FMT " asks for the label " SLICE_FMT "=" SLICE_FMT
	                ", which " SLICE_FMT " " SLICE_FMT
	                " has itself but does not give to its pods.",
	                SLICE_ARG(e->policy->name), SLICE_ARG(first->key),
	                SLICE_ARG(val_str(first)), SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
	finding_shows(c, f, w->object, object_labels(w->object),
	              "these are labels of the " SLICE_FMT " alone.", SLICE_ARG(w->object->kind));
	if (w->labels) {
		finding_shows(c, f, w->object, w->labels, "these are the labels of its pods.");
		finding_insert(c, f, w->object, val_first(w->labels), SLICE_FMT ": " SLICE_FMT,
		               SLICE_ARG(first->key), SLICE_ARG(val_str(first)));
	}
	finding_repair(c, f, "Put " SLICE_FMT ": " SLICE_FMT " into spec.template.metadata.labels.",
	               SLICE_ARG(first->key), SLICE_ARG(val_str(first)));
}

static void np006(struct check *c)
{
	each_empty(c, labels_are_outside);
}

/* ---- NP009, NP010: addresses ---- */

static const struct svc *translated_service(struct check *c, const struct selection *pods)
{
	for (size_t i = 0; i < pods->at.n; i++) {
		const struct svc_list *services = subject_services_of(c->subject, pods->at.at[i]);

		for (size_t j = 0; j < services->at.n; j++) {
			const struct svc *x = services->at.at[j];

			if ((slice_is(x->type, "LoadBalancer") || slice_is(x->type, "NodePort")) &&
			    !slice_is(val_get_str(object_spec(x->object), "externalTrafficPolicy"),
			              "Local") &&
			    !object_annotation_at(x->object, "service.beta.kubernetes.io/"
			                                     "aws-load-balancer-nlb-target-type")) {
				return x;
			}
		}
	}
	return NULL;
}

static const char *unseen_range(const struct subject *s, struct prefix cidr)
{
	struct prefix range;

	if (!s->profile->declared) {
		return NULL;
	}
	if (prefix_parse(slice_of(s->profile->service_cidr), &range) &&
	    prefix_contains(range, cidr.ip) && cidr.len >= range.len) {
		return "cluster IPs, which are translated to pod addresses before a policy looks";
	}
	if (prefix_parse(slice_of(s->profile->pod_cidr), &range) &&
	    prefix_contains(range, cidr.ip) && cidr.len >= range.len &&
	    !prefix_overlaps(range, (struct prefix){ ip_v4(0x0a000000), 16 })) {
		return "pods, which change their addresses";
	}
	return NULL;
}

/* The Service whose own address the range holds, when it is narrow enough to mean it. */
static const struct svc *service_in(const struct subject *s, struct prefix cidr)
{
	for (size_t i = 0; cidr.len >= 24 && i < s->services.n; i++) {
		struct ip ip;

		if (ip_parse(val_get_str(object_spec(s->services.at[i]->object), "clusterIP"),
		             &ip) &&
		    prefix_contains(cidr, ip)) {
			return s->services.at[i];
		}
	}
	return NULL;
}

static void np009(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		scoped_selection struct selection pods = { 0 };

		val_for_each (netpol_peers(rule, dir), peer) {
			const struct val *at = val_path(peer, "ipBlock.cidr");
			const struct svc *x;
			struct prefix cidr;
			struct finding *f;

			if (!prefix_parse(val_str(at), &cidr)) {
				continue;
			}
			x = service_in(c->subject, cidr);
			if (x || unseen_range(c->subject, cidr)) {
				f = check_found(c, policy, at,
				                "ipBlock " SLICE_FMT " of NetworkPolicy " SLICE_FMT
				                " is a range of %s.",
				                SLICE_ARG(val_str(at)), SLICE_ARG(policy->name),
				                x ? "cluster IPs, which are translated to pod "
				                    "addresses before a policy looks"
				                  : unseen_range(c->subject, cidr));
				if (x) {
					finding_shows(c, f, x->object,
					              val_get(object_spec(x->object), "clusterIP"),
					              "is the Service of that address.");
				}
				continue;
			}
			if (dir != POLICY_INGRESS || cidr.len == 0) {
				continue;
			}
			targets_of(c, policy, dir, rule, &pods);
			x = translated_service(c, &pods);
			if (x) {
				f = check_found(
					c, policy, at,
					"ipBlock " SLICE_FMT " of NetworkPolicy " SLICE_FMT
					" waits for client addresses that Service " SLICE_FMT
					" replaces by those of nodes.",
					SLICE_ARG(val_str(at)), SLICE_ARG(policy->name),
					SLICE_ARG(x->name));
				finding_shows(c, f, x->object,
				              val_get(object_spec(x->object), "type"),
				              "has externalTrafficPolicy Cluster.");
				finding_repair(c, f,
				               "Set externalTrafficPolicy: Local on the Service, "
				               "or restrict clients at the load "
				               "balancer (loadBalancerSourceRanges).");
			}
		}
	}
}

/* ---- NP016, NP017 ---- */

static void np016(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		val_for_each (netpol_peers(rule, dir), peer) {
			scoped_selection struct selection pods = { 0 };
			bool all_host = true;
			struct finding *f;

			netpol_peer_pods(c->subject, policy, peer, &pods);
			for (size_t i = 0; i < pods.at.n; i++) {
				all_host = all_host && pods.at.at[i]->host_network;
			}
			if (!pods.at.n || !all_host) {
				continue;
			}
			f = check_found(c, policy, peer,
			                "NetworkPolicy " SLICE_FMT
			                " means pods by label that use the node's network: their "
			                "traffic has the "
			                "node's address.",
			                SLICE_ARG(policy->name));
			finding_shows(c, f, pods.at.at[0]->object,
			              val_get(pods.at.at[0]->spec, "hostNetwork"),
			              "uses the node's network.");
			finding_repair(
				c, f,
				"Write the ipBlock of the nodes (%s), or take hostNetwork away.",
				c->subject->profile->node_cidr);
		}
	}
}

static void np017(struct check *c)
{
	const struct object *first = c->subject->first[OBJECT_NETWORKPOLICY];

	if (first && !c->subject->profile->enforces_policies) {
		(void)check_found(c, first, object_spec(first),
		                  "%zu NetworkPolic%s in the set, and nobody enforces them there "
		                  "(profile %s).",
		                  c->subject->n[OBJECT_NETWORKPOLICY],
		                  c->subject->n[OBJECT_NETWORKPOLICY] == 1 ? "y is" : "ies are",
		                  c->subject->profile->name);
	}
}

/* ---- NP019, NP020, NP022: fields ---- */

static bool another_gives(struct check *c, const struct object *policy, enum policy_direction dir)
{
	scoped_selection struct selection pods = { 0 };

	subject_select_object(c->subject, subject_space(c->subject, policy->ns),
	                      pod_selector(policy), &pods);
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
	           val_len(netpol_rules(policy, other)) && val_len(pod_selector(policy)) &&
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

static void np019(struct check *c)
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

static void np020(struct check *c)
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

static void np022(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		val_for_each (val_get(rule, "ports"), p) {
			const struct val *end = val_get(p, "endPort"), *port = val_get(p, "port");
			const char *why = !end    ? NULL
			                  : !port ? "stands without port"
			                  : port->type == VAL_STRING
			                          ? "stands beside a port by name"
			                  : val_int(end, 0) < val_int(port, 0) ? "is below port"
			                  : c->subject->profile->declared &&
			                                  !c->subject->profile->supports_end_port
			                          ? "is not known to this plug-in"
			                          : NULL;

			if (why) {
				(void)check_found(c, policy, end,
				                  "endPort %lld of NetworkPolicy " SLICE_FMT " %s.",
				                  (long long)val_int(end, 0),
				                  SLICE_ARG(policy->name), why);
			}
		}
	}
}

/* ---- NP025 ---- */

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

static void np025(struct check *c)
{
	object_each(c->subject, OBJECT_ADMINPOLICY, admin)
	{
		rule_of_each_policy(c, policy, dir, rule)
		{
			scoped_selection struct selection subjects = { 0 };
			const struct val *subject = val_get(object_spec(admin), "subject");
			bool said = false;

			subject_select_object(c->subject, subject_space(c->subject, policy->ns),
			                      pod_selector(policy), &subjects);
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

/* ---- NP007 ---- */

static void np007(struct check *c)
{
	np_calls(c);
	np_one_side(c);
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
	bool behind = false; /* of two equal rules the later is said to be superfluous */

	val_for_each (netpol_rules(policy, dir), other) {
		struct finding *f;

		if (other == rule) {
			behind = true;
			continue;
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

static void nobody_there(struct check *c, const struct empty_selection *e)
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

static void np029(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		if (val_len(netpol_rules(policy, dir)) > 1 && netpol_isolates(policy, dir)) {
			shadowed(c, policy, dir, rule);
		}
	}
	each_empty(c, nobody_there);
}

/* ---- the family ---- */

static const struct rule rules[] = {
	{
		.id = "NP001",
		.title = "Policy does not admit the ingress controller",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The path answers 504 after the proxy gave up connecting, while other "
			   "paths work.",
		.cause = "The policy of the back end admits only another workload; the Ingress "
			 "sends the controller "
			 "straight to it.",
		.evidence = "A back end of an Ingress that is isolated for ingress, and the model "
			    "denies the flow from the "
			    "controller's pods to the pod's port.",
		.probe = "Request the path; connect to the pod from the controller's pod.",
		.fix = "Admit the controller's namespace and pods on the pod's port.",
		.sources = "kubernetes/kubernetes#112467; rancher/backup-restore-operator#257",
		.after = "SVC005 SVC006 NP002 NP003 NP004 NP006 NP019 NP021 NP022 NP023",
		.check = np_controller_not_admitted,
	},
	{
		.id = "NP002",
		.title = "namespaceSelector asks for a label that no namespace has",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Time-outs, 504 at an Ingress, although the policy looks right.",
		.cause = "The policy expects a label such as name: ingress-nginx; the namespace "
			 "has only "
			 "kubernetes.io/metadata.name and labels of its own.",
		.evidence = "The selector matches no namespace of the set or the profile.",
		.probe = "Compare the labels of the namespaces; connect.",
		.fix = "Use kubernetes.io/metadata.name, or label the namespace.",
		.sources = "akash-network/node#911, #1539; equinor/radix-operator#500",
		.check = np002,
	},
	{
		.id = "NP003",
		.title = "\"And\" and \"or\" mixed up in peers",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Too much is admitted, or too little.",
		.cause = "namespaceSelector and podSelector as two items of a list mean either, in "
			 "one item they mean "
			 "both.",
		.evidence = "Two items whose podSelector has no pods in the policy's namespace and "
			    "some in the other's, or "
			    "the reverse.",
		.probe = "Connect from a pod that fulfils only one of them.",
		.fix = "Join the items, or split them.",
		.sources = "kubernetes.io, Network Policies, behaviour of to and from selectors",
		.check = np003,
	},
	{
		.id = "NP004",
		.title = "Rule names the port of the Service instead of the pod's",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Open on paper, dropped in fact: time-outs.",
		.cause = "A policy sees the packet after the Service was translated.",
		.evidence = "The port is that of a Service with another targetPort, and no pod of "
			    "the rule declares it.",
		.probe = "Connect through the Service with only this rule.",
		.fix = "Write the target port, or the port's name.",
		.sources = "kubernetes/website#8295; projectcalico/calico#8049; "
			   "rowanruseler/helm-charts#16",
		.check = np004,
	},
	{
		.id = "NP005",
		.title = "Policy selects no pod",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "A protection, or an opening, has no effect.",
		.cause = "A typo, another namespace, or a label that pods do not have.",
		.evidence = "podSelector matches no template of the policy's namespace.",
		.probe = "No pod is isolated by it.",
		.fix = "Correct the selector.",
		.sources =
			"kubescape/regolibrary C-0299; zegl/kube-score networkpolicy-targets-pod",
		.check = np005,
	},
	{
		.id = "NP006",
		.title = "Label of the policy is on the workload, not on its pods",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The policy has no effect, though kubectl get deployments --show-labels "
			   "shows the label.",
		.cause = "Labels in a workload's own metadata do not reach its pods.",
		.evidence = "The selector matches a workload's metadata and no template.",
		.probe = "Show the labels of the pods.",
		.fix = "Put the label into the template.",
		.sources = "kubernetes.io, Labels and Selectors",
		.check = np006,
	},
	{
		.id = "NP007",
		.title = "Only one side is open",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Time-outs, although a rule admits the flow.",
		.cause = "A connection needs the caller's egress and the target's ingress; one has "
			 "a rule, the other is "
			 "isolated without.",
		.evidence = "A flow that a value asks for, or that one policy's rule names, is "
			    "denied by the model.",
		.probe = "Connect with the policies of each side taken away in a copy.",
		.fix = "Add the missing side.",
		.sources = "kubernetes-sigs/network-policy-api, policy-assistant",
		.after = "SVC005 SVC006 NP002 NP004 NP006 NP019 NP021 NP023",
		.check = np007,
	},
	{
		.id = "NP008",
		.title = "Egress isolation without a rule for what is outside",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Calls to the database, the cache, mail or an API time out.",
		.cause = "Egress is denied by default, with rules for DNS and the own namespace "
			 "alone; the database is "
			 "outside.",
		.evidence = "An outside host and port in values, and no rule with an ipBlock (or "
			    "for everybody) on that port.",
		.probe = "Connect to it from the pod.",
		.fix = "ipBlock of its subnets on the port.",
		.sources = "koti.dev",
		.after = "DB004 NP010 NP019",
		.check = np_outside,
	},
	{
		.id = "NP009",
		.title = "ipBlock for what is not seen under that address",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The rule never matches, or matches too much.",
		.cause = "Pods are not addressed by range, cluster IPs are translated before, and "
			 "client addresses get "
			 "lost at nodes and balancers.",
		.evidence = "A range of cluster IPs or pods; or an ingress ipBlock behind a "
			    "Service with "
			    "externalTrafficPolicy Cluster.",
		.probe = "Log the source address that the pod sees.",
		.fix = "Selectors for pods; policy Local or the PROXY protocol for client "
		       "addresses.",
		.sources = "kubernetes.io, Network Policies, ipBlock",
		.check = np009,
	},
	{
		.id = "NP010",
		.title = "except takes out what is needed",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The internet works, the private database does not.",
		.cause = "0.0.0.0/0 except 10.0.0.0/8 leaves the private network out.",
		.evidence = "A called address within an except and in no other rule.",
		.probe = "Connect.",
		.fix = "A rule for that range and port.",
		.sources = "kubernetes.io, Network Policies",
		.check = np_except,
	},
	{
		.id = "NP011",
		.title = "Source of credentials blocked",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Cloud SDK calls hang, or say they find no credentials.",
		.cause = "Egress to the instance or pod identity endpoint, or to the token "
			 "service, is closed.",
		.evidence = "Pods with an IAM role or an SDK's variables, isolated for egress "
			    "without these addresses.",
		.probe = "Connect to the endpoint from the pod.",
		.fix = "Allow it for those pods alone.",
		.sources = "docs.aws.amazon.com, EKS Pod Identity",
		.after = "NP019",
		.check = np_credentials,
	},
	{
		.id = "NP012",
		.title = "API server blocked for a client in the cluster",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Operators and leader elections fail with i/o timeout to the first "
			   "address of the service range.",
		.cause = "Egress is isolated; the Service kubernetes is translated to node "
			 "addresses, which no selector "
			 "means.",
		.evidence = "A service account with rights and a token, isolated for egress "
			    "without an ipBlock on 443 or "
			    "6443.",
		.probe = "Connect to kubernetes.default:443 from the pod.",
		.fix = "Allow the API server's addresses on their real port.",
		.sources = "kubernetes.io, Network Policies",
		.after = "NP019",
		.check = np_api_server,
	},
	{
		.id = "NP013",
		.title = "Metrics scraper blocked",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_METRICS,
		.symptom = "The target is down; dashboards are empty.",
		.cause = "The pods are isolated for ingress without a rule from the monitoring "
			 "namespace.",
		.evidence = "A scrape annotation or a ServiceMonitor for pods, and no rule that "
			    "would admit a scraper on the "
			    "port.",
		.probe = "GET the metrics from the scraper's pod.",
		.fix = "Admit the monitoring namespace on that port.",
		.sources = "skyhook-io/radar#1737",
		.check = np_scraper,
	},
	{
		.id = "NP014",
		.title = "ACME HTTP-01 solver blocked",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom = "The certificate does not become ready, the challenge stays pending, "
			   "/.well-known/acme-challenge/ "
			   "answers 504.",
		.cause = "The solver pod lives in the certificate's namespace and listens on 8089; "
			 "a default deny holds "
			 "for it too.",
		.evidence = "An issuer with HTTP-01, a namespace that isolates such a pod, and no "
			    "rule from the ingress "
			    "controller to 8089.",
		.probe = "Start a pod with the solver's label and port and request the path "
			 "through the ingress.",
		.fix = "A policy for the solver's label that admits the ingress controller on "
		       "8089.",
		.sources = "cert-manager/cert-manager#2334, #3968; fluxcd/flux2#1863; "
			   "cert-manager/website#2151",
		.check = np_solver,
	},
	{
		.id = "NP015",
		.title = "Admission webhook blocked",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Applying fails: failed calling webhook, context deadline exceeded.",
		.cause = "A policy stands between the API server and the webhook's port; the API "
			 "server is no pod that a "
			 "selector could mean.",
		.evidence = "The Service of a webhook configuration, its pods isolated for "
			    "ingress, no rule without from or "
			    "with an ipBlock.",
		.probe = "Apply something with --dry-run=server.",
		.fix = "Open the webhook's port to the control plane.",
		.sources = "kubernetes/ingress-nginx#7132",
		.check = np_webhook,
	},
	{
		.id = "NP016",
		.title = "Peer on the node's network cannot be selected",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_POLICY,
		.symptom = "A rule by pod label never matches.",
		.cause = "Traffic of a hostNetwork pod has the node's address.",
		.evidence = "A peer selector that picks hostNetwork pods alone.",
		.probe = "Look at the source address at the target.",
		.fix = "ipBlock of the nodes, or no hostNetwork.",
		.sources = "kubernetes.io, NetworkPolicy and hostNetwork pods",
		.check = np016,
	},
	{
		.id = "NP017",
		.title = "Policies present, nobody enforces them",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_POLICY,
		.symptom = "All works in the test cluster and breaks in production, or the "
			   "isolation does not exist.",
		.cause = "The network plug-in ignores policies.",
		.evidence = "NetworkPolicies in the set and a profile without enforcement.",
		.probe = "Deny everything in a scratch namespace and connect.",
		.fix = "Switch it on (VPC CNI enableNetworkPolicy, Calico, Cilium).",
		.sources = "docker/roadmap#888; docker/for-win#12596; "
			   "rancher-sandbox/rancher-desktop#5247; "
			   "aws/containers-roadmap#1478",
		.check = np017,
	},
	{
		.id = "NP018",
		.title = "Enforcement starts after the pod",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_POLICY,
		.symptom = "The first calls of a pod fail, or its first seconds are open.",
		.cause = "Rules are put in place after the pod starts; strict modes deny until "
			 "then.",
		.evidence = "A profile that is known to lag, and an init container that calls out "
			    "once.",
		.probe = "Connect in a tight loop from the start of the process.",
		.fix = "Try again at start, or wait in an init container until it works.",
		.sources = "k3s-io/k3s#13432, #947; cloudnativelabs/kube-router#873; "
			   "aws/aws-network-policy-agent#271",
		.check = np_late,
	},
	{
		.id = "NP019",
		.title = "policyTypes contradicts the rules",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Egress rules have no effect, or all egress is closed by surprise.",
		.cause = "policyTypes decides which sides are isolated; rules of a side that is "
			 "not listed are ignored, a "
			 "listed side without rules is closed.",
		.evidence = "The field and the rules of both sides.",
		.probe = "Evaluate and connect.",
		.fix = "State both types and the rules that go with them.",
		.sources = "kubernetes.io, NetworkPolicy reference; aws/amazon-vpc-cni-k8s#3068",
		.check = np019,
	},
	{
		.id = "NP020",
		.title = "Empty entry means more than intended",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Open to all.",
		.cause = "An empty rule, an empty list of peers, an empty namespaceSelector mean "
			 "everybody.",
		.evidence = "An empty rule beside others, from or to without entries, "
			    "namespaceSelector: {} beside narrower "
			    "entries.",
		.probe = "Connect from a foreign namespace.",
		.fix = "Write whom it is for.",
		.sources = "k8sgpt-ai/k8sgpt netpol analyzer; "
			   "ahmetb/kubernetes-network-policy-recipes",
		.check = np020,
	},
	{
		.id = "NP021",
		.title = "Named port that the pods do not have",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The rule never matches.",
		.cause = "The name is not one of a container port at the receiving end.",
		.evidence = "The name looked up at the templates the rule is about.",
		.probe = "Evaluate and connect.",
		.fix = "Name the port in the pods, or write its number.",
		.sources = "np-guard/netpol-analyzer#205",
		.check = np021,
	},
	{
		.id = "NP022",
		.title = "endPort misused",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The policy is refused, or the range ignored.",
		.cause = "endPort without port, below it, beside a name, or with a plug-in that "
			 "does not know it.",
		.evidence = "The fields and the profile.",
		.probe = "Apply; connect to the last port of the range.",
		.fix = "A number in port and a greater one in endPort.",
		.sources = "kubernetes.io, Targeting a range of ports",
		.check = np022,
	},
	{
		.id = "NP023",
		.title = "Protocol left at TCP for a UDP flow",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Datagrams are dropped.",
		.cause = "A port without protocol is TCP.",
		.evidence = "The receiving pods declare the port with UDP alone.",
		.probe = "Exchange a datagram.",
		.fix = "Write protocol: UDP.",
		.sources = "kubernetes.io, NetworkPolicy reference",
		.check = np023,
	},
	{
		.id = "NP024",
		.title = "Helper pods forgotten",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "A migration, a cron job or a backup does not reach the database.",
		.cause = "The rule admits the application's label, and the job has another.",
		.evidence = "A job whose values name the same as an admitted workload's, and no "
			    "rule admits it.",
		.probe = "Connect from a pod with the job's labels.",
		.fix = "A common label such as db-client: \"true\".",
		.sources = "k8sgpt-ai/k8sgpt#157",
		.check = np_helpers,
	},
	{
		.id = "NP025",
		.title = "An admin policy comes first",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "A rule of the namespace has no effect.",
		.cause = "AdminNetworkPolicy is judged before NetworkPolicy.",
		.evidence = "A Deny rule that picks subject and peer of a NetworkPolicy's rule "
			    "before any other of its rules.",
		.probe = "Walk the policies of both tiers.",
		.fix = "A Pass rule, or an Allow of higher priority.",
		.sources = "kubernetes-sigs/network-policy-api",
		.check = np025,
	},
	{
		.id = "NP026",
		.title = "Port of the mesh blocked",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_MESH,
		.symptom = "All traffic of the mesh to the pod fails, or the proxy never gets its "
			   "configuration.",
		.cause = "Ambient mode tunnels on 15008; proxies call the control plane on 15012.",
		.evidence = "A namespace in a mesh and rules by port without that one.",
		.probe = "Connect with the mesh switched on.",
		.fix = "Admit 15008 among pods of the mesh, 15012 to its control plane.",
		.sources = "istio/istio#51034",
		.check = np_mesh,
	},
	{
		.id = "NP027",
		.title = "Plug-in judges before the Service is translated",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_POLICY,
		.symptom = "The rule is right by the standard and still drops on EKS.",
		.cause = "The VPC CNI's agent wants the Service's port equal to the container's.",
		.evidence =
			"A profile with it, pods with rules by port, and a port unlike its target.",
		.probe = "Compare a connection to the cluster IP with one to the pod.",
		.fix = "Make the ports equal, or open both.",
		.sources = "aws/aws-network-policy-agent#166, #493",
		.check = np_before_translation,
	},
	{
		.id = "NP028",
		.title = "Load balancer and its health checks blocked",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Targets are unhealthy after a default deny.",
		.cause = "Their source is an address of a node or a balancer, which no selector "
			 "means.",
		.evidence = "A Service of type LoadBalancer or NodePort whose pods are isolated "
			    "for ingress without ipBlock "
			    "or open rule.",
		.probe = "Probe the port from another node.",
		.fix = "ipBlock of nodes and balancer.",
		.sources = "kubernetes.io, Network Policies",
		.check = np_balancer,
	},
	{
		.id = "NP029",
		.title = "Rule that does nothing",
		.severity = SEVERITY_INFO,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Nothing today; a surprise with the next change.",
		.cause = "Policies only add: a rule is covered by another, or is for pods that do "
			 "not exist.",
		.evidence = "Rules compared within a policy, and peers that pick nobody in their "
			    "namespace.",
		.probe = "Compare the matrix without the rule.",
		.fix = "Take it out, or correct its labels.",
		.sources = "np-guard/netpol-analyzer, exposure analysis",
		.check = np029,
	},
	{
		.id = "NP030",
		.title = "Workload without a policy where others are isolated",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "An unintended way to a protected part.",
		.cause = "The labels of a new workload are selected by no policy.",
		.evidence =
			"A workload not isolated for ingress in a namespace that isolates others.",
		.probe = "The matrix.",
		.fix = "A default deny for the namespace.",
		.sources = "stackrox/kube-linter non-isolated-pod; deggja/netfetch",
		.after = "NP005 NP006",
		.check = np_without_policy,
	},
	{ 0 },
};

const struct family family_np = { "NP", "Network policies", rules };
