/* What: a growing byte string with a maximum and a sticky failure.
 *
 * How to use: append freely; ask strbuf_failed once at the end. The bytes are always terminated by
 * a NUL that size does not count. After a failure further appends do nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct strbuf {
	char *p;     /* owned; null until the first append */
	size_t size; /* bytes, without the terminator */
	size_t room; /* allocated */
	size_t max;  /* 0: STRBUF_MAX */
	bool failed; /* max was hit or memory refused */
};

#define STRBUF_MAX ((size_t)1 << 30)

void strbuf_fini(struct strbuf *b);
#define scoped_strbuf __attribute__((cleanup(strbuf_fini)))

void strbuf_add(struct strbuf *b, const void *bytes, size_t size);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_adds(struct strbuf *b, const char *text);
void strbuf_add_slice(struct strbuf *b, struct slice s);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for at least n more bytes, or null (then failed). Advance with strbuf_added. */
char *strbuf_reserve(struct strbuf *b, size_t n);
void strbuf_added(struct strbuf *b, size_t n);
/* Forgets the first n bytes, moving the rest to the front. */
void strbuf_consume(struct strbuf *b, size_t n);
void strbuf_reset(struct strbuf *b); /* empties, keeps the room, clears failed */
/* The text, never null. Borrowed until the next change. */
const char *strbuf_str(const struct strbuf *b);
struct slice strbuf_slice(const struct strbuf *b);
/* Hands the terminated bytes to the caller (never null) and empties b. */
char *strbuf_steal(struct strbuf *b);
static inline bool strbuf_failed(const struct strbuf *b)
{
	return b->failed;
}
