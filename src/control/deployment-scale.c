/* Why: the arithmetic of a rollout: never more than replicas + maxSurge pods, never fewer than
 * replicas - maxUnavailable available ones. Source: reference 8.11 */
#include <math.h>

#include "base/mem.h"
#include "control/deployment-priv.h"

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- figures ---- */

int64_t deployment_wish(const struct val *d)
{
	return val_int(val_path(d, "spec.replicas"), 1);
}

bool deployment_is_rolling(const struct val *d)
{
	return !slice_is(val_str(val_path(d, "spec.strategy.type")), "Recreate");
}

/* A number, or a percentage of 'whole' rounded up or down; 'otherwise' when absent. */
static int64_t portion(const struct val *v, int64_t whole, bool up, const char *otherwise)
{
	struct slice s = v && v->type == VAL_STRING ? v->s : slice_of(otherwise);
	int64_t n;

	if (v && v->type == VAL_INT) {
		return v->i;
	}
	if (!s.len || s.p[s.len - 1] != '%' || !slice_to_i64(slice_head(s, s.len - 1), &n)) {
		return 0;
	}
	return up ? (n * whole + 99) / 100 : n * whole / 100;
}

int64_t deployment_max_surge(const struct val *d)
{
	const struct val *v = val_path(d, "spec.strategy.rollingUpdate.maxSurge");

	return deployment_is_rolling(d) ? portion(v, deployment_wish(d), true, "25%") : 0;
}

int64_t deployment_max_unavailable(const struct val *d)
{
	const struct val *v = val_path(d, "spec.strategy.rollingUpdate.maxUnavailable");
	int64_t wish = deployment_wish(d), n;

	if (!deployment_is_rolling(d) || wish == 0) {
		return 0;
	}
	n = portion(v, wish, false, "25%");
	if (n == 0 && deployment_max_surge(d) == 0) {
		n = 1; /* otherwise nothing could ever move */
	}
	return min64(n, wish);
}

int64_t set_wish(const struct val *set)
{
	return val_int(val_path(set, "spec.replicas"), 1);
}

int64_t set_figure(const struct val *set, const char *name)
{
	return val_int(val_get(val_get(set, "status"), name), 0);
}

int64_t sets_wish(struct sets sets)
{
	int64_t n = 0;

	for (size_t i = 0; i < sets.n; i++) {
		n += set_wish(sets.at[i]);
	}
	return n;
}

int64_t sets_figure(struct sets sets, const char *name)
{
	int64_t n = 0;

	for (size_t i = 0; i < sets.n; i++) {
		n += set_figure(sets.at[i], name);
	}
	return n;
}

struct sets sets_active(struct work *w, struct sets sets)
{
	struct sets active = { ARENA_ARRAY(w->arena, struct val *, sets.n + 1), 0 };

	for (size_t i = 0; i < sets.n; i++) {
		if (set_wish(sets.at[i]) > 0) {
			active.at[active.n++] = sets.at[i];
		}
	}
	return active;
}

int64_t deployment_fresh_wish(const struct rollout *r)
{
	int64_t wish = deployment_wish(r->d), have = r->fresh ? set_wish(r->fresh) : 0;
	int64_t most, total;

	if (!deployment_is_rolling(r->d)) {
		return wish;
	}
	most = wish + deployment_max_surge(r->d);
	total = sets_wish(r->old) + have;
	if (total >= most) {
		return have;
	}
	return have + min64(most - total, wish - have);
}

/* ---- moves ---- */

int rollout_scale_set(struct rollout *r, struct val *set, int64_t wish, struct err *err)
{
	struct work *w = r->w;
	int64_t before = set_wish(set), desired = deployment_wish(r->d);
	bool noted = set_note_sizes(w, set, desired, desired + deployment_max_surge(r->d));
	int e;

	if (before == wish && !noted) {
		return 0;
	}
	val_set_int(w->arena, val_need_object(w->arena, set, "spec"), "replicas", wish);
	e = work_save(w, w->kinds->replicaset, set, err);
	if (e < 0 || before == wish) {
		return e;
	}
	event_say(w, w->kinds->deployment, r->d, "Normal", "ScalingReplicaSet",
	          "Scaled %s replica set " SLICE_FMT " from %lld to %lld",
	          wish > before ? "up" : "down", SLICE_ARG(meta_name(set)), (long long)before,
	          (long long)wish);
	return 1;
}

int rollout_up(struct rollout *r, struct err *err)
{
	int64_t wish = deployment_wish(r->d), have = set_wish(r->fresh);

	if (have == wish) {
		return 0;
	}
	return rollout_scale_set(r, r->fresh, have > wish ? wish : deployment_fresh_wish(r), err);
}

/* Old pods that are not available give way first: they serve nobody. */
static int remove_unhealthy(struct rollout *r, int64_t most, int64_t *removed, struct err *err)
{
	for (size_t i = 0; i < r->old.n && *removed < most; i++) {
		struct val *set = r->old.at[i];
		int64_t wish = set_wish(set), sick = wish - set_figure(set, "availableReplicas");
		int64_t n = min64(most - *removed, sick);
		int e;

		if (wish == 0 || n <= 0) {
			continue;
		}
		e = rollout_scale_set(r, set, wish - n, err);
		if (e < 0) {
			return e;
		}
		*removed += n;
	}
	return 0;
}

static int remove_healthy(struct rollout *r, int64_t most, int64_t *removed, struct err *err)
{
	int64_t done = 0;

	for (size_t i = 0; i < r->old.n && done < most; i++) {
		struct val *set = r->old.at[i];
		int64_t wish = set_wish(set), n = min64(most - done, wish);
		int e;

		if (wish == 0) {
			continue;
		}
		e = rollout_scale_set(r, set, wish - n, err);
		if (e < 0) {
			return e;
		}
		done += n;
	}
	*removed += done;
	return 0;
}

int rollout_down(struct rollout *r, struct err *err)
{
	int64_t least = deployment_wish(r->d) - deployment_max_unavailable(r->d);
	int64_t fresh_missing = set_wish(r->fresh) - set_figure(r->fresh, "availableReplicas");
	int64_t total = sets_wish(r->sets), removed = 0, available;
	int64_t most = total - least - fresh_missing;
	int e;

	if (sets_wish(r->old) == 0 || most <= 0) {
		return 0;
	}
	e = remove_unhealthy(r, most, &removed, err);
	if (e < 0) {
		return e;
	}
	available = sets_figure(r->sets, "availableReplicas");
	if (available > least) {
		e = remove_healthy(r, min64(available - least, most - removed), &removed, err);
		if (e < 0) {
			return e;
		}
	}
	return removed > 0;
}

/* ---- a change of size amid a rollout ---- */

/* The set that alone has pods; when none has, the fresh one or the newest. Null when several have.
 */
static struct val *active_or_latest(struct rollout *r)
{
	struct sets active = sets_active(r->w, r->sets);

	if (active.n == 1) {
		return active.at[0];
	}
	if (active.n > 1) {
		return NULL;
	}
	if (r->fresh) {
		return r->fresh;
	}
	return r->old.n ? r->old.at[r->old.n - 1] : NULL;
}

static bool is_saturated(const struct rollout *r)
{
	int64_t desired, wish = deployment_wish(r->d);

	return r->fresh && slice_to_i64(meta_annotation(r->fresh, ANNOTATION_DESIRED), &desired) &&
	       desired == wish && set_wish(r->fresh) == wish &&
	       set_figure(r->fresh, "availableReplicas") == wish;
}

/* By how much a set changes when the whole changes by its share. */
static int64_t share(const struct rollout *r, const struct val *set, int64_t to_add, int64_t added)
{
	int64_t have = set_wish(set), wish = deployment_wish(r->d), were, n;

	if (have == 0 || to_add == added) {
		return 0;
	}
	if (wish == 0) {
		n = -have;
	} else {
		if (!slice_to_i64(meta_annotation(set, ANNOTATION_MAX), &were) || were <= 0) {
			were = val_int(val_get(r->status, "replicas"), 0);
		}
		if (were <= 0) {
			return 0;
		}
		n = (int64_t)llround((double)(have * (wish + deployment_max_surge(r->d))) /
		                     (double)were) -
		    have;
	}
	return to_add > 0 ? min64(n, to_add - added) : -min64(-n, added - to_add);
}

struct sized {
	struct val *set;
	int64_t size;
	size_t age; /* place among all, oldest first */
};

static int cmp_larger_newer(const void *pa, const void *pb)
{
	const struct sized *a = pa, *b = pb;

	return a->size != b->size ? (a->size > b->size ? -1 : 1) : (a->age > b->age ? -1 : 1);
}

static int cmp_larger_older(const void *pa, const void *pb)
{
	const struct sized *a = pa, *b = pb;

	return a->size != b->size ? (a->size > b->size ? -1 : 1) : (a->age < b->age ? -1 : 1);
}

static int spread_over(struct rollout *r, struct sets active, struct err *err)
{
	struct sized *sized = ARENA_ARRAY(r->w->arena, struct sized, active.n + 1);
	int64_t wish = deployment_wish(r->d);
	int64_t allowed = wish > 0 ? wish + deployment_max_surge(r->d) : 0;
	int64_t to_add = allowed - sets_wish(active), added = 0;
	int changed = 0;

	for (size_t i = 0; i < active.n; i++) {
		sized[i] = (struct sized){ active.at[i], set_wish(active.at[i]), i };
	}
	qsort(sized, active.n, sizeof(*sized), to_add > 0 ? cmp_larger_newer : cmp_larger_older);
	for (size_t i = 0; i < active.n && to_add; i++) {
		int64_t n = share(r, sized[i].set, to_add, added);

		sized[i].size += n;
		added += n;
	}
	for (size_t i = 0; i < active.n; i++) {
		int64_t size = sized[i].size + (i == 0 ? to_add - added : 0);
		int e = rollout_scale_set(r, sized[i].set, size > 0 ? size : 0, err);

		if (e < 0) {
			return e;
		}
		changed |= e;
	}
	return changed;
}

int rollout_spread(struct rollout *r, struct err *err)
{
	struct val *only = active_or_latest(r);
	struct sets active;
	int changed = 0;

	if (only) {
		return rollout_scale_set(r, only, deployment_wish(r->d), err);
	}
	if (is_saturated(r)) {
		active = sets_active(r->w, r->old);
		for (size_t i = 0; i < active.n; i++) {
			int e = rollout_scale_set(r, active.at[i], 0, err);

			if (e < 0) {
				return e;
			}
			changed |= e;
		}
		return changed;
	}
	active = sets_active(r->w, r->sets);
	return deployment_is_rolling(r->d) && active.n ? spread_over(r, active, err) : 0;
}
