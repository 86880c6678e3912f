/* Why: findings where other programs show them: JUnit XML for build servers, Markdown for pull requests; and the
 * page of the catalogue (docs/checks.md). */
#include "analyse/markup.h"
#include "analyse/report.h"

/* ---- JUnit ---- */

static void xml(struct strbuf *out, const char *text)
{
	markup_add_lines(out, slice_of(text));
}

static void junit_failure(struct strbuf *out, const struct finding *f)
{
	scoped_strbuf struct strbuf text = { 0 };

	position_text(&text, f->object, f->at);
	strbuf_addf(&text, ": %s\n", f->cause);
	for (size_t i = 0; i < f->evidence.n; i++) {
		position_text(&text, f->evidence.at[i].object, f->evidence.at[i].at);
		strbuf_addf(&text, ": %s\n", f->evidence.at[i].text);
	}
	strbuf_addf(&text, "Seen as: %s\nRepair: %s", f->symptom ? f->symptom : f->rule->symptom,
	            f->repair ? f->repair : f->rule->fix);
	strbuf_addf(out, "      <failure type=\"%s\" message=\"", severity_text(f->severity));
	xml(out, f->cause);
	strbuf_adds(out, "\">");
	xml(out, strbuf_str(&text));
	strbuf_adds(out, "</failure>\n");
}

static void junit_case(struct strbuf *out, const struct report *r, const struct rule *rule)
{
	bool failed = false;

	strbuf_addf(out, "    <testcase classname=\"kennel.check.%s\" name=\"%s ", rule->id,
	            rule->id);
	xml(out, rule->title);
	strbuf_adds(out, "\"");
	for (size_t i = 0; i < r->findings->all.n; i++) {
		if (r->findings->all.at[i]->rule == rule) {
			strbuf_adds(out, failed ? "" : ">\n");
			failed = true;
			junit_failure(out, r->findings->all.at[i]);
		}
	}
	strbuf_adds(out, failed ? "    </testcase>\n" : "/>\n");
}

static size_t n_failed(const struct report *r, const struct rule *rule)
{
	for (size_t i = 0; i < r->findings->all.n; i++) {
		if (r->findings->all.at[i]->rule == rule) {
			return 1;
		}
	}
	return 0;
}

void report_junit(struct strbuf *out, const struct report *r)
{
	size_t tests = 0, failures = 0, errors = r->n_problems;

	rule_each(rule)
	{
		if (rule->check) {
			tests++;
			failures += n_failed(r, rule);
		}
	}
	strbuf_addf(out,
	            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	            "<testsuites tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n"
	            "  <testsuite name=\"kennel check\" tests=\"%zu\" failures=\"%zu\" "
	            "errors=\"%zu\">\n",
	            tests + errors, failures, errors, tests + errors, failures, errors);
	for (size_t i = 0; i < r->n_problems; i++) {
		strbuf_addf(out,
		            "    <testcase classname=\"kennel.check.input\" name=\"input %zu\">\n  "
		            "    <error message=\"",
		            i + 1);
		xml(out, r->problems[i]);
		strbuf_adds(out, "\"/>\n    </testcase>\n");
	}
	rule_each(rule)
	{
		if (rule->check) {
			junit_case(out, r, rule);
		}
	}
	strbuf_adds(out, "  </testsuite>\n</testsuites>\n");
}

/* ---- Markdown ---- */

static void markdown_one(struct strbuf *out, const struct finding *f)
{
	scoped_strbuf struct strbuf where = { 0 };

	position_text(&where, f->object, f->at);
	strbuf_addf(out, "| %s | %s | ", severity_text(f->severity), f->rule->id);
	markup_add_cell(out, f->cause);
	strbuf_adds(out, " | ");
	markup_add_cell(out, strbuf_str(&where));
	strbuf_adds(out, " | ");
	markup_add_cell(out, f->repair ? f->repair : f->rule->fix);
	strbuf_adds(out, " |\n");
}

void report_markdown(struct strbuf *out, const struct report *r)
{
	strbuf_addf(out, "### kennel check: %zu finding%s in %zu object%s\n\n", r->findings->all.n,
	            r->findings->all.n == 1 ? "" : "s", r->subject->n_objects,
	            r->subject->n_objects == 1 ? "" : "s");
	if (r->findings->all.n) {
		strbuf_adds(
			out,
			"| severity | check | cause | where | repair |\n|---|---|---|---|---|\n");
	}
	for (size_t i = 0; i < r->findings->all.n; i++) {
		markdown_one(out, r->findings->all.at[i]);
	}
	for (size_t i = 0; i < r->n_problems; i++) {
		strbuf_adds(out, i ? "- not read: " : "\n- not read: ");
		markup_add_cell(out, r->problems[i]);
		strbuf_addc(out, '\n');
	}
	for (size_t i = 0; i < r->subject->left_out.n; i++) {
		const struct left_out *x = &r->subject->left_out.at[i];

		strbuf_addf(out, "%s- not considered: %zu x " SLICE_FMT " (" SLICE_FMT ")\n",
		            i || r->n_problems ? "" : "\n", x->n, SLICE_ARG(x->kind),
		            SLICE_ARG(x->api_version));
	}
}

/* ---- the page of the catalogue ---- */

static void catalogue_rule(struct strbuf *out, const struct rule *r)
{
	strbuf_addf(out, "### %s %s\n\n%s, %s; %s\n\n", r->id, r->title, severity_text(r->severity),
	            certainty_text(r->certainty), hop_text(r->hop));
	strbuf_addf(out, "- **Seen as:** %s\n- **Cause:** %s\n", r->symptom, r->cause);
	strbuf_addf(out, "- **In files:** %s\n", r->check ? r->evidence : "not to be seen.");
	strbuf_addf(out, "- **Live:** %s\n- **Repair:** %s\n- **Documented in:** %s\n\n", r->probe,
	            r->fix, r->sources);
}

void catalogue_markdown(struct strbuf *out)
{
	strbuf_adds(out, "# Checks\n\n"
	                 "Made by `kennel check --list -o markdown`. An id stays for ever. "
	                 "Certainty: *exact* is decided by "
	                 "the files alone; *likely* could be proved wrong by the program or its "
	                 "image; *context* needs facts "
	                 "about the target and is reported with `--profile` only.\n\n"
	                 "A finding is accepted by an annotation of the object or of its "
	                 "namespace, with a reason: "
	                 "`kennel.dev/ignore: \"NP002 the label is put on by the platform team\"`, "
	                 "several separated by `;`.\n\n"
	                 "| id | check | severity | certainty |\n|---|---|---|---|\n");
	rule_each(rule)
	{
		strbuf_addf(out, "| %s | ", rule->id);
		markup_add_cell(out, rule->title);
		strbuf_addf(out, " | %s | %s |\n", severity_text(rule->severity),
		            certainty_text(rule->certainty));
	}
	for (const struct family *const *f = rule_families; *f; f++) {
		strbuf_addf(out, "\n## %s: %s\n\n", (*f)->prefix, (*f)->title);
		for (const struct rule *r = (*f)->rules; r->id; r++) {
			catalogue_rule(out, r);
		}
		out->size--; /* one empty line between families */
		out->p[out->size] = 0;
	}
}
