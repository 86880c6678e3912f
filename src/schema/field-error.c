/* Why: what is wrong with an object is a list, told in one go. See object.h. */
#include <stdarg.h>

#include "schema/object.h"

enum { FIELD_ERRORS_MAX = 1000 }; /* more than a client reads */

void field_errors_add(struct field_errors *e, const struct val *where, const char *type,
                      const char *path, const char *fmt, ...)
{
	scoped_strbuf struct strbuf text = { 0 };
	char line[512];
	va_list ap, again;
	int n;

	if (e->n >= FIELD_ERRORS_MAX) {
		return;
	}
	if (e->n == e->room) {
		size_t room = e->room ? e->room * 2 : 8;
		struct field_error *at = ARENA_ARRAY(e->arena, struct field_error, room);

		if (e->n) {
			memcpy(at, e->at, e->n * sizeof(*at));
		}
		e->at = at;
		e->room = room;
	}
	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line)) {
		char *room = strbuf_reserve(&text, (size_t)n + 1);

		if (room) {
			vsnprintf(room, (size_t)n + 1, fmt, again);
			strbuf_added(&text, (size_t)n);
		}
	}
	va_end(again);
	e->at[e->n++] = (struct field_error){
		.type = type,
		.path = arena_strdup(e->arena, path),
		.detail = arena_strdup(e->arena, text.size ? strbuf_str(&text) : line),
		.line = where ? where->line : 0,
		.col = where ? where->col : 0,
	};
}
