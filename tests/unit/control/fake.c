/* Scaffolding until store/ and the kind tables stand: the contract of store/store.h in memory. */
#include "base/chance.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"
#include "codec/json.h"
#include "schema/object.h"
#include "schema/quantity.h"
#include "store/store.h"

static const struct kind kinds[] = {
	{ .group = "", .version = "v1", .kind = "Namespace", .plural = "namespaces", .id = 0 },
	{ .group = "", .version = "v1", .kind = "Node", .plural = "nodes", .id = 1 },
	{ .group = "", .version = "v1", .kind = "Pod", .plural = "pods", .namespaced = true, .id = 2 },
	{ .group = "", .version = "v1", .kind = "Service", .plural = "services", .namespaced = true, .id = 3 },
	{ .group = "", .version = "v1", .kind = "Endpoints", .plural = "endpoints", .namespaced = true, .id = 4 },
	{ .group = "", .version = "v1", .kind = "ConfigMap", .plural = "configmaps", .namespaced = true, .id = 5 },
	{ .group = "", .version = "v1", .kind = "Secret", .plural = "secrets", .namespaced = true, .id = 6 },
	{ .group = "", .version = "v1", .kind = "ServiceAccount", .plural = "serviceaccounts", .namespaced = true, .id = 7 },
	{ .group = "", .version = "v1", .kind = "Event", .plural = "events", .namespaced = true, .id = 8 },
	{ .group = "apps", .version = "v1", .kind = "Deployment", .plural = "deployments", .namespaced = true, .id = 9 },
	{ .group = "apps", .version = "v1", .kind = "ReplicaSet", .plural = "replicasets", .namespaced = true, .id = 10 },
	{ .group = "discovery.k8s.io", .version = "v1", .kind = "EndpointSlice", .plural = "endpointslices", .namespaced = true, .id = 11 },
	{ .group = "networking.k8s.io", .version = "v1", .kind = "Ingress", .plural = "ingresses", .namespaced = true, .id = 12 },
	{ .group = "coordination.k8s.io", .version = "v1", .kind = "Lease", .plural = "leases", .namespaced = true, .id = 13 },
};

struct registry { int n; };
static struct registry the_registry;
struct registry *registry_new(void) { return &the_registry; }
struct registry *registry_free(struct registry *r) { (void)r; return NULL; }
const struct kind *kind_storage(const struct kind *k) { return k; }
const struct kind *registry_find(const struct registry *r, struct slice g, struct slice v, struct slice kind)
{
	(void)r;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (slice_is(g, kinds[i].group) && slice_is(v, kinds[i].version) && slice_is(kind, kinds[i].kind)) {
			return &kinds[i];
		}
	}
	return NULL;
}
const struct kind *registry_kind_of(const struct registry *r, const struct val *o)
{
	struct slice g, v, api = val_get_str(o, "apiVersion");
	if (!slice_cut(api, '/', &g, &v)) { v = api; g = SLICE(""); }
	return registry_find(r, g, v, val_get_str(o, "kind"));
}
const struct kind *registry_at(const struct registry *r, size_t n) { (void)r; return n < ARRAY_SIZE(kinds) ? &kinds[n] : NULL; }
const char *kind_api_version(const struct kind *k)
{
	static char buf[64];
	snprintf(buf, sizeof(buf), "%s%s%s", k->group, *k->group ? "/" : "", k->version);
	return buf;
}
const char *kind_qualified(const struct kind *k) { return k->plural; }
void object_default(const struct kind *k, struct arena *a, struct val *o) { (void)k; (void)a; (void)o; }
bool quantity_of_val(const struct val *v, struct quantity *q)
{
	struct slice s = val_str(v);
	int64_t n, mul = 1000;
	if (!v) { return false; }
	if (v->type == VAL_INT) { q->nano = (__int128)v->i * 1000000000; return true; }
	if (s.len && s.p[s.len - 1] == 'm') { s.len--; mul = 1; }
	else if (slice_has_suffix(s, SLICE("Mi"))) { s.len -= 2; mul = 1000LL << 20; }
	if (!slice_to_i64(s, &n)) { return false; }
	q->nano = (__int128)n * mul * 1000000;
	return true;
}
int64_t quantity_milli(struct quantity q) { return (int64_t)(q.nano / 1000000); }
int64_t quantity_value(struct quantity q) { return (int64_t)(q.nano / 1000000000); }

struct obj { struct key key; char *text; struct doc *doc; };
struct pending { struct store_event e; struct list_link link; };
struct store_watch { struct store *s; const struct kind *k; uint64_t from; store_watch_fn *fn; void *arg; };
struct store {
	struct loop *l; struct store_config c; uint64_t rev;
	VEC(struct obj *) at;
	struct list pending; struct loop_defer defer;
	VEC(struct store_watch *) watches;
};

int store_open(struct loop *l, const struct store_config *c, struct store **ret, struct err *err)
{
	(void)err;
	struct store *s = NEW(struct store);
	s->l = l; s->c = *c; s->rev = 1;
	*ret = s;
	return 0;
}
struct store *store_close(struct store *s)
{
	store_commit(s);
	loop_defer_cancel(&s->defer);
	for (size_t i = 0; i < s->at.n; i++) { doc_unref(s->at.at[i]->doc); free(s->at.at[i]->text); free(s->at.at[i]); }
	vec_fini(&s->at); vec_fini(&s->watches); free(s);
	return NULL;
}
uint64_t store_revision(const struct store *s) { return s->rev; }
int64_t store_wall_us(const struct store *s) { return s->c.wall_us(s->c.clock_arg); }
struct registry *store_registry(const struct store *s) { return s->c.registry; }
static size_t place(const struct store *s, const struct kind *k, struct slice ns, struct slice name, bool *found)
{
	scoped_strbuf struct strbuf t = { 0 };
	strbuf_addf(&t, "%03u\n" SLICE_FMT "\n" SLICE_FMT, k->id, SLICE_ARG(ns), SLICE_ARG(name));
	size_t i = 0;
	*found = false;
	for (; i < s->at.n; i++) {
		int c = strcmp(s->at.at[i]->text, strbuf_str(&t));
		if (c >= 0) { *found = c == 0; break; }
	}
	return i;
}
const struct doc *store_get(const struct store *s, struct key key)
{
	bool found; size_t i = place(s, key.kind, key.ns, key.name, &found);
	return found ? s->at.at[i]->doc : NULL;
}
void store_each(const struct store *s, const struct kind *k, struct slice ns, store_visit_fn *fn, void *arg)
{
	for (size_t i = 0; i < s->at.n; i++) {
		struct obj *o = s->at.at[i];
		if (o->key.kind == k && (!ns.len || slice_eq(val_str(val_path(o->doc->root, "metadata.namespace")), ns))) {
			if (!fn(arg, o->doc)) { return; }
		}
	}
}
static bool count(void *arg, const struct doc *d) { (void)d; (*(size_t *)arg)++; return true; }
size_t store_count(const struct store *s, const struct kind *k, struct slice ns) { size_t n = 0; store_each(s, k, ns, count, &n); return n; }
static void deliver(struct loop_defer *d) { store_commit(container_of(d, struct store, defer)); }
static void emit(struct store *s, enum store_event_type t, const struct kind *k, const struct doc *d, const struct doc *old)
{
	struct pending *p = NEW(struct pending);
	p->e = (struct store_event){ .type = t, .revision = s->rev, .kind = k, .object = doc_ref(d), .old = old ? doc_ref(old) : NULL };
	list_push(&s->pending, &p->link);
	loop_defer(s->l, &s->defer, deliver);
}
void store_commit(struct store *s)
{
	struct list_link *l;
	while ((l = list_first(&s->pending))) {
		struct pending *p = container_of(l, struct pending, link);
		list_unlink(l);
		for (size_t i = 0; i < s->watches.n; i++) {
			struct store_watch *w = s->watches.at[i];
			if (p->e.revision > w->from && (!w->k || w->k == p->e.kind)) { w->fn(w->arg, &p->e); }
		}
		doc_unref(p->e.object); doc_unref(p->e.old); free(p);
	}
}
static void stamp(struct store *s, struct doc *d)
{
	val_set(&d->arena, val_need_object(&d->arena, d->root, "metadata"), "resourceVersion", val_new_strf(&d->arena, "%llu", (unsigned long long)++s->rev));
}
int store_create(struct store *s, const struct kind *k, const struct val *object, const struct doc **ret, struct err *err)
{
	struct doc *d = doc_copy_of(object);
	struct arena *a = &d->arena;
	struct val *m = val_need_object(a, d->root, "metadata");
	char buf[64]; bool found; size_t i;
	if (!val_get_str(m, "name").len) {
		char suffix[6];
		val_set(a, m, "name", val_new_strf(a, "%s%s", val_cstr(val_get(m, "generateName")), chance_suffix(suffix, 5)));
	}
	struct slice ns = k->namespaced ? val_get_str(m, "namespace") : SLICE("");
	i = place(s, k, ns, val_get_str(m, "name"), &found);
	if (found) { int r = err_raise(err, ERR_EXISTS, "%s \"%s\" already exists", k->plural, val_cstr(val_get(m, "name"))); doc_unref(d); return r; }
	val_set_cstr(a, m, "uid", chance_uuid(buf));
	val_set_cstr(a, m, "creationTimestamp", time_format(store_wall_us(s), buf));
	val_set_int(a, m, "generation", 1);
	stamp(s, d);
	struct obj *o = NEW(struct obj);
	o->key = (struct key){ k, ns, val_get_str(m, "name") };
	o->text = mem_printf("%03u\n" SLICE_FMT "\n" SLICE_FMT, k->id, SLICE_ARG(ns), SLICE_ARG(val_get_str(m, "name")));
	o->doc = d;
	vec_push(&s->at, o);
	memmove(&s->at.at[i + 1], &s->at.at[i], (s->at.n - 1 - i) * sizeof(o));
	s->at.at[i] = o;
	emit(s, STORE_ADDED, k, d, NULL);
	if (ret) { *ret = d; }
	return 0;
}
static bool same_but(const struct val *x, const struct val *y, const char *skip1, const char *skip2)
{
	scoped_arena struct arena a = { 0 };
	struct val *p = val_copy(&a, x), *q = val_copy(&a, y);
	val_remove(p, skip1); val_remove(q, skip1); val_remove(p, skip2); val_remove(q, skip2);
	return val_eq(p, q);
}
static bool is_removable(const struct val *o)
{
	return !val_len(val_path(o, "metadata.finalizers")) && !(slice_is(val_get_str(o, "kind"), "Namespace") && val_len(val_path(o, "spec.finalizers")));
}
static void drop(struct store *s, size_t i, struct doc *last)
{
	struct obj *o = s->at.at[i];
	emit(s, STORE_DELETED, o->key.kind, last, o->doc);
	doc_unref(o->doc);
	doc_unref(last);
	free(o->text); free(o);
	vec_remove(&s->at, i);
}
int store_update(struct store *s, const struct kind *k, const struct val *object, const struct doc **ret, struct err *err)
{
	const struct val *m = val_get(object, "metadata");
	bool found; size_t i = place(s, k, k->namespaced ? val_get_str(m, "namespace") : SLICE(""), val_get_str(m, "name"), &found);
	if (!found) { return err_raise(err, ERR_NOTFOUND, "%s not found", k->plural); }
	struct doc *old = s->at.at[i]->doc;
	struct slice rv = val_get_str(m, "resourceVersion");
	if (rv.len && !slice_eq(rv, val_str(val_path(old->root, "metadata.resourceVersion")))) { return err_raise(err, ERR_CONFLICT, "conflict on %s", k->plural); }
	if (val_eq(old->root, object)) { if (ret) { *ret = old; } return 0; }
	struct doc *d = doc_copy_of(object);
	if (!same_but(old->root, d->root, "metadata", "status")) { val_set_int(&d->arena, val_get(d->root, "metadata"), "generation", val_int(val_path(old->root, "metadata.generation"), 0) + 1); }
	stamp(s, d);
	if (val_path(d->root, "metadata.deletionTimestamp") && is_removable(d->root)) { 
		if (ret) { *ret = NULL; }
		drop(s, i, d);
		return 0;
	}
	s->at.at[i]->key.name = val_str(val_path(d->root, "metadata.name"));
	s->at.at[i]->doc = d;
	emit(s, STORE_MODIFIED, k, d, old);
	doc_unref(old);
	if (ret) { *ret = d; }
	return 0;
}
int store_delete(struct store *s, struct key key, const struct store_delete_opts *o, const struct doc **ret_last, struct err *err)
{
	bool found; size_t i = place(s, key.kind, key.ns, key.name, &found);
	char buf[64];
	if (!found) { return err_raise(err, ERR_NOTFOUND, "%s not found", key.kind->plural); }
	struct doc *old = s->at.at[i]->doc;
	if (o->uid.len && !slice_eq(o->uid, val_str(val_path(old->root, "metadata.uid")))) { return err_raise(err, ERR_CONFLICT, "uid"); }
	struct doc *d = doc_copy_of(old->root);
	struct val *m = val_get(d->root, "metadata");
	const char *fin = o->propagation && strcmp(o->propagation, "Foreground") == 0 ? "foregroundDeletion" : o->propagation && strcmp(o->propagation, "Orphan") == 0 ? "orphan" : NULL;
	if (fin) { val_append(val_need_array(&d->arena, m, "finalizers"), val_new_cstr(&d->arena, fin)); }
	stamp(s, d);
	if (is_removable(d->root) && !(strcmp(key.kind->kind, "Pod") == 0 && o->grace_s > 0)) { if (ret_last) { *ret_last = NULL; } drop(s, i, d); return STORE_REMOVED; }
	val_set_cstr(&d->arena, m, "deletionTimestamp", time_format(store_wall_us(s) + (o->grace_s > 0 ? o->grace_s : 0) * US_PER_S, buf));
	s->at.at[i]->doc = d;
	emit(s, STORE_MODIFIED, key.kind, d, old);
	doc_unref(old);
	if (ret_last) { *ret_last = d; }
	return STORE_MARKED;
}
int store_watch(struct store *s, const struct kind *k, uint64_t from, store_watch_fn *fn, void *arg, struct store_watch **ret, struct err *err)
{
	(void)err;
	struct store_watch *w = NEW(struct store_watch);
	*w = (struct store_watch){ s, k, from, fn, arg };
	vec_push(&s->watches, w);
	*ret = w;
	return 0;
}
struct store_watch *store_unwatch(struct store_watch *w)
{
	if (w) {
		for (size_t i = 0; i < w->s->watches.n; i++) { if (w->s->watches.at[i] == w) { vec_remove(&w->s->watches, i); break; } }
		free(w);
	}
	return NULL;
}
