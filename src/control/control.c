/* Why: one watch on the store feeds all controllers; each has its own queue. */
#include "control/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "control/control-priv.h"
#include "control/edit.h"
#include "control/service-pods.h"
#include "control/slices.h"

static const struct controller_type *const types[] = {
	&control_namespace,    &control_serviceaccount, &control_deployment, &control_replicaset,
	&control_scheduler,    &control_endpointslice,  &control_endpoints,  &control_mirror,
	&control_node,         &control_podgc,          &control_garbage,    &control_certificate,
	&control_event_expiry, &control_fieldexport,    &control_eviction,   &control_clusterpolicy,
	&control_cloud,        &control_daemonset,
};

static enum queue_result look(void *arg, struct slice key, int64_t *again_us)
{
	struct controller *c = arg;
	scoped_arena struct arena arena = { 0 };
	struct work w = {
		.controller = c,
		.control = c->control,
		.store = c->control->store,
		.kinds = &c->control->kinds,
		.arena = &arena,
		.now_us = store_wall_us(c->control->store),
	};
	struct err err = { 0 };
	int r = c->type->step(&w, key, &err);

	*again_us = w.again_us;
	if (r < 0) {
		log_debug("%s will look again at " SLICE_FMT ": %s", c->type->name, SLICE_ARG(key),
		          err.msg);
		return QUEUE_FAILED;
	}
	return QUEUE_DONE;
}

static void changed(void *arg, const struct store_event *e)
{
	struct control *c = arg;

	for (size_t i = 0; i < c->n; i++) {
		c->controllers[i].type->seen(&c->controllers[i], e);
	}
}

static bool visit_existing(void *arg, const struct doc *d)
{
	struct store_event *e = ((void **)arg)[1];

	e->object = d;
	changed(((void **)arg)[0], e);
	return true;
}

/* Tells every controller of what is there already. */
static void replay(struct control *c)
{
	const struct registry *r = store_registry(c->store);
	const struct kind *k;

	for (size_t i = 0; (k = registry_at(r, i)); i++) {
		struct store_event e = { .type = STORE_ADDED,
			                 .revision = store_revision(c->store),
			                 .kind = k };
		void *args[] = { c, &e };

		if (!k->is_virtual && kind_storage(k) == k) {
			store_each(c->store, k, SLICE(""), visit_existing, args);
		}
	}
}

static struct slice copy_text(struct slice s)
{
	return (struct slice){ slice_dup(s), s.len };
}

static void find_kinds(struct control *c)
{
	const struct registry *r = store_registry(c->store);

#define X(name, group, version, kind_name)                                                         \
	c->kinds.name = registry_find(r, SLICE(group), SLICE(version), SLICE(kind_name));
	CONTROL_KINDS(X)
#undef X
}

struct control *control_new(struct loop *l, struct store *s, const struct control_config *config)
{
	struct control *c = NEW(struct control);

	c->loop = l;
	c->store = s;
	c->config = *config;
	c->config.cluster_ca_pem = copy_text(config->cluster_ca_pem);
	c->config.edge_ca_pem = copy_text(config->edge_ca_pem);
	if (!c->config.node_grace_us) {
		c->config.node_grace_us = 40 * US_PER_S;
	}
	if (!c->config.event_ttl_us) {
		c->config.event_ttl_us = 3600 * US_PER_S;
	}
	find_kinds(c);
	if (c->kinds.endpointslice) {
		store_index(s, c->kinds.endpointslice, slice_service);
	}
	if (c->kinds.service) {
		store_index(s, c->kinds.service, service_selector);
	}
	c->controllers = mem_realloc(NULL, ARRAY_SIZE(types), sizeof(*c->controllers));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct controller *one = &c->controllers[c->n];

		*one = (struct controller){ .type = types[i], .control = c };
		if (types[i]->can_run && !types[i]->can_run(c)) {
			continue;
		}
		c->n++;
		queue_init(&one->queue, l, look, one);
		if (types[i]->start) {
			types[i]->start(one);
		}
	}
	replay(c);
	/* from the present revision on nothing can be too old */
	must(store_watch(s, NULL, store_revision(s), changed, c, &c->watch, NULL) == 0);
	return c;
}

struct control *control_free(struct control *c)
{
	if (!c) {
		return NULL;
	}
	c->watch = store_unwatch(c->watch);
	for (size_t i = 0; i < c->n; i++) {
		queue_fini(&c->controllers[i].queue);
		if (c->controllers[i].type->stop) {
			c->controllers[i].type->stop(&c->controllers[i]);
		}
	}
	events_forget(c);
	free(c->controllers);
	free((char *)(uintptr_t)c->config.cluster_ca_pem.p);
	free((char *)(uintptr_t)c->config.edge_ca_pem.p);
	free(c);
	return NULL;
}

size_t control_pending(const struct control *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		n += c->controllers[i].queue.n_ready;
	}
	return n;
}

/* ---- keys ---- */

void controller_add(struct controller *c, struct slice ns, struct slice name)
{
	scoped_strbuf struct strbuf key = { 0 };

	strbuf_add_slice(&key, ns);
	strbuf_addc(&key, '/');
	strbuf_add_slice(&key, name);
	queue_add(&c->queue, strbuf_slice(&key));
}

void controller_add_object(struct controller *c, const struct val *object)
{
	controller_add(c, meta_ns(object), meta_name(object));
}

void controller_add_owner(struct controller *c, const struct val *object, const struct kind *owner)
{
	const struct val *ref = meta_controller(object);

	if (owner && ref_is_kind(ref, owner)) {
		controller_add(c, meta_ns(object), val_get_str(ref, "name"));
	}
}

const struct doc *work_find(const struct work *w, const struct kind *k, struct slice ns,
                            struct slice name)
{
	return k ? store_get(w->store, (struct key){ k, ns, name }) : NULL;
}

const struct doc *work_get(const struct work *w, const struct kind *k, struct slice key)
{
	struct slice ns, name;

	slice_cut(key, '/', &ns, &name);
	return work_find(w, k, ns, name);
}

void work_again(struct work *w, int64_t delay_us)
{
	delay_us = delay_us > 0 ? delay_us : 1;
	if (!w->again_us || delay_us < w->again_us) {
		w->again_us = delay_us;
	}
}

/* ---- what a controller remembers ---- */

void memory_start(struct controller *c)
{
	c->state = NEW(struct map);
}

void memory_stop(struct controller *c)
{
	struct map *memory = c->state;

	for (struct map_iter it = { 0 }; map_next(memory, &it);) {
		free(it.value);
	}
	map_fini(memory);
	free(memory);
}
