/* Why: a custom kind must be decoded, pruned, defaulted and patched exactly as a built-in one; so
 * its schema becomes the same kind of tree. See custom.h. */
#include "schema/custom.h"

#include "base/mem.h"
#include "schema/builtin.h"
#include "schema/limits.h"

struct maker {
	struct arena *arena;
	struct err *err;
};

static int make(struct maker *m, const struct val *schema, unsigned depth, struct type **ret);

static bool flag(const struct val *schema, const char *name)
{
	return val_bool(val_get(schema, name), false);
}

static bool is_schema(const struct val *v)
{
	return v && v->type == VAL_OBJECT;
}

/* ---- fields ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* FieldsV1 has keys in order, so they are kept so. */
static const char *sorted_keys(struct arena *a, const struct val *keys)
{
	scoped_strbuf struct strbuf out = { 0 };
	const char **at = ARENA_ARRAY(a, const char *, val_len(keys) + 1);
	size_t n = 0;

	val_for_each (keys, it) {
		at[n++] = val_cstr(it);
	}
	qsort(at, n, sizeof(*at), by_text);
	for (size_t i = 0; i < n; i++) {
		strbuf_adds(&out, i ? "," : "");
		strbuf_adds(&out, at[i]);
	}
	return arena_strdup(a, strbuf_str(&out));
}

static bool is_named(const struct val *list, struct slice name)
{
	val_for_each (list, it) {
		if (slice_eq(val_str(it), name)) {
			return true;
		}
	}
	return false;
}

static int make_field(struct maker *m, const struct val *object, const struct val *schema,
                      unsigned depth, struct field *ret)
{
	struct slice list = val_get_str(schema, "x-kubernetes-list-type");
	struct slice about = val_get_str(schema, "description");
	const struct val *fill = val_get(schema, "default");
	struct type *type;
	int r = make(m, schema, depth, &type);

	if (r < 0) {
		return r;
	}
	*ret = (struct field){
		.name = arena_slice(m->arena, schema->key).p,
		.type = type,
		.about = about.len ? arena_slice(m->arena, about).p : NULL,
		.fill_value = fill,
	};
	if (is_named(val_get(object, "required"), schema->key)) {
		ret->flags |= FIELD_REQUIRED;
	}
	if (slice_is(list, "set")) {
		ret->flags |= FIELD_LIST_SET;
	} else if (slice_is(list, "map")) {
		ret->flags |= FIELD_LIST_MAP;
		ret->list_keys =
			sorted_keys(m->arena, val_get(schema, "x-kubernetes-list-map-keys"));
	}
	return 0;
}

static bool is_head(struct slice name)
{
	return slice_is(name, "apiVersion") || slice_is(name, "kind") || slice_is(name, "metadata");
}

/* apiVersion, kind and metadata are the server's, whatever the schema says of them. */
static size_t add_heads(struct field *fields)
{
	static const struct type text = { .form = TYPE_STRING };

	fields[0] = (struct field){ .name = "apiVersion", .type = &text };
	fields[1] = (struct field){ .name = "kind", .type = &text };
	fields[2] = (struct field){ .name = "metadata", .type = builtin_object_meta };
	return 3;
}

static int make_fields(struct maker *m, const struct val *schema, unsigned depth, bool has_heads,
                       struct type *t)
{
	const struct val *properties = val_get(schema, "properties");
	struct field *fields = ARENA_ARRAY(m->arena, struct field, val_len(properties) + 3);
	size_t n = has_heads ? add_heads(fields) : 0;

	val_for_each (properties, it) {
		int r;

		if (has_heads && is_head(it->key)) {
			continue;
		}
		r = make_field(m, schema, it, depth + 1, &fields[n]);
		if (r < 0) {
			return err_while(m->err, r, "properties[" SLICE_FMT "]",
			                 SLICE_ARG(it->key));
		}
		n++;
	}
	t->fields = fields;
	t->n_fields = n;
	return 0;
}

/* ---- types ---- */

static enum type_form form_of(const struct val *schema)
{
	struct slice type = val_get_str(schema, "type"), format = val_get_str(schema, "format");

	if (flag(schema, "x-kubernetes-int-or-string")) {
		return TYPE_INT_OR_STRING;
	}
	if (slice_is(type, "object") || (!type.len && val_get(schema, "properties"))) {
		bool is_map = !val_get(schema, "properties") &&
		              (is_schema(val_get(schema, "additionalProperties")) ||
		               flag(schema, "additionalProperties")) &&
		              !flag(schema, "x-kubernetes-embedded-resource");

		return is_map ? TYPE_MAP : TYPE_OBJECT;
	}
	if (slice_is(type, "array")) {
		return TYPE_LIST;
	}
	if (slice_is(type, "string")) {
		return TYPE_STRING;
	}
	if (slice_is(type, "boolean")) {
		return TYPE_BOOL;
	}
	if (slice_is(type, "integer")) {
		return slice_is(format, "int32") ? TYPE_INT32 : TYPE_INT64;
	}
	return slice_is(type, "number") ? TYPE_DOUBLE : TYPE_ANY;
}

static int make_of(struct maker *m, const struct val *schema, const char *member, unsigned depth,
                   struct type *t)
{
	const struct val *inner = val_get(schema, member);
	struct type *of;
	int r;

	if (!is_schema(inner)) {
		of = ARENA_NEW(m->arena, struct type);
		of->form = TYPE_ANY;
		t->of = of;
		if (t->form == TYPE_LIST && !flag(schema, "x-kubernetes-preserve-unknown-fields")) {
			return err_raise(m->err, ERR_INVALID,
			                 "items: Required value: must be specified");
		}
		return 0;
	}
	r = make(m, inner, depth + 1, &of);
	t->of = of;
	return r < 0 ? err_while(m->err, r, "%s", member) : 0;
}

static struct custom_rules *make_rules(struct maker *m, const struct val *schema)
{
	struct custom_rules *rules = ARENA_NEW(m->arena, struct custom_rules);

	rules->schema = schema;
	rules->is_nullable = flag(schema, "nullable");
	rules->is_embedded = flag(schema, "x-kubernetes-embedded-resource");
	return rules;
}

static int make(struct maker *m, const struct val *schema, unsigned depth, struct type **ret)
{
	static const char *const types[] = { "object",  "array",  "string", "boolean",
		                             "integer", "number", "" };
	struct type *t = ARENA_NEW(m->arena, struct type);
	struct slice type = val_get_str(schema, "type"), about = val_get_str(schema, "description");
	size_t known = 0;
	int r = 0;

	if (depth > SCHEMA_DEPTH_MAX) {
		return err_raise(m->err, ERR_LIMIT, "the schema is nested too deeply");
	}
	if (!is_schema(schema)) {
		return err_raise(m->err, ERR_INVALID, "a schema must be an object");
	}
	while (known < ARRAY_SIZE(types) && !slice_is(type, types[known])) {
		known++;
	}
	if (known == ARRAY_SIZE(types)) {
		return err_raise(m->err, ERR_INVALID, "type: Unsupported value: \"" SLICE_FMT "\"",
		                 SLICE_ARG(slice_head(type, 40)));
	}
	t->form = form_of(schema);
	t->about = about.len ? arena_slice(m->arena, about).p : NULL;
	t->keeps_unknown = flag(schema, "x-kubernetes-preserve-unknown-fields");
	t->is_atomic = slice_is(val_get_str(schema, "x-kubernetes-map-type"), "atomic");
	t->custom = make_rules(m, schema);
	if (t->form == TYPE_OBJECT) {
		r = make_fields(m, schema, depth, t->custom->is_embedded, t);
	} else if (t->form == TYPE_MAP) {
		r = make_of(m, schema, "additionalProperties", depth, t);
	} else if (t->form == TYPE_LIST) {
		r = make_of(m, schema, "items", depth, t);
	}
	*ret = t;
	return r;
}

int custom_type(struct arena *a, const struct val *schema, const struct type **ret, struct err *err)
{
	struct maker m = { .arena = a, .err = err };
	struct val *copy = schema ? val_copy(a, schema) : val_new_object(a);
	struct type *t;
	int r;

	if (!is_schema(schema)) {
		val_set_cstr(a, copy, "type", "object");
		val_set_bool(a, copy, "x-kubernetes-preserve-unknown-fields", true);
	}
	if (!slice_is(val_get_str(copy, "type"), "object")) {
		return err_raise(err, ERR_INVALID,
		                 "type: Invalid value: \"" SLICE_FMT
		                 "\": must be object at the root",
		                 SLICE_ARG(slice_head(val_get_str(copy, "type"), 40)));
	}
	r = make(&m, copy, 0, &t);
	if (r == 0) {
		t->form = TYPE_OBJECT;
		r = make_fields(&m, copy, 0, true, t);
	}
	*ret = t;
	return r;
}
