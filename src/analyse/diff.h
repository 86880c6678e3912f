/* What: which flows a change of manifests opens, closes or alters, and which changed object did it.
 *
 * Both sides are whole matrices; they are compared over the joint of their ends, so nothing is
 * sampled: workloads by kind, namespace and name, the world outside by addresses. A cause is a
 * changed object that the changed side of the flow depends on: a policy that isolates it, labels
 * that selectors speak of, a Service that leads in from outside, container ports behind a named
 * port, or the workload itself that came or went. */
#pragma once

#include "analyse/form.h"
#include "analyse/matrix-subject.h"

struct diff_side { /* before, or after */
	struct subject *subject;
	struct matrix *matrix; /* both on one pool */
};

enum diff_kind { DIFF_OPENED, DIFF_CLOSED, DIFF_ALTERED, DIFF_KINDS };

struct diff_change { /* every 'from' to every 'to' */
	enum diff_kind kind;
	const char *from, *to;     /* names with commas between */
	ports_id before, after;    /* PORTS_NONE where there was (is) nobody */
	size_t n_pairs;            /* of ends */
	const char *const *causes; /* "NetworkPolicy shop/api changed (new.yaml:3)" */
	size_t n_causes;
	uint32_t cause_id; /* changes with equal causes share it; they stand together */
};

struct diff { /* zeroed before use */
	struct arena arena;
	struct ports_pool *pool; /* borrowed */
	VEC(struct diff_change) changes;
	size_t n[DIFF_KINDS];      /* pairs of ends */
	struct matrix_notes notes; /* of either side, each once */
	bool opens, closes;        /* something; an altered flow may do both */
};
void diff_run(struct diff *d, const struct diff_side *before, const struct diff_side *after);
void diff_fini(struct diff *d);

void diff_text(struct strbuf *out, const struct diff *d);
void diff_markdown(struct strbuf *out, const struct diff *d);
void diff_json(struct strbuf *out, const struct diff *d);
void diff_yaml(struct strbuf *out, const struct diff *d);

struct diff_form {
	const char *name;
	void (*write)(struct strbuf *out, const struct diff *d);
};
extern const struct diff_form diff_forms[];
