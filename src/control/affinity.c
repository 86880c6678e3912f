/* Why: replicas that must not share a node or zone, and pods that want to be near others. See placing.h. */
#include "control/placing.h"
#include "schema/selector.h"

/* How much a required affinity of a pod that is there already weighs for one that it would like beside it. */
enum { HARD_WEIGHT = 1 };

static const struct val *required(const struct val *pod, const char *which)
{
	return val_get(val_get(val_path(pod, "spec.affinity"), which),
	               "requiredDuringSchedulingIgnoredDuringExecution");
}

static const struct val *preferred(const struct val *pod, const char *which)
{
	return val_get(val_get(val_path(pod, "spec.affinity"), which),
	               "preferredDuringSchedulingIgnoredDuringExecution");
}

/* ---- does a term of 'owner' speak of 'other'? ---- */

static bool selects(const struct placing *p, const struct val *selector, const struct val *labels)
{
	const struct selector *s;

	return selector_of_object(p->w->arena, selector, &s, NULL) == 0 &&
	       selector_matches(s, labels);
}

static bool names_namespace(const struct placing *p, const struct val *term,
                            const struct val *owner, struct slice ns)
{
	const struct val *selector = val_get(term, "namespaceSelector"),
			 *names = val_get(term, "namespaces");
	const struct doc *d;

	val_for_each (names, it) {
		if (slice_eq(val_str(it), ns)) {
			return true;
		}
	}
	if (!val_is_null(selector)) {
		d = work_find(p->w, p->w->kinds->namespace, SLICE(""), ns);
		return d && selects(p, selector, meta_labels(d->root));
	}
	return !val_len(names) && slice_eq(meta_ns(owner), ns);
}

static bool speaks_of(const struct placing *p, const struct val *term, const struct val *owner,
                      const struct val *other)
{
	return names_namespace(p, term, owner, meta_ns(other)) &&
	       selects(p, val_get(term, "labelSelector"), meta_labels(other));
}

/* ---- places ---- */

static const struct val *place_of(const struct val *node, const struct val *term)
{
	return val_get_slice(meta_labels(node), val_get_str(term, "topologyKey"));
}

static bool same_place(const struct val *a, const struct val *b, const struct val *term)
{
	const struct val *place = place_of(a, term);

	return place && val_eq(place, place_of(b, term));
}

/* ---- required ---- */

static bool somebody_is_near(const struct placing *p, const struct val *term,
                             const struct val *node)
{
	for (size_t i = 0; i < p->n_placed; i++) {
		if (same_place(p->placed[i].node, node, term) &&
		    speaks_of(p, term, p->pod, p->placed[i].pod)) {
			return true;
		}
	}
	return false;
}

/* The first of a group that wants to be together goes anywhere. */
static bool is_first_of_group(const struct placing *p, const struct val *terms)
{
	val_for_each (terms, term) {
		if (!speaks_of(p, term, p->pod, p->pod)) {
			return false;
		}
		for (size_t i = 0; i < p->n_placed; i++) {
			if (place_of(p->placed[i].node, term) &&
			    speaks_of(p, term, p->pod, p->placed[i].pod)) {
				return false;
			}
		}
	}
	return true;
}

const char *affinity_refusal(const struct placing *p, const struct val *node)
{
	const struct val *terms = required(p->pod, "podAffinity");

	val_for_each (terms, term) {
		if (!place_of(node, term) ||
		    (!somebody_is_near(p, term, node) && !is_first_of_group(p, terms))) {
			return "node(s) didn't match pod affinity rules";
		}
	}
	val_for_each (required(p->pod, "podAntiAffinity"), term) {
		if (somebody_is_near(p, term, node)) {
			return "node(s) didn't match pod anti-affinity rules";
		}
	}
	for (size_t i = 0; i < p->n_placed; i++) {
		const struct placed *there = &p->placed[i];

		val_for_each (required(there->pod, "podAntiAffinity"), term) {
			if (same_place(there->node, node, term) &&
			    speaks_of(p, term, there->pod, p->pod)) {
				return "node(s) didn't satisfy existing pods anti-affinity rules";
			}
		}
	}
	return NULL;
}

/* ---- preferred ---- */

static int64_t weigh(const struct placing *p, const struct val *preferences,
                     const struct val *owner, const struct val *other, const struct val *there,
                     const struct val *node)
{
	int64_t sum = 0;

	val_for_each (preferences, it) {
		const struct val *term = val_get(it, "podAffinityTerm");

		if (same_place(there, node, term) && speaks_of(p, term, owner, other)) {
			sum += val_int(val_get(it, "weight"), 0);
		}
	}
	return sum;
}

int64_t affinity_score(const struct placing *p, const struct val *node)
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->n_placed; i++) {
		const struct val *other = p->placed[i].pod, *there = p->placed[i].node;

		sum += weigh(p, preferred(p->pod, "podAffinity"), p->pod, other, there, node);
		sum -= weigh(p, preferred(p->pod, "podAntiAffinity"), p->pod, other, there, node);
		sum += weigh(p, preferred(other, "podAffinity"), other, p->pod, there, node);
		sum -= weigh(p, preferred(other, "podAntiAffinity"), other, p->pod, there, node);
		val_for_each (required(other, "podAffinity"), term) {
			if (same_place(there, node, term) && speaks_of(p, term, other, p->pod)) {
				sum += HARD_WEIGHT;
			}
		}
	}
	return sum;
}
