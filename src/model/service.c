/* Why: the records of Services and EndpointSlices, the log of their changes, and the questions
 * about them. What a Service means is derived in service-derive.c, when somebody asks. */
#include "model/model-priv.h"
#include "model/service-priv.h"

/* ---- records ---- */

static struct service *service_record(const struct model *m, struct slice ns, struct slice name)
{
	struct key k;
	struct slice key = key_make(&k, ns, name);

	return key.len ? map_find(&m->services, key) : NULL;
}

static struct service *service_need(struct model *m, struct slice ns, struct slice name)
{
	struct service *s = service_record(m, ns, name);
	struct key k;

	if (!s) {
		s = NEW(struct service);
		s->ns = slice_dup(ns);
		s->name = slice_dup(name);
		map_set(&m->services, key_make(&k, ns, name), s);
		m->service_order_stale = true;
	}
	return s;
}

static bool is_gone(const struct service *s)
{
	return !s->doc && !s->slices.n;
}

void service_free(struct service *s)
{
	doc_unref(s->doc);
	vec_fini(&s->slices);
	arena_fini(&s->arena);
	free(s->ns);
	free(s->name);
	free(s);
}

static void drop_record(struct model *m, struct service *s)
{
	struct key k;

	service_forget(m, s);
	list_unlink(&s->by_change);
	list_unlink(&s->by_dirt);
	map_remove(&m->services, key_make(&k, slice_of(s->ns), slice_of(s->name)));
	m->service_order_stale = true;
	service_free(s);
}

/* The log names a service that is gone, too, so that others can forget it; but not for ever. */
static void drop_old_tombstones(struct model *m)
{
	while (m->n_tombstones > MODEL_TOMBSTONES) {
		list_for_each (&m->service_changes, s, struct service, by_change) {
			if (is_gone(s)) {
				m->service_log_floor = s->version;
				m->n_tombstones--;
				drop_record(m, s);
				break;
			}
		}
	}
}

static void service_changed(struct model *m, struct service *s, bool was_gone)
{
	model_changed(m, MODEL_SERVICES);
	model_changed(m, MODEL_NAMES);
	s->version = m->versions[MODEL_SERVICES];
	list_unlink(&s->by_change);
	list_push(&m->service_changes, &s->by_change);
	if (!list_has_link(&s->by_dirt)) {
		list_push(&m->service_dirt, &s->by_dirt);
	}
	m->n_tombstones += (size_t)is_gone(s);
	m->n_tombstones -= (size_t)was_gone;
	drop_old_tombstones(m);
}

/* ---- Services come and go ---- */

static bool service_means_the_same(const struct val *a, const struct val *b)
{
	return val_eq(val_get(a, "spec"), val_get(b, "spec")) &&
	       val_eq(val_path(a, "status.loadBalancer"), val_path(b, "status.loadBalancer")) &&
	       val_eq(val_get(val_path(a, "metadata.annotations"), SOURCE_RANGES_ANNOTATION),
	              val_get(val_path(b, "metadata.annotations"), SOURCE_RANGES_ANNOTATION));
}

void service_hold(struct model *m, struct slice ns, struct slice name, const struct doc *d,
                  bool same)
{
	bool was_known = service_record(m, ns, name) != NULL;
	struct service *s = service_need(m, ns, name);
	bool was_gone = was_known && is_gone(s);
	struct doc *old = s->doc;

	s->doc = doc_ref(d);
	if (!old || !same) {
		service_changed(m, s, was_gone);
	} else if (!list_has_link(&s->by_dirt)) {
		list_push(&m->service_dirt, &s->by_dirt); /* it borrows from the old document */
	}
	doc_unref(old);
}

void service_let_go(struct model *m, struct slice ns, struct slice name)
{
	struct service *s = service_record(m, ns, name);
	struct doc *old;

	if (s && s->doc) {
		old = s->doc;
		s->doc = NULL;
		service_changed(m, s, false);
		doc_unref(old);
	}
}

void service_put(struct model *m, const struct doc *d)
{
	struct slice ns = val_str(val_path(d->root, "metadata.namespace"));
	struct slice name = val_str(val_path(d->root, "metadata.name"));
	const struct service *s = service_record(m, ns, name);

	service_hold(m, ns, name, d, s && s->doc && service_means_the_same(s->doc->root, d->root));
	public_put(m, d);
}

void service_remove(struct model *m, const struct doc *d)
{
	public_remove(m, d);
	service_let_go(m, val_str(val_path(d->root, "metadata.namespace")),
	               val_str(val_path(d->root, "metadata.name")));
}

/* ---- EndpointSlices come and go ---- */

static bool slices_mean_the_same(const struct val *a, const struct val *b)
{
	return val_eq(val_get(a, "endpoints"), val_get(b, "endpoints")) &&
	       val_eq(val_get(a, "ports"), val_get(b, "ports")) &&
	       val_eq(val_get(a, "addressType"), val_get(b, "addressType"));
}

static struct slice service_name_of(const struct val *slice)
{
	return val_str(val_get(val_path(slice, "metadata.labels"), "kubernetes.io/service-name"));
}

void slices_free(struct slices_of *s)
{
	doc_unref(s->doc);
	free(s);
}

static void detach(struct model *m, struct slices_of *e)
{
	struct service *s = e->service;

	for (size_t i = 0; s && i < s->slices.n; i++) {
		if (s->slices.at[i] == e) {
			vec_remove(&s->slices, i);
			service_changed(m, s, false);
			break;
		}
	}
	e->service = NULL;
}

static void attach(struct model *m, struct slices_of *e, struct slice ns, struct slice service)
{
	bool was_known = service_record(m, ns, service) != NULL;
	struct key k;
	struct service *s;
	bool was_gone;

	if (!service.len || !key_make(&k, ns, service).len) {
		return; /* a slice of nobody */
	}
	s = service_need(m, ns, service);
	was_gone = was_known && is_gone(s);
	e->service = s;
	vec_push(&s->slices, e);
	service_changed(m, s, was_gone);
}

static void slices_replace(struct model *m, struct slices_of *e, const struct doc *d)
{
	struct slice service = service_name_of(d->root);
	struct doc *old = e->doc;
	struct service *s = e->service;

	e->doc = doc_ref(d);
	if (!s || !slice_is(service, s->name)) {
		detach(m, e);
		attach(m, e, val_str(val_path(d->root, "metadata.namespace")), service);
	} else if (!slices_mean_the_same(old->root, d->root)) {
		service_changed(m, s, false);
	} else if (!list_has_link(&s->by_dirt)) {
		list_push(&m->service_dirt, &s->by_dirt); /* it borrows from the old document */
	}
	doc_unref(old);
}

void slices_put(struct model *m, const struct doc *d)
{
	struct slice ns = val_str(val_path(d->root, "metadata.namespace"));
	struct key k;
	struct slice key = key_make(&k, ns, val_str(val_path(d->root, "metadata.name")));
	struct slices_of *e = map_find(&m->slices, key);

	if (e) {
		slices_replace(m, e, d);
		return;
	}
	e = NEW(struct slices_of);
	e->doc = doc_ref(d);
	map_set(&m->slices, key, e);
	attach(m, e, ns, service_name_of(d->root));
}

void slices_remove(struct model *m, const struct doc *d)
{
	struct key k;
	struct slices_of *e = map_remove(
		&m->slices, key_make(&k, val_str(val_path(d->root, "metadata.namespace")),
	                             val_str(val_path(d->root, "metadata.name"))));

	if (e) {
		detach(m, e);
		slices_free(e);
	}
}

/* ---- questions ---- */

/* Derived parts may be written through a const model: see model-priv.h. */
static struct model *derived(const struct model *m)
{
	return (struct model *)(uintptr_t)m;
}

static void refresh(const struct model *m, struct service *s)
{
	if (list_has_link(&s->by_dirt)) {
		list_unlink(&s->by_dirt);
		service_derive(derived(m), s);
	}
}

static void refresh_all(const struct model *m)
{
	list_for_each (&derived(m)->service_dirt, s, struct service, by_dirt) {
		refresh(m, s);
	}
}

struct service *service_find(const struct model *m, struct slice ns, struct slice name)
{
	struct service *s = service_record(m, ns, name);

	if (!s || !s->doc) {
		return NULL;
	}
	refresh(m, s);
	return s;
}

const service_vec *service_at(const struct model *m, struct ip ip)
{
	refresh_all(m);
	return map_find(&m->service_by_ip, key_of_ip(&ip));
}

static int by_name(const void *a, const void *b)
{
	const struct service *x = *(struct service *const *)a, *y = *(struct service *const *)b;
	int r = strcmp(x->ns, y->ns);

	return r ? r : strcmp(x->name, y->name);
}

static void sort_services(struct model *m)
{
	vec_clear(&m->service_order);
	for (struct map_iter it = { 0 }; map_next(&m->services, &it);) {
		vec_push(&m->service_order, (struct service *)it.value);
	}
	if (m->service_order.n) {
		qsort(m->service_order.at, m->service_order.n, sizeof(*m->service_order.at),
		      by_name);
	}
	m->service_order_stale = false;
}

static bool each_port(const struct service *s, model_service_fn *fn, void *arg)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		const struct service_port *p = &s->ports[i];

		if ((p->n_cluster_ips || p->node_port || p->n_endpoints) && !fn(arg, p)) {
			return false;
		}
	}
	return true;
}

void model_each_service_port(const struct model *m, model_service_fn *fn, void *arg)
{
	if (m->service_order_stale) {
		sort_services(derived(m));
	}
	for (size_t i = 0; i < m->service_order.n; i++) {
		struct service *s = m->service_order.at[i];

		refresh(m, s);
		if (s->doc && !each_port(s, fn, arg)) {
			return;
		}
	}
}

void model_each_port_of(const struct model *m, struct slice ns, struct slice service,
                        model_service_fn *fn, void *arg)
{
	const struct service *s = service_find(m, ns, service);

	if (s) {
		(void)each_port(s, fn, arg);
	}
}

bool model_each_changed_service(const struct model *m, uint64_t since, model_changed_fn *fn,
                                void *arg)
{
	const struct list_link *head = &m->service_changes.head, *at = head->prev;

	if (since < m->service_log_floor) {
		return false;
	}
	while (at != head && container_of(at, struct service, by_change)->version > since) {
		at = at->prev;
	}
	for (at = at->next; at != head; at = at->next) {
		const struct service *s = container_of(at, struct service, by_change);

		fn(arg, slice_of(s->ns), slice_of(s->name));
	}
	return true;
}

/* ---- who may be chosen ---- */

enum hint { HINT_NONE, HINT_NODE, HINT_ZONE };

/* Who looks for an endpoint: what a hint or policy is held against. */
struct place {
	bool local; /* the policy says so */
	struct slice node, zone;
};

static const struct val *hints_of(const struct endpoint *e, enum hint kind)
{
	return val_get(e->hints, kind == HINT_NODE ? "forNodes" : "forZones");
}

static bool is_hinted(const struct endpoint *e, enum hint kind, const struct place *at)
{
	struct slice here = kind == HINT_NODE ? at->node : at->zone;

	val_for_each (hints_of(e, kind), it) {
		if (here.len && slice_eq(val_get_str(it, "name"), here)) {
			return true;
		}
	}
	return false;
}

static bool may_follow(const struct service_port *p, enum hint kind, const struct place *at)
{
	bool any = false;

	for (size_t i = 0; i < p->n_endpoints; i++) {
		const struct endpoint *e = &p->endpoints[i];

		if (e->ready && !val_len(hints_of(e, kind))) {
			return false;
		}
		any = any || (e->ready && is_hinted(e, kind, at));
	}
	return any;
}

/* Source: networking.md 1.8 */
static enum hint hint_to_follow(const struct service_port *p, const struct place *at)
{
	if (at->local) {
		return HINT_NONE;
	}
	return may_follow(p, HINT_NODE, at)   ? HINT_NODE
	       : may_follow(p, HINT_ZONE, at) ? HINT_ZONE
	                                      : HINT_NONE;
}

static bool is_wanted(const struct endpoint *e, const struct place *at, bool ready, enum hint hint)
{
	if (at->local && !slice_eq(e->node, at->node)) {
		return false;
	}
	if (!ready) {
		return e->serving && e->terminating;
	}
	return e->ready && (hint == HINT_NONE || is_hinted(e, hint, at));
}

/* Ready ones; else those that leave but still serve; each choice within the local ones when the
 * traffic policy says Local. Source: networking.md 1.3, 1.10 */
size_t service_usable(const struct service_port *p, bool external, struct slice node,
                      const struct endpoint **ret, size_t max)
{
	const struct place at = { external ? p->external_local : p->internal_local, node,
		                  node_zone(p->model, node) };
	enum hint hint = hint_to_follow(p, &at);
	size_t n = 0;

	for (int pass = 0; pass < 2 && n == 0; pass++) {
		for (size_t i = 0; i < p->n_endpoints; i++) {
			if (is_wanted(&p->endpoints[i], &at, pass == 0, hint)) {
				if (n < max) {
					ret[n] = &p->endpoints[i];
				}
				n++;
			}
		}
	}
	return n;
}
