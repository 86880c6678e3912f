/* Why: flows are decided by model/, which knows objects of a running cluster: here the pods, addresses and
 * endpoints that manifests do not have yet are made up, one pod per workload; see subject.h. What is made up
 * shares its parts with the manifests. */
#include <stdlib.h>

#include "analyse/subject-priv.h"
#include "base/mem.h"

/* A document in the subject's arena, its root in the subject's keeping. */
static struct val *new_document(struct subject *s, const char *api_version, const char *kind,
                                struct slice ns, struct slice name)
{
	struct doc *d = doc_new();
	struct subject_index *x = s->index;
	struct val *metadata;

	d->root = val_new_object(&s->arena);
	if (x->n_docs == x->docs_room) {
		x->docs_room = x->docs_room ? x->docs_room * 2 : 64;
		x->docs = mem_realloc(x->docs, x->docs_room, sizeof(struct doc *));
	}
	x->docs[x->n_docs++] = d;
	val_set_cstr(&s->arena, d->root, "apiVersion", api_version);
	val_set_cstr(&s->arena, d->root, "kind", kind);
	metadata = val_set(&s->arena, d->root, "metadata", val_new_object(&s->arena));
	val_set_str(&s->arena, metadata, "name", name);
	if (ns.len) {
		val_set_str(&s->arena, metadata, "namespace", ns);
	}
	return d->root;
}

static void put_newest(struct subject *s)
{
	model_put(s->model, s->index->docs[s->index->n_docs - 1]);
}

/* Sets a member that shares its children with 'from'. */
static void share(struct subject *s, struct val *object, const char *key, const struct val *from)
{
	struct val *copy;

	if (!from || from->type == VAL_NULL) {
		return;
	}
	copy = arena_dup(&s->arena, from, sizeof(*from));
	copy->next = NULL;
	val_set(&s->arena, object, key, copy);
}

static void put_as_written(struct subject *s, const struct object *o)
{
	struct val *root = new_document(s, val_cstr(val_get(o->v, "apiVersion")),
	                                val_cstr(val_get(o->v, "kind")), o->ns, o->name);

	share(s, val_get(root, "metadata"), "labels", object_labels(o));
	share(s, val_get(root, "metadata"), "annotations", val_path(o->v, "metadata.annotations"));
	share(s, root, "spec", object_spec(o));
	share(s, root, "status", val_get(o->v, "status"));
	share(s, root, "ports", val_get(o->v, "ports"));
	share(s, root, "endpoints", val_get(o->v, "endpoints"));
	share(s, root, "addressType", val_get(o->v, "addressType"));
	put_newest(s);
}

static void put_pod(struct subject *s, const struct workload *w)
{
	struct val *root = new_document(s, "v1", "Pod", w->ns, w->name), *status;
	char text[IP_TEXT_SIZE];

	/* Two workloads of different kinds may share a name; their pods do not. */
	val_set(&s->arena, val_get(root, "metadata"), "name",
	        val_new_strf(&s->arena, SLICE_FMT "-%u", SLICE_ARG(w->name), w->id));
	share(s, val_get(root, "metadata"), "labels", w->labels);
	share(s, root, "spec", w->spec);
	status = val_set(&s->arena, root, "status", val_new_object(&s->arena));
	val_set_cstr(&s->arena, status, "phase", "Running");
	val_set_cstr(&s->arena, status, "podIP", ip_format(w->ip, text));
	put_newest(s);
}

/* ---- Services ---- */

/* Slices of a Service with a selector are the controller's; the pods they name are not the model's. */
static bool is_by_hand(const struct subject *s, const struct object *slice)
{
	const struct svc *x = subject_service(
		s, slice->ns, val_get_str(object_labels(slice), "kubernetes.io/service-name"));

	return !x || !x->has_selector;
}

static struct ip invented_cluster_ip(const struct subject *s, const struct svc *x)
{
	struct prefix range;

	(void)(prefix_parse(slice_of(s->profile->service_cidr), &range) ||
	       prefix_parse(SLICE("10.96.0.0/12"), &range));
	return prefix_nth(range, 256 + x->id);
}

static void put_service(struct subject *s, const struct svc *x)
{
	struct val *root = new_document(s, "v1", "Service", x->ns, x->name), *spec;
	struct slice ip = val_get_str(object_spec(x->object), "clusterIP");
	char text[IP_TEXT_SIZE];

	share(s, val_get(root, "metadata"), "labels", object_labels(x->object));
	share(s, val_get(root, "metadata"), "annotations",
	      val_path(x->object->v, "metadata.annotations"));
	share(s, root, "status", val_get(x->object->v, "status"));
	spec = val_set(&s->arena, root, "spec", val_new_object(&s->arena));
	val_for_each (object_spec(x->object), field) {
		struct val *copy = arena_dup(&s->arena, field, sizeof(*field));

		copy->next = NULL;
		val_set_slice(&s->arena, spec, field->key, copy);
	}
	if (!ip.len && !x->external) {
		ip = slice_of(ip_format(invented_cluster_ip(s, x), text));
		val_set_str(&s->arena, spec, "clusterIP", ip);
	}
	if (ip.len && !x->external && !val_get(spec, "clusterIPs")) {
		val_append(val_set(&s->arena, spec, "clusterIPs", val_new_array(&s->arena)),
		           val_new_str(&s->arena, ip));
	}
	put_newest(s);
}

/* ---- their endpoints: pods on which every port of the Service is the same number share a slice ---- */

static bool same_targets(const struct svc *x, const struct workload *a, const struct workload *b)
{
	for (size_t i = 0; i < x->n_ports; i++) {
		if (svc_port_target(&x->ports[i], a) != svc_port_target(&x->ports[i], b)) {
			return false;
		}
	}
	return true;
}

static void add_slice_ports(struct subject *s, struct val *slice, const struct svc *x,
                            const struct workload *w)
{
	struct val *ports = val_set(&s->arena, slice, "ports", val_new_array(&s->arena));

	for (size_t i = 0; i < x->n_ports; i++) {
		uint16_t target = svc_port_target(&x->ports[i], w);

		if (target && x->ports[i].proto) {
			struct val *v = val_append(ports, val_new_object(&s->arena));

			val_set_str(&s->arena, v, "name", x->ports[i].name);
			val_set_cstr(&s->arena, v, "protocol", proto_text(x->ports[i].proto));
			val_set_int(&s->arena, v, "port", target);
		}
	}
}

/* Ready, as an endpoint is that does not say otherwise. */
static void add_endpoint(struct subject *s, struct val *endpoints, const struct workload *w)
{
	struct val *endpoint = val_append(endpoints, val_new_object(&s->arena)), *v;
	char text[IP_TEXT_SIZE];

	v = val_set(&s->arena, endpoint, "addresses", val_new_array(&s->arena));
	val_append(v, val_new_cstr(&s->arena, ip_format(w->ip, text)));
	v = val_set(&s->arena, endpoint, "targetRef", val_new_object(&s->arena));
	val_set_cstr(&s->arena, v, "kind", "Pod");
	val_set_str(&s->arena, v, "namespace", w->ns);
	val_set(&s->arena, v, "name",
	        val_new_strf(&s->arena, SLICE_FMT "-%u", SLICE_ARG(w->name), w->id));
}

/* The slice of pods from 'first' on; returns the first that is not in it. */
static size_t put_slice(struct subject *s, const struct svc *x, size_t first)
{
	scoped_free char *name =
		mem_printf(SLICE_FMT "-%u", SLICE_ARG(x->name), x->pods[first]->id);
	struct val *root = new_document(s, "discovery.k8s.io/v1", "EndpointSlice", x->ns,
	                                slice_of(name)),
		   *endpoints;
	size_t i = first;

	val_set_str(&s->arena, val_need_object(&s->arena, val_get(root, "metadata"), "labels"),
	            "kubernetes.io/service-name", x->name);
	val_set_cstr(&s->arena, root, "addressType", "IPv4");
	add_slice_ports(s, root, x, x->pods[first]);
	endpoints = val_set(&s->arena, root, "endpoints", val_new_array(&s->arena));
	for (; i < x->n_pods && same_targets(x, x->pods[first], x->pods[i]); i++) {
		add_endpoint(s, endpoints, x->pods[i]);
	}
	put_newest(s);
	return i;
}

static void put_services(struct subject *s)
{
	for (size_t i = 0; i < s->services.n; i++) {
		const struct svc *x = s->services.at[i];

		put_service(s, x);
		for (size_t j = 0; j < x->n_pods;) {
			j = put_slice(s, x, j);
		}
	}
}

struct model *subject_model(struct subject *s)
{
	static const enum object_kind as_written[] = { OBJECT_NAMESPACE,      OBJECT_NODE,
		                                       OBJECT_NETWORKPOLICY,  OBJECT_ADMINPOLICY,
		                                       OBJECT_BASELINEPOLICY, OBJECT_CLUSTERPOLICY,
		                                       OBJECT_DBINSTANCE,     OBJECT_CACHECLUSTER };

	if (s->model) {
		return s->model;
	}
	s->model = model_new();
	model_set_cluster_domain(s->model, slice_of(s->profile->cluster_domain));
	for (size_t i = 0; i < ARRAY_SIZE(as_written); i++) {
		object_each(s, as_written[i], o)
		{
			put_as_written(s, o);
		}
	}
	for (size_t i = 0; i < s->workloads.n; i++) {
		put_pod(s, s->workloads.at[i]);
	}
	object_each(s, OBJECT_ENDPOINTSLICE, o)
	{
		if (is_by_hand(s, o)) {
			put_as_written(s, o);
		}
	}
	put_services(s);
	return s->model;
}

enum verdict subject_flow(struct subject *s, const struct workload *from, const struct workload *to,
                          enum proto proto, uint16_t port)
{
	struct flow f = { from->ip, to->ip, proto, port };

	if (!netpols_of(s, from, POLICY_EGRESS)->at.n && !netpols_of(s, to, POLICY_INGRESS)->at.n) {
		return VERDICT_ALLOW; /* nobody is asked */
	}
	return subject_decide(s, &f);
}

enum verdict subject_decide(struct subject *s, const struct flow *f)
{
	static const enum verdict sides[] = { VERDICT_DENY_EGRESS, VERDICT_DENY_INGRESS };

	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		struct policy_reason why = policy_reason_of(subject_model(s), f, sides[i]);

		if (!why.admits && why.tier == TIER_NAMESPACED) {
			return sides[i];
		}
	}
	return VERDICT_ALLOW;
}
