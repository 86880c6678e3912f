/* Why: `kennel check`: what is wrong with these manifests, or with what runs, before a user finds out. Reads, asks
 * analyse/, prints; decides nothing itself. */
#include <stdio.h>
#include <string.h>

#include "analyse/report.h"
#include "base/mem.h"
#include "cli/analysis.h"
#include "cli/edits.h"
#include "codec/json.h"
#include "manifest/text.h"

static const struct cli_option options[] = {
	{ "filename", 'f', "FILE",
	  "manifests: a file, a folder, a kustomization, or - (may be repeated)" },
	{ "kubeconfig", 0, "FILE", "read a running cluster instead", true },
	{ "output", 'o', "FORMAT", "text (default), json, yaml, sarif, junit, markdown or html" },
	{ "severity", 0, "LEAST", "info (default), warn or error: milder findings are left away" },
	{ "profile", 0, "NAME", ANALYSIS_PROFILE_HELP },
	{ "baseline", 0, "FILE",
	  "an earlier report (-o json): what it tells is known and left away" },
	{ "fix-dry-run", 0, NULL, "print mechanical repairs as a patch, change nothing" },
	{ "list", 0, NULL, "all checks (-o text, json, yaml or markdown)" },
	{ 0 },
};

struct wish {
	const struct report_form *form;
	const struct profile *profile;
	struct findings_filter filter;
	struct arena arena; /* of the baseline */
};

/* ---- what is wanted ---- */

static int read_severity(struct wish *w, const char *name, struct err *err)
{
	for (int s = SEVERITY_INFO; s <= SEVERITY_ERROR; s++) {
		if (strcmp(name, severity_text(s)) == 0) {
			w->filter.least = s;
			return 0;
		}
	}
	return err_raise(err, ERR_USAGE, "--severity %s: info, warn or error", name);
}

enum { BASELINE_MAX = 256 << 20 };

static int read_baseline(struct wish *w, const char *path, struct err *err)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct val *v = NULL;
	int r = path ? text_read(path, BASELINE_MAX, &text, err) : 0;

	if (r < 0 || !path) {
		return r;
	}
	r = json_parse(&w->arena, strbuf_slice(&text), 0, &v, err);
	if (r < 0) {
		return err_while(err, r, "%s", path);
	}
	if (!val_get(v, "findings")) {
		return err_raise(err, ERR_SYNTAX, "%s is no report of 'kennel check -o json'",
		                 path);
	}
	w->filter.baseline = v;
	return 0;
}

static int read_wish(struct wish *w, const struct cli_parsed *p, struct err *err)
{
	int r;

	w->form = form_find(report_forms, cli_value(p, "output", "text"), err);
	r = w->form ? read_severity(w, cli_value(p, "severity", "info"), err) : -(int)err->code;
	if (r == 0) {
		r = analysis_profile(p, &w->profile, err);
	}
	return r < 0 ? r : read_baseline(w, cli_value(p, "baseline", NULL), err);
}

/* ---- the catalogue ---- */

static int print_list(const struct wish *w, struct err *err)
{
	scoped_strbuf struct strbuf out = { 0 };

	if (!w->form->catalogue) {
		(void)err_raise(err, ERR_USAGE, "--list -o %s: text, json, yaml or markdown",
		                w->form->name);
		return cli_fail(err);
	}
	w->form->catalogue(&out);
	fputs(strbuf_str(&out), stdout);
	return 0;
}

static int print_rule(const char *id, struct err *err)
{
	scoped_strbuf struct strbuf out = { 0 };
	const struct rule *rule = rule_find(slice_of(id));

	if (!rule) {
		(void)err_raise(err, ERR_USAGE,
		                "there is no check %s; 'kennel check --list' shows all", id);
		return cli_fail(err);
	}
	rule_text(&out, rule);
	fputs(strbuf_str(&out), stdout);
	return 0;
}

/* ---- the check ---- */

static void print_report(const struct wish *w, const struct gathered *g,
                         const struct findings *found)
{
	scoped_strbuf struct strbuf out = { 0 };
	struct report r = {
		.subject = g->subject,
		.findings = found,
		.problems = (const char *const *)g->manifests.problems.at,
		.n_problems = g->manifests.problems.n,
		.version = KENNEL_VERSION,
		.colours = cli_is_terminal(1),
	};

	w->form->report(&out, &r);
	fwrite(strbuf_str(&out), 1, out.size, stdout);
}

static int check(const struct wish *w, const struct cli_parsed *p, struct err *err)
{
	struct gathered g = { 0 };
	struct findings found = { 0 };
	int status = 0;

	if (gather(&g, p, w->profile, err) < 0) {
		gathered_fini(&g);
		(void)cli_fail(err);
		return 2;
	}
	check_all(g.subject, &found);
	findings_finish(&found, g.subject, &w->filter);
	if (cli_has(p, "fix-dry-run")) {
		status = edits_print(stdout, &found, err) < 0 ? cli_fail(err) : 0;
	} else {
		print_report(w, &g, &found);
	}
	if (!status) {
		status = g.manifests.problems.n ? 2 : found.all.n ? 1 : 0;
	}
	findings_fini(&found);
	gathered_fini(&g);
	return status;
}

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct wish w = { 0 };
	struct err err = { 0 };
	int status;

	(void)c;
	(void)ops;
	if (read_wish(&w, p, &err) < 0) {
		(void)cli_fail(&err);
		status = 2;
	} else if (cli_has(p, "list")) {
		status = print_list(&w, &err);
	} else if (p->words.n == 2 && strcmp(p->words.at[0], "explain") == 0) {
		status = print_rule(p->words.at[1], &err);
	} else if (p->words.n) {
		(void)err_raise(&err, ERR_USAGE,
		                "check: 'explain ID' or nothing, not \"%s\"; manifests come by -f",
		                p->words.at[0]);
		status = cli_fail(&err);
	} else {
		status = check(&w, p, &err);
	}
	arena_fini(&w.arena);
	return status;
}

const struct cli_command cli_check = {
	.name = "check",
	.words = "[explain ID]",
	.summary = "Find out why A will not reach B",
	.details = "Exit status: 0 nothing found, 1 findings, 2 usage, or input that could not be "
		   "read (the rest is\n"
		   "checked all the same).",
	.live_details = CLI_WITHOUT_FILES,
	.options = options,
	.takes_instance = true,
	.run = run,
};
