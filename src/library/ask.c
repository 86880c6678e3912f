/* Why: each question of the header is one of analyse/'s, with its state kept for as long as the answer lives. */
#include <stdlib.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "library/library-priv.h"

struct kennel_answer *answer_new(enum answer_type type, struct kennel_input *in)
{
	struct kennel_answer *a = NEW(struct kennel_answer);

	a->type = type;
	a->in = in;
	input_ready(in);
	return a;
}

/* An answer that came to nothing. */
static struct kennel_answer *failed(struct kennel_answer *a, struct kennel_error *error,
                                    const struct err *err)
{
	(void)error_give(error, err);
	kennel_answer_free(a);
	return NULL;
}

static int read_options(struct kennel_answer *a, const struct kennel_check_options *options,
                        struct findings_filter *ret, struct err *err)
{
	struct val *baseline = NULL;
	int r = 0;

	if (!options) {
		return 0;
	}
	if (options->size < sizeof(*options) || options->least > KENNEL_ERROR) {
		return err_raise(
			err, ERR_USAGE,
			"kennel_check_options: size is not that of the struct, or least is no "
			"severity");
	}
	if (options->baseline) {
		r = json_parse(&a->arena,
		               (struct slice){ options->baseline, options->baseline_size }, 0,
		               &baseline, err);
	}
	if (r == 0 && options->baseline && !val_get(baseline, "findings")) {
		r = err_raise(err, ERR_SYNTAX, "the baseline is no answer of kennel_check");
	}
	*ret = (struct findings_filter){ (enum severity)options->least, baseline };
	return r;
}

struct kennel_answer *kennel_check(struct kennel_input *in,
                                   const struct kennel_check_options *options,
                                   struct kennel_error *error)
{
	struct kennel_answer *a = answer_new(ANSWER_CHECK, in);
	struct findings_filter filter = { 0 };
	struct err err = { 0 };

	if (read_options(a, options, &filter, &err) < 0) {
		return failed(a, error, &err);
	}
	check_all(in->subject, &a->findings);
	findings_finish(&a->findings, in->subject, &filter);
	answer_publish(a);
	return a;
}

struct kennel_answer *kennel_explain(struct kennel_input *in, const char *source,
                                     const char *destination, struct kennel_error *error)
{
	struct kennel_answer *a = answer_new(ANSWER_EXPLAIN, in);
	struct err err = { 0 };

	return explain_make(in->subject, slice_of(source), slice_of(destination), &a->explanation,
	                    &err) < 0
	               ? failed(a, error, &err)
	               : a;
}

static struct matrix *matrix_of(struct kennel_answer *a, struct kennel_input *in)
{
	return matrix_new(a->pool, matrix_world_of_subject(&a->arena, in->subject));
}

static int read_place(struct kennel_answer *a, const char *text, struct ends *ret, struct err *err)
{
	struct place place;
	int r = place_of_text(&a->arena, a->in->subject, a->matrix, slice_of(text), &place, err);

	if (r == 0) {
		*ret = place_ends(&a->arena, &place);
	}
	return r;
}

struct kennel_answer *kennel_matrix(struct kennel_input *in, const char *from, const char *to,
                                    struct kennel_error *error)
{
	struct kennel_answer *a = answer_new(ANSWER_MATRIX, in);
	struct ends sources, targets;
	struct err err = { 0 };

	a->pool = ports_pool_new();
	a->matrix = matrix_of(a, in);
	if ((from && read_place(a, from, &sources, &err) < 0) ||
	    (to && read_place(a, to, &targets, &err) < 0)) {
		return failed(a, error, &err);
	}
	a->view = matrix_view_new(a->matrix, from ? &sources : NULL, to ? &targets : NULL);
	return a;
}

struct kennel_answer *kennel_diff(struct kennel_input *before, struct kennel_input *after,
                                  struct kennel_error *error)
{
	struct kennel_answer *a = answer_new(ANSWER_DIFF, after);

	(void)error;
	input_ready(before);
	a->pool = ports_pool_new();
	a->before = matrix_of(a, before);
	a->matrix = matrix_of(a, after);
	diff_run(&a->diff, &(struct diff_side){ before->subject, a->before },
	         &(struct diff_side){ after->subject, a->matrix });
	return a;
}

struct kennel_answer *kennel_verify(struct kennel_input *in, const char *file, const char *text,
                                    size_t size, struct kennel_error *error)
{
	struct kennel_answer *a = answer_new(ANSWER_VERIFY, in);
	struct val *root = NULL;
	struct err err = { 0 };
	int r;

	a->pool = ports_pool_new();
	a->matrix = matrix_of(a, in);
	r = yaml_parse(&a->arena, (struct slice){ text, size }, &root, &err);
	if (r < 0) {
		(void)err_while(&err, r, "%s", file);
	}
	r = r ? r
	      : verify_run(&a->verify, in->subject, a->matrix, arena_strdup(&a->arena, file), root,
	                   &err);
	return r < 0 ? failed(a, error, &err) : a;
}

struct kennel_answer *kennel_graph(struct kennel_input *in, const char *space,
                                   struct kennel_error *error)
{
	struct kennel_answer *a = answer_new(ANSWER_GRAPH, in);
	struct slice name = slice_of(space ? space : "");
	struct err err;

	if (name.len && !subject_space(in->subject, name)) {
		(void)err_raise(&err, ERR_NOTFOUND, "nothing is in namespace %s", space);
		return failed(a, error, &err);
	}
	a->graph = graph_new(in->subject, name);
	return a;
}

void kennel_answer_free(struct kennel_answer *a)
{
	if (!a) {
		return;
	}
	graph_free(a->graph);
	verify_fini(&a->verify);
	diff_fini(&a->diff);
	matrix_view_free(a->view);
	matrix_free(a->matrix);
	matrix_free(a->before);
	ports_pool_free(a->pool);
	explanation_fini(&a->explanation);
	findings_fini(&a->findings);
	vec_fini(&a->public);
	arena_fini(&a->arena);
	free(a);
}
