/* Why: defaults of pods that depend on other fields, and what admission adds to pods alone. */
#include "base/mem.h"
#include "schema/default-priv.h"
#include "schema/quantity.h"

static const char *const container_lists[] = { "initContainers", "containers" };

/* ---- containers ---- */

static bool is_latest(struct slice image)
{
	struct slice name = slice_from(image, (size_t)(slice_rfind(image, '/') + 1));
	ptrdiff_t colon = slice_find(name, ':');

	if (!image.len || slice_find(image, '@') >= 0) {
		return false;
	}
	return colon < 0 || slice_is(slice_from(name, (size_t)colon + 1), "latest");
}

void fix_container(struct fixer *f, struct val *v)
{
	fix_str(f, v, "imagePullPolicy",
	        is_latest(val_get_str(v, "image")) ? "Always" : "IfNotPresent");
}

void fix_volume(struct fixer *f, struct val *v)
{
	if (!val_len(v) || (val_len(v) == 1 && val_get(v, "name"))) {
		fix_object(f, v, "emptyDir");
	}
}

void fix_claim(struct fixer *f, struct val *v)
{
	fix_str(f, fix_object(f, v, "status"), "phase", "Pending");
}

/* ---- pods and templates ---- */

void fix_pod_spec(struct fixer *f, struct val *v)
{
	struct slice name = val_get_str(v, "serviceAccountName");
	struct slice old = val_get_str(v, "serviceAccount"); /* its deprecated twin */

	if (!name.len && old.len) {
		val_set_str(f->arena, v, "serviceAccountName", old);
	} else if (name.len && !slice_eq(name, old)) {
		val_set_str(f->arena, v, "serviceAccount", name);
	}
}

static void requests_from_limits(struct fixer *f, struct val *container)
{
	struct val *resources = val_get(container, "resources"), *requests;
	const struct val *limits = val_get(resources, "limits");

	if (!val_len(limits) || limits->type != VAL_OBJECT) {
		return;
	}
	requests = fix_object(f, resources, "requests");
	val_for_each (limits, it) {
		if (requests && !val_get_slice(requests, it->key)) {
			val_set_slice(f->arena, requests, it->key, val_copy(f->arena, it));
		}
	}
}

static void host_ports(struct fixer *f, struct val *container)
{
	struct val *ports = val_get(container, "ports");

	for (size_t i = 0; ports && ports->type == VAL_ARRAY && i < val_len(ports); i++) {
		struct val *port = val_at(ports, i);

		if (port->type == VAL_OBJECT && !val_int(val_get(port, "hostPort"), 0)) {
			fix_int(f, port, "hostPort", val_int(val_get(port, "containerPort"), 0));
		}
	}
}

static bool tolerates(const struct val *spec, const char *key)
{
	val_for_each (val_get(spec, "tolerations"), it) {
		struct slice k = val_get_str(it, "key"), effect = val_get_str(it, "effect");

		if ((!k.len || slice_is(k, key)) &&
		    (!effect.len || slice_is(effect, "NoExecute"))) {
			return true;
		}
	}
	return false;
}

static void add_tolerations(struct fixer *f, struct val *spec)
{
	static const char *const keys[] = { "node.kubernetes.io/not-ready",
		                            "node.kubernetes.io/unreachable" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct val *t;

		if (tolerates(spec, keys[i])) {
			continue;
		}
		t = val_append(val_need_array(f->arena, spec, "tolerations"),
		               val_new_object(f->arena));
		val_set_cstr(f->arena, t, "key", keys[i]);
		val_set_cstr(f->arena, t, "operator", "Exists");
		val_set_cstr(f->arena, t, "effect", "NoExecute");
		val_set_int(f->arena, t, "tolerationSeconds", 300);
	}
}

/* ---- quality of service ---- */

static bool is_set(const struct val *list, const char *resource, struct quantity *ret)
{
	return quantity_of_val(val_get(list, resource), ret) && ret->nano > 0;
}

static const char *qos_class(const struct val *spec)
{
	static const char *const resources[] = { "cpu", "memory" };
	bool any = false, is_guaranteed = true;

	for (size_t l = 0; l < ARRAY_SIZE(container_lists); l++) {
		val_for_each (val_get(spec, container_lists[l]), it) {
			for (size_t r = 0; r < ARRAY_SIZE(resources); r++) {
				const struct val *v = val_get(it, "resources");
				struct quantity limit, request;
				bool l_set = is_set(val_get(v, "limits"), resources[r], &limit);
				bool r_set = is_set(val_get(v, "requests"), resources[r], &request);

				any = any || l_set || r_set;
				if (!l_set || !r_set || limit.nano != request.nano) {
					is_guaranteed = false;
				}
			}
		}
	}
	return !any ? "BestEffort" : is_guaranteed ? "Guaranteed" : "Burstable";
}

void fix_pod(struct fixer *f, struct val *v)
{
	struct val *spec = val_get(v, "spec"), *status = fix_object(f, v, "status");

	if (!spec || spec->type != VAL_OBJECT) {
		return;
	}
	fix_bool(f, spec, "enableServiceLinks", true);
	for (size_t l = 0; l < ARRAY_SIZE(container_lists); l++) {
		struct val *list = val_get(spec, container_lists[l]);

		for (size_t i = 0; list && list->type == VAL_ARRAY && i < val_len(list); i++) {
			requests_from_limits(f, val_at(list, i));
			if (val_bool(val_get(spec, "hostNetwork"), false)) {
				host_ports(f, val_at(list, i));
			}
		}
	}
	fix_str(f, spec, "serviceAccountName", "default");
	fix_pod_spec(f, spec);
	add_tolerations(f, spec);
	fix_int(f, spec, "priority", 0);
	fix_str(f, spec, "preemptionPolicy", "PreemptLowerPriority");
	fix_str(f, status, "phase", "Pending");
	fix_str(f, status, "qosClass", qos_class(spec));
}
