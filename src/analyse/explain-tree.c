/* Why: an explanation for machines: one tree, written as JSON or YAML. Nothing is left away. */
#include "analyse/explain.h"
#include "analyse/finding.h"
#include "codec/json.h"
#include "codec/yaml.h"

static const char *const verdicts[] = {
	[EXPLAIN_PASSES] = "passes", [EXPLAIN_UNSURE] = "unsure", [EXPLAIN_BROKEN] = "broken"
};

static struct val *note_tree(struct arena *a, const struct explain_note *n)
{
	static const char *const types[] = { [NOTE_DECIDED] = "decided",
		                             [NOTE_NEAR] = "near",
		                             [NOTE_FACT] = "fact",
		                             [NOTE_OTHER] = "considered" };
	struct val *v = val_new_object(a);

	val_set_cstr(a, v, "type", types[n->type]);
	val_set_cstr(a, v, "text", n->text);
	if (n->object) {
		const struct finding at = { .object = n->object, .at = n->at };
		scoped_strbuf struct strbuf name = { 0 }, path = { 0 };
		const struct val *place = n->at && n->at->line ? n->at : n->object->v;

		object_text(&name, n->object);
		val_set_cstr(a, v, "object", strbuf_str(&name));
		finding_path(&at, &path);
		val_set_cstr(a, v, "path", strbuf_str(&path));
		val_set_cstr(a, v, "file", n->object->file);
		if (place->line) {
			val_set_int(a, v, "line", place->line);
			val_set_int(a, v, "column", place->col);
		}
	}
	return v;
}

static void add_seen(struct arena *a, struct val *to, const struct explain_observation *seen,
                     bool predicted)
{
	struct val *v;

	if (seen->made) {
		v = val_set(a, to, "seen", val_new_object(a));
		val_set_bool(a, v, "passes", seen->passes);
		val_set_bool(a, v, "agrees", seen->passes == predicted);
		val_set_cstr(a, v, "text", seen->text);
	}
}

static void set_text(struct arena *a, struct val *to, const char *key, const char *text)
{
	if (text) {
		val_set_cstr(a, to, key, text);
	}
}

static struct val *step_tree(struct arena *a, const struct explain_step *s)
{
	struct val *v = val_new_object(a), *notes;

	val_set_cstr(a, v, "hop", explain_hop_text(s->hop));
	val_set_cstr(a, v, "verdict", verdicts[s->verdict]);
	val_set_cstr(a, v, "says", s->says);
	set_text(a, v, "id", s->id);
	set_text(a, v, "cause", s->cause);
	set_text(a, v, "repair", s->repair);
	notes = val_set(a, v, "notes", val_new_array(a));
	for (size_t i = 0; i < s->notes.n; i++) {
		val_append(notes, note_tree(a, &s->notes.at[i]));
	}
	add_seen(a, v, &s->seen, s->verdict != EXPLAIN_BROKEN);
	return v;
}

static void set_hop(struct arena *a, struct val *to, const char *key, const struct explain_step *s)
{
	if (s) {
		val_set_cstr(a, to, key, explain_hop_text(s->hop));
	}
}

static struct val *path_tree(struct arena *a, const struct explanation *x,
                             const struct explain_path *p)
{
	struct val *v = val_new_object(a), *steps;

	val_set_cstr(a, v, "title", p->title);
	val_set_bool(a, v, "alternative", p->is_alternative);
	val_set_bool(a, v, "reaches", !p->broken);
	set_hop(a, v, "breaksAt", p->broken);
	if (x->observed) {
		set_hop(a, v, "seenToBreakAt", p->seen_broken);
		val_set_bool(a, v, "agrees", !p->disagrees);
	}
	steps = val_set(a, v, "hops", val_new_array(a));
	for (size_t i = 0; i < p->steps.n; i++) {
		val_append(steps, step_tree(a, p->steps.at[i]));
	}
	add_seen(a, v, &p->seen, !p->broken);
	return v;
}

static struct val *tree(struct arena *a, const struct explanation *x)
{
	struct val *v = val_new_object(a), *paths, *left_out;

	val_set_cstr(a, v, "source", x->source);
	val_set_cstr(a, v, "destination", x->target);
	val_set_bool(a, v, "reaches", x->reaches);
	if (x->observed) {
		val_set_bool(a, v, "agrees", !x->disagrees);
	}
	paths = val_set(a, v, "paths", val_new_array(a));
	for (size_t i = 0; i < x->paths.n; i++) {
		val_append(paths, path_tree(a, x, x->paths.at[i]));
	}
	left_out = val_set(a, v, "notConsidered", val_new_array(a));
	for (size_t i = 0; i < x->subject->left_out.n; i++) {
		struct val *l = val_append(left_out, val_new_object(a));

		val_set_str(a, l, "apiVersion", x->subject->left_out.at[i].api_version);
		val_set_str(a, l, "kind", x->subject->left_out.at[i].kind);
		val_set_int(a, l, "count", (int64_t)x->subject->left_out.at[i].n);
	}
	return v;
}

void explain_json(struct strbuf *out, const struct explanation *x,
                  const struct explain_style *style)
{
	scoped_arena struct arena a = { 0 };

	(void)style;
	json_write_pretty(out, tree(&a, x));
	strbuf_addc(out, '\n');
}

void explain_yaml(struct strbuf *out, const struct explanation *x,
                  const struct explain_style *style)
{
	scoped_arena struct arena a = { 0 };

	(void)style;
	yaml_write(out, tree(&a, x));
}
