/* Why: a Deployment moves its pods from one template to the next by scaling ReplicaSets against
 * each other.
 *
 *   template changed         within maxSurge            within maxUnavailable
 *   new ReplicaSet, size 0 ----------> new one up -------------------> old ones down --+
 *                                 ^                                                    |
 *                                 +--------- until old ones are empty -----------------+
 *
 * Each look makes one move and writes the status; pods becoming ready bring the next look.
 * Source: reference 8.11 */
#include "control/deployment-priv.h"

#include "base/mem.h"
#include "control/pods.h"
#include "schema/selector.h"

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;
	const struct val *object = e->object->root;

	if (e->kind == k->deployment) {
		controller_add_object(c, object);
	} else if (e->kind == k->replicaset) {
		controller_add_owner(c, object, k->deployment);
		if (e->old) {
			controller_add_owner(c, e->old->root, k->deployment);
		}
	} else if (e->kind == k->pod && e->type == STORE_DELETED) {
		/* Recreate waits for the last old pod; its set may be gone already */
		const struct val *ref = meta_controller(object);
		const struct doc *set;

		if (!ref_is_kind(ref, k->replicaset)) {
			return;
		}
		set = store_get(c->control->store, (struct key){ k->replicaset, meta_ns(object),
		                                                 val_get_str(ref, "name") });
		if (set) {
			controller_add_owner(c, set->root, k->deployment);
		}
	}
}

/* ---- strategies ---- */

static int roll(struct rollout *r, struct err *err)
{
	int e = rollout_need_fresh(r, true, err);

	if (e < 0) {
		return e;
	}
	e = rollout_up(r, err);
	if (e == 0) {
		e = rollout_down(r, err);
	}
	return e < 0 ? e : rollout_write_status(r, true, err);
}

/* Any pod of an old set that is not finished. */
static bool old_pods_run(struct rollout *r)
{
	struct work *w = r->w;
	struct docs pods;

	if (sets_figure(r->old, "replicas") > 0) {
		return true;
	}
	pods = work_list(w, w->kinds->pod, meta_ns(r->d), NULL, NULL);
	for (size_t i = 0; i < pods.n; i++) {
		for (size_t k = 0; k < r->old.n; k++) {
			if (meta_is_controlled_by(pods.at[i]->root, r->old.at[k]) &&
			    !pod_is_finished(pods.at[i]->root)) {
				return true;
			}
		}
	}
	return false;
}

static int recreate(struct rollout *r, struct err *err)
{
	struct sets active;
	int e = rollout_need_fresh(r, false, err), moved = 0;

	if (e < 0) {
		return e;
	}
	active = sets_active(r->w, r->old);
	for (size_t i = 0; i < active.n; i++) {
		e = rollout_scale_set(r, active.at[i], 0, err);
		if (e < 0) {
			return e;
		}
		moved |= e;
	}
	if (!moved && !old_pods_run(r)) {
		e = r->fresh ? 0 : rollout_need_fresh(r, true, err);
		if (e == 0) {
			e = rollout_scale_set(r, r->fresh, deployment_wish(r->d), err);
		}
		if (e < 0) {
			return e;
		}
	}
	return rollout_write_status(r, true, err);
}

/* ---- paused, resized ---- */

static bool is_paused(const struct rollout *r)
{
	return val_bool(val_path(r->d, "spec.paused"), false);
}

/* Paused time must not count against the progress deadline. */
static void note_pause(struct rollout *r)
{
	const struct val *c = condition_find(val_get(r->status, "conditions"), "Progressing");
	struct slice reason = val_get_str(c, "reason");
	bool noted = slice_is(reason, "DeploymentPaused");

	if (!deployment_has_deadline(r->d) || slice_is(reason, "ProgressDeadlineExceeded")) {
		return;
	}
	if (is_paused(r) && !noted) {
		deployment_set_condition(r, "Progressing", "Unknown", "DeploymentPaused",
		                         "Deployment is paused");
	} else if (!is_paused(r) && noted) {
		deployment_set_condition(r, "Progressing", "Unknown", "DeploymentResumed",
		                         "Deployment is resumed");
	}
}

/* Was spec.replicas changed since the sets were sized? */
static bool is_resized(struct rollout *r)
{
	struct sets active = sets_active(r->w, r->sets);

	for (size_t i = 0; i < active.n; i++) {
		int64_t desired;

		if (slice_to_i64(meta_annotation(active.at[i], ANNOTATION_DESIRED), &desired) &&
		    desired != deployment_wish(r->d)) {
			return true;
		}
	}
	return false;
}

static int resize(struct rollout *r, struct err *err)
{
	int e = rollout_need_fresh(r, false, err);

	if (e == 0) {
		e = rollout_spread(r, err);
	}
	if (e >= 0 && is_paused(r)) {
		e = rollout_forget_old(r, err);
	}
	return e < 0 ? e : rollout_write_status(r, false, err);
}

/* ---- one look ---- */

static bool selects_everything(struct rollout *r)
{
	const struct selector *s;

	return selector_of_object(r->w->arena, val_path(r->d, "spec.selector"), &s, NULL) == 0 &&
	       selector_is_everything(s);
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *doc = work_get(w, w->kinds->deployment, key);
	struct rollout r = { .w = w };
	int e;

	if (!doc) {
		return 0;
	}
	r.d = work_edit(w, doc);
	r.status = val_copy(w->arena, val_get(r.d, "status"));
	if (selects_everything(&r)) {
		event_say(
			w, w->kinds->deployment, r.d, "Warning", "SelectingAll",
			"This deployment is selecting all pods. A non-empty selector is required.");
		return 0;
	}
	e = rollout_read(&r, err);
	if (e < 0) {
		return e;
	}
	if (meta_is_deleting(r.d)) {
		return rollout_write_status(&r, false, err);
	}
	note_pause(&r);
	if (is_paused(&r) || is_resized(&r)) {
		return resize(&r, err);
	}
	e = deployment_is_rolling(r.d) ? roll(&r, err) : recreate(&r, err);
	if (e == 0 && deployment_is_complete(&r)) {
		e = rollout_forget_old(&r, err);
	}
	return e;
}

static bool can_run(const struct control *c)
{
	return c->kinds.deployment && c->kinds.replicaset && c->kinds.pod;
}

const struct controller_type control_deployment = {
	.name = "deployment-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
