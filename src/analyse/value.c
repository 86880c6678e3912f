/* Why: walks the objects once and gathers what their values say; see value.h. The reading itself is
 * in the files value-*.c (where texts stand), config-*.c (formats of files) and address*.c
 * (notations). */
#include "analyse/value.h"

#include "analyse/value-priv.h"
#include "base/mem.h"
#include "base/strbuf.h"

struct range { /* of one workload, or one container (settings only) */
	size_t reference, n_references;
	size_t listening, n_listenings;
	size_t setting, n_settings;
};

struct slice value_pointer_key(const void *const *p)
{
	return (struct slice){ (const char *)p, sizeof(*p) };
}

const char *value_source_text(enum value_source s)
{
	static const char *const texts[] = {
#define X(name, text) [VALUE_##name] = text,
		VALUE_SOURCES(X)
#undef X
	};

	return s < VALUE_SOURCE_COUNT ? texts[s] : "";
}

uint16_t value_scheme_port(struct slice scheme)
{
	return scheme_port(scheme);
}

const char *value_port_scheme(uint16_t port)
{
	return port_scheme(port);
}

const struct val *value_at(struct arena *a, const struct value_where *w)
{
	const struct val *node = w->node ? w->node : w->object;
	struct val *copy;

	if (!node || !w->line || (node->line == w->line && node->col == w->col)) {
		return w->node;
	}
	copy = arena_dup(a, node, sizeof(*node));
	copy->next = NULL;
	copy->line = w->line;
	copy->col = (uint16_t)(w->col > UINT16_MAX ? UINT16_MAX : w->col);
	return copy;
}

/* ---- pod specs ---- */

static const char *spec_path_of(const struct val *workload)
{
	static const struct {
		const char *kind, *path;
	} kinds[] = {
		{ "Pod", "spec" },
		{ "Deployment", "spec.template.spec" },
		{ "StatefulSet", "spec.template.spec" },
		{ "DaemonSet", "spec.template.spec" },
		{ "ReplicaSet", "spec.template.spec" },
		{ "ReplicationController", "spec.template.spec" },
		{ "Job", "spec.template.spec" },
		{ "Rollout", "spec.template.spec" },
		{ "CronJob", "spec.jobTemplate.spec.template.spec" },
	};
	struct slice kind = val_get_str(workload, "kind");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (slice_is(kind, kinds[i].kind)) {
			return kinds[i].path;
		}
	}
	return NULL;
}

const struct val *value_pod_spec(const struct val *workload)
{
	const char *path = spec_path_of(workload);

	return path ? val_path(workload, path) : NULL;
}

/* ---- index ---- */

static struct slice ns_of(const struct val *object)
{
	struct slice ns = val_str(val_path(object, "metadata.namespace"));

	return ns.len ? ns : SLICE("default");
}

static void index_object(struct value_reader *r, const struct val *object)
{
	struct slice kind = val_get_str(object, "kind"),
		     name = val_str(val_path(object, "metadata.name"));
	scoped_free char *key = mem_printf(SLICE_FMT "/" SLICE_FMT "/" SLICE_FMT, SLICE_ARG(kind),
	                                   SLICE_ARG(ns_of(object)), SLICE_ARG(name));

	map_set(&r->objects, slice_of(key), (void *)object);
}

/* Source: cloud-kinds.md section 3.6: to.namespace and to.key have defaults. */
static void index_export(struct value_reader *r, const struct val *export)
{
	const struct val *to = val_path(export, "spec.to");
	struct slice ns = val_get_str(to, "namespace"), key = val_get_str(to, "key");
	struct slice name = val_str(val_path(export, "metadata.name"));
	bool secret = slice_eq_nocase(val_get_str(to, "kind"), SLICE("secret"));
	scoped_strbuf struct strbuf path = { 0 };

	ns = ns.len ? ns : ns_of(export);
	strbuf_addf(&path, "%s/" SLICE_FMT "/" SLICE_FMT "/", secret ? "Secret" : "ConfigMap",
	            SLICE_ARG(ns), SLICE_ARG(val_get_str(to, "name")));
	if (key.len) {
		strbuf_add_slice(&path, key);
	} else {
		strbuf_addf(&path, SLICE_FMT "." SLICE_FMT, SLICE_ARG(ns_of(export)),
		            SLICE_ARG(name));
	}
	map_set(&r->exports, strbuf_slice(&path), (void *)export);
}

static void index_all(struct value_reader *r, const struct val *const *objects, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct slice kind = val_get_str(objects[i], "kind");

		if (slice_is(kind, "ConfigMap") || slice_is(kind, "Secret")) {
			index_object(r, objects[i]);
		} else if (slice_is(kind, "FieldExport")) {
			index_export(r, objects[i]);
		}
	}
}

/* ---- workloads ---- */

static struct range *begin_range(struct value_reader *r)
{
	struct range *range = ARENA_NEW(r->arena, struct range);

	range->reference = r->references.n;
	range->listening = r->listenings.n;
	range->setting = r->settings.n;
	return range;
}

static void end_range(struct value_reader *r, struct range *range, const struct val *key)
{
	const void *p = key;

	range->n_references = r->references.n - range->reference;
	range->n_listenings = r->listenings.n - range->listening;
	range->n_settings = r->settings.n - range->setting;
	map_set(&r->v->by_workload, value_pointer_key(&p), range);
}

static void read_container(struct value_reader *r, const struct val *container, const char *list,
                           size_t index)
{
	struct range *range = begin_range(r);

	r->container = container;
	r->container_path = arena_printf(r->arena, "%s.%s[%zu]", r->spec_path, list, index);
	value_read_env(r);
	value_read_arguments(r);
	value_read_ports(r);
	value_read_probes(r);
	value_read_files(r);
	end_range(r, range, container);
	r->container = NULL;
}

static void read_resolvers(struct value_reader *r)
{
	size_t index = 0;

	val_for_each (val_path(r->spec, "dnsConfig.nameservers"), it) {
		struct value_text t =
			value_text_of(r->workload, it,
		                      arena_printf(r->arena, "%s.dnsConfig.nameservers[%zu]",
		                                   r->spec_path, index++));

		t.source = VALUE_ENV;
		t.name = "nameservers";
		value_add_call(r, &t, t.text, (struct slice){ "", 0 }, "", false, USE_RESOLVE);
	}
}

static void read_workload(struct value_reader *r, const struct val *workload)
{
	static const char *const lists[] = { "initContainers", "containers" };
	struct range *range = begin_range(r);

	r->workload = workload;
	r->spec_path = spec_path_of(workload);
	r->spec = value_pod_spec(workload);
	r->ns = ns_of(workload);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		size_t index = 0;

		val_for_each (val_get(r->spec, lists[i]), it) {
			read_container(r, it, lists[i], index++);
		}
	}
	read_resolvers(r);
	end_range(r, range, workload);
	r->workload = NULL;
}

/* ---- keys that nobody reads ---- */

static void read_unread(struct value_reader *r, const struct val *object)
{
	static const char *const maps[] = { "data", "stringData" };

	r->ns = ns_of(object);
	r->env = (struct env){ .arena = r->arena };
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		val_for_each (val_get(object, maps[i]), it) {
			const void *p = it;
			bool is_secret;
			struct slice text;
			struct value_text t;

			if (map_has(&r->read, value_pointer_key(&p)) ||
			    value_key_at(r, object, maps[i], it, &is_secret, &text) != it) {
				continue;
			}
			t = value_text_of(object, it, value_key_path(r->arena, object, it->key));
			t.by_line = t.by_line && slice_eq(t.text, text);
			t.text = text;
			t.source = VALUE_KEY;
			t.name = arena_slice(r->arena, it->key).p;
			t.is_secret = is_secret;
			value_read_file(r, &t);
		}
	}
}

/* ---- all ---- */

static void read_rest(struct value_reader *r, const struct val *object)
{
	struct slice kind = val_get_str(object, "kind");
	struct range *range = begin_range(r);

	if (slice_is(kind, "Ingress")) {
		value_read_ingress(r, object);
	} else if (slice_is(kind, "Service")) {
		value_read_service(r, object);
	} else if (slice_is(kind, "ConfigMap") || slice_is(kind, "Secret")) {
		read_unread(r, object);
	}
	if (r->references.n > range->reference) {
		end_range(r, range, object);
	}
}

/* The arrays move into the arena: one owner. */
#define keep(r, name)                                                                              \
	do {                                                                                       \
		(r)->v->n_##name = (r)->name.n;                                                    \
		(r)->v->name = (r)->name.n ? arena_dup((r)->arena, (r)->name.at,                   \
		                                       (r)->name.n * sizeof(*(r)->name.at))        \
		                           : NULL;                                                 \
		vec_fini(&(r)->name);                                                              \
	} while (0)

void values_read(struct values *v, const struct val *const *objects, size_t n)
{
	struct value_reader r = { .v = v };

	*v = (struct values){ 0 };
	r.arena = &v->arena;
	index_all(&r, objects, n);
	for (size_t i = 0; i < n; i++) {
		if (spec_path_of(objects[i])) {
			read_workload(&r, objects[i]);
		}
	}
	for (size_t i = 0; i < n; i++) {
		read_rest(&r, objects[i]);
	}
	keep(&r, references);
	keep(&r, listenings);
	keep(&r, settings);
	map_fini(&r.objects);
	map_fini(&r.exports);
	map_fini(&r.read);
	map_fini(&r.files);
}

void values_fini(struct values *v)
{
	map_fini(&v->by_workload);
	arena_fini(&v->arena);
	*v = (struct values){ 0 };
}

static const struct range *range_of(const struct values *v, const struct val *key)
{
	static const struct range none;
	const void *p = key;
	const struct range *range = map_find(&v->by_workload, value_pointer_key(&p));

	return range ? range : &none;
}

const struct reference *values_references(const struct values *v, const struct val *workload,
                                          size_t *ret_n)
{
	const struct range *range = range_of(v, workload);

	*ret_n = range->n_references;
	return range->n_references ? v->references + range->reference : NULL;
}

const struct listening *values_listenings(const struct values *v, const struct val *workload,
                                          size_t *ret_n)
{
	const struct range *range = range_of(v, workload);

	*ret_n = range->n_listenings;
	return range->n_listenings ? v->listenings + range->listening : NULL;
}

const struct setting *values_settings(const struct values *v, const struct val *workload,
                                      size_t *ret_n)
{
	const struct range *range = range_of(v, workload);

	*ret_n = range->n_settings;
	return range->n_settings ? v->settings + range->setting : NULL;
}

const struct setting *values_setting(const struct values *v, const struct val *container,
                                     const char *name)
{
	size_t n;
	const struct setting *s = values_settings(v, container, &n);

	for (size_t i = 0; i < n; i++) {
		if (slice_is(s[i].name, name)) {
			return &s[i];
		}
	}
	return NULL;
}

void value_reference_format(struct strbuf *out, const struct reference *r)
{
	bool v6 = r->ip.family == IP_V6;

	if (r->scheme[0]) {
		strbuf_addf(out, "%s://", r->scheme);
	}
	strbuf_addf(out, v6 ? "[%s]" : "%s", r->host[0] ? r->host : "?");
	if (r->port) {
		strbuf_addf(out, ":%u", r->port);
	}
}
