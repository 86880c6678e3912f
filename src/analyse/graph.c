/* Why: from references to who depends on whom; see graph.h. */
#include "analyse/graph.h"

#include "base/mem.h"
#include "base/strbuf.h"

enum { LAYER_ROUNDS = 12 };

const char *graph_node_kind_text(enum graph_node_kind k)
{
	static const char *const texts[] = {
		[NODE_BROWSER] = "browser",   [NODE_INGRESS] = "ingress",
		[NODE_WORKLOAD] = "workload", [NODE_SERVICE] = "service",
		[NODE_STORE] = "store",       [NODE_OUTSIDE] = "outside",
		[NODE_MISSING] = "missing",
	};

	return k < GRAPH_NODE_KINDS ? texts[k] : "";
}

const char *graph_edge_kind_text(enum graph_edge_kind k)
{
	static const char *const texts[] = {
		[EDGE_CALLS] = "calls",
		[EDGE_SELECTS] = "selects",
		[EDGE_ROUTES] = "routes",
		[EDGE_NAMES] = "names",
	};

	return texts[k];
}

/* ---- nodes and edges ---- */

static struct graph_node *node(struct graph *g, enum graph_node_kind kind, const char *what,
                               const char *name, const struct object *object)
{
	scoped_free char *key = mem_printf("%d %s %s", kind, what, name);
	struct graph_node *n = map_find(&g->by_name, slice_of(key));

	if (n) {
		return n;
	}
	n = ARENA_NEW(&g->arena, struct graph_node);
	*n = (struct graph_node){ .kind = kind,
		                  .name = arena_strdup(&g->arena, name),
		                  .what = arena_strdup(&g->arena, what),
		                  .object = object,
		                  .id = (unsigned)g->nodes.n };
	vec_push(&g->nodes, n);
	map_set(&g->by_name, slice_of(key), n);
	return n;
}

static struct graph_node *node_of_object(struct graph *g, enum graph_node_kind kind,
                                         const struct object *o)
{
	scoped_free char *name = mem_printf(SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(o->ns),
	                                    o->ns.len ? "/" : "", SLICE_ARG(o->name));
	scoped_free char *what = slice_dup(o->kind);

	return node(g, kind, what, name, o);
}

static struct graph_edge *edge(struct graph *g, enum graph_edge_kind kind, struct graph_node *from,
                               struct graph_node *to, const char *scheme, uint16_t port)
{
	scoped_free char *key = mem_printf("%d %u %u %s %u", kind, from->id, to->id, scheme, port);
	struct graph_edge *e = map_find(&g->by_edge, slice_of(key));

	if (e) {
		return e;
	}
	e = ARENA_NEW(&g->arena, struct graph_edge);
	*e = (struct graph_edge){ .kind = kind,
		                  .from = from,
		                  .to = to,
		                  .scheme = arena_strdup(&g->arena, scheme),
		                  .port = port };
	vec_push(&g->edges, e);
	map_set(&g->by_edge, slice_of(key), e);
	return e;
}

/* ---- targets ---- */

static struct graph_node *outside(struct graph *g, enum graph_node_kind kind, const char *host)
{
	return node(g, kind, kind == NODE_MISSING ? "nobody" : "outside", host, NULL);
}

static const char *problem_of(struct graph *g, const struct reference *r, const struct target *t)
{
	if (r->problem) {
		return arena_printf(&g->arena, "the value %s", r->problem);
	}
	if (t->kind == TARGET_MISSING) {
		return arena_printf(&g->arena, "there is no Service " SLICE_FMT "/" SLICE_FMT,
		                    SLICE_ARG(t->ns), SLICE_ARG(t->name));
	}
	if (r->place == PLACE_BROWSER && t->kind == TARGET_SERVICE &&
	    !target_is_proxied(g->subject, r, t)) {
		return "a browser cannot resolve names of the cluster";
	}
	if (t->kind == TARGET_SERVICE && r->port && !t->port && !t->service->headless &&
	    !t->service->external) {
		return arena_printf(&g->arena, "the Service has no port %u", r->port);
	}
	return NULL;
}

static struct graph_node *node_of_target(struct graph *g, const struct reference *r,
                                         const struct target *t)
{
	switch (t->kind) {
	case TARGET_SERVICE:
		return node_of_object(g, NODE_SERVICE, t->object);
	case TARGET_STORE:
		return node_of_object(g, NODE_STORE, t->object);
	case TARGET_EDGE:
		return node_of_object(g, NODE_INGRESS, t->object);
	case TARGET_OUTSIDE:
		return outside(g, NODE_OUTSIDE, r->host);
	case TARGET_MISSING:
		return outside(g, NODE_MISSING, r->host);
	case TARGET_UNKNOWN:
	case TARGET_SELF:
		break;
	}
	return NULL;
}

static struct graph_node *node_of_caller(struct graph *g, const struct reference *r,
                                         const struct target *t)
{
	const struct object *o =
		subject_object(g->subject, r->workload ? r->workload : r->where.object);

	if ((r->place == PLACE_BROWSER || r->place == PLACE_BUILD) &&
	    !target_is_proxied(g->subject, r, t)) {
		return node(g, NODE_BROWSER, "browser", "browser", NULL);
	}
	if (!o) {
		return NULL;
	}
	if (r->place == PLACE_INGRESS) {
		return node_of_object(g, NODE_INGRESS, o);
	}
	return r->workload ? node_of_object(g, NODE_WORKLOAD, o) : NULL;
}

static bool is_wanted(const struct reference *r, const struct target *t, struct slice ns)
{
	return !ns.len || slice_eq(target_ns_of(r), ns) ||
	       (t->object && slice_eq(t->object->ns, ns)) ||
	       (t->kind == TARGET_MISSING && slice_eq(t->ns, ns));
}

static void add_reference(struct graph *g, const struct reference *r, struct slice ns)
{
	struct target t = target_of(g->subject, r);
	struct graph_node *from, *to;
	struct graph_edge *e;

	if (r->use != USE_CONNECT || r->place == PLACE_RESOLVER || !is_wanted(r, &t, ns) ||
	    (t.kind == TARGET_OUTSIDE && r->confidence == CONFIDENCE_LOW)) {
		return;
	}
	from = node_of_caller(g, r, &t);
	to = node_of_target(g, r, &t);
	if (!from || !to) {
		return;
	}
	/* what a host alone leaves open, the store's engine says */
	e = edge(g, EDGE_CALLS, from, to,
	         t.kind == TARGET_STORE && !r->scheme[0] ? target_store_scheme(t.object)
	                                                 : r->scheme,
	         t.kind == TARGET_STORE && !r->port ? target_store_port(t.object) : r->port);
	e->problem = e->problem ? e->problem : problem_of(g, r, &t);
	vec_push(&e->at, r);
}

/* ---- Services and Ingresses ---- */

static void add_service(struct graph *g, const struct svc *x)
{
	struct graph_node *n = node_of_object(g, NODE_SERVICE, x->object);
	struct slice external = val_get_str(object_spec(x->object), "externalName");

	for (size_t i = 0; i < x->n_pods; i++) {
		edge(g, EDGE_SELECTS, n, node_of_object(g, NODE_WORKLOAD, x->pods[i]->object), "",
		     0);
	}
	if (x->external && external.len) {
		const struct object *store = target_store_of_host(g->subject, external);
		scoped_free char *host = slice_dup(external);

		edge(g, EDGE_NAMES, n,
		     store ? node_of_object(g, NODE_STORE, store) : outside(g, NODE_OUTSIDE, host),
		     "", 0);
	}
}

static uint16_t port_of_backend(const struct svc *x, const struct val *port)
{
	const struct svc_port *p = svc_port_named(x, val_get_str(port, "name"));
	int64_t n = val_int(val_get(port, "number"), 0);

	return p && val_get(port, "name") ? p->port : n > 0 && n < 65536 ? (uint16_t)n : 0;
}

static void add_backend(struct graph *g, const struct object *ingress, const struct val *backend)
{
	const struct val *service = val_get(backend, "service");
	const struct svc *x =
		subject_service(g->subject, ingress->ns, val_get_str(service, "name"));
	struct graph_node *n = node_of_object(g, NODE_INGRESS, ingress);

	if (x) {
		edge(g, EDGE_ROUTES, n, node_of_object(g, NODE_SERVICE, x->object), "",
		     port_of_backend(x, val_get(service, "port")));
	} else if (service) {
		scoped_free char *name = mem_printf(SLICE_FMT "/" SLICE_FMT, SLICE_ARG(ingress->ns),
		                                    SLICE_ARG(val_get_str(service, "name")));

		edge(g, EDGE_ROUTES, n, outside(g, NODE_MISSING, name), "", 0)->problem =
			"there is no such Service";
	}
}

static void add_ingress(struct graph *g, const struct object *o)
{
	struct graph_node *browser = node(g, NODE_BROWSER, "browser", "browser", NULL);

	edge(g, EDGE_ROUTES, browser, node_of_object(g, NODE_INGRESS, o),
	     val_len(val_get(object_spec(o), "tls")) ? "https" : "http", 0);
	if (val_get(object_spec(o), "defaultBackend")) {
		add_backend(g, o, val_get(object_spec(o), "defaultBackend"));
	}
	val_for_each (val_get(object_spec(o), "rules"), rule) {
		val_for_each (val_path(rule, "http.paths"), path) {
			add_backend(g, o, val_get(path, "backend"));
		}
	}
}

/* ---- order ---- */

/* Callers one layer before the called; circles stop growing after a few rounds. */
static void make_layers(struct graph *g)
{
	bool changed = true;

	for (int round = 0; changed && round < LAYER_ROUNDS; round++) {
		changed = false;
		for (size_t i = 0; i < g->edges.n; i++) {
			struct graph_edge *e = g->edges.at[i];

			if (e->from != e->to && e->to->layer <= e->from->layer &&
			    e->from->layer < LAYER_ROUNDS) {
				e->to->layer = e->from->layer + 1;
				changed = true;
			}
		}
	}
}

static int by_caller(const void *x, const void *y)
{
	const struct graph_edge *a = *(const struct graph_edge *const *)x,
				*b = *(const struct graph_edge *const *)y;

	if (a->from->id != b->from->id) {
		return a->from->id < b->from->id ? -1 : 1;
	}
	if (a->kind != b->kind) {
		return a->kind < b->kind ? -1 : 1;
	}
	if (a->to->id != b->to->id) {
		return a->to->id < b->to->id ? -1 : 1;
	}
	return a->port != b->port ? (a->port < b->port ? -1 : 1) : strcmp(a->scheme, b->scheme);
}

struct graph *graph_new(struct subject *s, struct slice ns)
{
	struct graph *g = NEW(struct graph);
	const struct values *v = subject_values(s);

	g->subject = s;
	object_each(s, OBJECT_INGRESS, o)
	{
		if (!ns.len || slice_eq(o->ns, ns)) {
			add_ingress(g, o);
		}
	}
	for (size_t i = 0; i < s->workloads.n; i++) {
		const struct object *o = s->workloads.at[i]->object;

		if (!o->assumed && (!ns.len || slice_eq(o->ns, ns))) {
			(void)node_of_object(g, NODE_WORKLOAD, o);
		}
	}
	for (size_t i = 0; i < v->n_references; i++) {
		add_reference(g, &v->references[i], ns);
	}
	for (size_t i = 0; i < s->services.n; i++) {
		const struct svc *x = s->services.at[i];

		if (!x->object->assumed && (!ns.len || slice_eq(x->ns, ns))) {
			add_service(g, x);
		}
	}
	make_layers(g);
	if (g->edges.n) {
		qsort(g->edges.at, g->edges.n, sizeof(*g->edges.at), by_caller);
	}
	return g;
}

struct graph *graph_free(struct graph *g)
{
	if (!g) {
		return NULL;
	}
	for (size_t i = 0; i < g->edges.n; i++) {
		vec_fini(&g->edges.at[i]->at);
	}
	vec_fini(&g->nodes);
	vec_fini(&g->edges);
	map_fini(&g->by_name);
	map_fini(&g->by_edge);
	arena_fini(&g->arena);
	free(g);
	return NULL;
}

void graph_edge_label(struct strbuf *out, const struct graph_edge *e)
{
	if (e->scheme[0]) {
		strbuf_adds(out, e->scheme);
	}
	if (e->port) {
		strbuf_addf(out, "%s:%u", e->scheme[0] ? " " : "", e->port);
	}
}

void graph_place(struct strbuf *out, const struct graph *g, const struct reference *r)
{
	const struct object *o = subject_object(g->subject, r->where.object);

	if (!o) {
		return;
	}
	strbuf_adds(out, o->file);
	if (r->where.line) {
		strbuf_addf(out, ":%u:%u", r->where.line, r->where.col);
	}
}
