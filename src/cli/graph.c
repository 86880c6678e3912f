/* Why: `kennel graph`: who depends on whom, read out of values, with the place where each dependency is written. */
#include "analyse/graph.h"
#include "base/mem.h"
#include "cli/analysis.h"

static const struct cli_option options[] = {
	{ "filename", 'f', "FILE",
	  "manifests: a file, a folder, a kustomization, or - (may be repeated)" },
	{ "kubeconfig", 0, "FILE", "read a running cluster instead", true },
	{ "output", 'o', "FORMAT", "text (default), json, yaml, dot, svg or html" },
	{ "namespace", 'n', "NAME", "only what is in this namespace or concerns it" },
	{ "profile", 0, "NAME", ANALYSIS_PROFILE_HELP },
	{ 0 },
};

static int print(struct subject *s, const struct graph_form *form, const char *ns, struct err *err)
{
	scoped_strbuf struct strbuf out = { 0 };
	struct graph *g;

	if (ns[0] && !subject_space(s, slice_of(ns))) {
		return err_raise(err, ERR_NOTFOUND, "nothing is in namespace %s", ns);
	}
	g = graph_new(s, slice_of(ns));
	form->write(&out, g);
	graph_free(g);
	return analysis_print(&out, err);
}

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct gathered gathered = { 0 };
	const struct profile *profile = NULL;
	const struct graph_form *form = NULL;
	struct err err = { 0 };
	bool incomplete = false;
	int r;

	(void)c;
	(void)ops;
	form = form_find(graph_forms, cli_value(p, "output", "text"), &err);
	r = form ? analysis_profile(p, &profile, &err) : -(int)err.code;
	r = r ? r : gather(&gathered, p, profile, &err);
	if (r == 0) {
		incomplete = analysis_tell_problems(&gathered);
		r = print(gathered.subject, form, cli_value(p, "namespace", ""), &err);
	}
	gathered_fini(&gathered);
	if (r < 0) {
		(void)cli_fail(&err);
		return 2;
	}
	return incomplete ? 2 : 0;
}

const struct cli_command cli_graph = {
	.name = "graph",
	.words = "",
	.summary = "Show who depends on whom, read out of values",
	.details = "URLs, DSNs and host:port in variables, ConfigMaps, Secrets, arguments and "
		   "server configuration. Nothing\n"
		   "secret is printed. Exit status: 0, or 2 when some input could not be read.",
	.live_details = CLI_WITHOUT_FILES,
	.options = options,
	.takes_instance = true,
	.run = run,
};
