/* Why: dataplane, DNS and ingress follow EndpointSlices; this controller writes them from pods.
 * Source: reference (networking) 1.2 */
#include "base/mem.h"
#include "control/service-pods.h"
#include "control/slices.h"

#define MANAGER "endpointslice-controller.k8s.io"

static void seen(struct controller *c, const struct store_event *e)
{
	service_pods_seen(c, e);
	if (e->kind == c->control->kinds.endpointslice && e->type != STORE_ADDED) {
		/* somebody changed or removed one of ours: put it right */
		const struct val *labels = meta_labels(e->object->root);

		if (slice_is(val_get_str(labels, "endpointslice.kubernetes.io/managed-by"),
		             MANAGER)) {
			controller_add(c, meta_ns(e->object->root),
			               val_get_str(labels, "kubernetes.io/service-name"));
		}
	}
}

static struct val *labels_of(struct work *w, const struct val *service)
{
	struct val *labels = val_new_object(w->arena);

	val_for_each (meta_labels(service), it) {
		if (!slice_is(it->key, "kubernetes.io/service-name") &&
		    !slice_is(it->key, "endpointslice.kubernetes.io/managed-by") &&
		    !slice_is(it->key, "service.kubernetes.io/headless")) {
			val_set_slice(w->arena, labels, it->key, val_copy(w->arena, it));
		}
	}
	if (service_is_headless(service)) {
		val_set_cstr(w->arena, labels, "service.kubernetes.io/headless", "");
	}
	return labels;
}

static struct val *endpoint_value(struct work *w, const struct endpoint *e)
{
	struct arena *a = w->arena;
	struct val *v = val_new_object(a), *c;
	struct slice zone = val_get_str(meta_labels(e->node), "topology.kubernetes.io/zone");
	struct slice node = val_str(val_path(e->pod, "spec.nodeName"));

	val_append(val_need_array(a, v, "addresses"), val_new_str(a, e->ip));
	c = val_need_object(a, v, "conditions");
	val_set_bool(a, c, "ready", e->is_ready);
	val_set_bool(a, c, "serving", e->is_serving);
	val_set_bool(a, c, "terminating", e->is_terminating);
	if (e->hostname.len) {
		val_set_str(a, v, "hostname", e->hostname);
	}
	val_set(a, v, "targetRef", endpoint_target(a, e));
	if (node.len) {
		val_set_str(a, v, "nodeName", node);
	}
	if (zone.len) {
		val_set_str(a, v, "zone", zone);
	}
	return v;
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->service, key);
	struct slice_plan plan = { .owner_kind = w->kinds->service, .managed_by = MANAGER };
	struct endpoints endpoints;
	const struct val *service;

	if (!d || meta_is_deleting(d->root) || !service_has_pods(d->root)) {
		return 0; /* slices of a deleted Service go with their owner */
	}
	service = work_edit(w, d);
	endpoints = service_endpoints(w, service);
	plan.owner = service;
	plan.service = val_cstr(val_path(service, "metadata.name"));
	plan.labels = labels_of(w, service);
	service_address_types(service, plan.types);
	plan.trigger_us = endpoints.changed_us;
	for (size_t i = 0; i < endpoints.n; i++) {
		const struct endpoint *e = &endpoints.at[i];
		struct slice_group *g = slice_plan_group(w, &plan, e->address_type, e->ports);

		val_append(g->endpoints, endpoint_value(w, e));
	}
	return slice_plan_carry_out(w, &plan, err);
}

static bool can_run(const struct control *c)
{
	return c->kinds.service && c->kinds.pod && c->kinds.endpointslice;
}

const struct controller_type control_endpointslice = {
	.name = "endpoint-slice-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
