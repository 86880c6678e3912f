/* What: what the files that validate share. A check is called for every object of its type, after
 * the rules of the tables; 'sub' names a member below the object it was called for
 * ("ports[0].name", or "" for the object itself). Source: reference 7.2 */
#pragma once

#include "builtin-hooks.h"
#include "schema/builtin.h"
#include "schema/object.h"
#include "schema/path.h"

struct checker {
	struct field_errors *wrong; /* given: where findings go */
	const struct kind *kind;    /* given */
	const struct val *root;     /* given: the object */
	const struct val *old;      /* given: what was stored; null on create */
	struct path path;           /* state: where we are */
};

/* 'Invalid value: "x": detail'; v: the value, null shows as "". where: position, may be v. */
void bad_value(struct checker *c, const char *sub, const struct val *v, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The same for a number that was made here. */
void bad_int(struct checker *c, const char *sub, const struct val *where, int64_t i,
             const char *detail);
/* "Required value" or "Required value: detail"; detail may be null. */
void bad_required(struct checker *c, const char *sub, const struct val *where, const char *detail);
void bad_forbidden(struct checker *c, const char *sub, const struct val *where, const char *detail);
void bad_duplicate(struct checker *c, const char *sub, const struct val *v);
void bad_not_found(struct checker *c, const char *sub, const struct val *v);
/* values: null-terminated */
void bad_unsupported(struct checker *c, const char *sub, const struct val *v,
                     const char *const *values);
void bad_too_long(struct checker *c, const char *sub, const struct val *v, size_t max);

/* A text for 'sub': formatted into the arena of the findings. */
const char *sub_path(struct checker *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Checks keys and values of a map of labels. */
void check_labels(struct checker *c, const char *sub, const struct val *labels);
/* A port number in range, or a name. */
void check_port_value(struct checker *c, const char *sub, const struct val *v);
/* A count or a percentage, not negative. ret (may be null): its number. */
bool check_count_or_percent(struct checker *c, const char *sub, const struct val *v, int64_t *ret);
/* Every element's 'key' must differ; sub: the list. */
void check_unique(struct checker *c, const char *sub, const struct val *list, const char *key);
/* metadata of the object itself. */
void check_metadata(struct checker *c);
/* Values of a custom kind against its schema. See custom-validate.c */
void check_custom(struct checker *c, const struct type *t, const struct val *v);
