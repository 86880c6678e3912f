/* Why: answers leave as text in a form, or finding by finding. */
#include <stdlib.h>

#include "base/mem.h"
#include "library/library-priv.h"

int kennel_answer_is_fine(const struct kennel_answer *a)
{
	switch (a->type) {
	case ANSWER_CHECK:
		return !a->findings.all.n;
	case ANSWER_EXPLAIN:
		return a->explanation.reaches;
	case ANSWER_DIFF:
		return !a->diff.changes.n;
	case ANSWER_VERIFY:
		return !a->verify.n_failed;
	case ANSWER_MATRIX:
	case ANSWER_GRAPH:
		break;
	}
	return 1;
}

int kennel_answer_opens(const struct kennel_answer *a)
{
	return a->diff.opens;
}

int kennel_answer_closes(const struct kennel_answer *a)
{
	return a->diff.closes;
}

/* ---- as text ---- */

const char *kennel_answer_form(const struct kennel_answer *a, unsigned i)
{
	switch (a->type) {
	case ANSWER_CHECK:
		return form_name(report_forms, i);
	case ANSWER_EXPLAIN:
		return form_name(explain_forms, i);
	case ANSWER_MATRIX:
		return form_name(matrix_forms, i);
	case ANSWER_DIFF:
		return form_name(diff_forms, i);
	case ANSWER_VERIFY:
		return form_name(verify_forms, i);
	case ANSWER_GRAPH:
		return form_name(graph_forms, i);
	}
	return NULL;
}

static void write_report(struct strbuf *out, const struct kennel_answer *a,
                         const struct report_form *form)
{
	struct report r = {
		.subject = a->in->subject,
		.findings = &a->findings,
		.problems = (const char *const *)a->in->manifests.problems.at,
		.n_problems = a->in->manifests.problems.n,
		.version = KENNEL_VERSION,
	};

	form->report(out, &r);
}

static void write_matrix(struct strbuf *out, const struct kennel_answer *a,
                         const struct matrix_form *form)
{
	scoped_arena struct arena arena = { 0 };
	struct matrix_notes notes = matrix_notes_of_subject(&arena, a->in->subject);

	matrix_write(out, form, a->view, &notes);
}

/* False when there is no such form. */
static bool write_form(struct strbuf *out, const struct kennel_answer *a, const char *name,
                       struct err *err)
{
	const struct report_form *report;
	const struct explain_form *explain;
	const struct matrix_form *matrix;
	const struct diff_form *diff;
	const struct verify_form *verify;
	const struct graph_form *graph;

	switch (a->type) {
	case ANSWER_CHECK:
		report = form_find(report_forms, name, err);
		return report && (write_report(out, a, report), true);
	case ANSWER_EXPLAIN:
		explain = form_find(explain_forms, name, err);
		return explain &&
		       (explain->write(out, &a->explanation, &(struct explain_style){ 0 }), true);
	case ANSWER_MATRIX:
		matrix = form_find(matrix_forms, name, err);
		return matrix && (write_matrix(out, a, matrix), true);
	case ANSWER_DIFF:
		diff = form_find(diff_forms, name, err);
		return diff && (diff->write(out, &a->diff), true);
	case ANSWER_VERIFY:
		verify = form_find(verify_forms, name, err);
		return verify && (verify->write(out, &a->verify), true);
	case ANSWER_GRAPH:
		graph = form_find(graph_forms, name, err);
		return graph && (graph->write(out, a->graph), true);
	}
	return false;
}

static char *give(struct strbuf *out, size_t *size, struct kennel_error *error)
{
	struct err err;

	if (strbuf_failed(out)) {
		(void)err_raise(&err, ERR_LIMIT, "the answer is larger than 1 GiB");
		(void)error_give(error, &err);
		return NULL;
	}
	if (size) {
		*size = out->size;
	}
	return strbuf_steal(out);
}

char *kennel_answer_write(const struct kennel_answer *a, const char *form, size_t *size,
                          struct kennel_error *error)
{
	scoped_strbuf struct strbuf out = { 0 };
	struct err err = { 0 };

	if (!write_form(&out, a, form, &err)) {
		(void)error_give(error, &err);
		return NULL;
	}
	return give(&out, size, error);
}

char *kennel_catalogue_write(const char *name, size_t *size, struct kennel_error *error)
{
	scoped_strbuf struct strbuf out = { 0 };
	struct err err = { 0 };
	const struct report_form *form = form_find(report_forms, name, &err);

	if (form && !form->catalogue) {
		(void)err_raise(&err, ERR_USAGE, "the catalogue has no form %s", name);
	}
	if (!form || !form->catalogue) {
		(void)error_give(error, &err);
		return NULL;
	}
	form->catalogue(&out);
	return give(&out, size, error);
}

void kennel_text_free(char *text)
{
	free(text);
}

/* ---- finding by finding ---- */

static struct kennel_place place_at(struct arena *a, const struct object *o, const struct val *at)
{
	const struct val *place = at && at->line ? at : o->v;
	bool known = object_has_place(o);

	return (struct kennel_place){
		.kind = arena_slice(a, o->kind).p,
		.space = arena_slice(a, o->ns).p,
		.name = arena_slice(a, o->name).p,
		.file = o->file,
		.line = known ? place->line : 0,
		.column = known ? place->col : 0,
	};
}

static const struct kennel_finding *publish(struct arena *a, const struct finding *f)
{
	struct kennel_finding *p = ARENA_NEW(a, struct kennel_finding);
	const struct kennel_evidence **evidence =
		arena_alloc(a, (f->evidence.n + 1) * sizeof(const struct kennel_evidence *));
	scoped_strbuf struct strbuf field = { 0 };

	for (size_t i = 0; i < f->evidence.n; i++) {
		const struct evidence *e = &f->evidence.at[i];
		struct kennel_evidence *one = ARENA_NEW(a, struct kennel_evidence);

		*one = (struct kennel_evidence){ place_at(a, e->object, e->at), e->text };
		evidence[i] = one;
	}
	finding_path(f, &field);
	*p = (struct kennel_finding){
		.id = f->rule->id,
		.title = f->rule->title,
		.severity = (enum kennel_severity)f->severity,
		.certainty = (enum kennel_certainty)f->rule->certainty,
		.hop = hop_text(f->rule->hop),
		.place = place_at(a, f->object, f->at),
		.field = arena_strdup(a, strbuf_str(&field)),
		.cause = f->cause,
		.symptom = f->symptom ? f->symptom : f->rule->symptom,
		.repair = f->repair ? f->repair : f->rule->fix,
		.fingerprint = f->fingerprint,
		.because = f->because ? f->because->rule->id : NULL,
		.n_evidence = f->evidence.n,
		.evidence = evidence,
	};
	return p;
}

_Static_assert((int)KENNEL_INFO == (int)SEVERITY_INFO && (int)KENNEL_WARN == (int)SEVERITY_WARN &&
                       (int)KENNEL_ERROR == (int)SEVERITY_ERROR &&
                       (int)KENNEL_CONTEXT == (int)CERTAINTY_CONTEXT &&
                       (int)KENNEL_LIKELY == (int)CERTAINTY_LIKELY &&
                       (int)KENNEL_EXACT == (int)CERTAINTY_EXACT,
               "the header's scales are the analyser's");

void answer_publish(struct kennel_answer *a)
{
	for (size_t i = 0; i < a->findings.all.n; i++) {
		vec_push(&a->public, publish(&a->arena, a->findings.all.at[i]));
	}
}

size_t kennel_answer_n_findings(const struct kennel_answer *a)
{
	return a->public.n;
}

const struct kennel_finding *kennel_answer_finding(const struct kennel_answer *a, size_t i)
{
	return i < a->public.n ? a->public.at[i] : NULL;
}
