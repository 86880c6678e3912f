/* Why: the door of the model: which document means what, and the numbers that tell of changes. */
#include "model/model-priv.h"

#include "base/must.h"

struct slice key_make(struct key *k, struct slice ns, struct slice name)
{
	k->s = (struct slice){ k->buf, 0 };
	if (ns.len + name.len + 1 <= sizeof(k->buf)) {
		if (ns.len) {
			memcpy(k->buf, ns.p, ns.len);
		}
		k->buf[ns.len] = '/';
		if (name.len) {
			memcpy(k->buf + ns.len + 1, name.p, name.len);
		}
		k->s.len = ns.len + name.len + 1;
	}
	return k->s;
}

struct slice key_of_ip(const struct ip *ip)
{
	return (struct slice){ (const char *)ip, sizeof(*ip) };
}

void model_changed(struct model *m, enum model_area area)
{
	m->versions[area]++;
}

uint64_t model_version(const struct model *m, enum model_area area)
{
	must(area < MODEL_AREAS);
	return m->versions[area];
}

/* ---- life ---- */

struct model *model_new(void)
{
	struct model *m = NEW(struct model);

	m->domain = mem_strdup("cluster.local");
	m->compiler = policy_compiler_new();
	m->public = public_names_new();
	list_init(&m->service_changes);
	list_init(&m->service_dirt);
	return m;
}

static void space_free(struct space *s)
{
	doc_unref(s->doc);
	arena_fini(&s->arena);
	vec_fini(&s->pods);
	vec_fini(&s->policies);
	policy_selections_forget(s);
	free(s->name);
	free(s);
}

static void free_order_and_addresses(struct model *m)
{
	for (struct map_iter it = { 0 }; map_next(&m->service_by_ip, &it);) {
		service_vec *v = it.value;

		vec_fini(v);
		free(v);
	}
	map_fini(&m->service_by_ip);
	vec_fini(&m->service_order);
}

struct model *model_free(struct model *m)
{
	if (!m) {
		return NULL;
	}
	for (struct map_iter it = { 0 }; map_next(&m->pods, &it);) {
		model_pod_free(m, it.value);
	}
	for (struct map_iter it = { 0 }; map_next(&m->policies, &it);) {
		policy_free(it.value);
	}
	for (struct map_iter it = { 0 }; map_next(&m->cluster_policies, &it);) {
		policy_free(it.value);
	}
	for (struct map_iter it = { 0 }; map_next(&m->services, &it);) {
		service_free(it.value);
	}
	for (struct map_iter it = { 0 }; map_next(&m->slices, &it);) {
		slices_free(it.value);
	}
	for (struct map_iter it = { 0 }; map_next(&m->hosts, &it);) {
		host_free(it.value);
	}
	for (struct map_iter it = { 0 }; map_next(&m->spaces, &it);) {
		space_free(it.value);
	}
	for (struct map_iter it = { 0 }; map_next(&m->nodes, &it);) {
		doc_unref(it.value);
	}
	free_order_and_addresses(m);
	map_fini(&m->pods);
	map_fini(&m->pod_by_ip);
	map_fini(&m->pod_kinds);
	map_fini(&m->policies);
	map_fini(&m->cluster_policies);
	vec_fini(&m->by_precedence);
	map_fini(&m->services);
	map_fini(&m->slices);
	map_fini(&m->hosts);
	map_fini(&m->host_by_name);
	map_fini(&m->spaces);
	map_fini(&m->nodes);
	public_names_free(m->public);
	policy_compiler_free(m->compiler);
	free(m->domain);
	free(m);
	return NULL;
}

/* ---- namespaces ---- */

struct space *space_find(const struct model *m, struct slice name)
{
	return map_find(&m->spaces, name);
}

/* Every namespace carries its name as a label; objects made by hand may lack it.
 * Source: networking.md 3.2 */
static void derive_labels(struct model *m, struct space *s)
{
	const struct val *given = s->doc ? val_path(s->doc->root, "metadata.labels") : NULL;
	struct val *labels;

	arena_reset(&s->arena);
	labels = given && given->type == VAL_OBJECT ? val_copy(&s->arena, given)
	                                            : val_new_object(&s->arena);
	val_set_cstr(&s->arena, labels, "kubernetes.io/metadata.name", s->name);
	s->labels = labels;
	s->id = ++m->next_id;
}

struct space *space_need(struct model *m, struct slice name)
{
	struct space *s = space_find(m, name);

	if (!s) {
		s = NEW(struct space);
		s->name = slice_dup(name);
		derive_labels(m, s);
		map_set(&m->spaces, name, s);
	}
	return s;
}

void space_drop_unused(struct model *m, struct space *s)
{
	if (!s->doc && !s->pods.n && !s->policies.n) {
		map_remove(&m->spaces, slice_of(s->name));
		space_free(s);
	}
}

static void relabel_pods(struct model *m, const struct space *s)
{
	for (size_t i = 0; i < s->pods.n; i++) {
		const struct pod *p = s->pods.at[i];

		for (size_t k = 0; k < p->n_addresses && p->is_peer; k++) {
			policy_compiler_address_changed(m->compiler, p->addresses[k].ip);
		}
	}
	model_changed(m, MODEL_POLICIES);
}

static void space_set(struct model *m, struct space *s, const struct doc *d)
{
	struct doc *old = s->doc;
	bool same = d && old &&
	            val_eq(val_path(old->root, "metadata.labels"),
	                   val_path(d->root, "metadata.labels"));

	s->doc = d ? doc_ref(d) : NULL;
	if (!old != !d) {
		model_changed(m, MODEL_NAMES);
	}
	if (!same) {
		derive_labels(m, s);
		relabel_pods(m, s);
	}
	doc_unref(old);
}

static void space_put(struct model *m, const struct doc *d)
{
	space_set(m, space_need(m, val_str(val_path(d->root, "metadata.name"))), d);
}

static void space_remove(struct model *m, const struct doc *d)
{
	struct space *s = space_find(m, val_str(val_path(d->root, "metadata.name")));

	if (s) {
		space_set(m, s, NULL);
		space_drop_unused(m, s);
	}
}

/* ---- nodes ---- */

#define ZONE_LABEL "topology.kubernetes.io/zone"

static struct slice zone_of(const struct doc *node)
{
	return node ? val_get_str(val_path(node->root, "metadata.labels"), ZONE_LABEL)
	            : (struct slice){ 0 };
}

/* What rules that name nodes read of them. */
static bool is_same_peer(const struct doc *a, const struct doc *b)
{
	static const char *const paths[] = { "metadata.labels", "status.addresses" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (!a || !b || !val_eq(val_path(a->root, paths[i]), val_path(b->root, paths[i]))) {
			return false;
		}
	}
	return true;
}

static void node_changed(struct model *m, const struct doc *old, const struct doc *now)
{
	/* another zone may change what hints mean for every service */
	if (!slice_eq(zone_of(old), zone_of(now))) {
		model_changed(m, MODEL_SERVICES);
		m->service_log_floor = m->versions[MODEL_SERVICES];
	}
	if (m->n_address_peers && !is_same_peer(old, now)) {
		policies_changed(m);
	}
}

void node_put(struct model *m, const struct doc *d)
{
	struct doc *old =
		map_set(&m->nodes, val_str(val_path(d->root, "metadata.name")), doc_ref(d));

	node_changed(m, old, d);
	doc_unref(old);
}

void node_remove(struct model *m, const struct doc *d)
{
	struct doc *old = map_remove(&m->nodes, val_str(val_path(d->root, "metadata.name")));

	node_changed(m, old, NULL);
	doc_unref(old);
}

bool model_node_is_leaving(const struct model *m, struct slice node)
{
	const struct doc *d = map_find(&m->nodes, node);

	val_for_each (d ? val_path(d->root, "spec.taints") : NULL, it) {
		if (slice_is(val_get_str(it, "key"), "ToBeDeletedByClusterAutoscaler")) {
			return true;
		}
	}
	return d && !val_is_null(val_path(d->root, "metadata.deletionTimestamp"));
}

struct slice node_zone(const struct model *m, struct slice node)
{
	return zone_of(m ? map_find(&m->nodes, node) : NULL);
}

bool node_has_ip(const struct model *m, struct slice node, struct ip ip)
{
	const struct doc *d = map_find(&m->nodes, node);
	struct ip own;

	val_for_each (d ? val_path(d->root, "status.addresses") : NULL, it) {
		if (ip_parse(val_get_str(it, "address"), &own) && ip_eq(own, ip)) {
			return true;
		}
	}
	return false;
}

/* ---- what means what ---- */

typedef void change_fn(struct model *m, const struct doc *d);

static const struct meaning {
	const char *api_version, *kind;
	change_fn *put, *remove;
} meanings[] = {
	{ "v1", "Pod", pod_put, pod_remove },
	{ "v1", "Service", service_put, service_remove },
	{ "discovery.k8s.io/v1", "EndpointSlice", slices_put, slices_remove },
	{ "networking.k8s.io/v1", "Ingress", public_put, public_remove },
	{ "networking.k8s.io/v1", "NetworkPolicy", policy_put, policy_remove },
	{ "policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", cluster_policy_put,
	  cluster_policy_remove },
	{ "policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy", cluster_policy_put,
	  cluster_policy_remove },
	{ "policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", cluster_policy_put,
	  cluster_policy_remove },
	{ "policy.networking.k8s.io/v1beta1", "ClusterNetworkPolicy", cluster_policy_put,
	  cluster_policy_remove },
	{ "v1", "Namespace", space_put, space_remove },
	{ "v1", "Node", node_put, node_remove },
	{ "rds.services.k8s.aws/v1alpha1", "DBInstance", host_put, host_remove },
	{ "elasticache.services.k8s.aws/v1alpha1", "CacheCluster", host_put, host_remove },
};

/* Null: means nothing to the network, or its name is no name. */
static const struct meaning *meaning_of(const struct doc *d)
{
	struct slice api_version = val_get_str(d->root, "apiVersion"),
		     kind = val_get_str(d->root, "kind");
	struct slice name = val_str(val_path(d->root, "metadata.name"));
	struct key key;

	if (!name.len ||
	    !key_make(&key, val_str(val_path(d->root, "metadata.namespace")), name).len) {
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (slice_is(kind, meanings[i].kind) &&
		    slice_is(api_version, meanings[i].api_version)) {
			return &meanings[i];
		}
	}
	return NULL;
}

void model_put(struct model *m, const struct doc *d)
{
	const struct meaning *k = meaning_of(d);

	if (k) {
		k->put(m, d);
	}
}

void model_remove(struct model *m, const struct doc *d)
{
	const struct meaning *k = meaning_of(d);

	if (k) {
		k->remove(m, d);
	}
}
