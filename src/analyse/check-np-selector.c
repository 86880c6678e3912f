/* Why: the selectors of policies: namespaces and pods that are there, or are not. */

#include "analyse/check-np-priv.h"
#include "analyse/ingress.h"
#include "analyse/nearest.h"

const struct val *np_pod_selector(const struct object *policy)
{
	return val_get(object_spec(policy), "podSelector");
}

/* The pods at the receiving end of a rule. */
void np_targets(struct check *c, const struct object *policy, enum policy_direction dir,
                const struct val *rule, struct selection *ret)
{
	if (dir == POLICY_INGRESS) {
		subject_select_object(c->subject, subject_space(c->subject, policy->ns),
		                      np_pod_selector(policy), ret);
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

void np_selector_space(struct check *c)
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

void np_selector_dash(struct check *c)
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

static void judge_selector(struct check *c, const struct object *policy, const struct val *selector,
                           bool is_subject, np_empty_fn *fn)
{
	struct np_empty e = { policy, selector, subject_space(c->subject, policy->ns), NULL,
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

void np_each_empty(struct check *c, np_empty_fn *fn)
{
	object_each(c->subject, OBJECT_NETWORKPOLICY, policy)
	{
		judge_selector(c, policy, np_pod_selector(policy), true, fn);
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

static void selects_nobody(struct check *c, const struct np_empty *e)
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

void np_selector_subject(struct check *c)
{
	np_each_empty(c, selects_nobody);
}

static void labels_are_outside(struct check *c, const struct np_empty *e)
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

void np_selector_outside(struct check *c)
{
	np_each_empty(c, labels_are_outside);
}

void np_selector_node(struct check *c)
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
