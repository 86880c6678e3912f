/* Why: the node fills containers by these rules and the analyser reads manifests by them; one copy,
 * so that they cannot disagree. */
#include "schema/env.h"

#include <ctype.h>

#include "base/strbuf.h"

void env_set(struct env *e, struct slice name, struct slice value)
{
	name = arena_slice(e->arena, name);
	value = arena_slice(e->arena, value);
	for (size_t i = 0; i < e->n; i++) {
		if (slice_eq(e->at[i].name, name)) {
			e->at[i].value = value;
			return;
		}
	}
	if (e->n == e->room) {
		size_t room = e->room ? e->room * 2 : 32;
		struct env_var *at = ARENA_ARRAY(e->arena, struct env_var, room);

		if (e->n) {
			memcpy(at, e->at, e->n * sizeof(*at));
		}
		e->at = at;
		e->room = room;
	}
	e->at[e->n++] = (struct env_var){ name, value };
}

struct slice env_find(const struct env *e, struct slice name)
{
	for (size_t i = 0; i < e->n; i++) {
		if (slice_eq(e->at[i].name, name)) {
			return e->at[i].value;
		}
	}
	return (struct slice){ 0 };
}

struct slice env_expand(const struct env *e, struct slice text)
{
	scoped_strbuf struct strbuf out = { 0 };

	for (size_t i = 0; i < text.len; i++) {
		struct slice rest = slice_from(text, i), value;
		ptrdiff_t end;

		if (text.p[i] != '$' || i + 1 == text.len) {
			strbuf_addc(&out, text.p[i]);
			continue;
		}
		if (text.p[i + 1] == '$') {
			strbuf_addc(&out, '$');
			i++;
			continue;
		}
		end = text.p[i + 1] == '(' ? slice_find(rest, ')') : -1;
		if (end < 0) {
			strbuf_addc(&out, '$');
			continue;
		}
		value = env_find(e, slice_head(slice_from(rest, 2), (size_t)end - 2));
		strbuf_add_slice(&out, value.p ? value : slice_head(rest, (size_t)end + 1));
		i += (size_t)end;
	}
	return arena_slice(e->arena, strbuf_slice(&out));
}

bool env_name_is_valid(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool inner = isalnum((unsigned char)s.p[i]) || strchr("_.-", s.p[i]);

		if (!inner || (i == 0 && isdigit((unsigned char)s.p[i]))) {
			return false;
		}
	}
	return s.len > 0;
}
