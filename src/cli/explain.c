/* Why: `kennel explain`: why A reaches B or not, hop by hop, from manifests or from what runs; with --live, what each
 * hop does is put beside what was predicted. Reads, asks analyse/, prints; decides nothing itself. */
#include <stdio.h>

#include "analyse/explain.h"
#include "base/mem.h"
#include "cli/analysis.h"

static const struct cli_option options[] = {
	{ "filename", 'f', "FILE",
	  "manifests: a file, a folder, a kustomization, or - (may be repeated)" },
	{ "kubeconfig", 0, "FILE", "read a running cluster instead", true },
	{ "output", 'o', "FORMAT", "text (default), json, yaml, markdown, dot, svg or html" },
	{ "profile", 0, "NAME", ANALYSIS_PROFILE_HELP },
	{ "all", 0, NULL, "show everything that was considered" },
	{ "live", 0, NULL,
	  "probe each hop of the running instance, and show what was seen beside what was "
	  "predicted",
	  true },
	{ 0 },
};

struct wish {
	const struct explain_form *form;
	const struct profile *profile;
	struct explain_style style;
};

static int read_wish(struct wish *w, const struct cli_parsed *p, struct err *err)
{
	w->form = form_find(explain_forms, cli_value(p, "output", "text"), err);
	if (!w->form) {
		return -(int)err->code;
	}
	if (p->words.n != 2) {
		return err_raise(err, ERR_USAGE,
		                 "explain SRC DST: two words, not %zu; see kennel explain --help",
		                 p->words.n);
	}
	w->style = (struct explain_style){ .colours = cli_is_terminal(1),
		                           .everything = cli_has(p, "all") };
	return analysis_profile(p, &w->profile, err);
}

static int observe(struct explanation *x, const struct cli_parsed *p, const struct cli_ops *ops,
                   struct err *err)
{
	struct cli_instance instance = { 0 };
	int r = cli_instance_of(p, &instance, err);

	if (r == 0) {
		r = p->program->live->explain(x, &instance, ops, err);
		cli_instance_fini(&instance);
	}
	return r;
}

static int explain(const struct wish *w, struct gathered *g, const struct cli_parsed *p,
                   const struct cli_ops *ops, struct err *err)
{
	scoped_strbuf struct strbuf out = { 0 };
	struct explanation x = { 0 };
	int r = explain_make(g->subject, slice_of(p->words.at[0]), slice_of(p->words.at[1]), &x,
	                     err);

	if (r == 0 && cli_has(p, "live")) {
		r = observe(&x, p, ops, err);
	}
	if (r == 0) {
		w->form->write(&out, &x, &w->style);
		r = analysis_print(&out, err);
	}
	if (r == 0) {
		r = x.reaches && !x.disagrees ? 0 : 1;
	}
	explanation_fini(&x);
	return r;
}

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct gathered g = { 0 };
	struct wish w = { 0 };
	struct err err = { 0 };
	int r = read_wish(&w, p, &err);

	(void)c;
	if (r == 0) {
		r = gather(&g, p, w.profile, &err);
	}
	if (r == 0) {
		(void)analysis_tell_problems(&g);
		r = explain(&w, &g, p, ops, &err);
	}
	gathered_fini(&g);
	if (r < 0) {
		(void)cli_fail(&err);
		return 2;
	}
	return r;
}

const struct cli_command cli_explain = {
	.name = "explain",
	.words = "SRC DST",
	.summary = "Say hop by hop why SRC reaches DST or not",
	.details = "SRC: internet, browser, an address, [kind/]name, namespace/name, "
		   "namespace:label=value\n"
		   "DST: a URL, host:port, an address, [kind/]name[:port], a database's name or "
		   "endpoint, database, cache\n"
		   "Exit status: 0 it reaches, 1 it does not or what was seen disagrees, 2 usage, "
		   "or nothing to read.",
	.live_details = CLI_WITHOUT_FILES
	"\nWith --live (as root) the instance is probed; with -f too, the files' "
	"prediction is held against it.",
	.options = options,
	.takes_instance = true,
	.run = run,
};
