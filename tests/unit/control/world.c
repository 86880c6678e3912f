/* Why: scenarios need a node that starts and ends pods, without a node. See world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "schema/object.h"

#define EPOCH_US (INT64_C(1767225600) * US_PER_S) /* 2026-01-01T00:00:00Z */
#define NODE     "n1"

/* ---- the node ---- */

struct pod_timer {
	struct world *world;
	struct loop_timer timer;
	char *ns, *name, *uid;
	bool stops;
};

static int64_t wall(void *arg)
{
	return EPOCH_US + loop_now_us(((struct world *)arg)->loop);
}

static const struct doc *find(struct world *w, const struct kind *k, const char *ns,
                              const char *name)
{
	return store_get(w->store, (struct key){ k, slice_of(ns), slice_of(name) });
}

static void make_ready(struct world *w, const struct val *pod)
{
	scoped_arena struct arena a = { 0 };
	struct val *copy = val_copy(&a, pod), *status = val_need_object(&a, copy, "status"), *c;
	struct val *conditions = val_need_array(&a, status, "conditions");
	char text[TIME_TEXT_SIZE];

	val_set_cstr(&a, status, "phase", "Running");
	val_set(&a, status, "podIP", val_new_strf(&a, "10.244.0.%d", ++w->next_ip));
	c = val_append(conditions, val_new_object(&a));
	val_set_cstr(&a, c, "type", "Ready");
	val_set_cstr(&a, c, "status", "True");
	val_set_cstr(&a, c, "lastTransitionTime", time_format(wall(w), text));
	assert_int_equal(store_update(w->store, w->pod, copy, NULL, NULL), 0);
}

static bool is_broken(struct world *w, const struct val *pod)
{
	return w->broken &&
	       slice_is(val_get_str(val_at(val_path(pod, "spec.containers"), 0), "image"),
	                w->broken);
}

static void timer_fired(struct loop_timer *timer)
{
	struct pod_timer *t = container_of(timer, struct pod_timer, timer);
	struct world *w = t->world;
	const struct doc *d = find(w, w->pod, t->ns, t->name);

	if (d && slice_is(val_str(val_path(d->root, "metadata.uid")), t->uid)) {
		if (t->stops) {
			struct store_delete_opts o = { .grace_s = 0 };

			assert_int_equal(store_delete(w->store,
			                              (struct key){ w->pod, slice_of(t->ns),
			                                            slice_of(t->name) },
			                              &o, NULL, NULL),
			                 STORE_REMOVED);
		} else if (!is_broken(w, d->root) && w->pods_start) {
			make_ready(w, d->root);
		}
	}
	{
		scoped_strbuf struct strbuf key = { 0 };

		strbuf_addf(&key, "%s/%d", t->uid, t->stops);
		map_remove(&w->timers, strbuf_slice(&key));
	}
	free(t->ns);
	free(t->name);
	free(t->uid);
	free(t);
}

static void plan(struct world *w, const struct val *pod, bool stops)
{
	scoped_strbuf struct strbuf key = { 0 };
	struct pod_timer *t;

	strbuf_addf(&key, "%s/%d", world_str(pod, "metadata.uid"), stops);
	if (map_has(&w->timers, strbuf_slice(&key))) {
		return;
	}
	t = NEW(struct pod_timer);
	t->world = w;
	t->ns = mem_strdup(world_str(pod, "metadata.namespace"));
	t->name = mem_strdup(world_str(pod, "metadata.name"));
	t->uid = mem_strdup(world_str(pod, "metadata.uid"));
	t->stops = stops;
	map_set(&w->timers, strbuf_slice(&key), t);
	loop_timer_start(w->loop, &t->timer, stops ? w->stop_us : w->start_us, timer_fired);
}

static void changed(void *arg, const struct store_event *e)
{
	struct world *w = arg;
	const struct val *object = e->object->root;

	if (e->kind == w->pod && e->type != STORE_DELETED &&
	    val_str(val_path(object, "spec.nodeName")).len) {
		if (val_path(object, "metadata.deletionTimestamp")) {
			plan(w, object, true);
		} else if (!val_path(object, "status.podIP")) {
			plan(w, object, false);
		}
	}
	if (w->each_change) {
		w->each_change(w);
	}
}

/* ---- the world ---- */

static int admit(void *arg, const struct kind *k, struct arena *a, struct val *object,
                 struct err *err)
{
	struct world *w = arg;

	if (k == w->pod && w->fail_creates) {
		w->fail_creates--;
		return err_raise(err, ERR_FORBIDDEN, "exceeded quota");
	}
	object_default(k, a, object);
	return 0;
}

static int issue(void *arg, const struct control_certificate *wish, struct strbuf *cert,
                 struct strbuf *key, struct err *err)
{
	(void)err;
	((struct world *)arg)->n_issued++;
	strbuf_adds(cert, "CERT ");
	strbuf_add_slice(cert, wish->names[0]);
	strbuf_adds(key, "KEY");
	return 0;
}

void world_init(struct world *w)
{
	struct store_config sc = { .wall_us = wall, .clock_arg = w };
	struct control_config cc = { .cluster_ca_pem = SLICE("CLUSTER CA"),
		                     .edge_ca_pem = SLICE("EDGE CA"),
		                     .provider = { w, admit, issue } };
	const struct {
		const struct kind **to;
		const char *group, *kind;
	} kinds[] = {
		{ &w->pod, "", "Pod" },
		{ &w->deployment, "apps", "Deployment" },
		{ &w->replicaset, "apps", "ReplicaSet" },
		{ &w->service, "", "Service" },
		{ &w->slice, "discovery.k8s.io", "EndpointSlice" },
		{ &w->endpoints, "", "Endpoints" },
		{ &w->event, "", "Event" },
		{ &w->node, "", "Node" },
		{ &w->namespace, "", "Namespace" },
		{ &w->configmap, "", "ConfigMap" },
		{ &w->serviceaccount, "", "ServiceAccount" },
		{ &w->ingress, "networking.k8s.io", "Ingress" },
		{ &w->secret, "", "Secret" },
		{ &w->lease, "coordination.k8s.io", "Lease" },
	};

	*w = (struct world){ .pods_start = true,
		             .start_us = 100 * US_PER_MS,
		             .stop_us = 100 * US_PER_MS };
	w->loop = loop_new_manual();
	w->registry = registry_new();
	sc.registry = w->registry;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		*kinds[i].to = registry_find(w->registry, slice_of(kinds[i].group), SLICE("v1"),
		                             slice_of(kinds[i].kind));
		assert_non_null(*kinds[i].to);
	}
	assert_int_equal(store_open(w->loop, &sc, &w->store, NULL), 0);
	assert_int_equal(
		store_watch(w->store, NULL, store_revision(w->store), changed, w, &w->watch, NULL),
		0);
	w->control = control_new(w->loop, w->store, &cc);
	world_put(
		w,
		"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"default\"},"
		"\"spec\":{\"finalizers\":[\"kubernetes\"]},\"status\":{\"phase\":\"Active\"}}");
	world_put(w,
	          "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"" NODE "\"},"
	          "\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"8192Mi\",\"pods\":"
	          "\"110\"},"
	          "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}");
	world_run_ms(w, 10);
}

void world_fini(struct world *w)
{
	for (struct map_iter it = { 0 }; map_next(&w->timers, &it);) {
		struct pod_timer *t = it.value;

		loop_timer_stop(&t->timer);
		free(t->ns);
		free(t->name);
		free(t->uid);
		free(t);
	}
	map_fini(&w->timers);
	w->control = control_free(w->control);
	w->watch = store_unwatch(w->watch);
	w->store = store_close(w->store);
	w->loop = loop_free(w->loop);
	w->registry = registry_free(w->registry);
}

void world_put(struct world *w, const char *fmt, ...)
{
	scoped_arena struct arena a = { 0 };
	const struct kind *k;
	struct err err = { 0 };
	char *text = NULL;
	struct val *v;
	va_list ap;
	int r;

	va_start(ap, fmt);
	assert_true(vasprintf(&text, fmt, ap) > 0);
	va_end(ap);
	if (json_parse(&a, slice_of(text), 0, &v, &err) < 0) {
		fail_msg("%s: %s", text, err.msg);
	}
	free(text);
	k = registry_kind_of(w->registry, v);
	assert_non_null(k);
	if (k->namespaced && !val_path(v, "metadata.namespace")) {
		val_set_cstr(&a, val_get(v, "metadata"), "namespace", "default");
	}
	object_default(k, &a, v);
	if (find(w, k, k->namespaced ? world_str(v, "metadata.namespace") : "",
	         world_str(v, "metadata.name"))) {
		r = store_update(w->store, k, v, NULL, &err);
	} else {
		r = store_create(w->store, k, v, NULL, &err);
	}
	if (r < 0) {
		fail_msg("put: %s", err.msg);
	}
}

void world_merge(struct world *w, const struct kind *k, const char *ns, const char *name,
                 const char *patch)
{
	scoped_arena struct arena a = { 0 };
	const struct doc *d = find(w, k, ns, name);
	struct err err = { 0 };
	struct val *p, *out;

	assert_non_null(d);
	assert_int_equal(json_parse(&a, slice_of(patch), 0, &p, NULL), 0);
	assert_int_equal(patch_merge(&a, d->root, p, &out, NULL), 0);
	object_default(k, &a, out); /* as the API server does with every patched object */
	if (store_update(w->store, k, out, NULL, &err) < 0) {
		fail_msg("merge: %s", err.msg);
	}
}

void world_delete(struct world *w, const struct kind *k, const char *ns, const char *name,
                  const char *propagation)
{
	struct store_delete_opts o = { .grace_s = k == w->pod ? 30 : -1,
		                       .propagation = propagation };

	assert_true(store_delete(w->store, (struct key){ k, slice_of(ns), slice_of(name) }, &o,
	                         NULL, NULL) >= 0);
}

void world_run_ms(struct world *w, int64_t ms)
{
	loop_advance_us(w->loop, ms * US_PER_MS);
}

const struct val *world_get(struct world *w, const struct kind *k, const char *ns, const char *name)
{
	const struct doc *d = find(w, k, ns, name);

	return d ? d->root : NULL;
}

size_t world_count(struct world *w, const struct kind *k, const char *ns)
{
	return store_count(w->store, k, slice_of(ns));
}

struct nth {
	size_t n;
	const struct val *found;
};

static bool pick_nth(void *arg, const struct doc *d)
{
	struct nth *n = arg;

	if (n->n-- == 0) {
		n->found = d->root;
		return false;
	}
	return true;
}

const struct val *world_nth(struct world *w, const struct kind *k, const char *ns, size_t n)
{
	struct nth nth = { .n = n };

	store_each(w->store, k, slice_of(ns), pick_nth, &nth);
	return nth.found;
}

const struct val *world_only(struct world *w, const struct kind *k, const char *ns)
{
	assert_int_equal(world_count(w, k, ns), 1);
	return world_nth(w, k, ns, 0);
}

static bool is_ready(const struct val *pod)
{
	val_for_each (val_path(pod, "status.conditions"), it) {
		if (slice_is(val_get_str(it, "type"), "Ready")) {
			return slice_is(val_get_str(it, "status"), "True");
		}
	}
	return false;
}

struct tallying {
	struct tally t;
	const char *image;
};

static bool tally_one(void *arg, const struct doc *d)
{
	struct tallying *t = arg;
	bool deleting = val_path(d->root, "metadata.deletionTimestamp") != NULL;
	struct slice image = val_get_str(val_at(val_path(d->root, "spec.containers"), 0), "image");

	t->t.all++;
	t->t.deleting += deleting;
	t->t.active += !deleting;
	t->t.ready += !deleting && is_ready(d->root);
	t->t.active_of_image += !deleting && t->image && slice_is(image, t->image);
	return true;
}

struct tally world_tally(struct world *w, const char *ns, const char *image)
{
	struct tallying t = { .image = image };

	store_each(w->store, w->pod, slice_of(ns), tally_one, &t);
	return t.t;
}

const char *world_str(const struct val *object, const char *path)
{
	return val_cstr(val_path(object, path));
}

static bool count_reason(void *arg, const struct doc *d)
{
	struct nth *n = ((void **)arg)[0];

	n->n += slice_is(val_get_str(d->root, "reason"), ((const char **)arg)[1]);
	return true;
}

size_t world_events(struct world *w, const char *reason)
{
	struct nth n = { 0 };
	const void *arg[] = { &n, reason };

	store_each(w->store, w->event, SLICE(""), count_reason, arg);
	return n.n;
}
