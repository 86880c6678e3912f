/* What: the field tree of a kind. Decoding, defaults, patches, apply and OpenAPI walk it; the
 * tables that fill it are static for built-in kinds and made from openAPIV3Schema for custom ones.
 *
 * Ownership: static, or living as long as the registry. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum type_form {
	TYPE_OBJECT, /* members are 'fields' */
	TYPE_MAP,    /* members of any name, values of type 'of' */
	TYPE_LIST,   /* elements of type 'of' */
	TYPE_STRING,
	TYPE_BYTES, /* base64 text */
	TYPE_BOOL,
	TYPE_INT32,
	TYPE_INT64,
	TYPE_DOUBLE,
	TYPE_QUANTITY,
	TYPE_INT_OR_STRING,
	TYPE_TIME,
	TYPE_MICRO_TIME,
	TYPE_ANY, /* kept as it is: RawExtension, FieldsV1, unknown-preserving */
};

struct field;

struct type {
	enum type_form form;
	const char *name; /* definition in OpenAPI: "io.k8s.api.core.v1.PodSpec"; null: described in
	                     place */
	const char *about;          /* description for `kubectl explain`; may be null */
	const struct field *fields; /* TYPE_OBJECT */
	size_t n_fields;
	const struct type *of; /* TYPE_MAP, TYPE_LIST */
	bool keeps_unknown;    /* TYPE_OBJECT: members beyond 'fields' are kept */
	bool is_atomic;        /* objects and maps: owned as a whole by apply */
};

enum {
	FIELD_REQUIRED = 1,
	/* how a strategic merge patch treats it; none: replaced (lists), merged (objects, maps) */
	FIELD_PATCH_MERGE = 2,
	FIELD_PATCH_REPLACE = 4,
	FIELD_PATCH_RETAIN_KEYS = 8,
	/* how apply treats a list; neither: atomic */
	FIELD_LIST_SET = 16,
	FIELD_LIST_MAP = 32,
};

struct field {
	const char *name;
	const struct type *type;
	unsigned flags;
	const char
		*merge_key; /* FIELD_PATCH_MERGE of objects: the member that tells elements apart */
	const char *list_keys; /* FIELD_LIST_MAP: "containerPort,protocol" */
	const char *about;     /* description; may be null */
};

/* The member of that name, or null (also when t is null or no object). */
const struct field *type_field(const struct type *t, struct slice name);
