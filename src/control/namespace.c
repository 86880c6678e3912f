/* Why: a namespace is Active until it is deleted; then everything in it goes first, and the
 * namespace last.
 *
 *   Active --delete--> Terminating --nothing left in it--> finalizer "kubernetes" removed --> gone
 */
#include "control/edit.h"

#include "base/mem.h"

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;
	struct slice ns = meta_ns(e->object->root);

	if (e->kind == k->namespace) {
		controller_add(c, SLICE(""), meta_name(e->object->root));
	} else if (ns.len && e->type == STORE_DELETED) {
		/* perhaps the last thing that a dying namespace waited for */
		controller_add(c, SLICE(""), ns);
	}
}

/* Deletes what is in the namespace; adds up what is still there afterwards. */
static int delete_content(struct work *w, struct slice ns, size_t *left, size_t *kinds_left,
                          struct err *err)
{
	const struct registry *registry = store_registry(w->store);
	const struct kind *k;

	for (size_t i = 0; (k = registry_at(registry, i)); i++) {
		struct docs docs;
		size_t remains;

		if (!k->namespaced || k->is_virtual || kind_storage(k) != k) {
			continue;
		}
		docs = work_list(w, k, ns, NULL, NULL);
		for (size_t n = 0; n < docs.n; n++) {
			const struct val *object = docs.at[n]->root;
			int r;

			if (meta_is_deleting(object)) {
				continue;
			}
			r = k == w->kinds->pod ? work_delete_pod(w, object, false, err)
			                       : work_delete(w, k, object, err);
			if (r < 0) {
				return err_while(err, r, "delete %s", kind_qualified(k));
			}
		}
		remains = store_count(w->store, k, ns);
		*left += remains;
		*kinds_left += remains > 0;
	}
	return 0;
}

static bool set_phase(struct work *w, struct val *ns, const char *phase)
{
	struct val *status = val_need_object(w->arena, ns, "status");

	if (slice_is(val_get_str(status, "phase"), phase)) {
		return false;
	}
	val_set_cstr(w->arena, status, "phase", phase);
	return true;
}

static int terminate(struct work *w, struct val *ns, struct err *err)
{
	struct val *status = val_need_object(w->arena, ns, "status"), *conditions;
	struct val *spec = val_need_object(w->arena, ns, "spec");
	size_t left = 0, kinds_left = 0;
	char said[160];
	bool changed;
	int r;

	if (set_phase(w, ns, "Terminating")) {
		r = work_save(w, w->kinds->namespace, ns, err);
		if (r < 0) {
			return r;
		}
	}
	r = delete_content(w, meta_name(ns), &left, &kinds_left, err);
	if (r < 0) {
		return r;
	}
	if (left) {
		snprintf(said, sizeof(said),
		         "Some resources are remaining: %zu resource instances of %zu kinds", left,
		         kinds_left);
		conditions = val_need_array(w->arena, status, "conditions");
		changed = condition_set(w, conditions,
		                        &(struct condition){ "NamespaceContentRemaining", "True",
		                                             "SomeResourcesRemain", said, false });
		/* finalizers and pods that take their time report by their deletion */
		return changed ? work_save(w, w->kinds->namespace, ns, err) : 0;
	}
	if (val_len(val_get(spec, "finalizers"))) {
		struct val *others = val_new_array(w->arena);

		val_for_each (val_get(spec, "finalizers"), it) {
			if (!slice_is(val_str(it), "kubernetes")) {
				val_append(others, val_copy(w->arena, it));
			}
		}
		val_set(w->arena, spec, "finalizers", others);
	}
	return work_save(w, w->kinds->namespace, ns, err);
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->namespace, key);
	struct val *ns, *labels;
	int r;

	if (!d) {
		return 0;
	}
	ns = work_edit(w, d);
	if (meta_is_deleting(ns)) {
		return terminate(w, ns, err);
	}
	labels = val_need_object(w->arena, val_need_object(w->arena, ns, "metadata"), "labels");
	if (!slice_eq(val_get_str(labels, "kubernetes.io/metadata.name"), meta_name(ns))) {
		val_set_str(w->arena, labels, "kubernetes.io/metadata.name", meta_name(ns));
	}
	set_phase(w, ns, "Active");
	r = work_save_changed(w, w->kinds->namespace, d, ns, err);
	return r < 0 ? r : 0;
}

static bool can_run(const struct control *c)
{
	return c->kinds.namespace != NULL;
}

const struct controller_type control_namespace = {
	.name = "namespace-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
