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

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->blocks;
	size_t need = (size + 15) & ~(size_t)15;
	void *p;

	if (need < size) {
		abort();
	}
	if (a->max && (need > a->max || a->used > a->max - need)) {
		a->overflowed = true;
	}
	if (!b || b->size - b->used < need) {
		size_t room = b ? b->size * 2 : FIRST_BLOCK;

		if (room > LARGEST_BLOCK) {
			room = LARGEST_BLOCK;
		}
		if (room < need) {
			room = need;
		}
		b = mem_realloc(NULL, 1, sizeof(*b) + room);
		*b = (struct arena_block){ .next = a->blocks, .size = room };
		a->blocks = b;
	}
	p = b->bytes + b->used;
	b->used += need;
	a->used += need;
	return memset(p, 0, need);
}

void *arena_dup(struct arena *a, const void *bytes, size_t size)
{
	void *p = arena_alloc(a, size);

	return size ? memcpy(p, bytes, size) : p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_dup(a, s, strlen(s) + 1);
}

struct slice arena_slice(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.len + 1);

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
	if (n >= 0 && (size_t)n < sizeof(few)) {
		p = arena_dup(a, few, (size_t)n + 1);
	} else {
		p = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
		vsnprintf(p, (size_t)(n < 0 ? 0 : n) + 1, fmt, again);
	}
	va_end(again);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	return ARENA_FORMAT(a, fmt);
}
