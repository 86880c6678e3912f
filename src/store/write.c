/* Why: the rules that every write keeps, whoever writes: names, revisions, generations, conflicts,
 * and when an object that is being deleted really goes. Source: reference 3.2, 3.5, 3.9
 *
 *          delete                        last finalizer gone, grace over
 *   LIVE ----------> MARKED (deletionTimestamp) ----------> REMOVED
 *     |   finalizers stand, or a pod has time to end           ^
 *     +---------------- delete: nothing stands -----------------+
 */
#include "base/chance.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/store-priv.h"

#define POD_GRACE_S 30 /* terminationGracePeriodSeconds when the pod has none */

/* ---- drafts: a shallow copy whose root and metadata may be changed ---- */

struct draft {
	struct arena *a;
	struct val *root, *meta;
};

/* A container with copies of its children, which share theirs. */
static struct val *copy_shallow(struct arena *a, const struct val *v)
{
	struct val *copy = ARENA_NEW(a, struct val);

	*copy = *v;
	copy->next = NULL;
	copy->first = copy->last = NULL;
	val_for_each (v, it) {
		struct val *child = arena_dup(a, it, sizeof(*it));

		child->next = NULL;
		if (copy->last) {
			copy->last->next = child;
		} else {
			copy->first = child;
		}
		copy->last = child;
	}
	return copy;
}

static struct draft draft_of(struct arena *a, const struct val *object)
{
	struct draft d = { .a = a };
	const struct val *meta = val_get(object, "metadata");

	must(object->type == VAL_OBJECT);
	d.root = copy_shallow(a, object);
	if (meta && meta->type == VAL_OBJECT) {
		d.meta = copy_shallow(a, meta);
		val_set(a, d.root, "metadata", d.meta);
	} else {
		d.meta = val_need_object(a, d.root, "metadata");
	}
	return d;
}

static void set_kind(struct draft *d, const struct kind *k)
{
	if (!slice_is(val_get_str(d->root, "kind"), k->kind)) {
		val_set_cstr(d->a, d->root, "kind", k->kind);
	}
	if (!slice_is(val_get_str(d->root, "apiVersion"), kind_api_version(k))) {
		val_set_cstr(d->a, d->root, "apiVersion", kind_api_version(k));
	}
}

static void set_revision(struct draft *d, uint64_t revision)
{
	val_set(d->a, d->meta, "resourceVersion",
	        val_new_strf(d->a, "%llu", (unsigned long long)revision));
}

static void set_time(struct draft *d, const char *key, int64_t wall_us)
{
	char text[TIME_TEXT_SIZE];

	val_set_cstr(d->a, d->meta, key, time_format(wall_us, text));
}

/* Makes member 'key' of the metadata what it is in 'from'. */
static void keep(struct draft *d, const struct val *from, const char *key)
{
	const struct val *v = val_get(from, key);

	if (v) {
		val_set(d->a, d->meta, key, val_copy(d->a, v));
	} else {
		val_remove(d->meta, key);
	}
}

/* ---- what every write does ---- */

static const struct val *meta_of(const struct stored *o)
{
	return val_get(o->doc.root, "metadata");
}

static int can_write(const struct store *s, struct err *err)
{
	if (s->is_failing) {
		return err_raise(err, ERR_IO, "the disk takes no writes: %s", s->under_way.why.msg);
	}
	if (s->revision - s->published >= BACKLOG_MAX) {
		return err_raise(err, ERR_UNAVAILABLE, "%d changes wait for the disk", BACKLOG_MAX);
	}
	return 0;
}

/* Makes the draft the object's next state, in memory at once and on the disk with this turn's
 * commit. old null: a new object. Returns the new state; for STORE_DELETED the last one, which the
 * pending commit keeps alive. */
static const struct stored *apply(struct store *s, const struct kind *k, enum store_event_type type,
                                  struct draft *d, const struct stored *old)
{
	struct table *t = store_table(s, k);
	struct change c = { .type = type };

	c.revision = ++s->revision;
	c.before = old ? old->revision : 0;
	set_revision(d, c.revision);
	c.now = stored_new(k, d->root, old ? old->id : c.revision, c.revision);
	c.old = stored_ref(old);
	if (type == STORE_DELETED) {
		table_remove(t, c.now->ns, c.now->name);
	} else {
		table_put_take(t, stored_ref(c.now));
	}
	vec_push(&s->pending.changes, c);
	store_plan_commit(s);
	return c.now;
}

static const struct stored *find(struct store *s, const struct kind *k, struct slice ns,
                                 struct slice name)
{
	return stored_of(store_get(s, (struct key){ k, k->namespaced ? ns : SLICE(""), name }));
}

static int not_found(const struct kind *k, struct slice name, struct err *err)
{
	return err_raise(err, ERR_NOTFOUND, "%s \"" SLICE_FMT "\" not found", kind_qualified(k),
	                 SLICE_ARG(name));
}

#define conflict(err, k, name, fmt, ...)                                                           \
	err_raise((err), ERR_CONFLICT,                                                             \
	          "Operation cannot be fulfilled on %s \"" SLICE_FMT "\": " fmt,                   \
	          kind_qualified(k), SLICE_ARG(name), ##__VA_ARGS__)

static bool is_core(const struct kind *k, const char *kind)
{
	return !*k->group && strcmp(k->kind, kind) == 0;
}

/* Kinds whose objects count their wishes. */
static bool has_generation(const struct kind *k)
{
	static const char *const groups[] = { "apps",
		                              "batch",
		                              "networking.k8s.io",
		                              "policy",
		                              "discovery.k8s.io",
		                              "apiextensions.k8s.io",
		                              "autoscaling",
		                              "scheduling.k8s.io" };

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (strcmp(k->group, groups[i]) == 0) {
			return true;
		}
	}
	return k->is_custom || is_core(k, "Pod") || is_core(k, "ReplicationController");
}

/* ---- create ---- */

/* A free name that begins with generateName. */
static int make_name(struct store *s, const struct kind *k, struct draft *d, struct err *err)
{
	struct slice base = slice_head(val_get_str(d->meta, "generateName"), NAME_BASE), name;
	char suffix[6];

	if (!base.len) {
		return err_raise(err, ERR_INVALID, "name or generateName is required");
	}
	for (int i = 0; i < NAME_TRIES; i++) {
		name = val_str(val_set(d->a, d->meta, "name",
		                       val_new_strf(d->a, SLICE_FMT "%s", SLICE_ARG(base),
		                                    chance_suffix(suffix, 5))));
		if (!find(s, k, val_get_str(d->meta, "namespace"), name)) {
			return 0;
		}
	}
	return err_raise(err, ERR_EXISTS, "%s \"" SLICE_FMT "\" already exists", kind_qualified(k),
	                 SLICE_ARG(name));
}

static int check_new(struct store *s, const struct kind *k, struct draft *d, struct err *err)
{
	struct slice ns = val_get_str(d->meta, "namespace"), name = val_get_str(d->meta, "name");

	if (!k->namespaced) {
		val_remove(d->meta, "namespace");
	} else if (!ns.len) {
		return err_raise(err, ERR_INVALID, "%s: an object of a namespace must name it",
		                 kind_qualified(k));
	}
	if (!name.len) {
		return make_name(s, k, d, err);
	}
	if (find(s, k, ns, name)) {
		return err_raise(err, ERR_EXISTS, "%s \"" SLICE_FMT "\" already exists",
		                 kind_qualified(k), SLICE_ARG(name));
	}
	return 0;
}

int store_create(struct store *s, const struct kind *k, const struct val *object,
                 const struct doc **ret, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	struct draft d = draft_of(&a, object);
	const struct stored *o;
	char uid[UUID_TEXT_SIZE];
	int r = can_write(s, err);

	k = kind_storage(k);
	r = r < 0 ? r : check_new(s, k, &d, err);
	if (r < 0) {
		return r;
	}
	set_kind(&d, k);
	val_set_cstr(&a, d.meta, "uid", chance_uuid(uid));
	set_time(&d, "creationTimestamp", store_wall_us(s));
	val_remove(d.meta, "deletionTimestamp");
	val_remove(d.meta, "deletionGracePeriodSeconds");
	if (has_generation(k)) {
		val_set_int(&a, d.meta, "generation", 1);
	} else {
		val_remove(d.meta, "generation");
	}
	o = apply(s, k, STORE_ADDED, &d, NULL);
	if (ret) {
		*ret = stored_doc(o);
	}
	return 0;
}

/* ---- update ---- */

/* Did anything change beside metadata and status? */
static bool is_new_wish(const struct val *now, const struct val *old)
{
	size_t n_now = 0, n_old = 0;

	val_for_each (now, it) {
		if (slice_is(it->key, "metadata") || slice_is(it->key, "status")) {
			continue;
		}
		if (!val_eq(it, val_get_slice(old, it->key))) {
			return true;
		}
		n_now += !val_is_null(it);
	}
	val_for_each (old, it) {
		n_old += !slice_is(it->key, "metadata") && !slice_is(it->key, "status") &&
		         !val_is_null(it);
	}
	return n_now != n_old;
}

static int64_t generation_of(const struct stored *o)
{
	return val_int(val_get(meta_of(o), "generation"), 0);
}

static int check_base(const struct kind *k, const struct stored *old, const struct draft *d,
                      struct err *err)
{
	struct slice revision = val_get_str(d->meta, "resourceVersion"),
		     uid = val_get_str(d->meta, "uid");
	struct slice old_uid = val_get_str(meta_of(old), "uid");

	if (uid.len && !slice_eq(uid, old_uid)) {
		return conflict(err, k, old->name,
		                "Precondition failed: UID in precondition: " SLICE_FMT
		                ", UID in object meta: " SLICE_FMT,
		                SLICE_ARG(uid), SLICE_ARG(old_uid));
	}
	if (revision.len && !slice_is(revision, "0") &&
	    !slice_eq(revision, val_get_str(meta_of(old), "resourceVersion"))) {
		return conflict(err, k, old->name,
		                "the object has been modified; please apply your changes to the "
		                "latest version and try again");
	}
	return 0;
}

/* Nothing holds an object that is being deleted any more: no finalizer, no time that a pod has
 * left. */
static bool is_over(const struct kind *k, const struct draft *d)
{
	return val_get_str(d->meta, "deletionTimestamp").len &&
	       !val_len(val_get(d->meta, "finalizers")) &&
	       val_int(val_get(d->meta, "deletionGracePeriodSeconds"), 0) == 0 &&
	       !(is_core(k, "Namespace") && val_len(val_path(d->root, "spec.finalizers")));
}

/* What a client cannot change, as it was. */
static void keep_fixed(const struct kind *k, struct draft *d, const struct stored *old)
{
	const struct val *meta = meta_of(old);
	static const char *const fixed[] = { "uid",
		                             "creationTimestamp",
		                             "deletionTimestamp",
		                             "deletionGracePeriodSeconds",
		                             "resourceVersion",
		                             "generation",
		                             "namespace" };

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		keep(d, meta, fixed[i]);
	}
	set_kind(d, k);
}

int store_update(struct store *s, const struct kind *k, const struct val *object,
                 const struct doc **ret, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	struct draft d = draft_of(&a, object);
	struct slice name = val_get_str(d.meta, "name");
	const struct stored *old, *now;
	int r = can_write(s, err);

	k = kind_storage(k);
	old = find(s, k, val_get_str(d.meta, "namespace"), name);
	if (r < 0) {
		return r;
	}
	if (!old) {
		return not_found(k, name, err);
	}
	r = check_base(k, old, &d, err);
	if (r < 0) {
		return r;
	}
	keep_fixed(k, &d, old);
	now = old;
	if (is_over(k, &d)) {
		now = apply(s, k, STORE_DELETED, &d, old);
	} else if (!val_eq(d.root, old->doc.root)) {
		if (has_generation(k) && is_new_wish(d.root, old->doc.root)) {
			val_set_int(&a, d.meta, "generation", generation_of(old) + 1);
		}
		now = apply(s, k, STORE_MODIFIED, &d, old);
	}
	if (ret) {
		*ret = stored_doc(now);
	}
	return 0;
}

/* ---- delete ---- */

static int check_preconditions(const struct kind *k, const struct stored *o,
                               const struct store_delete_opts *opts, struct err *err)
{
	struct slice uid = val_get_str(meta_of(o), "uid");
	struct slice revision = val_get_str(meta_of(o), "resourceVersion");

	if (opts->uid.len && !slice_eq(opts->uid, uid)) {
		return conflict(err, k, o->name,
		                "Precondition failed: UID in precondition: " SLICE_FMT
		                ", UID in object meta: " SLICE_FMT,
		                SLICE_ARG(opts->uid), SLICE_ARG(uid));
	}
	if (opts->revision.len && !slice_eq(opts->revision, revision)) {
		return conflict(err, k, o->name,
		                "Precondition failed: ResourceVersion in precondition: " SLICE_FMT
		                ", ResourceVersion in object meta: " SLICE_FMT,
		                SLICE_ARG(opts->revision), SLICE_ARG(revision));
	}
	return 0;
}

/* Seconds that the object has until it must be gone. Only pods take time, and only those that run.
 */
static int64_t grace_of(const struct kind *k, const struct stored *o, int64_t asked)
{
	const struct val *spec = val_get(o->doc.root, "spec");
	struct slice phase = val_str(val_path(o->doc.root, "status.phase"));

	if (!is_core(k, "Pod") || !val_get_str(spec, "nodeName").len ||
	    slice_is(phase, "Succeeded") || slice_is(phase, "Failed")) {
		return 0;
	}
	if (asked < 0) {
		asked = val_int(val_get(spec, "terminationGracePeriodSeconds"), POD_GRACE_S);
	}
	return asked < 0 ? 1 : asked;
}

static void set_finalizer(struct draft *d, const char *name, bool wanted)
{
	const struct val *before = val_get(d->meta, "finalizers");
	struct val *after = val_new_array(d->a);
	bool found = false;

	val_for_each (before, it) {
		if (!slice_is(val_str(it), name)) {
			val_append(after, val_copy(d->a, it));
		} else if (wanted) {
			found = true;
			val_append(after, val_copy(d->a, it));
		}
	}
	if (wanted && !found) {
		val_append(after, val_new_cstr(d->a, name));
	}
	if (val_len(after)) {
		val_set(d->a, d->meta, "finalizers", after);
	} else {
		val_remove(d->meta, "finalizers");
	}
}

/* Sets, or shortens, the time at which the object must be gone. */
static void mark(struct store *s, const struct kind *k, struct draft *d, const struct stored *o,
                 int64_t grace_s)
{
	const struct val *meta = meta_of(o);
	int64_t before_s = val_int(val_get(meta, "deletionGracePeriodSeconds"), 0), at;

	if (time_parse(val_get_str(meta, "deletionTimestamp"), &at)) {
		if (grace_s >= before_s) {
			return; /* it can only become less */
		}
		at -= before_s * US_PER_S;
	} else {
		at = store_wall_us(s);
		if (has_generation(k)) {
			val_set_int(d->a, d->meta, "generation", generation_of(o) + 1);
		}
	}
	set_time(d, "deletionTimestamp", at + grace_s * US_PER_S);
	val_set_int(d->a, d->meta, "deletionGracePeriodSeconds", grace_s);
}

int store_delete(struct store *s, struct key key, const struct store_delete_opts *opts,
                 const struct doc **ret_last, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	const struct kind *k = kind_storage(key.kind);
	const struct stored *o = find(s, k, key.ns, key.name);
	struct draft d;
	bool is_marked;
	int r = can_write(s, err);

	if (r < 0) {
		return r;
	}
	if (!o) {
		return not_found(k, key.name, err);
	}
	r = check_preconditions(k, o, opts, err);
	if (r < 0) {
		return r;
	}
	is_marked = val_get_str(meta_of(o), "deletionTimestamp").len > 0;
	d = draft_of(&a, o->doc.root);
	if (opts->propagation) {
		set_finalizer(&d, "foregroundDeletion",
		              strcmp(opts->propagation, "Foreground") == 0);
		set_finalizer(&d, "orphan", strcmp(opts->propagation, "Orphan") == 0);
	}
	if (!is_marked) {
		mark(s, k, &d, o, grace_of(k, o, opts->grace_s));
	} else if (opts->grace_s >= 0) { /* asked again without a time it goes as planned */
		mark(s, k, &d, o, opts->grace_s);
	}
	if (is_over(k, &d)) {
		d = draft_of(&a, o->doc.root); /* the last state as it was */
		o = apply(s, k, STORE_DELETED, &d, o);
		r = STORE_REMOVED;
	} else {
		if (!val_eq(d.root, o->doc.root)) {
			o = apply(s, k, STORE_MODIFIED, &d, o);
		}
		r = STORE_MARKED;
	}
	if (ret_last) {
		*ret_last = stored_doc(o);
	}
	return r;
}
