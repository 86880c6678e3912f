/* Why: one place for the life of a store: opening and loading, reading, and the commit that ends a
 * turn.
 *
 * A commit: the changes of a turn are collected in 'pending'; the end of the turn makes them
 * 'under_way' and hands them to the writer's thread; when they are on the disk, watchers are told,
 * then those who wait. What is written meanwhile collects in 'pending' again, so a slow disk makes
 * batches larger, not the loop slower. When the disk refuses, nothing is answered, new writes are
 * refused with the reason, and the same batch is tried again. See store.h. */
#include "store/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/json.h"
#include "store/store-priv.h"

/* ---- commits ---- */

static void end_of_turn(struct loop_defer *d);

static void drop_changes(struct batch *b)
{
	for (size_t i = 0; i < b->changes.n; i++) {
		stored_unref(b->changes.at[i].now);
		stored_unref(b->changes.at[i].old);
	}
	vec_fini(&b->changes);
}

void store_plan_commit(struct store *s)
{
	loop_defer(s->loop, &s->turn, end_of_turn);
}

static void move_waits(struct list *from, struct list *to)
{
	struct list_link *link;

	while ((link = list_first(from))) {
		list_unlink(link);
		list_push(to, link);
	}
}

/* The batch under way is on the disk: the world may know. */
static void publish(struct store *s)
{
	struct batch b = s->under_way;
	struct list_link *link;
	struct list waits = { 0 };

	list_init(&waits);
	move_waits(&s->under_way.waits, &waits);
	s->under_way = (struct batch){ 0 };
	list_init(&s->under_way.waits);
	s->is_writing = false;
	s->is_failing = false;
	s->is_telling = true;
	watch_publish(s, &b);
	while ((link = list_first(&waits))) {
		struct store_wait *w = container_of(link, struct store_wait, in_store);

		list_unlink(link);
		w->fn(w);
	}
	s->is_telling = false;
	watch_sweep(s);
	drop_changes(&b);
	if (s->pending.changes.n || !list_is_empty(&s->pending.waits)) {
		store_plan_commit(s);
	}
}

static void try_again(struct loop_timer *t);
static void written(void *arg)
{
	struct store *s = arg;

	if (s->under_way.result < 0) {
		if (!s->is_failing) {
			log_odd("Writes wait for the disk; trying again every second why=%s",
			        s->under_way.why.msg);
		}
		s->is_failing = true;
		loop_timer_start(s->loop, &s->retry, RETRY_US, try_again);
		return;
	}
	if (s->is_failing) {
		log_info("The disk takes writes again");
	}
	publish(s);
}

static void write_under_way(struct store *s)
{
	struct batch *b = &s->under_way;

	if (b->changes.n == 0) {
		b->result = 0;
	} else if (s->writer) {
		writer_submit(s->writer, b);
		return;
	} else {
		b->result = db_write(s->db, b, &b->why);
	}
	written(s);
}

static void try_again(struct loop_timer *t)
{
	write_under_way(container_of(t, struct store, retry));
}

/* Makes what is pending the batch under way. */
static void begin_commit(struct store *s)
{
	struct batch *b = &s->under_way;

	must(!s->is_writing);
	b->changes.at = s->pending.changes.at;
	b->changes.n = s->pending.changes.n;
	b->changes.room = s->pending.changes.room;
	move_waits(&s->pending.waits, &b->waits);
	s->pending.changes.at = NULL;
	s->pending.changes.n = s->pending.changes.room = 0;
	b->fold_to = b->changes.n ? watch_fold_limit(s) : 0;
	s->is_writing = true;
}

static void end_of_turn(struct loop_defer *d)
{
	struct store *s = container_of(d, struct store, turn);

	if (!s->is_writing) { /* else its end plans the next */
		begin_commit(s);
		write_under_way(s);
	}
}

void store_commit(struct store *s)
{
	if (s->is_telling) {
		return; /* called by somebody who is being told: the end of this turn is near */
	}
	if (s->is_writing && !s->is_failing && s->writer) {
		writer_wait(s->writer);
		written(s);
	} else if (s->is_writing) {
		loop_timer_stop(&s->retry);
		s->under_way.result = db_write(s->db, &s->under_way, &s->under_way.why);
		written(s);
	}
	while (!s->is_writing && (s->pending.changes.n || !list_is_empty(&s->pending.waits))) {
		begin_commit(s);
		s->under_way.result = s->under_way.changes.n
		                              ? db_write(s->db, &s->under_way, &s->under_way.why)
		                              : 0;
		written(s);
	}
}

void store_after_commit(struct store *s, struct store_wait *w)
{
	bool is_behind = s->is_writing && !s->pending.changes.n && list_is_empty(&s->pending.waits);

	list_push(is_behind ? &s->under_way.waits : &s->pending.waits, &w->in_store);
	if (!is_behind) {
		store_plan_commit(s);
	}
}

/* ---- loading ---- */

struct loading {
	struct store *store;
	struct map kinds; /* "Deployment.apps" to what it stands for */
	size_t unknown;   /* objects of kinds that the registry does not know */
};

static const struct kind *search_kind(const struct registry *r, struct slice text)
{
	struct slice kind, group;
	const struct kind *k;

	slice_cut(text, '.', &kind, &group);
	for (size_t i = 0; (k = registry_at(r, i)); i++) {
		if (slice_is(kind, k->kind) && slice_is(group, k->group)) {
			return kind_storage(k);
		}
	}
	return NULL;
}

/* Of "Deployment.apps": the kind that is stored, of whatever version; null when unknown. */
static const struct kind *kind_named(struct loading *l, struct slice text)
{
	const struct kind *k;

	if (map_has(&l->kinds, text)) {
		return map_find(&l->kinds, text);
	}
	k = search_kind(l->store->config.registry, text);
	map_set(&l->kinds, text, (void *)(uintptr_t)k);
	return k;
}

static int load_definition(void *arg, const struct db_object *o, struct err *err)
{
	struct store *s = arg;
	scoped_arena struct arena a = { 0 };
	struct val *crd;
	struct err why = { 0 };
	int r = json_parse(&a, o->json, 0, &crd, err);

	if (r < 0) {
		return r;
	}
	r = registry_add_crd(s->config.registry, crd, &why);
	if (r < 0) {
		/* its objects stay on the disk until it is mended */
		log_odd("A stored definition is not understood name=%s why=%s",
		        val_cstr(val_path(crd, "metadata.name")), why.msg);
	}
	return 0;
}

static int load_object(void *arg, const struct db_object *o, struct err *err)
{
	struct loading *l = arg;
	const struct kind *k = kind_named(l, o->kind);
	struct stored *object;
	int r;

	if (!k) {
		l->unknown++;
		return 0;
	}
	r = stored_parse(k, o->json, o->id, o->revision, &object, err);
	if (r == 0) {
		table_append_take(store_table(l->store, k), object);
	}
	return r;
}

static int load_change(void *arg, const struct db_change *c, struct err *err)
{
	struct loading *l = arg;
	struct past p = { .revision = c->revision,
		          .before = c->before,
		          .id = c->id,
		          .type = c->type,
		          .kind = c->type == CHANGE_MARK ? NULL : kind_named(l, c->kind) };

	(void)err;
	vec_push(&l->store->history, p);
	l->store->revision = c->revision;
	return 0;
}

/* Leaves a gap in the revisions and marks the start. */
static int mark_start(struct store *s, struct err *err)
{
	struct change mark = { .type = CHANGE_MARK };
	struct batch b = { 0 };
	int r;

	s->revision = s->revision ? s->revision + REVISION_GAP : 1;
	mark.revision = s->revision;
	vec_push(&b.changes, mark);
	r = db_write(s->db, &b, err);
	vec_fini(&b.changes);
	vec_push(&s->history, ((struct past){ .revision = s->revision, .type = CHANGE_MARK }));
	s->published = s->revision;
	return r;
}

static int load(struct store *s, struct err *err)
{
	struct loading l = { .store = s };
	int r = db_each_object(s->db, true, load_definition, s, err);

	r = r < 0 ? r : db_each_object(s->db, false, load_object, &l, err);
	r = r < 0 ? r : db_each_change(s->db, load_change, &l, err);
	map_fini(&l.kinds);
	if (r < 0) {
		return r;
	}
	for (size_t i = 0; i < s->tables.n; i++) {
		table_sort(&s->tables.at[i]);
	}
	if (l.unknown) {
		log_odd("Objects of unknown kinds are kept but not shown n=%zu", l.unknown);
	}
	return mark_start(s, err);
}

int store_open(struct loop *l, const struct store_config *c, struct store **ret, struct err *err)
{
	struct store *s = NEW(struct store);
	int r;

	s->loop = l;
	s->config = *c;
	list_init(&s->pending.waits);
	list_init(&s->under_way.waits);
	r = db_open(c->path, &s->db, err);
	r = r < 0 ? r : load(s, err);
	if (r == 0 && c->path) {
		r = writer_new(l, s->db, written, s, &s->writer, err);
		r = r == -ERR_UNSUPPORTED ? 0 : r; /* a hand-driven loop writes by itself */
	}
	if (r < 0) {
		store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct store *store_close(struct store *s)
{
	if (!s) {
		return NULL;
	}
	if (s->db) {
		store_commit(s);
	}
	if (s->is_writing) {
		log_broken("The last writes of the store are lost why=%s", s->under_way.why.msg);
	}
	s->writer = writer_free(s->writer);
	loop_defer_cancel(&s->turn);
	loop_timer_stop(&s->retry);
	watch_forget_all(s);
	drop_changes(&s->pending);
	drop_changes(&s->under_way);
	for (size_t i = 0; i < s->tables.n; i++) {
		table_fini(&s->tables.at[i]);
	}
	vec_fini(&s->tables);
	vec_fini(&s->history);
	s->db = db_close(s->db);
	free(s);
	return NULL;
}

/* ---- reading ---- */

uint64_t store_revision(const struct store *s)
{
	return s->revision;
}

int64_t store_wall_us(const struct store *s)
{
	return s->config.wall_us ? s->config.wall_us(s->config.clock_arg) : clock_wall_us();
}

struct registry *store_registry(const struct store *s)
{
	return s->config.registry;
}

struct table *store_table(struct store *s, const struct kind *k)
{
	while (s->tables.n <= k->id) {
		vec_push(&s->tables, ((struct table){ 0 }));
	}
	return &s->tables.at[k->id];
}

static const struct table *find_table(const struct store *s, const struct kind *k)
{
	static const struct table none = { 0 };
	unsigned id = kind_storage(k)->id;

	return id < s->tables.n ? &s->tables.at[id] : &none;
}

const struct doc *store_get(const struct store *s, struct key key)
{
	return stored_doc(table_find(find_table(s, key.kind), key.ns, key.name));
}

static bool visit_space(const struct table_ns *space, store_visit_fn *fn, void *arg)
{
	for (size_t i = 0; i < space->objects.n; i++) {
		if (!fn(arg, stored_doc(space->objects.at[i]))) {
			return false;
		}
	}
	return true;
}

void store_each(const struct store *s, const struct kind *k, struct slice ns, store_visit_fn *fn,
                void *arg)
{
	const struct table *t = find_table(s, k);

	if (ns.len) {
		const struct table_ns *space = table_space(t, ns);

		if (space) {
			visit_space(space, fn, arg);
		}
		return;
	}
	for (size_t i = 0; i < t->spaces.n; i++) {
		if (!visit_space(t->spaces.at[i], fn, arg)) {
			return;
		}
	}
}

void store_index(struct store *s, const struct kind *k, store_index_fn *value_of)
{
	table_index(store_table(s, k), value_of);
}

void store_each_indexed(const struct store *s, const struct kind *k, struct slice ns,
                        struct slice value, store_visit_fn *fn, void *arg)
{
	const struct table *t = find_table(s, k);
	const struct index_place *p = t && t->index ? index_find(t->index, ns, value) : NULL;

	for (size_t i = 0; p && i < p->objects.n; i++) {
		if (!fn(arg, stored_doc(p->objects.at[i]))) {
			return;
		}
	}
}

size_t store_count(const struct store *s, const struct kind *k, struct slice ns)
{
	const struct table *t = find_table(s, k);
	const struct table_ns *space = ns.len ? table_space(t, ns) : NULL;

	return !ns.len ? t->n : space ? space->objects.n : 0;
}

struct slice store_json(const struct store *s, const struct doc *d)
{
	(void)s;
	return stored_of(d)->json;
}
