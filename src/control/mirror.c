/* Why: a Service without a selector gets its endpoints from an Endpoints object that a user wrote;
 * proxies read slices only, so its addresses are mirrored there. Source: reference (networking) 1.2
 * "Selector-less" */
#include "base/ip.h"
#include "base/mem.h"
#include "control/service-pods.h"
#include "control/slices.h"

#define MANAGER       "endpointslicemirroring-controller.k8s.io"
#define ADDRESSES_MAX 1000

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;

	if (e->kind == k->endpoints || e->kind == k->service) {
		controller_add_object(c, e->object->root);
	} else if (e->kind == k->endpointslice && e->type != STORE_ADDED) {
		const struct val *labels = meta_labels(e->object->root);

		if (slice_is(val_get_str(labels, "endpointslice.kubernetes.io/managed-by"),
		             MANAGER)) {
			controller_add(c, meta_ns(e->object->root),
			               val_get_str(labels, "kubernetes.io/service-name"));
		}
	}
}

static bool should_mirror(const struct val *endpoints)
{
	return !meta_is_deleting(endpoints) &&
	       !slice_is(val_get_str(meta_labels(endpoints),
	                             "endpointslice.kubernetes.io/skip-mirror"),
	                 "true") &&
	       !meta_annotation(endpoints, "control-plane.alpha.kubernetes.io/leader").len;
}

static struct val *endpoint_value(struct work *w, const struct val *address, bool ready)
{
	static const char *const copied[] = { "hostname", "nodeName", "targetRef" };
	struct arena *a = w->arena;
	struct val *v = val_new_object(a);

	val_append(val_need_array(a, v, "addresses"), val_new_str(a, val_get_str(address, "ip")));
	val_set_bool(a, val_need_object(a, v, "conditions"), "ready", ready);
	for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
		if (val_get(address, copied[i])) {
			val_set(a, v, copied[i], val_copy(a, val_get(address, copied[i])));
		}
	}
	return v;
}

static void add_subset(struct work *w, struct slice_plan *plan, const struct val *subset, size_t *n)
{
	static const char *const lists[] = { "addresses", "notReadyAddresses" };
	struct val *ports = val_new_array(w->arena);

	val_for_each (val_get(subset, "ports"), it) {
		struct val *port = val_append(ports, val_copy(w->arena, it));

		if (!val_get(port, "name")) {
			val_set_cstr(w->arena, port, "name", "");
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_get(subset, lists[i]), it) {
			struct ip ip;

			if (ip_parse(val_get_str(it, "ip"), &ip) && (*n)++ < ADDRESSES_MAX) {
				val_append(slice_plan_group(w, plan,
				                            ip.family == IP_V6 ? "IPv6" : "IPv4",
				                            ports)
				                   ->endpoints,
				           endpoint_value(w, it, i == 0));
			}
		}
	}
}

static struct val *annotations_of(struct work *w, const struct val *endpoints)
{
	struct val *copy = val_new_object(w->arena);

	val_for_each (val_path(endpoints, "metadata.annotations"), it) {
		if (!slice_is(it->key, "kubectl.kubernetes.io/last-applied-configuration") &&
		    !slice_is(it->key, "endpoints.kubernetes.io/last-change-trigger-time")) {
			val_set_slice(w->arena, copy, it->key, val_copy(w->arena, it));
		}
	}
	return copy;
}

static bool is_mirror(void *arg, const struct val *slice)
{
	(void)arg;
	return slice_is(val_get_str(meta_labels(slice), "endpointslice.kubernetes.io/managed-by"),
	                MANAGER);
}

static int remove_mirrors(struct work *w, struct slice key, struct err *err)
{
	struct slice ns, name;
	struct docs docs;

	slice_cut(key, '/', &ns, &name);
	docs = work_slices(w, ns, name, is_mirror, NULL);
	for (size_t i = 0; i < docs.n; i++) {
		int r = work_delete(w, w->kinds->endpointslice, docs.at[i]->root, err);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *service = work_get(w, w->kinds->service, key);
	const struct doc *d = work_get(w, w->kinds->endpoints, key);
	struct slice_plan plan = { .owner_kind = w->kinds->endpoints, .managed_by = MANAGER };
	const struct val *endpoints;
	size_t n = 0;

	if (!d || !service || service_has_selector(service->root) || !should_mirror(d->root)) {
		return remove_mirrors(w, key, err);
	}
	endpoints = work_edit(w, d);
	plan.owner = endpoints;
	plan.service = val_cstr(val_path(endpoints, "metadata.name"));
	plan.labels = meta_labels(endpoints);
	plan.annotations = annotations_of(w, endpoints);
	val_for_each (val_get(endpoints, "subsets"), it) {
		add_subset(w, &plan, it, &n);
	}
	return slice_plan_carry_out(w, &plan, err);
}

static bool can_run(const struct control *c)
{
	return c->kinds.service && c->kinds.endpoints && c->kinds.endpointslice;
}

const struct controller_type control_mirror = {
	.name = "endpoint-slice-mirroring-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
