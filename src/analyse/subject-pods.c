/* Why: workloads as the pods they would make, sorted into classes of equal labels so that a selector looks at
 * classes, not at every workload; see subject.h. */
#include <stdlib.h>

#include "analyse/subject-priv.h"
#include "base/mem.h"

static const enum object_kind workload_kinds[] = {
	OBJECT_DEPLOYMENT, OBJECT_STATEFULSET, OBJECT_DAEMONSET, OBJECT_ROLLOUT, OBJECT_REPLICASET,
	OBJECT_CONTROLLER, OBJECT_CRONJOB,     OBJECT_JOB,       OBJECT_POD,
};

static const struct val *template_of(const struct object *o)
{
	switch (o->id) {
	case OBJECT_POD:
		return o->v;
	case OBJECT_CRONJOB:
		return val_path(o->v, "spec.jobTemplate.spec.template");
	default:
		return val_path(o->v, "spec.template");
	}
}

/* Made by a controller of the set: that one stands for it. */
static bool is_owned(const struct subject *s, const struct object *o)
{
	val_for_each (val_path(o->v, "metadata.ownerReferences"), owner) {
		struct slice kind = val_get_str(owner, "kind");

		for (size_t i = 0; i < ARRAY_SIZE(workload_kinds); i++) {
			const struct object *x = subject_find(s, workload_kinds[i], o->ns,
			                                      val_get_str(owner, "name"));

			if (x && slice_eq(x->kind, kind)) {
				return true;
			}
		}
	}
	return false;
}

/* ---- classes ---- */

static int by_key(const void *a, const void *b)
{
	return slice_cmp((*(const struct val *const *)a)->key,
	                 (*(const struct val *const *)b)->key);
}

static void class_key(struct strbuf *out, const struct val *labels)
{
	size_t n = val_len(labels), i = 0;
	const struct val *few[32],
		**sorted = n <= ARRAY_SIZE(few) ? few : mem_alloc(n * sizeof(*sorted));

	val_for_each (labels, it) {
		sorted[i++] = it;
	}
	qsort(sorted, i, sizeof(*sorted), by_key);
	for (i = 0; i < n; i++) {
		strbuf_add_slice(out, sorted[i]->key);
		strbuf_addc(out, '=');
		strbuf_add_slice(out, val_str(sorted[i]));
		strbuf_addc(out, '\n');
	}
	if (sorted != few) {
		free((void *)sorted);
	}
}

static void pair_key(struct strbuf *out, struct slice ns, const struct val *pair)
{
	strbuf_reset(out);
	strbuf_add_slice(out, ns);
	strbuf_addc(out, '\n');
	strbuf_add_slice(out, pair->key);
	strbuf_addc(out, '=');
	strbuf_add_slice(out, val_str(pair));
}

static void index_pairs(struct subject *s, struct pod_class *c)
{
	scoped_strbuf struct strbuf key = { 0 };

	val_for_each (c->labels, pair) {
		class_vec *v;

		pair_key(&key, c->space->name, pair);
		v = map_find(&s->index->pairs, strbuf_slice(&key));
		if (!v) {
			v = (class_vec *)NEW(class_vec);
			map_set(&s->index->pairs, strbuf_slice(&key), v);
		}
		vec_push(v, c);
	}
}

static struct pod_class *class_of(struct subject *s, struct space *space, const struct val *labels)
{
	scoped_strbuf struct strbuf key = { 0 };
	struct pod_class *c;

	strbuf_add_slice(&key, space->name);
	strbuf_addc(&key, '\n');
	class_key(&key, labels);
	c = map_find(&s->index->classes, strbuf_slice(&key));
	if (!c) {
		c = ARENA_NEW(&s->arena, struct pod_class);
		c->id = (unsigned)s->classes.n;
		c->space = space;
		c->labels = labels;
		map_set(&s->index->classes, strbuf_slice(&key), c);
		vec_push(&s->classes, c);
		vec_push(&space->classes, c);
		index_pairs(s, c);
	}
	return c;
}

/* ---- workloads ---- */

static struct ip invented_ip(const struct subject *s, unsigned id, bool host_network)
{
	struct prefix pods, more;
	enum { NODE = 5, FIRST = 10 };

	if (host_network && prefix_parse(slice_of(s->profile->node_cidr), &pods)) {
		return prefix_nth(pods, NODE);
	}
	if (prefix_parse(slice_of(s->profile->pod_cidr), &pods) && pods.ip.family == IP_V4 &&
	    (uint64_t)id + FIRST + 1 < (UINT64_C(1) << (32 - pods.len))) {
		return prefix_nth(pods, id + FIRST);
	}
	(void)prefix_parse(SLICE("100.64.0.0/10"), &more);
	return prefix_nth(more, id % (1U << 22));
}

static int64_t replicas_of(const struct subject *s, const struct object *o)
{
	if (o->id == OBJECT_DAEMONSET) {
		return s->profile->nodes > 0 ? s->profile->nodes : 1;
	}
	return o->id == OBJECT_POD || o->id == OBJECT_JOB || o->id == OBJECT_CRONJOB
	               ? 1
	               : val_int(val_path(o->v, "spec.replicas"), 1);
}

static void add_workload(struct subject *s, const struct object *o)
{
	const struct val *template = template_of(o), *spec = val_get(template, "spec");
	struct workload *w;

	if (!spec || spec->type != VAL_OBJECT || is_owned(s, o)) {
		return;
	}
	w = ARENA_NEW(&s->arena, struct workload);
	w->object = o;
	w->ns = o->ns;
	w->name = o->name;
	w->space = subject_need_space(s, o->ns);
	w->meta = val_get(template, "metadata");
	w->labels = val_get(w->meta, "labels");
	w->spec = spec;
	w->class = class_of(s, w->space, w->labels);
	w->replicas = w->replicas_max = replicas_of(s, o);
	w->host_network = val_bool(val_get(spec, "hostNetwork"), false);
	w->ends = o->id == OBJECT_JOB || o->id == OBJECT_CRONJOB ||
	          object_annotation_at(o, "helm.sh/hook");
	w->id = (unsigned)s->workloads.n;
	w->ip = invented_ip(s, w->id, w->host_network);
	vec_push(&w->class->workloads, w);
	vec_push(&s->workloads, w);
	map_set(&s->index->workloads, pointer_key((const void *const *)&o), w);
}

static void join_autoscaler(struct subject *s, const struct object *hpa, const char *max)
{
	const struct val *ref = val_get(object_spec(hpa), "scaleTargetRef");
	struct slice kind = val_get_str(ref, "kind");

	for (size_t i = 0; i < ARRAY_SIZE(workload_kinds); i++) {
		const struct object *o =
			subject_find(s, workload_kinds[i], hpa->ns, val_get_str(ref, "name"));
		struct workload *w = o ? subject_workload(s, o) : NULL;

		if (w && (slice_eq(o->kind, kind) || !kind.len)) {
			w->autoscaler = hpa;
			w->replicas_max = val_int(val_get(object_spec(hpa), max), w->replicas);
			return;
		}
	}
}

void subject_gather_workloads(struct subject *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(workload_kinds); i++) {
		object_each(s, workload_kinds[i], o)
		{
			add_workload(s, o);
		}
	}
	object_each(s, OBJECT_HPA, o)
	{
		join_autoscaler(s, o, "maxReplicas");
	}
	object_each(s, OBJECT_SCALEDOBJECT, o)
	{
		join_autoscaler(s, o, "maxReplicaCount");
	}
}

struct workload *subject_workload(const struct subject *s, const struct object *o)
{
	return map_find(&s->index->workloads, pointer_key((const void *const *)&o));
}

/* ---- selecting ---- */

static const struct selector *const unreadable = (const struct selector *)&unreadable;

const struct selector *subject_selector(struct subject *s, const struct val *label_selector)
{
	struct slice key = pointer_key((const void *const *)&label_selector);
	const struct selector *x = map_find(&s->index->selectors, key);
	struct err err = { 0 };

	if (!x && label_selector) {
		if (selector_of_object(&s->arena, label_selector, &x, &err) < 0) {
			x = unreadable;
		}
		map_set(&s->index->selectors, key, (void *)x);
	}
	return x == unreadable ? NULL : x;
}

static void take_matching(const class_vec *classes, const struct selector *selector,
                          struct selection *ret)
{
	for (size_t i = 0; i < classes->n; i++) {
		struct pod_class *c = classes->at[i];

		if (selector_matches(selector, c->labels)) {
			for (size_t j = 0; j < c->workloads.n; j++) {
				vec_push(&ret->at, c->workloads.at[j]);
			}
		}
	}
}

void subject_select(const struct subject *s, const struct space *space,
                    const struct selector *selector, const struct val *pairs, struct selection *ret)
{
	scoped_strbuf struct strbuf key = { 0 };
	const class_vec *least = (const class_vec *)&space->classes;

	val_for_each (pairs, pair) {
		const class_vec *v;

		pair_key(&key, space->name, pair);
		v = map_find(&s->index->pairs, strbuf_slice(&key));
		if (!v) {
			return;
		}
		least = v->n < least->n ? v : least;
	}
	take_matching(least, selector, ret);
}

void subject_select_object(struct subject *s, const struct space *space,
                           const struct val *label_selector, struct selection *ret)
{
	const struct selector *x = subject_selector(s, label_selector);

	if (x) {
		subject_select(s, space, x, val_get(label_selector, "matchLabels"), ret);
	}
}

void selection_fini(struct selection *x)
{
	vec_fini(&x->at);
}

/* ---- containers ---- */

const struct val *container_next(const struct val *pod_spec, struct container_walk *w)
{
	enum { CONTAINERS, SIDECARS, END };

	for (;;) {
		if (w->at) {
			w->at = w->at->next;
		} else if (w->stage == CONTAINERS) {
			w->at = val_first(val_get(pod_spec, "containers"));
			w->stage = SIDECARS;
		} else if (w->stage == SIDECARS) {
			w->at = val_first(val_get(pod_spec, "initContainers"));
			w->stage = END;
		} else {
			return NULL;
		}
		if (w->at && (w->stage == SIDECARS ||
		              slice_is(val_get_str(w->at, "restartPolicy"), "Always"))) {
			return w->at;
		}
	}
}

enum proto proto_of(const struct val *port)
{
	struct slice text = val_get_str(port, "protocol");

	return !text.len || slice_is(text, "TCP") ? PROTO_TCP
	       : slice_is(text, "UDP")            ? PROTO_UDP
	       : slice_is(text, "SCTP")           ? PROTO_SCTP
	                                          : (enum proto)0;
}

const char *proto_text(enum proto p)
{
	return p == PROTO_UDP ? "UDP" : p == PROTO_SCTP ? "SCTP" : "TCP";
}

static const struct val *find_port(const struct val *pod_spec, struct slice name, int64_t number,
                                   enum proto proto)
{
	container_each(pod_spec, c)
	{
		val_for_each (val_get(c, "ports"), p) {
			if ((name.len ? slice_eq(val_get_str(p, "name"), name)
			              : val_int(val_get(p, "containerPort"), 0) == number) &&
			    (!proto || proto_of(p) == proto)) {
				return p;
			}
		}
	}
	return NULL;
}

const struct val *pod_port_named(const struct val *pod_spec, struct slice name, enum proto proto)
{
	return name.len ? find_port(pod_spec, name, 0, proto) : NULL;
}

const struct val *pod_port_numbered(const struct val *pod_spec, uint16_t number, enum proto proto)
{
	return number ? find_port(pod_spec, (struct slice){ "", 0 }, number, proto) : NULL;
}

bool pod_has_ports(const struct val *pod_spec)
{
	container_each(pod_spec, c)
	{
		if (val_len(val_get(c, "ports"))) {
			return true;
		}
	}
	return false;
}
