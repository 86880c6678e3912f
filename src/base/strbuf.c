/* Why: the one string builder; see strbuf.h. */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

void strbuf_fini(struct strbuf *b)
{
	free(b->p);
	*b = (struct strbuf){ .max = b->max };
}

char *strbuf_reserve(struct strbuf *b, size_t n)
{
	size_t max = b->max ? b->max : STRBUF_MAX;

	if (b->failed || n > max || b->size > max - n) {
		b->failed = true;
		return NULL;
	}
	if (b->size + n + 1 > b->room) {
		size_t room = b->room ? b->room * 2 : 64;
		char *p;

		if (room < b->size + n + 1) {
			room = b->size + n + 1;
		}
		p = realloc(b->p, room);
		if (!p) {
			b->failed = true;
			return NULL;
		}
		b->p = p;
		b->room = room;
	}
	return b->p + b->size;
}

void strbuf_added(struct strbuf *b, size_t n)
{
	b->size += n;
	b->p[b->size] = '\0';
}

void strbuf_add(struct strbuf *b, const void *bytes, size_t size)
{
	char *to = strbuf_reserve(b, size);

	if (to) {
		if (size) {
			memcpy(to, bytes, size);
		}
		strbuf_added(b, size);
	}
}

void strbuf_addc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_adds(struct strbuf *b, const char *text)
{
	strbuf_add(b, text, strlen(text));
}

void strbuf_add_slice(struct strbuf *b, struct slice s)
{
	strbuf_add(b, s.p, s.len);
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
	} else {
		char *to = strbuf_reserve(b, (size_t)n);

		if (to) {
			vsnprintf(to, (size_t)n + 1, fmt, again);
			b->size += (size_t)n;
		}
	}
	va_end(again);
}

void strbuf_consume(struct strbuf *b, size_t n)
{
	if (n >= b->size) {
		b->size = 0;
	} else if (n) {
		memmove(b->p, b->p + n, b->size - n);
		b->size -= n;
	}
	if (b->p) {
		b->p[b->size] = '\0';
	}
}

void strbuf_reset(struct strbuf *b)
{
	b->size = 0;
	b->failed = false;
	if (b->p) {
		b->p[0] = '\0';
	}
}

const char *strbuf_str(const struct strbuf *b)
{
	return b->p ? b->p : "";
}

struct slice strbuf_slice(const struct strbuf *b)
{
	return (struct slice){ strbuf_str(b), b->size };
}

char *strbuf_steal(struct strbuf *b)
{
	char *p = b->p ? b->p : mem_strdup("");

	*b = (struct strbuf){ .max = b->max };
	return p;
}
