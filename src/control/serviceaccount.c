/* Why: every namespace has a ServiceAccount "default" and a ConfigMap "kube-root-ca.crt" that tells
 * its pods whom to trust; both come back when they are removed or changed. */
#include "control/edit.h"

#include "base/mem.h"

#define CA_NAME "kube-root-ca.crt"

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;
	const struct val *object = e->object->root;

	if (e->kind == k->namespace) {
		controller_add(c, SLICE(""), meta_name(object));
	} else if ((e->kind == k->configmap && slice_is(meta_name(object), CA_NAME)) ||
	           (e->kind == k->serviceaccount && slice_is(meta_name(object), "default"))) {
		controller_add(c, SLICE(""), meta_ns(object));
	}
}

static struct val *new_named(struct work *w, struct slice ns, const char *name)
{
	struct val *object = val_new_object(w->arena);
	struct val *m = val_need_object(w->arena, object, "metadata");

	val_set_cstr(w->arena, m, "name", name);
	val_set_str(w->arena, m, "namespace", ns);
	return object;
}

static int keep_ca(struct work *w, struct slice ns, struct err *err)
{
	const struct doc *d = work_find(w, w->kinds->configmap, ns, SLICE(CA_NAME));
	struct slice pem = w->control->config.cluster_ca_pem;
	struct val *object;
	int r;

	if (!w->kinds->configmap || !pem.len) {
		return 0;
	}
	if (d) {
		object = work_edit(w, d);
		val_set_str(w->arena, val_need_object(w->arena, object, "data"), "ca.crt", pem);
		r = work_save_changed(w, w->kinds->configmap, d, object, err);
		return r < 0 ? r : 0;
	}
	object = new_named(w, ns, CA_NAME);
	set_annotation(
		w->arena, object, "kubernetes.io/description",
		SLICE("Contains a CA bundle that can be used to verify the kube-apiserver when "
	              "using internal endpoints such as the internal service IP or "
	              "kubernetes.default.svc. No other usage is guaranteed across "
	              "distributions of Kubernetes clusters."));
	val_set_str(w->arena, val_need_object(w->arena, object, "data"), "ca.crt", pem);
	return work_create(w, w->kinds->configmap, object, NULL, err);
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *ns = work_get(w, w->kinds->namespace, key);
	struct slice name;

	if (!ns || meta_is_deleting(ns->root)) {
		return 0;
	}
	name = meta_name(ns->root);
	if (!work_find(w, w->kinds->serviceaccount, name, SLICE("default"))) {
		int r = work_create(w, w->kinds->serviceaccount, new_named(w, name, "default"),
		                    NULL, err);

		if (r < 0) {
			return r;
		}
	}
	return keep_ca(w, name, err);
}

static bool can_run(const struct control *c)
{
	return c->kinds.namespace && c->kinds.serviceaccount;
}

const struct controller_type control_serviceaccount = {
	.name = "serviceaccount-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
