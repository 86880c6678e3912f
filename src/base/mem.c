/* Why: one place where small allocations abort; see mem.h. */
#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

static void *must_have(void *p)
{
	if (!p) {
		static const char text[] = "out of memory\n";

		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
		abort();
	}
	return p;
}

void *mem_alloc(size_t size)
{
	return must_have(calloc(1, size ? size : 1));
}

void *mem_realloc(void *p, size_t n, size_t each)
{
	size_t size;

	if (__builtin_mul_overflow(n, each, &size)) {
		abort();
	}
	return must_have(realloc(p, size ? size : 1));
}

char *mem_strdup(const char *s)
{
	return s ? must_have(strdup(s)) : NULL;
}

char *mem_printf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
	}
	va_end(ap);
	return must_have(text);
}
