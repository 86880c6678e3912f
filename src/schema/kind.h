/* What: the kinds of the Kubernetes API, described once. Everything that differs per kind is read from
 * these tables: decoding, unknown fields, validation, defaults, merge keys, columns, OpenAPI.
 *
 * Built-in kinds are static; CustomResourceDefinitions register kinds at run time. Kinds are compared
 * by pointer; a pointer stays valid for the life of the registry. */
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "codec/value.h"

struct type; /* a described object or scalar type: the field tree */
struct kind;
struct registry; /* built-in kinds and those of CRDs */

enum {
	VERB_GET = 1,
	VERB_LIST = 2,
	VERB_WATCH = 4,
	VERB_CREATE = 8,
	VERB_UPDATE = 16,
	VERB_PATCH = 32,
	VERB_DELETE = 64,
	VERB_DELETECOLLECTION = 128,
};

struct kind {
	const char *group;   /* "" for core */
	const char *version; /* "v1" */
	const char *kind;    /* "Deployment" */
	const char *plural;  /* "deployments": the resource name; "" for what is only a body (Scale,
			       * Status, DeleteOptions...), which has no verbs either */
	const char *singular;           /* "deployment" */
	const char *const *short_names; /* null-terminated; may be null */
	const char *const *categories;  /* null-terminated; may be null */
	bool namespaced;
	unsigned verbs;
	bool has_status; /* status subresource */
	bool has_scale;  /* scale subresource */
	bool is_custom;
	bool is_virtual; /* never stored: reviews, TokenRequest, Binding... */
	const struct type *type;
	/* paths of the scale subresource, "spec.replicas"; null unless has_scale. The selector is a
	 * LabelSelector or a map in built-in kinds, text in custom ones, and may be null there */
	const char *scale_spec_path, *scale_status_path, *scale_selector_path;
	/* additionalPrinterColumns of a custom kind; null when it has none or is built in */
	const struct val *printer_columns;
	unsigned id; /* small and dense within the registry: index for tables per kind */
	const void *priv;
};

struct registry *registry_new(void);
struct registry *registry_free(struct registry *r);
/* A version of an API may be served by another kind struct that shares storage (autoscaling/v1 and v2);
 * kind_storage says which one is stored. */
const struct kind *kind_storage(const struct kind *k);
const struct kind *registry_find(const struct registry *r, struct slice group, struct slice version,
                                 struct slice kind);
const struct kind *registry_find_resource(const struct registry *r, struct slice group,
                                          struct slice version, struct slice plural);
/* From an object's apiVersion and kind; null when unknown or absent. */
const struct kind *registry_kind_of(const struct registry *r, const struct val *object);
/* The n-th kind in registration order, null past the end. */
const struct kind *registry_at(const struct registry *r, size_t n);
/* Adds or replaces the kinds that a valid CustomResourceDefinition names; removes those of one. A
 * definition of what is built in as a custom kind changes nothing. Failure: ERR_INVALID, ERR_LIMIT. */
MUST_USE int registry_add_crd(struct registry *r, const struct val *crd, struct err *err);
void registry_remove_crd(struct registry *r, const struct val *crd);
/* "apps/v1" or "v1"; static or living as long as the kind. */
const char *kind_api_version(const struct kind *k);
/* "deployments.apps" or "pods", as messages have it. */
const char *kind_qualified(const struct kind *k);
