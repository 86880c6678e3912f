/* Why: POD, second half: ConfigMaps, Secrets, images, quotas and values that a pod needs before its program can run. */
#include <stdlib.h>
#include <string.h>

#include "analyse/calls.h"
#include "analyse/check-pod-priv.h"
#include "analyse/nearest.h"
#include "base/base64.h"
#include "base/mem.h"
#include "schema/quantity.h"

static struct slice pointer_of(const struct val *const *p)
{
	return (struct slice){ (const char *)p, sizeof(*p) };
}

/* ---- POD007: what is referred to ---- */

static bool is_made_by(const struct object *o, const char *path, struct slice name)
{
	struct slice target = val_str(val_path(o->v, path));

	return slice_eq(target.len ? target : o->name, name);
}

/* Does something of the set make such a Secret or ConfigMap while running? */
static bool is_made(const struct subject *s, enum object_kind id, struct slice ns,
                    struct slice name)
{
	static const struct {
		enum object_kind maker, made;
		const char *path;
	} makers[] = {
		{ OBJECT_EXTERNALSECRET, OBJECT_SECRET, "spec.target.name" },
		{ OBJECT_SEALEDSECRET, OBJECT_SECRET, "spec.template.metadata.name" },
		{ OBJECT_CERTIFICATE, OBJECT_SECRET, "spec.secretName" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		object_each_in(s, makers[i].made == id ? makers[i].maker : OBJECT_OTHER, ns, o)
		{
			if (is_made_by(o, makers[i].path, name)) {
				return true;
			}
		}
	}
	if (id == OBJECT_CONFIGMAP && slice_is(name, "kube-root-ca.crt")) {
		return true;
	}
	/* The CAs of managed databases: kennel puts them there, elsewhere a person does. */
	if (id == OBJECT_CONFIGMAP && slice_is(name, "rds-ca")) {
		return s->first[OBJECT_DBINSTANCE] || s->first[OBJECT_DBCLUSTER] ||
		       s->first[OBJECT_CACHECLUSTER] || s->first[OBJECT_REPLICATIONGROUP];
	}
	return id != OBJECT_CLAIM && space_has_strangers(s, ns);
}

/* Does a FieldExport write this key? */
static bool is_exported(const struct subject *s, enum object_kind id, struct slice ns,
                        struct slice name, struct slice key)
{
	object_each(s, OBJECT_FIELDEXPORT, o)
	{
		const struct val *to = val_path(o->v, "spec.to");
		struct slice to_ns = val_get_str(to, "namespace");

		if (slice_eq_nocase(val_get_str(to, "kind"),
		                    id == OBJECT_SECRET ? SLICE("secret") : SLICE("configmap")) &&
		    slice_eq(to_ns.len ? to_ns : o->ns, ns) &&
		    slice_eq(val_get_str(to, "name"), name) &&
		    (!key.len || slice_eq(val_get_str(to, "key"), key))) {
			return true;
		}
	}
	return false;
}

static const char *kind_text(enum object_kind id)
{
	return id == OBJECT_SECRET           ? "Secret"
	       : id == OBJECT_CONFIGMAP      ? "ConfigMap"
	       : id == OBJECT_SERVICEACCOUNT ? "ServiceAccount"
	                                     : "PersistentVolumeClaim";
}

static bool has_key(const struct object *o, struct slice key)
{
	static const char *const places[] = { "data", "stringData", "binaryData" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (val_get_slice(val_get(o->v, places[i]), key)) {
			return true;
		}
	}
	return false;
}

struct need { /* a reference of a pod */
	const struct workload *w;
	enum object_kind id;
	const struct val *name; /* node of the name */
	const struct val *key;  /* node of the key; null: any */
	bool optional;
};

static void key_missing(struct check *c, const struct need *n, const struct object *o)
{
	struct slice key = val_str(n->key);
	struct finding *f;

	if (!key.len || has_key(o, key) || is_exported(c->subject, n->id, o->ns, o->name, key)) {
		return;
	}
	f = check_found(c, n->w->object, n->key,
	                "%s " SLICE_FMT " has no key " SLICE_FMT ", which " WORKLOAD_FMT
	                " refers to.",
	                kind_text(n->id), SLICE_ARG(o->name), SLICE_ARG(key), WORKLOAD_ARG(n->w));
	finding_shows(c, f, o, val_get(o->v, val_get(o->v, "data") ? "data" : "stringData"),
	              "has other keys.");
	val_for_each (val_get(o->v, val_get(o->v, "data") ? "data" : "stringData"), other) {
		if (edit_distance(other->key, key, 2) <= 2) {
			finding_repair(c, f, "Write " SLICE_FMT ".", SLICE_ARG(other->key));
			finding_replace(c, f, n->w->object, n->key, SLICE_FMT,
			                SLICE_ARG(other->key));
			break;
		}
	}
}

static void judge_need(struct check *c, const struct need *n)
{
	struct slice name = val_str(n->name);
	const struct object *o, *near, *elsewhere;
	struct finding *f;

	if (!name.len || n->optional) {
		return;
	}
	o = subject_find(c->subject, n->id, n->w->ns, name);
	if (o) {
		key_missing(c, n, o);
		return;
	}
	if (is_made(c->subject, n->id, n->w->ns, name) ||
	    is_exported(c->subject, n->id, n->w->ns, name, (struct slice){ "", 0 })) {
		return;
	}
	near = nearest_object(c->subject, n->id, n->w->ns, name);
	elsewhere = subject_find_elsewhere(c->subject, n->id, n->w->ns, name);
	f = check_found(c, n->w->object, n->name,
	                WORKLOAD_FMT " refers to %s " SLICE_FMT
	                             ", and there is none in namespace " SLICE_FMT ".",
	                WORKLOAD_ARG(n->w), kind_text(n->id), SLICE_ARG(name), SLICE_ARG(n->w->ns));
	if (near) {
		finding_shows(c, f, near, val_path(near->v, "metadata.name"),
		              "has a similar name.");
		finding_repair(c, f, "Write " SLICE_FMT ".", SLICE_ARG(near->name));
		finding_replace(c, f, n->w->object, n->name, SLICE_FMT, SLICE_ARG(near->name));
	} else if (elsewhere) {
		finding_shows(c, f, elsewhere, val_path(elsewhere->v, "metadata.name"),
		              "is in namespace " SLICE_FMT ".", SLICE_ARG(elsewhere->ns));
		finding_repair(c, f, "Create it in namespace " SLICE_FMT " too.",
		               SLICE_ARG(n->w->ns));
	}
}

static void need(struct check *c, const struct workload *w, enum object_kind id,
                 const struct val *ref, const char *name, const char *key)
{
	struct need n = { w, id, val_get(ref, name), key ? val_get(ref, key) : NULL,
		          val_bool(val_get(ref, "optional"), false) };

	if (ref) {
		judge_need(c, &n);
	}
}

static void needs_of_container(struct check *c, const struct workload *w, const struct val *k)
{
	val_for_each (val_get(k, "envFrom"), e) {
		need(c, w, OBJECT_CONFIGMAP, val_get(e, "configMapRef"), "name", NULL);
		need(c, w, OBJECT_SECRET, val_get(e, "secretRef"), "name", NULL);
	}
	val_for_each (val_get(k, "env"), e) {
		need(c, w, OBJECT_CONFIGMAP, val_path(e, "valueFrom.configMapKeyRef"), "name",
		     "key");
		need(c, w, OBJECT_SECRET, val_path(e, "valueFrom.secretKeyRef"), "name", "key");
	}
}

static void needs_of_volume(struct check *c, const struct workload *w, const struct val *v)
{
	need(c, w, OBJECT_CONFIGMAP, val_get(v, "configMap"), "name", NULL);
	need(c, w, OBJECT_SECRET, val_get(v, "secret"), "secretName", NULL);
	need(c, w, OBJECT_CLAIM, val_get(v, "persistentVolumeClaim"), "claimName", NULL);
	val_for_each (val_path(v, "projected.sources"), source) {
		need(c, w, OBJECT_CONFIGMAP, val_get(source, "configMap"), "name", NULL);
		need(c, w, OBJECT_SECRET, val_get(source, "secret"), "name", NULL);
	}
}

void pod_references(struct check *c)
{
	workload_each(c, w)
	{
		val_for_each (val_get(w->spec, "initContainers"), k) {
			needs_of_container(c, w, k);
		}
		val_for_each (val_get(w->spec, "containers"), k) {
			needs_of_container(c, w, k);
		}
		val_for_each (val_get(w->spec, "volumes"), v) {
			needs_of_volume(c, w, v);
		}
		val_for_each (val_get(w->spec, "imagePullSecrets"), ref) {
			need(c, w, OBJECT_SECRET, ref, "name", NULL);
		}
		if (!slice_is(val_get_str(w->spec, "serviceAccountName"), "default")) {
			need(c, w, OBJECT_SERVICEACCOUNT, w->spec, "serviceAccountName", NULL);
		}
	}
}

/* ---- POD008 ---- */

/* A name such as "shop/web" means Docker Hub; a host has a dot, a colon, or is localhost. */
static bool has_registry(struct slice image)
{
	struct slice host, rest;

	return slice_cut(image, '/', &host, &rest) &&
	       (slice_find(host, '.') >= 0 || slice_find(host, ':') >= 0 ||
	        slice_is(host, "localhost"));
}

static bool is_always_pulled(const struct val *k)
{
	struct slice image = val_get_str(k, "image"), policy = val_get_str(k, "imagePullPolicy");
	ptrdiff_t colon = slice_rfind(image, ':'), slash = slice_rfind(image, '/');

	return slice_is(policy, "Always") ||
	       (!policy.len && (colon <= slash || slice_has_suffix(image, SLICE(":latest"))));
}

void pod_image(struct check *c)
{
	workload_each(c, w)
	{
		container_each(w->spec, k)
		{
			struct slice image = val_get_str(k, "image");
			struct finding *f;

			if (slice_find(image, '/') < 0 || has_registry(image) ||
			    !is_always_pulled(k) || val_len(val_get(w->spec, "imagePullSecrets"))) {
				continue;
			}
			f = check_found(
				c, w->object, val_get(k, "image"),
				"Image " SLICE_FMT " of " WORKLOAD_FMT
				" names no registry and is pulled at every start: from Docker Hub, "
				"without credentials.",
				SLICE_ARG(image), WORKLOAD_ARG(w));
			finding_repair(c, f,
			               "Name the registry, or set imagePullPolicy: IfNotPresent "
			               "for an image that is loaded.");
		}
	}
}

/* ---- POD009 ---- */

static const struct val *limit_default(const struct subject *s, struct slice ns, bool request,
                                       struct slice resource)
{
	object_each_in(s, OBJECT_LIMITRANGE, ns, o)
	{
		val_for_each (val_path(o->v, "spec.limits"), limit) {
			const struct val *v = val_get_slice(
				val_get(limit, request ? "defaultRequest" : "default"), resource);

			if (!v && request) {
				v = val_get_slice(val_get(limit, "default"), resource);
			}
			if (v) {
				return v;
			}
		}
	}
	return NULL;
}

/* "requests.cpu" and "cpu" are requests, "limits.memory" is a limit; others do not concern containers. */
static bool quota_of(struct slice hard, bool *ret_request, struct slice *ret_resource)
{
	*ret_request = !slice_has_prefix(hard, SLICE("limits."));
	*ret_resource = slice_has_prefix(hard, SLICE("requests.")) ? slice_from(hard, 9)
	                : !*ret_request                            ? slice_from(hard, 7)
	                                                           : hard;
	return slice_is(*ret_resource, "cpu") || slice_is(*ret_resource, "memory");
}

struct demand {
	__int128 nano;
	const struct val *lacking; /* a container without the value */
};

static struct demand demand_of(const struct subject *s, const struct workload *w, bool request,
                               struct slice resource)
{
	struct demand d = { 0 };

	container_each(w->spec, k)
	{
		const struct val *resources = val_get(k, "resources");
		const struct val *v = val_get_slice(
			val_get(resources, request ? "requests" : "limits"), resource);
		struct quantity q;

		v = v || !request ? v : val_get_slice(val_get(resources, "limits"), resource);
		v = v ? v : limit_default(s, w->ns, request, resource);
		if (v && quantity_of_val(v, &q)) {
			d.nano += q.nano;
		} else {
			d.lacking = k;
		}
	}
	return d;
}

static void judge_quota(struct check *c, const struct object *quota, const struct val *hard)
{
	const struct space *space = subject_space(c->subject, quota->ns);
	struct slice resource;
	struct quantity limit;
	__int128 sum = 0;
	bool request;

	if (!space || !quota_of(hard->key, &request, &resource) || !quantity_of_val(hard, &limit)) {
		return;
	}
	for (size_t i = 0; i < space->classes.n; i++) {
		for (size_t j = 0; j < space->classes.at[i]->workloads.n; j++) {
			const struct workload *w = space->classes.at[i]->workloads.at[j];
			struct demand d = demand_of(c->subject, w, request, resource);
			struct finding *f;

			sum += d.nano * w->replicas_max;
			if (d.lacking) {
				f = check_found(c, w->object, val_get(d.lacking, "name"),
				                "Container " SLICE_FMT " of " WORKLOAD_FMT
				                " states no %s for " SLICE_FMT
				                ", which ResourceQuota " SLICE_FMT
				                " demands: no pod is made.",
				                SLICE_ARG(val_get_str(d.lacking, "name")),
				                WORKLOAD_ARG(w), request ? "request" : "limit",
				                SLICE_ARG(resource), SLICE_ARG(quota->name));
				finding_shows(c, f, quota, hard, "limits " SLICE_FMT ".",
				              SLICE_ARG(hard->key));
			}
		}
	}
	if (sum > limit.nano) {
		struct finding *f = check_found(
			c, quota, hard,
			"ResourceQuota " SLICE_FMT " allows " SLICE_FMT " of " SLICE_FMT
			", and the workloads of the namespace want more at their largest.",
			SLICE_ARG(quota->name), SLICE_ARG(val_text(hard)), SLICE_ARG(hard->key));

		finding_repair(c, f,
		               "Raise the quota to what all replicas (with autoscalers at their "
		               "maximum) ask for.");
	}
}

void pod_quota(struct check *c)
{
	object_each(c->subject, OBJECT_QUOTA, quota)
	{
		val_for_each (val_path(quota->v, "spec.hard"), hard) {
			judge_quota(c, quota, hard);
		}
	}
}

/* ---- POD011: who waits for whom ---- */

static bool is_init_container(const struct call *x)
{
	val_for_each (val_get(x->from->spec, "initContainers"), k) {
		if (k == x->r->container) {
			return !slice_is(val_get_str(k, "restartPolicy"), "Always");
		}
	}
	return false;
}

struct waiting {
	const struct call **first; /* by workload.id: its first wait */
	unsigned char *state;      /* 1: on the way, 2: done */
};

static void walk_waits(struct check *c, struct waiting *x, const struct call *from)
{
	const struct svc *to = from->to.service;

	x->state[from->from->id] = 1;
	for (size_t i = 0; i < to->n_pods; i++) {
		const struct call *next = x->first[to->pods[i]->id];
		struct finding *f;

		if (!next || x->state[to->pods[i]->id] == 2) {
			continue;
		}
		if (x->state[to->pods[i]->id] == 1) {
			f = check_found(c, from->by, from->r->where.node,
			                WORKLOAD_FMT " waits at its start for Service " SLICE_FMT
			                             ", whose pods wait for " WORKLOAD_FMT
			                             " in turn: neither starts.",
			                WORKLOAD_ARG(from->from), SLICE_ARG(to->name),
			                WORKLOAD_ARG(from->from));
			finding_shows(c, f, next->by, next->r->where.node,
			              "is the wait the other way.");
			continue;
		}
		walk_waits(c, x, next);
	}
	x->state[from->from->id] = 2;
}

void pod_start_order(struct check *c)
{
	size_t n = c->subject->workloads.n;
	struct waiting x = { mem_alloc((n + 1) * sizeof(*x.first)), mem_alloc(n + 1) };

	call_each(c->subject, call)
	{
		if (call->to.kind == TARGET_SERVICE && !x.first[call->from->id] &&
		    is_init_container(call)) {
			x.first[call->from->id] = call;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (x.first[i] && !x.state[i]) {
			walk_waits(c, &x, x.first[i]);
		}
	}
	free((void *)x.first);
	free(x.state);
}

/* ---- POD012 ---- */

static bool may_bind_low(const struct workload *w, const struct val *k, int64_t port)
{
	const struct val *pod = val_get(w->spec, "securityContext"),
			 *own = val_get(k, "securityContext");
	const struct val *user =
		val_get(own, "runAsUser") ? val_get(own, "runAsUser") : val_get(pod, "runAsUser");
	bool non_root = val_bool(val_get(own, "runAsNonRoot"),
	                         val_bool(val_get(pod, "runAsNonRoot"), false));
	bool drops = false;

	val_for_each (val_path(own, "capabilities.add"), it) {
		if (slice_is(val_str(it), "NET_BIND_SERVICE") || slice_is(val_str(it), "ALL")) {
			return true;
		}
	}
	val_for_each (val_path(own, "capabilities.drop"), it) {
		drops = drops || slice_is(val_str(it), "ALL") ||
		        slice_is(val_str(it), "NET_BIND_SERVICE");
	}
	val_for_each (val_get(pod, "sysctls"), it) {
		int64_t start;

		if (slice_is(val_get_str(it, "name"), "net.ipv4.ip_unprivileged_port_start") &&
		    slice_to_i64(val_get_str(it, "value"), &start)) {
			return port >= start;
		}
	}
	return !(non_root || val_int(user, 0) > 0) || !drops;
}

void pod_low_port(struct check *c)
{
	enum { FIRST_FREE = 1024 };

	workload_each(c, w)
	{
		container_each(w->spec, k)
		{
			val_for_each (val_get(k, "ports"), p) {
				const struct val *at = val_get(p, "containerPort");
				int64_t port = val_int(at, 0);
				struct finding *f;

				if (port <= 0 || port >= FIRST_FREE || may_bind_low(w, k, port)) {
					continue;
				}
				f = check_found(c, w->object, at,
				                "Container " SLICE_FMT " of " WORKLOAD_FMT
				                " is to listen on port %lld without root and "
				                "without NET_BIND_SERVICE.",
				                SLICE_ARG(val_get_str(k, "name")), WORKLOAD_ARG(w),
				                (long long)port);
				finding_repair(c, f,
				               "Listen above 1023 and map it with targetPort, or "
				               "set the sysctl "
				               "net.ipv4.ip_unprivileged_port_start: \"0\".");
			}
		}
	}
}

/* ---- POD013: damaged values ---- */

static bool is_printable(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e) {
			return false;
		}
	}
	return s.len > 0;
}

static bool has_text(struct slice s, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= s.len; i++) {
		if (slice_eq_nocase((struct slice){ s.p + i, n }, (struct slice){ word, n })) {
			return true;
		}
	}
	return false;
}

/* What is wrong with a value that a program reads as one word; null when nothing is. Never quotes it. */
static const char *damage(struct slice value)
{
	static const char *const rests[] = { "change-me", "changeme", "change_me",      "your-",
		                             "your_",     "<your",    "user:password@", "todo:" };
	scoped_strbuf struct strbuf again = { 0 };
	char last = value.len ? value.p[value.len - 1] : 'x';

	if (last == '\n' || last == '\r') {
		return "ends with a line end, which becomes part of it (echo without -n, or a "
		       "block with |)";
	}
	if (value.len > 1 && (last == '"' || last == '\'') && value.p[0] == last) {
		return "is still within quotes";
	}
	if (value.len >= 12 && value.len % 4 == 0 && last == '=' && base64_decode(&again, value) &&
	    is_printable(slice_trim(strbuf_slice(&again)))) {
		return "is base64 once more: it was encoded twice";
	}
	for (size_t i = 0; i < ARRAY_SIZE(rests); i++) {
		if (has_text(value, rests[i])) {
			return "is a placeholder out of an example";
		}
	}
	return NULL;
}

/* A line end within a value of several lines is none at its end by mistake. */
static bool is_one_line(struct slice s)
{
	ptrdiff_t end = slice_find(s, '\n');

	return end < 0 || (size_t)end + 1 == s.len;
}

void pod_damaged(struct check *c)
{
	const struct values *values = subject_values(c->subject);
	scoped_map struct map said = { 0 };

	for (size_t i = 0; i < values->n_settings; i++) {
		const struct setting *x = &values->settings[i];
		const struct object *by = subject_object(c->subject, x->where.object);
		const char *what = x->is_known && is_one_line(x->value) ? damage(x->value) : NULL;
		struct slice key = pointer_of(&x->where.node);
		struct finding *f;

		if (!what || !by || by->assumed || (x->where.node && map_set(&said, key, &said))) {
			continue;
		}
		f = check_found(c, by, x->where.node,
		                "The value of " SLICE_FMT " in " SLICE_FMT " " SLICE_FMT " %s.",
		                SLICE_ARG(x->name), SLICE_ARG(by->kind), SLICE_ARG(by->name), what);
		finding_shows(c, f, subject_object(c->subject, x->workload), x->container,
		              "reads it as " SLICE_FMT ".", SLICE_ARG(x->name));
	}
}

/* ---- POD014 ---- */

void pod_urls(struct check *c)
{
	const struct values *values = subject_values(c->subject);
	scoped_map struct map said = { 0 };

	for (size_t i = 0; i < values->n_references; i++) {
		const struct reference *r = &values->references[i];
		const struct object *by =
			r->problem ? subject_object(c->subject, r->where.object) : NULL;

		if (by && !by->assumed &&
		    (!r->where.node || !map_set(&said, pointer_of(&r->where.node), &said))) {
			(void)check_found(
				c, by, r->where.node,
				"%s in " SLICE_FMT " " SLICE_FMT " is not read as meant: %s.",
				r->name, SLICE_ARG(by->kind), SLICE_ARG(by->name), r->problem);
		}
	}
}
