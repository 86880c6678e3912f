/* Why: the life of the server: what it keeps from its configuration, what it watches, how it ends.
 * See api.h. */
#include "api/api.h"

#include "api/admit.h"
#include "api/api-priv.h"
#include "api/bootstrap.h"
#include "api/definition.h"
#include "api/discovery.h"
#include "api/limits.h"
#include "api/metric.h"
#include "api/snapshot.h"
#include "api/tunnel.h"
#include "api/watch.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "http/pki.h"

static const struct kind *find(const struct registry *r, const char *group, const char *version,
                               const char *kind)
{
	const struct kind *k = registry_find(r, slice_of(group), slice_of(version), slice_of(kind));

	must(k != NULL); /* built in */
	return k;
}

static void find_kinds(struct kinds *k, const struct registry *r)
{
#define RBAC "rbac.authorization.k8s.io"
	const struct {
		const struct kind **to;
		const char *group, *version, *kind;
	} all[] = {
		{ &k->namespace_, "", "v1", "Namespace" },
		{ &k->pod, "", "v1", "Pod" },
		{ &k->service, "", "v1", "Service" },
		{ &k->endpoints, "", "v1", "Endpoints" },
		{ &k->endpoint_slice, "discovery.k8s.io", "v1", "EndpointSlice" },
		{ &k->service_account, "", "v1", "ServiceAccount" },
		{ &k->secret, "", "v1", "Secret" },
		{ &k->config_map, "", "v1", "ConfigMap" },
		{ &k->node, "", "v1", "Node" },
		{ &k->event, "", "v1", "Event" },
		{ &k->role, RBAC, "v1", "Role" },
		{ &k->cluster_role, RBAC, "v1", "ClusterRole" },
		{ &k->role_binding, RBAC, "v1", "RoleBinding" },
		{ &k->cluster_role_binding, RBAC, "v1", "ClusterRoleBinding" },
		{ &k->ingress, "networking.k8s.io", "v1", "Ingress" },
		{ &k->ingress_class, "networking.k8s.io", "v1", "IngressClass" },
		{ &k->priority_class, "scheduling.k8s.io", "v1", "PriorityClass" },
		{ &k->definition, "apiextensions.k8s.io", "v1", "CustomResourceDefinition" },
		{ &k->budget, "policy", "v1", "PodDisruptionBudget" },
		{ &k->scale, "autoscaling", "v1", "Scale" },
		{ &k->delete_options, "", "v1", "DeleteOptions" },
		{ &k->token_request, "authentication.k8s.io", "v1", "TokenRequest" },
		{ &k->eviction, "policy", "v1", "Eviction" },
		{ &k->binding, "", "v1", "Binding" },
		{ &k->storage_class, "storage.k8s.io", "v1", "StorageClass" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		*all[i].to = find(r, all[i].group, all[i].version, all[i].kind);
	}
}

/* ---- what changes mean to the server itself ---- */

static void on_aggregate(struct loop_defer *d)
{
	bootstrap_aggregate(container_of(d, struct api, aggregate));
}

static void on_change(void *arg, const struct store_event *e)
{
	struct api *api = arg;

	if (e->kind == api->kinds.service) {
		if (e->old) {
			addresses_forget(&api->addresses, e->old->root);
		}
		if (e->type != STORE_DELETED) {
			addresses_note(&api->addresses, e->object->root);
		}
	} else if (e->kind == api->kinds.cluster_role) {
		loop_defer(api->loop, &api->aggregate, on_aggregate);
	} else if (e->kind == api->kinds.definition || e->kind->is_custom) {
		definition_changed(api, e);
	}
}

static bool note_service(void *arg, const struct doc *d)
{
	addresses_note(arg, d->root);
	return true;
}

/* ---- life ---- */

static char *copy(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

static struct api *api_make(struct loop *l, const struct api_config *c)
{
	struct api *api = NEW(struct api);

	api->loop = l;
	api->store = c->store;
	api->registry = store_registry(c->store);
	strbuf_add_slice(&api->token_key, c->token_key_pem);
	strbuf_add_slice(&api->edge_cert, c->edge_cert_pem);
	strbuf_add_slice(&api->edge_key, c->edge_key_pem);
	api->node_sockets = copy(c->node_sockets);
	api->public_address = copy(c->public_address);
	api->advertise_ip = c->advertise_ip;
	api->advertise_port = c->advertise_port;
	api->addresses.dual_stack = c->dual_stack;
	list_init(&api->watches);
	list_init(&api->snapshots);
	list_init(&api->tunnels);
	find_kinds(&api->kinds, api->registry);
	return api;
}

/* Is the key one that can sign? */
static int check_key(const struct api *api, struct err *err)
{
	scoped_strbuf struct strbuf token = { 0 };
	int r = pki_jwt_sign(strbuf_slice(&api->token_key), SLICE("{}"), &token, err);

	return r < 0 ? err_while(err, r, "key of service account tokens") : 0;
}

int api_new(struct loop *l, const struct api_config *c, struct api **ret, struct err *err)
{
	struct api *api = api_make(l, c);
	int r = check_key(api, err);

	if (r == 0) {
		store_each(api->store, api->kinds.service, SLICE(""), note_service,
		           &api->addresses);
		r = store_watch(api->store, NULL, store_revision(api->store), on_change, api,
		                &api->all, err);
	}
	r = r < 0 ? r : bootstrap(api, err);
	if (r < 0) {
		api_free(api);
		return r;
	}
	api->server = http_server_new(
		l, &(struct http_server_config){
			   .tls = c->tls, .on_request = call_start, .arg = api, .name = "api" });
	*ret = api;
	return 0;
}

int api_listen(struct api *api, int fd, struct err *err)
{
	return http_server_listen(api->server, fd, err);
}

void api_drain(struct api *api)
{
	api->draining = true;
	http_server_drain(api->server);
	watches_end(api);
}

bool api_is_idle(const struct api *api)
{
	return http_server_connections(api->server) == 0 && api->n_tunnels == 0;
}

struct api *api_free(struct api *api)
{
	if (!api) {
		return NULL;
	}
	watches_end(api);
	tunnels_end(api);
	usage_fini(api);
	store_commit(api->store); /* answers that wait for it need us */
	if (api->server) {
		http_server_free(api->server);
	}
	api->all = store_unwatch(api->all);
	loop_defer_cancel(&api->aggregate);
	snapshots_fini(api);
	documents_forget(api);
	metrics_fini(api);
	addresses_fini(&api->addresses);
	strbuf_fini(&api->token_key);
	strbuf_fini(&api->edge_cert);
	strbuf_fini(&api->edge_key);
	free(api->node_sockets);
	free(api->public_address);
	free(api);
	return NULL;
}

/* ---- for controllers ---- */

int api_issue(void *arg, const struct slice *names, size_t n_names, struct strbuf *cert_pem,
              struct strbuf *key_pem, struct err *err)
{
	struct api *api = arg;
	scoped_arena struct arena a = { 0 };
	const char **list = ARENA_ARRAY(&a, const char *, n_names + 1);
	struct pki_pair pair = { 0 };
	int r;

	if (!api->edge_key.size || !n_names) {
		return err_raise(err, ERR_UNSUPPORTED, "there is no CA to issue certificates from");
	}
	for (size_t i = 0; i < n_names; i++) {
		list[i] = arena_slice(&a, names[i]).p;
	}
	r = pki_issue(
		strbuf_slice(&api->edge_cert), strbuf_slice(&api->edge_key),
		&(struct pki_request){
			.common_name = list[0], .dns_names = list, .server = true, .days = 90 },
		&pair, err);
	if (r == 0) {
		strbuf_add_slice(cert_pem, strbuf_slice(&pair.cert));
		strbuf_add_slice(key_pem, strbuf_slice(&pair.key));
	}
	pki_pair_fini(&pair);
	return r;
}
