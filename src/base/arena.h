/* What: memory whose pieces die together, with a limit and a sticky overflow mark.
 *
 * Limits: past max_bytes allocations return null-filled scratch memory of the asked size that is
 * still safe to write, and arena_overflowed turns true; the one check at the end fails the request. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct arena_block;
struct arena {
	struct arena_block *blocks; /* newest first; owned */
	size_t used;                /* bytes handed out */
	size_t max;                 /* 0: no limit */
	bool overflowed;
};

void arena_fini(struct arena *a); /* accepts zeroed */
void arena_reset(struct arena *a);
#define scoped_arena __attribute__((cleanup(arena_fini)))

void *arena_alloc(struct arena *a, size_t size); /* zeroed, 16-byte aligned, never null */
/* The same with an alignment of one's own, a power of two up to 16. */
void *arena_alloc_aligned(struct arena *a, size_t size, size_t alignment);
void *arena_dup(struct arena *a, const void *bytes, size_t size);
char *arena_strdup(struct arena *a, const char *s);
struct slice arena_slice(struct arena *a, struct slice s); /* a terminated copy */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
/* The text of a variadic function's own format and arguments. */
#define ARENA_FORMAT(a, fmt)                                                                       \
	__extension__({                                                                            \
		va_list ap_;                                                                       \
		char *text_;                                                                       \
		va_start(ap_, fmt);                                                                \
		text_ = arena_vprintf((a), (fmt), ap_);                                            \
		va_end(ap_);                                                                       \
		text_;                                                                             \
	})
#define ARENA_NEW(a, type) ((type *)arena_alloc_aligned((a), sizeof(type), _Alignof(type)))
#define ARENA_ARRAY(a, type, n)                                                                    \
	((type *)arena_alloc_aligned((a), sizeof(type) * (n), _Alignof(type)))
