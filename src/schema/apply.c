/* Why: several tools write one object; each says which fields it means, and nobody overwrites
 * another's by accident. Source: reference 3.8; KEP-555
 *
 *   apply:   live + applied = merged;  minus what this manager had and no longer says (unless
 * others own it); a field that somebody else owns and that changes is a conflict update:  what
 * changed becomes the writer's, and is taken from the others */
#include "base/clock.h"
#include "base/mem.h"
#include "schema/fieldset.h"
#include "schema/object.h"

#define FIRST_APPLY  "before-first-apply"
#define MANAGERS_MAX 256

/* One entry of metadata.managedFields. */
struct manager {
	struct slice name, operation, api_version, subresource, time;
	struct val *set;
	bool has_changed;
};

struct managers {
	struct arena *arena;
	struct manager at[MANAGERS_MAX];
	size_t n;
};

/* ---- what nobody owns ---- */

/* Identity and what the server itself writes. */
static void strip(struct val *set)
{
	static const char *const names[] = { "f:name",
		                             "f:namespace",
		                             "f:creationTimestamp",
		                             "f:selfLink",
		                             "f:uid",
		                             "f:generation",
		                             "f:managedFields",
		                             "f:resourceVersion",
		                             "f:deletionTimestamp",
		                             "f:deletionGracePeriodSeconds" };
	struct val *meta = val_get(set, "f:metadata");

	val_remove(set, "f:apiVersion");
	val_remove(set, "f:kind");
	val_remove(meta, ".");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		val_remove(meta, names[i]);
	}
	if (meta && fieldset_is_empty(meta)) {
		val_remove(set, "f:metadata");
	}
}

/* ---- managedFields ---- */

static int load(struct managers *m, const struct val *object, struct err *err)
{
	val_for_each (val_path(object, "metadata.managedFields"), it) {
		struct manager *one = &m->at[m->n];
		int r;

		if (m->n == MANAGERS_MAX) {
			return err_raise(err, ERR_LIMIT,
			                 "metadata.managedFields: too many managers");
		}
		if (!val_len(val_get(it, "fieldsV1"))) {
			continue;
		}
		*one = (struct manager){ .name = val_get_str(it, "manager"),
			                 .operation = val_get_str(it, "operation"),
			                 .api_version = val_get_str(it, "apiVersion"),
			                 .subresource = val_get_str(it, "subresource"),
			                 .time = val_get_str(it, "time") };
		r = fieldset_parse(m->arena, val_get(it, "fieldsV1"), &one->set, err);
		if (r < 0) {
			return r;
		}
		m->n++;
	}
	return 0;
}

static struct manager *find(struct managers *m, const struct manager *like)
{
	for (size_t i = 0; i < m->n; i++) {
		struct manager *one = &m->at[i];

		if (slice_eq(one->name, like->name) && slice_eq(one->operation, like->operation) &&
		    slice_eq(one->subresource, like->subresource) &&
		    (slice_is(like->operation, "Apply") ||
		     slice_eq(one->api_version, like->api_version))) {
			return one;
		}
	}
	return NULL;
}

/* The entry for this writer; when there is no room, the oldest Update entry gives its fields to it.
 */
static struct manager *need(struct managers *m, const struct manager *like)
{
	struct manager *one = find(m, like);

	if (one) {
		return one;
	}
	if (m->n < MANAGERS_MAX) {
		one = &m->at[m->n++];
		*one = *like;
		one->set = fieldset_new(m->arena);
		return one;
	}
	one = &m->at[MANAGERS_MAX - 1];
	*one = (struct manager){ .name = like->name,
		                 .operation = like->operation,
		                 .api_version = like->api_version,
		                 .subresource = like->subresource,
		                 .set = one->set };
	return one;
}

static void set_fields(struct manager *one, struct val *set)
{
	if (!val_eq(one->set, set)) {
		one->set = set;
		one->has_changed = true;
	}
}

static int cmp_managers(const void *pa, const void *pb)
{
	const struct manager *a = pa, *b = pb;
	int r = slice_cmp(a->operation, b->operation); /* Apply before Update */

	r = r ? r : slice_cmp(a->time, b->time);
	r = r ? r : slice_cmp(a->name, b->name);
	r = r ? r : slice_cmp(a->api_version, b->api_version);
	return r ? r : slice_cmp(a->subresource, b->subresource);
}

static void store_managers(struct managers *m, struct val *object, int64_t now_wall_us)
{
	struct arena *a = m->arena;
	struct val *list = val_new_array(a);
	struct val *meta = val_need_object(a, object, "metadata");
	char now[TIME_TEXT_SIZE];

	time_format(now_wall_us, now);
	for (size_t i = 0; i < m->n; i++) {
		if (m->at[i].has_changed || !m->at[i].time.len) {
			m->at[i].time = arena_slice(a, slice_of(now));
		}
	}
	qsort(m->at, m->n, sizeof(m->at[0]), cmp_managers);
	for (size_t i = 0; i < m->n; i++) {
		const struct manager *one = &m->at[i];
		struct val *e;

		if (fieldset_is_empty(one->set)) {
			continue;
		}
		e = val_append(list, val_new_object(a));
		val_set_str(a, e, "manager", one->name);
		val_set_str(a, e, "operation", one->operation);
		val_set_str(a, e, "apiVersion", one->api_version);
		val_set_str(a, e, "time", one->time);
		val_set_cstr(a, e, "fieldsType", "FieldsV1");
		val_set(a, e, "fieldsV1", fieldset_format(a, one->set));
		if (one->subresource.len) {
			val_set_str(a, e, "subresource", one->subresource);
		}
	}
	if (val_len(list)) {
		val_set(a, meta, "managedFields", list);
	} else {
		val_remove(meta, "managedFields");
	}
}

static struct slice api_version_of(struct arena *a, const struct kind *k)
{
	return slice_of(arena_printf(a, "%s%s%s", k->group, *k->group ? "/" : "", k->version));
}

/* ---- merging ---- */

static struct val *merge(struct arena *a, const struct type *t, const struct field *f,
                         const struct val *live, const struct val *applied);

/* Where an element of 'applied' stands in the live list; a new one stands before the next that is
 * there, or at the end. */
static size_t place(struct arena *a, const struct field *f, const struct val *live,
                    const struct val *element)
{
	size_t i = 0;

	for (; element; element = element->next) {
		struct slice wanted = list_element(a, f, element);

		i = 0;
		val_for_each (live, it) {
			if (slice_eq(list_element(a, f, it), wanted)) {
				return i;
			}
			i++;
		}
	}
	return i;
}

/* Applied elements in their order; those that only the server has keep their place among the live
 * ones. */
static struct val *merge_list(struct arena *a, const struct type *t, const struct field *f,
                              const struct val *live, const struct val *applied)
{
	struct val *out = val_new_array(a);
	const struct val *l = val_first(live);
	size_t at = 0;

	val_for_each (applied, it) {
		struct slice element = list_element(a, f, it);
		size_t until = place(a, f, live, it);

		for (; l && at < until; l = l->next, at++) {
			if (!list_find_element(a, f, applied, list_element(a, f, l))) {
				val_append(out, val_copy(a, l));
			}
		}
		val_append(out,
		           merge(a, member_type(t, NULL), NULL,
		                 element.len ? list_find_element(a, f, live, element) : NULL, it));
	}
	for (; l; l = l->next) {
		if (!list_find_element(a, f, applied, list_element(a, f, l))) {
			val_append(out, val_copy(a, l));
		}
	}
	return out;
}

static struct val *merge(struct arena *a, const struct type *t, const struct field *f,
                         const struct val *live, const struct val *applied)
{
	struct val *out;

	if (!live || live->type != applied->type || is_owned_whole(t, f, applied)) {
		return val_copy(a, applied);
	}
	if (applied->type == VAL_ARRAY) {
		return merge_list(a, t, f, live, applied);
	}
	out = val_copy(a, live);
	val_for_each (applied, it) {
		const struct field *inner = type_field(t, it->key);

		val_set_slice(
			a, out, it->key,
			merge(a, member_type(t, inner), inner, val_get_slice(out, it->key), it));
	}
	return out;
}

/* ---- taking away what is no longer applied ---- */

/* Removes from v what 'last' has and nobody owns any more. */
static void prune(struct arena *a, const struct type *t, const struct field *f, struct val *v,
                  const struct val *last, const struct val *owned)
{
	val_for_each (last, it) {
		const struct val *still = val_get_slice(owned, it->key);
		bool is_member = it->key.p[0] == 'f';
		const struct field *inner;
		struct val *child;

		if (slice_is(it->key, ".")) {
			continue;
		}
		if (is_member ? v->type != VAL_OBJECT : v->type != VAL_ARRAY || !f) {
			continue;
		}
		child = is_member ? val_get_slice(v, slice_from(it->key, 2))
		                  : list_find_element(a, f, v, it->key);
		if (!child) {
			continue;
		}
		if (!still) {
			val_unlink(v, child);
			continue;
		}
		inner = is_member ? type_field(t, child->key) : NULL;
		prune(a, member_type(t, inner), inner, child, it, still);
	}
}

static struct val *all_owned(struct managers *m)
{
	struct val *all = fieldset_new(m->arena);

	for (size_t i = 0; i < m->n; i++) {
		all = fieldset_union(m->arena, all, m->at[i].set);
	}
	return all;
}

/* ---- conflicts ---- */

struct telling {
	struct arena *arena;
	struct val *conflicts;
	const struct manager *with;
};

static void tell(void *arg, struct slice path)
{
	struct telling *t = arg;
	struct val *c = val_append(t->conflicts, val_new_object(t->arena));

	val_set_str(t->arena, c, "field", path);
	if (t->with->subresource.len) {
		val_set(t->arena, c, "message",
		        val_new_strf(t->arena,
		                     "conflict with \"" SLICE_FMT "\" with subresource \"" SLICE_FMT
		                     "\" using " SLICE_FMT,
		                     SLICE_ARG(t->with->name), SLICE_ARG(t->with->subresource),
		                     SLICE_ARG(t->with->api_version)));
	} else {
		val_set(t->arena, c, "message",
		        val_new_strf(t->arena, "conflict with \"" SLICE_FMT "\" using " SLICE_FMT,
		                     SLICE_ARG(t->with->name), SLICE_ARG(t->with->api_version)));
	}
}

void apply_conflict_message(struct strbuf *out, const struct val *conflicts)
{
	struct slice before = SLICE("");
	size_t n = val_len(conflicts);

	strbuf_addf(out, "Apply failed with %zu conflict%s: ", n, n == 1 ? "" : "s");
	if (n == 1) {
		const struct val *c = val_at(conflicts, 0);

		strbuf_addf(out, "%s: %s", val_cstr(val_get(c, "message")),
		            val_cstr(val_get(c, "field")));
		return;
	}
	val_for_each (conflicts, it) {
		struct slice message = val_get_str(it, "message");

		if (!slice_eq(message, before)) {
			/* "conflict with ..." becomes the heading of its fields */
			strbuf_addf(out, "%sconflicts" SLICE_FMT ":", before.len ? "\n" : "",
			            SLICE_ARG(slice_from(message, sizeof("conflict") - 1)));
			before = message;
		}
		strbuf_addf(out, "\n- %s", val_cstr(val_get(it, "field")));
	}
}

/* Takes changed fields from everybody but 'self'; unless forced, finding any is a conflict. */
static int take_from_others(struct managers *m, const struct manager *self,
                            const struct fieldset_changes *c, bool force, struct val *conflicts,
                            struct err *err)
{
	struct val *changed = fieldset_union(m->arena, c->added, c->modified);
	scoped_strbuf struct strbuf said = { 0 };

	for (size_t i = 0; i < m->n && !force; i++) {
		struct telling t = { m->arena, conflicts, &m->at[i] };

		if (&m->at[i] != self) {
			fieldset_each(fieldset_common(m->arena, m->at[i].set, changed), tell, &t);
		}
	}
	if (!force && val_len(conflicts)) {
		apply_conflict_message(&said, conflicts);
		return err_raise(err, ERR_CONFLICT, "%s", strbuf_str(&said));
	}
	for (size_t i = 0; i < m->n; i++) {
		struct manager *one = &m->at[i];

		if (one != self) {
			set_fields(one, fieldset_minus(m->arena,
			                               fieldset_minus(m->arena, one->set, changed),
			                               c->removed));
		}
	}
	return 0;
}

/* ---- contract ---- */

static struct fieldset_changes changes(struct arena *a, const struct kind *k,
                                       const struct val *before, const struct val *after)
{
	struct fieldset_changes c = fieldset_compare(a, k->type, before, after);

	strip(c.added);
	strip(c.modified);
	strip(c.removed);
	return c;
}

/* Nulls say nothing in an applied object. */
static void drop_nulls(struct val *v)
{
	for (struct val *it = v->type == VAL_OBJECT || v->type == VAL_ARRAY ? v->first : NULL,
	                *next;
	     it; it = next) {
		next = it->next;
		if (v->type == VAL_OBJECT && it->type == VAL_NULL) {
			val_unlink(v, it);
		} else {
			drop_nulls(it);
		}
	}
}

/* An object that was never applied or tracked belongs to whoever made it. */
static void claim_for_past(struct managers *m, const struct kind *k, const struct val *live)
{
	struct manager past = { .name = SLICE(FIRST_APPLY),
		                .operation = SLICE("Update"),
		                .api_version = api_version_of(m->arena, k) };
	struct val *set;

	if (live && m->n == 0) {
		set = fieldset_of(m->arena, k->type, live);
		strip(set);
		set_fields(need(m, &past), set);
	}
}

int apply_merge(const struct kind *k, struct arena *a, const struct val *live,
                const struct val *applied, const char *manager, bool force, int64_t now_wall_us,
                struct val **ret, struct val *conflicts, struct err *err)
{
	struct managers *m = ARENA_NEW(a, struct managers);
	struct manager self_like = { .name = slice_of(manager),
		                     .operation = SLICE("Apply"),
		                     .api_version = api_version_of(a, k) };
	struct val *config = val_copy(a, applied), *merged, *last, *set;
	struct fieldset_changes c;
	struct manager *self;
	int r;

	m->arena = a;
	if (val_len(val_path(config, "metadata.managedFields"))) {
		return err_raise(err, ERR_SYNTAX, "metadata.managedFields must be nil");
	}
	drop_nulls(config);
	r = load(m, live, err);
	if (r < 0) {
		return r;
	}
	claim_for_past(m, k, live);
	self = need(m, &self_like);
	last = self->set;
	set = fieldset_of(a, k->type, config);
	strip(set);
	set_fields(self, set);
	if (!slice_eq(self->api_version, self_like.api_version)) {
		self->api_version = self_like.api_version;
		self->has_changed = true;
	}
	merged = merge(a, k->type, NULL, live, config);
	prune(a, k->type, NULL, merged, last, all_owned(m));
	c = changes(a, k, live, merged);
	r = take_from_others(m, self, &c, force, conflicts, err);
	if (r < 0) {
		return r;
	}
	store_managers(m, merged, now_wall_us);
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "apply: the result is too large");
	}
	*ret = merged;
	return 0;
}

/* Clients may send [{}] to have all records dropped. */
static bool is_reset(const struct val *list)
{
	return list &&
	       (val_len(list) == 0 || (val_len(list) == 1 && val_len(val_at(list, 0)) == 0));
}

void apply_track_update(const struct kind *k, struct arena *a, const struct val *old,
                        struct val *updated, const char *manager, const char *subresource,
                        int64_t now_wall_us)
{
	struct managers *m = ARENA_NEW(a, struct managers);
	struct manager self_like = { .name = slice_of(manager),
		                     .operation = SLICE("Update"),
		                     .api_version = api_version_of(a, k),
		                     .subresource = slice_of(subresource ? subresource : "") };
	struct val *list = val_path(updated, "metadata.managedFields");
	struct fieldset_changes c;
	struct manager *self;
	struct val *mine;

	m->arena = a;
	if (old && is_reset(list)) {
		val_remove(val_get(updated, "metadata"), "managedFields");
		return;
	}
	if (load(m, val_len(list) ? updated : old, NULL) < 0) {
		m->n = 0; /* unreadable records of the past are dropped, as the real server does */
	}
	c = changes(a, k, old, updated);
	if (!fieldset_is_empty(c.added) || !fieldset_is_empty(c.modified) ||
	    !fieldset_is_empty(c.removed)) {
		self = need(m, &self_like);
		(void)take_from_others(m, self, &c, true, NULL, NULL);
		mine = fieldset_minus(a, self->set, c.removed);
		mine = fieldset_union(a, fieldset_union(a, mine, c.modified), c.added);
		set_fields(self, mine);
	}
	store_managers(m, updated, now_wall_us);
}
