/* Why: findings for a tired person: the first line names the cause, then where, what proves it, what a user would
 * see, what to do. */
#include "analyse/report.h"

static void paint(struct strbuf *out, const struct report *r, const char *code, const char *text)
{
	if (r->colours) {
		strbuf_addf(out, "\033[%sm%s\033[0m", code, text);
	} else {
		strbuf_adds(out, text);
	}
}

static void field(struct strbuf *out, const char *name)
{
	strbuf_addf(out, "  %-8s ", name);
}

static void place(struct strbuf *out, const struct object *o, const struct val *at)
{
	position_text(out, o, at);
	strbuf_adds(out, "  ");
	object_text(out, o);
}

static void one(struct strbuf *out, const struct report *r, const struct finding *f)
{
	static const char *const colours[] = { "36", "33", "31" };
	scoped_strbuf struct strbuf path = { 0 };

	paint(out, r, colours[f->severity], severity_text(f->severity));
	strbuf_addc(out, ' ');
	paint(out, r, "1", f->rule->id);
	strbuf_addf(out, "  %s\n", f->cause);
	field(out, "where");
	place(out, f->object, f->at);
	finding_path(f, &path);
	if (path.size) {
		strbuf_addf(out, "  %s", strbuf_str(&path));
	}
	strbuf_addc(out, '\n');
	for (size_t i = 0; i < f->evidence.n; i++) {
		const struct evidence *e = &f->evidence.at[i];

		field(out, i ? "" : "shown by");
		place(out, e->object, e->at);
		strbuf_addf(out, ": %s\n", e->text);
	}
	if (f->because) {
		field(out, "follows");
		strbuf_addf(out, "from %s above; it may go away with that one\n",
		            f->because->rule->id);
	}
	field(out, "seen as");
	strbuf_addf(out, "%s\n", f->symptom ? f->symptom : f->rule->symptom);
	field(out, "repair");
	strbuf_addf(out, "%s%s\n\n", f->repair ? f->repair : f->rule->fix,
	            f->edits.n ? " (--fix-dry-run shows it as a patch)" : "");
}

static void plural(struct strbuf *out, size_t n, const char *noun)
{
	strbuf_addf(out, "%zu %s%s", n, noun, n == 1 ? "" : "s");
}

void report_summary(struct strbuf *out, const struct report *r)
{
	size_t by[3] = { 0 };

	for (size_t i = 0; i < r->findings->all.n; i++) {
		by[r->findings->all.at[i]->severity]++;
	}
	if (!r->findings->all.n) {
		strbuf_adds(out, "No findings");
	} else {
		plural(out, by[SEVERITY_ERROR], "error");
		strbuf_adds(out, ", ");
		plural(out, by[SEVERITY_WARN], "warning");
		strbuf_addf(out, ", %zu info", by[SEVERITY_INFO]);
	}
	strbuf_adds(out, " in ");
	plural(out, r->subject->n_objects, "object");
	if (r->findings->n_suppressed) {
		strbuf_addf(out, "; %zu accepted by annotation", r->findings->n_suppressed);
	}
	if (r->findings->n_baseline) {
		strbuf_addf(out, "; %zu known from the baseline", r->findings->n_baseline);
	}
	if (r->findings->n_below) {
		strbuf_addf(out, "; %zu below the threshold", r->findings->n_below);
	}
	strbuf_adds(out, ".\n");
}

static void left_out(struct strbuf *out, const struct subject *s)
{
	enum { TOLD = 100 }; /* kinds; -o json has them all */

	for (size_t i = 0; i < s->left_out.n && i < TOLD; i++) {
		const struct left_out *x = &s->left_out.at[i];

		strbuf_addf(out, "not considered: %zu x " SLICE_FMT " (" SLICE_FMT "), first ",
		            x->n, SLICE_ARG(x->kind), SLICE_ARG(x->api_version));
		place(out, x->first, NULL);
		strbuf_addc(out, '\n');
	}
	if (s->left_out.n > TOLD) {
		strbuf_addf(out, "not considered: %zu more kinds; -o json names them\n",
		            s->left_out.n - TOLD);
	}
}

void report_text(struct strbuf *out, const struct report *r)
{
	for (size_t i = 0; i < r->findings->all.n; i++) {
		one(out, r, r->findings->all.at[i]);
	}
	for (size_t i = 0; i < r->n_problems; i++) {
		strbuf_addf(out, "not read: %s\n", r->problems[i]);
	}
	for (size_t i = 0; i < r->findings->notes.n; i++) {
		strbuf_addf(out, "note: %s\n", r->findings->notes.at[i]);
	}
	left_out(out, r->subject);
	report_summary(out, r);
}

/* ---- the catalogue ---- */

void catalogue_text(struct strbuf *out)
{
	for (const struct family *const *f = rule_families; *f; f++) {
		strbuf_addf(out, "%s%s\n", f == rule_families ? "" : "\n", (*f)->title);
		for (const struct rule *rule = (*f)->rules; rule->id; rule++) {
			strbuf_addf(out, "  %-7s %-5s %-7s %s\n", rule->id,
			            severity_text(rule->severity), certainty_text(rule->certainty),
			            rule->title);
		}
	}
}

void rule_text(struct strbuf *out, const struct rule *r)
{
	strbuf_addf(out, "%s %s\n\n", r->id, r->title);
	strbuf_addf(out, "  %-11s %s, %s; breaks at: %s\n", "severity", severity_text(r->severity),
	            certainty_text(r->certainty), hop_text(r->hop));
	strbuf_addf(out, "  %-11s %s\n", "symptom", r->symptom);
	strbuf_addf(out, "  %-11s %s\n", "cause", r->cause);
	strbuf_addf(out, "  %-11s %s\n", "in files",
	            r->check ? r->evidence : "not to be seen in files.");
	strbuf_addf(out, "  %-11s %s\n", "live", r->probe);
	strbuf_addf(out, "  %-11s %s\n", "repair", r->fix);
	strbuf_addf(out, "  %-11s %s\n", "sources", r->sources);
	if (r->certainty == CERTAINTY_CONTEXT && r->check) {
		strbuf_adds(out, "\n  Reported only when --profile names the target's facts.\n");
	}
}

const struct report_form report_forms[] = {
	{ "text", report_text, catalogue_text },
	{ "json", report_json, catalogue_json },
	{ "yaml", report_yaml, catalogue_yaml },
	{ "sarif", report_sarif, NULL },
	{ "junit", report_junit, NULL },
	{ "markdown", report_markdown, catalogue_markdown },
	{ "html", report_html, NULL },
	{ 0 },
};
