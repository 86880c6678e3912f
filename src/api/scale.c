/* Why: `kubectl scale` and autoscalers know Scale, not Deployments. See scale.h. Source: reference
 * 3.10 */
#include "api/scale.h"

#include "api/api-priv.h"
#include "api/body.h"
#include "api/fail.h"
#include "api/patch.h"
#include "api/write.h"
#include "base/mem.h"
#include "schema/selector.h"

static void set_selector(struct arena *a, const struct kind *k, const struct val *object,
                         struct val *status)
{
	const struct val *v =
		k->scale_selector_path ? val_path(object, k->scale_selector_path) : NULL;
	scoped_strbuf struct strbuf text = { 0 };
	const struct selector *s;

	if (v && v->type == VAL_STRING) {
		strbuf_add_slice(&text, v->s);
	} else if (v && (val_get(v, "matchLabels") || val_get(v, "matchExpressions"))) {
		if (selector_of_object(a, v, &s, NULL) == 0) {
			selector_format(&text, s);
		}
	} else if (v) {
		selector_format(&text, selector_of_map(a, v));
	}
	if (text.size) {
		val_set_str(a, status, "selector", strbuf_slice(&text));
	}
}

struct val *scale_of(struct arena *a, const struct kind *k, const struct val *object)
{
	static const char *const taken[] = { "name", "namespace", "uid", "resourceVersion",
		                             "creationTimestamp" };
	const struct val *from = val_get(object, "metadata");
	struct val *v = val_new_object(a), *meta;

	val_set_cstr(a, v, "kind", "Scale");
	val_set_cstr(a, v, "apiVersion", "autoscaling/v1");
	meta = val_need_object(a, v, "metadata");
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		if (val_get(from, taken[i])) {
			val_set(a, meta, taken[i], val_copy(a, val_get(from, taken[i])));
		}
	}
	val_set_int(a, val_need_object(a, v, "spec"), "replicas",
	            val_int(val_path(object, k->scale_spec_path), 0));
	val_set_int(a, val_need_object(a, v, "status"), "replicas",
	            val_int(val_path(object, k->scale_status_path), 0));
	set_selector(a, k, object, val_get(v, "status"));
	return v;
}

/* Sets a member by a dotted path, making what is missing. */
static void set_path(struct arena *a, struct val *v, struct slice path, int64_t i)
{
	struct slice head, tail;

	while (slice_cut(path, '.', &head, &tail)) {
		v = val_need_object(a, v, arena_slice(a, head).p);
		path = tail;
	}
	val_set_int(a, v, arena_slice(a, path).p, i);
}

static int answer(struct call *c, const struct val *object)
{
	return call_answer_object(c, 200, c->api->kinds.scale, scale_of(c->arena, c->kind, object),
	                          SLICE(""));
}

static int read_wanted(struct call *c, const struct val *old, struct val **ret)
{
	if (c->route.verb == DO_PATCH) {
		if (patch_is_apply(c)) {
			return fail_code(c, ERR_UNSUPPORTED, "apply is not supported on scale");
		}
		return patch_run(c, c->api->kinds.scale, scale_of(c->arena, c->kind, old), ret);
	}
	return body_object(c, c->api->kinds.scale, ret);
}

int scale_run(struct call *c)
{
	struct writing w = { .call = c, .kind = c->kind, .subresource = "scale" };
	struct slice revision;
	struct val *scale = NULL;
	const struct doc *d;
	int64_t replicas;
	int r = call_find(c, &d);

	if (r < 0) {
		return r;
	}
	w.old = writing_copy(c, c->kind, d->root);
	if (c->route.verb == DO_GET) {
		return answer(c, w.old);
	}
	r = read_wanted(c, w.old, &scale);
	r = r < 0 ? r : writing_check_names(c, scale, false);
	if (r < 0) {
		return r;
	}
	replicas = val_int(val_path(scale, "spec.replicas"), 0);
	if (replicas < 0) {
		return fail_field(c, c->api->kinds.scale, c->route.name, "FieldValueInvalid",
		                  "spec.replicas",
		                  "Invalid value: %lld: must be greater than or equal to 0",
		                  (long long)replicas);
	}
	w.object = val_copy(c->arena, w.old);
	set_path(c->arena, w.object, slice_of(c->kind->scale_spec_path), replicas);
	revision = val_str(val_path(scale, "metadata.resourceVersion"));
	if (revision.len) {
		val_set_str(c->arena, val_get(w.object, "metadata"), "resourceVersion", revision);
	}
	r = writing_update(&w);
	return r < 0 ? r : answer(c, w.stored);
}
