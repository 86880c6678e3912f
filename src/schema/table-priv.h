/* What: how the files of this room describe a kind's table. A kind is a list of columns and one
 * function that appends one cell per column, in order. */
#pragma once

#include "base/strbuf.h"
#include "schema/object.h"

struct column {
	const char *name;
	const char *type;   /* null: "string" */
	const char *format; /* null: "" */
	int priority;       /* above 0: only in wide output */
};

struct row {
	struct arena *arena;      /* where cells are made */
	struct val *cells;        /* state: the array so far */
	const struct val *object; /* borrowed */
	int64_t now_us;           /* wall clock */
};

typedef void row_fn(struct row *r);

struct table {
	const char *group, *kind;
	const struct column *columns;
	size_t n;
	row_fn *fill;
};

#define COLUMN_NAME                                                                                \
	{                                                                                          \
		"Name", .format = "name"                                                           \
	}
#define TABLE(g, k, c, f)                                                                          \
	{                                                                                          \
		(g), (k), (c), ARRAY_SIZE(c), (f)                                                  \
	}

/* The tables of each file; null-terminated by kind. */
extern const struct table table_pods[], table_workloads[], table_network[], table_cluster[];

void cell_str(struct row *r, struct slice s);
void cell_cstr(struct row *r, const char *s);
/* s, or 'otherwise' when it is empty. */
void cell_str_or(struct row *r, struct slice s, const char *otherwise);
void cell_strf(struct row *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cell_int(struct row *r, int64_t i);
void cell_bool(struct row *r, bool b);
void cell_name(struct row *r);
/* Age of an RFC 3339 time value; "<unknown>" when absent. */
void cell_age(struct row *r, const struct val *time);
void cell_created_age(struct row *r);
/* Text so far of a builder, or 'otherwise' when empty; resets it. */
void cell_take(struct row *r, struct strbuf *text, const char *otherwise);
/* A metav1.LabelSelector as text, "<none>" when empty. */
void cell_selector(struct row *r, const struct val *label_selector);
/* A map of labels as "a=b,c=d", "<none>" when empty. */
void cell_labels(struct row *r, const struct val *map);
/* Two cells: names and images of the containers of a pod spec. */
void cell_containers(struct row *r, const struct val *pod_spec);
/* Appends ", " or "," etc. unless out is empty. */
void join(struct strbuf *out, const char *separator);
/* Joins up to 'most' texts and says how many more there are. */
struct some {
	struct strbuf text; /* owned */
	size_t n, most;
};
void some_add(struct some *s, struct slice text);
void cell_some(struct row *r, struct some *s, const char *otherwise); /* resets s */
