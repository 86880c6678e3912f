/* Why: the node fills containers by these rules and the analyser reads manifests by them; one copy,
 * so that they cannot disagree. */
#include "schema/env.h"

#include <ctype.h>

#include "base/strbuf.h"

enum { SLOTS_FROM = 16 }; /* fewer variables are looked through one by one */

static bool is_hashed(const struct env *e)
{
	return e->n_slots > 0;
}

/* The slot of the name, or the free one where it belongs. */
static size_t slot_of(const struct env *e, struct slice name)
{
	size_t at = (size_t)slice_hash(name) & (e->n_slots - 1);

	while (e->slots[at] && !slice_eq(e->at[e->slots[at] - 1].name, name)) {
		at = (at + 1) & (e->n_slots - 1);
	}
	return at;
}

static void rehash(struct env *e)
{
	e->n_slots = e->room * 2;
	e->slots = ARENA_ARRAY(e->arena, uint32_t, e->n_slots);
	for (size_t i = 0; i < e->n; i++) {
		e->slots[slot_of(e, e->at[i].name)] = (uint32_t)i + 1;
	}
}

size_t env_index(const struct env *e, struct slice name)
{
	size_t i = 0;

	if (is_hashed(e)) {
		uint32_t found = e->slots[slot_of(e, name)];

		return found ? found - 1 : e->n;
	}
	while (i < e->n && !slice_eq(e->at[i].name, name)) {
		i++;
	}
	return i;
}

/* Rooms are powers of two, and so are slots: twice as many. */
static void grow(struct env *e)
{
	size_t room = e->room ? e->room * 2 : SLOTS_FROM;
	struct env_var *at = ARENA_ARRAY(e->arena, struct env_var, room);

	if (e->n) {
		memcpy(at, e->at, e->n * sizeof(*at));
	}
	e->at = at;
	e->room = room;
	if (room > SLOTS_FROM) {
		rehash(e);
	}
}

void env_set(struct env *e, struct slice name, struct slice value)
{
	size_t i = env_index(e, name);

	name = arena_slice(e->arena, name);
	value = arena_slice(e->arena, value);
	if (i < e->n) {
		e->at[i].value = value;
		return;
	}
	if (e->n == e->room) {
		grow(e);
	}
	if (is_hashed(e)) {
		e->slots[slot_of(e, name)] = (uint32_t)e->n + 1;
	}
	e->at[e->n++] = (struct env_var){ name, value };
}

struct slice env_find(const struct env *e, struct slice name)
{
	size_t i = env_index(e, name);

	return i < e->n ? e->at[i].value : (struct slice){ 0 };
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
		bool inner = isalnum((unsigned char)s.p[i]) || char_is_one_of(s.p[i], "_.-");

		if (!inner || (i == 0 && isdigit((unsigned char)s.p[i]))) {
			return false;
		}
	}
	return s.len > 0;
}
