/* Why: deleting an owner deletes what it owns, in the way that was asked for:
 *
 *   Background   the owner goes at once; dependents without any living owner follow
 *   Foreground   finalizer "foregroundDeletion" holds the owner until its blocking dependents are
 * gone Orphan       finalizer "orphan" holds the owner until no dependent names it any more
 *
 * Owners are told by uid. A graph of who names whom is kept from the events, so that a deletion
 * costs as much as it has dependents. Source: reference 3.5 "Garbage collection" */
#include "base/mem.h"
#include "control/edit.h"

#define FINALIZER_FOREGROUND "foregroundDeletion"
#define FINALIZER_ORPHAN     "orphan"

/* An object that has owners or waits for its dependents. */
struct node {
	const struct kind *kind;
	char *ns, *name;   /* owned */
	struct list links; /* struct link by of_node: to its owners */
};

/* Somebody's owner, known or not. */
struct owner {
	char *uid;         /* owned */
	struct list links; /* struct link by of_owner: from its dependents */
};

struct link {
	struct list_link of_node, of_owner;
	char *dependent; /* uid; owned */
	struct owner *owner;
};

struct graph {
	struct map nodes;  /* uid to struct node */
	struct map owners; /* uid to struct owner */
};

/* ---- the graph ---- */

static const struct val *refs_of(const struct val *object)
{
	return val_path(object, "metadata.ownerReferences");
}

static void unlink_owners(struct graph *g, struct node *n)
{
	list_for_each (&n->links, l, struct link, of_node) {
		struct owner *o = l->owner;

		list_unlink(&l->of_node);
		list_unlink(&l->of_owner);
		if (list_is_empty(&o->links)) {
			map_remove(&g->owners, slice_of(o->uid));
			free(o->uid);
			free(o);
		}
		free(l->dependent);
		free(l);
	}
}

static void link_owner(struct graph *g, struct node *n, struct slice uid, struct slice owner_uid)
{
	struct owner *o = map_find(&g->owners, owner_uid);
	struct link *l = NEW(struct link);

	if (!o) {
		o = NEW(struct owner);
		o->uid = slice_dup(owner_uid);
		map_set(&g->owners, owner_uid, o);
	}
	l->dependent = slice_dup(uid);
	l->owner = o;
	list_push(&n->links, &l->of_node);
	list_push(&o->links, &l->of_owner);
}

static void forget(struct graph *g, struct slice uid)
{
	struct node *n = map_remove(&g->nodes, uid);

	if (n) {
		unlink_owners(g, n);
		free(n->ns);
		free(n->name);
		free(n);
	}
}

static void remember(struct graph *g, const struct kind *k, const struct val *object)
{
	struct slice uid = meta_uid(object);
	struct node *n = map_find(&g->nodes, uid);

	if (!n) {
		n = NEW(struct node);
		n->kind = k;
		n->ns = slice_dup(meta_ns(object));
		n->name = slice_dup(meta_name(object));
		map_set(&g->nodes, uid, n);
	}
	unlink_owners(g, n);
	val_for_each (refs_of(object), it) {
		link_owner(g, n, uid, val_get_str(it, "uid"));
	}
}

static void add_dependents(struct controller *c, struct slice uid)
{
	struct owner *o = map_find(&((struct graph *)c->state)->owners, uid);

	if (o) {
		list_for_each (&o->links, l, struct link, of_owner) {
			queue_add(&c->queue, slice_of(l->dependent));
		}
	}
}

static bool holds_back(const struct val *object)
{
	return meta_is_deleting(object) && (meta_has_finalizer(object, FINALIZER_FOREGROUND) ||
	                                    meta_has_finalizer(object, FINALIZER_ORPHAN));
}

static void seen(struct controller *c, const struct store_event *e)
{
	const struct val *object = e->object->root, *refs = refs_of(object);
	struct slice uid = meta_uid(object);
	struct graph *g = c->state;

	if (e->type == STORE_DELETED) {
		val_for_each (refs, it) {
			/* an owner may wait for exactly this */
			if (map_has(&g->nodes, val_get_str(it, "uid"))) {
				queue_add(&c->queue, val_get_str(it, "uid"));
			}
		}
		add_dependents(c, uid);
		forget(g, uid);
		return;
	}
	if (e->old && val_eq(refs, refs_of(e->old->root)) && !holds_back(object)) {
		return;
	}
	if (!val_len(refs) && !holds_back(object)) {
		forget(g, uid);
		return;
	}
	remember(g, e->kind, object);
	queue_add(&c->queue, uid);
}

/* ---- one object and its owners ---- */

enum owner_state {
	OWNER_LIVES,
	OWNER_GONE,
	OWNER_WAITS, /* deleted in the foreground: waits for this dependent */
};

static enum owner_state owner_state(struct work *w, const struct node *n, const struct val *ref)
{
	const struct kind *k = registry_kind_of(store_registry(w->store), ref);
	const struct doc *d;

	if (!k || (k->namespaced && !*n->ns)) {
		return OWNER_LIVES; /* cannot be looked up: nothing is deleted on a guess */
	}
	d = work_find(w, kind_storage(k), k->namespaced ? slice_of(n->ns) : SLICE(""),
	              val_get_str(ref, "name"));
	if (!d || !slice_eq(meta_uid(d->root), val_get_str(ref, "uid"))) {
		return OWNER_GONE;
	}
	return meta_is_deleting(d->root) && meta_has_finalizer(d->root, FINALIZER_FOREGROUND)
	               ? OWNER_WAITS
	               : OWNER_LIVES;
}

static int delete_dependent(struct work *w, const struct node *n, const struct val *object,
                            const char *propagation, struct err *err)
{
	struct store_delete_opts o = { .uid = meta_uid(object),
		                       .grace_s = -1,
		                       .propagation = propagation };
	int r;

	if (n->kind == w->kinds->pod) {
		return work_delete_pod(w, object, false, err);
	}
	r = store_delete(w->store, (struct key){ n->kind, slice_of(n->ns), slice_of(n->name) }, &o,
	                 NULL, err);
	return r == -ERR_NOTFOUND ? 0 : r < 0 ? r : 0;
}

static bool has_dependents(struct work *w, struct slice uid)
{
	return map_has(&((struct graph *)w->controller->state)->owners, uid);
}

static int drop_refs(struct work *w, const struct node *n, const struct doc *d, struct err *err)
{
	struct val *object = work_edit(w, d);
	struct val *m = val_need_object(w->arena, object, "metadata");
	struct val *refs = val_get(m, "ownerReferences");
	size_t before = val_len(refs);

	for (size_t i = before; i-- > 0;) {
		struct val *ref = val_at(refs, i);

		if (owner_state(w, n, ref) != OWNER_LIVES) {
			val_unlink(refs, ref);
		}
	}
	return val_len(refs) == before ? 0 : work_save(w, n->kind, object, err);
}

static int judge(struct work *w, const struct node *n, const struct doc *d, struct err *err)
{
	size_t lives = 0, gone = 0, waits = 0;

	val_for_each (refs_of(d->root), it) {
		switch (owner_state(w, n, it)) {
		case OWNER_LIVES:
			lives++;
			break;
		case OWNER_GONE:
			gone++;
			break;
		case OWNER_WAITS:
			waits++;
			break;
		}
	}
	if (lives + gone + waits == 0 || (gone == 0 && waits == 0)) {
		return 0;
	}
	if (lives > 0) {
		return drop_refs(w, n, d, err);
	}
	return delete_dependent(
		w, n, d->root,
		waits && has_dependents(w, meta_uid(d->root)) ? "Foreground" : "Background", err);
}

/* ---- owners that wait ---- */

static int drop_finalizer(struct work *w, const struct node *n, const struct doc *d,
                          const char *finalizer, struct err *err)
{
	struct val *object = work_edit(w, d);
	struct val *list = val_path(object, "metadata.finalizers");

	for (size_t i = val_len(list); i-- > 0;) {
		if (slice_is(val_str(val_at(list, i)), finalizer)) {
			val_unlink(list, val_at(list, i));
		}
	}
	return work_save(w, n->kind, object, err);
}

static const struct doc *dependent_doc(struct work *w, struct graph *g, const char *uid,
                                       const struct node **ret)
{
	const struct node *n = map_find(&g->nodes, slice_of(uid));
	const struct doc *d = n ? work_find(w, n->kind, slice_of(n->ns), slice_of(n->name)) : NULL;

	*ret = n;
	return d && slice_is(meta_uid(d->root), uid) ? d : NULL;
}

static bool blocks(const struct val *dependent, struct slice owner_uid)
{
	val_for_each (refs_of(dependent), it) {
		if (slice_eq(val_get_str(it, "uid"), owner_uid)) {
			return val_bool(val_get(it, "blockOwnerDeletion"), false);
		}
	}
	return false;
}

static int wait_for_dependents(struct work *w, const struct node *n, const struct doc *d,
                               struct err *err)
{
	struct graph *g = w->controller->state;
	struct owner *o = map_find(&g->owners, meta_uid(d->root));
	bool blocked = false;

	if (o) {
		list_for_each (&o->links, l, struct link, of_owner) {
			const struct node *dependent;
			const struct doc *dd = dependent_doc(w, g, l->dependent, &dependent);

			if (dd) {
				blocked |= blocks(dd->root, meta_uid(d->root));
				queue_add(&w->controller->queue, slice_of(l->dependent));
			}
		}
	}
	return blocked ? 0 : drop_finalizer(w, n, d, FINALIZER_FOREGROUND, err);
}

static int orphan_dependents(struct work *w, const struct node *n, const struct doc *d,
                             struct err *err)
{
	struct graph *g = w->controller->state;
	struct slice uid = arena_slice(w->arena, meta_uid(d->root));
	struct owner *o = map_find(&g->owners, uid);

	if (o) {
		list_for_each (&o->links, l, struct link, of_owner) {
			const struct node *dependent;
			const struct doc *dd = dependent_doc(w, g, l->dependent, &dependent);
			struct val *object = dd ? work_edit(w, dd) : NULL;
			struct val *refs = val_path(object, "metadata.ownerReferences");
			bool changed = false;
			int r;

			for (size_t i = val_len(refs); i-- > 0;) {
				if (slice_eq(val_get_str(val_at(refs, i), "uid"), uid)) {
					changed |= val_unlink(refs, val_at(refs, i));
				}
			}
			r = changed ? work_save(w, dependent->kind, object, err) : 0;
			if (r < 0) {
				return r;
			}
		}
	}
	return drop_finalizer(w, n, d, FINALIZER_ORPHAN, err);
}

static int step(struct work *w, struct slice uid, struct err *err)
{
	struct graph *g = w->controller->state;
	const struct node *n = map_find(&g->nodes, uid);
	const struct doc *d = n ? work_find(w, n->kind, slice_of(n->ns), slice_of(n->name)) : NULL;

	if (!d || !slice_eq(meta_uid(d->root), uid)) {
		return 0;
	}
	if (!meta_is_deleting(d->root)) {
		return judge(w, n, d, err);
	}
	if (meta_has_finalizer(d->root, FINALIZER_ORPHAN)) {
		return orphan_dependents(w, n, d, err);
	}
	return meta_has_finalizer(d->root, FINALIZER_FOREGROUND) ? wait_for_dependents(w, n, d, err)
	                                                         : 0;
}

static void start(struct controller *c)
{
	c->state = NEW(struct graph);
}

static void stop(struct controller *c)
{
	struct graph *g = c->state;

	for (struct map_iter it = { 0 }; map_next(&g->nodes, &it);) {
		struct node *n = it.value;

		unlink_owners(g, n);
		free(n->ns);
		free(n->name);
		free(n);
	}
	map_fini(&g->nodes);
	map_fini(&g->owners);
	free(g);
}

const struct controller_type control_garbage = {
	.name = "garbage-collector",
	.start = start,
	.stop = stop,
	.seen = seen,
	.step = step,
};
