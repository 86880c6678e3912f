/* Why: findings are collected, ordered with the cause first, and accepted ones left away; see finding.h. */
#include "analyse/finding.h"

#include <stdio.h>
#include <stdlib.h>

#include "analyse/limits.h"
#include "analyse/rule.h"
#include "base/mem.h"

#define IGNORE_ANNOTATION "kennel.dev/ignore"

const char *severity_text(enum severity s)
{
	static const char *const texts[] = { "info", "warn", "error" };

	return texts[s];
}

const char *certainty_text(enum certainty c)
{
	static const char *const texts[] = { "context", "likely", "exact" };

	return texts[c];
}

void findings_fini(struct findings *f)
{
	for (size_t i = 0; i < f->all.n; i++) {
		vec_fini(&f->all.at[i]->evidence);
		vec_fini(&f->all.at[i]->edits);
		free(f->all.at[i]);
	}
	vec_fini(&f->all);
	vec_fini(&f->notes);
	arena_fini(&f->arena);
}

/* ---- for rules ---- */

struct finding *check_found(struct check *c, const struct object *o, const struct val *at,
                            const char *cause, ...)
{
	struct finding *f = NEW(struct finding);

	f->rule = c->rule;
	f->severity = c->rule->severity;
	f->object = o;
	f->at = at;
	f->cause = ARENA_FORMAT(&c->found->arena, cause);
	c->n++;
	vec_push(&c->found->all, f);
	return f;
}

void finding_shows(struct check *c, struct finding *f, const struct object *o, const struct val *at,
                   const char *text, ...)
{
	struct evidence e = { .object = o, .at = at };

	e.text = ARENA_FORMAT(&c->found->arena, text);
	vec_push(&f->evidence, e);
}

void finding_symptom(struct check *c, struct finding *f, const char *fmt, ...)
{
	f->symptom = ARENA_FORMAT(&c->found->arena, fmt);
}

void finding_repair(struct check *c, struct finding *f, const char *fmt, ...)
{
	f->repair = ARENA_FORMAT(&c->found->arena, fmt);
}

void finding_replace(struct check *c, struct finding *f, const struct object *o,
                     const struct val *at, const char *fmt, ...)
{
	struct edit e = { .type = EDIT_REPLACE, .object = o, .at = at };

	e.text = ARENA_FORMAT(&c->found->arena, fmt);
	vec_push(&f->edits, e);
}

void finding_rename(struct check *c, struct finding *f, const struct object *o,
                    const struct val *at, const char *fmt, ...)
{
	struct edit e = { .type = EDIT_RENAME, .object = o, .at = at };

	e.text = ARENA_FORMAT(&c->found->arena, fmt);
	vec_push(&f->edits, e);
}

void finding_insert(struct check *c, struct finding *f, const struct object *o,
                    const struct val *at, const char *fmt, ...)
{
	struct edit e = { .type = EDIT_INSERT, .object = o, .at = at };

	e.text = ARENA_FORMAT(&c->found->arena, fmt);
	vec_push(&f->edits, e);
}

/* ---- texts ---- */

void object_text(struct strbuf *out, const struct object *o)
{
	strbuf_add_slice(out, o->kind);
	strbuf_addc(out, ' ');
	if (o->ns.len) {
		strbuf_add_slice(out, o->ns);
		strbuf_addc(out, '/');
	}
	strbuf_add_slice(out, o->name);
}

bool object_has_place(const struct object *o)
{
	return o->file[0] != '(';
}

void position_text(struct strbuf *out, const struct object *o, const struct val *at)
{
	const struct val *place = at && at->line ? at : o->v;

	strbuf_adds(out, o->file);
	if (place->line && object_has_place(o)) {
		strbuf_addf(out, ":%u:%u", place->line, place->col);
	}
}

/* Does what stands from 'v' to before 'next' begin behind the place of 'at', or end before it? */
static bool is_elsewhere(const struct val *v, const struct val *next, const struct val *at)
{
	return v->line > at->line || (next && next->line && next->line < at->line);
}

/* The nodes from below v (last) to 'at' (first). by_place: parts that stand elsewhere in the text are passed over. */
typedef VEC(const struct val *) way_vec;
static bool find_way(const struct val *v, const struct val *at, bool by_place, way_vec *way)
{
	if (v == at) {
		return true;
	}
	val_for_each (v, it) {
		if (it != at && (!val_len(it) || (by_place && is_elsewhere(it, it->next, at)))) {
			continue;
		}
		if (find_way(it, at, by_place, way)) {
			vec_push(way, it);
			return true;
		}
	}
	return false;
}

static void add_step(struct strbuf *out, const struct val *in, const struct val *it)
{
	bool plain = slice_find(it->key, '.') < 0 && slice_find(it->key, '/') < 0;
	size_t i = 0;

	if (in->type == VAL_ARRAY) {
		for (const struct val *x = in->first; x != it; x = x->next) {
			i++;
		}
		strbuf_addf(out, "[%zu]", i);
	} else {
		strbuf_addf(out, plain ? "%s" SLICE_FMT : "%s[\"" SLICE_FMT "\"]",
		            out->size && plain ? "." : "", SLICE_ARG(it->key));
	}
}

void finding_path(const struct finding *f, struct strbuf *out)
{
	way_vec way = { 0 };
	const struct val *in = f->object->v;

	/* what aliases brought stands elsewhere in the text */
	if (f->at && !find_way(in, f->at, f->at->line, &way)) {
		(void)find_way(in, f->at, false, &way);
	}
	for (size_t i = way.n; i > 0; i--) {
		add_step(out, in, way.at[i - 1]);
		in = way.at[i - 1];
	}
	vec_fini(&way);
}

/* ---- accepted ones ---- */

static void note(struct findings *f, const struct object *o, const struct val *at, const char *text)
{
	scoped_strbuf struct strbuf b = { 0 };

	position_text(&b, o, at);
	strbuf_addf(&b, ": %s", text);
	vec_push(&f->notes, (const char *)arena_strdup(&f->arena, strbuf_str(&b)));
}

bool object_accepts(const struct object *o, const char *rule)
{
	struct slice rest = o ? object_annotation(o, IGNORE_ANNOTATION) : (struct slice){ 0 },
		     field, id, reason;

	while (slice_next(&rest, ';', &field)) {
		if (slice_cut(slice_trim(field), ' ', &id, &reason) && slice_trim(reason).len &&
		    slice_is(id, rule)) {
			return true;
		}
	}
	return false;
}

static void judge_annotation(struct findings *f, const struct object *o)
{
	const struct val *at = object_annotation_at(o, IGNORE_ANNOTATION);
	struct slice rest = val_str(at), field, id, reason;

	while (at && slice_next(&rest, ';', &field)) {
		bool has_reason =
			slice_cut(slice_trim(field), ' ', &id, &reason) && slice_trim(reason).len;
		scoped_free char *text = NULL;

		if (!slice_trim(field).len) {
			continue;
		}
		if (!rule_find(id)) {
			text = mem_printf(IGNORE_ANNOTATION ": there is no check \"" SLICE_FMT "\"",
			                  SLICE_ARG(id));
		} else if (!has_reason) {
			text = mem_printf(IGNORE_ANNOTATION ": " SLICE_FMT
			                                    " needs a reason behind it and is not "
			                                    "ignored without one",
			                  SLICE_ARG(id));
		}
		if (text) {
			note(f, o, at, text);
		}
	}
}

static bool in_baseline(const struct map *known, const struct finding *f)
{
	return map_has(known, slice_of(f->fingerprint));
}

static void read_baseline(struct map *known, const struct val *report)
{
	val_for_each (val_get(report, "findings"), f) {
		map_set(known, val_get_str(f, "fingerprint"), (void *)f);
	}
}

/* ---- order ---- */

struct linking {
	struct map by_place; /* id and object -> struct finding */
};

static struct slice place_key(char buf[static 64], struct slice id, const struct object *o)
{
	int n = snprintf(buf, 64, SLICE_FMT " %p", SLICE_ARG(slice_head(id, 16)), (const void *)o);

	return (struct slice){ buf, (size_t)n };
}

static void link_place(struct map *by_place, struct finding *f, const struct object *o)
{
	char buf[64];
	struct slice key = place_key(buf, slice_of(f->rule->id), o);

	if (!map_has(by_place, key)) {
		map_set(by_place, key, f);
	}
}

static const struct finding *cause_at(const struct map *by_place, const struct finding *f,
                                      const struct object *o)
{
	struct slice rest = slice_of(f->rule->after), id;
	char buf[64];

	while (slice_next(&rest, ' ', &id)) {
		const struct finding *g = map_find(by_place, place_key(buf, id, o));

		if (g && g != f) {
			return g;
		}
	}
	return NULL;
}

/* A finding is explained by one of an earlier class at an object that both name. */
static void link_causes(struct findings *f)
{
	scoped_map struct map by_place = { 0 };

	for (size_t i = 0; i < f->all.n; i++) {
		struct finding *x = f->all.at[i];

		link_place(&by_place, x, x->object);
		for (size_t j = 0; j < x->evidence.n; j++) {
			link_place(&by_place, x, x->evidence.at[j].object);
		}
	}
	for (size_t i = 0; i < f->all.n; i++) {
		struct finding *x = f->all.at[i];

		if (!x->rule->after) {
			continue;
		}
		x->because = cause_at(&by_place, x, x->object);
		for (size_t j = 0; !x->because && j < x->evidence.n; j++) {
			x->because = cause_at(&by_place, x, x->evidence.at[j].object);
		}
	}
}

static int compare(const void *a, const void *b)
{
	const struct finding *x = *(const struct finding *const *)a,
			     *y = *(const struct finding *const *)b;
	uint32_t at_x = x->at ? x->at->line : 0, at_y = y->at ? y->at->line : 0;
	int r;

	if (x->severity != y->severity) {
		return x->severity > y->severity ? -1 : 1;
	}
	if (!x->because != !y->because) {
		return x->because ? 1 : -1;
	}
	if (x->rule->certainty != y->rule->certainty) {
		return x->rule->certainty > y->rule->certainty ? -1 : 1;
	}
	if (x->rule->hop != y->rule->hop) {
		return x->rule->hop < y->rule->hop ? -1 : 1;
	}
	r = strcmp(x->object->file, y->object->file);
	if (r == 0 && at_x != at_y) {
		return at_x < at_y ? -1 : 1;
	}
	if (r == 0) {
		r = strcmp(x->rule->id, y->rule->id);
	}
	return r ? r : strcmp(x->cause, y->cause);
}

/* ---- fingerprints ---- */

static void make_fingerprints(struct findings *f)
{
	scoped_map struct map seen = { 0 };
	scoped_strbuf struct strbuf b = { 0 };

	for (size_t i = 0; i < f->all.n; i++) {
		struct finding *x = f->all.at[i];
		size_t n;

		strbuf_reset(&b);
		strbuf_addf(&b, "%s ", x->rule->id);
		object_text(&b, x->object);
		strbuf_addc(&b, ' ');
		{
			scoped_strbuf struct strbuf path = { 0 };

			finding_path(x, &path);
			strbuf_add_slice(&b, strbuf_slice(&path));
		}
		n = (size_t)map_find(&seen, strbuf_slice(&b)) + 1;
		map_set(&seen, strbuf_slice(&b), (void *)n); /* NOLINT: a number */
		if (n > 1) {
			strbuf_addf(&b, " #%zu", n);
		}
		x->fingerprint = arena_strdup(&f->arena, strbuf_str(&b));
	}
}

static void forget(struct finding *f)
{
	vec_fini(&f->evidence);
	vec_fini(&f->edits);
	free(f);
}

void findings_finish(struct findings *f, const struct subject *s,
                     const struct findings_filter *filter)
{
	scoped_map struct map known = { 0 };
	VEC(struct finding *) dropped = { 0 };
	size_t n = 0;

	for (int id = 0; id < OBJECT_OTHER; id++) {
		object_each(s, id, o)
		{
			judge_annotation(f, o);
		}
	}
	read_baseline(&known, filter->baseline);
	make_fingerprints(f);
	for (size_t i = 0; i < f->all.n; i++) {
		struct finding *x = f->all.at[i];
		bool suppressed = object_accepts(x->object, x->rule->id) ||
		                  object_accepts(subject_find(s, OBJECT_NAMESPACE, x->object->ns,
		                                              x->object->ns),
		                                 x->rule->id);
		bool old = !suppressed && in_baseline(&known, x),
		     below = !suppressed && !old && x->severity < filter->least;

		f->n_suppressed += suppressed;
		f->n_baseline += old;
		f->n_below += below;
		if (suppressed || old || below) {
			vec_push(&dropped, x);
		} else {
			f->all.at[n++] = x;
		}
	}
	f->all.n = n;
	link_causes(f);
	if (n) {
		qsort(f->all.at, n, sizeof(*f->all.at), compare);
	}
	for (size_t i = 0; i < dropped.n; i++) {
		forget(dropped.at[i]);
	}
	vec_fini(&dropped);
}
