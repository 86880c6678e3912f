/* What: the inside of the library's handles. */
#pragma once

#include "analyse/diff.h"
#include "analyse/explain.h"
#include "analyse/graph.h"
#include "analyse/report.h"
#include "analyse/verify.h"
#include "kennel/analyse.h"
#include "manifest/manifest.h"

struct kennel_input {
	struct manifests manifests;
	struct profile profile;
	struct subject *subject; /* owned */
	bool ready;              /* asked something */
};
/* Ends the adding of objects. */
void input_ready(struct kennel_input *in);

enum answer_type {
	ANSWER_CHECK,
	ANSWER_EXPLAIN,
	ANSWER_MATRIX,
	ANSWER_DIFF,
	ANSWER_VERIFY,
	ANSWER_GRAPH,
};
struct kennel_answer {
	enum answer_type type;
	struct arena arena;
	struct kennel_input *in; /* borrowed */
	struct findings findings;
	VEC(const struct kennel_finding *) public; /* of 'findings'; in the arena */
	struct explanation explanation;
	struct ports_pool *pool;
	struct matrix *matrix, *before;
	struct matrix_view *view;
	struct diff diff;
	struct verify verify;
	struct graph *graph;
};
struct kennel_answer *answer_new(enum answer_type type, struct kennel_input *in);
/* Fills answer->public. */
void answer_publish(struct kennel_answer *a);

/* Hands the failure over; returns its status. error may be null. */
int error_give(struct kennel_error *error, const struct err *err);
