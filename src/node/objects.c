/* Why: pods start the moment their objects are here. Watches of different collections do not come
 * in order, so a missing ConfigMap may be on its way: the API server is asked before anything is
 * called missing. */
#include "node/objects.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

static const int64_t absent_for_us = 5 * US_PER_S; /* how long "there is none" is believed */

enum {
	PODS,
	OTHER_PODS,
	SERVICES,
	SLICES,
	POLICIES,
	ADMIN_POLICIES,
	BASELINES,
	CLUSTER_POLICIES,
	NAMESPACES,
	NODES,
	DATABASES,
	CACHES,
	CONFIGMAPS,
	SECRETS,
	COLLECTIONS
};

#define POLICY_GROUP "policy.networking.k8s.io/"

static const struct {
	const char *kind, *api_version, *plural, *field_selector;
	bool for_model;
} WATCHED[COLLECTIONS] = {
	[PODS] = { "Pod", "v1", "pods", NULL,
	           false }, /* the pods' own file feeds the model: it knows addresses first */
	[OTHER_PODS] = { "Pod", "v1", "pods", NULL, true },
	[SERVICES] = { "Service", "v1", "services", NULL, true },
	[SLICES] = { "EndpointSlice", "discovery.k8s.io/v1", "endpointslices", NULL, true },
	[POLICIES] = { "NetworkPolicy", "networking.k8s.io/v1", "networkpolicies", NULL, true },
	[ADMIN_POLICIES] = { "AdminNetworkPolicy", POLICY_GROUP "v1alpha1", "adminnetworkpolicies",
	                     NULL, true },
	[BASELINES] = { "BaselineAdminNetworkPolicy", POLICY_GROUP "v1alpha1",
	                "baselineadminnetworkpolicies", NULL, true },
	[CLUSTER_POLICIES] = { "ClusterNetworkPolicy", POLICY_GROUP "v1alpha2",
	                       "clusternetworkpolicies", NULL, true },
	[NAMESPACES] = { "Namespace", "v1", "namespaces", NULL, true },
	/* policies mean them by label and by name */
	[NODES] = { "Node", "v1", "nodes", NULL, true },
	[DATABASES] = { "DBInstance", "rds.services.k8s.aws/v1alpha1", "dbinstances", NULL, true },
	[CACHES] = { "CacheCluster", "elasticache.services.k8s.aws/v1alpha1", "cacheclusters", NULL,
	             true },
	[CONFIGMAPS] = { "ConfigMap", "v1", "configmaps", NULL, false },
	[SECRETS] = { "Secret", "v1", "secrets", "type!=helm.sh/release.v1", false },
};

struct collection {
	struct objects *objects;
	int which;
	struct replica *replica;
};

struct question { /* whether an object exists */
	struct objects *objects;
	char *key, *ns, *name; /* owned; key is the map's */
	int which;
	struct client_call *call; /* null: answered */
	int64_t absent_until_us;
};

struct objects {
	struct agent *agent;
	struct objects_events events;
	struct collection all[COLLECTIONS];
	char *own_pods, *other_pods; /* owned: field selectors */
	struct map questions;        /* "kind/ns/name" -> struct question */
	bool is_synced;
};

static int collection_of(const char *kind)
{
	for (int i = 0; i < COLLECTIONS; i++) {
		if (strcmp(WATCHED[i].kind, kind) == 0) {
			return i;
		}
	}
	return -1;
}

static struct slice meta(const struct doc *d, const char *key)
{
	return val_get_str(val_get(d->root, "metadata"), key);
}

static void forget_question(struct objects *o, const char *kind, struct slice ns, struct slice name)
{
	scoped_strbuf struct strbuf key = { 0 };
	struct question *q;

	strbuf_addf(&key, "%s/" SLICE_FMT "/" SLICE_FMT, kind, SLICE_ARG(ns), SLICE_ARG(name));
	q = map_find(&o->questions, strbuf_slice(&key));
	if (q && !q->call) {
		map_remove(&o->questions, strbuf_slice(&key));
		free(q->key);
		free(q->ns);
		free(q->name);
		free(q);
	}
}

/* A pod of another node: of those only their addresses count. */
static bool is_elsewhere(const struct objects *o, const struct doc *d)
{
	struct slice node = val_str(val_path(d->root, "spec.nodeName"));

	return node.len && !slice_is(node, o->agent->node_name);
}

static void on_changed(void *arg, const struct doc *old, const struct doc *now)
{
	struct collection *c = arg;
	struct objects *o = c->objects;
	const struct doc *d = now ? now : old;

	if (c->which == OTHER_PODS && !is_elsewhere(o, d)) {
		return;
	}
	if (WATCHED[c->which].for_model) {
		if (now) {
			model_put(o->agent->model, now);
		} else {
			model_remove(o->agent->model, old);
		}
	}
	if (!o->is_synced) {
		return; /* the first lists are walked once they are all here, and the kernel is left
		           as it is until then */
	}
	if (WATCHED[c->which].for_model) {
		agent_sync(o->agent);
	}
	if (c->which == PODS) {
		o->events.pod(o->events.arg, old, now);
	} else if (c->which == CONFIGMAPS || c->which == SECRETS || c->which == SERVICES) {
		forget_question(o, WATCHED[c->which].kind, meta(d, "namespace"), meta(d, "name"));
		o->events.changed(o->events.arg, WATCHED[c->which].kind, meta(d, "namespace"),
		                  meta(d, "name"));
	}
}

static bool pod_came(void *arg, const struct doc *d)
{
	struct objects *o = arg;

	o->events.pod(o->events.arg, NULL, d);
	return true;
}

static void on_synced(void *arg)
{
	struct collection *c = arg;
	struct objects *o = c->objects;

	if (o->is_synced) {
		return;
	}
	for (int i = 0; i < COLLECTIONS; i++) {
		if (!o->all[i].replica || !replica_is_synced(o->all[i].replica)) {
			return;
		}
	}
	o->is_synced = true;
	replica_each(o->all[PODS].replica, pod_came, o);
	o->events.synced(o->events.arg);
}

struct objects *objects_new(struct agent *a, const struct objects_events *e)
{
	struct objects *o = NEW(struct objects);

	o->agent = a;
	o->events = *e;
	o->own_pods = mem_printf("spec.nodeName=%s", a->node_name);
	/* A pod without a node must not come here: it would leave for a node in another list's turn. */
	o->other_pods = mem_printf("spec.nodeName!=%s,spec.nodeName!=", a->node_name);
	for (int i = 0; i < COLLECTIONS; i++) {
		struct collection *c = &o->all[i];

		c->objects = o;
		c->which = i;
		c->replica = replica_new(
			a->client,
			&(struct replica_spec){
				.api_version = WATCHED[i].api_version,
				.plural = WATCHED[i].plural,
				.field_selector = i == PODS         ? o->own_pods
		                                  : i == OTHER_PODS ? o->other_pods
		                                                    : WATCHED[i].field_selector,
				.changed = on_changed,
				.synced = on_synced,
				.arg = c,
			});
	}
	return o;
}

struct objects *objects_free(struct objects *o)
{
	if (!o) {
		return NULL;
	}
	for (int i = 0; i < COLLECTIONS; i++) {
		replica_free(o->all[i].replica);
	}
	for (struct map_iter it = { 0 }; map_next(&o->questions, &it);) {
		struct question *q = it.value;

		if (q->call) {
			client_cancel(q->call);
		}
		free(q->key);
		free(q->ns);
		free(q->name);
		free(q);
	}
	map_fini(&o->questions);
	free(o->own_pods);
	free(o->other_pods);
	free(o);
	return NULL;
}

bool objects_are_synced(const struct objects *o)
{
	return o->is_synced;
}

const struct val *objects_find(const struct objects *o, const char *kind, struct slice ns,
                               struct slice name)
{
	int which = collection_of(kind);
	const struct doc *d = which < 0 ? NULL : replica_find(o->all[which].replica, ns, name);

	return d ? d->root : NULL;
}

/* ---- is it really not there? ---- */

static void on_answer(void *arg, const struct client_answer *a)
{
	struct question *q = arg;
	struct objects *o = q->objects;
	int which = q->which;

	q->call = NULL;
	if (a->status == 200 && a->body) {
		replica_put(o->all[which].replica,
		            a->body); /* tells by on_changed, which forgets the question */
		return;
	}
	q->absent_until_us = loop_now_us(o->agent->loop) + (a->status == 404 ? absent_for_us : 0);
	o->events.changed(o->events.arg, WATCHED[which].kind, slice_of(q->ns), slice_of(q->name));
}

bool objects_is_absent(struct objects *o, const char *kind, struct slice ns, struct slice name)
{
	scoped_strbuf struct strbuf key = { 0 }, path = { 0 };
	int which = collection_of(kind);
	struct question *q;

	strbuf_addf(&key, "%s/" SLICE_FMT "/" SLICE_FMT, kind, SLICE_ARG(ns), SLICE_ARG(name));
	q = map_find(&o->questions, strbuf_slice(&key));
	if (!q) {
		q = NEW(struct question);
		q->objects = o;
		q->key = mem_strdup(strbuf_str(&key));
		q->ns = slice_dup(ns);
		q->name = slice_dup(name);
		q->which = which;
		map_set(&o->questions, strbuf_slice(&key), q);
	}
	if (!q->call && q->absent_until_us > loop_now_us(o->agent->loop)) {
		return true;
	}
	if (!q->call) {
		client_path(&path, WATCHED[which].api_version, WATCHED[which].plural, ns, name,
		            NULL);
		q->call = client_request(o->agent->client, "GET", strbuf_str(&path), NULL, NULL,
		                         on_answer, q);
	}
	return false;
}

/* ---- walks ---- */

struct service_walk {
	struct slice ns;
	void (*visit)(void *arg, const struct val *service);
	void *arg;
};

static bool visit_service(void *arg, const struct doc *d)
{
	struct service_walk *w = arg;

	if (slice_eq(meta(d, "namespace"), w->ns)) {
		w->visit(w->arg, d->root);
	}
	return true;
}

void objects_each_service(const struct objects *o, struct slice ns,
                          void (*visit)(void *arg, const struct val *service), void *arg)
{
	struct service_walk w = { ns, visit, arg };
	const struct doc *master =
		replica_find(o->all[SERVICES].replica, SLICE("default"), SLICE("kubernetes"));

	replica_each(o->all[SERVICES].replica, visit_service, &w);
	if (master && !slice_is(ns, "default")) {
		visit(arg, master->root);
	}
}

struct endpoint_search {
	struct slice ns, uid;
	bool found;
};

static bool search_slice(void *arg, const struct doc *d)
{
	struct endpoint_search *s = arg;

	if (!slice_eq(meta(d, "namespace"), s->ns)) {
		return true;
	}
	val_for_each (val_get(d->root, "endpoints"), it) {
		if (slice_eq(val_get_str(val_get(it, "targetRef"), "uid"), s->uid) &&
		    val_bool(val_path(it, "conditions.ready"), true)) {
			s->found = true;
			return false;
		}
	}
	return true;
}

bool objects_is_endpoint(const struct objects *o, struct slice ns, struct slice pod_uid)
{
	struct endpoint_search s = { .ns = ns, .uid = pod_uid };

	replica_each(o->all[SLICES].replica, search_slice, &s);
	return s.found;
}

void objects_each_pod(const struct objects *o, replica_visit_fn *fn, void *arg)
{
	replica_each(o->all[PODS].replica, fn, arg);
}

void objects_put_pod(struct objects *o, const struct doc *d)
{
	replica_put(o->all[PODS].replica, d);
}

/* ---- who names it ---- */

static bool volume_names(const struct val *source, bool is_secret, struct slice name)
{
	const struct val *v = val_get(source, is_secret ? "secret" : "configMap");

	return v && (slice_eq(val_get_str(v, "name"), name) ||
	             slice_eq(val_get_str(v, "secretName"), name));
}

static bool container_names(const struct val *container, bool is_secret, struct slice name)
{
	const char *whole = is_secret ? "secretRef" : "configMapRef",
		   *key = is_secret ? "secretKeyRef" : "configMapKeyRef";

	val_for_each (val_get(container, "envFrom"), it) {
		if (slice_eq(val_get_str(val_get(it, whole), "name"), name)) {
			return true;
		}
	}
	val_for_each (val_get(container, "env"), it) {
		if (slice_eq(val_get_str(val_get(val_get(it, "valueFrom"), key), "name"), name)) {
			return true;
		}
	}
	return false;
}

bool object_is_named_by(const struct val *pod, const char *kind, struct slice name)
{
	static const char *const lists[] = { "initContainers", "containers",
		                             "ephemeralContainers" };
	const struct val *spec = val_get(pod, "spec");
	bool is_secret = strcmp(kind, "Secret") == 0;

	val_for_each (val_get(spec, "volumes"), volume) {
		if (volume_names(volume, is_secret, name)) {
			return true;
		}
		val_for_each (val_path(volume, "projected.sources"), it) {
			if (volume_names(it, is_secret, name)) {
				return true;
			}
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_get(spec, lists[i]), it) {
			if (container_names(it, is_secret, name)) {
				return true;
			}
		}
	}
	val_for_each (val_get(spec, "imagePullSecrets"), it) {
		if (is_secret && slice_eq(val_get_str(it, "name"), name)) {
			return true;
		}
	}
	return false;
}
