/* What: the field tree of a kind. Decoding, defaults, validation, patches, apply, protobuf and
 * OpenAPI walk it; the tables that fill it are static for built-in kinds (made by dev/make-kinds
 * out of kinds/) and made from openAPIV3Schema for custom ones.
 *
 * How to use: type_field finds a member; a member's type says what its value is; TYPE_LIST and
 * TYPE_MAP say in 'of' what their elements are. What a field may hold beyond its type is in
 * 'rules'; what no table can say is in the hooks 'fix' (defaults) and 'check' (validation).
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
struct val;
struct fixer;        /* see schema/default.c */
struct checker;      /* see schema/check.h */
struct custom_rules; /* see schema/custom.h */

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
	/* what tables cannot say; each may be null */
	void (*fix)(struct fixer *f, struct val *v);
	void (*check)(struct checker *c, const struct val *v);
	const struct custom_rules *custom; /* types of custom kinds; may be null */
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
	FIELD_POINTER = 64,    /* a zero is a value of its own: in protobuf it is not left out */
	FIELD_IMMUTABLE = 128, /* set on create only */
};

/* Syntax of strings. */
enum format {
	FORMAT_NONE,
	FORMAT_LABEL,     /* RFC 1123 label */
	FORMAT_SUBDOMAIN, /* RFC 1123 subdomain */
	FORMAT_LABEL_1035,
	FORMAT_PATH_SEGMENT, /* names of RBAC objects */
	FORMAT_QUALIFIED,    /* "prefix/name" of labels and such */
	FORMAT_CONFIG_KEY,
	FORMAT_ENV_NAME,
	FORMAT_PORT_NAME,
	FORMAT_IP,
	FORMAT_CIDR,
	FORMAT_WILDCARD_SUBDOMAIN,
	FORMAT_LOCAL_PATH, /* relative, without ".." */
};

struct rules {
	enum format format;
	const char *const *values; /* the only ones; null-terminated, may be null */
	bool has_min, has_max;
	int64_t min, max;   /* of integers */
	const char *detail; /* what a failed FIELD_REQUIRED adds; may be null */
};

struct field {
	const char *name;
	const struct type *type;
	unsigned flags;
	const char
		*merge_key; /* FIELD_PATCH_MERGE of objects: the member that tells elements apart */
	const char *list_keys; /* FIELD_LIST_MAP: "containerPort,protocol"; sorted */
	const char *about;     /* description; may be null */
	/* default: as text for scalars ("30", "Always"), "{}" and "[]" for containers; null: none
	 */
	const char *fill;
	const struct val *fill_value; /* default of a custom kind; may be null */
	const struct rules *rules;    /* may be null */
	uint8_t pb;                   /* number in protobuf; 0: not in it */
	uint8_t pb_in; /* number of the embedded message that holds it; 0: the object's own */
};

/* The member of that name, or null (also when t is null or no object). */
const struct field *type_field(const struct type *t, struct slice name);
