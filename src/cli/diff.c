/* Why: `kennel diff`: what a change of manifests opens, closes or alters, before it is merged. */
#include <string.h>

#include "analyse/diff.h"
#include "base/mem.h"
#include "cli/analysis.h"

static const struct cli_option options[] = {
	{ "output", 'o', "FORMAT", "text (default), markdown, json or yaml" },
	{ "fail-on", 0, "WHAT", "opened, closed or any: exit status 1 when there is such a flow" },
	{ "profile", 0, "NAME", ANALYSIS_PROFILE_HELP },
	{ 0 },
};

struct wish {
	const struct diff_form *form;
	const struct profile *profile;
	bool fail_opened, fail_closed;
};

static int read_wish(struct wish *w, const struct cli_parsed *p, struct err *err)
{
	const char *fail = cli_value(p, "fail-on", NULL);

	w->form = form_find(diff_forms, cli_value(p, "output", "text"), err);
	if (!w->form) {
		return -(int)err->code;
	}
	w->fail_opened = fail && (strcmp(fail, "opened") == 0 || strcmp(fail, "any") == 0);
	w->fail_closed = fail && (strcmp(fail, "closed") == 0 || strcmp(fail, "any") == 0);
	if (fail && !w->fail_opened && !w->fail_closed) {
		return err_raise(err, ERR_USAGE, "--fail-on %s: opened, closed or any", fail);
	}
	if (p->words.n != 2) {
		return err_raise(err, ERR_USAGE,
		                 "diff: two things to compare: 'kennel diff OLD NEW'");
	}
	return analysis_profile(p, &w->profile, err);
}

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct analysis sides[2] = { 0 };
	struct ports_pool *pool = ports_pool_new();
	scoped_strbuf struct strbuf out = { 0 };
	struct diff d = { 0 };
	struct wish w = { 0 };
	struct err err = { 0 };
	bool incomplete = false;
	int r = read_wish(&w, p, &err), status;

	(void)c;
	(void)ops;
	for (size_t i = 0; i < 2 && r == 0; i++) {
		r = gather_path(&sides[i].gathered, p->words.at[i], w.profile,
		                p->program->live ? p->program->live->build : NULL, &err);
		if (r == 0) {
			incomplete = analysis_tell_problems(&sides[i].gathered) || incomplete;
			analysis_make(&sides[i], pool);
		}
	}
	if (r == 0) {
		diff_run(&d, &(struct diff_side){ sides[0].gathered.subject, sides[0].matrix },
		         &(struct diff_side){ sides[1].gathered.subject, sides[1].matrix });
		w.form->write(&out, &d);
		r = analysis_print(&out, &err);
	}
	status = r < 0 || incomplete                                         ? 2
	         : (d.opens && w.fail_opened) || (d.closes && w.fail_closed) ? 1
	                                                                     : 0;
	if (r < 0) {
		(void)cli_fail(&err);
	}
	diff_fini(&d);
	analysis_fini(&sides[0]);
	analysis_fini(&sides[1]);
	ports_pool_free(pool);
	return status;
}

const struct cli_command cli_diff = {
	.name = "diff",
	.words = "OLD NEW",
	.summary = "Show which flows a change of manifests opens, closes or alters, and which "
		   "object did it",
	.details = "OLD and NEW are files, folders or kustomizations (one may be -). Exit status: "
		   "0, 1 when --fail-on says\n"
		   "so, 2 usage or unreadable input.",
	.options = options,
	.run = run,
};
