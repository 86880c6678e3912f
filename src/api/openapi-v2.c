/* Why: see openapi-v2.h. Field numbers: reference 1.4. Only what clients read is written: paths
 * with their query parameters and extensions, and full definitions. */
#include "api/openapi-v2.h"

#include "base/mem.h"
#include "codec/yaml.h"

typedef void write_fn(struct strbuf *out, const struct val *v);

static void add_varint(struct strbuf *out, uint64_t v)
{
	while (v >= 0x80) {
		strbuf_addc(out, (char)(v | 0x80));
		v >>= 7;
	}
	strbuf_addc(out, (char)v);
}

static void add_bytes(struct strbuf *out, unsigned field, struct slice s)
{
	add_varint(out, (uint64_t)field << 3 | 2);
	add_varint(out, s.len);
	strbuf_add_slice(out, s);
}

static void add_text(struct strbuf *out, unsigned field, const struct val *v)
{
	if (v && v->type == VAL_STRING) {
		add_bytes(out, field, v->s);
	}
}

/* A message that write fills from v. */
static void add_message(struct strbuf *out, unsigned field, write_fn *write, const struct val *v)
{
	scoped_strbuf struct strbuf inner = { 0 };

	write(&inner, v);
	add_bytes(out, field, strbuf_slice(&inner));
}

/* {1: name, 2: message} of a member. */
static void add_named(struct strbuf *out, unsigned field, write_fn *write, const struct val *v)
{
	scoped_strbuf struct strbuf inner = { 0 };

	add_bytes(&inner, 1, v->key);
	add_message(&inner, 2, write, v);
	add_bytes(out, field, strbuf_slice(&inner));
}

static void write_any(struct strbuf *out, const struct val *v)
{
	scoped_strbuf struct strbuf text = { 0 };

	yaml_write(&text, v);
	add_bytes(out, 2, strbuf_slice(&text));
}

static void add_extensions(struct strbuf *out, unsigned field, const struct val *v)
{
	val_for_each (v, it) {
		if (slice_has_prefix(it->key, SLICE("x-"))) {
			add_named(out, field, write_any, it);
		}
	}
}

/* ---- schemas ---- */

static void write_schema(struct strbuf *out, const struct val *v);

static void write_properties(struct strbuf *out, const struct val *v)
{
	val_for_each (v, it) {
		add_named(out, 1, write_schema, it);
	}
}

static void write_type(struct strbuf *out, const struct val *v)
{
	add_text(out, 1, v);
}

static void write_item(struct strbuf *out, const struct val *v)
{
	add_message(out, 1, write_schema, v);
}

static void write_schema(struct strbuf *out, const struct val *v)
{
	static const struct {
		const char *key;
		unsigned field;
		write_fn *write;
	} parts[] = {
		{ "default", 5, write_any },
		{ "additionalProperties", 21, write_item },
		{ "type", 22, write_type },
		{ "items", 23, write_item },
		{ "properties", 25, write_properties },
	};

	add_text(out, 1, val_get(v, "$ref"));
	add_text(out, 2, val_get(v, "format"));
	add_text(out, 4, val_get(v, "description"));
	val_for_each (val_get(v, "required"), it) {
		add_text(out, 19, it);
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct val *part = val_get(v, parts[i].key);

		if (part && (parts[i].write != write_item || part->type == VAL_OBJECT)) {
			add_message(out, parts[i].field, parts[i].write, part);
		}
	}
	add_extensions(out, 31, v);
}

/* ---- paths ---- */

static void write_query(struct strbuf *out, const struct val *v)
{
	add_bytes(out, 2, SLICE("query"));
	add_text(out, 3, val_get(v, "description"));
	add_text(out, 4, val_get(v, "name"));
	add_text(out, 6, val_get(v, "type"));
	add_varint(out, 20 << 3);
	add_varint(out, 1); /* unique items */
}

static void write_path_parameter(struct strbuf *out, const struct val *v)
{
	add_varint(out, 1 << 3);
	add_varint(out, 1); /* required */
	add_bytes(out, 2, SLICE("path"));
	add_text(out, 4, val_get(v, "name"));
	add_text(out, 5, val_get(v, "type"));
}

static void write_non_body(struct strbuf *out, const struct val *v)
{
	bool is_path = slice_is(val_get_str(v, "in"), "path");

	add_message(out, is_path ? 4 : 3, is_path ? write_path_parameter : write_query, v);
}

static void write_parameter(struct strbuf *out, const struct val *v)
{
	add_message(out, 2, write_non_body, v);
}

static void write_parameters_item(struct strbuf *out, const struct val *v)
{
	add_message(out, 1, write_parameter, v);
}

static void add_parameters(struct strbuf *out, unsigned field, const struct val *list)
{
	val_for_each (list, it) {
		if (!slice_is(val_get_str(it, "in"), "body")) {
			add_message(out, field, write_parameters_item, it);
		}
	}
}

static void write_response(struct strbuf *out, const struct val *v)
{
	add_text(out, 1, val_get(v, "description"));
}

static void write_response_value(struct strbuf *out, const struct val *v)
{
	add_message(out, 1, write_response, v);
}

static void write_responses(struct strbuf *out, const struct val *v)
{
	val_for_each (v, it) {
		add_named(out, 1, write_response_value, it);
	}
}

static void write_operation(struct strbuf *out, const struct val *v)
{
	add_text(out, 3, val_get(v, "description"));
	add_text(out, 5, val_get(v, "operationId"));
	val_for_each (val_get(v, "produces"), it) {
		add_text(out, 6, it);
	}
	val_for_each (val_get(v, "consumes"), it) {
		add_text(out, 7, it);
	}
	add_parameters(out, 8, val_get(v, "parameters"));
	add_message(out, 9, write_responses, val_get(v, "responses"));
	add_extensions(out, 13, v);
}

static void write_path(struct strbuf *out, const struct val *v)
{
	static const struct {
		const char *method;
		unsigned field;
	} methods[] = {
		{ "get", 2 }, { "put", 3 }, { "post", 4 }, { "delete", 5 }, { "patch", 8 }
	};

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (val_get(v, methods[i].method)) {
			add_message(out, methods[i].field, write_operation,
			            val_get(v, methods[i].method));
		}
	}
	add_parameters(out, 9, val_get(v, "parameters"));
}

static void write_paths(struct strbuf *out, const struct val *v)
{
	val_for_each (v, it) {
		add_named(out, 2, write_path, it);
	}
}

static void write_info(struct strbuf *out, const struct val *v)
{
	add_text(out, 1, val_get(v, "title"));
	add_text(out, 2, val_get(v, "version"));
}

void openapi_v2_protobuf(struct strbuf *out, const struct val *document)
{
	add_bytes(out, 1, SLICE("2.0"));
	add_message(out, 2, write_info, val_get(document, "info"));
	add_message(out, 8, write_paths, val_get(document, "paths"));
	add_message(out, 9, write_properties, val_get(document, "definitions"));
}
