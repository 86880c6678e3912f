/* Why: replicas spread over nodes and zones, so that the loss of one is not the loss of all. See placing.h. */
#include "control/placing.h"
#include "schema/selector.h"

#define BY_ZONE "topology.kubernetes.io/zone"

static const struct val *constraints_of(const struct val *pod)
{
	return val_path(pod, "spec.topologySpreadConstraints");
}

static bool is_hard(const struct val *constraint)
{
	return !slice_is(val_get_str(constraint, "whenUnsatisfiable"), "ScheduleAnyway");
}

static const struct val *place_by(const struct val *node, struct slice key)
{
	return val_get_slice(meta_labels(node), key);
}

static const struct val *place_of(const struct val *node, const struct val *constraint)
{
	return place_by(node, val_get_str(constraint, "topologyKey"));
}

/* ---- whom a constraint counts ---- */

/* labelSelector, and the pod's own values of matchLabelKeys. */
static bool counts(const struct placing *p, const struct val *constraint, const struct val *other)
{
	const struct selector *s;

	if (!slice_eq(meta_ns(other), meta_ns(p->pod)) || meta_is_deleting(other) ||
	    selector_of_object(p->w->arena, val_get(constraint, "labelSelector"), &s, NULL) < 0 ||
	    !selector_matches(s, meta_labels(other))) {
		return false;
	}
	val_for_each (val_get(constraint, "matchLabelKeys"), it) {
		const struct val *own = val_get_slice(meta_labels(p->pod), val_str(it));

		if (own && !val_eq(own, val_get_slice(meta_labels(other), val_str(it)))) {
			return false;
		}
	}
	return true;
}

static bool tolerates_all(const struct val *pod, const struct val *node)
{
	val_for_each (val_path(node, "spec.taints"), it) {
		if (!slice_is(val_get_str(it, "effect"), "PreferNoSchedule") &&
		    !fit_tolerates(pod, it)) {
			return false;
		}
	}
	return true;
}

/* Nodes that are looked at: those with every place that hard constraints speak of, which the policies do not leave out.
 * Defaults: nodeAffinityPolicy Honor, nodeTaintsPolicy Ignore. */
static bool is_eligible(const struct placing *p, const struct val *constraint,
                        const struct val *node)
{
	val_for_each (constraints_of(p->pod), it) {
		if (is_hard(it) && !place_of(node, it)) {
			return false;
		}
	}
	return (slice_is(val_get_str(constraint, "nodeAffinityPolicy"), "Ignore") ||
	        fit_selects_node(p->pod, node)) &&
	       (!slice_is(val_get_str(constraint, "nodeTaintsPolicy"), "Honor") ||
	        tolerates_all(p->pod, node));
}

static int64_t count_in(const struct placing *p, const struct val *constraint,
                        const struct val *place)
{
	int64_t n = 0;

	for (size_t i = 0; i < p->n_placed; i++) {
		if (val_eq(place_of(p->placed[i].node, constraint), place) &&
		    is_eligible(p, constraint, p->placed[i].node) &&
		    counts(p, constraint, p->placed[i].pod)) {
			n++;
		}
	}
	return n;
}

/* ---- hard ones ---- */

static bool is_first_of_place(const struct placing *p, const struct val *constraint, size_t i)
{
	for (size_t before = 0; before < i; before++) {
		if (is_eligible(p, constraint, p->nodes[before]) &&
		    val_eq(place_of(p->nodes[before], constraint),
		           place_of(p->nodes[i], constraint))) {
			return false;
		}
	}
	return true;
}

/* How many the emptiest place has; 0 when there are fewer places than there should be. */
static int64_t least(const struct placing *p, const struct val *constraint)
{
	int64_t min = -1, places = 0;

	for (size_t i = 0; i < p->n_nodes; i++) {
		int64_t n;

		if (!is_eligible(p, constraint, p->nodes[i]) ||
		    !is_first_of_place(p, constraint, i)) {
			continue;
		}
		places++;
		n = count_in(p, constraint, place_of(p->nodes[i], constraint));
		min = min < 0 || n < min ? n : min;
	}
	return min < 0 || places < val_int(val_get(constraint, "minDomains"), 1) ? 0 : min;
}

const char *spread_refusal(const struct placing *p, const struct val *node)
{
	val_for_each (constraints_of(p->pod), it) {
		int64_t own = counts(p, it, p->pod) ? 1 : 0, skew;

		if (!is_hard(it)) {
			continue;
		}
		if (!place_of(node, it)) {
			return "node(s) didn't match pod topology spread constraints (missing "
			       "required label)";
		}
		skew = count_in(p, it, place_of(node, it)) + own - least(p, it);
		if (skew > val_int(val_get(it, "maxSkew"), 1)) {
			return "node(s) didn't match pod topology spread constraints";
		}
	}
	return NULL;
}

/* ---- soft ones ---- */

static bool is_sibling(const struct val *a, const struct val *b)
{
	struct slice owner = val_get_str(meta_controller(a), "uid");

	return owner.len && slice_eq(owner, val_get_str(meta_controller(b), "uid"));
}

/* A node counts for more than its zone: with one zone, pods still spread over its nodes. */
static int64_t siblings_near(const struct placing *p, const struct val *node)
{
	int64_t n = 0;

	for (size_t i = 0; i < p->n_placed; i++) {
		const struct placed *there = &p->placed[i];

		if (!meta_is_deleting(there->pod) && is_sibling(there->pod, p->pod)) {
			const struct val *zone = place_by(node, SLICE(BY_ZONE));

			n += slice_eq(meta_name(there->node), meta_name(node)) ? 2 : 0;
			n += zone && val_eq(zone, place_by(there->node, SLICE(BY_ZONE))) ? 1 : 0;
		}
	}
	return n;
}

int64_t spread_crowd(const struct placing *p, const struct val *node)
{
	int64_t n = 0;

	if (!val_len(constraints_of(p->pod))) {
		return siblings_near(p, node);
	}
	val_for_each (constraints_of(p->pod), it) {
		if (!is_hard(it)) {
			/* A node without the label is no place at all. */
			n += place_of(node, it) ? count_in(p, it, place_of(node, it))
			                        : (int64_t)p->n_placed + 1;
		}
	}
	return n;
}
