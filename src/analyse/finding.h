/* What: what a check found: the rule, the cause in one sentence, the objects and lines that prove it, what
 * a user would see, what to do; and a collection of them: in order (the cause first), without what was
 * accepted (annotation, baseline). */
#pragma once

#include "analyse/subject.h"
#include "base/arena.h"
#include "base/strbuf.h"
#include "base/vec.h"

struct rule;

enum severity { SEVERITY_INFO, SEVERITY_WARN, SEVERITY_ERROR };
enum certainty { CERTAINTY_CONTEXT, CERTAINTY_LIKELY, CERTAINTY_EXACT };
const char *severity_text(enum severity s);   /* "error" */
const char *certainty_text(enum certainty c); /* "exact" */

struct evidence {
	const struct object *object;
	const struct val *at; /* where in it; null: the object */
	const char *text;
};

/* A mechanical change of a file: the text of a scalar or the name of a member is replaced, or lines are added below. */
enum edit_type { EDIT_REPLACE, EDIT_RENAME, EDIT_INSERT };
struct edit {
	enum edit_type type;
	const struct object *object;
	const struct val *at; /* the scalar; or the last line of the node after which lines come */
	const char *text;     /* new text; lines carry their indentation relative to that of 'at' */
};

struct finding {
	const struct rule *rule;
	enum severity severity;       /* of the rule, unless the case is milder */
	const struct object *object;  /* what has to be changed */
	const struct val *at;         /* the place in it */
	const char *cause;            /* one sentence that names the cause, with names */
	const char *symptom, *repair; /* of this case; else the rule's own */
	VEC(struct evidence) evidence;
	VEC(struct edit) edits;
	const struct finding *because; /* another finding that explains this one, or null */
	const char *fingerprint;       /* stays the same when lines move; made by findings_finish */
};

struct findings {
	struct arena arena;
	VEC(struct finding *) all;
	size_t n_suppressed, n_baseline, n_below; /* left away, by why */
	VEC(const char *) notes; /* about the analysis itself: "file:3:4: kennel.dev/ignore: ..." */
};
void findings_fini(struct findings *f);

/* ---- for rules ---- */
struct check { /* what a rule's function gets */
	struct subject *subject;
	struct findings *found;
	const struct rule *rule;
	size_t n; /* of this rule so far */
};
/* A new finding; the sentence starts with a capital letter and ends with a full stop. Never null. */
struct finding *check_found(struct check *c, const struct object *o, const struct val *at,
                            const char *cause, ...) PRINTF_LIKE(4, 5);
void finding_shows(struct check *c, struct finding *f, const struct object *o, const struct val *at,
                   const char *text, ...) PRINTF_LIKE(5, 6);
void finding_symptom(struct check *c, struct finding *f, const char *fmt, ...) PRINTF_LIKE(3, 4);
void finding_repair(struct check *c, struct finding *f, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The scalar at 'at' gets another text. */
void finding_replace(struct check *c, struct finding *f, const struct object *o,
                     const struct val *at, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* The member at 'at' gets another name. */
void finding_rename(struct check *c, struct finding *f, const struct object *o,
                    const struct val *at, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Lines are put below the line on which 'at' (a scalar member or element) stands, indented as it. */
void finding_insert(struct check *c, struct finding *f, const struct object *o,
                    const struct val *at, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* ---- for commands ---- */
struct findings_filter {
	enum severity least;
	const struct val *baseline; /* an earlier report as JSON, or null */
};
/* Orders, links causes, makes fingerprints, and leaves away what was accepted. */
void findings_finish(struct findings *f, const struct subject *s,
                     const struct findings_filter *filter);
/* "spec.ports[0].targetPort", "" for the object itself. */
void finding_path(const struct finding *f, struct strbuf *out);
/* False for objects out of a cluster or a profile: their lines mean nothing. Their file is "(cluster)", "(profile eks)". */
bool object_has_place(const struct object *o);
/* "file:3:4" as far as known. */
void position_text(struct strbuf *out, const struct object *o, const struct val *at);
/* Does its annotation kennel.dev/ignore ("NP002 reason; SVC005 reason") accept the rule of that id? */
bool object_accepts(const struct object *o, const char *rule);
/* "Deployment shop/web" */
void object_text(struct strbuf *out, const struct object *o);
