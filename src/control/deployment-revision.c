/* Why: each template a Deployment ever had lives on as a ReplicaSet with a revision number; rolling
 * back means finding the old one again. Source: reference 8.11 */
#include "base/mem.h"
#include "codec/json.h"
#include "control/deployment-priv.h"
#include "control/pods.h"
#include "schema/object.h"
#include "schema/selector.h"

/* ---- templates ---- */

static void sort_by_key(const struct val **at, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct val *v = at[i];
		size_t k = i;

		while (k > 0 && slice_cmp(at[k - 1]->key, v->key) > 0) {
			at[k] = at[k - 1];
			k--;
		}
		at[k] = v;
	}
}

/* The template's text with sorted keys, without what does not make it another template. */
static void write_sorted(struct arena *a, struct strbuf *out, const struct val *v)
{
	const struct val **at;
	size_t n = 0;

	if (!v || (v->type != VAL_OBJECT && v->type != VAL_ARRAY)) {
		json_write(out, v);
		return;
	}
	at = ARENA_ARRAY(a, const struct val *, val_len(v) + 1);
	val_for_each (v, it) {
		if (v->type == VAL_ARRAY || it->type != VAL_NULL) {
			at[n++] = it;
		}
	}
	if (v->type == VAL_OBJECT) {
		sort_by_key(at, n);
	}
	strbuf_addc(out, v->type == VAL_OBJECT ? '{' : '[');
	for (size_t i = 0; i < n; i++) {
		if (v->type == VAL_OBJECT) {
			json_write_str(out, at[i]->key);
			strbuf_addc(out, ':');
		}
		write_sorted(a, out, at[i]);
		strbuf_addc(out, ',');
	}
	strbuf_addc(out, v->type == VAL_OBJECT ? '}' : ']');
}

/* A copy of the template without what does not make it another one, and with its defaults: a set
 * gets them when it is made, and would never equal a template that lacks them. */
static struct val *bare_template(struct work *w, const struct val *object)
{
	struct val *whole = val_new_object(w->arena), *t, *m, *labels;

	t = val_copy(w->arena, val_path(object, "spec.template"));
	if (!t) {
		return NULL;
	}
	val_set(w->arena, val_need_object(w->arena, whole, "spec"), "template", t);
	object_default(w->kinds->replicaset, w->arena, whole);
	m = val_get(t, "metadata");
	labels = val_get(m, "labels");
	val_remove(labels, LABEL_HASH);
	if (labels && !val_len(labels)) {
		val_remove(m, "labels");
	}
	if (m) {
		val_remove(m, "creationTimestamp"); /* null in what some clients send */
	}
	if (m && !val_len(m)) {
		val_remove(t, "metadata");
	}
	return t;
}

static bool same_template(struct work *w, const struct val *a, const struct val *b)
{
	return val_eq(bare_template(w, a), bare_template(w, b));
}

/* FNV-1a over template and collision count, in letters that make no words. */
static const char *template_hash(struct rollout *r)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	scoped_strbuf struct strbuf text = { 0 };
	int64_t collisions = val_int(val_path(r->d, "status.collisionCount"), 0);
	uint32_t h = 2166136261u;
	char *digits;

	write_sorted(r->w->arena, &text, bare_template(r->w, r->d));
	if (collisions) {
		strbuf_addf(&text, "%lld", (long long)collisions);
	}
	for (size_t i = 0; i < text.size; i++) {
		h = (h ^ (uint8_t)text.p[i]) * 16777619u;
	}
	digits = arena_printf(r->w->arena, "%u", h);
	for (char *p = digits; *p; p++) {
		*p = letters[(unsigned char)*p % 27];
	}
	return digits;
}

/* ---- reading ---- */

static int cmp_created(const void *pa, const void *pb)
{
	const struct val *a = *(struct val *const *)pa, *b = *(struct val *const *)pb;
	int64_t x = meta_created_us(a), y = meta_created_us(b);

	return x != y ? (x < y ? -1 : 1) : slice_cmp(meta_name(a), meta_name(b));
}

static void sort_out(struct rollout *r)
{
	r->old = (struct sets){ ARENA_ARRAY(r->w->arena, struct val *, r->sets.n + 1), 0 };
	for (size_t i = 0; i < r->sets.n; i++) {
		if (r->sets.at[i] != r->fresh) {
			r->old.at[r->old.n++] = r->sets.at[i];
		}
	}
}

int rollout_read(struct rollout *r, struct err *err)
{
	struct work *w = r->w;
	const struct selector *selector;
	struct docs docs;
	int e = selector_of_object(w->arena, val_path(r->d, "spec.selector"), &selector, err);

	if (e < 0) {
		return e;
	}
	e = docs_claim(w, w->kinds->replicaset, w->kinds->deployment, r->d, selector, &docs, err);
	if (e < 0) {
		return e;
	}
	r->sets = (struct sets){ ARENA_ARRAY(w->arena, struct val *, docs.n + 2), docs.n };
	for (size_t i = 0; i < docs.n; i++) {
		r->sets.at[i] = work_edit(w, docs.at[i]);
	}
	qsort(r->sets.at, r->sets.n, sizeof(*r->sets.at), cmp_created);
	r->fresh = NULL;
	for (size_t i = 0; i < r->sets.n && !r->fresh; i++) {
		/* the oldest of equal ones, so that all looks agree */
		if (same_template(w, r->d, r->sets.at[i])) {
			r->fresh = r->sets.at[i];
		}
	}
	sort_out(r);
	return 0;
}

/* ---- annotations ---- */

static int64_t revision_of(const struct val *object)
{
	int64_t n;

	return slice_to_i64(meta_annotation(object, ANNOTATION_REVISION), &n) ? n : 0;
}

static bool is_own_annotation(struct slice key)
{
	static const char *const own[] = {
		"kubectl.kubernetes.io/last-applied-configuration",
		ANNOTATION_REVISION,
		ANNOTATION_HISTORY,
		ANNOTATION_DESIRED,
		ANNOTATION_MAX,
		"deprecated.deployment.rollback.to",
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (slice_is(key, own[i])) {
			return true;
		}
	}
	return false;
}

/* Everything a user noted at the Deployment (a change cause) is noted at its set. */
static void copy_annotations(struct work *w, const struct val *from, struct val *to)
{
	val_for_each (val_path(from, "metadata.annotations"), it) {
		if (!is_own_annotation(it->key)) {
			set_annotation(w->arena, to, it->key.p, val_str(it));
		}
	}
}

static void set_revision(struct work *w, struct val *object, int64_t revision)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)revision);
	set_annotation(w->arena, object, ANNOTATION_REVISION, slice_of(text));
}

bool set_note_sizes(struct work *w, struct val *set, int64_t desired, int64_t max)
{
	const char *want[] = { arena_printf(w->arena, "%lld", (long long)desired),
		               arena_printf(w->arena, "%lld", (long long)max) };
	static const char *const names[] = { ANNOTATION_DESIRED, ANNOTATION_MAX };
	bool changed = false;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!slice_is(meta_annotation(set, names[i]), want[i])) {
			set_annotation(w->arena, set, names[i], slice_of(want[i]));
			changed = true;
		}
	}
	return changed;
}

/* A set that becomes the fresh one again remembers the revisions it had. */
static void raise_revision(struct work *w, struct val *set, int64_t revision)
{
	int64_t had = revision_of(set);
	struct slice history = meta_annotation(set, ANNOTATION_HISTORY);

	if (had >= revision) {
		return;
	}
	if (had) {
		const char *more =
			history.len < 2000
				? arena_printf(w->arena, SLICE_FMT "%s%lld", SLICE_ARG(history),
		                               history.len ? "," : "", (long long)had)
				: arena_printf(w->arena, "%lld", (long long)had);

		set_annotation(w->arena, set, ANNOTATION_HISTORY, slice_of(more));
	}
	set_revision(w, set, revision);
}

/* ---- the fresh set ---- */

/* Writes the Deployment when its revision or conditions changed. */
static int write_deployment(struct rollout *r, struct err *err)
{
	struct work *w = r->w;
	const struct doc *stored =
		work_find(w, w->kinds->deployment, meta_ns(r->d), meta_name(r->d));
	int e = stored ? work_save_changed(w, w->kinds->deployment, stored, r->d, err) : 0;

	return e < 0 ? e : 0;
}

static int keep_fresh(struct rollout *r, int64_t revision, struct err *err)
{
	struct work *w = r->w;
	const struct doc *stored =
		work_find(w, w->kinds->replicaset, meta_ns(r->fresh), meta_name(r->fresh));
	int64_t min_ready_s = val_int(val_path(r->d, "spec.minReadySeconds"), 0);
	struct val *spec = val_need_object(w->arena, r->fresh, "spec");
	int e;

	copy_annotations(w, r->d, r->fresh);
	raise_revision(w, r->fresh, revision);
	if (val_int(val_get(spec, "minReadySeconds"), 0) != min_ready_s) {
		val_set_int(w->arena, spec, "minReadySeconds", min_ready_s);
	}
	e = stored ? work_save_changed(w, w->kinds->replicaset, stored, r->fresh, err) : 0;
	if (e < 0) {
		return e;
	}
	set_revision(w, r->d, revision_of(r->fresh));
	if (deployment_has_deadline(r->d) &&
	    !condition_find(val_path(r->d, "status.conditions"), "Progressing")) {
		deployment_set_condition(r, "Progressing", "True", "FoundNewReplicaSet",
		                         arena_printf(w->arena,
		                                      "Found new replica set \"" SLICE_FMT "\"",
		                                      SLICE_ARG(meta_name(r->fresh))));
	}
	return write_deployment(r, err);
}

static struct val *new_set(struct rollout *r, int64_t revision)
{
	struct work *w = r->w;
	struct arena *a = w->arena;
	const char *hash = template_hash(r);
	struct val *set = val_new_object(a), *m, *spec, *t, *refs;
	int64_t wish = deployment_wish(r->d), min_ready_s;

	m = val_need_object(a, set, "metadata");
	val_set(a, m, "name",
	        val_new_strf(a, SLICE_FMT "-%s", SLICE_ARG(slice_head(meta_name(r->d), 200)),
	                     hash));
	val_set_str(a, m, "namespace", meta_ns(r->d));
	refs = val_need_array(a, m, "ownerReferences");
	val_append(refs, owner_ref(a, w->kinds->deployment, r->d));
	spec = val_need_object(a, set, "spec");
	val_set_int(a, spec, "replicas", deployment_fresh_wish(r));
	min_ready_s = val_int(val_path(r->d, "spec.minReadySeconds"), 0);
	if (min_ready_s) {
		val_set_int(a, spec, "minReadySeconds", min_ready_s);
	}
	val_set(a, spec, "selector", val_copy(a, val_path(r->d, "spec.selector")));
	val_set_cstr(a, val_need_object(a, val_need_object(a, spec, "selector"), "matchLabels"),
	             LABEL_HASH, hash);
	t = val_set(a, spec, "template", val_copy(a, val_path(r->d, "spec.template")));
	val_set_cstr(a, val_need_object(a, val_need_object(a, t, "metadata"), "labels"), LABEL_HASH,
	             hash);
	val_set(a, m, "labels", val_copy(a, val_path(t, "metadata.labels")));
	copy_annotations(w, r->d, set);
	set_revision(w, set, revision);
	set_note_sizes(w, set, wish, wish + deployment_max_surge(r->d));
	return set;
}

static int count_collision(struct rollout *r, struct err *err)
{
	struct val *status = val_need_object(r->w->arena, r->d, "status");
	int e;

	val_set_int(r->w->arena, status, "collisionCount",
	            val_int(val_get(status, "collisionCount"), 0) + 1);
	e = write_deployment(r, err);
	return e < 0 ? e
	             : err_raise(err, ERR_EXISTS,
	                         "another replica set has the name for this template");
}

static int create_fresh(struct rollout *r, int64_t revision, struct err *err)
{
	struct work *w = r->w;
	struct val *set = new_set(r, revision);
	const struct doc *made = NULL;
	int e = work_create(w, w->kinds->replicaset, set, &made, err);

	if (e == -ERR_EXISTS) {
		return count_collision(r, err);
	}
	if (e < 0) {
		struct err ignored;

		deployment_set_condition(r, "Progressing", "False", "ReplicaSetCreateError",
		                         arena_printf(w->arena, "%s", err ? err->msg : ""));
		(void)write_deployment(r, &ignored);
		return e;
	}
	r->fresh = work_edit(w, made);
	r->sets.at[r->sets.n++] = r->fresh;
	sort_out(r);
	if (set_wish(r->fresh) > 0) {
		event_say(w, w->kinds->deployment, r->d, "Normal", "ScalingReplicaSet",
		          "Scaled up replica set " SLICE_FMT " from 0 to %lld",
		          SLICE_ARG(meta_name(r->fresh)), (long long)set_wish(r->fresh));
	}
	set_revision(w, r->d, revision);
	if (deployment_has_deadline(r->d)) {
		deployment_set_condition(r, "Progressing", "True", "NewReplicaSetCreated",
		                         arena_printf(w->arena,
		                                      "Created new replica set \"" SLICE_FMT "\"",
		                                      SLICE_ARG(meta_name(r->fresh))));
	}
	return write_deployment(r, err);
}

int rollout_need_fresh(struct rollout *r, bool create, struct err *err)
{
	int64_t revision = 0;

	for (size_t i = 0; i < r->old.n; i++) {
		int64_t n = revision_of(r->old.at[i]);

		revision = n > revision ? n : revision;
	}
	revision++;
	if (r->fresh) {
		return keep_fresh(r, revision, err);
	}
	return create ? create_fresh(r, revision, err) : 0;
}

/* ---- history ---- */

static int cmp_revision(const void *pa, const void *pb)
{
	int64_t x = revision_of(*(struct val *const *)pa),
		y = revision_of(*(struct val *const *)pb);

	return x != y ? (x < y ? -1 : 1) : cmp_created(pa, pb);
}

int rollout_forget_old(struct rollout *r, struct err *err)
{
	const struct val *limit = val_path(r->d, "spec.revisionHistoryLimit");
	struct sets old = { ARENA_ARRAY(r->w->arena, struct val *, r->old.n + 1), 0 };
	int64_t extra;

	for (size_t i = 0; i < r->old.n; i++) {
		if (!meta_is_deleting(r->old.at[i])) {
			old.at[old.n++] = r->old.at[i];
		}
	}
	extra = (int64_t)old.n - val_int(limit, 10);
	if (extra <= 0) {
		return 0;
	}
	qsort(old.at, old.n, sizeof(*old.at), cmp_revision);
	for (int64_t i = 0; i < extra; i++) {
		const struct val *set = old.at[i];
		int e;

		if (set_wish(set) || set_figure(set, "replicas") ||
		    val_int(val_path(set, "metadata.generation"), 0) >
		            set_figure(set, "observedGeneration")) {
			continue;
		}
		e = work_delete(r->w, r->w->kinds->replicaset, set, err);
		if (e < 0) {
			return e;
		}
	}
	return 0;
}
