/* What: what one does with an object of a known kind. All work on value trees in place, in an arena of
 * the caller's. kubernetes-api.md sections 2.3, 2.4, 3.5 to 3.9, 7. */
#pragma once

#include "base/strbuf.h"
#include "schema/kind.h"

/* A list of things wrong with fields, in the words of the real server (kubernetes-api.md 7.2):
 * "spec.ports[0].port: Required value". */
struct field_error {
	const char *type;   /* "FieldValueInvalid", "FieldValueRequired", ... (cause reason) */
	const char *path;   /* "spec.ports[0].port" */
	const char *detail; /* "Required value", 'Invalid value: "x": must be ...' */
	uint32_t line;      /* position in the source, 0 when unknown */
	uint16_t col;
};
struct field_errors {
	struct arena *arena; /* given: where the texts go */
	struct field_error *at;
	size_t n, room;
};
void field_errors_add(struct field_errors *e, const struct val *where, const char *type,
                      const char *path, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Decodes strictly: wrong JSON types are field errors that make the object unusable ("BadRequest");
 * unknown and duplicate fields go to 'unknown' (the caller warns, refuses or ignores according to
 * fieldValidation) and are pruned. Scalars are brought to canonical form (quantities, times, base64);
 * nulls go. The details are whole sentences as Go's decoder has them and need no path in front.
 * Duplicates are seen when the text was parsed with JSON_MARK. Values of custom kinds are checked by
 * object_validate (422), not here; their metadata is. Run it on every object that comes out of a
 * patch as well. */
MUST_USE int object_decode(const struct kind *k, struct arena *a, struct val *object,
                           struct field_errors *wrong, struct field_errors *unknown,
                           struct err *err);
/* Kubernetes protobuf (magic k8s\0) to a value tree. *ret_kind per apiVersion/kind in the envelope. */
MUST_USE int object_from_protobuf(const struct registry *r, struct arena *a, struct slice bytes,
                                  struct val **ret_v, struct err *err);
/* Fills in defaults (7.1). Idempotent. */
void object_default(const struct kind *k, struct arena *a, struct val *object);
/* Full validation; old is null on create. Includes metadata rules and immutable fields. */
void object_validate(const struct kind *k, const struct val *object, const struct val *old,
                     struct field_errors *wrong);
/* Warnings for the Warning header (7.3), appended as strings to the array. */
void object_warnings(const struct kind *k, const struct val *object, struct arena *a,
                     struct val *array);

/* Three patches; each returns the patched tree in a (original untouched). Failure: ERR_INVALID or
 * ERR_SYNTAX with the server's wording. */
MUST_USE int patch_json(struct arena *a, const struct val *object, const struct val *patch,
                        struct val **ret, struct err *err);
MUST_USE int patch_merge(struct arena *a, const struct val *object, const struct val *patch,
                         struct val **ret, struct err *err);
MUST_USE int patch_strategic(const struct kind *k, struct arena *a, const struct val *object,
                             const struct val *patch, struct val **ret, struct err *err);

/* Server-side apply (3.8): merges 'applied' by its manager into 'live' (null: create), keeping
 * metadata.managedFields. On conflict returns ERR_CONFLICT with the managers in err and the
 * conflicting fields in conflicts (array of {field, message}). */
MUST_USE int apply_merge(const struct kind *k, struct arena *a, const struct val *live,
                         const struct val *applied, const char *manager, bool force,
                         int64_t now_wall_us, struct val **ret, struct val *conflicts,
                         struct err *err);
/* The sentence for a client about such conflicts, in full length. */
void apply_conflict_message(struct strbuf *out, const struct val *conflicts);
/* Records an update (create, update, patch) by manager in managedFields. */
void apply_track_update(const struct kind *k, struct arena *a, const struct val *old,
                        struct val *updated, const char *manager, const char *subresource,
                        int64_t now_wall_us);

/* Table (2.4): columnDefinitions, and the cells of one row, as arrays. */
struct val *table_columns(const struct kind *k, struct arena *a);
struct val *table_cells(const struct kind *k, struct arena *a, const struct val *object,
                        int64_t now_wall_us);
/* The row's conditions (a finished pod's "Completed"), or null when it has none. */
struct val *table_conditions(const struct kind *k, struct arena *a, const struct val *object);

/* OpenAPI documents (1.4, 1.5), JSON or protobuf text appended to out. */
MUST_USE int openapi_v3(const struct registry *r, struct slice group, struct slice version,
                        struct strbuf *out, struct err *err);
MUST_USE int openapi_v2_json(const struct registry *r, struct strbuf *out, struct err *err);

/* Does the field selector match? Supported fields per kind (3.x); an unsupported one is ERR_INVALID. */
struct selector; /* see schema/selector.h */
