/* Why: classes of APP about names of variables, load and what stands in front: see check-app.c. */
#include "analyse/check-app-priv.h"

#include <ctype.h>

#include "analyse/check-value.h"
#include "analyse/nearest.h"
#include "base/mem.h"

const struct object *app_nearest_service(const struct subject *s, struct slice ns,
                                         struct slice name)
{
	return nearest_object(s, OBJECT_SERVICE, ns, name);
}

/* ---- APP007 ---- */

static size_t shared_words(struct slice a, struct slice b)
{
	struct slice word, rest = a;
	size_t n = 0;

	while (slice_next(&rest, '_', &word)) {
		struct slice other, others = b;

		while (word.len && slice_next(&others, '_', &other)) {
			if (slice_eq_nocase(word, other)) {
				n++;
				break;
			}
		}
	}
	return n;
}

/* DATABASE_HOST for DB_HOST, DBHOST for DB_HOST: one letter or one word apart. */
static bool is_near_name(struct slice wanted, struct slice has)
{
	if (edit_distance(wanted, has, 2) <= 2 && wanted.len > 3) {
		return true;
	}
	return slice_find(wanted, '_') > 0 && slice_find(has, '_') > 0 &&
	       shared_words(slice_from(wanted, (size_t)slice_rfind(wanted, '_') + 1),
	                    slice_from(has, (size_t)slice_rfind(has, '_') + 1)) == 1 &&
	       ((slice_has_prefix(wanted, SLICE("DB_")) &&
	         slice_has_prefix(has, SLICE("DATABASE_"))) ||
	        (slice_has_prefix(wanted, SLICE("DATABASE_")) &&
	         slice_has_prefix(has, SLICE("DB_"))));
}

static const struct setting *near_setting(const struct setting *s, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++) {
		if (is_near_name(name, s[i].name)) {
			return &s[i];
		}
	}
	return NULL;
}

static bool is_supplied(const struct setting *s, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_eq(s[i].name, name)) {
			return true;
		}
	}
	return false;
}

static void check_text(struct check *c, const struct workload *w, const struct val *container,
                       const struct val *at)
{
	size_t n;
	const struct setting *s = values_settings(subject_values(c->subject), container, &n), *near;
	struct slice text = val_str(at);

	for (size_t i = 0; i + 2 < text.len; i++) {
		struct slice name;
		ptrdiff_t end;
		struct finding *f;

		if (text.p[i] != '$' || text.p[i + 1] != '(' || (i > 0 && text.p[i - 1] == '$')) {
			continue;
		}
		end = slice_find(slice_head(slice_from(text, i), 128), ')');
		if (end < 3) {
			continue;
		}
		name = slice_head(slice_from(text, i + 2), (size_t)end - 2);
		near = is_supplied(s, n, name) ? NULL : near_setting(s, n, name);
		if (!near) {
			continue;
		}
		f = check_found(c, w->object, at,
		                "$(" SLICE_FMT
		                ") stays as it is: no variable has this name, " SLICE_FMT
		                " is supplied.",
		                SLICE_ARG(name), SLICE_ARG(near->name));
		finding_shows(c, f, value_object_of(c, &near->where), value_place(c, &near->where),
		              "supplies " SLICE_FMT ".", SLICE_ARG(near->name));
		finding_repair(c, f, "Use one name, $(" SLICE_FMT ").", SLICE_ARG(near->name));
	}
}

void app007(struct check *c)
{
	static const char *const lists[] = { "command", "args" };

	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		if (w->object->assumed) {
			continue;
		}
		container_each(w->spec, it)
		{
			val_for_each (val_get(it, "env"), var) {
				check_text(c, w, it, val_get(var, "value"));
			}
			for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
				val_for_each (val_get(it, lists[k]), word) {
					check_text(c, w, it, word);
				}
			}
		}
	}
}

/* ---- APP009 ---- */

static bool is_grpc(const struct svc_port *p)
{
	struct slice app = val_get_str(p->v, "appProtocol");

	return slice_has_prefix(p->name, SLICE("grpc")) ||
	       slice_has_prefix(p->name, SLICE("http2")) || slice_is(app, "grpc") ||
	       slice_is(app, "kubernetes.io/h2c");
}

static bool has_mesh(struct check *c, const struct workload *w)
{
	const struct val *labels = w->space->labels;

	(void)c;
	return slice_is(val_get_str(labels, "istio-injection"), "enabled") ||
	       val_get(labels, "istio.io/rev") ||
	       slice_is(val_str(val_get(val_get(w->meta, "annotations"), "linkerd.io/inject")),
	                "enabled") ||
	       slice_is(val_get_str(w->labels, "sidecar.istio.io/inject"), "true");
}

static bool has_many(const struct svc *x)
{
	int64_t n = 0;

	for (size_t i = 0; i < x->n_pods; i++) {
		n += x->pods[i]->replicas_max;
	}
	return n > 1;
}

void app009(struct check *c)
{
	const struct svc_port *told = NULL;

	called_each(c, r, t)
	{
		const struct workload *w = reader_of(c, r);
		struct finding *f;

		if (!w || t.kind != TARGET_SERVICE || !t.port || t.port == told ||
		    t.service->headless || t.service->external ||
		    (!is_grpc(t.port) && strcmp(r->scheme, "grpc") != 0) || !has_many(t.service) ||
		    has_mesh(c, w)) {
			continue;
		}
		told = t.port;
		f = check_found(c, t.object, t.port->v,
		                "Callers of Service " SLICE_FMT
		                " keep one gRPC connection each, so one of its pods gets all "
		                "requests of a caller.",
		                SLICE_ARG(t.name));
		finding_shows(c, f, value_object_of(c, &r->where), value_place(c, &r->where),
		              "is a caller: %s.", r->name);
	}
}

/* ---- APP010 ---- */

static int64_t number_of(const struct setting *s)
{
	int64_t n;

	return s && !s->is_secret && slice_to_i64(slice_trim(s->value), &n) && n > 0 && n < 1000000
	               ? n
	               : 0;
}

static bool ends_in(struct slice name, const char *const *ends)
{
	for (; *ends; ends++) {
		struct slice tail = slice_of(*ends);

		if (name.len >= tail.len &&
		    slice_eq_nocase(slice_from(name, name.len - tail.len), tail)) {
			return true;
		}
	}
	return false;
}

static const struct setting *numbered(struct check *c, const struct val *container,
                                      const char *const *ends)
{
	size_t n;
	const struct setting *s = values_settings(subject_values(c->subject), container, &n);

	for (size_t i = 0; i < n; i++) {
		if (ends_in(s[i].name, ends) && number_of(&s[i])) {
			return &s[i];
		}
	}
	return NULL;
}

/* GiB of memory by the size in "db.t4g.micro"; 0: not known. */
static int64_t memory_gib(struct slice instance_class)
{
	static const struct {
		const char *size;
		int64_t burst, general, memory; /* t, m, r families */
	} sizes[] = { { ".micro", 1, 1, 1 },      { ".small", 2, 2, 2 },
		      { ".medium", 4, 4, 4 },     { ".large", 8, 8, 16 },
		      { ".xlarge", 16, 16, 32 },  { ".2xlarge", 32, 32, 64 },
		      { ".4xlarge", 64, 64, 128 } };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (slice_has_suffix(instance_class, slice_of(sizes[i].size))) {
			return slice_has_prefix(instance_class, SLICE("db.r"))   ? sizes[i].memory
			       : slice_has_prefix(instance_class, SLICE("db.m")) ? sizes[i].general
			       : slice_has_prefix(instance_class, SLICE("db.t")) ? sizes[i].burst
			                                                         : 0;
		}
	}
	return 0;
}

/* What the store takes at most; 0: not known. *ret_at is where it says so. */
static int64_t connection_limit(struct check *c, const struct object *store,
                                const struct object **ret_object, const struct val **ret_at)
{
	const struct val *spec = object_spec(store), *own;
	struct slice group = val_get_str(spec, "dbParameterGroupName");
	const char *scheme = target_store_scheme(store);
	int64_t memory = memory_gib(val_get_str(spec, "dbInstanceClass")), n;

	group = group.len ? group : val_str(val_path(spec, "dbParameterGroupRef.from.name"));
	object_each(c->subject, OBJECT_DBPARAMETERGROUP, o)
	{
		own = val_path(object_spec(o), "parameterOverrides.max_connections");
		if ((slice_eq(o->name, group) ||
		     slice_eq(val_get_str(object_spec(o), "name"), group)) &&
		    own) {
			*ret_object = o;
			*ret_at = own;
			return own->type == VAL_INT             ? own->i
			       : slice_to_i64(val_str(own), &n) ? n
			                                        : 0;
		}
	}
	*ret_object = store;
	*ret_at = val_get(spec, "dbInstanceClass");
	if (strcmp(scheme, "mysql") == 0) {
		return (memory << 30) / 12582880;
	}
	if (strcmp(scheme, "postgres") == 0) {
		n = (memory << 30) / 9531392;
		return n > 5000 ? 5000 : n;
	}
	return 0;
}

static void check_pool(struct check *c, const struct reference *r, const struct workload *w,
                       const struct object *store)
{
	static const char *const pools[] = { "POOL_SIZE",
		                             "POOL_MAX",
		                             "MAX_POOL_SIZE",
		                             "POOL_MAX_SIZE",
		                             "MAX_OPEN_CONNS",
		                             "DB_POOL",
		                             "CONNECTION_LIMIT",
		                             "MAXIMUM_POOL_SIZE",
		                             "MAXIMUMPOOLSIZE",
		                             "RAILS_MAX_THREADS",
		                             NULL };
	static const char *const processes[] = { "WEB_CONCURRENCY", "GUNICORN_WORKERS",
		                                 "UVICORN_WORKERS", "WORKERS", NULL };
	const struct setting *pool = numbered(c, r->container, pools),
			     *many = numbered(c, r->container, processes);
	const struct object *limit_object = NULL;
	const struct val *limit_at = NULL;
	int64_t limit = connection_limit(c, store, &limit_object, &limit_at),
		each = many ? number_of(many) : 1, all;
	struct finding *f;

	if (!pool || limit < 1 || w->replicas_max < 1 || w->replicas_max > 100000) {
		return;
	}
	all = w->replicas_max * number_of(pool) * each;
	if (all <= limit) {
		return;
	}
	f = check_found(
		c, value_object_of(c, &pool->where), value_place(c, &pool->where),
		"%lld pods of " OBJECT_FMT
		" with %lld process%s and pools of %lld open %lld connections, the database "
		"takes about %lld.",
		(long long)w->replicas_max, OBJECT_ARG(w->object), (long long)each,
		each == 1 ? "" : "es", (long long)number_of(pool), (long long)all,
		(long long)limit);
	finding_shows(c, f, limit_object, limit_at, "sets the limit.");
	finding_shows(c, f, w->autoscaler ? w->autoscaler : w->object, NULL, "allows %lld pods.",
	              (long long)w->replicas_max);
	finding_repair(c, f, "Pools of at most %lld.",
	               (long long)(limit / (w->replicas_max * each) > 0
	                                   ? limit / (w->replicas_max * each)
	                                   : 1));
}

void app010(struct check *c)
{
	const struct val *told = NULL;

	called_each(c, r, t)
	{
		const struct workload *w = reader_of(c, r);
		const struct object *store = t.kind == TARGET_STORE ? t.object : NULL;

		if (t.kind == TARGET_SERVICE && t.service->external) {
			store = target_store_of_host(
				c->subject, val_get_str(object_spec(t.object), "externalName"));
		}
		if (w && store && store->id == OBJECT_DBINSTANCE && r->container &&
		    r->container != told) {
			told = r->container;
			check_pool(c, r, w, store);
		}
	}
}

/* ---- APP011 ---- */

static int64_t seconds_of(struct slice text)
{
	int64_t n, each = 1;

	text = slice_trim(text);
	if (slice_has_suffix(text, SLICE("ms"))) {
		return slice_to_i64(slice_head(text, text.len - 2), &n) ? n / 1000 : 0;
	}
	if (text.len > 1 && isalpha((unsigned char)text.p[text.len - 1])) {
		each = text.p[text.len - 1] == 's' ? 1 : text.p[text.len - 1] == 'm' ? 60 : 0;
		text.len--;
	}
	return slice_to_i64(text, &n) && n > 0 && n < 86400 ? n * each : 0;
}

static const char read_timeout[] = "nginx.ingress.kubernetes.io/proxy-read-timeout";
enum { NGINX_TIMEOUT_S = 60, CDN_TIMEOUT_S = 30 };

/* A program that may take longer than the Ingress in front of it waits. */
static void check_program(struct check *c, const struct object *ingress, const struct workload *w,
                          int64_t outer)
{
	static const char *const names[] = { "REQUEST_TIMEOUT",    "REQUEST_TIMEOUT_SECONDS",
		                             "HTTP_TIMEOUT",       "SERVER_TIMEOUT",
		                             "GUNICORN_TIMEOUT",   "UPSTREAM_TIMEOUT",
		                             "PROXY_READ_TIMEOUT", NULL };

	container_each(w->spec, it)
	{
		size_t n;
		const struct setting *s = values_settings(subject_values(c->subject), it, &n);

		for (size_t i = 0; i < n; i++) {
			int64_t inner = ends_in(s[i].name, names) && !s[i].is_secret
			                        ? seconds_of(s[i].value)
			                        : 0;
			struct finding *f;

			if (inner <= outer) {
				continue;
			}
			f = check_found(c, ingress, object_annotation_at(ingress, read_timeout),
			                "Ingress " SLICE_FMT " gives up after %lld s, " OBJECT_FMT
			                " works on for %lld s.",
			                SLICE_ARG(ingress->name), (long long)outer,
			                OBJECT_ARG(w->object), (long long)inner);
			finding_shows(c, f, value_object_of(c, &s[i].where),
			              value_place(c, &s[i].where), SLICE_FMT " is the program's.",
			              SLICE_ARG(s[i].name));
			finding_repair(c, f, "Set %s above %lld.", read_timeout, (long long)inner);
		}
	}
}

static void check_backends(struct check *c, const struct object *ingress, int64_t outer)
{
	const struct svc *told = NULL;

	val_for_each (val_get(object_spec(ingress), "rules"), rule) {
		val_for_each (val_path(rule, "http.paths"), path) {
			const struct svc *x =
				subject_service(c->subject, ingress->ns,
			                        val_str(val_path(path, "backend.service.name")));

			for (size_t i = 0; x && x != told && i < x->n_pods; i++) {
				check_program(c, ingress, x->pods[i], outer);
			}
			told = x;
		}
	}
}

static void check_cdn(struct check *c, const struct object *ingress, int64_t inner)
{
	object_each(c->subject, OBJECT_DISTRIBUTION, o)
	{
		val_for_each (val_path(object_spec(o), "distributionConfig.origins.items"),
		              origin) {
			const struct val *at =
				val_path(origin, "customOriginConfig.originReadTimeout");
			int64_t outer = val_int(at, CDN_TIMEOUT_S);
			struct finding *f;

			if (outer >= inner || !val_get(origin, "customOriginConfig")) {
				continue;
			}
			f = check_found(c, o, at ? at : origin,
			                "Distribution " SLICE_FMT
			                " gives up after %lld s, Ingress " SLICE_FMT
			                " waits for %lld s.",
			                SLICE_ARG(o->name), (long long)outer,
			                SLICE_ARG(ingress->name), (long long)inner);
			finding_shows(c, f, ingress, object_annotation_at(ingress, read_timeout),
			              "is the inner one.");
		}
	}
}

void app011(struct check *c)
{
	written_each(c->subject, OBJECT_INGRESS, o)
	{
		int64_t given = seconds_of(object_annotation(o, read_timeout));
		struct slice class_name = val_get_str(object_spec(o), "ingressClassName");

		if (given || slice_is(class_name, "nginx")) {
			check_backends(c, o, given ? given : NGINX_TIMEOUT_S);
		}
		if (given) {
			check_cdn(c, o, given);
		}
	}
}

/* ---- APP012 ---- */

static const struct {
	const char *framework;
	const char *sign; /* begins a variable, stands in the image or is a word of the command */
	const char *setting; /* what tells it that a proxy is in front */
	const char *other;   /* another such; or null */
} frameworks[] = {
	{ "ASP.NET Core", "ASPNETCORE_", "ASPNETCORE_FORWARDEDHEADERS_ENABLED", NULL },
	{ "Spring Boot", "SPRING_", "SERVER_FORWARD_HEADERS_STRATEGY",
	  "SERVER_USE_FORWARD_HEADERS" },
	{ "Keycloak", "keycloak", "KC_PROXY_HEADERS", "KC_PROXY" },
	{ "gunicorn", "gunicorn", "FORWARDED_ALLOW_IPS", NULL },
	{ "uvicorn", "uvicorn", "FORWARDED_ALLOW_IPS", NULL },
};

static bool shows(struct check *c, const struct val *container, const char *sign,
                  const struct val **ret_at)
{
	static const char *const lists[] = { "command", "args" };
	size_t n;
	const struct setting *s = values_settings(subject_values(c->subject), container, &n);

	for (size_t i = 0; i < n; i++) {
		if (slice_has_prefix(s[i].name, slice_of(sign))) {
			*ret_at = container;
			return true;
		}
	}
	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		val_for_each (val_get(container, lists[k]), it) {
			if (strstr(val_cstr(it), sign)) {
				*ret_at = it;
				return true;
			}
		}
	}
	*ret_at = val_get(container, "image");
	return islower((unsigned char)sign[0]) && strstr(val_cstr(*ret_at), sign);
}

static bool tells_of_proxy(struct check *c, const struct val *container, size_t i)
{
	static const char *const lists[] = { "command", "args" };
	const struct values *v = subject_values(c->subject);

	if (values_setting(v, container, frameworks[i].setting) ||
	    (frameworks[i].other && values_setting(v, container, frameworks[i].other))) {
		return true;
	}
	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		val_for_each (val_get(container, lists[k]), it) {
			if (strstr(val_cstr(it), "forwarded") ||
			    strstr(val_cstr(it), "proxy-headers") ||
			    strstr(val_cstr(it), "forward-headers")) {
				return true;
			}
		}
	}
	return false;
}

void app012(struct check *c)
{
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		const struct object *front = w->object->assumed ? NULL : app_tls_in_front(c, w);

		if (!front) {
			continue;
		}
		container_each(w->spec, it)
		{
			for (size_t k = 0; k < ARRAY_SIZE(frameworks); k++) {
				const struct val *at = NULL;
				struct finding *f;

				if (!shows(c, it, frameworks[k].sign, &at) ||
				    tells_of_proxy(c, it, k)) {
					continue;
				}
				f = check_found(c, w->object, at,
				                OBJECT_FMT " runs %s, which is not told that a "
				                           "proxy ends TLS in front of it.",
				                OBJECT_ARG(w->object), frameworks[k].framework);
				finding_shows(c, f, front, val_get(object_spec(front), "tls"),
				              "ends TLS.");
				finding_repair(c, f, "Set %s.", frameworks[k].setting);
				break;
			}
		}
	}
}
