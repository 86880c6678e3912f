/* What: what the files that know defaults share. A fix is called for every object of its type,
 * after the defaults of the tables and after its members have been fixed; it must be idempotent. */
#pragma once

#include "builtin-hooks.h"
#include "codec/value.h"
#include "schema/builtin.h"

struct fixer {
	struct arena *arena; /* given */
	struct val *root;    /* the whole object; borrowed */
};

/* Sets a member unless it is there. */
void fix_str(struct fixer *f, struct val *v, const char *key, const char *value);
void fix_int(struct fixer *f, struct val *v, const char *key, int64_t value);
void fix_bool(struct fixer *f, struct val *v, const char *key, bool value);
/* The member, made as an empty object when absent; null when it is of another type. */
struct val *fix_object(struct fixer *f, struct val *v, const char *key);
