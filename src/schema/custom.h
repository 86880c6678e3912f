/* What: kinds out of CustomResourceDefinitions: structural schemas as field trees. The tree carries
 * what decoding, defaults, patches and OpenAPI need; values are held against the schema itself
 * (custom-validate.c). Rules in CEL (x-kubernetes-validations) are kept and not evaluated.
 * Source: k8s/crd#specifying-a-structural-schema */
#pragma once

#include "base/arena.h"
#include "schema/kind.h"
#include "schema/type.h"

/* What a type of a custom kind was made from. */
struct custom_rules {
	const struct val *schema; /* in the arena of the type */
	bool is_nullable, is_embedded;
};

/* Makes the type tree of one version's openAPIV3Schema (null: keeps everything) in 'a', which gets
 * a copy of the schema. Failure: ERR_INVALID with the path of what is no structural schema. */
MUST_USE int custom_type(struct arena *a, const struct val *schema, const struct type **ret,
                         struct err *err);
