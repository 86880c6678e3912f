/* What: the tables that dev/make-kinds makes out of kinds/, and what a kind keeps for this room. */
#pragma once

#include "schema/kind.h"
#include "schema/type.h"

/* Behind kind.priv. */
struct kind_priv {
	const char *api_version, *qualified;
	enum format names; /* syntax of metadata.name */
	/* what a new version may not change, beyond FIELD_IMMUTABLE; may be null */
	void (*update)(struct checker *c, const struct val *v, const struct val *old);
	const char *columns; /* additionalPrinterColumns as JSON; may be null */
	size_t storage;      /* built-in kinds: index + 1 of the kind that is stored; 0: itself */
	const struct kind *storage_kind; /* filled in by the registry; never null there */
	bool is_removed;                 /* state: its definition is gone */
};

struct builtin {
	struct kind kind;
	struct kind_priv priv;
};
extern const struct builtin builtins[];
extern const size_t builtins_n;
extern const struct type *const builtin_object_meta;

static inline const struct kind_priv *kind_priv(const struct kind *k)
{
	return k->priv;
}

static inline bool kind_is(const struct kind *k, const char *group, const char *kind)
{
	return strcmp(k->group, group) == 0 && strcmp(k->kind, kind) == 0;
}
