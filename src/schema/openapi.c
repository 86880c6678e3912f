/* Why: kubectl learns from these documents what explain shows, which lists a patch merges, and that
 * the server validates fields itself. They are made from the same field trees that decode, so they
 * cannot disagree. Source: reference 1.4, 1.5 */
#include "base/mem.h"
#include "codec/json.h"
#include "schema/object.h"
#include "schema/type.h"

#define VERSION_TEXT "v1.27.16"
#define META         "io.k8s.apimachinery.pkg.apis.meta.v1."

struct writer {
	struct arena *arena;
	bool is_v2;
	struct val *schemas; /* definitions so far, by name */
};

static struct val *schema_of(struct writer *w, const struct type *t);

/* ---- small parts ---- */

static struct val *typed(struct writer *w, const char *type, const char *format)
{
	struct val *s = val_new_object(w->arena);

	val_set_cstr(w->arena, s, "type", type);
	if (format) {
		val_set_cstr(w->arena, s, "format", format);
	}
	return s;
}

static struct val *one_of(struct writer *w, const char *a, const char *b)
{
	struct val *s = val_new_object(w->arena), *list;

	list = val_need_array(w->arena, s, "oneOf");
	val_append(list, typed(w, a, NULL));
	val_append(list, typed(w, b, NULL));
	return s;
}

/* A reference as the real documents have it: v3 wraps it so that it may have a description beside
 * it. */
static struct val *reference(struct writer *w, const char *name, bool has_default)
{
	struct val *s = val_new_object(w->arena), *ref;

	if (w->is_v2) {
		val_set(w->arena, s, "$ref", val_new_strf(w->arena, "#/definitions/%s", name));
		return s;
	}
	if (has_default) {
		val_set(w->arena, s, "default", val_new_object(w->arena));
	}
	ref = val_append(val_need_array(w->arena, s, "allOf"), val_new_object(w->arena));
	val_set(w->arena, ref, "$ref", val_new_strf(w->arena, "#/components/schemas/%s", name));
	return s;
}

/* The same where nothing can stand beside it: bodies. */
static struct val *bare_reference(struct writer *w, const char *name)
{
	struct val *s = val_new_object(w->arena);

	val_set(w->arena, s, "$ref",
	        val_new_strf(w->arena, "#/%s/%s", w->is_v2 ? "definitions" : "components/schemas",
	                     name));
	return s;
}

/* Scalars that have a definition of their own. */
static const struct {
	enum type_form form;
	const char *name, *about;
} named_scalars[] = {
	{ TYPE_QUANTITY, "io.k8s.apimachinery.pkg.api.resource.Quantity",
	  "A number with an optional suffix: 500m, 64Mi, 1e3." },
	{ TYPE_INT_OR_STRING, "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
	  "A number, or a text such as a percentage or the name of a port." },
	{ TYPE_TIME, META "Time", "A point in time as RFC 3339 writes it, in whole seconds." },
	{ TYPE_MICRO_TIME, META "MicroTime",
	  "A point in time as RFC 3339 writes it, with microseconds." },
};

static struct val *named_scalar(struct writer *w, size_t i)
{
	const char *name = named_scalars[i].name;
	struct val *s;

	if (!val_get(w->schemas, name)) {
		switch (named_scalars[i].form) {
		case TYPE_QUANTITY:
			s = w->is_v2 ? typed(w, "string", NULL) : one_of(w, "string", "number");
			break;
		case TYPE_INT_OR_STRING:
			s = w->is_v2 ? typed(w, "string", NULL) : one_of(w, "integer", "string");
			val_set_cstr(w->arena, s, "format", "int-or-string");
			break;
		default:
			s = typed(w, "string", "date-time");
			break;
		}
		val_set_cstr(w->arena, s, "description", named_scalars[i].about);
		val_set(w->arena, w->schemas, name, s);
	}
	return reference(w, name, false);
}

/* ---- field trees ---- */

static void list_extensions(struct writer *w, struct val *s, const struct field *f)
{
	struct arena *a = w->arena;
	struct slice rest, key;

	if (f->flags & FIELD_LIST_MAP) {
		val_set_cstr(a, s, "x-kubernetes-list-type", "map");
		rest = slice_of(f->list_keys ? f->list_keys : "");
		while (slice_next(&rest, ',', &key)) {
			val_append(val_need_array(a, s, "x-kubernetes-list-map-keys"),
			           val_new_str(a, key));
		}
	} else {
		val_set_cstr(a, s, "x-kubernetes-list-type",
		             f->flags & FIELD_LIST_SET ? "set" : "atomic");
	}
}

static void patch_extensions(struct writer *w, struct val *s, const struct field *f)
{
	bool merge = f->flags & FIELD_PATCH_MERGE, retain = f->flags & FIELD_PATCH_RETAIN_KEYS;

	if (f->merge_key) {
		val_set_cstr(w->arena, s, "x-kubernetes-patch-merge-key", f->merge_key);
	}
	if (merge || retain || f->flags & FIELD_PATCH_REPLACE) {
		val_set_cstr(w->arena, s, "x-kubernetes-patch-strategy",
		             merge && retain ? "merge,retainKeys"
		             : merge         ? "merge"
		             : retain        ? "retainKeys"
		                             : "replace");
	}
}

static struct val *property(struct writer *w, const struct field *f)
{
	struct val *s = schema_of(w, f->type);

	if (f->about) {
		val_set_cstr(w->arena, s, "description", f->about);
	}
	if (f->type && f->type->form == TYPE_LIST) {
		list_extensions(w, s, f);
	}
	patch_extensions(w, s, f);
	return s;
}

static void fill_object(struct writer *w, struct val *s, const struct type *t)
{
	struct val *properties = NULL;

	if (t->about) {
		val_set_cstr(w->arena, s, "description", t->about);
	}
	val_set_cstr(w->arena, s, "type", "object");
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct field *f = &t->fields[i];

		properties = val_need_object(w->arena, s, "properties");
		val_set(w->arena, properties, f->name, property(w, f));
		if (f->flags & FIELD_REQUIRED) {
			val_append(val_need_array(w->arena, s, "required"),
			           val_new_cstr(w->arena, f->name));
		}
	}
	if (t->keeps_unknown) {
		val_set_bool(w->arena, s, "x-kubernetes-preserve-unknown-fields", true);
	}
	if (t->is_atomic) {
		val_set_cstr(w->arena, s, "x-kubernetes-map-type", "atomic");
	}
}

static struct val *object_schema(struct writer *w, const struct type *t)
{
	struct val *s;

	if (!t->name) {
		s = val_new_object(w->arena);
		fill_object(w, s, t);
		return s;
	}
	if (!val_get(w->schemas, t->name)) {
		/* in place before its members are walked: types may contain themselves */
		s = val_set(w->arena, w->schemas, t->name, val_new_object(w->arena));
		fill_object(w, s, t);
	}
	return reference(w, t->name, true);
}

static struct val *schema_of(struct writer *w, const struct type *t)
{
	struct val *s;

	if (!t) {
		s = typed(w, "object", NULL);
		val_set_bool(w->arena, s, "x-kubernetes-preserve-unknown-fields", true);
		return s;
	}
	for (size_t i = 0; i < ARRAY_SIZE(named_scalars); i++) {
		if (t->form == named_scalars[i].form) {
			return named_scalar(w, i);
		}
	}
	switch (t->form) {
	case TYPE_OBJECT:
		return object_schema(w, t);
	case TYPE_MAP:
		s = typed(w, "object", NULL);
		val_set(w->arena, s, "additionalProperties", schema_of(w, t->of));
		if (t->is_atomic) {
			val_set_cstr(w->arena, s, "x-kubernetes-map-type", "atomic");
		}
		return s;
	case TYPE_LIST:
		s = typed(w, "array", NULL);
		val_set(w->arena, s, "items", schema_of(w, t->of));
		return s;
	case TYPE_STRING:
		return typed(w, "string", NULL);
	case TYPE_BYTES:
		return typed(w, "string", "byte");
	case TYPE_BOOL:
		return typed(w, "boolean", NULL);
	case TYPE_INT32:
		return typed(w, "integer", "int32");
	case TYPE_INT64:
		return typed(w, "integer", "int64");
	case TYPE_DOUBLE:
		return typed(w, "number", "double");
	case TYPE_QUANTITY:
	case TYPE_INT_OR_STRING:
	case TYPE_TIME:
	case TYPE_MICRO_TIME:
	case TYPE_ANY:
		break;
	}
	/* any JSON: a type would have old kubectls refuse the others */
	s = val_new_object(w->arena);
	if (!w->is_v2) {
		val_set_bool(w->arena, s, "x-kubernetes-preserve-unknown-fields", true);
	}
	return s;
}

/* ---- kinds ---- */

static struct val *gvk(struct writer *w, const struct kind *k)
{
	struct val *v = val_new_object(w->arena);

	val_set_cstr(w->arena, v, "group", k->group);
	val_set_cstr(w->arena, v, "kind", k->kind);
	val_set_cstr(w->arena, v, "version", k->version);
	return v;
}

/* "x.example.com" gives "com.example.x.v1.Kind". */
static const char *definition_name(struct writer *w, const struct kind *k)
{
	scoped_strbuf struct strbuf name = { 0 };
	struct slice rest = slice_of(k->group);

	if (k->type && k->type->name) {
		return k->type->name;
	}
	while (rest.len) {
		ptrdiff_t dot = slice_rfind(rest, '.');

		strbuf_add_slice(&name, slice_from(rest, (size_t)(dot + 1)));
		strbuf_addc(&name, '.');
		rest = slice_head(rest, dot < 0 ? 0 : (size_t)dot);
	}
	strbuf_addf(&name, "%s.%s", k->version, k->kind);
	return arena_strdup(w->arena, strbuf_str(&name));
}

static const char *define_kind(struct writer *w, const struct kind *k)
{
	static const struct {
		const char *name, *about;
	} heads[] = {
		{ "apiVersion", "The version of the schema that this object is written in." },
		{ "kind", "The kind of object that this is." },
	};
	const char *name = definition_name(w, k);
	struct val *s = val_get(w->schemas, name), *properties;

	if (!s) {
		s = val_set(w->arena, w->schemas, name, val_new_object(w->arena));
		if (k->type) {
			fill_object(w, s, k->type);
		} else {
			val_set_cstr(w->arena, s, "type", "object");
			val_set_bool(w->arena, s, "x-kubernetes-preserve-unknown-fields", true);
		}
	}
	properties = val_need_object(w->arena, s, "properties");
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		if (!val_get(properties, heads[i].name)) {
			struct val *head = val_set(w->arena, properties, heads[i].name,
			                           typed(w, "string", NULL));

			val_set_cstr(w->arena, head, "description", heads[i].about);
		}
	}
	val_append(val_need_array(w->arena, s, "x-kubernetes-group-version-kind"), gvk(w, k));
	return name;
}

/* ---- paths ---- */

/* What the verbs of a path are called and say. */
static const struct action {
	unsigned verb;
	const char *method, *action;
	bool on_item;
	bool writes; /* takes a body and the parameters of writes */
} actions[] = {
	{ VERB_LIST, "get", "list", false, false },
	{ VERB_CREATE, "post", "post", false, true },
	{ VERB_DELETECOLLECTION, "delete", "deletecollection", false, false },
	{ VERB_GET, "get", "get", true, false },
	{ VERB_UPDATE, "put", "put", true, true },
	{ VERB_PATCH, "patch", "patch", true, true },
	{ VERB_DELETE, "delete", "delete", true, false },
};

static void add_parameter(struct writer *w, struct val *list, const char *name, const char *in,
                          const char *type)
{
	struct val *p = val_append(list, val_new_object(w->arena));

	val_set_cstr(w->arena, p, "name", name);
	val_set_cstr(w->arena, p, "in", in);
	if (strcmp(in, "path") == 0) {
		val_set_bool(w->arena, p, "required", true);
	}
	if (w->is_v2) {
		val_set_cstr(w->arena, p, "type", type);
		val_set_bool(w->arena, p, "uniqueItems", true);
	} else {
		val_set(w->arena, p, "schema", typed(w, type, NULL));
		val_set_bool(w->arena, val_get(p, "schema"), "uniqueItems", true);
	}
}

static const char *const patch_types[] = {
	"application/apply-patch+yaml",
	"application/json-patch+json",
	"application/merge-patch+json",
	"application/strategic-merge-patch+json",
};

static void add_body(struct writer *w, struct val *op, const struct kind *k, bool is_patch,
                     const char *definition)
{
	struct arena *a = w->arena;
	struct val *content = NULL, *p;
	/* custom kinds have no strategic merge */
	size_t n = is_patch ? ARRAY_SIZE(patch_types) - (k->is_custom ? 1 : 0) : 1;

	for (size_t i = 0; i < n; i++) {
		const char *type = is_patch ? patch_types[i] : "application/json";

		if (w->is_v2) {
			val_append(val_need_array(a, op, "consumes"), val_new_cstr(a, type));
			continue;
		}
		content = val_need_object(a, val_need_object(a, op, "requestBody"), "content");
		val_set(a, val_need_object(a, content, type), "schema",
		        is_patch ? typed(w, "object", NULL) : bare_reference(w, definition));
	}
	if (w->is_v2) {
		p = val_append(val_need_array(a, op, "parameters"), val_new_object(a));
		val_set_cstr(a, p, "name", "body");
		val_set_cstr(a, p, "in", "body");
		val_set_bool(a, p, "required", true);
		val_set(a, p, "schema",
		        is_patch ? typed(w, "object", NULL) : bare_reference(w, definition));
	}
}

static void add_responses(struct writer *w, struct val *op, const char *definition)
{
	struct arena *a = w->arena;
	struct val *ok = val_need_object(a, val_need_object(a, op, "responses"), "200");

	val_set_cstr(a, ok, "description", "OK");
	if (w->is_v2) {
		val_append(val_need_array(a, op, "produces"), val_new_cstr(a, "application/json"));
		val_set(a, ok, "schema", bare_reference(w, definition));
	} else {
		val_set(a,
		        val_need_object(a, val_need_object(a, ok, "content"), "application/json"),
		        "schema", bare_reference(w, definition));
	}
}

static void add_operation(struct writer *w, struct val *path, const struct kind *k,
                          const struct action *action, const char *definition)
{
	struct arena *a = w->arena;
	struct val *op = val_need_object(a, path, action->method);
	struct val *parameters = val_need_array(a, op, "parameters");

	if (action->writes) {
		add_parameter(w, parameters, "dryRun", "query", "string");
		add_parameter(w, parameters, "fieldManager", "query", "string");
		add_parameter(w, parameters, "fieldValidation", "query", "string");
		if (action->verb == VERB_PATCH) {
			add_parameter(w, parameters, "force", "query", "boolean");
		}
		add_body(w, op, k, action->verb == VERB_PATCH, definition);
	} else if (action->verb == VERB_DELETE) {
		add_parameter(w, parameters, "dryRun", "query", "string");
		add_parameter(w, parameters, "gracePeriodSeconds", "query", "integer");
		add_parameter(w, parameters, "propagationPolicy", "query", "string");
	} else if (action->verb == VERB_LIST) {
		add_parameter(w, parameters, "labelSelector", "query", "string");
		add_parameter(w, parameters, "fieldSelector", "query", "string");
		add_parameter(w, parameters, "limit", "query", "integer");
		add_parameter(w, parameters, "watch", "query", "boolean");
	}
	add_responses(w, op, definition);
	val_set_cstr(a, op, "x-kubernetes-action", action->action);
	val_set(a, op, "x-kubernetes-group-version-kind", gvk(w, k));
}

static void add_path(struct writer *w, struct val *paths, const struct kind *k, const char *tail,
                     unsigned verbs, bool on_item, const char *definition)
{
	struct arena *a = w->arena;
	const char *text =
		arena_printf(a, "/%s%s/%s%s/%s%s%s", *k->group ? "apis/" : "api", k->group,
	                     k->version, k->namespaced ? "/namespaces/{namespace}" : "", k->plural,
	                     on_item ? "/{name}" : "", tail);
	struct val *path = NULL, *parameters;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (actions[i].on_item == on_item && (verbs & actions[i].verb)) {
			path = path ? path : val_need_object(a, paths, text);
			add_operation(w, path, k, &actions[i], definition);
		}
	}
	if (!path) {
		return;
	}
	parameters = val_need_array(a, path, "parameters");
	if (on_item) {
		add_parameter(w, parameters, "name", "path", "string");
	}
	if (k->namespaced) {
		add_parameter(w, parameters, "namespace", "path", "string");
	}
}

static void add_kind(struct writer *w, struct val *paths, const struct kind *k)
{
	const char *definition = define_kind(w, k);

	add_path(w, paths, k, "", k->verbs, false, definition);
	add_path(w, paths, k, "", k->verbs, true, definition);
	if (k->has_status) {
		add_path(w, paths, k, "/status", VERB_GET | VERB_UPDATE | VERB_PATCH, true,
		         definition);
	}
}

/* ---- documents ---- */

static struct val *head(struct writer *w, const char *key, const char *version)
{
	struct val *doc = val_new_object(w->arena), *info;

	val_set_cstr(w->arena, doc, key, version);
	info = val_need_object(w->arena, doc, "info");
	val_set_cstr(w->arena, info, "title", "Kubernetes");
	val_set_cstr(w->arena, info, "version", VERSION_TEXT);
	return doc;
}

static int finish(struct writer *w, const struct val *doc, struct strbuf *out, struct err *err)
{
	json_write(out, doc);
	if (w->arena->overflowed || strbuf_failed(out)) {
		return err_raise(err, ERR_LIMIT, "the OpenAPI document is too large");
	}
	return 0;
}

int openapi_v3(const struct registry *r, struct slice group, struct slice version,
               struct strbuf *out, struct err *err)
{
	scoped_arena struct arena arena = { 0 };
	struct writer w = { .arena = &arena };
	struct val *doc = head(&w, "openapi", "3.0.0"), *paths;
	const struct kind *k;
	size_t n = 0;

	paths = val_need_object(&arena, doc, "paths");
	w.schemas = val_need_object(&arena, val_need_object(&arena, doc, "components"), "schemas");
	for (size_t i = 0; (k = registry_at(r, i)); i++) {
		if (slice_is(group, k->group) && slice_is(version, k->version)) {
			add_kind(&w, paths, k);
			n++;
		}
	}
	if (!n) {
		return err_raise(err, ERR_NOTFOUND, "no kinds in " SLICE_FMT "/" SLICE_FMT,
		                 SLICE_ARG(group), SLICE_ARG(version));
	}
	return finish(&w, doc, out, err);
}

int openapi_v2_json(const struct registry *r, struct strbuf *out, struct err *err)
{
	scoped_arena struct arena arena = { 0 };
	struct writer w = { .arena = &arena, .is_v2 = true };
	struct val *doc = head(&w, "swagger", "2.0"), *paths;
	const struct kind *k;

	paths = val_need_object(&arena, doc, "paths");
	w.schemas = val_need_object(&arena, doc, "definitions");
	for (size_t i = 0; (k = registry_at(r, i)); i++) {
		add_kind(&w, paths, k);
	}
	return finish(&w, doc, out, err);
}
