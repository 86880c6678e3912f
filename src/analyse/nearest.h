/* What: what somebody probably meant: the name or the labels nearest to those that were written. */
#pragma once

#include "analyse/subject.h"

/* Insertions, deletions, changes and swaps of neighbours that make b of a; at most 'max' + 1. */
unsigned edit_distance(struct slice a, struct slice b, unsigned max);

/* The object of that kind in the namespace whose name is nearest and near enough to be meant, or null. */
const struct object *nearest_object(const struct subject *s, enum object_kind id, struct slice ns,
                                    struct slice name);

/* How a workload's labels differ from wanted pairs. */
struct near_labels {
	const struct workload *workload; /* null: nothing is near */
	const struct val *wanted;        /* the first pair that does not fit */
	const struct val
		*has;     /* the pod's label that was probably meant; null: the key is missing */
	bool key_differs; /* 'has' carries the value under another key */
	size_t n_wrong;   /* pairs that do not fit */
};
/* Among the workloads of a namespace; pairs: an object of strings. */
struct near_labels nearest_labels(const struct space *space, const struct val *pairs);
/* "app=web, tier=db"; "no labels" when there are none. */
void labels_text(struct strbuf *out, const struct val *labels);
/* Are all pairs among the labels? */
bool labels_have(const struct val *labels, const struct val *pairs);
