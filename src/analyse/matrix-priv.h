/* What: the inside of a matrix, shared by matrix.c (cells) and matrix-ends.c (rows and columns). */
#pragma once

#include "analyse/matrix.h"

struct matrix_own {    /* what a side says about one pair of classes that rows name */
	uint32_t peer; /* the destination's class */
	ports_id ports;
};
struct matrix_sides {    /* one direction */
	ports_id *any;   /* by subject's class: what everybody gets; all when not isolated */
	uint32_t *start; /* by source's class: first of its entries in own; one more at the end */
	struct matrix_own *own; /* includes 'any' of the subject */
};

struct matrix {
	struct arena arena;
	struct ports_pool *pool;          /* borrowed */
	struct matrix_world world;        /* what it points to is borrowed */
	const struct policy_table *table; /* borrowed from the model */
	uint32_t n_classes;               /* ids are below */
	struct matrix_sides sides[POLICY_DIRECTIONS];
	struct matrix_end *ends;
	size_t n_ends;
	uint32_t *end_of;    /* by workload */
	uint32_t node_class; /* of an address of a node */
	/* one row */
	uint32_t row_of;    /* whose row it is; UINT32_MAX: none yet */
	ports_id *out, *in; /* by class of the destination */
	ports_id *row;      /* by end */
};

/* Makes ends, end_of and node_class. */
void matrix_make_ends(struct matrix *m);
