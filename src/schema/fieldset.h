/* What: sets of fields, as managedFields keep them (FieldsV1).
 *
 * A set is a tree of VAL_OBJECT nodes. Members of a node are path elements:
 *   "f:replicas"          member of an object or map
 *   "k:{\"name\":\"c\"}"  element of a list that is told by keys
 *   "v:\"x\""             element of a list that is a set
 *   "i:0"                 element by its place
 * and "." says that the node itself belongs to the set. In FieldsV1 a node that has only itself is
 * written {}.
 *
 * All results live in the arena; arguments are left alone unless the name says otherwise. */
#pragma once

#include "base/err.h"
#include "codec/value.h"
#include "schema/type.h"

struct val *fieldset_new(struct arena *a);
/* From and to FieldsV1. Failure: ERR_INVALID for what is no object of objects, or too deep. */
MUST_USE int fieldset_parse(struct arena *a, const struct val *fields_v1, struct val **ret,
                            struct err *err);
struct val *fieldset_format(struct arena *a, const struct val *set);

struct val *fieldset_union(struct arena *a, const struct val *x, const struct val *y);
struct val *fieldset_minus(struct arena *a, const struct val *x, const struct val *y);
struct val *fieldset_common(struct arena *a, const struct val *x, const struct val *y);
bool fieldset_is_empty(const struct val *set);
/* Calls fn for every member with its path as messages show it:
 * ".spec.containers[name=\"c\"].image". */
typedef void fieldset_visit_fn(void *arg, struct slice path);
void fieldset_each(const struct val *set, fieldset_visit_fn *fn, void *arg);

/* Fields of an object of that type, as somebody who applies it owns them. */
struct val *fieldset_of(struct arena *a, const struct type *t, const struct val *object);
/* What changed between two objects (either may be null). */
struct fieldset_changes {
	struct val *added, *modified, *removed;
};
struct fieldset_changes fieldset_compare(struct arena *a, const struct type *t,
                                         const struct val *before, const struct val *after);

/* ---- how apply sees a list ---- */

enum list_shape { LIST_ATOMIC, LIST_SET, LIST_MAP };
enum list_shape list_shape(const struct field *f);
/* The path element of a list element; empty when a key is missing. */
struct slice list_element(struct arena *a, const struct field *f, const struct val *element);
/* Is the value owned as a whole? f: the field that holds it, may be null. */
bool is_owned_whole(const struct type *t, const struct field *f, const struct val *v);
/* The element of the list with that path element, or null. */
struct val *list_find_element(struct arena *a, const struct field *f, const struct val *list,
                              struct slice element);
/* The member's type when its container has type t. */
const struct type *member_type(const struct type *t, const struct field *f);
