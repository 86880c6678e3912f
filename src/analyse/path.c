/* Why: steps and paths are put together the same way by all parts of the walk; see path.h. */
#include "analyse/path.h"

#include <stdlib.h>

#include "analyse/finding.h"
#include "base/mem.h"

struct explain_path *path_new(struct walk *w, bool is_alternative, const char *title, ...)
{
	struct explain_path *p = ARENA_NEW(&w->x->arena, struct explain_path);

	p->title = ARENA_FORMAT(&w->x->arena, title);
	p->is_alternative = is_alternative;
	vec_push(&w->x->paths, p);
	return p;
}

struct explain_path *path_fork(struct walk *w, const struct explain_path *p)
{
	struct explain_path *fork = path_new(w, p->is_alternative, "%s", p->title);

	fork->whole = p->whole;
	for (size_t i = 0; i < p->steps.n; i++) {
		vec_push(&fork->steps, p->steps.at[i]);
	}
	return fork;
}

struct explain_step *path_step(struct walk *w, struct explain_path *p, enum explain_hop hop,
                               const char *says, ...)
{
	struct explain_step *s = ARENA_NEW(&w->x->arena, struct explain_step);

	s->hop = hop;
	s->says = ARENA_FORMAT(&w->x->arena, says);
	vec_push(&p->steps, s);
	vec_push(&w->x->steps, s);
	return s;
}

void step_note(struct walk *w, struct explain_step *s, enum explain_note_type type,
               const struct object *o, const struct val *at, const char *text, ...)
{
	struct explain_note n = { .type = type, .object = o, .at = at };

	n.text = ARENA_FORMAT(&w->x->arena, text);
	vec_push(&s->notes, n);
}

void step_breaks(struct walk *w, struct explain_step *s, const char *id, const char *cause, ...)
{
	if (s->verdict == EXPLAIN_BROKEN) {
		return;
	}
	s->verdict = EXPLAIN_BROKEN;
	s->id = id;
	s->cause = ARENA_FORMAT(&w->x->arena, cause);
}

void step_unsure(struct walk *w, struct explain_step *s, const char *cause, ...)
{
	if (s->verdict == EXPLAIN_BROKEN) {
		return;
	}
	s->verdict = EXPLAIN_UNSURE;
	s->cause = ARENA_FORMAT(&w->x->arena, cause);
}

void step_repair(struct walk *w, struct explain_step *s, const char *repair, ...)
{
	if (!s->repair) {
		s->repair = ARENA_FORMAT(&w->x->arena, repair);
	}
}

const char *path_name_of(struct walk *w, const struct object *o)
{
	scoped_strbuf struct strbuf b = { 0 };

	object_text(&b, o);
	return arena_strdup(&w->x->arena, strbuf_str(&b));
}
