/* Why: `kennel graph`: who depends on whom, read out of values, with the place where each dependency is written. */
#include <string.h>

#include "analyse/graph.h"
#include "base/mem.h"
#include "cli/analysis.h"

static const struct cli_option options[] = {
	{ "filename", 'f', "FILE",
	  "manifests: a file, a folder, a kustomization, or - (may be repeated)" },
	{ "kubeconfig", 0, "FILE", "read a running cluster instead" },
	{ "output", 'o', "FORMAT", "text (default), json, dot, svg or html" },
	{ "namespace", 'n', "NAME", "only what is in this namespace or concerns it" },
	{ "profile", 0, "NAME", ANALYSIS_PROFILE_HELP },
	{ 0 },
};

struct form {
	const char *name;
	void (*write)(struct strbuf *out, const struct graph *g);
};
static const struct form forms[] = {
	{ "text", graph_text }, { "json", graph_json }, { "dot", graph_dot },
	{ "svg", graph_svg },   { "html", graph_html },
};

static int read_form(const char *name, const struct form **ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (strcmp(name, forms[i].name) == 0) {
			*ret = &forms[i];
			return 0;
		}
	}
	return err_raise(err, ERR_USAGE, "-o %s: text, json, dot, svg or html", name);
}

static int print(struct subject *s, const struct form *form, const char *ns, struct err *err)
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
	const struct form *form = NULL;
	struct err err = { 0 };
	bool incomplete = false;
	int r = read_form(cli_value(p, "output", "text"), &form, &err);

	(void)c;
	(void)ops;
	r = r ? r : analysis_profile(p, &profile, &err);
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
	.options = options,
	.takes_instance = true,
	.run = run,
};
