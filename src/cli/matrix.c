/* Why: `kennel matrix`: who can reach whom on which ports, all of it, in the form one needs. Reads, asks analyse/,
 * prints. */
#include "analyse/verify.h"
#include "base/mem.h"
#include "cli/analysis.h"

static const struct cli_option options[] = {
	{ "filename", 'f', "FILE",
	  "manifests: a file, a folder, a kustomization, or - (may be repeated)" },
	{ "kubeconfig", 0, "FILE", "read a running cluster instead", true },
	{ "output", 'o', "FORMAT",
	  "text (default), markdown, csv, json, dot, svg, html or expectations (for 'verify')" },
	{ "from", 0, "PLACE",
	  "only from here (NAMESPACE/NAME, 'NAMESPACE/*', 10.0.0.0/16, internet...)" },
	{ "to", 0, "PLACE", "only to there" },
	{ "profile", 0, "NAME", ANALYSIS_PROFILE_HELP },
	{ 0 },
};

static int read_side(struct analysis *a, const struct cli_parsed *p, const char *option,
                     struct ends *ends, bool *ret_given, struct err *err)
{
	const char *text = cli_value(p, option, NULL);
	struct place place;
	int r;

	*ret_given = text;
	if (!text) {
		return 0;
	}
	r = place_of_text(&a->arena, a->gathered.subject, a->matrix, slice_of(text), &place, err);
	if (r < 0) {
		return err_while(err, r, "--%s", option);
	}
	*ends = place_ends(&a->arena, &place);
	return 0;
}

static int print(struct analysis *a, const struct cli_parsed *p, const struct matrix_form *form,
                 struct err *err)
{
	struct matrix_notes notes = matrix_notes_of_subject(&a->arena, a->gathered.subject);
	scoped_strbuf struct strbuf out = { 0 };
	struct ends from, to;
	bool has_from, has_to;
	struct matrix_view *v;
	int r = read_side(a, p, "from", &from, &has_from, err);

	r = r ? r : read_side(a, p, "to", &to, &has_to, err);
	if (r < 0) {
		return r;
	}
	v = matrix_view_new(a->matrix, has_from ? &from : NULL, has_to ? &to : NULL);
	matrix_write(&out, form, v, &notes);
	matrix_view_free(v);
	return analysis_print(&out, err);
}

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct analysis a = { 0 };
	const struct profile *profile = NULL;
	const struct matrix_form *form = NULL;
	struct err err = { 0 };
	bool incomplete = false;
	int r;

	(void)c;
	(void)ops;
	form = form_find(matrix_forms, cli_value(p, "output", "text"), &err);
	r = form ? analysis_profile(p, &profile, &err) : -(int)err.code;
	r = r ? r : gather(&a.gathered, p, profile, &err);
	if (r == 0) {
		incomplete = analysis_tell_problems(&a.gathered);
		analysis_make(&a, NULL);
		r = print(&a, p, form, &err);
	}
	analysis_fini(&a);
	if (r < 0) {
		(void)cli_fail(&err);
		return 2;
	}
	return incomplete ? 2 : 0;
}

const struct cli_command cli_matrix = {
	.name = "matrix",
	.words = "",
	.summary = "Show who can reach whom on which ports",
	.details = "Exact, for all workloads and the world outside, after network policies. Exit "
		   "status: 0, or 2 when some\n"
		   "input could not be read.",
	.live_details = CLI_WITHOUT_FILES,
	.options = options,
	.takes_instance = true,
	.run = run,
};
