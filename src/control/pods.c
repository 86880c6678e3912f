/* Why: one answer to what a ready, an active and an expendable pod is. */
#include "control/pods.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "schema/selector.h"

bool pod_is_finished(const struct val *pod)
{
	struct slice phase = val_str(val_path(pod, "status.phase"));

	return slice_is(phase, "Succeeded") || slice_is(phase, "Failed");
}

bool pod_is_active(const struct val *pod)
{
	return !pod_is_finished(pod) && !meta_is_deleting(pod);
}

static const struct val *ready_condition(const struct val *pod)
{
	return condition_find(val_path(pod, "status.conditions"), "Ready");
}

bool pod_is_ready(const struct val *pod)
{
	return slice_is(val_get_str(ready_condition(pod), "status"), "True");
}

int64_t pod_ready_since_us(const struct val *pod)
{
	return pod_is_ready(pod) ? time_of(val_get(ready_condition(pod), "lastTransitionTime")) : 0;
}

bool pod_is_available(const struct val *pod, int64_t min_ready_s, int64_t now_us, int64_t *again_us)
{
	int64_t missing;

	if (!pod_is_ready(pod)) {
		return false;
	}
	missing = pod_ready_since_us(pod) + min_ready_s * US_PER_S - now_us;
	if (min_ready_s <= 0 || missing <= 0) {
		return true;
	}
	if (again_us) {
		*again_us = missing;
	}
	return false;
}

/* ---- from templates ---- */

struct val *pod_of_template(struct work *w, const struct kind *owner_kind, const struct val *owner,
                            const struct val *template, const char *name)
{
	static const char *const copied[] = { "labels", "annotations", "finalizers" };
	struct arena *a = w->arena;
	struct val *pod = val_new_object(a), *m, *owners;

	m = val_need_object(a, pod, "metadata");
	if (name) {
		val_set_cstr(a, m, "name", name);
	} else {
		val_set(a, m, "generateName",
		        val_new_strf(a, SLICE_FMT "-", SLICE_ARG(meta_name(owner))));
	}
	val_set_str(a, m, "namespace", meta_ns(owner));
	for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
		const struct val *v = val_get(val_get(template, "metadata"), copied[i]);

		if (val_len(v)) {
			val_set(a, m, copied[i], val_copy(a, v));
		}
	}
	owners = val_need_array(a, m, "ownerReferences");
	val_append(owners, owner_ref(a, owner_kind, owner));
	val_set(a, pod, "spec", val_copy(a, val_get(template, "spec")));
	val_set_cstr(a, val_need_object(a, pod, "status"), "phase", "Pending");
	return pod;
}

/* ---- order of removal ---- */

struct ranked {
	const struct doc *doc;
	bool has_node, is_ready;
	int phase;        /* Pending 0, Unknown 1, Running 2 */
	int64_t cost;     /* annotation; the lower goes first */
	size_t siblings;  /* pods of the set on the same node */
	int64_t ready_us; /* how long it is ready */
	int64_t restarts;
	int64_t created_us;
	int ready_bucket, age_bucket; /* log2 of seconds */
};

static int log2_bucket(int64_t us)
{
	int64_t s = us / US_PER_S;
	int n = 0;

	while (s > 0) {
		s >>= 1;
		n++;
	}
	return n;
}

static struct ranked rank_one(const struct work *w, const struct doc *d, struct docs all)
{
	const struct val *pod = d->root;
	struct slice node = val_str(val_path(pod, "spec.nodeName"));
	struct slice phase = val_str(val_path(pod, "status.phase"));
	struct ranked r = { .doc = d, .has_node = node.len > 0, .is_ready = pod_is_ready(pod) };
	int64_t since = pod_ready_since_us(pod);

	r.phase = slice_is(phase, "Running") ? 2 : slice_is(phase, "Unknown") ? 1 : 0;
	if (!slice_to_i64(meta_annotation(pod, "controller.kubernetes.io/pod-deletion-cost"),
	                  &r.cost)) {
		r.cost = 0;
	}
	for (size_t i = 0; i < all.n && r.has_node; i++) {
		r.siblings += slice_eq(val_str(val_path(all.at[i]->root, "spec.nodeName")), node);
	}
	r.ready_us = since ? w->now_us - since : 0;
	r.created_us = meta_created_us(pod);
	r.ready_bucket = log2_bucket(r.ready_us);
	r.age_bucket = log2_bucket(w->now_us - r.created_us);
	val_for_each (val_path(pod, "status.containerStatuses"), it) {
		int64_t n = val_int(val_get(it, "restartCount"), 0);

		r.restarts = n > r.restarts ? n : r.restarts;
	}
	return r;
}

/* Below 0: a is removed before b. */
static int cmp_ranked(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;

	if (a->has_node != b->has_node) {
		return a->has_node ? 1 : -1;
	}
	if (a->phase != b->phase) {
		return a->phase - b->phase;
	}
	if (a->is_ready != b->is_ready) {
		return a->is_ready ? 1 : -1;
	}
	if (a->cost != b->cost) {
		return a->cost < b->cost ? -1 : 1;
	}
	if (a->siblings != b->siblings) {
		return a->siblings > b->siblings ? -1 : 1;
	}
	if (a->ready_bucket != b->ready_bucket) {
		return a->ready_bucket - b->ready_bucket;
	}
	if (a->restarts != b->restarts) {
		return a->restarts > b->restarts ? -1 : 1;
	}
	if (a->age_bucket != b->age_bucket) {
		return a->age_bucket - b->age_bucket;
	}
	return slice_cmp(meta_uid(a->doc->root), meta_uid(b->doc->root));
}

void pods_rank_for_removal(struct work *w, struct docs pods)
{
	struct ranked *ranked = ARENA_ARRAY(w->arena, struct ranked, pods.n + 1);

	for (size_t i = 0; i < pods.n; i++) {
		ranked[i] = rank_one(w, pods.at[i], pods);
	}
	qsort(ranked, pods.n, sizeof(*ranked), cmp_ranked);
	for (size_t i = 0; i < pods.n; i++) {
		pods.at[i] = ranked[i].doc;
	}
}

/* ---- claiming ---- */

static int adopt(struct work *w, const struct kind *kind, const struct kind *owner_kind,
                 const struct val *owner, const struct doc *d, struct err *err)
{
	struct val *object = work_edit(w, d);
	struct val *m = val_need_object(w->arena, object, "metadata");

	val_append(val_need_array(w->arena, m, "ownerReferences"),
	           owner_ref(w->arena, owner_kind, owner));
	return work_save(w, kind, object, err);
}

static int release(struct work *w, const struct kind *kind, const struct val *owner,
                   const struct doc *d, struct err *err)
{
	struct val *object = work_edit(w, d);
	struct val *refs = val_path(object, "metadata.ownerReferences");

	for (size_t i = val_len(refs); i-- > 0;) {
		struct val *ref = val_at(refs, i);

		if (slice_eq(val_get_str(ref, "uid"), meta_uid(owner))) {
			val_unlink(refs, ref);
		}
	}
	return work_save(w, kind, object, err);
}

int docs_claim(struct work *w, const struct kind *kind, const struct kind *owner_kind,
               const struct val *owner, const struct selector *selector, struct docs *ret,
               struct err *err)
{
	struct docs all = work_list(w, kind, meta_ns(owner), NULL, NULL);
	bool owner_stays = !meta_is_deleting(owner);
	size_t n = 0;

	for (size_t i = 0; i < all.n; i++) {
		const struct val *object = all.at[i]->root, *ref = meta_controller(object);
		bool matches = selector_matches(selector, meta_labels(object));
		int r;

		if (ref && !slice_eq(val_get_str(ref, "uid"), meta_uid(owner))) {
			continue;
		}
		if (ref && matches) {
			all.at[n++] = all.at[i];
			continue;
		}
		if (!owner_stays || meta_is_deleting(object) || (!ref && !matches)) {
			continue;
		}
		r = ref ? release(w, kind, owner, all.at[i], err)
		        : adopt(w, kind, owner_kind, owner, all.at[i], err);
		if (r < 0) {
			return r;
		}
		if (!ref) {
			all.at[n++] = store_get(
				w->store, (struct key){ kind, meta_ns(owner), meta_name(object) });
		}
	}
	*ret = (struct docs){ all.at, n };
	return 0;
}

int pods_claim(struct work *w, const struct kind *owner_kind, const struct val *owner,
               const struct selector *selector, struct docs *ret, struct err *err)
{
	return docs_claim(w, w->kinds->pod, owner_kind, owner, selector, ret, err);
}
