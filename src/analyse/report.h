/* What: findings and the catalogue as text for people and for machines. All append to 'out'. */
#pragma once

#include "analyse/form.h"
#include "analyse/rule.h"

struct report {
	const struct subject *subject;
	const struct findings *findings;
	const char *const *problems; /* "file:3:4: ..." of what could not be read */
	size_t n_problems;
	const char *version; /* of the program */
	bool colours;
};
void report_text(struct strbuf *out, const struct report *r);
void report_json(struct strbuf *out, const struct report *r);
void report_yaml(struct strbuf *out, const struct report *r);
void report_sarif(struct strbuf *out, const struct report *r); /* SARIF 2.1.0 */
void report_junit(struct strbuf *out, const struct report *r);
void report_markdown(struct strbuf *out, const struct report *r);
void report_html(struct strbuf *out, const struct report *r);
/* "2 errors, 1 warning, 0 info in 20 objects." with a line end. */
void report_summary(struct strbuf *out, const struct report *r);

/* The catalogue, or one class of it. */
void catalogue_text(struct strbuf *out);
void catalogue_markdown(struct strbuf *out); /* docs/checks.md */
void catalogue_json(struct strbuf *out);
void catalogue_yaml(struct strbuf *out);
void rule_text(struct strbuf *out, const struct rule *r);

struct report_form {
	const char *name;
	void (*report)(struct strbuf *out, const struct report *r);
	void (*catalogue)(struct strbuf *out); /* null: not in this form */
};
extern const struct report_form report_forms[];
