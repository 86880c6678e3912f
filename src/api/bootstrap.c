/* Why: the objects that every cluster begins with are written here as a manifest would have them.
 * See bootstrap.h. Source: reference 5.3, 8.12 */
#include "api/bootstrap.h"

#include "api/admit.h"
#include "api/api-priv.h"
#include "api/kept.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "schema/object.h"
#include "schema/selector.h"

#include "bootstrap-text.h"

struct making {
	struct api *api;
	struct arena *arena;
};

/* ---- one object ---- */

static bool is_kept_up_to_date(const struct val *object)
{
	const struct val *a = val_path(object, "metadata.annotations");

	return slice_is(val_get_str(a, "rbac.authorization.kubernetes.io/autoupdate"), "true");
}

static int renew(struct api *api, const struct kind *k, const struct val *old, struct val *object,
                 struct err *err)
{
	static const char *const parts[] = { "rules", "aggregationRule" };
	scoped_arena struct arena a = { 0 };
	struct val *v = val_copy(&a, old);

	if (!is_kept_up_to_date(old)) {
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct val *part = val_get(object, parts[i]);

		if (part && !(i == 0 && val_get(object, "aggregationRule"))) {
			val_set(&a, v, parts[i], val_copy(&a, part));
		}
	}
	return store_update(api->store, k, v, NULL, err);
}

static int make(void *arg, struct val *object, struct err *err)
{
	struct making *m = arg;
	struct api *api = m->api;
	const struct kind *k = registry_kind_of(api->registry, object);
	const struct doc *d;
	struct slice name = val_str(val_path(object, "metadata.name"));
	int r;

	if (!k) {
		return err_raise(err, ERR_INTERNAL, "bootstrap: unknown kind " SLICE_FMT,
		                 SLICE_ARG(val_get_str(object, "kind")));
	}
	object_default(k, m->arena, object);
	d = store_get(api->store,
	              (struct key){ k, val_str(val_path(object, "metadata.namespace")), name });
	if (d) {
		return renew(api, k, d->root, object, err);
	}
	r = store_create(api->store, k, object, NULL, err);
	return r < 0 ? err_while(err, r, "make %s " SLICE_FMT, k->plural, SLICE_ARG(name)) : 0;
}

/* ---- default/kubernetes ---- */

/* Made again at each start: the address may be another one. */
static int put(struct api *api, const struct kind *k, struct arena *a, struct val *object,
               struct err *err)
{
	struct slice name = val_str(val_path(object, "metadata.name"));
	const struct doc *d = store_get(api->store, (struct key){ k, SLICE("default"), name });

	object_default(k, a, object);
	if (!d) {
		return store_create(api->store, k, object, NULL, err);
	}
	val_set(a, object, "metadata", val_copy(a, val_get(d->root, "metadata")));
	return store_update(api->store, k, object, NULL, err);
}

static int put_text(struct api *api, const struct kind *k, struct arena *a, const char *text,
                    struct err *err)
{
	struct val *object;
	int r = yaml_parse(a, slice_of(text), &object, err);

	return r < 0 ? r : put(api, k, a, object, err);
}

static int put_endpoints(struct api *api, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	char ip[IP_TEXT_SIZE];
	const char *endpoints, *slice;
	int r;

	ip_format(api->advertise_ip, ip);
	endpoints = arena_printf(&a,
	                         "apiVersion: v1\nkind: Endpoints\nmetadata:\n  name: kubernetes\n"
	                         "  namespace: default\n"
	                         "  labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}\n"
	                         "subsets:\n- addresses: [{ip: %s}]\n"
	                         "  ports: [{name: https, port: %u, protocol: TCP}]\n",
	                         ip, api->advertise_port);
	slice = arena_printf(&a,
	                     "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n"
	                     "  name: kubernetes\n  namespace: default\n"
	                     "  labels: {kubernetes.io/service-name: kubernetes}\n"
	                     "addressType: IPv4\nendpoints:\n- addresses: [%s]\n"
	                     "  conditions: {ready: true}\n"
	                     "ports: [{name: https, port: %u, protocol: TCP}]\n",
	                     ip, api->advertise_port);
	r = put_text(api, api->kinds.endpoints, &a, endpoints, err);
	return r < 0 ? r : put_text(api, api->kinds.endpoint_slice, &a, slice, err);
}

int bootstrap(struct api *api, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	struct making m = { api, &a };
	int r = yaml_parse_all(&a, slice_of(bootstrap_objects), make, &m, err);

	r = r < 0 ? r : put_endpoints(api, err);
	if (r == 0) {
		bootstrap_aggregate(api);
	}
	return r;
}

/* ---- aggregation ---- */

struct aggregation {
	struct api *api;
	struct arena *arena;
	const struct val *selectors;
	struct slice name; /* of the role that is filled */
	struct val *rules;
};

static bool add_rules(void *arg, const struct doc *d)
{
	struct aggregation *g = arg;

	if (slice_eq(val_str(val_path(d->root, "metadata.name")), g->name)) {
		return true;
	}
	val_for_each (g->selectors, it) {
		const struct selector *s;

		if (selector_of_object(g->arena, it, &s, NULL) == 0 &&
		    selector_matches(s, val_path(d->root, "metadata.labels"))) {
			val_for_each (val_get(d->root, "rules"), rule) {
				val_append(g->rules, val_copy(g->arena, rule));
			}
			return true;
		}
	}
	return true;
}

static bool keep_aggregated(void *arg, const struct doc *d)
{
	if (val_len(val_path(d->root, "aggregationRule.clusterRoleSelectors"))) {
		kept_add(arg, d);
	}
	return true;
}

static void aggregate(struct api *api, const struct val *role)
{
	scoped_arena struct arena a = { 0 };
	struct aggregation g = { .api = api,
		                 .arena = &a,
		                 .selectors =
		                         val_path(role, "aggregationRule.clusterRoleSelectors"),
		                 .name = val_str(val_path(role, "metadata.name")),
		                 .rules = val_new_array(&a) };
	struct val *v;
	struct err err = { 0 };

	store_each(api->store, api->kinds.cluster_role, SLICE(""), add_rules, &g);
	if (val_eq(g.rules, val_get(role, "rules"))) {
		return;
	}
	v = val_copy(&a, role);
	val_set(&a, v, "rules", g.rules);
	val_remove(val_get(v, "metadata"), "resourceVersion");
	if (store_update(api->store, api->kinds.cluster_role, v, NULL, &err) < 0) {
		log_odd("A role cannot be put together name=" SLICE_FMT " why=%s",
		        SLICE_ARG(g.name), err.msg);
	}
}

void bootstrap_aggregate(struct api *api)
{
	struct kept roles = { 0 };

	/* roles that are put together may be parts of others: a change comes back here */
	store_each(api->store, api->kinds.cluster_role, SLICE(""), keep_aggregated, &roles);
	for (size_t i = 0; i < roles.docs.n; i++) {
		aggregate(api, roles.docs.at[i]->root);
	}
	kept_fini(&roles, 0);
}
