/* Why: a new object gets from the cluster what its manifest leaves to it. See admit.h. */
#include "api/admit.h"

#include "api/api-priv.h"
#include "api/families.h"
#include "base/chance.h"
#include "base/mem.h"
#include "schema/object.h"

#define TOKEN_PATH "/var/run/secrets/kubernetes.io/serviceaccount"

int admit_namespace(const struct api *api, struct slice ns, struct err *err)
{
	const struct doc *d =
		store_get(api->store, (struct key){ api->kinds.namespace_, SLICE(""), ns });

	if (!d) {
		return err_raise(err, ERR_NOTFOUND, "namespaces \"" SLICE_FMT "\" not found",
		                 SLICE_ARG(ns));
	}
	if (val_path(d->root, "metadata.deletionTimestamp")) {
		return err_raise(err, ERR_FORBIDDEN,
		                 "unable to create new content in namespace " SLICE_FMT
		                 " because it is being terminated",
		                 SLICE_ARG(ns));
	}
	return 0;
}

/* ---- service accounts ---- */

static struct val *add_source(struct arena *a, struct val *volume, const char *what)
{
	struct val *projected = val_need_object(a, volume, "projected");
	struct val *sources = val_need_array(a, projected, "sources");

	return val_need_object(a, val_append(sources, val_new_object(a)), what);
}

static struct val *token_volume(struct arena *a, const char *name)
{
	struct val *v = val_new_object(a), *part, *item, *ref;

	val_set_cstr(a, v, "name", name);
	part = add_source(a, v, "serviceAccountToken");
	val_set_int(a, part, "expirationSeconds", 3607);
	val_set_cstr(a, part, "path", "token");
	part = add_source(a, v, "configMap");
	val_set_cstr(a, part, "name", "kube-root-ca.crt");
	item = val_append(val_need_array(a, part, "items"), val_new_object(a));
	val_set_cstr(a, item, "key", "ca.crt");
	val_set_cstr(a, item, "path", "ca.crt");
	part = add_source(a, v, "downwardAPI");
	item = val_append(val_need_array(a, part, "items"), val_new_object(a));
	val_set_cstr(a, item, "path", "namespace");
	ref = val_need_object(a, item, "fieldRef");
	val_set_cstr(a, ref, "apiVersion", "v1");
	val_set_cstr(a, ref, "fieldPath", "metadata.namespace");
	val_set_int(a, val_get(v, "projected"), "defaultMode", 0644);
	return v;
}

static bool mounts_token(const struct val *container)
{
	val_for_each (val_get(container, "volumeMounts"), it) {
		if (slice_is(val_get_str(it, "mountPath"), TOKEN_PATH)) {
			return true;
		}
	}
	return false;
}

/* True when some container of the list wants the volume. */
static bool mount_token(struct arena *a, const struct val *containers, const char *volume)
{
	bool mounted = false;

	for (struct val *it = (struct val *)val_first(containers); it; it = it->next) {
		struct val *m;

		if (it->type != VAL_OBJECT || mounts_token(it)) {
			continue;
		}
		m = val_append(val_need_array(a, it, "volumeMounts"), val_new_object(a));
		val_set_cstr(a, m, "mountPath", TOKEN_PATH);
		val_set_cstr(a, m, "name", volume);
		val_set_bool(a, m, "readOnly", true);
		mounted = true;
	}
	return mounted;
}

static void add_token(struct arena *a, struct val *spec)
{
	char suffix[6];
	const char *name = arena_printf(a, "kube-api-access-%s", chance_suffix(suffix, 5));
	bool mounted = mount_token(a, val_get(spec, "initContainers"), name);

	mounted = mount_token(a, val_get(spec, "containers"), name) || mounted;
	if (mounted) {
		val_append(val_need_array(a, spec, "volumes"), token_volume(a, name));
	}
}

static int admit_account(struct api *api, struct arena *a, struct slice ns, struct val *spec,
                         struct err *err)
{
	struct slice name = val_get_str(spec, "serviceAccountName");
	const struct val *choice, *secrets;
	const struct doc *account;

	if (!name.len) {
		name = val_get_str(spec, "serviceAccount");
	}
	if (!name.len) {
		name = SLICE("default");
	}
	val_set_str(a, spec, "serviceAccountName", name);
	val_set_str(a, spec, "serviceAccount", name);
	account = store_get(api->store, (struct key){ api->kinds.service_account, ns, name });
	if (!account) {
		return err_raise(err, ERR_FORBIDDEN,
		                 "error looking up service account " SLICE_FMT "/" SLICE_FMT
		                 ": serviceaccount \"" SLICE_FMT "\" not found",
		                 SLICE_ARG(ns), SLICE_ARG(name), SLICE_ARG(name));
	}
	choice = val_get(spec, "automountServiceAccountToken");
	choice = choice ? choice : val_get(account->root, "automountServiceAccountToken");
	if (val_bool(choice, true)) {
		add_token(a, spec);
	}
	secrets = val_get(account->root, "imagePullSecrets");
	if (val_len(secrets) && !val_len(val_get(spec, "imagePullSecrets"))) {
		val_set(a, spec, "imagePullSecrets", val_copy(a, secrets));
	}
	return 0;
}

/* ---- tolerations and priority ---- */

static void tolerate(struct arena *a, struct val *spec, const char *key)
{
	struct val *list = val_need_array(a, spec, "tolerations"), *t;

	val_for_each (list, it) {
		struct slice had = val_get_str(it, "key"), effect = val_get_str(it, "effect");

		if ((slice_is(had, key) || !had.len) &&
		    (slice_is(effect, "NoExecute") || !effect.len)) {
			return;
		}
	}
	t = val_append(list, val_new_object(a));
	val_set_cstr(a, t, "key", key);
	val_set_cstr(a, t, "operator", "Exists");
	val_set_cstr(a, t, "effect", "NoExecute");
	val_set_int(a, t, "tolerationSeconds", 300);
}

struct search {
	const struct val *found;
	const char *annotation;
};

static bool visit_global(void *arg, const struct doc *d)
{
	struct search *s = arg;

	s->found = val_bool(val_get(d->root, "globalDefault"), false) ? d->root : NULL;
	return !s->found;
}

static int admit_priority(struct api *api, struct arena *a, struct val *spec, struct err *err)
{
	struct slice name = val_get_str(spec, "priorityClassName");
	struct search s = { 0 };
	const struct doc *d;

	if (name.len) {
		d = store_get(api->store,
		              (struct key){ api->kinds.priority_class, SLICE(""), name });
		if (!d) {
			return err_raise(err, ERR_FORBIDDEN,
			                 "no PriorityClass with name " SLICE_FMT " was found",
			                 SLICE_ARG(name));
		}
		s.found = d->root;
	} else {
		store_each(api->store, api->kinds.priority_class, SLICE(""), visit_global, &s);
		if (s.found) {
			val_set_str(a, spec, "priorityClassName",
			            val_str(val_path(s.found, "metadata.name")));
		}
	}
	val_set_int(a, spec, "priority", val_int(val_get(s.found, "value"), 0));
	if (!val_get(spec, "preemptionPolicy")) {
		struct slice policy = val_get_str(s.found, "preemptionPolicy");

		val_set_str(a, spec, "preemptionPolicy",
		            policy.len ? policy : SLICE("PreemptLowerPriority"));
	}
	return 0;
}

static int admit_pod(struct api *api, struct arena *a, struct val *pod, struct err *err)
{
	struct val *spec = val_get(pod, "spec");
	int r;

	if (!spec || spec->type != VAL_OBJECT) {
		return 0; /* validation will speak */
	}
	r = admit_account(api, a, val_str(val_path(pod, "metadata.namespace")), spec, err);
	r = r < 0 ? r : admit_priority(api, a, spec, err);
	if (r < 0) {
		return r;
	}
	tolerate(a, spec, "node.kubernetes.io/not-ready");
	tolerate(a, spec, "node.kubernetes.io/unreachable");
	object_default(api->kinds.pod, a, pod);
	return 0;
}

/* ---- default classes ---- */

static bool visit_class(void *arg, const struct doc *d)
{
	struct search *s = arg;
	const struct val *annotations = val_path(d->root, "metadata.annotations");

	if (slice_is(val_get_str(annotations, s->annotation), "true")) {
		s->found = d->root;
	}
	return !s->found;
}

static void set_class(struct api *api, struct arena *a, const struct kind *classes,
                      const char *annotation, struct val *spec, const char *key)
{
	struct search s = { .annotation = annotation };

	if (!classes || !spec || spec->type != VAL_OBJECT || val_get(spec, key)) {
		return;
	}
	store_each(api->store, classes, SLICE(""), visit_class, &s);
	if (s.found) {
		val_set_str(a, spec, key, val_str(val_path(s.found, "metadata.name")));
	}
}

void admit_service(struct api *api, struct arena *a, struct val *service, const struct val *old)
{
	struct field_errors again = { .arena = a }; /* told after validation: it says more */

	service_carry_over(a, service, old);
	service_families(a, service, old, api->addresses.dual_stack, &again);
}

int admit_new(struct api *api, const struct kind *k, struct arena *a, struct val *object,
              struct err *err)
{
	const struct kinds *kinds = &api->kinds;
	const struct kind *storage = kind_storage(k);

	object_default(k, a, object);
	if (storage == kinds->pod) {
		return admit_pod(api, a, object, err);
	}
	if (storage == kinds->service) {
		admit_service(api, a, object, NULL);
	} else if (storage == kinds->ingress && !val_get(val_path(object, "metadata.annotations"),
	                                                 "kubernetes.io/ingress.class")) {
		set_class(api, a, kinds->ingress_class,
		          "ingressclass.kubernetes.io/is-default-class", val_get(object, "spec"),
		          "ingressClassName");
	} else if (strcmp(storage->kind, "PersistentVolumeClaim") == 0 && !*storage->group) {
		set_class(api, a, kinds->storage_class,
		          "storageclass.kubernetes.io/is-default-class", val_get(object, "spec"),
		          "storageClassName");
	}
	return 0;
}

int api_admit(void *arg, const struct kind *k, struct arena *a, struct val *object, struct err *err)
{
	struct slice ns = val_str(val_path(object, "metadata.namespace"));
	int r = k->namespaced ? admit_namespace(arg, ns, err) : 0;

	return r < 0 ? r : admit_new(arg, k, a, object, err);
}
