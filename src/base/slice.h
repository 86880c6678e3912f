/* What: text or bytes somebody else owns, passed by value; never assumed to be terminated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t len;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
#define SLICE_FMT      "%.*s"
#define SLICE_ARG(s)   (int)(s).len, (s).p ? (s).p : ""

static inline struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): only an empty slice has no bytes */
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
	return slice_eq(a, slice_of(text));
}

/* strchr without its trap: the NUL that a slice may hold is in no set. */
static inline bool char_is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Byte order, shorter first when one begins the other; as strcmp. */
int slice_cmp(struct slice a, struct slice b);
/* ASCII case-insensitive equality. */
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_has_prefix(struct slice s, struct slice prefix);
bool slice_has_suffix(struct slice s, struct slice suffix);
/* From 'from' (clamped) to the end. */
struct slice slice_from(struct slice s, size_t from);
/* At most the first n bytes. */
struct slice slice_head(struct slice s, size_t n);
/* Without leading and trailing space, tab, CR, LF. */
struct slice slice_trim(struct slice s);
/* Index of the first c, or -1. */
ptrdiff_t slice_find(struct slice s, char c);
ptrdiff_t slice_rfind(struct slice s, char c);
/* Cuts s at the first sep: *head gets what is before, *tail what is after; without sep *head is all
 * of s, *tail empty, and false is returned. */
bool slice_cut(struct slice s, char sep, struct slice *head, struct slice *tail);
/* Takes the next field of *rest up to sep; false when *rest is exhausted (null p). */
bool slice_next(struct slice *rest, char sep, struct slice *field);
/* Whole slice as decimal; false unless all of it is a number in range. */
bool slice_to_i64(struct slice s, int64_t *ret);
bool slice_to_u64(struct slice s, uint64_t *ret);
/* A terminated copy on the heap; aborts without memory. Caller frees. */
char *slice_dup(struct slice s);
uint64_t slice_hash(struct slice s);
