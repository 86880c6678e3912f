/* Why: the older Endpoints objects are still what `kubectl get endpoints` and `describe service`
 * show. Source: reference 8.12 */
#include "base/clock.h"
#include "base/mem.h"
#include "control/service-pods.h"

#define ADDRESSES_MAX      1000
#define ANNOTATION_TRIGGER "endpoints.kubernetes.io/last-change-trigger-time"
#define ANNOTATION_OVER    "endpoints.kubernetes.io/over-capacity"

static void seen(struct controller *c, const struct store_event *e)
{
	service_pods_seen(c, e);
	if (e->kind == c->control->kinds.endpoints) {
		controller_add_object(c, e->object->root);
	}
}

static struct val *address_value(struct work *w, const struct endpoint *e)
{
	struct arena *a = w->arena;
	struct val *v = val_new_object(a);
	struct slice node = val_str(val_path(e->pod, "spec.nodeName"));

	val_set_str(a, v, "ip", e->ip);
	if (e->hostname.len) {
		val_set_str(a, v, "hostname", e->hostname);
	}
	if (node.len) {
		val_set_str(a, v, "nodeName", node);
	}
	val_set(a, v, "targetRef", endpoint_target(a, e));
	return v;
}

/* Ports without the empty names that slices have. */
static struct val *ports_value(struct work *w, const struct val *ports)
{
	struct val *copy = val_copy(w->arena, ports);

	for (size_t i = 0; i < val_len(copy); i++) {
		struct val *port = val_at(copy, i);

		if (!val_get_str(port, "name").len) {
			val_remove(port, "name");
		}
	}
	return copy;
}

/* The subset with exactly those ports, made when missing. */
static struct val *subset_for(struct work *w, struct val *subsets, struct val *ports)
{
	struct val *s;

	for (size_t i = 0; i < val_len(subsets); i++) {
		s = val_at(subsets, i);
		if (val_eq(val_get(s, "ports"), ports) ||
		    (!val_len(ports) && !val_len(val_get(s, "ports")))) {
			return s;
		}
	}
	s = val_append(subsets, val_new_object(w->arena));
	if (val_len(ports)) {
		val_set(w->arena, s, "ports", ports);
	}
	return s;
}

static struct val *subsets_of(struct work *w, const struct val *service,
                              const struct endpoints *endpoints, bool *ret_over)
{
	bool all = val_bool(val_path(service, "spec.publishNotReadyAddresses"), false);
	struct val *subsets = val_new_array(w->arena);
	const char *types[2]; /* Endpoints know the primary one only */
	size_t n = 0;

	*ret_over = false;
	service_address_types(service, types);
	for (size_t i = 0; i < endpoints->n; i++) {
		const struct endpoint *e = &endpoints->at[i];
		struct val *subset, *ports;

		if ((e->is_terminating && !all) || strcmp(e->address_type, types[0]) != 0) {
			continue;
		}
		if (n++ == ADDRESSES_MAX) {
			*ret_over = true;
			break;
		}
		ports = ports_value(w, e->ports);
		if (!val_len(ports) && val_len(val_path(service, "spec.ports"))) {
			continue; /* none of the Service's ports is there */
		}
		subset = subset_for(w, subsets, ports);
		val_append(val_need_array(w->arena, subset,
		                          e->is_ready ? "addresses" : "notReadyAddresses"),
		           address_value(w, e));
	}
	return subsets;
}

static void fill_in(struct work *w, struct val *object, const struct val *service)
{
	struct arena *a = w->arena;
	struct val *m = val_need_object(a, object, "metadata"), *labels;
	struct endpoints endpoints = service_endpoints(w, service);
	char text[TIME_TEXT_SIZE];
	struct val *subsets;
	bool over;

	subsets = subsets_of(w, service, &endpoints, &over);
	if (endpoints.changed_us &&
	    !(val_eq(val_get(object, "subsets"), subsets) ||
	      (!val_len(subsets) && !val_len(val_get(object, "subsets"))))) {
		set_annotation(a, object, ANNOTATION_TRIGGER,
		               slice_of(time_format(endpoints.changed_us, text)));
	}
	if (over) {
		set_annotation(a, object, ANNOTATION_OVER, SLICE("truncated"));
	} else {
		val_remove(val_get(m, "annotations"), ANNOTATION_OVER);
	}
	if (val_len(subsets)) {
		val_set(a, object, "subsets", subsets);
	} else {
		val_remove(object, "subsets");
	}
	labels = meta_labels(service) ? val_copy(a, meta_labels(service)) : val_new_object(a);
	val_set_cstr(a, labels, "endpoints.kubernetes.io/managed-by", "endpoint-controller");
	if (service_is_headless(service)) {
		val_set_cstr(a, labels, "service.kubernetes.io/headless", "");
	}
	val_set(a, m, "labels", labels);
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->service, key);
	const struct doc *stored = work_get(w, w->kinds->endpoints, key);
	struct val *object, *m;
	int r;

	if (!d) {
		/* hand-made ones may wait for a Service that is yet to come */
		bool ours = stored && val_get(meta_labels(stored->root),
		                              "endpoints.kubernetes.io/managed-by");

		return ours ? work_delete(w, w->kinds->endpoints, stored->root, err) : 0;
	}
	if (meta_is_deleting(d->root) || !service_has_pods(d->root)) {
		return 0;
	}
	if (stored) {
		object = work_edit(w, stored);
		fill_in(w, object, d->root);
		r = work_save_changed(w, w->kinds->endpoints, stored, object, err);
		return r < 0 ? r : 0;
	}
	object = val_new_object(w->arena);
	m = val_need_object(w->arena, object, "metadata");
	val_set_str(w->arena, m, "name", meta_name(d->root));
	val_set_str(w->arena, m, "namespace", meta_ns(d->root));
	fill_in(w, object, d->root);
	return work_create(w, w->kinds->endpoints, object, NULL, err);
}

static bool can_run(const struct control *c)
{
	return c->kinds.service && c->kinds.pod && c->kinds.endpoints;
}

const struct controller_type control_endpoints = {
	.name = "endpoint-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
