/* Why: some changes of a pod are nobody's but these subresources'. See pod.h. Source:
 * reference 3.10 */
#include "api/pod.h"

#include "api/api-priv.h"
#include "api/body.h"
#include "api/fail.h"
#include "api/patch.h"
#include "api/remove.h"
#include "api/write.h"
#include "base/clock.h"
#include "base/mem.h"
#include "schema/object.h"
#include "schema/selector.h"

/* ---- binding ---- */

static void set_scheduled(struct call *c, struct val *pod)
{
	struct arena *a = c->arena;
	struct val *status = val_need_object(a, pod, "status");
	struct val *list = val_need_array(a, status, "conditions"), *condition = NULL;
	char now[TIME_TEXT_SIZE];

	for (struct val *it = (struct val *)val_first(list); it; it = it->next) {
		condition = slice_is(val_get_str(it, "type"), "PodScheduled") ? it : condition;
	}
	if (!condition) {
		condition = val_append(list, val_new_object(a));
		val_set_cstr(a, condition, "type", "PodScheduled");
	}
	val_remove(condition, "reason");
	val_remove(condition, "message");
	val_set_cstr(a, condition, "status", "True");
	val_set_cstr(a, condition, "lastTransitionTime", time_format(api_wall_us(c->api), now));
}

static int bind_to_node(struct call *c, struct slice name, const struct val *binding)
{
	const struct kind *pods = c->api->kinds.pod;
	const struct doc *d = store_get(c->api->store, (struct key){ pods, c->route.ns, name });
	struct slice node = val_str(val_path(binding, "target.name"));
	struct writing w = {
		.call = c, .kind = pods, .subresource = "binding", .is_internal = true
	};
	int r;

	if (!d) {
		return fail_not_found(c, pods, name);
	}
	if (!node.len) {
		return fail_field(c, c->api->kinds.binding, name, "FieldValueRequired",
		                  "target.name", "Required value");
	}
	if (val_str(val_path(d->root, "spec.nodeName")).len) {
		return fail_conflict(
			c, pods, name,
			arena_printf(c->arena,
		                     "pod " SLICE_FMT " is already assigned to node \"" SLICE_FMT
		                     "\"",
		                     SLICE_ARG(name),
		                     SLICE_ARG(val_str(val_path(d->root, "spec.nodeName")))));
	}
	w.old = d->root;
	w.object = val_copy(c->arena, d->root);
	val_set_str(c->arena, val_need_object(c->arena, w.object, "spec"), "nodeName", node);
	set_scheduled(c, w.object);
	r = writing_update(&w);
	return r < 0 ? r : call_answer_val(c, 201, call_success(c, NULL, SLICE(""), SLICE("")));
}

int pod_bind(struct call *c)
{
	struct val *binding;
	int r = body_object(c, c->api->kinds.binding, &binding);

	return r < 0 ? r : bind_to_node(c, c->route.name, binding);
}

int pod_bind_by_name(struct call *c)
{
	struct val *binding;
	int r = body_object(c, c->api->kinds.binding, &binding);

	return r < 0 ? r : bind_to_node(c, val_str(val_path(binding, "metadata.name")), binding);
}

/* ---- eviction ---- */

struct budgets {
	const struct val *pod;
	const struct doc *first;
	size_t n;
};

static bool visit_budget(void *arg, const struct doc *d)
{
	struct budgets *b = arg;
	scoped_arena struct arena a = { 0 };
	const struct selector *s;

	if (selector_of_object(&a, val_path(d->root, "spec.selector"), &s, NULL) == 0 &&
	    selector_matches(s, val_path(b->pod, "metadata.labels"))) {
		b->first = b->n++ ? b->first : d;
	}
	return true;
}

static bool is_finished(const struct val *pod)
{
	struct slice phase = val_str(val_path(pod, "status.phase"));

	return slice_is(phase, "Succeeded") || slice_is(phase, "Failed") ||
	       slice_is(phase, "Pending") || val_path(pod, "metadata.deletionTimestamp");
}

/* Takes one disruption from the budget. */
static int take_from_budget(struct call *c, const struct doc *budget)
{
	int64_t allowed = val_int(val_path(budget->root, "status.disruptionsAllowed"), 0);
	struct val *v = val_copy(c->arena, budget->root);
	struct err err = { 0 };
	int r;

	if (allowed <= 0) {
		fail_reason(c, 429, "TooManyRequests",
		            "Cannot evict pod as it would violate the pod's disruption budget.");
		fail_cause(
			c, "DisruptionBudget",
			arena_printf(c->arena,
		                     "The disruption budget " SLICE_FMT
		                     " does not allow evicting pods currently",
		                     SLICE_ARG(val_str(val_path(budget->root, "metadata.name")))),
			NULL);
		return -ERR_UNAVAILABLE;
	}
	if (c->options.dry_run) {
		return 0;
	}
	val_set_int(c->arena, val_get(v, "status"), "disruptionsAllowed", allowed - 1);
	r = store_update(c->api->store, c->api->kinds.budget, v, NULL, &err);
	return r < 0 ? fail_err(c, r, &err) : 0;
}

int pod_evict(struct call *c)
{
	struct budgets b = { 0 };
	struct store_delete_opts o;
	const struct doc *d, *last;
	struct val *eviction;
	int r = body_object(c, c->api->kinds.eviction, &eviction);

	r = r < 0 ? r : call_find(c, &d);
	r = r < 0 ? r : remove_options(c, val_get(eviction, "deleteOptions"), &o);
	if (r < 0) {
		return r;
	}
	b.pod = d->root;
	if (!is_finished(d->root)) {
		store_each(c->api->store, c->api->kinds.budget, c->route.ns, visit_budget, &b);
	}
	if (b.n > 1) {
		return fail_code(
			c, ERR_INTERNAL,
			"This pod has more than one PodDisruptionBudget, which the eviction "
			"subresource does not support.");
	}
	r = b.n ? take_from_budget(c, b.first) : 0;
	r = r < 0 ? r : remove_run(c, call_key(c), &o, &last);
	return r < 0 ? r : call_answer_val(c, 201, call_success(c, NULL, SLICE(""), SLICE("")));
}

/* ---- ephemeral containers, resources ---- */

static bool has_container(const struct val *list, const struct val *like)
{
	val_for_each (list, it) {
		if (slice_eq(val_get_str(it, "name"), val_get_str(like, "name"))) {
			return val_eq(it, like);
		}
	}
	return false;
}

static int read_wanted(struct call *c, const struct val *old, struct val **ret)
{
	int r = c->route.verb == DO_PATCH ? patch_run(c, c->kind, old, ret)
	                                  : body_object(c, c->kind, ret);

	r = r < 0 ? r : writing_check_names(c, *ret, false);
	if (r == 0) {
		object_default(c->kind, c->arena, *ret);
	}
	return r;
}

/* The old pod with what 'take' brings over from the wanted one. */
static int change(struct call *c, const char *subresource,
                  int (*take_over)(struct call *c, struct val *pod, const struct val *wanted))
{
	struct writing w = {
		.call = c, .kind = c->kind, .subresource = subresource, .is_internal = true
	};
	struct val *wanted, *revision;
	const struct doc *d;
	int r = call_find(c, &d);

	if (r < 0 || c->route.verb == DO_GET) {
		return r < 0 ? r
		             : call_answer_object(c, 200, c->kind, d->root,
		                                  store_json(c->api->store, d));
	}
	w.old = d->root;
	r = read_wanted(c, w.old, &wanted);
	if (r < 0) {
		return r;
	}
	w.object = val_copy(c->arena, d->root);
	revision = val_path(wanted, "metadata.resourceVersion");
	if (revision) {
		val_set_str(c->arena, val_get(w.object, "metadata"), "resourceVersion",
		            val_str(revision));
	}
	r = take_over(c, w.object, wanted);
	r = r < 0 ? r : writing_update(&w);
	return r < 0 ? r : call_answer_object(c, 200, c->kind, w.stored, w.json);
}

static int take_ephemeral(struct call *c, struct val *pod, const struct val *wanted)
{
	const struct val *list = val_path(wanted, "spec.ephemeralContainers");

	val_for_each (val_path(pod, "spec.ephemeralContainers"), it) {
		if (!has_container(list, it)) {
			return fail_field(c, c->kind, c->route.name, "FieldValueForbidden",
			                  "spec.ephemeralContainers",
			                  "Forbidden: existing ephemeral containers \"" SLICE_FMT
			                  "\" may not be changed",
			                  SLICE_ARG(val_get_str(it, "name")));
		}
	}
	if (list) {
		val_set(c->arena, val_get(pod, "spec"), "ephemeralContainers",
		        val_copy(c->arena, list));
	}
	return 0;
}

int pod_ephemeral(struct call *c)
{
	return change(c, "ephemeralcontainers", take_ephemeral);
}

static int take_resources(struct call *c, struct val *pod, const struct val *wanted)
{
	for (struct val *it = (struct val *)val_first(val_path(pod, "spec.containers")); it;
	     it = it->next) {
		val_for_each (val_path(wanted, "spec.containers"), other) {
			if (slice_eq(val_get_str(it, "name"), val_get_str(other, "name")) &&
			    val_get(other, "resources")) {
				val_set(c->arena, it, "resources",
				        val_copy(c->arena, val_get(other, "resources")));
			}
		}
	}
	return 0;
}

int pod_resize(struct call *c)
{
	return change(c, "resize", take_resources);
}
