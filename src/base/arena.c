/* Why: lifetimes first; see arena.h. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct arena_block {
	struct arena_block *next;
	size_t size; /* of bytes[] */
	size_t used;
	alignas(16) char bytes[];
};

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 256 * 1024 };

void arena_fini(struct arena *a)
{
	struct arena_block *b = a->blocks;

	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	*a = (struct arena){ .max = a->max };
}

void arena_reset(struct arena *a)
{
	arena_fini(a);
}

static struct arena_block *add_block(struct arena *a, size_t need)
{
	size_t room = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
	struct arena_block *b;

	if (need > SIZE_MAX / 2) {
		abort();
	}
	if (room > LARGEST_BLOCK) {
		room = LARGEST_BLOCK;
	}
	if (room < need) {
		room = need;
	}
	b = mem_realloc(NULL, 1, sizeof(*b) + room);
	*b = (struct arena_block){ .next = a->blocks, .size = room };
	a->blocks = b;
	return b;
}

void *arena_alloc_aligned(struct arena *a, size_t size, size_t alignment)
{
	struct arena_block *b = a->blocks;
	size_t at = b ? (b->used + alignment - 1) & ~(alignment - 1) : 0;

	if (a->max && (size > a->max || a->used > a->max - size)) {
		a->overflowed = true;
	}
	if (!b || at > b->size || b->size - at < size) {
		b = add_block(a, size);
		at = 0;
	}
	b->used = at + size;
	a->used += size;
	return memset(b->bytes + at, 0, size);
}

void *arena_alloc(struct arena *a, size_t size)
{
	return arena_alloc_aligned(a, size, 16);
}

void *arena_dup(struct arena *a, const void *bytes, size_t size)
{
	void *p = arena_alloc(a, size);

	return size ? memcpy(p, bytes, size) : p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return (char *)(uintptr_t)arena_slice(a, slice_of(s)).p;
}

struct slice arena_slice(struct arena *a, struct slice s)
{
	char *p = arena_alloc_aligned(a, s.len + 1, 1);

	if (s.len) {
		memcpy(p, s.p, s.len);
	}
	return (struct slice){ p, s.len };
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	char few[512], *p;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(few, sizeof(few), fmt, ap);
	p = arena_alloc_aligned(a, (size_t)(n < 0 ? 0 : n) + 1, 1);
	if (n > 0 && (size_t)n < sizeof(few)) {
		memcpy(p, few, (size_t)n);
	} else if (n > 0) {
		vsnprintf(p, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	return ARENA_FORMAT(a, fmt);
}
